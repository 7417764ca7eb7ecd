//! The language and the libraries, by the examples of Kubernetes' documentation and of cel-spec.

use super::run;

fn hold(cases: &[&str]) {
    let wrong: Vec<String> = cases
        .iter()
        .map(|source| (source, run(source)))
        .filter(|(_, result)| result != "true")
        .map(|(source, result)| format!("{source}\n  {result}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn say(cases: &[(&str, &str)]) {
    let wrong: Vec<String> = cases
        .iter()
        .map(|(source, wanted)| (source, wanted, run(source)))
        .filter(|(_, wanted, result)| !result.contains(*wanted))
        .map(|(source, wanted, result)| format!("{source}\n  wanted {wanted}\n  got    {result}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_language() {
    hold(&[
        r#""\u00e9" == 'é' && r'\n' == "\\n" && '''a
b''' == "a\nb""#,
        r"b'abc' == bytes('abc') && size(b'é') == 2 && size('é') == 1",
        "0x1F == 31 && -0x1 == -1 && 12u == uint(12) && 1e3 == 1000.0",
        "7 / 2 == 3 && -7 / 2 == -3 && -7 % 3 == -1 && 7.0 / 2.0 == 3.5",
        "1 < 2.5 && 2u < 3 && 3.5 > 3u",
        "dyn(1) == 1.0 && dyn(1) == 1u && dyn('1') != 1",
        "true || (1 / 0 == 1) && true",
        "(1 / 0 == 1) || true",
        "!(false && (1 / 0 == 1))",
        "[1, 2] + [3] == [1, 2, 3] && {'a': 1, 'b': 2} == {'b': 2, 'a': 1}",
        "type(1) == int && type('') == string && type([]) == list && type({}) == map && type(null) == null_type",
        "type(duration('1s')) == google.protobuf.Duration && type(ip('::1')) == net.IP && type(int) == type",
        "type(timestamp('2020-01-01T00:00:00Z')) == google.protobuf.Timestamp",
        "int('-5') == -5 && int(3.9) == 3 && int(-3.9) == -3 && uint(3.9) == 3u && double('1.5') == 1.5",
        "string(1.0) == '1' && string(1500000.0) == '1.5e+06' && string(0.00001) == '1e-05' && string(true) == 'true'",
        "string(b'abc') == 'abc' && bool('T') && !bool('0')",
        "[1, 2, 3].exists_one(x, x == 2) && !['a', 'a'].exists_one(x, x == 'a')",
        "[[1, 2], [3]].map(x, x.size()) == [2, 1] && {'a': 1}.map(k, k) == ['a']",
        "[1, 2, 3, 4].map(x, x % 2 == 0, x * 10) == [20, 40]",
        "{'a': 1, 'b': 2}.all(k, k < 'c') && 'a' in {'a': 1} && !('c' in {'a': 1})",
        "has({'a': {'b': 1}}.a.b) && !has({'a': {}}.a.b)",
        "1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 == 13",
    ]);
    // cel-go has these, Kubernetes' environment does not
    say(&[
        ("math.abs(1) == 1", "undeclared reference to 'math'"),
        ("cel.bind(x, 1, x) == 1", "undeclared reference to 'cel'"),
        ("base64.encode(b'a') == 'YQ=='", "undeclared reference to 'base64'"),
        ("'a'.reverse() == 'a'", "found no matching overload for 'reverse'"),
    ]);
    say(&[
        ("1 == 1.0", "found no matching overload for '_==_' applied to '(int, double)'"),
        ("'a' + 1", "found no matching overload for '_+_' applied to '(string, int)'"),
        ("int([1])", "found no matching overload for 'int' applied to '(list(int))'"),
        ("-duration('1s')", "found no matching overload for '-_'"),
        ("9223372036854775807 + 1", "integer overflow"),
        ("uint(-1)", "unsigned integer overflow"),
        ("5 % 0", "modulus by zero"),
        ("[1][3]", "index out of bounds: 3"),
        ("[dyn(1), dyn('a')].all(x, x > 0)", "no such overload"),
        ("duration('2562047h') + duration('2562047h')", "duration overflow"),
        ("format.ipv4()", "undeclared reference"),
    ]);
}

#[test]
fn texts() {
    hold(&[
        "'hello'.charAt(4) == 'o' && 'hello'.charAt(5) == ''",
        "'hello mellow'.indexOf('') == 0 && 'hello mellow'.indexOf('ello') == 1 && 'hello mellow'.indexOf('jello') == -1",
        "'hello mellow'.indexOf('', 2) == 2 && 'hello mellow'.indexOf('ello', 2) == 7",
        "'hello mellow'.lastIndexOf('') == 12 && 'hello mellow'.lastIndexOf('ello') == 7",
        "'hello mellow'.lastIndexOf('ello', 6) == 1",
        "['hello', 'mellow'].join() == 'hellomellow' && ['hello', 'mellow'].join(' ') == 'hello mellow' && [].join() == ''",
        "'hello hello'.replace('he', 'we') == 'wello wello' && 'hello hello'.replace('he', 'we', 1) == 'wello hello'",
        "'hello hello'.replace('he', 'we', 0) == 'hello hello' && 'hello'.replace('', '_') == '_h_e_l_l_o_'",
        "'hello hello hello'.split(' ') == ['hello', 'hello', 'hello'] && 'hello hello hello'.split(' ', 0) == []",
        "'hello hello hello'.split(' ', 2) == ['hello', 'hello hello'] && 'abc'.split('') == ['a', 'b', 'c']",
        "'tacocat'.substring(4) == 'cat' && 'tacocat'.substring(0, 4) == 'taco'",
        "'  \\ttrim\\n    '.trim() == 'trim' && 'TacoCat'.lowerAscii() == 'tacocat' && 'TacoCÆt'.upperAscii() == 'TACOCÆT'",
        "strings.quote('a \"b\"\\n') == '\"a \\\\\"b\\\\\"\\\\n\"'",
        "'abc 123'.find('[0-9]+') == '123' && 'abc'.find('[0-9]+') == ''",
        "'123 abc 456'.findAll('[0-9]+') == ['123', '456'] && '123 abc 456'.findAll('[0-9]+', 1) == ['123']",
        "'123 abc 456'.findAll('[0-9]*', 0) == [] && matches('foobar', 'o+b')",
        "'%s and %d%% of %s'.format(['a', 5, true]) == 'a and 5% of true'",
        "'%x %X %o %b %b'.format([255, 'az', 8, 5, true]) == 'ff 617A 10 101 1' && '%x'.format([-17]) == '-11'",
        "'%.2f|%f'.format([3.14159, 12345.5]) == '3.14|12,345.500000'",
        "'%s'.format([['a', 1.5, null, [1]]]) == '[\"a\", 1.500000, null, [1]]'",
        "'%s'.format([{'b': 1, 'a': 'x'}]) == '{\"a\":\"x\", \"b\":1}'",
        "'%s'.format([[duration('90s'), timestamp('2023-02-03T23:31:20Z')]]) == '[duration(\"90s\"), timestamp(\"2023-02-03T23:31:20Z\")]'",
    ]);
    say(&[
        ("'tacocat'.substring(40)", "index out of range: 40"),
        ("'tacocat'.substring(4, 2)", "invalid substring range"),
        ("'abc'.matches('(' + '')", "error parsing regexp"),
        ("'%d'.format(['a'])", "decimal clause can only be used on integers, was given string"),
        ("'%s %s'.format(['a'])", "index 1 out of range"),
    ]);
}

#[test]
fn lists_sets_and_maps() {
    hold(&[
        "[1, 2, 3].isSorted() && !['b', 'a'].isSorted() && [].isSorted()",
        "[1, 3].sum() == 4 && [1.5, 2.0].sum() == 3.5 && [duration('1m'), duration('1s')].sum() == duration('61s')",
        "[3, 1].min() == 1 && ['a', 'c', 'b'].max() == 'c'",
        "[1, 2, 2, 3].indexOf(2) == 1 && ['a', 'b', 'b'].lastIndexOf('b') == 2 && [1.0].indexOf(1.1) == -1",
        "[1, 2, 2, 3, 3].distinct() == [1, 2, 3] && [dyn(1), dyn([dyn(2), dyn([3])])].flatten() == [dyn(1), dyn(2), dyn([3])]",
        "[dyn(1), dyn([dyn(2), dyn([dyn(3), dyn([4])])])].flatten(2) == [dyn(1), dyn(2), dyn(3), dyn([4])] && lists.range(3) == [0, 1, 2] && lists.range(0) == []",
        "[1, 2, 3, 4].slice(1, 3) == [2, 3] && [5, 3, 1].reverse() == [1, 3, 5] && [3, 2, 1].sort() == [1, 2, 3]",
        "['foo', 'ab', 'c'].sortBy(e, e.size()) == ['c', 'ab', 'foo']",
        "sets.contains([], []) && sets.contains([1, 2, 3, 4], [2, 3]) && !sets.contains([], [1])",
        "sets.equivalent([1], [1, 1]) && sets.equivalent([1, 2, 3], [3, 2, 1]) && sets.intersects([1], [1, 2])",
        "!sets.intersects([1], []) && sets.contains([dyn(1), dyn(2.0), dyn(3u)], [dyn(1.0), dyn(2u), dyn(3)])",
        "['a', 'b'].all(i, v, i < 2 && v < 'c') && {'a': 1}.exists(k, v, k == 'a' && v == 1)",
        "[1, 1, 2].existsOne(i, v, v == 2) && {'a': 1, 'b': 2}.transformMap(k, v, v > 1, v * 10) == {'b': 20}",
        "[10, 20].transformList(i, v, i > 0, v + i) == [21] && {'a': 'b'}.transformMapEntry(k, v, {v: k}) == {'b': 'a'}",
        "{'a': 1}[?'a'].value() == 1 && !{'a': 1}[?'b'].hasValue() && [1][?3].orValue(9) == 9",
        "{?'a': optional.none(), 'b': 1} == {'b': 1} && [?optional.of(1), ?optional.none()] == [1]",
        "optional.of(2).optMap(x, x * 2).value() == 4 && optional.none().or(optional.of(1)).value() == 1",
        "optional.ofNonZeroValue('') == optional.none() && optional.of({'a': {'b': 1}}).?a.?b.value() == 1",
        "optional.of(1).optFlatMap(x, optional.none()).orValue(7) == 7 && [1, 2].first().value() == 1",
        "optional.unwrap([optional.of(1), optional.none()]) == [1] && [optional.of(2)].unwrapOpt() == [2]",
    ]);
    say(&[
        ("[].min()", "min called on empty list"),
        ("[1, 2].slice(1, 5)", "cannot slice"),
        ("optional.none().value()", "optional.none() dereference"),
        ("lists.range(100000000)", "cost limit exceeded"),
    ]);
}

#[test]
fn addresses_and_urls() {
    hold(&[
        "isIP('127.0.0.1') && isIP('::1') && !isIP('127.0.0.256') && !isIP('::ffff:1.2.3.4') && !isIP('01.2.3.4')",
        "ip('127.0.0.1').family() == 4 && ip('::1').family() == 6 && ip.isCanonical('2001:db8::abcd')",
        "!ip.isCanonical('2001:DB8::ABCD') && !ip.isCanonical('2001:db8::0:0:0:abcd')",
        "ip('0.0.0.0').isUnspecified() && ip('::1').isLoopback() && ip('224.0.0.1').isLinkLocalMulticast()",
        "ip('fe80::1').isLinkLocalUnicast() && !ip('169.254.1.1').isGlobalUnicast() && ip('192.168.0.1').isGlobalUnicast()",
        "!ip('255.255.255.255').isGlobalUnicast() && string(ip('2001:DB8::1')) == '2001:db8::1'",
        "isCIDR('192.168.0.0/16') && !isCIDR('192.168.0.0/') && !isCIDR('192.168.0.0/33') && !isCIDR('10.0.0.0/08')",
        "cidr('192.168.0.0/24').containsIP('192.168.0.1') && !cidr('192.168.0.0/24').containsIP(ip('192.168.1.1'))",
        "cidr('192.168.0.0/16').containsCIDR('192.168.10.0/24') && !cidr('192.168.1.0/24').containsCIDR('192.168.0.0/16')",
        "cidr('192.168.0.1/24').ip() == ip('192.168.0.1') && cidr('192.168.0.1/24').masked() == cidr('192.168.0.0/24')",
        "cidr('::1/128').prefixLength() == 128 && string(cidr('192.168.0.0/16')) == '192.168.0.0/16'",
        "isURL('https://user:pass@example.com:80/path?query=val#fragment') && isURL('/absolute-path')",
        "!isURL('https://a:b:c/') && !isURL('../relative-path') && !isURL('') && isURL('mailto:a@b')",
        "url('https://example.com:80/').getScheme() == 'https' && url('/path').getScheme() == ''",
        "url('https://example.com:80/').getHost() == 'example.com:80' && url('https://[::1]:80/').getHost() == '[::1]:80'",
        "url('https://[::1]:80/').getHostname() == '::1' && url('/path').getHostname() == ''",
        "url('https://example.com:80/').getPort() == '80' && url('https://example.com/').getPort() == ''",
        "url('https://example.com/path with spaces/').getEscapedPath() == '/path%20with%20spaces/'",
        "url('https://example.com').getEscapedPath() == '' && url('/a%2Fb').getEscapedPath() == '/a%2Fb'",
        "url('https://example.com/path?k1=a&k2=b&k2=c').getQuery() == {'k1': ['a'], 'k2': ['b', 'c']}",
        "url('https://example.com/path?key with spaces=value+with%20spaces').getQuery() == {'key with spaces': ['value with spaces']}",
        "url('https://example.com/path?').getQuery() == {} && url('/path') == url('/path')",
    ]);
    say(&[
        ("ip('999.0.0.1')", "IP Address \"999.0.0.1\" parse error during conversion from string"),
        ("cidr('10.0.0.0')", "network address parse error during conversion from string"),
        ("url('../a')", "URL parse error during conversion from string"),
    ]);
}

#[test]
fn quantities_versions_and_formats() {
    hold(&[
        "isQuantity('1.3G') && isQuantity('1.3Gi') && !isQuantity('1,3G') && !isQuantity('1.3GiB') && !isQuantity('Three')",
        "quantity('50000000G').isInteger() && quantity('50k').asInteger() == 50000 && !quantity('1.5').isInteger()",
        "quantity('50k').isLessThan(quantity('100k')) && quantity('200M').compareTo(quantity('0.2G')) == 0",
        "quantity('50k').add(quantity('20k')) == quantity('70k') && quantity('50k').sub(20000) == quantity('30k')",
        "quantity('-1').sign() == -1 && quantity('0').sign() == 0 && quantity('200Mi').isGreaterThan(quantity('200M'))",
        "quantity('1500m').asApproximateFloat() == 1.5 && quantity('1k') == quantity('1000')",
        "isSemver('1.0.0') && !isSemver('v1.0') && isSemver('v1.0', true) && !isSemver('1.0.0-') && !isSemver('1.0.0-01')",
        "semver('1.2.3').major() == 1 && semver('v1.2', true).minor() == 2 && semver('01.02.03', true) == semver('1.2.3')",
        "semver('1.2.3').compareTo(semver('2.0.0')) == -1 && semver('1.0.0-beta.1').isLessThan(semver('1.0.0'))",
        "semver('1.0.0-alpha.2').isLessThan(semver('1.0.0-alpha.10')) && semver('1.0.0+a') == semver('1.0.0+b')",
        "!format.dns1123Label().validate('my-label-name').hasValue() && format.dns1123Label().validate('Bad').hasValue()",
        "format.dns1123Subdomain().validate('a.b').orValue([]) == [] && format.uri().validate('http://a.b').orValue([]) == []",
        "format.uuid().validate('123e4567-e89b-12d3-a456-426614174000').orValue([]) == [] && format.date().validate('2021-01-01') == optional.none()",
        "format.datetime().validate('2021-01-01T00:00:00Z') == optional.none() && format.byte().validate('aGVsbG8=') == optional.none()",
        "format.named('dns1035Label').hasValue() && !format.named('unknown').hasValue() && format.labelValue().validate('a b').hasValue()",
        "format.uuid().validate('x').value() == ['does not match the UUID format'] && format.byte().validate('!').value() == ['invalid base64']",
    ]);
    say(&[
        ("quantity('1.5').asInteger()", "cannot convert value to integer"),
        ("quantity('x')", "quantities must match the regular expression"),
        ("semver('a.b')", "ersion"),
    ]);
}

#[test]
fn times() {
    hold(&[
        "duration('1h45m') == duration('105m') && duration('1.5s').getMilliseconds() == 1500 && string(duration('-500ms')) == '-0.5s'",
        "duration('3730s').getHours() == 1 && duration('3730s').getMinutes() == 62 && duration('3730s').getSeconds() == 3730",
        "string(duration('1h')) == '3600s' && duration('1h') - duration('1m') == duration('59m')",
        "timestamp('2023-12-25T00:00:00Z').getFullYear() == 2023 && timestamp('2023-12-25T00:00:00Z').getMonth() == 11",
        "timestamp('2023-12-25T12:34:56.789Z').getDate() == 25 && timestamp('2023-12-25T12:34:56.789Z').getDayOfMonth() == 24",
        "timestamp('2023-12-25T12:34:56.789Z').getDayOfWeek() == 1 && timestamp('2023-12-25T12:34:56Z').getDayOfYear() == 358",
        "timestamp('2023-12-25T12:34:56.789Z').getMilliseconds() == 789 && timestamp('2023-12-25T00:30:00Z').getHours('-08:00') == 16",
        "timestamp('2023-12-25T00:00:00+01:00') == timestamp('2023-12-24T23:00:00Z') && int(timestamp('1970-01-01T00:01:00Z')) == 60",
        "timestamp('2023-12-25T00:00:00Z') + duration('24h') == timestamp('2023-12-26T00:00:00Z')",
        "timestamp('2023-12-26T00:00:00Z') - timestamp('2023-12-25T00:00:00Z') == duration('24h')",
        "string(timestamp('2023-12-25T00:00:00.5Z')) == '2023-12-25T00:00:00.5Z' && timestamp(0) == timestamp('1970-01-01T00:00:00Z')",
    ]);
    say(&[
        ("timestamp('2023' + '-12-25')", "parsing time"),
        ("timestamp('2023-12-25 ' + '00:00:00Z')", "parsing time"),
        ("duration('1 ' + 'hour')", "invalid duration"),
    ]);
}

/// As an apiextensions-apiserver 1.36.4 answered.
#[test]
fn literals_are_looked_at_before_anything_runs() {
    say(&[
        ("'a'.matches('(')", "ERROR: <input>:1:13: invalid matches argument\n | 'a'.matches('(')\n | ............^"),
        ("duration('1 hour') > duration('1s')", "1:10: invalid duration argument"),
        ("timestamp('2023-12-25').getHours() == 1", "1:11: invalid timestamp argument"),
        ("[1, 2, 'a'].size() == 3", "1:8: expected type 'int' but found 'string'"),
        ("{'a': 1, 'b': 'c'}.size() == 2", "1:15: expected type 'int' but found 'string'"),
        ("{'a': 1, 2: 1}.size() == 2", "1:10: expected type 'string' but found 'int'"),
    ]);
    hold(&["'%d %s'.format([1, 'a']) == '1 a'", "[dyn(1), 'a'].size() == 2", "[[1], [2, 3]].size() == 2"]);
}

#[test]
fn lists_are_of_what_a_function_can_use() {
    say(&[
        ("[1].flatten().size() == 1", "1:12: found no matching overload for 'flatten' applied to 'list(int).()'"),
        ("['a'].sum() == 'a'", "found no matching overload for 'sum' applied to 'list(string).()'"),
        ("[[1]].min() == [1]", "found no matching overload for 'min' applied to 'list(list(int)).()'"),
    ]);
    hold(&[
        "[[1], [2]].flatten() == [1, 2]",
        "[dyn(1)].flatten() == [1]",
        "['b', 'a'].max() == 'b' && ![2, 1].isSorted()",
    ]);
}

//! CEL: plain text and texts put together from pieces of the language; parsed, checked, estimated, evaluated.

#![no_main]
#![allow(missing_docs, reason = "the macro's")]

use cel_kubernetes::{Budget, Environment, Field, ObjectType, Program, Type, Value};
use libfuzzer_sys::fuzz_target;
use pintle_fuzz::{Unstructured, shape};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

/// What one evaluation may cost here; each must be over soon.
const BUDGET: u64 = 20_000;

/// Pieces that expressions are made of.
const PIECES: &[&str] = &[
    "self",
    "oldSelf",
    "x",
    "y",
    ".a",
    ".s",
    ".l",
    ".m",
    "[0]",
    "[",
    "]",
    "(",
    ")",
    "{",
    "}",
    ",",
    ":",
    " ? ",
    " : ",
    " + ",
    " - ",
    " * ",
    " / ",
    " % ",
    " == ",
    " != ",
    " < ",
    " <= ",
    " > ",
    " >= ",
    " && ",
    " || ",
    "!",
    "-",
    " in ",
    "1",
    "0",
    "-1",
    "9223372036854775807",
    "1u",
    "1.5",
    "1e308",
    "'a'",
    "\"b\"",
    "b'c'",
    "r'\\d'",
    "'é'",
    "true",
    "false",
    "null",
    ".?a",
    "[?0]",
    "has(self.a)",
    ".all(x, ",
    ".exists(x, ",
    ".exists_one(x, ",
    ".map(x, ",
    ".filter(x, ",
    ".size()",
    "size(",
    "int(",
    "uint(",
    "double(",
    "string(",
    "bytes(",
    "duration('1h')",
    "timestamp('2024-01-01T00:00:00Z')",
    "type(",
    "dyn(",
    ".matches('^a+$')",
    ".matches(",
    ".contains('a')",
    ".startsWith(",
    ".endsWith(",
    ".split(',')",
    ".join()",
    ".replace('a', 'b')",
    ".substring(1)",
    ".charAt(0)",
    ".indexOf('a')",
    ".lowerAscii()",
    ".upperAscii()",
    ".trim()",
    ".reverse()",
    ".format([1])",
    "'%s %d %.3f %x'",
    ".find('a')",
    ".findAll('a')",
    "quantity('1Gi')",
    "quantity(",
    ".isGreaterThan(",
    ".asInteger()",
    ".add(1)",
    ".sub(",
    "isQuantity(",
    "ip('10.0.0.1')",
    "cidr('10.0.0.0/8')",
    ".containsIP('10.1.1.1')",
    ".containsCIDR(",
    ".prefixLength()",
    ".masked()",
    ".family()",
    "url('http://a.b/c?d=e')",
    ".getHost()",
    ".getQuery()",
    "isURL(",
    "semver('1.2.3')",
    ".major()",
    ".compareTo(",
    "sets.contains(",
    "sets.intersects(",
    "sets.equivalent(",
    ".sort()",
    ".sum()",
    ".min()",
    ".max()",
    ".isSorted()",
    ".lastIndexOf(",
    ".distinct()",
    ".flatten()",
    ".slice(0, 1)",
    "lists.range(10)",
    "math.greatest(",
    "math.abs(",
    "cel.bind(v, ",
    "optional.of(",
    "optional.none()",
    ".orValue(1)",
    ".hasValue()",
    ".value()",
    ".transformList(k, v, v)",
    ".transformMap(k, v, v)",
    "format.dns1123Label().validate(",
    "base64.encode(",
    "Object{a: 1}",
    ".getFullYear()",
    ".getHours('UTC')",
    "self.l",
    "self.m",
    "self.s",
    "self.a",
    "k",
    "v",
];

static ENVIRONMENTS: LazyLock<[Environment; 2]> = LazyLock::new(|| {
    let fields = [
        ("a", Type::Int),
        ("s", Type::text()),
        ("l", Type::list(Type::text())),
        ("m", Type::map(Type::text(), Type::Int)),
    ];
    let fields = fields.map(|(name, ty)| (name.to_owned(), Field { ty, required: name == "a" }));
    let object = Type::Object(Arc::new(ObjectType { name: "Object".to_owned(), fields: fields.into() }));
    [object, Type::Dyn].map(|ty| {
        let variables = BTreeMap::from([("self".to_owned(), ty.clone()), ("oldSelf".to_owned(), ty)]);
        Environment { variables, objects: true, ..Environment::default() }
    })
});

fn put_together(choices: &mut Unstructured<'_>) -> String {
    let mut source = String::new();
    while source.len() < 400
        && let Ok(choice) = choices.arbitrary::<u8>()
        && !choices.is_empty()
    {
        source.push_str(PIECES[usize::from(choice) % PIECES.len()]);
    }
    source
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, body)) = data.split_first() else { return };
    let typed = choice & 1 == 0;
    let source = if choice & 2 == 0 {
        let Ok(text) = std::str::from_utf8(body) else { return };
        text.to_owned()
    } else {
        put_together(&mut Unstructured::new(body))
    };
    let environment = &ENVIRONMENTS[usize::from(!typed)];
    let Ok(program) = Program::compile(&source, environment) else { return };
    let _estimated = program.cost();
    let json = if typed {
        serde_json::json!({"a": 7, "s": "abc,d", "l": ["x", "", "yé"], "m": {"k": 1}})
    } else {
        shape::any(&mut Unstructured::new(body))
    };
    let value = Value::from_json(&json, &environment.variables["self"]);
    let variables = BTreeMap::from([("self".to_owned(), value.clone()), ("oldSelf".to_owned(), value)]);
    let mut budget = Budget::new(BUDGET);
    let outcome = program.evaluate(&variables, &mut budget);
    assert!(budget.left() <= BUDGET);
    if let Ok(value) = &outcome {
        let _shown = (value.to_json(), value.printed(), value.compare(value));
    }
    // The same again is the same, at the same cost.
    let mut second = Budget::new(BUDGET);
    let again = program.evaluate(&variables, &mut second);
    assert_eq!(outcome.map(|value| value.printed()).ok(), again.map(|value| value.printed()).ok(), "{source}");
    assert_eq!(budget.left(), second.left(), "{source}");
});

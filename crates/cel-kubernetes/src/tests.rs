//! What expressions are, cost and say.

mod libraries;

use super::*;
use proptest::prelude::*;

fn environment(variables: &[(&str, Type)]) -> Environment {
    let variables = variables.iter().map(|(name, ty)| ((*name).to_owned(), ty.clone())).collect();
    Environment { variables, ..Environment::default() }
}

fn run(source: &str) -> String {
    let program = match Program::compile(source, &environment(&[])) {
        Ok(program) => program,
        Err(error) => return error.to_string(),
    };
    match program.evaluate(&BTreeMap::new(), &mut Budget::new(RUNTIME_COST_BUDGET)) {
        Ok(value) => value.to_json().map_or_else(|| value.printed().unwrap_or_default(), |json| json.to_string()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn expressions_have_their_values() {
    let cases = [
        ("1 + 2 * 3", "7"),
        ("'a' + 'b' in ['ab']", "true"),
        ("[1, 2, 3].all(x, x > 0) && [1].exists(x, x == 1)", "true"),
        ("[1, 2, 3].filter(x, x % 2 == 1).map(x, x * 2)", "[2,6]"),
        ("has({'a': 1}.a) ? 'y' : 'n'", "\"y\""),
        ("{'a': 1}.?b.orValue(5)", "5"),
        ("optional.none().hasValue()", "false"),
        ("'a,b'.split(',').join('-')", "\"a-b\""),
        ("quantity('1Gi').isGreaterThan(quantity('1G'))", "true"),
        ("ip('10.0.0.1').family() == 4 && cidr('10.0.0.0/8').containsIP('10.1.2.3')", "true"),
        ("url('https://a.b:80/c?d=e').getPort()", "\"80\""),
        ("semver('1.2.3').isLessThan(semver('1.10.0'))", "true"),
        ("sets.contains([1, 2, 3], [2])", "true"),
        ("format.dns1123Label().validate('A').hasValue()", "true"),
        ("[3, 1, 2].sort() == [1, 2, 3] && [1, 2].sum() == 3", "true"),
        ("{'a': 1, 'b': 2}.transformList(k, v, v)", "[1,2]"),
        ("duration('1h') > duration('59m')", "true"),
        ("timestamp('2024-01-01T00:00:00Z').getFullYear()", "2024"),
        ("'%s %d'.format(['a', 1])", "\"a 1\""),
        ("1 / 0", "division by zero"),
        ("{'a': 1}.b", "no such key: b"),
        ("'abc'.matches('^a.c$')", "true"),
    ];
    for (source, want) in cases {
        assert_eq!(run(source), want, "{source}");
    }
}

#[test]
fn what_does_not_compile_says_why() {
    let object = ObjectType {
        name: "Object.spec".to_owned(),
        fields: [("a".to_owned(), Field { ty: Type::Int, required: false })].into(),
    };
    let with = environment(&[("self", Type::Object(std::sync::Arc::new(object)))]);
    let words = |source: &str| Program::compile(source, &with).unwrap_err().to_string();
    assert_eq!(words("self.b > 1"), "ERROR: <input>:1:5: undefined field 'b'\n | self.b > 1\n | ....^");
    assert!(words("x").contains("undeclared reference to 'x' (in container '')"));
    assert!(words("self.a + 'x'").contains("found no matching overload for '_+_' applied to '(int, string)'"));
    assert!(matches!(Program::compile("self.a + 1", &with).unwrap().result(), Type::Int));
}

#[test]
fn loops_cost_by_the_size_of_what_they_run_over() {
    let lists = Type::list(Type::list(Type::text()));
    let source = "a.all(x, x.all(y, a.all(z, z.all(w, w != y))))";
    let unbounded = Program::compile(source, &environment(&[("a", lists)])).unwrap().cost();
    assert!(unbounded.0 > 1_000_000_000, "{unbounded:?}");
    let small = Type::List(Box::new(Type::List(Box::new(Type::String(10)), 3)), 3);
    assert!(Program::compile(source, &environment(&[("a", small)])).unwrap().cost().0 < 10_000);
}

proptest! {
    #[test]
    fn nothing_panics(source in "[-a-z0-9'\"\\.\\[\\]{}()+*/%!=<>&|?:, ]{0,60}") {
        let with = environment(&[("self", Type::Dyn)]);
        if let Ok(program) = Program::compile(&source, &with) {
            let variables = BTreeMap::from([("self".to_owned(), Value::Int(1))]);
            let _outcome = program.evaluate(&variables, &mut Budget::new(10_000));
        }
    }
}

//! Every object that v1.36.2 answered has the shape that `conform` gives, so that `conform` must leave it alone.

use serde_json::Value;

/// Steps whose body is a part of the answer only.
fn is_whole(step: &Value) -> bool {
    step["response"]["view"].is_null() && step["view"].is_null()
}

#[test]
fn recorded_answers_keep_their_shape() {
    let mut seen = 0;
    let mut wrong = Vec::new();
    for (name, step) in crate::steps().into_iter().filter(|(_, step)| is_whole(step)) {
        let mut objects = Vec::new();
        crate::objects(&step["response"]["body"], &mut objects);
        for mut object in objects {
            let Some(definition) = crate::definition(&object) else { continue };
            crate::with_times(&mut object);
            let before = object.clone();
            let result = api::codec::conform(&mut object, api::schema::builtin(definition).unwrap());
            seen += 1;
            match result {
                Err(error) => wrong.push(format!("{name}: {definition}: {error}")),
                Ok(found) if !found.unknown.is_empty() => wrong.push(format!("{name}: {definition}: unknown {:?}", found.unknown)),
                Ok(_) if object != before => wrong.push(format!("{name}: {definition}: {}", first_difference(&before, &object, String::new()))),
                Ok(_) => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {seen} differ:\n{}", wrong.len(), wrong.join("\n"));
}

fn first_difference(a: &Value, b: &Value, path: String) -> String {
    match (a, b) {
        (Value::Object(x), Value::Object(y)) => {
            for key in x.keys().chain(y.keys()) {
                if x.get(key) != y.get(key) {
                    return first_difference(&a[key], &b[key], format!("{path}.{key}"));
                }
            }
            path
        }
        (Value::Array(x), Value::Array(y)) if x.len() == y.len() => {
            let at = x.iter().zip(y).position(|(p, q)| p != q).unwrap_or(0);
            first_difference(&x[at], &y[at], format!("{path}[{at}]"))
        }
        _ => format!("{path}: {a} became {b}"),
    }
}

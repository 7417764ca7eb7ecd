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
            let Some(definition) = crate::definition(&object) else {
                continue;
            };
            crate::with_times(&mut object);
            let before = object.clone();
            let result = api::codec::conform(&mut object, api::schema::builtin(definition).unwrap());
            seen += 1;
            match result {
                Err(error) => wrong.push(format!("{name}: {definition}: {error}")),
                Ok(found) if !found.unknown.is_empty() => {
                    wrong.push(format!("{name}: {definition}: unknown {:?}", found.unknown))
                }
                Ok(_) if object != before => {
                    wrong.push(format!("{name}: {definition}: {}", first_difference(&before, &object, String::new())))
                }
                Ok(_) => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {seen} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// Requests that upstream took conform, and what it warned of is what is unknown.
#[test]
fn accepted_requests_conform() {
    let mut seen = 0;
    for (name, step) in crate::steps() {
        let request = &step["request"];
        let taken = step["response"]["status"].as_u64().is_some_and(|status| status < 300);
        let written = ["POST", "PUT"].iter().any(|method| request["method"] == *method);
        let mut body = request["body"].clone();
        let Some(definition) = crate::definition(&body) else {
            continue;
        };
        if !taken || !written {
            continue;
        }
        crate::with_times(&mut body);
        let schema = api::schema::builtin(definition).unwrap();
        let found = api::codec::conform(&mut body, schema).unwrap_or_else(|error| panic!("{name}: {error}"));
        let warnings = step["response"]["headers"]["Warning"].to_string();
        let ignored = request["query"]["fieldValidation"] == "Ignore";
        for path in &found.unknown {
            assert!(ignored || warnings.contains(path.as_str()), "{name}: {path} is unknown here, but not upstream");
        }
        let once = body.clone();
        api::codec::conform(&mut body, schema).unwrap();
        assert_eq!(body, once, "{name}");
        seen += 1;
    }
    assert!(seen > 250 || !crate::shared().join("golden").exists(), "{seen}");
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

//! One pod's start from `POST` to Ready, from the spans that the server writes when `PINTLE_TRACE` names a file.

use super::environment::Environment;
use super::report::Numbers;
use serde_json::Value;
use std::collections::HashMap;
use std::fs;

/// A span: what, about what, when and for how long, in microseconds.
#[derive(Clone, Debug, PartialEq)]
struct Span {
    name: String,
    start: f64,
    end: f64,
}

/// Starts a server that writes spans, starts one pod to warm up and one to look at, and tells of that.
pub fn run(environment: &mut Environment<'_>, number: usize) -> Result<Numbers, String> {
    let file = environment.directory.join("trace.json");
    environment.stop_server();
    environment.start_server(&[("PINTLE_TRACE", file.as_path())])?;
    let namespace = format!("trace-{number}");
    let result = environment.measure("start", &namespace, &["--count", "3"])?;
    environment.stop_server();
    let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let spans = spans(&text, &format!("{namespace}/start-2"))?;
    let first = spans.iter().map(|span| span.start).fold(f64::INFINITY, f64::min);
    let mut lines = vec!["One pod's start, span by span (ms since its POST arrived):".to_owned(), String::new()];
    lines.extend(["| from | to | took | span |".to_owned(), "| ---: | ---: | ---: | --- |".to_owned()]);
    for span in &spans {
        let [from, to] = [span.start - first, span.end - first].map(|micros| micros / 1000.0);
        lines.push(format!("| {from:.2} | {to:.2} | {:.2} | {} |", to - from, span.name));
    }
    environment.extra = Some(lines.join("\n"));
    let ready = result.pointer("/ready/p50_ms").and_then(Value::as_f64).ok_or("no ready")?;
    Ok(vec![("ready p50 ms", ready)])
}

/// The spans of a pod, by start. The file is Chrome's trace format: an array of begins and ends.
fn spans(text: &str, pod: &str) -> Result<Vec<Span>, String> {
    let events: Vec<Value> = serde_json::from_str(text).map_err(|error| format!("the trace: {error}"))?;
    let mut open: HashMap<(String, String), f64> = HashMap::new();
    let mut spans = Vec::new();
    for event in &events {
        if event["args"]["pod"].as_str() != Some(pod) && event["ph"] == "b" {
            continue;
        }
        let key = (event["id"].to_string(), event["name"].as_str().unwrap_or_default().to_owned());
        let time = event["ts"].as_f64().unwrap_or_default();
        match event["ph"].as_str() {
            Some("b") => drop(open.insert(key, time)),
            Some("e") => {
                if let Some(start) = open.remove(&key) {
                    spans.push(Span { name: key.1, start, end: time });
                }
            }
            _ => {}
        }
    }
    spans.sort_by(|a, b| a.start.total_cmp(&b.start));
    Ok(spans)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_one_pod_are_put_together() {
        let text = r#"[{"ph":"b","id":1,"name":"bind","ts":5.0,"args":{"pod":"a/b"}},
            {"ph":"b","id":2,"name":"bind","ts":6.0,"args":{"pod":"a/c"}},
            {"ph":"e","id":2,"name":"bind","ts":7.0},{"ph":"e","id":1,"name":"bind","ts":9.5}]"#;
        assert_eq!(spans(text, "a/b"), Ok(vec![Span { name: "bind".to_owned(), start: 5.0, end: 9.5 }]));
    }
}

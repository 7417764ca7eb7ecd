//! Transcripts: commands after `$ `, and what they print. Running one compares line by line, after taking out what may
//! differ from run to run.

use crate::cluster::Cluster;
use regex_lite::Regex;
use std::fmt::Write;

/// A command with its expected output.
#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    pub command: String,
    pub expected: Vec<String>,
}

/// Reads a transcript.
pub fn parse(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => steps.push(Step { command: command.to_owned(), expected: Vec::new() }),
            (None, Some(step)) => step.expected.push(line.to_owned()),
            (None, None) => {}
        }
    }
    steps
}

/// What may differ: (pattern, what stands for it). Applied in order.
const VARIABLE: [(&str, &str); 18] = [
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<time>"),
    (r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}", "<time>"),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<uid>"),
    (r"[a-z]+://[0-9a-f]{64}", "<container>"),
    (r"sha256:[0-9a-f]{64}", "<image>"),
    (r"kube-api-access-[a-z0-9]{5}", "kube-api-access-<rand>"),
    (r"config\.(hash|mirror): [0-9a-f]+", "config.$1: <hash>"),
    (r#"resourceVersion: "\d+""#, "resourceVersion: <rv>"),
    (r"\b\d+\.\d+\.\d+\.\d+\b", "<ip>"),
    (r"\b\d+s \(x\d+ over \d+s\)", "<age>"),
    (r"\(\d+[smh](\d+s)? ago\)", "(<age> ago)"),
    (r"(^|\s)(\d+d)?(\d+h)?(\d+m)?\d+[smhd](\s|$)", "$1<age>$5"),
    (r#" from [a-z0-9-]+ namespace$"#, ""),
    // the client's own words changed between 1.32 and 1.36
    (r"spec\.(initContainers|containers)\{[a-z0-9-]+\}: ", ""),
    (r"failed to create (containerd|shim) task: .*exec: ", "<runtime> exec: "),
    (r"Init:RunContainerError", "Init:CrashLoopBackOff"),
    (r"image: docker.io/library/[a-z]+:latest", "image: <image name>"),
    (r"\s+", " "),
];

/// A line without what may differ.
pub fn normalise(line: &str) -> String {
    let mut text = line.to_owned();
    for (pattern, replacement) in VARIABLE {
        let pattern = Regex::new(pattern).expect("a pattern of ours");
        text = pattern.replace_all(&text, replacement).into_owned();
    }
    text.trim_end().to_owned()
}

/// Runs all steps; the message of the panic shows every step that differed.
pub fn run(cluster: &Cluster, steps: &[Step], adjust: impl Fn(&Step, Vec<String>) -> Vec<String>) {
    let mut report = String::new();
    for step in steps {
        let output = cluster.shell(&step.command);
        let text = format!("{}{}", String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
        let got = text.lines().map(normalise).collect();
        let want = step.expected.iter().map(|line| normalise(line)).collect();
        let (got, want) = (adjust(step, got), adjust(step, want));
        if got != want {
            let _ = writeln!(report, "$ {}\n{}", step.command, difference(&want, &got));
        }
    }
    assert!(report.is_empty(), "{report}\n{}", cluster.logs());
}

/// The lines that only one side has, in a form that can be read.
fn difference(want: &[String], got: &[String]) -> String {
    let mut text = String::new();
    for line in want {
        let mark = if got.contains(line) { ' ' } else { '-' };
        let _ = writeln!(text, "{mark}{line}");
    }
    for line in got.iter().filter(|line| !want.contains(line)) {
        let _ = writeln!(text, "+{line}");
    }
    text
}

#[test]
fn what_may_differ_is_taken_out() {
    for (line, want) in [
        ("web    1/1     Running   1 (3s ago)   2m13s   10.244.0.9", "web 1/1 Running 1 (<age> ago) <age> <ip>"),
        ("pod \"x\" deleted from default namespace", "pod \"x\" deleted"),
        ("  Normal  Created  4s (x3 over 19s)  kubelet  c", " Normal Created <age> kubelet c"),
        ("a: b", "a: b"),
    ] {
        assert_eq!(normalise(line), want);
    }
}

#[test]
fn a_transcript_is_commands_with_outputs() {
    let step = |command: &str, expected: &[&str]| Step {
        command: command.to_owned(),
        expected: expected.iter().map(|line| (*line).to_owned()).collect(),
    };
    assert_eq!(parse("intro\n$ a\n1\n2\n$ b\n"), [step("a", &["1", "2"]), step("b", &[])]);
}

//! Transcripts: commands after `$ `, and what they print. Running one compares line by line, after taking out what may
//! differ from run to run.

use crate::cluster::{self, Cluster};
use crate::screen::Screen;
use regex_lite::Regex;
use std::fmt::Write;
use std::time::Duration;

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
const VARIABLE: [(&str, &str); 20] = [
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
    // the runtime's own words before the kernel's, and how many servers have passed them on
    (r"(failed to create containerd task: .*|OCI runtime create failed: .*)exec: ", "<runtime> exec: "),
    (r"(Internal error occurred: )+(error executing command in container: ).*exec: ", "$1$2<runtime> exec: "),
    (r"Init:RunContainerError", "Init:CrashLoopBackOff"),
    // the recorded node's centos was its busybox
    (r"image: docker.io/library/(busybox|centos):latest", "image: docker.io/library/<shell>:latest"),
    // a server's own paths, as `up` prints them
    (r"KUBECONFIG=\S+", "KUBECONFIG=<file>"),
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

/// How long a look (`get`, `describe`, `logs`) may be repeated until it shows what it should: the recorded waits are
/// those of another machine.
const LOOK_LIMIT: Duration = Duration::from_secs(15);

/// Runs all steps; the message of the panic shows every step that differed.
///
/// What changes something is typed once. A look at the end of a command is repeated for a while, without its `sleep`,
/// since a busy machine may be late; and what was on the screen of a watcher between two looks counts as seen, since
/// this machine may be early.
pub fn run(cluster: &Cluster, steps: &[Step], adjust: impl Fn(&Step, Vec<String>) -> Vec<String>) {
    let screen = Screen::watch(cluster, "kubectl get pods -w");
    run_at(cluster, str::to_owned, Some(&screen), steps, adjust);
}

/// The same at another place than the machine's own shell: `at` makes the command line that types one there.
pub fn run_at(
    cluster: &Cluster,
    at: impl Fn(&str) -> String,
    screen: Option<&Screen>,
    steps: &[Step],
    adjust: impl Fn(&Step, Vec<String>) -> Vec<String>,
) {
    let typed = |command: &str| typed(cluster, &at(command));
    let clock = clock::system();
    let mut report = String::new();
    for step in steps {
        let (change, look) = split(&step.command);
        let changed = if change.is_empty() { Vec::new() } else { typed(change) };
        if !change.is_empty() {
            screen.inspect(|screen| screen.clear());
        }
        let want = adjust(step, step.expected.iter().map(|line| normalise(line)).collect());
        let all = |seen: Vec<String>| adjust(step, changed.iter().cloned().chain(seen).collect());
        let mut got = if look.is_empty() { all(Vec::new()) } else { all(typed(look)) };
        let started = clock.monotonic();
        let in_time = || clock.monotonic().saturating_sub(started) < LOOK_LIMIT;
        while got != want && !look.is_empty() && !was_on_screen(look, &want, screen) && in_time() {
            cluster::pause();
            got = all(typed(without_sleep(look)));
        }
        if got != want && !was_on_screen(look, &want, screen) {
            let _ = writeln!(report, "$ {}\n{}", step.command, difference(&want, &got));
        }
    }
    assert!(report.is_empty(), "{report}\n{}", cluster.logs());
}

/// The lines that a command prints, without what may differ.
fn typed(cluster: &Cluster, command: &str) -> Vec<String> {
    let output = cluster.shell(command);
    let text = format!("{}{}", String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
    text.lines().map(normalise).collect()
}

/// A command line as what changes something and the looks after it, of which either may be empty.
fn split(command: &str) -> (&str, &str) {
    let mut start = command.len();
    for (at, _) in command.rmatch_indices("; ").chain([(0, "")]) {
        let part_at = if at == 0 { 0 } else { at + 2 };
        let part = command[part_at..start].trim_end_matches("; ");
        if !is_look(part) {
            break;
        }
        start = part_at;
    }
    (command[..start].trim_end_matches("; "), &command[start..])
}

/// Whether a command only looks, so that typing it again changes nothing.
fn is_look(part: &str) -> bool {
    let looks = ["kubectl get ", "kubectl describe ", "kubectl logs ", "sleep "];
    looks.iter().any(|look| part.starts_with(look)) && !part.contains(" > ")
}

fn without_sleep(look: &str) -> &str {
    let after = look.strip_prefix("sleep ").and_then(|rest| rest.split_once("; "));
    after.map_or(look, |(_, rest)| rest)
}

/// Whether a plain list of pods was as expected at some moment since the last change.
fn was_on_screen(look: &str, want: &[String], screen: Option<&Screen>) -> bool {
    let Some(screen) = screen else { return false };
    let shown: Vec<String> = screen.lines().iter().map(|line| normalise(line)).collect();
    without_sleep(look) == "kubectl get pods" && want.len() > 1 && want.iter().skip(1).all(|line| shown.contains(line))
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

#[test]
fn looks_may_be_repeated_and_nothing_else() {
    for (command, change, look) in [
        ("sleep 3; kubectl get pods -o wide", "", "sleep 3; kubectl get pods -o wide"),
        ("kubectl describe pod a | grep x", "", "kubectl describe pod a | grep x"),
        ("kubectl apply -f x", "kubectl apply -f x", ""),
        ("rm x; sleep 2; kubectl get pod a; kubectl logs a", "rm x", "sleep 2; kubectl get pod a; kubectl logs a"),
        ("kubectl get pods; rm x", "kubectl get pods; rm x", ""),
        ("kubectl get pod a > file", "kubectl get pod a > file", ""),
    ] {
        assert_eq!(split(command), (change, look), "{command}");
    }
    assert_eq!(without_sleep("sleep 2; kubectl get pods"), "kubectl get pods");
}

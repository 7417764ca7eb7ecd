//! Tests that are known to fail: named in one file, which can only shrink.

/// The names, one a line; a `#` begins a remark.
const LIST: &str = include_str!("expected-failures.txt");

/// Runs a test. One that is on the list must fail; when it passes, it has to come off the list.
pub fn judge(name: &str, test: impl FnOnce() + std::panic::UnwindSafe) {
    let expected = LIST.lines().map(|line| line.split('#').next().unwrap_or_default().trim()).any(|line| line == name);
    if !expected {
        return test();
    }
    let failed = std::panic::catch_unwind(test).is_err();
    assert!(failed, "{name} passes now: take it off expected-failures.txt");
}

//! What the linker has made of the program. Nothing else would tell if it went back to the usual: it would run, only slower and
//! larger.

use std::process::Command;

const PINTLE: &str = env!("CARGO_BIN_EXE_pintle");

#[test]
#[cfg(target_env = "gnu")]
fn it_stands_at_a_fixed_address() {
    const TYPE_AT: usize = 16; // of an ELF header, in two bytes
    const EXECUTABLE: u8 = 2; // 3 if it can be moved
    let program = std::fs::read(PINTLE).unwrap();
    assert_eq!(program[TYPE_AT..TYPE_AT + 2], [EXECUTABLE, 0]);
}

/// mimalloc is linked only where something calls it, and its own `malloc` is all of it that anything calls.
#[test]
fn malloc_is_that_of_mimalloc() {
    let output = Command::new(PINTLE).arg("--version").env("MIMALLOC_VERBOSE", "1").output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.contains("mimalloc: process init"), "{told}");
}

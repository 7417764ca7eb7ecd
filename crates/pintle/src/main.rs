//! Parses the command line and wires the parts together.
fn main() {}

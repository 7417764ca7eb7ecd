//! What the fuzz targets share: objects made of a fuzzer's bytes, and the life of an object in the API server.
//!
//! Plain bytes rarely get beyond the decoder. So most targets read bytes as choices: which kind, which fields, which
//! value, out of what the schema of the kind allows, with words in it that mean something somewhere. What not: nothing
//! here knows what the right answer is; targets check properties (round trips, idempotence, order, laws of sets).

pub mod life;
pub mod shape;
pub mod words;

pub use arbitrary::Unstructured;
use registry::Resource;

/// The row that the next bytes choose.
pub fn row(choices: &mut Unstructured<'_>) -> &'static Resource {
    let table = registry::table();
    &table[usize::from(choices.arbitrary::<u16>().unwrap_or(0)) % table.len()]
}

//! What becomes of an object's dependents when it is deleted (upstream's `rest.GarbageCollectionPolicy`).

/// What a kind has done about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum GarbageCollection {
    /// They go in the background, unless the deletion says otherwise.
    #[default]
    Background,
    /// They stay, unless the deletion says otherwise: what deletions did before there was garbage collection.
    Orphan,
    /// It has none, whatever the deletion says.
    Unsupported,
}

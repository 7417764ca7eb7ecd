//! What is to become of an object, given what is known of its owners and dependents. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

/// The finalizer of an object that goes after its dependents.
pub const FOREGROUND: &str = "foregroundDeletion";
/// The finalizer of an object whose dependents are to stay.
pub const ORPHAN: &str = "orphan";

/// What an owner reference turned out to point to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnerState {
    /// It is there.
    Solid,
    /// There is no object of this name and uid.
    Dangling,
    /// It is there, and being deleted in the foreground: it waits for its dependents.
    WaitingForDependents,
}

/// How to delete: the policy to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    Orphan,
    Foreground,
    Background,
}

/// What to do with an object that has owners.
#[derive(Clone, Debug, PartialEq)]
pub enum Plan {
    /// Some owner is there, and all references are good.
    Keep,
    /// Some owner is there: keep these references only.
    KeepReferences(Vec<OwnerReference>),
    /// No owner is left.
    Delete(Policy),
}

/// Whether the object is being deleted and has this finalizer.
pub fn is_deleting_by(metadata: &ObjectMeta, finalizer: &str) -> bool {
    metadata.deletion_timestamp.is_some() && has_finalizer(metadata, finalizer)
}

fn has_finalizer(metadata: &ObjectMeta, finalizer: &str) -> bool {
    metadata.finalizers.iter().flatten().any(|own| own == finalizer)
}

/// The state of an owner that exists.
pub fn state_of(owner: &ObjectMeta) -> OwnerState {
    if is_deleting_by(owner, FOREGROUND) { OwnerState::WaitingForDependents } else { OwnerState::Solid }
}

/// Decides about an object that is not being deleted.
pub fn plan(object: &ObjectMeta, states: &[OwnerState], has_dependents: bool) -> Plan {
    let references = object.owner_references.as_deref().unwrap_or_default();
    if references.is_empty() {
        return Plan::Keep;
    }
    let solid = |state: &OwnerState| *state == OwnerState::Solid;
    if states.iter().any(solid) {
        if states.iter().all(solid) {
            return Plan::Keep;
        }
        let good = references.iter().zip(states).filter(|(_, state)| solid(state));
        return Plan::KeepReferences(good.map(|(reference, _)| reference.clone()).collect());
    }
    if states.contains(&OwnerState::WaitingForDependents) && has_dependents {
        return Plan::Delete(Policy::Foreground);
    }
    Plan::Delete(if has_finalizer(object, ORPHAN) {
        Policy::Orphan
    } else if has_finalizer(object, FOREGROUND) {
        Policy::Foreground
    } else {
        Policy::Background
    })
}

/// Whether `dependent` keeps the owner of this uid from going.
pub fn blocks(dependent: &ObjectMeta, owner_uid: &str) -> bool {
    let references = dependent.owner_references.iter().flatten();
    references.into_iter().any(|owner| owner.uid == owner_uid && owner.block_owner_deletion == Some(true))
}

#[cfg(test)]
mod tests {
    use super::*;
    use OwnerState::{Dangling, Solid, WaitingForDependents};

    fn object(owners: usize, finalizers: &[&str]) -> ObjectMeta {
        let owner = |n: usize| OwnerReference { uid: format!("u{n}"), ..OwnerReference::default() };
        ObjectMeta {
            owner_references: Some((0..owners).map(owner).collect()),
            finalizers: Some(finalizers.iter().map(|f| (*f).to_owned()).collect()),
            ..ObjectMeta::default()
        }
    }

    #[test]
    fn plans() {
        assert_eq!(plan(&object(0, &[]), &[], false), Plan::Keep);
        assert_eq!(plan(&object(1, &[]), &[Solid], true), Plan::Keep);
        assert_eq!(plan(&object(1, &[]), &[Dangling], true), Plan::Delete(Policy::Background));
        assert_eq!(plan(&object(1, &[ORPHAN]), &[Dangling], true), Plan::Delete(Policy::Orphan));
        assert_eq!(plan(&object(1, &[]), &[WaitingForDependents], true), Plan::Delete(Policy::Foreground));
        assert_eq!(plan(&object(1, &[]), &[WaitingForDependents], false), Plan::Delete(Policy::Background));
        let Plan::KeepReferences(kept) = plan(&object(3, &[]), &[Dangling, Solid, WaitingForDependents], false) else {
            panic!("one owner is there")
        };
        assert_eq!(kept.iter().map(|o| o.uid.as_str()).collect::<Vec<_>>(), ["u1"]);
    }
}

//! Devices and claims on them (resource.k8s.io): what a claim asks for, what a driver offers, and what was given.
//!
//! Fields of features that are off in v1.36 (lists as attributes, node-allocatable mappings) are dropped, as upstream
//! drops them.

mod capacity;
mod claim;
mod claim_spec;
mod claim_status;
mod class;
mod configuration;
mod names;
mod offer;
mod selector;
mod slice;
mod taint;

pub(crate) use claim::{ResourceClaim, ResourceClaimTemplate};
pub(crate) use class::DeviceClass;
pub(crate) use slice::ResourceSlice;

use crate::At;
use api::field::ErrorList;
use std::collections::BTreeSet;

/// Entries of a list (or its strings) that come a second time, told by `key`.
fn refuse_duplicates<'v>(list: &At<'_, 'v>, key: impl Fn(&At<'_, 'v>) -> &'v str, errors: &mut ErrorList) {
    let mut seen = BTreeSet::new();
    for item in list.items() {
        let key = key(&item);
        if !seen.insert(key) {
            errors.push(api::field::Error::duplicate(&item.path(), key));
        }
    }
}

/// The name of an entry, by which lists of this group know theirs.
fn name_of<'v>(item: &At<'_, 'v>) -> &'v str {
    item.at("name").str()
}

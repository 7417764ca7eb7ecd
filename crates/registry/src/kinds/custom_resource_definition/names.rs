//! `ValidateCustomResourceDefinitionNames`: of the spec, and of the names that were accepted.

use crate::At;
use crate::names::dns1035_label;
use api::field::ErrorList;

/// What is wrong with names; those that are missing are someone else's matter.
pub(super) fn validate(names: &At<'_, '_>, errors: &mut ErrorList) {
    for field in ["plural", "singular"] {
        let name = names.at(field);
        let wrong = dns1035_label(name.str());
        if !name.is_empty() && !wrong.is_empty() {
            errors.push(name.invalid(wrong.join(",")));
        }
    }
    for field in ["kind", "listKind"] {
        let name = names.at(field);
        let wrong = dns1035_label(&name.str().to_lowercase());
        if !name.is_empty() && !wrong.is_empty() {
            errors.push(name.invalid(format!("may have mixed case, but should otherwise match: {}", wrong.join(","))));
        }
    }
    for field in ["shortNames", "categories"] {
        let list = names.at(field);
        for name in list.items() {
            let wrong = dns1035_label(name.str());
            if !wrong.is_empty() {
                errors.push(name.invalid(wrong.join(",")));
            }
        }
        if field == "shortNames" && !names.at("kind").is_empty() && names.at("kind").str() == names.at("listKind").str()
        {
            errors.push(names.at("listKind").invalid("kind and listKind may not be the same"));
        }
    }
}

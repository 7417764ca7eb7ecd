//! Rules that many kinds ask of a place: each adds what is wrong to a list.

use super::At;
use api::field::{Error, ErrorList};

impl At<'_, '_> {
    /// `Too many`, when the list or map has more than `max` entries. Upstream looks no further then, so that a huge list
    /// costs nothing.
    pub fn is_too_many(&self, errors: &mut ErrorList, max: usize) -> bool {
        let too_many = self.len() > max;
        if too_many {
            errors.push(Error::too_many(&self.path(), self.len(), max));
        }
        too_many
    }

    /// `Invalid value` for each thing that `rule` finds wrong with the string here.
    pub fn check(&self, errors: &mut ErrorList, rule: impl Fn(&str) -> Vec<String>) {
        errors.extend(rule(self.str()).into_iter().map(|wrong| self.invalid_value(self.str(), wrong)));
    }

    /// The same by a rule that is younger than stored objects: what was there before may stay.
    pub fn check_unless_kept(&self, errors: &mut ErrorList, rule: impl Fn(&str) -> Vec<String>) {
        let wrong = rule(self.str()).into_iter();
        errors.extend(wrong.map(|wrong| self.invalid_value(self.str(), wrong).ratcheting()));
    }

    /// The string must be there.
    pub fn require(&self, errors: &mut ErrorList) {
        if self.is_empty() {
            errors.push(self.required(""));
        }
    }

    /// The string must be there and pass `rule`.
    pub fn require_and_check(&self, errors: &mut ErrorList, rule: impl Fn(&str) -> Vec<String>) {
        if self.is_empty() {
            errors.push(self.required(""));
        } else {
            self.check(errors, rule);
        }
    }

    /// The string, if there is one, must be one of `supported`.
    pub fn one_of(&self, errors: &mut ErrorList, supported: &[&str]) {
        if self.exists() && !supported.contains(&self.str()) {
            errors.push(self.not_supported(supported));
        }
    }

    /// The string must be there and be one of `supported`.
    pub fn require_one_of(&self, errors: &mut ErrorList, supported: &[&str]) {
        self.require(errors);
        if !self.is_empty() {
            self.one_of(errors, supported);
        }
    }

    /// `ValidateNonnegativeField`
    pub fn nonnegative(&self, errors: &mut ErrorList) {
        if self.int().is_some_and(|n| n < 0) {
            errors.push(self.invalid("must be greater than or equal to 0"));
        }
    }
}

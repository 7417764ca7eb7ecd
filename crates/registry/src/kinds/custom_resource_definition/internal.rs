//! Upstream's internal form of a definition, which its messages speak of: what all versions have in common stands at
//! the top of the spec, and nowhere else.

use crate::At;
use serde_json::Value;

/// One of the parts that versions may have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// `schema`, at the top `validation`.
    Schema,
    /// `subresources`
    Subresources,
    /// `additionalPrinterColumns`
    Columns,
    /// `selectableFields`
    SelectableFields,
}

impl Part {
    pub(super) fn field(self) -> &'static str {
        match self {
            Self::Schema => "schema",
            Self::Subresources => "subresources",
            Self::Columns => "additionalPrinterColumns",
            Self::SelectableFields => "selectableFields",
        }
    }

    fn top(self) -> &'static str {
        if self == Self::Schema { "validation" } else { self.field() }
    }

    /// Whether all versions agree.
    pub(super) fn is_common(self, spec: &At<'_, '_>) -> bool {
        let list = spec.at("versions");
        let versions: Vec<Option<&Value>> = list.items().map(|version| version.at(self.field()).value()).collect();
        versions.windows(2).all(|pair| pair[0] == pair[1])
    }

    /// Calls `each` with the places where the part stands in the internal form.
    pub(super) fn each(self, spec: &At<'_, '_>, mut each: impl FnMut(&At<'_, '_>, Option<&At<'_, '_>>)) {
        let list = spec.at("versions");
        if self.is_common(spec) {
            if let Some(first) = list.items().next() {
                each(&spec.elsewhere(self.top(), first.at(self.field()).value()), Some(&first));
            }
            return;
        }
        for version in list.items() {
            each(&version.at(self.field()), Some(&version));
        }
    }
}

//! Why an apply fails, in upstream's words.

use super::managed::{Entry, Operation};
use crate::fieldset::{PathElement, Set, display_path};
use crate::status::Status;
use serde_json::{Value, json};

/// One field that another manager owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The other manager as messages name it: `"scaler" using apps/v1`.
    pub manager: String,
    /// The field's path.
    pub path: Vec<PathElement>,
}

/// Why an apply could not be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// The configuration is not an object of this kind, or sends what it may not: 400.
    #[error("{0}")]
    BadRequest(String),
    /// The configuration does not fit its type: 500, as upstream has it.
    #[error("failed to create typed patch object ({object}): {errors}")]
    Typed {
        /// `namespace/name; group/version, Kind=kind`, as far as the configuration names them.
        object: String,
        /// One line, or several after `errors:`.
        errors: String,
    },
    /// The live object's `managedFields` cannot be read: 500.
    #[error("failed to decode managed fields: {0}")]
    ManagedFields(String),
    /// Others own fields that the configuration changes: 409.
    #[error("{}", message(.0))]
    Conflicts(Vec<Conflict>),
}

impl ApplyError {
    /// What the client sees.
    pub fn to_status(&self) -> Status {
        match self {
            Self::BadRequest(words) => Status::bad_request(words.clone()),
            Self::Typed { .. } | Self::ManagedFields(_) => Status::plain(500, "", self.to_string()),
            Self::Conflicts(conflicts) => {
                let causes: Vec<Value> = conflicts
                    .iter()
                    .map(|conflict| {
                        json!({
                            "reason": "FieldManagerConflict",
                            "message": format!("conflict with {}", conflict.manager),
                            "field": display_path(&conflict.path),
                        })
                    })
                    .collect();
                let mut status = Status::plain(409, "Conflict", self.to_string());
                status.details = json!({"causes": causes});
                status
            }
        }
    }
}

/// How messages name a manager.
pub(super) fn describe(entry: &Entry) -> String {
    let mut text = format!("{:?}", entry.manager);
    if !entry.subresource.is_empty() {
        text.push_str(&format!(" with subresource {:?}", entry.subresource));
    }
    if entry.operation == Operation::Update {
        text.push_str(&format!(" using {}", entry.api_version));
    }
    text
}

/// The conflicts with one manager, in the order of its set.
pub(super) fn with_manager(entry: &Entry, set: &Set) -> Vec<Conflict> {
    let manager = describe(entry);
    set.paths().into_iter().map(|path| Conflict { manager: manager.clone(), path }).collect()
}

/// One conflict on one line; more of them as a list for each manager. Conflicts come sorted by manager.
fn message(conflicts: &[Conflict]) -> String {
    if let [only] = conflicts {
        let path = display_path(&only.path);
        return format!("Apply failed with 1 conflict: conflict with {}: {path}", only.manager);
    }
    let mut lines = Vec::new();
    let mut manager = None;
    for conflict in conflicts {
        if manager != Some(&conflict.manager) {
            manager = Some(&conflict.manager);
            lines.push(format!("conflicts with {}:", conflict.manager));
        }
        lines.push(format!("- {}", display_path(&conflict.path)));
    }
    format!("Apply failed with {} conflicts: {}", conflicts.len(), lines.join("\n"))
}

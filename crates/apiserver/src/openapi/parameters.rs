//! The parameters of operations: which kind of operation has which, and their types and descriptions.

use super::Dialect;
use serde_json::{Value, json};

/// Of lists and watches.
pub(super) const LIST: &[&str] = &[
    "allowWatchBookmarks",
    "continue",
    "fieldSelector",
    "labelSelector",
    "limit",
    "pretty",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "shardSelector",
    "timeoutSeconds",
    "watch",
];
/// Of deletions of a collection.
pub(super) const DELETE_COLLECTION: &[&str] = &[
    "continue",
    "dryRun",
    "fieldSelector",
    "gracePeriodSeconds",
    "ignoreStoreReadErrorWithClusterBreakingPotential",
    "labelSelector",
    "limit",
    "orphanDependents",
    "pretty",
    "propagationPolicy",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "shardSelector",
    "timeoutSeconds",
];
/// Of a deletion.
pub(super) const DELETE: &[&str] = &[
    "dryRun",
    "gracePeriodSeconds",
    "ignoreStoreReadErrorWithClusterBreakingPotential",
    "orphanDependents",
    "pretty",
    "propagationPolicy",
];
/// Of creations and replacements.
pub(super) const WRITE: &[&str] = &["dryRun", "fieldManager", "fieldValidation", "pretty"];
/// Of patches.
pub(super) const PATCH_PARAMETERS: &[&str] = &["dryRun", "fieldManager", "fieldValidation", "force", "pretty"];
/// Of reading one object.
pub(super) const READ: &[&str] = &["pretty"];
/// Of `pods/log`.
pub(super) const LOG: &[&str] = &[
    "container",
    "follow",
    "insecureSkipTLSVerifyBackend",
    "limitBytes",
    "pretty",
    "previous",
    "sinceSeconds",
    "stream",
    "tailLines",
    "timestamps",
];
/// Of `pods/exec`.
pub(super) const EXEC: &[&str] = &["command", "container", "stderr", "stdin", "stdout", "tty"];
/// Of `pods/attach`.
pub(super) const ATTACH: &[&str] = &["container", "stderr", "stdin", "stdout", "tty"];
/// Of `pods/portforward`.
pub(super) const PORT_FORWARD: &[&str] = &["ports"];
/// Of the proxies.
pub(super) const PROXY: &[&str] = &["path"];

/// Query parameters: name, type, description.
const QUERY: &[(&str, &str, &str)] = &[
    (
        "allowWatchBookmarks",
        "boolean",
        "Asks a watch for BOOKMARK events, which say how far the watch has come. The server decides when to send them.",
    ),
    ("command", "string", "The command to run, not in a shell: one parameter per word."),
    ("container", "string", "The container; the only one of the pod unless given."),
    (
        "continue",
        "string",
        "Where to go on with a list that was cut off by limit: the value that the last part came with.",
    ),
    ("dryRun", "string", "With All, everything is done but storing the result."),
    (
        "fieldManager",
        "string",
        "Under which name changes are recorded in managedFields; at most 128 printable characters. Required for apply.",
    ),
    ("fieldSelector", "string", "Restricts the objects by their fields. All, unless given."),
    (
        "fieldValidation",
        "string",
        "What to do about unknown and duplicate fields: Ignore, Warn (the default) or Strict.",
    ),
    ("follow", "boolean", "Goes on with the log as it is written."),
    ("force", "boolean", "Takes over fields that other managers own. Only for apply."),
    (
        "gracePeriodSeconds",
        "integer",
        "How long the object may take to end before it is deleted, in seconds. 0: at once. The kind's own value unless given.",
    ),
    (
        "ignoreStoreReadErrorWithClusterBreakingPotential",
        "boolean",
        "Deletes an object even if it cannot be read from the store. Dangerous.",
    ),
    ("insecureSkipTLSVerifyBackend", "boolean", "Takes the log from a node whose certificate cannot be verified."),
    ("labelSelector", "string", "Restricts the objects by their labels. All, unless given."),
    ("limit", "integer", "The most objects in one answer; the rest follows by continue."),
    ("limitBytes", "integer", "The most bytes of the log to return."),
    ("orphanDependents", "boolean", "Deprecated: use propagationPolicy."),
    ("path", "string", "The path of the request to the other side."),
    ("ports", "integer", "The ports to forward; required with WebSockets."),
    ("pretty", "string", "With true, the answer is printed for people."),
    ("previous", "boolean", "The log of the container's last instance."),
    ("propagationPolicy", "string", "What becomes of dependents: Orphan, Background or Foreground."),
    ("resourceVersion", "string", "From which version an answer or a watch may come."),
    ("resourceVersionMatch", "string", "How resourceVersion is meant in a list: Exact or NotOlderThan."),
    ("sendInitialEvents", "boolean", "Starts a watch with events for what is there, ended by a bookmark."),
    ("shardSelector", "string", "Restricts the objects to a shard."),
    ("sinceSeconds", "integer", "The log of the last so many seconds."),
    ("stderr", "boolean", "Whether to send standard error."),
    ("stdin", "boolean", "Whether to take standard input."),
    ("stdout", "boolean", "Whether to send standard output."),
    ("stream", "string", "Which stream of the log: All, Stdout or Stderr."),
    ("tailLines", "integer", "The last so many lines of the log."),
    ("timeoutSeconds", "integer", "How long the call may take, in seconds, whatever else happens."),
    ("timestamps", "boolean", "A timestamp before each line of the log."),
    ("tty", "boolean", "Whether to allocate a terminal."),
    ("watch", "boolean", "Watches for changes instead of listing."),
];

/// Path parameters: name, description.
const PATH: &[(&str, &str)] = &[
    ("path:name", "The object's name."),
    ("path:namespace", "The object's namespace."),
    ("path:path", "The path of the request to the other side."),
];

/// A parameter in a document. `None` for names that are not known, and for the body, which is no parameter in v3.
pub(super) fn parameter(name: &str, dialect: Dialect) -> Option<Value> {
    if let Some((_, description)) = PATH.iter().find(|(known, _)| *known == name) {
        let bare = name.strip_prefix("path:").unwrap_or(name);
        let mut value = json!({"name": bare, "in": "path", "required": true, "description": description});
        typed(&mut value, "string", dialect);
        return Some(value);
    }
    let (name, kind, description) = QUERY.iter().find(|(known, ..)| *known == name)?;
    let mut value = json!({"name": name, "in": "query", "description": description});
    typed(&mut value, kind, dialect);
    Some(value)
}

/// v3 puts the type into a schema, v2 beside the name.
fn typed(parameter: &mut Value, kind: &str, dialect: Dialect) {
    match dialect {
        Dialect::V3 => parameter["schema"] = json!({"type": kind, "uniqueItems": true}),
        Dialect::V2 => {
            parameter["type"] = kind.into();
            parameter["uniqueItems"] = true.into();
        }
    }
}

//! Server-side tables: the columns of each resource and the cells of each object
//! (`k8s.io/kubernetes/pkg/printers/internalversion`).
//!
//! One [`Printer`] per row of the resource table. Ages are counted from `now`, which the caller hands in. What not: the
//! `Table` object around the rows, which the API server makes, as it also decides how much of each object goes along.

mod age;
mod autoscaling;
mod cells;
mod cluster;
mod core;
mod definitions;
mod event;
mod network;
mod node;
mod pod;
mod storage;
#[cfg(test)]
mod tests;
mod workload;

pub(crate) use age::since;

use jiff::Timestamp;
use serde_json::Value;
use std::sync::Arc;

/// One column of a `meta.k8s.io/v1` Table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// The header, as in `Internal-IP`.
    pub name: String,
    /// `string`, `integer`, `boolean` or `date`. As upstream has it, cells need not be of that type.
    pub kind: String,
    /// `name` for the column that holds the object's name, else empty.
    pub format: String,
    /// What the column means; may be empty.
    pub description: String,
    /// 0: always shown; 1: in wide output only.
    pub priority: i32,
}

/// One row of a Table, without the object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// One cell for each column.
    pub cells: Vec<Value>,
    /// `conditions` of the row: finished pods have `Completed`.
    pub conditions: Vec<Value>,
}

impl From<Vec<Value>> for Row {
    fn from(cells: Vec<Value>) -> Self {
        Self { cells, conditions: Vec::new() }
    }
}

/// How a kind looks as a Table.
pub trait Printer: Send + Sync + std::fmt::Debug {
    /// The columns.
    fn columns(&self) -> &[Column];

    /// The row of an object.
    fn row(&self, object: &Value, now: Timestamp) -> Row;
}

/// A built-in printer: a fixed list of columns and the function that fills them.
#[derive(Debug)]
struct Builtin {
    columns: Vec<Column>,
    row: fn(&Value, Timestamp) -> Row,
}

impl Printer for Builtin {
    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn row(&self, object: &Value, now: Timestamp) -> Row {
        (self.row)(object, now)
    }
}

/// The printer of a built-in resource; `Name` and `Created At` where it has none of its own.
pub(crate) fn builtin(group: &str, plural: &str) -> Arc<dyn Printer> {
    let (columns, row) = definitions::lookup(group, plural);
    Arc::new(Builtin { columns: parse(columns), row })
}

/// The printer of every Scale.
pub fn of_scale() -> Arc<dyn Printer> {
    builtin("autoscaling", "scales")
}

/// Reads `Name*|Desired:integer|Selector!`: `*` marks the name's format, `!` a wide column.
fn parse(definition: &str) -> Vec<Column> {
    let column = |text: &str| {
        let (text, priority) = text.strip_suffix('!').map_or((text, 0), |rest| (rest, 1));
        let (text, format) = text.strip_suffix('*').map_or((text, ""), |rest| (rest, "name"));
        let (name, kind) = text.split_once(':').unwrap_or((text, "string"));
        Column { name: name.into(), kind: kind.into(), format: format.into(), description: String::new(), priority }
    };
    definition.split('|').map(column).collect()
}

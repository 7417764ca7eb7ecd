//! Columns and cells against the recorded tables of Kubernetes v1.36.

use super::Column;
use crate::table;
use jiff::Timestamp;
use serde_json::Value;

/// Beside the repository, wherever that is.
const TABLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/tables.json");

/// Columns whose recorded cells depend on the cluster: addresses, ports and generated selectors.
fn is_chosen(want: &Value) -> bool {
    want.as_str().is_some_and(|w| {
        w.contains("<age>") || w.contains("<time>") || w.contains("<clusterIP>") || w.contains("<nodePort>")
    })
}

#[test]
fn columns_are_the_recorded_ones() {
    let Ok(text) = std::fs::read_to_string(TABLES) else {
        return;
    };
    let file: Value = serde_json::from_str(&text).unwrap();
    let recorded = file["resources"].as_object().unwrap();
    for resource in recorded.keys() {
        assert!(table().iter().any(|row| name(row) == *resource), "{resource} is not in the table");
    }
    for row in table() {
        // what cannot be read has no columns to record: reviews, bindings
        let Some(recorded) = recorded.get(&name(row)) else {
            assert!(!row.verbs.contains(&"list"), "{} is not recorded", name(row));
            continue;
        };
        let text = |v: &Value, f: &str| v[f].as_str().unwrap_or_default().to_owned();
        let want: Vec<Column> = recorded["columnDefinitions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| Column {
                name: text(c, "name"),
                kind: text(c, "type"),
                format: text(c, "format"),
                description: String::new(),
                priority: i32::try_from(c["priority"].as_i64().unwrap()).unwrap(),
            })
            .collect();
        assert_eq!(row.printer.columns(), want, "{}", row.qualified());
    }
}

/// What the recordings call a resource.
fn name(row: &crate::Resource) -> String {
    format!("{}/{}", row.api_version(), row.plural)
}

#[test]
fn cells_are_the_recorded_ones() {
    let Ok(text) = std::fs::read_to_string(TABLES) else {
        return;
    };
    let file: Value = serde_json::from_str(&text).unwrap();
    let now: Timestamp = "2026-11-23T00:00:00Z".parse().unwrap();
    let mut wrong = Vec::new();
    for example in file["examples"].as_array().unwrap() {
        let resource = example["resource"].as_str().unwrap();
        let row = table().iter().find(|row| name(row) == resource).expect(resource);
        let mut object = example["object"].clone();
        if let Some(schema) = api::schema::builtin(&row.definition) {
            api::codec::conform(&mut object, schema).unwrap();
        }
        row.strategy.default(&mut object);
        row.strategy.prepare_for_create(&mut object);
        if let Some(status) = example.get("status") {
            let mut merged = object["status"].as_object().cloned().unwrap_or_default();
            merged.extend(status.as_object().unwrap().clone());
            object["status"] = merged.into();
            row.strategy.default(&mut object);
        }
        if example["then"] == "deleted gracefully" {
            object["metadata"]["deletionTimestamp"] = "2026-11-22T00:00:00Z".into();
            if &*row.kind == "Namespace" {
                object["status"]["phase"] = "Terminating".into();
            }
        }
        let printed = row.printer.row(&object, now);
        for (column, cell) in row.printer.columns().iter().zip(&printed.cells) {
            let want = &example["cells"][&column.name];
            // the last: from a condition that the server adds after the creation
            let by_others = matches!(&*column.name, "Selector" | "Duration" | "MissingPL");
            if !is_chosen(want) && want != cell && !by_others {
                wrong
                    .push(format!("{resource} {} {}: want {want} got {cell}", object["metadata"]["name"], column.name));
            }
        }
        let conditions = example.get("rowConditions").and_then(Value::as_array).cloned().unwrap_or_default();
        assert_eq!(printed.conditions, conditions, "{resource} {}", object["metadata"]["name"]);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

//! Rows of what runs pods: deployments, sets, jobs.

use super::Row;
use super::age::{human_duration, since};
use super::cells::{age, containers, int, labels, name, or_none, selector};
use super::core::template_labels;
use crate::At;
use jiff::Timestamp;
use serde_json::Value;

pub(super) fn pod_template(object: &Value, _now: Timestamp) -> Row {
    let root = At::root(object);
    let template = root.at("template");
    let (names, images) = containers(&template.at("spec"));
    vec![name(object), names.into(), images.into(), template_labels(&template)].into()
}

/// Containers, images and selector: the wide columns of every workload.
fn wide(spec: &At, selector_text: String) -> [Value; 3] {
    let template = spec.at("template");
    let (names, images) = containers(&template.at("spec"));
    [names.into(), images.into(), selector_text.into()]
}

fn replicas(object: &Value, now: Timestamp, selector_text: impl Fn(&At) -> String) -> Row {
    let root = At::root(object);
    let (spec, status) = (root.at("spec"), root.at("status"));
    let mut cells = vec![
        name(object),
        int(&spec.at("replicas")),
        int(&status.at("replicas")),
        int(&status.at("readyReplicas")),
        age(object, now),
    ];
    cells.extend(wide(&spec, selector_text(&spec.at("selector"))));
    cells.into()
}

pub(super) fn replication_controller(object: &Value, now: Timestamp) -> Row {
    replicas(object, now, labels)
}

pub(super) fn replica_set(object: &Value, now: Timestamp) -> Row {
    replicas(object, now, selector)
}

fn ready(spec: &At, status: &At) -> Value {
    let count = |at: At| at.int().unwrap_or(0);
    format!("{}/{}", count(status.at("readyReplicas")), count(spec.at("replicas"))).into()
}

pub(super) fn deployment(object: &Value, now: Timestamp) -> Row {
    let root = At::root(object);
    let (spec, status) = (root.at("spec"), root.at("status"));
    let mut cells = vec![
        name(object),
        ready(&spec, &status),
        int(&status.at("updatedReplicas")),
        int(&status.at("availableReplicas")),
        age(object, now),
    ];
    cells.extend(wide(&spec, selector(&spec.at("selector"))));
    cells.into()
}

pub(super) fn stateful_set(object: &Value, now: Timestamp) -> Row {
    let root = At::root(object);
    let (spec, status) = (root.at("spec"), root.at("status"));
    let [names, images, _] = wide(&spec, String::new());
    vec![name(object), ready(&spec, &status), age(object, now), names, images].into()
}

pub(super) fn daemon_set(object: &Value, now: Timestamp) -> Row {
    let root = At::root(object);
    let (spec, status) = (root.at("spec"), root.at("status"));
    let template = spec.at("template");
    let pod = template.at("spec");
    let counts = [
        "desiredNumberScheduled",
        "currentNumberScheduled",
        "numberReady",
        "updatedNumberScheduled",
        "numberAvailable",
    ];
    let mut cells = vec![name(object)];
    cells.extend(counts.iter().map(|field| int(&status.at(field))));
    cells.push(labels(&pod.at("nodeSelector")).into());
    cells.push(age(object, now));
    cells.extend(wide(&spec, selector(&spec.at("selector"))));
    cells.into()
}

pub(super) fn controller_revision(object: &Value, now: Timestamp) -> Row {
    let root = At::root(object);
    let metadata = root.at("metadata");
    let owners = metadata.at("ownerReferences");
    let controller = owners.items().find(|owner| owner.at("controller").bool()).map(|owner| {
        let kind = owner.at("kind").str().to_lowercase();
        let group = owner.at("apiVersion").str().split_once('/').map(|(group, _)| format!(".{group}"));
        format!("{kind}{}/{}", group.unwrap_or_default(), owner.at("name").str())
    });
    let revision = int(&root.at("revision"));
    vec![name(object), or_none(&controller.unwrap_or_default()), revision, age(object, now)].into()
}

pub(super) fn job(object: &Value, now: Timestamp) -> Row {
    let root = At::root(object);
    let (spec, status) = (root.at("spec"), root.at("status"));
    let done = status.at("succeeded").int().unwrap_or(0);
    let completions = match (spec.at("completions").int(), spec.at("parallelism").int().unwrap_or(0)) {
        (Some(wanted), _) => format!("{done}/{wanted}"),
        (None, parallel) if parallel > 1 => format!("{done}/1 of {parallel}"),
        (None, _) => format!("{done}/1"),
    };
    let mut cells = vec![
        name(object),
        job_status(&root).into(),
        completions.into(),
        job_duration(&status, now).into(),
        age(object, now),
    ];
    cells.extend(wide(&spec, selector(&spec.at("selector"))));
    cells.into()
}

fn job_status(job: &At) -> &'static str {
    let (status, metadata) = (job.at("status"), job.at("metadata"));
    let conditions = status.at("conditions");
    let has = |kind: &str| conditions.items().any(|c| c.at("type").str() == kind && c.at("status").str() == "True");
    match () {
        () if has("Complete") => "Complete",
        () if has("Failed") => "Failed",
        () if !metadata.at("deletionTimestamp").is_empty() => "Terminating",
        () if has("Suspended") => "Suspended",
        () if has("FailureTarget") => "FailureTarget",
        () if has("SuccessCriteriaMet") => "SuccessCriteriaMet",
        () => "Running",
    }
}

fn job_duration(status: &At, now: Timestamp) -> String {
    let Ok(start) = status.at("startTime").str().parse::<Timestamp>() else {
        return String::new();
    };
    let end = status.at("completionTime").str().parse::<Timestamp>().unwrap_or(now);
    human_duration(end.duration_since(start).as_secs())
}

pub(super) fn cron_job(object: &Value, now: Timestamp) -> Row {
    let root = At::root(object);
    let (spec, status) = (root.at("spec"), root.at("status"));
    let template = spec.at("jobTemplate");
    let job = template.at("spec");
    let suspend = match spec.at("suspend").value().and_then(Value::as_bool) {
        Some(true) => "True",
        Some(false) => "False",
        None => "<unset>",
    };
    let last = match status.at("lastScheduleTime").str() {
        "" => "<none>".to_owned(),
        time => since(time, now),
    };
    let mut cells = vec![
        name(object),
        spec.at("schedule").str().into(),
        or_none(spec.at("timeZone").str()),
        suspend.into(),
        status.at("active").len().into(),
        last.into(),
        age(object, now),
    ];
    cells.extend(wide(&job, selector(&job.at("selector"))));
    cells.into()
}

//! Parts of objects: those that the generic path serves (status, finalize, …), and the few with a life of their own.

use super::asked::{self, Phase, Question};
use super::create::{self, storage_error};
use super::{eviction, identity, options, ownership, patch, scale, update, view};
use crate::answer::{self, Answer, no_such_resource};
use crate::call::Call;
use crate::decode::{self, Wanted};
use api::field::{Error, Path};
use api::meta::{ObjectMeta, child_mut, metadata_mut};
use api::status::{Status, Subject};
use registry::Subresource;
use serde_json::{Value, json};

/// Serves a request for a part of an object.
pub async fn serve(call: &mut Call<'_>) -> Result<Answer, Status> {
    let row = call.row.clone();
    let found = row.subresources.iter().copied().find(|sub| sub.name() == call.info.subresource);
    let subresource = found.ok_or_else(no_such_resource)?;
    match (subresource, call.info.verb.as_str()) {
        (Subresource::Binding, _) => bind(call).await,
        (Subresource::Eviction, _) => Box::pin(eviction::evict(call)).await,
        (Subresource::Token, _) => token(call).await,
        (Subresource::Scale, "get") => scale::get(call).await,
        (Subresource::Scale, _) => Box::pin(scale::write(call)).await,
        (_, "get") => view::get(call).await,
        (_, "update") => update::put(call, Some(subresource)).await,
        (_, "patch") => patch::patch_part(call, Some(subresource)).await,
        _ => Err(answer::method_not_allowed()),
    }
}

/// Decodes the body of a creating subresource.
pub(super) fn body(call: &mut Call<'_>, subresource: Subresource) -> Result<Value, Status> {
    options::check_write(call, "CreateOptions", false)?;
    let row = call.row.clone();
    let (group, version, kind) = row.subresource_kind(subresource);
    let definition = api::schema::definition_for(group, version, &kind).and_then(api::schema::builtin);
    let schema = definition.ok_or_else(|| Status::internal(format!("no schema for {kind}")))?;
    let mut object = decode::object(call, Wanted { group, version, kind: &kind }, schema)?;
    create::check_namespace(call, &mut object)?;
    Ok(object)
}

/// What a creating subresource answers that makes nothing to show.
pub(super) fn success(call: &Call<'_>) -> Answer {
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
    answer::object(201, call.accept.media, &status)
}

async fn token(call: &mut Call<'_>) -> Result<Answer, Status> {
    let mut request = body(call, Subresource::Token)?;
    let definition = api::schema::definition_for("authentication.k8s.io", "v1", "TokenRequest");
    if let Some(schema) = definition.and_then(api::schema::builtin) {
        api::codec::apply_defaults(&mut request, schema);
        crate::tokens::apply_request_defaults(&mut request);
        ownership::track_as(call, None, &mut request, "token", schema, "authentication.k8s.io/v1");
    }
    create::review(call, request, "token").await
}

/// `POST pods/NAME/binding`.
async fn bind(call: &mut Call<'_>) -> Result<Answer, Status> {
    let binding = body(call, Subresource::Binding)?;
    let name = call.info.name.clone();
    if binding.name() != name {
        return Err(Status::bad_request("name in URL does not match name in Binding object"));
    }
    bind_pod(call, &name, binding).await
}

/// Sets a pod's node. Also serves `POST bindings`.
pub async fn bind_pod(call: &mut Call<'_>, name: &str, binding: Value) -> Result<Answer, Status> {
    let target = binding["target"]["name"].as_str().unwrap_or_default().to_owned();
    let errors = binding_errors(&binding["target"]);
    if !errors.is_empty() {
        return Err(Status::unreasoned(api::field::aggregate(&errors)));
    }
    let question = Question { subresource: "binding", ..Question::create(Phase::Both) };
    let binding = asked::admit(call, name, question, binding).await?;
    let dry = call.dry_run();
    let make = |call: &Call<'_>, mut pod: Value| -> Result<Value, Status> {
        let conflict = |why: String| Status::conflict(&Subject { group: "", resource: "pods/binding", name }, &why);
        if !binding.uid().is_empty() && binding.uid() != pod.uid() {
            let why = super::stored_at::uid_differs(&call.row, &call.key(name), binding.uid(), pod.uid());
            return Err(conflict(why));
        }
        if pod.is_deleting() {
            return Err(conflict(format!("pod {name} is being deleted, cannot be assigned to a host")));
        }
        if let Some(node) = pod["spec"]["nodeName"].as_str().filter(|node| !node.is_empty()) {
            return Err(conflict(format!("pod {name} is already assigned to node {node:?}")));
        }
        if pod["spec"]["schedulingGates"].as_array().is_some_and(|gates| !gates.is_empty()) {
            return Err(conflict(format!("pod {name} has non-empty .spec.schedulingGates")));
        }
        child_mut(&mut pod, "spec").insert("nodeName".to_owned(), target.clone().into());
        // The nomination was a hint to whoever looks before the binding; a stale one misleads.
        child_mut(&mut pod, "status").remove("nominatedNodeName");
        for (member, given) in [("annotations", binding.annotations()), ("labels", binding.labels())] {
            if !given.is_empty() {
                let held = metadata_mut(&mut pod).entry(member).or_insert_with(|| json!({}));
                held.as_object_mut().into_iter().for_each(|held| held.extend(given.clone()));
            }
        }
        let now = api::time::format_seconds(call.api.clock.now());
        set_condition(
            &mut pod,
            json!({"type": "PodScheduled", "status": "True", "lastProbeTime": null,
            "lastTransitionTime": now}),
        );
        Ok(pod)
    };
    write_raw(call, "pods", name, &make, dry).await?;
    Ok(success(call))
}

/// `ValidatePodBinding`
fn binding_errors(target: &Value) -> Vec<Error> {
    let (kind, name) = (target["kind"].as_str().unwrap_or_default(), target["name"].as_str().unwrap_or_default());
    let path = Path::new("target");
    let mut errors = Vec::new();
    if !matches!(kind, "" | "Node") {
        errors.push(Error::not_supported_as_listed(&path.child("kind"), kind, &["Node", "<empty>"]));
    }
    if name.is_empty() {
        errors.push(Error::required(&path.child("name"), ""));
    }
    errors
}

fn set_condition(pod: &mut Value, condition: Value) {
    let status = child_mut(pod, "status");
    let conditions = status.entry("conditions").or_insert_with(|| json!([]));
    let Some(list) = conditions.as_array_mut() else { return };
    match list.iter_mut().find(|one| one["type"] == condition["type"]) {
        Some(one) => *one = condition,
        None => list.push(condition),
    }
}

/// Tries of a write whose object changes meanwhile.
const MAX_ATTEMPTS: usize = 5;

/// Writes what a subresource's own rules have made, without the checks of clients' updates.
async fn write_raw(
    call: &mut Call<'_>,
    plural: &str,
    name: &str,
    make: &(dyn Fn(&Call<'_>, Value) -> Result<Value, Status> + Sync),
    dry: bool,
) -> Result<(), Status> {
    let row = call.api.rows.stored("", plural).ok_or_else(no_such_resource)?;
    let shelf = call.api.cache.shelf("", plural);
    let key = crate::cache::key(&call.info.namespace, name);
    for _ in 0..MAX_ATTEMPTS {
        let subject = Subject { group: "", resource: plural, name };
        let entry = shelf.get(&key).ok_or_else(|| Status::not_found(&subject))?;
        let object = make(call, entry.value())?;
        if dry {
            return Ok(());
        }
        let expect = store::Expect::At(store::Revision(entry.revision));
        match call.api.storage.put_last(&row, &key, object, None, expect).await {
            Ok(_) => return Ok(()),
            Err(store::CommitError::Conflict { .. }) => {}
            Err(error) => return Err(storage_error(&error)),
        }
    }
    Err(Status::conflict(&call.subject(name), identity::OPTIMISTIC_LOCK))
}

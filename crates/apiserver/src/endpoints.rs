//! The generic path: one function per verb, for every row of the resource table.

pub mod asked;
pub mod component_status;
mod continuation;
pub mod create;
pub mod delete;
mod delete_options;
mod eviction;
mod fit;
pub mod identity;
pub mod list;
pub mod options;
pub mod ownership;
pub mod page;
mod param_permission;
pub mod patch;
mod patched;
mod scale;
mod scale_managers;
pub mod sisters;
mod stored_at;
pub mod subresource;
pub mod update;
pub mod view;
pub mod watch;

use crate::answer::{self, Answer, method_not_allowed, no_such_resource};
use crate::call::Call;
use api::status::Status;
use registry::{Scope, Subresource};

/// Whether a path to custom resources has a namespace where they have none, or none where they have one. Upstream's server of
/// custom resources passes such requests on, and nobody knows them; only lists and watches go across namespaces.
pub fn is_outside_scope(call: &Call<'_>) -> bool {
    let (info, row) = (call.info, &call.row);
    if row.custom.is_none() {
        return false;
    }
    match row.scope {
        Scope::Namespaced => info.namespace.is_empty() && !matches!(info.verb.as_str(), "list" | "watch"),
        Scope::Cluster => !info.namespace.is_empty(),
    }
}

/// Whether the row serves such a request at all: 404 and 405 come before anything is decoded.
///
/// # Errors
/// 404 for unknown subresources and objects in the wrong scope, 405 for verbs that the row has not.
pub fn check_route(call: &Call<'_>) -> Result<(), Status> {
    let (info, row) = (call.info, &call.row);
    if !info.subresource.is_empty() {
        let known = row.subresources.iter().find(|sub| sub.name() == info.subresource);
        let unknown = || if row.custom.is_some() { call.not_found(&info.name) } else { no_such_resource() };
        let sub = known.ok_or_else(unknown)?;
        let allowed = sub.verbs().contains(&info.verb.as_str()) || *sub == Subresource::Proxy;
        return if allowed { Ok(()) } else { Err(method_not_allowed()) };
    }
    let namespaced = row.scope == Scope::Namespaced;
    let across_namespaces = namespaced && info.namespace.is_empty();
    if across_namespaces && !matches!(info.verb.as_str(), "list" | "watch") {
        let is_collection = info.parts.len() < 2;
        return Err(if is_collection { method_not_allowed() } else { no_such_resource() });
    }
    if !namespaced && !info.namespace.is_empty() && *row.plural != *"namespaces" {
        return Err(no_such_resource());
    }
    let on_object = info.parts.len() > 1;
    let fits = match info.verb.as_str() {
        "create" | "deletecollection" | "list" => !on_object,
        "get" | "update" | "patch" | "delete" => on_object,
        _ => true,
    };
    if fits && row.verbs.contains(&info.verb.as_str()) { Ok(()) } else { Err(method_not_allowed()) }
}

/// Serves a routed request.
///
/// All but the smallest are boxed: a connection holds room for the largest way that a request can take, also while it is
/// idle, and thousands are.
///
/// # Errors
/// What the client sees.
pub async fn serve(call: &mut Call<'_>) -> Result<Answer, Status> {
    if !call.info.subresource.is_empty() {
        return Box::pin(subresource::serve(call)).await;
    }
    match call.info.verb.as_str() {
        "get" => view::get(call).await,
        "list" => Box::pin(list::list(call)).await,
        "watch" => Box::pin(watch::watch(call)).await,
        "create" => Box::pin(create::create(call)).await,
        "update" => Box::pin(update::update(call)).await,
        "patch" => Box::pin(patch::patch(call)).await,
        "delete" => Box::pin(delete::delete(call)).await,
        "deletecollection" => Box::pin(delete::collection(call)).await,
        _ => Err(method_not_allowed()),
    }
}

/// An error answer in the form that the client reads.
pub fn error(status: &Status) -> Answer {
    answer::status(status, crate::accept::Media::Json)
}

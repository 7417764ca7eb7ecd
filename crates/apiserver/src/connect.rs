//! What is no object but a connection: logs, exec, attach, port-forward, proxy.
//!
//! What not: the way to the node, which is `streaming`'s.

use crate::answer::Answer;
use crate::body::RequestBody;
use crate::call::Call;
use crate::chain::{Decision, Operation};
use crate::endpoints;
use crate::endpoints::asked::{self, Phase, Question};
use crate::request::RequestInfo;
use api::status::Status;
use http::Request;
use serde_json::Value;

/// Running something in a pod is more than reading it, also over a WebSocket, whose request is a `GET` (upstream's
/// `AuthorizePodWebsocketUpgradeCreatePermission`).
fn check_may_create(call: &Call<'_>) -> Result<(), Status> {
    let info = call.info;
    if info.verb == "create" || !matches!(info.subresource.as_str(), "exec" | "attach" | "portforward") {
        return Ok(());
    }
    let create = RequestInfo { verb: "create".to_owned(), ..info.clone() };
    match call.api.chain.authorizer.authorize(call.user, &create) {
        Decision::Allow(_) => Ok(()),
        Decision::Deny(why) | Decision::NoOpinion(why) => Err(Status::forbidden(&call.subject(&info.name), &why)),
    }
}

/// Logs, exec, attach, port-forward, proxy: Connect admission, then the connector.
pub async fn connect(call: &mut Call<'_>, request: Request<RequestBody>) -> Answer {
    if call.info.subresource != "log" {
        let old = endpoints::page::entry(call, &call.info.name).map_or(Value::Null, |entry| entry.value());
        let subresource = call.info.subresource.clone();
        let question =
            Question { operation: Operation::Connect, subresource: &subresource, old: &old, phase: Phase::Both };
        let name = call.info.name.clone();
        if let Err(status) = asked::admit(call, &name, question, Value::Null).await {
            return endpoints::error(&status);
        }
    }
    if let Err(status) = check_may_create(call) {
        return endpoints::error(&status);
    }
    let connecting = call.api.chain.connector.connect(request, call.info, call.user);
    connecting.await.unwrap_or_else(|status| endpoints::error(&status))
}

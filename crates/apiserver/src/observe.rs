//! A watch by someone in this process, who gets objects instead of a body: the same question as over HTTP, and the same
//! stages before it is answered.

use crate::call::Call;
use crate::chain::Decision;
use crate::endpoints::watch::{self, Observation};
use crate::request::RequestInfo;
use crate::server::Api;
use crate::user::UserInfo;
use crate::{accept, answer, authz, endpoints, pipeline};
use api::status::Status;
use bytes::Bytes;
use http::Request;
use std::sync::Arc;

/// Begins the watch that `request` asks for.
///
/// # Errors
/// What a client would be told, with 410 where the history does not reach back to the revision that was asked for.
pub(crate) async fn observe(api: &Arc<Api>, request: &Request<()>, user: &UserInfo) -> Result<Observation, Status> {
    let started = api.clock.monotonic();
    let info = RequestInfo::new(request.method(), request.uri().path(), request.uri().query().unwrap_or_default());
    let outcome = begin(api, request, &info, user).await;
    let code = outcome.as_ref().map_or_else(|status| status.code, |_| 200);
    let labels = pipeline::labels_of(api, &info, request.headers());
    api.metrics.request(labels, code, api.clock.monotonic().saturating_sub(started));
    outcome
}

async fn begin(
    api: &Arc<Api>,
    request: &Request<()>,
    info: &RequestInfo,
    user: &UserInfo,
) -> Result<Observation, Status> {
    if let Decision::Deny(why) | Decision::NoOpinion(why) = api.chain.authorizer.authorize(user, info) {
        return Err(authz::forbidden(user, info, &why));
    }
    let row = api.rows.find(&info.api_group, &info.api_version, &info.resource).ok_or_else(answer::no_such_resource)?;
    let accept = accept::negotiate(pipeline::accept_header(request.headers()), pipeline::offer_of(info, &row))?;
    let (headers, body, warnings) = (request.headers(), Bytes::new(), Vec::new());
    let call = Call { api, info, user, row, accept, headers, body, warnings, sisters: None };
    endpoints::check_route(&call)?;
    if info.verb != "watch" {
        return Err(answer::method_not_allowed());
    }
    if pipeline::needs_latest(info) {
        api.storage.catch_up().await.map_err(|error| endpoints::create::read_error(&error))?;
    }
    watch::observe(&call).await
}

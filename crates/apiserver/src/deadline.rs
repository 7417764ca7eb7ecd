//! How long a request may take: `?timeout=`, within upstream's `--request-timeout`.
//!
//! What not: streams, which last as long as both ends want (a watch has `timeoutSeconds`).

use crate::pipeline::is_connection;
use crate::request::RequestInfo;
use api::status::Status;
use std::time::Duration;

/// No request takes longer: upstream's default of `--request-timeout`.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// Whether a request has no end of its own: upstream's `BasicLongRunningRequestCheck`.
pub fn is_long_running(info: &RequestInfo) -> bool {
    matches!(info.verb.as_str(), "watch" | "proxy") || (info.is_resource_request && is_connection(info))
}

/// How long the request may take. Nothing and less than nothing ask for no limit of the client's own.
///
/// # Errors
/// 400 for what is no duration.
pub fn limit(info: &RequestInfo) -> Result<Duration, Status> {
    let Some(text) = info.query.get("timeout").filter(|text| !text.is_empty()) else { return Ok(REQUEST_TIMEOUT) };
    let nanos = api::duration::parse(text)
        .map_err(|error| Status::bad_request(format!("invalid timeout specified in the request URL - {error}")))?;
    let asked = u64::try_from(nanos).map(Duration::from_nanos).unwrap_or_default();
    Ok(if asked.is_zero() { REQUEST_TIMEOUT } else { asked.min(REQUEST_TIMEOUT) })
}

/// The 504 of a request whose time is over. Upstream gives up a write where it is finished, all else in front of all.
pub fn passed(verb: &str) -> Status {
    let message = match verb {
        "create" | "update" | "patch" | "delete" | "deletecollection" => {
            "request did not complete within requested timeout - context deadline exceeded"
        }
        _ => "request did not complete within the allotted timeout",
    };
    Status::timeout(message, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Method;

    fn asked(method: &Method, path: &str, query: &str) -> RequestInfo {
        RequestInfo::new(method, path, query)
    }

    #[test]
    fn a_request_may_shorten_its_time_but_not_lengthen_it() {
        let seconds = |query: &str| limit(&asked(&Method::GET, "/api/v1/pods", query)).map(|limit| limit.as_secs_f64());
        assert_eq!(seconds("timeout=1.5s"), Ok(1.5));
        for whole in ["", "timeout=", "timeout=0", "timeout=0s", "timeout=-3s", "timeout=60s", "timeout=1h"] {
            assert_eq!(seconds(whole), Ok(60.0), "{whole}");
        }
        let wrong = seconds("timeout=10").unwrap_err();
        assert_eq!(wrong.code, 400);
        let words = r#"invalid timeout specified in the request URL - time: missing unit in duration "10""#;
        assert_eq!(wrong.message, words);
    }

    #[test]
    fn streams_are_left_alone() {
        let is_long = |path: &str, query: &str| is_long_running(&asked(&Method::GET, path, query));
        for path in ["/api/v1/namespaces/a/pods/p/log", "/api/v1/nodes/n/proxy/metrics", "/api/v1/watch/pods"] {
            assert!(is_long(path, ""), "{path}");
        }
        assert!(is_long("/api/v1/pods", "watch=true"));
        for path in ["/api/v1/pods", "/api/v1/namespaces/a/pods/p/status", "/apis", "/api/v1/namespaces/a/pods/log"] {
            assert!(!is_long(path, ""), "{path}");
        }
    }
}

//! API services that somebody else serves (`k8s.io/kube-aggregator`): requests for their group-version are passed on with
//! who asks in headers, which the other side believes since we show the front proxy's certificate.
//!
//! Requests look at one number and one flag where there are none. Whether an API service is available is found out beside
//! requests (`availability`), which also keep its condition; what its server offers becomes part of discovery. What not:
//! merging its OpenAPI, and believing such headers of a front proxy ourselves.

mod availability;
mod backend;
mod registration;
mod trust;

pub(crate) use availability::run as keep_available;
pub(crate) use registration::run as register;
pub use trust::FrontProxy;
pub(crate) use trust::publish;

use crate::answer::{self, Answer};
use crate::body::RequestBody;
use crate::reader::{Generation, SharedReader};
use crate::server::Api;
use crate::user::UserInfo;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use rustls::ClientConfig;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

const GROUP: &str = "apiregistration.k8s.io";
const PLURAL: &str = "apiservices";
/// Where an API service says nothing.
const DEFAULT_PORT: u64 = 443;
/// How many ways of trusting are kept ready.
const MAX_CONFIGURATIONS: usize = 64;

/// An API service with a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Delegate {
    group: String,
    version: String,
    namespace: String,
    service: String,
    port: u64,
    available: bool,
    /// Whose certificates are believed; nothing: any.
    bundle: Option<String>,
    priorities: (i64, i64),
}

/// Who serves what. Shared with requests.
#[derive(Debug)]
pub(crate) struct Aggregator {
    reader: SharedReader,
    front_proxy: Option<FrontProxy>,
    generation: Generation,
    /// Of what `delegates` was made, plus one.
    made_of: AtomicU64,
    has_any: AtomicBool,
    delegates: RwLock<Arc<Vec<Delegate>>>,
    tls: Mutex<HashMap<Option<String>, Arc<ClientConfig>>>,
}

impl Aggregator {
    /// Without a front proxy's certificate others are asked without one.
    pub fn new(reader: SharedReader, front_proxy: Option<FrontProxy>) -> Self {
        Self {
            generation: reader.generation(GROUP, PLURAL),
            reader,
            front_proxy,
            made_of: AtomicU64::default(),
            has_any: AtomicBool::default(),
            delegates: RwLock::default(),
            tls: Mutex::default(),
        }
    }

    /// All that somebody else serves.
    fn delegates(&self) -> Arc<Vec<Delegate>> {
        let generation = self.generation.now().wrapping_add(1);
        if self.made_of.load(Ordering::Acquire) != generation {
            let services = self.reader.list(GROUP, PLURAL, None);
            let delegates: Vec<Delegate> = services.iter().filter_map(|service| delegate(service)).collect();
            let mut place = self.delegates.write().unwrap_or_else(PoisonError::into_inner);
            self.has_any.store(!delegates.is_empty(), Ordering::Release);
            *place = Arc::new(delegates);
            self.made_of.store(generation, Ordering::Release);
        }
        self.delegates.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Who serves a path that is not ours.
    pub fn find(&self, path: &str) -> Option<Delegate> {
        let is_new = self.made_of.load(Ordering::Acquire) != self.generation.now().wrapping_add(1);
        if !is_new && !self.has_any.load(Ordering::Acquire) {
            return None;
        }
        let (group, version) = group_version(path)?;
        self.delegates().iter().find(|one| one.group == group && one.version == version).cloned()
    }

    fn tls(&self, delegate: &Delegate) -> Result<Arc<ClientConfig>, String> {
        let mut known = self.tls.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = known.get(&delegate.bundle) {
            return Ok(config.clone());
        }
        let pair = self.front_proxy.as_ref().map(|proxy| &proxy.client);
        let config = match &delegate.bundle {
            None => certs::unverified_client_config(pair, &[b"http/1.1"]),
            Some(bundle) => certs::client_config(&crate::webhook_client::authorities(bundle)?, pair, &[b"http/1.1"]),
        };
        let config = config.map_err(|error| format!("unable to load root certificates: {error}"))?;
        if known.len() >= MAX_CONFIGURATIONS {
            known.clear();
        }
        known.insert(delegate.bundle.clone(), config.clone());
        Ok(config)
    }
}

/// `/apis/<group>/<version>` and below; `/api/<version>`.
fn group_version(path: &str) -> Option<(&str, &str)> {
    let (group, rest) = match path.strip_prefix("/apis/") {
        Some(rest) => rest.split_once('/')?,
        None => ("", path.strip_prefix("/api/")?),
    };
    let version = rest.split('/').next().unwrap_or_default();
    (!version.is_empty()).then_some((group, version))
}

fn delegate(object: &Value) -> Option<Delegate> {
    let spec = &object["spec"];
    let service = spec.get("service").filter(|service| !service.is_null())?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let skips = spec["insecureSkipTLSVerify"] == true;
    Some(Delegate {
        group: text(&spec["group"]),
        version: text(&spec["version"]),
        namespace: text(&service["namespace"]),
        service: text(&service["name"]),
        port: service["port"].as_u64().unwrap_or(DEFAULT_PORT),
        available: availability::condition(object).is_some_and(|condition| condition["status"] == "True"),
        bundle: (!skips).then(|| text(&spec["caBundle"])),
        priorities: (
            spec["groupPriorityMinimum"].as_i64().unwrap_or_default(),
            spec["versionPriority"].as_i64().unwrap_or_default(),
        ),
    })
}

/// Passes a request on.
pub(crate) async fn serve(
    api: &Api,
    delegate: &Delegate,
    mut request: Request<RequestBody>,
    user: &UserInfo,
) -> Answer {
    if !delegate.available {
        return unavailable("service unavailable");
    }
    set_user(request.headers_mut(), user);
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str()).to_owned();
    match backend::ask(api, delegate, &target, request).await {
        Ok(response) => response,
        Err(backend::AskError::Resolve(_)) => unavailable("service unavailable"),
        Err(backend::AskError::Tls(why)) => answer::text(500, format!("{why}\n")),
        Err(backend::AskError::Reach(why)) => unavailable(&why),
    }
}

fn unavailable(why: &str) -> Answer {
    answer::text(503, format!("{why}\n"))
}

/// Who asks, as the other side reads it; what the client itself says of that is gone.
fn set_user(headers: &mut HeaderMap, user: &UserInfo) {
    let said: Vec<HeaderName> = headers.keys().filter(|name| name.as_str().starts_with("x-remote-")).cloned().collect();
    for name in said {
        headers.remove(name);
    }
    let mut add = |name: &str, value: &str| {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
            headers.append(name, value);
        }
    };
    add("x-remote-user", &user.name);
    if !user.uid.is_empty() {
        add("x-remote-uid", &user.uid);
    }
    user.groups.iter().for_each(|group| add("x-remote-group", group));
    for (key, values) in &user.extra {
        let name = format!("x-remote-extra-{}", escaped(key));
        values.iter().for_each(|value| add(&name, value));
    }
}

/// A key in the name of a header (`headerKeyEscape`): what no token may have, and `%`, is escaped.
fn escaped(key: &str) -> String {
    let mut text = String::new();
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || b"!#$&'*+-.^_`|~".contains(&byte) {
            text.push(byte as char);
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests;

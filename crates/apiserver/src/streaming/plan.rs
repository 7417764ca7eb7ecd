//! Where a connecting request goes: pure, from the objects as they are.

use super::{options, proxy};
use crate::SharedReader;
use crate::request::RequestInfo;
use api::status::{Status, Subject};
use serde_json::Value;
use std::sync::Arc;

/// The kubelet's port where a node does not say.
const DEFAULT_KUBELET_PORT: u64 = 10250;
/// kubeadm's `--kubelet-preferred-address-types`.
const ADDRESS_TYPES: [&str; 3] = ["InternalIP", "ExternalIP", "Hostname"];

/// What to do with a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// 204: the log of a pod that is nowhere yet.
    NoContent,
    /// Over TLS to a kubelet.
    Kubelet { address: String, target: String, answer: Answer },
    /// To a pod, or to whatever a service stands for.
    Pod { scheme: Scheme, address: String, target: String },
}

/// What is spoken to a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    /// Nobody's name is verified, as upstream has it: pods are reached by their addresses.
    Https,
}

/// How the answer of the other side reaches the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Unchanged, of a stream.
    Stream,
    /// Unchanged, of whatever it is that serves HTTP there.
    Proxied,
    /// Errors are texts, to be made into a Status about this pod.
    TextErrors { pod: String },
}

impl Answer {
    /// What the client is told when the other side cannot be reached. Upstream tells it in three ways: a proxy in the
    /// form of `NewServiceUnavailable`, the others as errors that are no Status.
    pub(super) fn unreachable(&self, address: &str, target: &str, why: impl std::fmt::Display) -> Status {
        match self {
            Self::Stream => Status::plain(500, "", format!("error dialing backend: {why}")),
            Self::Proxied => Status::service_unavailable(format!("error trying to reach service: {why}")),
            Self::TextErrors { .. } => Status::plain(500, "", format!("Get \"https://{address}{target}\": {why}")),
        }
    }
}

/// Decides; `random` chooses between equal endpoints.
pub(super) fn plan(reader: &SharedReader, info: &RequestInfo, random: usize) -> Result<Plan, Status> {
    match (info.resource.as_str(), info.subresource.as_str()) {
        ("nodes", "proxy") => proxy::node(reader, info),
        ("pods", "proxy") => proxy::pod(reader, info),
        ("services", "proxy") => proxy::service(reader, info, random),
        ("pods", "log") => log(reader, info),
        ("pods", "portforward") => stream(reader, info, "portForward", false, options::port_forward(&info.query)),
        ("pods", "attach") => stream(reader, info, "attach", true, options::streams(&info.query, false)),
        ("pods", "exec") => stream(reader, info, "exec", true, options::streams(&info.query, true)),
        (resource, name) => {
            // The row has the subresource and nothing here serves it.
            Err(Status::plain(501, "", format!("{resource}/{name} is not served")))
        }
    }
}

pub(super) fn get_pod(reader: &SharedReader, info: &RequestInfo, name: &str) -> Result<Arc<Value>, Status> {
    let missing = || Status::not_found(&Subject { group: "", resource: "pods", name });
    reader.get("", "pods", &info.namespace, name).ok_or_else(missing)
}

fn log(reader: &SharedReader, info: &RequestInfo) -> Result<Plan, Status> {
    let query = options::log(&info.query, &info.name)?;
    let pod = get_pod(reader, info, &info.name)?;
    let container = container(&pod, &info.name, info.query.get("container").unwrap_or_default())?;
    if node_of(&pod).is_empty() {
        return Ok(Plan::NoContent);
    }
    let target = with_query(format!("/containerLogs/{}/{}/{container}", info.namespace, info.name), &query);
    let address = node_address(reader, node_of(&pod))?;
    Ok(Plan::Kubelet { address, target, answer: Answer::TextErrors { pod: info.name.clone() } })
}

fn stream(
    reader: &SharedReader,
    info: &RequestInfo,
    verb: &str,
    in_container: bool,
    query: String,
) -> Result<Plan, Status> {
    let pod = get_pod(reader, info, &info.name)?;
    let mut path = format!("/{verb}/{}/{}", info.namespace, info.name);
    if in_container {
        let container = container(&pod, &info.name, info.query.get("container").unwrap_or_default())?;
        path += &format!("/{container}");
    }
    if node_of(&pod).is_empty() {
        return Err(Status::bad_request(format!("pod {} does not have a host assigned", info.name)));
    }
    let address = node_address(reader, node_of(&pod))?;
    Ok(Plan::Kubelet { address, target: with_query(path, &query), answer: Answer::Stream })
}

pub(super) fn with_query(path: String, query: &str) -> String {
    if query.is_empty() { path } else { format!("{path}?{query}") }
}

fn node_of(pod: &Value) -> &str {
    pod["spec"]["nodeName"].as_str().unwrap_or_default()
}

/// The container that is meant, in upstream's words where it is not clear.
fn container(pod: &Value, name: &str, asked: &str) -> Result<String, Status> {
    let names = |member: &str| -> Vec<&str> {
        pod["spec"][member].as_array().into_iter().flatten().filter_map(|one| one["name"].as_str()).collect()
    };
    let (apps, init, ephemeral) = (names("containers"), names("initContainers"), names("ephemeralContainers"));
    if !asked.is_empty() {
        let there = [&apps, &init, &ephemeral].iter().any(|names| names.contains(&asked));
        return if there {
            Ok(asked.to_owned())
        } else {
            Err(Status::bad_request(format!("container {asked} is not valid for pod {name}")))
        };
    }
    match apps.as_slice() {
        [one] => Ok((*one).to_owned()),
        [] => Err(Status::bad_request(format!("a container name must be specified for pod {name}"))),
        many => {
            let mut words =
                format!("a container name must be specified for pod {name}, choose one of: [{}]", many.join(" "));
            if !init.is_empty() {
                words += &format!(" or one of the init containers: [{}]", init.join(" "));
            }
            if !ephemeral.is_empty() {
                words += &format!(" or one of the ephemeral containers: [{}]", ephemeral.join(" "));
            }
            Err(Status::bad_request(words))
        }
    }
}

/// `host:port` of a node's kubelet.
pub(super) fn node_address(reader: &SharedReader, name: &str) -> Result<String, Status> {
    let missing = || Status::not_found(&Subject { group: "", resource: "nodes", name });
    let node = reader.get("", "nodes", "", name).ok_or_else(missing)?;
    let addresses = || node["status"]["addresses"].as_array().into_iter().flatten();
    let of_type =
        |wanted: &&str| addresses().find(|one| one["type"] == **wanted).and_then(|one| one["address"].as_str());
    let Some(host) = ADDRESS_TYPES.iter().find_map(of_type) else {
        let known: Vec<String> = addresses().map(Value::to_string).collect();
        return Err(Status::internal(format!("no preferred addresses found; known addresses: [{}]", known.join(" "))));
    };
    let port = node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"].as_u64().filter(|port| *port != 0);
    Ok(join(host, port.unwrap_or(DEFAULT_KUBELET_PORT)))
}

pub(super) fn join(host: &str, port: u64) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

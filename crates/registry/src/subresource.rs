//! What hangs below an object in the paths of the API.

/// A subresource served by the generic path. Those with a life of their own (log, exec, …) are the API server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subresource {
    /// Reads and writes `status` only.
    Status,
    /// `autoscaling/v1` Scale.
    Scale,
    /// `POST` that sets `spec.nodeName`.
    Binding,
    /// `POST` of a `policy/v1` Eviction.
    Eviction,
    /// `POST` of a TokenRequest.
    Token,
    /// `PUT` of a namespace whose `spec.finalizers` were taken off.
    Finalize,
    /// `PUT`/`PATCH` of a CSR's approval.
    Approval,
    /// `PUT`/`PATCH` of `spec.ephemeralContainers`.
    EphemeralContainers,
    /// `PUT`/`PATCH` of container resources.
    Resize,
    /// `GET` of a container's log.
    Log,
    /// WebSocket or SPDY.
    Exec,
    /// WebSocket or SPDY.
    Attach,
    /// WebSocket or SPDY.
    PortForward,
    /// HTTP through the node or to a pod or service.
    Proxy,
}

impl Subresource {
    /// The path element, as in `pods/<name>/status`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Scale => "scale",
            Self::Binding => "binding",
            Self::Eviction => "eviction",
            Self::Token => "token",
            Self::Finalize => "finalize",
            Self::Approval => "approval",
            Self::EphemeralContainers => "ephemeralcontainers",
            Self::Resize => "resize",
            Self::Log => "log",
            Self::Exec => "exec",
            Self::Attach => "attach",
            Self::PortForward => "portforward",
            Self::Proxy => "proxy",
        }
    }

    /// The verbs that discovery lists for it.
    pub fn verbs(self) -> &'static [&'static str] {
        match self {
            Self::Binding | Self::Eviction | Self::Token => &["create"],
            Self::Finalize => &["update"],
            Self::Log => &["get"],
            Self::Exec | Self::Attach | Self::PortForward => &["create", "get"],
            Self::Proxy => &["create", "delete", "get", "patch", "update"],
            Self::Status | Self::Scale | Self::Approval | Self::EphemeralContainers | Self::Resize => {
                &["get", "patch", "update"]
            }
        }
    }
}

//! Upstream's flags that mean nothing here: harmless ones are dropped with a warning that names them, and those that
//! nobody may ignore are refused with the reason. What neither list has goes on to the parser, which refuses it. Pure.

use std::ffi::OsString;

/// What became of a command line.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Filtered {
    /// What the parser gets.
    pub arguments: Vec<OsString>,
    /// Names of flags that were dropped.
    pub ignored: Vec<String>,
}

/// A flag that cannot be ignored.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("--{flag}: {reason}")]
pub struct RefusedFlag {
    flag: String,
    reason: &'static str,
}

/// What upstream's program `program` has, and this one does not. A `!` marks flags without a value.
struct Program {
    name: &'static str,
    harmless: &'static str,
    refused: &'static [(&'static str, &'static str)],
}

/// Of all components: how much is said and measured, and how requests are spread.
const COMMON: &str = "profiling! contention-profiling! feature-gates vmodule log-flush-frequency logging-format
    show-hidden-metrics-for-version disabled-metrics allow-metric-labels allow-metric-labels-manifest
    http2-max-streams-per-connection permit-address-sharing! permit-port-sharing! kube-api-qps kube-api-burst
    kube-api-content-type min-resync-period requestheader-allowed-names requestheader-client-ca-file
    requestheader-extra-headers-prefix requestheader-group-headers requestheader-username-headers
    requestheader-uid-headers authentication-kubeconfig authorization-kubeconfig
    authentication-skip-lookup! authentication-token-webhook-cache-ttl authentication-tolerate-lookup-failure!
    authorization-always-allow-paths authorization-webhook-cache-authorized-ttl
    authorization-webhook-cache-unauthorized-ttl tls-cipher-suites tls-curve-preferences emulated-version
    disable-http2-serving! emulation-forward-compatible! runtime-config-emulation-forward-compatible!";

const NO_STAGE: &str = "this build has no such stage, and leaving it out would weaken the cluster";

const PROGRAMS: &[Program] = &[
    Program {
        name: "kube-apiserver",
        harmless: "proxy-client-cert-file proxy-client-key-file kubelet-preferred-address-types kubelet-port
            kubelet-timeout kubelet-read-only-port runtime-config default-watch-cache-size watch-cache!
            watch-cache-sizes max-requests-inflight max-mutating-requests-inflight request-timeout
            min-request-timeout goaway-chance livez-grace-period shutdown-delay-duration
            shutdown-send-retry-after! shutdown-watch-termination-grace-period
            etcd-count-metric-poll-period etcd-db-metric-poll-interval etcd-healthcheck-timeout
            etcd-readycheck-timeout lease-reuse-duration-seconds storage-backend storage-media-type
            delete-collection-workers enable-garbage-collector! enable-priority-and-fairness! endpoint-reconciler-type
            apiserver-count master-service-namespace external-hostname strict-transport-security-directives
            enable-aggregator-routing! aggregator-reject-forwarding-redirect! cors-allowed-origins
            default-not-ready-toleration-seconds default-unreachable-toleration-seconds
            default-unreachable-toleration-seconds enable-logs-handler! kubernetes-service-node-port
            max-connection-bytes-per-sec service-account-extend-token-expiration! service-account-jwks-uri
            service-account-lookup! service-node-port-range peer-advertise-ip peer-advertise-port peer-ca-file
            advertise-dns coordinated-leadership-lease-duration coordinated-leadership-renew-deadline
            coordinated-leadership-retry-period",
        refused: &[
            ("audit-policy-file", NO_STAGE),
            ("audit-log-path", NO_STAGE),
            ("audit-webhook-config-file", NO_STAGE),
            ("encryption-provider-config", "secrets would be stored without the encryption that it asks for"),
            ("authentication-config", NO_STAGE),
            ("authentication-token-webhook-config-file", NO_STAGE),
            ("authorization-config", NO_STAGE),
            ("authorization-policy-file", NO_STAGE),
            ("authorization-webhook-config-file", NO_STAGE),
            ("admission-control-config-file", NO_STAGE),
            ("oidc-issuer-url", NO_STAGE),
            ("egress-selector-config-file", "connections would not take the way that it asks for"),
            ("service-account-signing-endpoint", NO_STAGE),
            ("service-account-max-token-expiration", NO_STAGE),
            ("tls-min-version", NO_STAGE),
            ("tls-sni-cert-key", "clients would be shown another certificate than it asks for"),
            ("etcd-servers-overrides", "objects would be kept elsewhere than it asks for"),
        ],
    },
    Program {
        name: "kube-controller-manager",
        harmless: "cluster-name configure-cloud-routes! cloud-provider
            concurrent-cron-job-syncs concurrent-deployment-syncs concurrent-endpoint-syncs
            concurrent-ephemeralvolume-syncs concurrent-gc-syncs concurrent-horizontal-pod-autoscaler-syncs
            concurrent-job-syncs concurrent-namespace-syncs concurrent-rc-syncs concurrent-replicaset-syncs
            concurrent-resource-quota-syncs concurrent-service-endpoint-syncs concurrent-service-syncs
            concurrent-serviceaccount-token-syncs concurrent-statefulset-syncs concurrent-daemonset-syncs
            concurrent-ttl-after-finished-syncs concurrent-validating-admission-policy-status-syncs
            controller-start-interval enable-garbage-collector! enable-dynamic-provisioning! leader-elect-resource-lock
            master namespace-sync-period node-cidr-mask-size-ipv6 node-sync-period resource-quota-sync-period
            route-reconciliation-period service-cluster-ip-range terminated-pod-gc-threshold
            flex-volume-plugin-dir pvclaimbinder-sync-period enable-hostpath-provisioner! endpointslice-updates-batch-period
            endpoint-updates-batch-period max-endpoints-per-slice mirroring-concurrent-service-endpoint-syncs
            mirroring-endpointslice-updates-batch-period mirroring-max-endpoints-per-subset
            horizontal-pod-autoscaler-sync-period horizontal-pod-autoscaler-tolerance
            horizontal-pod-autoscaler-downscale-stabilization horizontal-pod-autoscaler-cpu-initialization-period
            horizontal-pod-autoscaler-initial-readiness-delay large-cluster-size-threshold
            legacy-service-account-token-clean-up-period node-eviction-rate secondary-node-eviction-rate
            unhealthy-zone-threshold node-startup-grace-period node-monitor-grace-period node-monitor-period
            attach-detach-reconcile-sync-period disable-attach-detach-reconcile-sync! controller-shutdown-timeout",
        refused: &[
            ("cluster-signing-kubelet-client-cert-file", "signers with authorities of their own are not part of this build"),
            ("cluster-signing-kubelet-serving-cert-file", "signers with authorities of their own are not part of this build"),
            (
                "cluster-signing-kube-apiserver-client-cert-file",
                "signers with authorities of their own are not part of this build",
            ),
            ("cluster-signing-legacy-unknown-cert-file", "signers with authorities of their own are not part of this build"),
            ("external-cloud-volume-plugin", "cloud providers are not part of this build"),
        ],
    },
    Program {
        name: "kube-scheduler",
        harmless: "master leader-elect-resource-lock pod-max-in-unschedulable-pods-duration write-config-to client-ca-file",
        refused: &[],
    },
    Program {
        name: "kubelet",
        harmless: "fail-swap-on! cgroups-per-qos! rotate-server-certificates! runtime-cgroups
            kubelet-cgroups system-cgroups pod-infra-container-image volume-plugin-dir image-service-endpoint
            hairpin-mode enable-server! exit-on-lock-contention! lock-file streaming-connection-idle-timeout
            enable-controller-attach-detach! local-storage-capacity-isolation! max-open-files
            maximum-dead-containers maximum-dead-containers-per-container registry-burst registry-qps event-burst
            event-qps housekeeping-interval oom-score-adj protect-kernel-defaults! make-iptables-util-chains!
            node-status-max-images sync-frequency read-only-port healthz-port healthz-bind-address
            cpu-cfs-quota! cpu-cfs-quota-period serialize-image-pulls!
            seccomp-default! config-dir image-credential-provider-config image-credential-provider-bin-dir",
        refused: &[
            ("container-runtime-endpoint", "this kubelet runs containers itself"),
            ("cloud-provider", "cloud providers are not part of this build"),
        ],
    },
];

/// Takes the flags out that mean nothing to `program`; `known` are the flags that the parser knows. Underscores in names
/// count as dashes, as with upstream.
///
/// # Errors
/// [`RefusedFlag`] for the first that may not be ignored.
pub fn filter(program: &str, known: &[&str], arguments: Vec<OsString>) -> Result<Filtered, RefusedFlag> {
    let Some(program) = PROGRAMS.iter().find(|one| one.name == program) else {
        return Ok(Filtered { arguments, ignored: Vec::new() });
    };
    let mut filtered = Filtered::default();
    let mut rest = arguments.into_iter();
    while let Some(argument) = rest.next() {
        let Some(flag) = argument.to_str().and_then(|text| text.strip_prefix("--")).filter(|text| !text.is_empty())
        else {
            filtered.arguments.push(argument);
            continue;
        };
        let (name, value) = flag.split_once('=').map_or((flag, None), |(name, value)| (name, Some(value)));
        let name = name.replace('_', "-");
        if known.contains(&name.as_str()) {
            filtered.arguments.push(value.map_or(format!("--{name}"), |value| format!("--{name}={value}")).into());
            continue;
        }
        if let Some((_, reason)) = program.refused.iter().find(|(refused, _)| *refused == name) {
            return Err(RefusedFlag { flag: name, reason });
        }
        let Some(takes_value) = harmless(program, &name) else {
            filtered.arguments.push(argument);
            continue;
        };
        if takes_value && value.is_none() {
            rest.next(); // its value, whatever it is
        }
        filtered.ignored.push(name);
    }
    Ok(filtered)
}

/// Whether a harmless flag takes a value; `None`: not a harmless flag.
fn harmless(program: &Program, name: &str) -> Option<bool> {
    program.harmless.split_whitespace().chain(COMMON.split_whitespace()).find_map(|word| {
        let (word, takes_value) = word.strip_suffix('!').map_or((word, true), |word| (word, false));
        (word == name).then_some(takes_value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(program: &str, arguments: &[&str]) -> Result<(Vec<String>, Vec<String>), RefusedFlag> {
        let arguments = arguments.iter().map(OsString::from).collect();
        let filtered = filter(program, &["secure-port", "cluster-cidr"], arguments)?;
        let arguments = filtered.arguments.iter().map(|a| a.to_string_lossy().into_owned()).collect();
        Ok((arguments, filtered.ignored))
    }

    #[test]
    fn harmless_flags_go_with_their_values() {
        let arguments =
            ["--profiling", "--goaway-chance", "0", "--secure-port=1", "--storage_backend=etcd3", "--wrong=1"];
        let (kept, ignored) = run("kube-apiserver", &arguments).unwrap();
        assert_eq!(kept, ["--secure-port=1", "--wrong=1"]);
        assert_eq!(ignored, ["profiling", "goaway-chance", "storage-backend"]);
        let (kept, _) = run("kube-controller-manager", &["--cluster_cidr", "10.0.0.0/8", "file"]).unwrap();
        assert_eq!(kept, ["--cluster-cidr", "10.0.0.0/8", "file"]);
    }

    #[test]
    fn some_flags_may_not_be_ignored() {
        let refused = run("kube-apiserver", &["--encryption-provider-config=/x"]).unwrap_err();
        assert!(refused.to_string().starts_with("--encryption-provider-config: "));
        assert!(run("kubelet", &["--container-runtime-endpoint=unix:///x"]).is_err());
        assert!(run("server", &["--encryption-provider-config=/x"]).is_ok(), "not one of upstream's programs");
    }
}

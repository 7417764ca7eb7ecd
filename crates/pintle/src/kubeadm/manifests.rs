//! The static pods of a control plane, flag for flag as kubeadm writes them, with the image of this binary. Pure.

use super::settings::{
    ClusterSettings, ComponentSettings, Datastore, ETCD_IMAGE, ExtraVolume, IMAGE, KUBERNETES_DIR, pki_dir,
};
use kubelet::KUBELET_VERSION;
use serde_json::{Value, json};
use std::path::Path;

/// Startup may take as long as kubeadm waits; looked at each second, since ours takes less than one.
const STARTUP_FAILURES_MAX: u32 = 240;
/// kubeadm's timeout of a probe.
const PROBE_TIMEOUT_SECONDS: u32 = 15;
/// kubeadm's failures before a component is restarted.
const LIVENESS_FAILURES_MAX: u32 = 8;

/// The volume of the embedded store, by which `reset` finds it.
pub const DATASTORE_VOLUME: &str = "datastore";
/// The volume of a local etcd's data.
pub const ETCD_VOLUME: &str = "etcd-data";

/// One component as its manifest needs it.
struct Component {
    name: &'static str,
    image: String,
    program: &'static str,
    flags: Vec<(String, String)>,
    cpu: &'static str,
    memory: Option<&'static str>,
    /// Name, path on the host and in the container, type, read-only.
    volumes: Vec<ExtraVolume>,
    probe: Probe,
    annotation: Option<(&'static str, String)>,
}

struct Probe {
    host: String,
    port: u16,
    scheme: &'static str,
    liveness: &'static str,
    readiness: Option<&'static str>,
}

/// All manifests: file name without extension, and the pod.
pub fn all(settings: &ClusterSettings) -> Vec<(&'static str, Value)> {
    let mut components = Vec::new();
    if let Datastore::LocalEtcd(dir) = &settings.datastore {
        components.push(etcd(settings, dir));
    }
    components.extend([api_server(settings), controller_manager(settings), scheduler(settings)]);
    components.iter().map(|component| (component.name, pod(component))).collect()
}

/// The image of this binary, by its full name.
pub fn image() -> String {
    format!("{IMAGE}:{KUBELET_VERSION}")
}

/// The image of a local etcd.
pub fn etcd_image() -> String {
    format!("{ETCD_IMAGE}:local")
}

fn flags(own: &[(&str, String)], component: &ComponentSettings) -> Vec<(String, String)> {
    with_extra(own, &component.extra_args)
}

/// An extra argument takes the place of ours of the same name, or comes behind them.
fn with_extra(own: &[(&str, String)], extra: &[(String, String)]) -> Vec<(String, String)> {
    let replaced = |name: &str| extra.iter().any(|(extra, _)| extra == name);
    let kept = own.iter().filter(|(name, _)| !replaced(name)).map(|(name, value)| ((*name).to_owned(), value.clone()));
    kept.chain(extra.iter().cloned()).collect()
}

fn volume(name: &str, path: &str, path_type: &str, read_only: bool) -> ExtraVolume {
    ExtraVolume {
        name: name.to_owned(),
        host_path: path.to_owned(),
        mount_path: path.to_owned(),
        read_only,
        path_type: path_type.to_owned(),
    }
}

fn pki(file: &str) -> String {
    pki_dir().join(file).display().to_string()
}

fn api_server(settings: &ClusterSettings) -> Component {
    let mut own = vec![
        ("advertise-address", settings.advertise_address.to_string()),
        ("allow-privileged", "true".to_owned()),
        ("authorization-mode", "Node,RBAC".to_owned()),
        ("client-ca-file", pki("ca.crt")),
        ("enable-admission-plugins", "NodeRestriction".to_owned()),
        ("enable-bootstrap-token-auth", "true".to_owned()),
    ];
    let mut volumes = vec![
        volume("ca-certs", "/etc/ssl/certs", "DirectoryOrCreate", true),
        volume("k8s-certs", &pki_dir().display().to_string(), "DirectoryOrCreate", true),
    ];
    match &settings.datastore {
        Datastore::Embedded(dir) => {
            let dir = dir.display().to_string();
            own.push(("data-dir", dir.clone()));
            own.push(("datastore-endpoint", "embedded".to_owned()));
            volumes.push(volume(DATASTORE_VOLUME, &dir, "DirectoryOrCreate", false));
        }
        Datastore::LocalEtcd(_) => {
            own.push(("etcd-cafile", pki("etcd/ca.crt")));
            own.push(("etcd-certfile", pki("apiserver-etcd-client.crt")));
            own.push(("etcd-keyfile", pki("apiserver-etcd-client.key")));
            own.push(("etcd-servers", "https://127.0.0.1:2379".to_owned()));
        }
        Datastore::ExternalEtcd { endpoints, ca_file, client } => {
            let mut file = |flag, path: &Path| {
                own.push((flag, path.display().to_string()));
                let directory = path.parent().unwrap_or(Path::new("/")).display().to_string();
                if !Path::new(&directory).starts_with(pki_dir()) && !volumes.iter().any(|v| v.host_path == directory) {
                    volumes.push(volume(
                        &format!("etcd-certs-{}", volumes.len()),
                        &directory,
                        "DirectoryOrCreate",
                        true,
                    ));
                }
            };
            if let Some(path) = ca_file {
                file("etcd-cafile", path);
            }
            if let Some((certificate, key)) = client {
                file("etcd-certfile", certificate);
                file("etcd-keyfile", key);
            }
            own.push(("etcd-servers", endpoints.join(",")));
        }
    }
    own.extend([
        ("kubelet-client-certificate", pki("apiserver-kubelet-client.crt")),
        ("kubelet-client-key", pki("apiserver-kubelet-client.key")),
        ("secure-port", settings.bind_port.to_string()),
        ("service-account-issuer", format!("https://kubernetes.default.svc.{}", settings.dns_domain)),
        ("service-account-key-file", pki("sa.pub")),
        ("service-account-signing-key-file", pki("sa.key")),
        ("service-cluster-ip-range", settings.service_subnet.clone()),
        ("tls-cert-file", pki("apiserver.crt")),
        ("tls-private-key-file", pki("apiserver.key")),
    ]);
    volumes.extend(settings.api_server.extra_volumes.iter().cloned());
    let endpoint = settings.local_endpoint();
    Component {
        name: "kube-apiserver",
        image: image(),
        program: "kube-apiserver",
        flags: flags(&own, &settings.api_server),
        cpu: "250m",
        memory: None,
        volumes,
        probe: Probe {
            host: settings.advertise_address.to_string(),
            port: settings.bind_port,
            scheme: "HTTPS",
            liveness: "/livez",
            readiness: Some("/readyz"),
        },
        annotation: Some(("kubeadm.kubernetes.io/kube-apiserver.advertise-address.endpoint", endpoint)),
    }
}

fn controller_manager(settings: &ClusterSettings) -> Component {
    let kubeconfig = kubeconfig("controller-manager.conf");
    let own = [
        ("allocate-node-cidrs", "true".to_owned()),
        ("authentication-kubeconfig", kubeconfig.clone()),
        ("authorization-kubeconfig", kubeconfig.clone()),
        ("bind-address", "127.0.0.1".to_owned()),
        ("client-ca-file", pki("ca.crt")),
        ("cluster-cidr", settings.pod_subnet.clone()),
        ("cluster-name", settings.cluster_name.clone()),
        ("cluster-signing-cert-file", pki("ca.crt")),
        ("cluster-signing-key-file", pki("ca.key")),
        ("controllers", "*,bootstrapsigner,tokencleaner".to_owned()),
        ("kubeconfig", kubeconfig.clone()),
        ("leader-elect", "true".to_owned()),
        ("root-ca-file", pki("ca.crt")),
        ("service-account-private-key-file", pki("sa.key")),
        ("service-cluster-ip-range", settings.service_subnet.clone()),
        ("use-service-account-credentials", "true".to_owned()),
    ];
    let mut volumes = vec![
        volume("ca-certs", "/etc/ssl/certs", "DirectoryOrCreate", true),
        volume("k8s-certs", &pki_dir().display().to_string(), "DirectoryOrCreate", true),
        volume("kubeconfig", &kubeconfig, "FileOrCreate", true),
    ];
    volumes.extend(settings.controller_manager.extra_volumes.iter().cloned());
    Component {
        name: "kube-controller-manager",
        image: image(),
        program: "kube-controller-manager",
        flags: flags(&own, &settings.controller_manager),
        cpu: "200m",
        memory: None,
        volumes,
        probe: Probe {
            host: "127.0.0.1".to_owned(),
            port: 10257,
            scheme: "HTTPS",
            liveness: "/healthz",
            readiness: None,
        },
        annotation: None,
    }
}

fn scheduler(settings: &ClusterSettings) -> Component {
    let kubeconfig = kubeconfig("scheduler.conf");
    let own = [
        ("authentication-kubeconfig", kubeconfig.clone()),
        ("authorization-kubeconfig", kubeconfig.clone()),
        ("bind-address", "127.0.0.1".to_owned()),
        ("kubeconfig", kubeconfig.clone()),
        ("leader-elect", "true".to_owned()),
    ];
    let mut volumes = vec![volume("kubeconfig", &kubeconfig, "FileOrCreate", true)];
    volumes.extend(settings.scheduler.extra_volumes.iter().cloned());
    Component {
        name: "kube-scheduler",
        image: image(),
        program: "kube-scheduler",
        flags: flags(&own, &settings.scheduler),
        cpu: "100m",
        memory: None,
        volumes,
        probe: Probe {
            host: "127.0.0.1".to_owned(),
            port: 10259,
            scheme: "HTTPS",
            liveness: "/livez",
            readiness: Some("/readyz"),
        },
        annotation: None,
    }
}

fn etcd(settings: &ClusterSettings, dir: &Path) -> Component {
    let address = settings.advertise_address;
    let (client_url, peer_url) = (format!("https://{address}:2379"), format!("https://{address}:2380"));
    let own = [
        ("advertise-client-urls", client_url.clone()),
        ("cert-file", pki("etcd/server.crt")),
        ("client-cert-auth", "true".to_owned()),
        ("data-dir", dir.display().to_string()),
        ("initial-advertise-peer-urls", peer_url.clone()),
        ("initial-cluster", format!("{}={peer_url}", settings.node_name)),
        ("key-file", pki("etcd/server.key")),
        ("listen-client-urls", format!("https://127.0.0.1:2379,{client_url}")),
        ("listen-metrics-urls", "http://127.0.0.1:2381".to_owned()),
        ("listen-peer-urls", peer_url),
        ("name", settings.node_name.clone()),
        ("peer-cert-file", pki("etcd/peer.crt")),
        ("peer-client-cert-auth", "true".to_owned()),
        ("peer-key-file", pki("etcd/peer.key")),
        ("peer-trusted-ca-file", pki("etcd/ca.crt")),
        ("snapshot-count", "10000".to_owned()),
        ("trusted-ca-file", pki("etcd/ca.crt")),
    ];
    Component {
        name: "etcd",
        image: etcd_image(),
        program: "etcd",
        flags: with_extra(&own, &settings.etcd_extra_args),
        cpu: "100m",
        memory: Some("100Mi"),
        volumes: vec![
            volume(ETCD_VOLUME, &dir.display().to_string(), "DirectoryOrCreate", false),
            volume("etcd-certs", &pki("etcd"), "DirectoryOrCreate", true),
        ],
        probe: Probe {
            host: "127.0.0.1".to_owned(),
            port: 2381,
            scheme: "HTTP",
            // what etcd before 3.6 serves as well
            liveness: "/health?exclude=NOSPACE&serializable=true",
            readiness: Some("/health?serializable=false"),
        },
        annotation: Some(("kubeadm.kubernetes.io/etcd.advertise-client-urls", client_url)),
    }
}

fn kubeconfig(file: &str) -> String {
    Path::new(KUBERNETES_DIR).join(file).display().to_string()
}

fn pod(component: &Component) -> Value {
    let command: Vec<String> = std::iter::once(component.program.to_owned())
        .chain(component.flags.iter().map(|(name, value)| format!("--{name}={value}")))
        .collect();
    let mut requests = json!({"cpu": component.cpu});
    if let Some(memory) = component.memory {
        requests["memory"] = memory.into();
    }
    let mounts: Vec<Value> = component
        .volumes
        .iter()
        .map(|v| json!({"mountPath": v.mount_path, "name": v.name, "readOnly": v.read_only}))
        .collect();
    let mut container = json!({
        "command": command,
        "image": component.image,
        "imagePullPolicy": "IfNotPresent",
        "livenessProbe": probe(component, component.probe.liveness, 10, LIVENESS_FAILURES_MAX),
        "name": component.name,
        "ports": [{"containerPort": component.probe.port, "name": "probe-port", "protocol": "TCP"}],
        "resources": {"requests": requests},
        "startupProbe": probe(component, component.probe.liveness, 1, STARTUP_FAILURES_MAX),
        "volumeMounts": mounts,
    });
    if let Some(path) = component.probe.readiness {
        container["readinessProbe"] = probe(component, path, 1, 3);
    }
    let volumes: Vec<Value> = component
        .volumes
        .iter()
        .map(|v| json!({"hostPath": {"path": v.host_path, "type": v.path_type}, "name": v.name}))
        .collect();
    let mut pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "labels": {"component": component.name, "tier": "control-plane"},
            "name": component.name,
            "namespace": "kube-system",
        },
        "spec": {
            "containers": [container],
            "hostNetwork": true,
            "priority": 2_000_001_000,
            "priorityClassName": "system-node-critical",
            "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
            "volumes": volumes,
        },
    });
    if let Some((key, value)) = &component.annotation {
        pod["metadata"]["annotations"] = json!({*key: value});
    }
    pod
}

fn probe(component: &Component, path: &str, period_seconds: u32, failures_max: u32) -> Value {
    let probe = &component.probe;
    json!({
        "failureThreshold": failures_max,
        "httpGet": {"host": probe.host, "path": path, "port": "probe-port", "scheme": probe.scheme},
        "periodSeconds": period_seconds,
        "timeoutSeconds": PROBE_TIMEOUT_SECONDS,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> ClusterSettings {
        ClusterSettings {
            node_name: "master".to_owned(),
            advertise_address: "10.0.0.5".parse().unwrap(),
            ..ClusterSettings::default()
        }
    }

    fn command(settings: &ClusterSettings, name: &str) -> Vec<String> {
        let pods = all(settings);
        let pod = &pods.iter().find(|(file, _)| *file == name).unwrap().1;
        let words = pod["spec"]["containers"][0]["command"].as_array().unwrap();
        words.iter().map(|word| word.as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn the_store_decides_about_pods_and_flags() {
        let names = |settings: &ClusterSettings| all(settings).iter().map(|(name, _)| *name).collect::<Vec<_>>();
        let mut settings = settings();
        assert_eq!(names(&settings), ["kube-apiserver", "kube-controller-manager", "kube-scheduler"]);
        assert!(command(&settings, "kube-apiserver").contains(&"--datastore-endpoint=embedded".to_owned()));
        settings.datastore = Datastore::LocalEtcd("/var/lib/etcd".into());
        assert_eq!(names(&settings)[0], "etcd");
        let api = command(&settings, "kube-apiserver");
        assert!(api.contains(&"--etcd-servers=https://127.0.0.1:2379".to_owned()));
        assert!(!api.iter().any(|word| word.starts_with("--datastore-endpoint")));
        settings.datastore = Datastore::ExternalEtcd {
            endpoints: vec!["https://a:2379".to_owned(), "https://b:2379".to_owned()],
            ca_file: Some("/etc/etcd/ca.crt".into()),
            client: None,
        };
        let api = command(&settings, "kube-apiserver");
        assert!(api.contains(&"--etcd-servers=https://a:2379,https://b:2379".to_owned()));
        let pods = all(&settings);
        let volumes = pods[0].1["spec"]["volumes"].to_string();
        assert!(volumes.contains("\"/etc/etcd\""), "{volumes}");
    }

    #[test]
    fn extra_arguments_replace_or_follow_ours() {
        let mut settings = settings();
        let extra = [("authorization-mode", "RBAC"), ("event-ttl", "2h")];
        settings.api_server.extra_args = extra.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let words = command(&settings, "kube-apiserver");
        assert_eq!(words.iter().filter(|word| word.starts_with("--authorization-mode")).count(), 1);
        assert_eq!(words.last().unwrap(), "--event-ttl=2h");
    }

    #[test]
    fn every_mount_has_its_volume() {
        for (name, pod) in all(&settings()) {
            let volumes: Vec<&Value> = pod["spec"]["volumes"].as_array().unwrap().iter().map(|v| &v["name"]).collect();
            for mount in pod["spec"]["containers"][0]["volumeMounts"].as_array().unwrap() {
                assert!(volumes.contains(&&mount["name"]), "{name}: {mount}");
            }
        }
    }
}

//! `pintle init`: makes this node the control plane of a new cluster, in kubeadm's order and words.

use super::settings::{ClusterSettings, Datastore, KUBERNETES_DIR, TokenSettings, pki_dir};
use super::{config_file, files, image, kubelet_service, manifests, objects, preflight, token, wait_until};
use crate::node_files::{self, NodeSettings};
use certs::{BootstrapToken, KubeconfigFile, Pki, PkiConfig, UserCertificate};
use clap::Args;
use client::{Client, ObjectKey, PatchKind};
use clock::SharedClock;
use k8s_openapi::api::core::v1::Node;
use kubelet::KUBELET_VERSION;
use serde_json::{Value, json};
use std::error::Error;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// kubeadm's flags, and where objects are kept.
#[derive(Debug, Args)]
pub struct InitFlags {
    /// Specify the node name.
    #[arg(long, value_name = "NAME")]
    node_name: Option<String>,
    /// Specify range of IP addresses for the pod network.
    #[arg(long, value_name = "CIDR", conflicts_with = "config")]
    pod_network_cidr: Option<String>,
    /// Use alternative range of IP address for service VIPs.
    #[arg(long, value_name = "CIDR", conflicts_with = "config")]
    service_cidr: Option<String>,
    /// Use alternative domain for services.
    #[arg(long, value_name = "DOMAIN", conflicts_with = "config")]
    service_dns_domain: Option<String>,
    /// The IP address the API Server will advertise it's listening on.
    #[arg(long, value_name = "IP", conflicts_with = "config")]
    apiserver_advertise_address: Option<IpAddr>,
    /// Port for the API Server to bind to.
    #[arg(long, value_name = "PORT", conflicts_with = "config")]
    apiserver_bind_port: Option<u16>,
    /// Optional extra Subject Alternative Names (SANs) to use for the API Server serving certificate.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', conflicts_with = "config")]
    apiserver_cert_extra_sans: Vec<String>,
    /// Specify a stable IP address or DNS name for the control plane.
    #[arg(long, value_name = "ENDPOINT", conflicts_with = "config")]
    control_plane_endpoint: Option<String>,
    /// The token to use for establishing bidirectional trust between nodes and control-plane nodes.
    #[arg(long, value_name = "TOKEN", conflicts_with = "config")]
    token: Option<BootstrapToken>,
    /// The duration before the token is automatically deleted; '0': never.
    #[arg(long, value_name = "DURATION", default_value = "24h0m0s", value_parser = crate::roles::election::duration)]
    token_ttl: Duration,
    /// Path to a kubeadm configuration file (kubeadm.k8s.io/v1beta4).
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// `local`: this machine's etcd program runs as the static pod etcd.
    #[arg(long, value_name = "WHERE", value_parser = ["local"], conflicts_with = "datastore_endpoint")]
    etcd: Option<String>,
    /// `embedded`, or the URLs of an etcd elsewhere.
    #[arg(long, value_name = "URLS", value_delimiter = ',')]
    datastore_endpoint: Vec<String>,
    /// A list of checks whose errors will be shown as warnings. Value 'all' ignores errors from all checks.
    #[arg(long, value_name = "CHECKS", value_delimiter = ',')]
    ignore_preflight_errors: Vec<String>,
}

/// The link to the kubelet's newest certificate.
const KUBELET_CLIENT_CURRENT: &str = "/var/lib/kubelet/pki/kubelet-client-current.pem";

type Done = Result<(), Box<dyn Error>>;

/// Makes the control plane.
///
/// # Errors
/// What keeps it from being made, and the phase in which that showed.
pub async fn run(flags: InitFlags, clock: SharedClock) -> Done {
    let settings = settings(&flags)?;
    println!("[init] Using Kubernetes version: {KUBELET_VERSION}");
    println!("[preflight] Running pre-flight checks");
    preflight::report(&preflight::init(&settings), &settings.ignored_checks)?;
    println!("[preflight] Making the images of the control plane from this machine's programs");
    import_images(&settings)?;
    let pki = certificates(&settings, &clock)?;
    kubeconfigs(&settings, &pki, &clock)?;
    write_manifests(&settings)?;
    let configuration = kubelet_files(&settings)?;
    println!("[kubelet-start] Starting the kubelet");
    kubelet_service::start(&clock).await?;
    let client = wait_for_control_plane(&settings, &clock).await?;
    upload(&client, &settings, &configuration).await?;
    mark_control_plane(&client, &settings, &clock).await?;
    let token = bootstrap(&client, &settings, &pki, &clock).await?;
    finalize_kubelet()?;
    print_end(&settings, &pki, &token)
}

fn settings(flags: &InitFlags) -> Result<ClusterSettings, Box<dyn Error>> {
    let mut settings = ClusterSettings {
        node_name: files::host_name()?,
        tokens: vec![TokenSettings { token: flags.token.clone(), ttl: flags.token_ttl, ..TokenSettings::default() }],
        ..ClusterSettings::default()
    };
    if let Some(path) = &flags.config {
        config_file::apply_init(&mut settings, &config_file::read(path)?)?;
    }
    if let Some(name) = &flags.node_name {
        settings.node_name = name.trim().to_lowercase();
    }
    let advertise = flags.apiserver_advertise_address;
    if let Some(address) = advertise {
        settings.advertise_address = address;
    } else if settings.advertise_address.is_unspecified() {
        settings.advertise_address = files::own_address().unwrap_or(settings.advertise_address);
    }
    settings.bind_port = flags.apiserver_bind_port.unwrap_or(settings.bind_port);
    for (to, from) in [
        (&mut settings.pod_subnet, &flags.pod_network_cidr),
        (&mut settings.service_subnet, &flags.service_cidr),
        (&mut settings.dns_domain, &flags.service_dns_domain),
    ] {
        if let Some(from) = from {
            to.clone_from(from);
        }
    }
    settings.ignored_checks.extend(flags.ignore_preflight_errors.iter().cloned());
    settings.cert_sans.extend(flags.apiserver_cert_extra_sans.iter().cloned());
    settings.control_plane_endpoint = flags.control_plane_endpoint.clone().or(settings.control_plane_endpoint);
    match flags.datastore_endpoint.as_slice() {
        [] => {}
        [one] if one == "embedded" => settings.datastore = ClusterSettings::default().datastore,
        endpoints => {
            settings.datastore = Datastore::ExternalEtcd { endpoints: endpoints.to_vec(), ca_file: None, client: None };
        }
    }
    if flags.etcd.is_some() {
        settings.datastore = Datastore::LocalEtcd(PathBuf::from(super::settings::ETCD_DIR));
    }
    Ok(settings)
}

fn import_images(settings: &ClusterSettings) -> Done {
    let store = runtime::images::ImageStore::open(&settings.runtime_root.join("images"))?;
    let own = std::fs::canonicalize("/proc/self/exe")?;
    let name = manifests::image();
    let links = ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "pintle"];
    let recipe = image::Recipe { name: &name, program: &own, path: "/usr/bin/pintle", links: &links };
    store.import(&image::build(&recipe, &settings.runtime_root)?.path(), None)?;
    if let Datastore::LocalEtcd(_) = settings.datastore {
        let program = preflight::etcd_program().ok_or("etcd not found in system path")?;
        let name = manifests::etcd_image();
        let recipe = image::Recipe { name: &name, program: &program, path: "/usr/bin/etcd", links: &[] };
        store.import(&image::build(&recipe, &settings.runtime_root)?.path(), None)?;
    }
    Ok(())
}

fn certificates(settings: &ClusterSettings, clock: &SharedClock) -> Result<Pki, Box<dyn Error>> {
    println!("[certs] Using certificateDir folder {:?}", pki_dir());
    let mut names = vec![settings.advertise_address.to_string()];
    let endpoint = settings.control_plane_endpoint.as_deref();
    names.extend(endpoint.map(|e| e.rsplit_once(':').map_or(e, |(host, _)| host).to_owned()));
    names.extend(settings.cert_sans.iter().cloned());
    let etcd_names = match settings.datastore {
        Datastore::LocalEtcd(_) => {
            let address = settings.advertise_address.to_string();
            vec![settings.node_name.clone(), "localhost".to_owned(), address, "127.0.0.1".to_owned(), "::1".to_owned()]
        }
        _ => Vec::new(),
    };
    let config = PkiConfig {
        node_name: settings.node_name.clone(),
        cluster_domain: settings.dns_domain.clone(),
        service_address: settings.service_address(1),
        extra_names: names,
        etcd_names,
    };
    let pki = certs::ensure(&pki_dir(), &config, clock.now())?;
    let serving = certs::certificate_info(&pki.api_server.certificate_pem)?;
    let (addresses, dns): (Vec<_>, Vec<_>) =
        serving.alt_names.into_iter().partition(|name| name.parse::<IpAddr>().is_ok());
    println!(
        "[certs] apiserver serving cert is signed for DNS names [{}] and IPs [{}]",
        dns.join(" "),
        addresses.join(" ")
    );
    Ok(pki)
}

fn kubeconfigs(settings: &ClusterSettings, pki: &Pki, clock: &SharedClock) -> Done {
    println!("[kubeconfig] Using kubeconfig folder {KUBERNETES_DIR:?}");
    let (outside, local) = (settings.server_url(), format!("https://{}", settings.local_endpoint()));
    let files = [
        (KubeconfigFile::Admin, &outside),
        (KubeconfigFile::SuperAdmin, &outside),
        (KubeconfigFile::Kubelet(settings.node_name.clone()), &local),
        (KubeconfigFile::ControllerManager, &local),
        (KubeconfigFile::Scheduler, &local),
    ];
    for (which, server) in files {
        let path = Path::new(KUBERNETES_DIR).join(which.file_name());
        println!("[kubeconfig] Writing {:?} kubeconfig file", which.file_name());
        certs::write_kubeconfig(&path, &which, server, &pki.authority, clock.now(), false)?;
    }
    Ok(())
}

fn write_manifests(settings: &ClusterSettings) -> Done {
    let directory = Path::new(node_files::MANIFESTS_PATH);
    for (name, pod) in manifests::all(settings) {
        if name == "etcd" {
            println!("[etcd] Creating static Pod manifest for local etcd in {}", directory.display());
        } else {
            println!("[control-plane] Creating static Pod manifest for {name:?}");
        }
        files::write_private(&directory.join(format!("{name}.yaml")), &api::codec::encode_yaml(&pod))?;
    }
    Ok(())
}

/// Unit, drop-in, flags and configuration; gives the configuration that nodes have in common.
fn kubelet_files(settings: &ClusterSettings) -> Result<Value, Box<dyn Error>> {
    kubelet_service::install()?;
    let mut flags = vec![
        ("hostname-override".to_owned(), settings.node_name.clone()),
        ("node-ip".to_owned(), settings.advertise_address.to_string()),
        ("cluster-cidr".to_owned(), settings.pod_subnet.clone()),
    ];
    flags.extend(settings.kubelet_extra_args.iter().cloned());
    println!("[kubelet-start] Writing kubelet environment file with flags to file {:?}", node_files::FLAGS_PATH);
    kubelet_service::write_flags(&flags)?;
    let node = NodeSettings {
        name: settings.node_name.clone(),
        address: settings.advertise_address.to_string(),
        cgroup_root: String::new(),
        is_tainted: false,
    };
    let mut configuration = node_files::kubelet_config(&node);
    configuration["clusterDNS"] = json!([settings.service_address(10)]);
    configuration["clusterDomain"] = settings.dns_domain.as_str().into();
    merge(&mut configuration, &settings.kubelet_configuration);
    println!("[kubelet-start] Writing kubelet configuration to file {:?}", node_files::CONFIG_PATH);
    files::write(Path::new(node_files::CONFIG_PATH), &api::codec::encode_yaml(&configuration))?;
    Ok(configuration)
}

/// Fields of `over` take the place of those of `base`, objects field by field.
fn merge(base: &mut Value, over: &Value) {
    let (Value::Object(base), Value::Object(over)) = (base, over) else { return };
    for (key, value) in over {
        match base.get_mut(key) {
            Some(present) if present.is_object() && value.is_object() => merge(present, value),
            _ => {
                base.insert(key.clone(), value.clone());
            }
        }
    }
}

async fn wait_for_control_plane(settings: &ClusterSettings, clock: &SharedClock) -> Result<Client, Box<dyn Error>> {
    println!(
        "[wait-control-plane] Waiting for the kubelet to boot up the control plane as static Pods from directory {:?}",
        node_files::MANIFESTS_PATH
    );
    let log = if kubelet_service::has_systemd() { "journalctl -xeu kubelet" } else { kubelet_service::LOG_FILE };
    let took = kubelet_service::wait_healthy(clock).await;
    let took =
        took.ok_or_else(|| format!("execution phase wait-control-plane: the kubelet is not healthy: see {log}"))?;
    println!("[kubelet-check] The kubelet is healthy after {}ms", took.as_millis());
    println!("[control-plane-check] Checking kube-apiserver at https://{}/livez", settings.local_endpoint());
    let client = super::client(&Path::new(KUBERNETES_DIR).join("super-admin.conf")).await?;
    let healthy = wait_until(clock, || async {
        let request = hyper::http::Request::get("/readyz").body(Vec::new());
        match request {
            Ok(request) => client.kube().request_text(request).await.is_ok(),
            Err(_) => false,
        }
    });
    let took = healthy.await.ok_or_else(|| {
        format!("execution phase wait-control-plane: kube-apiserver is not healthy: see {log} and /var/log/pods")
    })?;
    println!("[control-plane-check] kube-apiserver is healthy after {}ms", took.as_millis());
    Ok(client)
}

async fn upload(client: &Client, settings: &ClusterSettings, configuration: &Value) -> Done {
    super::apply(client, &objects::administrators()).await?;
    println!(
        "[upload-config] Storing the configuration used in ConfigMap \"kubeadm-config\" in the \"kube-system\" Namespace"
    );
    println!(
        "[kubelet] Creating a ConfigMap \"kubelet-config\" in namespace kube-system with the configuration for the kubelets in the cluster"
    );
    let all = objects::kubeadm_config(settings).into_iter().chain(objects::kubelet_config(configuration));
    for object in all.chain([objects::node_proxier()]) {
        super::apply(client, &object).await?;
    }
    Ok(())
}

const CONTROL_PLANE: &str = "node-role.kubernetes.io/control-plane";
const NO_BALANCERS: &str = "node.kubernetes.io/exclude-from-external-load-balancers";

async fn mark_control_plane(client: &Client, settings: &ClusterSettings, clock: &SharedClock) -> Done {
    let key = ObjectKey::cluster(&settings.node_name);
    let registered = wait_until(clock, || async { client.get::<Node>(&key).await.is_ok() });
    registered.await.ok_or("execution phase mark-control-plane: the node does not register itself")?;
    println!(
        "[mark-control-plane] Marking the node {} as control-plane by adding the labels: [{CONTROL_PLANE} {NO_BALANCERS}]",
        settings.node_name
    );
    let taints = settings.taints.clone();
    let taints = taints.unwrap_or_else(|| vec![json!({"key": CONTROL_PLANE, "effect": "NoSchedule"})]);
    if !taints.is_empty() {
        let text = |taint: &Value, key: &str| taint[key].as_str().unwrap_or_default().to_owned();
        let shown: Vec<String> = taints.iter().map(|t| format!("{}:{}", text(t, "key"), text(t, "effect"))).collect();
        println!(
            "[mark-control-plane] Marking the node {} as control-plane by adding the taints [{}]",
            settings.node_name,
            shown.join(" ")
        );
    }
    // a new node has many writers: kubelet, address ranges, taints
    for _ in 0..MARK_TRIES_MAX {
        let node = client.get::<Node>(&key).await?;
        match client.patch::<Node>(&key, PatchKind::Strategic, &mark(&node, &taints)?).await {
            Err(error) if error.is_conflict() => clock.sleep(MARK_RETRY).await,
            other => return other.map(drop).map_err(Into::into),
        }
    }
    Err("execution phase mark-control-plane: the node changes faster than it can be marked".into())
}

/// How often marking the node is tried when somebody else has changed it meanwhile, and the pause between.
const MARK_TRIES_MAX: usize = 20;
const MARK_RETRY: Duration = Duration::from_millis(50);

/// What the node lacks of a control plane's labels and taints. The list of taints is replaced as a whole, and so only as it was
/// read: what others have put there stays.
fn mark(node: &Node, taints: &[Value]) -> Result<Value, serde_json::Error> {
    let mut patch = json!({"metadata": {"labels": {CONTROL_PLANE: "", NO_BALANCERS: ""}}});
    if !taints.is_empty() {
        let present = node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
        let mut all: Vec<Value> = present.iter().map(serde_json::to_value).collect::<Result<_, _>>()?;
        let is_new = |taint: &&Value| !present.iter().any(|p| taint["key"] == p.key && taint["effect"] == p.effect);
        all.extend(taints.iter().filter(is_new).cloned());
        patch["spec"] = json!({"taints": all});
        patch["metadata"]["resourceVersion"] = json!(node.metadata.resource_version);
    }
    Ok(patch)
}

async fn bootstrap(
    client: &Client,
    settings: &ClusterSettings,
    pki: &Pki,
    clock: &SharedClock,
) -> Result<BootstrapToken, Box<dyn Error>> {
    let mut first = None;
    for wanted in &settings.tokens {
        let made = token::create(client, wanted, clock.now()).await?;
        println!("[bootstrap-token] Using token: {made}");
        first.get_or_insert(made);
    }
    println!("[bootstrap-token] Configuring bootstrap tokens, cluster-info ConfigMap, RBAC Roles");
    println!("[bootstrap-token] Configured RBAC rules to allow Node Bootstrap tokens to get nodes");
    println!(
        "[bootstrap-token] Configured RBAC rules to allow Node Bootstrap tokens to post CSRs in order for nodes to get long term certificate credentials"
    );
    println!(
        "[bootstrap-token] Configured RBAC rules to allow the csrapprover controller automatically approve CSRs from a Node Bootstrap Token"
    );
    println!(
        "[bootstrap-token] Configured RBAC rules to allow certificate rotation for all node client certificates in the cluster"
    );
    println!("[bootstrap-token] Creating the \"cluster-info\" ConfigMap in the \"kube-public\" namespace");
    let info = objects::cluster_info(&settings.server_url(), pki.authority.certificate_pem());
    for object in objects::node_bootstrap().into_iter().chain(info) {
        super::apply(client, &object).await?;
    }
    Ok(first.ok_or("bootstrapTokens: Required value")?)
}

/// The kubelet keeps the certificates that follow the first one in files of its own: its kubeconfig names them.
fn finalize_kubelet() -> Done {
    let (kubeconfig, current) = (Path::new(KUBERNETES_DIR).join("kubelet.conf"), Path::new(KUBELET_CLIENT_CURRENT));
    if !current.exists() {
        return Ok(()); // it does not rotate
    }
    println!("[kubelet-finalize] Updating {kubeconfig:?} to point to a rotatable kubelet client certificate and key");
    files::set_certificate(&kubeconfig, &UserCertificate::File(current))
}

fn print_end(settings: &ClusterSettings, pki: &Pki, token: &BootstrapToken) -> Done {
    let hash = certs::ca_cert_hash(pki.authority.certificate_pem())?;
    println!(
        "
Your Kubernetes control-plane has initialized successfully!

To start using your cluster, you need to run the following as a regular user:

  mkdir -p $HOME/.kube
  sudo cp -i /etc/kubernetes/admin.conf $HOME/.kube/config
  sudo chown $(id -u):$(id -g) $HOME/.kube/config

Alternatively, if you are the root user, you can run:

  export KUBECONFIG=/etc/kubernetes/admin.conf

The pod network is part of every node: nothing needs to be deployed for it.

You can join any number of worker nodes by running the following on each as root:

pintle join {} --token {token} \\
\t--discovery-token-ca-cert-hash {hash} ",
        settings.endpoint()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_of_the_users_wins_field_by_field() {
        let mut base = json!({"a": {"b": 1, "c": 2}, "d": [1]});
        merge(&mut base, &json!({"a": {"b": 3}, "d": [2], "e": 4}));
        assert_eq!(base, json!({"a": {"b": 3, "c": 2}, "d": [2], "e": 4}));
        merge(&mut base, &Value::Null);
        assert_eq!(base["e"], 4);
    }
}

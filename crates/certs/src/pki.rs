//! The PKI directory as kubeadm lays it out, and the kubeconfig files beside it. What is there is kept; what is missing
//! is made.

use crate::{
    Authority, CertError, Credentials, Issue, Jwk, KeyCertificate, Kubeconfig, TokenSigner, TokenVerifier, Usage, file,
    request, write_private, write_public,
};
use std::path::{Path, PathBuf};

/// kubeadm's CACertificateValidityPeriod: ten years.
const AUTHORITY_VALIDITY_SECONDS: u64 = 10 * 365 * 24 * 3600;
/// kubeadm's CertificateValidityPeriod: one year.
pub(crate) const VALIDITY_SECONDS: u64 = 365 * 24 * 3600;

/// What the certificates of a cluster say.
#[derive(Clone, Debug)]
pub struct PkiConfig {
    /// This machine's node name: a SAN of the API server.
    pub node_name: String,
    /// `cluster.local`
    pub cluster_domain: String,
    /// First address of the service range, `10.96.0.1`.
    pub service_address: String,
    /// Further SANs of the API server: the advertised address, `localhost`, `127.0.0.1`, load balancers.
    pub extra_names: Vec<String>,
    /// Names and addresses of the local etcd member; empty: no etcd certificates are made.
    pub etcd_names: Vec<String>,
}

/// Where the files of a PKI directory (`/etc/kubernetes/pki`) are.
#[derive(Clone, Debug)]
pub struct Paths(PathBuf);

impl Paths {
    /// The files of `dir`.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self(dir.into())
    }

    /// `<name>.crt`, such as `ca`, `apiserver`, `etcd/server`.
    pub fn certificate(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.crt"))
    }

    /// `<name>.key`
    pub fn key(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.key"))
    }

    /// `sa.pub`
    pub fn service_account_public_key(&self) -> PathBuf {
        self.0.join("sa.pub")
    }
}

/// The loaded directory: what a control plane needs in memory.
#[derive(Debug)]
pub struct Pki {
    /// Where it came from.
    pub paths: Paths,
    /// `ca`: signs clients and the API server.
    pub authority: Authority,
    /// `front-proxy-ca`: signs aggregation clients.
    pub front_proxy_authority: Authority,
    /// `front-proxy-client`: how the API server calls the servers of API services.
    pub front_proxy_client: KeyCertificate,
    /// `etcd/ca`, where etcd is used.
    pub etcd_authority: Option<Authority>,
    /// `apiserver`: the server's certificate.
    pub api_server: KeyCertificate,
    /// `apiserver-kubelet-client`: how the API server calls kubelets.
    pub api_server_kubelet_client: KeyCertificate,
    /// `sa.key`
    pub token_signer: TokenSigner,
    /// `sa.pub`, and `sa.key`'s public half where they differ (a rotation).
    pub token_verifier: TokenVerifier,
}

/// Loads the directory; makes what is missing. An authority whose key is missing cannot issue: that is an error, never
/// a reason to replace it.
///
/// # Errors
/// [`CertError`] for files that cannot be read, written or parsed.
pub fn ensure(dir: &Path, config: &PkiConfig, now: jiff::Timestamp) -> Result<Pki, CertError> {
    let paths = Paths::new(dir);
    let authority = ensure_authority(&paths, "ca", "kubernetes", now)?;
    let front_proxy_authority = ensure_authority(&paths, "front-proxy-ca", "front-proxy-ca", now)?;
    let api_server = ensure_pair(&paths, "apiserver", &authority, now, || api_server_issue(config))?;
    let client = |name: &str, organization: Option<&str>| client_issue(name, organization);
    let api_server_kubelet_client = ensure_pair(&paths, "apiserver-kubelet-client", &authority, now, || {
        client("kube-apiserver-kubelet-client", Some("kubeadm:cluster-admins"))
    })?;
    let front_proxy_client =
        ensure_pair(&paths, "front-proxy-client", &front_proxy_authority, now, || client("front-proxy-client", None))?;
    let etcd_authority = if config.etcd_names.is_empty() { None } else { Some(ensure_etcd(&paths, config, now)?) };
    let (token_signer, token_verifier) = ensure_token_keys(&paths)?;
    Ok(Pki {
        paths,
        authority,
        front_proxy_authority,
        front_proxy_client,
        etcd_authority,
        api_server,
        api_server_kubelet_client,
        token_signer,
        token_verifier,
    })
}

fn api_server_issue(config: &PkiConfig) -> Issue {
    let domain = &config.cluster_domain;
    let mut alt_names = vec![
        config.node_name.clone(),
        "kubernetes".to_owned(),
        "kubernetes.default".to_owned(),
        "kubernetes.default.svc".to_owned(),
        format!("kubernetes.default.svc.{domain}"),
        config.service_address.clone(),
    ];
    for name in &config.extra_names {
        if !alt_names.contains(name) {
            alt_names.push(name.clone());
        }
    }
    Issue {
        common_name: "kube-apiserver".to_owned(),
        organization: None,
        alt_names,
        usage: Usage::Server,
        validity_seconds: VALIDITY_SECONDS,
    }
}

fn client_issue(common_name: &str, organization: Option<&str>) -> Issue {
    Issue {
        common_name: common_name.to_owned(),
        organization: organization.map(str::to_owned),
        alt_names: Vec::new(),
        usage: Usage::Client,
        validity_seconds: VALIDITY_SECONDS,
    }
}

fn ensure_etcd(paths: &Paths, config: &PkiConfig, now: jiff::Timestamp) -> Result<Authority, CertError> {
    let authority = ensure_authority(paths, "etcd/ca", "etcd-ca", now)?;
    let member = || Issue {
        common_name: config.node_name.clone(),
        organization: None,
        alt_names: config.etcd_names.clone(),
        usage: Usage::ServerAndClient,
        validity_seconds: VALIDITY_SECONDS,
    };
    ensure_pair(paths, "etcd/server", &authority, now, member)?;
    ensure_pair(paths, "etcd/peer", &authority, now, member)?;
    ensure_pair(paths, "etcd/healthcheck-client", &authority, now, || {
        client_issue("kube-etcd-healthcheck-client", None)
    })?;
    ensure_pair(paths, "apiserver-etcd-client", &authority, now, || client_issue("kube-apiserver-etcd-client", None))?;
    Ok(authority)
}

fn ensure_authority(paths: &Paths, file: &str, name: &str, now: jiff::Timestamp) -> Result<Authority, CertError> {
    let (certificate, key) = (paths.certificate(file), paths.key(file));
    if certificate.exists() {
        return Authority::from_pem(&file::read(&certificate)?, &file::read(&key)?);
    }
    let authority = Authority::create(name, AUTHORITY_VALIDITY_SECONDS, now)?;
    write_private(&key, &authority.key_pem())?;
    write_public(&certificate, authority.certificate_pem())?;
    Ok(authority)
}

fn ensure_pair(
    paths: &Paths,
    file: &str,
    authority: &Authority,
    now: jiff::Timestamp,
    issue: impl FnOnce() -> Issue,
) -> Result<KeyCertificate, CertError> {
    let (certificate, key) = (paths.certificate(file), paths.key(file));
    if certificate.exists() {
        return Ok(KeyCertificate::read(&certificate, &key)?);
    }
    let pair = authority.issue(&issue(), now)?;
    pair.write(&certificate, &key)?;
    Ok(pair)
}

fn ensure_token_keys(paths: &Paths) -> Result<(TokenSigner, TokenVerifier), CertError> {
    let (private, public) = (paths.key("sa"), paths.service_account_public_key());
    if !private.exists() {
        let key = rcgen::KeyPair::generate()
            .map_err(|source| CertError::Generate { what: "making the service account key".to_owned(), source })?;
        write_private(&private, &key.serialize_pem())?;
        write_public(&public, &key.public_key_pem())?;
    }
    let signer = TokenSigner::from_pem(&file::read(&private)?)?;
    let mut keys: Vec<Jwk> = Vec::new();
    if public.exists() {
        keys.extend_from_slice(TokenVerifier::from_pems([file::read(&public)?.as_str()])?.keys());
    }
    if !keys.contains(signer.jwk()) {
        keys.push(signer.jwk().clone());
    }
    Ok((signer, TokenVerifier::new(keys)))
}

/// The kubeconfig files that kubeadm writes into `/etc/kubernetes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KubeconfigFile {
    /// `admin.conf`: kubernetes-admin in kubeadm:cluster-admins, an ordinary RBAC binding.
    Admin,
    /// `super-admin.conf`: kubernetes-super-admin in system:masters, which no authorizer can stop.
    SuperAdmin,
    /// `controller-manager.conf`
    ControllerManager,
    /// `scheduler.conf`
    Scheduler,
    /// `kube-proxy.conf`
    Proxy,
    /// `kubelet.conf` of a node.
    Kubelet(String),
}

impl KubeconfigFile {
    /// The file's name.
    pub fn file_name(&self) -> &'static str {
        match self {
            Self::Admin => "admin.conf",
            Self::SuperAdmin => "super-admin.conf",
            Self::ControllerManager => "controller-manager.conf",
            Self::Scheduler => "scheduler.conf",
            Self::Proxy => "kube-proxy.conf",
            Self::Kubelet(_) => "kubelet.conf",
        }
    }

    /// The certificate that the file holds.
    pub fn issue(&self) -> Issue {
        match self {
            Self::Admin => client_issue("kubernetes-admin", Some("kubeadm:cluster-admins")),
            Self::SuperAdmin => client_issue("kubernetes-super-admin", Some("system:masters")),
            Self::ControllerManager => client_issue("system:kube-controller-manager", None),
            Self::Scheduler => client_issue("system:kube-scheduler", None),
            Self::Proxy => client_issue("system:kube-proxy", None),
            Self::Kubelet(node) => request::kubelet_client(node, VALIDITY_SECONDS),
        }
    }
}

/// Writes one kubeconfig file (mode 0600) unless it is there and `overwrite` is false; gives its content either way
/// only when it was written.
///
/// # Errors
/// [`CertError`] for files that cannot be written.
pub fn write_kubeconfig(
    path: &Path,
    which: &KubeconfigFile,
    server: &str,
    authority: &Authority,
    now: jiff::Timestamp,
    overwrite: bool,
) -> Result<Option<Kubeconfig>, CertError> {
    if path.exists() && !overwrite {
        return Ok(None);
    }
    let issue = which.issue();
    let pair = authority.issue(&issue, now)?;
    let config = Kubeconfig {
        cluster: "kubernetes".to_owned(),
        server: server.to_owned(),
        certificate_authority: Some(authority.certificate_pem().to_owned()),
        user: issue.common_name,
        credentials: Credentials::Certificate(pair),
    };
    write_private(path, &config.to_yaml())?;
    Ok(Some(config))
}

impl Pki {
    /// A serving certificate for a node's kubelet: CN `system:node:<name>`, O `system:nodes`, as CSR-approved ones have.
    ///
    /// # Errors
    /// [`CertError::Name`] for a name that cannot stand in a certificate.
    pub fn kubelet_serving(
        &self,
        node: &str,
        alt_names: &[String],
        now: jiff::Timestamp,
    ) -> Result<KeyCertificate, CertError> {
        let mut issue = request::kubelet_client(node, VALIDITY_SECONDS);
        issue.usage = Usage::Server;
        issue.alt_names = alt_names.to_vec();
        self.authority.issue(&issue, now)
    }
}

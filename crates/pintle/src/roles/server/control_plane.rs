//! The control plane's components beside the API server: scheduler, controllers, and what every cluster grants. Each has a
//! client in this process, under its own identity.

use super::{NODE_CIDR_MASK_SIZE, Place, ServerFlags};
use crate::kubeadm::{self, objects};
use crate::roles::controller_manager::NAME as CONTROLLERS;
use crate::roles::election::ElectionFlags;
use crate::roles::{direct, scheduler};
use apiserver::{Server, UserInfo};
use certs::Pki;
use client::{Client, Shutdown};
use kubelet::KUBELET_VERSION;
use std::error::Error;
use std::sync::Arc;

/// `--cluster-signing-duration`, in seconds: upstream's year.
const SIGNING_SECONDS_MAX: u64 = 365 * 24 * 3600;

/// A client in this process.
pub(super) fn client(server: &Server, user: UserInfo, agent: &str) -> Result<Client, client::ConfigError> {
    direct::client(server.service(user), &format!("{agent}/{KUBELET_VERSION}"))
}

/// How a component of the control plane ended.
pub(super) type Component = tokio::task::JoinHandle<Result<(), String>>;

/// Runs a component; where another server may run it too, only while this one leads.
fn spawn<F: Future<Output = ()> + Send + 'static>(
    flags: &ServerFlags,
    place: &Place,
    (name, client): (&'static str, Client),
    shutdown: &Shutdown,
    work: impl FnOnce(Shutdown) -> F + Send + 'static,
) -> Component {
    let election =
        ElectionFlags { leader_elect: elects(flags), leader_elect_resource_name: None, ..flags.election.clone() };
    let (clock, shutdown) = (place.clock.clone(), shutdown.clone());
    tokio::spawn(async move {
        let ended = election.run(name, &client, &clock, &shutdown, work).await;
        // another works now, or none can: this process must not go on by half
        ended.map_err(|error| error.to_string()).inspect_err(|error| {
            tracing::error!(component = name, error, "stopping");
            shutdown.cancel();
        })
    })
}

/// Whether there may be other servers to elect a leader with.
fn elects(flags: &ServerFlags) -> bool {
    flags.election.leader_elect && flags.datastore.is_shared()
}

pub(super) const AUTHENTICATED: &str = "system:authenticated";

/// Starts what the flags ask for.
pub(super) fn start(
    flags: &ServerFlags,
    place: &Place,
    pki: &Pki,
    server: &Server,
    shutdown: &Shutdown,
) -> Result<Vec<Component>, Box<dyn Error>> {
    let mut tasks = Vec::new();
    // One for the scheduler and all controllers: each object is decoded and kept once in this process.
    let informers = client(server, UserInfo::new("system:kube-controller-manager", &[AUTHENTICATED]), CONTROLLERS)?;
    if !flags.disable_scheduler {
        let user = UserInfo::new("system:kube-scheduler", &[AUTHENTICATED]);
        let client = client(server, user, "kube-scheduler")?;
        let (clock, hostname) = (place.clock.clone(), place.node_name.clone());
        let (own, shared) = (client.clone(), informers.clone());
        let work = move |stop| scheduler::schedule(own, shared, clock, hostname, stop);
        tasks.push(spawn(flags, place, (scheduler::NAME, client), shutdown, work));
        if !elects(flags) {
            server.hosts(scheduler::NAME);
        }
    }
    if !flags.disable_controller_manager {
        let client_for = controller_clients(server, informers.clone());
        let settings = controllers::Settings {
            cluster_cidr: flags.cluster_cidr.to_string(),
            node_cidr_mask_size: NODE_CIDR_MASK_SIZE,
            root_ca: pki.authority.certificate_pem().to_owned(),
            signing: Some(signing(pki)?),
            token_signer: Some(Arc::new(certs::TokenSigner::from_pem(&std::fs::read_to_string(pki.paths.key("sa"))?)?)),
            selection: controllers::ControllerSelection::all(),
        };
        let (clock, client) = (place.clock.clone(), informers.clone());
        let work = move |stop| {
            controllers::run(controllers::Context { client_for, informers, clock, shutdown: stop, settings })
        };
        tasks.push(spawn(flags, place, (CONTROLLERS, client), shutdown, work));
        if !elects(flags) {
            server.hosts(CONTROLLERS);
        }
    }
    Ok(tasks)
}

/// What kubeadm grants in every cluster, and whoever has its kubeconfigs relies on: `admin.conf` is an administrator's, and
/// nodes get their next certificate without anyone's approval. Tried until it is done.
pub(super) fn grants(server: &Server, place: &Place, shutdown: &Shutdown) -> Result<Component, client::ConfigError> {
    let user = UserInfo::new("kubernetes-super-admin", &["system:masters", AUTHENTICATED]);
    let (client, clock, stop) = (client(server, user, "kubeadm")?, place.clock.clone(), shutdown.clone());
    Ok(tokio::spawn(async move {
        for object in [objects::administrators(), objects::node_rotation()] {
            while let Err(error) = kubeadm::apply(&client, &object).await {
                tracing::warn!(path = object.path(), %error, "cannot grant; trying again");
                tokio::select! {
                    () = clock.sleep(GRANT_RETRY) => {}
                    () = stop.cancelled() => return Ok(()),
                }
            }
        }
        Ok(())
    }))
}

/// Between two attempts to write what is granted: the store may be away for a moment.
const GRANT_RETRY: std::time::Duration = std::time::Duration::from_secs(5);

/// The cluster's authority signs certificate requests: upstream's year at the longest.
fn signing(pki: &Pki) -> Result<controllers::Signing, certs::CertError> {
    let authority = certs::Authority::from_pem(pki.authority.certificate_pem(), &pki.authority.key_pem())?;
    Ok(controllers::Signing { authority: Arc::new(authority), validity_seconds_max: SIGNING_SECONDS_MAX })
}

/// Every controller acts as a service account of its own, as with `--use-service-account-credentials`.
fn controller_clients(server: &Server, fallback: Client) -> controllers::ClientFor {
    let groups = ["system:serviceaccounts", "system:serviceaccounts:kube-system", AUTHENTICATED];
    let any = server.service(UserInfo::anonymous());
    Arc::new(move |name| {
        let user = UserInfo::new(format!("system:serviceaccount:kube-system:{name}"), &groups);
        let service = any.acting_as(user);
        direct::client(service, &format!("{CONTROLLERS}/{KUBELET_VERSION}")).unwrap_or_else(|_| fallback.clone())
    })
}

//! `pintle certs check-expiration`: when the certificates of this control plane end, in kubeadm's columns.

use super::settings::{KUBERNETES_DIR, pki_dir};
use super::token;
use certs::{CertificateInfo, Credentials, Paths, certificate_info};
use clap::Subcommand;
use jiff::Timestamp;
use std::error::Error;
use std::fs;
use std::path::Path;

/// The verbs of `pintle certs`.
#[derive(Debug, Subcommand)]
pub enum CertsVerb {
    /// Check certificates expiration for a Kubernetes cluster
    CheckExpiration,
}

/// Certificates by kubeadm's names, their files, and the authority that signs them.
const CERTIFICATES: [(&str, &str, &str); 7] = [
    ("apiserver", "apiserver", "ca"),
    ("apiserver-etcd-client", "apiserver-etcd-client", "etcd-ca"),
    ("apiserver-kubelet-client", "apiserver-kubelet-client", "ca"),
    ("etcd-healthcheck-client", "etcd/healthcheck-client", "etcd-ca"),
    ("etcd-peer", "etcd/peer", "etcd-ca"),
    ("etcd-server", "etcd/server", "etcd-ca"),
    ("front-proxy-client", "front-proxy-client", "front-proxy-ca"),
];
const KUBECONFIGS: [&str; 4] = ["admin.conf", "controller-manager.conf", "scheduler.conf", "super-admin.conf"];
const AUTHORITIES: [(&str, &str); 3] = [("ca", "ca"), ("etcd-ca", "etcd/ca"), ("front-proxy-ca", "front-proxy-ca")];

/// Runs one verb.
///
/// # Errors
/// Files that cannot be read.
pub fn run(verb: &CertsVerb, now: Timestamp) -> Result<(), Box<dyn Error>> {
    match verb {
        CertsVerb::CheckExpiration => check(now),
    }
}

fn check(now: Timestamp) -> Result<(), Box<dyn Error>> {
    let paths = Paths::new(pki_dir());
    let read = |file: &str| -> Result<Option<CertificateInfo>, Box<dyn Error>> {
        let path = paths.certificate(file);
        if path.exists() { Ok(Some(certificate_info(&fs::read_to_string(path)?)?)) } else { Ok(None) }
    };
    let mut rows = Vec::new();
    for (name, file, authority) in CERTIFICATES {
        rows.extend(read(file)?.map(|info| row(name, &info, authority, now)));
    }
    for file in KUBECONFIGS {
        let path = Path::new(KUBERNETES_DIR).join(file);
        if !path.exists() {
            continue;
        }
        if let Credentials::Certificate(pair) = token::read_kubeconfig(&path)?.credentials {
            rows.push(row(file, &certificate_info(&pair.certificate_pem)?, "ca", now));
        }
    }
    rows.sort();
    println!(
        "{:<27}{:<24}{:<16}{:<25}EXTERNALLY MANAGED",
        "CERTIFICATE", "EXPIRES", "RESIDUAL TIME", "CERTIFICATE AUTHORITY"
    );
    rows.iter().for_each(|row| println!("{row}no      "));
    println!("\n{:<24}{:<24}{:<16}EXTERNALLY MANAGED", "CERTIFICATE AUTHORITY", "EXPIRES", "RESIDUAL TIME");
    for (name, file) in AUTHORITIES {
        if let Some(info) = read(file)? {
            println!("{name:<24}{:<24}{:<16}no      ", expires(&info), residual(&info, now));
        }
    }
    Ok(())
}

fn row(name: &str, info: &CertificateInfo, authority: &str, now: Timestamp) -> String {
    format!("{name:<27}{:<24}{:<16}{authority:<25}", expires(info), residual(info, now))
}

fn expires(info: &CertificateInfo) -> String {
    info.not_after.strftime("%b %d, %Y %H:%M UTC").to_string()
}

/// kubeadm's `duration.ShortHumanDuration` of what is left.
fn residual(info: &CertificateInfo, now: Timestamp) -> String {
    let seconds = info.not_after.as_second() - now.as_second();
    if seconds < 0 { "<invalid>".to_owned() } else { token::short(seconds) }
}

//! `pintle certs check-expiration | renew`: when the certificates of this control plane end, in kubeadm's columns; and new
//! ones in their places, in kubeadm's words.

use super::settings::KUBERNETES_DIR;
use super::{files, token};
use certs::{Authority, CertificateInfo, Credentials, KeyCertificate, Paths, UserCertificate, certificate_info};
use clap::Subcommand;
use jiff::Timestamp;
use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::PathBuf;

/// The verbs of `pintle certs`.
#[derive(Debug, Subcommand)]
pub enum CertsVerb {
    /// Check certificates expiration for a Kubernetes cluster
    CheckExpiration,
    /// Renew certificates for a Kubernetes cluster
    Renew {
        /// Which, by the names that check-expiration shows; or `all`.
        #[arg(value_name = "CERTIFICATE", value_parser = clap::builder::PossibleValuesParser::new(names()))]
        name: String,
    },
}

/// One of kubeadm's certificates.
struct Certificate {
    /// kubeadm's name.
    name: &'static str,
    /// What it is for, in kubeadm's words.
    purpose: &'static str,
    place: Place,
}

/// Where a certificate is, and who signs it.
enum Place {
    /// A pair of files in the PKI directory, and the files of its authority.
    Pair(&'static str, Issuer),
    /// In the kubeconfig file of the same name; the cluster's authority signs it.
    Kubeconfig,
}

/// An authority: kubeadm's name and its files.
type Issuer = (&'static str, &'static str);

const CA: Issuer = ("ca", "ca");
const ETCD_CA: Issuer = ("etcd-ca", "etcd/ca");
const FRONT_PROXY_CA: Issuer = ("front-proxy-ca", "front-proxy-ca");
const AUTHORITIES: [Issuer; 3] = [CA, ETCD_CA, FRONT_PROXY_CA];

impl Certificate {
    fn issuer(&self) -> Issuer {
        match self.place {
            Place::Pair(_, issuer) => issuer,
            Place::Kubeconfig => CA,
        }
    }

    fn is_of_etcd(&self) -> bool {
        self.issuer() == ETCD_CA
    }
}

const fn pair(name: &'static str, purpose: &'static str, file: &'static str, issuer: Issuer) -> Certificate {
    Certificate { name, purpose, place: Place::Pair(file, issuer) }
}

const fn embedded(name: &'static str, purpose: &'static str) -> Certificate {
    Certificate { name, purpose, place: Place::Kubeconfig }
}

/// In kubeadm's order.
const CERTIFICATES: [Certificate; 11] = [
    embedded("admin.conf", "embedded in the kubeconfig file for the admin to use and for kubeadm itself"),
    pair("apiserver", "for serving the Kubernetes API", "apiserver", CA),
    pair("apiserver-etcd-client", "the apiserver uses to access etcd", "apiserver-etcd-client", ETCD_CA),
    pair("apiserver-kubelet-client", "for the API server to connect to kubelet", "apiserver-kubelet-client", CA),
    embedded("controller-manager.conf", "embedded in the kubeconfig file for the controller manager to use"),
    pair("etcd-healthcheck-client", "for liveness probes to healthcheck etcd", "etcd/healthcheck-client", ETCD_CA),
    pair("etcd-peer", "for etcd nodes to communicate with each other", "etcd/peer", ETCD_CA),
    pair("etcd-server", "for serving etcd", "etcd/server", ETCD_CA),
    pair("front-proxy-client", "for the front proxy client", "front-proxy-client", FRONT_PROXY_CA),
    embedded("scheduler.conf", "embedded in the kubeconfig file for the scheduler manager to use"),
    embedded("super-admin.conf", "embedded in the kubeconfig file for the super-admin"),
];

/// The pairs of files in a PKI directory, each with its authority's.
pub fn pairs() -> impl Iterator<Item = (&'static str, &'static str)> {
    CERTIFICATES.iter().filter_map(|one| match one.place {
        Place::Pair(file, issuer) => Some((file, issuer.1)),
        Place::Kubeconfig => None,
    })
}

/// What `renew` takes.
fn names() -> impl Iterator<Item = &'static str> {
    std::iter::once("all").chain(CERTIFICATES.iter().map(|one| one.name))
}

/// Runs one verb.
///
/// # Errors
/// Files that cannot be read or written.
pub fn run(verb: &CertsVerb, now: Timestamp) -> Result<(), Box<dyn Error>> {
    let kept = Files { directory: PathBuf::from(KUBERNETES_DIR) };
    match verb {
        CertsVerb::CheckExpiration => print!("{}", kept.check(now)?),
        CertsVerb::Renew { name } => kept.renew(name, now, &mut std::io::stdout())?,
    }
    Ok(())
}

/// A control plane's files: `/etc/kubernetes`.
struct Files {
    directory: PathBuf,
}

impl Files {
    fn pki(&self) -> Paths {
        Paths::new(self.directory.join("pki"))
    }

    /// kubeadm's certificates without those of an etcd, where the cluster has none of its own.
    fn certificates(&self) -> impl Iterator<Item = &'static Certificate> {
        let has_etcd = self.directory.join("pki/etcd").exists();
        CERTIFICATES.iter().filter(move |one| has_etcd || !one.is_of_etcd())
    }

    /// The certificate in its file, if both are there.
    fn read(&self, certificate: &Certificate) -> Result<Option<String>, Box<dyn Error>> {
        let path = match certificate.place {
            Place::Pair(file, _) => self.pki().certificate(file),
            Place::Kubeconfig => self.directory.join(certificate.name),
        };
        if !path.exists() {
            return Ok(None);
        }
        Ok(match certificate.place {
            Place::Pair(..) => Some(fs::read_to_string(path)?),
            Place::Kubeconfig => match token::read_kubeconfig(&path)?.credentials {
                Credentials::Certificate(pair) => Some(pair.certificate_pem),
                _ => None,
            },
        })
    }

    /// Whether somebody else has an authority's key.
    fn is_external(&self, issuer: Issuer) -> bool {
        !self.pki().key(issuer.1).exists()
    }

    fn check(&self, now: Timestamp) -> Result<String, Box<dyn Error>> {
        let yes_no = |yes: bool| format!("{:<8}", if yes { "yes" } else { "no" });
        let mut rows = vec![
            ["CERTIFICATE", "EXPIRES", "RESIDUAL TIME", "CERTIFICATE AUTHORITY", "EXTERNALLY MANAGED"]
                .map(str::to_owned),
        ];
        for certificate in self.certificates() {
            rows.push(match self.read(certificate)? {
                Some(pem) => {
                    let (info, issuer) = (certificate_info(&pem)?, certificate.issuer());
                    let external = yes_no(self.is_external(issuer));
                    [certificate.name.to_owned(), expires(&info), residual(&info, now), issuer.0.to_owned(), external]
                }
                None => missing(certificate.name),
            });
        }
        let mut authorities =
            vec![["CERTIFICATE AUTHORITY", "EXPIRES", "RESIDUAL TIME", "EXTERNALLY MANAGED"].map(str::to_owned)];
        for issuer in AUTHORITIES {
            let path = self.pki().certificate(issuer.1);
            if issuer == ETCD_CA && !path.exists() {
                continue;
            }
            authorities.push(match path.exists() {
                true => {
                    let info = certificate_info(&fs::read_to_string(path)?)?;
                    let external = yes_no(self.is_external(issuer));
                    [issuer.0.to_owned(), expires(&info), residual(&info, now), external]
                }
                false => missing(issuer.0),
            });
        }
        Ok(format!("{}\n{}", token::table(&rows), token::table(&authorities)))
    }

    /// Renews the certificate of this name, or all; says what it did as it goes.
    fn renew(&self, name: &str, now: Timestamp, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
        let wanted = self.certificates().filter(|one| name == "all" || one.name == name).collect::<Vec<_>>();
        if wanted.is_empty() {
            return Err(format!("{name}: this cluster has no etcd of its own").into());
        }
        for certificate in wanted {
            let (purpose, issuer) = (certificate.purpose, certificate.issuer());
            match self.read(certificate)? {
                None => writeln!(out, "MISSING! certificate {purpose}")?,
                Some(_) if self.is_external(issuer) => {
                    writeln!(out, "Detected external {}, certificate {purpose} can't be renewed", issuer.0)?;
                }
                Some(pem) => {
                    self.renew_one(certificate, &pem, now)
                        .map_err(|error| format!("failed to renew certificate {}: {error}", certificate.name))?;
                    writeln!(out, "certificate {purpose} renewed")?;
                }
            }
        }
        if name == "all" {
            writeln!(
                out,
                "\nDone renewing certificates. You must restart the kube-apiserver, kube-controller-manager, \
                 kube-scheduler and etcd, so that they can use the new certificates."
            )?;
        }
        Ok(())
    }

    fn renew_one(&self, certificate: &Certificate, old: &str, now: Timestamp) -> Result<(), Box<dyn Error>> {
        let paths = self.pki();
        let issuer = certificate.issuer().1;
        let authority = KeyCertificate::read(&paths.certificate(issuer), &paths.key(issuer))?;
        let authority = Authority::from_pem(&authority.certificate_pem, &authority.key_pem)?;
        let new = certs::renewed(old, &authority, now)?;
        match certificate.place {
            Place::Pair(file, _) => new.write(&paths.certificate(file), &paths.key(file))?,
            Place::Kubeconfig => {
                files::set_certificate(&self.directory.join(certificate.name), &UserCertificate::Embedded(&new))?;
            }
        }
        Ok(())
    }
}

/// A row of nothing but a name.
fn missing<const COLUMNS: usize>(name: &str) -> [String; COLUMNS] {
    let mut row = [const { String::new() }; COLUMNS];
    row[0] = format!("!MISSING! {name}");
    row
}

fn expires(info: &CertificateInfo) -> String {
    info.not_after.strftime("%b %d, %Y %H:%M UTC").to_string()
}

/// kubeadm's `duration.ShortHumanDuration` of what is left.
fn residual(info: &CertificateInfo, now: Timestamp) -> String {
    let seconds = info.not_after.as_second() - now.as_second();
    if seconds < 0 { "<invalid>".to_owned() } else { token::short(seconds) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use certs::{KubeconfigFile, PkiConfig};
    use expect_test::expect;
    use std::path::Path;

    fn control_plane(directory: &Path, etcd_names: &[&str], now: Timestamp) -> Files {
        let config = PkiConfig {
            node_name: "master".to_owned(),
            cluster_domain: "cluster.local".to_owned(),
            service_address: "10.96.0.1".to_owned(),
            extra_names: vec!["172.30.0.2".to_owned()],
            etcd_names: etcd_names.iter().map(|name| (*name).to_owned()).collect(),
        };
        let pki = certs::ensure(&directory.join("pki"), &config, now).unwrap();
        use KubeconfigFile::{Admin, ControllerManager, Scheduler, SuperAdmin};
        for which in [Admin, ControllerManager, Scheduler, SuperAdmin] {
            let path = directory.join(which.file_name());
            let server = "https://172.30.0.2:6443";
            certs::write_kubeconfig(&path, &which, server, &pki.authority, now, false).unwrap();
        }
        Files { directory: directory.to_owned() }
    }

    fn renew(files: &Files, name: &str, now: Timestamp) -> String {
        let mut out = Vec::new();
        let done = files.renew(name, now, &mut out);
        String::from_utf8(out).unwrap() + &done.err().map(|error| error.to_string()).unwrap_or_default()
    }

    fn times() -> (Timestamp, Timestamp) {
        ("2026-01-01T00:00:00Z".parse().unwrap(), "2026-12-30T00:00:00Z".parse().unwrap())
    }

    #[test]
    fn all_are_renewed_and_their_kubeconfigs_keep_what_else_is_in_them() {
        let directory = tempfile::tempdir().unwrap();
        let (then, now) = times();
        let files = control_plane(directory.path(), &[], then);
        let admin = directory.path().join("admin.conf");
        let mine = fs::read_to_string(&admin).unwrap().replace("preferences: {}", "preferences: {colors: true}");
        fs::write(&admin, mine).unwrap();
        expect![[r#"
            CERTIFICATE                EXPIRES                  RESIDUAL TIME   CERTIFICATE AUTHORITY   EXTERNALLY MANAGED
            admin.conf                 Jan 01, 2027 00:00 UTC   2d              ca                      no      
            apiserver                  Jan 01, 2027 00:00 UTC   2d              ca                      no      
            apiserver-kubelet-client   Jan 01, 2027 00:00 UTC   2d              ca                      no      
            controller-manager.conf    Jan 01, 2027 00:00 UTC   2d              ca                      no      
            front-proxy-client         Jan 01, 2027 00:00 UTC   2d              front-proxy-ca          no      
            scheduler.conf             Jan 01, 2027 00:00 UTC   2d              ca                      no      
            super-admin.conf           Jan 01, 2027 00:00 UTC   2d              ca                      no      

            CERTIFICATE AUTHORITY   EXPIRES                  RESIDUAL TIME   EXTERNALLY MANAGED
            ca                      Dec 30, 2035 00:00 UTC   9y              no      
            front-proxy-ca          Dec 30, 2035 00:00 UTC   9y              no      
        "#]].assert_eq(&files.check(now).unwrap());
        expect![[r#"
            certificate embedded in the kubeconfig file for the admin to use and for kubeadm itself renewed
            certificate for serving the Kubernetes API renewed
            certificate for the API server to connect to kubelet renewed
            certificate embedded in the kubeconfig file for the controller manager to use renewed
            certificate for the front proxy client renewed
            certificate embedded in the kubeconfig file for the scheduler manager to use renewed
            certificate embedded in the kubeconfig file for the super-admin renewed

            Done renewing certificates. You must restart the kube-apiserver, kube-controller-manager, kube-scheduler and etcd, so that they can use the new certificates.
        "#]].assert_eq(&renew(&files, "all", now));
        expect![[r#"
            CERTIFICATE                EXPIRES                  RESIDUAL TIME   CERTIFICATE AUTHORITY   EXTERNALLY MANAGED
            admin.conf                 Dec 30, 2027 00:00 UTC   1y              ca                      no      
            apiserver                  Dec 30, 2027 00:00 UTC   1y              ca                      no      
            apiserver-kubelet-client   Dec 30, 2027 00:00 UTC   1y              ca                      no      
            controller-manager.conf    Dec 30, 2027 00:00 UTC   1y              ca                      no      
            front-proxy-client         Dec 30, 2027 00:00 UTC   1y              front-proxy-ca          no      
            scheduler.conf             Dec 30, 2027 00:00 UTC   1y              ca                      no      
            super-admin.conf           Dec 30, 2027 00:00 UTC   1y              ca                      no      

            CERTIFICATE AUTHORITY   EXPIRES                  RESIDUAL TIME   EXTERNALLY MANAGED
            ca                      Dec 30, 2035 00:00 UTC   9y              no      
            front-proxy-ca          Dec 30, 2035 00:00 UTC   9y              no      
        "#]].assert_eq(&files.check(now).unwrap());
        assert!(fs::read_to_string(&admin).unwrap().contains("colors: true"));
        assert_eq!(token::read_kubeconfig(&admin).unwrap().server, "https://172.30.0.2:6443");
        let server =
            KeyCertificate::read(&files.pki().certificate("apiserver"), &files.pki().key("apiserver")).unwrap();
        certs::server_config(&server, certs::ClientAuth::None, &[]).expect("a certificate and its key");
        assert!(certificate_info(&server.certificate_pem).unwrap().alt_names.contains(&"172.30.0.2".to_owned()));
    }

    #[test]
    fn what_is_missing_external_or_not_asked_for_stays() {
        let directory = tempfile::tempdir().unwrap();
        let (then, now) = times();
        let files = control_plane(directory.path(), &["localhost"], then);
        fs::remove_file(directory.path().join("scheduler.conf")).unwrap();
        fs::remove_file(files.pki().key("front-proxy-ca")).unwrap();
        let said: String =
            ["etcd-server", "scheduler.conf", "front-proxy-client"].map(|name| renew(&files, name, now)).concat();
        expect![[r#"
            certificate for serving etcd renewed
            MISSING! certificate embedded in the kubeconfig file for the scheduler manager to use
            Detected external front-proxy-ca, certificate for the front proxy client can't be renewed
        "#]]
        .assert_eq(&said);
        expect![[r#"
            CERTIFICATE                EXPIRES                  RESIDUAL TIME   CERTIFICATE AUTHORITY   EXTERNALLY MANAGED
            admin.conf                 Jan 01, 2027 00:00 UTC   2d              ca                      no      
            apiserver                  Jan 01, 2027 00:00 UTC   2d              ca                      no      
            apiserver-etcd-client      Jan 01, 2027 00:00 UTC   2d              etcd-ca                 no      
            apiserver-kubelet-client   Jan 01, 2027 00:00 UTC   2d              ca                      no      
            controller-manager.conf    Jan 01, 2027 00:00 UTC   2d              ca                      no      
            etcd-healthcheck-client    Jan 01, 2027 00:00 UTC   2d              etcd-ca                 no      
            etcd-peer                  Jan 01, 2027 00:00 UTC   2d              etcd-ca                 no      
            etcd-server                Dec 30, 2027 00:00 UTC   1y              etcd-ca                 no      
            front-proxy-client         Jan 01, 2027 00:00 UTC   2d              front-proxy-ca          yes     
            !MISSING! scheduler.conf                                                                    
            super-admin.conf           Jan 01, 2027 00:00 UTC   2d              ca                      no      

            CERTIFICATE AUTHORITY   EXPIRES                  RESIDUAL TIME   EXTERNALLY MANAGED
            ca                      Dec 30, 2035 00:00 UTC   9y              no      
            etcd-ca                 Dec 30, 2035 00:00 UTC   9y              no      
            front-proxy-ca          Dec 30, 2035 00:00 UTC   9y              yes     
        "#]].assert_eq(&files.check(now).unwrap());
        let directory = tempfile::tempdir().unwrap();
        let without_etcd = control_plane(directory.path(), &[], then);
        expect!["etcd-server: this cluster has no etcd of its own"].assert_eq(&renew(
            &without_etcd,
            "etcd-server",
            now,
        ));
    }
}

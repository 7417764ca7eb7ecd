//! Kubeconfig files with embedded data: one cluster, one user, one context, as kubeadm writes them.

use crate::KeyCertificate;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::Path;

/// How the user of a kubeconfig proves who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// `client-certificate-data` and `client-key-data`.
    Certificate(KeyCertificate),
    /// `token`
    Token(String),
    /// `client-certificate` and `client-key`: paths, for files that rotate.
    CertificateFiles {
        /// `client-certificate`
        certificate: String,
        /// `client-key`
        key: String,
    },
    /// Nothing.
    None,
}

/// Where a kubeconfig has its user's certificate.
#[derive(Clone, Copy, Debug)]
pub enum UserCertificate<'a> {
    /// In itself.
    Embedded(&'a KeyCertificate),
    /// In a file with certificate and key.
    File(&'a Path),
}

/// A kubeconfig of one context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kubeconfig {
    /// Name of the cluster entry.
    pub cluster: String,
    /// `https://host:port`
    pub server: String,
    /// PEM; `None` for plain HTTP.
    pub certificate_authority: Option<String>,
    /// Name of the user entry.
    pub user: String,
    /// What the user shows.
    pub credentials: Credentials,
}

/// Why a kubeconfig cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KubeconfigError {
    /// The current context, its cluster or its user is missing.
    #[error("the kubeconfig has no {0}")]
    Missing(&'static str),
    /// A `…-data` member is not base64 of text.
    #[error("the kubeconfig's {0} is not base64 of a PEM text")]
    Data(&'static str),
    /// A file that the kubeconfig names cannot be read.
    #[error(transparent)]
    File(#[from] crate::FileError),
    /// Not YAML.
    #[error("the kubeconfig is not valid YAML")]
    Yaml,
}

impl Kubeconfig {
    /// The name of the one context.
    pub fn context(&self) -> String {
        format!("{}@{}", self.user, self.cluster)
    }

    /// The file's text: YAML, keys in kubectl's order.
    pub fn to_yaml(&self) -> String {
        let mut text = String::from("apiVersion: v1\nclusters:\n- cluster:\n");
        if let Some(authority) = &self.certificate_authority {
            line(&mut text, "certificate-authority-data", &STANDARD.encode(authority));
        }
        line(&mut text, "server", &self.server);
        let (cluster, user, context) = (scalar(&self.cluster), scalar(&self.user), scalar(&self.context()));
        let _ = write!(
            text,
            "  name: {cluster}\ncontexts:\n- context:\n    cluster: {cluster}\n    user: {user}\n  name: {context}\n\
             current-context: {context}\nkind: Config\npreferences: {{}}\nusers:\n- name: {user}\n"
        );
        match &self.credentials {
            Credentials::None => text.push_str("  user: {}\n"),
            Credentials::Token(token) => {
                text.push_str("  user:\n");
                line(&mut text, "token", token);
            }
            Credentials::Certificate(pair) => {
                text.push_str("  user:\n");
                line(&mut text, "client-certificate-data", &STANDARD.encode(&pair.certificate_pem));
                line(&mut text, "client-key-data", &STANDARD.encode(&pair.key_pem));
            }
            Credentials::CertificateFiles { certificate, key } => {
                text.push_str("  user:\n");
                line(&mut text, "client-certificate", certificate);
                line(&mut text, "client-key", key);
            }
        }
        text
    }

    /// The current context of a decoded kubeconfig.
    ///
    /// # Errors
    /// [`KubeconfigError::Missing`] and [`KubeconfigError::Data`].
    pub fn from_value(config: &Value) -> Result<Self, KubeconfigError> {
        let current = config["current-context"].as_str().ok_or(KubeconfigError::Missing("current-context"))?;
        let context = named(config, "contexts", current).ok_or(KubeconfigError::Missing("current context"))?;
        let cluster = context["context"]["cluster"].as_str().ok_or(KubeconfigError::Missing("cluster"))?;
        let user = context["context"]["user"].as_str().unwrap_or_default();
        let entry = &named(config, "clusters", cluster).ok_or(KubeconfigError::Missing("cluster"))?["cluster"];
        let certificate_authority = match data(entry, "certificate-authority-data")? {
            Some(pem) => Some(pem),
            None => file(entry, "certificate-authority")?,
        };
        let server = entry["server"].as_str().ok_or(KubeconfigError::Missing("server"))?.to_owned();
        let nobody = json!({"user": {}});
        let credentials = credentials(&named(config, "users", user).unwrap_or(&nobody)["user"])?;
        Ok(Self { cluster: cluster.to_owned(), server, certificate_authority, user: user.to_owned(), credentials })
    }

    /// Gives the user of a decoded kubeconfig's current context another certificate; all else stays as it is.
    ///
    /// # Errors
    /// [`KubeconfigError::Missing`]
    pub fn set_certificate(config: &mut Value, new: &UserCertificate<'_>) -> Result<(), KubeconfigError> {
        let current = config["current-context"].as_str().ok_or(KubeconfigError::Missing("current-context"))?;
        let context = named(config, "contexts", current).ok_or(KubeconfigError::Missing("current context"))?;
        let user = context["context"]["user"].clone();
        let mut users = config["users"].as_array_mut().into_iter().flatten();
        let entry = users.find(|entry| entry["name"] == user).and_then(|entry| entry["user"].as_object_mut());
        let entry = entry.ok_or(KubeconfigError::Missing("user"))?;
        let certificate_keys = ["client-certificate", "client-key", "client-certificate-data", "client-key-data"];
        certificate_keys.iter().for_each(|key| drop(entry.remove(*key)));
        let (certificate, key) = match new {
            UserCertificate::Embedded(pair) => {
                let (certificate, key) = (STANDARD.encode(&pair.certificate_pem), STANDARD.encode(&pair.key_pem));
                (("client-certificate-data", certificate), ("client-key-data", key))
            }
            UserCertificate::File(path) => {
                let path = path.display().to_string();
                (("client-certificate", path.clone()), ("client-key", path))
            }
        };
        for (key, value) in [certificate, key] {
            entry.insert(key.to_owned(), value.into());
        }
        Ok(())
    }
}

fn credentials(user: &Value) -> Result<Credentials, KubeconfigError> {
    let certificate = data(user, "client-certificate-data")?;
    let key = data(user, "client-key-data")?;
    if let (Some(certificate_pem), Some(key_pem)) = (certificate, key) {
        return Ok(Credentials::Certificate(KeyCertificate { certificate_pem, key_pem }));
    }
    if let (Some(certificate), Some(key)) = (user["client-certificate"].as_str(), user["client-key"].as_str()) {
        return Ok(Credentials::CertificateFiles { certificate: certificate.to_owned(), key: key.to_owned() });
    }
    if let Some(token) = user["token"].as_str() {
        return Ok(Credentials::Token(token.to_owned()));
    }
    match file(user, "tokenFile")? {
        Some(token) => Ok(Credentials::Token(token.trim().to_owned())),
        None => Ok(Credentials::None),
    }
}

fn named<'a>(config: &'a Value, list: &str, name: &str) -> Option<&'a Value> {
    config[list].as_array()?.iter().find(|entry| entry["name"] == name)
}

fn data(entry: &Value, key: &'static str) -> Result<Option<String>, KubeconfigError> {
    let Some(text) = entry[key].as_str() else {
        return Ok(None);
    };
    let bytes = STANDARD.decode(text).map_err(|_| KubeconfigError::Data(key))?;
    Ok(Some(String::from_utf8(bytes).map_err(|_| KubeconfigError::Data(key))?))
}

fn file(entry: &Value, key: &str) -> Result<Option<String>, KubeconfigError> {
    Ok(entry[key].as_str().map(|path| crate::file::read(path.as_ref())).transpose()?)
}

fn line(text: &mut String, key: &str, value: &str) {
    let _ = writeln!(text, "    {key}: {}", scalar(value));
}

/// A YAML scalar: plain where that is safe, else as a JSON string, which YAML reads the same.
fn scalar(value: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "-_./:@=+".contains(c);
    let plain = value.chars().all(safe)
        && value.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && !value.ends_with(':')
        && !matches!(
            value.to_ascii_lowercase().as_str(),
            "null" | "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n"
        );
    if plain { value.to_owned() } else { Value::from(value).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn a_written_file() {
        let config = Kubeconfig {
            cluster: "kubernetes".to_owned(),
            server: "https://10.0.0.1:6443".to_owned(),
            certificate_authority: Some("CA".to_owned()),
            user: "system:node:node1".to_owned(),
            credentials: Credentials::Token("123.true".to_owned()),
        };
        expect![[r#"
            apiVersion: v1
            clusters:
            - cluster:
                certificate-authority-data: "Q0E="
                server: https://10.0.0.1:6443
              name: kubernetes
            contexts:
            - context:
                cluster: kubernetes
                user: system:node:node1
              name: system:node:node1@kubernetes
            current-context: system:node:node1@kubernetes
            kind: Config
            preferences: {}
            users:
            - name: system:node:node1
              user:
                token: "123.true"
        "#]]
        .assert_eq(&config.to_yaml().replace("Q0E=\n", "\"Q0E=\"\n"));
    }

    #[test]
    fn another_certificate_takes_the_place_of_the_one_before() {
        let mut config = json!({
            "current-context": "a@b",
            "contexts": [{"name": "a@b", "context": {"cluster": "b", "user": "a"}}, {"name": "mine"}],
            "users": [{"name": "c", "user": {}}, {"name": "a", "user": {"client-certificate-data": "", "as": "me"}}],
        });
        Kubeconfig::set_certificate(&mut config, &UserCertificate::File(Path::new("/x.pem"))).unwrap();
        let user = json!({"client-certificate": "/x.pem", "client-key": "/x.pem", "as": "me"});
        assert_eq!(config["users"], json!([{"name": "c", "user": {}}, {"name": "a", "user": user}]));
        let pair = KeyCertificate { certificate_pem: "C".to_owned(), key_pem: "K".to_owned() };
        Kubeconfig::set_certificate(&mut config, &UserCertificate::Embedded(&pair)).unwrap();
        let user = json!({"client-certificate-data": "Qw==", "client-key-data": "Sw==", "as": "me"});
        assert_eq!(config["users"][1]["user"], user);
        config["users"] = json!([]);
        assert!(Kubeconfig::set_certificate(&mut config, &UserCertificate::Embedded(&pair)).is_err());
    }

    #[test]
    fn data_and_missing_parts() {
        let good = json!({
            "current-context": "a@b",
            "contexts": [{"name": "a@b", "context": {"cluster": "b", "user": "a"}}],
            "clusters": [{"name": "b", "cluster": {"server": "https://x", "certificate-authority-data": "Q0E="}}],
            "users": [{"name": "a", "user": {"client-certificate-data": "Qw==", "client-key-data": "Sw=="}}],
        });
        let config = Kubeconfig::from_value(&good).unwrap();
        assert_eq!(config.certificate_authority.as_deref(), Some("CA"));
        let pair = KeyCertificate { certificate_pem: "C".to_owned(), key_pem: "K".to_owned() };
        assert_eq!(config.credentials, Credentials::Certificate(pair));
        for (pointer, value) in [
            ("/current-context", json!("other")),
            ("/contexts", json!([])),
            ("/clusters/0/name", json!("c")),
            ("/clusters/0/cluster/server", json!(null)),
            ("/users/0/user/client-key-data", json!("%%")),
        ] {
            let mut bad = good.clone();
            *bad.pointer_mut(pointer).unwrap() = value;
            assert!(Kubeconfig::from_value(&bad).is_err(), "{pointer}");
        }
    }
}

//! `pintle token create|list|delete|generate`: bootstrap tokens, with kubeadm's words.

use super::settings::{NODE_TOKEN_GROUP, TokenSettings};
use certs::{BootstrapToken, Kubeconfig};
use clap::{ArgAction, Args, Subcommand};
use client::{Client, DeleteParams, ListParams, ObjectKey};
use clock::SharedClock;
use controllers::{BOOTSTRAP_TOKEN_TYPE, TokenSecret};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The verbs of `pintle token`.
#[derive(Debug, Subcommand)]
pub enum TokenVerb {
    /// Create bootstrap tokens on the server
    Create(CreateFlags),
    /// List bootstrap tokens on the server
    List {
        #[command(flatten)]
        server: ServerFlag,
    },
    /// Delete bootstrap tokens on the server
    Delete {
        #[command(flatten)]
        server: ServerFlag,
        /// Tokens, or their ids.
        #[arg(required = true)]
        tokens: Vec<String>,
    },
    /// Generate and print a bootstrap token, but do not create it on the server
    Generate,
}

/// How to reach the cluster.
#[derive(Debug, Args)]
pub struct ServerFlag {
    /// The kubeconfig file to use when talking to the cluster.
    #[arg(long, value_name = "FILE", default_value = "/etc/kubernetes/admin.conf")]
    kubeconfig: PathBuf,
}

/// `token create`
#[derive(Debug, Args)]
pub struct CreateFlags {
    #[command(flatten)]
    server: ServerFlag,
    /// The token to create; a new one unless given.
    token: Option<BootstrapToken>,
    /// Print the full command to join the cluster using the token.
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, default_value_t = false, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    print_join_command: bool,
    /// The duration before the token is automatically deleted (e.g. 1s, 2m, 3h). If set to '0', the token will never expire.
    #[arg(long, value_name = "DURATION", default_value = "24h0m0s", value_parser = crate::roles::election::duration)]
    ttl: Duration,
    /// The ways in which this token can be used: [signing,authentication].
    #[arg(long, value_name = "USAGES", value_delimiter = ',', default_value = "signing,authentication")]
    usages: Vec<String>,
    /// Extra groups that this token will authenticate as.
    #[arg(long, value_name = "GROUPS", value_delimiter = ',', default_value = NODE_TOKEN_GROUP)]
    groups: Vec<String>,
    /// A human friendly description of how this token is used.
    #[arg(long, value_name = "TEXT", default_value = "")]
    description: String,
}

type Done = Result<(), Box<dyn Error>>;

/// Runs one verb.
///
/// # Errors
/// The API's, and bad values.
pub async fn run(verb: TokenVerb, clock: SharedClock) -> Done {
    match verb {
        TokenVerb::Generate => {
            println!("{}", generate()?);
            Ok(())
        }
        TokenVerb::Create(flags) => create_verb(flags, &clock).await,
        TokenVerb::List { server } => list(&super::client(&server.kubeconfig).await?, clock.now()).await,
        TokenVerb::Delete { server, tokens } => {
            let client = super::client(&server.kubeconfig).await?;
            for token in &tokens {
                delete(&client, token).await?;
            }
            Ok(())
        }
    }
}

/// A new random token.
///
/// # Errors
/// The system's random source.
pub fn generate() -> Result<BootstrapToken, certs::BootstrapTokenError> {
    BootstrapToken::generate(&ring::rand::SystemRandom::new())
}

async fn create_verb(flags: CreateFlags, clock: &SharedClock) -> Done {
    let known = ["signing", "authentication"];
    if let Some(usage) = flags.usages.iter().find(|usage| !known.contains(&usage.as_str())) {
        return Err(format!(
            "bootstrapTokens.usages: Invalid value: {usage:?}: valid bootstrap token usages are [authentication signing]"
        )
        .into());
    }
    if let Some(group) = flags.groups.iter().find(|group| !group.starts_with("system:bootstrappers:")) {
        return Err(format!(
            "bootstrapTokens.groups: Invalid value: {group:?}: bootstrap group must match \"\\\\Asystem:bootstrappers:[a-z0-9:-]{{0,255}}[a-z0-9]\\\\z\""
        )
        .into());
    }
    let client = super::client(&flags.server.kubeconfig).await?;
    let settings = TokenSettings {
        token: flags.token,
        ttl: flags.ttl,
        usages: flags.usages,
        groups: flags.groups,
        description: flags.description,
    };
    let token = create(&client, &settings, clock.now()).await?;
    if flags.print_join_command {
        println!("{}", join_command(&read_kubeconfig(&flags.server.kubeconfig)?, &token)?);
    } else {
        println!("{token}");
    }
    Ok(())
}

/// Makes a token in the cluster.
///
/// # Errors
/// The API's; a token of that id that is there already.
pub async fn create(
    client: &Client,
    settings: &TokenSettings,
    now: Timestamp,
) -> Result<BootstrapToken, Box<dyn Error>> {
    let token = settings.token.clone().map_or_else(generate, Ok)?;
    let ttl = i64::try_from(settings.ttl.as_secs())?;
    let expiration = if ttl == 0 { None } else { Some(Timestamp::from_second(now.as_second().saturating_add(ttl))?) };
    let secret = TokenSecret {
        token: token.clone(),
        expiration,
        usages: settings.usages.clone(),
        groups: settings.groups.clone(),
        description: settings.description.clone(),
    };
    match client.create(&secret.to_secret()).await {
        Err(error) if error.is_already_exists() => {
            Err(format!("a token with id {:?} already exists", token.id()).into())
        }
        other => Ok(other.map(|_| token)?),
    }
}

/// The current context of a kubeconfig file.
///
/// # Errors
/// Reading and decoding it.
pub fn read_kubeconfig(path: &Path) -> Result<Kubeconfig, Box<dyn Error>> {
    let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let document = api::codec::decode_yaml(&bytes).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(Kubeconfig::from_value(&document.value)?)
}

/// What to type on a new node.
///
/// # Errors
/// A kubeconfig without an authority.
pub fn join_command(kubeconfig: &Kubeconfig, token: &BootstrapToken) -> Result<String, Box<dyn Error>> {
    let authority = kubeconfig.certificate_authority.as_deref().ok_or("the kubeconfig names no authority")?;
    let endpoint = kubeconfig.server.trim_start_matches("https://");
    let hash = certs::ca_cert_hash(authority)?;
    Ok(format!("pintle join {endpoint} --token {token} --discovery-token-ca-cert-hash {hash} "))
}

async fn list(client: &Client, now: Timestamp) -> Done {
    let params = ListParams::default().fields(&format!("type={BOOTSTRAP_TOKEN_TYPE}"));
    let secrets = client.list::<Secret>(Some("kube-system"), &params).await?;
    let mut rows = vec![["TOKEN", "TTL", "EXPIRES", "USAGES", "DESCRIPTION", "EXTRA GROUPS"].map(str::to_owned)];
    rows.extend(secrets.items.iter().filter_map(TokenSecret::read).map(|token| row(&token, now)));
    print!("{}", table(&rows));
    Ok(())
}

fn row(token: &TokenSecret, now: Timestamp) -> [String; 6] {
    let or_none = |text: String| if text.is_empty() { "<none>".to_owned() } else { text };
    let (ttl, expires) = match token.expiration {
        None => ("<forever>".to_owned(), "<never>".to_owned()),
        Some(end) if end <= now => ("<invalid>".to_owned(), end.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
        Some(end) => (short(end.as_second() - now.as_second()), end.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
    };
    let mut usages = token.usages.clone();
    usages.sort();
    let description = or_none(token.description.clone());
    [token.token.to_string(), ttl, expires, or_none(usages.join(",")), description, or_none(token.groups.join(","))]
}

/// Upstream's `duration.ShortHumanDuration`: the largest unit alone.
pub fn short(seconds: i64) -> String {
    match seconds {
        s if s < 60 => format!("{s}s"),
        s if s < 3600 => format!("{}m", s / 60),
        s if s < 24 * 3600 => format!("{}h", s / 3600),
        s if s < 365 * 24 * 3600 => format!("{}d", s / (24 * 3600)),
        s => format!("{}y", s / (365 * 24 * 3600)),
    }
}

/// Columns as wide as their widest cell, three spaces between them, as upstream's tab writer has it.
pub fn table<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let line = |row: &[String; COLUMNS]| {
        let cells = row.iter().enumerate().map(|(column, cell)| {
            if column + 1 == row.len() { cell.clone() } else { format!("{cell:<width$}", width = width(column) + 3) }
        });
        cells.collect::<String>() + "\n"
    };
    rows.iter().map(line).collect()
}

async fn delete(client: &Client, token: &str) -> Done {
    let id = token.parse::<BootstrapToken>().map_or_else(|_| token.to_owned(), |token| token.id().to_owned());
    let is_id = id.len() == 6 && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if !is_id {
        return Err(format!("given token or token id {token:?} didn't match pattern \"[a-z0-9]{{6}}\" or \"[a-z0-9]{{6}}\\.[a-z0-9]{{16}}\"").into());
    }
    let key = ObjectKey::namespaced("kube-system", TokenSecret::name(&id));
    client
        .delete::<Secret>(&key, &DeleteParams::default())
        .await
        .map_err(|error| format!("failed to delete bootstrap token {id:?}: {error}"))?;
    println!("bootstrap token {id:?} deleted");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn the_list_is_kubeadms() {
        let token = |id: &str, expiration: Option<&str>| TokenSecret {
            token: format!("{id}.0123456789abcdef").parse().unwrap(),
            expiration: expiration.map(|end| end.parse().unwrap()),
            usages: vec!["signing".to_owned(), "authentication".to_owned()],
            groups: vec![NODE_TOKEN_GROUP.to_owned()],
            description: String::new(),
        };
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let rows = [
            ["TOKEN", "TTL", "EXPIRES", "USAGES", "DESCRIPTION", "EXTRA GROUPS"].map(str::to_owned),
            row(&token("abcdef", Some("2026-01-01T23:59:59Z")), now),
            row(&token("abcdeg", None), now),
        ];
        expect![[r#"
            TOKEN                     TTL         EXPIRES                USAGES                   DESCRIPTION   EXTRA GROUPS
            abcdef.0123456789abcdef   23h         2026-01-01T23:59:59Z   authentication,signing   <none>        system:bootstrappers:kubeadm:default-node-token
            abcdeg.0123456789abcdef   <forever>   <never>                authentication,signing   <none>        system:bootstrappers:kubeadm:default-node-token
        "#]]
        .assert_eq(&table(&rows));
    }
}

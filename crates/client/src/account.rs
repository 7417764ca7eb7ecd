//! Clients that act as service accounts over the network: the controller manager's
//! `--use-service-account-credentials`. Each asks for a token when it needs one, and for a new one before that ends.

use crate::client::ConfigError;
use crate::{Client, Error, ObjectKey};
use clock::SharedClock;
use http::header::{AUTHORIZATION, HeaderValue};
use http::{Request, StatusCode};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::client::Body;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// How long a token is asked for, in seconds: upstream's default of the token API.
const TOKEN_SECONDS: i64 = 3600;
/// A token is replaced when a fifth of its life is left.
const REFRESH_AT: f64 = 0.8;

/// Makes clients for service accounts.
#[derive(Clone)]
pub struct ServiceAccountClients {
    /// Makes accounts and asks for tokens.
    issuer: Client,
    /// The same server, without credentials.
    bare: kube::Client,
    clock: SharedClock,
}

impl ServiceAccountClients {
    /// Clients on the server of `config`; `issuer` may create service accounts and their tokens.
    ///
    /// # Errors
    /// TLS set-up.
    pub fn new(mut config: kube::Config, issuer: Client, clock: SharedClock) -> Result<Self, ConfigError> {
        config.auth_info = kube::config::AuthInfo::default();
        let bare = Client::from_config(config, "pintle")?;
        Ok(Self { issuer, bare: bare.kube().clone(), clock })
    }

    /// The client that acts as the account `key`, which is made when it does not exist.
    ///
    /// # Errors
    /// [`ConfigError::UserAgent`].
    pub fn client(&self, key: ObjectKey, user_agent: &str) -> Result<Client, ConfigError> {
        let source = Arc::new(TokenSource {
            issuer: self.issuer.clone(),
            clock: self.clock.clone(),
            key,
            held: Mutex::new(None),
        });
        let bare = self.bare.clone();
        let service = tower::service_fn(move |mut request: Request<Body>| {
            let (bare, source) = (bare.clone(), source.clone());
            async move {
                let token = source.token().await?;
                request.headers_mut().insert(AUTHORIZATION, token);
                let response = bare.send(request).await.map_err(Error::from)?;
                if response.status() == StatusCode::UNAUTHORIZED {
                    // the account was made anew, perhaps: the next request asks for another token
                    source.held.lock().await.take();
                }
                Ok::<_, Error>(response)
            }
        });
        Client::from_service(service, user_agent)
    }
}

struct Held {
    header: HeaderValue,
    refresh_at: Duration,
}

struct TokenSource {
    issuer: Client,
    clock: SharedClock,
    key: ObjectKey,
    held: Mutex<Option<Held>>,
}

impl TokenSource {
    async fn token(&self) -> Result<HeaderValue, Error> {
        let mut held = self.held.lock().await;
        if let Some(held) = held.as_ref().filter(|held| self.clock.monotonic() < held.refresh_at) {
            return Ok(held.header.clone());
        }
        let token = match self.request().await {
            Err(error) if error.is_not_found() => {
                self.create_account().await?;
                self.request().await?
            }
            answer => answer?,
        };
        let issued = token.status.and_then(|status| Some((status.token?, status.expiration_timestamp?.0)));
        let (token, end) = issued.ok_or_else(|| Error::Request("the answer holds no token".into()))?;
        let mut header =
            HeaderValue::from_str(&format!("Bearer {token}")).map_err(|error| Error::Request(Box::new(error)))?;
        header.set_sensitive(true);
        let life = end.as_second().saturating_sub(self.clock.now().as_second());
        let life = Duration::from_secs(u64::try_from(life).unwrap_or(0));
        let refresh_at = self.clock.monotonic() + life.mul_f64(REFRESH_AT);
        *held = Some(Held { header: header.clone(), refresh_at });
        Ok(header)
    }

    async fn request(&self) -> Result<TokenRequest, Error> {
        let spec = TokenRequestSpec { expiration_seconds: Some(TOKEN_SECONDS), ..TokenRequestSpec::default() };
        let body = TokenRequest { spec: Some(spec), ..TokenRequest::default() };
        self.issuer.create_subresource::<ServiceAccount, _>("token", &self.key, &body).await
    }

    async fn create_account(&self) -> Result<(), Error> {
        let mut account = ServiceAccount::default();
        account.metadata.name = Some(self.key.name.clone());
        account.metadata.namespace = Some(self.key.namespace.clone());
        match self.issuer.create(&account).await {
            Err(error) if !error.is_already_exists() => Err(error),
            _ => Ok(()),
        }
    }
}

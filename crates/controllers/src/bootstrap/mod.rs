//! Bootstrap tokens: what lets new nodes in. One controller signs the configMap `cluster-info` with every token, so that
//! a node knows the cluster by its token; one deletes tokens that have ended (upstream's `pkg/controller/bootstrap`).

mod clean;
mod sign;
mod token_secret;

pub use clean::run as run_token_cleaner;
pub use sign::run as run_signer;
pub use token_secret::{BOOTSTRAP_TOKEN_TYPE, TokenSecret};

use client::Selection;

/// Where tokens are.
const SYSTEM_NAMESPACE: &str = "kube-system";

/// Secrets that are bootstrap tokens.
fn tokens() -> Selection {
    Selection {
        namespace: Some(SYSTEM_NAMESPACE.to_owned()),
        ..Selection::fields(format!("type={BOOTSTRAP_TOKEN_TYPE}"))
    }
}

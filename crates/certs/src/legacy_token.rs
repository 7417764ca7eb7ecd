//! What the tokens that secrets of service accounts hold say (upstream's `LegacyClaims`): who writes them and who reads
//! them are two programs.

/// Their issuer, whatever that of other tokens is.
pub const ISSUER: &str = "kubernetes/serviceaccount";
/// Claim: the namespace of account and secret.
pub const NAMESPACE: &str = "kubernetes.io/serviceaccount/namespace";
/// Claim: the secret that holds the token.
pub const SECRET_NAME: &str = "kubernetes.io/serviceaccount/secret.name";
/// Claim: whose token it is.
pub const ACCOUNT_NAME: &str = "kubernetes.io/serviceaccount/service-account.name";
/// Claim: which account of that name.
pub const ACCOUNT_UID: &str = "kubernetes.io/serviceaccount/service-account.uid";

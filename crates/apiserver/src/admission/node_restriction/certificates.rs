//! The certificates that a node asks for are its own.

use super::super::{forbidden, text};
use crate::chain::{Attributes, Operation};
use api::status::Status;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const KUBELET_SIGNERS: [&str; 2] = ["kubernetes.io/kubelet-serving", "kubernetes.io/kube-apiserver-client-kubelet"];

/// A request to the signers of kubelets is for the name of the node that asks.
pub(super) fn own_name(attributes: &Attributes<'_>) -> Result<(), Status> {
    let spec = &attributes.object["spec"];
    if attributes.operation != Operation::Create || !KUBELET_SIGNERS.contains(&text(&spec["signerName"])) {
        return Ok(());
    }
    let name = &attributes.user.name;
    match common_name(text(&spec["request"])) {
        Err(why) => Err(forbidden(attributes, &format!("unable to parse csr: {why}"))),
        Ok(own) if own == *name => Ok(()),
        Ok(_) => Err(forbidden(attributes, &format!("can only create a node CSR with CN={name}"))),
    }
}

/// The common name in a request; of several the last, as Go reads them.
fn common_name(encoded: &str) -> Result<String, String> {
    let text = STANDARD.decode(encoded).unwrap_or_default();
    let block = x509_parser::pem::parse_x509_pem(&text).ok().map(|(_, block)| block);
    let block = block.filter(|block| block.label == "CERTIFICATE REQUEST");
    let block = block.ok_or_else(|| "PEM block type must be CERTIFICATE REQUEST".to_owned())?;
    let request = pkcs10::parse(&block.contents)?;
    let names = request.certification_request_info.subject.iter_common_name();
    Ok(names.last().and_then(|name| name.as_str().ok()).unwrap_or_default().to_owned())
}

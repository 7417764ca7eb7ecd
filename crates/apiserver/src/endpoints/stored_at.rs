//! Where upstream keeps an object in etcd: an answer quotes it. What not: where we keep it.

use registry::Resource;

/// What the store says when the uid of an object is not the one that was wanted (`storage.NewInvalidObjError`). `key` is
/// the namespace, if it has one, and the name.
pub fn uid_differs(row: &Resource, key: &str, wanted: &str, uid: &str) -> String {
    format!(
        "StorageError: invalid object, Code: 4, Key: /registry/{}/{key}, ResourceVersion: 0, AdditionalErrorMsg: \
         Precondition failed: UID in precondition: {wanted}, UID in object meta: {uid}",
        prefix(row)
    )
}

/// `ResourcePrefix` of the storage factory, with the resources that are kept under names of old.
fn prefix(row: &Resource) -> String {
    match (&*row.group, &*row.plural) {
        ("", "nodes") => "minions".to_owned(),
        ("", "replicationcontrollers") => "controllers".to_owned(),
        ("", "endpoints") => "services/endpoints".to_owned(),
        ("", "services") => "services/specs".to_owned(),
        ("networking.k8s.io", "ingresses") => "ingress".to_owned(),
        (group @ ("apiextensions.k8s.io" | "apiregistration.k8s.io"), plural) => format!("{group}/{plural}"),
        (group, plural) if row.custom.is_some() => format!("{group}/{plural}"),
        (_, plural) => plural.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_names_are_kept() {
        let of = |group, plural| prefix(registry::find(group, "v1", plural).unwrap());
        assert_eq!(of("", "pods"), "pods");
        assert_eq!(of("", "nodes"), "minions");
        assert_eq!(of("apps", "deployments"), "deployments");
        assert_eq!(
            of("apiextensions.k8s.io", "customresourcedefinitions"),
            "apiextensions.k8s.io/customresourcedefinitions"
        );
    }
}

//! The API's verbs on typed objects: one function each, the path taken from the type and the key.

use crate::{Client, Error, ObjectKey};
use k8s_openapi::api::core::v1::{Binding, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::api::{DeleteParams, GetParams, ListParams, Patch, PatchParams, PostParams};
use kube::core::{ObjectList, Request};
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;

/// A type with its own place in the API: every type of k8s-openapi that has metadata.
pub trait Typed: Resource<DynamicType = ()> + Serialize + DeserializeOwned + Send + Sync + 'static {}
impl<K: Resource<DynamicType = ()> + Serialize + DeserializeOwned + Send + Sync + 'static> Typed for K {}

/// How a patch is to be merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchKind {
    /// `application/merge-patch+json`
    Merge,
    /// `application/strategic-merge-patch+json`
    Strategic,
}

impl PatchKind {
    fn of(self, body: &Value) -> Patch<&Value> {
        match self {
            Self::Merge => Patch::Merge(body),
            Self::Strategic => Patch::Strategic(body),
        }
    }
}

/// What to accept where the object itself is of no interest; kube's own words.
const METADATA_ONLY: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

fn collection<K: Typed>(namespace: Option<&str>) -> Request {
    Request::new(K::url_path(&(), namespace))
}

fn encode(object: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(object).map_err(Error::encode)
}

/// Every verb may fail with any [`Error`]; `Status` reasons are upstream's.
impl Client {
    /// Reads one object.
    ///
    /// # Errors
    /// As all verbs.
    pub async fn get<K: Typed>(&self, key: &ObjectKey) -> Result<K, Error> {
        let request = collection::<K>(key.namespace_opt()).get(&key.name, &GetParams::default())?;
        self.request(request).await
    }

    /// Reads one object; `None` when it does not exist.
    ///
    /// # Errors
    /// As all verbs, but not `NotFound`.
    pub async fn get_opt<K: Typed>(&self, key: &ObjectKey) -> Result<Option<K>, Error> {
        match self.get(key).await {
            Ok(object) => Ok(Some(object)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Lists a namespace, or all of them.
    ///
    /// # Errors
    /// As all verbs.
    pub async fn list<K: Typed + Clone>(
        &self,
        namespace: Option<&str>,
        params: &ListParams,
    ) -> Result<ObjectList<K>, Error> {
        self.request(collection::<K>(namespace).list(params)?).await
    }

    /// Creates `object` in the namespace that its metadata names.
    ///
    /// # Errors
    /// As all verbs.
    pub async fn create<K: Typed>(&self, object: &K) -> Result<K, Error> {
        let namespace = object.meta().namespace.as_deref();
        let request = collection::<K>(namespace).create(&PostParams::default(), encode(object)?)?;
        self.request(request).await
    }

    /// The same without looking at what the server made of it: for objects that are written by the thousand. The server
    /// is asked for its metadata only, which costs it less than the object.
    ///
    /// # Errors
    /// As all verbs.
    pub async fn create_unread<K: Typed>(&self, object: &K) -> Result<(), Error> {
        let namespace = object.meta().namespace.as_deref();
        let mut request = collection::<K>(namespace).create(&PostParams::default(), encode(object)?)?;
        request.headers_mut().insert(http::header::ACCEPT, http::HeaderValue::from_static(METADATA_ONLY));
        self.request::<IgnoredAny>(request).await.map(drop)
    }

    /// Replaces an object; with a resourceVersion in its metadata, only that version of it.
    ///
    /// # Errors
    /// As all verbs; `Conflict` when it changed meanwhile.
    pub async fn update<K: Typed>(&self, object: &K) -> Result<K, Error> {
        let key = ObjectKey::of(object);
        let request =
            collection::<K>(key.namespace_opt()).replace(&key.name, &PostParams::default(), encode(object)?)?;
        self.request(request).await
    }

    /// Replaces a subresource (`status`, `finalize`, …) by `object`.
    ///
    /// # Errors
    /// As [`Client::update`].
    pub async fn update_subresource<K: Typed>(&self, subresource: &str, object: &K) -> Result<K, Error> {
        let key = ObjectKey::of(object);
        let request = collection::<K>(key.namespace_opt()).replace_subresource(
            subresource,
            &key.name,
            &PostParams::default(),
            encode(object)?,
        )?;
        self.request(request).await
    }

    /// Replaces the status of an object.
    ///
    /// # Errors
    /// As [`Client::update`].
    pub async fn update_status<K: Typed>(&self, object: &K) -> Result<K, Error> {
        self.update_subresource("status", object).await
    }

    /// Patches an object.
    ///
    /// # Errors
    /// As all verbs.
    pub async fn patch<K: Typed>(&self, key: &ObjectKey, kind: PatchKind, patch: &Value) -> Result<K, Error> {
        let request =
            collection::<K>(key.namespace_opt()).patch(&key.name, &PatchParams::default(), &kind.of(patch))?;
        self.request(request).await
    }

    /// Patches the status of an object.
    ///
    /// # Errors
    /// As all verbs.
    pub async fn patch_status<K: Typed>(&self, key: &ObjectKey, kind: PatchKind, patch: &Value) -> Result<K, Error> {
        let request = collection::<K>(key.namespace_opt()).patch_subresource(
            "status",
            &key.name,
            &PatchParams::default(),
            &kind.of(patch),
        )?;
        self.request(request).await
    }

    /// Server-side apply of `object` as `manager`; `force` takes fields over from others.
    ///
    /// # Errors
    /// As all verbs; `Conflict` when another manager owns a field and `force` is not set.
    pub async fn apply<K: Typed>(&self, manager: &str, force: bool, object: &K) -> Result<K, Error> {
        let key = ObjectKey::of(object);
        let params = PatchParams { force, ..PatchParams::apply(manager) };
        let request = collection::<K>(key.namespace_opt()).patch(&key.name, &params, &Patch::Apply(object))?;
        self.request(request).await
    }

    /// Deletes an object. Success means accepted: with finalizers or a grace period it may live on.
    ///
    /// # Errors
    /// As all verbs.
    pub async fn delete<K: Typed>(&self, key: &ObjectKey, params: &DeleteParams) -> Result<(), Error> {
        let request = collection::<K>(key.namespace_opt()).delete(&key.name, params)?;
        self.request::<IgnoredAny>(request).await.map(drop)
    }

    /// Posts `body` to a subresource (`token`, `eviction`, `binding`, …) and reads the answer.
    ///
    /// # Errors
    /// As all verbs.
    pub async fn create_subresource<K: Typed, R: DeserializeOwned>(
        &self,
        subresource: &str,
        key: &ObjectKey,
        body: &impl Serialize,
    ) -> Result<R, Error> {
        let request = collection::<K>(key.namespace_opt()).create_subresource(
            subresource,
            &key.name,
            &PostParams::default(),
            encode(body)?,
        )?;
        self.request(request).await
    }

    /// Binds a pod to a node by one request to `pods/binding`, as the scheduler's DefaultBinder does.
    ///
    /// # Errors
    /// As all verbs; `Conflict` when the pod is bound already or has another uid.
    pub async fn bind(&self, pod: &ObjectKey, uid: &str, node: &str) -> Result<(), Error> {
        let binding = Binding {
            metadata: ObjectMeta {
                name: Some(pod.name.clone()),
                namespace: Some(pod.namespace.clone()),
                uid: Some(uid.to_owned()),
                ..ObjectMeta::default()
            },
            target: ObjectReference {
                kind: Some("Node".to_owned()),
                name: Some(node.to_owned()),
                ..ObjectReference::default()
            },
        };
        let _: IgnoredAny =
            self.create_subresource::<k8s_openapi::api::core::v1::Pod, _>("binding", pod, &binding).await?;
        Ok(())
    }
}

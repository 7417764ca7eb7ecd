//! `scale`: the replicas of an object, read and written as an `autoscaling/v1` Scale.
//!
//! What is written is a Scale like any other object: decoded, patched and applied by its own type, and then only its replicas
//! (and a revision, which the client insists on) go to the object. Who owns the replicas is in [`scale_managers`].

use super::create;
use super::identity;
use super::patch::{Patch, Target};
use super::scale_managers::Replicas;
use super::update::{self, Change, Made};
use super::{options, page, scale_managers, view};
use crate::accept::Form;
use crate::answer::Answer;
use crate::call::Call;
use crate::conversion;
use crate::decode::{self, Wanted};
use api::field::{Error, Path};
use api::meta::{ObjectMeta, child_mut, metadata_mut};
use api::schema::Schema;
use api::selector::LabelSelector;
use api::status::{Status, Subject};
use registry::custom::ScalePaths;
use registry::{Resource, Subresource};
use serde_json::{Value, json};
use std::sync::Arc;

const WANTED: Wanted<'static> = Wanted { group: "autoscaling", version: "v1", kind: "Scale" };

/// What a patch sees where a custom resource has no replicas: left as it is, the patch is refused.
const NOT_SET: i64 = i32::MIN as i64;

/// `GET`.
pub async fn get(call: &mut Call<'_>) -> Result<Answer, Status> {
    let entry = page::entry(call, &call.info.name)?;
    let object = conversion::served_value(call.api, &call.row, &entry).await?;
    shown(call, &object)
}

/// The Scale of an object in the client's form. Those of custom resources have the columns of their object, as upstream has it.
fn shown(call: &mut Call<'_>, object: &Value) -> Result<Answer, Status> {
    let scale = scale_of(&call.row, object)?;
    if call.accept.form == Form::Table {
        let printer = registry::columns::of_scale();
        call.row = Arc::new(Resource { printer, ..(*call.row).clone() });
    }
    view::one_value(call, 200, scale)
}

/// Where a custom resource says that its replicas are.
fn paths_of(row: &Resource) -> Option<&ScalePaths> {
    row.custom.as_ref()?.scale.as_ref()
}

/// The `autoscaling/v1` Scale of an object.
fn scale_of(row: &Resource, object: &Value) -> Result<Value, Status> {
    if let Some(paths) = paths_of(row) {
        return paths.read(object).map_err(Status::internal);
    }
    let selector = match object["kind"].as_str() {
        Some("ReplicationController") => {
            let labels = object["spec"]["selector"].as_object().cloned().unwrap_or_default();
            LabelSelector::from_set(&labels).to_string()
        }
        _ => LabelSelector::from_object(object["spec"].get("selector")).map(|s| s.to_string()).unwrap_or_default(),
    };
    let mut metadata = json!({});
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = object.metadata().get(field) {
            metadata[field] = value.clone();
        }
    }
    let mut spec = json!({});
    if let Some(replicas) = object["spec"]["replicas"].as_i64().filter(|replicas| *replicas != 0) {
        spec["replicas"] = replicas.into();
    }
    let mut status = json!({"replicas": object["status"]["replicas"].as_i64().unwrap_or(0)});
    if !selector.is_empty() {
        status["selector"] = selector.into();
    }
    Ok(json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status}))
}

/// The Scale that a patch starts from.
fn scale_to_patch(row: &Resource, object: &Value) -> Result<Value, Status> {
    let mut scale = match paths_of(row) {
        Some(paths) if !paths.is_set(object) => {
            let mut marked = object.clone();
            paths.write(&mut marked, NOT_SET);
            scale_of(row, &marked)?
        }
        _ => scale_of(row, object)?,
    };
    let entries = scale_managers::of_scale(object, &Replicas::of(row));
    if !entries.is_empty() {
        metadata_mut(&mut scale).insert("managedFields".to_owned(), entries.into());
    }
    Ok(scale)
}

fn schema() -> Result<&'static Schema, Status> {
    let definition = api::schema::definition_for(WANTED.group, WANTED.version, WANTED.kind);
    definition.and_then(api::schema::builtin).ok_or_else(|| Status::internal("no schema for Scale"))
}

/// The Scale of a `PUT`.
fn decoded(call: &mut Call<'_>) -> Result<Value, Status> {
    options::check_write(call, "UpdateOptions", false)?;
    if call.row.custom.is_some() && decode::value(call, WANTED)?.value["kind"] != "Scale" {
        // Upstream decodes the scale of a custom resource by a scheme that knows nothing else.
        let scheme = "pkg/runtime/scheme.go:110";
        return Err(Status::bad_request(format!("no kind is registered for the type v1.Scale in scheme {scheme:?}")));
    }
    let mut scale = decode::object(call, WANTED, schema()?)?;
    identity::check_name(call, &scale)?;
    create::check_namespace(call, &mut scale)?;
    Ok(scale)
}

/// What a request makes of a Scale.
enum Given {
    Put(Value),
    Patch(Patch),
}

/// What must hold of any Scale before it is written. A `PUT` of another uid is refused before, as everywhere.
fn check(row: &Resource, scale: &Value, live: &Value, is_put: bool) -> Result<(), Status> {
    let replicas = scale["spec"]["replicas"].as_i64().unwrap_or(0);
    if let Some(paths) = paths_of(row) {
        let why = || format!("the spec replicas field {:?} cannot be empty", paths.spec_replicas);
        return if replicas == NOT_SET { Err(Status::bad_request(why())) } else { Ok(()) };
    }
    if replicas < 0 {
        let path = Path::new("spec").child("replicas");
        let error = Error::invalid(&path, replicas, "must be greater than or equal to 0");
        let subject = Subject { group: "autoscaling", resource: "Scale", name: live.name() };
        return Err(Status::invalid(&subject, &[error]));
    }
    let (given, uid) = (scale.uid(), live.uid());
    if !is_put && !given.is_empty() && given != uid {
        let key = format!("{}/{}", live.namespace(), live.name());
        let why = super::stored_at::uid_differs(row, &key, given, uid);
        let resource = format!("{}/scale", row.plural);
        return Err(Status::conflict(&Subject { group: &row.group, resource: &resource, name: live.name() }, &why));
    }
    Ok(())
}

/// `PUT` and `PATCH`.
pub async fn write(call: &mut Call<'_>) -> Result<Answer, Status> {
    let is_put = call.info.verb == "update";
    let given = if is_put { Given::Put(decoded(call)?) } else { Given::Patch(Patch::read(call)?) };
    let row = call.row.clone();
    let reset = api::apply::Reset::default();
    let target = Target { schema: schema()?, wanted: WANTED, typed: true, subresource: "scale", reset: &reset };
    let make = |call: &Call<'_>, live: Option<&Value>| -> Result<Made, Status> {
        let live = live.ok_or_else(|| call.not_found(&call.info.name))?;
        let made = match &given {
            Given::Put(scale) => Made { object: scale.clone(), tracked: false },
            Given::Patch(patch) => patch.make(call, Some(&scale_to_patch(&row, live)?), &target)?,
        };
        let scale = made.object;
        check(&row, &scale, live, is_put)?;
        let mut object = live.clone();
        let replicas = scale["spec"]["replicas"].as_i64().unwrap_or(0);
        match paths_of(&row) {
            Some(paths) => paths.write(&mut object, replicas),
            None => drop(child_mut(&mut object, "spec").insert("replicas".to_owned(), replicas.into())),
        }
        for insisted in ["resourceVersion", "uid"] {
            if let Some(value) = scale.metadata().get(insisted) {
                metadata_mut(&mut object).insert(insisted.to_owned(), value.clone());
            }
        }
        let replicas = Replicas::of(&row);
        if made.tracked {
            scale_managers::put(&mut object, &scale, &replicas);
        }
        // A Scale that shows no owners is one without managedFields, which an update does not begin to track.
        let tracked = made.tracked || scale_managers::of_scale(live, &replicas).is_empty();
        Ok(Made { object, tracked })
    };
    let name = call.info.name.clone();
    let change = Change { name, subresource: Some(Subresource::Scale), make: &make, creates: false, is_put };
    let outcome = update::change(call, change).await;
    if let Given::Patch(patch) = given {
        patch.warn(call);
    }
    let (written, _) = outcome?;
    let object = match written {
        create::Written::Entry(entry) => conversion::served_value(call.api, &call.row, &entry).await?,
        create::Written::Dry(object) => object,
    };
    shown(call, &object)
}

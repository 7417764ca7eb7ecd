//! From a request's body to an object of the kind that the path takes.

use crate::call::Call;
use api::codec::{self, Conformed, DecodeError, Decoded};
use api::field::{Error, Path};
use api::meta::ObjectMeta;
use api::schema::{self, Origin, Schema};
use api::status::{Status, Subject};
use registry::Resource;
use serde_json::Value;

/// What `fieldValidation` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldValidation {
    /// Say nothing.
    Ignore,
    /// One `Warning` header each.
    Warn,
    /// 400.
    Strict,
}

/// The type that a body should have.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Group; empty for core.
    pub group: &'a str,
    /// Version.
    pub version: &'a str,
    /// Kind.
    pub kind: &'a str,
}

impl Wanted<'_> {
    /// `v1`, `apps/v1`
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }
}

/// The schema of a row's objects.
pub fn schema_of(row: &Resource) -> Result<&Schema, Status> {
    row.schema().ok_or_else(|| Status::internal(format!("no schema for {}", row.definition)))
}

/// The 415 of bodies.
pub fn unsupported_media() -> Status {
    let message = "the body of the request was in an unknown format - accepted media types include: application/json, \
                   application/yaml, application/vnd.kubernetes.protobuf";
    Status::plain(415, "UnsupportedMediaType", message)
}

/// Decodes the body as JSON or YAML, whatever the content type says.
pub fn value(call: &Call<'_>, wanted: Wanted<'_>) -> Result<Decoded, Status> {
    let (body, kind) = (&call.body, wanted.kind);
    let decoded = match call.content_type() {
        "" | "application/json" => codec::decode_json(body),
        // also what looks like JSON: upstream reads it as YAML all the same
        "application/yaml" => codec::decode_yaml(body),
        "application/vnd.kubernetes.protobuf" if call.row.custom.is_none() => {
            let decoded = crate::protobuf::decode(body, (&wanted.api_version(), kind));
            let value = decoded.map_err(|error| codec::unrecognized(kind, &error.to_string(), body))?;
            return Ok(Decoded { value, duplicates: Vec::new() });
        }
        _ => return Err(unsupported_media()),
    };
    decoded.map_err(|error| match error {
        // that comes after kind and version are known
        DecodeError::Number(_) => codec::cannot_be_handled(kind, wanted.version, kind, &error.to_string()),
        error => codec::undecodable(kind, &error, body),
    })
}

/// Decodes the body as an object of the wanted type: checked, with unknown fields reported as asked, `apiVersion` and
/// `kind` set, without defaults.
pub fn object(call: &mut Call<'_>, wanted: Wanted<'_>, schema: &Schema) -> Result<Value, Status> {
    let mut decoded = value(call, wanted)?;
    let custom = schema.origin == Origin::Structural;
    if custom {
        check_custom_type(&decoded.value, wanted, &call.body)?;
    } else {
        check_type(&decoded.value, wanted, &call.body)?;
    }
    // Of YAML upstream has the keys sorted.
    let document: &[u8] = if call.content_type() == "application/yaml" { b"" } else { &call.body };
    let conformed = codec::conform_document(document, &mut decoded.value, schema)
        .map_err(|error| codec::cannot_be_handled(wanted.kind, wanted.version, wanted.kind, &error.to_string()))?;
    // Protobuf has no unknown fields to complain of; newer ones are left out in silence, as upstream does.
    let is_text = call.content_type() != "application/vnd.kubernetes.protobuf";
    let strict = match (is_text, custom) {
        (false, _) => Vec::new(),
        (true, false) => codec::strict_errors(document, &decoded, &conformed),
        (true, true) => strict_errors_sorted(&decoded, &conformed),
    };
    report(call, strict, wanted.kind, wanted.version)?;
    let mut object = decoded.value;
    set_type(&mut object, wanted);
    Ok(object)
}

/// Writes `apiVersion` and `kind` into an object.
pub fn set_type(object: &mut Value, wanted: Wanted<'_>) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert("apiVersion".to_owned(), wanted.api_version().into());
        fields.insert("kind".to_owned(), wanted.kind.into());
    }
}

/// Deals with strict errors as `fieldValidation` says.
fn report(call: &mut Call<'_>, strict: Vec<String>, kind: &str, version: &str) -> Result<(), Status> {
    if strict.is_empty() {
        return Ok(());
    }
    match call.field_validation()? {
        FieldValidation::Ignore => Ok(()),
        FieldValidation::Warn => {
            call.warnings.extend(codec::strict_warnings(strict));
            Ok(())
        }
        FieldValidation::Strict => {
            Err(codec::cannot_be_handled(kind, version, kind, &codec::strict_decoding_error(&strict)))
        }
    }
}

/// The unknown fields of a custom resource as upstream has them: those of its metadata, which a decoder of its own finds,
/// and then the others, each sorted.
pub fn unknown_of_custom(conformed: &Conformed) -> Vec<String> {
    let mut unknown = conformed.unknown.clone();
    unknown.sort_unstable_by(|a, b| {
        let in_metadata = |path: &str| path.starts_with("metadata.");
        in_metadata(b).cmp(&in_metadata(a)).then_with(|| a.cmp(b))
    });
    unknown.into_iter().map(|path| format!("unknown field {path:?}")).collect()
}

fn strict_errors_sorted(decoded: &Decoded, conformed: &Conformed) -> Vec<String> {
    let mut all = decoded.duplicates.clone();
    all.extend(unknown_of_custom(conformed));
    all.truncate(codec::MAX_STRICT_ERRORS);
    all
}

/// Custom resources have no types that upstream's scheme knows: kind and version must be there, and be those of the path.
fn check_custom_type(value: &Value, wanted: Wanted<'_>, body: &[u8]) -> Result<(), Status> {
    let (api_version, kind) = codec::type_meta(value).map_err(|why| codec::unrecognized(wanted.kind, &why, body))?;
    if kind.is_empty() {
        let why = format!("Object 'Kind' is missing in '{}'", String::from_utf8_lossy(body));
        return Err(codec::unrecognized(wanted.kind, &why, body));
    }
    if api_version != wanted.api_version() {
        return Err(Status::bad_request(format!(
            "the API version in the data ({api_version}) does not match the expected API version ({})",
            wanted.api_version()
        )));
    }
    if kind == wanted.kind {
        return Ok(());
    }
    let error = Error::invalid(&Path::new("kind"), kind, format!("must be {}", wanted.kind));
    Err(Status::invalid(&Subject { group: wanted.group, resource: kind, name: value.name() }, &[error]))
}

/// A patch may not make another kind of a custom resource. Unlike what is posted, it is looked at as a whole: by its rules.
pub fn check_patched_type(value: &Value, wanted: Wanted<'_>) -> Result<(), Status> {
    let given = |field: &str| value.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
    let api_version = wanted.api_version();
    let expected = [("kind", wanted.kind), ("apiVersion", &api_version)];
    let errors: Vec<Error> = expected
        .into_iter()
        .filter_map(|(field, own)| {
            let other = given(field).filter(|given| *given != own)?;
            Some(Error::invalid(&Path::new(field), other, format!("must be {own}")))
        })
        .collect();
    if errors.is_empty() {
        return Ok(());
    }
    let group =
        given("apiVersion").map_or(wanted.group, |version| version.split_once('/').map_or("", |(group, _)| group));
    let resource = given("kind").unwrap_or(wanted.kind);
    Err(Status::invalid(&Subject { group, resource, name: value.name() }, &errors))
}

fn check_type(value: &Value, wanted: Wanted<'_>, body: &[u8]) -> Result<(), Status> {
    let type_meta = codec::type_meta(value).map_err(|why| codec::unrecognized(wanted.kind, &why, body))?;
    match other_type(value, type_meta, wanted) {
        None => Ok(()),
        Some(why) => {
            let (api_version, kind) = type_meta;
            let kind = if kind.is_empty() { wanted.kind } else { kind };
            let version = if api_version.is_empty() { wanted.version } else { api_version };
            let version = version.rsplit('/').next().unwrap_or_default();
            Err(codec::cannot_be_handled(kind, version, wanted.kind, &why))
        }
    }
}

/// Why an object of a built-in type with this `apiVersion` and `kind` is none of the wanted type; `None`: it is one.
/// Upstream first decodes it as what it says it is, so that what is wrong with that comes first.
pub fn other_type(value: &Value, (api_version, kind): (&str, &str), wanted: Wanted<'_>) -> Option<String> {
    let same_version = api_version.is_empty() || api_version == wanted.api_version();
    if same_version && (kind.is_empty() || kind == wanted.kind) {
        return None;
    }
    let kind = if kind.is_empty() { wanted.kind } else { kind };
    let api_version = if api_version.is_empty() { wanted.api_version() } else { api_version.to_owned() };
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    let listed = kind.strip_suffix("List").unwrap_or(kind);
    let own = schema::definition_for(group, version, kind);
    let decoded = own.and_then(schema::builtin).map(|schema| codec::conform(&mut value.clone(), schema));
    if let Some(Err(error)) = decoded {
        return Some(error.to_string());
    }
    Some(match own.or(schema::definition_for(group, version, listed)) {
        Some(_) => {
            let internal =
                if wanted.group.is_empty() { "core" } else { wanted.group.split('.').next().unwrap_or_default() };
            format!("converting ({version}.{kind}) to ({internal}.{}): unknown conversion", wanted.kind)
        }
        None => format!(
            "no kind {kind:?} is registered for version {api_version:?} in scheme \"pkg/api/legacyscheme/scheme.go:30\""
        ),
    })
}

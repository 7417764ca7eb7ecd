//! Content negotiation: what the client wants to read (`k8s.io/apiserver/pkg/endpoints/handlers/negotiation`).

use api::status::Status;

/// How bytes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// `application/json`
    Json,
    /// `application/yaml`
    Yaml,
    /// `application/vnd.kubernetes.protobuf`
    Protobuf,
}

impl Media {
    /// The `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Yaml => "application/yaml",
            Self::Protobuf => "application/vnd.kubernetes.protobuf",
        }
    }

    /// The `Content-Type` of a watch.
    pub fn stream_type(self) -> &'static str {
        match self {
            Self::Json | Self::Yaml => "application/json",
            Self::Protobuf => "application/vnd.kubernetes.protobuf;stream=watch",
        }
    }
}

/// Into what objects are turned before they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The objects themselves.
    Object,
    /// `as=Table;g=meta.k8s.io;v=v1`
    Table,
    /// `as=PartialObjectMetadata`
    Partial,
    /// `as=PartialObjectMetadataList`
    PartialList,
}

/// The outcome of negotiation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accept {
    /// How.
    pub media: Media,
    /// What.
    pub form: Form,
    /// The version of Table and PartialObjectMetadata.
    pub meta_version: &'static str,
}

/// The version that everyone uses; `v1beta1` has the same content.
const META_V1: &str = "meta.k8s.io/v1";
/// The ordinary answer.
pub const PLAIN: Accept = Accept { media: Media::Json, form: Form::Object, meta_version: META_V1 };

/// What 406 lists.
const AVAILABLE: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf, \
                         application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch";

/// What 406 says to one who asked for another form of the objects.
const TRANSFORMS_AVAILABLE: &str = "only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf";

/// The same of frames.
const STREAMS_AVAILABLE: &str = "only the following media types are accepted: application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch";

/// One of the forms that a client names.
pub struct Clause<'a> {
    /// `application/json`, `*/*`
    pub range: &'a str,
    quality: f32,
    parameters: Vec<(&'a str, &'a str)>,
}

impl<'a> Clause<'a> {
    /// A parameter of the form.
    pub fn parameter(&self, name: &str) -> Option<&'a str> {
        self.parameters.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
    }
}

/// The forms that a client names, the best first.
pub fn clauses(header: &str) -> Vec<Clause<'_>> {
    let mut clauses: Vec<Clause<'_>> = header
        .split(',')
        .filter_map(|clause| {
            let mut parts = clause.split(';').map(str::trim);
            let range = parts.next().filter(|range| !range.is_empty())?;
            let pairs: Vec<_> = parts.filter_map(|part| part.split_once('=')).collect();
            let quality = pairs.iter().find(|(key, _)| *key == "q").and_then(|(_, q)| q.parse().ok()).unwrap_or(1.0);
            Some(Clause { range, quality, parameters: pairs.into_iter().filter(|(key, _)| *key != "q").collect() })
        })
        .collect();
    clauses.sort_by(|a, b| b.quality.total_cmp(&a.quality)); // stable: equal ones stay in their order
    clauses
}

/// What a resource and a verb have to offer beside JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Frames, not an answer: a watch has no YAML.
    pub watch: bool,
    /// Built-in types have a protobuf form, custom ones have none.
    pub protobuf: bool,
    /// Custom resources are routed without a look at what the client accepts.
    pub custom: bool,
}

/// The first acceptable form.
pub fn negotiate(header: &str, offer: Offer) -> Result<Accept, Status> {
    if header.trim().is_empty() {
        return Ok(PLAIN);
    }
    let clauses = clauses(header);
    clauses.iter().find_map(|clause| accept(clause, offer)).ok_or_else(|| {
        let transforms = clauses.iter().any(|clause| clause.parameter("as").is_some());
        if offer.watch && clauses.iter().any(|clause| clause.range == "application/yaml") {
            return Status::not_acceptable_because(STREAMS_AVAILABLE);
        }
        if transforms || offer.custom { Status::not_acceptable_because(TRANSFORMS_AVAILABLE) } else { not_acceptable() }
    })
}

/// How one who accepts nothing that there is reads an error: a Status has all forms, also where the objects do not.
pub fn of_error(header: &str) -> Accept {
    let clauses = clauses(header);
    let media =
        clauses.iter().filter(|clause| clause.parameter("as").is_none()).find_map(|clause| match clause.range {
            "application/json" | "application/*" | "*/*" => Some(Media::Json),
            "application/yaml" => Some(Media::Yaml),
            "application/vnd.kubernetes.protobuf" => Some(Media::Protobuf),
            _ => None,
        });
    Accept { media: media.unwrap_or(Media::Json), ..PLAIN }
}

fn not_acceptable() -> Status {
    let message = format!("406: Not Acceptable\n\nAvailable representations: {AVAILABLE}");
    Status { details: serde_json::json!({}), ..Status::plain(406, "NotAcceptable", message) }
}

fn accept(clause: &Clause<'_>, offer: Offer) -> Option<Accept> {
    let media = match clause.range {
        "application/json" | "application/*" | "*/*" => Media::Json,
        "application/yaml" if !offer.watch => Media::Yaml,
        "application/vnd.kubernetes.protobuf" if offer.protobuf => Media::Protobuf,
        _ => return None,
    };
    let (form, meta_version) = match clause.parameter("as") {
        None => (Form::Object, META_V1),
        Some(kind) => {
            let meta_version = match (clause.parameter("g"), clause.parameter("v")) {
                (Some("meta.k8s.io"), Some("v1")) => META_V1,
                (Some("meta.k8s.io"), Some("v1beta1")) => "meta.k8s.io/v1beta1",
                _ => return None,
            };
            let form = match kind {
                // Tables have cells of any type, which protobuf has no form for.
                "Table" if media != Media::Protobuf => Form::Table,
                "PartialObjectMetadata" => Form::Partial,
                "PartialObjectMetadataList" if !offer.watch => Form::PartialList,
                _ => return None,
            };
            (form, meta_version)
        }
    };
    Some(Accept { media, form, meta_version })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUILTIN: Offer = Offer { watch: false, protobuf: true, custom: false };
    const CUSTOM: Offer = Offer { watch: false, protobuf: false, custom: true };

    #[test]
    fn the_first_known_form_wins() {
        let kubectl = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
        assert_eq!(negotiate(kubectl, BUILTIN).unwrap().form, Form::Table);
        let protobuf = "application/vnd.kubernetes.protobuf, */*";
        assert_eq!(negotiate(protobuf, CUSTOM).unwrap(), PLAIN);
        assert_eq!(negotiate(protobuf, BUILTIN).unwrap().media, Media::Protobuf);
        let several = "text/html, application/yaml;q=0.5, */*;q=0.1";
        assert_eq!(negotiate(several, BUILTIN).unwrap().media, Media::Yaml);
        assert_eq!(negotiate("application/xml", BUILTIN).unwrap_err().code, 406);
        let table = "application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io";
        assert_eq!(negotiate(table, BUILTIN).unwrap_err().code, 406);
    }

    #[test]
    fn an_error_is_read_by_everyone() {
        for (header, media) in [
            ("application/yaml", Media::Yaml),
            ("application/vnd.kubernetes.protobuf", Media::Protobuf),
            ("application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io", Media::Json),
            ("text/plain, application/yaml", Media::Yaml),
            ("text/plain", Media::Json),
        ] {
            assert_eq!(of_error(header), Accept { media, ..PLAIN });
        }
    }

    /// As an apiextensions-apiserver 1.36 answered.
    #[test]
    fn who_accepts_nothing_that_there_is_is_told_what_there_is() {
        let message = |header, offer| negotiate(header, offer).unwrap_err().message;
        assert!(message("text/html", BUILTIN).starts_with("406: Not Acceptable"));
        assert_eq!(message("text/html", CUSTOM), TRANSFORMS_AVAILABLE);
        assert_eq!(message("application/vnd.kubernetes.protobuf", CUSTOM), TRANSFORMS_AVAILABLE);
        for offer in [BUILTIN, CUSTOM] {
            assert_eq!(message("application/yaml", Offer { watch: true, ..offer }), STREAMS_AVAILABLE);
        }
    }
}

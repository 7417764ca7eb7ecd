//! Expressions of admission: which variables there are where, and what an expression must come to
//! (`k8s.io/apiserver/pkg/admission/plugin/cel`). Validation of policies compiles with it, and so does the API server when
//! it puts them to work.

use cel_kubernetes::{Environment, Field, Lazy, ObjectType, Program, Type};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What an expression must evaluate to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// `true` or `false`: validations and match conditions.
    Bool,
    /// Text: message expressions.
    Text,
    /// Text or `null`: audit annotations.
    TextOrNull,
    /// Variables may be anything.
    Anything,
    /// `Object{…}`: apply configurations.
    Object,
    /// `[JSONPatch{…}]`
    Patches,
}

impl Wanted {
    fn accepts(self, ty: &Type) -> bool {
        match self {
            Self::Bool => matches!(ty, Type::Bool),
            Self::Text => matches!(ty, Type::String(_)),
            Self::TextOrNull => matches!(ty, Type::String(_) | Type::Null),
            Self::Anything => true,
            Self::Object => matches!(ty, Type::Object(object) if object.name == "Object"),
            Self::Patches => {
                matches!(ty, Type::List(items, _) if matches!(&**items, Type::Object(object) if object.name == "JSONPatch"))
            }
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Text => "string",
            Self::TextOrNull => "one of [string null_type]",
            Self::Anything => "dyn",
            Self::Object => "Object",
            Self::Patches => "list(JSONPatch)",
        }
    }

    /// Why an expression of type `ty` does not do. The type of `null` has another name here than in errors of compilation.
    fn refusal(self, ty: &Type) -> String {
        let got = if matches!(ty, Type::Null) { "null_type".to_owned() } else { ty.to_string() };
        format!("must evaluate to {} but got {got}", self.name())
    }
}

/// The variables that the expressions of one policy or webhook may speak of.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Whether there is `params`.
    pub has_params: bool,
    /// Whether there is `authorizer`; not in message expressions.
    pub has_authorizer: bool,
    /// Whether `Object{…}` and `JSONPatch{…}` may be made.
    pub makes_objects: bool,
    /// The fields of `variables`; `None`: there is no such variable.
    variables: Option<BTreeMap<String, Field>>,
}

impl Scope {
    /// The scope of conditions, which come before variables.
    pub fn of_conditions(has_params: bool) -> Self {
        Self { has_params, has_authorizer: true, ..Self::default() }
    }

    /// The scope of a policy's own expressions; [`Scope::declare`] adds variables to it.
    pub fn of_policy(has_params: bool, makes_objects: bool) -> Self {
        Self { makes_objects, variables: Some(BTreeMap::new()), ..Self::of_conditions(has_params) }
    }

    /// The same for a message expression.
    #[must_use]
    pub fn of_message(&self) -> Self {
        Self { has_authorizer: false, ..self.clone() }
    }

    /// Makes a variable known to the expressions after it.
    pub fn declare(&mut self, name: &str, ty: Type) {
        self.variables.get_or_insert_default().insert(name.to_owned(), Field { ty, required: true });
    }

    /// Compiles an expression as it stands, since errors tell lines and columns.
    ///
    /// # Errors
    /// In upstream's words: `compilation failed: …`, `must evaluate to bool but got string`.
    pub fn compile(&self, source: &str, wanted: Wanted) -> Result<Program, String> {
        let program =
            Program::compile(source, &self.environment()).map_err(|error| format!("compilation failed: {error}"))?;
        if wanted.accepts(program.result()) { Ok(program) } else { Err(wanted.refusal(program.result())) }
    }

    fn environment(&self) -> Environment {
        let mut variables = BTreeMap::from([
            ("object".to_owned(), Type::Dyn),
            ("oldObject".to_owned(), Type::Dyn),
            ("request".to_owned(), request()),
            ("namespaceObject".to_owned(), namespace()),
        ]);
        if self.has_params {
            variables.insert("params".to_owned(), Type::Dyn);
        }
        if self.has_authorizer {
            variables.insert("authorizer".to_owned(), Type::Opaque("kubernetes.authorization.Authorizer"));
        }
        if let Some(fields) = &self.variables {
            let object = ObjectType { name: "kubernetes.variables".to_owned(), fields: fields.clone() };
            variables.insert(Lazy::NAME.to_owned(), Type::Object(Arc::new(object)));
        }
        Environment { variables, objects: self.makes_objects, unknown_size: None, bindings: false }
    }
}

fn object<const N: usize>(name: &str, fields: [(&str, Type); N]) -> Type {
    let field = |(name, ty): (&str, Type)| (name.to_owned(), Field { ty, required: false });
    Type::Object(Arc::new(ObjectType { name: name.to_owned(), fields: fields.into_iter().map(field).collect() }))
}

/// The type of `request` (`BuildRequestType`).
pub fn request() -> Type {
    let text = Type::text;
    let kind = object("kubernetes.GroupVersionKind", [("group", text()), ("version", text()), ("kind", text())]);
    let resource =
        object("kubernetes.GroupVersionResource", [("group", text()), ("version", text()), ("resource", text())]);
    let extra = Type::map(text(), Type::list(text()));
    let user = object(
        "kubernetes.UserInfo",
        [("username", text()), ("uid", text()), ("groups", Type::list(text())), ("extra", extra)],
    );
    object(
        "kubernetes.AdmissionRequest",
        [
            ("kind", kind.clone()),
            ("resource", resource.clone()),
            ("subResource", text()),
            ("requestKind", kind),
            ("requestResource", resource),
            ("requestSubResource", text()),
            ("name", text()),
            ("namespace", text()),
            ("operation", text()),
            ("userInfo", user),
            ("dryRun", Type::Bool),
            ("options", Type::Dyn),
        ],
    )
}

/// The type of `namespaceObject` (`BuildNamespaceType`).
pub fn namespace() -> Type {
    let text = Type::text;
    let texts = || Type::map(text(), text());
    let metadata = object(
        "kubernetes.NamespaceMetadata",
        [
            ("name", text()),
            ("generateName", text()),
            ("namespace", text()),
            ("labels", texts()),
            ("annotations", texts()),
            ("UID", text()),
            ("creationTimestamp", Type::Timestamp),
            ("deletionGracePeriodSeconds", Type::Int),
            ("deletionTimestamp", Type::Timestamp),
            ("generation", Type::Int),
            ("resourceVersion", text()),
            ("finalizers", Type::list(text())),
        ],
    );
    let spec = object("kubernetes.NamespaceSpec", [("finalizers", Type::list(text()))]);
    let status = object("kubernetes.NamespaceStatus", [("phase", text())]);
    object("kubernetes.Namespace", [("metadata", metadata), ("spec", spec), ("status", status)])
}

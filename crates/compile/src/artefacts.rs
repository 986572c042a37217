//! What the compiler makes: Kubernetes and Istio objects with the flows they exist for.

use crate::names;
use palisade_diagnostics::Diagnostic;
use palisade_netmodel::Intent;
use palisade_yaml::Value;

/// Annotation with the ids of the flows that an object exists for, comma separated.
pub(crate) const FLOWS_ANNOTATION: &str = "palisade.dev/flows";

/// One object.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// `NetworkPolicy`, `PeerAuthentication`, ...
    pub kind: &'static str,
    /// Namespace; empty for a cluster-scoped object.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// The whole object, `apiVersion` included.
    pub value: Value,
    /// Ids of the flows that it exists for, sorted; empty for a default deny or a default mode.
    pub flows: Vec<String>,
}

/// Everything that one resolution of a matrix compiles to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Artefacts {
    /// Name of the matrix.
    pub matrix: String,
    /// The resolution that was compiled: `platform=openshift`, `toggle jaeger=on`.
    pub resolution: Vec<(String, String)>,
    /// Objects by namespace, kind and name.
    pub objects: Vec<Object>,
    /// What could not be said exactly in the target's words.
    pub diagnostics: Vec<Diagnostic>,
}

impl Artefacts {
    /// All objects as one YAML stream.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let texts: Vec<String> = self.objects.iter().map(|o| o.value.to_yaml()).collect();
        texts.join("---\n")
    }
}

/// What goes into the metadata of an object.
pub(crate) struct Header<'a> {
    pub(crate) api_version: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    pub(crate) flows: Vec<String>,
}

impl Object {
    /// An object with the labels and annotations that all compiled objects carry.
    pub(crate) fn new(intent: &Intent, header: Header<'_>, body: Vec<(&str, Value)>) -> Self {
        let mut flows = header.flows;
        flows.sort();
        flows.dedup();
        let mut metadata = vec![("name", Value::string(header.name))];
        if !header.namespace.is_empty() {
            metadata.push(("namespace", Value::string(header.namespace)));
        }
        metadata.push(("labels", labels(intent)));
        if !flows.is_empty() {
            let ids = Value::string(flows.join(","));
            metadata.push(("annotations", Value::map([(FLOWS_ANNOTATION, ids)])));
        }
        let mut fields = vec![
            ("apiVersion", Value::string(header.api_version)),
            ("kind", Value::string(header.kind)),
            ("metadata", Value::map(metadata)),
        ];
        fields.extend(body);
        Self {
            kind: header.kind,
            namespace: header.namespace.to_owned(),
            name: header.name.to_owned(),
            value: Value::map(fields),
            flows,
        }
    }
}

/// The labels by which compiled objects are found and pruned.
fn labels(intent: &Intent) -> Value {
    let mut pairs = vec![("app.kubernetes.io/managed-by", Value::string("palisade"))];
    let matrix = names::label_value(&intent.name);
    if !matrix.is_empty() {
        pairs.push(("app.kubernetes.io/part-of", Value::string(matrix)));
    }
    Value::map(pairs)
}

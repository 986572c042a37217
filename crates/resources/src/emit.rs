//! What written objects share: metadata in a fixed order, and the reasons as comments.

use crate::kinds::Kind;
use palisade_netmodel::{Labels, ObjectRef};
use palisade_yaml::Value;
use std::collections::BTreeMap;

pub use crate::kinds::{
    write_authorization_policy as authorization_policy, write_destination_rule as destination_rule,
    write_gateway as gateway, write_network_policy as network_policy,
    write_peer_authentication as peer_authentication, write_service_entry as service_entry,
    write_sidecar as sidecar,
};
pub use crate::labels::write_selector as label_selector;

/// What an object carries besides its meaning.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Meta {
    /// `metadata.labels`.
    pub labels: Labels,
    /// `metadata.annotations`.
    pub annotations: BTreeMap<String, String>,
    /// Comment lines above the object.
    pub comments: Vec<String>,
    /// Comment lines above each ingress rule of a NetworkPolicy, by index.
    pub ingress: Vec<Vec<String>>,
    /// Comment lines above each egress rule of a NetworkPolicy, by index.
    pub egress: Vec<Vec<String>>,
    /// Comment lines above each rule of an AuthorizationPolicy or server of a Gateway, by index.
    pub rules: Vec<Vec<String>>,
}

/// A value with comment lines above it, if there are any.
pub(crate) fn commented(lines: Option<&Vec<String>>, value: Value) -> Value {
    match lines {
        Some(lines) if !lines.is_empty() => Value::Commented(lines.clone(), Box::new(value)),
        _ => value,
    }
}

/// An object: `apiVersion`, `kind`, `metadata`, `spec`.
pub(crate) fn object(kind: &Kind, object: &ObjectRef, extra: &Meta, spec: Value) -> Value {
    let mut metadata = vec![("name", Value::string(&object.name))];
    if kind.namespaced {
        metadata.push(("namespace", Value::string(&object.namespace)));
    }
    if !extra.labels.is_empty() {
        metadata.push(("labels", texts(extra.labels.iter())));
    }
    if !extra.annotations.is_empty() {
        metadata.push(("annotations", texts(extra.annotations.iter())));
    }
    let value = Value::map([
        ("apiVersion", Value::string(kind.api_version())),
        ("kind", Value::string(kind.name)),
        ("metadata", Value::map(metadata)),
        ("spec", spec),
    ]);
    commented(Some(&extra.comments), value)
}

/// A map of strings.
fn texts(map: impl Iterator<Item = (impl AsRef<str>, impl AsRef<str>)>) -> Value {
    Value::map(map.map(|(k, v)| (k.as_ref().to_owned(), Value::string(v.as_ref()))))
}

/// A list of strings.
pub(crate) fn strings<S: AsRef<str>>(items: impl IntoIterator<Item = S>) -> Value {
    let items = items.into_iter();
    Value::List(items.map(|s| Value::string(s.as_ref())).collect())
}

//! The label that makes Istio inject sidecars, for zones that ask for it.

use super::Mesh;
use crate::Object;
use palisade_netmodel::NamespaceMatch;
use palisade_yaml::Value;
use std::collections::BTreeSet;

/// A patch for each named namespace of the zones with `inject: Namespace`. The objects carry no label
/// of ours: whoever prunes by label must never delete a namespace.
pub(super) fn objects(mesh: &Mesh<'_>) -> Vec<Object> {
    let zones = mesh.intent.zones.iter().filter(|z| z.inject_namespaces);
    let names: BTreeSet<&String> = zones
        .flat_map(|z| &z.namespaces)
        .filter_map(|n| match n {
            NamespaceMatch::Named(name) => Some(name),
            NamespaceMatch::Selector(_) => None,
        })
        .collect();
    names.into_iter().map(|name| patch(name)).collect()
}

fn patch(name: &str) -> Object {
    let injection = Value::map([("istio-injection", Value::string("enabled"))]);
    let metadata = Value::map([("name", Value::string(name)), ("labels", injection)]);
    Object {
        kind: "Namespace",
        namespace: String::new(),
        name: name.to_owned(),
        value: Value::map([
            ("apiVersion", Value::string("v1")),
            ("kind", Value::string("Namespace")),
            ("metadata", metadata),
        ]),
        flows: Vec::new(),
    }
}

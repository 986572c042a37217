//! Leaves out what no reader looks at, so that a cluster fits into memory and nothing private stays there:
//! status, managed fields, environments, volumes.

use palisade_resources::served::{
    STATUS_READ, UNREAD_OF_METADATA, unread_of_containers, unread_of_pods,
};
use serde_json::{Map, Value};

/// The copy of the whole object that `kubectl apply` keeps.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Trims an object; `lints` says whether lints are to be asked.
pub(crate) fn trim(kind: &str, lints: bool, object: &mut Value) {
    let pod = |spec: &mut Map<String, Value>| pod(lints, spec);
    let Value::Object(fields) = object else {
        return;
    };
    if let Some(meta) = map(fields, "metadata") {
        for field in UNREAD_OF_METADATA {
            meta.remove(field);
        }
        if let Some(annotations) = map(meta, "annotations") {
            annotations.remove(LAST_APPLIED);
        }
    }
    status(kind, fields);
    match kind {
        "Pod" => below(fields, &["spec"], pod),
        "CronJob" => below(
            fields,
            &["spec", "jobTemplate", "spec", "template", "spec"],
            pod,
        ),
        "ConfigMap" => below(fields, &["data"], |data| {
            data.retain(|key, _| key == "mesh")
        }),
        "CustomResourceDefinition" => below(fields, &["spec"], |spec| {
            spec.remove("versions");
        }),
        _ => below(fields, &["spec", "template", "spec"], pod),
    }
    fields.remove("binaryData");
}

fn status(kind: &str, fields: &mut Map<String, Value>) {
    let read = STATUS_READ.iter().find(|(name, _)| *name == kind);
    match (read, map(fields, "status")) {
        (Some((_, read)), Some(status)) => status.retain(|key, _| read.contains(&key.as_str())),
        _ => drop(fields.remove("status")),
    }
}

fn pod(lints: bool, spec: &mut Map<String, Value>) {
    for field in unread_of_pods(lints) {
        spec.remove(field);
    }
    for list in ["containers", "initContainers"] {
        let Some(Value::Array(containers)) = spec.get_mut(list) else {
            continue;
        };
        for container in containers.iter_mut().filter_map(Value::as_object_mut) {
            for field in unread_of_containers(lints) {
                container.remove(field);
            }
        }
    }
}

fn map<'m>(fields: &'m mut Map<String, Value>, key: &str) -> Option<&'m mut Map<String, Value>> {
    fields.get_mut(key)?.as_object_mut()
}

/// Does something to the map at a path, if there is one.
fn below(fields: &mut Map<String, Value>, path: &[&str], what: impl Fn(&mut Map<String, Value>)) {
    let mut at = fields;
    for key in path {
        match map(at, key) {
            Some(inner) => at = inner,
            None => return,
        }
    }
    what(at);
}

//! The cluster of a shape as `kubectl get ... -A -o yaml` or `-o json` prints it: with status,
//! managed fields, environments, Secrets and whatever else nobody reads.

mod managed;
mod objects;
mod pods;

use crate::clusters::world::{namespace_labels, world};
use crate::clusters::{Shape, namespace};
use managed::{applied, managed, policy_fields};
use objects::{config_map, deployment, namespace_object, secret, service};
use palisade_netmodel::Labels;
use palisade_resources::emit::{self, Meta};
use palisade_yaml::Value;
use pods::pod;

/// How a cluster is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// YAML documents, as people keep manifests.
    Documents,
    /// One YAML `List`, as `kubectl get -o yaml` prints it.
    YamlList,
    /// One JSON `List`, indented by four, as `kubectl get -o json` prints it.
    JsonList,
    /// One JSON `List` on one line, as the API server sends it.
    JsonLine,
}

impl Style {
    /// All styles.
    pub const ALL: [Self; 4] = [
        Self::Documents,
        Self::YamlList,
        Self::JsonList,
        Self::JsonLine,
    ];
}

/// The whole text.
#[must_use]
pub fn text(shape: &Shape, style: Style) -> String {
    let mut out = String::new();
    pieces(shape, style, |piece| out.push_str(piece));
    out
}

/// The text piece by piece, an object at a time, for those too large to hold.
pub fn pieces(shape: &Shape, style: Style, mut put: impl FnMut(&str)) {
    match style {
        Style::Documents => objects(shape, &mut |object| {
            put("---\n");
            put(&object.to_yaml());
        }),
        Style::YamlList => {
            put("apiVersion: v1\nitems:\n");
            objects(shape, &mut |object| {
                let list = Value::List(vec![object]);
                put(&list.to_yaml());
            });
            put("kind: List\nmetadata:\n  resourceVersion: \"\"\n");
        }
        Style::JsonList => {
            put("{\n    \"apiVersion\": \"v1\",\n    \"items\": [\n");
            let mut first = true;
            objects(shape, &mut |object| {
                put(if first { "" } else { ",\n" });
                first = false;
                put(&widened(&object.to_json(), 8));
            });
            put(
                "\n    ],\n    \"kind\": \"List\",\n    \"metadata\": {\n        \"resourceVersion\": \"\"\n    }\n}\n",
            );
        }
        Style::JsonLine => {
            put("{\"kind\":\"List\",\"apiVersion\":\"v1\",\"metadata\":{},\"items\":[");
            let mut first = true;
            objects(shape, &mut |object| {
                put(if first { "" } else { "," });
                first = false;
                put(&on_one_line(&object.to_json()));
            });
            put("]}\n");
        }
    }
}

/// JSON indented by two, indented by four and moved to the right.
fn widened(json: &str, by: usize) -> String {
    let lines = json.lines().map(|line| {
        let text = line.trim_start();
        let width = by + 2 * (line.len() - text.len());
        format!("{:width$}{text}", "")
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn on_one_line(json: &str) -> String {
    json.lines()
        .map(|line| line.trim_start().replacen("\": ", "\":", 1))
        .collect()
}

/// Every object, in the order in which `kubectl` prints kinds that are asked for one after the other.
fn objects(shape: &Shape, put: &mut dyn FnMut(Value)) {
    let policies = world(&Shape {
        pods: shape.workloads(),
        unique_labels: false,
        ..shape.clone()
    });
    let system = Labels::from_iter([("kubernetes.io/metadata.name", "kube-system")]);
    put(namespace_object("kube-system", &system));
    for index in 0..shape.namespaces() {
        put(namespace_object(
            &namespace(index),
            &namespace_labels(shape, index),
        ));
        put(secret(index));
        put(config_map(index));
    }
    for workload in 0..shape.workloads() {
        put(deployment(shape, workload));
        put(service(shape, workload));
    }
    for index in 0..shape.pods {
        put(pod(shape, index));
    }
    for policy in &policies.network_policies {
        put(managed(
            emit::network_policy(policy, &applied(&policy.object)),
            "kubectl-client-side-apply",
            &policy_fields(),
        ));
    }
    for policy in &policies.peer_authentications {
        put(emit::peer_authentication(policy, &Meta::default()));
    }
    for policy in &policies.authorization_policies {
        put(emit::authorization_policy(policy, &Meta::default()));
    }
}

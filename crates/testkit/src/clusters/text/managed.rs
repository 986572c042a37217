//! What those who write an object leave on it: `managedFields`, and the annotation of `kubectl apply`.

use super::objects::text_value;
use crate::clusters::Shape;
use palisade_netmodel::ObjectRef;
use palisade_resources::emit::Meta;
use palisade_yaml::Value;

/// What `kubectl apply` leaves on an object.
pub(super) fn applied(object: &ObjectRef) -> Meta {
    let last = format!(
        "{{\"apiVersion\":\"networking.k8s.io/v1\",\"kind\":\"NetworkPolicy\",\"metadata\":{{\"annotations\":{{}},\"name\":\"{}\",\"namespace\":\"{}\"}},\"spec\":{{\"podSelector\":{{}},\"policyTypes\":[\"Ingress\"]}}}}\n",
        object.name, object.namespace
    );
    Meta {
        annotations: [(
            "kubectl.kubernetes.io/last-applied-configuration".to_owned(),
            last,
        )]
        .into_iter()
        .collect(),
        ..Meta::default()
    }
}

/// An object with `metadata.managedFields`, which say who set what.
pub(super) fn managed(mut object: Value, manager: &str, fields: &Value) -> Value {
    let entry = Value::map([
        ("apiVersion", text_value("v1")),
        ("fieldsType", text_value("FieldsV1")),
        ("fieldsV1", fields.clone()),
        ("manager", text_value(manager)),
        ("operation", text_value("Update")),
        ("time", text_value("2026-03-14T09:26:53Z")),
    ]);
    if let Value::Map(entries) = &mut object
        && let Some((_, Value::Map(meta))) = entries.iter_mut().find(|(k, _)| k == "metadata")
    {
        meta.push(("managedFields".to_owned(), Value::List(vec![entry])));
    }
    object
}

/// `f:name: {}` for each name, `.: {}` first.
fn set(names: &[&str]) -> Value {
    let own = std::iter::once(".".to_owned());
    let names = own.chain(names.iter().map(|n| format!("f:{n}")));
    Value::map(names.map(|n| (n, Value::Map(Vec::new()))))
}

pub(super) fn policy_fields() -> Value {
    Value::map([
        (
            "f:metadata",
            Value::map([(
                "f:annotations",
                set(&["kubectl.kubernetes.io/last-applied-configuration"]),
            )]),
        ),
        (
            "f:spec",
            set(&["egress", "ingress", "podSelector", "policyTypes"]),
        ),
    ])
}

pub(super) fn deployment_fields() -> Value {
    Value::map([
        (
            "f:spec",
            set(&["replicas", "selector", "strategy", "template"]),
        ),
        ("f:status", set(&["availableReplicas", "conditions"])),
    ])
}

pub(super) fn pod_fields(shape: &Shape) -> Value {
    let container = Value::map([
        (".", Value::Map(Vec::new())),
        ("f:args", Value::Map(Vec::new())),
        (
            "f:env",
            Value::map([
                (".", Value::Map(Vec::new())),
                ("k:{\"name\":\"DATABASE\"}", set(&["name", "value"])),
                ("k:{\"name\":\"RETRIES\"}", set(&["name", "value"])),
                ("k:{\"name\":\"MESSAGE\"}", set(&["name", "value"])),
            ]),
        ),
        ("f:image", Value::Map(Vec::new())),
        ("f:livenessProbe", set(&["failureThreshold", "httpGet"])),
        ("f:readinessProbe", set(&["failureThreshold", "httpGet"])),
        ("f:resources", set(&["limits", "requests"])),
    ]);
    let status = ["Initialized", "Ready", "ContainersReady"].map(|kind| {
        let key = format!("k:{{\"type\":\"{kind}\"}}");
        (key, set(&["lastProbeTime", "status", "type"]))
    });
    let mut labels = vec![
        "app.kubernetes.io/name",
        "app.kubernetes.io/part-of",
        "tier",
    ];
    if shape.unique_labels {
        labels.push("example.com/pod");
    }
    Value::map([
        (
            "f:metadata",
            Value::map([
                ("f:generateName", Value::Map(Vec::new())),
                ("f:labels", set(&labels)),
                ("f:ownerReferences", set(&[])),
            ]),
        ),
        (
            "f:spec",
            Value::map([
                (
                    "f:containers",
                    Value::map([("k:{\"name\":\"main\"}", container)]),
                ),
                ("f:dnsPolicy", Value::Map(Vec::new())),
                ("f:restartPolicy", Value::Map(Vec::new())),
            ]),
        ),
        (
            "f:status",
            Value::map([("f:conditions", Value::map(status))]),
        ),
    ])
}

//! Namespaces, Secrets, ConfigMaps, Deployments and Services as the API server prints them.

use super::managed::{deployment_fields, managed};
use super::pods::{condition, pod_spec};
use crate::clusters::world::labels;
use crate::clusters::{Shape, application, mixed, namespace};
use palisade_netmodel::{Labels, Protocol};
use palisade_yaml::Value;

pub(super) fn text_value(text: &str) -> Value {
    Value::string(text)
}

pub(super) fn strings<S: AsRef<str>>(pairs: &[(&'static str, S)]) -> Value {
    Value::map(pairs.iter().map(|(k, v)| (*k, text_value(v.as_ref()))))
}

/// `metadata` as the API server fills it in.
pub(super) fn metadata(
    namespace: &str,
    name: &str,
    labels: Value,
    seed: usize,
) -> Vec<(&'static str, Value)> {
    let mut fields = vec![
        ("creationTimestamp", text_value("2026-03-14T09:26:53Z")),
        ("labels", labels),
        ("name", text_value(name)),
        ("resourceVersion", text_value(&mixed(seed).to_string())),
        ("uid", text_value(&uid(seed))),
    ];
    if !namespace.is_empty() {
        fields.insert(3, ("namespace", text_value(namespace)));
    }
    fields
}

pub(super) fn uid(seed: usize) -> String {
    let (a, b) = (mixed(seed), mixed(seed + 1));
    format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
        a >> 32,
        a & 0xFFFF,
        b >> 52,
        a >> 20 & 0xFFF,
        b & 0xFFFF_FFFF_FFFF
    )
}

pub(super) fn object(
    api_version: &str,
    kind: &str,
    metadata: Vec<(&'static str, Value)>,
    rest: impl IntoIterator<Item = (&'static str, Value)>,
) -> Value {
    let mut fields = vec![
        ("apiVersion", text_value(api_version)),
        ("kind", text_value(kind)),
        ("metadata", Value::map(metadata)),
    ];
    fields.extend(rest);
    Value::map(fields)
}

pub(super) fn namespace_object(name: &str, labels: &Labels) -> Value {
    let labels = Value::map(labels.iter().map(|(k, v)| (k.to_owned(), text_value(v))));
    let rest = [
        (
            "spec",
            Value::map([("finalizers", Value::List(vec![text_value("kubernetes")]))]),
        ),
        ("status", strings(&[("phase", "Active")])),
    ];
    object("v1", "Namespace", metadata("", name, labels, 7), rest)
}

pub(super) fn secret(index: usize) -> Value {
    let data = format!("{:016x}", mixed(index)).repeat(40);
    let meta = metadata(
        &namespace(index),
        "credentials",
        strings(&[("a", "b")]),
        index,
    );
    let rest = [
        (
            "data",
            strings(&[("password", "aHVudGVyMg=="), ("key", &data)]),
        ),
        ("type", text_value("Opaque")),
    ];
    object("v1", "Secret", meta, rest)
}

pub(super) fn config_map(index: usize) -> Value {
    let script = "#!/bin/sh\nset -e\n# start the server\n\nexec /bin/server --listen :8080\n";
    let meta = metadata(&namespace(index), "scripts", strings(&[("a", "b")]), index);
    object(
        "v1",
        "ConfigMap",
        meta,
        [("data", strings(&[("start.sh", script)]))],
    )
}

pub(super) fn deployment(shape: &Shape, workload: usize) -> Value {
    let name = application(workload);
    let own = strings(
        &labels(shape, workload)
            .into_iter()
            .filter(|(k, _)| *k != "pod-template-hash")
            .collect::<Vec<_>>(),
    );
    let selector = strings(&[("app.kubernetes.io/name", name.as_str())]);
    let template = Value::map([
        ("metadata", Value::map([("labels", own.clone())])),
        ("spec", pod_spec(shape, workload, None)),
    ]);
    let spec = Value::map([
        ("progressDeadlineSeconds", Value::Int(600)),
        ("replicas", Value::Int(10)),
        ("revisionHistoryLimit", Value::Int(10)),
        ("selector", Value::map([("matchLabels", selector)])),
        ("template", template),
    ]);
    let status = Value::map([
        ("availableReplicas", Value::Int(10)),
        (
            "conditions",
            Value::List(vec![condition("Available"), condition("Progressing")]),
        ),
        ("observedGeneration", Value::Int(3)),
    ]);
    let meta = metadata(&shape.namespace_of(workload), &name, own, workload);
    managed(
        object(
            "apps/v1",
            "Deployment",
            meta,
            [("spec", spec), ("status", status)],
        ),
        "kube-controller-manager",
        &deployment_fields(),
    )
}

pub(super) fn service(shape: &Shape, workload: usize) -> Value {
    let name = application(workload);
    let port = Value::map([
        ("name", text_value("http")),
        ("port", Value::Int(80)),
        ("protocol", text_value(Protocol::Tcp.name())),
        ("targetPort", text_value("http")),
    ]);
    let address = format!("10.96.{}.{}", workload / 250 % 250, workload % 250);
    let spec = Value::map([
        ("clusterIP", text_value(&address)),
        ("clusterIPs", Value::List(vec![text_value(&address)])),
        ("ports", Value::List(vec![port])),
        (
            "selector",
            strings(&[("app.kubernetes.io/name", name.as_str())]),
        ),
        ("sessionAffinity", text_value("None")),
        ("type", text_value("ClusterIP")),
    ]);
    let status = Value::map([("loadBalancer", Value::Map(Vec::new()))]);
    let meta = metadata(
        &shape.namespace_of(workload),
        &name,
        strings(&[("app.kubernetes.io/name", name.as_str())]),
        workload,
    );
    object("v1", "Service", meta, [("spec", spec), ("status", status)])
}

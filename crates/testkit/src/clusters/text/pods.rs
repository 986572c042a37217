//! Pods and templates of them as the API server prints them: containers, volumes, status.

use super::managed::{managed, pod_fields};
use super::objects::{metadata, object, strings, text_value, uid};
use crate::clusters::world::{addresses, labels, node_address, own_label};
use crate::clusters::{Shape, application, mixed, pod_name, template_hash};
use palisade_yaml::Value;

pub(super) fn pod(shape: &Shape, index: usize) -> Value {
    let (workload, _) = shape.replica(index);
    let mut pairs = labels(shape, workload);
    if shape.unique_labels {
        pairs.push(own_label(index));
    }
    let name = pod_name(index, workload);
    let mut meta = metadata(&shape.namespace_of(workload), &name, strings(&pairs), index);
    meta.insert(1, ("generateName", text_value(&owner_name(workload, "-"))));
    meta.push((
        "ownerReferences",
        Value::List(vec![Value::map([
            ("apiVersion", text_value("apps/v1")),
            ("blockOwnerDeletion", Value::Bool(true)),
            ("controller", Value::Bool(true)),
            ("kind", text_value("ReplicaSet")),
            ("name", text_value(&owner_name(workload, ""))),
            ("uid", text_value(&uid(workload))),
        ])]),
    ));
    let rest = [
        ("spec", pod_spec(shape, workload, Some(index))),
        ("status", pod_status(shape, index)),
    ];
    managed(
        object("v1", "Pod", meta, rest),
        "kubelet",
        &pod_fields(shape),
    )
}

fn owner_name(workload: usize, end: &str) -> String {
    format!("{}-{}{end}", application(workload), template_hash(workload))
}

/// `spec` of a template, or of the pod `pod`.
pub(super) fn pod_spec(shape: &Shape, workload: usize, pod: Option<usize>) -> Value {
    let mut containers = vec![container(workload)];
    if shape.mesh && pod.is_some() {
        containers.push(proxy_container());
    }
    let mut fields = vec![
        ("containers", Value::List(containers)),
        ("dnsPolicy", text_value("ClusterFirst")),
        ("restartPolicy", text_value("Always")),
        ("schedulerName", text_value("default-scheduler")),
        (
            "securityContext",
            Value::map([("runAsNonRoot", Value::Bool(true))]),
        ),
        ("serviceAccountName", text_value(&application(workload))),
        ("terminationGracePeriodSeconds", Value::Int(30)),
    ];
    if let Some(pod) = pod {
        let node = format!("node-{}", mixed(pod) % (shape.pods as u64 / 100 + 1));
        fields.push(("nodeName", text_value(&node)));
        fields.push(("tolerations", tolerations()));
    }
    fields.push(("volumes", volumes()));
    Value::map(fields)
}

fn container(workload: usize) -> Value {
    let env = |name: &str, value: &str| {
        Value::map([("name", text_value(name)), ("value", text_value(value))])
    };
    let port = |name: &str, number: i64| {
        Value::map([
            ("containerPort", Value::Int(number)),
            ("name", text_value(name)),
            ("protocol", text_value("TCP")),
        ])
    };
    let probe = |path: &str| {
        Value::map([
            ("failureThreshold", Value::Int(3)),
            (
                "httpGet",
                Value::map([
                    ("path", text_value(path)),
                    ("port", text_value("http")),
                    ("scheme", text_value("HTTP")),
                ]),
            ),
            ("periodSeconds", Value::Int(10)),
        ])
    };
    let secret = Value::map([(
        "secretKeyRef",
        strings(&[("key", "password"), ("name", "credentials")]),
    )]);
    let password = Value::map([("name", text_value("PASSWORD")), ("valueFrom", secret)]);
    Value::map([
        (
            "args",
            Value::List(vec![text_value("--listen=:8080"), text_value("--verbose")]),
        ),
        (
            "env",
            Value::List(vec![
                env("DATABASE", "postgres://db.shop.svc.cluster.local:5432/shop"),
                env("RETRIES", "3"),
                env("MESSAGE", "said \"hello\", then left"),
                password,
            ]),
        ),
        (
            "image",
            text_value(&format!("registry.example.com/shop/app:{workload}")),
        ),
        ("imagePullPolicy", text_value("IfNotPresent")),
        ("livenessProbe", probe("/live")),
        ("name", text_value("main")),
        (
            "ports",
            Value::List(vec![port("http", 8080), port("metrics", 9090)]),
        ),
        ("readinessProbe", probe("/ready")),
        (
            "resources",
            Value::map([
                ("limits", strings(&[("memory", "256Mi")])),
                ("requests", strings(&[("cpu", "100m"), ("memory", "128Mi")])),
            ]),
        ),
        ("terminationMessagePath", text_value("/dev/termination-log")),
        ("volumeMounts", mounts()),
    ])
}

fn proxy_container() -> Value {
    Value::map([
        (
            "args",
            Value::List(vec![text_value("proxy"), text_value("sidecar")]),
        ),
        (
            "image",
            text_value("registry.example.com/istio/proxyv2:1.28.0"),
        ),
        ("name", text_value("istio-proxy")),
        (
            "ports",
            Value::List(vec![Value::map([
                ("containerPort", Value::Int(15090)),
                ("name", text_value("http-envoy-prom")),
                ("protocol", text_value("TCP")),
            ])]),
        ),
    ])
}

fn mounts() -> Value {
    Value::List(vec![Value::map([
        (
            "mountPath",
            text_value("/var/run/secrets/kubernetes.io/serviceaccount"),
        ),
        ("name", text_value("kube-api-access")),
        ("readOnly", Value::Bool(true)),
    ])])
}

fn volumes() -> Value {
    let token = Value::map([(
        "serviceAccountToken",
        Value::map([
            ("expirationSeconds", Value::Int(3607)),
            ("path", text_value("token")),
        ]),
    )]);
    let projected = Value::map([
        ("defaultMode", Value::Int(420)),
        ("sources", Value::List(vec![token])),
    ]);
    Value::List(vec![Value::map([
        ("name", text_value("kube-api-access")),
        ("projected", projected),
    ])])
}

fn tolerations() -> Value {
    let one = |key: &str| {
        Value::map([
            ("effect", text_value("NoExecute")),
            ("key", text_value(key)),
            ("operator", text_value("Exists")),
            ("tolerationSeconds", Value::Int(300)),
        ])
    };
    Value::List(vec![
        one("node.kubernetes.io/not-ready"),
        one("node.kubernetes.io/unreachable"),
    ])
}

pub(super) fn condition(kind: &str) -> Value {
    Value::map([
        ("lastProbeTime", Value::Null),
        ("lastTransitionTime", text_value("2026-03-14T09:26:55Z")),
        ("status", text_value("True")),
        ("type", text_value(kind)),
    ])
}

fn pod_status(shape: &Shape, index: usize) -> Value {
    let own = addresses(shape, index);
    let node = node_address(shape, index).to_string();
    let first = own.first().map(ToString::to_string).unwrap_or_default();
    let all = own
        .iter()
        .map(|a| Value::map([("ip", text_value(&a.to_string()))]));
    let running = Value::map([("running", strings(&[("startedAt", "2026-03-14T09:26:55Z")]))]);
    let container = Value::map([
        (
            "containerID",
            text_value(&format!("containerd://{:016x}", mixed(index)).repeat(2)),
        ),
        ("image", text_value("registry.example.com/shop/app:latest")),
        ("lastState", Value::Map(Vec::new())),
        ("name", text_value("main")),
        ("ready", Value::Bool(true)),
        ("restartCount", Value::Int(0)),
        ("state", running),
    ]);
    let conditions = [
        "PodReadyToStartContainers",
        "Initialized",
        "Ready",
        "ContainersReady",
        "PodScheduled",
    ];
    Value::map([
        (
            "conditions",
            Value::List(conditions.map(condition).to_vec()),
        ),
        ("containerStatuses", Value::List(vec![container])),
        ("hostIP", text_value(&node)),
        (
            "hostIPs",
            Value::List(vec![strings(&[("ip", node.as_str())])]),
        ),
        ("phase", text_value("Running")),
        ("podIP", text_value(&first)),
        ("podIPs", Value::List(all.collect())),
        ("qosClass", text_value("Burstable")),
        ("startTime", text_value("2026-03-14T09:26:53Z")),
    ])
}

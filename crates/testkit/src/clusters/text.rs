//! The cluster of a shape as `kubectl get ... -A -o yaml` or `-o json` prints it: with status,
//! managed fields, environments, Secrets and whatever else nobody reads.

use super::world::{addresses, labels, namespace_labels, node_address, own_label, world};
use super::{Shape, application, mixed, namespace, pod_name, template_hash};
use palisade_netmodel::{Labels, ObjectRef, Protocol};
use palisade_resources::emit::{self, Meta};
use palisade_yaml::Value;

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

/// What `kubectl apply` leaves on an object.
fn applied(object: &ObjectRef) -> Meta {
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

fn text_value(text: &str) -> Value {
    Value::string(text)
}

fn strings<S: AsRef<str>>(pairs: &[(&'static str, S)]) -> Value {
    Value::map(pairs.iter().map(|(k, v)| (*k, text_value(v.as_ref()))))
}

/// `metadata` as the API server fills it in.
fn metadata(namespace: &str, name: &str, labels: Value, seed: usize) -> Vec<(&'static str, Value)> {
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

fn uid(seed: usize) -> String {
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

fn object(
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

fn namespace_object(name: &str, labels: &Labels) -> Value {
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

fn secret(index: usize) -> Value {
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

fn config_map(index: usize) -> Value {
    let script = "#!/bin/sh\nset -e\n# start the server\n\nexec /bin/server --listen :8080\n";
    let meta = metadata(&namespace(index), "scripts", strings(&[("a", "b")]), index);
    object(
        "v1",
        "ConfigMap",
        meta,
        [("data", strings(&[("start.sh", script)]))],
    )
}

fn deployment(shape: &Shape, workload: usize) -> Value {
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

fn service(shape: &Shape, workload: usize) -> Value {
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

fn pod(shape: &Shape, index: usize) -> Value {
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
fn pod_spec(shape: &Shape, workload: usize, pod: Option<usize>) -> Value {
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

fn condition(kind: &str) -> Value {
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

/// An object with `metadata.managedFields`, which say who set what.
fn managed(mut object: Value, manager: &str, fields: &Value) -> Value {
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

fn policy_fields() -> Value {
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

fn deployment_fields() -> Value {
    Value::map([
        (
            "f:spec",
            set(&["replicas", "selector", "strategy", "template"]),
        ),
        ("f:status", set(&["availableReplicas", "conditions"])),
    ])
}

fn pod_fields(shape: &Shape) -> Value {
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

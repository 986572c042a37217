//! Pods and pod templates: the part of them that the network sees.

use crate::head::annotations;
use crate::labels::labels;
use crate::{codes, ports};
use palisade_diagnostics::Diagnostic;
use palisade_netmodel::{Labels, NamedPort, PortSet};
use palisade_yaml::{Fields, Node};
use std::collections::{BTreeMap, BTreeSet};

/// Fields of `PodSpec` without meaning for the network.
pub(crate) const POD_FIELDS: [&str; 37] = [
    "activeDeadlineSeconds",
    "affinity",
    "automountServiceAccountToken",
    "dnsConfig",
    "dnsPolicy",
    "enableServiceLinks",
    "ephemeralContainers",
    "hostAliases",
    "hostIPC",
    "hostPID",
    "hostUsers",
    "hostname",
    "hostnameOverride",
    "imagePullSecrets",
    "nodeName",
    "nodeSelector",
    "os",
    "overhead",
    "preemptionPolicy",
    "priority",
    "priorityClassName",
    "readinessGates",
    "resourceClaims",
    "resources",
    "restartPolicy",
    "runtimeClassName",
    "schedulerName",
    "schedulingGates",
    "securityContext",
    "setHostnameAsFQDN",
    "shareProcessNamespace",
    "subdomain",
    "terminationGracePeriodSeconds",
    "tolerations",
    "topologySpreadConstraints",
    "volumes",
    "workloadRef",
];

/// Fields of `Container` without meaning for the network.
pub(crate) const CONTAINER_FIELDS: [&str; 20] = [
    "command",
    "env",
    "envFrom",
    "imagePullPolicy",
    "lifecycle",
    "livenessProbe",
    "readinessProbe",
    "resizePolicy",
    "resources",
    "restartPolicyRules",
    "securityContext",
    "startupProbe",
    "stdin",
    "stdinOnce",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "tty",
    "volumeDevices",
    "volumeMounts",
    "workingDir",
];

/// Metadata of a template without meaning here.
const META_FIELDS: [&str; 6] = [
    "creationTimestamp",
    "finalizers",
    "generateName",
    "name",
    "namespace",
    "ownerReferences",
];

/// The proxy container that a pod or template shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum ProxyContainer {
    /// None.
    #[default]
    Absent,
    /// The proxy beside an application.
    Beside,
    /// The proxy alone, or run as `proxy router`.
    Router,
}

/// What the network sees of a pod.
#[derive(Debug, Clone, Default)]
pub(crate) struct PodShape {
    pub(crate) labels: Labels,
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) service_account: String,
    pub(crate) named_ports: Vec<NamedPort>,
    pub(crate) container_ports: PortSet,
    pub(crate) host_network: bool,
    pub(crate) proxy: ProxyContainer,
    /// Container names and images.
    pub(crate) images: Vec<(String, String)>,
}

/// Reads a `PodTemplateSpec`.
pub(crate) fn template(mut fields: Fields<'_>, out: &mut Vec<Diagnostic>) -> PodShape {
    let mut found = (Labels::default(), BTreeMap::new());
    if let Some(mut meta) = fields.map("metadata", "the metadata of a pod template", out) {
        found = (
            labels(&mut meta, "labels", out),
            annotations(&mut meta, out),
        );
        meta.ignore(&META_FIELDS);
        meta.finish(out);
    }
    let mut shape = match fields.map("spec", "the spec of a pod", out) {
        Some(spec) => pod_spec(spec, out),
        None => {
            out.push(fields.missing("spec"));
            PodShape::default()
        }
    };
    fields.finish(out);
    (shape.labels, shape.annotations) = found;
    shape
}

/// Reads a `PodSpec`; labels and annotations are left empty.
pub(crate) fn pod_spec(mut spec: Fields<'_>, out: &mut Vec<Diagnostic>) -> PodShape {
    let account = spec.string("serviceAccountName", out);
    let old = spec.string("serviceAccount", out);
    let account = account.or(old).filter(|name| !name.value.is_empty());
    let mut shape = PodShape {
        service_account: account.map_or_else(|| "default".to_owned(), |name| name.value),
        host_network: spec.bool("hostNetwork", out).is_some_and(|b| b.value),
        ..PodShape::default()
    };
    let (mut applications, mut proxy, mut router) = (0_usize, false, false);
    for (key, always) in [("containers", true), ("initContainers", false)] {
        for node in spec.list(key, out) {
            let Some(container) = container(node, out) else {
                continue;
            };
            // Only native sidecars of the init containers run beside the application.
            if !always && !container.restarts {
                continue;
            }
            if container.is_proxy() {
                proxy = true;
                router |= container.router;
            } else {
                applications += usize::from(always);
            }
            shape.take(container);
        }
    }
    shape.named_ports.sort();
    shape.named_ports.dedup();
    shape.proxy = match (proxy, router || applications == 0) {
        (false, _) => ProxyContainer::Absent,
        (true, true) => ProxyContainer::Router,
        (true, false) => ProxyContainer::Beside,
    };
    spec.ignore(&POD_FIELDS);
    spec.finish(out);
    shape
}

impl PodShape {
    fn take(&mut self, container: Container) {
        for port in container.ports {
            let single = PortSet::single(port.protocol, port.port);
            self.container_ports = self.container_ports.union(&single);
            if !port.name.is_empty() {
                self.named_ports.push(port);
            }
        }
        self.images.push((container.name, container.image));
    }
}

struct Container {
    name: String,
    image: String,
    /// Unnamed ports have an empty name.
    ports: Vec<NamedPort>,
    /// `restartPolicy: Always`.
    restarts: bool,
    /// Arguments `proxy router`.
    router: bool,
}

impl Container {
    /// Whether it runs Istio's proxy: by its name, as injected, or by its image, as in gateways.
    fn is_proxy(&self) -> bool {
        let image = self.image.rsplit('/').next().unwrap_or_default();
        let image = image.split([':', '@']).next().unwrap_or_default();
        self.name == "istio-proxy" || image == "proxyv2"
    }
}

fn container(node: Node<'_>, out: &mut Vec<Diagnostic>) -> Option<Container> {
    let mut fields = Fields::of(node, "a container", out)?;
    let name = fields.string("name", out);
    if name.is_none() && fields.node("name").is_none() {
        out.push(
            Diagnostic::warning(codes::INCOMPLETE, "a container without a name")
                .at(
                    fields.span(),
                    "the API server refuses it; answers do not need it",
                )
                .help("add `name`"),
        );
    }
    let image = fields.string("image", out);
    let args = fields.strings("args", out);
    let policy = fields.string("restartPolicy", out);
    let mut found = Vec::new();
    let mut names = BTreeSet::new();
    for node in fields.list("ports", out) {
        if let Some(port) = container_port(node, out) {
            if !port.name.is_empty() && !names.insert(port.name.clone()) {
                out.push(duplicate_name(&port.name, node));
            }
            found.push(port);
        }
    }
    fields.ignore(&CONTAINER_FIELDS);
    fields.finish(out);
    Some(Container {
        name: name.map(|name| name.value).unwrap_or_default(),
        image: image.map(|image| image.value).unwrap_or_default(),
        ports: found,
        restarts: policy.is_some_and(|policy| policy.value == "Always"),
        router: args.iter().any(|arg| arg.value == "router"),
    })
}

fn duplicate_name(name: &str, node: Node<'_>) -> Diagnostic {
    let title = format!("two ports of a container have the name {name}");
    let span = node.get("name").map_or(node.span(), Node::span);
    Diagnostic::error(codes::DUPLICATE_PORT, title)
        .at(span, "already used by an earlier port")
        .help("give each port of the container its own name")
}

fn container_port(node: Node<'_>, out: &mut Vec<Diagnostic>) -> Option<NamedPort> {
    let mut fields = Fields::of(node, "a container port", out)?;
    let port = ports::required_number(&mut fields, "containerPort", out);
    let protocol = ports::protocol(&mut fields, out);
    let name = fields.string("name", out).filter(|n| !n.value.is_empty());
    if let Some(name) = &name {
        ports::check_name(&name.value, name.span, out);
    }
    ports::number_at(&mut fields, "hostPort", out);
    fields.ignore(&["hostIP"]);
    fields.finish(out);
    Some(NamedPort {
        name: name.map(|name| name.value).unwrap_or_default(),
        protocol: protocol?,
        port: port?,
    })
}

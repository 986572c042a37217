//! How a pod takes part in the mesh: Istio's injection rules
//! (`manifests/charts/.../mutatingwebhook.yaml`, `pkg/kube/inject: injectRequired`) and the
//! annotations that limit what the proxy intercepts.

use crate::ambient::capture;
use crate::codes;
use crate::pods::{PodShape, ProxyContainer};
use palisade_diagnostics::Diagnostic;
use palisade_netmodel::{InboundCapture, Labels, PortSet, Protocol, Proxy, always_bypassed};
use palisade_yaml::Spanned;

/// The label, or annotation, that asks for or refuses a sidecar.
const INJECT: &str = "sidecar.istio.io/inject";
/// The label that names a revision of the injector.
const REVISION: &str = "istio.io/rev";
/// The namespaces that the injector ignores.
const IGNORED: [&str; 4] = [
    "kube-system",
    "kube-public",
    "kube-node-lease",
    "local-path-storage",
];

/// Prefix of the annotations on interception.
const TRAFFIC: &str = "traffic.sidecar.istio.io/";

/// The proxy of a pod. `exists`: the pod runs, so that nothing is injected any more.
pub(crate) fn proxy(
    shape: &PodShape,
    namespace: &str,
    namespace_labels: &Labels,
    exists: bool,
) -> Proxy {
    if shape.host_network {
        return none("it is on the host network");
    }
    match shape.proxy {
        ProxyContainer::Router => return Proxy::Gateway,
        ProxyContainer::Beside if is_gateway(&shape.labels) => return Proxy::Gateway,
        ProxyContainer::Beside => return sidecar(shape, true),
        ProxyContainer::Absent if exists => {
            return capture(shape, namespace_labels, true)
                .unwrap_or_else(|| none("the running pod has no container istio-proxy"));
        }
        ProxyContainer::Absent => {}
    }
    let refused = if IGNORED.contains(&namespace) {
        Some(format!("the injector ignores namespace {namespace}"))
    } else {
        refusal(shape, namespace, namespace_labels)
    };
    match refused {
        // A sidecar wins over ambient mode: the node's agent leaves its pod alone.
        Some(reason) => capture(shape, namespace_labels, false).unwrap_or(Proxy::None { reason }),
        None if uses_gateway_template(shape) => Proxy::Gateway,
        None => sidecar(shape, false),
    }
}

fn none(reason: impl Into<String>) -> Proxy {
    Proxy::None {
        reason: reason.into(),
    }
}

/// Labels of Istio's own gateways, for pods with further containers beside the proxy.
fn is_gateway(labels: &Labels) -> bool {
    matches!(
        labels.get("istio"),
        Some("ingressgateway" | "egressgateway")
    ) || matches!(
        labels.get("operator.istio.io/component"),
        Some("IngressGateways" | "EgressGateways")
    ) || labels
        .get("gateway.networking.k8s.io/gateway-name")
        .is_some()
}

fn uses_gateway_template(shape: &PodShape) -> bool {
    let templates = shape.annotations.get("inject.istio.io/templates");
    templates.is_some_and(|list| list.split(',').any(|name| name.trim() == "gateway"))
}

/// Why no sidecar is injected; `None` if one is.
fn refusal(shape: &PodShape, namespace: &str, labels: &Labels) -> Option<String> {
    let label = shape.labels.get(INJECT);
    let revision = shape.labels.get(REVISION);
    let by_namespace = match (labels.get("istio-injection"), labels.get(REVISION)) {
        (Some("enabled"), _) | (None, Some(_)) => true,
        (Some(other), _) => {
            return Some(format!(
                "namespace {namespace} has the label istio-injection={other}"
            ));
        }
        (None, None) => false,
    };
    if label == Some("false") {
        return Some(format!("label {INJECT} is \"false\""));
    }
    let called = by_namespace || revision.is_some() || label == Some("true");
    if !called {
        return Some(format!(
            "namespace {namespace} has no injection label and the pod does not ask for it"
        ));
    }
    // Within the injector the label beats the annotation.
    let (what, word) = match (label, shape.annotations.get(INJECT)) {
        (Some(word), _) => ("label", word),
        (None, Some(word)) => ("annotation", word.as_str()),
        (None, None) => return None,
    };
    let yes = matches!(
        word.to_lowercase().as_str(),
        "y" | "yes" | "true" | "on" | ""
    );
    (!yes).then(|| format!("{what} {INJECT} is {word:?}"))
}

fn sidecar(shape: &PodShape, shown: bool) -> Proxy {
    let annotation = |name: &str| shape.annotations.get(&format!("{TRAFFIC}{name}"));
    let ports = |name: &str| annotation(name).map(|list| port_list(list));
    let all = PortSet::protocol(Protocol::Tcp);
    let mode = shape.annotations.get("sidecar.istio.io/interceptionMode");
    if mode.is_some_and(|mode| mode == "NONE") {
        return Proxy::Sidecar {
            inbound: InboundCapture {
                bypass: all.clone(),
            },
            outbound_excluded: all,
            shown,
        };
    }
    let excluded = |name: &str| ports(name).map_or_else(PortSet::empty, |list| list.ports);
    // Exclusions count only while every port is included.
    let bypass = match ports("includeInboundPorts").filter(|list| !list.all) {
        Some(list) => all.difference(&list.ports),
        None => excluded("excludeInboundPorts"),
    };
    let ranges = annotation("includeOutboundIPRanges").map(|list| list.trim());
    let outbound_excluded = match ranges {
        // No address is intercepted: what is left are the ports named one by one.
        Some("") => all.difference(&excluded("includeOutboundPorts")),
        // Every address is intercepted, so that includeOutboundPorts adds nothing.
        _ => excluded("excludeOutboundPorts"),
    };
    Proxy::Sidecar {
        inbound: InboundCapture {
            bypass: bypass.union(&always_bypassed()),
        },
        outbound_excluded,
        shown,
    }
}

/// A list of ports in an annotation.
pub(crate) struct PortList {
    /// Whether it is `*`.
    pub(crate) all: bool,
    /// The ports, TCP.
    pub(crate) ports: PortSet,
    /// Items that are no ports.
    pub(crate) wrong: Vec<String>,
}

/// Reads `80,443`, `*` or the empty list.
pub(crate) fn port_list(text: &str) -> PortList {
    let mut found = PortList {
        all: text.trim() == "*",
        ports: PortSet::empty(),
        wrong: Vec::new(),
    };
    if found.all {
        found.ports = PortSet::protocol(Protocol::Tcp);
        return found;
    }
    for item in text
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
    {
        match item.parse::<u16>() {
            Ok(port) if port > 0 => {
                found.ports = found.ports.union(&PortSet::single(Protocol::Tcp, port));
            }
            _ => found.wrong.push(item.to_owned()),
        }
    }
    found
}

/// The annotations that hold lists of ports.
const PORT_LISTS: [&str; 4] = [
    "excludeInboundPorts",
    "excludeOutboundPorts",
    "includeInboundPorts",
    "includeOutboundPorts",
];

/// Reports an annotation on interception that is wrong or whose effect is not modelled.
pub(crate) fn check_annotation(key: &str, value: &Spanned<String>, out: &mut Vec<Diagnostic>) {
    let Some(name) = key.strip_prefix(TRAFFIC) else {
        return;
    };
    if PORT_LISTS.contains(&name) {
        for item in port_list(&value.value).wrong {
            out.push(
                Diagnostic::warning(codes::BAD_PORT_LIST, format!("{item:?} is not a port"))
                    .at(value.span, "a list as `80,443`, or `*`")
                    .note("Istio's injector refuses a pod with this annotation.")
                    .help("use numbers from 1 to 65535, separated by commas"),
            );
        }
        return;
    }
    let text = value.value.trim();
    let limits = match name {
        "includeOutboundIPRanges" => !matches!(text, "" | "*"),
        "excludeOutboundIPRanges" => !text.is_empty(),
        _ => false,
    };
    if limits {
        out.push(
            Diagnostic::warning(codes::ADDRESS_CAPTURE, "interception depends on addresses")
                .at(value.span, "answers take every address as intercepted")
                .help("limit interception by ports, or check these addresses by hand"),
        );
    }
}

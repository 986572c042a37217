//! From a checked tree to the syntax tree. The shape has been checked: what is missing here was
//! reported there, so a value that cannot be read is left out silently.

use crate::syntax::{
    Accepts, Cell, CellHop, CellOverride, Component, ComponentDocs, ComponentPort, Dns, Encryption,
    Endpoint, EndpointKind, Exception, Expression, FidelityWord, Flow, FlowDocs, FlowPort,
    FlowPorts, Isolation, IsolationOverride, IsolationWord, Istio, Listed, Matrix, Mesh,
    MeshOverride, Namespaces, Number, Parameter, ParameterType, ParameterValue, Peer, Platform,
    Port, Requires, Selector, SetBy, Text, Toggle, Variant, When, Zone,
};
use crate::validate::is_parameter;
use palisade_netmodel::{
    CellPosture, MeshMode, MtlsMode, OutboundMode, Protocol, Requirement, ZoneKind,
};
use palisade_yaml::{Node, Spanned};

/// Reads one document into a matrix.
pub(crate) fn matrix(root: Node<'_>) -> Option<Matrix> {
    let name = root.get("metadata")?.get("name")?.as_str()?.to_owned();
    let spec = root.get("spec")?;
    let docs = spec.get("docs");
    Some(Matrix {
        name,
        title: string(spec, "title"),
        introduction: docs.and_then(|d| string(d, "introduction")),
        parameters: each(spec, "parameters", parameter),
        toggles: each(spec, "toggles", toggle),
        platforms: each(spec, "platforms", platform),
        requires: each(spec, "requires", requires),
        istio: spec
            .get("mesh")
            .and_then(|m| m.get("istio"))
            .map(istio)
            .unwrap_or_default(),
        zones: each(spec, "zones", zone),
        endpoints: each(spec, "endpoints", endpoint),
        components: each(spec, "components", component),
        cells: each(spec, "cells", cell),
        flows: each(spec, "flows", flow),
        exceptions: each(spec, "exceptions", exception),
    })
}

fn each<'d, T>(node: Node<'d>, key: &str, read: fn(Node<'d>) -> Option<T>) -> Vec<T> {
    node.get(key)
        .map(|list| list.items().filter_map(read).collect())
        .unwrap_or_default()
}

fn string(node: Node<'_>, key: &str) -> Option<String> {
    node.get(key)?.as_str().map(str::to_owned)
}

fn text_of(node: Node<'_>) -> Option<Text> {
    Some(Spanned {
        value: node.text()?.to_owned(),
        span: node.span(),
    })
}

fn text(node: Node<'_>, key: &str) -> Option<Text> {
    text_of(node.get(key)?)
}

fn texts(node: Node<'_>, key: &str) -> Vec<Text> {
    match node.get(key) {
        None => Vec::new(),
        Some(one) if one.text().is_some() => text_of(one).into_iter().collect(),
        Some(list) => list.items().filter_map(text_of).collect(),
    }
}

fn strings(node: Node<'_>, key: &str) -> Vec<String> {
    texts(node, key).into_iter().map(|t| t.value).collect()
}

fn flag(node: Node<'_>, key: &str) -> bool {
    node.get(key).and_then(Node::as_bool).unwrap_or(false)
}

fn word<T: Copy>(node: Node<'_>, key: &str, words: &[(&str, T)]) -> Option<T> {
    let text = node.get(key)?.text()?;
    words.iter().find(|(w, _)| *w == text).map(|(_, t)| *t)
}

fn listed<'d, T>(node: Node<'d>, key: &str, read: fn(Node<'d>) -> Option<T>) -> Listed<T> {
    match node.get(key) {
        None => Listed::default(),
        Some(value) if is_parameter(value) => match text_of(value) {
            Some(text) => Listed::Parameter(text),
            None => Listed::default(),
        },
        Some(value) => Listed::Items(value.items().filter_map(read).collect()),
    }
}

fn when(node: Node<'_>) -> Option<When> {
    node.get("when").map(condition)
}

fn condition(node: Node<'_>) -> When {
    When {
        span: node.span(),
        toggle: text(node, "toggle"),
        platform: text(node, "platform"),
        cni: texts(node, "cni"),
        parameter: text(node, "parameter"),
        not: node.get("not").map(|inner| Box::new(condition(inner))),
    }
}

fn set_by(node: Node<'_>) -> Option<SetBy> {
    Some(SetBy {
        when: when(node),
        kind: string(node, "kind")?,
        name: string(node, "name")?,
        object: string(node, "object"),
        note: string(node, "note"),
    })
}

const TYPES: &[(&str, ParameterType)] = &[
    ("Port", ParameterType::Port),
    ("Namespace", ParameterType::Namespace),
    ("String", ParameterType::String),
    ("StringList", ParameterType::StringList),
    ("CIDRList", ParameterType::CidrList),
    ("PeerList", ParameterType::PeerList),
    ("SecretRef", ParameterType::SecretRef),
    ("SecretRefList", ParameterType::SecretRefList),
    ("Bool", ParameterType::Bool),
];

fn parameter(node: Node<'_>) -> Option<Parameter> {
    let kind = word(node, "type", TYPES)?;
    let default = node.get("default").map(|v| parameter_value(v, kind));
    let required = node.get("required").and_then(Node::as_bool);
    Some(Parameter {
        span: node.span(),
        name: text(node, "name")?,
        kind,
        required: required.unwrap_or(default.is_none()),
        default,
        user_supplied: flag(node, "userSupplied"),
        placeholder: node.get("placeholder").map(|v| parameter_value(v, kind)),
        each: flag(node, "each"),
        description: string(node, "description"),
        set_by: each(node, "setBy", set_by),
    })
}

fn parameter_value(node: Node<'_>, kind: ParameterType) -> ParameterValue {
    match kind {
        ParameterType::PeerList => ParameterValue::Peers(node.items().filter_map(peer).collect()),
        ParameterType::StringList | ParameterType::CidrList | ParameterType::SecretRefList => {
            let one = node.text().map(str::to_owned);
            let items = node.items().filter_map(|i| i.text().map(str::to_owned));
            ParameterValue::List(one.into_iter().chain(items).collect())
        }
        _ => ParameterValue::Text(node.text().unwrap_or_default().to_owned()),
    }
}

fn toggle(node: Node<'_>) -> Option<Toggle> {
    Some(Toggle {
        span: node.span(),
        name: text(node, "name")?,
        default: node.get("default")?.as_bool()?,
        reason: string(node, "reason")?,
        restart: node
            .get("onEnable")
            .is_some_and(|o| o.get("restart").is_some()),
        set_by: each(node, "setBy", set_by),
    })
}

fn platform(node: Node<'_>) -> Option<Platform> {
    Some(Platform {
        span: node.span(),
        name: text(node, "name")?,
        api_group: node.get("detect").and_then(|d| string(d, "apiGroup")),
        dns: node.get("dns").and_then(dns),
    })
}

fn dns(node: Node<'_>) -> Option<Dns> {
    Some(Dns {
        namespace: text(node, "namespace")?,
        pods: node.get("podSelector").map(selector).unwrap_or_default(),
        ports: each(node, "ports", port),
    })
}

fn requires(node: Node<'_>) -> Option<Requires> {
    Some(Requires {
        span: node.span(),
        when: when(node),
        capability: string(node, "capability")?,
        min: string(node, "min"),
        reason: string(node, "reason")?,
    })
}

const MTLS: &[(&str, MtlsMode)] = &[
    ("Disable", MtlsMode::Disable),
    ("Permissive", MtlsMode::Permissive),
    ("Strict", MtlsMode::Strict),
];

fn istio(node: Node<'_>) -> Istio {
    let default = Istio::default();
    Istio {
        root_namespace: string(node, "rootNamespace").unwrap_or(default.root_namespace),
        trust_domain: string(node, "trustDomain").unwrap_or(default.trust_domain),
        mode: word(node, "meshPeerAuthentication", MTLS),
        auto_mtls: node.get("autoMtls").and_then(Node::as_bool).unwrap_or(true),
    }
}

fn selector(node: Node<'_>) -> Selector {
    let labels = node.get("matchLabels").into_iter().flat_map(Node::entries);
    Selector {
        span: Some(node.span()),
        labels: labels
            .filter_map(|(key, value)| {
                let key = Spanned {
                    value: key.text.to_owned(),
                    span: key.span,
                };
                Some((key, text_of(value)?))
            })
            .collect(),
        expressions: each(node, "matchExpressions", expression),
    }
}

fn expression(node: Node<'_>) -> Option<Expression> {
    Some(Expression {
        span: node.span(),
        key: text(node, "key")?,
        operator: string(node, "operator")?,
        values: texts(node, "values"),
    })
}

const ISOLATION: &[(&str, IsolationWord)] = &[
    ("None", IsolationWord::None),
    ("Component", IsolationWord::Component),
    ("Namespace", IsolationWord::Namespace),
];

fn isolation(node: Node<'_>) -> Isolation {
    Isolation {
        span: Some(node.span()),
        ingress: word(node, "ingress", ISOLATION).unwrap_or_default(),
        egress: word(node, "egress", ISOLATION).unwrap_or_default(),
        overrides: each(node, "overrides", |o| {
            Some(IsolationOverride {
                when: when(o)?,
                ingress: word(o, "ingress", ISOLATION),
                egress: word(o, "egress", ISOLATION),
            })
        }),
    }
}

const MODES: &[(&str, MeshMode)] = &[("None", MeshMode::None), ("Sidecar", MeshMode::Sidecar)];
const OUTBOUND: &[(&str, OutboundMode)] = &[
    ("AllowAny", OutboundMode::AllowAny),
    ("RegistryOnly", OutboundMode::RegistryOnly),
];

fn mesh(node: Node<'_>) -> Mesh {
    Mesh {
        span: node.span(),
        when: when(node),
        mode: word(node, "mode", MODES).unwrap_or_default(),
        mtls: word(node, "mtls", MTLS),
        outbound: word(node, "outbound", OUTBOUND),
        inject: node.get("inject").is_some(),
        overrides: each(node, "overrides", |o| {
            Some(MeshOverride {
                when: when(o)?,
                mode: word(o, "mode", MODES),
                mtls: word(o, "mtls", MTLS),
                outbound: word(o, "outbound", OUTBOUND),
            })
        }),
    }
}

fn zone(node: Node<'_>) -> Option<Zone> {
    let kinds = &[
        ("External", ZoneKind::External),
        ("Apps", ZoneKind::Apps),
        ("System", ZoneKind::System),
    ];
    let namespaces = node.get("namespaces");
    Some(Zone {
        span: node.span(),
        name: text(node, "name")?,
        title: string(node, "title"),
        kind: word(node, "kind", kinds)?,
        namespaces: namespaces
            .map(|n| Namespaces {
                names: listed(n, "names", text_of),
                selector: n.get("selector").map(selector),
            })
            .unwrap_or_default(),
        isolation: node.get("isolation").map(isolation).unwrap_or_default(),
        mesh: node.get("mesh").map(mesh),
        implied: texts(node, "implied"),
    })
}

fn number_of(node: Node<'_>) -> Option<Number> {
    if is_parameter(node) {
        return text_of(node).map(Number::Parameter);
    }
    u16::try_from(node.as_int()?).ok().map(Number::Is)
}

fn number(node: Node<'_>, key: &str) -> Option<Number> {
    number_of(node.get(key)?)
}

const PROTOCOLS: &[(&str, Protocol)] = &[
    ("TCP", Protocol::Tcp),
    ("UDP", Protocol::Udp),
    ("SCTP", Protocol::Sctp),
];

fn port(node: Node<'_>) -> Option<Port> {
    Some(Port {
        span: node.span(),
        name: text(node, "name"),
        port: number(node, "port"),
        end_port: number(node, "endPort"),
        protocol: word(node, "protocol", PROTOCOLS).unwrap_or(Protocol::Tcp),
    })
}

fn flow_port(node: Node<'_>) -> Option<FlowPort> {
    if node.get("port").is_some() || node.get("protocol").is_some() || node.get("name").is_some() {
        return port(node).map(FlowPort::Port);
    }
    if let Some(number) = number_of(node) {
        return Some(FlowPort::Port(Port {
            span: node.span(),
            name: None,
            port: Some(number),
            end_port: None,
            protocol: Protocol::Tcp,
        }));
    }
    text_of(node).map(FlowPort::Declared)
}

fn peer(node: Node<'_>) -> Option<Peer> {
    Some(Peer {
        span: Some(node.span()),
        cidr: text(node, "cidr"),
        except: texts(node, "except"),
        namespace: text(node, "namespace"),
        namespace_selector: node.get("namespaceSelector").map(selector),
        pod_selector: node.get("podSelector").map(selector),
    })
}

fn variant(node: Node<'_>) -> Option<Variant> {
    let fidelity = &[
        ("Exact", FidelityWord::Exact),
        ("Wider", FidelityWord::Wider),
        ("Narrower", FidelityWord::Narrower),
    ];
    Some(Variant {
        span: node.span(),
        when: when(node),
        any: flag(node, "any"),
        cidrs: listed(node, "cidrs", text_of),
        peers: listed(node, "peers", peer),
        namespace_selector: node.get("namespaceSelector").map(selector),
        fidelity: word(node, "fidelity", fidelity),
        note: string(node, "note"),
    })
}

fn endpoint(node: Node<'_>) -> Option<Endpoint> {
    let kinds = &[
        ("Any", EndpointKind::Any),
        ("CIDR", EndpointKind::Cidr),
        ("Hosts", EndpointKind::Hosts),
        ("KubeAPIServer", EndpointKind::KubeApiServer),
        ("Kubelet", EndpointKind::Kubelet),
        ("Node", EndpointKind::Node),
        ("DNS", EndpointKind::Dns),
        ("Peers", EndpointKind::Peers),
    ];
    Some(Endpoint {
        span: node.span(),
        when: when(node),
        name: text(node, "name")?,
        zone: text(node, "zone"),
        kind: word(node, "kind", kinds)?,
        cidrs: listed(node, "cidrs", text_of),
        hosts: listed(node, "hosts", text_of),
        port: number(node, "port"),
        peers: listed(node, "peers", peer),
        ca_bundle: text(node, "caBundle"),
        docs: string(node, "docs"),
        variants: each(node, "variants", variant),
    })
}

fn component_port(node: Node<'_>) -> Option<ComponentPort> {
    let credentials = match text(node, "credential") {
        Some(one) => Listed::Items(vec![one]),
        None => listed(node, "credentials", text_of),
    };
    Some(ComponentPort {
        span: node.span(),
        name: text(node, "name")?,
        port: number(node, "port")?,
        end_port: number(node, "endPort"),
        protocol: word(node, "protocol", PROTOCOLS).unwrap_or(Protocol::Tcp),
        tls: node.get("serves").is_some(),
        mesh_bypass: flag(node, "meshBypass"),
        credentials,
        hosts: listed(node, "hosts", text_of),
    })
}

fn accepts(node: Node<'_>) -> Option<Accepts> {
    ["zone", "component", "endpoint"]
        .into_iter()
        .find_map(|kind| {
            let name = text(node, kind)?;
            Some(Accepts { kind, name })
        })
}

fn component(node: Node<'_>) -> Option<Component> {
    let docs = node.get("docs");
    Some(Component {
        span: node.span(),
        when: when(node),
        name: text(node, "name")?,
        title: string(node, "title"),
        zone: text(node, "zone")?,
        namespace: text(node, "namespace")?,
        selector: node.get("podSelector").map(selector)?,
        service_account: text(node, "serviceAccount"),
        gateway: node.get("role").is_some(),
        open: flag(node, "open"),
        ports: each(node, "ports", component_port),
        policies: node.get("policies").and_then(when),
        accepts_from: node
            .get("acceptsFrom")
            .map(|list| list.items().filter_map(accepts).collect()),
        isolation: node.get("isolation").map(isolation),
        mesh: node.get("mesh").map(mesh),
        docs: docs
            .map(|d| ComponentDocs {
                inbound_title: string(d, "inboundTitle"),
                outbound_title: string(d, "outboundTitle"),
                notes: strings(d, "notes"),
            })
            .unwrap_or_default(),
    })
}

const REQUIREMENTS: &[(&str, Requirement)] = &[
    ("None", Requirement::None),
    ("TLS", Requirement::Tls),
    ("MTLS", Requirement::Mtls),
    ("MeshMTLS", Requirement::MeshMtls),
];

fn encryption(node: Node<'_>) -> Option<Encryption> {
    let node = node.get("encryption")?;
    Some(Encryption {
        span: node.span(),
        require: word(node, "require", REQUIREMENTS)?,
        reason: string(node, "reason"),
    })
}

const POSTURES: &[(&str, CellPosture)] = &[
    ("NotApplicable", CellPosture::NotApplicable),
    ("Deny", CellPosture::Deny),
    ("Listed", CellPosture::Listed),
    ("Allow", CellPosture::Allow),
];

fn cell(node: Node<'_>) -> Option<Cell> {
    Some(Cell {
        span: node.span(),
        when: when(node),
        from: text(node, "from")?,
        to: text(node, "to")?,
        posture: word(node, "posture", POSTURES)?,
        encryption: encryption(node),
        hops: each(node, "hops", |h| {
            Some(CellHop {
                at: text(h, "at"),
                require: word(h, "require", REQUIREMENTS)?,
                credential: text(h, "credential"),
            })
        }),
        mechanism: string(node, "mechanism"),
        footnotes: each(node, "footnotes", |f| {
            Some((f.get("id")?.as_int()?, string(f, "text")?))
        }),
        overrides: each(node, "overrides", |o| {
            Some(CellOverride {
                when: when(o)?,
                posture: word(o, "posture", POSTURES),
                encryption: encryption(o),
                mechanism: string(o, "mechanism"),
            })
        }),
    })
}

fn flow(node: Node<'_>) -> Option<Flow> {
    let ports = node.get("ports")?;
    let halves = node.get("enforce").map(|_| strings(node, "enforce"));
    let claims = |half: &str| halves.as_ref().is_none_or(|h| h.iter().any(|w| w == half));
    let docs = node.get("docs");
    Some(Flow {
        span: node.span(),
        when: when(node),
        id: text(node, "id")?,
        from: texts(node, "from"),
        to: texts(node, "to"),
        via: text(node, "via"),
        ports: match ports.text() {
            Some(_) => FlowPorts::All,
            None => FlowPorts::Items(ports.items().filter_map(flow_port).collect()),
        },
        reason: text(node, "reason")?,
        ingress: claims("Ingress"),
        egress: claims("Egress"),
        encryption: encryption(node),
        http: node
            .get("http")
            .map(|h| (strings(h, "methods"), strings(h, "paths"))),
        docs: docs
            .map(|d| FlowDocs {
                peer: string(d, "peer"),
                pod_label: string(d, "podLabel"),
                enabled: string(d, "enabled"),
            })
            .unwrap_or_default(),
    })
}

fn exception(node: Node<'_>) -> Option<Exception> {
    Some(Exception {
        span: node.span(),
        when: when(node),
        id: text(node, "id")?,
        flow: text(node, "flow")?,
        owner: string(node, "owner")?,
        expires: node
            .get("expires")
            .and_then(|e| e.text())
            .map(str::to_owned),
        reason: string(node, "reason")?,
    })
}

//! `v1 Service`: which pods stand behind which ports.

use super::{Kind, Part};
use crate::codes;
use crate::head::{Head, required_map};
use crate::labels::labels;
use crate::names::{NameRule, is_label};
use crate::objects::Add;
use crate::ports::{self, PortRef};
use crate::words::choice;
use palisade_diagnostics::{Diagnostic, Span};
use palisade_netmodel::{Labels, Service, ServicePort, TargetPort};
use palisade_yaml::{Fields, Node};
use std::collections::BTreeSet;

/// The kind.
pub(super) const KIND: Kind = Kind {
    name: "Service",
    group: "",
    versions: &["v1"],
    namespaced: true,
    part: Part::Workloads,
    names: NameRule::Service,
    read,
};

/// Fields of the spec without meaning here.
const IGNORED: &[&str] = &[
    "allocateLoadBalancerNodePorts",
    "clusterIPs",
    "externalIPs",
    "externalName",
    "externalTrafficPolicy",
    "healthCheckNodePort",
    "internalTrafficPolicy",
    "ipFamilies",
    "ipFamilyPolicy",
    "loadBalancerClass",
    "loadBalancerIP",
    "loadBalancerSourceRanges",
    "publishNotReadyAddresses",
    "sessionAffinity",
    "sessionAffinityConfig",
    "topologyKeys",
    "trafficDistribution",
];

/// `spec.type`; true for the type that is only a name.
const TYPES: &[(&str, bool)] = &[
    ("ClusterIP", false),
    ("NodePort", false),
    ("LoadBalancer", false),
    ("ExternalName", true),
];

fn read(head: &Head, fields: &mut Fields<'_>, out: &mut Vec<Diagnostic>) -> Option<Add> {
    let mut spec = required_map(fields, "spec", "the spec of a Service", out)?;
    let external = choice(&mut spec, "type", "a type of Service", TYPES, out) == Some(true);
    let headless = spec
        .string("clusterIP", out)
        .is_some_and(|address| address.value == "None");
    let selector = labels(&mut spec, "selector", out);
    let nodes = spec.list("ports", out);
    if nodes.is_empty() && !headless && !external {
        out.push(
            Diagnostic::error(codes::NO_PORTS, "a Service without ports")
                .at(spec.span(), "`ports` is missing or empty")
                .help("add `ports`, or `clusterIP: None` for a Service that is only a name"),
        );
    }
    let several = nodes.len() > 1;
    let ports: Vec<(Span, ServicePort)> = nodes
        .into_iter()
        .filter_map(|node| Some((node.span(), port(node, several, out)?)))
        .collect();
    check_unique(&ports, out);
    spec.ignore(IGNORED);
    spec.finish(out);
    fields.ignore(&["status"]);
    let service = Service {
        origin: head.origin(),
        object: head.object.clone(),
        selector: if external {
            Labels::default()
        } else {
            selector
        },
        headless,
        ports: ports.into_iter().map(|(_, port)| port).collect(),
    };
    Some(Box::new(move |objects| objects.services.push(service)))
}

fn port(node: Node<'_>, several: bool, out: &mut Vec<Diagnostic>) -> Option<ServicePort> {
    let mut fields = Fields::of(node, "a port of a Service", out)?;
    let name = fields.string("name", out).filter(|n| !n.value.is_empty());
    let number = ports::required_number(&mut fields, "port", out);
    let protocol = ports::protocol(&mut fields, out);
    let target = fields
        .node("targetPort")
        .map(|node| ports::number_or_name(node, out));
    let app_protocol = fields.string("appProtocol", out).map(|word| word.value);
    let node_port = fields.node("nodePort");
    if node_port.is_some_and(|node| node.as_int() != Some(0)) {
        ports::number_at(&mut fields, "nodePort", out);
    }
    fields.finish(out);
    check_port_name(
        name.as_ref().map(|n| (n.value.as_str(), n.span)),
        node,
        several,
        out,
    );
    let port = number?;
    Some(ServicePort {
        name: name.map(|name| name.value).unwrap_or_default(),
        protocol: protocol?,
        port,
        target: match target {
            None => TargetPort::Number(port),
            Some(target) => match target? {
                PortRef::Number(number) => TargetPort::Number(number),
                PortRef::Name(name) => TargetPort::Name(name),
            },
        },
        app_protocol,
    })
}

fn check_port_name(
    name: Option<(&str, Span)>,
    node: Node<'_>,
    several: bool,
    out: &mut Vec<Diagnostic>,
) {
    match name {
        None if several => out.push(
            Diagnostic::error(codes::UNNAMED_PORT, "a port without a name beside others")
                .at(node.span(), "a Service with several ports names each")
                .help("add `name`"),
        ),
        Some((name, span)) if !is_label(name) => out.push(
            Diagnostic::error(
                codes::BAD_PORT_NAME,
                format!("{name:?} cannot be the name of a port of a Service"),
            )
            .at(span, "at most 63 lower case letters, digits and `-`")
            .help("choose a name of that form"),
        ),
        _ => {}
    }
}

/// Names, and pairs of protocol and port, occur once.
fn check_unique(ports: &[(Span, ServicePort)], out: &mut Vec<Diagnostic>) {
    let mut names = BTreeSet::new();
    let mut numbers = BTreeSet::new();
    for (span, port) in ports {
        let what = if !port.name.is_empty() && !names.insert(port.name.as_str()) {
            format!("the name {}", port.name)
        } else if !numbers.insert((port.protocol, port.port)) {
            format!("port {}/{}", port.port, port.protocol)
        } else {
            continue;
        };
        out.push(
            Diagnostic::error(
                codes::DUPLICATE_PORT,
                format!("two ports of a Service have {what}"),
            )
            .at(*span, "already used by an earlier port")
            .help("remove one of the two, or change it"),
        );
    }
}

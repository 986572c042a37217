//! `v1 Service`: which pods stand behind which ports, and who outside gets there.

use super::{Kind, Part};
use crate::head::{Head, required_map};
use crate::labels::labels;
use crate::names::{NameRule, is_label};
use crate::objects::Add;
use crate::ports::{self, PortRef};
use crate::words::choice;
use crate::{cidr, codes};
use palisade_diagnostics::{Diagnostic, Span};
use palisade_netmodel::{Labels, Publication, Service, ServicePort, ServiceType, TargetPort};
use palisade_yaml::{Fields, Node, Spanned};
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
    "clusterIPs",
    "healthCheckNodePort",
    "internalTrafficPolicy",
    "ipFamilies",
    "ipFamilyPolicy",
    "loadBalancerClass",
    "loadBalancerIP",
    "publishNotReadyAddresses",
    "sessionAffinity",
    "sessionAffinityConfig",
    "topologyKeys",
    "trafficDistribution",
];

/// `spec.type`.
const TYPES: &[(&str, ServiceType)] = &[
    ("ClusterIP", ServiceType::ClusterIp),
    ("NodePort", ServiceType::NodePort),
    ("LoadBalancer", ServiceType::LoadBalancer),
    ("ExternalName", ServiceType::ExternalName),
];

/// `externalTrafficPolicy`; true for the one that keeps the client's address.
const TRAFFIC: &[(&str, bool)] = &[("Cluster", false), ("Local", true)];

fn read(head: &Head, fields: &mut Fields<'_>, out: &mut Vec<Diagnostic>) -> Option<Add> {
    let mut spec = required_map(fields, "spec", "the spec of a Service", out)?;
    let kind = choice(&mut spec, "type", "a type of Service", TYPES, out).unwrap_or_default();
    let external = kind == ServiceType::ExternalName;
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
    let mut publication = publication(kind, &mut spec, out);
    spec.ignore(IGNORED);
    spec.finish(out);
    if let Some(status) = fields.node("status") {
        publication.balancer = balancer(status);
    }
    let service = Service {
        origin: head.origin(),
        object: head.object.clone(),
        labels: head.labels.clone(),
        selector: if external {
            Labels::default()
        } else {
            selector
        },
        headless,
        ports: ports.into_iter().map(|(_, port)| port).collect(),
        publication,
    };
    Some(Box::new(move |objects| objects.services.push(service)))
}

fn publication(kind: ServiceType, spec: &mut Fields<'_>, out: &mut Vec<Diagnostic>) -> Publication {
    let what = "a policy for external traffic";
    let local = choice(spec, "externalTrafficPolicy", what, TRAFFIC, out);
    let allocate = spec.bool("allocateLoadBalancerNodePorts", out);
    let name = spec.string("externalName", out);
    let mut found = Publication {
        kind,
        local: local == Some(true),
        without_node_ports: allocate.is_some_and(|allocate| !allocate.value),
        external_name: name.map(|name| name.value).filter(|name| !name.is_empty()),
        ..Publication::default()
    };
    for text in spec.strings("externalIPs", out) {
        match text.value.parse() {
            Ok(address) => found.external_addresses.push(address),
            Err(_) => out.push(
                Diagnostic::error(
                    codes::BAD_ADDRESS,
                    format!("{:?} is not an IP address", text.value),
                )
                .at(text.span, "an IPv4 or IPv6 address")
                .help("write it as `10.0.0.1` or `2001:db8::1`"),
            ),
        }
    }
    for text in spec.strings("loadBalancerSourceRanges", out) {
        // The API server trims each range.
        let trimmed = Spanned {
            value: text.value.trim().to_owned(),
            span: text.span,
        };
        found.source_ranges.extend(cidr::read(&trimmed, out));
    }
    found
}

/// Addresses and names of the load balancer, as the cluster reports them.
fn balancer(status: Node<'_>) -> Vec<String> {
    let list = status.get("loadBalancer").and_then(|b| b.get("ingress"));
    let entries = list.into_iter().flat_map(|list| list.items());
    let text = |entry: Node<'_>, key| entry.get(key).and_then(|n| n.as_str().map(str::to_owned));
    entries
        .filter_map(|entry| text(entry, "ip").or_else(|| text(entry, "hostname")))
        .collect()
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
    let node_port = match node_port {
        Some(node) if node.as_int() != Some(0) => ports::number(node, out),
        _ => None,
    };
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
        node_port,
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

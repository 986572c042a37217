//! From flows, cells and implied flows to grants.

use super::environment::Environment;
use super::parties::{self, Named, find};
use crate::syntax::{Cell, Component, Flow, FlowPort, FlowPorts, Number, Port, Text, Zone};
use palisade_diagnostics::{Diagnostic, did_you_mean};
use palisade_netmodel::{
    CellPosture, Fidelity, Grant, Hop, MeshMode, NamespaceMatch, Origin, Party, Peer, Peers,
    PolicyPort, PortSet, Protocol, Requirement, Selector, always_bypassed,
};

/// Every grant, in the order of the text: flows, cells, implied flows.
pub(crate) fn all(environment: &Environment<'_>, out: &mut Vec<Diagnostic>) -> Vec<Grant> {
    let mut grants = Vec::new();
    for flow in &environment.matrix.flows {
        if environment.holds(flow.when.as_ref()) {
            of_flow(environment, flow, &mut grants, out);
        }
    }
    for cell in &environment.matrix.cells {
        grants.extend(of_cell(environment, cell));
    }
    for zone in &environment.matrix.zones {
        grants.extend(implied(environment, zone, out));
    }
    grants
}

fn of_flow(
    environment: &Environment<'_>,
    flow: &Flow,
    grants: &mut Vec<Grant>,
    out: &mut Vec<Diagnostic>,
) {
    for from in &flow.from {
        for to in &flow.to {
            let source = present(environment, flow, from, out);
            let destination = present(environment, flow, to, out);
            let (Some(source), Some(destination)) = (source, destination) else {
                continue;
            };
            ceiling(environment, flow, (from, to), out);
            match &flow.via {
                None => {
                    let encryption = requirement(environment, flow, (from, to));
                    let ports = ports(environment, flow, to, out);
                    grants.push(Grant {
                        ports: ports.map(|list| seen_by_proxy(list, encryption)),
                        encryption,
                        ..base(environment, flow, source, destination)
                    });
                }
                Some(gateway) => {
                    let ends = (source, destination);
                    grants.extend(two_hops(environment, flow, (from, to, gateway), ends, out));
                }
            }
        }
    }
}

/// The party of a name. A flow must not use a component that is absent here.
fn present(
    environment: &Environment<'_>,
    flow: &Flow,
    name: &Text,
    out: &mut Vec<Diagnostic>,
) -> Option<Party> {
    let party = parties::party(environment, name, out);
    if party.is_none() && find(environment, &name.value).is_some() {
        out.push(
            Diagnostic::error(
                "PAL0225",
                format!(
                    "flow `{}` uses `{}`, which is absent here",
                    flow.id.value, name.value
                ),
            )
            .at(name.span, "its `when` does not hold in this variant")
            .help("give the flow the same `when`"),
        );
    }
    party
}

fn base(environment: &Environment<'_>, flow: &Flow, from: Party, to: Party) -> Grant {
    Grant {
        origin: Origin(Some(flow.id.span)),
        id: flow.id.value.clone(),
        reason: environment.text(&flow.reason),
        from,
        to,
        ports: None,
        ingress: flow.ingress,
        egress: flow.egress,
        encryption: Requirement::None,
        exception: exception(environment, flow),
        hop: Hop::Direct,
        http: flow.http.clone(),
        implied: false,
    }
}

fn exception(environment: &Environment<'_>, flow: &Flow) -> Option<String> {
    let found = environment
        .matrix
        .exceptions
        .iter()
        .find(|e| e.flow.value == flow.id.value && environment.holds(e.when.as_ref()))?;
    let until = found
        .expires
        .as_ref()
        .map_or_else(String::new, |e| format!(", until {e}"));
    Some(format!(
        "{} (owner {}{until}): {}",
        found.id.value, found.owner, found.reason
    ))
}

/// The cell between the zones of two names, its overrides applied.
fn cell<'m>(
    environment: &Environment<'m>,
    from: &Named<'_>,
    to: &Named<'_>,
) -> Option<(&'m Cell, CellPosture, Option<Requirement>)> {
    let (from, to) = (from.zone()?, to.zone()?);
    let cell = environment
        .matrix
        .cells
        .iter()
        .filter(|c| environment.holds(c.when.as_ref()))
        .find(|c| c.from.value == from && c.to.value == to)?;
    let (posture, required) = effective(environment, cell);
    Some((cell, posture, required))
}

/// Posture and encryption of a cell.
pub(crate) fn effective(
    environment: &Environment<'_>,
    cell: &Cell,
) -> (CellPosture, Option<Requirement>) {
    let mut posture = cell.posture;
    let mut required = cell.encryption.as_ref().map(|e| e.require);
    for o in &cell.overrides {
        if environment.holds(Some(&o.when)) {
            posture = o.posture.unwrap_or(posture);
            required = o.encryption.as_ref().map(|e| e.require).or(required);
        }
    }
    (posture, required)
}

/// What a flow demands: its own word, else the cell's.
fn requirement(
    environment: &Environment<'_>,
    flow: &Flow,
    (from, to): (&Text, &Text),
) -> Requirement {
    if let Some(own) = &flow.encryption {
        return own.require;
    }
    let ends = find(environment, &from.value).zip(find(environment, &to.value));
    ends.and_then(|(from, to)| cell(environment, &from, &to)?.2)
        .unwrap_or_default()
}

/// A cell is an upper bound; `acceptsFrom` is the destination's word.
fn ceiling(
    environment: &Environment<'_>,
    flow: &Flow,
    (from, to): (&Text, &Text),
    out: &mut Vec<Diagnostic>,
) {
    let ends = find(environment, &from.value).zip(find(environment, &to.value));
    let Some((source, destination)) = ends else {
        return;
    };
    let found = cell(environment, &source, &destination);
    if let Some((cell, posture, required)) = found {
        if matches!(posture, CellPosture::Deny | CellPosture::NotApplicable) {
            out.push(
                Diagnostic::error(
                    "PAL0220",
                    format!("flow `{}` is not admitted by its cell", flow.id.value),
                )
                .at(flow.id.span, "this flow")
                .at(cell.span, format!("the cell says {posture:?} here"))
                .help("change the posture of the cell to Listed, or remove the flow"),
            );
        }
        let own = flow.encryption.as_ref();
        let weaker = own.zip(required).filter(|(own, r)| own.require < *r);
        if let Some((own, required)) = weaker
            && exception(environment, flow).is_none()
        {
            out.push(
                Diagnostic::error(
                    "PAL0221",
                    format!(
                        "flow `{}` demands {}, its cell at least {required}",
                        flow.id.value, own.require
                    ),
                )
                .at(own.span, "demanded here")
                .at(cell.span, "by this cell")
                .help("demand more, or add an exception for the flow with owner and reason"),
            );
        }
    }
    if let Named::Component(component) = &destination {
        accepted(flow, (from, &source), component, out);
    }
}

fn accepted(
    flow: &Flow,
    (name, source): (&Text, &Named<'_>),
    component: &Component,
    out: &mut Vec<Diagnostic>,
) {
    let Some(list) = &component.accepts_from else {
        return;
    };
    let admitted = list.iter().any(|a| match a.kind {
        "zone" => source.zone() == Some(a.name.value.as_str()),
        _ => a.name.value == name.value,
    });
    if !admitted {
        out.push(
            Diagnostic::error(
                "PAL0222",
                format!(
                    "component `{}` does not accept flow `{}` from `{}`",
                    component.name.value, flow.id.value, name.value
                ),
            )
            .at(name.span, "this source")
            .at(component.name.span, "its `acceptsFrom` does not list it")
            .help("add it to `acceptsFrom` of the component, or remove the flow"),
        );
    }
}

/// A flow through a gateway: source to gateway on the gateway's TLS ports, gateway to destination.
fn two_hops(
    environment: &Environment<'_>,
    flow: &Flow,
    (from, to, via): (&Text, &Text, &Text),
    (source, destination): (Party, Party),
    out: &mut Vec<Diagnostic>,
) -> Vec<Grant> {
    let Some(Named::Component(gateway)) = find(environment, &via.value) else {
        return Vec::new();
    };
    let Some(middle) = present(environment, flow, via, out) else {
        return Vec::new();
    };
    let ends = find(environment, &from.value).zip(find(environment, &to.value));
    let hops = ends
        .and_then(|(f, t)| Some(cell(environment, &f, &t)?.0.hops.clone()))
        .unwrap_or_default();
    let at_gateway = hops
        .iter()
        .find(|h| h.at.as_ref().is_some_and(|a| a.value == via.value));
    let last = hops.iter().find(|h| h.at.is_none());
    let listening: Vec<PolicyPort> = gateway
        .ports
        .iter()
        .filter(|p| p.tls || gateway.ports.iter().all(|p| !p.tls))
        .filter_map(|p| range(environment, &p.port, p.end_port.as_ref(), p.protocol, out))
        .collect();
    let to_gateway = Grant {
        ports: Some(listening),
        encryption: at_gateway.map_or(Requirement::Tls, |h| h.require),
        hop: Hop::ToGateway,
        ..base(environment, flow, source, middle.clone())
    };
    // The hop's word and the flow's (or the cell's) both count: the stronger one.
    let demanded = requirement(environment, flow, (from, to));
    let encryption = last.map_or(demanded, |hop| hop.require.max(demanded));
    let ports = ports(environment, flow, to, out);
    let from_gateway = Grant {
        ports: ports.map(|list| seen_by_proxy(list, encryption)),
        encryption,
        hop: Hop::FromGateway,
        ..base(environment, flow, middle, destination)
    };
    vec![to_gateway, from_gateway]
}

/// "All TCP ports" that must be mesh mTLS are those that a sidecar receives: its own ports 15020, 15021
/// and 15090 never pass through it.
fn seen_by_proxy(ports: Vec<PolicyPort>, required: Requirement) -> Vec<PolicyPort> {
    if required != Requirement::MeshMtls {
        return ports;
    }
    let whole = PolicyPort::Range {
        protocol: Protocol::Tcp,
        first: 1,
        last: u16::MAX,
    };
    let received = PortSet::protocol(Protocol::Tcp).difference(&always_bypassed());
    let ranges = received
        .ranges(Protocol::Tcp)
        .iter()
        .map(|(first, last)| PolicyPort::Range {
            protocol: Protocol::Tcp,
            first: *first,
            last: *last,
        });
    let ranges: Vec<PolicyPort> = ranges.collect();
    ports
        .into_iter()
        .flat_map(|port| {
            if port == whole {
                ranges.clone()
            } else {
                vec![port]
            }
        })
        .collect()
}

/// A flow's ports on one destination; `None` is all.
fn ports(
    environment: &Environment<'_>,
    flow: &Flow,
    to: &Text,
    out: &mut Vec<Diagnostic>,
) -> Option<Vec<PolicyPort>> {
    let FlowPorts::Items(items) = &flow.ports else {
        return None;
    };
    let mut list = Vec::new();
    for item in items {
        match item {
            FlowPort::Port(port) => list.extend(number_or_name(environment, port, out)),
            FlowPort::Declared(name) => list.extend(declared(environment, name, to, out)),
        }
    }
    Some(list)
}

fn declared(
    environment: &Environment<'_>,
    name: &Text,
    to: &Text,
    out: &mut Vec<Diagnostic>,
) -> Option<PolicyPort> {
    let Some(Named::Component(component)) = find(environment, &to.value) else {
        out.push(
            Diagnostic::error(
                "PAL0215",
                format!("`{}` has no named ports, only components do", to.value),
            )
            .at(name.span, "named here")
            .help("write {port: NUMBER, protocol: TCP}"),
        );
        return None;
    };
    match component.ports.iter().find(|p| p.name.value == name.value) {
        Some(port) => range(
            environment,
            &port.port,
            port.end_port.as_ref(),
            port.protocol,
            out,
        ),
        None => {
            let known: Vec<&str> = component
                .ports
                .iter()
                .map(|p| p.name.value.as_str())
                .collect();
            let mut diagnostic = Diagnostic::error(
                "PAL0214",
                format!("component `{}` has no port `{}`", to.value, name.value),
            )
            .at(name.span, "named here")
            .at(component.name.span, "this component");
            if let Some(near) = did_you_mean(&name.value, known.iter().copied()) {
                diagnostic = diagnostic.help(format!("did you mean `{near}`?"));
            }
            let known = if known.is_empty() {
                "it declares no port".to_owned()
            } else {
                format!("it has: {}", known.join(", "))
            };
            out.push(diagnostic.help(known));
            None
        }
    }
}

fn range(
    environment: &Environment<'_>,
    port: &Number,
    end_port: Option<&Number>,
    protocol: Protocol,
    out: &mut Vec<Diagnostic>,
) -> Option<PolicyPort> {
    let first = environment.number(port, out)?;
    let last = match end_port {
        Some(end) => environment.number(end, out)?,
        None => first,
    };
    if last < first {
        out.push(backwards(first, last, end_port));
        return None;
    }
    Some(PolicyPort::Range {
        protocol,
        first,
        last,
    })
}

/// A range that ends before it begins; swapping its ends would be a guess.
pub(crate) fn backwards(first: u16, last: u16, end_port: Option<&Number>) -> Diagnostic {
    let span = match end_port {
        Some(Number::Parameter(text)) => Some(text.span),
        _ => None,
    };
    Diagnostic::error("PAL0228", format!("ports {first} to {last} are no range"))
        .at_opt(span, "")
        .help("`endPort` is at least `port`")
}

fn number_or_name(
    environment: &Environment<'_>,
    port: &Port,
    out: &mut Vec<Diagnostic>,
) -> Option<PolicyPort> {
    if let Some(name) = &port.name {
        return Some(PolicyPort::Named {
            protocol: port.protocol,
            name: environment.text(name),
        });
    }
    match &port.port {
        Some(number) => range(
            environment,
            number,
            port.end_port.as_ref(),
            port.protocol,
            out,
        ),
        None => Some(PolicyPort::Range {
            protocol: port.protocol,
            first: 1,
            last: u16::MAX,
        }),
    }
}

/// A cell of posture Allow grants everything between its zones.
fn of_cell(environment: &Environment<'_>, cell: &Cell) -> Option<Grant> {
    if !environment.holds(cell.when.as_ref()) {
        return None;
    }
    let (posture, required) = effective(environment, cell);
    if posture != CellPosture::Allow {
        return None;
    }
    let zone = |name: &Text| match find(environment, &name.value)? {
        Named::Zone(zone) => Some(parties::of_zone(environment, zone)),
        _ => None,
    };
    Some(Grant {
        origin: Origin(Some(cell.span)),
        id: format!("cell/{}/{}", cell.from.value, cell.to.value),
        reason: cell
            .mechanism
            .clone()
            .unwrap_or_else(|| "everything is allowed between these zones".to_owned()),
        from: zone(&cell.from)?,
        to: zone(&cell.to)?,
        ports: None,
        ingress: true,
        egress: true,
        encryption: required.unwrap_or_default(),
        exception: None,
        hop: Hop::Direct,
        http: None,
        implied: false,
    })
}

/// What everything in a zone needs. Probes come from the node, which no policy can block.
fn implied(environment: &Environment<'_>, zone: &Zone, out: &mut Vec<Diagnostic>) -> Vec<Grant> {
    let mut grants = Vec::new();
    for word in &zone.implied {
        match word.value.as_str() {
            "DNS" => grants.push(dns(environment, zone, word, out)),
            "MeshControlPlane" => grants.extend(control_plane(environment, zone, word)),
            _ => {}
        }
    }
    grants
}

fn implied_grant(
    environment: &Environment<'_>,
    zone: &Zone,
    word: &Text,
    (id, reason): (&str, &str),
    (to, peer): (&str, Peer),
    ports: Vec<PolicyPort>,
) -> Grant {
    Grant {
        origin: Origin(Some(word.span)),
        id: format!("implied/{id}/{}", zone.name.value),
        reason: reason.to_owned(),
        from: parties::of_zone(environment, zone),
        to: Party {
            name: to.to_owned(),
            component: None,
            peers: Peers::List(vec![peer]),
            fidelity: Fidelity::Exact,
            hosts: Vec::new(),
        },
        ports: Some(ports),
        ingress: true,
        egress: true,
        encryption: Requirement::None,
        exception: None,
        hop: Hop::Direct,
        http: None,
        implied: true,
    }
}

fn dns(
    environment: &Environment<'_>,
    zone: &Zone,
    word: &Text,
    out: &mut Vec<Diagnostic>,
) -> Grant {
    let single = |protocol| PolicyPort::Range {
        protocol,
        first: 53,
        last: 53,
    };
    let mut ports = vec![single(Protocol::Udp), single(Protocol::Tcp)];
    let more = environment.platform.and_then(|p| p.dns.as_ref());
    for port in more.into_iter().flat_map(|dns| &dns.ports) {
        ports.extend(number_or_name(environment, port, out));
    }
    implied_grant(
        environment,
        zone,
        word,
        ("dns", "Name resolution"),
        ("cluster DNS", parties::dns(environment)),
        ports,
    )
}

fn control_plane(environment: &Environment<'_>, zone: &Zone, word: &Text) -> Option<Grant> {
    let in_mesh = |mesh: Option<&crate::syntax::Mesh>| {
        super::mesh(environment, mesh).is_some_and(|m| m.mode == MeshMode::Sidecar)
    };
    let component = |c: &Component| c.zone.value == zone.name.value && in_mesh(c.mesh.as_ref());
    if !in_mesh(zone.mesh.as_ref()) && !environment.matrix.components.iter().any(component) {
        return None;
    }
    let root = environment.matrix.istio.root_namespace.clone();
    let peer = Peer::Pods {
        namespaces: NamespaceMatch::Named(root),
        pods: Selector::of([("app", "istiod")]),
    };
    let port = PolicyPort::Range {
        protocol: Protocol::Tcp,
        first: 15012,
        last: 15012,
    };
    Some(implied_grant(
        environment,
        zone,
        word,
        (
            "mesh-control-plane",
            "Sidecars get their configuration and certificates",
        ),
        ("istiod", peer),
        vec![port],
    ))
}

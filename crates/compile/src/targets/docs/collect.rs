//! From a matrix and one of its resolutions to what the documents say. Flows, components and toggles
//! keep the order in which their author wrote them.

use super::content::{
    CellEntry, ComponentEntry, Connection, Content, ParameterEntry, Side, ToggleEntry, ZoneEntry,
};
use super::words::{self, Enforced, Words};
use palisade_matrix::syntax::{Component, Flow, Matrix, ParameterType, Text, When};
use palisade_netmodel::{
    CellPosture, Direction, Grant, Hop, Intent, Peers, PolicyPort, Requirement,
};

/// Collects everything.
pub(crate) fn content(matrix: &Matrix, intent: &Intent) -> Content {
    let words = Words { matrix, intent };
    Content {
        title: intent.title.clone(),
        notes: matrix.introduction.iter().cloned().collect(),
        outbound_notes: outbound_notes(words),
        components: matrix
            .components
            .iter()
            .map(|c| component(words, c))
            .collect(),
        zones: zones(intent),
        cells: cells(matrix, intent),
        connections: matrix
            .flows
            .iter()
            .flat_map(|f| connections(words, f))
            .collect(),
        implied: intent
            .grants
            .iter()
            .filter(|g| g.implied)
            .map(|g| implied(intent, g))
            .collect(),
        toggles: toggles(matrix),
        parameters: parameters(matrix),
        resolution: intent.resolution.clone(),
    }
}

fn component(words: Words<'_>, component: &Component) -> ComponentEntry {
    let title = component.title.clone();
    let title = title.unwrap_or_else(|| component.name.value.clone());
    let docs = &component.docs;
    ComponentEntry {
        name: component.name.value.clone(),
        inbound_title: docs.inbound_title.clone().unwrap_or_else(|| title.clone()),
        outbound_title: docs.outbound_title.clone().unwrap_or(title),
        notes: docs.notes.clone(),
        off: if docs.notes.is_empty() {
            switched_off(words, component)
        } else {
            Vec::new()
        },
    }
}

/// How the policies of a component are left out.
fn switched_off(words: Words<'_>, component: &Component) -> Vec<String> {
    let Some(policies) = &component.policies else {
        return Vec::new();
    };
    let toggle = policies.toggle.as_ref().map(|t| &t.value);
    let toggle = words
        .matrix
        .toggles
        .iter()
        .find(|t| Some(&t.name.value) == toggle);
    let ways = toggle.map(|t| words::set_by(&t.set_by)).unwrap_or_default();
    if ways.is_empty() {
        return vec![format!(
            "The policy is written when {}.",
            words::when(policies)
        )];
    }
    vec![format!(
        "To leave this policy out, set {} to `false`.",
        ways.join(", or ")
    )]
}

/// What no default deny covers is said before the tables.
fn outbound_notes(words: Words<'_>) -> Vec<String> {
    let flows = words.matrix.flows.iter().filter(|f| f.egress).count();
    let components = &words.matrix.components;
    let each = components
        .iter()
        .map(|c| words.enforced(c, Direction::Egress));
    let each: Vec<Enforced> = each.collect();
    let always = each.contains(&Enforced::Always);
    if flows == 0 || always {
        return Vec::new();
    }
    let mut conditions: Vec<&String> = Vec::new();
    for enforced in &each {
        if let Enforced::When(text) = enforced
            && !conditions.contains(&text)
        {
            conditions.push(text);
        }
    }
    let mut note = "Egress policies are not added by default.".to_owned();
    for condition in conditions {
        note.push_str(&format!(" They are added when {condition}."));
    }
    vec![note]
}

fn zones(intent: &Intent) -> Vec<ZoneEntry> {
    let entry = |z: &palisade_netmodel::Zone| ZoneEntry {
        name: z.name.clone(),
        title: z.title.clone(),
    };
    intent.zones.iter().map(entry).collect()
}

fn cells(matrix: &Matrix, intent: &Intent) -> Vec<CellEntry> {
    intent
        .cells
        .iter()
        .map(|cell| {
            let written = matrix.cells.iter().find(|c| {
                c.from.value == cell.from && c.to.value == cell.to && cell.origin.0 == Some(c.span)
            });
            let footnotes = written.map(|c| c.footnotes.clone()).unwrap_or_default();
            let text = if cell.mechanism.is_empty() {
                posture(cell.posture, cell.encryption)
            } else {
                cell.mechanism.clone()
            };
            CellEntry {
                from: cell.from.clone(),
                to: cell.to.clone(),
                text,
                footnotes,
            }
        })
        .collect()
}

fn posture(posture: CellPosture, encryption: Requirement) -> String {
    let word = match posture {
        CellPosture::NotApplicable => return "N/A".to_owned(),
        CellPosture::Deny => return "Denied".to_owned(),
        CellPosture::Listed => "Listed flows",
        CellPosture::Allow => "Everything",
    };
    match encryption {
        Requirement::None => word.to_owned(),
        encryption => format!("{word}, {encryption}"),
    }
}

/// The rows of a flow: one for each source and destination, two if a gateway lies between.
fn connections(words: Words<'_>, flow: &Flow) -> Vec<Connection> {
    let mut out = Vec::new();
    for from in &flow.from {
        for to in &flow.to {
            match &flow.via {
                None => out.push(connection(words, flow, (from, to), Hop::Direct)),
                Some(gateway) => {
                    out.push(connection(words, flow, (from, gateway), Hop::ToGateway));
                    out.push(connection(words, flow, (gateway, to), Hop::FromGateway));
                }
            }
        }
    }
    out
}

fn connection(words: Words<'_>, flow: &Flow, (from, to): (&Text, &Text), hop: Hop) -> Connection {
    let grant = words.intent.grants.iter().find(|g| {
        g.id == flow.id.value && g.hop == hop && g.from.name == from.value && g.to.name == to.value
    });
    let (source, destination) = (find(words, from), find(words, to));
    let (protocol, port) = match (hop, grant) {
        (Hop::ToGateway, Some(grant)) => policy_ports(grant),
        (Hop::ToGateway, None) => ("TCP".to_owned(), String::new()),
        _ => words.ports(&flow.ports, destination),
    };
    let enabled = |component: Option<&Component>, direction| match &flow.docs.enabled {
        Some(text) => text.clone(),
        None => {
            let base = component.map_or(Enforced::Always, |c| words.enforced(c, direction));
            words::enabled(conditions(flow, source, destination), base)
        }
    };
    let required = flow.encryption.as_ref().map(|e| e.require);
    let encryption = grant.map(|g| g.encryption).or(required).unwrap_or_default();
    let (mut from, mut to) = (side(words, from), side(words, to));
    // The flow's own texts are about the far end: the destination, unless only the way in is written.
    let far = if flow.egress { &mut to } else { &mut from };
    if let Some(peer) = &flow.docs.peer {
        far.title.clone_from(peer);
    }
    if let Some(label) = &flow.docs.pod_label {
        far.pod_label.clone_from(label);
    }
    Connection {
        id: flow.id.value.clone(),
        from,
        to,
        protocol,
        port,
        reason: words.text(&flow.reason),
        enabled_inbound: enabled(destination, Direction::Ingress),
        enabled_outbound: enabled(source, Direction::Egress),
        enabled: words::enabled(conditions(flow, source, destination), Enforced::Always),
        encryption: encryption.to_string(),
        exception: grant.and_then(|g| g.exception.clone()).unwrap_or_default(),
        ingress: flow.ingress,
        egress: flow.egress,
    }
}

/// What the flow and its ends depend on.
fn conditions<'m>(
    flow: &'m Flow,
    from: Option<&'m Component>,
    to: Option<&'m Component>,
) -> Vec<&'m When> {
    let ends = [from, to].into_iter().flatten();
    let ends = ends.filter_map(|c| c.when.as_ref());
    flow.when.iter().chain(ends).collect()
}

fn find<'m>(words: Words<'m>, name: &Text) -> Option<&'m Component> {
    words
        .matrix
        .components
        .iter()
        .find(|c| c.name.value == name.value)
}

/// An end of a flow, as the other end's table shows it.
fn side(words: Words<'_>, name: &Text) -> Side {
    let mut out = Side {
        title: name.value.clone(),
        ..Side::default()
    };
    if let Some(component) = find(words, name) {
        let title = component.title.clone();
        out.title = title.unwrap_or_else(|| name.value.clone());
        let resolved = words
            .intent
            .components
            .iter()
            .find(|c| c.name == name.value);
        out.pod_label = resolved
            .map(|c| words::labels(&c.selector))
            .unwrap_or_default();
        out.components.push(name.value.clone());
    } else if let Some(endpoint) = words
        .matrix
        .endpoints
        .iter()
        .find(|e| e.name.value == name.value)
    {
        out.title = endpoint.docs.clone().unwrap_or_else(|| name.value.clone());
    } else if let Some(zone) = words
        .matrix
        .zones
        .iter()
        .find(|z| z.name.value == name.value)
    {
        let title = zone.title.as_ref().unwrap_or(&zone.name.value);
        out.title = format!("All pods of {title}");
        let own = words
            .matrix
            .components
            .iter()
            .filter(|c| c.zone.value == name.value);
        out.components.extend(own.map(|c| c.name.value.clone()));
    }
    out
}

/// Ports of a grant in words.
fn policy_ports(grant: &Grant) -> (String, String) {
    let Some(ports) = &grant.ports else {
        return ("All".to_owned(), "All".to_owned());
    };
    let mut protocols: Vec<String> = Vec::new();
    let mut numbers: Vec<String> = Vec::new();
    for port in ports {
        let (protocol, number) = match port {
            PolicyPort::Named { protocol, name } => (protocol, name.clone()),
            PolicyPort::Range {
                protocol,
                first,
                last,
            } if first == last => (protocol, first.to_string()),
            PolicyPort::Range {
                protocol,
                first,
                last,
            } => (protocol, format!("{first}-{last}")),
        };
        if !protocols.contains(&protocol.to_string()) {
            protocols.push(protocol.to_string());
        }
        if !numbers.contains(&number) {
            numbers.push(number);
        }
    }
    (protocols.join(", "), numbers.join(", "))
}

/// A connection that a zone has without naming it.
fn implied(intent: &Intent, grant: &Grant) -> Connection {
    let (protocol, port) = policy_ports(grant);
    let zone = intent.zones.iter().find(|z| z.name == grant.from.name);
    let from = zone.map_or(&grant.from.name, |z| &z.title);
    let label = match &grant.to.peers {
        Peers::List(peers) => peers.iter().find_map(|peer| match peer {
            palisade_netmodel::Peer::Pods { pods, .. } => Some(words::labels(pods)),
            palisade_netmodel::Peer::Block { .. } => None,
        }),
        Peers::Any => None,
    };
    Connection {
        id: grant.id.clone(),
        from: Side {
            title: format!("All pods of {from}"),
            ..Side::default()
        },
        to: Side {
            title: grant.to.name.clone(),
            pod_label: label.unwrap_or_default(),
            ..Side::default()
        },
        protocol,
        port,
        reason: grant.reason.clone(),
        ..Connection::default()
    }
}

fn toggles(matrix: &Matrix) -> Vec<ToggleEntry> {
    matrix
        .toggles
        .iter()
        .map(|toggle| ToggleEntry {
            name: toggle.name.value.clone(),
            default: toggle.default,
            reason: toggle.reason.clone(),
            set_by: words::set_by(&toggle.set_by),
            on_enable: if toggle.restart {
                "Restart the pods".to_owned()
            } else {
                String::new()
            },
        })
        .collect()
}

fn parameters(matrix: &Matrix) -> Vec<ParameterEntry> {
    matrix
        .parameters
        .iter()
        .map(|parameter| {
            let default = parameter.default.as_ref().and_then(words::value_words);
            let default = match default {
                Some(text) => text,
                None if parameter.user_supplied => "User Supplied".to_owned(),
                None if parameter.required => "Required".to_owned(),
                None => "None".to_owned(),
            };
            ParameterEntry {
                name: parameter.name.value.clone(),
                kind: kind(parameter.kind).to_owned(),
                default,
                description: parameter.description.clone().unwrap_or_default(),
                set_by: words::set_by(&parameter.set_by),
            }
        })
        .collect()
}

fn kind(kind: ParameterType) -> &'static str {
    match kind {
        ParameterType::Port => "Port",
        ParameterType::Namespace => "Namespace",
        ParameterType::String => "String",
        ParameterType::StringList => "StringList",
        ParameterType::CidrList => "CIDRList",
        ParameterType::PeerList => "PeerList",
        ParameterType::SecretRef => "SecretRef",
        ParameterType::SecretRefList => "SecretRefList",
        ParameterType::Bool => "Bool",
    }
}

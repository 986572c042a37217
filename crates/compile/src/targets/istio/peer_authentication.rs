//! What receivers accept: one explicit mode per namespace, and port exceptions where a declared caller
//! cannot speak mesh mTLS and the flow does not ask for it.

use super::{Caller, Mesh, SECURITY, TcpPorts, in_mesh, labels, tcp_ports};
use crate::Object;
use crate::artefacts::Header;
use crate::names;
use crate::rules::Style;
use crate::selectors::match_labels;
use palisade_diagnostics::Diagnostic;
use palisade_netmodel::{
    Component, Grant, MeshMode, MtlsMode, Protocol, Requirement, always_bypassed,
};
use palisade_yaml::Value;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn objects(mesh: &Mesh<'_>, out: &mut Vec<Diagnostic>) -> Vec<Object> {
    let mut objects: Vec<Object> = mesh
        .meshed_namespaces()
        .iter()
        .map(|(namespace, zones)| {
            let modes: BTreeSet<MtlsMode> = zones.iter().map(|z| z.mtls).collect();
            if modes.len() > 1 {
                out.push(two_modes(namespace, zones));
            }
            default_mode(mesh, namespace, modes.last().copied().unwrap_or_default())
        })
        .collect();
    for component in sorted(mesh) {
        objects.extend(exceptions(mesh, component, out));
    }
    objects
}

fn sorted<'a>(mesh: &Mesh<'a>) -> Vec<&'a Component> {
    let all = mesh.intent.components.iter();
    let mut own: Vec<&Component> = all.filter(|c| in_mesh(c) && !c.gateway).collect();
    own.sort_by(|a, b| a.name.cmp(&b.name));
    own
}

fn two_modes(namespace: &str, zones: &[&palisade_netmodel::Zone]) -> Diagnostic {
    let mut diagnostic = Diagnostic::warning(
        "PAL0405",
        format!("zones ask for different mTLS modes in namespace `{namespace}`"),
    );
    for zone in zones {
        let text = format!("zone `{}` asks for {}", zone.name, zone.mtls);
        diagnostic = diagnostic.at_opt(zone.origin.0, text);
    }
    diagnostic
        .note("a namespace has one mode: the strictest is written")
        .help("give the namespace to one zone, or state `mesh.mtls` on the components")
}

/// The mode of a namespace, never left to a default that may change.
fn default_mode(mesh: &Mesh<'_>, namespace: &str, mode: MtlsMode) -> Object {
    let header = Header {
        api_version: SECURITY,
        kind: "PeerAuthentication",
        namespace,
        name: "default",
        flows: Vec::new(),
    };
    let spec = Value::map([("mtls", mode_value(mode))]);
    Object::new(mesh.intent, header, vec![("spec", spec)])
}

fn mode_value(mode: MtlsMode) -> Value {
    Value::map([("mode", Value::string(mode.to_string()))])
}

/// What a component accepts beyond its namespace's mode.
struct Acceptance {
    mode: MtlsMode,
    ports: BTreeMap<u16, MtlsMode>,
    flows: BTreeMap<String, String>,
}

/// The objects for a component that differs from its namespace: one for each set of labels.
fn exceptions(mesh: &Mesh<'_>, component: &Component, out: &mut Vec<Diagnostic>) -> Vec<Object> {
    let acceptance = acceptance(mesh, component, out);
    let zones = mesh.meshed_namespaces();
    let inherited = zones
        .get(&component.namespace)
        .and_then(|zones| zones.iter().map(|z| z.mtls).max())
        .filter(|_| component.mesh == MeshMode::Sidecar);
    if inherited == Some(acceptance.mode) && acceptance.ports.is_empty() {
        return Vec::new();
    }
    let selectors =
        match_labels(&component.selector).filter(|_| !component.selector.is_everything());
    let Some(selectors) = selectors.filter(|_| !mesh.is_root(&component.namespace)) else {
        out.push(no_selector(mesh, component));
        return Vec::new();
    };
    let many = selectors.len() > 1;
    selectors
        .iter()
        .map(|selector| {
            let name = object_name(component, selector, many);
            object(mesh, component, &name, selector, &acceptance)
        })
        .collect()
}

/// The component's name; with several sets of labels, and for the name that means the namespace's
/// own mode, the labels make it unique.
pub(super) fn object_name(
    component: &Component,
    selector: &BTreeMap<String, String>,
    many: bool,
) -> String {
    let name = names::object_name(&component.name);
    if many || name == "default" {
        names::object_name(&format!("{} {selector:?}", component.name))
    } else {
        name
    }
}

fn no_selector(mesh: &Mesh<'_>, component: &Component) -> Diagnostic {
    let why = if mesh.is_root(&component.namespace) {
        "Istio ignores a selector in the mesh's root namespace"
    } else {
        "a PeerAuthentication for some pods needs labels with exact values"
    };
    Diagnostic::warning(
        "PAL0404",
        format!(
            "the mTLS exceptions of component `{}` cannot be written",
            component.name
        ),
    )
    .at_opt(component.origin.0, why)
    .help("select the pods by `matchLabels`, or give them a component of their own")
}

fn object(
    mesh: &Mesh<'_>,
    component: &Component,
    name: &str,
    selector: &BTreeMap<String, String>,
    acceptance: &Acceptance,
) -> Object {
    let mut spec = vec![
        ("selector", Value::map([("matchLabels", labels(selector))])),
        ("mtls", mode_value(acceptance.mode)),
    ];
    if !acceptance.ports.is_empty() {
        let ports = acceptance.ports.iter();
        let ports = Value::map(ports.map(|(p, m)| (p.to_string(), mode_value(*m))));
        let remarks = acceptance.flows.values().cloned().collect();
        // In a chart every port comes and goes by itself, and no remark speaks for all.
        let ports = match mesh.style {
            Style::Merged => Value::Commented(remarks, Box::new(ports)),
            Style::PerFlow => ports,
        };
        spec.push(("portLevelMtls", ports));
    }
    let header = Header {
        api_version: SECURITY,
        kind: "PeerAuthentication",
        namespace: &component.namespace,
        name,
        flows: acceptance.flows.keys().cloned().collect(),
    };
    Object::new(mesh.intent, header, vec![("spec", Value::map(spec))])
}

/// The declared mode, opened for plaintext on just the ports where a flow needs it.
fn acceptance(mesh: &Mesh<'_>, component: &Component, out: &mut Vec<Diagnostic>) -> Acceptance {
    let mut acceptance = Acceptance {
        mode: component.mtls,
        ports: BTreeMap::new(),
        flows: BTreeMap::new(),
    };
    if component.mtls != MtlsMode::Strict {
        return acceptance;
    }
    for grant in mesh.grants_into(component) {
        if grant.encryption >= Requirement::MeshMtls {
            continue;
        }
        let outside = mesh.callers(&grant.from).contains(&Caller::Unknown);
        let ports = match (outside, tcp_ports(grant, Some(component))) {
            (true, TcpPorts::All) => {
                out.push(contradiction(component, grant));
                continue;
            }
            (true, TcpPorts::Some(ports)) => ports,
            (false, _) => mesh.bare_ports(grant),
        };
        let opened = ports.into_iter().filter(|p| !bypassed(component, *p));
        let opened: Vec<u16> = opened.collect();
        if opened.is_empty() {
            continue;
        }
        let opened = opened.into_iter().map(|p| (p, MtlsMode::Permissive));
        acceptance.ports.extend(opened);
        let reason = crate::rules::one_line(&grant.reason);
        let remark = format!("{}: {reason}", grant.id);
        acceptance.flows.insert(grant.id.clone(), remark);
    }
    acceptance
}

/// A flow from outside the mesh on every port of a component that accepts nothing but mesh mTLS.
fn contradiction(component: &Component, grant: &Grant) -> Diagnostic {
    Diagnostic::warning(
        "PAL0409",
        format!(
            "flow `{}` needs plaintext on every port of `{}`, which is declared STRICT",
            grant.id, component.name
        ),
    )
    .at_opt(grant.origin.0, "callers outside the mesh, on all ports")
    .at_opt(component.origin.0, "accepts mesh mTLS only")
    .help("list the flow's ports, so that just these are opened")
    .help("or declare the component `mesh: {mode: Sidecar, mtls: Permissive}`")
}

/// Whether the sidecar never sees the port.
fn bypassed(component: &Component, port: u16) -> bool {
    always_bypassed().contains(Protocol::Tcp, port)
        || component
            .ports
            .iter()
            .any(|p| p.mesh_bypass && p.port <= port && port <= p.end_port)
}

//! Sidecar resources: what proxies do with destinations that they do not know.
//!
//! This is no firewall, in Istio's own words; NetworkPolicy closes the way out.

use super::{Mesh, NETWORKING, strings};
use crate::Object;
use crate::artefacts::Header;
use crate::rules::Style;
use palisade_diagnostics::Diagnostic;
use palisade_netmodel::{Grant, NamespaceMatch, OutboundMode, Peer, Peers};
use palisade_yaml::Value;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn objects(mesh: &Mesh<'_>, out: &mut Vec<Diagnostic>) -> Vec<Object> {
    let mut modes: BTreeMap<String, BTreeSet<&'static str>> = BTreeMap::new();
    for (namespace, zones) in mesh.meshed_namespaces() {
        let stated = zones.iter().filter_map(|z| z.outbound);
        let words: BTreeSet<&str> = stated.map(word).collect();
        if words.len() > 1 {
            out.push(two_modes(&namespace));
        }
        if !words.is_empty() && !mesh.is_root(&namespace) {
            modes.insert(namespace, words);
        }
    }
    modes
        .iter()
        .filter_map(|(namespace, words)| Some(object(mesh, namespace, words.last()?)))
        .collect()
}

/// Sorted, the stricter word comes last.
fn word(mode: OutboundMode) -> &'static str {
    match mode {
        OutboundMode::AllowAny => "ALLOW_ANY",
        OutboundMode::RegistryOnly => "REGISTRY_ONLY",
    }
}

fn two_modes(namespace: &str) -> Diagnostic {
    Diagnostic::warning(
        "PAL0406",
        format!("zones ask for different outbound modes in namespace `{namespace}`"),
    )
    .note("a namespace has one mode: REGISTRY_ONLY is written")
    .help("give the namespace to one zone")
}

fn object(mesh: &Mesh<'_>, namespace: &str, mode: &str) -> Object {
    let hosts = hosts(mesh, namespace);
    let egress = Value::map([("hosts", strings(&hosts))]);
    let policy = Value::map([("mode", Value::string(mode))]);
    let spec = Value::map([
        ("outboundTrafficPolicy", policy),
        ("egress", Value::List(vec![egress])),
    ]);
    let header = Header {
        api_version: NETWORKING,
        kind: "Sidecar",
        namespace,
        name: "default",
        flows: Vec::new(),
    };
    Object::new(mesh.intent, header, vec![("spec", spec)])
}

/// The namespaces whose Services the proxies must know: a proxy that does not know a Service sends
/// plaintext to it.
fn hosts(mesh: &Mesh<'_>, namespace: &str) -> BTreeSet<String> {
    // The list only saves memory of the proxies; in a chart it would depend on every toggle.
    if mesh.style == Style::PerFlow {
        return BTreeSet::from(["*/*".to_owned()]);
    }
    let mut out = BTreeSet::from(["./*".to_owned(), format!("{}/*", mesh.intent.mesh_root)]);
    for grant in mesh
        .intent
        .grants
        .iter()
        .filter(|g| leaves(mesh, g, namespace))
    {
        match &grant.to.peers {
            Peers::Any if grant.to.hosts.is_empty() => {
                out.insert("*/*".to_owned());
            }
            Peers::Any => {}
            Peers::List(peers) => out.extend(peers.iter().filter_map(destination)),
        }
    }
    if out.contains("*/*") {
        return BTreeSet::from(["*/*".to_owned()]);
    }
    out.remove(&format!("{namespace}/*"));
    out
}

fn destination(peer: &Peer) -> Option<String> {
    match peer {
        Peer::Pods {
            namespaces: NamespaceMatch::Named(name),
            ..
        } => Some(format!("{name}/*")),
        Peer::Pods { .. } => Some("*/*".to_owned()),
        Peer::Block { .. } => None,
    }
}

/// Whether pods of the namespace may make the grant's connection.
fn leaves(mesh: &Mesh<'_>, grant: &Grant, namespace: &str) -> bool {
    match &grant.from.component {
        Some(name) => mesh
            .component(name)
            .is_some_and(|c| c.namespace == namespace),
        None => mesh
            .zone(&grant.from.name)
            .is_none_or(|z| mesh.zone_namespaces(z).contains(namespace)),
    }
}

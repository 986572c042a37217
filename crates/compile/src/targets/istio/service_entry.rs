//! ServiceEntries for destinations outside that are known by name.

use super::{Mesh, NETWORKING, in_mesh, strings};
use crate::Object;
use crate::artefacts::Header;
use crate::names;
use palisade_netmodel::{Grant, MeshMode, PolicyPort, Protocol, Requirement};
use palisade_yaml::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What one namespace has to know of one endpoint.
#[derive(Default)]
struct Entry {
    hosts: BTreeSet<String>,
    ports: BTreeMap<u16, &'static str>,
    flows: Vec<String>,
}

pub(super) fn objects(mesh: &Mesh<'_>) -> Vec<Object> {
    let mut entries: BTreeMap<(String, String), Entry> = BTreeMap::new();
    for grant in mesh.intent.grants.iter().filter(|g| !g.to.hosts.is_empty()) {
        for namespace in clients(mesh, grant) {
            let entry = entries
                .entry((namespace, grant.to.name.clone()))
                .or_default();
            entry.hosts.extend(grant.to.hosts.iter().cloned());
            for (port, protocol) in ports(grant) {
                let known = entry.ports.entry(port).or_insert(protocol);
                *known = (*known).max(protocol);
            }
            entry.flows.push(grant.id.clone());
        }
    }
    entries
        .into_iter()
        .filter(|(_, entry)| !entry.ports.is_empty())
        .map(|((namespace, endpoint), entry)| object(mesh, &namespace, &endpoint, entry))
        .collect()
}

/// The namespaces whose proxies make the connection.
fn clients(mesh: &Mesh<'_>, grant: &Grant) -> BTreeSet<String> {
    let component = grant
        .from
        .component
        .as_deref()
        .and_then(|c| mesh.component(c));
    if let Some(component) = component {
        let wanted = component.managed && in_mesh(component);
        return wanted
            .then(|| component.namespace.clone())
            .into_iter()
            .collect();
    }
    let zone = mesh.zone(&grant.from.name);
    zone.filter(|z| z.mesh == MeshMode::Sidecar)
        .map(|z| mesh.zone_namespaces(z))
        .unwrap_or_default()
}

/// The ports with the protocol that the proxy is told. `TLS`: the application itself speaks TLS, and the
/// proxy passes it on by server name.
fn ports(grant: &Grant) -> Vec<(u16, &'static str)> {
    let ports = grant.ports.iter().flatten();
    let numbers = ports.filter_map(|port| match port {
        PolicyPort::Range {
            protocol: Protocol::Tcp,
            first,
            last,
        } if first == last => Some(*first),
        _ => None,
    });
    numbers
        .map(|port| match port {
            _ if grant.encryption >= Requirement::Tls => (port, "TLS"),
            443 => (port, "TLS"),
            80 => (port, "HTTP"),
            _ => (port, "TCP"),
        })
        .collect()
}

/// A name is looked up by the proxy itself (`resolution: DNS`); with `NONE` the `Host` header would be
/// believed for any address. Only wildcards, which have no address, need `NONE`. The entry is exported
/// to its own namespace by name: `.` means the same, and some YAML 1.1 readers take it for a number.
fn object(mesh: &Mesh<'_>, namespace: &str, endpoint: &str, entry: Entry) -> Object {
    let wildcard = entry.hosts.iter().any(|h| h.starts_with('*'));
    let ports = entry.ports.iter().map(|(port, protocol)| {
        Value::map([
            ("number", Value::Int(i64::from(*port))),
            (
                "name",
                Value::string(format!("{}-{port}", protocol.to_ascii_lowercase())),
            ),
            ("protocol", Value::string(*protocol)),
        ])
    });
    let spec = Value::map([
        ("hosts", strings(&entry.hosts)),
        ("location", Value::string("MESH_EXTERNAL")),
        (
            "resolution",
            Value::string(if wildcard { "NONE" } else { "DNS" }),
        ),
        ("ports", Value::List(ports.collect())),
        ("exportTo", strings([namespace])),
    ]);
    let header = Header {
        api_version: NETWORKING,
        kind: "ServiceEntry",
        namespace,
        name: &names::object_name(endpoint),
        flows: entry.flows,
    };
    Object::new(mesh.intent, header, vec![("spec", spec)])
}

//! `networking.istio.io ServiceEntry`: hosts outside that the mesh knows.

use super::{Kind, Part};
use crate::emit::{Meta, object, strings};
use crate::head::{Head, required_map};
use crate::istio;
use crate::names::NameRule;
use crate::objects::Add;
use crate::ports;
use crate::words::choice;
use palisade_diagnostics::Diagnostic;
use palisade_netmodel::ServiceEntry;
use palisade_yaml::{Fields, Node, Value};

/// The kind.
pub(super) const KIND: Kind = Kind {
    name: "ServiceEntry",
    group: istio::NETWORKING,
    versions: istio::NETWORKING_VERSIONS,
    namespaced: true,
    part: Part::Policies,
    names: NameRule::Subdomain,
    read,
};

/// `location`; true if outside.
const LOCATIONS: &[(&str, bool)] = &[("MESH_EXTERNAL", true), ("MESH_INTERNAL", false)];

/// `resolution`.
const RESOLUTIONS: &[(&str, ())] = &[
    ("NONE", ()),
    ("STATIC", ()),
    ("DNS", ()),
    ("DNS_ROUND_ROBIN", ()),
    ("DYNAMIC_DNS", ()),
];

fn read(head: &Head, fields: &mut Fields<'_>, out: &mut Vec<Diagnostic>) -> Option<Add> {
    let mut spec = required_map(fields, "spec", "the spec of a ServiceEntry", out)?;
    let hosts = istio::required_hosts(&mut spec, "hosts", out);
    let nodes = spec.list("ports", out);
    if nodes.is_empty() {
        out.push(istio::empty(spec.span(), "ports"));
    }
    let ports = nodes.into_iter().filter_map(|node| port(node, out));
    let ports = ports.collect();
    choice(
        &mut spec,
        "resolution",
        "a way of resolution",
        RESOLUTIONS,
        out,
    );
    let external = choice(&mut spec, "location", "a location", LOCATIONS, out);
    spec.ignore(&[
        "addresses",
        "endpoints",
        "exportTo",
        "subjectAltNames",
        "workloadSelector",
    ]);
    spec.finish(out);
    fields.ignore(&["status"]);
    let entry = ServiceEntry {
        origin: head.origin(),
        object: head.object.clone(),
        hosts: istio::texts(hosts),
        ports,
        external: external.unwrap_or(true),
    };
    Some(Box::new(move |objects| objects.service_entries.push(entry)))
}

fn port(node: Node<'_>, out: &mut Vec<Diagnostic>) -> Option<(u16, String)> {
    let mut fields = Fields::of(node, "a port of a ServiceEntry", out)?;
    let number = ports::required_number(&mut fields, "number", out);
    let protocol = istio::protocol(&mut fields, out);
    fields.required_string("name", out);
    ports::number_at(&mut fields, "targetPort", out);
    fields.finish(out);
    Some((number?, protocol))
}

/// Writes a ServiceEntry, visible in its namespace only. Names are resolved by DNS: without
/// resolution the address that the client dials would be trusted to be the host. Wildcards cannot
/// be resolved.
#[must_use]
pub fn write(entry: &ServiceEntry, extra: &Meta) -> Value {
    let wildcard = entry.hosts.iter().any(|host| host.starts_with('*'));
    let location = if entry.external {
        "MESH_EXTERNAL"
    } else {
        "MESH_INTERNAL"
    };
    let ports = entry.ports.iter().map(|(number, protocol)| {
        let name = format!("{}-{number}", protocol.to_lowercase());
        Value::map([
            ("name", Value::String(name)),
            ("number", Value::Int(i64::from(*number))),
            ("protocol", Value::string(protocol)),
        ])
    });
    let spec = Value::map([
        ("hosts", strings(&entry.hosts)),
        ("exportTo", strings(["."])),
        ("location", Value::string(location)),
        ("ports", Value::List(ports.collect())),
        (
            "resolution",
            Value::string(if wildcard { "NONE" } else { "DNS" }),
        ),
    ]);
    object(&KIND, &entry.object, extra, spec)
}

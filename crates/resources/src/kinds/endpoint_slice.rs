//! `discovery.k8s.io/v1 EndpointSlice`: where the endpoints of a Service are, also of one without a
//! selector.

use super::{Kind, Part};
use crate::head::Head;
use crate::names::NameRule;
use crate::objects::Add;
use crate::words::choice;
use crate::{codes, ports};
use palisade_diagnostics::Diagnostic;
use palisade_netmodel::{EndpointSlice, Protocol};
use palisade_yaml::{Fields, Node};
use std::net::IpAddr;

/// The kind.
pub(super) const KIND: Kind = Kind {
    name: "EndpointSlice",
    group: "discovery.k8s.io",
    versions: &["v1"],
    namespaced: true,
    part: Part::Workloads,
    names: NameRule::Subdomain,
    read,
};

/// `addressType`; false for names.
const TYPES: &[(&str, bool)] = &[("IPv4", true), ("IPv6", true), ("FQDN", false)];

fn read(head: &Head, fields: &mut Fields<'_>, out: &mut Vec<Diagnostic>) -> Option<Add> {
    if fields.node("addressType").is_none() {
        out.push(fields.missing("addressType"));
    }
    let is_address = choice(fields, "addressType", "a type of address", TYPES, out) != Some(false);
    let mut slice = EndpointSlice {
        origin: head.origin(),
        object: head.object.clone(),
        service: head
            .labels
            .get("kubernetes.io/service-name")
            .map(str::to_owned),
        ports: Vec::new(),
        addresses: Vec::new(),
    };
    for node in fields.list("ports", out) {
        slice.ports.extend(port(node, out));
    }
    for node in fields.list("endpoints", out) {
        endpoint(node, is_address, &mut slice.addresses, out);
    }
    slice.addresses.sort();
    slice.addresses.dedup();
    Some(Box::new(move |objects| {
        objects.doors.endpoint_slices.push(slice);
    }))
}

fn port(node: Node<'_>, out: &mut Vec<Diagnostic>) -> Option<(String, Protocol, u16)> {
    let mut fields = Fields::of(node, "a port of an EndpointSlice", out)?;
    let name = fields.string("name", out);
    let number = ports::number_at(&mut fields, "port", out);
    let protocol = ports::protocol(&mut fields, out);
    fields.ignore(&["appProtocol"]);
    fields.finish(out);
    Some((
        name.map(|name| name.value).unwrap_or_default(),
        protocol?,
        number?,
    ))
}

fn endpoint(
    node: Node<'_>,
    is_address: bool,
    addresses: &mut Vec<IpAddr>,
    out: &mut Vec<Diagnostic>,
) {
    let Some(mut fields) = Fields::of(node, "an endpoint", out) else {
        return;
    };
    let texts = fields.strings("addresses", out);
    let mut ready = true;
    if let Some(mut conditions) = fields.map("conditions", "the conditions of an endpoint", out) {
        // `ready`: "A nil value should be interpreted as true".
        ready = conditions.bool("ready", out).is_none_or(|b| b.value);
        conditions.ignore(&["serving", "terminating"]);
        conditions.finish(out);
    }
    fields.ignore(&[
        "deprecatedTopology",
        "hints",
        "hostname",
        "nodeName",
        "targetRef",
        "zone",
    ]);
    fields.finish(out);
    if !is_address {
        return;
    }
    for text in texts {
        match text.value.parse() {
            Ok(address) if ready => addresses.push(address),
            Ok(_) => {}
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
}

//! `networking.istio.io VirtualService`: validated and counted. It routes; it neither admits nor
//! refuses.

use super::{Kind, Part};
use crate::head::{Head, required_map};
use crate::istio;
use crate::names::NameRule;
use crate::objects::Add;
use crate::ports;
use palisade_diagnostics::Diagnostic;
use palisade_yaml::{Fields, Node};

/// The kind.
pub(super) const KIND: Kind = Kind {
    name: "VirtualService",
    group: istio::NETWORKING,
    versions: istio::NETWORKING_VERSIONS,
    namespaced: true,
    part: Part::Policies,
    names: NameRule::Subdomain,
    read,
};

fn read(_: &Head, fields: &mut Fields<'_>, out: &mut Vec<Diagnostic>) -> Option<Add> {
    let mut spec = required_map(fields, "spec", "the spec of a VirtualService", out)?;
    // Without hosts it is a delegate of another VirtualService.
    let hosts = spec.strings("hosts", out);
    hosts.iter().for_each(|host| istio::check_host(host, out));
    let mut routes = 0;
    for key in ["http", "tls", "tcp"] {
        for node in spec.list(key, out) {
            routes += 1;
            route(node, out);
        }
    }
    if routes == 0 {
        out.push(istio::empty(spec.span(), "http"));
    }
    spec.ignore(&["exportTo", "gateways"]);
    spec.finish(out);
    fields.ignore(&["status"]);
    Some(Box::new(|_| {}))
}

/// Every destination names a host.
fn route(node: Node<'_>, out: &mut Vec<Diagnostic>) {
    let Some(mut fields) = Fields::of(node, "a route", out) else {
        return;
    };
    for node in fields.list("route", out) {
        let Some(mut item) = Fields::of(node, "a destination of a route", out) else {
            continue;
        };
        if let Some(mut destination) = required_map(&mut item, "destination", "a destination", out)
        {
            if let Some(host) = destination.required_string("host", out) {
                istio::check_host(&host, out);
            }
            if let Some(mut port) = destination.map("port", "a port", out) {
                ports::required_number(&mut port, "number", out);
                port.finish(out);
            }
            destination.ignore(&["subset"]);
            destination.finish(out);
        }
        item.ignore(&["headers", "weight"]);
        item.finish(out);
    }
}

//! `networking.istio.io VirtualService`: which Services a Gateway sends traffic to. It routes; it
//! neither admits nor refuses.

use super::{Kind, Part};
use crate::head::{Head, required_map};
use crate::istio;
use crate::names::NameRule;
use crate::objects::Add;
use crate::ports;
use palisade_diagnostics::Diagnostic;
use palisade_netmodel::{
    Backend, BackendPort, DoorTls, ObjectRef, Origin, Parent, Route, RouteKind, Way,
};
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

/// The gateway that means the sidecars.
const MESH: &str = "mesh";

fn read(head: &Head, fields: &mut Fields<'_>, out: &mut Vec<Diagnostic>) -> Option<Add> {
    let mut spec = required_map(fields, "spec", "the spec of a VirtualService", out)?;
    let namespace = &head.object.namespace;
    // Without hosts it is a delegate of another VirtualService.
    let hosts = spec.strings("hosts", out);
    hosts.iter().for_each(|host| istio::check_host(host, out));
    let gateways = istio::texts(spec.strings("gateways", out));
    let mut ways = Vec::new();
    let mut routes = 0;
    for key in ["http", "tls", "tcp"] {
        for node in spec.list(key, out) {
            routes += 1;
            let way = route(node, namespace, out);
            ways.extend(way.map(|way| Way {
                // Routes of `tls` are for TLS that passes through.
                tls: match key {
                    "tls" => DoorTls::Passthrough,
                    _ => DoorTls::None,
                },
                ..way
            }));
        }
    }
    if routes == 0 {
        out.push(istio::empty(spec.span(), "http"));
    }
    spec.ignore(&["exportTo"]);
    spec.finish(out);
    fields.ignore(&["status"]);
    let parents = gateways.iter().filter(|name| *name != MESH);
    let route = Route {
        origin: head.origin(),
        kind: RouteKind::VirtualService,
        object: head.object.clone(),
        class: None,
        parents: parents.map(|name| parent(name, namespace)).collect(),
        hosts: istio::texts(hosts),
        ways,
    };
    Some(Box::new(move |objects| objects.doors.routes.push(route)))
}

fn parent(name: &str, namespace: &str) -> Parent {
    Parent {
        gateway: gateway(name, namespace),
        section: None,
        port: None,
    }
}

/// `name` in the VirtualService's own namespace, or `namespace/name`.
fn gateway(name: &str, namespace: &str) -> ObjectRef {
    match name.split_once('/') {
        Some((namespace, name)) => ObjectRef::new(namespace, name),
        None => ObjectRef::new(namespace, name),
    }
}

/// A route; nothing if it is for sidecars only.
fn route(node: Node<'_>, namespace: &str, out: &mut Vec<Diagnostic>) -> Option<Way> {
    let mut fields = Fields::of(node, "a route", out)?;
    let mut way = Way {
        origin: Origin(Some(node.span())),
        ..Way::default()
    };
    let used = matches(&fields.list("match", out), namespace, &mut way);
    let destinations = fields.list("route", out);
    let only = destinations.len() == 1;
    for node in destinations {
        weighted(node, namespace, only, &mut way, out);
    }
    for node in fields.list("mirrors", out) {
        weighted(node, namespace, true, &mut way, out);
    }
    if let Some(mirror) = fields.map("mirror", "a mirror", out) {
        destination(mirror, namespace, &mut way, out);
    }
    // The delegate's own routes lead on.
    way.elsewhere |= fields.node("delegate").is_some();
    used.then_some(way)
}

/// What the alternatives of `match` share. Returns whether a gateway can take the route.
fn matches(nodes: &[Node<'_>], namespace: &str, way: &mut Way) -> bool {
    let texts = |node: Node<'_>, key: &str| -> Vec<String> {
        let items = node.get(key).into_iter().flat_map(|list| list.items());
        items
            .filter_map(|item| item.as_str().map(str::to_owned))
            .collect()
    };
    let mut every = [true; 4];
    let mut used = nodes.is_empty();
    for node in nodes {
        let named = texts(*node, "gateways");
        if !named.is_empty() && named.iter().all(|name| name == MESH) {
            continue;
        }
        used = true;
        let uri = node.get("uri").and_then(|uri| {
            ["exact", "prefix", "regex"]
                .iter()
                .find_map(|key| uri.get(key)?.as_str())
        });
        let port = node.get("port").and_then(|port| port.as_int());
        let port = port.and_then(|port| u16::try_from(port).ok());
        let hosts = texts(*node, "sniHosts");
        every[0] &= uri.is_some();
        every[1] &= port.is_some();
        every[2] &= !hosts.is_empty();
        every[3] &= !named.is_empty();
        way.paths.extend(uri.map(str::to_owned));
        way.ports.extend(port);
        way.hosts.extend(hosts);
        let gateways = named.iter().filter(|name| *name != MESH);
        way.gateways
            .extend(gateways.map(|name| gateway(name, namespace)));
    }
    // One alternative without a condition lifts it.
    if !every[0] {
        way.paths.clear();
    }
    if !every[1] {
        way.ports.clear();
    }
    if !every[2] {
        way.hosts.clear();
    }
    if !every[3] {
        way.gateways.clear();
    }
    used
}

/// An entry of `route` or `mirrors`. A weight of 0 sends nothing there, unless it is the only one.
fn weighted(node: Node<'_>, namespace: &str, only: bool, way: &mut Way, out: &mut Vec<Diagnostic>) {
    let Some(mut item) = Fields::of(node, "a destination of a route", out) else {
        return;
    };
    let weight = node.get("weight").and_then(|weight| weight.as_int());
    let mut unused = Way::default();
    let way = if weight == Some(0) && !only {
        &mut unused
    } else {
        way
    };
    if let Some(found) = required_map(&mut item, "destination", "a destination", out) {
        destination(found, namespace, way, out);
    }
    item.ignore(&["headers", "percentage", "weight"]);
    item.finish(out);
}

/// Every destination names a host.
fn destination(
    mut destination: Fields<'_>,
    namespace: &str,
    way: &mut Way,
    out: &mut Vec<Diagnostic>,
) {
    let host = destination.required_string("host", out);
    host.iter().for_each(|host| istio::check_host(host, out));
    let mut port = None;
    if let Some(mut given) = destination.map("port", "a port", out) {
        port = ports::required_number(&mut given, "number", out);
        given.finish(out);
    }
    destination.ignore(&["subset"]);
    destination.finish(out);
    let Some(host) = host else { return };
    let full = istio::full_host(&host.value, namespace);
    let inside = full.strip_suffix(".svc.cluster.local");
    match inside.and_then(|name| name.split_once('.')) {
        Some((name, namespace)) => way.backends.push(Backend {
            service: ObjectRef::new(namespace, name),
            port: port.map_or(BackendPort::Any, BackendPort::Number),
        }),
        None => way.elsewhere = true,
    }
}

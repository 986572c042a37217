//! What the kinds of the Gateway API share: references to gateways and Services, and the shape of a
//! route (`gateway.networking.k8s.io`, API reference).

use crate::codes;
use crate::head::{Head, required_map};
use crate::istio;
use crate::objects::Add;
use crate::ports;
use palisade_diagnostics::Diagnostic;
use palisade_netmodel::{
    Backend, BackendPort, DoorTls, ObjectRef, Origin, Parent, Route, RouteKind, Way,
};
use palisade_yaml::{Fields, Node};

/// The group.
pub(crate) const GROUP: &str = "gateway.networking.k8s.io";

/// Fields of a rule of a route without meaning here.
const RULE_FIELDS: &[&str] = &["name", "retry", "sessionPersistence", "timeouts"];

/// Reads a route. `path` finds the path in an entry of `matches`.
pub(crate) fn route(
    kind: RouteKind,
    head: &Head,
    fields: &mut Fields<'_>,
    path: fn(Node<'_>) -> Option<String>,
    out: &mut Vec<Diagnostic>,
) -> Option<Add> {
    let mut spec = required_map(fields, "spec", "the spec of a route", out)?;
    let namespace = &head.object.namespace;
    let parents = spec.list("parentRefs", out);
    let parents = parents
        .into_iter()
        .filter_map(|node| parent(node, namespace, out))
        .collect();
    let hosts = spec.strings("hostnames", out);
    hosts.iter().for_each(|host| istio::check_host(host, out));
    let rules = spec.list("rules", out);
    let ways = rules
        .into_iter()
        .filter_map(|node| rule(node, namespace, path, out))
        .collect();
    spec.ignore(&["useDefaultGateways"]);
    spec.finish(out);
    fields.ignore(&["status"]);
    let route = Route {
        origin: head.origin(),
        kind,
        object: head.object.clone(),
        class: None,
        parents,
        hosts: istio::texts(hosts),
        ways,
    };
    Some(Box::new(move |objects| objects.doors.routes.push(route)))
}

/// An entry of `parentRefs`; nothing if it is no Gateway.
fn parent(node: Node<'_>, namespace: &str, out: &mut Vec<Diagnostic>) -> Option<Parent> {
    let mut fields = Fields::of(node, "a parent of a route", out)?;
    let group = fields.string("group", out);
    let kind = fields.string("kind", out);
    let name = fields.required_string("name", out);
    let other = fields.string("namespace", out);
    let section = fields.string("sectionName", out).map(|name| name.value);
    let port = ports::number_at(&mut fields, "port", out);
    fields.finish(out);
    let is_gateway = group.is_none_or(|group| group.value == GROUP)
        && kind.is_none_or(|kind| kind.value == "Gateway");
    let namespace = other.map_or_else(|| namespace.to_owned(), |name| name.value);
    is_gateway.then_some(Parent {
        gateway: ObjectRef::new(namespace, name?.value),
        section,
        port,
    })
}

fn rule(
    node: Node<'_>,
    namespace: &str,
    path: fn(Node<'_>) -> Option<String>,
    out: &mut Vec<Diagnostic>,
) -> Option<Way> {
    let mut fields = Fields::of(node, "a rule of a route", out)?;
    let mut way = Way {
        origin: Origin(Some(node.span())),
        ..Way::default()
    };
    let found: Vec<Option<String>> = fields.list("matches", out).into_iter().map(path).collect();
    // One match without a path matches every path.
    if found.iter().all(Option::is_some) {
        way.paths = found.into_iter().flatten().collect();
    }
    for node in fields.list("backendRefs", out) {
        backend(node, namespace, &mut way, out);
    }
    for node in fields.list("filters", out) {
        // A mirror sends a copy of each request; other filters send nothing anywhere.
        if let Some(node) = node.get("requestMirror").and_then(|m| m.get("backendRef")) {
            backend(node, namespace, &mut way, out);
        }
    }
    fields.ignore(RULE_FIELDS);
    fields.finish(out);
    Some(way)
}

/// An entry of `backendRefs`.
fn backend(node: Node<'_>, namespace: &str, way: &mut Way, out: &mut Vec<Diagnostic>) {
    let Some(mut fields) = Fields::of(node, "a backend of a route", out) else {
        return;
    };
    let group = fields.string("group", out);
    let kind = fields.string("kind", out);
    let name = fields.required_string("name", out);
    let other = fields.string("namespace", out);
    let port = ports::number_at(&mut fields, "port", out);
    let weight = fields.int("weight", 0..=1_000_000, out);
    fields.ignore(&["filters"]);
    fields.finish(out);
    // `weight`: "If weight is set to 0, no traffic should be forwarded for this entry".
    if weight.is_some_and(|weight| weight.value == 0) {
        return;
    }
    let is_service = group.is_none_or(|group| group.value.is_empty())
        && kind.is_none_or(|kind| kind.value == "Service");
    match (is_service, name, port) {
        (true, Some(name), Some(port)) => way.backends.push(Backend {
            service: ObjectRef::new(
                other.map_or_else(|| namespace.to_owned(), |name| name.value),
                name.value,
            ),
            port: BackendPort::Number(port),
        }),
        (true, Some(_), None) if node.get("port").is_none() => out.push(
            Diagnostic::error(codes::BAD_BACKEND, "a backend names no port")
                .at(node.span(), "a Service needs `port`")
                .help("add the port of the Service"),
        ),
        (true, _, _) => {}
        (false, _, _) => way.elsewhere = true,
    }
}

/// The words of `tls.mode` of a listener.
pub(crate) const TLS_MODES: &[(&str, DoorTls)] = &[
    ("Terminate", DoorTls::Terminated),
    ("Passthrough", DoorTls::Passthrough),
];

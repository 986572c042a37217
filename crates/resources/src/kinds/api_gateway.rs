//! `gateway.networking.k8s.io Gateway`: listeners, and whose routes may hang on them.

use super::{Kind, Part};
use crate::codes;
use crate::gateway_api::{GROUP, TLS_MODES};
use crate::head::{Head, required_map};
use crate::istio;
use crate::labels::{labels, selector};
use crate::names::NameRule;
use crate::objects::Add;
use crate::ports;
use crate::waypoints;
use crate::words::choice;
use palisade_diagnostics::Diagnostic;
use palisade_netmodel::{ApiGateway, DoorTls, Labels, Listener, Origin, RouteNamespaces};
use palisade_yaml::{Fields, Node};

/// The kind.
pub(super) const KIND: Kind = Kind {
    name: "Gateway",
    group: GROUP,
    versions: &["v1", "v1beta1"],
    namespaced: true,
    part: Part::Workloads,
    names: NameRule::Subdomain,
    read,
};

/// `allowedRoutes.namespaces.from`.
#[derive(Clone, Copy)]
enum From {
    Same,
    All,
    Selector,
    None,
}

const FROM: &[(&str, From)] = &[
    ("All", From::All),
    ("Selector", From::Selector),
    ("Same", From::Same),
    ("None", From::None),
];

/// Other fields of the spec.
const IGNORED: &[&str] = &[
    "addresses",
    "allowedListeners",
    "backendTLS",
    "defaultScope",
    "tls",
];

fn read(head: &Head, fields: &mut Fields<'_>, out: &mut Vec<Diagnostic>) -> Option<Add> {
    let mut spec = required_map(fields, "spec", "the spec of a Gateway", out)?;
    let class = spec.required_string("gatewayClassName", out);
    let nodes = spec.list("listeners", out);
    if nodes.is_empty() {
        out.push(
            Diagnostic::error(codes::EMPTY, "`listeners` is missing or empty")
                .at(spec.span(), "needs at least one entry in `listeners`")
                .help("add a listener"),
        );
    }
    let listeners = nodes.into_iter().filter_map(|node| listener(node, out));
    let listeners = listeners.collect();
    let asked = spec.map("infrastructure", "the infrastructure of a Gateway", out);
    let asked = asked.map(|fields| infrastructure(fields, out));
    spec.ignore(IGNORED);
    spec.finish(out);
    fields.ignore(&["status"]);
    let gateway = ApiGateway {
        origin: head.origin(),
        object: head.object.clone(),
        class: class?.value,
        listeners,
    };
    let waypoint = waypoints::of(&gateway, &head.labels);
    Some(Box::new(move |objects| {
        objects.doors.gateways.push(gateway);
        let waypoint = waypoint.map(|waypoint| (waypoint, asked.unwrap_or_default()));
        objects.waypoints.extend(waypoint);
    }))
}

/// The labels that the Gateway asks for on what is made for it.
fn infrastructure(mut fields: Fields<'_>, out: &mut Vec<Diagnostic>) -> Labels {
    let asked = labels(&mut fields, "labels", out);
    fields.ignore(&["annotations", "parametersRef"]);
    fields.finish(out);
    asked
}

fn listener(node: Node<'_>, out: &mut Vec<Diagnostic>) -> Option<Listener> {
    let mut fields = Fields::of(node, "a listener of a Gateway", out)?;
    let name = fields.required_string("name", out);
    let port = ports::required_number(&mut fields, "port", out);
    let protocol = fields.required_string("protocol", out);
    let host = fields.string("hostname", out);
    host.iter().for_each(|host| istio::check_host(host, out));
    let mut mode = None;
    if let Some(mut tls) = fields.map("tls", "the TLS settings of a listener", out) {
        mode = choice(&mut tls, "mode", "a TLS mode of a listener", TLS_MODES, out);
        tls.ignore(&["certificateRefs", "frontendValidation", "options"]);
        tls.finish(out);
    }
    let mut listener = Listener {
        origin: Origin(Some(node.span())),
        name: name?.value,
        port: port?,
        // The default mode is Terminate.
        tls: match protocol.as_ref()?.value.as_str() {
            "HTTPS" | "TLS" => mode.unwrap_or(DoorTls::Terminated),
            _ => DoorTls::None,
        },
        protocol: protocol?.value,
        host: host.map(|host| host.value).filter(|host| !host.is_empty()),
        namespaces: RouteNamespaces::Same,
        kinds: Vec::new(),
    };
    if let Some(allowed) = fields.map("allowedRoutes", "the routes of a listener", out) {
        allowed_routes(allowed, &mut listener, out);
    }
    fields.finish(out);
    Some(listener)
}

fn allowed_routes(mut fields: Fields<'_>, listener: &mut Listener, out: &mut Vec<Diagnostic>) {
    if let Some(mut namespaces) = fields.map("namespaces", "the namespaces of routes", out) {
        let from = choice(&mut namespaces, "from", "a choice of namespaces", FROM, out);
        let labels = namespaces.node("selector").map(|node| selector(node, out));
        listener.namespaces = match from.unwrap_or(From::Same) {
            From::Same => RouteNamespaces::Same,
            From::All => RouteNamespaces::All,
            From::None => RouteNamespaces::None,
            From::Selector => match labels {
                Some(labels) => RouteNamespaces::Selector(labels),
                None => RouteNamespaces::None,
            },
        };
        namespaces.finish(out);
    }
    for node in fields.list("kinds", out) {
        if let Some(mut kind) = Fields::of(node, "a kind of route", out) {
            let name = kind.required_string("kind", out);
            listener.kinds.extend(name.map(|name| name.value));
            kind.ignore(&["group"]);
            kind.finish(out);
        }
    }
    fields.finish(out);
}

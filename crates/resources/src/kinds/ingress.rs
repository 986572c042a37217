//! `networking.k8s.io/v1 Ingress`: which Services a controller sends requests to.

use super::{Kind, Part};
use crate::head::{Head, required_map};
use crate::names::NameRule;
use crate::objects::Add;
use crate::words::choice;
use crate::{codes, ports};
use palisade_diagnostics::Diagnostic;
use palisade_netmodel::{Backend, BackendPort, DoorTls, ObjectRef, Origin, Route, RouteKind, Way};
use palisade_yaml::{Fields, Node};

/// The kind.
pub(super) const KIND: Kind = Kind {
    name: "Ingress",
    group: "networking.k8s.io",
    versions: &["v1"],
    namespaced: true,
    part: Part::Workloads,
    names: NameRule::Subdomain,
    read,
};

/// `pathType`.
const PATH_TYPES: &[(&str, ())] = &[
    ("Exact", ()),
    ("Prefix", ()),
    ("ImplementationSpecific", ()),
];

/// The annotation before `ingressClassName`.
const OLD_CLASS: &str = "kubernetes.io/ingress.class";

fn read(head: &Head, fields: &mut Fields<'_>, out: &mut Vec<Diagnostic>) -> Option<Add> {
    let mut spec = required_map(fields, "spec", "the spec of an Ingress", out)?;
    let default = spec.map("defaultBackend", "a backend", out);
    let rules = spec.list("rules", out);
    if default.is_none() && rules.is_empty() {
        out.push(
            Diagnostic::error(codes::BAD_BACKEND, "an Ingress that leads nowhere")
                .at(spec.span(), "needs `defaultBackend` or `rules`")
                .help("add one of the two"),
        );
    }
    let namespace = &head.object.namespace;
    let mut ways = Vec::new();
    let mut rest = Way {
        origin: head.origin(),
        ..Way::default()
    };
    if let Some(default) = default {
        backend(default, namespace, &mut rest, out);
    }
    for node in rules {
        rule(node, namespace, &mut ways, out);
    }
    let class = spec.string("ingressClassName", out).map(|name| name.value);
    let secured = secured(&mut spec, out);
    spec.finish(out);
    fields.ignore(&["status"]);
    if !rest.backends.is_empty() || rest.elsewhere {
        ways.push(rest);
    }
    for way in &mut ways {
        if way.hosts.iter().any(|host| secured.contains(host)) {
            way.tls = DoorTls::Terminated;
        }
    }
    let old = head.annotations.get(OLD_CLASS).cloned();
    let route = Route {
        origin: head.origin(),
        kind: RouteKind::Ingress,
        object: head.object.clone(),
        class: class.or(old),
        parents: Vec::new(),
        hosts: Vec::new(),
        ways,
    };
    Some(Box::new(move |objects| objects.doors.routes.push(route)))
}

/// The hosts under `tls`.
fn secured(spec: &mut Fields<'_>, out: &mut Vec<Diagnostic>) -> Vec<String> {
    let mut hosts = Vec::new();
    for node in spec.list("tls", out) {
        if let Some(mut fields) = Fields::of(node, "the TLS settings of an Ingress", out) {
            let found = fields.strings("hosts", out);
            hosts.extend(found.into_iter().map(|host| host.value));
            fields.ignore(&["secretName"]);
            fields.finish(out);
        }
    }
    hosts
}

fn rule(node: Node<'_>, namespace: &str, ways: &mut Vec<Way>, out: &mut Vec<Diagnostic>) {
    let Some(mut fields) = Fields::of(node, "a rule of an Ingress", out) else {
        return;
    };
    let host = fields
        .string("host", out)
        .filter(|host| !host.value.is_empty());
    if let Some(mut http) = fields.map("http", "the paths of a rule", out) {
        for node in http.list("paths", out) {
            let mut way = Way {
                hosts: host.iter().map(|host| host.value.clone()).collect(),
                origin: Origin(Some(node.span())),
                ..Way::default()
            };
            path(node, namespace, &mut way, out);
            ways.push(way);
        }
        http.finish(out);
    }
    fields.finish(out);
}

fn path(node: Node<'_>, namespace: &str, way: &mut Way, out: &mut Vec<Diagnostic>) {
    let Some(mut fields) = Fields::of(node, "a path of an Ingress", out) else {
        return;
    };
    let path = fields
        .string("path", out)
        .filter(|path| !path.value.is_empty());
    way.paths.extend(path.map(|path| path.value));
    if fields.node("pathType").is_none() {
        out.push(fields.missing("pathType"));
    }
    choice(&mut fields, "pathType", "a type of path", PATH_TYPES, out);
    if let Some(found) = required_map(&mut fields, "backend", "a backend", out) {
        backend(found, namespace, way, out);
    }
    fields.finish(out);
}

fn backend(mut fields: Fields<'_>, namespace: &str, way: &mut Way, out: &mut Vec<Diagnostic>) {
    let resource = fields.node("resource");
    if let Some(mut service) = fields.map("service", "the Service of a backend", out) {
        let name = service.required_string("name", out);
        let mut given = Vec::new();
        if let Some(mut port) = service.map("port", "the port of a backend", out) {
            let number = ports::number_at(&mut port, "number", out);
            given.extend(number.map(BackendPort::Number));
            let word = port.string("name", out);
            given.extend(word.map(|word| BackendPort::Name(word.value)));
            port.finish(out);
        }
        if given.len() != 1 {
            out.push(
                Diagnostic::error(codes::BAD_BACKEND, "a backend names no single port")
                    .at(
                        service.span(),
                        "needs `port.number` or `port.name`, not both",
                    )
                    .help("give one of the two"),
            );
        }
        if let (Some(name), Some(port)) = (name, given.pop()) {
            way.backends.push(Backend {
                service: ObjectRef::new(namespace, name.value),
                port,
            });
        }
        service.finish(out);
    } else if resource.is_none() {
        out.push(fields.missing("service"));
    } else {
        way.elsewhere = true;
    }
    fields.finish(out);
}

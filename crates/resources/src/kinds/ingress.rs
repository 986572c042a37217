//! `networking.k8s.io/v1 Ingress`: validated and counted. What it lets in comes from the pods of
//! its controller, which are in the world by themselves.

use super::{Kind, Part};
use crate::head::{Head, required_map};
use crate::names::NameRule;
use crate::objects::Add;
use crate::words::choice;
use crate::{codes, ports};
use palisade_diagnostics::Diagnostic;
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

fn read(_: &Head, fields: &mut Fields<'_>, out: &mut Vec<Diagnostic>) -> Option<Add> {
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
    if let Some(default) = default {
        backend(default, out);
    }
    for node in rules {
        rule(node, out);
    }
    spec.ignore(&["ingressClassName", "tls"]);
    spec.finish(out);
    fields.ignore(&["status"]);
    Some(Box::new(|_| {}))
}

fn rule(node: Node<'_>, out: &mut Vec<Diagnostic>) {
    let Some(mut fields) = Fields::of(node, "a rule of an Ingress", out) else {
        return;
    };
    fields.string("host", out);
    if let Some(mut http) = fields.map("http", "the paths of a rule", out) {
        for node in http.list("paths", out) {
            path(node, out);
        }
        http.finish(out);
    }
    fields.finish(out);
}

fn path(node: Node<'_>, out: &mut Vec<Diagnostic>) {
    let Some(mut fields) = Fields::of(node, "a path of an Ingress", out) else {
        return;
    };
    fields.string("path", out);
    if fields.node("pathType").is_none() {
        out.push(fields.missing("pathType"));
    }
    choice(&mut fields, "pathType", "a type of path", PATH_TYPES, out);
    if let Some(found) = required_map(&mut fields, "backend", "a backend", out) {
        backend(found, out);
    }
    fields.finish(out);
}

fn backend(mut fields: Fields<'_>, out: &mut Vec<Diagnostic>) {
    let resource = fields.node("resource");
    if let Some(mut service) = fields.map("service", "the Service of a backend", out) {
        service.required_string("name", out);
        let mut given = 0;
        if let Some(mut port) = service.map("port", "the port of a backend", out) {
            given += usize::from(ports::number_at(&mut port, "number", out).is_some());
            given += usize::from(port.string("name", out).is_some());
            port.finish(out);
        }
        if given != 1 {
            out.push(
                Diagnostic::error(codes::BAD_BACKEND, "a backend names no single port")
                    .at(
                        service.span(),
                        "needs `port.number` or `port.name`, not both",
                    )
                    .help("give one of the two"),
            );
        }
        service.finish(out);
    } else if resource.is_none() {
        out.push(fields.missing("service"));
    }
    fields.finish(out);
}

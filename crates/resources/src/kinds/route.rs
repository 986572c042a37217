//! `route.openshift.io/v1 Route`: which Services OpenShift's router sends traffic to.

use super::{Kind, Part};
use crate::head::{Head, required_map};
use crate::names::NameRule;
use crate::objects::Add;
use crate::ports::{self, PortRef};
use crate::words::choice;
use palisade_diagnostics::Diagnostic;
use palisade_netmodel::{Backend, BackendPort, DoorTls, ObjectRef, Origin, Route, RouteKind, Way};
use palisade_yaml::Fields;

/// The kind.
pub(super) const KIND: Kind = Kind {
    name: "Route",
    group: "route.openshift.io",
    versions: &["v1"],
    namespaced: true,
    part: Part::Workloads,
    names: NameRule::Subdomain,
    read,
};

/// `tls.termination`.
const TERMINATIONS: &[(&str, DoorTls)] = &[
    ("edge", DoorTls::Terminated),
    ("passthrough", DoorTls::Passthrough),
    ("reencrypt", DoorTls::Reencrypted),
];

/// Other fields of `tls`.
const TLS_FIELDS: &[&str] = &[
    "caCertificate",
    "certificate",
    "destinationCACertificate",
    "externalCertificate",
    "insecureEdgeTerminationPolicy",
    "key",
];

fn read(head: &Head, fields: &mut Fields<'_>, out: &mut Vec<Diagnostic>) -> Option<Add> {
    let mut spec = required_map(fields, "spec", "the spec of a Route", out)?;
    let host = spec
        .string("host", out)
        .filter(|host| !host.value.is_empty());
    let path = spec
        .string("path", out)
        .filter(|path| !path.value.is_empty());
    let mut services = Vec::new();
    if let Some(to) = required_map(&mut spec, "to", "the target of a Route", out) {
        services.extend(target(to, out));
    }
    for node in spec.list("alternateBackends", out) {
        let fields = Fields::of(node, "a target of a Route", out);
        services.extend(fields.and_then(|fields| target(fields, out)));
    }
    let mut port = BackendPort::Any;
    if let Some(mut given) = spec.map("port", "the port of a Route", out) {
        let target = given
            .node("targetPort")
            .map(|n| ports::number_or_name(n, out));
        port = match target.flatten() {
            Some(PortRef::Number(number)) => BackendPort::Target(number),
            Some(PortRef::Name(name)) => BackendPort::Name(name),
            None => BackendPort::Any,
        };
        given.finish(out);
    }
    let mut termination = None;
    if let Some(mut tls) = spec.map("tls", "the TLS settings of a Route", out) {
        termination = choice(
            &mut tls,
            "termination",
            "a TLS termination",
            TERMINATIONS,
            out,
        );
        tls.ignore(TLS_FIELDS);
        tls.finish(out);
    }
    spec.ignore(&["httpHeaders", "subdomain", "wildcardPolicy"]);
    spec.finish(out);
    fields.ignore(&["status"]);
    let namespace = &head.object.namespace;
    let backend = |name| Backend {
        service: ObjectRef::new(namespace.clone(), name),
        port: port.clone(),
    };
    let route = Route {
        origin: head.origin(),
        kind: RouteKind::Route,
        object: head.object.clone(),
        class: None,
        parents: Vec::new(),
        hosts: host.into_iter().map(|host| host.value).collect(),
        ways: vec![Way {
            origin: Origin(Some(head.span)),
            paths: path.into_iter().map(|path| path.value).collect(),
            tls: termination.unwrap_or_default(),
            backends: services.into_iter().map(backend).collect(),
            ..Way::default()
        }],
    };
    Some(Box::new(move |objects| objects.doors.routes.push(route)))
}

/// The Service of a target that gets requests: a weight of 0 means none.
fn target(mut fields: Fields<'_>, out: &mut Vec<Diagnostic>) -> Option<String> {
    let name = fields.required_string("name", out);
    let weight = fields.int("weight", 0..=256, out);
    fields.ignore(&["kind"]);
    fields.finish(out);
    name.filter(|_| weight.is_none_or(|weight| weight.value > 0))
        .map(|name| name.value)
}

//! `gateway.networking.k8s.io ReferenceGrant`: which routes of other namespaces may lead to Services
//! of its own.

use super::{Kind, Part};
use crate::gateway_api::GROUP;
use crate::head::{Head, required_map};
use crate::names::NameRule;
use crate::objects::Add;
use palisade_diagnostics::Diagnostic;
use palisade_netmodel::ReferenceGrant;
use palisade_yaml::Fields;

/// The kind.
pub(super) const KIND: Kind = Kind {
    name: "ReferenceGrant",
    group: GROUP,
    versions: &["v1", "v1beta1"],
    namespaced: true,
    part: Part::Workloads,
    names: NameRule::Subdomain,
    read,
};

fn read(head: &Head, fields: &mut Fields<'_>, out: &mut Vec<Diagnostic>) -> Option<Add> {
    let mut spec = required_map(fields, "spec", "the spec of a ReferenceGrant", out)?;
    let mut grant = ReferenceGrant {
        origin: head.origin(),
        object: head.object.clone(),
        from: Vec::new(),
        to: Vec::new(),
    };
    for node in spec.list("from", out) {
        if let Some(mut from) = Fields::of(node, "a referrer", out) {
            let group = from.string("group", out);
            let kind = from.required_string("kind", out);
            let namespace = from.required_string("namespace", out);
            if let (Some(kind), Some(namespace)) = (kind, namespace)
                && group.is_some_and(|group| group.value == GROUP)
            {
                grant.from.push((kind.value, namespace.value));
            }
            from.finish(out);
        }
    }
    for node in spec.list("to", out) {
        if let Some(mut to) = Fields::of(node, "what may be referred to", out) {
            let group = to.string("group", out);
            let kind = to.required_string("kind", out);
            let name = to.string("name", out).map(|name| name.value);
            let is_core = group.is_none_or(|group| group.value.is_empty());
            if is_core && kind.is_some_and(|kind| kind.value == "Service") {
                grant.to.push(name);
            }
            to.finish(out);
        }
    }
    spec.finish(out);
    Some(Box::new(move |objects| objects.doors.grants.push(grant)))
}

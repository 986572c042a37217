//! `gateway.networking.k8s.io HTTPRoute`: which Services a Gateway sends requests to.

use super::{Kind, Part};
use crate::gateway_api;
use crate::head::Head;
use crate::names::NameRule;
use crate::objects::Add;
use palisade_diagnostics::Diagnostic;
use palisade_netmodel::RouteKind;
use palisade_yaml::{Fields, Node};

/// The kind.
pub(super) const KIND: Kind = Kind {
    name: "HTTPRoute",
    group: gateway_api::GROUP,
    versions: &["v1", "v1beta1"],
    namespaced: true,
    part: Part::Workloads,
    names: NameRule::Subdomain,
    read,
};

fn read(head: &Head, fields: &mut Fields<'_>, out: &mut Vec<Diagnostic>) -> Option<Add> {
    gateway_api::route(RouteKind::HttpRoute, head, fields, path, out)
}

/// `path.value` of a match.
fn path(node: Node<'_>) -> Option<String> {
    Some(node.get("path")?.get("value")?.as_str()?.to_owned())
}

//! `gateway.networking.k8s.io GRPCRoute`: which Services a Gateway sends gRPC calls to.

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
    name: "GRPCRoute",
    group: gateway_api::GROUP,
    versions: &["v1", "v1alpha2"],
    namespaced: true,
    part: Part::Workloads,
    names: NameRule::Subdomain,
    read,
};

fn read(head: &Head, fields: &mut Fields<'_>, out: &mut Vec<Diagnostic>) -> Option<Add> {
    gateway_api::route(RouteKind::GrpcRoute, head, fields, path, out)
}

/// `/service/method` of a match; gRPC calls are requests to such paths.
fn path(node: Node<'_>) -> Option<String> {
    let method = node.get("method")?;
    let part = |key| method.get(key).and_then(|node| node.as_str());
    let service = part("service")?;
    Some(match part("method") {
        Some(method) => format!("/{service}/{method}"),
        None => format!("/{service}/"),
    })
}

//! `gateway.networking.k8s.io TCPRoute`: which Services a Gateway sends connections to.

use super::{Kind, Part};
use crate::gateway_api;
use crate::head::Head;
use crate::names::NameRule;
use crate::objects::Add;
use palisade_diagnostics::Diagnostic;
use palisade_netmodel::RouteKind;
use palisade_yaml::Fields;

/// The kind.
pub(super) const KIND: Kind = Kind {
    name: "TCPRoute",
    group: gateway_api::GROUP,
    versions: &["v1", "v1alpha2"],
    namespaced: true,
    part: Part::Workloads,
    names: NameRule::Subdomain,
    read,
};

fn read(head: &Head, fields: &mut Fields<'_>, out: &mut Vec<Diagnostic>) -> Option<Add> {
    gateway_api::route(RouteKind::TcpRoute, head, fields, |_| None, out)
}

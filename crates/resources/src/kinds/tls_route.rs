//! `gateway.networking.k8s.io TLSRoute`: which Services a Gateway sends TLS connections to.

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
    name: "TLSRoute",
    group: gateway_api::GROUP,
    versions: &["v1", "v1alpha3", "v1alpha2"],
    namespaced: true,
    part: Part::Workloads,
    names: NameRule::Subdomain,
    read,
};

fn read(head: &Head, fields: &mut Fields<'_>, out: &mut Vec<Diagnostic>) -> Option<Add> {
    gateway_api::route(RouteKind::TlsRoute, head, fields, |_| None, out)
}

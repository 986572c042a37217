//! `policy.networking.k8s.io/v1alpha1 AdminNetworkPolicy`: the Admin tier in its first version.

use super::{Kind, Part};
use crate::administrators::{self, GROUP, Schema};
use crate::head::Head;
use crate::names::NameRule;
use crate::objects::Add;
use palisade_diagnostics::Diagnostic;
use palisade_netmodel::{AdminAction, AdminKind, Tier};
use palisade_yaml::Fields;

/// The kind.
pub(super) const KIND: Kind = Kind {
    name: "AdminNetworkPolicy",
    group: GROUP,
    versions: &["v1alpha1"],
    namespaced: false,
    part: Part::Policies,
    names: NameRule::Subdomain,
    read,
};

fn read(head: &Head, fields: &mut Fields<'_>, out: &mut Vec<Diagnostic>) -> Option<Add> {
    let schema = Schema {
        kind: AdminKind::AdminNetworkPolicy,
        tier: Some(Tier::Admin),
        priority: true,
        actions: &[
            ("Allow", AdminAction::Accept),
            ("Deny", AdminAction::Deny),
            ("Pass", AdminAction::Pass),
        ],
        limit: 100,
        ports: ("ports", administrators::port),
        namespace_selector: true,
    };
    administrators::read(schema, head, fields, out)
}

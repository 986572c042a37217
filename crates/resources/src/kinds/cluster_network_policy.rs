//! `policy.networking.k8s.io/v1alpha2 ClusterNetworkPolicy`: the Admin and the Baseline tier.

use super::{Kind, Part};
use crate::administrators::{self, GROUP, Schema};
use crate::head::Head;
use crate::names::NameRule;
use crate::objects::Add;
use palisade_diagnostics::Diagnostic;
use palisade_netmodel::{AdminAction, AdminKind};
use palisade_yaml::Fields;

/// The kind.
pub(super) const KIND: Kind = Kind {
    name: "ClusterNetworkPolicy",
    group: GROUP,
    versions: &["v1alpha2"],
    namespaced: false,
    part: Part::Policies,
    names: NameRule::Subdomain,
    read,
};

fn read(head: &Head, fields: &mut Fields<'_>, out: &mut Vec<Diagnostic>) -> Option<Add> {
    let schema = Schema {
        kind: AdminKind::ClusterNetworkPolicy,
        tier: None,
        priority: true,
        actions: &[
            ("Accept", AdminAction::Accept),
            ("Deny", AdminAction::Deny),
            ("Pass", AdminAction::Pass),
        ],
        limit: 25,
        ports: ("protocols", administrators::protocol),
        namespace_selector: false,
    };
    administrators::read(schema, head, fields, out)
}

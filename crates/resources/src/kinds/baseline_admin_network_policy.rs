//! `policy.networking.k8s.io/v1alpha1 BaselineAdminNetworkPolicy`: the Baseline tier in its first
//! version, a single object named `default`.

use super::{Kind, Part};
use crate::administrators::{self, GROUP, Schema};
use crate::codes;
use crate::head::Head;
use crate::names::NameRule;
use crate::objects::Add;
use palisade_diagnostics::Diagnostic;
use palisade_netmodel::{AdminAction, AdminKind, Tier};
use palisade_yaml::Fields;

/// The kind.
pub(super) const KIND: Kind = Kind {
    name: "BaselineAdminNetworkPolicy",
    group: GROUP,
    versions: &["v1alpha1"],
    namespaced: false,
    part: Part::Policies,
    names: NameRule::Subdomain,
    read,
};

fn read(head: &Head, fields: &mut Fields<'_>, out: &mut Vec<Diagnostic>) -> Option<Add> {
    let name = head.object.name.as_str();
    if !matches!(name, "" | "default") {
        let title = format!("a BaselineAdminNetworkPolicy named {name:?}");
        out.push(
            Diagnostic::error(codes::BASELINE_NAME, title)
                .at(head.span, "there is only one, named `default`")
                .help("name it `default`"),
        );
    }
    let schema = Schema {
        kind: AdminKind::BaselineAdminNetworkPolicy,
        tier: Some(Tier::Baseline),
        priority: false,
        actions: &[("Allow", AdminAction::Accept), ("Deny", AdminAction::Deny)],
        limit: 100,
        ports: ("ports", administrators::port),
        namespace_selector: true,
    };
    administrators::read(schema, head, fields, out)
}

//! Addresses of Services in `ipBlock`.

use super::Lint;
use super::context::Context;
use palisade_diagnostics::{Diagnostic, Severity};
use palisade_netmodel::Peer;

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "service-address",
    code: "PAL0631",
    severity: Severity::Warning,
    summary: "An ipBlock holds the cluster address of a Service, which policies do not see.",
    check,
};

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for view in cx.rules() {
        for (index, peer) in view.rule.peers.iter().flatten().enumerate() {
            let Peer::Block { cidr, .. } = peer else {
                continue;
            };
            if cidr.prefix_len() != cidr.max_prefix_len() {
                continue;
            }
            let Some(service) = cx.written.cluster_ips.get(&cidr.addr()) else {
                continue;
            };
            let place = cx.world.services.iter().find(|s| s.object == *service);
            out.push(
                LINT.finding(format!(
                    "`{}` names the cluster address of Service `{service}`",
                    view.policy.object
                ))
                .at_opt(
                    view.peer_span(index),
                    "replaced by the address of a pod before policies are asked, with most plugins",
                )
                .at_opt(place.and_then(|s| s.origin.0), "has this address")
                .help("select the pods behind the Service by their labels"),
            );
        }
    }
    out
}

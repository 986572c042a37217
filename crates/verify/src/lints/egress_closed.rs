//! Policies about ingress that close egress on the side.

use super::Lint;
use super::context::Context;
use crate::engine::EndpointId;
use palisade_diagnostics::{Diagnostic, Severity};
use palisade_netmodel::Direction;

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "egress-closed",
    code: "PAL0618",
    severity: Severity::Note,
    summary: "A policy with ingress rules alone also isolates egress, and no policy lets its pods out.",
    check,
};

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for (index, policy, written) in cx.policies() {
        let closes = policy.egress.as_ref().is_some_and(Vec::is_empty);
        let admits = policy
            .ingress
            .as_ref()
            .is_some_and(|rules| !rules.is_empty());
        if !closes || !admits {
            continue;
        }
        let locked: Vec<EndpointId> = cx
            .subjects(index)
            .iter()
            .copied()
            .filter(|e| has_no_way_out(cx, *e))
            .collect();
        if locked.is_empty() {
            continue;
        }
        let span = written.and_then(|w| w.policy_types).or(policy.origin.0);
        out.push(
            LINT.note(format!(
                "`{}` admits callers, and closes every way out",
                policy.object
            ))
            .at_opt(span, "Egress without any egress rule, here or elsewhere")
            .note(format!(
                "cannot even resolve names: {}",
                cx.names().list(locked)
            ))
            .help("remove Egress from `policyTypes`, or add what the pods need to reach"),
        );
    }
    out
}

/// No policy has an egress rule for it.
fn has_no_way_out(cx: &Context<'_>, endpoint: EndpointId) -> bool {
    let mut isolating = cx.engine.isolating(Direction::Egress, endpoint).iter();
    isolating.all(|index| {
        let policy = cx.world.network_policies.get(*index);
        policy.is_none_or(|p| p.egress.as_ref().is_none_or(Vec::is_empty))
    }) && !cx.administrators_open(Direction::Egress, endpoint, |may| !may.is_empty())
}

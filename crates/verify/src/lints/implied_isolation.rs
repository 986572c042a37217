//! Policies about egress that close ingress because `policyTypes` is missing.

use super::Lint;
use super::context::{Context, Expect};
use crate::engine::EndpointId;
use palisade_diagnostics::{Diagnostic, Severity};
use palisade_netmodel::{Direction, NetworkPolicy};

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "implied-isolation",
    code: "PAL0616",
    severity: Severity::Warning,
    summary: "A policy with egress rules alone closes ingress too, because policyTypes is missing.",
    check,
};

/// Whether the API server's default is all that closes ingress.
pub(super) fn is_implied(cx: &Context<'_>, policy: &NetworkPolicy) -> bool {
    let written = cx.written.policies.get(&policy.object);
    written.is_some_and(|w| w.policy_types.is_none())
        && policy.ingress.as_ref().is_some_and(Vec::is_empty)
        && policy
            .egress
            .as_ref()
            .is_some_and(|rules| !rules.is_empty())
}

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for (index, policy, _) in cx.policies() {
        if !is_implied(cx, policy) {
            continue;
        }
        // Where another policy isolates for ingress as well, this one changes nothing.
        let closed: Vec<EndpointId> = cx
            .subjects(index)
            .iter()
            .copied()
            .filter(|e| cx.engine.isolating(Direction::Ingress, *e) == [index])
            .filter(|e| !cx.administrators_open(Direction::Ingress, *e, |may| !may.is_empty()))
            .collect();
        let Some(first) = closed.first() else {
            continue;
        };
        let finding = LINT
            .finding(format!(
                "`{}` closes ingress, and has rules for egress alone",
                policy.object
            ))
            .at_opt(
                policy.origin.0,
                "no `policyTypes`: the API server adds Ingress to Egress",
            )
            .note(format!(
                "nobody reaches {}",
                cx.names().list(closed.iter().copied())
            ))
            .help("write `policyTypes: [Egress]`")
            .help("if ingress is meant to be closed, write `policyTypes: [Ingress, Egress]`");
        let port = cx.any_port(*first);
        let mut sources = cx.engine.endpoints();
        let source = sources.find(|e| {
            e != first && cx.engine.is_pair(*e, *first) && {
                let half = cx.engine.half(Direction::Ingress, *e, *first);
                half.may.is_empty()
            }
        });
        out.push(match source {
            Some(source) => cx.shown(finding, (source, *first), port, Expect::Refused),
            None => finding,
        });
    }
    out
}

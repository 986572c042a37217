//! Policies whose names say the opposite of what they do.

use super::Lint;
use super::context::Context;
use super::open_rule;
use palisade_diagnostics::{Diagnostic, Severity};
use palisade_netmodel::{Direction, NetworkPolicy};

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "misleading-name",
    code: "PAL0615",
    severity: Severity::Warning,
    summary: "The name of a NetworkPolicy says the opposite of its effect.",
    check,
};

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for (index, policy, _) in cx.policies() {
        if let Some((says, does, help)) = contradiction(cx, index, policy) {
            out.push(
                LINT.finding(format!("`{}` {does}", policy.object))
                    .at_opt(policy.origin.0, format!("the name says {says}"))
                    .help(help),
            );
        }
    }
    out
}

/// What the name says, what the policy does, and what to write.
fn contradiction(
    cx: &Context<'_>,
    index: usize,
    policy: &NetworkPolicy,
) -> Option<(&'static str, &'static str, &'static str)> {
    let words: Vec<String> = policy
        .object
        .name
        .split(['-', '.'])
        .map(str::to_lowercase)
        .collect();
    let says = |word: &str| words.iter().any(|w| w == word);
    let (deny, allow) = (says("deny") || says("block"), says("allow"));
    let isolates = |direction| policy.rules(direction).is_some();
    let is_open = |direction| {
        let rules = cx.rules_of(index, direction);
        rules
            .into_iter()
            .any(|rule| open_rule::everybody(rule) == Some("everybody"))
    };
    let is_closed = |direction| policy.rules(direction).is_some_and(<[_]>::is_empty);
    let both = [Direction::Ingress, Direction::Egress];
    let all = says("all") || says("default");
    if deny && !allow && !says("except") {
        if both.into_iter().any(is_open) {
            return Some((
                "deny",
                "admits everybody on every port",
                "remove the rule without peers and ports",
            ));
        }
        if says("egress") && !says("ingress") && !isolates(Direction::Egress) {
            return Some((
                "egress",
                "does not touch egress",
                "write `policyTypes: [Egress]`",
            ));
        }
        if says("ingress") && !says("egress") && !isolates(Direction::Ingress) {
            return Some((
                "ingress",
                "does not touch ingress",
                "write `policyTypes: [Ingress]`",
            ));
        }
        if says("all") && !says("ingress") && !says("egress") && !isolates(Direction::Egress) {
            return Some((
                "all",
                "leaves egress open",
                "write `policyTypes: [Ingress, Egress]`, or say `ingress` in the name",
            ));
        }
    }
    if allow && !deny {
        let judged: Vec<Direction> = both.into_iter().filter(|d| isolates(*d)).collect();
        if judged.iter().all(|d| is_closed(*d)) {
            return Some((
                "allow",
                "denies everything",
                "add the rules, or say `deny` in the name",
            ));
        }
        if all
            && says("all")
            && judged.iter().any(|d| is_closed(*d))
            && judged.iter().any(|d| is_open(*d))
        {
            let does = if is_closed(Direction::Ingress) {
                "denies all ingress"
            } else {
                "denies all egress"
            };
            return Some((
                "allow all",
                does,
                "leave the direction out of `policyTypes`, or add a rule for it",
            ));
        }
    }
    None
}

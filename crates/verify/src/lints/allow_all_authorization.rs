//! AuthorizationPolicies that make others void.

use super::Lint;
use super::context::Context;
use palisade_diagnostics::{Diagnostic, Severity};
use palisade_netmodel::{AuthorizationAction, AuthorizationPolicy};

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "allow-all-authorization",
    code: "PAL0638",
    severity: Severity::Warning,
    summary: "An AuthorizationPolicy allows everything and so makes the finer ones beside it void.",
    check,
};

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let policies = cx.world.authorization_policies.iter();
    policies
        .filter(|p| allows_all(p))
        .filter_map(|p| describe(cx, p))
        .collect()
}

fn is_enforced(policy: &AuthorizationPolicy) -> bool {
    policy.action == AuthorizationAction::Allow && !policy.dry_run && policy.targets.is_empty()
}

/// A rule without any condition matches every request.
fn allows_all(policy: &AuthorizationPolicy) -> bool {
    let mut rules = policy.rules.iter();
    is_enforced(policy)
        && rules.any(|rule| rule.from.is_empty() && rule.to.is_empty() && rule.when.is_empty())
}

fn describe(cx: &Context<'_>, policy: &AuthorizationPolicy) -> Option<Diagnostic> {
    let pods = cx.in_mesh(&policy.object, &policy.selector);
    let void: Vec<&AuthorizationPolicy> = cx
        .world
        .authorization_policies
        .iter()
        .filter(|other| is_enforced(other) && !allows_all(other) && !other.rules.is_empty())
        .filter(|other| {
            let theirs = cx.in_mesh(&other.object, &other.selector);
            !theirs.is_empty() && theirs.iter().all(|e| pods.contains(e))
        })
        .collect();
    let first = void.first()?;
    let mut finding = LINT
        .finding(match void.len() {
            1 => format!(
                "AuthorizationPolicy `{}` makes `{}` void",
                policy.object, first.object
            ),
            n => format!(
                "AuthorizationPolicy `{}` makes {n} others void",
                policy.object
            ),
        })
        .at_opt(
            policy.origin.0,
            "a rule without conditions allows every request",
        );
    for other in &void {
        finding = finding.at_opt(
            other.origin.0,
            format!("`{}` allows nothing more", other.object),
        );
    }
    Some(finding.help("remove the rule without conditions, or the policies that it makes void"))
}

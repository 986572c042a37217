//! Service accounts by which workloads cannot be told apart.

use super::Lint;
use super::context::Context;
use super::unknown_principal::parse;
use crate::engine::EndpointId;
use palisade_diagnostics::{Diagnostic, Severity, Span};
use palisade_netmodel::AuthorizationAction;
use std::collections::BTreeMap;

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "shared-service-account",
    code: "PAL0639",
    severity: Severity::Note,
    summary: "An AuthorizationPolicy admits a principal that several workloads share.",
    check,
};

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let mut groups: BTreeMap<(&str, &str), Vec<Option<Span>>> = BTreeMap::new();
    for policy in &cx.world.authorization_policies {
        if policy.action != AuthorizationAction::Allow || policy.dry_run {
            continue;
        }
        for rule in &policy.rules {
            let principals = rule.from.iter().flat_map(|source| &source.principals);
            for identity in principals.filter_map(|principal| parse(principal)) {
                let span = rule.origin.0.or(policy.origin.0);
                if !cx.skips(&LINT, span) {
                    groups
                        .entry((identity.namespace, identity.account))
                        .or_default()
                        .push(span);
                }
            }
        }
    }
    let groups = groups.into_iter();
    groups
        .filter_map(|(key, places)| judge(cx, key, &places))
        .collect()
}

fn judge(
    cx: &Context<'_>,
    (namespace, account): (&str, &str),
    places: &[Option<Span>],
) -> Option<Diagnostic> {
    let here = cx.pods_in(namespace).iter().copied();
    let sharing: Vec<EndpointId> = here
        .filter(|e| cx.engine.is_source(*e))
        .filter(|e| {
            cx.engine
                .pod(*e)
                .is_some_and(|pod| pod.template.service_account == account)
        })
        .collect();
    if cx.workloads(sharing.iter().copied()).len() < 2 {
        return None;
    }
    let mut finding = LINT.note(format!(
        "`{namespace}/{account}` is the service account of {}",
        cx.names().few(sharing.iter().copied())
    ));
    for (index, span) in places.iter().enumerate() {
        let text = if index == 0 {
            "a rule for one is a rule for all of them"
        } else {
            "and here"
        };
        finding = finding.at_opt(*span, text);
    }
    Some(
        finding
            .note(format!("shared by {}", cx.names().list(sharing)))
            .help("give each workload a service account of its own"),
    )
}

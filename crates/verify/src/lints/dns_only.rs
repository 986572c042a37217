//! Egress that a policy for DNS isolates on the side.

use super::Lint;
use super::context::Context;
use crate::engine::EndpointId;
use palisade_diagnostics::{Diagnostic, Severity};
use palisade_netmodel::{Direction, NetworkPolicy, PolicyPort};
use std::collections::BTreeMap;

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "dns-only",
    code: "PAL0651",
    severity: Severity::Note,
    summary: "A policy that opens DNS is all that isolates egress, so its pods resolve names and reach nobody.",
    check,
};

/// The ports of DNS, also over TLS, and that of OpenShift's DNS pods.
const PORTS: [u16; 3] = [53, 853, 5353];

/// Words that say that closing is meant.
const MEANT: [&str; 8] = [
    "deny",
    "block",
    "isolate",
    "isolation",
    "restrict",
    "only",
    "lockdown",
    "default",
];

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let mut groups: BTreeMap<usize, Vec<EndpointId>> = BTreeMap::new();
    for endpoint in cx.engine.endpoints() {
        let isolating = cx.engine.isolating(Direction::Egress, endpoint);
        let for_dns = |index: &usize| {
            let policy = cx.world.network_policies.get(*index);
            policy.is_some_and(opens_dns_alone)
        };
        let is_live = cx.engine.pod(endpoint).is_some() && cx.engine.is_source(endpoint);
        if let Some(first) = isolating.first()
            && is_live
            && isolating.iter().all(for_dns)
            && !cx.administrators_open(Direction::Egress, endpoint, |may| !may.is_empty())
        {
            groups.entry(*first).or_default().push(endpoint);
        }
    }
    let groups = groups.into_iter();
    groups
        .filter_map(|(index, pods)| describe(cx, index, &pods))
        .collect()
}

fn opens_dns_alone(policy: &NetworkPolicy) -> bool {
    let rules = policy.egress.as_deref().unwrap_or_default();
    let is_dns = |port: &PolicyPort| match port {
        PolicyPort::Range { first, last, .. } => first == last && PORTS.contains(first),
        PolicyPort::Named { name, .. } => name.starts_with("dns"),
    };
    let mut words = policy.object.name.split(['-', '.']);
    !rules.is_empty()
        && !words.any(|word| MEANT.contains(&word.to_lowercase().as_str()))
        && rules.iter().all(|rule| {
            let ports = rule.ports.as_deref().unwrap_or_default();
            !ports.is_empty() && ports.iter().all(is_dns)
        })
}

fn describe(cx: &Context<'_>, index: usize, pods: &[EndpointId]) -> Option<Diagnostic> {
    let policy = cx.world.network_policies.get(index)?;
    let place = policy.egress.as_deref().and_then(|rules| rules.first());
    Some(
        LINT.note(format!(
            "`{}` opens DNS, and closes every other way out of {}",
            policy.object,
            cx.names().few(pods.iter().copied())
        ))
        .at_opt(
            place.and_then(|rule| rule.origin.0),
            "an egress rule isolates: what no rule opens is closed",
        )
        .note(format!(
            "no other policy isolates the egress of {}",
            cx.names().list(pods.iter().copied())
        ))
        .help("add what the pods need to reach, or remove the policy: without it DNS is open too")
        .help("if they are meant to reach nobody, say so with a policy that closes: `policyTypes: [Egress]` and no rules"),
    )
}

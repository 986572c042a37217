//! Principals that are no workload's.

use super::Lint;
use super::context::Context;
use palisade_diagnostics::{Diagnostic, Severity, Span, did_you_mean};
use palisade_netmodel::Proxy;
use std::collections::{BTreeMap, BTreeSet};

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "unknown-principal",
    code: "PAL0640",
    severity: Severity::Warning,
    summary: "An AuthorizationPolicy names a principal that no pod of the mesh has.",
    check,
};

/// The parts of `<trust domain>/ns/<namespace>/sa/<account>`.
pub(super) struct Identity<'p> {
    pub(super) domain: &'p str,
    pub(super) namespace: &'p str,
    pub(super) account: &'p str,
}

/// A principal without a wildcard.
pub(super) fn parse(principal: &str) -> Option<Identity<'_>> {
    let mut parts = principal.split('/');
    let identity = Identity {
        domain: parts.next()?,
        namespace: parts
            .next()
            .filter(|word| *word == "ns")
            .and(parts.next())?,
        account: parts
            .next()
            .filter(|word| *word == "sa")
            .and(parts.next())?,
    };
    (parts.next().is_none() && !principal.contains('*')).then_some(identity)
}

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    // One finding for each principal, however often it is named.
    let mut groups: BTreeMap<&str, Vec<Option<Span>>> = BTreeMap::new();
    for policy in &cx.world.authorization_policies {
        for rule in &policy.rules {
            for principal in rule.from.iter().flat_map(|source| &source.principals) {
                let span = rule.origin.0.or(policy.origin.0);
                if !principal.contains('*') && !cx.skips(&LINT, span) {
                    groups.entry(principal).or_default().push(span);
                }
            }
        }
    }
    let groups = groups.into_iter();
    groups
        .filter_map(|(principal, places)| judge(cx, principal, &places))
        .collect()
}

fn judge(cx: &Context<'_>, principal: &str, places: &[Option<Span>]) -> Option<Diagnostic> {
    let title = format!("the principal `{principal}` is no pod's");
    let at = |mut finding: Diagnostic, text: String| {
        for (index, span) in places.iter().enumerate() {
            finding = finding.at_opt(
                *span,
                if index == 0 {
                    text.clone()
                } else {
                    "and here".to_owned()
                },
            );
        }
        finding
    };
    let Some(identity) = parse(principal) else {
        let finding = LINT.finding(title).help(
            "write `<trust domain>/ns/<namespace>/sa/<service account>`, without `spiffe://`",
        );
        return Some(at(finding, "not the form of a principal".to_owned()));
    };
    let mesh = &cx.world.mesh;
    let known = |domain: &str| {
        domain == mesh.trust_domain
            || domain == "cluster.local"
            || mesh.trust_domain_aliases.iter().any(|a| a == domain)
    };
    if !known(identity.domain) {
        let finding = LINT
            .finding(title)
            .help(format!("write `{}` as the trust domain", mesh.trust_domain));
        return Some(at(
            finding,
            format!("`{}` is not the trust domain of the mesh", identity.domain),
        ));
    }
    let namespace = identity.namespace;
    let pods: Vec<_> = cx
        .pods_in(namespace)
        .iter()
        .filter_map(|e| cx.engine.pod(*e))
        .collect();
    if pods.is_empty() {
        let finding = LINT
            .note(title)
            .help("check the namespace, or give its workloads as well");
        return Some(at(
            finding,
            format!("the input shows no pod of `{namespace}`"),
        ));
    }
    let mine: Vec<_> = pods
        .iter()
        .filter(|pod| pod.template.service_account == identity.account)
        .collect();
    if mine.is_empty() {
        let accounts: BTreeSet<&str> = pods
            .iter()
            .map(|pod| pod.template.service_account.as_str())
            .collect();
        let mut finding = LINT.finding(title);
        if let Some(near) = did_you_mean(identity.account, accounts.iter().copied()) {
            finding = finding.help(format!(
                "write `{near}`, which pods of `{namespace}` run as"
            ));
        }
        let finding = finding.help("correct the service account, or remove the principal");
        return Some(at(
            finding,
            format!("no pod of `{namespace}` runs as `{}`", identity.account),
        ));
    }
    // Without a proxy a pod has no certificate to show.
    if mine
        .iter()
        .all(|pod| matches!(pod.template.proxy, Proxy::None { .. }))
    {
        let finding = LINT
            .finding(title)
            .help("give the pod a sidecar, or remove the principal");
        return Some(at(
            finding,
            format!(
                "the pods of `{namespace}` that run as `{}` have no sidecar, and so no identity",
                identity.account
            ),
        ));
    }
    None
}

//! A peer of a NetworkPolicy that no pod is.

use super::Lint;
use super::context::{Context, RuleView};
use super::policy_selects_nothing::near;
use super::split_peer;
use crate::engine::namespace_matches;
use palisade_diagnostics::{Diagnostic, Severity, Span};
use palisade_netmodel::{NamespaceMatch, Operator, Peer, Selector};
use std::collections::{BTreeMap, BTreeSet};

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "peer-selects-nothing",
    code: "PAL0604",
    severity: Severity::Warning,
    summary: "A peer of a NetworkPolicy means no pod, so it admits nobody.",
    check,
};

/// Labels of namespaces that OpenShift's network plugins give a meaning of their own, for traffic of
/// routers and of the host network.
const PLATFORM: [&str; 2] = [
    "policy-group.network.openshift.io/",
    "network.openshift.io/policy-group",
];

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    // What one lint explains, another does not repeat.
    let explained: BTreeSet<Option<Span>> = split_peer::splits(cx)
        .iter()
        .map(|split| split.rule.peer_span(split.dead))
        .collect();
    let mut groups: BTreeMap<&Peer, Vec<(Option<Span>, RuleView<'_>)>> = BTreeMap::new();
    for view in cx.rules() {
        for (index, peer) in view.rule.peers.iter().flatten().enumerate() {
            let span = view.peer_span(index);
            let dead = is_dead(cx, peer) && !explained.contains(&span);
            if dead && !cx.skips(&LINT, span) {
                groups.entry(peer).or_default().push((span, view));
            }
        }
    }
    let groups = groups.into_iter();
    groups
        .filter_map(|(peer, places)| describe(cx, peer, &places))
        .collect()
}

fn is_dead(cx: &Context<'_>, peer: &Peer) -> bool {
    match peer {
        Peer::Pods { namespaces, pods } => {
            cx.peer(peer).is_empty()
                && !is_platform(namespaces)
                && !is_dns_elsewhere(cx, pods)
                && !on_host_network(cx, namespaces, pods)
        }
        Peer::Block { .. } => false,
    }
}

pub(super) fn is_platform(namespaces: &NamespaceMatch) -> bool {
    let NamespaceMatch::Selector(selector) = namespaces else {
        return false;
    };
    let keys = selector.requirements.iter().map(|r| r.key.as_str());
    keys.into_iter()
        .any(|key| PLATFORM.iter().any(|start| key.starts_with(start)))
}

/// The DNS pods of a cluster are rarely among the manifests of what runs on it.
fn is_dns_elsewhere(cx: &Context<'_>, pods: &Selector) -> bool {
    let keys = ["k8s-app", "dns.operator.openshift.io/daemonset-dns"];
    let of_dns = pods.requirements.iter().any(|r| {
        keys.contains(&r.key.as_str())
            && match &r.operator {
                Operator::In(values) => {
                    r.key != "k8s-app" || values.iter().any(|v| v == "kube-dns")
                }
                _ => r.key != "k8s-app",
            }
    });
    let shown = ["kube-system", "openshift-dns"]
        .iter()
        .any(|name| cx.has_pods(name));
    of_dns && !shown
}

/// Pods on the host network have the labels, and another lint tells why no peer means them.
pub(super) fn on_host_network(
    cx: &Context<'_>,
    namespaces: &NamespaceMatch,
    pods: &Selector,
) -> bool {
    !pods.is_everything()
        && cx.world.pods.iter().any(|pod| {
            pod.host_network
                && pods.matches(&pod.labels)
                && namespace_matches(cx.world, namespaces, &pod.namespace)
        })
}

fn means_every_namespace(namespaces: &NamespaceMatch) -> bool {
    matches!(namespaces, NamespaceMatch::Selector(selector) if selector.is_everything())
}

fn describe(
    cx: &Context<'_>,
    peer: &Peer,
    places: &[(Option<Span>, RuleView<'_>)],
) -> Option<Diagnostic> {
    let Peer::Pods { namespaces, pods } = peer else {
        return None;
    };
    let (first, view) = places.first()?;
    let known: Vec<&str> = cx
        .world
        .namespaces
        .keys()
        .filter(|name| namespace_matches(cx.world, namespaces, name))
        .map(String::as_str)
        .collect();
    let with_pods: Vec<&str> = known
        .iter()
        .copied()
        .filter(|name| cx.has_pods(name))
        .collect();
    let title = match places.len() {
        1 => format!("a peer of `{}` means no pod", view.policy.object),
        n => format!(
            "a peer of `{}` and {} other rules means no pod",
            view.policy.object,
            n - 1
        ),
    };
    let (finding, text) = match (with_pods.first(), known.first()) {
        // Some namespace that the input does not show may have such pods.
        (Some(_), _) if means_every_namespace(namespaces) => (
            LINT.note(title)
                .help("correct the labels, or give the other namespaces as well"),
            "no pod that the input shows has these labels".to_owned(),
        ),
        (Some(name), _) => {
            let mut finding = LINT.finding(title);
            let advice = pods.requirements.iter().filter_map(|r| near(cx, name, r));
            for advice in advice {
                finding = finding.help(advice);
            }
            let text = match with_pods.len() {
                1 => format!("no pod of `{name}` has these labels"),
                n => format!("no pod of the {n} namespaces that it means has these labels"),
            };
            (finding.help("correct the labels, or remove the peer"), text)
        }
        (None, Some(name)) => (
            LINT.note(title)
                .help("give the workloads as well, or remove the peer"),
            format!("the input shows no pod of `{name}`"),
        ),
        (None, None) => (
            LINT.note(title)
                .help("check the labels of namespaces, or give the other namespaces as well"),
            "the input shows no such namespace".to_owned(),
        ),
    };
    let mut finding = finding.at_opt(*first, text);
    for (span, _) in places.iter().skip(1) {
        finding = finding.at_opt(*span, "and here");
    }
    Some(finding)
}

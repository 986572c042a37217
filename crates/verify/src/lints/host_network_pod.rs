//! Selectors that take pods on the host network, to which policies do not apply.

use super::Lint;
use super::context::{Context, Expect};
use crate::engine::{EndpointId, namespace_matches};
use palisade_diagnostics::{Diagnostic, Severity};
use palisade_netmodel::{Direction, Peer, Phase};

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "host-network-pod",
    code: "PAL0613",
    severity: Severity::Warning,
    summary: "A selector takes pods on the host network, to which NetworkPolicies do not apply.",
    check,
};

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let mut out = subjects(cx);
    out.extend(peers(cx));
    out
}

/// Policies that were written for a pod on the host network.
fn subjects(cx: &Context<'_>) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for (_, policy, written) in cx.policies() {
        if policy.pod_selector.is_everything() {
            continue;
        }
        let here = cx.pods_in(&policy.object.namespace).iter().copied();
        let on_host: Vec<EndpointId> = here
            .filter(|e| {
                cx.engine.pod(*e).is_some_and(|pod| {
                    pod.host_network
                        && pod.phase == Phase::Live
                        && policy.pod_selector.matches(&pod.labels)
                })
            })
            .collect();
        let Some(first) = on_host.first() else {
            continue;
        };
        let pod = cx.engine.pod(*first).and_then(|pod| pod.origin.0);
        let span = written.and_then(|w| w.pod_selector).or(policy.origin.0);
        let finding = LINT
            .finding(format!(
                "`{}` selects {}, which is on the host network",
                policy.object,
                cx.names().few(on_host.iter().copied())
            ))
            .at_opt(span, "has no effect on pods on the host network")
            .at_opt(pod, "`hostNetwork: true`")
            .help("take the pod off the host network, or restrict it on the node itself");
        let port = cx.any_port(*first);
        out.push(
            match cx.open_to(*first, &[port], |e| cx.engine.address(e).is_some()) {
                Some((source, port)) if policy.rules(Direction::Ingress).is_some() => {
                    cx.shown(finding, (source, *first), port, Expect::Passes)
                }
                _ => finding,
            },
        );
    }
    out
}

/// Peers whose labels only pods on the host network have.
fn peers(cx: &Context<'_>) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for view in cx.rules() {
        for (index, peer) in view.rule.peers.iter().flatten().enumerate() {
            let Peer::Pods { namespaces, pods } = peer else {
                continue;
            };
            if pods.is_everything() || !cx.peer(peer).is_empty() {
                continue;
            }
            let meant = cx.world.pods.iter().find(|pod| {
                pod.host_network
                    && pods.matches(&pod.labels)
                    && namespace_matches(cx.world, namespaces, &pod.namespace)
            });
            let Some(meant) = meant else { continue };
            out.push(
                LINT.finding(format!(
                    "a peer of `{}` means `{}`, which is on the host network",
                    view.policy.object,
                    meant.object()
                ))
                .at_opt(
                    view.peer_span(index),
                    "no selector takes pods on the host network",
                )
                .at_opt(meant.origin.0, "`hostNetwork: true`")
                .help("admit the addresses of its nodes by `ipBlock`"),
            );
        }
    }
    out
}

//! Pods that act on the API server by their roles, and have no way to it.

use super::Lint;
use super::context::Context;
use crate::engine::EndpointId;
use palisade_diagnostics::{Diagnostic, Severity, Span};
use palisade_netmodel::{Direction, ObjectRef, Peer, Pod, PolicyPort, Protocol, Rule};
use std::collections::BTreeMap;

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "no-api-server",
    code: "PAL0648",
    severity: Severity::Warning,
    summary: "A pod has a role at the API server, and policies that let it out to no address.",
    check,
};

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let mut groups: BTreeMap<usize, Vec<(EndpointId, Span)>> = BTreeMap::new();
    for endpoint in cx.engine.endpoints() {
        let Some(span) = bound(cx, endpoint) else {
            continue;
        };
        let Some(policy) = cx.engine.isolating(Direction::Egress, endpoint).first() else {
            continue;
        };
        if !may_reach(cx, endpoint) {
            groups.entry(*policy).or_default().push((endpoint, span));
        }
    }
    let groups = groups.into_iter();
    groups
        .map(|(policy, pods)| describe(cx, policy, &pods))
        .collect()
}

/// Where a role is bound to the service account of a live pod that gets a token.
fn bound(cx: &Context<'_>, endpoint: EndpointId) -> Option<Span> {
    let pod = cx.engine.pod(endpoint)?;
    let template = &pod.template;
    let account = ObjectRef::new(template.namespace.clone(), template.service_account.clone());
    let span = cx.written.bound.get(&account)?;
    let gets_token = |pod: &Pod| {
        let owner = pod.origin.0;
        owner.is_none_or(|owner| !cx.written.tokenless.contains(&owner))
    };
    let mut members = cx.engine.members(endpoint).iter();
    let calls = cx.engine.is_source(endpoint)
        && !pod.host_network
        && members.any(|id| cx.world.pod(*id).is_some_and(gets_token));
    calls.then_some(*span)
}

/// Whether some rule lets out by TCP to anything that may be the API server: addresses, everybody, or
/// pods that the input does not show.
fn may_reach(cx: &Context<'_>, endpoint: EndpointId) -> bool {
    let opens = |rule: &Rule| {
        by_tcp(rule.ports.as_deref())
            && rule.peers.as_ref().is_none_or(|peers| {
                peers.iter().any(|peer| match peer {
                    Peer::Block { .. } => true,
                    Peer::Pods { .. } => {
                        let meant = cx.peer(peer);
                        meant.is_empty() || meant.iter().any(|e| is_api_server(cx, *e))
                    }
                })
            })
    };
    let mut isolating = cx.engine.isolating(Direction::Egress, endpoint).iter();
    isolating.any(|index| {
        let policy = cx.world.network_policies.get(*index);
        let rules = policy.and_then(|p| p.egress.as_deref());
        rules.unwrap_or_default().iter().any(opens)
    }) || cx.administrators_open(Direction::Egress, endpoint, |may| {
        !may.ranges(Protocol::Tcp).is_empty()
    })
}

fn by_tcp(ports: Option<&[PolicyPort]>) -> bool {
    let tcp = |port: &PolicyPort| match port {
        PolicyPort::Range { protocol, .. } | PolicyPort::Named { protocol, .. } => {
            *protocol == Protocol::Tcp
        }
    };
    ports.is_none_or(|ports| ports.is_empty() || ports.iter().any(tcp))
}

fn is_api_server(cx: &Context<'_>, endpoint: EndpointId) -> bool {
    cx.engine.pod(endpoint).is_some_and(|pod| {
        pod.host_network
            || pod.host_group
            || pod.labels.get("component") == Some("kube-apiserver")
            || pod.template.namespace == "openshift-kube-apiserver"
    })
}

fn describe(cx: &Context<'_>, policy: usize, pods: &[(EndpointId, Span)]) -> Diagnostic {
    let all = || pods.iter().map(|(e, _)| *e);
    let place = cx.world.network_policies.get(policy);
    let title = format!(
        "{} cannot reach the API server, in spite of a role there",
        cx.names().few(all())
    );
    // Who lets a pod out to nobody may mean it, and grant too much.
    let lets_out = |index: &usize| {
        let policy = cx.world.network_policies.get(*index);
        policy.is_some_and(|p| p.egress.as_ref().is_some_and(|rules| !rules.is_empty()))
    };
    let is_partly_open = |e: EndpointId| {
        let mut isolating = cx.engine.isolating(Direction::Egress, e).iter();
        isolating.any(lets_out)
    };
    let mut finding = match all().any(is_partly_open) {
        true => LINT.finding(title),
        false => LINT.note(title),
    }
    .at_opt(
        place.and_then(|p| p.origin.0),
        "isolates egress, and no rule lets out to an address by TCP",
    );
    let mut spans: Vec<Span> = pods.iter().map(|(_, span)| *span).collect();
    spans.sort();
    spans.dedup();
    for span in spans {
        finding = finding.at(span, "a role is bound to its service account");
    }
    let finding = finding
        .note(format!("concerns {}", cx.names().list(all())))
        .note("the API server has no labels: policies see an address of the control plane")
        .help("let it out to the addresses of the API server on 443/TCP and 6443/TCP")
        .help(
            "if it never calls, write `automountServiceAccountToken: false`, or remove the binding",
        );
    let address = cx.addresses().first().copied();
    match (pods.first(), address) {
        (Some((pod, _)), Some(address)) => {
            cx.shown_if_refused(finding, (*pod, address), (Protocol::Tcp, 6443))
        }
        _ => finding,
    }
}

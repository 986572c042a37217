//! Pods that may call others by policy and cannot resolve their names.

use super::Lint;
use super::context::{Context, Expect};
use crate::engine::EndpointId;
use palisade_diagnostics::{Diagnostic, Severity, Span};
use palisade_netmodel::{Direction, Peer, Pod, PolicyPort, Protocol};
use std::collections::BTreeMap;

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "no-dns",
    code: "PAL0619",
    severity: Severity::Warning,
    summary: "Pods may call other pods, and cannot resolve names: DNS is in no egress rule.",
    check,
};

/// The ports of DNS: the standard one, and that of OpenShift's DNS pods.
const PORTS: [u16; 2] = [53, 5353];

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let servers = servers(cx);
    let mut groups: BTreeMap<usize, Vec<EndpointId>> = BTreeMap::new();
    for endpoint in cx.engine.endpoints() {
        let is_source = cx.engine.pod(endpoint).is_some() && cx.engine.is_source(endpoint);
        let isolating = cx.engine.isolating(Direction::Egress, endpoint);
        let calls_pods = isolating.iter().copied().find(|i| calls_pods(cx, *i));
        if let Some(policy) = calls_pods
            && is_source
            && !resolves(cx, endpoint, &servers)
        {
            groups.entry(policy).or_default().push(endpoint);
        }
    }
    let groups = groups.into_iter();
    groups
        .filter(|(policy, _)| !cx.skips(&LINT, place(cx, *policy)))
        .map(|(policy, pods)| describe(cx, policy, &pods, &servers))
        .collect()
}

/// The DNS pods of the cluster that the input shows.
fn servers(cx: &Context<'_>) -> Vec<EndpointId> {
    let is_server = |pod: &Pod| {
        (pod.namespace == "kube-system" && pod.labels.get("k8s-app") == Some("kube-dns"))
            || (pod.namespace == "openshift-dns"
                && pod
                    .labels
                    .get("dns.operator.openshift.io/daemonset-dns")
                    .is_some())
    };
    let all = cx.engine.endpoints();
    all.filter(|e| cx.engine.is_destination(*e) && cx.engine.pod(*e).is_some_and(is_server))
        .collect()
}

/// Whether a policy lets out to pods, which are found by name.
fn calls_pods(cx: &Context<'_>, policy: usize) -> bool {
    let rules = cx
        .world
        .network_policies
        .get(policy)
        .and_then(|p| p.egress.as_deref());
    let mut rules = rules.unwrap_or_default().iter();
    rules.any(|rule| {
        let mut peers = rule.peers.iter().flatten();
        peers.any(|peer| matches!(peer, Peer::Pods { .. }))
    })
}

/// Whether some way to a DNS server may be open.
fn resolves(cx: &Context<'_>, endpoint: EndpointId, servers: &[EndpointId]) -> bool {
    let reaches = servers.iter().any(|server| {
        let may = cx.engine.half(Direction::Egress, endpoint, *server).may;
        PORTS.iter().any(|port| may.contains(Protocol::Udp, *port))
    });
    if reaches {
        return true;
    }
    // Other servers, on the node, elsewhere, or not in the input: any rule that opens the port to
    // them counts.
    let elsewhere = |peer: &Peer| match peer {
        Peer::Pods { .. } => cx.peer(peer).is_empty(),
        Peer::Block { .. } => true,
    };
    let mut isolating = cx.engine.isolating(Direction::Egress, endpoint).iter();
    isolating.any(|index| {
        let rules = cx
            .world
            .network_policies
            .get(*index)
            .and_then(|p| p.egress.as_deref());
        let mut rules = rules.unwrap_or_default().iter();
        rules.any(|rule| {
            let others = match &rule.peers {
                None => true,
                Some(peers) => servers.is_empty() || peers.iter().any(elsewhere),
            };
            others && opens_dns(rule.ports.as_deref())
        })
    }) || cx.administrators_open(Direction::Egress, endpoint, |may| {
        PORTS.iter().any(|port| may.contains(Protocol::Udp, *port))
    })
}

fn opens_dns(ports: Option<&[PolicyPort]>) -> bool {
    let Some(ports) = ports else { return true };
    ports.iter().any(|port| match port {
        PolicyPort::Range {
            protocol,
            first,
            last,
        } => *protocol == Protocol::Udp && PORTS.iter().any(|p| first <= p && p <= last),
        PolicyPort::Named { protocol, .. } => *protocol == Protocol::Udp,
    })
}

fn place(cx: &Context<'_>, policy: usize) -> Option<Span> {
    cx.world.network_policies.get(policy)?.origin.0
}

fn describe(
    cx: &Context<'_>,
    index: usize,
    pods: &[EndpointId],
    servers: &[EndpointId],
) -> Diagnostic {
    let finding = LINT
        .finding(format!(
            "{} may call other pods, and cannot resolve names",
            cx.names().few(pods.iter().copied())
        ))
        .at_opt(place(cx, index), "isolates egress, and opens no port for DNS")
        .note(format!("concerns {}", cx.names().list(pods.iter().copied())))
        .help("add an egress rule for DNS: to the pods `k8s-app: kube-dns` of `kube-system` on 53/UDP and 53/TCP (OpenShift: `openshift-dns`, 5353)");
    match (pods.first(), servers.first()) {
        (Some(pod), Some(server)) => cx.shown(
            finding,
            (*pod, *server),
            (Protocol::Udp, 53),
            Expect::Refused,
        ),
        _ => finding,
    }
}

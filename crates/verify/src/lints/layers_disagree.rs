//! NetworkPolicy and mesh that contradict each other.

use super::Lint;
use super::context::{Context, Expect, RuleView};
use super::half_open::{MAX_PAIRS, constant_ports, named_groups};
use crate::engine::EndpointId;
use palisade_diagnostics::{Diagnostic, Severity, Span};
use palisade_netmodel::{
    AuthorizationAction, AuthorizationPolicy, AuthorizationRule, Direction, PortSet, Protocol,
    Proxy,
};

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "layers-disagree",
    code: "PAL0637",
    severity: Severity::Warning,
    summary: "NetworkPolicy admits callers that the mesh refuses, or the mesh callers that no NetworkPolicy admits.",
    check,
};

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for view in cx.rules() {
        if view.direction == Direction::Ingress {
            out.extend(mesh_refuses(cx, view));
        }
    }
    for policy in &cx.world.authorization_policies {
        let enforced = policy.action == AuthorizationAction::Allow
            && !policy.dry_run
            && policy.targets.is_empty();
        for rule in policy.rules.iter().filter(|_| enforced) {
            out.extend(network_refuses(cx, policy, rule));
        }
    }
    out
}

/// A contradiction: where, who, on what, and one pair and port.
struct Refused {
    span: Option<Span>,
    group: Vec<EndpointId>,
    ports: PortSet,
    pair: (EndpointId, EndpointId),
    port: (Protocol, u16),
}

/// Peers of a rule that the mesh refuses on ports of the rule, at every pod.
fn mesh_refuses(cx: &Context<'_>, view: RuleView<'_>) -> Option<Diagnostic> {
    view.rule.ports.as_ref()?;
    let all = constant_ports(view);
    let mut refused: Vec<Refused> = Vec::new();
    for (index, peer) in view.rule.peers.iter().flatten().enumerate() {
        for group in named_groups(cx, peer) {
            let found = refused_to(
                cx,
                (&group, cx.subjects(view.index)),
                all.as_ref(),
                |s, d| {
                    let ports = cx.engine.ports_at(view.rule.ports.as_deref(), d);
                    // What NetworkPolicy refuses at the other end is another lint's.
                    let network = cx
                        .engine
                        .half(Direction::Egress, s, d)
                        .may
                        .intersection(&ports);
                    (network, cx.engine.mesh_half(s, d).passage.may)
                },
            );
            if let Some((ports, pair, port)) = found {
                refused.push(Refused {
                    span: view.peer_span(index),
                    group,
                    ports,
                    pair,
                    port,
                });
            }
        }
    }
    let first = refused.first()?;
    let names = cx.names();
    let everybody = || refused.iter().flat_map(|r| r.group.iter().copied());
    let mut finding = LINT.finding(format!(
        "`{}` admits {}, which the mesh refuses",
        view.policy.object,
        names.few(everybody())
    ));
    for item in &refused {
        let text = format!("refused by the mesh on {}", item.ports);
        finding = finding.at_opt(item.span, text);
    }
    let finding = finding
        .note(format!("refused: {}", names.list(everybody())))
        .help("remove the peer, or let the mesh admit it: a sidecar for the caller, or an AuthorizationPolicy rule");
    Some(cx.shown(finding, first.pair, first.port, Expect::Refused))
}

/// Ports, and one pair and port of them.
type Dead = (PortSet, (EndpointId, EndpointId), (Protocol, u16));

/// What is opened and passes for no pair (nothing, once `all` has passed), with one pair and port that shows it.
fn refused_to(
    cx: &Context<'_>,
    (sources, destinations): (&[EndpointId], &[EndpointId]),
    all: Option<&PortSet>,
    at: impl Fn(EndpointId, EndpointId) -> (PortSet, PortSet),
) -> Option<Dead> {
    if sources.len().saturating_mul(destinations.len()) > MAX_PAIRS {
        return None;
    }
    let (mut opened, mut passing) = (PortSet::empty(), PortSet::empty());
    let mut refusals: Vec<((EndpointId, EndpointId), PortSet)> = Vec::new();
    for source in sources {
        for destination in destinations {
            if !cx.engine.is_pair(*source, *destination) {
                continue;
            }
            let (here, may) = at(*source, *destination);
            passing = passing.union(&here.intersection(&may));
            if all.is_some_and(|all| passing.covers(all)) {
                return None;
            }
            let closed = here.difference(&may);
            if !closed.is_empty() && refusals.iter().all(|(_, known)| *known != closed) {
                refusals.push(((*source, *destination), closed));
            }
            opened = opened.union(&here);
        }
    }
    let dead = opened.difference(&passing);
    let mut refusals = refusals.into_iter();
    let (pair, port) =
        refusals.find_map(|(pair, closed)| Some((pair, closed.intersection(&dead).first()?)))?;
    Some((dead, pair, port))
}

/// Callers that a rule of an AuthorizationPolicy names and no NetworkPolicy lets through.
fn network_refuses(
    cx: &Context<'_>,
    policy: &AuthorizationPolicy,
    rule: &AuthorizationRule,
) -> Option<Diagnostic> {
    let ports: Vec<u16> = rule
        .to
        .iter()
        .flat_map(|o| o.ports.iter().copied())
        .collect();
    if ports.is_empty() || rule.to.iter().any(|o| o.ports.is_empty()) {
        return None;
    }
    let opened = ports.iter().fold(PortSet::empty(), |set, port| {
        set.union(&PortSet::single(Protocol::Tcp, *port))
    });
    let receivers = cx.in_mesh(&policy.object, &policy.selector);
    let mut refused: Vec<Refused> = Vec::new();
    for principal in rule.from.iter().flat_map(|source| &source.principals) {
        let group = callers(cx, principal);
        let found = refused_to(cx, (&group, &receivers), Some(&opened), |s, d| {
            let network = cx.engine.half(Direction::Egress, s, d).may;
            let network = network.intersection(&cx.engine.half(Direction::Ingress, s, d).may);
            (opened.difference(&bypassed(cx, d)), network)
        });
        if let Some((ports, pair, port)) = found {
            refused.push(Refused {
                span: rule.origin.0,
                group,
                ports,
                pair,
                port,
            });
        }
    }
    let first = refused.first()?;
    let names = cx.names();
    let everybody = || refused.iter().flat_map(|r| r.group.iter().copied());
    let mut finding = LINT.finding(format!(
        "AuthorizationPolicy `{}` admits {}, which no NetworkPolicy lets through",
        policy.object,
        names.few(everybody())
    ));
    for item in &refused {
        let who = names.few(item.group.iter().copied());
        finding = finding.at_opt(
            item.span.or(policy.origin.0),
            format!("admits {who} on {}", item.ports),
        );
    }
    let finding = finding
        .note(format!("refused: {}", names.list(everybody())))
        .help("remove the principal, or admit its pods by NetworkPolicy");
    Some(cx.shown(finding, first.pair, first.port, Expect::Refused))
}

/// Ports at which no sidecar asks for a principal; another lint tells of rules for them.
fn bypassed(cx: &Context<'_>, pod: EndpointId) -> PortSet {
    match cx.engine.pod(pod).map(|pod| &pod.template.proxy) {
        Some(Proxy::Sidecar { inbound, .. }) => inbound.bypass.clone(),
        _ => PortSet::empty(),
    }
}

/// The pods of the mesh that go by a principal without a wildcard.
fn callers(cx: &Context<'_>, principal: &str) -> Vec<EndpointId> {
    let Some(identity) = super::unknown_principal::parse(principal) else {
        return Vec::new();
    };
    let all = cx.sidecars().iter().copied();
    all.filter(|e| {
        cx.engine.pod(*e).is_some_and(|pod| {
            pod.template.namespace == identity.namespace
                && pod.template.service_account == identity.account
        })
    })
    .collect()
}

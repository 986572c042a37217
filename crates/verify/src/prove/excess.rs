//! Undeclared connections that pass although somebody claims that none does.

use super::replay::{Expect, Witness, replay};
use super::{Context, Findings};
use crate::engine::{AdminRuleId, EndpointId, RuleId, Tunnels};
use crate::names::Names;
use palisade_diagnostics::Diagnostic;
use palisade_netmodel::{
    Direction, HBONE_PORT, NamespaceMatch, NetworkPolicy, Peer, PortSet, Protocol, Rule,
};
use roaring::RoaringBitmap;
use std::collections::BTreeMap;

/// Why a connection gets in (or out) at the end that claims otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Gap {
    /// A rule admits it.
    Rule(Direction, RuleId),
    /// A rule of an administrator's policy accepts it.
    Accepted(Direction, AdminRuleId),
    /// No policy isolates the pods of a claim in this direction.
    NotIsolated(Direction, usize),
    /// It runs in tunnels of the ambient mesh that policies admit, and no policy of the mesh refuses it.
    Tunnel(Direction, usize),
}

/// One undeclared pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Opening {
    ends: (EndpointId, EndpointId),
    ports: PortSet,
}

/// The pairs of one gap: those that pass for certain, and those that may.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pairs {
    certain: Vec<Opening>,
    perhaps: Vec<Opening>,
}

pub(super) type Groups = BTreeMap<Gap, Pairs>;

/// Adds a finding for each rule, and for each claim without a policy, that lets undeclared
/// connections pass.
pub(super) fn check(context: &Context<'_>, findings: &mut Findings) {
    let whole = (context.intent, &context.declared, context.engine);
    for (gap, pairs) in &group(context, &context.suspects.of_excess(whole)) {
        // What passes for certain is the finding; what may pass by the same gap is a note on it.
        let (openings, certain) = if pairs.certain.is_empty() {
            (&pairs.perhaps, false)
        } else {
            (&pairs.certain, true)
        };
        let expect = if certain {
            Expect::Passes
        } else {
            Expect::Undecided
        };
        let first = openings.first();
        let Some((first, port)) = first.and_then(|o| Some((o, o.ports.first()?))) else {
            continue;
        };
        match replay(context, first.ends, port, expect) {
            Ok(witness) => {
                findings.undecided |= !certain;
                let mut finding = describe(context, *gap, certain, openings, &witness);
                if certain && !pairs.perhaps.is_empty() {
                    finding = finding.note(perhaps(context, &pairs.perhaps));
                }
                findings.list.push(finding);
            }
            Err(diagnostic) => {
                findings.undecided = true;
                findings.list.push(diagnostic);
            }
        }
    }
}

/// The undecided pairs beside the certain ones.
fn perhaps(context: &Context<'_>, openings: &[Opening]) -> String {
    let names = Names::new(context.engine);
    let ports = openings
        .iter()
        .fold(PortSet::empty(), |set, o| set.union(&o.ports));
    format!(
        "depending on what the mesh is sent, also from {} to {} on {ports}",
        names.list(openings.iter().map(|o| o.ends.0)),
        names.list(openings.iter().map(|o| o.ends.1))
    )
}

/// The undeclared pairs among suspects: destinations by source.
pub(super) fn group(context: &Context<'_>, suspects: &[RoaringBitmap]) -> Groups {
    let engine = context.engine;
    let mut groups = Groups::new();
    for (source, destinations) in engine.endpoints().zip(suspects) {
        let out = context.declared.claim(Direction::Egress, source);
        for destination in destinations.iter().map(EndpointId) {
            let into = context.declared.claim(Direction::Ingress, destination);
            if (out.is_none() && into.is_none()) || !engine.is_pair(source, destination) {
                continue;
            }
            let ends = (source, destination);
            let pair = context.pair(ends);
            let granted = context.granted(ends);
            let certain = pair.passage.must.difference(&granted);
            let perhaps = pair.passage.may.difference(&granted).difference(&certain);
            let perhaps = by_other_means(context, ends, &perhaps);
            for (ports, sure) in [(certain, true), (perhaps, false)] {
                for (gap, ports) in gaps(context, ends, &ports, (into, out)) {
                    let pairs = groups.entry(gap).or_default();
                    let list = if sure {
                        &mut pairs.certain
                    } else {
                        &mut pairs.perhaps
                    };
                    list.push(Opening { ends, ports });
                }
            }
        }
    }
    groups
}

/// Ports that may pass, without those that pass only if an unknown address lies in an ipBlock and that
/// are declared under the same condition.
fn by_other_means(
    context: &Context<'_>,
    ends: (EndpointId, EndpointId),
    perhaps: &PortSet,
) -> PortSet {
    if perhaps.is_empty() {
        return PortSet::empty();
    }
    let engine = context.engine;
    let network = engine
        .half(Direction::Egress, ends.0, ends.1)
        .and(&engine.half(Direction::Ingress, ends.0, ends.1));
    let by_address = perhaps.difference(&network.must);
    let declared = context
        .declared
        .perhaps_between(context.intent, engine, ends)
        .iter()
        .fold(PortSet::empty(), |set, (_, ports)| set.union(ports));
    perhaps.difference(&declared.intersection(&by_address))
}

/// Splits undeclared ports by what lets them pass: at the destination if it is claimed, else at the
/// source.
fn gaps(
    context: &Context<'_>,
    (source, destination): (EndpointId, EndpointId),
    ports: &PortSet,
    (into, out): (Option<usize>, Option<usize>),
) -> Vec<(Gap, PortSet)> {
    let (direction, claim, subject) = match (into, out) {
        (Some(claim), _) => (Direction::Ingress, claim, destination),
        (None, Some(claim)) => (Direction::Egress, claim, source),
        (None, None) => return Vec::new(),
    };
    if ports.is_empty() {
        return Vec::new();
    }
    let mut rest = ports.clone();
    if !context.engine.may_cross(destination) {
        // The pod's own node passes whatever policies say: nothing is at fault.
        let policed = context.engine.policed(direction, source, destination);
        rest = rest.intersection(&policed.may);
    }
    let mut out = Vec::new();
    for (rule, ports) in context
        .engine
        .accepting_rules(direction, source, destination)
    {
        let here = carried(context, (source, destination), ports).intersection(&rest);
        if !here.is_empty() {
            rest = rest.difference(&here);
            out.push((Gap::Accepted(direction, rule), here));
        }
    }
    if context.engine.isolating(direction, subject).is_empty() {
        if !rest.is_empty() {
            out.push((Gap::NotIsolated(direction, claim), rest));
        }
        return out;
    }
    while let Some(port) = rest.first() {
        let found = at_fault(context, direction, (source, destination), port);
        let (gap, here) = match found {
            Some((rule, ports)) => (Gap::Rule(direction, rule), ports),
            None if in_tunnels(context, (source, destination), port) => {
                let all = PortSet::protocol(Protocol::Tcp);
                (Gap::Tunnel(direction, claim), all)
            }
            // The pod's own node, which no policy can keep out: nothing is at fault.
            None => return out,
        };
        let here = here.intersection(&rest);
        if here.is_empty() {
            break;
        }
        rest = rest.difference(&here);
        out.push((gap, here));
    }
    out
}

/// The ports that a rule lets pass for which these are what it sees.
fn carried(
    context: &Context<'_>,
    (source, destination): (EndpointId, EndpointId),
    seen: PortSet,
) -> PortSet {
    let tcp = PortSet::protocol(Protocol::Tcp);
    let tunnel = seen.contains(Protocol::Tcp, HBONE_PORT);
    match context.engine.tunnels(source, destination) {
        Tunnels::None => seen,
        Tunnels::Direct | Tunnels::Perhaps if tunnel => seen.union(&tcp),
        Tunnels::Perhaps => seen,
        Tunnels::Direct | Tunnels::ByWaypoint => seen.difference(&tcp),
    }
}

/// The rule that admits a port, and the ports for which that is so. In a tunnel, policies see its port
/// alone: a rule that admits it admits all.
fn at_fault(
    context: &Context<'_>,
    direction: Direction,
    (source, destination): (EndpointId, EndpointId),
    port: (Protocol, u16),
) -> Option<(RuleId, PortSet)> {
    let engine = context.engine;
    let rule = |port| engine.admitting_rule(direction, source, destination, port);
    let on_the_port = || {
        let rule = rule(port)?;
        Some((rule, engine.rule_ports(direction, rule, destination)))
    };
    let in_a_tunnel = || {
        let rule = rule((Protocol::Tcp, HBONE_PORT))?;
        Some((rule, PortSet::protocol(Protocol::Tcp)))
    };
    if port.0 != Protocol::Tcp {
        return on_the_port();
    }
    match engine.tunnels(source, destination) {
        Tunnels::None => on_the_port(),
        Tunnels::Direct => in_a_tunnel(),
        Tunnels::Perhaps => on_the_port().or_else(in_a_tunnel),
        Tunnels::ByWaypoint => None,
    }
}

fn in_tunnels(
    context: &Context<'_>,
    (source, destination): (EndpointId, EndpointId),
    port: (Protocol, u16),
) -> bool {
    port.0 == Protocol::Tcp && context.engine.tunnels(source, destination) != Tunnels::None
}

fn describe(
    context: &Context<'_>,
    gap: Gap,
    certain: bool,
    openings: &[Opening],
    witness: &Witness,
) -> Diagnostic {
    let names = Names::new(context.engine);
    let sources = names.list(openings.iter().map(|o| o.ends.0));
    let destinations = names.list(openings.iter().map(|o| o.ends.1));
    let ports = openings
        .iter()
        .fold(PortSet::empty(), |set, o| set.union(&o.ports));
    let verb = if certain { "can" } else { "may be able to" };
    let diagnostic = match gap {
        Gap::Rule(direction, rule) => {
            by_rule(context, (direction, rule), openings, (verb, certain))
        }
        Gap::Accepted(direction, rule) => {
            accepted(context, (direction, rule), openings, (verb, certain))
        }
        Gap::NotIsolated(direction, claim) => {
            not_isolated(context, direction, claim, (verb, certain))
        }
        Gap::Tunnel(_, claim) => in_tunnel(context, claim, openings, (verb, certain)),
    };
    diagnostic
        .witness(witness.text.clone())
        .note(format!("undeclared sources: {sources}"))
        .note(format!("reachable destinations: {destinations}"))
        .note(format!("ports: {ports}"))
}

fn by_rule(
    context: &Context<'_>,
    (direction, rule): (Direction, RuleId),
    openings: &[Opening],
    (verb, certain): (&str, bool),
) -> Diagnostic {
    let policy = context.world.network_policies.get(rule.policy);
    let name = policy.map_or_else(String::new, |p| p.object.to_string());
    let names = Names::new(context.engine);
    let title = match direction {
        Direction::Ingress => format!(
            "undeclared connections {verb} enter {}: NetworkPolicy `{name}` admits more than the matrix declares",
            names.few(openings.iter().map(|o| o.ends.1))
        ),
        Direction::Egress => format!(
            "undeclared connections {verb} leave {}: NetworkPolicy `{name}` admits more than the matrix declares",
            names.few(openings.iter().map(|o| o.ends.0))
        ),
    };
    let origin = policy
        .and_then(|p| p.rules(direction)?.get(rule.rule))
        .and_then(|r| r.origin.0.or(policy.and_then(|p| p.origin.0)));
    let diagnostic = severity(certain, ("PAL0301", "PAL0308"), title)
        .at_opt(origin, format!("this {direction} rule admits it"));
    let dash = policy
        .and_then(|p| Some((p, p.rules(direction)?.get(rule.rule)?)))
        .is_some_and(|(policy, rule)| split_by_a_dash(policy, rule));
    let diagnostic = if dash {
        diagnostic.help("its peers are two list items, `- namespaceSelector` and `- podSelector`, which mean either: if both are meant together, put both keys into one item")
    } else {
        diagnostic
            .help("narrow the rule to the declared peers and ports; `palisade compile` writes them")
    };
    diagnostic.help("or declare the flow in the matrix, with its reason")
}

fn accepted(
    context: &Context<'_>,
    (direction, rule): (Direction, AdminRuleId),
    openings: &[Opening],
    (verb, certain): (&str, bool),
) -> Diagnostic {
    let names = Names::new(context.engine);
    let policy = context.world.admin_policies.get(rule.policy);
    let name = policy.map_or_else(String::new, |p| format!("{} `{}`", p.kind, p.object));
    let (way, ends) = match direction {
        Direction::Ingress => ("enter", names.few(openings.iter().map(|o| o.ends.1))),
        Direction::Egress => ("leave", names.few(openings.iter().map(|o| o.ends.0))),
    };
    let title = format!(
        "undeclared connections {verb} {way} {ends}: {name} accepts more than the matrix declares"
    );
    let written = policy.and_then(|p| p.rules(direction).get(rule.rule));
    let origin = written.and_then(|r| r.origin.0.or(policy.and_then(|p| p.origin.0)));
    severity(certain, ("PAL0301", "PAL0308"), title)
        .at_opt(origin, format!("this {direction} rule accepts it"))
        .help("narrow the rule, or let it pass connections on (action Pass) to the NetworkPolicies")
        .help("or declare the flow in the matrix, with its reason")
}

/// Whether a rule has one peer that is a whole namespace of others, and one that is pods of the policy's
/// own namespace: the trace of a list dash too many.
fn split_by_a_dash(policy: &NetworkPolicy, rule: &Rule) -> bool {
    let peers = rule.peers.as_deref().unwrap_or_default();
    let own =
        |wanted: &NamespaceMatch| *wanted == NamespaceMatch::Named(policy.object.namespace.clone());
    let whole = peers.iter().any(|p| {
        matches!(p, Peer::Pods { namespaces, pods } if pods.is_everything() && !own(namespaces))
    });
    let some = peers.iter().any(|p| {
        matches!(p, Peer::Pods { namespaces, pods } if !pods.is_everything() && own(namespaces))
    });
    whole && some
}

fn not_isolated(
    context: &Context<'_>,
    direction: Direction,
    claim: usize,
    (verb, certain): (&str, bool),
) -> Diagnostic {
    let claim = context.intent.claims.get(claim);
    let whom = claim.map_or_else(String::new, |c| scope(&c.namespaces, &c.pods));
    let title = match direction {
        Direction::Ingress => {
            format!("no NetworkPolicy isolates {whom} for ingress: anything {verb} connect")
        }
        Direction::Egress => {
            format!("no NetworkPolicy isolates {whom} for egress: they {verb} connect to anything")
        }
    };
    severity(certain, ("PAL0302", "PAL0308"), title)
        .at_opt(
            claim.and_then(|c| c.origin.0),
            "undeclared connections are excluded here",
        )
        .help(format!(
            "add a NetworkPolicy with `policyTypes: [{}]` that selects these pods (`palisade compile` writes it)",
            match direction {
                Direction::Ingress => "Ingress",
                Direction::Egress => "Egress",
            }
        ))
}

fn in_tunnel(
    context: &Context<'_>,
    claim: usize,
    openings: &[Opening],
    (verb, certain): (&str, bool),
) -> Diagnostic {
    let names = Names::new(context.engine);
    let title = format!(
        "undeclared connections {verb} reach {} in tunnels of the ambient mesh",
        names.few(openings.iter().map(|o| o.ends.1))
    );
    let claim = context.intent.claims.get(claim);
    severity(certain, ("PAL0301", "PAL0308"), title)
        .at_opt(
            claim.and_then(|c| c.origin.0),
            "undeclared connections are excluded here",
        )
        .note("because NetworkPolicies that admit the tunnel's port 15008 admit every port in it")
        .help("add an AuthorizationPolicy at the pods, or at their waypoint by `targetRefs`, that allows the declared callers only")
}

/// Whose pods a claim is about, in words.
fn scope(
    namespaces: &palisade_netmodel::NamespaceMatch,
    pods: &palisade_netmodel::Selector,
) -> String {
    let place = match namespaces {
        palisade_netmodel::NamespaceMatch::Named(name) => format!("namespace `{name}`"),
        palisade_netmodel::NamespaceMatch::Selector(s) => format!("the namespaces with `{s}`"),
    };
    if pods.is_everything() {
        format!("pods of {place}")
    } else {
        format!("the pods with `{pods}` of {place}")
    }
}

fn severity(certain: bool, codes: (&'static str, &'static str), title: String) -> Diagnostic {
    if certain {
        Diagnostic::error(codes.0, title)
    } else {
        Diagnostic::warning(codes.1, title)
    }
}

//! Declared flows that do not pass.

use super::replay::{Expect, Witness, reasons, replay};
use super::{Context, Findings, Flow};
use crate::engine::{EndpointId, Passage};
use crate::names::Names;
use palisade_diagnostics::Diagnostic;
use palisade_netmodel::{
    Cause, Decision, Direction, Fidelity, Grant, Layer, Outcome, Party, Phase, PortSet, Protocol,
};
use roaring::RoaringBitmap;
use std::collections::{BTreeMap, BTreeSet};

/// Where a declared flow ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Egress,
    Ingress,
    Mesh,
}

/// One blocked pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Blocked {
    ends: (EndpointId, EndpointId),
    ports: PortSet,
}

/// Place and policies at fault, whether it is certain, and pairs.
pub(super) type Groups = BTreeMap<(Place, bool, Vec<usize>), Vec<Blocked>>;

/// Adds a finding for each flow and place where it is blocked.
pub(super) fn check(context: &Context<'_>, findings: &mut Findings) {
    for flow in Flow::all(context.intent) {
        findings.list.extend(unnamed(context, &flow));
        let mut all = Groups::new();
        for (index, grant) in &flow.grants {
            for (key, pairs) in blocked(context, *index, grant) {
                all.entry(key).or_default().extend(pairs);
            }
        }
        for ((place, certain, policies), pairs) in all {
            let reported = report(context, &flow, (place, certain), &policies, &pairs);
            findings.undecided |= reported.undecided;
            findings.list.extend(reported.list);
        }
    }
}

/// A flow to ports by name that no pod at its destination has: it grants nothing.
fn unnamed(context: &Context<'_>, flow: &Flow<'_>) -> Option<Diagnostic> {
    let engine = context.engine;
    let (_, grant) = flow.grants.iter().find(|(index, grant)| {
        let Some((_, to)) = context.declared.ends(*index) else {
            return false;
        };
        let there = to.iter().map(EndpointId);
        let mut there = there.filter(|e| is_live(context, *e)).peekable();
        let ports = grant.ports.as_deref();
        there.peek().is_some() && there.all(|e| engine.ports_at(ports, e).is_empty())
    })?;
    Some(
        Diagnostic::error(
            "PAL0303",
            format!(
                "declared flow `{}` names ports that no pod of `{}` has",
                grant.id, grant.to.name
            ),
        )
        .at_opt(grant.origin.0, format!("declared here: {}", grant.reason))
        .help("name the port in `containers[].ports`, or declare it by its number"),
    )
}

fn is_live(context: &Context<'_>, endpoint: EndpointId) -> bool {
    let pod = context.engine.pod(endpoint);
    pod.is_some_and(|p| p.phase == Phase::Live && !p.host_group)
}

/// The pairs of a grant that are blocked in a half that the grant claims.
pub(super) fn blocked(context: &Context<'_>, index: usize, grant: &Grant) -> Groups {
    let Some((from, to)) = context.declared.ends(index) else {
        return Groups::new();
    };
    let answers = (
        grant.egress && is_own(context, &grant.from),
        grant.ingress && is_own(context, &grant.to),
    );
    let found = (context.suspects).of_missing(context.engine, grant, (from, to), answers);
    if found.is_empty() {
        return Groups::new();
    }
    if is_wide(&grant.from) || is_wide(&grant.to) {
        // The pairs that pass are needed, too.
        return among(context, (index, grant), every_pair((from, to)));
    }
    among(context, (index, grant), found)
}

fn is_wide(party: &Party) -> bool {
    matches!(party.fidelity, Fidelity::Wider(_))
}

/// Every pair of two sets, as sources by destination.
pub(super) fn every_pair(
    (from, to): (&RoaringBitmap, &RoaringBitmap),
) -> Vec<(EndpointId, RoaringBitmap)> {
    to.iter().map(|e| (EndpointId(e), from.clone())).collect()
}

/// The blocked pairs of a grant among suspects. Where one party is wider than what is meant, one passing pair
/// may be all that is meant for an end of the other party: such an end's pairs are left out.
pub(super) fn among(
    context: &Context<'_>,
    (index, grant): (usize, &Grant),
    suspects: Vec<(EndpointId, RoaringBitmap)>,
) -> Groups {
    let engine = context.engine;
    let mut groups = Groups::new();
    let Some((from, to)) = context.declared.ends(index) else {
        return groups;
    };
    let witnesses = width(context, grant, (from, to));
    let mut passing = BTreeSet::new();
    let exact_end = |(source, destination): (EndpointId, EndpointId)| {
        let pair = (is_wide(&grant.from), is_wide(&grant.to));
        let source = (!pair.0).then_some(source);
        let destination = (!pair.1).then_some(destination);
        (source, destination)
    };
    for (destination, sources) in suspects {
        let wanted = engine.ports_at(grant.ports.as_deref(), destination);
        for source in sources.iter().map(EndpointId) {
            if !engine.is_pair(source, destination) || is_host_group(context, source) {
                continue;
            }
            let ends = (source, destination);
            let mut clear = true;
            for (place, passage, policies) in halves(context, grant, ends) {
                let refused = wanted.difference(&passage.may);
                let unsure = wanted.intersection(&passage.may).difference(&passage.must);
                for (ports, certain) in [(refused, true), (unsure, false)] {
                    if !ports.is_empty() {
                        clear = false;
                        let key = (place, certain, policies.clone());
                        groups.entry(key).or_default().push(Blocked { ends, ports });
                    }
                }
            }
            if clear && witnesses(ends) {
                passing.insert(exact_end(ends));
            }
        }
    }
    if is_wide(&grant.from) || is_wide(&grant.to) {
        for pairs in groups.values_mut() {
            pairs.retain(|pair| !passing.contains(&exact_end(pair.ends)));
        }
        groups.retain(|_, pairs| !pairs.is_empty());
    }
    groups
}

/// Which pairs show that a flow works although one of its parties is wider than what is meant. Where
/// the width holds addresses, only they do: a pod among them may pass for another reason.
fn width<'a>(
    context: &'a Context<'_>,
    grant: &Grant,
    (from, to): (&RoaringBitmap, &RoaringBitmap),
) -> impl Fn((EndpointId, EndpointId)) -> bool + 'a {
    let engine = context.engine;
    let holds_addresses = |ends: &RoaringBitmap| {
        let mut ends = ends.iter().map(EndpointId);
        ends.any(|e| engine.address(e).is_some())
    };
    let by_source = is_wide(&grant.from) && holds_addresses(from);
    let by_destination = is_wide(&grant.to) && holds_addresses(to);
    move |(source, destination)| {
        (!by_source || engine.address(source).is_some())
            && (!by_destination || engine.address(destination).is_some())
    }
}

/// The synthetic pod that stands for the nodes' host network is nobody's declared client.
fn is_host_group(context: &Context<'_>, endpoint: EndpointId) -> bool {
    context.engine.pod(endpoint).is_some_and(|p| p.host_group)
}

/// The halves of a flow that its grant answers for: the end must be the matrix's own (a component or
/// a zone), not a peer that others run.
fn halves(
    context: &Context<'_>,
    grant: &Grant,
    (source, destination): (EndpointId, EndpointId),
) -> Vec<(Place, Passage, Vec<usize>)> {
    let engine = context.engine;
    let mut out = Vec::new();
    let own = |party: &Party| is_own(context, party);
    if grant.egress && own(&grant.from) && engine.pod(source).is_some() {
        let passage = engine.half(Direction::Egress, source, destination);
        let policies = engine.isolating(Direction::Egress, source).to_vec();
        out.push((Place::Egress, passage, policies));
    }
    if grant.ingress && own(&grant.to) && engine.pod(destination).is_some() {
        let passage = engine.half(Direction::Ingress, source, destination);
        let policies = engine.isolating(Direction::Ingress, destination).to_vec();
        out.push((Place::Ingress, passage, policies));
        // Whether the caller uses its certificate where no Service leads is a prerequisite, not a finding.
        let mesh = engine.mesh_half(source, destination);
        let mut passage = mesh.passage;
        passage.must = passage.must.union(&mesh.by_certificate);
        out.push((Place::Mesh, passage, Vec::new()));
    }
    // An HTTP restriction is a condition on requests: the connection itself may depend on it.
    if grant.http.is_some() {
        for (place, passage, _) in &mut out {
            if *place == Place::Mesh {
                passage.must = passage.may.clone();
            }
        }
    }
    out
}

fn is_own(context: &Context<'_>, party: &Party) -> bool {
    party.component.is_some() || context.intent.zones.iter().any(|z| z.name == party.name)
}

fn report(
    context: &Context<'_>,
    flow: &Flow<'_>,
    (place, certain): (Place, bool),
    policies: &[usize],
    pairs: &[Blocked],
) -> Findings {
    let mut out = Findings::default();
    let expect = if certain {
        Expect::Refused
    } else {
        Expect::Undecided
    };
    // A pair that is unsure here may be refused elsewhere; then the other place reports it.
    let mut failure = None;
    for pair in pairs {
        let Some(port) = pair.ports.first() else {
            continue;
        };
        match replay(context, pair.ends, port, expect) {
            Ok(witness) => {
                out.undecided = !certain;
                let text = describe(context, flow, (place, certain), policies, pairs, &witness);
                out.list.push(text);
                return out;
            }
            Err(diagnostic) => failure = Some((diagnostic, pair.ends, port)),
        }
    }
    if let Some((diagnostic, ends, port)) = failure
        && !refused_elsewhere(context, ends, port, certain)
    {
        out.undecided = true;
        out.list.push(diagnostic);
    }
    out
}

/// Whether the whole flow is refused although this place is only unsure.
fn refused_elsewhere(
    context: &Context<'_>,
    ends: (EndpointId, EndpointId),
    port: (Protocol, u16),
    certain: bool,
) -> bool {
    !certain && replay(context, ends, port, Expect::Refused).is_ok()
}

fn describe(
    context: &Context<'_>,
    flow: &Flow<'_>,
    (place, certain): (Place, bool),
    policies: &[usize],
    pairs: &[Blocked],
    witness: &Witness,
) -> Diagnostic {
    let grant = flow.grant;
    let names = Names::new(context.engine);
    let ports = pairs
        .iter()
        .fold(PortSet::empty(), |set, p| set.union(&p.ports));
    let (code, at) = match place {
        Place::Egress => ("PAL0304", "at the source's egress"),
        Place::Ingress => ("PAL0303", "at the destination's ingress"),
        Place::Mesh => ("PAL0305", "by the mesh at the destination"),
    };
    let title = format!(
        "declared flow `{}` ({}) {} {at}",
        grant.id,
        flow.parties(),
        if certain {
            "is blocked"
        } else {
            "is not certain to pass"
        }
    );
    let mut diagnostic = if certain {
        Diagnostic::error(code, title)
    } else {
        Diagnostic::warning("PAL0309", title)
    };
    let refusals = refusals(&witness.decision, place);
    for cause in refusals.iter().take(3) {
        let subject = cause
            .subject
            .as_ref()
            .map_or_else(String::new, |s| format!("{} `{}`: ", s.kind, s.object));
        diagnostic = diagnostic.at_opt(cause.origin.0, format!("{subject}{}", cause.text));
    }
    let isolating = policies
        .iter()
        .filter_map(|i| context.world.network_policies.get(*i));
    for policy in isolating.take(if refusals.is_empty() { 3 } else { 0 }) {
        diagnostic = diagnostic.at_opt(
            policy.origin.0,
            format!(
                "NetworkPolicy `{}` has no rule that admits it",
                policy.object
            ),
        );
    }
    diagnostic = diagnostic
        .at_opt(grant.origin.0, format!("declared here: {}", grant.reason))
        .witness(witness.text.clone())
        .note(format!(
            "blocked sources: {}",
            names.list(pairs.iter().map(|p| p.ends.0))
        ))
        .note(format!(
            "unreachable destinations: {}",
            names.list(pairs.iter().map(|p| p.ends.1))
        ))
        .note(format!("ports: {ports}"));
    if place == Place::Mesh || !certain {
        for reason in reasons(&witness.decision) {
            diagnostic = diagnostic.note(reason);
        }
    }
    if let Some(tier) = refusals.first() {
        let object = tier
            .subject
            .as_ref()
            .map_or_else(String::new, ToString::to_string);
        diagnostic = diagnostic.help(format!(
            "accept it in a rule above that of {object}, or narrow that rule"
        ));
    } else {
        diagnostic = diagnostic.help(match place {
            Place::Egress => "add an egress rule to these peers and ports in a policy of the source",
            Place::Ingress => "add an ingress rule for these peers and ports in a policy of the destination",
            Place::Mesh => "admit the caller's identity and port in an AuthorizationPolicy, or let it send what the receiver's PeerAuthentication accepts",
        });
    }
    diagnostic.help("or take the flow out of the matrix if it is not needed")
}

/// The steps by which policies of administrators refuse a flow, or may.
fn refusals(decision: &Decision, place: Place) -> Vec<&Cause> {
    let tiers: &[Layer] = match place {
        Place::Egress => &[Layer::AdminEgress, Layer::BaselineEgress],
        Place::Ingress => &[Layer::AdminIngress, Layer::BaselineIngress],
        Place::Mesh => &[],
    };
    let causes = decision.because.iter();
    causes
        .filter(|c| c.outcome != Outcome::Allow && tiers.contains(&c.layer))
        .collect()
}

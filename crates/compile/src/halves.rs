//! Which pods need which half of which grant.
//!
//! A connection has two halves: egress at its source, ingress at its destination. A half needs a rule
//! only where a claim isolates the pods in that direction; a rule anywhere else would isolate pods that
//! nobody asked to isolate. So every half is cut to the claims before anything is written:
//!
//! - the pods of a grant's side lie inside a claim: the rule goes to just these pods;
//! - the claim lies inside the side (`podSelector: {}`, a whole zone): the rule goes to the claim's pods;
//! - they overlap, and a pod of the world is in both: the rule goes to the pods in both.

use crate::names;
use crate::selectors::{canonical, implies, intersect, namespaces};
use palisade_diagnostics::Diagnostic;
use palisade_netmodel::{
    Claim, ClaimScope, Component, Direction, Grant, Intent, ObjectRef, Party, Peer, Peers,
    Selector, World,
};
use std::collections::{BTreeMap, BTreeSet};

/// The pods of one namespace that a selector takes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Subject {
    pub(crate) namespace: String,
    pub(crate) selector: Selector,
}

impl Subject {
    pub(crate) fn new(namespace: &str, selector: &Selector) -> Self {
        Self {
            namespace: namespace.to_owned(),
            selector: canonical(selector),
        }
    }

    fn of(component: &Component) -> Self {
        Self::new(&component.namespace, &component.selector)
    }
}

/// What a subject needs. `None`: not isolated in that direction.
#[derive(Debug, Default)]
pub(crate) struct Needs<'i> {
    /// Name of its objects.
    pub(crate) name: String,
    /// Components that are exactly these pods.
    pub(crate) components: Vec<&'i Component>,
    /// Grants into it, by id.
    pub(crate) ingress: Option<Vec<&'i Grant>>,
    /// Grants out of it, by id.
    pub(crate) egress: Option<Vec<&'i Grant>>,
    parts: BTreeSet<String>,
}

impl<'i> Needs<'i> {
    fn half(&mut self, direction: Direction) -> &mut Vec<&'i Grant> {
        let half = match direction {
            Direction::Ingress => &mut self.ingress,
            Direction::Egress => &mut self.egress,
        };
        half.get_or_insert_default()
    }
}

/// Everything that has to be written.
#[derive(Debug, Default)]
pub(crate) struct Halves<'i> {
    /// Namespaces in which every pod is isolated, with the directions.
    pub(crate) default_deny: BTreeMap<String, BTreeSet<Direction>>,
    /// Subjects.
    pub(crate) subjects: BTreeMap<Subject, Needs<'i>>,
    /// Claims that no known namespace answers to.
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// A claim on one namespace.
struct Claimed<'i> {
    direction: Direction,
    subject: Subject,
    scope: &'i ClaimScope,
}

/// Cuts the grants of an intent to its claims. `world` says which namespaces a selector means and
/// whether overlapping selectors share a pod.
pub(crate) fn halves<'i>(intent: &'i Intent, world: &World) -> Halves<'i> {
    let mut out = Halves::default();
    let claimed = expand_claims(intent, world, &mut out);
    isolate(intent, &claimed, &mut out);
    let mut grants: Vec<&Grant> = intent.grants.iter().collect();
    grants.sort_by(|a, b| (&a.id, a.hop).cmp(&(&b.id, b.hop)));
    for grant in grants {
        if grant.ingress {
            place(intent, world, &claimed, grant, Direction::Ingress, &mut out);
        }
        if grant.egress {
            place(intent, world, &claimed, grant, Direction::Egress, &mut out);
        }
    }
    name_subjects(intent, world, &mut out);
    out
}

/// One entry per namespace and direction that a claim means.
fn expand_claims<'i>(intent: &'i Intent, world: &World, out: &mut Halves<'i>) -> Vec<Claimed<'i>> {
    let mut all = Vec::new();
    for claim in &intent.claims {
        let names = namespaces(&claim.namespaces, world);
        if names.is_empty() {
            out.diagnostics.push(nowhere(claim));
        }
        for name in names {
            all.push(Claimed {
                direction: claim.direction,
                subject: Subject::new(&name, &claim.pods),
                scope: &claim.scope,
            });
        }
    }
    all.sort_by(|a, b| (a.direction, &a.subject, a.scope).cmp(&(b.direction, &b.subject, b.scope)));
    all
}

/// A claim by namespace label that nothing known answers to.
fn nowhere(claim: &Claim) -> Diagnostic {
    let who = match &claim.scope {
        ClaimScope::Zone(name) => format!("zone `{name}`"),
        ClaimScope::Component(name) => format!("component `{name}`"),
    };
    Diagnostic::warning(
        "PAL0403",
        format!("no default deny ({}) is written for {who}", claim.direction),
    )
    .at_opt(
        claim.origin.0,
        "selects namespaces by label, and none is known",
    )
    .help("give the manifests of the namespaces, or name the namespaces in the zone")
}

/// The isolation itself, with no rule yet.
fn isolate<'i>(intent: &'i Intent, claimed: &[Claimed<'i>], out: &mut Halves<'i>) {
    for claim in claimed {
        if claim.subject.selector.is_everything() && matches!(claim.scope, ClaimScope::Zone(_)) {
            let directions = out
                .default_deny
                .entry(claim.subject.namespace.clone())
                .or_default();
            directions.insert(claim.direction);
        } else {
            let needs = out.subjects.entry(claim.subject.clone()).or_default();
            needs.half(claim.direction);
            needs.parts.insert(scope_name(claim.scope).to_owned());
        }
    }
    for component in intent.components.iter().filter(|c| c.managed) {
        let subject = Subject::of(component);
        for claim in claimed.iter().filter(|c| covers(c, &subject)) {
            let needs = out.subjects.entry(subject.clone()).or_default();
            needs.half(claim.direction);
        }
    }
}

fn scope_name(scope: &ClaimScope) -> &str {
    match scope {
        ClaimScope::Zone(name) | ClaimScope::Component(name) => name,
    }
}

fn covers(claim: &Claimed<'_>, subject: &Subject) -> bool {
    claim.subject.namespace == subject.namespace
        && implies(&subject.selector, &claim.subject.selector)
}

/// Puts one half of a grant where it is needed.
fn place<'i>(
    intent: &'i Intent,
    world: &World,
    claimed: &[Claimed<'i>],
    grant: &'i Grant,
    direction: Direction,
    out: &mut Halves<'i>,
) {
    let party = match direction {
        Direction::Ingress => &grant.to,
        Direction::Egress => &grant.from,
    };
    let claimed: Vec<&Claimed<'_>> = claimed
        .iter()
        .filter(|c| c.direction == direction)
        .collect();
    for side in sides(intent, world, &claimed, party) {
        for (subject, part) in cut(&side, &claimed, world) {
            let needs = out.subjects.entry(subject).or_default();
            let half = needs.half(direction);
            if half.last().is_none_or(|last| !std::ptr::eq(*last, grant)) {
                half.push(grant);
            }
            needs.parts.insert(party.name.clone());
            needs.parts.extend(part.map(str::to_owned));
        }
    }
}

/// The pods of a party, by namespace. A component whose own policies are off counts too: where somebody
/// else isolates its pods, its declared flows must still pass.
fn sides(
    intent: &Intent,
    world: &World,
    claimed: &[&Claimed<'_>],
    party: &Party,
) -> BTreeSet<Subject> {
    if let Some(name) = &party.component {
        let component = intent.components.iter().find(|c| c.name == *name);
        return component.map(Subject::of).into_iter().collect();
    }
    match &party.peers {
        Peers::Any => claimed
            .iter()
            .map(|c| Subject::new(&c.subject.namespace, &Selector::everything()))
            .collect(),
        Peers::List(peers) => peers
            .iter()
            .flat_map(|peer| match peer {
                Peer::Pods {
                    namespaces: n,
                    pods,
                } => namespaces(n, world)
                    .into_iter()
                    .map(|name| Subject::new(&name, pods))
                    .collect(),
                Peer::Block { .. } => Vec::new(),
            })
            .collect(),
    }
}

/// The part of a side that claims isolate, with the claim's name where it shapes the subject.
fn cut<'c>(
    side: &Subject,
    claimed: &[&Claimed<'c>],
    world: &World,
) -> Vec<(Subject, Option<&'c str>)> {
    if claimed.iter().any(|c| covers(c, side)) {
        return vec![(side.clone(), None)];
    }
    let mut out = Vec::new();
    for claim in claimed {
        if claim.subject.namespace != side.namespace {
            continue;
        }
        if implies(&claim.subject.selector, &side.selector) {
            out.push((claim.subject.clone(), Some(scope_name(claim.scope))));
        } else if let Some(both) = intersect(&claim.subject.selector, &side.selector) {
            let subject = Subject::new(&side.namespace, &both);
            if inhabited(&subject, world) {
                out.push((subject, Some(scope_name(claim.scope))));
            }
        }
    }
    out
}

/// Whether a pod of the world is one of the subject's.
fn inhabited(subject: &Subject, world: &World) -> bool {
    world
        .pods
        .iter()
        .any(|p| p.namespace == subject.namespace && subject.selector.matches(&p.labels))
}

/// Names every subject after its component, its zone, or the parties that made it, without repetition
/// within a namespace.
fn name_subjects<'i>(intent: &'i Intent, world: &World, out: &mut Halves<'i>) {
    let mut taken: BTreeSet<ObjectRef> = BTreeSet::new();
    for (subject, needs) in &mut out.subjects {
        let mut same: Vec<&Component> = intent
            .components
            .iter()
            .filter(|c| Subject::of(c) == *subject)
            .collect();
        same.sort_by(|a, b| a.name.cmp(&b.name));
        let wish = match same.first() {
            Some(component) => component.name.clone(),
            None if subject.selector.is_everything() => zone_of(intent, world, subject),
            None => needs
                .parts
                .iter()
                .cloned()
                .collect::<Vec<_>>()
                .join("-and-"),
        };
        needs.components = same;
        let mut name = names::object_name(&wish);
        if RESERVED.contains(&name.as_str())
            || taken.contains(&ObjectRef::new(&subject.namespace, &name))
        {
            name = names::object_name(&format!("{wish} {}", subject.selector));
        }
        taken.insert(ObjectRef::new(&subject.namespace, &name));
        needs.name = name;
    }
}

/// Names that the objects of whole namespaces carry.
const RESERVED: [&str; 3] = ["default", "default-deny", "allow-nothing"];

/// `zone-system` for all pods of a namespace of that zone.
fn zone_of(intent: &Intent, world: &World, subject: &Subject) -> String {
    let zones: BTreeSet<&str> = intent
        .zones
        .iter()
        .filter(|z| {
            z.namespaces
                .iter()
                .any(|n| namespaces(n, world).contains(&subject.namespace))
        })
        .map(|z| z.name.as_str())
        .collect();
    match zones.first() {
        Some(zone) => format!("zone-{zone}"),
        None => "all-pods".to_owned(),
    }
}

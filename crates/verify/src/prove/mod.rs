//! Deployed equals declared: both inclusions, and encryption.
//!
//! For every two endpoints the engine gives the ports that pass; the intent gives the ports that are
//! granted. *Excess* is what passes but is not granted, where somebody claims that nothing else
//! passes. *Missing* is what is granted and does not pass. Each finding groups the pairs that share
//! one cause and carries one witness that the reference evaluator has confirmed.
//!
//! Cost: per endpoint the rows of its rules times the grants that mean it ([`suspects`]); then the pairs at
//! which deployed and declared differ, those of receivers with a proxy of the mesh, and those of flows with a
//! demand on encryption, each with the grants between its ends.

mod coverage;
mod declared;
mod encryption;
mod excess;
mod missing;
mod prerequisites;
mod replay;
mod suspects;

use crate::engine::{Cuts, EndpointId, Engine, Pair};
use declared::Declared;
use palisade_diagnostics::{Diagnostic, Fact, Prerequisite, Section, Severity, Verdict};
use palisade_netmodel::{Grant, Intent, Peer, Peers, PortSet, World};
use rustc_hash::FxHashMap;
use std::cell::RefCell;
use std::rc::Rc;
use suspects::Suspects;

/// How strictly to judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// Grants whose peers are wider or narrower than what is meant (host names, the API server)
    /// are findings instead of notes.
    pub exact: bool,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Fails if one finding is an error, unknown if one is a warning that stands for an undecided
    /// question, else holds.
    pub verdict: Verdict,
    /// Differences, undecided questions, and notes, most serious first.
    pub findings: Vec<Diagnostic>,
    /// What the answer rests on.
    pub prerequisites: Vec<Prerequisite>,
    /// Further parts for the report.
    pub sections: Vec<Section>,
    /// Figures for the head of the report.
    pub facts: Vec<Fact>,
}

/// Answers for pairs of endpoints, each worked out once: several checks ask for the same pairs. Only what
/// is asked for is kept.
#[derive(Debug, Default)]
struct Pairs {
    passing: RefCell<FxHashMap<(EndpointId, EndpointId), Rc<Pair>>>,
    granted: RefCell<FxHashMap<(EndpointId, EndpointId), Rc<PortSet>>>,
}

/// What every check needs.
pub(crate) struct Context<'a> {
    pub(crate) engine: &'a Engine<'a>,
    pub(crate) world: &'a World,
    pub(crate) intent: &'a Intent,
    pub(crate) declared: Declared,
    pub(crate) options: Options,
    suspects: Suspects,
    pairs: Pairs,
}

impl<'a> Context<'a> {
    fn new(intent: &'a Intent, engine: &'a Engine<'a>, options: &Options) -> Self {
        Self {
            engine,
            world: engine.world(),
            intent,
            declared: Declared::new(intent, engine),
            options: *options,
            suspects: Suspects::new(intent, engine),
            pairs: Pairs::default(),
        }
    }

    /// What passes between two endpoints.
    pub(crate) fn pair(&self, ends: (EndpointId, EndpointId)) -> Rc<Pair> {
        let mut known = self.pairs.passing.borrow_mut();
        let work = || Rc::new(self.engine.pair(ends.0, ends.1));
        Rc::clone(known.entry(ends).or_insert_with(work))
    }

    /// Every port that some grant allows between two endpoints.
    pub(crate) fn granted(&self, ends: (EndpointId, EndpointId)) -> Rc<PortSet> {
        let mut known = self.pairs.granted.borrow_mut();
        let work = || {
            let grants = self.declared.between(self.intent, self.engine, ends);
            let all = grants
                .iter()
                .fold(PortSet::empty(), |set, (_, ports)| set.union(ports));
            Rc::new(all)
        };
        Rc::clone(known.entry(ends).or_insert_with(work))
    }
}

/// The grants that one flow of the matrix stands for: one for each pair of its parties (and hop).
pub(crate) struct Flow<'i> {
    /// The first of them; reason, demand and exception are those of all.
    pub(crate) grant: &'i Grant,
    /// All, with their indices in the intent.
    pub(crate) grants: Vec<(usize, &'i Grant)>,
}

impl<'i> Flow<'i> {
    /// Every flow of an intent, in its order.
    pub(crate) fn all(intent: &'i Intent) -> Vec<Self> {
        let mut flows: Vec<Self> = Vec::new();
        for (index, grant) in intent.grants.iter().enumerate() {
            let same = |f: &&mut Self| {
                f.grant.id == grant.id
                    && f.grant.hop == grant.hop
                    && f.grant.encryption == grant.encryption
            };
            match flows.iter_mut().rev().take(2).find(same) {
                Some(flow) => flow.grants.push((index, grant)),
                None => flows.push(Self {
                    grant,
                    grants: vec![(index, grant)],
                }),
            }
        }
        flows
    }

    /// `a, b → c`, the long tail counted.
    pub(crate) fn parties(&self) -> String {
        let side = |party: fn(&Grant) -> &str| {
            let names: std::collections::BTreeSet<&str> =
                self.grants.iter().map(|(_, g)| party(g)).collect();
            crate::names::shortened(names).replace('`', "")
        };
        format!("{} → {}", side(|g| &g.from.name), side(|g| &g.to.name))
    }
}

/// What a check found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) list: Vec<Diagnostic>,
    /// Whether a question stayed open.
    pub(crate) undecided: bool,
}

/// Whether a world holds a pod of some component of an intent: a proof about another system says nothing.
#[must_use]
pub fn concerns(intent: &Intent, world: &World) -> bool {
    intent.components.iter().any(|component| {
        let pods = &mut world.pods.iter();
        component.open
            || pods.any(|p| {
                p.namespace == component.namespace && component.selector.matches(&p.labels)
            })
    })
}

/// Proves that what a world lets pass is what an intent declares, and encrypted as declared.
#[must_use]
pub fn prove(intent: &Intent, world: &World, options: &Options) -> Proof {
    let engine = Engine::with_cuts(world, &cuts(intent));
    let context = Context::new(intent, &engine, options);
    let mut findings = Findings::default();
    excess::check(&context, &mut findings);
    missing::check(&context, &mut findings);
    encryption::check(&context, &mut findings);
    coverage::check(&context, &mut findings);
    let mut list = findings.list;
    list.sort_by(|a, b| b.severity.cmp(&a.severity).then(a.code.cmp(&b.code)));
    let verdict = if list.iter().any(|d| d.severity == Severity::Error) {
        Verdict::Fails
    } else if findings.undecided {
        Verdict::Unknown
    } else {
        Verdict::Holds
    };
    Proof {
        verdict,
        findings: list,
        prerequisites: prerequisites::of(&context),
        sections: Vec::new(),
        facts: facts(&context),
    }
}

/// What the declared peers, components and claims tell apart.
fn cuts(intent: &Intent) -> Cuts {
    let mut out = Cuts::default();
    let selectors = (intent.components.iter().map(|c| &c.selector))
        .chain(intent.claims.iter().map(|c| &c.pods));
    for selector in selectors {
        out.read(selector);
    }
    for party in intent.grants.iter().flat_map(|g| [&g.from, &g.to]) {
        let Peers::List(peers) = &party.peers else {
            continue;
        };
        for peer in peers {
            match peer {
                Peer::Block { cidr, except } => {
                    out.blocks.push(*cidr);
                    out.blocks.extend(except);
                }
                Peer::Pods { pods, .. } => out.read(pods),
            }
        }
    }
    out
}

fn facts(context: &Context<'_>) -> Vec<Fact> {
    let fact = |name: &str, value: String| Fact {
        name: name.to_owned(),
        value,
    };
    let (world, engine) = (context.world, context.engine);
    let classes = engine
        .endpoints()
        .filter(|e| engine.pod(*e).is_some())
        .count();
    vec![
        fact(
            "declared",
            format!(
                "{} components, {} grants, {} claims of default deny",
                context.intent.components.len(),
                context.intent.grants.len(),
                context.intent.claims.len()
            ),
        ),
        fact(
            "deployed",
            format!(
                "{} namespaces, {} kinds of pods, {} NetworkPolicies, {} mesh objects",
                world.namespaces.len(),
                classes,
                world.network_policies.len(),
                world.peer_authentications.len()
                    + world.authorization_policies.len()
                    + world.destination_rules.len()
                    + world.gateways.len()
                    + world.service_entries.len()
                    + world.sidecars.len()
            ),
        ),
        fact(
            "compared",
            format!(
                "every pair of {} endpoints ({} of them address ranges outside), all TCP, UDP and SCTP ports",
                engine.len(),
                engine.len() - classes
            ),
        ),
    ]
}

/// For two endpoints of an engine, every port that some grant of the intent allows.
pub(crate) fn granted<'a>(
    intent: &'a Intent,
    engine: &'a Engine<'_>,
) -> impl Fn(EndpointId, EndpointId) -> PortSet + 'a {
    let declared = Declared::new(intent, engine);
    move |source, destination| {
        let grants = declared.between(intent, engine, (source, destination));
        grants
            .iter()
            .fold(PortSet::empty(), |set, (_, ports)| set.union(ports))
    }
}

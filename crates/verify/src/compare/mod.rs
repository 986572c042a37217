//! What two worlds let pass differently, for the workloads that both have, and by which object.
//!
//! A connection is compared between two workloads (or a workload and addresses), over all their pods.
//! Workloads that only one world has are told as such.

mod culprit;
mod ends;
mod profile;
mod report;

use crate::engine::{Cuts, Engine};
use crate::list::Parties;
use culprit::Place;
use ends::{Ends, Key};
use palisade_diagnostics::{Diagnostic, Report};
use palisade_netmodel::{PortSet, World};
use profile::Profile;
use std::collections::BTreeMap;

/// How a connection differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// It could not pass, and can now.
    Gained,
    /// It could pass, and cannot now.
    Lost,
    /// Less is proven of the wire.
    Weaker,
    /// More is proven of the wire.
    Stronger,
    /// It passed for certain between all pods, and does not any more.
    LessCertain,
    /// It passes for certain between all pods, and did not.
    MoreCertain,
    /// Other pods of the two ends than before.
    OtherPods,
}

/// One difference of two ends.
#[derive(Debug)]
pub(crate) struct Changed {
    pub(crate) from: Key,
    pub(crate) to: Key,
    pub(crate) ports: PortSet,
    /// Whether they pass for certain between all pods, in the world in which they pass.
    pub(crate) certain: bool,
}

/// Differences of one kind with one cause.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub(crate) changed: Vec<Changed>,
    /// What the causes of the first say, with their places.
    pub(crate) places: Vec<Place>,
    /// One flow, confirmed by the reference in both worlds.
    pub(crate) witness: Option<String>,
    /// A flow on which engine and reference disagree: nothing is claimed then.
    pub(crate) disputed: Option<String>,
}

/// Groups by kind and by the objects in play.
pub(crate) type Groups = BTreeMap<(Kind, Vec<String>), Group>;

/// One of the two worlds.
#[derive(Debug)]
pub(crate) struct Side<'w> {
    pub(crate) engine: &'w Engine<'w>,
    pub(crate) parties: Parties<'w>,
    pub(crate) ends: Ends,
}

impl<'w> Side<'w> {
    fn new(engine: &'w Engine<'w>) -> Self {
        Self {
            engine,
            parties: Parties::new(engine, false),
            ends: Ends::new(engine),
        }
    }
}

/// The difference of two worlds. The report fails if there is one. `tick` hears how much is done.
///
/// # Errors
/// A diagnostic if the worlds are too large to compare.
pub fn compare(
    before: &World,
    after: &World,
    tick: &mut dyn FnMut(usize, usize),
) -> Result<Report, Diagnostic> {
    let a = Engine::with_cuts(before, &Cuts::of(after));
    let b = Engine::with_cuts(after, &Cuts::of(before));
    let (a, b) = (Side::new(&a), Side::new(&b));
    let shared: Vec<&Key> = a.ends.keys().filter(|key| b.ends.has(key)).collect();
    if shared.len() > MAX_ENDS {
        return Err(Diagnostic::error(
            "PAL0340",
            format!("{} ends are too many to compare", shared.len()),
        )
        .help("compare a part: the manifests of some namespaces"));
    }
    let mut groups = Groups::new();
    for (done, from) in shared.iter().enumerate() {
        for to in &shared {
            let (Some(old), Some(new)) = (Profile::of(&a, from, to), Profile::of(&b, from, to))
            else {
                continue;
            };
            for difference in profile::differences(&old, &new) {
                culprit::add(&mut groups, (&a, &b), (from, to), &difference);
            }
        }
        tick(done + 1, shared.len());
    }
    Ok(report::of(&a, &b, &groups))
}

/// Most ends that both worlds have.
const MAX_ENDS: usize = 10_000;

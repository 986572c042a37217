//! All that is known of the connections between two ends, over their pods.

use super::ends::Key;
use super::{Kind, Side};
use crate::list::{Answer, facts};
use palisade_netmodel::{Encryption, PortSet};
use std::collections::BTreeSet;

/// What passes between the pods of two ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Profile {
    /// May pass between some two.
    may: PortSet,
    /// Passes for certain between every two.
    must: PortSet,
    /// Ports on which something weaker than mesh mTLS can pass between some two.
    below_mesh: PortSet,
    /// Ports on which plaintext can pass between some two.
    plain: PortSet,
    /// Every answer that occurs.
    answers: BTreeSet<Answer>,
}

impl Profile {
    /// The profile of two ends; `None` if they form no pair of different ends.
    pub(crate) fn of(side: &Side<'_>, from: &Key, to: &Key) -> Option<Self> {
        let engine = side.engine;
        let mut out = Self {
            may: PortSet::empty(),
            must: PortSet::all(),
            below_mesh: PortSet::empty(),
            plain: PortSet::empty(),
            answers: BTreeSet::new(),
        };
        for &source in side.ends.of(from) {
            for &destination in side.ends.of(to) {
                if !engine.is_pair(source, destination) {
                    continue;
                }
                let answer = facts(&engine.pair(source, destination), None);
                let mut must = PortSet::empty();
                for fact in &answer {
                    out.may = out.may.union(&fact.ports);
                    if fact.certain {
                        must = must.union(&fact.ports);
                    }
                    if fact.wire < Encryption::MeshMtls {
                        out.below_mesh = out.below_mesh.union(&fact.ports);
                    }
                    if fact.wire < Encryption::Tls {
                        out.plain = out.plain.union(&fact.ports);
                    }
                }
                out.must = out.must.intersection(&must);
                out.answers.insert(answer);
            }
        }
        (!out.answers.is_empty()).then_some(out)
    }
}

/// One way in which two profiles differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) kind: Kind,
    pub(crate) ports: PortSet,
    /// Those of the ports that pass for certain between every two pods, in the world in which they pass.
    pub(crate) certain: PortSet,
}

/// How two profiles differ, and on which ports. Every difference is told; none is told twice.
pub(crate) fn differences(old: &Profile, new: &Profile) -> Vec<Difference> {
    if old == new {
        return Vec::new();
    }
    let both = old.may.intersection(&new.may);
    let only = |set: &PortSet, without: &PortSet| set.difference(without).intersection(&both);
    let weaker = only(&new.below_mesh, &old.below_mesh).union(&only(&new.plain, &old.plain));
    let stronger = only(&old.below_mesh, &new.below_mesh).union(&only(&old.plain, &new.plain));
    let none = PortSet::empty();
    let sets = [
        (Kind::Gained, new.may.difference(&old.may), &new.must),
        (Kind::Lost, old.may.difference(&new.may), &old.must),
        (Kind::Weaker, weaker, &new.must),
        (Kind::Stronger, stronger, &new.must),
        (Kind::LessCertain, only(&old.must, &new.must), &none),
        (Kind::MoreCertain, only(&new.must, &old.must), &new.must),
    ];
    let difference = |(kind, ports, must): (Kind, PortSet, &PortSet)| Difference {
        kind,
        certain: ports.intersection(must),
        ports,
    };
    let mut out: Vec<Difference> = sets.into_iter().map(difference).collect();
    out.retain(|difference| !difference.ports.is_empty());
    if out.is_empty() {
        out.push(difference((Kind::OtherPods, both, &none)));
    }
    out
}

//! The pairs of endpoints at which the proof has to look: what is deployed and what is declared are
//! compared as rows of peers first, and only where they are not equal pair by pair.
//!
//! The rows are those of policies alone. The mesh can only refuse more, except where ambient mode has a
//! part in a pair: there policies see tunnels, and every such pair is a suspect.

use super::declared::Declared;
use crate::engine::{EndpointId, Engine, PortsId, Relation, ports_on};
use palisade_netmodel::{Direction, Grant, Intent, PolicyPort, PortSet};
use roaring::RoaringBitmap;
use std::cell::RefCell;

/// Finds the pairs that need a look. What it leaves out is as declared.
#[derive(Debug)]
pub(crate) struct Suspects {
    relation: RefCell<Relation>,
    everybody: RoaringBitmap,
    /// Per grant: its ports by number.
    numeric: Vec<PortsId>,
    /// Grants with ports by name.
    named: RoaringBitmap,
    /// Grants that answer for a direction: they are the likely reason why something passes there.
    ingress: RoaringBitmap,
    egress: RoaringBitmap,
}

impl Suspects {
    pub(crate) fn new(intent: &Intent, engine: &Engine<'_>) -> Self {
        let mut relation = engine.relation();
        let grants = &intent.grants;
        let numeric = grants.iter().map(|g| relation.number(g.numeric_ports()));
        let numeric = numeric.collect();
        let which = |keep: fn(&Grant) -> bool| {
            let grants = (0..).zip(grants).filter(|(_, grant)| keep(grant));
            grants.map(|(index, _)| index).collect()
        };
        Self {
            relation: RefCell::new(relation),
            everybody: engine.endpoints().map(|e| e.0).collect(),
            numeric,
            named: which(has_names),
            ingress: which(|grant| grant.ingress),
            egress: which(|grant| grant.egress),
        }
    }

    /// Per source: destinations that it may reach although the matrix does not say so and somebody claims
    /// that nothing else passes. Cost: per claimed endpoint its rows times the grants that mean it.
    pub(crate) fn of_excess(
        &self,
        (intent, declared, engine): (&Intent, &Declared, &Engine<'_>),
    ) -> Vec<RoaringBitmap> {
        let mut found = vec![RoaringBitmap::new(); engine.len()];
        for subject in engine.endpoints() {
            if declared.claim(Direction::Ingress, subject).is_some() {
                let sources = if engine.may_cross(subject) {
                    self.everybody.clone()
                } else {
                    self.beyond(Direction::Ingress, subject, (intent, declared, engine))
                };
                for source in sources {
                    if let Some(destinations) = found.get_mut(source as usize) {
                        destinations.insert(subject.0);
                    }
                }
            }
            if declared.claim(Direction::Egress, subject).is_some() {
                let mut all = self.beyond(Direction::Egress, subject, (intent, declared, engine));
                all |= engine.crossed();
                if let Some(destinations) = found.get_mut(subject.index()) {
                    *destinations |= all;
                }
            }
        }
        found
    }

    fn beyond(
        &self,
        direction: Direction,
        subject: EndpointId,
        (intent, declared, engine): (&Intent, &Declared, &Engine<'_>),
    ) -> RoaringBitmap {
        let answering = match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        };
        let grants = declared.grants_of(direction, subject);
        let (likely, others) = (&grants & answering, &grants - answering);
        let mut relation = self.relation.borrow_mut();
        // Ports by name mean other numbers on each destination: known here if that is the subject, and
        // looked at pair by pair if it is the peer.
        let mut by_name = Vec::new();
        if direction == Direction::Ingress {
            for index in &grants & &self.named {
                let grant = intent.grants.get(index as usize);
                let ports = ports_on(grant.and_then(|g| g.ports.as_deref()), engine.pod(subject));
                by_name.push((index, relation.number(ports)));
            }
        }
        let entry = |index: u32| {
            let (from, to) = declared.ends(index as usize)?;
            let peers = match direction {
                Direction::Ingress => from,
                Direction::Egress => to,
            };
            let mut known = by_name.iter().filter(|(named, _)| *named == index);
            let ports = match known.next() {
                Some((_, ports)) => *ports,
                None => *self.numeric.get(index as usize)?,
            };
            Some((peers, ports))
        };
        let listed = likely.iter().chain(others.iter()).filter_map(entry);
        relation.beyond(direction, subject, &listed)
    }

    /// The pairs of a grant that may not pass in a half that it answers for, as sources by destination.
    /// Cost: per end the rows of its profile.
    pub(crate) fn of_missing(
        &self,
        engine: &Engine<'_>,
        grant: &Grant,
        (from, to): (&RoaringBitmap, &RoaringBitmap),
        (egress, ingress): (bool, bool),
    ) -> Vec<(EndpointId, RoaringBitmap)> {
        let mut relation = self.relation.borrow_mut();
        let mut blocked: Vec<(EndpointId, RoaringBitmap)> = Vec::new();
        let sources: Vec<(u32, RoaringBitmap)> = from
            .iter()
            .filter(|_| egress)
            .map(|source| {
                let wanted = (all_numbers(engine, grant, to), to);
                let short = relation.short_of(Direction::Egress, EndpointId(source), wanted);
                (source, short)
            })
            .filter(|(_, short)| !short.is_empty())
            .collect();
        for destination in to {
            let end = EndpointId(destination);
            let mut here = if !ingress {
                RoaringBitmap::new()
            } else if engine.is_proxied(end) {
                from.clone()
            } else {
                let wanted = engine.ports_at(grant.ports.as_deref(), end);
                relation.short_of(Direction::Ingress, end, (wanted, from))
            };
            if egress && engine.may_cross(end) {
                here |= from;
            }
            let short = sources.iter().filter(|(_, of)| of.contains(destination));
            here.extend(short.map(|(source, _)| *source));
            if !here.is_empty() {
                blocked.push((end, here));
            }
        }
        blocked
    }
}

/// Whether some port of a grant is given by name.
fn has_names(grant: &Grant) -> bool {
    let mut ports = grant.ports.iter().flatten();
    ports.any(|port| matches!(port, PolicyPort::Named { .. }))
}

/// Every port that a grant means on some destination.
fn all_numbers(engine: &Engine<'_>, grant: &Grant, to: &RoaringBitmap) -> PortSet {
    let by_number = grant.numeric_ports();
    if !has_names(grant) {
        return by_number;
    }
    to.iter().fold(by_number, |set, destination| {
        let end = EndpointId(destination);
        set.union(&engine.ports_at(grant.ports.as_deref(), end))
    })
}

#[cfg(test)]
mod tests {
    use crate::engine::{EndpointId, Engine};
    use crate::prove::{Context, Options, cuts, excess, missing};
    use palisade_netmodel::{Intent, World};
    use palisade_testkit::ambient::ambient_world;
    use palisade_testkit::intents::intent;
    use palisade_testkit::worlds::world;
    use proptest::prelude::*;
    use roaring::RoaringBitmap;

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 1000,
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn nothing_is_left_out(world in world(), intent in intent()) {
            compare(&world, &intent)?;
        }

        #[test]
        fn nothing_is_left_out_in_ambient_mode(world in ambient_world(), intent in intent()) {
            compare(&world, &intent)?;
        }
    }

    /// To look at every pair finds what a look at the suspects finds.
    fn compare(world: &World, intent: &Intent) -> Result<(), TestCaseError> {
        let engine = Engine::with_cuts(world, &cuts(intent));
        let context = Context::new(intent, &engine, &Options::default());
        let everybody: RoaringBitmap = engine.endpoints().map(|e: EndpointId| e.0).collect();
        let suspects = context
            .suspects
            .of_excess((intent, &context.declared, &engine));
        let all = vec![everybody; engine.len()];
        prop_assert_eq!(
            excess::group(&context, &suspects),
            excess::group(&context, &all)
        );
        for (index, grant) in intent.grants.iter().enumerate() {
            let every = context.declared.ends(index).map(missing::every_pair);
            let every = missing::among(&context, (index, grant), every.unwrap_or_default());
            prop_assert_eq!(missing::blocked(&context, index, grant), every);
        }
        Ok(())
    }
}

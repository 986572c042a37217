//! What the mesh says on the connections of two ends, whatever the network lets pass.

use super::places::Place;
use crate::engine::live::Live;
use crate::engine::live::space::address_of;
use crate::engine::mesh::{self, Client, Receiver, Source};
use crate::engine::{Pair, Passage};
use palisade_netmodel::Pod;
use roaring::RoaringBitmap;
use rustc_hash::FxHashMap;

/// What the mesh says of a pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine::live) enum Answer {
    /// No proxy receives it.
    Untouched,
    /// A proxy receives it on the port that is meant.
    Port(Box<Pair>),
}

impl Answer {
    /// The answer of both layers. Of ports that do not pass nothing else is told.
    pub(in crate::engine::live) fn on(&self, network: &Passage) -> Pair {
        let pair = match self {
            Self::Untouched => mesh::untouched(),
            Self::Port(pair) => (**pair).clone(),
        };
        let passage = network.and(&pair.passage);
        Pair { passage, ..pair }.of_what_passes()
    }
}

/// One part of all callers, and the answer to them.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) answer: Answer,
    pub(super) sources: RoaringBitmap,
}

/// Answers for pairs, with the receivers that were made for them.
#[derive(Debug)]
pub(in crate::engine::live) struct Asker<'l> {
    live: &'l Live,
    receivers: FxHashMap<u32, Option<Receiver<'l>>>,
}

impl<'l> Asker<'l> {
    pub(in crate::engine::live) fn new(live: &'l Live) -> Self {
        Self {
            live,
            receivers: FxHashMap::default(),
        }
    }

    /// What the mesh says of one pair.
    pub(in crate::engine::live) fn answer(&mut self, source: u32, destination: u32) -> Answer {
        let live = self.live;
        let made = self.receivers.entry(destination);
        let receiver = made.or_insert_with(|| live.receiver(destination).map(|(_, made)| made));
        match receiver {
            Some(receiver) => live.ask(receiver, source),
            None => Answer::Untouched,
        }
    }
}

impl Live {
    /// The receiver of a class, and where it lives; `None` if nobody receives for it.
    fn receiver(&self, class: u32) -> Option<(&Place, Receiver<'_>)> {
        let pod = self.example(class)?;
        let place = self.mesh.places.get(&pod.namespace)?;
        Some((place, Receiver::new(&place.world, pod)?))
    }

    fn ask(&self, receiver: &Receiver<'_>, source: u32) -> Answer {
        let pair = match self.example(source) {
            Some(pod) => receiver.pair(Source::Pod(&self.client(pod))),
            None => match self.node(source).and_then(super::super::nodes::Node::first) {
                Some(first) => receiver.pair(Source::Address(address_of(first))),
                None => receiver.pair(Source::Nobody),
            },
        };
        Answer::Port(Box::new(pair))
    }

    fn client<'p>(&self, pod: &'p Pod) -> Client<'p> {
        Client::new(pod, self.mesh.callers.identity(pod, &self.mesh.config))
    }

    /// What a class says to callers, in few rows that hold all of some ends.
    pub(super) fn answers(&self, class: u32, among: &RoaringBitmap) -> Vec<Row> {
        let Some((place, receiver)) = self.receiver(class) else {
            return vec![Row {
                answer: Answer::Untouched,
                sources: among.clone(),
            }];
        };
        let mut rows: Vec<Row> = Vec::new();
        for sources in self.kinds_of_callers(place, &receiver, among) {
            let Some(one) = sources.min() else {
                continue;
            };
            let answer = self.ask(&receiver, one);
            match rows.iter_mut().find(|row| row.answer == answer) {
                Some(row) => row.sources |= sources,
                None => rows.push(Row { answer, sources }),
            }
        }
        rows
    }
}

//! What the mesh says on the connections of two ends, whatever the network lets pass.

use super::places::Place;
use crate::engine::ambient::{self, Sum, Way, at_tunnel, tcp_as, ways};
use crate::engine::live::Live;
use crate::engine::live::nodes::Node;
use crate::engine::live::space::address_of;
use crate::engine::mesh::{self, Client, Source};
use crate::engine::{Pair, Passage};
use palisade_netmodel::{Pod, World};
use roaring::RoaringBitmap;
use rustc_hash::FxHashMap;

/// What the mesh says of a pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine::live) enum Answer {
    /// No proxy receives it.
    Untouched,
    /// A proxy receives it on the port that is meant.
    Port(Box<Pair>),
    /// Ambient mode has a part in it.
    Ways(Box<Ways>),
}

/// What the mesh says on each of the ways that a connection may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine::live) struct Ways {
    possible: &'static [Way],
    /// On the port that is meant; everything if that is no way.
    plain: Passage,
    /// In a tunnel from end to end; everything if that is no way.
    tunnel: Passage,
}

impl Ways {
    fn new(
        possible: &'static [Way],
        plain: impl FnOnce() -> Passage,
        tunnel: impl FnOnce() -> Passage,
    ) -> Self {
        let has = |way| possible.contains(&way);
        let everything = Passage::everything;
        Self {
            possible,
            plain: if has(Way::Plain) {
                plain()
            } else {
                everything()
            },
            tunnel: if has(Way::Tunnel) {
                tunnel()
            } else {
                everything()
            },
        }
    }

    /// In a tunnel the network has one word on all TCP ports.
    fn on(&self, network: &Passage) -> Pair {
        let mut sum = Sum::default();
        for way in self.possible {
            match way {
                Way::Uncaptured => sum.add(network, false),
                Way::Plain => sum.add(&network.and(&self.plain), false),
                Way::Tunnel => {
                    let network = tcp_as(network, at_tunnel(network));
                    sum.add(&network.and(&self.tunnel), true);
                }
            }
        }
        sum.pair()
    }
}

impl Answer {
    /// The answer of both layers. Of ports that do not pass nothing else is told.
    pub(in crate::engine::live) fn on(&self, network: &Passage) -> Pair {
        let pair = match self {
            Self::Untouched => mesh::untouched(),
            Self::Port(pair) => (**pair).clone(),
            Self::Ways(ways) => return ways.on(network),
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

/// Who receives for a class.
#[derive(Debug)]
pub(super) enum Receiver<'w> {
    /// Its own sidecar, or a gateway.
    Proxy(mesh::Receiver<'w>),
    /// The ztunnel of its node.
    Captured(ambient::Receiver<'w>),
}

impl<'w> Receiver<'w> {
    fn new(world: &'w World, pod: &'w Pod) -> Option<Self> {
        let proxy = mesh::Receiver::new(world, pod).map(Self::Proxy);
        proxy.or_else(|| ambient::Receiver::new(world, pod).map(Self::Captured))
    }

    fn answer(&self, source: Source<'_>, possible: &'static [Way]) -> Answer {
        let ways = match self {
            Self::Proxy(proxy) if possible.is_empty() => {
                return Answer::Port(Box::new(proxy.pair(source)));
            }
            Self::Proxy(proxy) => Ways::new(
                possible,
                || proxy.pair(source).passage,
                || proxy.tunnel(source),
            ),
            Self::Captured(ztunnel) => Ways::new(
                possible,
                || ztunnel.plain(source),
                || ztunnel.tunnel(source),
            ),
        };
        Answer::Ways(Box::new(ways))
    }
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
            Some(receiver) => live.ask(receiver, (source, destination)),
            None => Answer::Untouched,
        }
    }
}

impl Live {
    /// The receiver of a class, its pod, and where it lives; `None` if nobody receives for it.
    fn receiver(&self, class: u32) -> Option<((&Place, &Pod), Receiver<'_>)> {
        let pod = self.example(class)?;
        let place = self.mesh.places.get(&pod.namespace)?;
        Some(((place, pod), Receiver::new(&place.world, pod)?))
    }

    fn ask(&self, receiver: &Receiver<'_>, (source, destination): (u32, u32)) -> Answer {
        let caller = self.example(source);
        let possible = ways(caller, self.example(destination));
        if let Some(pod) = caller {
            return receiver.answer(Source::Pod(&self.client(pod)), possible);
        }
        let first = self.node(source).and_then(Node::first);
        let source = first.map_or(Source::Nobody, |at| Source::Address(address_of(at)));
        receiver.answer(source, possible)
    }

    fn client<'p>(&self, pod: &'p Pod) -> Client<'p> {
        Client::new(pod, self.mesh.callers.identity(pod, &self.mesh.config))
    }

    /// What a class says to callers, in few rows that hold all of some ends.
    pub(super) fn answers(&self, class: u32, among: &RoaringBitmap) -> Vec<Row> {
        let Some((home, receiver)) = self.receiver(class) else {
            return vec![Row {
                answer: Answer::Untouched,
                sources: among.clone(),
            }];
        };
        let mut rows: Vec<Row> = Vec::new();
        for sources in self.kinds_of_callers(home, &receiver, among) {
            let Some(one) = sources.min() else {
                continue;
            };
            let answer = self.ask(&receiver, (one, class));
            match rows.iter_mut().find(|row| row.answer == answer) {
                Some(row) => row.sources |= sources,
                None => rows.push(Row { answer, sources }),
            }
        }
        rows
    }
}

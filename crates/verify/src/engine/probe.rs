//! The rules of NetworkPolicies, laid out for one question: may this port pass between these two ends?
//!
//! In a large cluster nothing of an answer is in a cache, so what counts is how many reads wait for one
//! another. An endpoint's entry says where its rules lie, in one row with all others; a rule holds its ports,
//! and its peers unless they are many. So a question reads the entry, the rules and one word of a bitmap,
//! where signature, rules, list of ports, ranges, list of peers, containers and their bits would follow one
//! another.

use super::endpoints::EndpointId;
use super::peers::Peers;
use super::policies::{Compiled, Ports};
use palisade_netmodel::{Direction, Pod, PortSet, Protocol};
use roaring::RoaringBitmap;

/// Where the rules of an endpoint lie.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stretch {
    start: u32,
    /// [`OPEN`] if nothing isolates it.
    len: u32,
}

const OPEN: u32 = u32::MAX;

impl Default for Stretch {
    fn default() -> Self {
        Self {
            start: 0,
            len: OPEN,
        }
    }
}

/// A rule.
#[derive(Debug, Clone, Copy)]
struct Rule {
    ports: Where,
    peers: Whom,
}

/// The ports of a rule.
#[derive(Debug, Clone, Copy)]
enum Where {
    Any,
    /// One stretch of one protocol.
    Stretch(Protocol, u16, u16),
    /// A list, by its number.
    List(u32),
}

/// The peers of a rule.
#[derive(Debug, Clone, Copy)]
enum Whom {
    Any,
    /// Endpoints in a row: the first, and how many.
    Row(u32, u32),
    /// Bits: the word in which they begin, and the endpoints that they are about as a row.
    Bits(u32, u32, u32),
    /// A list, by its number.
    List(u32),
}

/// Every rule of both directions.
#[derive(Debug, Default)]
pub(super) struct Probes {
    /// Per class: ingress and egress.
    of: Vec<[Stretch; 2]>,
    rules: Vec<Rule>,
    bits: Vec<u64>,
    /// How each list of peers is asked.
    whom: Vec<Whom>,
}

/// Lists of peers and of ports by their numbers.
pub(super) type Lists<'l> = (&'l [Peers], &'l [Ports]);

/// Most bytes of bits for each endpoint of a list, beside [`SHORT`] for each list. A compressed bitmap takes
/// two.
const SPARSE: usize = 4;
const SHORT: usize = 64;

impl Probes {
    /// Lists of peers, with bits for those that are dense enough.
    pub(super) fn new(classes: usize, peers: &[Peers]) -> Self {
        let mut out = Self {
            of: vec![[Stretch::default(); 2]; classes],
            ..Self::default()
        };
        for (number, peers) in (0..).zip(peers) {
            let whom = out.whom(number, peers);
            out.whom.push(whom);
        }
        out
    }

    fn whom(&mut self, number: u32, peers: &Peers) -> Whom {
        if !peers.perhaps.is_empty() {
            return Whom::List(number);
        }
        let Some((first, last)) = peers.yes.min().zip(peers.yes.max()) else {
            return Whom::Row(0, 0);
        };
        let (span, len) = (u64::from(last - first) + 1, peers.yes.len());
        if span == len {
            return Whom::Row(first, last - first + 1);
        }
        let words = usize::try_from(span.div_ceil(64)).unwrap_or(usize::MAX);
        let most = usize::try_from(len).unwrap_or(usize::MAX) * SPARSE + SHORT;
        let begin = u32::try_from(self.bits.len());
        match begin {
            Ok(begin) if words * 8 <= most => {
                self.bits(&peers.yes, first, words);
                Whom::Bits(begin, first, last - first + 1)
            }
            _ => Whom::List(number),
        }
    }

    fn bits(&mut self, set: &RoaringBitmap, first: u32, words: usize) {
        let begin = self.bits.len();
        self.bits.resize(begin + words, 0);
        for endpoint in set {
            let at = endpoint - first;
            if let Some(word) = self.bits.get_mut(begin + (at / 64) as usize) {
                *word |= 1 << (at % 64);
            }
        }
    }

    /// Adds the rules of a signature.
    pub(super) fn signature(&mut self, rules: &[Compiled], ports: &[Ports]) -> Stretch {
        let small = |len: usize| u32::try_from(len).unwrap_or(OPEN - 1);
        let stretch = Stretch {
            start: small(self.rules.len()),
            len: small(rules.len()),
        };
        for rule in rules {
            let list = |id: u32| {
                let ports = ports.get(id as usize);
                ports
                    .and_then(Ports::stretch)
                    .map_or(Where::List(id), |(p, first, last)| {
                        Where::Stretch(p, first, last)
                    })
            };
            let whom = |id: u32| self.whom.get(id as usize).copied();
            self.rules.push(Rule {
                ports: rule.ports.map_or(Where::Any, list),
                peers: rule
                    .peers
                    .map_or(Whom::Any, |id| whom(id).unwrap_or(Whom::List(id))),
            });
        }
        stretch
    }

    /// Says which rules are those of a class.
    pub(super) fn seat(&mut self, direction: Direction, class: usize, rules: Stretch) {
        if let Some([ingress, egress]) = self.of.get_mut(class) {
            match direction {
                Direction::Ingress => *ingress = rules,
                Direction::Egress => *egress = rules,
            }
        }
    }

    /// Whether one port passes: certainly, perhaps (`None` inside), or not. `None` if nothing isolates the
    /// subject.
    pub(super) fn admits<'p>(
        &self,
        direction: Direction,
        (subject, peer): (EndpointId, EndpointId),
        destination: impl Fn() -> Option<&'p Pod>,
        port: (Protocol, u16),
        lists: Lists<'_>,
    ) -> Option<Option<bool>> {
        let [ingress, egress] = self.of.get(subject.index())?;
        let stretch = match direction {
            Direction::Ingress => ingress,
            Direction::Egress => egress,
        };
        if stretch.len == OPEN {
            return None;
        }
        let start = stretch.start as usize;
        let rules = self.rules.get(start..start + stretch.len as usize);
        let mut perhaps = false;
        for rule in rules.unwrap_or_default() {
            let stretch = match rule.ports {
                Where::Any | Where::List(_) => true,
                Where::Stretch(protocol, first, last) => {
                    protocol == port.0 && (first..=last).contains(&port.1)
                }
            };
            if !stretch {
                continue;
            }
            let means = self.means(rule.peers, peer.0, lists.0);
            // A list comes last: a name in it has to be looked up on the destination.
            let list = match rule.ports {
                Where::List(id) if means != Some(false) => {
                    let list = lists.1.get(id as usize);
                    list.is_some_and(|list| list.hold(&destination, port))
                }
                _ => true,
            };
            match means {
                Some(true) if list => return Some(Some(true)),
                None if list => perhaps = true,
                _ => {}
            }
        }
        Some((!perhaps).then_some(false))
    }

    /// Whether a list holds a peer: certainly, perhaps (`None`), or not.
    fn means(&self, whom: Whom, peer: u32, lists: &[Peers]) -> Option<bool> {
        match whom {
            Whom::Any => Some(true),
            Whom::Row(first, len) => Some(peer.wrapping_sub(first) < len),
            Whom::Bits(begin, first, len) => {
                let at = peer.wrapping_sub(first);
                let word = self.bits.get(begin as usize + (at / 64) as usize);
                Some(at < len && word.is_some_and(|word| word >> (at % 64) & 1 == 1))
            }
            Whom::List(id) => lists.get(id as usize).map_or(Some(false), |p| p.mean(peer)),
        }
    }
}

/// The stretch that a set is, if it is one.
pub(super) fn stretch_of(set: &PortSet) -> Option<(Protocol, u16, u16)> {
    let mut all = Protocol::ALL
        .into_iter()
        .flat_map(|p| set.ranges(p).iter().map(move |(a, b)| (p, *a, *b)));
    let first = all.next()?;
    all.next().is_none().then_some(first)
}

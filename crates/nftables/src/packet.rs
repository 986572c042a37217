//! What a ruleset means: the way of one packet through it, rule by rule. Nothing is looked up faster than
//! the kernel's documents say it; the compiled ruleset is compared with the reference by this, and the kernel
//! with both.

use crate::model::{Element, Family, Match, Rule, Ruleset, Set, Side, Verdict};
use palisade_netmodel::Protocol;
use std::net::IpAddr;

/// Most chains that a packet may be in at once (`NFT_JUMP_STACK_SIZE` of Linux).
const DEPTH: usize = 16;

/// The first packet of a connection, on its way through the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    /// From.
    pub source: IpAddr,
    /// To, after Services are translated. Of the family of `source`.
    pub destination: IpAddr,
    /// Protocol.
    pub protocol: Protocol,
    /// Destination port.
    pub port: u16,
}

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// The table lets it pass.
    Passes,
    /// It is dropped, or its sender is told.
    Refused,
    /// The ruleset leads to a chain, set or map that it does not have, or has in the table of the other family, or
    /// leads too deep: the kernel would not have loaded it.
    Broken,
}

/// How a chain ends.
enum End {
    /// With a final judgement.
    Final(Judgement),
    /// At its end, or by `return`.
    Back,
}

impl Ruleset {
    /// The judgement of the base chain of the packet's family, whose policy is to accept.
    #[must_use]
    pub fn judge(&self, packet: &Packet) -> Judgement {
        let own = packet.family();
        let mut chains = self.chains.iter();
        let base = chains.find(|(_, chain)| chain.base && chain.family == own);
        let Some((base, _)) = base else {
            return Judgement::Passes;
        };
        match self.walk(base, packet, DEPTH) {
            End::Final(judgement) => judgement,
            End::Back => Judgement::Passes,
        }
    }

    fn walk(&self, chain: &str, packet: &Packet, depth: usize) -> End {
        let own = packet.family();
        let chain = self.chains.get(chain).filter(|chain| chain.family == own);
        let (Some(chain), Some(depth)) = (chain, depth.checked_sub(1)) else {
            return End::Final(Judgement::Broken);
        };
        for rule in &chain.rules {
            match self.rule(rule, packet) {
                Some(true) => {}
                Some(false) => continue,
                None => return End::Final(Judgement::Broken),
            }
            let jump = match &rule.verdict {
                None => continue,
                Some(Verdict::Accept) => return End::Final(Judgement::Passes),
                Some(Verdict::Reject(family)) if *family != own => {
                    return End::Final(Judgement::Broken);
                }
                Some(Verdict::Drop | Verdict::Reject(_) | Verdict::Reset) => {
                    return End::Final(Judgement::Refused);
                }
                Some(Verdict::Return) => return End::Back,
                Some(Verdict::Goto(next)) => return self.walk(next, packet, depth),
                Some(Verdict::Jump(next)) => next,
                Some(Verdict::Dispatch { side, map, family }) => {
                    let map = self.maps.get(map);
                    let Some(map) = map.filter(|map| [map.family, *family] == [own; 2]) else {
                        return End::Final(Judgement::Broken);
                    };
                    match map.elements.get(&packet.end(*side)) {
                        Some(next) => next,
                        None => continue,
                    }
                }
            };
            if let End::Final(judgement) = self.walk(jump, packet, depth) {
                return End::Final(judgement);
            }
        }
        End::Back
    }

    /// Whether a rule matches; `None` if it names a set that its table does not have.
    fn rule(&self, rule: &Rule, packet: &Packet) -> Option<bool> {
        for condition in &rule.matches {
            if !self.condition(condition, packet)? {
                return Some(false);
            }
        }
        Some(true)
    }

    fn condition(&self, condition: &Match, packet: &Packet) -> Option<bool> {
        let own = packet.family();
        Some(match condition {
            // A first packet belongs to no connection, carries a port and is no discovery.
            Match::Marked(_) | Match::Known | Match::NeighbourDiscovery | Match::MidStream => false,
            Match::Address {
                side,
                family,
                set,
                not,
            } => {
                (*family == own).then_some(())?;
                self.holds_address(set, packet.end(*side))? != *not
            }
            Match::Protocol(protocol) => *protocol == packet.protocol,
            Match::Port(protocol, first, last) => {
                *protocol == packet.protocol && (*first..=*last).contains(&packet.port)
            }
            Match::Ports(set) => {
                let wanted = (packet.protocol, packet.port);
                let elements = &self.set(set, own)?.elements;
                elements
                    .last_where(|e| matches!(e, Element::Ports(p, first, _) if (*p, *first) <= wanted))
                    .is_some_and(|e| {
                        matches!(e, Element::Ports(p, _, last) if *p == wanted.0 && wanted.1 <= *last)
                    })
            }
            Match::Socket(family, set) => {
                let wanted = Element::Socket(packet.destination, packet.protocol, packet.port);
                (*family == own).then_some(())?;
                self.set(set, own)?.elements.contains(&wanted)
            }
        })
    }

    /// A set of the table of a family.
    fn set(&self, name: &str, family: Family) -> Option<&Set> {
        let set = self.sets.get(name);
        set.filter(|set| set.kind.family() == family)
    }

    fn holds_address(&self, set: &str, address: IpAddr) -> Option<bool> {
        let set = self.set(set, Family::of(&address))?;
        let begins = |e: &Element| match e {
            Element::Address(one) | Element::Network(one, _) => *one <= address,
            Element::Ports(..) | Element::Socket(..) => false,
        };
        Some(match set.elements.last_where(begins) {
            Some(Element::Address(one)) => *one == address,
            Some(Element::Network(_, last)) => address <= *last,
            _ => false,
        })
    }
}

impl Packet {
    fn end(&self, side: Side) -> IpAddr {
        match side {
            Side::Source => self.source,
            Side::Destination => self.destination,
        }
    }

    fn family(&self) -> Family {
        Family::of(&self.destination)
    }
}

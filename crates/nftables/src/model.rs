//! A ruleset as data: the part of nftables' language that policies need, in its own words.

use crate::list::List;
use palisade_netmodel::Protocol;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

/// Two tables of one name, of the families `ip` and `ip6`, wholly ours. What is in either has a name of its own,
/// different from those of the other. (In one table of family `inet` each rule about an address would have to ask for
/// the family first.)
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ruleset {
    /// The name of the tables.
    pub table: String,
    /// Sets by name.
    pub sets: BTreeMap<String, Set>,
    /// Maps from addresses to verdicts, by name.
    pub maps: BTreeMap<String, Map>,
    /// Chains by name.
    pub chains: BTreeMap<String, Chain>,
}

/// The version of IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// The family of an address.
    #[must_use]
    pub fn of(address: &IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// Its number in netlink: `NFPROTO_IPV4`, `NFPROTO_IPV6`.
    #[must_use]
    pub fn nfproto(self) -> u8 {
        match self {
            Self::V4 => 2,
            Self::V6 => 10,
        }
    }

    /// `4` or `6`, in the names of what belongs to one family.
    #[must_use]
    pub fn digit(self) -> char {
        match self {
            Self::V4 => '4',
            Self::V6 => '6',
        }
    }
}

/// An end of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// `saddr`.
    Source,
    /// `daddr`.
    Destination,
}

/// A named set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// Of what.
    pub kind: SetKind,
    /// Its elements, ranges disjoint and not adjacent. Shared, since most sets of a ruleset are those of the
    /// ruleset before.
    pub elements: List,
}

/// What a set holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SetKind {
    /// Single addresses: `type ipv4_addr`, a hash table.
    Addresses(Family),
    /// Ranges of addresses: `flags interval`.
    Networks(Family),
    /// Ranges of ports, in the table of a family: `type inet_proto . inet_service; flags interval`.
    Ports(Family),
    /// A port of an address: `type ipv4_addr . inet_proto . inet_service`, a hash table.
    Sockets(Family),
}

impl SetKind {
    /// The family of the table that it is in.
    #[must_use]
    pub fn family(self) -> Family {
        match self {
            Self::Addresses(family)
            | Self::Networks(family)
            | Self::Ports(family)
            | Self::Sockets(family) => family,
        }
    }
}

/// An element of a set; its form is that of the set's kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Element {
    /// Of [`SetKind::Addresses`].
    Address(IpAddr),
    /// Of [`SetKind::Networks`]: first and last address.
    Network(IpAddr, IpAddr),
    /// Of [`SetKind::Ports`]: first and last port.
    Ports(Protocol, u16, u16),
    /// Of [`SetKind::Sockets`].
    Socket(IpAddr, Protocol, u16),
}

/// How the elements of a set changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elements {
    /// The family of its table.
    pub family: Family,
    /// The set.
    pub set: String,
    /// Those that went, sorted.
    pub gone: Vec<Element>,
    /// Those that came, sorted.
    pub new: Vec<Element>,
    /// Those that there are now.
    pub all: List,
}

/// A verdict map: `type ipv4_addr : verdict`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Map {
    /// The family of its keys.
    pub family: Family,
    /// The chain that each address jumps to.
    pub elements: BTreeMap<IpAddr, String>,
}

/// A chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// The family of the table that it is in.
    pub family: Family,
    /// Whether it is the base chain of its table: `type filter hook forward`, policy accept.
    pub base: bool,
    /// What it is there for, for those who list the table: plain ASCII without quotes, at most 127 bytes.
    pub comment: String,
    /// Its rules, in their order.
    pub rules: Vec<Rule>,
}

/// A rule: if everything matches, it has its effect and gives its verdict.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule {
    /// What must hold.
    pub matches: Vec<Match>,
    /// What happens besides.
    pub effect: Option<Effect>,
    /// What becomes of the packet; `None` goes on with the next rule.
    pub verdict: Option<Verdict>,
}

/// A condition of a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Match {
    /// `ct mark & MASK != 0`.
    Marked(u32),
    /// `ct state established,related`.
    Known,
    /// `icmpv6 type 133-136`: router and neighbour discovery, without which IPv6 stops on bridges.
    NeighbourDiscovery,
    /// TCP, not the first packet of a connection (flags other than SYN alone), and `ct state new`: in this order, since
    /// almost all that is asked about is a first packet.
    MidStream,
    /// `ip saddr @set`, or `!= @set`.
    Address {
        /// Which end.
        side: Side,
        /// The family of the set.
        family: Family,
        /// The set, of addresses or networks.
        set: String,
        /// Whether the address must not be in it.
        not: bool,
    },
    /// `meta l4proto`.
    Protocol(Protocol),
    /// `meta l4proto` and `th dport`, first and last port.
    Port(Protocol, u16, u16),
    /// `meta l4proto . th dport @set`.
    Ports(String),
    /// `ip daddr . meta l4proto . th dport @set`.
    Socket(Family, String),
}

/// What a rule does besides its verdict.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// `counter`.
    Count,
    /// `limit rate R/second burst R packets log prefix "P" group G`.
    Log {
        /// What comes with each packet: letters, digits and `_`, at most 127 bytes.
        prefix: String,
        /// The netlink group that gets the packets.
        group: u16,
        /// Packets each second.
        rate: u32,
    },
}

/// What becomes of a packet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// This table lets it pass.
    Accept,
    /// It is dropped.
    Drop,
    /// Its sender is told: `reject with icmp admin-prohibited`, or `icmpv6`.
    Reject(Family),
    /// Its sender is told: `reject with tcp reset`.
    Reset,
    /// Back to the rule after the last jump.
    Return,
    /// To a chain, and back after its end.
    Jump(String),
    /// To a chain, and after its end to where this chain was jumped to from.
    Goto(String),
    /// `ip saddr vmap @map`: jumps to the chain of the address, if the map has one.
    Dispatch {
        /// Which end.
        side: Side,
        /// The map's family.
        family: Family,
        /// The map.
        map: String,
    },
}

impl Rule {
    /// A rule without effect.
    #[must_use]
    pub fn new(matches: Vec<Match>, verdict: Verdict) -> Self {
        Self {
            matches,
            effect: None,
            verdict: Some(verdict),
        }
    }
}

impl Chain {
    /// A chain that other ones lead to.
    #[must_use]
    pub fn new(family: Family, comment: impl Into<String>, rules: Vec<Rule>) -> Self {
        Self {
            family,
            base: false,
            comment: comment.into(),
            rules,
        }
    }
}

impl Ruleset {
    /// Gives sets that are there their new elements.
    pub fn set_elements(&mut self, changed: &[Elements]) {
        for elements in changed {
            if let Some(set) = self.sets.get_mut(&elements.set) {
                set.elements = elements.all.clone();
            }
        }
    }

    /// The number of rules and of elements, of sets and maps together.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        let rules = self.chains.values().map(|c| c.rules.len()).sum();
        let sets: usize = self.sets.values().map(|s| s.elements.len()).sum();
        let maps: usize = self.maps.values().map(|m| m.elements.len()).sum();
        (rules, sets + maps)
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

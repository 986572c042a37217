//! Protocols, and sets of (protocol, port) as sorted disjoint ranges.

use std::fmt;

/// The protocols of NetworkPolicy (`Kubernetes NetworkPolicy API, .ports[].protocol`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP, the default.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// All, in the order in which people list them.
    pub const ALL: [Self; 3] = [Self::Tcp, Self::Udp, Self::Sctp];

    /// The protocol of a word as Kubernetes writes it, upper case.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "TCP" => Some(Self::Tcp),
            "UDP" => Some(Self::Udp),
            "SCTP" => Some(Self::Sctp),
            _ => None,
        }
    }

    /// The word that Kubernetes uses.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// First and last port of a range, inclusive.
type Range = (u16, u16);

/// A set of (protocol, port), ports 1 to 65535. Ranges are sorted, disjoint and not adjacent, so
/// equal sets are equal values.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PortSet {
    tcp: Vec<Range>,
    udp: Vec<Range>,
    sctp: Vec<Range>,
}

impl PortSet {
    /// No port.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// Every port of every protocol.
    #[must_use]
    pub fn all() -> Self {
        Protocol::ALL
            .into_iter()
            .fold(Self::empty(), |set, p| set.union(&Self::protocol(p)))
    }

    /// Every port of one protocol.
    #[must_use]
    pub fn protocol(protocol: Protocol) -> Self {
        Self::range(protocol, 1, u16::MAX)
    }

    /// One port. Port 0 is no port: the set is empty.
    #[must_use]
    pub fn single(protocol: Protocol, port: u16) -> Self {
        Self::range(protocol, port, port)
    }

    /// An inclusive range; empty if `last < first` or `last` is 0.
    #[must_use]
    pub fn range(protocol: Protocol, first: u16, last: u16) -> Self {
        let mut set = Self::default();
        if last >= first && last > 0 {
            set.ranges_mut(protocol).push((first.max(1), last));
        }
        set
    }

    /// The ranges of one protocol, sorted and disjoint.
    #[must_use]
    pub fn ranges(&self, protocol: Protocol) -> &[Range] {
        match protocol {
            Protocol::Tcp => &self.tcp,
            Protocol::Udp => &self.udp,
            Protocol::Sctp => &self.sctp,
        }
    }

    fn ranges_mut(&mut self, protocol: Protocol) -> &mut Vec<Range> {
        match protocol {
            Protocol::Tcp => &mut self.tcp,
            Protocol::Udp => &mut self.udp,
            Protocol::Sctp => &mut self.sctp,
        }
    }

    /// Whether no port is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tcp.is_empty() && self.udp.is_empty() && self.sctp.is_empty()
    }

    /// Whether every port of every protocol is in the set.
    #[must_use]
    pub fn is_all(&self) -> bool {
        Protocol::ALL
            .iter()
            .all(|p| self.ranges(*p) == [(1, u16::MAX)])
    }

    /// Whether the set holds a port.
    #[must_use]
    pub fn contains(&self, protocol: Protocol, port: u16) -> bool {
        let ranges = self.ranges(protocol);
        let index = ranges.partition_point(|(_, last)| *last < port);
        ranges.get(index).is_some_and(|(first, _)| *first <= port)
    }

    /// Whether every port of `other` is in `self`.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        other.difference(self).is_empty()
    }

    /// The first port in the set: TCP before UDP before SCTP, lowest first.
    #[must_use]
    pub fn first(&self) -> Option<(Protocol, u16)> {
        Protocol::ALL
            .into_iter()
            .find_map(|p| self.ranges(p).first().map(|r| (p, r.0)))
    }

    /// Ports in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.merge(other, union_ranges)
    }

    /// Ports in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.merge(other, intersect_ranges)
    }

    /// Ports in `self` but not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.merge(other, subtract_ranges)
    }

    /// Every port that is not in `self`.
    #[must_use]
    pub fn complement(&self) -> Self {
        Self::all().difference(self)
    }

    fn merge(&self, other: &Self, f: fn(&[Range], &[Range]) -> Vec<Range>) -> Self {
        Self {
            tcp: f(&self.tcp, &other.tcp),
            udp: f(&self.udp, &other.udp),
            sctp: f(&self.sctp, &other.sctp),
        }
    }
}

fn union_ranges(a: &[Range], b: &[Range]) -> Vec<Range> {
    if a.is_empty() {
        return b.to_vec();
    }
    if b.is_empty() {
        return a.to_vec();
    }
    let mut all: Vec<Range> = a.iter().chain(b).copied().collect();
    all.sort_unstable();
    let mut out: Vec<Range> = Vec::with_capacity(all.len());
    for (first, last) in all {
        match out.last_mut() {
            Some(previous) if u32::from(first) <= u32::from(previous.1) + 1 => {
                previous.1 = previous.1.max(last);
            }
            _ => out.push((first, last)),
        }
    }
    out
}

fn intersect_ranges(a: &[Range], b: &[Range]) -> Vec<Range> {
    let mut out = Vec::new();
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    while let (Some(x), Some(y)) = (a.peek(), b.peek()) {
        let (first, last) = (x.0.max(y.0), x.1.min(y.1));
        if first <= last {
            out.push((first, last));
        }
        if x.1 < y.1 {
            a.next();
        } else {
            b.next();
        }
    }
    out
}

fn subtract_ranges(a: &[Range], b: &[Range]) -> Vec<Range> {
    let mut out = Vec::new();
    for &(first, last) in a {
        let mut next = u32::from(first);
        for &(from, to) in b.iter().filter(|r| r.1 >= first && r.0 <= last) {
            if u32::from(from) > next {
                out.push((low(next), from - 1));
            }
            next = next.max(u32::from(to) + 1);
        }
        if next <= u32::from(last) {
            out.push((low(next), last));
        }
    }
    out
}

/// A port kept in 32 bits to survive `65535 + 1`, back in 16.
fn low(port: u32) -> u16 {
    u16::try_from(port).unwrap_or(u16::MAX)
}

impl fmt::Display for PortSet {
    /// `8080/TCP, 9000-9010/TCP, 53/UDP`; `all ports` and `no port` for the extremes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_all() {
            return f.write_str("all ports");
        }
        if self.is_empty() {
            return f.write_str("no port");
        }
        let mut separator = "";
        for protocol in Protocol::ALL {
            for &(first, last) in self.ranges(protocol) {
                f.write_str(separator)?;
                separator = ", ";
                match (first, last) {
                    (1, u16::MAX) => write!(f, "all {protocol} ports")?,
                    (a, b) if a == b => write!(f, "{a}/{protocol}")?,
                    (a, b) => write!(f, "{a}-{b}/{protocol}")?,
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{PortSet, Protocol::Tcp, Protocol::Udp};

    #[test]
    fn algebra() {
        let a = PortSet::range(Tcp, 10, 20).union(&PortSet::single(Udp, 53));
        let b = PortSet::range(Tcp, 21, 30);
        assert_eq!(
            a.union(&b),
            PortSet::range(Tcp, 10, 30).union(&PortSet::single(Udp, 53))
        );
        let hole = PortSet::protocol(Tcp).difference(&PortSet::range(Tcp, 1, 65534));
        assert_eq!(hole, PortSet::single(Tcp, 65535));
        assert_eq!(PortSet::all().complement(), PortSet::empty());
        assert_eq!(a.complement().complement(), a);
        assert!(PortSet::all().is_all());
        assert_eq!(PortSet::single(Tcp, 0), PortSet::empty());
        assert_eq!(a.to_string(), "10-20/TCP, 53/UDP");
    }
}

//! The address space, cut at the borders of CIDRs. All addresses of a cell behave alike.
//!
//! Addresses are numbers of their family, so that a search among tens of thousands of cells or of pods' addresses
//! stays in the processor's caches.

use super::endpoints::Sample;
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;

/// The number of a cell: IPv4 before IPv6, by address.
pub(crate) type Place = u32;

/// An address as a number of its family.
trait Number: Copy + Ord {
    const ZERO: Self;
    const LAST: Self;
    /// An address that people recognise as an example (RFC 5737, RFC 3849).
    const EXAMPLE: Self;
    /// `None` if it is of the other family.
    fn of(address: IpAddr) -> Option<Self>;
    fn address(self) -> IpAddr;
    /// `None` for the last.
    fn next(self) -> Option<Self>;
    /// The same for the first.
    fn previous(self) -> Self;
}

impl Number for u32 {
    const ZERO: Self = 0;
    const LAST: Self = u32::MAX;
    const EXAMPLE: Self = Ipv4Addr::new(203, 0, 113, 10).to_bits();

    fn of(address: IpAddr) -> Option<Self> {
        match address {
            IpAddr::V4(address) => Some(address.to_bits()),
            IpAddr::V6(_) => None,
        }
    }

    fn address(self) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from_bits(self))
    }

    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }

    fn previous(self) -> Self {
        self.saturating_sub(1)
    }
}

impl Number for u128 {
    const ZERO: Self = 0;
    const LAST: Self = u128::MAX;
    const EXAMPLE: Self = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 10).to_bits();

    fn of(address: IpAddr) -> Option<Self> {
        match address {
            IpAddr::V4(_) => None,
            IpAddr::V6(address) => Some(address.to_bits()),
        }
    }

    fn address(self) -> IpAddr {
        IpAddr::V6(Ipv6Addr::from_bits(self))
    }

    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }

    fn previous(self) -> Self {
        self.saturating_sub(1)
    }
}

/// A set of addresses, sorted.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    v4: Vec<u32>,
    v6: Vec<u128>,
}

impl FromIterator<IpAddr> for Addresses {
    fn from_iter<I: IntoIterator<Item = IpAddr>>(addresses: I) -> Self {
        let mut set = Self::default();
        for address in addresses {
            match address {
                IpAddr::V4(address) => set.v4.push(address.to_bits()),
                IpAddr::V6(address) => set.v6.push(address.to_bits()),
            }
        }
        set.v4.sort_unstable();
        set.v4.dedup();
        set.v6.sort_unstable();
        set.v6.dedup();
        set
    }
}

impl Addresses {
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => self.v4.binary_search(&address.to_bits()).is_ok(),
            IpAddr::V6(address) => self.v6.binary_search(&address.to_bits()).is_ok(),
        }
    }
}

/// Both address families, cut.
#[derive(Debug)]
pub(crate) struct Cells {
    /// First addresses, sorted; the first is 0.
    v4: Vec<u32>,
    v6: Vec<u128>,
}

impl Cells {
    /// Cuts at the first and behind the last address of each block. Cost: `n log n`.
    pub(crate) fn new(mut blocks: Vec<IpNet>) -> Self {
        blocks.sort_unstable();
        blocks.dedup();
        Self {
            v4: starts(&blocks),
            v6: starts(&blocks),
        }
    }

    /// The cell of an address.
    pub(crate) fn place(&self, address: IpAddr) -> Place {
        match address {
            IpAddr::V4(address) => place(&self.v4, address.to_bits()),
            IpAddr::V6(address) => count(&self.v4) + place(&self.v6, address.to_bits()),
        }
    }

    /// The cells of some addresses, sorted, into `out`.
    pub(crate) fn places(&self, addresses: &[IpAddr], out: &mut Vec<Place>) {
        out.clear();
        out.extend(addresses.iter().map(|a| self.place(*a)));
        out.sort_unstable();
        out.dedup();
    }

    /// The cells of a block whose borders are cuts.
    pub(crate) fn within(&self, block: &IpNet) -> Range<Place> {
        self.place(block.network())..self.place(block.broadcast()) + 1
    }

    /// First and last address of a cell.
    pub(crate) fn range(&self, place: Place) -> Option<(IpAddr, IpAddr)> {
        match place.checked_sub(count(&self.v4)) {
            None => range(&self.v4, place),
            Some(place) => range(&self.v6, place),
        }
    }

    /// For each cell an example, and whether some address of it is not `taken`. An address of a node is
    /// no good example: the node's own pods always admit it.
    pub(crate) fn samples(&self, taken: &Addresses, nodes: &Addresses) -> Vec<Sample> {
        let mut out = samples(&self.v4, &taken.v4, &nodes.v4);
        out.extend(samples(&self.v6, &taken.v6, &nodes.v6));
        out
    }
}

fn samples<N: Number>(starts: &[N], taken: &[N], nodes: &[N]) -> Vec<Sample> {
    let mut special = taken.to_vec();
    special.extend(nodes);
    // Two sorted runs, which the stable sort only merges.
    special.sort();
    special.dedup();
    let sample = |index: usize, first: N| {
        let last = end(starts, index);
        let free = free(&special, first, last).or_else(|| free(taken, first, last));
        Sample {
            address: free.unwrap_or(first).address(),
            outside: free.is_some(),
        }
    };
    let cells = starts.iter().enumerate();
    cells.map(|(index, first)| sample(index, *first)).collect()
}

fn count<N>(starts: &[N]) -> Place {
    Place::try_from(starts.len()).unwrap_or(Place::MAX)
}

fn place<N: Number>(starts: &[N], at: N) -> Place {
    let after = starts.partition_point(|start| *start <= at);
    Place::try_from(after.saturating_sub(1)).unwrap_or(Place::MAX)
}

fn range<N: Number>(starts: &[N], place: Place) -> Option<(IpAddr, IpAddr)> {
    let index = place as usize;
    let first = *starts.get(index)?;
    Some((first.address(), end(starts, index).address()))
}

/// The last address of a cell.
fn end<N: Number>(starts: &[N], index: usize) -> N {
    starts
        .get(index + 1)
        .map_or(N::LAST, |next| next.previous())
}

fn starts<N: Number>(blocks: &[IpNet]) -> Vec<N> {
    let mut starts = vec![N::ZERO];
    for block in blocks {
        starts.extend(N::of(block.network()));
        starts.extend(N::of(block.broadcast()).and_then(N::next));
    }
    starts.sort_unstable();
    starts.dedup();
    starts
}

/// An address that is not used: an example if there is one, else one of the first.
fn free<N: Number>(used: &[N], first: N, last: N) -> Option<N> {
    if (first..=last).contains(&N::EXAMPLE) && used.binary_search(&N::EXAMPLE).is_err() {
        return Some(N::EXAMPLE);
    }
    // The first address of a block is often that of a network: rather take the next.
    let mut candidate = first.next().filter(|_| first < last).unwrap_or(first);
    let from = used.partition_point(|a| *a < candidate);
    for taken in used.iter().skip(from) {
        if *taken != candidate || candidate == last {
            break;
        }
        candidate = candidate.next().unwrap_or(last);
    }
    [candidate, first]
        .into_iter()
        .find(|a| used.binary_search(a).is_err())
}

#[cfg(test)]
mod tests {
    use super::{Addresses, Cells};
    use ipnet::IpNet;
    use std::net::IpAddr;

    fn cells(blocks: &[&str]) -> Cells {
        let blocks: Vec<IpNet> = blocks.iter().map(|b| b.parse().unwrap()).collect();
        Cells::new(blocks)
    }

    #[test]
    fn blocks_are_ranges_of_cells() {
        let cells = cells(&["10.0.0.0/8", "10.1.0.0/16", "::/0"]);
        assert_eq!(cells.within(&"10.0.0.0/8".parse().unwrap()), 1..4);
        assert_eq!(cells.within(&"10.1.0.0/16".parse().unwrap()), 2..3);
        assert_eq!(cells.within(&"::/0".parse().unwrap()), 5..6);
    }

    #[test]
    fn samples_avoid_what_is_taken() {
        let cells = cells(&["10.0.0.0/30", "10.0.0.8/32"]);
        let set = |addresses: &[&str]| -> Addresses {
            addresses
                .iter()
                .map(|a| a.parse::<IpAddr>().unwrap())
                .collect()
        };
        // The order is not that of the addresses, and one is named twice.
        let taken = set(&[
            "10.0.0.2",
            "10.0.0.8",
            "10.0.0.1",
            "10.0.0.1",
            "203.0.113.10",
        ]);
        assert!(taken.contains("10.0.0.8".parse().unwrap()));
        assert!(!taken.contains("10.0.0.3".parse().unwrap()));
        assert!(!taken.contains("::a00:8".parse().unwrap()));
        let found: Vec<(String, bool)> = cells
            .samples(&taken, &Addresses::default())
            .into_iter()
            .map(|s| (s.address.to_string(), s.outside))
            .collect();
        let expected = [
            ("0.0.0.1", true),
            ("10.0.0.3", true),
            ("10.0.0.5", true),
            ("10.0.0.8", false),
            ("10.0.0.10", true),
            ("2001:db8::10", true),
        ];
        let expected = expected.map(|(a, free)| (a.to_owned(), free));
        assert_eq!(found[..5], expected[..5]);
        assert!(found[5].1);
        // A node is an example only where there is no other.
        let nodes = set(&["10.0.0.3", "10.0.0.5"]);
        let found: Vec<String> = cells
            .samples(&taken, &nodes)
            .into_iter()
            .map(|s| s.address.to_string())
            .collect();
        assert_eq!(found[1..3], ["10.0.0.0", "10.0.0.6"]);
    }
}

//! The address space, cut at the borders of CIDRs. All addresses of a cell behave alike.

use ipnet::IpNet;
use rustc_hash::FxHashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;

/// The number of a cell: IPv4 before IPv6, by address.
pub(crate) type Place = u32;

/// Both address families, cut.
#[derive(Debug)]
pub(crate) struct Cells {
    /// First addresses, sorted; the first is 0.
    v4: Vec<u128>,
    v6: Vec<u128>,
}

impl Cells {
    /// Cuts at the first and behind the last address of each block. Cost: `n log n`.
    pub(crate) fn new(mut blocks: Vec<IpNet>) -> Self {
        blocks.sort_unstable();
        blocks.dedup();
        Self {
            v4: starts(blocks.iter().filter(|n| n.addr().is_ipv4()), max(false)),
            v6: starts(blocks.iter().filter(|n| n.addr().is_ipv6()), max(true)),
        }
    }

    /// The cell of an address.
    pub(crate) fn place(&self, address: IpAddr) -> Place {
        let at = number(address);
        match address {
            IpAddr::V4(_) => place(&self.v4, at),
            IpAddr::V6(_) => count(&self.v4) + place(&self.v6, at),
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
        let (starts, index, v6) = match place.checked_sub(count(&self.v4)) {
            None => (&self.v4, place as usize, false),
            Some(index) => (&self.v6, index as usize, true),
        };
        let first = *starts.get(index)?;
        let last = starts.get(index + 1).map_or(max(v6), |next| next - 1);
        Some((address(first, v6), address(last, v6)))
    }

    /// For each cell an example, and whether some address of it is not `taken`. An address of a node is
    /// no good example: the node's own pods always admit it.
    pub(crate) fn samples(
        &self,
        taken: &FxHashSet<IpAddr>,
        nodes: &FxHashSet<IpAddr>,
    ) -> impl Iterator<Item = (IpAddr, bool)> + use<> {
        let mut out = Vec::with_capacity(self.v4.len() + self.v6.len());
        for (starts, v6) in [(&self.v4, false), (&self.v6, true)] {
            let used = sorted(taken.iter(), v6);
            let special = sorted(taken.union(nodes), v6);
            for (index, first) in starts.iter().enumerate() {
                let last = starts.get(index + 1).map_or(max(v6), |next| next - 1);
                let free =
                    free(&special, *first, last, v6).or_else(|| free(&used, *first, last, v6));
                let sample = free.unwrap_or(*first);
                out.push((address(sample, v6), free.is_some()));
            }
        }
        out.into_iter()
    }
}

fn sorted<'a>(addresses: impl Iterator<Item = &'a IpAddr>, v6: bool) -> Vec<u128> {
    let family = addresses.filter(|a| a.is_ipv6() == v6);
    let mut out: Vec<u128> = family.map(|a| number(*a)).collect();
    out.sort_unstable();
    out
}

fn count(starts: &[u128]) -> Place {
    Place::try_from(starts.len()).unwrap_or(Place::MAX)
}

fn place(starts: &[u128], at: u128) -> Place {
    let after = starts.partition_point(|start| *start <= at);
    Place::try_from(after.saturating_sub(1)).unwrap_or(Place::MAX)
}

fn starts<'n>(blocks: impl Iterator<Item = &'n IpNet>, max: u128) -> Vec<u128> {
    let mut starts = vec![0];
    for block in blocks {
        starts.push(number(block.network()));
        let last = number(block.broadcast());
        if last < max {
            starts.push(last + 1);
        }
    }
    starts.sort_unstable();
    starts.dedup();
    starts
}

/// An address that is not used: one that people recognise as an example (RFC 5737, RFC 3849) if there is
/// one, else one of the first.
fn free(used: &[u128], first: u128, last: u128, v6: bool) -> Option<u128> {
    let example = if v6 {
        number(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 10)))
    } else {
        number(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 10)))
    };
    if (first..=last).contains(&example) && used.binary_search(&example).is_err() {
        return Some(example);
    }
    // The first address of a block is often that of a network: rather take the next.
    let mut candidate = first + u128::from(first < last);
    let from = used.partition_point(|a| *a < candidate);
    for taken in used.iter().skip(from) {
        if *taken != candidate || candidate == last {
            break;
        }
        candidate += 1;
    }
    [candidate, first]
        .into_iter()
        .find(|a| used.binary_search(a).is_err())
}

pub(super) fn max(v6: bool) -> u128 {
    if v6 { u128::MAX } else { u128::from(u32::MAX) }
}

pub(super) fn address(number: u128, v6: bool) -> IpAddr {
    if v6 {
        IpAddr::V6(Ipv6Addr::from_bits(number))
    } else {
        IpAddr::V4(Ipv4Addr::from_bits(
            u32::try_from(number).unwrap_or(u32::MAX),
        ))
    }
}

pub(super) fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(a) => u128::from(a.to_bits()),
        IpAddr::V6(a) => a.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::Cells;
    use ipnet::IpNet;
    use rustc_hash::FxHashSet;
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
        let taken: FxHashSet<IpAddr> = ["10.0.0.1", "10.0.0.2", "10.0.0.8", "203.0.113.10"]
            .map(|a| a.parse().unwrap())
            .into_iter()
            .collect();
        let found: Vec<(String, bool)> = cells
            .samples(&taken, &FxHashSet::default())
            .map(|(a, free)| (a.to_string(), free))
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
        let nodes = ["10.0.0.3", "10.0.0.5"].map(|a| a.parse().unwrap());
        let found: Vec<String> = cells
            .samples(&taken, &nodes.into_iter().collect())
            .map(|(a, _)| a.to_string())
            .collect();
        assert_eq!(found[1..3], ["10.0.0.0", "10.0.0.6"]);
    }
}

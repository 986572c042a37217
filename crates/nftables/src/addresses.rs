//! Blocks of addresses as disjoint ranges.

use crate::model::{Element, Family};
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// First and last address, as numbers.
type Range = (u128, u128);

/// The addresses of one family that lie in any of the blocks, each block without its exceptions
/// (`Kubernetes NetworkPolicy API, .ipBlock.except`).
pub(crate) fn cover<'a>(
    family: Family,
    blocks: impl IntoIterator<Item = (&'a IpNet, &'a [IpNet])>,
) -> Vec<Element> {
    let mut all: Vec<Range> = Vec::new();
    for (cidr, except) in blocks {
        if let Some(range) = range(family, cidr) {
            let mut holes: Vec<Range> = except
                .iter()
                .filter_map(|e| self::range(family, e))
                .collect();
            holes.sort_unstable();
            all.extend(without(range, &holes));
        }
    }
    let ranges = join(all);
    let elements = ranges
        .into_iter()
        .map(|(first, last)| Element::Network(address(family, first), address(family, last)));
    elements.collect()
}

/// Whether ranges are every address of a family.
pub(crate) fn is_everything(family: Family, ranges: &[Element]) -> bool {
    let last = match family {
        Family::V4 => u128::from(u32::MAX),
        Family::V6 => u128::MAX,
    };
    *ranges == [Element::Network(address(family, 0), address(family, last))]
}

fn range(family: Family, net: &IpNet) -> Option<Range> {
    if Family::of(&net.addr()) != family {
        return None;
    }
    Some(match net {
        IpNet::V4(n) => (number4(n.network()), number4(n.broadcast())),
        IpNet::V6(n) => (n.network().to_bits(), n.broadcast().to_bits()),
    })
}

fn number4(address: Ipv4Addr) -> u128 {
    u128::from(address.to_bits())
}

fn address(family: Family, number: u128) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::from_bits(u32::try_from(number).unwrap_or(u32::MAX)).into(),
        Family::V6 => Ipv6Addr::from_bits(number).into(),
    }
}

/// A range without holes, which are sorted.
fn without((first, last): Range, holes: &[Range]) -> Vec<Range> {
    let mut out = Vec::new();
    let mut next = Some(first);
    for &(from, to) in holes {
        let Some(start) = next.filter(|n| *n <= last) else {
            return out;
        };
        if to < start || from > last {
            continue;
        }
        if from > start {
            out.push((start, from - 1));
        }
        next = to.checked_add(1).map(|n| n.max(start));
    }
    out.extend(next.filter(|n| *n <= last).map(|n| (n, last)));
    out
}

/// The same addresses in disjoint ranges that do not touch.
fn join(mut all: Vec<Range>) -> Vec<Range> {
    all.sort_unstable();
    let mut out: Vec<Range> = Vec::with_capacity(all.len());
    for (first, last) in all {
        match out.last_mut() {
            Some(previous) if previous.1.checked_add(1).is_none_or(|n| first <= n) => {
                previous.1 = previous.1.max(last);
            }
            _ => out.push((first, last)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{cover, is_everything};
    use crate::model::{Element, Family};
    use ipnet::IpNet;
    use proptest::prelude::*;
    use std::net::{IpAddr, Ipv4Addr};

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    #[test]
    fn exceptions_leave_holes_and_neighbours_join() {
        let except = [net("10.0.0.1/32"), net("10.0.0.8/29")];
        let blocks = [
            (net("10.0.0.0/28"), &except[..]),
            (net("10.0.0.16/28"), &[][..]),
            (net("::/0"), &[][..]),
        ];
        let found = cover(Family::V4, blocks.iter().map(|(c, e)| (c, *e)));
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(
            found,
            [
                Element::Network(ip("10.0.0.0"), ip("10.0.0.0")),
                Element::Network(ip("10.0.0.2"), ip("10.0.0.7")),
                Element::Network(ip("10.0.0.16"), ip("10.0.0.31")),
            ]
        );
        assert!(is_everything(
            Family::V6,
            &cover(Family::V6, blocks.iter().map(|(c, e)| (c, *e)))
        ));
        let whole = net("0.0.0.0/0");
        assert!(is_everything(
            Family::V4,
            &cover(Family::V4, [(&whole, &[][..])])
        ));
        assert_eq!(cover(Family::V4, [(&whole, &[whole][..])]), []);
    }

    proptest! {
        /// An address is covered exactly if a block holds it and no exception of that block does.
        #[test]
        fn covers_what_the_blocks_mean(
            blocks in proptest::collection::vec(
                (any::<u8>(), 24_u8..=32, proptest::collection::vec((any::<u8>(), 24_u8..=32), 0..4)),
                0..5,
            ),
        ) {
            let block = |(low, length): (u8, u8)| {
                IpNet::new(Ipv4Addr::new(10, 0, 0, low).into(), length).unwrap().trunc()
            };
            let blocks: Vec<(IpNet, Vec<IpNet>)> = blocks
                .into_iter()
                .map(|(low, length, except)| (block((low, length)), except.into_iter().map(block).collect()))
                .collect();
            let found = cover(Family::V4, blocks.iter().map(|(c, e)| (c, e.as_slice())));
            for low in 0..=255 {
                let address = IpAddr::from([10, 0, 0, low]);
                let meant = blocks
                    .iter()
                    .any(|(c, e)| c.contains(&address) && !e.iter().any(|x| x.contains(&address)));
                let covered = found.iter().any(|r| {
                    matches!(r, Element::Network(first, last) if *first <= address && address <= *last)
                });
                prop_assert_eq!(meant, covered, "{}", address);
            }
        }
    }
}

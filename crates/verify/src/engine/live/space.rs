//! The address space, cut at the borders of CIDRs, where more cuts may come: a cell keeps its number, and
//! what is cut off gets a new one.

use ipnet::IpNet;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address family (whether it is IPv6), and the number of an address in it.
pub(super) type Point = (bool, u128);

/// Both address families, cut. Cells are numbered by whoever owns the numbers.
#[derive(Debug, Default)]
pub(super) struct Space {
    /// Cells by first address.
    cells: BTreeMap<Point, u32>,
}

/// The point of an address.
pub(super) fn point(address: IpAddr) -> Point {
    match address {
        IpAddr::V4(address) => (false, u128::from(address.to_bits())),
        IpAddr::V6(address) => (true, address.to_bits()),
    }
}

/// The reverse.
pub(super) fn address_of((v6, at): Point) -> IpAddr {
    if v6 {
        IpAddr::V6(Ipv6Addr::from_bits(at))
    } else {
        IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(at).unwrap_or(u32::MAX)))
    }
}

/// The number of the last address of a family.
fn max(v6: bool) -> u128 {
    if v6 { u128::MAX } else { u128::from(u32::MAX) }
}

impl Space {
    /// Adds the first cell of a family.
    pub(super) fn open(&mut self, v6: bool, cell: u32) {
        self.cells.insert((v6, 0), cell);
    }

    /// The cell of an address.
    pub(super) fn place(&self, address: IpAddr) -> Option<u32> {
        self.at(point(address))
    }

    /// Where a block has to be cut out.
    pub(super) fn cuts(&self, block: &IpNet) -> Vec<Point> {
        let (v6, first) = point(block.network());
        let (_, last) = point(block.broadcast());
        let behind = (last < max(v6)).then(|| (v6, last + 1));
        let borders = std::iter::once((v6, first)).chain(behind);
        let inner = borders.filter(|border| !self.cells.contains_key(border));
        inner.collect()
    }

    /// The cell of a point.
    pub(super) fn at(&self, at: Point) -> Option<u32> {
        let (first, cell) = self.cells.range(..=at).next_back()?;
        (first.0 == at.0).then_some(*cell)
    }

    /// Cuts a cell: what lies from the point on is another one.
    pub(super) fn cut(&mut self, at: Point, cell: u32) {
        self.cells.insert(at, cell);
    }

    /// The cells of a block whose borders are cuts.
    pub(super) fn within(&self, block: &IpNet) -> impl Iterator<Item = u32> {
        let range = point(block.network())..=point(block.broadcast());
        self.cells.range(range).map(|(_, cell)| *cell)
    }

    /// First and last address of the cell that begins at a point.
    pub(super) fn range(&self, first: Point) -> (IpAddr, IpAddr) {
        let next = self.cells.range(first..).nth(1).map(|(point, _)| *point);
        let last = match next {
            Some((v6, at)) if v6 == first.0 => at - 1,
            _ => max(first.0),
        };
        (address_of(first), address_of((first.0, last)))
    }
}

#[cfg(test)]
mod tests {
    use super::{Space, point};
    use ipnet::IpNet;

    #[test]
    fn cutting_keeps_the_first_part() {
        let mut space = Space::default();
        space.open(false, 0);
        space.open(true, 1);
        let block: IpNet = "10.0.0.0/8".parse().unwrap();
        let cuts = space.cuts(&block);
        assert_eq!(cuts.len(), 2);
        assert!(cuts.iter().all(|at| space.at(*at) == Some(0)));
        for (at, new) in cuts.iter().zip(2..) {
            space.cut(*at, new);
        }
        assert!(space.cuts(&block).is_empty());
        assert_eq!(space.within(&block).collect::<Vec<_>>(), [2]);
        let at = |a: &str| space.place(a.parse().unwrap());
        let found = ["9.9.9.9", "10.9.9.9", "11.0.0.0", "::1"].map(at);
        assert_eq!(found, [Some(0), Some(2), Some(3), Some(1)]);
        let (first, last) = space.range(point("10.0.0.0".parse().unwrap()));
        assert_eq!(format!("{first} {last}"), "10.0.0.0 10.255.255.255");
        let all: IpNet = "::/0".parse().unwrap();
        assert_eq!(space.within(&all).collect::<Vec<_>>(), [1]);
    }
}

//! What some rules let pass, as a partition of all peers into rows of equal passage.

use super::peers::Peers;
use super::policies::Ports;
use super::port_table::{NONE, PortTable, PortsId};
use palisade_netmodel::Pod;
use roaring::RoaringBitmap;
use std::borrow::Cow;

/// Peers for whom the same ports pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// Ports that pass for certain.
    pub(crate) must: PortsId,
    /// Ports that may pass; hold `must`.
    pub(crate) may: PortsId,
    /// For whom.
    pub(crate) peers: RoaringBitmap,
}

/// The ports of a rule: the same everywhere, or a list with names that each destination resolves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum RulePorts {
    /// By number.
    Fixed(PortsId),
    /// The number of the list.
    ByName(u32),
}

/// The rules of a profile: whom (`None` is everybody), on which ports.
pub(crate) type Rules = Vec<(Option<u32>, RulePorts)>;

/// What the numbers in rules stand for.
pub(crate) trait Lookup {
    /// A list of peers.
    fn peers(&self, id: u32) -> Option<&Peers>;
    /// A list of ports.
    fn ports(&self, id: u32) -> Option<&Ports>;
    /// A pod of an endpoint; none for addresses.
    fn pod(&self, endpoint: u32) -> Option<&Pod>;
}

/// Which peers rows are about.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Among<'p> {
    /// All of them.
    All(&'p RoaringBitmap),
    /// Some of them, and no others.
    Some(&'p RoaringBitmap),
}

/// Peers by what passes for them; nothing passes for those in no row. Cost: per rule a few bitmap
/// operations on each row, and a look at each peer of an egress rule that names a port.
pub(crate) fn rows(
    lookup: &impl Lookup,
    table: &mut PortTable,
    rules: &Rules,
    among: Among<'_>,
) -> Vec<Row> {
    let mut rows = Vec::new();
    for (peers, ports) in rules {
        let who = peers.and_then(|id| lookup.peers(id));
        let (yes, perhaps) = match (peers, who, among) {
            (None, _, Among::All(peers) | Among::Some(peers)) => (Cow::Borrowed(peers), None),
            (Some(_), None, _) => continue,
            (Some(_), Some(who), Among::All(_)) => {
                (Cow::Borrowed(&who.yes), Some(Cow::Borrowed(&who.perhaps)))
            }
            (Some(_), Some(who), Among::Some(peers)) => {
                let here = |set: &RoaringBitmap| Cow::Owned(set & peers);
                (here(&who.yes), Some(here(&who.perhaps)))
            }
        };
        let both = [(Some(&yes), true), (perhaps.as_ref(), false)];
        for (peers, certain) in both.into_iter().filter_map(|(p, c)| Some((p?, c))) {
            match ports {
                RulePorts::Fixed(ports) => touch(table, &mut rows, peers, *ports, certain),
                RulePorts::ByName(id) => {
                    let list = lookup.ports(*id);
                    for (ports, among) in list
                        .map(|list| resolved(lookup, table, list, peers))
                        .unwrap_or_default()
                    {
                        touch(table, &mut rows, &among, ports, certain);
                    }
                }
            }
        }
    }
    merged(rows)
}

/// Destinations by the ports that a list with names means on them.
fn resolved(
    lookup: &impl Lookup,
    table: &mut PortTable,
    list: &Ports,
    peers: &RoaringBitmap,
) -> Vec<(PortsId, RoaringBitmap)> {
    let mut by_ports: Vec<(PortsId, RoaringBitmap)> = Vec::new();
    for peer in peers {
        let ports = table.number(list.on(lookup.pod(peer)));
        match by_ports.iter_mut().find(|(known, _)| *known == ports) {
            Some((_, among)) => {
                among.insert(peer);
            }
            None => by_ports.push((ports, RoaringBitmap::from_iter([peer]))),
        }
    }
    by_ports
}

/// Adds ports for some peers: rows that hold only some of them are split.
pub(crate) fn touch(
    table: &mut PortTable,
    rows: &mut Vec<Row>,
    peers: &RoaringBitmap,
    ports: PortsId,
    certain: bool,
) {
    if peers.is_empty() || ports == NONE {
        return;
    }
    let mut rest = peers.clone();
    let mut split = Vec::new();
    for row in rows.iter_mut() {
        if rest.is_empty() {
            break;
        }
        let here = &row.peers & &rest;
        if here.is_empty() {
            continue;
        }
        rest -= &here;
        let may = table.union(row.may, ports);
        let must = if certain {
            table.union(row.must, ports)
        } else {
            row.must
        };
        if (must, may) == (row.must, row.may) {
            continue;
        }
        row.peers -= &here;
        split.push(Row {
            must,
            may,
            peers: here,
        });
    }
    rows.retain(|row| !row.peers.is_empty());
    rows.append(&mut split);
    if !rest.is_empty() {
        rows.push(Row {
            must: if certain { ports } else { NONE },
            may: ports,
            peers: rest,
        });
    }
}

/// Rows of equal passage put together.
pub(crate) fn merged(rows: Vec<Row>) -> Vec<Row> {
    let mut out: Vec<Row> = Vec::with_capacity(rows.len());
    for row in rows {
        match out
            .iter_mut()
            .find(|o| (o.must, o.may) == (row.must, row.may))
        {
            Some(same) => same.peers |= row.peers,
            None => out.push(row),
        }
    }
    out
}

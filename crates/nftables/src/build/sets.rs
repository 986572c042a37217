//! The sets of a ruleset, each made once. Sets of pods are named by whom they mean, so that pods come and
//! go without a change of any rule; sets of networks and ports by what they hold.

use super::cluster::Cluster;
use super::peers::{Named, Peers, Selected};
use crate::addresses;
use crate::model::{Element, Family, Set, SetKind};
use crate::names::name;
use palisade_netmodel::{PortSet, Protocol};
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

pub(super) struct Sets<'w> {
    cluster: &'w Cluster<'w>,
    /// The addresses of what was asked for already.
    selected: FxHashMap<Selected, Vec<IpAddr>>,
    sets: BTreeMap<String, Set>,
    most: usize,
}

/// Addresses that are peers, as a rule can ask for them.
pub(super) enum Addresses {
    /// Every address of the family.
    All,
    /// Those in a set.
    In(String),
}

impl<'w> Sets<'w> {
    pub(super) fn new(cluster: &'w Cluster<'w>, most: usize) -> Self {
        Self {
            cluster,
            selected: FxHashMap::default(),
            sets: BTreeMap::new(),
            most,
        }
    }

    pub(super) fn finish(self) -> BTreeMap<String, Set> {
        self.sets
    }

    /// Peers of a family: none, one or two sets, since single addresses and ranges are looked up in
    /// different ways.
    pub(super) fn peers(
        &mut self,
        peers: &Peers,
        family: Family,
    ) -> Result<Vec<Addresses>, String> {
        if peers.anyone {
            return Ok(vec![Addresses::All]);
        }
        let blocks = peers
            .blocks
            .iter()
            .map(|(cidr, except)| (cidr, except.as_slice()));
        let ranges = addresses::cover(family, blocks);
        if addresses::is_everything(family, &ranges) {
            return Ok(vec![Addresses::All]);
        }
        let mut found = Vec::new();
        if !peers.selected.is_empty() {
            found.push(Addresses::In(self.pods(&peers.selected, family)?));
        }
        if !ranges.is_empty() {
            let name = name(&format!("networks{}", family.digit()), &ranges);
            self.add(&name, SetKind::Networks(family), |_| ranges)?;
            found.push(Addresses::In(name));
        }
        Ok(found)
    }

    fn pods(&mut self, selected: &BTreeSet<Selected>, family: Family) -> Result<String, String> {
        let name = name(&format!("pods{}", family.digit()), selected);
        self.add(&name, SetKind::Addresses(family), |sets| {
            let mut all = Vec::new();
            for one in selected {
                let addresses = sets
                    .selected(one)
                    .iter()
                    .filter(|a| Family::of(a) == family);
                all.extend(addresses.map(|a| Element::Address(*a)));
            }
            all
        })?;
        Ok(name)
    }

    fn selected(&mut self, selected: &Selected) -> &[IpAddr] {
        let cluster = self.cluster;
        self.selected
            .entry(selected.clone())
            .or_insert_with(|| cluster.addresses(selected))
    }

    /// Ports by name, on each peer that has them.
    pub(super) fn sockets(
        &mut self,
        peers: &Peers,
        names: &BTreeSet<Named>,
        family: Family,
    ) -> Result<String, String> {
        let name = name(&format!("sockets{}", family.digit()), &(peers, names));
        self.add(&name, SetKind::Sockets(family), |sets| {
            let found = sets.cluster.sockets(peers, names).into_iter();
            let found = found.filter(|(address, ..)| Family::of(address) == family);
            found
                .map(|(address, protocol, port)| Element::Socket(address, protocol, port))
                .collect()
        })?;
        Ok(name)
    }

    pub(super) fn ports(&mut self, ports: &PortSet) -> Result<String, String> {
        let name = name("ports", ports);
        self.add(&name, SetKind::Ports, |_| {
            let ranges = |protocol: Protocol| {
                let ranges = ports.ranges(protocol).iter();
                ranges.map(move |(first, last)| Element::Ports(protocol, *first, *last))
            };
            Protocol::ALL.into_iter().flat_map(ranges).collect()
        })?;
        Ok(name)
    }

    /// Makes a set unless it is there.
    fn add(
        &mut self,
        name: &str,
        kind: SetKind,
        elements: impl FnOnce(&mut Self) -> Vec<Element>,
    ) -> Result<(), String> {
        if self.sets.contains_key(name) {
            return Ok(());
        }
        let mut elements = elements(self);
        elements.sort_unstable();
        elements.dedup();
        if elements.len() > self.most {
            let (found, most) = (elements.len(), self.most);
            return Err(format!(
                "a list of its peers or ports has {found} elements, more than the limit of {most}"
            ));
        }
        let elements = Arc::new(elements);
        self.sets.insert(name.to_owned(), Set { kind, elements });
        Ok(())
    }
}

//! The sets that the chains of a signature ask for. Sets of pods are named by whom they mean, so that pods come and
//! go without a change of any rule; sets of networks and ports by what they hold.

use super::cluster::Cluster;
use super::kept::{Meaning, Store, beyond};
use super::peers::{Named, Peers, Selected};
use crate::addresses;
use crate::list::List;
use crate::model::{Element, Family, Set, SetKind};
use crate::names::name;
use palisade_netmodel::{PortSet, Protocol};
use std::collections::{BTreeMap, BTreeSet};

pub(super) struct Sets<'w> {
    cluster: &'w Cluster,
    store: &'w mut Store,
    /// Those that change when the rules do.
    fixed: BTreeMap<String, Set>,
    /// The names of those that are kept current.
    kept: BTreeSet<String>,
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
    pub(super) fn new(cluster: &'w Cluster, store: &'w mut Store, most: usize) -> Self {
        Self {
            cluster,
            store,
            fixed: BTreeMap::new(),
            kept: BTreeSet::new(),
            most,
        }
    }

    /// The sets that were asked for, and the names of those that are kept current.
    pub(super) fn finish(self) -> (BTreeMap<String, Set>, BTreeSet<String>) {
        (self.fixed, self.kept)
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
            self.add(&name, SetKind::Networks(family), ranges)?;
            found.push(Addresses::In(name));
        }
        Ok(found)
    }

    fn pods(&mut self, selected: &BTreeSet<Selected>, family: Family) -> Result<String, String> {
        let name = name(&format!("pods{}", family.digit()), selected);
        self.keep(&name, || Meaning::Pods(family, selected.clone()))?;
        Ok(name)
    }

    /// Ports by name, on each peer that has them.
    pub(super) fn sockets(
        &mut self,
        peers: &Peers,
        names: &BTreeSet<Named>,
        family: Family,
    ) -> Result<String, String> {
        let name = name(&format!("sockets{}", family.digit()), &(peers, names));
        self.keep(&name, || {
            Meaning::Sockets(family, peers.clone(), names.clone())
        })?;
        Ok(name)
    }

    fn keep(&mut self, name: &str, meaning: impl FnOnce() -> Meaning) -> Result<(), String> {
        self.kept.insert(name.to_owned());
        self.store.ensure(name, self.cluster, meaning)
    }

    pub(super) fn ports(&mut self, ports: &PortSet, family: Family) -> Result<String, String> {
        let name = name(&format!("ports{}", family.digit()), ports);
        let ranges = |protocol: Protocol| {
            let ranges = ports.ranges(protocol).iter();
            ranges.map(move |(first, last)| Element::Ports(protocol, *first, *last))
        };
        let all = Protocol::ALL.into_iter().flat_map(ranges).collect();
        self.add(&name, SetKind::Ports(family), all)?;
        Ok(name)
    }

    /// Makes a set unless it is there.
    fn add(&mut self, name: &str, kind: SetKind, mut all: Vec<Element>) -> Result<(), String> {
        if self.fixed.contains_key(name) {
            return Ok(());
        }
        all.sort_unstable();
        all.dedup();
        if all.len() > self.most {
            return Err(beyond(all.len(), self.most));
        }
        let elements = List::from(all);
        self.fixed.insert(name.to_owned(), Set { kind, elements });
        Ok(())
    }
}

//! A matrix under way: groups of pods, what they claim, and who may reach whom.

use crate::groups::{Group, free};
use palisade_netmodel::{PodId, PortSet, World};
use std::collections::{BTreeMap, BTreeSet};

/// One side of a flow.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    /// Every pod and every address.
    Anywhere,
    /// Every address outside.
    Outside,
    /// Addresses, as blocks.
    Blocks(Vec<String>),
    /// All pods of a namespace.
    Namespace(String),
    /// A group, by its index.
    Group(usize),
}

/// What is demanded of the wire of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wire {
    Any,
    Tls,
    Mesh,
}

/// A flow: all sources, all destinations, on these ports.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Flow {
    pub(crate) to: BTreeSet<Side>,
    pub(crate) from: BTreeSet<Side>,
    pub(crate) ports: PortSet,
    pub(crate) wire: Wire,
}

/// All of it.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) groups: Vec<Group>,
    /// Per group: whether nothing else may reach it, and whether it may reach nothing else.
    pub(crate) claims: Vec<(bool, bool)>,
    pub(crate) flows: Vec<Flow>,
    /// Names of zones by namespace.
    pub(crate) zones: BTreeMap<String, String>,
    /// Names of sets of addresses.
    pub(crate) blocks: BTreeMap<Vec<String>, String>,
}

/// Names that the matrix gives to peers that are no pods.
pub(crate) const ANYWHERE: &str = "anywhere";
/// Likewise; it is also the zone of all addresses.
pub(crate) const OUTSIDE: &str = "outside";

impl Draft {
    /// Groups and names for a world, with nothing said of them yet.
    pub(crate) fn new(world: &World) -> Self {
        let mut taken: BTreeSet<String> = [ANYWHERE, OUTSIDE].map(str::to_owned).into();
        let spaces: BTreeSet<&str> = world.pods.iter().map(|p| p.namespace.as_str()).collect();
        let zones: BTreeMap<String, String> = spaces
            .into_iter()
            .map(|space| {
                let name = match taken.insert(space.to_owned()) {
                    true => space.to_owned(),
                    false => free(&mut taken, "zone", space),
                };
                (space.to_owned(), name)
            })
            .collect();
        let groups = crate::groups::groups(world, &mut taken);
        Self {
            claims: vec![(false, false); groups.len()],
            groups,
            flows: Vec::new(),
            zones,
            blocks: BTreeMap::new(),
        }
    }

    /// The group of each pod.
    pub(crate) fn group_of(&self) -> BTreeMap<PodId, usize> {
        let all = self.groups.iter().enumerate();
        all.flat_map(|(index, group)| group.pods.iter().map(move |pod| (*pod, index)))
            .collect()
    }

    /// The name of a side.
    pub(crate) fn name(&self, side: &Side) -> String {
        let name = match side {
            Side::Anywhere => Some(ANYWHERE),
            Side::Outside => Some(OUTSIDE),
            Side::Blocks(blocks) => self.blocks.get(blocks).map(String::as_str),
            Side::Namespace(namespace) => self.zones.get(namespace).map(String::as_str),
            Side::Group(group) => self.groups.get(*group).map(|g| g.name.as_str()),
        };
        name.unwrap_or(OUTSIDE).to_owned()
    }

    /// Adds what may pass, the same for equal destinations told once, and names the sets of addresses.
    pub(crate) fn add(&mut self, rows: BTreeMap<(BTreeSet<Side>, PortSet, Wire), BTreeSet<Side>>) {
        self.flows = rows
            .into_iter()
            .map(|((from, ports, wire), to)| Flow {
                to,
                from,
                ports,
                wire,
            })
            .collect();
        self.flows.sort();
        let sides = self.flows.iter().flat_map(|f| f.from.iter().chain(&f.to));
        let blocks: BTreeSet<&Vec<String>> = sides
            .filter_map(|side| match side {
                Side::Blocks(blocks) => Some(blocks),
                _ => None,
            })
            .collect();
        let mut taken: BTreeSet<String> = self.groups.iter().map(|g| g.name.clone()).collect();
        taken.extend(self.zones.values().cloned());
        taken.extend([ANYWHERE, OUTSIDE].map(str::to_owned));
        let named = blocks.into_iter().map(|list| {
            let name = match list.as_slice() {
                [one] if one.ends_with("/32") => one.trim_end_matches("/32"),
                _ => "addresses",
            };
            (list.clone(), free(&mut taken, name, "outside"))
        });
        self.blocks = named.collect();
    }
}

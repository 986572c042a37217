//! What is declared, as lists of peers and grants between them, and who belongs to them.

use super::Standing;
use crate::engine::live::Live;
use crate::engine::ports_on;
use palisade_netmodel::{
    Direction, Grant, Intent, Labels, NamespaceMatch, Party, Peer, Peers, Pod, PolicyPort, PortSet,
};
use roaring::RoaringBitmap;
use rustc_hash::FxHashMap;

/// The lists of a party; `None` is everybody.
pub(super) type Lists = Option<Vec<u32>>;

/// A grant.
#[derive(Debug)]
pub(super) struct Declaration {
    pub(super) from: Lists,
    pub(super) to: Lists,
    pub(super) ports: Option<Vec<PolicyPort>>,
    /// Without ports by name.
    pub(super) numeric: PortSet,
    /// With every port that a name can mean.
    pub(super) widest: PortSet,
    pub(super) named: bool,
    /// Whether it answers for the destination's half and for the source's.
    pub(super) ingress: bool,
    pub(super) egress: bool,
}

/// Grants by a list that is one of their sides.
#[derive(Debug, Default)]
pub(super) struct Mentions {
    pub(super) by_list: FxHashMap<u32, RoaringBitmap>,
    pub(super) everybody: RoaringBitmap,
}

/// The ports that grants allow between two ends.
impl Mentions {
    pub(super) fn add(&mut self, lists: &Lists, grant: u32) {
        let Some(lists) = lists else {
            self.everybody.insert(grant);
            return;
        };
        for list in lists {
            self.by_list.entry(*list).or_default().insert(grant);
        }
    }

    /// The grants that have a list as a side of theirs.
    pub(super) fn of_list(&self, list: u32) -> impl Iterator<Item = u32> {
        self.by_list.get(&list).into_iter().flatten()
    }

    pub(super) fn of(&self, lists: &RoaringBitmap) -> RoaringBitmap {
        let mut grants = self.everybody.clone();
        for list in lists {
            if let Some(here) = self.by_list.get(&list) {
                grants |= here;
            }
        }
        grants
    }
}

impl Standing {
    pub(super) fn declare(&mut self, intent: &Intent) {
        let own = |party: &Party| {
            party.component.is_some() || intent.zones.iter().any(|zone| zone.name == party.name)
        };
        for grant in &intent.grants {
            let number = u32::try_from(self.grants.len()).unwrap_or(u32::MAX);
            let (from, to) = (self.party(&grant.from), self.party(&grant.to));
            self.from.add(&from, number);
            self.to.add(&to, number);
            let names = |port: &PolicyPort| matches!(port, PolicyPort::Named { .. });
            self.grants.push(Declaration {
                from,
                to,
                ports: grant.ports.clone(),
                numeric: grant.numeric_ports(),
                widest: widest(grant),
                named: grant.ports.iter().flatten().any(names),
                ingress: grant.ingress && own(&grant.to),
                egress: grant.egress && own(&grant.from),
            });
        }
        for claim in &intent.claims {
            let pods = Peer::Pods {
                namespaces: claim.namespaces.clone(),
                pods: claim.pods.clone(),
            };
            let list = self.live.pin(&[pods]);
            self.side_mut(claim.direction).claims.insert(list);
        }
    }

    fn party(&mut self, party: &Party) -> Lists {
        let Peers::List(peers) = &party.peers else {
            return None;
        };
        let block = |peer: &Peer| matches!(peer, Peer::Block { .. });
        let (blocks, pods): (Vec<Peer>, Vec<Peer>) = peers.iter().cloned().partition(block);
        let mut lists = Vec::new();
        if !pods.is_empty() {
            lists.push(self.live.pin(&pods));
        }
        if !blocks.is_empty() {
            let list = self.live.pin(&blocks);
            self.blocks.insert(list);
            lists.push(list);
        }
        Some(lists)
    }

    /// Finds the lists to which a class on the host network belongs by its labels.
    pub(super) fn enter_host(&mut self, id: u32) {
        let Some(pod) = self
            .live
            .example(id)
            .filter(|p| p.host_network && !p.host_group)
        else {
            return;
        };
        let lists: RoaringBitmap = (self.live.pinned())
            .filter(|(_, peers)| peers.iter().any(|peer| self.live.is_labelled(pod, peer)))
            .map(|(list, _)| list)
            .collect();
        for list in &lists {
            self.host_members.entry(list).or_default().insert(id);
        }
        self.hosts.insert(id, lists);
    }

    /// The reverse; the lists to which it belonged.
    pub(super) fn leave_host(&mut self, id: u32) -> RoaringBitmap {
        let lists = self.hosts.remove(&id).unwrap_or_default();
        for list in &lists {
            if let Some(members) = self.host_members.get_mut(&list) {
                members.remove(id);
            }
        }
        lists
    }

    pub(super) fn lists_of(&self, id: u32) -> RoaringBitmap {
        let node = self.live.node(id);
        let mut lists = node.map(|n| n.yes.clone()).unwrap_or_default();
        if self.live.ip_block_matches_pods && self.is_addressed(id) {
            lists -= &self.blocks;
        }
        if let Some(more) = self.hosts.get(&id) {
            lists |= more;
        }
        lists
    }

    /// Whether these are pods with addresses of their own.
    pub(super) fn is_addressed(&self, id: u32) -> bool {
        let pod = self.live.example(id);
        pod.is_some_and(|pod| !pod.host_network && !pod.host_group)
    }

    /// Those of some classes and cells that belong to lists.
    pub(super) fn among(&self, ends: &RoaringBitmap, lists: &Lists) -> RoaringBitmap {
        let Some(lists) = lists else {
            return ends & &self.live.alive;
        };
        let mut all = RoaringBitmap::new();
        for list in lists {
            if let Some(members) = self.live.members_of(*list) {
                let here = ends & members;
                if self.live.ip_block_matches_pods && self.blocks.contains(*list) {
                    all.extend(here.iter().filter(|id| !self.is_addressed(*id)));
                } else {
                    all |= here;
                }
            }
            if let Some(more) = self.host_members.get(list) {
                all |= ends & more;
            }
        }
        all
    }

    /// All of them.
    pub(super) fn members(&self, lists: &Lists) -> RoaringBitmap {
        self.among(&self.live.alive, lists)
    }

    pub(super) fn is_claimed(&self, direction: Direction, id: u32) -> bool {
        let claims = &self.side(direction).claims;
        let selectable =
            (self.live.example(id)).is_some_and(|pod| pod.is_selectable() && !pod.host_group);
        let node = self.live.node(id).filter(|_| selectable);
        node.is_some_and(|node| !node.yes.is_disjoint(claims))
    }

    /// The ports of a grant on a destination.
    pub(super) fn ports(&self, grant: &Declaration, destination: u32) -> PortSet {
        if grant.named {
            ports_on(grant.ports.as_deref(), self.live.example(destination))
        } else {
            grant.numeric.clone()
        }
    }

    pub(super) fn granted(&self, source: u32, destination: u32) -> PortSet {
        let mut grants = self.from.of(&self.lists_of(source));
        grants &= self.to.of(&self.lists_of(destination));
        let grants = grants.iter().filter_map(|g| self.grants.get(g as usize));
        grants.fold(PortSet::empty(), |set, grant| {
            set.union(&self.ports(grant, destination))
        })
    }
}

/// The ports of a grant, and for a name all of its protocol.
fn widest(grant: &Grant) -> PortSet {
    let numeric = grant.numeric_ports();
    let ports = grant.ports.iter().flatten();
    ports.fold(numeric, |set, port| match port {
        PolicyPort::Named { protocol, .. } => set.union(&PortSet::protocol(*protocol)),
        PolicyPort::Range { .. } => set,
    })
}
/// What [`Standing`] needs of a [`Live`].
impl Live {
    /// A list that is kept although no policy uses it, with the blocks and labels that it reads.
    fn pin(&mut self, peers: &[Peer]) -> u32 {
        self.read_peers(peers.iter());
        let number = self.list(peers);
        if let Some(list) = self.lists.get_mut(number) {
            list.users.insert(PINNED);
        }
        number
    }

    fn pinned(&self) -> impl Iterator<Item = (u32, &[Peer])> {
        let lists = self.lists.iter();
        let pinned = lists.filter(|(_, list)| list.users.contains(PINNED));
        pinned.map(|(number, list)| (number, list.wanted()))
    }

    fn members_of(&self, list: u32) -> Option<&RoaringBitmap> {
        self.lists.get(list).map(|list| &list.peers.yes)
    }

    /// Whether a peer means pods with the labels of this one, wherever they run.
    fn is_labelled(&self, pod: &Pod, peer: &Peer) -> bool {
        let Peer::Pods { namespaces, pods } = peer else {
            return false;
        };
        let here = match namespaces {
            NamespaceMatch::Named(name) => *name == pod.namespace,
            NamespaceMatch::Selector(selector) => {
                let home = self.namespaces.number(pod.namespace.as_str());
                let home = home.and_then(|home| self.namespaces.get(home));
                // Only pods on the host network may be left in a namespace that is forgotten.
                let name = || [("kubernetes.io/metadata.name", pod.namespace.as_str())];
                home.map_or_else(
                    || selector.matches(&Labels::from_iter(name())),
                    |home| selector.matches(&home.labels),
                )
            }
        };
        here && pods.matches(&pod.labels)
    }
}

/// Stands for the intent among the users of a list.
const PINNED: u32 = u32::MAX;

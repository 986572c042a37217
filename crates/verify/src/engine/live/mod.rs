//! What policies, those of administrators too, and the mesh let pass between any two ends, kept current while
//! objects change: each edit touches what depends on it, and tells exactly which connections it opened, closed or
//! changed.
//!
//! Pods are kept in classes and addresses in cells, as in [`super::endpoints`]. Every distinct list of
//! peers is a set of classes and cells, and every class knows the lists that mean it; a policy holds the
//! numbers of its lists. So an edit can look in both directions:
//!
//! | Edit | What is looked at |
//! |---|---|
//! | a policy | the classes of its namespace; lists of peers that are new; the rules of classes it selects |
//! | a pod | the lists that mean its old or its new class, and the policies that use them |
//! | a namespace | its classes; the lists whose selector takes it now and did not before, or the reverse |
//! | a policy of administrators | its subjects, each for the peers of the rules that are other ones |
//!
//! Cost: in proportion to that. An edit of a list that every policy uses touches every policy, because it
//! changes every policy. A CIDR that cuts a cell moves the pods with an address in it; a policy that is
//! the first to read a label that tells replicas apart moves all pods.
//!
//! What the mesh adds is a layer of its own ([`mesh`]). A pod's own node is no part of it (as in
//! [`super::Relation`]): that takes an [`super::Engine`].

mod administrators;
mod effect;
mod lists;
mod mesh;
mod nodes;
mod passing;
mod policies;
mod pool;
mod ruled;
mod space;
mod standing;
#[cfg(test)]
mod tests;

pub use effect::{Connection, Effect, HalfChange, Moved};
pub use mesh::{MeshChange, Unfollowed};
pub use standing::{Flaw, Standing};

use super::port_table::PortTable;
use super::tiers::node_addresses;
use super::{EndpointId, Passage};
use administrators::{Name, Ruler};
use lists::{Choice, List};
use mesh::Mesh;
use nodes::{Home, Member, Node};
use palisade_netmodel::{
    AdminKind, AdminPeer, AdminPolicy, AuthorizationPolicy, DestinationRule, Direction,
    Enforcement, Gateway, Labels, NetworkPolicy, ObjectRef, Peer, PeerAuthentication, Pod,
    PolicyPort, PortSet, Selector, Service, World,
};
use policies::{Policy, PortList, Signature};
use pool::Pool;
use roaring::RoaringBitmap;
use rustc_hash::{FxHashMap, FxHashSet};
use space::{Point, Space};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// One object that came, changed or went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// A NetworkPolicy is there now, in place of one of the same name if there was one.
    SetPolicy(NetworkPolicy),
    /// It is gone.
    RemovePolicy(ObjectRef),
    /// A policy of administrators is there now, in place of one of the same kind and name if there was one.
    SetAdminPolicy(AdminPolicy),
    /// It is gone.
    RemoveAdminPolicy(AdminKind, ObjectRef),
    /// A namespace has these labels now.
    SetNamespace {
        /// Its name.
        name: String,
        /// All its labels, `kubernetes.io/metadata.name` included.
        labels: Labels,
    },
    /// It is gone. What is still in it keeps only the label with its name.
    RemoveNamespace(String),
    /// A pod is there now, in place of one of the same name if there was one.
    SetPod(Pod),
    /// It is gone.
    RemovePod(ObjectRef),
    /// An AuthorizationPolicy is there now, in place of one of the same name if there was one.
    SetAuthorizationPolicy(AuthorizationPolicy),
    /// It is gone.
    RemoveAuthorizationPolicy(ObjectRef),
    /// A PeerAuthentication is there now, with the age of one of the same name, or as the youngest.
    SetPeerAuthentication(PeerAuthentication),
    /// It is gone.
    RemovePeerAuthentication(ObjectRef),
    /// A Service is there now, in place of one of the same name if there was one.
    SetService(Service),
    /// It is gone.
    RemoveService(ObjectRef),
    /// A DestinationRule is there now, with the age of one of the same name, or as the youngest.
    SetDestinationRule(DestinationRule),
    /// It is gone.
    RemoveDestinationRule(ObjectRef),
    /// An Istio Gateway is there now, in place of one of the same name if there was one.
    SetGateway(Gateway),
    /// It is gone.
    RemoveGateway(ObjectRef),
}

/// What policies and the mesh let pass, kept current.
#[derive(Debug)]
pub struct Live {
    ip_block_matches_pods: bool,
    enforced: bool,
    /// What the network plugin carries for certain.
    carried: PortSet,
    space: Space,
    /// Classes and cells by number.
    nodes: Vec<Option<Node>>,
    free: Vec<u32>,
    /// Cells, and classes with pods.
    alive: RoaringBitmap,
    by_hash: FxHashMap<u64, Vec<u32>>,
    /// Labels that tell replicas apart, and that a selector reads.
    read: FxHashSet<String>,
    pods: Pool<ObjectRef, Member>,
    /// Addresses of live pods, with how many pods have each.
    taken: BTreeMap<Point, u32>,
    namespaces: Pool<String, Home>,
    selectors: Pool<Selector, Choice>,
    lists: Pool<Vec<Peer>, List>,
    /// The numbers of lists of administrators' policies.
    ruled: FxHashMap<Vec<AdminPeer>, u32>,
    /// Those of them that addresses belong to, and those that ask about nodes.
    wide: RoaringBitmap,
    asking_nodes: RoaringBitmap,
    /// Those that are the subjects of a policy.
    governing: RoaringBitmap,
    /// Lists by a namespace that they name.
    named: FxHashMap<String, RoaringBitmap>,
    /// Lists with a CIDR.
    blocks: RoaringBitmap,
    /// Classes that a CIDR could mean, without a known address.
    nowhere: RoaringBitmap,
    /// All classes without a known address.
    unplaced: RoaringBitmap,
    ports: Pool<Vec<PolicyPort>, PortList>,
    policies: Pool<ObjectRef, Policy>,
    /// Policies of administrators, and the kinds of them that the network plugin enforces.
    rulers: Pool<Name, Ruler>,
    kinds_enforced: BTreeSet<AdminKind>,
    world_nodes: Vec<palisade_netmodel::Node>,
    /// Addresses of nodes by what pods tell, with how many do.
    node_places: BTreeMap<IpAddr, u32>,
    ingress: Pool<Vec<u32>, Signature>,
    egress: Pool<Vec<u32>, Signature>,
    /// Policies with an egress rule to everybody that names a port.
    by_name: RoaringBitmap,
    table: PortTable,
    /// Classes whose last pod has gone: kept until the next edit, so that their effect can be told.
    leftover: Vec<u32>,
    /// Classes on the host network.
    hosts: RoaringBitmap,
    /// Classes and cells that came or went, where somebody wants to know.
    touched: Option<Vec<u32>>,
    /// What the mesh adds.
    mesh: Mesh,
    /// Lists with classes that the last edit of a namespace took into them or out of them, under the same condition.
    turned: Vec<(u32, u32)>,
}

/// Stands for the pod that an edit added, changed or removed.
const MOVED: u32 = u32::MAX;

/// Port sets are forgotten when there are more than this, so that edits without end do not fill memory.
const PORT_SETS: usize = 4096;

impl Live {
    /// The policies, pods and namespaces of a world. Cost: pods, plus lists of peers times the classes of
    /// the namespaces that they mean.
    #[must_use]
    pub fn new(world: &World) -> Self {
        let mut live = Self {
            carried: world.profile.carried(),
            ip_block_matches_pods: world.profile.ip_block_matches_pods,
            enforced: world.profile.cni.enforcement != Enforcement::NotEnforced,
            space: Space::default(),
            nodes: Vec::new(),
            free: Vec::new(),
            alive: RoaringBitmap::new(),
            by_hash: FxHashMap::default(),
            read: FxHashSet::default(),
            pods: Pool::default(),
            taken: BTreeMap::new(),
            namespaces: Pool::default(),
            selectors: Pool::default(),
            lists: Pool::default(),
            ruled: FxHashMap::default(),
            wide: RoaringBitmap::new(),
            asking_nodes: RoaringBitmap::new(),
            governing: RoaringBitmap::new(),
            named: FxHashMap::default(),
            blocks: RoaringBitmap::new(),
            nowhere: RoaringBitmap::new(),
            unplaced: RoaringBitmap::new(),
            ports: Pool::default(),
            policies: Pool::default(),
            rulers: Pool::default(),
            kinds_enforced: world.profile.admin_kinds.iter().copied().collect(),
            world_nodes: world.nodes.clone(),
            node_places: BTreeMap::new(),
            ingress: Pool::default(),
            egress: Pool::default(),
            by_name: RoaringBitmap::new(),
            table: PortTable::new(),
            leftover: Vec::new(),
            hosts: RoaringBitmap::new(),
            touched: None,
            mesh: Mesh::new(world),
            turned: Vec::new(),
        };
        for v6 in [false, true] {
            let cell = live.add_cell((v6, 0));
            live.space.open(v6, cell);
        }
        // Whatever splits classes and cells comes first: nobody has to move later.
        for policy in &world.network_policies {
            live.prepare(policy);
        }
        for address in world.pods.iter().flat_map(node_addresses) {
            live.node_places.insert(address, 0);
        }
        for policy in &world.admin_policies {
            live.prepare_ruler(policy);
        }
        live.node_places.clear();
        live.found_mesh(world);
        for (name, namespace) in &world.namespaces {
            live.set_namespace(name, &namespace.labels);
        }
        for pod in &world.pods {
            live.set_pod(pod.object(), Some(pod.clone()));
        }
        live.find_outsiders();
        for policy in &world.network_policies {
            if let Some(step) = live.plan(&policy.object, Some(policy)) {
                live.carry_out(&policy.object, step);
            }
        }
        for policy in &world.admin_policies {
            live.add_ruler(policy);
        }
        live
    }

    /// Makes one edit, and says what it changed.
    pub fn apply(&mut self, edit: Edit) -> Effect {
        for class in std::mem::take(&mut self.leftover) {
            self.forget(class);
        }
        if self.table.len() > PORT_SETS {
            self.table = PortTable::new();
        }
        let before = self.unfollowed();
        let mut effect = self.make(edit);
        effect.unfollowed = before.or(self.unfollowed());
        effect
    }

    fn make(&mut self, edit: Edit) -> Effect {
        match edit {
            Edit::SetPolicy(policy) => {
                self.prepare(&policy);
                Effect::of(self.set_policy(&policy.object, Some(&policy)))
            }
            Edit::RemovePolicy(object) => Effect::of(self.set_policy(&object, None)),
            Edit::SetAdminPolicy(policy) => {
                self.prepare_ruler(&policy);
                let name = (policy.kind, policy.object.clone());
                Effect::of(self.set_ruler(&name, Some(&policy)))
            }
            Edit::RemoveAdminPolicy(kind, object) => {
                Effect::of(self.set_ruler(&(kind, object), None))
            }
            Edit::SetNamespace { name, labels } => Effect::of(self.set_namespace(&name, &labels)),
            Edit::RemoveNamespace(name) => {
                let labels = Labels::from_iter([("kubernetes.io/metadata.name", name.as_str())]);
                let changes = self.set_namespace(&name, &labels);
                self.leave_namespace(&name);
                Effect::of(changes)
            }
            Edit::SetPod(pod) => self.set_pod(pod.object(), Some(pod)),
            Edit::RemovePod(object) => self.set_pod(object, None),
            of_mesh => Effect::of_mesh(self.make_in_mesh(&of_mesh)),
        }
    }

    fn make_in_mesh(&mut self, edit: &Edit) -> Vec<MeshChange> {
        match edit {
            Edit::SetAuthorizationPolicy(it) => self.set_authorization(&it.object, Some(it)),
            Edit::RemoveAuthorizationPolicy(object) => self.set_authorization(object, None),
            Edit::SetPeerAuthentication(it) => self.set_authentication(&it.object, Some(it)),
            Edit::RemovePeerAuthentication(object) => self.set_authentication(object, None),
            Edit::SetService(it) => self.set_service(&it.object, Some(it)),
            Edit::RemoveService(object) => self.set_service(object, None),
            Edit::SetDestinationRule(it) => self.set_rule(&it.object, Some(it)),
            Edit::RemoveDestinationRule(object) => self.set_rule(object, None),
            Edit::SetGateway(it) => self.set_gateway(&it.object, Some(it)),
            Edit::RemoveGateway(object) => self.set_gateway(object, None),
            _ => Vec::new(),
        }
    }

    /// The class of a pod.
    #[must_use]
    pub fn class_of(&self, pod: &ObjectRef) -> Option<EndpointId> {
        let number = self.pods.number(pod)?;
        Some(EndpointId(self.pods.get(number)?.class))
    }

    /// The cell of an address that is no live pod's.
    #[must_use]
    pub fn cell_of(&self, address: IpAddr) -> Option<EndpointId> {
        let free = !self.taken.contains_key(&space::point(address));
        self.space.place(address).filter(|_| free).map(EndpointId)
    }

    /// First and last address of a cell; `None` for a class of pods.
    #[must_use]
    pub fn range(&self, cell: EndpointId) -> Option<(IpAddr, IpAddr)> {
        Some(self.space.range(self.node(cell.0)?.first()?))
    }

    /// The pods of a class.
    pub fn members(&self, class: EndpointId) -> impl Iterator<Item = &Pod> {
        let members = self.node(class.0).map(Node::members).unwrap_or_default();
        members
            .into_iter()
            .filter_map(|pod| Some(&self.pods.get(pod)?.pod))
    }

    /// What the policies of both ends let pass. Cost: the rules of the two.
    #[must_use]
    pub fn passage(&self, source: EndpointId, destination: EndpointId) -> Passage {
        if !self.traits(source.0).source || !self.traits(destination.0).destination {
            return Passage::nothing();
        }
        let out = self.half(Direction::Egress, source.0, destination.0);
        let into = self.half(Direction::Ingress, destination.0, source.0);
        self.carry(out.and(&into))
    }

    /// Without certainty for protocols that the network plugin may not carry.
    fn carry(&self, mut passage: Passage) -> Passage {
        if !self.carried.is_all() {
            passage.must = passage.must.intersection(&self.carried);
        }
        passage
    }
}

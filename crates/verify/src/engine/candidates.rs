//! The objects that can matter to one flow, so that the reference need not look through a whole world.
//!
//! Policies are those that select an end, by its class. Mesh objects are those of the namespaces that the
//! mesh lets speak: the destination's, the caller's and the root one. Cost: the policies of two classes,
//! and the mesh objects of three namespaces.

use super::endpoints::{EndpointId, Endpoints};
use super::peers::Directory;
use super::{Engine, Tunnels};
use palisade_netmodel::reference::Candidates;
use palisade_netmodel::{Direction, Flow, ObjectRef, Pod, World};
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;

/// Indices of objects by namespace, ascending.
type ByNamespace<'w> = FxHashMap<&'w str, Vec<usize>>;

/// What is kept for it beside the policies' own signatures.
#[derive(Debug, Default)]
pub(super) struct Concerned<'w> {
    /// Per class: the administrators' policies that select it and that the network plugin does not
    /// enforce. Empty where it enforces all.
    not_enforced: Vec<Vec<usize>>,
    /// Empty where nobody has a proxy.
    services: ByNamespace<'w>,
    peer_authentications: ByNamespace<'w>,
    authorization_policies: ByNamespace<'w>,
    destination_rules: ByNamespace<'w>,
}

impl<'w> Concerned<'w> {
    pub(super) fn new<'e>(
        world: &'w World,
        endpoints: &Endpoints,
        directory: &mut Directory<'e>,
        meshed: bool,
    ) -> Self
    where
        'w: 'e,
    {
        let mut found = Self {
            not_enforced: not_enforced(world, endpoints, directory),
            ..Self::default()
        };
        if meshed {
            found.services = grouped(world.services.iter().map(|o| &o.object));
            let of = world.peer_authentications.iter().map(|o| &o.object);
            found.peer_authentications = grouped(of);
            let of = world.authorization_policies.iter().map(|o| &o.object);
            found.authorization_policies = grouped(of);
            let of = world.destination_rules.iter().map(|o| &o.object);
            found.destination_rules = grouped(of);
        }
        found
    }
}

fn not_enforced<'w>(
    world: &'w World,
    endpoints: &Endpoints,
    directory: &mut Directory<'w>,
) -> Vec<Vec<usize>> {
    let policies = world.admin_policies.iter().enumerate();
    let mut left_out = policies
        .filter(|(_, policy)| !world.profile.enforces(policy.kind))
        .peekable();
    if left_out.peek().is_none() {
        return Vec::new();
    }
    let mut of = vec![Vec::new(); endpoints.classes() as usize];
    for (index, policy) in left_out {
        for class in directory.namespaced(&policy.subject) {
            if let Some(list) = of.get_mut(class as usize) {
                list.push(index);
            }
        }
    }
    of
}

fn grouped<'w>(objects: impl Iterator<Item = &'w ObjectRef>) -> ByNamespace<'w> {
    let mut groups = ByNamespace::default();
    for (index, object) in objects.enumerate() {
        groups
            .entry(object.namespace.as_str())
            .or_default()
            .push(index);
    }
    groups
}

/// The objects of some namespaces, in the world's order.
fn of_namespaces(groups: &ByNamespace<'_>, namespaces: &[&str]) -> Vec<usize> {
    let lists = namespaces.iter().filter_map(|name| groups.get(name));
    united(lists.flatten())
}

fn united<'a>(indices: impl Iterator<Item = &'a usize>) -> Vec<usize> {
    let mut all: Vec<usize> = indices.copied().collect();
    all.sort_unstable();
    all.dedup();
    all
}

impl Engine<'_> {
    /// What can matter to a flow; `None` if that may be any object: an end that is none, or a call by a
    /// waypoint, whose own policies and objects count too.
    pub(crate) fn candidates(&self, flow: &Flow) -> Option<Candidates> {
        let source = self.endpoints.locate(flow.source)?;
        let destination = self.endpoints.locate(flow.destination)?;
        if self.tunnels(source, destination) == Tunnels::ByWaypoint {
            return None;
        }
        let egress = self.isolating(Direction::Egress, source);
        let ingress = self.isolating(Direction::Ingress, destination);
        let mut candidates = Candidates {
            network_policies: united(egress.iter().chain(ingress)),
            admin_policies: self.administrators([source, destination]),
            ..Candidates::default()
        };
        if let Some(receiver) = self
            .pod(destination)
            .filter(|_| self.is_proxied(destination))
        {
            self.mesh_objects(&mut candidates, receiver, self.pod(source));
        }
        Some(candidates)
    }

    fn administrators(&self, ends: [EndpointId; 2]) -> Vec<usize> {
        let enforced = ends.iter().flat_map(|end| self.tiers.policies_of(*end));
        let idle = &self.concerned.not_enforced;
        let idle = ends.iter().filter_map(|end| idle.get(end.index()));
        let all: BTreeSet<usize> = enforced.chain(idle.flatten().copied()).collect();
        all.into_iter().collect()
    }

    /// A Service leads to pods of its own namespace. PeerAuthentication and AuthorizationPolicy are of the
    /// receiver's namespace or of the root namespace, a DestinationRule also of the caller's.
    fn mesh_objects(&self, candidates: &mut Candidates, receiver: &Pod, caller: Option<&Pod>) {
        let of = &self.concerned;
        let own = receiver.namespace.as_str();
        let root = self.world.mesh.root_namespace.as_str();
        let callers = caller.map_or(own, |pod| pod.namespace.as_str());
        candidates.services = of_namespaces(&of.services, &[own]);
        candidates.peer_authentications = of_namespaces(&of.peer_authentications, &[own, root]);
        candidates.authorization_policies = of_namespaces(&of.authorization_policies, &[own, root]);
        candidates.destination_rules = of_namespaces(&of.destination_rules, &[own, callers, root]);
    }
}

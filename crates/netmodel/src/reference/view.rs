//! What the reference looks through: every object of a world, or of some kinds only those that can
//! matter to one flow, as somebody who keeps an index has found them.

use crate::{
    AdminPolicy, AuthorizationPolicy, DestinationRule, NetworkPolicy, PeerAuthentication, Pod,
    Service, World,
};
use std::ops::Deref;

/// Objects that can matter to one flow, as indices into the world, in ascending order. One that cannot
/// does no harm: each is looked at as if it had come from the whole world. One that is left out although
/// it matters makes the answer wrong.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Candidates {
    /// Of [`World::network_policies`]: those that select an end.
    pub network_policies: Vec<usize>,
    /// Of [`World::admin_policies`]: those that select an end.
    pub admin_policies: Vec<usize>,
    /// Of [`World::services`]: those that lead to the destination.
    pub services: Vec<usize>,
    /// Of [`World::peer_authentications`]: those of the destination.
    pub peer_authentications: Vec<usize>,
    /// Of [`World::authorization_policies`]: those of the destination.
    pub authorization_policies: Vec<usize>,
    /// Of [`World::destination_rules`]: those that speak of a Service of the destination.
    pub destination_rules: Vec<usize>,
    /// Of [`World::pods`]: those whose address is an end.
    pub owners: Vec<usize>,
}

/// A world, and what of it is looked through. It reads like the world itself; lists that may be
/// narrowed are read by its methods.
#[derive(Debug, Clone, Copy)]
pub struct View<'w> {
    world: &'w World,
    candidates: Option<&'w Candidates>,
}

impl<'w> View<'w> {
    /// Every object.
    #[must_use]
    pub fn whole(world: &'w World) -> Self {
        Self {
            world,
            candidates: None,
        }
    }

    /// Of the kinds that [`Candidates`] names, these objects only.
    #[must_use]
    pub fn among(world: &'w World, candidates: &'w Candidates) -> Self {
        Self {
            world,
            candidates: Some(candidates),
        }
    }

    /// The world.
    #[must_use]
    pub fn world(self) -> &'w World {
        self.world
    }

    /// NetworkPolicies.
    pub fn network_policies(self) -> impl Iterator<Item = &'w NetworkPolicy> {
        self.list(&self.world.network_policies, |c| &c.network_policies)
    }

    /// The policies of administrators.
    pub fn admin_policies(self) -> impl Iterator<Item = &'w AdminPolicy> {
        self.list(&self.world.admin_policies, |c| &c.admin_policies)
    }

    /// AuthorizationPolicies.
    pub fn authorization_policies(self) -> impl Iterator<Item = &'w AuthorizationPolicy> {
        let all = &self.world.authorization_policies;
        self.list(all, |c| &c.authorization_policies)
    }

    pub(super) fn services(self) -> impl Iterator<Item = &'w Service> {
        self.list(&self.world.services, |c| &c.services)
    }

    pub(super) fn peer_authentications(self) -> impl Iterator<Item = &'w PeerAuthentication> {
        let all = &self.world.peer_authentications;
        self.list(all, |c| &c.peer_authentications)
    }

    pub(super) fn destination_rules(self) -> impl Iterator<Item = &'w DestinationRule> {
        self.list(&self.world.destination_rules, |c| &c.destination_rules)
    }

    pub(super) fn owners(self) -> impl Iterator<Item = &'w Pod> {
        self.list(&self.world.pods, |c| &c.owners)
    }

    /// A list in its order: all of it, or the candidates.
    fn list<T>(
        self,
        all: &'w [T],
        of: impl Fn(&'w Candidates) -> &'w Vec<usize>,
    ) -> impl Iterator<Item = &'w T> {
        let (whole, some): (&[T], &[usize]) = match self.candidates {
            None => (all, &[]),
            Some(candidates) => (&[], of(candidates)),
        };
        let some = some.iter().filter_map(|index| all.get(*index));
        whole.iter().chain(some)
    }
}

impl Deref for View<'_> {
    type Target = World;

    fn deref(&self) -> &World {
        self.world
    }
}

//! The policies that a pod is under, in one direction. Pods with the same signature share their chains.

use palisade_netmodel::{
    AdminPolicy, Direction, Enforcement, NetworkPolicy, Subject, Template, Tier, World,
};
use rustc_hash::FxHashMap;

/// What selects a pod in one direction.
pub(super) struct Signature<'w> {
    pub(super) direction: Direction,
    /// Policies of the Admin tier, in the order in which they are asked.
    pub(super) admin: Vec<&'w AdminPolicy>,
    /// NetworkPolicies that isolate it, by name.
    pub(super) policies: Vec<&'w NetworkPolicy>,
    /// Policies of the Baseline tier, in the order in which they are asked.
    pub(super) baseline: Vec<&'w AdminPolicy>,
}

impl Signature<'_> {
    /// Its policies, in the order in which they are asked.
    pub(super) fn subjects(&self) -> Vec<Subject> {
        let admin = |p: &&AdminPolicy| Subject {
            kind: p.kind.name(),
            object: p.object.clone(),
        };
        let policies = self.policies.iter().map(|p| Subject {
            kind: "NetworkPolicy",
            object: p.object.clone(),
        });
        let all = self.admin.iter().map(admin).chain(policies);
        all.chain(self.baseline.iter().map(admin)).collect()
    }
}

/// The policies of a world, by what they may select.
pub(super) struct Policies<'w> {
    world: &'w World,
    /// NetworkPolicies of each namespace, by name.
    namespaces: FxHashMap<&'w str, Vec<&'w NetworkPolicy>>,
    /// Policies of administrators, in the order in which they are asked.
    administrators: Vec<&'w AdminPolicy>,
}

impl<'w> Policies<'w> {
    pub(super) fn of(world: &'w World) -> Self {
        let mut namespaces: FxHashMap<&str, Vec<&NetworkPolicy>> = FxHashMap::default();
        if world.profile.cni.enforcement != Enforcement::NotEnforced {
            let mut policies: Vec<&NetworkPolicy> = world.network_policies.iter().collect();
            policies.sort_by_key(|p| &p.object);
            for policy in policies {
                let namespace = policy.object.namespace.as_str();
                namespaces.entry(namespace).or_default().push(policy);
            }
        }
        let administrators = world.admin_policies.iter();
        let enforced = administrators.filter(|p| world.profile.enforces(p.kind));
        let mut administrators: Vec<&AdminPolicy> = enforced.collect();
        // "Policies with lower priority values have higher precedence" (`v1alpha2 ClusterNetworkPolicy,
        // .spec.priority`). Equal ones may be asked in any order: by name here, so that every node agrees; and
        // no document orders kinds of different versions.
        administrators.sort_by_key(|p| (p.kind, p.priority, &p.object));
        Self {
            world,
            namespaces,
            administrators,
        }
    }

    /// What selects pods of a template.
    pub(super) fn signature(&self, template: &Template, direction: Direction) -> Signature<'w> {
        let own = self.namespaces.get(template.namespace.as_str());
        let policies = own.into_iter().flatten().copied();
        let isolating = policies.filter(|p| {
            p.rules(direction).is_some() && p.selects(&template.namespace, &template.labels)
        });
        Signature {
            direction,
            admin: self.tier(template, direction, Tier::Admin),
            policies: isolating.collect(),
            baseline: self.tier(template, direction, Tier::Baseline),
        }
    }

    fn tier(&self, template: &Template, direction: Direction, tier: Tier) -> Vec<&'w AdminPolicy> {
        let Some(namespace) = self.world.namespace_labels(&template.namespace) else {
            return Vec::new();
        };
        let policies = self.administrators.iter().copied().filter(|p| {
            p.tier == tier
                && !p.rules(direction).is_empty()
                && p.subject.matches(namespace, &template.labels)
        });
        policies.collect()
    }
}

//! The policies that a pod is under, in one direction. Pods with the same signature share their chains.

use palisade_netmodel::{
    AdminKind, AdminPolicy, Direction, Enforcement, Labels, NetworkPolicy, ObjectRef, Profile,
    Subject, Template, Tier,
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

/// The policies of a cluster, by what they may select, kept current.
#[derive(Debug)]
pub(super) struct Policies {
    /// Which kinds have effect.
    profile: Profile,
    /// NetworkPolicies of each namespace, by name.
    namespaces: FxHashMap<String, Vec<NetworkPolicy>>,
    /// Policies of administrators, in the order in which they are asked.
    administrators: Vec<AdminPolicy>,
}

/// "Policies with lower priority values have higher precedence" (`v1alpha2 ClusterNetworkPolicy,
/// .spec.priority`). Equal ones may be asked in any order: by name here, so that every node agrees; and
/// no document orders kinds of different versions.
fn precedence(policy: &AdminPolicy) -> (AdminKind, u16, &ObjectRef) {
    (policy.kind, policy.priority, &policy.object)
}

impl Policies {
    pub(super) fn new(profile: Profile) -> Self {
        Self {
            profile,
            namespaces: FxHashMap::default(),
            administrators: Vec::new(),
        }
    }

    /// Whether policies of administrators have a say.
    pub(super) fn has_administrators(&self) -> bool {
        !self.administrators.is_empty()
    }

    pub(super) fn add(&mut self, policy: &NetworkPolicy) {
        if self.profile.cni.enforcement == Enforcement::NotEnforced {
            return;
        }
        let namespace = policy.object.namespace.clone();
        let all = self.namespaces.entry(namespace).or_default();
        let place = all.partition_point(|other| other.object <= policy.object);
        all.insert(place, policy.clone());
    }

    pub(super) fn remove(&mut self, policy: &NetworkPolicy) {
        let namespace = &policy.object.namespace;
        if let Some(all) = self.namespaces.get_mut(namespace) {
            if let Some(place) = all.iter().position(|other| other == policy) {
                all.remove(place);
            }
            if all.is_empty() {
                self.namespaces.remove(namespace);
            }
        }
    }

    pub(super) fn add_administrators(&mut self, policy: &AdminPolicy) {
        if self.profile.enforces(policy.kind) {
            let all = &mut self.administrators;
            let place = all.partition_point(|other| precedence(other) <= precedence(policy));
            all.insert(place, policy.clone());
        }
    }

    pub(super) fn remove_administrators(&mut self, policy: &AdminPolicy) {
        let all = &mut self.administrators;
        if let Some(place) = all.iter().position(|other| other == policy) {
            all.remove(place);
        }
    }

    /// What selects pods of a template, whose namespace has some labels.
    pub(super) fn signature(
        &self,
        labels: Option<&Labels>,
        template: &Template,
        direction: Direction,
    ) -> Signature<'_> {
        let policies = self.namespaces.get(&template.namespace);
        let isolating = policies.into_iter().flatten().filter(|p| {
            p.rules(direction).is_some() && p.selects(&template.namespace, &template.labels)
        });
        let tier = |tier: Tier| -> Vec<&AdminPolicy> {
            let policies = self.administrators.iter().filter(|p| {
                let selects = |labels| p.subject.matches(labels, &template.labels);
                p.tier == tier && !p.rules(direction).is_empty() && labels.is_some_and(selects)
            });
            policies.collect()
        };
        Signature {
            direction,
            admin: tier(Tier::Admin),
            policies: isolating.collect(),
            baseline: tier(Tier::Baseline),
        }
    }
}

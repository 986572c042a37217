//! Pods of one kind behave alike, so a few of each say what all of them say.

use palisade_netmodel::{PodId, Proxy, Template, World};
use std::collections::BTreeMap;

/// The same world with at most so many pods of each kind: pods whose templates are equal. How many were left out
/// is said beside it.
#[must_use]
pub fn reduce(world: &World, most: usize) -> (World, usize) {
    let mut kept: BTreeMap<&Template, usize> = BTreeMap::new();
    let mut pods = Vec::new();
    for pod in &world.pods {
        let count = kept.entry(&*pod.template).or_default();
        *count += 1;
        if *count <= most {
            pods.push(pod.clone());
        }
    }
    let left_out = world.pods.len() - pods.len();
    let mut reduced = World {
        pods: Vec::new(),
        ..world.clone()
    };
    reduced.pods = pods;
    (reduced, left_out)
}

/// What of a world is about packets: its pods, nodes, Services and policies, and no mesh.
#[must_use]
pub fn without_mesh(world: &World) -> World {
    let mut pods = world.pods.clone();
    for pod in pods
        .iter_mut()
        .filter(|p| !matches!(p.proxy, Proxy::None { .. }))
    {
        pod.proxy = Proxy::None {
            reason: "there is no mesh here".to_owned(),
        };
    }
    World {
        namespaces: world.namespaces.clone(),
        pods,
        nodes: world.nodes.clone(),
        services: world.services.clone(),
        network_policies: world.network_policies.clone(),
        admin_policies: world.admin_policies.clone(),
        profile: world.profile.clone(),
        ..World::default()
    }
}

/// The first and the last pod of each kind among some: two that differ where there are two.
pub(crate) fn ends_of_kinds(
    world: &World,
    pods: impl Iterator<Item = PodId>,
) -> Vec<(PodId, PodId)> {
    let mut kinds: BTreeMap<&Template, (PodId, PodId)> = BTreeMap::new();
    for id in pods {
        if let Some(pod) = world.pod(id) {
            kinds.entry(&*pod.template).or_insert((id, id)).1 = id;
        }
    }
    let mut ends: Vec<_> = kinds.into_values().collect();
    ends.sort_unstable();
    ends
}

#[cfg(test)]
mod tests {
    use super::*;
    use palisade_testkit::worlds::world;
    use proptest::prelude::*;

    proptest! {
        /// Every kind is still there, none more often than asked, in the order of before.
        #[test]
        fn a_reduced_world_has_every_kind(world in world(), most in 1usize..3) {
            let (reduced, left_out) = reduce(&world, most);
            prop_assert_eq!(reduced.pods.len() + left_out, world.pods.len());
            let kinds = |world: &World| {
                let mut counts: BTreeMap<Template, usize> = BTreeMap::new();
                for pod in &world.pods {
                    *counts.entry((*pod.template).clone()).or_default() += 1;
                }
                counts
            };
            let mut expected = kinds(&world);
            expected.values_mut().for_each(|count| *count = most.min(*count));
            prop_assert_eq!(kinds(&reduced), expected);
        }
    }
}

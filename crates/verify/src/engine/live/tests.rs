//! After every edit of random scripts, what is kept current is what an engine made from scratch says, and
//! the effect names exactly the connections that changed.

use super::mesh::Unfollowed;
use super::mesh::tests::{edit_in_mesh, meshed, step_in_mesh};
use super::{Edit, Effect, Live, Moved};
use crate::engine::ambient::Crossing;
use crate::engine::{EndpointId, Engine, Pair};
use palisade_netmodel::{AdminAction, AdminKind, AdminPolicy, Direction, Endpoint, Pod, World};
use palisade_testkit::clusters::{Shape, world as world_of};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// An end by name: a pod, or an address that is no pod's.
pub(super) type End = String;

/// What passes between any two ends that are looked at, and how.
type Pairs = BTreeMap<(End, End), Pair>;

/// Those that changed, with what passed and what passes.
type Changed = BTreeMap<(End, End), (Pair, Pair)>;

/// Makes an edit in a world, object by object.
pub(super) fn edit(world: &mut World, edit: &Edit) {
    match edit {
        Edit::SetPolicy(policy) => {
            world.network_policies.retain(|p| p.object != policy.object);
            world.ensure_namespace(&policy.object.namespace);
            world.network_policies.push(policy.clone());
        }
        Edit::RemovePolicy(object) => world.network_policies.retain(|p| p.object != *object),
        Edit::SetAdminPolicy(policy) => {
            let other = |p: &AdminPolicy| (p.kind, &p.object) != (policy.kind, &policy.object);
            world.admin_policies.retain(other);
            world.admin_policies.push(policy.clone());
        }
        Edit::RemoveAdminPolicy(kind, object) => {
            let other = |p: &AdminPolicy| (p.kind, &p.object) != (*kind, object);
            world.admin_policies.retain(other);
        }
        Edit::SetNamespace { name, labels } => {
            world.ensure_namespace(name);
            world.namespaces.get_mut(name).unwrap().labels = labels.clone();
        }
        Edit::RemoveNamespace(name) => {
            world.namespaces.remove(name);
            world.ensure_namespace(name);
        }
        Edit::SetPod(pod) => {
            world.pods.retain(|p| p.object() != pod.object());
            world.ensure_namespace(&pod.namespace);
            world.pods.push(pod.clone());
        }
        Edit::RemovePod(object) => world.pods.retain(|p| p.object() != *object),
        of_mesh => edit_in_mesh(world, of_mesh),
    }
}

/// What an engine made from scratch says of all pods and of some addresses.
fn from_scratch(world: &World, addresses: &BTreeSet<IpAddr>) -> Pairs {
    let engine = Engine::new(world);
    let pods = world.pods().map(|(id, pod)| (name(pod), Endpoint::Pod(id)));
    let outside = addresses
        .iter()
        .map(|a| (a.to_string(), Endpoint::Address(*a)));
    let located = pods
        .chain(outside)
        .filter_map(|(name, end)| Some((name, end, engine.endpoint_of(end)?)));
    let ends: Vec<(End, Endpoint, EndpointId)> = located.collect();
    let mut pairs = Pairs::new();
    for (from, source, s) in &ends {
        for (to, destination, d) in &ends {
            let addresses = matches!(
                (source, destination),
                (Endpoint::Address(_), Endpoint::Address(_))
            );
            if from == to || addresses || !engine.is_source(*s) || !engine.is_destination(*d) {
                continue;
            }
            let pair = without_nodes(&engine, (*s, *d)).of_what_passes();
            if pair != Pair::closed() {
                pairs.insert((from.clone(), to.clone()), pair);
            }
        }
    }
    pairs
}

/// What an engine says of a pair if no two ends share a node.
fn without_nodes(engine: &Engine<'_>, (s, d): (EndpointId, EndpointId)) -> Pair {
    if let Some(crossing) = Crossing::new(engine, (s, d)) {
        return crossing.with(false).pair();
    }
    let half = |direction| engine.policed(direction, s, d);
    let network = half(Direction::Egress).and(&half(Direction::Ingress));
    let mesh = engine.mesh_half(s, d);
    Pair {
        passage: network.and(&mesh.passage),
        ..mesh
    }
}

pub(super) fn name(pod: &Pod) -> End {
    pod.object().to_string()
}

/// What is kept current says of the same ends, if it is followed.
fn kept(live: &Live, world: &World, addresses: &BTreeSet<IpAddr>) -> Result<Pairs, Unfollowed> {
    let pods = world
        .pods
        .iter()
        .map(|pod| (name(pod), live.class_of(&pod.object())));
    let outside = addresses.iter().map(|a| (a.to_string(), live.cell_of(*a)));
    let ends: Vec<(End, EndpointId)> = pods
        .chain(outside)
        .filter_map(|(name, id)| Some((name, id?)))
        .collect();
    let mut pairs = Pairs::new();
    for (from, s) in &ends {
        for (to, d) in &ends {
            let addresses = live.range(*s).is_some() && live.range(*d).is_some();
            if from == to || addresses {
                continue;
            }
            let pair = live.pair(*s, *d)?;
            if pair != Pair::closed() {
                pairs.insert((from.clone(), to.clone()), pair);
            }
        }
    }
    Ok(pairs)
}

/// The ends that a number in an effect stands for.
fn ends(live: &Live, effect: &Effect, id: EndpointId, addresses: &BTreeSet<IpAddr>) -> Vec<End> {
    let moved = effect.moved.as_ref().map(|moved| &moved.pod);
    if id == Moved::ENDPOINT {
        return moved.map(ToString::to_string).into_iter().collect();
    }
    match live.range(id) {
        Some((first, last)) => {
            let there = |a: &&IpAddr| a.is_ipv4() == first.is_ipv4() && (first..=last).contains(*a);
            addresses
                .iter()
                .filter(there)
                .map(ToString::to_string)
                .collect()
        }
        None => {
            let members = live.members(id);
            let others = members.filter(|pod| Some(&pod.object()) != moved);
            let names: Vec<End> = others.map(name).collect();
            assert!(!names.is_empty(), "nobody is in {id:?}");
            names
        }
    }
}

/// The pairs that an effect names, with what passed and what passes.
fn named(
    live: &Live,
    effect: &Effect,
    addresses: &BTreeSet<IpAddr>,
) -> Result<Changed, Unfollowed> {
    let mut pairs = BTreeMap::new();
    for connection in effect.connections(live)? {
        for from in ends(live, effect, connection.source, addresses) {
            for to in ends(live, effect, connection.destination, addresses) {
                if from == to {
                    continue;
                }
                let both = (connection.before.clone(), connection.after.clone());
                let twice = pairs.insert((from.clone(), to.clone()), both);
                assert_eq!(twice, None, "{from} to {to} is named twice");
            }
        }
    }
    Ok(pairs)
}

fn changed(before: &Pairs, after: &Pairs) -> Changed {
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let of = |pairs: &Pairs, key| pairs.get(key).cloned().unwrap_or_else(Pair::closed);
    keys.into_iter()
        .map(|key| (key.clone(), (of(before, key), of(after, key))))
        .filter(|(_, (before, after))| before != after)
        .collect()
}

/// How many of the kinds of edits are about the mesh.
const MESH: u8 = 24;

/// Edits that turn parts of a world into parts of another, mix them, and take objects away.
pub(super) fn script(from: &World, to: &World, choices: &[(u8, u8, u8)]) -> Vec<Edit> {
    let edits = choices.iter().filter_map(|(kind, n, m)| {
        let namespaces = |n: u8| {
            from.namespaces
                .keys()
                .nth(usize::from(n) % from.namespaces.len().max(1))
        };
        let kind = kind % (23 + MESH);
        Some(match kind {
            // A policy from either world, perhaps in the place of another one.
            0..=5 => {
                let mut policy = one(&to.network_policies, *n)?.clone();
                if kind.is_multiple_of(2) {
                    policy.object = one(&from.network_policies, *m)?.object.clone();
                }
                Edit::SetPolicy(policy)
            }
            6 => Edit::SetPolicy(one(&from.network_policies, *n)?.clone()),
            7 => Edit::RemovePolicy(one(&from.network_policies, *n)?.object.clone()),
            8 | 9 => Edit::SetNamespace {
                name: namespaces(*n)?.clone(),
                labels: to
                    .namespaces
                    .values()
                    .nth(usize::from(*m) % to.namespaces.len())?
                    .labels
                    .clone(),
            },
            10 => Edit::RemoveNamespace(namespaces(*n)?.clone()),
            // A pod with something of another one.
            11..=14 => {
                let (mut pod, other) = (one(&from.pods, *n)?.clone(), one(&to.pods, *m)?);
                match kind {
                    11 => pod = other.clone(),
                    12 => pod.labels = other.labels.clone(),
                    13 => pod.named_ports = other.named_ports.clone(),
                    _ if *n % 2 == 0 => {
                        pod.node_addresses = other.node_addresses.clone();
                        if *m % 2 == 0 {
                            pod.workload = other.workload.clone();
                        }
                    }
                    _ => pod.addresses = other.addresses.clone(),
                }
                Edit::SetPod(pod)
            }
            15 => Edit::RemovePod(one(&from.pods, *n)?.object()),
            16..=19 => Edit::SetAdminPolicy(one(&to.admin_policies, *n)?.clone()),
            20 => Edit::SetAdminPolicy(varied(one(&from.admin_policies, *n)?.clone(), *m)),
            21 => {
                let policy = one(&from.admin_policies, *n)?;
                Edit::RemoveAdminPolicy(policy.kind, policy.object.clone())
            }
            22 => {
                let policy = one(&to.admin_policies, *n)?;
                Edit::RemoveAdminPolicy(policy.kind, policy.object.clone())
            }
            _ => step_in_mesh([from, to], kind - 23, (*n, *m))?,
        })
    });
    edits.collect()
}

/// The same policy with something else.
fn varied(mut policy: AdminPolicy, how: u8) -> AdminPolicy {
    let baseline = policy.kind == AdminKind::BaselineAdminNetworkPolicy;
    let rules = if how.is_multiple_of(2) {
        &mut policy.ingress
    } else {
        &mut policy.egress
    };
    match (how / 2) % 5 {
        0 => rules.reverse(),
        1 => rules.truncate(1),
        2 => rules.iter_mut().for_each(|rule| {
            rule.action = match rule.action {
                AdminAction::Accept => AdminAction::Deny,
                _ => AdminAction::Accept,
            }
        }),
        3 if !baseline => policy.priority = 1 - policy.priority.min(1),
        _ => rules.iter_mut().take(1).for_each(|rule| rule.ports = None),
    }
    policy
}

pub(super) fn one<T>(all: &[T], n: u8) -> Option<&T> {
    all.get(usize::from(n) % all.len().max(1))
}

/// Addresses that are in every cell that a policy of either world makes, and no pod's in either.
pub(super) fn addresses(worlds: [&World; 2]) -> BTreeSet<IpAddr> {
    let mut found: BTreeSet<IpAddr> = ["203.0.113.77", "2001:db8::77", "8.8.8.8", "::1"]
        .map(|a| a.parse().unwrap())
        .into();
    for world in worlds {
        let engine = Engine::new(world);
        found.extend(engine.endpoints().filter_map(|e| engine.address(e)));
    }
    let nodes = worlds.iter().flat_map(|world| &world.nodes);
    found.extend(nodes.flat_map(|node| &node.addresses));
    for world in worlds {
        for pod in &world.pods {
            found.extend(&pod.node_addresses.known);
        }
    }
    for world in worlds {
        for pod in &world.pods {
            for address in &pod.addresses.known {
                found.remove(address);
            }
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 600,
        failure_persistence: None,
        max_shrink_iters: 1_000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn edits_say_what_a_new_engine_says(
        current in meshed(),
        mut other in meshed(),
        choices in prop::collection::vec((any::<u8>(), any::<u8>(), any::<u8>()), 1..24),
    ) {
        other.profile = current.profile.clone();
        let steps = script(&current, &other, &choices);
        follow(current, &other, steps)?;
    }
}

/// Makes edits, and compares what is kept current with an engine from scratch after each of them.
pub(super) fn follow(
    mut current: World,
    other: &World,
    steps: Vec<Edit>,
) -> Result<(), TestCaseError> {
    let addresses = addresses([&current, other]);
    let mut live = Live::new(&current);
    let mut before = from_scratch(&current, &addresses);
    let unless = |unfollowed: Option<Unfollowed>| unfollowed.map_or(Ok(()), Err);
    let mut was = unless(live.unfollowed());
    let expected = was.map(|()| before.clone());
    prop_assert_eq!(kept(&live, &current, &addresses), expected);
    for step in steps {
        edit(&mut current, &step);
        let effect = live.apply(step.clone());
        let after = from_scratch(&current, &addresses);
        let is = unless(live.unfollowed());
        let expected = is.map(|()| after.clone());
        prop_assert_eq!(kept(&live, &current, &addresses), expected, "{:?}", step);
        let expected = was.and(is).map(|()| changed(&before, &after));
        prop_assert_eq!(named(&live, &effect, &addresses), expected, "{:?}", step);
        (before, was) = (after, is);
    }
    Ok(())
}

/// Nothing is left of what came and went, but the cuts in the address space.
#[test]
fn what_goes_leaves_nothing() {
    let cluster = world_of(&Shape {
        pods: 40,
        admin_policies: 5,
        admin_rules: 4,
        mesh: true,
        ..Shape::part(1_000)
    });
    let mut live = Live::new(&World::default());
    for policy in &cluster.network_policies {
        live.prepare(policy);
    }
    for policy in &cluster.admin_policies {
        live.prepare_ruler(policy);
    }
    let cells = live.alive.len();
    for _ in 0..2 {
        for (name, namespace) in &cluster.namespaces {
            live.apply(Edit::SetNamespace {
                name: name.clone(),
                labels: namespace.labels.clone(),
            });
        }
        for pod in &cluster.pods {
            live.apply(Edit::SetPod(pod.clone()));
        }
        for policy in &cluster.network_policies {
            live.apply(Edit::SetPolicy(policy.clone()));
        }
        for policy in &cluster.admin_policies {
            live.apply(Edit::SetAdminPolicy(policy.clone()));
        }
        for policy in &cluster.authorization_policies {
            live.apply(Edit::SetAuthorizationPolicy(policy.clone()));
        }
        for policy in &cluster.peer_authentications {
            live.apply(Edit::SetPeerAuthentication(policy.clone()));
        }
        assert!(live.alive.len() > cells && !live.governing.is_empty());
        assert!(!live.mesh.is_empty());
        assert!(live.lists.iter().count() > 0);
        for policy in &cluster.network_policies {
            live.apply(Edit::RemovePolicy(policy.object.clone()));
        }
        for policy in &cluster.admin_policies {
            live.apply(Edit::RemoveAdminPolicy(policy.kind, policy.object.clone()));
        }
        for policy in &cluster.authorization_policies {
            live.apply(Edit::RemoveAuthorizationPolicy(policy.object.clone()));
        }
        for policy in &cluster.peer_authentications {
            live.apply(Edit::RemovePeerAuthentication(policy.object.clone()));
        }
        assert_eq!(live.rulers.iter().count() + live.ruled.len(), 0);
        assert!(live.governing.is_empty() && live.wide.is_empty());
        for pod in &cluster.pods {
            live.apply(Edit::RemovePod(pod.object()));
        }
        for name in cluster.namespaces.keys() {
            live.apply(Edit::RemoveNamespace(name.clone()));
        }
        assert_eq!(live.alive.len(), cells);
        assert!(live.mesh.is_empty());
        assert!(live.node_places.is_empty() && live.unplaced.is_empty());
        assert_eq!(live.lists.iter().count() + live.selectors.iter().count(), 0);
        assert_eq!(live.ports.iter().count() + live.policies.iter().count(), 0);
        assert_eq!(live.ingress.iter().count() + live.egress.iter().count(), 0);
        assert_eq!(live.pods.iter().count() + live.namespaces.iter().count(), 0);
    }
}

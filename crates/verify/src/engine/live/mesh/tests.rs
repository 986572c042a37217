//! Edits of the mesh for the scripts of [`super::super::tests`].

mod cases;

use crate::engine::live::Edit;
use crate::engine::live::tests::{follow, one};
use palisade_netmodel::{
    AuthorizationAction, AuthorizationPolicy, AuthorizationRule, InboundCapture, Labels, MtlsMode,
    ObjectRef, Origin, PeerAuthentication, Pod, PortSet, Proxy, Source, World, always_bypassed,
};
use palisade_testkit::ambient::ambient_world;
use palisade_testkit::worlds::world;
use proptest::prelude::*;

/// Puts an object where its namesake is, or at the end.
fn put<T: Clone>(list: &mut Vec<T>, object: impl Fn(&T) -> &ObjectRef, new: &T) {
    match list.iter().position(|it| object(it) == object(new)) {
        Some(at) => list[at] = new.clone(),
        None => list.push(new.clone()),
    }
}

/// Makes an edit of the mesh in a world.
pub(in crate::engine::live) fn edit_in_mesh(world: &mut World, edit: &Edit) {
    match edit {
        Edit::SetAuthorizationPolicy(it) => {
            put(&mut world.authorization_policies, |p| &p.object, it);
        }
        Edit::RemoveAuthorizationPolicy(object) => {
            world.authorization_policies.retain(|p| p.object != *object);
        }
        Edit::SetPeerAuthentication(it) => {
            put(&mut world.peer_authentications, |p| &p.object, it);
        }
        Edit::RemovePeerAuthentication(object) => {
            world.peer_authentications.retain(|p| p.object != *object);
        }
        Edit::SetService(it) => put(&mut world.services, |s| &s.object, it),
        Edit::RemoveService(object) => world.services.retain(|s| s.object != *object),
        Edit::SetDestinationRule(it) => put(&mut world.destination_rules, |r| &r.object, it),
        Edit::RemoveDestinationRule(object) => {
            world.destination_rules.retain(|r| r.object != *object);
        }
        Edit::SetGateway(it) => put(&mut world.gateways, |g| &g.object, it),
        Edit::RemoveGateway(object) => world.gateways.retain(|g| g.object != *object),
        other => panic!("{other:?} is not of the mesh"),
    }
}

/// An edit of the mesh, by two worlds and three numbers.
pub(in crate::engine::live) fn step_in_mesh(
    [from, to]: [&World; 2],
    kind: u8,
    (n, m): (u8, u8),
) -> Option<Edit> {
    let from_either = if m.is_multiple_of(2) { from } else { to };
    Some(match kind {
        0..=2 => Edit::SetAuthorizationPolicy(one(&to.authorization_policies, n)?.clone()),
        3..=5 => Edit::SetAuthorizationPolicy(about(one(&from_either.pods, n)?, m)),
        6 => {
            let policy = one(&from_either.authorization_policies, n)?.clone();
            Edit::SetAuthorizationPolicy(other_policy(policy, m))
        }
        7 => {
            let policy = one(&from_either.authorization_policies, n)?;
            Edit::RemoveAuthorizationPolicy(policy.object.clone())
        }
        8..=10 => Edit::SetPeerAuthentication(one(&to.peer_authentications, n)?.clone()),
        11 => {
            let policy = one(&from_either.peer_authentications, n)?.clone();
            Edit::SetPeerAuthentication(other_modes(policy, m))
        }
        12 => {
            let policy = one(&from_either.peer_authentications, n)?;
            Edit::RemovePeerAuthentication(policy.object.clone())
        }
        13 | 14 => Edit::SetService(one(&to.services, n)?.clone()),
        15 => {
            let mut service = one(&from_either.services, n)?.clone();
            match m / 2 % 3 {
                0 => service.headless = !service.headless,
                1 => service.ports.truncate(1),
                _ => service.selector = one(&to.pods, m)?.labels.clone(),
            }
            Edit::SetService(service)
        }
        16 => Edit::RemoveService(one(&from_either.services, n)?.object.clone()),
        17 | 18 => Edit::SetDestinationRule(one(&to.destination_rules, n)?.clone()),
        19 => Edit::RemoveDestinationRule(one(&from_either.destination_rules, n)?.object.clone()),
        20 => Edit::SetGateway(one(&to.gateways, n)?.clone()),
        21 => Edit::RemoveGateway(one(&from_either.gateways, n)?.object.clone()),
        // A pod in the mesh as another one is, or with another identity.
        _ => {
            let (mut pod, other) = (one(&from.pods, n)?.clone(), one(&to.pods, m)?);
            if kind == 22 {
                pod.service_account.clone_from(&other.service_account);
            }
            if !pod.host_network && !pod.host_group {
                pod.proxy = other.proxy.clone();
            }
            Edit::SetPod(pod)
        }
    })
}

/// A policy that admits or refuses one pod by one thing, somewhere.
fn about(pod: &Pod, how: u8) -> AuthorizationPolicy {
    let (namespace, account) = (&pod.namespace, &pod.service_account);
    let mut source = Source::default();
    match how % 9 {
        0 => source.principals = vec![format!("cluster.local/ns/{namespace}/sa/{account}")],
        1 => source.not_principals = vec![format!("cluster.local/ns/{namespace}/sa/{account}")],
        2 => source.principals = vec![format!("*/ns/{namespace}/*")],
        3 => source.namespaces = vec![namespace.clone()],
        4 => source.namespaces = vec![format!("{}*", namespace.get(..2).unwrap())],
        5 => source.namespaces = vec![format!("*{}", namespace.get(1..).unwrap())],
        6 => source.principals = vec![format!("*/sa/{account}")],
        7 => source.service_accounts = vec![format!("{namespace}/{account}")],
        _ => {
            source.ip_blocks = pod
                .addresses
                .known
                .iter()
                .map(ToString::to_string)
                .collect()
        }
    }
    let places = ["shop", "bank", "istio-system"];
    let place = places[usize::from(how / 9) % 3];
    AuthorizationPolicy {
        origin: Origin::default(),
        object: ObjectRef::new(place, "about"),
        selector: Labels::default(),
        targets: Vec::new(),
        dry_run: false,
        action: match how / 27 % 2 {
            0 => AuthorizationAction::Allow,
            _ => AuthorizationAction::Deny,
        },
        rules: vec![AuthorizationRule {
            from: vec![source],
            ..AuthorizationRule::default()
        }],
    }
}

/// Worlds with sidecars, with ambient mode, and sometimes with waypoints, which are not followed.
pub(in crate::engine::live) fn meshed() -> impl Strategy<Value = World> {
    prop_oneof![
        3 => world(),
        2 => ambient_world().prop_map(without_waypoints),
        1 => ambient_world(),
    ]
}

fn without_waypoints(mut world: World) -> World {
    let none = |labels: &mut Labels| labels.remove("istio.io/use-waypoint");
    world
        .namespaces
        .values_mut()
        .for_each(|n| drop(none(&mut n.labels)));
    world
        .services
        .iter_mut()
        .for_each(|s| drop(none(&mut s.labels)));
    world
        .pods
        .iter_mut()
        .for_each(|p| drop(none(&mut p.labels)));
    world
}

/// All pods but some in the mesh, and no policies of the network.
fn crowded(mut world: World) -> World {
    world.network_policies.clear();
    world.admin_policies.clear();
    for (index, pod) in world.pods.iter_mut().enumerate() {
        let bare = matches!(pod.proxy, Proxy::None { .. });
        if bare && index % 3 != 0 && !pod.host_network && !pod.host_group {
            pod.proxy = Proxy::Sidecar {
                inbound: InboundCapture {
                    bypass: always_bypassed(),
                },
                outbound_excluded: PortSet::empty(),
                shown: true,
            };
        }
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        max_shrink_iters: 1_000,
        ..ProptestConfig::default()
    })]

    /// Where nothing but the mesh decides, and nothing else changes.
    #[test]
    fn edits_of_the_mesh_say_what_a_new_engine_says(
        current in meshed().prop_map(crowded),
        mut other in meshed().prop_map(crowded),
        choices in prop::collection::vec((0..24_u8, any::<u8>(), any::<u8>()), 4..32),
    ) {
        other.profile = current.profile.clone();
        let ends = [&current, &other];
        let steps = choices.iter().filter_map(|(kind, n, m)| step_in_mesh(ends, *kind, (*n, *m)));
        let steps = steps.collect();
        follow(current, &other, steps)?;
    }
}

/// The same policy with something else.
fn other_policy(mut policy: AuthorizationPolicy, how: u8) -> AuthorizationPolicy {
    match how / 2 % 5 {
        0 => policy.object.namespace = "istio-system".to_owned(),
        1 => policy.selector = Labels::default(),
        2 => policy.dry_run = !policy.dry_run,
        3 => policy.rules.truncate(1),
        _ => {
            policy.action = match policy.action {
                AuthorizationAction::Allow => AuthorizationAction::Deny,
                _ => AuthorizationAction::Allow,
            }
        }
    }
    policy
}

fn other_modes(mut policy: PeerAuthentication, how: u8) -> PeerAuthentication {
    let strict = Some(MtlsMode::Strict);
    match how / 2 % 4 {
        0 => policy.object.namespace = "istio-system".to_owned(),
        1 => policy.mode = strict,
        2 => policy.selector = Labels::default(),
        _ => {
            policy.mode = strict;
            policy.ports.insert(8080, Some(MtlsMode::Permissive));
        }
    }
    policy
}

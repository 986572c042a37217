//! Laws of the reference, on random worlds.

use palisade_netmodel::{
    AuthorizationAction, AuthorizationPolicy, AuthorizationRule, Decision, Direction, Encryption,
    Endpoint, Enforcement, Flow, MtlsMode, NetworkPolicy, ObjectRef, Origin, Outcome,
    PeerAuthentication, Phase, Protocol, Proxy, Rule, Selector, World, reference,
};
use palisade_testkit::worlds::{interesting_flows, world};
use proptest::prelude::*;

/// A sample of the flows, the same for equal worlds.
fn flows(world: &World) -> impl Iterator<Item = Flow> + use<> {
    interesting_flows(world).into_iter().step_by(37)
}

fn outcome(world: &World, flow: &Flow) -> Outcome {
    reference::decide(world, flow).outcome
}

/// Both ends exist: two live pods, or one and an address that is no pod's.
fn exists(world: &World, flow: &Flow) -> bool {
    let here = |end: Endpoint| match end {
        Endpoint::Address(address) => world.pods.iter().all(|p| {
            p.host_network || p.phase != Phase::Live || !p.addresses.known.contains(&address)
        }),
        Endpoint::Pod(id) => world.pod(id).is_some_and(|p| p.phase == Phase::Live),
    };
    let group = match flow.destination {
        Endpoint::Pod(id) => world.pod(id).is_some_and(|p| p.host_group),
        Endpoint::Address(_) => false,
    };
    here(flow.source) && here(flow.destination) && !group
}

fn policy(namespace: &str, direction: Direction, rules: Vec<Rule>) -> NetworkPolicy {
    let (ingress, egress) = match direction {
        Direction::Ingress => (Some(rules), None),
        Direction::Egress => (None, Some(rules)),
    };
    NetworkPolicy {
        origin: Origin::default(),
        object: ObjectRef::new(namespace, "added"),
        pod_selector: Selector::everything(),
        ingress,
        egress,
    }
}

fn direction() -> impl Strategy<Value = Direction> {
    prop_oneof![Just(Direction::Ingress), Just(Direction::Egress)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    /// Without policies and mesh objects, everything between ends that exist passes, in the clear, if the
    /// network plugin carries it.
    #[test]
    fn nothing_closes_an_empty_world(mut world in world()) {
        world.network_policies.clear();
        world.admin_policies.clear();
        world.peer_authentications.clear();
        world.authorization_policies.clear();
        world.destination_rules.clear();
        world.gateways.clear();
        for flow in flows(&world) {
            let found = reference::decide(&world, &flow);
            let carried = flow.source == flow.destination || world.profile.carries(flow.protocol);
            let expected = match (exists(&world, &flow), carried) {
                (true, true) => Outcome::Allow,
                (true, false) => Outcome::Depends,
                (false, _) => Outcome::Deny,
            };
            prop_assert_eq!(found.outcome, expected, "{:?}", flow);
            prop_assert_eq!(found.encryption, Encryption::None);
        }
    }

    /// A NetworkPolicy without rules never opens; one more rule in an isolating policy never closes.
    #[test]
    fn network_policies_are_a_union(world in world(), direction in direction()) {
        let mut closed = world.clone();
        closed.network_policies.push(policy("shop", direction, Vec::new()));
        let mut open = closed.clone();
        let all = Rule { origin: Origin::default(), peers: None, ports: None };
        open.network_policies.push(policy("shop", direction, vec![all]));
        for flow in flows(&world) {
            let before = outcome(&world, &flow);
            let after = outcome(&closed, &flow);
            prop_assert!(after >= before, "{:?}", flow);
            prop_assert!(outcome(&open, &flow) <= after, "{:?}", flow);
        }
    }

    /// Every policy twice, or in another order, says the same.
    #[test]
    fn neither_order_nor_repetition_counts(world in world()) {
        let mut other = world.clone();
        other.network_policies.reverse();
        other.network_policies.extend(world.network_policies.clone());
        other.admin_policies.reverse();
        other.admin_policies.extend(world.admin_policies.clone());
        other.authorization_policies.reverse();
        other.authorization_policies.extend(world.authorization_policies.clone());
        for flow in flows(&world) {
            let (a, b) = (reference::decide(&world, &flow), reference::decide(&other, &flow));
            prop_assert_eq!((a.outcome, a.encryption), (b.outcome, b.encryption), "{:?}", flow);
        }
    }

    /// A plugin that does not enforce is a world without NetworkPolicies.
    #[test]
    fn not_enforced_is_without_policies(world in world()) {
        let mut unenforced = world.clone();
        unenforced.profile.cni.enforcement = Enforcement::NotEnforced;
        let mut without = world;
        without.network_policies.clear();
        for flow in flows(&without) {
            prop_assert_eq!(outcome(&unenforced, &flow), outcome(&without, &flow));
        }
    }

    /// An ALLOW rule for everything beside other ALLOW policies never closes; DENY for everything
    /// refuses whatever reaches a proxy.
    #[test]
    fn allow_opens_and_deny_closes(world in world()) {
        let with = |action, rules| {
            let mut world = world.clone();
            let added = |rules| AuthorizationPolicy {
                origin: Origin::default(),
                object: ObjectRef::new("istio-system", "added"),
                selector: Default::default(),
                targets: Vec::new(),
                dry_run: false,
                action,
                rules,
            };
            world.authorization_policies.push(added(rules));
            world
        };
        let everything = || vec![AuthorizationRule::default()];
        let nothing = with(AuthorizationAction::Allow, Vec::new());
        let all = with(AuthorizationAction::Allow, everything());
        let deny = with(AuthorizationAction::Deny, everything());
        for flow in flows(&world) {
            prop_assert!(outcome(&nothing, &flow) >= outcome(&world, &flow), "{:?}", flow);
            prop_assert!(outcome(&all, &flow) <= outcome(&world, &flow), "{:?}", flow);
            prop_assert!(outcome(&deny, &flow) >= outcome(&world, &flow), "{:?}", flow);
            if flow.source != flow.destination && reaches_sidecar(&world, &flow) {
                prop_assert_eq!(outcome(&deny, &flow), Outcome::Deny, "{:?}", flow);
            }
        }
    }

    /// Under STRICT for the mesh, what reaches a sidecar is mesh mTLS, and comes from the mesh.
    #[test]
    fn strict_proves_encryption(mut world in world()) {
        world.peer_authentications = vec![PeerAuthentication {
            origin: Origin::default(),
            object: ObjectRef::new("istio-system", "default"),
            selector: Default::default(),
            mode: Some(MtlsMode::Strict),
            ports: Default::default(),
        }];
        for flow in flows(&world) {
            let found = reference::decide(&world, &flow);
            if found.outcome != Outcome::Deny
                && flow.source != flow.destination
                && reaches_sidecar(&world, &flow)
            {
                prop_assert_eq!(found.encryption, Encryption::MeshMtls, "{:?}", flow);
                let enrolled = match flow.source {
                    Endpoint::Address(_) => false,
                    Endpoint::Pod(id) => {
                        world.pod(id).is_some_and(|p| !matches!(p.proxy, Proxy::None { .. }))
                    }
                };
                prop_assert!(enrolled, "{:?}", flow);
            }
        }
    }

    /// The steps account for the answer: the worst of them is the verdict, unless the preferred way is
    /// refused and another is not; what cannot pass proves nothing of the wire.
    #[test]
    fn the_steps_account_for_the_answer(world in world()) {
        for flow in flows(&world) {
            let Decision { outcome, encryption, because } = reference::decide(&world, &flow);
            let mut steps = because.iter();
            prop_assert!(steps.any(|c| c.outcome == outcome), "{:?}\n{:#?}", flow, because);
            if outcome == Outcome::Allow {
                let all = because.iter().all(|c| c.outcome == Outcome::Allow);
                prop_assert!(all, "{:?}\n{:#?}", flow, because);
            }
            if outcome == Outcome::Deny {
                prop_assert_eq!(encryption, Encryption::None);
            }
            for cause in &because {
                prop_assert!(!cause.text.is_empty() && !cause.text.ends_with('.'));
            }
        }
    }
}

fn reaches_sidecar(world: &World, flow: &Flow) -> bool {
    let Endpoint::Pod(id) = flow.destination else {
        return false;
    };
    flow.protocol == Protocol::Tcp
        && world.pod(id).is_some_and(|p| match &p.proxy {
            Proxy::Sidecar { inbound, .. } => !inbound.bypass.contains(flow.protocol, flow.port),
            _ => false,
        })
}

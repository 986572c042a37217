//! Random worlds with captured pods and waypoints, beside sidecars, gateways and pods outside the mesh.

use crate::worlds::{interesting_flows, selector, world};
use palisade_netmodel::{
    AddressSet, Capture, Endpoint, Flow, HBONE_PORT, Labels, NetworkPolicy, ObjectRef, Origin,
    Phase, Pod, PodId, PolicyPort, PolicyTarget, PortSet, Proxy, Template, Waypoint, WaypointScope,
    Workload, World,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use std::net::IpAddr;
use std::sync::Arc;

/// The label that asks for a waypoint.
const USE: &str = "istio.io/use-waypoint";
/// Where the waypoint of that name is.
const PLACE: &str = "istio.io/use-waypoint-namespace";

/// The label that ties a pod to its Gateway.
const GATEWAY: &str = "gateway.networking.k8s.io/gateway-name";

fn proxy() -> impl Strategy<Value = Option<Proxy>> {
    let capture = select(&[Capture::Shown, Capture::Assumed, Capture::Unclear][..]);
    let ambient = (capture, prop::bool::weighted(0.1)).prop_map(|(capture, bypass_inbound)| {
        Some(Proxy::Ambient {
            capture,
            bypass_inbound,
        })
    });
    prop_oneof![2 => Just(None), 5 => ambient]
}

/// What an object asks of waypoints.
fn asks() -> impl Strategy<Value = Labels> {
    let name = prop_oneof![
        3 => Just(None),
        4 => Just(Some("wp")),
        1 => Just(Some("gone")),
        1 => Just(Some("none")),
    ];
    let place = prop_oneof![4 => Just(None), 1 => Just(Some("bank"))];
    let ingress = option::weighted(0.3, select(&["true", "false"][..]));
    (name, place, ingress).prop_map(|(name, place, ingress)| {
        let pairs = [
            (USE, name),
            (PLACE, name.and(place)),
            ("istio.io/ingress-use-waypoint", ingress),
        ];
        Labels::from_iter(pairs.into_iter().filter_map(|(k, v)| Some((k, v?))))
    })
}

/// A waypoint and one or two pods of it.
fn waypoint(namespace: &'static str) -> impl Strategy<Value = (Waypoint, Vec<Pod>)> {
    let allows = prop_oneof![
        2 => Just(WaypointScope::Same),
        2 => Just(WaypointScope::All),
        1 => selector().prop_map(WaypointScope::Selector),
    ];
    let phase = prop_oneof![6 => Just(Phase::Live), 1 => Just(Phase::Completed)];
    let tier = option::of(select(&["x", "y"][..]));
    let pod = (phase, tier).prop_map(move |(phase, tier)| pod(namespace, phase, tier));
    (any::<bool>(), any::<bool>(), allows, vec(pod, 1..3)).prop_map(
        move |(services, workloads, allows, pods)| {
            let waypoint = Waypoint {
                origin: Origin::default(),
                object: ObjectRef::new(namespace, "wp"),
                services,
                workloads,
                allows,
            };
            (waypoint, pods)
        },
    )
}

fn pod(namespace: &str, phase: Phase, tier: Option<&str>) -> Pod {
    let pairs = [(GATEWAY, Some("wp")), ("tier", tier)];
    let template = Template {
        namespace: namespace.to_owned(),
        workload: Workload {
            kind: "Pod".to_owned(),
            name: String::new(),
        },
        labels: Labels::from_iter(pairs.into_iter().filter_map(|(k, v)| Some((k, v?)))),
        service_account: "wp".to_owned(),
        named_ports: Vec::new(),
        container_ports: PortSet::empty(),
        host_network: false,
        host_group: false,
        proxy: Proxy::Waypoint,
    };
    Pod {
        origin: Origin::default(),
        name: String::new(),
        phase,
        addresses: AddressSet::default(),
        node_addresses: AddressSet::default(),
        template: Arc::new(template),
    }
}

fn target() -> impl Strategy<Value = PolicyTarget> {
    prop_oneof![
        4 => select(&["wp", "gw"][..]).prop_map(|n| PolicyTarget::Gateway(n.to_owned())),
        3 => select(&["web", "db"][..]).prop_map(|n| PolicyTarget::Service(n.to_owned())),
        1 => Just(PolicyTarget::GatewayClass("istio-waypoint".to_owned())),
        1 => Just(PolicyTarget::ServiceEntry("outside".to_owned())),
    ]
}

/// Worlds as those of [`world`], with ambient mode in them.
pub fn ambient_world() -> impl Strategy<Value = World> {
    let choices = (
        vec(proxy(), 6),
        vec(asks(), 3),
        vec(asks(), 3),
        vec(option::weighted(0.3, asks()), 6),
        vec(vec(target(), 0..3), 3),
    );
    let waypoints = (
        option::weighted(0.7, waypoint("shop")),
        option::weighted(0.5, waypoint("bank")),
    );
    (world(), choices, waypoints).prop_map(|(mut world, choices, waypoints)| {
        let (proxies, of_namespaces, of_services, of_pods, targets) = choices;
        for ((pod, proxy), asks) in world.pods.iter_mut().zip(proxies).zip(of_pods) {
            if let Some(proxy) = proxy.filter(|_| !pod.host_network && !pod.host_group) {
                capture(pod, proxy);
            }
            let gateway = pod.proxy == Proxy::Gateway && asks.is_some();
            let name = gateway.then_some((GATEWAY, "gw"));
            pod.labels.extend(name);
            pod.labels.extend(asks.unwrap_or_default().iter());
        }
        for (namespace, asks) in world.namespaces.values_mut().zip(of_namespaces) {
            namespace.labels.extend(asks.iter());
        }
        for (service, asks) in world.services.iter_mut().zip(of_services) {
            service.labels = asks;
        }
        for (policy, targets) in world.authorization_policies.iter_mut().zip(targets) {
            if policy.selector.is_empty() {
                policy.targets = targets;
            }
        }
        world.network_policies.iter_mut().for_each(open_tunnels);
        for (waypoint, pods) in [waypoints.0, waypoints.1].into_iter().flatten() {
            world.waypoints.push(waypoint);
            world.pods.extend(pods);
        }
        for (index, pod) in world.pods.iter_mut().enumerate() {
            pod.name = format!("pod-{index}");
            pod.workload.name = pod.name.clone();
        }
        world
    })
}

/// A pod that does not run any more was captured, if at all, as shown.
fn capture(pod: &mut Pod, proxy: Proxy) {
    pod.proxy = match (proxy, pod.phase) {
        (
            Proxy::Ambient {
                capture: Capture::Assumed,
                bypass_inbound,
            },
            Phase::Completed,
        ) => Proxy::Ambient {
            capture: Capture::Shown,
            bypass_inbound,
        },
        (Proxy::Ambient { bypass_inbound, .. }, Phase::ScaledToZero) => Proxy::Ambient {
            capture: Capture::Assumed,
            bypass_inbound,
        },
        (proxy, _) => proxy,
    };
    let mode = ("istio.io/dataplane-mode", "ambient");
    pod.labels.insert(mode.0, mode.1);
}

/// Rules on port 9000 become rules on the port of tunnels.
fn open_tunnels(policy: &mut NetworkPolicy) {
    let rules = policy
        .ingress
        .iter_mut()
        .chain(&mut policy.egress)
        .flatten();
    for port in rules.flat_map(|rule| rule.ports.iter_mut().flatten()) {
        if let PolicyPort::Range { first, last, .. } = port
            && (*first, *last) == (9000, 9000)
        {
            (*first, *last) = (HBONE_PORT, HBONE_PORT);
        }
    }
}

/// The flows of [`interesting_flows`], those to the port of tunnels, and those of the nodes' probes.
#[must_use]
pub fn ambient_flows(world: &World) -> Vec<Flow> {
    let mut flows = interesting_flows(world);
    let tunnels: Vec<Flow> = flows
        .iter()
        .filter(|flow| flow.port == 80)
        .map(|flow| Flow {
            port: HBONE_PORT,
            ..*flow
        })
        .collect();
    flows.extend(tunnels);
    let probe = Endpoint::Address(IpAddr::from([169, 254, 7, 127]));
    let probes: Vec<Flow> = flows
        .iter()
        .filter(|flow| flow.source == Endpoint::Pod(PodId(0)))
        .map(|flow| Flow {
            source: probe,
            ..*flow
        })
        .filter(|flow| matches!(flow.destination, Endpoint::Pod(_)))
        .collect();
    flows.extend(probes);
    flows
}

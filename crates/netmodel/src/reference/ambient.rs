//! The ambient mesh: pods whose traffic the node's ztunnel captures, and waypoints.
//!
//! Between two captured pods every TCP connection runs in a tunnel (HBONE, mTLS with the caller's
//! certificate) to port 15008 of the destination, so that NetworkPolicy sees 15008 and never the port
//! that is meant (`istio.io, Ambient and Kubernetes NetworkPolicy`). All others reach a captured pod on
//! its own port, in plaintext and without identity.
//!
//! Whether a sidecar or gateway sends or receives HBONE is a setting of the control plane that no
//! object shows: towards and from captured pods both are tried, and between sidecars the tunnel is out
//! of scope. Answers that differ depend.

use super::authorization::{decide, decide_at_waypoint};
use super::client_tls::doors;
use super::mesh::plain_cause;
use super::peer_authentication;
use super::ztunnel::Connection;
use super::{Half, View, layers, network, pod, tiers};
use crate::{
    Capture, Cause, Decision, Direction, Encryption, Endpoint, Flow, HBONE_PORT, Labels, Layer,
    ObjectRef, Outcome, Phase, Pod, Protocol, Proxy, Service, ServicePort, Waypoint, WaypointScope,
    ztunnel_ports,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A way for a connection to reach the destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// In a tunnel.
    Tunnel,
    /// On the port that is meant.
    Plain,
    /// The same, and no ztunnel captures the destination.
    Uncaptured,
}

/// The answer for a flow that ambient mode has a part in; `None` for all others.
pub(super) fn decide_flow(world: View<'_>, flow: &Flow) -> Option<Decision> {
    let ways = ways(world, flow)?;
    let mut answers: Vec<(Way, Half)> = ways
        .into_iter()
        .map(|way| (way, by(world, flow, way)))
        .collect();
    answers.sort_by_key(|(_, half)| half.outcome);
    let passing = || answers.iter().filter(|(_, h)| h.outcome != Outcome::Deny);
    let tunnelled = passing().all(|(way, _)| *way == Way::Tunnel);
    let differ = answers.first().map(|(_, h)| h.outcome) != answers.last().map(|(_, h)| h.outcome);
    let several = answers.len() > 1;
    let (_, mut worst) = answers.pop()?;
    if differ {
        worst.outcome = Outcome::Depends;
    }
    if several {
        let text = "the input does not show whether this connection runs in a tunnel (HBONE)";
        let outcome = if differ {
            Outcome::Depends
        } else {
            worst.outcome
        };
        worst
            .because
            .push(plain_cause(Layer::ClientTls, outcome, text.to_owned()));
    }
    Some(Decision {
        outcome: worst.outcome,
        encryption: if tunnelled && worst.outcome != Outcome::Deny {
            Encryption::MeshMtls
        } else {
            Encryption::None
        },
        because: worst.because,
    })
}

/// The ways that are possible for all that is known.
fn ways(world: View<'_>, flow: &Flow) -> Option<Vec<Way>> {
    let receiver = pod(world, flow.destination).filter(|_| flow.protocol == Protocol::Tcp)?;
    let caller = pod(world, flow.source).map(|pod| &pod.proxy);
    let ways = match (caller, &receiver.proxy) {
        // A sidecar listens for tunnels if the control plane asks for it.
        (Some(Proxy::Ambient { .. } | Proxy::Waypoint), Proxy::Sidecar { .. }) => {
            vec![Way::Tunnel, Way::Plain]
        }
        (caller, Proxy::Ambient { capture, .. }) => {
            let mut ways = match caller {
                Some(Proxy::Waypoint) => vec![Way::Tunnel],
                Some(Proxy::Ambient { capture, .. }) if *capture != Capture::Unclear => {
                    vec![Way::Tunnel]
                }
                Some(Proxy::Ambient { .. } | Proxy::Sidecar { .. } | Proxy::Gateway) => {
                    vec![Way::Tunnel, Way::Plain]
                }
                Some(Proxy::None { .. }) | None => vec![Way::Plain],
            };
            if *capture == Capture::Unclear {
                ways.push(Way::Uncaptured);
            }
            ways
        }
        _ => return None,
    };
    Some(ways)
}

fn by(world: View<'_>, flow: &Flow, way: Way) -> Half {
    match way {
        Way::Uncaptured => network(world, flow),
        Way::Plain => plain(world, flow),
        Way::Tunnel => tunnel(world, flow),
    }
}

/// On the port that is meant. What comes from the pod's own node comes from the address of probes, and
/// the network plugin sees that one: whether it still counts as the node is not laid down
/// (`istio.io, Ambient and Kubernetes NetworkPolicy`: admit 169.254.7.127).
fn plain(world: View<'_>, flow: &Flow) -> Half {
    let (mut half, _) = layers(world, flow);
    let receiver = pod(world, flow.destination);
    let captured = receiver.filter(|pod| matches!(pod.proxy, Proxy::Ambient { .. }));
    if captured.is_some_and(|pod| tiers::is_own_node(world, pod, flow.source)) {
        let [v4, v6] = probe_addresses();
        let is_v6 = matches!(flow.source, Endpoint::Address(IpAddr::V6(_)));
        let seen = Flow {
            source: Endpoint::Address(if is_v6 { v6 } else { v4 }),
            ..*flow
        };
        let ingress = tiers::half(world, Direction::Ingress, &seen);
        if ingress.outcome != Outcome::Allow {
            half.outcome = half.outcome.and(Outcome::Depends);
            let text = "the node's packets arrive from 169.254.7.127, which no rule admits for certain: some network plugins refuse them";
            half.because.push(plain_cause(
                Layer::Ingress,
                Outcome::Depends,
                text.to_owned(),
            ));
        }
    }
    half
}

/// Every route through tunnels: by each Service that leads to the port, and to the pod's own address.
/// What the caller gets by a Service counts if it passes; a process can always call the address.
fn tunnel(world: View<'_>, flow: &Flow) -> Half {
    let Some(receiver) = pod(world, flow.destination) else {
        return network(world, flow);
    };
    let bare = route(world, flow, None);
    let by_address = follow(world, flow, receiver, &bare);
    let mut by_service: Vec<(Route<'_>, Half)> = doors(world, receiver, flow.port)
        .into_iter()
        .map(|door| route(world, flow, Some(door)))
        .map(|route| (route, follow(world, flow, receiver, &route)))
        .collect();
    by_service.sort_by_key(|(_, half)| half.outcome);
    let refused = |half: &Half| half.outcome == Outcome::Deny;
    let all_refused = refused(&by_address) && by_service.iter().all(|(_, half)| refused(half));
    let mut services = by_service.into_iter();
    let Some((taken, mut best)) = services.next() else {
        return by_address;
    };
    let first = best.outcome;
    if first != Outcome::Allow && !all_refused {
        best.outcome = Outcome::Depends;
    }
    let at_waypoint = !matches!(taken, Route::Direct);
    let past = matches!(bare, Route::Direct) && !refused(&by_address);
    if at_waypoint && past {
        let text = "a call to the pod's own address goes past the waypoint, and no rule at the pod refuses it";
        best.because.push(plain_cause(
            Layer::Authorization,
            best.outcome,
            text.to_owned(),
        ));
    } else if first != best.outcome {
        let text = "calls by another Service, or to the pod's own address, fare differently";
        best.because.push(plain_cause(
            Layer::Authorization,
            Outcome::Depends,
            text.to_owned(),
        ));
    }
    best
}

/// The tunnels that a call runs through.
#[derive(Debug, Clone, Copy)]
enum Route<'w> {
    /// One, to the destination.
    Direct,
    /// One to a waypoint, which judges the request, and one from there.
    Through(&'w Waypoint, Option<(&'w Service, &'w ServicePort)>),
    /// The input names a waypoint and does not hold its Gateway.
    Unknown,
}

/// The route of a call by a Service, or to the pod's own address. Only ztunnel sends to waypoints; a
/// gateway does it for Services that ask for it (`istio.io/ingress-use-waypoint`).
fn route<'w>(
    world: View<'w>,
    flow: &Flow,
    door: Option<(&'w Service, &'w ServicePort)>,
) -> Route<'w> {
    let Some((caller, receiver)) = pod(world, flow.source).zip(pod(world, flow.destination)) else {
        return Route::Direct;
    };
    // A sidecar is not the end of a waypoint's tunnel.
    let captured = matches!(receiver.proxy, Proxy::Ambient { .. });
    let (labels, namespace) = match door {
        Some((service, _)) => (&service.labels, &service.object.namespace),
        None => (&receiver.labels, &receiver.namespace),
    };
    let asks = match caller.proxy {
        Proxy::Ambient { .. } => true,
        Proxy::Gateway => door.is_some() && from_ingress(world, labels, namespace),
        _ => false,
    };
    if !captured || !asks {
        return Route::Direct;
    }
    match used_waypoint(world, labels, namespace) {
        Used::None => Route::Direct,
        Used::Unknown => Route::Unknown,
        Used::Waypoint(waypoint) => {
            let takes = match door {
                Some(_) => waypoint.services,
                None => waypoint.workloads,
            };
            if takes {
                Route::Through(waypoint, door)
            } else {
                Route::Direct
            }
        }
    }
}

/// Of the Service, else of its namespace.
fn from_ingress(world: View<'_>, labels: &Labels, namespace: &str) -> bool {
    let label = "istio.io/ingress-use-waypoint";
    let of_namespace = || world.namespace_labels(namespace)?.get(label);
    labels.get(label).or_else(of_namespace) == Some("true")
}

enum Used<'w> {
    None,
    Waypoint(&'w Waypoint),
    Unknown,
}

/// `istio.io/use-waypoint` on the object, else on its namespace; `none` asks for none
/// (`istio, ambient/waypoints.go: fetchWaypointForTarget`).
fn used_waypoint<'w>(world: View<'w>, labels: &Labels, namespace: &str) -> Used<'w> {
    let label = "istio.io/use-waypoint";
    let from = if labels.get(label).is_some() {
        Some(labels)
    } else {
        world.namespace_labels(namespace)
    };
    let Some((from, name)) = from.and_then(|l| Some((l, l.get(label)?))) else {
        return Used::None;
    };
    if name == "none" {
        return Used::None;
    }
    let place = from
        .get("istio.io/use-waypoint-namespace")
        .unwrap_or(namespace);
    let wanted = ObjectRef::new(place, name);
    let Some(waypoint) = world.world().waypoints.iter().find(|w| w.object == wanted) else {
        return Used::Unknown;
    };
    let allowed = match &waypoint.allows {
        WaypointScope::All => true,
        WaypointScope::Same => waypoint.object.namespace == namespace,
        WaypointScope::Selector(selector) => world
            .namespace_labels(namespace)
            .is_some_and(|labels| selector.matches(labels)),
    };
    if allowed {
        Used::Waypoint(waypoint)
    } else {
        Used::None
    }
}

/// The verdict of a route.
fn follow(world: View<'_>, flow: &Flow, receiver: &Pod, route: &Route<'_>) -> Half {
    match route {
        Route::Direct => last_tunnel(world, flow, receiver, flow.source),
        Route::Unknown => undecided("the input does not hold the Gateway of the waypoint"),
        Route::Through(waypoint, door) => {
            let mut halves: Vec<Half> = members(world, waypoint)
                .map(|end| through(world, flow, receiver, (waypoint, *door, end)))
                .collect();
            halves.sort_by_key(|h| h.outcome);
            let differ = halves.first().map(|h| h.outcome) != halves.last().map(|h| h.outcome);
            match halves.pop() {
                None => undecided("the input shows no pod of the waypoint"),
                Some(mut worst) => {
                    if differ {
                        let half = undecided("the pods of the waypoint fare differently");
                        worst.outcome = half.outcome;
                        worst.because.extend(half.because);
                    }
                    worst
                }
            }
        }
    }
}

fn undecided(text: &str) -> Half {
    Half {
        outcome: Outcome::Depends,
        because: vec![plain_cause(
            Layer::Authorization,
            Outcome::Depends,
            text.to_owned(),
        )],
    }
}

/// The pods of a waypoint.
fn members<'w>(world: View<'w>, waypoint: &Waypoint) -> impl Iterator<Item = Endpoint> + 'w {
    let wanted = waypoint.object.clone();
    let here = move |pod: &Pod| {
        let name = pod.labels.get("gateway.networking.k8s.io/gateway-name");
        pod.proxy == Proxy::Waypoint
            && pod.phase == Phase::Live
            && pod.namespace == wanted.namespace
            && name == Some(wanted.name.as_str())
    };
    let pods = world.world().pods().filter(move |(_, pod)| here(pod));
    pods.map(|(id, _)| Endpoint::Pod(id))
}

/// A call by one pod of a waypoint.
fn through(
    world: View<'_>,
    flow: &Flow,
    receiver: &Pod,
    (waypoint, door, end): (&Waypoint, Option<(&Service, &ServicePort)>, Endpoint),
) -> Half {
    let first = network(
        world,
        &Flow {
            destination: end,
            port: HBONE_PORT,
            ..*flow
        },
    );
    let judged = decide_at_waypoint(world, flow, waypoint, door);
    let second = last_tunnel(world, flow, receiver, end);
    let name = format!(
        "by waypoint {}, which opens a connection of its own",
        waypoint.object
    );
    let mut because = first.because;
    because.push(Cause {
        origin: waypoint.origin,
        ..plain_cause(Layer::Authorization, Outcome::Allow, name)
    });
    because.extend(judged.because);
    because.extend(second.because);
    Half {
        outcome: first.outcome.and(judged.outcome).and(second.outcome),
        because,
    }
}

/// The tunnel to the destination, from the caller or from a waypoint, whose identity the destination's
/// proxy then sees.
fn last_tunnel(world: View<'_>, flow: &Flow, receiver: &Pod, from: Endpoint) -> Half {
    let mut half = network(
        world,
        &Flow {
            source: from,
            port: HBONE_PORT,
            ..*flow
        },
    );
    let identity = pod(world, from);
    let judged = match receiver.proxy {
        Proxy::Ambient { .. } => at_ztunnel(world, flow, receiver, (from, identity)),
        _ => decide(world, flow, receiver, identity),
    };
    half.because.push(plain_cause(
        Layer::ClientTls,
        Outcome::Allow,
        format!("the connection runs in a tunnel (HBONE) to port {HBONE_PORT}, with mesh mTLS"),
    ));
    half.because.extend(judged.because);
    half.outcome = half.outcome.and(judged.outcome);
    half
}

/// The verdict of the destination's ztunnel.
fn at_ztunnel(
    world: View<'_>,
    flow: &Flow,
    receiver: &Pod,
    (peer, identity): (Endpoint, Option<&Pod>),
) -> Half {
    if ztunnel_ports().contains(flow.protocol, flow.port) {
        let text = format!(
            "port {} is ztunnel's own: it connects nobody to it",
            flow.port
        );
        return Half {
            outcome: Outcome::Deny,
            because: vec![plain_cause(Layer::PeerAuthentication, Outcome::Deny, text)],
        };
    }
    let connection = Connection {
        world,
        receiver,
        port: flow.port,
        peer,
        identity,
    };
    connection.decide()
}

/// What the destination's ztunnel makes of plaintext.
pub(super) fn plaintext(
    world: View<'_>,
    flow: &Flow,
    receiver: &Pod,
    bypass_inbound: bool,
) -> Half {
    let open = |text: &str| Half {
        outcome: Outcome::Allow,
        because: vec![plain_cause(
            Layer::PeerAuthentication,
            Outcome::Allow,
            text.to_owned(),
        )],
    };
    // Processes of the node reach the pod from an address of their own, which ztunnel leaves alone.
    let probe = match flow.source {
        Endpoint::Address(address) => probe_addresses().contains(&address),
        Endpoint::Pod(_) => false,
    };
    if probe || tiers::is_own_node(world, receiver, flow.source) {
        return open("probes of the node are exempt from ztunnel's rules");
    }
    if bypass_inbound && flow.port != HBONE_PORT {
        return open(
            "plaintext that arrives goes past ztunnel (ambient.istio.io/bypass-inbound-capture)",
        );
    }
    let mode = peer_authentication::plaintext(world, receiver, flow.port);
    if mode.outcome == Outcome::Deny {
        return Half {
            outcome: Outcome::Deny,
            because: vec![mode],
        };
    }
    let mut half = at_ztunnel(world, flow, receiver, (flow.source, None));
    half.outcome = half.outcome.and(mode.outcome);
    half.because.insert(0, mode);
    half
}

/// The addresses that probes of the node are translated to (`istio-cni`, `HostProbeSNATIP`).
pub(super) fn probe_addresses() -> [IpAddr; 2] {
    [
        IpAddr::V4(Ipv4Addr::new(169, 254, 7, 127)),
        IpAddr::V6(Ipv6Addr::new(
            0xfd16, 0x9254, 0x7127, 0x1337, 0xffff, 0xffff, 0xffff, 0xffff,
        )),
    ]
}

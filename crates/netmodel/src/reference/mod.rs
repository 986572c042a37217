//! The plain definition of "may this flow pass, and how is it encrypted?".
//!
//! Short and slow: one flow at a time, every object looked at anew, in the words of the Kubernetes
//! and Istio documents. It is never optimised. Every engine must agree with it; where they differ,
//! the specification decides, and this text is corrected only if it misreads the specification.

mod admin;
mod ambient;
mod authorization;
mod client_tls;
mod gateway;
mod matching;
mod mesh;
mod network_policy;
mod peer_authentication;
mod tiers;
mod view;
mod ztunnel;

pub use view::{Candidates, View};

use crate::{
    Cause, Decision, Direction, Encryption, Endpoint, Flow, Layer, Origin, Outcome, Phase, Pod,
    Service, ServicePort, World,
};

/// Judges one flow.
#[must_use]
pub fn decide(world: &World, flow: &Flow) -> Decision {
    decide_in(View::whole(world), flow)
}

/// Judges one flow by what is looked through of its world. A packet meets the layers in this order: do
/// the ends exist, egress at the source, ingress at the destination, the destination's proxy.
#[must_use]
pub fn decide_in(world: View<'_>, flow: &Flow) -> Decision {
    if let Some(cause) = missing_end(world, flow) {
        return denied(vec![cause]);
    }
    // Kubernetes documentation, Network Policies: a pod cannot block access to itself.
    if flow.source == flow.destination && pod(world, flow.source).is_some() {
        let text = "a pod always reaches itself".to_owned();
        return Decision {
            outcome: Outcome::Allow,
            encryption: Encryption::None,
            because: vec![node(Outcome::Allow, Origin::default(), text)],
        };
    }
    if let Some(decision) = ambient::decide_flow(world, flow) {
        return decision;
    }
    let (Half { outcome, because }, encryption) = layers(world, flow);
    Decision {
        outcome,
        encryption,
        because,
    }
}

/// Whether the sidecar of a flow's source sends mesh mTLS if the destination is called by this port of this Service,
/// which leads there. [`decide`] judges every way to a pod together.
#[must_use]
pub fn sends_mtls(world: &World, flow: &Flow, service: &Service, port: &ServicePort) -> bool {
    let world = View::whole(world);
    let ends = pod(world, flow.source).zip(pod(world, flow.destination));
    ends.is_some_and(|(caller, receiver)| {
        client_tls::sidecar_sends_mtls(world, caller, (receiver, flow.port), (service, port))
    })
}

/// Every layer on the port that is meant: no tunnel.
fn layers(world: View<'_>, flow: &Flow) -> (Half, Encryption) {
    let mut half = network(world, flow);
    let (verdict, encryption) = mesh::decide(world, flow, &mut half.because);
    half.outcome = half.outcome.and(verdict);
    match half.outcome {
        Outcome::Deny => (half, Encryption::None),
        _ => (half, encryption),
    }
}

/// The network layers at both ends.
fn network(world: View<'_>, flow: &Flow) -> Half {
    let mut found = Half {
        outcome: Outcome::Allow,
        because: Vec::new(),
    };
    for direction in [Direction::Egress, Direction::Ingress] {
        let half = tiers::half(world, direction, flow);
        found.outcome = found.outcome.and(half.outcome);
        found.because.extend(half.because);
    }
    found
}

/// The verdict of one layer.
struct Half {
    outcome: Outcome,
    because: Vec<Cause>,
}

fn denied(because: Vec<Cause>) -> Decision {
    Decision {
        outcome: Outcome::Deny,
        encryption: Encryption::None,
        because,
    }
}

/// A cause that is no policy.
fn node(outcome: Outcome, origin: Origin, text: String) -> Cause {
    Cause {
        layer: Layer::Node,
        outcome,
        subject: None,
        origin,
        text,
    }
}

/// The pod of an end, if it is one.
fn pod(world: View<'_>, end: Endpoint) -> Option<&Pod> {
    match end {
        Endpoint::Pod(id) => world.world().pod(id),
        Endpoint::Address(_) => None,
    }
}

/// An end that is no endpoint: a pod that does not exist, has completed
/// (`Kubernetes API, Pod .status.phase` Succeeded or Failed), or is scaled to zero; an address that
/// belongs to a live pod must be asked about as that pod.
fn missing_end(world: View<'_>, flow: &Flow) -> Option<Cause> {
    for (end, role) in [(flow.source, "source"), (flow.destination, "destination")] {
        let problem = match end {
            Endpoint::Address(address) => owner(world, address)
                .map(|pod| (pod.origin, format!("{address} is pod {}", pod.object()))),
            Endpoint::Pod(id) => match world.pod(id) {
                None => Some((Origin::default(), "no such pod".to_owned())),
                Some(pod) => absent(pod, role).map(|why| (pod.origin, why)),
            },
        };
        if let Some((origin, why)) = problem {
            return Some(node(
                Outcome::Deny,
                origin,
                format!("the {role} is no endpoint: {why}"),
            ));
        }
    }
    None
}

fn owner(world: View<'_>, address: std::net::IpAddr) -> Option<&Pod> {
    world
        .owners()
        .find(|p| p.phase == Phase::Live && !p.host_network && p.addresses.known.contains(&address))
}

fn absent(pod: &Pod, role: &str) -> Option<String> {
    match pod.phase {
        Phase::Completed => Some(format!("pod {} has completed", pod.object())),
        Phase::ScaledToZero => Some(format!(
            "{} {} is scaled to zero",
            pod.workload.kind, pod.workload.name
        )),
        Phase::Live if pod.host_group && role == "destination" => {
            Some("the nodes' host network is only a source".to_owned())
        }
        Phase::Live => None,
    }
}

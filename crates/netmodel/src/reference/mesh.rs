//! The mesh at the destination, without tunnels: does the receiver accept what the caller sends, and does
//! AuthorizationPolicy admit it?

use super::client_tls::Sent;
use super::{View, ambient, authorization, client_tls, gateway, peer_authentication, pod};
use crate::{Cause, Encryption, Flow, Layer, MtlsMode, Origin, Outcome, Pod, Protocol, Proxy};

/// The mesh's verdict, and what is proven of the wire.
pub(super) fn decide(
    world: View<'_>,
    flow: &Flow,
    because: &mut Vec<Cause>,
) -> (Outcome, Encryption) {
    let untouched = (Outcome::Allow, Encryption::None);
    let Some(receiver) = pod(world, flow.destination) else {
        return untouched;
    };
    // UDP and SCTP never reach a proxy.
    if flow.protocol != Protocol::Tcp {
        return untouched;
    }
    match &receiver.proxy {
        Proxy::None { .. } => untouched,
        Proxy::Sidecar { inbound, .. } if inbound.bypass.contains(flow.protocol, flow.port) => {
            because.push(Cause {
                layer: Layer::PeerAuthentication,
                outcome: Outcome::Allow,
                subject: None,
                origin: receiver.origin,
                text: format!(
                    "port {} bypasses the sidecar: no mesh rule applies",
                    flow.port
                ),
            });
            untouched
        }
        Proxy::Sidecar { .. } => sidecar(world, flow, receiver, because),
        Proxy::Gateway => gateway::decide(world, flow, receiver, because),
        Proxy::Ambient { bypass_inbound, .. } => {
            let half = ambient::plaintext(world, flow, receiver, *bypass_inbound);
            because.extend(half.because);
            (half.outcome, Encryption::None)
        }
        Proxy::Waypoint => {
            let text = "a waypoint is a proxy without an application of its own";
            because.push(plain_cause(
                Layer::PeerAuthentication,
                Outcome::Allow,
                text.to_owned(),
            ));
            untouched
        }
    }
}

/// One way of sending, judged.
struct Try {
    outcome: Outcome,
    because: Vec<Cause>,
}

fn sidecar(
    world: View<'_>,
    flow: &Flow,
    receiver: &Pod,
    because: &mut Vec<Cause>,
) -> (Outcome, Encryption) {
    let (mode, mode_cause) = peer_authentication::mode(world, receiver, flow.port);
    let ways = client_tls::ways(world, flow, receiver, mode);
    let tries: Vec<Try> = ways
        .iter()
        .map(|way| attempt(world, flow, receiver, *way, (mode, &mode_cause)))
        .collect();
    // What the caller's proxy sends by itself is the first way. The others are possible too: a
    // process can call a pod's address past every Service, and then sends plaintext.
    let preferred = tries.first().map_or(Outcome::Deny, |t| t.outcome);
    let outcome = if preferred == Outcome::Allow {
        Outcome::Allow
    } else if tries.iter().all(|t| t.outcome == Outcome::Deny) {
        Outcome::Deny
    } else {
        Outcome::Depends
    };
    because.push(client_tls::cause(world, flow, &ways));
    let mut tries = tries.into_iter();
    because.extend(tries.next().into_iter().flat_map(|first| first.because));
    if preferred == Outcome::Deny
        && let (Some(sent), Some(second)) = (ways.get(1), tries.next())
    {
        other_way(*sent, second, because);
    }
    let plain = attempt(world, flow, receiver, Sent::Plaintext, (mode, &mode_cause));
    let encryption = if outcome != Outcome::Deny && plain.outcome == Outcome::Deny {
        Encryption::MeshMtls
    } else {
        Encryption::None
    };
    (outcome, encryption)
}

/// What becomes of the second way, where the first is refused. That a process could call past its proxy
/// tells nothing if that is refused too; what else stands against a caller with a certificate does.
fn other_way(sent: Sent, second: Try, because: &mut Vec<Cause>) {
    let refused = second.outcome == Outcome::Deny;
    let text = match (sent, refused) {
        (Sent::Plaintext, true) => return,
        (Sent::Plaintext, false) => {
            "that is refused, and plaintext is not: a process that calls past its proxy passes"
        }
        (Sent::MeshMtls, true) => {
            "mesh mTLS is refused too, from a process that uses the mesh certificate itself"
        }
        (Sent::MeshMtls, false) => {
            "mesh mTLS is not refused: a process that uses the mesh certificate itself can pass"
        }
    };
    let outcome = if refused {
        Outcome::Deny
    } else {
        Outcome::Depends
    };
    because.push(plain_cause(Layer::ClientTls, outcome, text.to_owned()));
    if sent == Sent::MeshMtls {
        let steps = second.because.into_iter();
        because.extend(steps.filter(|cause| cause.layer == Layer::Authorization));
    }
}

fn attempt(
    world: View<'_>,
    flow: &Flow,
    receiver: &Pod,
    sent: Sent,
    (mode, mode_cause): (MtlsMode, &Cause),
) -> Try {
    // Istio PeerAuthentication, mtls.mode: STRICT refuses plaintext; DISABLE does not terminate mTLS.
    let accepted = match mode {
        MtlsMode::Strict => sent == Sent::MeshMtls,
        MtlsMode::Permissive => true,
        MtlsMode::Disable => sent == Sent::Plaintext,
    };
    let mut cause = mode_cause.clone();
    if !accepted {
        cause.outcome = Outcome::Deny;
        cause.text = format!("{}; {} is refused", cause.text, sent.words());
        return Try {
            outcome: Outcome::Deny,
            because: vec![cause],
        };
    }
    let identity = (sent == Sent::MeshMtls)
        .then(|| pod(world, flow.source))
        .flatten();
    let verdict = authorization::decide(world, flow, receiver, identity);
    let mut because = vec![cause];
    because.extend(verdict.because);
    Try {
        outcome: verdict.outcome,
        because,
    }
}

/// A mesh cause without an object.
pub(super) fn plain_cause(layer: Layer, outcome: Outcome, text: String) -> Cause {
    Cause {
        layer,
        outcome,
        subject: None,
        origin: Origin::default(),
        text,
    }
}

//! Istio gateways: their listeners follow Gateway servers, not PeerAuthentication
//! (`istio.io, Gateway, Server.tls`).

use super::mesh::plain_cause;
use super::{View, authorization, client_tls, pod};
use crate::{
    Cause, Encryption, Flow, Gateway, GatewayServer, Layer, Outcome, Pod, Proxy, ServerTls, Subject,
};

/// The gateway's verdict, and what is proven of the wire.
pub(super) fn decide(
    world: View<'_>,
    flow: &Flow,
    receiver: &Pod,
    because: &mut Vec<Cause>,
) -> (Outcome, Encryption) {
    let servers = servers(world, receiver, flow.port);
    if servers.is_empty() {
        let text = format!("no Gateway server describes port {}", flow.port);
        because.push(plain_cause(Layer::PeerAuthentication, Outcome::Allow, text));
        return (Outcome::Allow, Encryption::None);
    }
    for (gateway, server) in &servers {
        because.push(Cause {
            layer: Layer::PeerAuthentication,
            outcome: Outcome::Allow,
            subject: Some(Subject {
                kind: "Gateway",
                object: gateway.object.clone(),
            }),
            origin: server.origin,
            text: format!(
                "the server of port {} has TLS {:?}",
                server.port, server.tls
            ),
        });
    }
    let mesh_only = servers.iter().all(|(_, s)| s.tls == ServerTls::IstioMutual);
    let tls_only = servers.iter().all(|(_, s)| s.tls != ServerTls::None);
    let caller = pod(world, flow.source)
        .filter(|p| matches!(p.proxy, Proxy::Sidecar { .. } | Proxy::Gateway));
    if mesh_only && caller.is_none() {
        let text = "the caller has no mesh certificate".to_owned();
        because.push(plain_cause(Layer::PeerAuthentication, Outcome::Deny, text));
        return (Outcome::Deny, Encryption::None);
    }
    let identity = caller.filter(|_| mesh_only);
    let wires = servers
        .iter()
        .map(|(_, s)| authorization::wire_of_server(s));
    let verdict = authorization::decide_on(world, flow, receiver, identity, wires.collect());
    because.extend(verdict.because);
    let encryption = match (mesh_only, tls_only) {
        (true, _) => Encryption::MeshMtls,
        (false, true) => Encryption::Tls,
        (false, false) => Encryption::None,
    };
    (verdict.outcome, encryption)
}

/// The servers on a pod's port. `port.number` is a port of the gateway's Service; without a Service it
/// is the pod's own.
fn servers<'w>(
    world: View<'w>,
    receiver: &Pod,
    port: u16,
) -> Vec<(&'w Gateway, &'w GatewayServer)> {
    let doors = client_tls::doors(world, receiver, port);
    let mut out = Vec::new();
    for gateway in &world.world().gateways {
        if !receiver.labels.include(&gateway.selector) {
            continue;
        }
        for server in &gateway.servers {
            let here = if doors.is_empty() {
                server.port == port
            } else {
                doors.iter().any(|(_, door)| door.port == server.port)
            };
            if here {
                out.push((gateway, server));
            }
        }
    }
    out
}

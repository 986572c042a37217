//! What the lints on ports share: at which pods the ports of a rule are taken.

use super::context::{Context, RuleView};
use super::webhook_blocked::target;
use crate::engine::EndpointId;
use palisade_netmodel::{Direction, Pod, PolicyPort, Protocol};

/// The pods at which the ports of a rule are taken; `None` if addresses, or everybody, are meant too.
pub(super) fn of_rule(cx: &Context<'_>, view: RuleView<'_>) -> Option<Vec<EndpointId>> {
    if view.direction == Direction::Ingress {
        return Some(cx.subjects(view.index).to_vec());
    }
    let peers = view.rule.peers.as_deref()?;
    let mut out = Vec::new();
    for peer in peers {
        if matches!(peer, palisade_netmodel::Peer::Block { .. }) {
            return None;
        }
        out.extend(
            cx.peer(peer)
                .iter()
                .copied()
                .filter(|e| cx.engine.is_destination(*e)),
        );
    }
    Some(out)
}

/// The single numbers among the ports of a rule, with their index.
pub(super) fn numbers(view: RuleView<'_>) -> Vec<(usize, Protocol, u16)> {
    let ports = view.rule.ports.iter().flatten().enumerate();
    ports
        .filter_map(|(index, port)| match port {
            PolicyPort::Range {
                protocol,
                first,
                last,
            } if first == last => Some((index, *protocol, *first)),
            _ => None,
        })
        .collect()
}

/// Ports of Istio's proxies and control plane, which its charts do not declare
/// (`Istio documentation, Ports used by Istio`).
pub(super) fn of_istio(port: u16) -> bool {
    [
        15000, 15001, 15004, 15006, 15008, 15010, 15012, 15014, 15017, 15020, 15021, 15090,
    ]
    .contains(&port)
}

/// Whether a pod says what it listens on, and this port is not in it.
pub(super) fn undeclared(pod: &Pod, protocol: Protocol, port: u16) -> bool {
    !pod.container_ports.is_empty()
        && !pod.container_ports.contains(protocol, port)
        && !of_istio(port)
}

/// The Services in front of a pod.
pub(super) fn services<'a>(cx: &Context<'a>, pod: &Pod) -> Vec<&'a palisade_netmodel::Service> {
    let here = cx.services_in(&pod.template.namespace).iter().copied();
    here.filter(|service| !service.selector.is_empty() && pod.labels.include(&service.selector))
        .collect()
}

/// The pod's port behind a Service's port of the same number, if that is another number, and no
/// Service leads to the number itself.
pub(super) fn behind_service(
    cx: &Context<'_>,
    pod: &Pod,
    protocol: Protocol,
    port: u16,
) -> Option<u16> {
    let services = services(cx, pod);
    let ports = || {
        services
            .iter()
            .flat_map(|service| &service.ports)
            .filter(|p| p.protocol == protocol)
    };
    if ports().any(|p| target(pod, p) == Some(port)) {
        return None;
    }
    ports()
        .filter(|p| p.port == port)
        .find_map(|p| target(pod, p))
}

/// Whether some Service leads to a port of a pod.
pub(super) fn is_target(cx: &Context<'_>, pod: &Pod, protocol: Protocol, port: u16) -> bool {
    let services = services(cx, pod);
    let mut ports = services.iter().flat_map(|service| &service.ports);
    ports.any(|p| p.protocol == protocol && target(pod, p) == Some(port))
}

//! Random pods, their proxies, and the Services before them.

use super::alphabet::{NAMESPACES, address, labels, port, port_name, protocol};
use palisade_netmodel::{
    AddressSet, InboundCapture, Labels, NamedPort, ObjectRef, Origin, Phase, Pod, PortSet,
    Protocol, Proxy, Publication, Service, ServicePort, TargetPort, Template, Workload,
    always_bypassed,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use std::net::IpAddr;

fn named_port() -> impl Strategy<Value = NamedPort> {
    (port_name(), protocol(), port()).prop_map(|(name, protocol, port)| NamedPort {
        name,
        protocol,
        port,
    })
}

fn tcp_ports() -> impl Strategy<Value = PortSet> {
    vec(port(), 0..2).prop_map(|ports| {
        ports.into_iter().fold(PortSet::empty(), |set, p| {
            set.union(&PortSet::single(Protocol::Tcp, p))
        })
    })
}

fn proxy() -> impl Strategy<Value = Proxy> {
    prop_oneof![
        3 => Just(Proxy::None { reason: "not injected".to_owned() }),
        4 => (tcp_ports(), tcp_ports(), any::<bool>()).prop_map(|(more, outbound_excluded, shown)| {
            let inbound = InboundCapture { bypass: always_bypassed().union(&more) };
            Proxy::Sidecar { inbound, outbound_excluded, shown }
        }),
        1 => Just(Proxy::Gateway),
    ]
}

pub(super) fn pod() -> impl Strategy<Value = Pod> {
    let identity = (
        select(&NAMESPACES[..]),
        labels(),
        select(&["default", "robot"][..]),
    );
    let place = (
        prop::bool::weighted(0.1),
        prop_oneof![8 => Just(Phase::Live), 1 => Just(Phase::Completed), 1 => Just(Phase::ScaledToZero)],
        option::of(address()),
        option::of(address()),
        prop::bool::weighted(0.05),
    );
    (identity, place, vec(named_port(), 0..3), proxy()).prop_map(
        |(
            (namespace, labels, account),
            (host_network, phase, own, node, host_group),
            named_ports,
            proxy,
        )| {
            // The host network of nodes is always there, and what does not run is on no node.
            let phase = if host_group { Phase::Live } else { phase };
            let known = |a: Option<IpAddr>| AddressSet {
                known: a
                    .into_iter()
                    .filter(|_| phase != Phase::ScaledToZero)
                    .collect(),
            };
            let proxy = if host_network || host_group {
                Proxy::None {
                    reason: "host network".to_owned(),
                }
            } else {
                proxy
            };
            let template = Template {
                namespace: namespace.to_owned(),
                workload: Workload {
                    kind: "Pod".to_owned(),
                    name: String::new(),
                },
                labels,
                service_account: account.to_owned(),
                named_ports,
                container_ports: PortSet::empty(),
                host_network,
                host_group,
                proxy,
            };
            Pod {
                origin: Origin::default(),
                name: String::new(),
                phase,
                addresses: known(own),
                node_addresses: known(node),
                template: template.into(),
            }
        },
    )
}

pub(super) fn service() -> impl Strategy<Value = Service> {
    let target = prop_oneof![
        port().prop_map(TargetPort::Number),
        port_name().prop_map(TargetPort::Name),
    ];
    let name = select(&["", "http-web", "tcp-db", "odd"][..]);
    let app = option::of(select(&["http", "tcp"][..]).prop_map(str::to_owned));
    let port = (name, protocol(), port(), target, app).prop_map(
        |(name, protocol, port, target, app_protocol)| ServicePort {
            name: name.to_owned(),
            protocol,
            port,
            target,
            app_protocol,
            node_port: None,
        },
    );
    (
        select(&NAMESPACES[..]),
        select(&["web", "db"][..]),
        labels(),
        prop::bool::weighted(0.2),
        vec(port, 1..3),
    )
        .prop_map(|(namespace, name, selector, headless, ports)| Service {
            origin: Origin::default(),
            object: ObjectRef::new(namespace, name),
            labels: Labels::default(),
            selector,
            headless,
            ports,
            publication: Publication::default(),
        })
}

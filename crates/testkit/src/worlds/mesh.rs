//! Random objects of the mesh that say how a connection is encrypted, and gateways.

use super::alphabet::{NAMESPACES, labels, port};
use super::authorization::words;
use palisade_netmodel::{
    ClientTls, DestinationRule, Gateway, GatewayServer, MtlsMode, ObjectRef, Origin,
    PeerAuthentication, ServerTls,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

fn mtls_mode() -> impl Strategy<Value = Option<MtlsMode>> {
    option::of(select(
        &[MtlsMode::Disable, MtlsMode::Permissive, MtlsMode::Strict][..],
    ))
}

pub(super) fn peer_authentication() -> impl Strategy<Value = PeerAuthentication> {
    let ports = prop::collection::btree_map(port(), mtls_mode(), 0..2);
    (select(&NAMESPACES[..]), labels(), mtls_mode(), ports).prop_map(
        |(namespace, selector, mode, ports)| PeerAuthentication {
            origin: Origin::default(),
            object: ObjectRef::new(namespace, "auth"),
            ports: if selector.is_empty() {
                Default::default()
            } else {
                ports
            },
            selector,
            mode,
        },
    )
}

pub(super) fn destination_rule() -> impl Strategy<Value = DestinationRule> {
    let tls = || {
        option::of(select(
            &[
                ClientTls::Disable,
                ClientTls::Simple,
                ClientTls::Mutual,
                ClientTls::IstioMutual,
            ][..],
        ))
    };
    let host = select(
        &[
            "web.shop.svc.cluster.local",
            "*.shop.svc.cluster.local",
            "db.bank.svc.cluster.local",
            "*.local",
        ][..],
    );
    let ports = prop::collection::btree_map(port(), tls(), 0..2);
    (
        select(&NAMESPACES[..]),
        Just("rule"),
        host,
        labels(),
        words(&["*", ".", "bank"]),
        (prop::bool::weighted(0.2), tls()),
        ports,
    )
        .prop_map(
            |(namespace, name, host, workload_selector, export_to, (policy, tls), ports)| {
                DestinationRule {
                    origin: Origin::default(),
                    object: ObjectRef::new(namespace, name),
                    host: host.to_owned(),
                    workload_selector,
                    export_to,
                    policy: policy || tls.is_some() || !ports.is_empty(),
                    tls,
                    ports,
                }
            },
        )
}

pub(super) fn gateway() -> impl Strategy<Value = Gateway> {
    let tls = select(
        &[
            ServerTls::None,
            ServerTls::Passthrough,
            ServerTls::Simple,
            ServerTls::Mutual,
            ServerTls::IstioMutual,
        ][..],
    );
    let server = (port(), select(&["HTTP", "HTTPS", "TCP", "TLS"][..]), tls).prop_map(
        |(port, protocol, tls)| {
            // TLS settings belong to TLS protocols, and must be there.
            let tls = match (protocol, tls) {
                ("HTTP" | "TCP", _) => ServerTls::None,
                (_, ServerTls::None) => ServerTls::Simple,
                (_, tls) => tls,
            };
            let terminates = matches!(tls, ServerTls::Simple | ServerTls::Mutual);
            GatewayServer {
                origin: Origin::default(),
                port,
                protocol: protocol.to_owned(),
                hosts: vec!["*".to_owned()],
                tls,
                credential: terminates.then(|| "certificate".to_owned()),
                https_redirect: false,
            }
        },
    );
    (labels(), vec(server, 1..3)).prop_map(|(selector, servers)| Gateway {
        origin: Origin::default(),
        object: ObjectRef::new("istio-system", "gateway"),
        selector,
        servers,
    })
}

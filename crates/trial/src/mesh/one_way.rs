//! What the reference says of one way of sending. `decide` judges all ways that a caller has together, so here it is
//! asked about a caller who has that one alone.

use palisade_netmodel::reference::decide;
use palisade_netmodel::{
    AuthorizationAction, AuthorizationPolicy, AuthorizationRule, ClientTls, DestinationRule,
    Endpoint, Flow, Labels, ObjectRef, Origin, Outcome, Pod, Protocol, Proxy, Publication, Service,
    ServicePort, Source, TargetPort, World,
};
use std::collections::BTreeMap;

fn pod_mut(world: &mut World, end: Endpoint) -> Option<&mut Pod> {
    match end {
        Endpoint::Pod(id) => world.pods.get_mut(id.0 as usize),
        Endpoint::Address(_) => None,
    }
}

/// Plaintext: the caller is outside the mesh.
#[must_use]
pub fn plaintext(world: &World, flow: &Flow) -> Outcome {
    let mut world = world.clone();
    if let Some(caller) = pod_mut(&mut world, flow.source) {
        caller.proxy = Proxy::None {
            reason: "it sends plaintext".to_owned(),
        };
    }
    decide(&world, flow).outcome
}

/// Mesh mTLS: the caller is a proxy, a DestinationRule has it send mTLS, and one more policy refuses plaintext, so that
/// the other way that is left to a process changes nothing.
#[must_use]
pub fn mtls(world: &World, flow: &Flow) -> Outcome {
    let mut world = world.clone();
    if let Some(caller) = pod_mut(&mut world, flow.source) {
        caller.proxy = Proxy::Gateway;
    }
    let Some(receiver) = pod_mut(&mut world, flow.destination) else {
        return decide(&world, flow).outcome;
    };
    let namespace = receiver.namespace.clone();
    let led = (String::from("lab"), String::from("receiver"));
    receiver.labels.insert(led.0.clone(), led.1.clone());
    let labels = receiver.labels.clone();
    let named = receiver.named_ports.clone();
    let object = || ObjectRef::new(namespace.clone(), "lab");
    let origin = Origin::default();
    let leads = |service: &Service| {
        service.object.namespace == namespace
            && !service.selector.is_empty()
            && labels.include(&service.selector)
            && service.ports.iter().any(|port| match &port.target {
                TargetPort::Number(number) => *number == flow.port,
                TargetPort::Name(name) => {
                    named.iter().any(|p| p.name == *name && p.port == flow.port)
                }
            })
    };
    if !world.services.iter().any(leads) {
        world.services.push(Service {
            origin,
            object: object(),
            labels: Labels::default(),
            selector: Labels::from_iter([led]),
            headless: false,
            ports: vec![ServicePort {
                name: String::new(),
                protocol: Protocol::Tcp,
                port: flow.port,
                target: TargetPort::Number(flow.port),
                app_protocol: None,
                node_port: None,
            }],
            publication: Publication::default(),
        });
    }
    world.destination_rules = vec![DestinationRule {
        origin,
        object: object(),
        host: "*".to_owned(),
        workload_selector: Labels::default(),
        export_to: Vec::new(),
        policy: true,
        tls: Some(ClientTls::IstioMutual),
        ports: BTreeMap::new(),
    }];
    let anonymous = Source {
        not_principals: vec!["*".to_owned()],
        ..Source::default()
    };
    world.authorization_policies.push(AuthorizationPolicy {
        origin,
        object: object(),
        selector: Labels::default(),
        targets: Vec::new(),
        dry_run: false,
        action: AuthorizationAction::Deny,
        rules: vec![AuthorizationRule {
            from: vec![anonymous],
            ..AuthorizationRule::default()
        }],
    });
    decide(&world, flow).outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::shop::{ALLOW_NOTHING, GET_ALONE, PERMISSIVE, STRICT, shop, to};
    use Outcome::{Allow, Deny, Depends};

    /// mTLS alone, and from `web` alone.
    const FOR_WEB: &str = r#"---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: web, namespace: shop}
spec: {rules: [{from: [{source: {principals: [cluster.local/ns/shop/sa/web]}}]}]}
"#;
    /// `web` and everybody else are told to send plaintext.
    const PLAIN_CALLERS: &str = r#"---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: db, namespace: shop}
spec: {host: db, trafficPolicy: {tls: {mode: DISABLE}}}
"#;
    /// Plaintext alone.
    const DISABLE: &str = r#"---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: shop}
spec: {mtls: {mode: DISABLE}}
"#;

    /// What is said of a call from `web` to a port: in plaintext, with mTLS.
    #[test]
    fn each_way_is_judged_alone() {
        let (tcp, http, unnamed) = (5432, 8080, 7777);
        for (objects, port, expected) in [
            ("", tcp, [Allow, Allow]),
            (STRICT, tcp, [Deny, Allow]),
            (STRICT, unnamed, [Deny, Allow]),
            (PERMISSIVE, http, [Allow, Allow]),
            (ALLOW_NOTHING, tcp, [Deny, Deny]),
            (FOR_WEB, tcp, [Deny, Allow]),
            (FOR_WEB, unnamed, [Deny, Allow]),
            (GET_ALONE, http, [Depends, Allow]),
            (GET_ALONE, tcp, [Deny, Allow]),
            (PLAIN_CALLERS, tcp, [Allow, Allow]),
            (DISABLE, http, [Allow, Deny]),
            // Past the sidecar.
            (ALLOW_NOTHING, 9999, [Allow, Allow]),
        ] {
            let world = shop(objects);
            let flow = to(&world, "web", port);
            let found = [plaintext(&world, &flow), mtls(&world, &flow)];
            assert_eq!(found, expected, "{port}: {objects}");
        }
        // The caller's own settings change nothing about what the receiver makes of mTLS.
        let world = shop(&[STRICT, PLAIN_CALLERS].concat());
        let flow = to(&world, "web", tcp);
        assert_eq!(decide(&world, &flow).outcome, Deny);
        assert_eq!(
            [plaintext(&world, &flow), mtls(&world, &flow)],
            [Deny, Allow]
        );
    }

    /// Two that send mTLS differ in who they are, and whoever is asked about sends it.
    #[test]
    fn mtls_is_judged_by_the_callers_identity() {
        let world = shop(FOR_WEB);
        let other = to(&world, "client", 5432);
        assert_eq!(
            [plaintext(&world, &other), mtls(&world, &other)],
            [Deny, Deny]
        );
        let world = shop(STRICT);
        let other = to(&world, "client", 5432);
        assert_eq!(
            [plaintext(&world, &other), mtls(&world, &other)],
            [Deny, Allow]
        );
    }
}

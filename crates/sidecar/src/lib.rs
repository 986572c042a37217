//! What Istio's control plane tells the sidecar of a pod, as a static configuration of Envoy.
//!
//! A *model* of that control plane, for Istio's own data plane: the receiving half of a sidecar, which is where
//! `PeerAuthentication` and `AuthorizationPolicy` act. It is written from Istio's documents and sources, and shares
//! nothing with `netmodel::reference` but the plain types, so that an agreement of the two says something.
//!
//! Not modelled, and told by [`Sidecar::left_out`] where a policy needs it: CUSTOM (an external provider decides),
//! and conditions that need a filter beyond RBAC. Tokens are never verified: no request has a principal.

mod chains;
mod modes;
mod rbac;
mod strings;

use palisade_netmodel::{Pod, World};
use serde_json::{Value, json};

/// Where the sidecar receives what was redirected to it.
pub const INBOUND: u16 = 15006;
/// Envoy's own pages, on the loopback address alone.
pub const ADMIN: u16 = 15000;

/// What a workload shows to others, and by what it knows them: PEM.
#[derive(Debug, Clone, Copy)]
pub struct Credentials<'a> {
    /// Its certificate.
    pub certificate: &'a str,
    /// The key of the certificate.
    pub key: &'a str,
    /// The certificate of the mesh's authority.
    pub authority: &'a str,
}

/// The configuration of one sidecar.
#[derive(Debug, Clone, PartialEq)]
pub struct Sidecar {
    /// Envoy's bootstrap configuration.
    pub bootstrap: Value,
    /// What policies of the pod ask for, and the configuration does not contain.
    pub left_out: Vec<String>,
}

/// The configuration of a pod's sidecar: one listener, to which inbound connections are redirected.
#[must_use]
pub fn configure(world: &World, pod: &Pod, credentials: Credentials<'_>) -> Sidecar {
    let policies = rbac::Policies::of(world, pod);
    let chains = chains::inbound(world, pod, &policies, credentials);
    let address = |address: &str, port: u16| json!({"socket_address": {"address": address, "port_value": port}});
    let filter = |name: &str, kind: &str| {
        let config = json!({"@type": format!("type.googleapis.com/envoy.extensions.filters.listener.{kind}")});
        json!({"name": format!("envoy.filters.listener.{name}"), "typed_config": config})
    };
    let listener = json!({
        "name": "inbound",
        "address": address("0.0.0.0", INBOUND),
        "additional_addresses": [{"address": address("::", INBOUND)}],
        "listener_filters": [
            filter("original_dst", "original_dst.v3.OriginalDst"),
            filter("tls_inspector", "tls_inspector.v3.TlsInspector"),
            filter("http_inspector", "http_inspector.v3.HttpInspector"),
        ],
        "listener_filters_timeout": "5s",
        "continue_on_listener_filters_timeout": true,
        "filter_chains": chains,
    });
    let application = json!({
        "name": chains::APPLICATION,
        "type": "ORIGINAL_DST",
        "lb_policy": "CLUSTER_PROVIDED",
        "connect_timeout": "5s",
    });
    Sidecar {
        bootstrap: json!({
            "node": {"id": pod.object().to_string(), "cluster": "lab"},
            "admin": {"address": address("127.0.0.1", ADMIN)},
            "static_resources": {"listeners": [listener], "clusters": [application]},
        }),
        left_out: policies.left_out(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Credentials, configure};
    use palisade_netmodel::{
        AuthorizationAction, AuthorizationPolicy, AuthorizationRule, Labels, MtlsMode, ObjectRef,
        Operation, Origin, PeerAuthentication, Phase, Pod, Template, World,
    };
    use serde_json::Value;
    use std::collections::BTreeMap;
    use std::sync::Arc;

    fn pod() -> Pod {
        let template = Template {
            namespace: "shop".to_owned(),
            workload: palisade_netmodel::Workload {
                kind: "Pod".to_owned(),
                name: "web".to_owned(),
            },
            labels: Labels::default(),
            service_account: "web".to_owned(),
            named_ports: Vec::new(),
            container_ports: palisade_netmodel::PortSet::empty(),
            host_network: false,
            host_group: false,
            proxy: palisade_netmodel::Proxy::Gateway,
        };
        Pod {
            origin: Origin::default(),
            name: "web".to_owned(),
            phase: Phase::Live,
            addresses: palisade_netmodel::AddressSet::default(),
            node_addresses: palisade_netmodel::AddressSet::default(),
            template: Arc::new(template),
        }
    }

    fn policy(
        name: &str,
        action: AuthorizationAction,
        rules: Vec<AuthorizationRule>,
    ) -> AuthorizationPolicy {
        AuthorizationPolicy {
            origin: Origin::default(),
            object: ObjectRef::new("shop", name),
            selector: Labels::default(),
            targets: Vec::new(),
            dry_run: false,
            action,
            rules,
        }
    }

    fn chains(world: &World) -> Vec<Value> {
        let none = Credentials {
            certificate: "",
            key: "",
            authority: "",
        };
        let bootstrap = configure(world, &pod(), none).bootstrap;
        let chains = bootstrap.pointer("/static_resources/listeners/0/filter_chains");
        chains.unwrap().as_array().unwrap().clone()
    }

    #[test]
    fn strict_has_no_chain_for_plaintext() {
        let plain = |chain: &&Value| chain.get("transport_socket").is_none();
        let mut world = World::default();
        assert!(chains(&world).iter().any(|chain| plain(&chain)));
        world.peer_authentications.push(PeerAuthentication {
            origin: Origin::default(),
            object: ObjectRef::new("shop", "default"),
            selector: Labels::default(),
            mode: Some(MtlsMode::Strict),
            ports: BTreeMap::new(),
        });
        let strict = chains(&world);
        assert!(!strict.is_empty() && !strict.iter().any(|chain| plain(&chain)));
    }

    #[test]
    fn deny_comes_before_allow_and_loses_what_tcp_has_not() {
        let get = Operation {
            methods: vec!["GET".to_owned()],
            ..Operation::default()
        };
        let rule = AuthorizationRule {
            to: vec![get],
            ..AuthorizationRule::default()
        };
        let world = World {
            authorization_policies: vec![
                policy("a", AuthorizationAction::Allow, vec![rule.clone()]),
                policy("d", AuthorizationAction::Deny, vec![rule]),
                policy(
                    "log",
                    AuthorizationAction::Audit,
                    vec![AuthorizationRule::default()],
                ),
            ],
            ..World::default()
        };
        let all = chains(&world);
        let tcp = all.iter().filter(|chain| {
            let last = chain.pointer("/filters/2/name").and_then(Value::as_str);
            last == Some("envoy.filters.network.tcp_proxy")
        });
        let tcp: Vec<&Value> = tcp.collect();
        assert!(!tcp.is_empty());
        for chain in tcp {
            let rules = |n: usize| {
                chain
                    .pointer(&format!("/filters/{n}/typed_config/rules"))
                    .unwrap()
            };
            let text = |n: usize, path: &str| rules(n).pointer(path).unwrap().to_string();
            assert_eq!(text(0, "/action"), r#""DENY""#);
            assert_eq!(
                text(0, "/policies/shop~1d[0]/permissions"),
                r#"[{"any":true}]"#
            );
            assert_eq!(text(1, "/action"), r#""ALLOW""#);
            assert_eq!(text(1, "/policies"), "{}");
        }
    }

    #[test]
    fn what_is_not_contained_is_told() {
        let rule = AuthorizationRule {
            when: vec![palisade_netmodel::Condition {
                key: "connection.sni".to_owned(),
                values: vec!["a".to_owned()],
                ..Default::default()
            }],
            ..AuthorizationRule::default()
        };
        let world = World {
            authorization_policies: vec![
                policy("a", AuthorizationAction::Allow, vec![rule]),
                policy("c", AuthorizationAction::Custom, Vec::new()),
            ],
            ..World::default()
        };
        let none = Credentials {
            certificate: "",
            key: "",
            authority: "",
        };
        let told = configure(&world, &pod(), none).left_out;
        assert_eq!(
            told,
            [
                "shop/a: the key connection.sni",
                "shop/c: an external provider decides"
            ]
        );
    }
}

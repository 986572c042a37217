//! What Istio's control plane tells the sidecar of a pod, as a static configuration of Envoy.
//!
//! A *model* of that control plane, for Istio's own data plane: the receiving half of a sidecar, which is where
//! `PeerAuthentication` and `AuthorizationPolicy` act, and the sending half, where `DestinationRule`, auto mTLS and
//! `outboundTrafficPolicy` do. It is written from Istio's documents and sources, and shares
//! nothing with `netmodel::reference` but the plain types, so that an agreement of the two says something.
//!
//! Not modelled, and told by [`Sidecar::left_out`] where a policy needs it: CUSTOM (an external provider decides), and
//! conditions that need a filter beyond RBAC. Tokens are never verified: no request has a principal.

mod chains;
mod destination;
mod modes;
mod outbound;
mod rbac;
mod secrets;
mod strings;

pub use destination::target;
pub use outbound::Called;

use outbound::Outbound;
use palisade_netmodel::{Pod, World};
use serde_json::{Value, json};

/// Where the sidecar receives what was redirected to it.
pub const INBOUND: u16 = 15006;
/// Where it receives what the pod's processes send.
pub const OUTBOUND: u16 = 15001;
/// The mark of packets that the sidecar itself sends, and that are not redirected to it (`SO_MARK`).
pub const MARK: u32 = 1337;
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
    /// What stands for the certificate and the key that a DestinationRule names (MUTUAL): it is not the mesh's.
    pub named: (&'a str, &'a str),
}

/// The configuration of one sidecar.
#[derive(Debug, Clone, PartialEq)]
pub struct Sidecar {
    /// Envoy's bootstrap configuration.
    pub bootstrap: Value,
    /// What policies of the pod ask for, and the configuration does not contain.
    pub left_out: Vec<String>,
}

/// The configuration of a pod's sidecar: a listener to which inbound connections are redirected, and one for what its
/// processes send, to Services that are called somewhere and to others.
#[must_use]
pub fn configure(
    world: &World,
    pod: &Pod,
    credentials: Credentials<'_>,
    called: &[Called<'_>],
) -> Sidecar {
    let policies = rbac::Policies::of(world, pod);
    let inbound = chains::inbound(world, pod, &policies);
    let outbound = Outbound::of(world, pod, called);
    let mut tls_inspector = filter("tls_inspector", "tls_inspector.v3.TlsInspector");
    if let Some(not_inspected) = inbound.not_inspected {
        put(&mut tls_inspector, "filter_disabled", not_inspected);
    }
    let original = || filter("original_dst", "original_dst.v3.OriginalDst");
    let http = || filter("http_inspector", "http_inspector.v3.HttpInspector");
    let mut inward = listener("inbound", INBOUND, &[original(), tls_inspector, http()]);
    put(&mut inward, "filter_chains", json!(inbound.chains));
    let mut outward = listener("outbound", OUTBOUND, &[original(), http()]);
    put(&mut outward, "filter_chains", json!(outbound.chains));
    put(&mut outward, "default_filter_chain", outbound.others);
    let application = json!({
        "name": chains::APPLICATION,
        "type": "ORIGINAL_DST",
        "lb_policy": "CLUSTER_PROVIDED",
        "connect_timeout": "5s",
    });
    let clusters: Vec<Value> = [application].into_iter().chain(outbound.clusters).collect();
    Sidecar {
        bootstrap: json!({
            "node": {"id": pod.object().to_string(), "cluster": "lab"},
            "admin": {"address": address("127.0.0.1", ADMIN)},
            "cluster_manager": outbound::marked(),
            "static_resources": {
                "listeners": [inward, outward],
                "clusters": clusters,
                "secrets": secrets::all(credentials),
            },
        }),
        left_out: policies.left_out(),
    }
}

fn address(address: &str, port: u16) -> Value {
    json!({"socket_address": {"address": address, "port_value": port}})
}

/// Sets a field of an object.
fn put(object: &mut Value, field: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(field.to_owned(), value);
    }
}

/// A filter that looks at a connection before anything is chosen.
fn filter(name: &str, kind: &str) -> Value {
    let config =
        json!({"@type": format!("type.googleapis.com/envoy.extensions.filters.listener.{kind}")});
    json!({"name": format!("envoy.filters.listener.{name}"), "typed_config": config})
}

/// A listener to which connections are redirected, over both versions of IP.
fn listener(name: &str, port: u16, filters: &[Value]) -> Value {
    json!({
        "name": name,
        "address": address("0.0.0.0", port),
        "additional_addresses": [{"address": address("::", port)}],
        "listener_filters": filters,
        "listener_filters_timeout": "5s",
        "continue_on_listener_filters_timeout": true,
    })
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

    fn none() -> Credentials<'static> {
        Credentials {
            certificate: "",
            key: "",
            authority: "",
            named: ("", ""),
        }
    }

    fn chains(world: &World) -> Vec<Value> {
        let bootstrap = configure(world, &pod(), none(), &[]).bootstrap;
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

    /// On ports whose mode is DISABLE, TLS is passed on as bytes, so nobody may look for it there.
    #[test]
    fn nobody_looks_for_tls_where_it_makes_no_difference() {
        let not_inspected = |mode, ports: &[(u16, MtlsMode)]| {
            let ports = ports.iter().map(|(port, mode)| (*port, Some(*mode)));
            let world = World {
                peer_authentications: vec![PeerAuthentication {
                    origin: Origin::default(),
                    object: ObjectRef::new("shop", "default"),
                    selector: Labels::from_iter([("app".to_owned(), "web".to_owned())]),
                    mode: Some(mode),
                    ports: ports.collect(),
                }],
                ..World::default()
            };
            let mut pod = pod();
            let mut template = (*pod.template).clone();
            template.labels = Labels::from_iter([("app".to_owned(), "web".to_owned())]);
            pod.template = Arc::new(template);
            let bootstrap = configure(&world, &pod, none(), &[]).bootstrap;
            let path = "/static_resources/listeners/0/listener_filters/1/filter_disabled";
            bootstrap.pointer(path).map(Value::to_string)
        };
        let range = |port: u16| {
            format!(
                r#"{{"destination_port_range":{{"end":{},"start":{port}}}}}"#,
                port + 1
            )
        };
        use MtlsMode::{Disable, Permissive, Strict};
        assert_eq!(not_inspected(Permissive, &[(80, Strict)]), None);
        assert_eq!(not_inspected(Strict, &[(80, Disable)]), Some(range(80)));
        let two = not_inspected(Strict, &[(80, Disable), (81, Strict), (82, Disable)]);
        let both = format!(
            r#"{{"or_match":{{"rules":[{},{}]}}}}"#,
            range(80),
            range(82)
        );
        assert_eq!(two, Some(both));
        assert_eq!(
            not_inspected(Disable, &[]),
            Some(r#"{"any_match":true}"#.to_owned())
        );
        let but_one = format!(r#"{{"not_match":{}}}"#, range(80));
        assert_eq!(
            not_inspected(Disable, &[(80, Permissive), (81, Disable)]),
            Some(but_one)
        );
    }

    #[test]
    fn what_no_service_describes_goes_where_the_mesh_says() {
        use palisade_netmodel::OutboundMode::{AllowAny, RegistryOnly};
        for (mode, cluster) in [(AllowAny, "passthrough"), (RegistryOnly, "blackhole")] {
            let mut world = World::default();
            world.mesh.outbound = mode;
            let bootstrap = configure(&world, &pod(), none(), &[]).bootstrap;
            let path =
                "/static_resources/listeners/1/default_filter_chain/filters/0/typed_config/cluster";
            assert_eq!(
                bootstrap.pointer(path).and_then(Value::as_str),
                Some(cluster)
            );
        }
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
        let told = configure(&world, &pod(), none(), &[]).left_out;
        assert_eq!(
            told,
            [
                "shop/a: the key connection.sni",
                "shop/c: an external provider decides"
            ]
        );
    }
}

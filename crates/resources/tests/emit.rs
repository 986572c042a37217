//! What is written reads back as the same model, without a word of complaint.

#![cfg(test)]

use ipnet::IpNet;
use palisade_diagnostics::FileId;
use palisade_netmodel::{
    AuthorizationAction, AuthorizationPolicy, AuthorizationRule, ClientTls, Condition,
    DestinationRule, Gateway, GatewayServer, LabelRequirement, Labels, MtlsMode, NamespaceMatch,
    NetworkPolicy, ObjectRef, Operation, Operator, Origin, OutboundMode, Peer, PeerAuthentication,
    PolicyPort, Protocol, Rule, Selector, ServerTls, ServiceEntry, SidecarScope, SmolStr, Source,
    World,
};
use palisade_resources::emit::{self, Meta};
use palisade_resources::{Input, Options, Role, load};
use palisade_yaml::Value;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// Reads what was written, as YAML and as JSON.
fn read(value: &Value) -> World {
    let [yaml, json] = [value.to_yaml(), value.to_json()].map(|text| {
        let input = Input {
            file: FileId(0),
            text: (&text).into(),
            role: Role::Both,
        };
        let loaded = load(&[input], &Options::default());
        assert_eq!(loaded.diagnostics, [], "{text}");
        placeless(loaded.world)
    });
    assert_eq!(yaml, json);
    yaml
}

fn placeless(mut world: World) -> World {
    let none = Origin::default();
    for policy in &mut world.network_policies {
        policy.origin = none;
        let rules = policy
            .ingress
            .iter_mut()
            .chain(&mut policy.egress)
            .flatten();
        rules.for_each(|rule| rule.origin = none);
    }
    world
        .peer_authentications
        .iter_mut()
        .for_each(|x| x.origin = none);
    for policy in &mut world.authorization_policies {
        policy.origin = none;
        policy.rules.iter_mut().for_each(|rule| rule.origin = none);
    }
    world
        .destination_rules
        .iter_mut()
        .for_each(|x| x.origin = none);
    world
        .service_entries
        .iter_mut()
        .for_each(|x| x.origin = none);
    world.sidecars.iter_mut().for_each(|x| x.origin = none);
    for gateway in &mut world.gateways {
        gateway.origin = none;
        gateway
            .servers
            .iter_mut()
            .for_each(|server| server.origin = none);
    }
    world
}

/// Words that YAML 1.1 could take for something else, among others.
fn word() -> impl Strategy<Value = String> {
    select(vec![
        "a", "no", "y", "on", "012", "1e3", "web", "null", "0x1",
    ])
    .prop_map(str::to_owned)
}

fn object() -> impl Strategy<Value = ObjectRef> {
    (
        select(vec!["shop", "no", "12"]),
        select(vec!["x", "on", "1e3", "a.b"]),
    )
        .prop_map(|(namespace, name)| ObjectRef::new(namespace, name))
}

fn labels() -> impl Strategy<Value = Labels> {
    btree_map(word(), prop_oneof![word(), Just(String::new())], 0..3).prop_map(Labels::from_iter)
}

fn values() -> impl Strategy<Value = Vec<SmolStr>> {
    vec(word().prop_map(SmolStr::from), 1..3).prop_map(|mut list| {
        list.sort();
        list.dedup();
        list
    })
}

fn selector() -> impl Strategy<Value = Selector> {
    let operator = prop_oneof![
        values().prop_map(Operator::In),
        values().prop_map(Operator::NotIn),
        Just(Operator::Exists),
        Just(Operator::DoesNotExist),
    ];
    let requirement = (word(), operator).prop_map(|(key, operator)| LabelRequirement {
        key: key.into(),
        operator,
    });
    vec(requirement, 0..4).prop_map(|mut requirements| {
        requirements.sort();
        requirements.dedup();
        Selector { requirements }
    })
}

fn protocol() -> impl Strategy<Value = Protocol> {
    select(Protocol::ALL.to_vec())
}

fn port() -> impl Strategy<Value = PolicyPort> {
    let range =
        (protocol(), 1..=u16::MAX, 1..=u16::MAX).prop_map(|(protocol, a, b)| PolicyPort::Range {
            protocol,
            first: a.min(b),
            last: a.max(b),
        });
    let single = (protocol(), 1..=u16::MAX).prop_map(|(protocol, a)| PolicyPort::Range {
        protocol,
        first: a,
        last: a,
    });
    let all = protocol().prop_map(|protocol| PolicyPort::Range {
        protocol,
        first: 1,
        last: u16::MAX,
    });
    let named =
        (protocol(), select(vec!["web", "on", "no", "1e3"])).prop_map(|(protocol, name)| {
            PolicyPort::Named {
                protocol,
                name: name.to_owned(),
            }
        });
    prop_oneof![range, single, all, named]
}

fn nets(list: &[&str]) -> Vec<IpNet> {
    list.iter().map(|text| text.parse().unwrap()).collect()
}

fn peer() -> impl Strategy<Value = Peer> {
    let namespaces = prop_oneof![
        select(vec!["shop", "no", "12", "other"]).prop_map(|n| NamespaceMatch::Named(n.to_owned())),
        selector().prop_map(NamespaceMatch::Selector),
    ];
    let pods =
        (namespaces, selector()).prop_map(|(namespaces, pods)| Peer::Pods { namespaces, pods });
    let block = select(vec![
        ("0.0.0.0/0", nets(&["10.0.0.0/8", "192.0.2.1/32"])),
        ("10.0.0.0/8", nets(&[])),
        ("::/0", nets(&["2001:db8::/32"])),
    ])
    .prop_map(|(cidr, except)| Peer::Block {
        cidr: cidr.parse().unwrap(),
        except,
    });
    prop_oneof![pods, block]
}

fn rules() -> impl Strategy<Value = Vec<Rule>> {
    let rule = (option::of(vec(peer(), 1..3)), option::of(vec(port(), 1..3)));
    let rule = rule.prop_map(|(peers, ports)| Rule {
        origin: Origin::default(),
        peers,
        ports,
    });
    vec(rule, 0..3)
}

fn network_policy() -> impl Strategy<Value = NetworkPolicy> {
    let sides = (option::of(rules()), option::of(rules()));
    let sides = sides.prop_filter("isolates in some direction", |(i, e)| {
        i.is_some() || e.is_some()
    });
    (object(), selector(), sides).prop_map(|(object, pod_selector, (ingress, egress))| {
        NetworkPolicy {
            origin: Origin::default(),
            object,
            pod_selector,
            ingress,
            egress,
        }
    })
}

fn mode() -> impl Strategy<Value = Option<MtlsMode>> {
    option::of(select(vec![
        MtlsMode::Disable,
        MtlsMode::Permissive,
        MtlsMode::Strict,
    ]))
}

fn peer_authentication() -> impl Strategy<Value = PeerAuthentication> {
    (
        object(),
        labels(),
        mode(),
        btree_map(1..=u16::MAX, mode(), 0..3),
    )
        .prop_map(|(object, selector, mode, ports)| PeerAuthentication {
            origin: Origin::default(),
            object,
            ports: if selector.is_empty() {
                Default::default()
            } else {
                ports
            },
            selector,
            mode,
        })
}

/// Lists of texts, the first never empty.
fn lists(count: usize) -> impl Strategy<Value = Vec<Vec<String>>> {
    vec(prop_oneof![Just(Vec::new()), vec(word(), 1..3)], count).prop_map(|mut lists| {
        lists[0].push("*".to_owned());
        lists
    })
}

fn source() -> impl Strategy<Value = Source> {
    lists(6).prop_map(|l| Source {
        principals: l[0].clone(),
        not_principals: l[1].clone(),
        namespaces: l[2].clone(),
        not_namespaces: l[3].clone(),
        request_principals: l[4].clone(),
        not_request_principals: l[5].clone(),
        ip_blocks: vec!["10.0.0.0/8".to_owned()],
        not_ip_blocks: vec!["10.0.0.1".to_owned()],
        remote_ip_blocks: vec!["::/0".to_owned()],
        not_remote_ip_blocks: Vec::new(),
        service_accounts: Vec::new(),
        not_service_accounts: Vec::new(),
    })
}

fn operation() -> impl Strategy<Value = Operation> {
    (lists(6), vec(1..=u16::MAX, 0..3), vec(1..=u16::MAX, 0..3)).prop_map(
        |(l, ports, not_ports)| Operation {
            ports,
            not_ports,
            methods: l[0].clone(),
            not_methods: l[1].clone(),
            paths: l[2].clone(),
            not_paths: l[3].clone(),
            hosts: l[4].clone(),
            not_hosts: l[5].clone(),
        },
    )
}

fn authorization_policy() -> impl Strategy<Value = AuthorizationPolicy> {
    let condition = lists(2).prop_map(|l| Condition {
        key: "source.ip".to_owned(),
        values: l[0].clone(),
        not_values: l[1].clone(),
    });
    let rule = (
        vec(source(), 0..3),
        vec(operation(), 0..3),
        vec(condition, 0..2),
    );
    let rule = rule.prop_map(|(from, to, when)| AuthorizationRule {
        origin: Origin::default(),
        from,
        to,
        when,
    });
    let actions = vec![
        AuthorizationAction::Allow,
        AuthorizationAction::Deny,
        AuthorizationAction::Audit,
    ];
    (
        object(),
        labels(),
        any::<bool>(),
        select(actions),
        vec(rule, 0..3),
    )
        .prop_map(
            |(object, selector, dry_run, action, rules)| AuthorizationPolicy {
                origin: Origin::default(),
                object,
                selector,
                targets: Vec::new(),
                dry_run,
                action: if rules.is_empty() {
                    AuthorizationAction::Allow
                } else {
                    action
                },
                rules,
            },
        )
}

fn destination_rule() -> impl Strategy<Value = DestinationRule> {
    let tls = select(vec![
        ClientTls::Disable,
        ClientTls::Simple,
        ClientTls::Mutual,
        ClientTls::IstioMutual,
    ]);
    let host = select(vec!["*", "*.local", "web.shop.svc.cluster.local"]);
    let export = prop_oneof![Just(Vec::new()), Just(vec![".".to_owned(), "*".to_owned()])];
    let ports = btree_map(1..=u16::MAX, tls.clone().prop_map(Some), 0..3);
    let policy = (any::<bool>(), option::of(tls));
    (object(), host, labels(), export, policy, ports).prop_map(
        |(object, host, workload_selector, export_to, (policy, tls), ports)| DestinationRule {
            origin: Origin::default(),
            object,
            host: host.to_owned(),
            workload_selector,
            export_to,
            policy: policy || tls.is_some() || !ports.is_empty(),
            tls,
            ports,
        },
    )
}

fn service_entry() -> impl Strategy<Value = ServiceEntry> {
    let host = select(vec!["api.example.com", "*.example.com"]).prop_map(str::to_owned);
    let port = (
        1..=u16::MAX,
        select(vec!["HTTP", "TLS", "GRPC-WEB"]).prop_map(str::to_owned),
    );
    (object(), vec(host, 1..3), vec(port, 1..3), any::<bool>()).prop_map(
        |(object, hosts, ports, external)| ServiceEntry {
            origin: Origin::default(),
            object,
            hosts,
            ports,
            external,
        },
    )
}

fn sidecar() -> impl Strategy<Value = SidecarScope> {
    let modes = vec![OutboundMode::AllowAny, OutboundMode::RegistryOnly];
    let host = select(vec!["./*", "*/*", "shop/web.local"]).prop_map(str::to_owned);
    (
        object(),
        labels(),
        option::of(select(modes)),
        vec(host, 0..3),
    )
        .prop_map(|(object, selector, outbound, egress_hosts)| SidecarScope {
            origin: Origin::default(),
            object,
            selector,
            outbound,
            egress_hosts,
        })
}

fn gateway() -> impl Strategy<Value = Gateway> {
    let settings = select(vec![
        ("HTTP", ServerTls::None, None, true),
        ("TCP", ServerTls::None, None, false),
        ("HTTPS", ServerTls::Simple, Some("no"), false),
        ("HTTPS", ServerTls::Mutual, Some("cert"), false),
        ("TLS", ServerTls::Passthrough, None, false),
        ("HTTPS", ServerTls::IstioMutual, None, false),
    ]);
    let host = select(vec!["*", "shop/*.example.com"]).prop_map(str::to_owned);
    let server = (1..=u16::MAX, settings, vec(host, 1..3)).prop_map(
        |(port, (protocol, tls, credential, https_redirect), hosts)| GatewayServer {
            origin: Origin::default(),
            port,
            protocol: protocol.to_owned(),
            hosts,
            tls,
            credential: credential.map(str::to_owned),
            https_redirect,
        },
    );
    (object(), labels(), vec(server, 1..4)).prop_map(|(object, selector, servers)| Gateway {
        origin: Origin::default(),
        object,
        selector,
        servers,
    })
}

/// Labels, annotations and remarks, some of them multi-line or strange.
fn meta() -> Meta {
    let remarks = vec![
        vec!["why: - {".to_owned()],
        Vec::new(),
        vec!["#".to_owned(), String::new()],
    ];
    Meta {
        labels: Labels::from_iter([("app.kubernetes.io/managed-by", "palisade")]),
        annotations: [("palisade.dev/flows".to_owned(), "a: b\n- c #d".to_owned())].into(),
        comments: vec!["The object's reason".to_owned()],
        ingress: remarks.clone(),
        egress: remarks.clone(),
        rules: remarks,
    }
}

proptest! {
    #[test]
    fn network_policies(policy in network_policy()) {
        let world = read(&emit::network_policy(&policy, &meta()));
        prop_assert_eq!(world.network_policies, [policy]);
    }

    #[test]
    fn peer_authentications(policy in peer_authentication()) {
        let world = read(&emit::peer_authentication(&policy, &meta()));
        prop_assert_eq!(world.peer_authentications, [policy]);
    }

    #[test]
    fn authorization_policies(policy in authorization_policy()) {
        let world = read(&emit::authorization_policy(&policy, &meta()));
        prop_assert_eq!(world.authorization_policies, [policy]);
    }

    #[test]
    fn destination_rules(rule in destination_rule()) {
        let world = read(&emit::destination_rule(&rule, &meta()));
        prop_assert_eq!(world.destination_rules, [rule]);
    }

    #[test]
    fn service_entries(entry in service_entry()) {
        let world = read(&emit::service_entry(&entry, &meta()));
        prop_assert_eq!(world.service_entries, [entry]);
    }

    #[test]
    fn sidecars(scope in sidecar()) {
        let world = read(&emit::sidecar(&scope, &meta()));
        prop_assert_eq!(world.sidecars, [scope]);
    }

    #[test]
    fn gateways(gateway in gateway()) {
        let world = read(&emit::gateway(&gateway, &meta()));
        prop_assert_eq!(world.gateways, [gateway]);
    }
}

/// A list that is present but empty admits nobody; Kubernetes would read it as everybody.
#[test]
fn a_rule_for_nobody_is_not_written() {
    let nobody = Rule {
        origin: Origin::default(),
        peers: Some(Vec::new()),
        ports: None,
    };
    let policy = NetworkPolicy {
        origin: Origin::default(),
        object: ObjectRef::new("n", "p"),
        pod_selector: Selector::everything(),
        ingress: Some(vec![nobody]),
        egress: None,
    };
    let world = read(&emit::network_policy(&policy, &Meta::default()));
    assert_eq!(world.network_policies[0].ingress, Some(Vec::new()));
}

#[test]
fn written_form() {
    let policy = NetworkPolicy {
        origin: Origin::default(),
        object: ObjectRef::new("shop", "web"),
        pod_selector: Selector::of([("app", "web")]),
        ingress: Some(vec![Rule {
            origin: Origin::default(),
            peers: Some(vec![Peer::Pods {
                namespaces: NamespaceMatch::Named("edge".to_owned()),
                pods: Selector::of([("app", "router")]),
            }]),
            ports: Some(vec![PolicyPort::Range {
                protocol: Protocol::Tcp,
                first: 8080,
                last: 8080,
            }]),
        }]),
        egress: None,
    };
    let extra = Meta {
        comments: vec!["palisade: web".to_owned()],
        ingress: vec![vec!["router-web: people shop here".to_owned()]],
        ..Meta::default()
    };
    let expected = "\
# palisade: web
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: web
  namespace: shop
spec:
  podSelector:
    matchLabels:
      app: web
  policyTypes:
  - Ingress
  ingress:
  # router-web: people shop here
  - from:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: edge
      podSelector:
        matchLabels:
          app: router
    ports:
    - protocol: TCP
      port: 8080
";
    assert_eq!(emit::network_policy(&policy, &extra).to_yaml(), expected);
}

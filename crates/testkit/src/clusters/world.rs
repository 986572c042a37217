//! The cluster of a shape as a [`World`]: what reading its text gives, without places.

use super::{Shape, TEAMS, application, mixed, namespace, pod_name, team, template_hash, tier};
use ipnet::IpNet;
use palisade_netmodel::{
    AddressSet, AdminAction, AdminKind, AdminPeer, AdminPolicy, AdminPort, AdminRule,
    AuthorizationAction, AuthorizationPolicy, AuthorizationRule, InboundCapture, LabelRequirement,
    Labels, MtlsMode, NamedPort, NamespaceMatch, NamespacedPods, NetworkPolicy, ObjectRef,
    Operator, Origin, Peer, PeerAuthentication, Phase, Pod, PolicyPort, PortSet, Protocol, Proxy,
    Publication, Rule, Selector, Service, ServicePort, SmolStr, Source, TargetPort, Template, Tier,
    Workload, World, always_bypassed,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// The cluster of a shape. Cost: linear in the number of objects.
#[must_use]
pub fn world(shape: &Shape) -> World {
    let mut world = World::default();
    world.ensure_namespace("kube-system");
    for index in 0..shape.namespaces() {
        add_namespace(&mut world, shape, index);
    }
    let templates: Vec<Arc<Template>> = (0..shape.workloads())
        .map(|workload| Arc::new(template(shape, workload)))
        .collect();
    world.pods = (0..shape.pods)
        .map(|index| pod(shape, index, &templates))
        .collect();
    world
        .pods
        .sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    world.services = (0..shape.workloads()).map(|w| service(shape, w)).collect();
    world.services.sort_by(|a, b| a.object.cmp(&b.object));
    world.network_policies = (0..shape.policies).map(|i| policy(shape, i)).collect();
    world
        .network_policies
        .sort_by(|a, b| a.object.cmp(&b.object));
    world.admin_policies = (0..shape.admin_policies)
        .map(|i| admin_policy(shape, i))
        .collect();
    if shape.mesh {
        add_mesh(&mut world, shape);
    }
    world
}

fn add_namespace(world: &mut World, shape: &Shape, index: usize) {
    let name = namespace(index);
    world.ensure_namespace(&name);
    if let Some(namespace) = world.namespaces.get_mut(&name) {
        namespace.labels = namespace_labels(shape, index);
    }
}

/// Labels of a namespace.
pub(super) fn namespace_labels(shape: &Shape, index: usize) -> Labels {
    let mut pairs = vec![
        ("kubernetes.io/metadata.name", namespace(index)),
        ("team", team(index)),
    ];
    if shape.mesh {
        pairs.push(("istio-injection", "enabled".to_owned()));
    }
    pairs.into_iter().collect()
}

/// Labels of the pods of a workload.
pub(super) fn labels(shape: &Shape, workload: usize) -> Vec<(&'static str, String)> {
    vec![
        ("app.kubernetes.io/name", application(workload)),
        (
            "app.kubernetes.io/part-of",
            format!("system-{}", workload % 50),
        ),
        ("pod-template-hash", template_hash(workload)),
        ("tier", tier(workload, shape.namespaces()).to_owned()),
    ]
}

fn template(shape: &Shape, workload: usize) -> Template {
    let mut named_ports = vec![named("http", 8080), named("metrics", 9090)];
    if shape.mesh {
        named_ports.insert(1, named("http-envoy-prom", 15090));
    }
    let ports = named_ports.iter().fold(PortSet::empty(), |set, port| {
        set.union(&PortSet::single(port.protocol, port.port))
    });
    Template {
        namespace: shape.namespace_of(workload),
        workload: Workload {
            kind: "Deployment".to_owned(),
            name: application(workload),
        },
        labels: labels(shape, workload).into_iter().collect(),
        service_account: application(workload),
        named_ports,
        container_ports: ports,
        host_network: false,
        host_group: false,
        proxy: if shape.mesh {
            Proxy::Sidecar {
                inbound: InboundCapture {
                    bypass: always_bypassed(),
                },
                outbound_excluded: PortSet::empty(),
                shown: true,
            }
        } else {
            Proxy::None {
                reason: "the running pod has no container istio-proxy".to_owned(),
            }
        },
    }
}

fn named(name: &str, port: u16) -> NamedPort {
    NamedPort {
        name: name.to_owned(),
        protocol: Protocol::Tcp,
        port,
    }
}

/// The label that [`Shape::unique_labels`] gives each pod.
pub(super) fn own_label(pod: usize) -> (&'static str, String) {
    ("example.com/pod", format!("pod-{pod}"))
}

fn pod(shape: &Shape, index: usize, templates: &[Arc<Template>]) -> Pod {
    let (workload, _) = shape.replica(index);
    let template = templates.get(workload).cloned();
    let mut pod = Pod {
        origin: Origin::default(),
        name: pod_name(index, workload),
        phase: Phase::Live,
        addresses: AddressSet::from(addresses(shape, index)),
        node_addresses: AddressSet::from([node_address(shape, index)]),
        template: template.unwrap_or_else(|| Arc::new(self::template(shape, workload))),
    };
    if shape.unique_labels {
        let (key, value) = own_label(index);
        pod.labels.insert(key, value);
    }
    pod
}

/// The addresses of a pod, sorted.
pub(super) fn addresses(shape: &Shape, pod: usize) -> Vec<IpAddr> {
    let number = u32::try_from(pod + 1).unwrap_or(u32::MAX);
    let mut found = vec![IpAddr::V4(Ipv4Addr::from(0x0A00_0000 | number))];
    if shape.dual_stack {
        let base = u128::from(Ipv6Addr::new(0xFD00, 0, 0, 0, 0, 0, 0, 0));
        found.push(IpAddr::V6(Ipv6Addr::from(base | u128::from(number))));
    }
    found
}

/// The address of the node of a pod: about a hundred pods on each.
pub(super) fn node_address(shape: &Shape, pod: usize) -> IpAddr {
    let nodes = shape.pods / 100 + 1;
    let node = u32::try_from(mixed(pod) % nodes as u64).unwrap_or_default();
    IpAddr::V4(Ipv4Addr::from(0xC0A8_0000 + node))
}

fn service(shape: &Shape, workload: usize) -> Service {
    Service {
        origin: Origin::default(),
        object: ObjectRef::new(shape.namespace_of(workload), application(workload)),
        labels: Labels::from_iter([("app.kubernetes.io/name", application(workload))]),
        selector: Labels::from_iter([("app.kubernetes.io/name", application(workload))]),
        headless: false,
        ports: vec![ServicePort {
            name: "http".to_owned(),
            protocol: Protocol::Tcp,
            port: 80,
            target: TargetPort::Name("http".to_owned()),
            app_protocol: None,
            node_port: None,
        }],
        publication: Publication::default(),
    }
}

fn port(protocol: Protocol, port: u16) -> PolicyPort {
    PolicyPort::Range {
        protocol,
        first: port,
        last: port,
    }
}

fn rule(peers: Option<Vec<Peer>>, ports: Vec<PolicyPort>) -> Vec<Rule> {
    vec![Rule {
        origin: Origin::default(),
        peers,
        ports: Some(ports),
    }]
}

fn app_selector(workload: usize) -> Selector {
    Selector::of([("app.kubernetes.io/name", application(workload))])
}

/// A NetworkPolicy: the default deny of a namespace, or a rule for one of its workloads.
pub(super) fn policy(shape: &Shape, index: usize) -> NetworkPolicy {
    let namespaces = shape.namespaces();
    let (home, turn) = (index % namespaces, index / namespaces);
    let mut policy = NetworkPolicy {
        origin: Origin::default(),
        object: ObjectRef::new(namespace(home), format!("policy-{index}")),
        pod_selector: Selector::everything(),
        ingress: None,
        egress: None,
    };
    if turn == 0 {
        policy.ingress = Some(Vec::new());
        let dns = NamespaceMatch::Named("kube-system".to_owned());
        let ports = vec![port(Protocol::Udp, 53), port(Protocol::Tcp, 53)];
        policy.egress = Some(rule(Some(vec![pods(dns, Selector::everything())]), ports));
        return policy;
    }
    let workload = shape.inhabitant(home, turn);
    policy.pod_selector = app_selector(workload);
    let own = NamespaceMatch::Named(namespace(home));
    let http = PolicyPort::Named {
        protocol: Protocol::Tcp,
        name: "http".to_owned(),
    };
    match turn % 6 {
        1 => {
            let peer = pods(own, app_selector(shape.inhabitant(home, turn + 1)));
            policy.ingress = Some(rule(Some(vec![peer]), vec![port(Protocol::Tcp, 8080)]));
        }
        2 => {
            let other = namespace((home + turn) % namespaces);
            let peer = pods(NamespaceMatch::Named(other), tiers(&["api", "web"]));
            policy.ingress = Some(rule(Some(vec![peer]), vec![http]));
        }
        3 => {
            let peers = blocks(shape, index);
            policy.egress = Some(rule(Some(peers), vec![port(Protocol::Tcp, 443)]));
        }
        4 => {
            let team = Selector::of([("team", format!("team-{}", turn % TEAMS))]);
            let peer = pods(NamespaceMatch::Selector(team), Selector::everything());
            policy.ingress = Some(rule(Some(vec![peer]), vec![port(Protocol::Tcp, 9090)]));
        }
        5 => {
            let peer = pods(own, app_selector(shape.inhabitant(home, turn + 2)));
            policy.egress = Some(rule(Some(vec![peer]), vec![http]));
        }
        _ => {
            let peer = pods(own, not_in(shape, index));
            policy.ingress = Some(rule(Some(vec![peer]), vec![port(Protocol::Tcp, 8080)]));
        }
    }
    policy
}

fn pods(namespaces: NamespaceMatch, pods: Selector) -> Peer {
    Peer::Pods { namespaces, pods }
}

fn tiers(tiers: &[&str]) -> Selector {
    Selector {
        requirements: vec![LabelRequirement {
            key: "tier".into(),
            operator: Operator::In(tiers.iter().copied().map(SmolStr::from).collect()),
        }],
    }
}

/// All pods but those of some workloads.
fn not_in(shape: &Shape, index: usize) -> Selector {
    if shape.not_in == 0 {
        return tiers(&["web"]);
    }
    let mut values: Vec<SmolStr> = (0..shape.not_in)
        .map(|i| application((index + i * 7) % shape.workloads()).into())
        .collect();
    values.sort();
    values.dedup();
    Selector {
        requirements: vec![LabelRequirement {
            key: "app.kubernetes.io/name".into(),
            operator: Operator::NotIn(values),
        }],
    }
}

/// Blocks outside the cluster, each with a hole.
fn blocks(shape: &Shape, index: usize) -> Vec<Peer> {
    (0..shape.blocks.max(1))
        .map(|i| {
            let number = u32::try_from(mixed(index * 31 + i) % (1 << 22)).unwrap_or_default();
            if shape.dual_stack && i % 2 == 1 {
                let base = u128::from(Ipv6Addr::new(0x2001, 0xDB8, 0, 0, 0, 0, 0, 0));
                let address = Ipv6Addr::from(base | u128::from(number) << 64);
                return Peer::Block {
                    cidr: net(IpAddr::V6(address), 64),
                    except: vec![net(IpAddr::V6(address), 80)],
                };
            }
            // 172.0.0.0 up to 175.255.255.0, /24 each.
            let address = IpAddr::V4(Ipv4Addr::from(0xAC00_0000 | (number & 0x3_FFFF) << 8));
            Peer::Block {
                cidr: net(address, 24),
                except: vec![net(address, 28)],
            }
        })
        .collect()
}

fn net(address: IpAddr, length: u8) -> IpNet {
    IpNet::new(address, length).unwrap_or_default()
}

/// A ClusterNetworkPolicy, of the Admin tier three times of four.
pub(super) fn admin_policy(shape: &Shape, index: usize) -> AdminPolicy {
    let subject = NamespacedPods {
        namespaces: Selector::of([("team", format!("team-{}", index % TEAMS))]),
        pods: if index.is_multiple_of(3) {
            tiers(&["db"])
        } else {
            Selector::everything()
        },
    };
    let rule = |i: usize| admin_rule(shape, index, i);
    let rules = shape.admin_rules;
    AdminPolicy {
        origin: Origin::default(),
        object: ObjectRef::new("", format!("cluster-policy-{index}")),
        kind: AdminKind::ClusterNetworkPolicy,
        tier: if index % 4 == 3 {
            Tier::Baseline
        } else {
            Tier::Admin
        },
        priority: u16::try_from(index % 1_001).unwrap_or_default(),
        subject,
        ingress: (0..rules - rules / 2).map(rule).collect(),
        egress: (rules - rules / 2..rules).map(rule).collect(),
    }
}

fn admin_rule(shape: &Shape, index: usize, i: usize) -> AdminRule {
    let number = mixed(index * 977 + i);
    let egress = i >= shape.admin_rules - shape.admin_rules / 2;
    let peer = if egress && i.is_multiple_of(3) {
        let nets = blocks(shape, index * 53 + i).into_iter();
        AdminPeer::Networks(
            nets.filter_map(|peer| match peer {
                Peer::Block { cidr, .. } => Some(cidr),
                Peer::Pods { .. } => None,
            })
            .collect(),
        )
    } else {
        AdminPeer::Pods(NamespacedPods {
            namespaces: Selector::of([("team", format!("team-{}", number % TEAMS as u64))]),
            pods: if i.is_multiple_of(2) {
                tiers(&["web", "worker"])
            } else {
                Selector::everything()
            },
        })
    };
    AdminRule {
        origin: Origin::default(),
        name: format!("rule-{i}"),
        action: match number % 3 {
            0 => AdminAction::Accept,
            1 => AdminAction::Deny,
            _ => AdminAction::Pass,
        },
        peers: vec![peer],
        ports: (!i.is_multiple_of(4)).then(|| {
            let first = u16::try_from(1_000 + number % 50_000).unwrap_or(1);
            vec![AdminPort::Range {
                protocol: Protocol::Tcp,
                first,
                last: first + u16::try_from(i % 50).unwrap_or_default(),
            }]
        }),
    }
}

fn add_mesh(world: &mut World, shape: &Shape) {
    world.ensure_namespace("istio-system");
    world.peer_authentications = vec![PeerAuthentication {
        origin: Origin::default(),
        object: ObjectRef::new("istio-system", "default"),
        selector: Labels::default(),
        mode: Some(MtlsMode::Strict),
        ports: std::collections::BTreeMap::new(),
    }];
    world.authorization_policies = (0..shape.workloads())
        .map(|workload| authorization(shape, workload))
        .collect();
    world
        .authorization_policies
        .sort_by(|a, b| a.object.cmp(&b.object));
}

/// Admits the next workload of the namespace, by its identity.
fn authorization(shape: &Shape, workload: usize) -> AuthorizationPolicy {
    let namespace = shape.namespace_of(workload);
    let home = workload % shape.namespaces();
    let caller = shape.inhabitant(home, workload / shape.namespaces() + 1);
    let caller = application(caller);
    AuthorizationPolicy {
        origin: Origin::default(),
        object: ObjectRef::new(namespace.clone(), application(workload)),
        selector: Labels::from_iter([("app.kubernetes.io/name", application(workload))]),
        targets: Vec::new(),
        dry_run: false,
        action: AuthorizationAction::Allow,
        rules: vec![AuthorizationRule {
            from: vec![Source {
                principals: vec![format!("cluster.local/ns/{namespace}/sa/{caller}")],
                ..Source::default()
            }],
            ..AuthorizationRule::default()
        }],
    }
}

//! Random small worlds that mix everything a layer can look at, from small alphabets so that things
//! meet; they shrink to the least that still fails.

use crate::administrators::{admin_policies, nodes};
use ipnet::IpNet;
use palisade_netmodel::{
    AddressSet, AuthorizationAction, AuthorizationPolicy, AuthorizationRule, ClientTls, Condition,
    DestinationRule, Endpoint, Flow, Gateway, GatewayServer, InboundCapture, LabelRequirement,
    Labels, MtlsMode, NamedPort, Namespace, NamespaceMatch, NetworkPolicy, Node, ObjectRef,
    Operation, Operator, Origin, Peer, PeerAuthentication, Phase, Pod, PodId, PolicyPort,
    PolicyTarget, PortSet, Profile, Protocol, Proxy, Publication, Rule, Selector, ServerTls,
    Service, ServicePort, SmolStr, Source, TargetPort, Template, Workload, World, always_bypassed,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Namespaces; `istio-system` is the mesh's root.
pub(crate) const NAMESPACES: [&str; 3] = ["shop", "bank", "istio-system"];
/// Ports that policies, Services and containers name, borders included.
const PORTS: [u16; 7] = [1, 80, 8080, 8081, 9000, 15090, 65535];
/// Blocks that policies name.
const BLOCKS: [&str; 7] = [
    "0.0.0.0/0",
    "10.0.0.0/8",
    "10.1.0.0/16",
    "203.0.113.0/24",
    "::/0",
    "2001:db8::/32",
    "192.168.0.1/32",
];
/// Addresses of pods, nodes and outsiders.
const ADDRESSES: [&str; 6] = [
    "10.0.0.1",
    "10.1.0.7",
    "203.0.113.9",
    "192.168.0.1",
    "2001:db8::5",
    "fd00::1",
];

pub(crate) fn address() -> impl Strategy<Value = IpAddr> {
    select(&ADDRESSES[..]).prop_map(|a| a.parse().unwrap_or(IpAddr::from([0, 0, 0, 0])))
}

pub(crate) fn net() -> impl Strategy<Value = IpNet> {
    select(&BLOCKS[..]).prop_map(parse_net)
}

fn parse_net(text: &str) -> IpNet {
    text.parse().unwrap_or_default()
}

pub(crate) fn labels() -> impl Strategy<Value = Labels> {
    (
        option::of(select(&["a", "b"][..])),
        option::of(select(&["x", "y"][..])),
    )
        .prop_map(|(app, tier)| {
            let pairs = app.map(|v| ("app", v)).into_iter();
            Labels::from_iter(pairs.chain(tier.map(|v| ("tier", v))))
        })
}

fn operator() -> impl Strategy<Value = Operator> {
    let values = || vec(select(&["a", "b", "x"][..]).prop_map(SmolStr::from), 1..3);
    prop_oneof![
        values().prop_map(Operator::In),
        values().prop_map(Operator::NotIn),
        Just(Operator::Exists),
        Just(Operator::DoesNotExist),
    ]
}

pub(crate) fn selector() -> impl Strategy<Value = Selector> {
    let requirement =
        (select(&["app", "tier", "none"][..]), operator()).prop_map(|(key, operator)| {
            LabelRequirement {
                key: key.into(),
                operator,
            }
        });
    vec(requirement, 0..3).prop_map(|requirements| Selector { requirements })
}

pub(crate) fn protocol() -> impl Strategy<Value = Protocol> {
    select(&Protocol::ALL[..])
}

pub(crate) fn port() -> impl Strategy<Value = u16> {
    select(&PORTS[..])
}

pub(crate) fn port_name() -> impl Strategy<Value = String> {
    select(&["web", "admin"][..]).prop_map(str::to_owned)
}

pub(crate) fn policy_port() -> impl Strategy<Value = PolicyPort> {
    prop_oneof![
        (protocol(), port()).prop_map(|(protocol, first)| PolicyPort::Range {
            protocol,
            first,
            last: first
        }),
        (protocol(), port(), port()).prop_map(|(protocol, a, b)| PolicyPort::Range {
            protocol,
            first: a.min(b),
            last: a.max(b)
        }),
        protocol().prop_map(|protocol| PolicyPort::Range {
            protocol,
            first: 1,
            last: u16::MAX
        }),
        (protocol(), port_name()).prop_map(|(protocol, name)| PolicyPort::Named { protocol, name }),
    ]
}

pub(crate) fn peer() -> impl Strategy<Value = Peer> {
    let namespaces = prop_oneof![
        select(&NAMESPACES[..]).prop_map(|n| NamespaceMatch::Named(n.to_owned())),
        selector().prop_map(NamespaceMatch::Selector),
    ];
    prop_oneof![
        3 => (namespaces, selector()).prop_map(|(namespaces, pods)| Peer::Pods { namespaces, pods }),
        1 => (net(), vec(net(), 0..2)).prop_map(|(cidr, except)| Peer::Block {
            cidr,
            except: except.into_iter().filter(|e| cidr.contains(e) && *e != cidr).collect(),
        }),
    ]
}

fn rule() -> impl Strategy<Value = Rule> {
    (
        option::of(vec(peer(), 1..3)),
        option::of(vec(policy_port(), 1..3)),
    )
        .prop_map(|(peers, ports)| Rule {
            origin: Origin::default(),
            peers,
            ports,
        })
}

fn network_policy() -> impl Strategy<Value = NetworkPolicy> {
    let rules = || option::of(vec(rule(), 0..3));
    (
        select(&NAMESPACES[..2]),
        Just("policy"),
        selector(),
        rules(),
        rules(),
    )
        .prop_map(
            |(namespace, name, pod_selector, ingress, egress)| NetworkPolicy {
                origin: Origin::default(),
                object: ObjectRef::new(namespace, name),
                pod_selector,
                // No policy is without a direction.
                ingress: ingress.or_else(|| egress.is_none().then(Vec::new)),
                egress,
            },
        )
}

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

fn pod() -> impl Strategy<Value = Pod> {
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

fn service() -> impl Strategy<Value = Service> {
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

fn mtls_mode() -> impl Strategy<Value = Option<MtlsMode>> {
    option::of(select(
        &[MtlsMode::Disable, MtlsMode::Permissive, MtlsMode::Strict][..],
    ))
}

fn peer_authentication() -> impl Strategy<Value = PeerAuthentication> {
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

fn words(from: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    prop_oneof![
        3 => Just(Vec::new()),
        2 => vec(select(from).prop_map(str::to_owned), 1..3),
    ]
}

fn source() -> impl Strategy<Value = Source> {
    let who = (
        words(&[
            "*",
            "cluster.local/ns/shop/sa/robot",
            "*/sa/default",
            "cluster.local/ns/bank/*",
        ]),
        words(&["*", "cluster.local/ns/bank/sa/default"]),
        words(&["shop", "*", "b*k", "*a"]),
        words(&["shop", "istio-*"]),
        words(&["robot", "bank/default"]),
    );
    let from = (
        words(&["10.0.0.0/8", "203.0.113.9"]),
        words(&["10.1.0.0/16", "2001:db8::/32"]),
        words(&["10.0.0.0/8"]),
        words(&["issuer/subject"]),
    );
    (who, from).prop_map(|(who, from)| {
        let source = Source {
            principals: who.0,
            not_principals: who.1,
            namespaces: who.2,
            not_namespaces: who.3,
            ip_blocks: from.0,
            not_ip_blocks: from.1,
            remote_ip_blocks: from.2,
            request_principals: from.3,
            ..Source::default()
        };
        valid_source(source, who.4)
    })
}

/// Istio refuses service accounts beside other names of the caller, and a source without a field.
fn valid_source(mut source: Source, accounts: Vec<String>) -> Source {
    let named = [
        &source.principals,
        &source.not_principals,
        &source.namespaces,
        &source.not_namespaces,
    ]
    .iter()
    .any(|list| !list.is_empty());
    if !named {
        source.service_accounts = accounts;
    }
    if source == Source::default() {
        source.namespaces = vec!["shop".to_owned()];
    }
    source
}

fn operation() -> impl Strategy<Value = Operation> {
    let ports = || prop_oneof![Just(Vec::new()), vec(port(), 1..3)];
    (
        ports(),
        ports(),
        words(&["GET"]),
        words(&["/metrics"]),
        words(&["shop.example"]),
    )
        .prop_map(|(ports, not_ports, methods, not_paths, hosts)| {
            let operation = Operation {
                ports,
                not_ports,
                methods,
                not_paths,
                hosts,
                ..Operation::default()
            };
            // Istio refuses an operation without a field.
            if operation == Operation::default() {
                return Operation {
                    ports: vec![80],
                    ..operation
                };
            }
            operation
        })
}

fn condition() -> impl Strategy<Value = Condition> {
    prop_oneof![
        (words(&["10.0.0.0/8"]), words(&["10.1.0.0/16"])).prop_map(|(v, n)| ("source.ip", v, n)),
        (words(&["10.0.0.0/8"]), words(&["::/0"])).prop_map(|(v, n)| ("remote.ip", v, n)),
        (words(&["shop"]), words(&["bank"])).prop_map(|(v, n)| ("source.namespace", v, n)),
        (words(&["80", "8080"]), words(&["9000"])).prop_map(|(v, n)| ("destination.port", v, n)),
        (words(&["10.1.0.7"]), Just(Vec::new())).prop_map(|(v, n)| ("destination.ip", v, n)),
        (words(&["x"]), Just(Vec::new())).prop_map(|(v, n)| ("request.headers[x]", v, n)),
        (words(&["a.example"]), Just(Vec::new())).prop_map(|(v, n)| ("connection.sni", v, n)),
    ]
    .prop_map(|(key, values, not_values)| Condition {
        key: key.to_owned(),
        values,
        not_values,
    })
}

fn authorization_policy() -> impl Strategy<Value = AuthorizationPolicy> {
    let action = select(
        &[
            AuthorizationAction::Allow,
            AuthorizationAction::Allow,
            AuthorizationAction::Deny,
            AuthorizationAction::Custom,
            AuthorizationAction::Audit,
        ][..],
    );
    let rule = (
        vec(source(), 0..2),
        vec(operation(), 0..2),
        vec(condition(), 0..2),
    )
        .prop_map(|(from, to, mut when)| {
            when.retain(|c| !(c.values.is_empty() && c.not_values.is_empty()));
            AuthorizationRule {
                origin: Origin::default(),
                from,
                to,
                when,
            }
        });
    let flags = (prop::bool::weighted(0.1), prop::bool::weighted(0.1));
    (
        select(&NAMESPACES[..]),
        labels(),
        flags,
        action,
        vec(rule, 0..3),
    )
        .prop_map(
            |(namespace, selector, (target_refs, dry_run), action, mut rules)| {
                // Only ALLOW may be without rules.
                if rules.is_empty() && action != AuthorizationAction::Allow {
                    rules.push(AuthorizationRule::default());
                }
                AuthorizationPolicy {
                    origin: Origin::default(),
                    object: ObjectRef::new(namespace, "authz"),
                    targets: if target_refs && selector.is_empty() {
                        vec![PolicyTarget::Service("web".to_owned())]
                    } else {
                        Vec::new()
                    },
                    selector,
                    dry_run,
                    action,
                    rules,
                }
            },
        )
}

fn destination_rule() -> impl Strategy<Value = DestinationRule> {
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

fn gateway() -> impl Strategy<Value = Gateway> {
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

/// Any plugin that is known by name, or none: then all kinds of policies have effect.
fn profile() -> impl Strategy<Value = Profile> {
    let names: Vec<&'static str> = Profile::names().collect();
    prop_oneof![
        1 => Just(Profile::default()),
        1 => select(names).prop_map(|name| Profile::named(name).unwrap_or_default()),
    ]
}

/// Random worlds: up to three namespaces, six pods, four policies, and mesh objects.
pub fn world() -> impl Strategy<Value = World> {
    let base = (
        vec(labels(), NAMESPACES.len()),
        vec(pod(), 1..6),
        vec(service(), 0..3),
        vec(network_policy(), 0..4),
        profile(),
        any::<bool>(),
        (admin_policies(), nodes()),
    );
    let mesh = (
        vec(peer_authentication(), 0..4),
        vec(authorization_policy(), 0..3),
        vec(destination_rule(), 0..3),
        vec(gateway(), 0..2),
        vec(any::<Index>(), 4),
    );
    (base, mesh).prop_map(|(base, mesh)| {
        let (
            namespace_labels,
            mut pods,
            services,
            network_policies,
            profile,
            auto_mtls,
            (admin_policies, nodes),
        ) = base;
        for (index, pod) in pods.iter_mut().enumerate() {
            pod.name = format!("pod-{index}");
            let name = pod.name.clone();
            pod.workload.name = name;
        }
        one_host_group_each(&mut pods);
        distinct_addresses(&mut pods, &nodes);
        let (mut services, mut destination_rules) = (services, mesh.2);
        aim(&pods, &mut services, &mut destination_rules, &mesh.4);
        let services = distinct_services(services);
        let mut world = World {
            pods,
            services,
            network_policies,
            admin_policies,
            nodes,
            profile,
            peer_authentications: mesh.0,
            authorization_policies: mesh.1,
            destination_rules,
            gateways: mesh.3,
            ..World::default()
        };
        world.mesh.auto_mtls = auto_mtls;
        number_names(&mut world);
        for (name, mut labels) in NAMESPACES.into_iter().zip(namespace_labels) {
            labels.insert("kubernetes.io/metadata.name", name);
            let namespace = Namespace {
                origin: Origin::default(),
                name: name.to_owned(),
                labels,
            };
            world.namespaces.insert(name.to_owned(), namespace);
        }
        world
    })
}

/// Makes most Services lead to a pod, and most DestinationRules be about a Service: by chance few would.
fn aim(pods: &[Pod], services: &mut [Service], rules: &mut [DestinationRule], aims: &[Index]) {
    let (for_services, for_rules) = aims.split_at(aims.len() / 2);
    for (service, aim) in services.iter_mut().zip(for_services) {
        if let Some(pod) = pods.get(aim.index(pods.len() + 1)) {
            service.object.namespace.clone_from(&pod.namespace);
            if !pod.labels.is_empty() {
                service.selector = pod.labels.clone();
            }
        }
    }
    for (rule, aim) in rules.iter_mut().zip(for_rules) {
        if let Some(service) = services.get(aim.index(services.len() + 1)) {
            let ObjectRef { namespace, name } = &service.object;
            rule.host = format!("{name}.{namespace}.svc.cluster.local");
            if aim.index(2) == 0 {
                rule.object.namespace.clone_from(namespace);
                rule.workload_selector = Labels::default();
                rule.export_to.clear();
            }
        }
    }
}

/// The first group of a namespace stays one: whatever runs on the nodes' host network is one end there.
fn one_host_group_each(pods: &mut [Pod]) {
    let mut seen = BTreeSet::new();
    for pod in pods {
        if pod.host_group && !seen.insert(pod.namespace.clone()) {
            pod.host_group = false;
        }
    }
}

/// Two live pods never have one address, and no pod has its node's, unless it is on the host network.
fn distinct_addresses(pods: &mut [Pod], nodes: &[Node]) {
    let of_pods = pods.iter().flat_map(|p| &p.node_addresses.known);
    let own = nodes.iter().flat_map(|n| &n.addresses);
    let nodes: BTreeSet<IpAddr> = of_pods.chain(own).copied().collect();
    let mut taken = BTreeSet::new();
    for pod in pods {
        if pod.host_network {
            pod.addresses = pod.node_addresses.clone();
        } else {
            pod.addresses
                .known
                .retain(|a| !nodes.contains(a) && taken.insert(*a));
        }
    }
}

/// Services have names of their own, and so have the ports of one.
fn distinct_services(services: Vec<Service>) -> Vec<Service> {
    let mut names = BTreeSet::new();
    let mut out = Vec::new();
    for mut service in services {
        let (mut words, mut numbers) = (BTreeSet::new(), BTreeSet::new());
        let several = service.ports.len() > 1;
        service.ports.retain(|p| {
            (!several || !p.name.is_empty())
                && words.insert(p.name.clone())
                && numbers.insert((p.protocol, p.port))
        });
        if !service.ports.is_empty() && names.insert(service.object.clone()) {
            out.push(service);
        }
    }
    out
}

/// Objects of one kind have names of their own, in the order in which they count.
fn number_names(world: &mut World) {
    fn number<'a>(objects: impl Iterator<Item = &'a mut ObjectRef>) {
        for (index, object) in objects.enumerate() {
            object.name = format!("{}-{index}", object.name);
        }
    }
    number(world.network_policies.iter_mut().map(|p| &mut p.object));
    number(world.peer_authentications.iter_mut().map(|p| &mut p.object));
    number(
        world
            .authorization_policies
            .iter_mut()
            .map(|p| &mut p.object),
    );
    number(world.destination_rules.iter_mut().map(|p| &mut p.object));
    number(world.gateways.iter_mut().map(|p| &mut p.object));
}

/// All flows at which something can change: every pair of ends, the ports that occur and their
/// neighbours, every protocol.
#[must_use]
pub fn interesting_flows(world: &World) -> Vec<Flow> {
    let mut ends: Vec<Endpoint> = (0..world.pods.len())
        .filter_map(|i| u32::try_from(i).ok())
        .map(|i| Endpoint::Pod(PodId(i)))
        .collect();
    ends.extend(
        ADDRESSES
            .iter()
            .chain(&["8.8.8.8", "255.255.255.255"])
            .filter_map(|a| a.parse().ok())
            .map(Endpoint::Address),
    );
    let mut ports: BTreeSet<u16> = BTreeSet::new();
    for port in PORTS {
        ports.extend([port.saturating_sub(1).max(1), port, port.saturating_add(1)]);
    }
    let mut out = Vec::new();
    for source in &ends {
        for destination in &ends {
            let both_outside = matches!(source, Endpoint::Address(_))
                && matches!(destination, Endpoint::Address(_));
            if both_outside {
                continue;
            }
            for port in &ports {
                out.extend(Protocol::ALL.map(|protocol| Flow {
                    source: *source,
                    destination: *destination,
                    protocol,
                    port: *port,
                }));
            }
        }
    }
    out
}

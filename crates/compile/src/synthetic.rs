//! A world made from the matrix alone: what a set of policies is proven against when no workloads are
//! given. Two pods per component, a pod per peer, a stranger in each namespace, and a namespace that
//! nobody declared.

use palisade_netmodel::{
    AddressSet, Cni, Component, Enforcement, Grant, InboundCapture, Intent, Labels, MeshConfig,
    MeshMode, NamedPort, Namespace, NamespaceMatch, ObjectRef, Operator, Origin, Peer, Peers,
    Phase, Pod, PolicyPort, PortSet, Profile, Protocol, Proxy, Publication, Selector, Service,
    ServicePort, SmolStr, TargetPort, Template, Workload, World, always_bypassed,
};

/// Label that tells synthetic pods apart whose selector says nothing.
const MARK: &str = "palisade.dev/synthetic";

/// Makes the world of an intent. Its network plugin enforces and its injector works: the question is
/// what the policies say, not what the cluster can do.
#[must_use]
pub fn synthetic_world(intent: &Intent) -> World {
    let mut world = World {
        mesh: MeshConfig {
            root_namespace: intent.mesh_root.clone(),
            trust_domain: intent.trust_domain.clone(),
            injector_shown: true,
            ..MeshConfig::default()
        },
        profile: Profile {
            cni: Cni {
                name: None,
                enforcement: Enforcement::Enforced,
            },
            ..Profile::default()
        },
        ..World::default()
    };
    namespaces(intent, &mut world);
    for component in sorted(&intent.components, |c| c.name.clone()) {
        add_component(intent, component, &mut world);
    }
    for grant in sorted(&intent.grants, |g| g.id.clone()) {
        add_peers(intent, grant, &mut world);
    }
    let names: Vec<String> = world.namespaces.keys().cloned().collect();
    for namespace in names {
        let labels = Labels::from_iter([(MARK, "stranger")]);
        let proxy = proxy_of_namespace(intent, &namespace);
        add_pod(&mut world, &namespace, "stranger", labels, proxy);
    }
    world
}

fn sorted<T, K: Ord>(items: &[T], key: impl Fn(&T) -> K) -> Vec<&T> {
    let mut items: Vec<&T> = items.iter().collect();
    items.sort_by_key(|item| key(item));
    items
}

/// Every namespace that the matrix names, one for each that it describes by labels, and a stranger.
fn namespaces(intent: &Intent, world: &mut World) {
    let zones = intent.zones.iter().flat_map(|z| &z.namespaces);
    let claims = intent.claims.iter().map(|c| &c.namespaces);
    for wanted in zones.chain(claims) {
        namespace(wanted, world);
    }
    for component in &intent.components {
        world.ensure_namespace(&component.namespace);
    }
    world.ensure_namespace("palisade-stranger");
}

/// The namespaces of the world that are meant; one is made if none is.
fn namespace(wanted: &NamespaceMatch, world: &mut World) -> Vec<String> {
    match wanted {
        NamespaceMatch::Named(name) => {
            world.ensure_namespace(name);
            vec![name.clone()]
        }
        NamespaceMatch::Selector(selector) => {
            let known = crate::selectors::namespaces(wanted, world);
            if !known.is_empty() {
                return known;
            }
            let mut labels = satisfy(selector, 0);
            let name = crate::names::object_name(&format!("palisade {selector}"));
            let name = labels
                .get(crate::selectors::NAMESPACE_NAME)
                .map_or(name, str::to_owned);
            labels.insert(crate::selectors::NAMESPACE_NAME, &name);
            let made = Namespace {
                origin: Origin::default(),
                name: name.clone(),
                labels,
            };
            world.namespaces.insert(name.clone(), made);
            vec![name]
        }
    }
}

/// Labels that a selector takes. `turn` chooses among the values of `In`.
fn satisfy(selector: &Selector, turn: usize) -> Labels {
    let mut labels = Labels::default();
    for requirement in &selector.requirements {
        match &requirement.operator {
            Operator::In(values) => {
                let value = values.get(turn % values.len().max(1));
                labels.insert(&requirement.key, value.map_or("", SmolStr::as_str));
            }
            Operator::Exists if !labels.contains_key(&requirement.key) => {
                labels.insert(&requirement.key, "");
            }
            Operator::Exists | Operator::NotIn(_) | Operator::DoesNotExist => {}
        }
    }
    labels
}

/// Two pods and a Service.
fn add_component(intent: &Intent, component: &Component, world: &mut World) {
    for turn in 0..2 {
        let mut labels = satisfy(&component.selector, turn);
        labels.insert(MARK, &component.name);
        let proxy = if component.gateway {
            Proxy::Gateway
        } else {
            proxy(component.mesh, bypass(component))
        };
        let id = add_pod(world, &component.namespace, &component.name, labels, proxy);
        if let Some(pod) = world.pods.get_mut(id) {
            pod.name = format!("{}-{turn}", component.name);
            if let Some(account) = &component.service_account {
                pod.service_account.clone_from(account);
            }
            for port in &component.ports {
                pod.named_ports.push(NamedPort {
                    name: port.name.clone(),
                    protocol: port.protocol,
                    port: port.port,
                });
                let range = PortSet::range(port.protocol, port.port, port.end_port);
                pod.container_ports = pod.container_ports.union(&range);
            }
        }
    }
    world.services.push(service(intent, component));
}

/// A Service for every single port that is declared or granted, so that clients in the mesh know the
/// component.
fn service(intent: &Intent, component: &Component) -> Service {
    let mut wanted: std::collections::BTreeSet<(Protocol, u16)> = component
        .ports
        .iter()
        .map(|p| (p.protocol, p.port))
        .collect();
    for grant in &intent.grants {
        if grant.to.component.as_ref() != Some(&component.name) {
            continue;
        }
        for port in grant.ports.iter().flatten() {
            if let PolicyPort::Range {
                protocol,
                first,
                last,
            } = port
                && last - first < 64
            {
                wanted.extend((*first..=*last).map(|p| (*protocol, p)));
            }
        }
    }
    Service {
        origin: Origin::default(),
        object: ObjectRef::new(&component.namespace, &component.name),
        labels: Labels::default(),
        selector: Labels::from_iter([(MARK, component.name.as_str())]),
        headless: false,
        ports: wanted
            .into_iter()
            .map(|(protocol, port)| ServicePort {
                name: format!("port-{port}"),
                protocol,
                port,
                target: TargetPort::Number(port),
                app_protocol: Some("tcp".to_owned()),
                node_port: None,
            })
            .collect(),
        publication: Publication::default(),
    }
}

/// A pod for each peer that no pod answers to yet.
fn add_peers(intent: &Intent, grant: &Grant, world: &mut World) {
    for party in [&grant.from, &grant.to] {
        let Peers::List(peers) = &party.peers else {
            continue;
        };
        for peer in peers {
            let Peer::Pods { namespaces, pods } = peer else {
                continue;
            };
            for name in namespace(namespaces, world) {
                let found = world
                    .pods
                    .iter()
                    .any(|p| p.namespace == name && pods.matches(&p.labels));
                if !found && !pods.is_everything() {
                    let proxy = proxy_of_namespace(intent, &name);
                    add_pod(world, &name, &party.name, satisfy(pods, 0), proxy);
                }
            }
        }
    }
}

/// What the zone of a namespace says of its pods.
fn proxy_of_namespace(intent: &Intent, namespace: &str) -> Proxy {
    let meshed = intent.zones.iter().any(|z| {
        z.mesh == MeshMode::Sidecar
            && z.namespaces
                .iter()
                .any(|n| matches!(n, NamespaceMatch::Named(name) if name == namespace))
    });
    let mode = if meshed {
        MeshMode::Sidecar
    } else {
        MeshMode::None
    };
    proxy(mode, always_bypassed())
}

fn bypass(component: &Component) -> PortSet {
    component
        .ports
        .iter()
        .filter(|p| p.mesh_bypass)
        .fold(always_bypassed(), |set, p| {
            set.union(&PortSet::range(p.protocol, p.port, p.end_port))
        })
}

fn proxy(mode: MeshMode, bypass: PortSet) -> Proxy {
    match mode {
        MeshMode::None => Proxy::None {
            reason: "the matrix declares it outside the mesh".to_owned(),
        },
        MeshMode::Sidecar => Proxy::Sidecar {
            inbound: InboundCapture { bypass },
            outbound_excluded: PortSet::empty(),
            shown: true,
        },
    }
}

fn add_pod(world: &mut World, namespace: &str, name: &str, labels: Labels, proxy: Proxy) -> usize {
    world.ensure_namespace(namespace);
    let template = Template {
        namespace: namespace.to_owned(),
        workload: Workload {
            kind: "Pod".to_owned(),
            name: name.to_owned(),
        },
        labels,
        service_account: "default".to_owned(),
        named_ports: Vec::new(),
        container_ports: PortSet::empty(),
        host_network: false,
        host_group: false,
        proxy,
    };
    world.pods.push(Pod {
        origin: Origin::default(),
        name: name.to_owned(),
        phase: Phase::Live,
        addresses: AddressSet::default(),
        node_addresses: AddressSet::default(),
        template: template.into(),
    });
    world.pods.len() - 1
}

//! Edits that random worlds seldom hold, with the callers for whom each has to change something.

use super::{about, edit_in_mesh};
use crate::engine::live::tests::{edit, follow};
use crate::engine::live::{Edit, Live, Unfollowed};
use palisade_netmodel::{
    AddressSet, AuthorizationPolicy, Capture, ClientTls, DestinationRule, InboundCapture, Labels,
    MtlsMode, NamedPort, ObjectRef, Origin, PeerAuthentication, Phase, Pod, PortSet, Protocol,
    Proxy, Publication, Service, ServicePort, Source, TargetPort, Template, Workload, World,
    always_bypassed,
};
use std::collections::{BTreeMap, BTreeSet};

const PORT: u16 = 8080;

fn pod(namespace: &str, name: &str, account: &str, proxy: Proxy) -> Pod {
    let template = Template {
        namespace: namespace.to_owned(),
        workload: Workload {
            kind: "Pod".to_owned(),
            name: name.to_owned(),
        },
        labels: Labels::from_iter([("app", name)]),
        service_account: account.to_owned(),
        named_ports: Vec::<NamedPort>::new(),
        container_ports: PortSet::empty(),
        host_network: false,
        host_group: false,
        proxy,
    };
    Pod {
        origin: Origin::default(),
        name: name.to_owned(),
        phase: Phase::Live,
        addresses: AddressSet::default(),
        node_addresses: AddressSet::default(),
        template: template.into(),
    }
}

fn sidecar(excluded: &[u16]) -> Proxy {
    let ports = excluded
        .iter()
        .map(|port| PortSet::single(Protocol::Tcp, *port));
    Proxy::Sidecar {
        inbound: InboundCapture {
            bypass: always_bypassed(),
        },
        outbound_excluded: ports.fold(PortSet::empty(), |set, port| set.union(&port)),
        shown: true,
    }
}

/// Four callers of `db`, all in a mesh with STRICT; the proxy of `exc` does not receive calls to the port.
fn mesh() -> World {
    let mut world = World {
        pods: vec![
            pod("shop", "web", "robot", sidecar(&[])),
            pod("shop", "api", "default", sidecar(&[])),
            pod("bank", "job", "default", sidecar(&[])),
            pod("desk", "exc", "default", sidecar(&[PORT])),
            pod("bank", "db", "db", sidecar(&[])),
        ],
        services: vec![service(false)],
        peer_authentications: vec![modes("istio-system", MtlsMode::Strict)],
        ..World::default()
    };
    for namespace in ["shop", "bank", "desk", "istio-system"] {
        world.ensure_namespace(namespace);
    }
    world
}

fn service(headless: bool) -> Service {
    Service {
        origin: Origin::default(),
        object: ObjectRef::new("bank", "db"),
        labels: Labels::default(),
        selector: Labels::from_iter([("app", "db")]),
        headless,
        ports: vec![ServicePort {
            name: "tcp".to_owned(),
            protocol: Protocol::Tcp,
            port: PORT,
            target: TargetPort::Number(PORT),
            app_protocol: None,
            node_port: None,
        }],
        publication: Publication::default(),
    }
}

fn modes(namespace: &str, mode: MtlsMode) -> PeerAuthentication {
    PeerAuthentication {
        origin: Origin::default(),
        object: ObjectRef::new(namespace, "modes"),
        selector: Labels::default(),
        mode: Some(mode),
        ports: BTreeMap::new(),
    }
}

fn plaintext(namespace: &str) -> DestinationRule {
    DestinationRule {
        origin: Origin::default(),
        object: ObjectRef::new(namespace, "plaintext"),
        host: "db.bank.svc.cluster.local".to_owned(),
        workload_selector: Labels::default(),
        export_to: Vec::new(),
        policy: true,
        tls: Some(ClientTls::Disable),
        ports: BTreeMap::new(),
    }
}

fn admits(source: Source) -> Edit {
    let mut policy: AuthorizationPolicy = about(&pod("bank", "", "", sidecar(&[])), 9);
    policy.object.namespace = "bank".to_owned();
    policy.selector = Labels::from_iter([("app", "db")]);
    policy.rules[0].from = vec![source];
    Edit::SetAuthorizationPolicy(policy)
}

fn texts(text: &str) -> Vec<String> {
    vec![text.to_owned()]
}

/// The pods for which an edit changed what passes to `db`.
fn changed(live: &mut Live, step: Edit) -> BTreeSet<String> {
    let effect = live.apply(step);
    let db = live.class_of(&ObjectRef::new("bank", "db")).unwrap();
    let all = effect.connections(live).unwrap();
    let here = all.iter().filter(|c| c.destination == db);
    let pods = here.flat_map(|c| live.members(c.source).map(|pod| pod.name.clone()));
    pods.collect()
}

#[test]
fn each_edit_is_told_for_its_callers() {
    let (rule, object) = (plaintext("shop"), ObjectRef::new("shop", "plaintext"));
    let for_web = DestinationRule {
        workload_selector: Labels::from_iter([("app", "web")]),
        ..rule.clone()
    };
    let wild = |host: &str| DestinationRule {
        host: host.to_owned(),
        ..rule.clone()
    };
    let (wide, narrow) = (wild("*.local"), wild("*.bank.svc.cluster.local"));
    let within = |host: &str| {
        Edit::SetDestinationRule(DestinationRule {
            object: ObjectRef::new("shop", "within"),
            ..wild(host)
        })
    };
    let mutual = |name: &str, host: &str| DestinationRule {
        object: ObjectRef::new("shop", name),
        tls: Some(ClientTls::IstioMutual),
        ..wild(host)
    };
    let exact_host = mutual("exact", "db.bank.svc.cluster.local");
    let longer = mutual("longer", "*.bank.svc.cluster.local");
    let exported = DestinationRule {
        export_to: texts("shop"),
        ..plaintext("bank")
    };
    let outside = Proxy::None {
        reason: String::new(),
    };
    let mut outside = pod("bank", "old", "default", outside);
    outside.labels = Labels::from_iter([("app", "db")]);
    let by_namespace = |pattern| Source {
        namespaces: texts(pattern),
        ..Source::default()
    };
    let by_principal = |pattern| Source {
        principals: texts(pattern),
        ..Source::default()
    };
    let exact = by_principal("cluster.local/ns/shop/sa/default");
    let permissive = modes("bank", MtlsMode::Permissive);
    let steps = [
        // Clients of the namespace send plaintext, which STRICT refuses; then some of them.
        (Edit::SetDestinationRule(rule.clone()), "api web"),
        (Edit::SetDestinationRule(for_web), "api"),
        (Edit::RemoveDestinationRule(object), "web"),
        // A pattern may mean Services of all namespaces, or of one.
        (Edit::SetDestinationRule(wide), "api web"),
        (
            Edit::SetDestinationRule(wild("*.shop.svc.cluster.local")),
            "api web",
        ),
        (Edit::SetDestinationRule(narrow), "api web"),
        (Edit::RemoveDestinationRule(wild("").object), "api web"),
        // A pattern may begin within a name. An exact host hides it, and so does a longer pattern.
        (within("*b.bank.svc.cluster.local"), "api web"),
        (Edit::SetDestinationRule(exact_host.clone()), "api web"),
        (within("*nk.svc.cluster.local"), ""),
        (Edit::RemoveDestinationRule(exact_host.object), "api web"),
        (Edit::SetDestinationRule(longer.clone()), "api web"),
        (within("*"), ""),
        (Edit::RemoveDestinationRule(longer.object), "api web"),
        (
            Edit::RemoveDestinationRule(ObjectRef::new("shop", "within")),
            "api web",
        ),
        // A rule beside the Service is for those that it is exported to, not for its own namespace then.
        (Edit::SetDestinationRule(exported.clone()), "api web"),
        (Edit::RemoveDestinationRule(exported.object), "api web"),
        // Plaintext is as good as mTLS then, also for who sends it past its proxy.
        (
            Edit::SetPeerAuthentication(permissive.clone()),
            "api exc job web",
        ),
        (
            Edit::RemovePeerAuthentication(permissive.object),
            "api exc job web",
        ),
        // Without a Service address of its own, one pod outside the mesh takes mTLS from all.
        (Edit::SetService(service(true)), ""),
        (Edit::SetPod(outside.clone()), "api job web"),
        (Edit::RemovePod(outside.object()), "api job web"),
        (Edit::SetService(service(false)), ""),
        // Whom policies admit.
        (admits(by_principal("*/sa/robot")), "api exc job"),
        (admits(by_namespace("b*")), "job web"),
        (admits(by_namespace("*p")), "api job web"),
        (admits(exact), "web"),
        (
            Edit::RemoveAuthorizationPolicy(ObjectRef::new("bank", "about")),
            "exc job web",
        ),
    ];
    let (mut live, mut world) = (Live::new(&mesh()), mesh());
    for (step, expected) in &steps {
        let found = changed(&mut live, step.clone());
        let expected: BTreeSet<String> = expected.split_whitespace().map(str::to_owned).collect();
        assert_eq!(found, expected, "{step:?}");
        edit(&mut world, step);
    }
    let steps = steps.into_iter().map(|(step, _)| step).collect();
    follow(mesh(), &world, steps).unwrap();
}

/// What is not there cannot be taken away.
#[test]
fn nothing_is_done_twice() {
    let mut live = Live::new(&mesh());
    let rule = Edit::SetDestinationRule(plaintext("shop"));
    assert!(!live.apply(rule.clone()).is_empty());
    assert!(live.apply(rule).is_empty());
    for _ in 0..2 {
        let gone = ObjectRef::new("elsewhere", "modes");
        assert!(
            live.apply(Edit::RemovePeerAuthentication(gone.clone()))
                .is_empty()
        );
        assert!(
            live.apply(Edit::RemoveAuthorizationPolicy(gone.clone()))
                .is_empty()
        );
        assert!(live.apply(Edit::RemoveService(gone.clone())).is_empty());
        assert!(live.apply(Edit::RemoveGateway(gone)).is_empty());
    }
    let mut world = mesh();
    let same = Edit::SetPeerAuthentication(modes("istio-system", MtlsMode::Strict));
    edit_in_mesh(&mut world, &same);
    assert_eq!(world, mesh());
    assert!(live.apply(same).is_empty());
}

/// Whoever asks for a waypoint where a pod is captured, it is not followed, and said for the edit that begins or
/// ends it as well.
#[test]
fn a_waypoint_is_not_followed() {
    let mut world = mesh();
    for pod in world.pods.iter_mut().filter(|pod| pod.name == "db") {
        pod.proxy = Proxy::Ambient {
            capture: Capture::Shown,
            bypass_inbound: false,
        };
    }
    let mut live = Live::new(&world);
    assert_eq!(live.unfollowed(), None);
    let asks = Labels::from_iter([("istio.io/use-waypoint", "way")]);
    let none = Labels::from_iter([("istio.io/use-waypoint", "none")]);
    let namespace = |labels: &Labels| Edit::SetNamespace {
        name: "shop".to_owned(),
        labels: labels.clone(),
    };
    let service = |labels: &Labels| {
        Edit::SetService(Service {
            labels: labels.clone(),
            ..service(false)
        })
    };
    let mut captured = world.pods[4].clone();
    let mut pod = |labels: &Labels| {
        captured.labels = labels.clone();
        Edit::SetPod(captured.clone())
    };
    let asked = [namespace(&asks), service(&asks), pod(&asks)];
    let not = [namespace(&none), service(&none), pod(&none)];
    for (asked, not) in asked.into_iter().zip(not) {
        let effect = live.apply(asked);
        assert_eq!(live.unfollowed(), Some(Unfollowed::Waypoint));
        assert_eq!(effect.connections(&live), Err(Unfollowed::Waypoint));
        let effect = live.apply(not);
        assert_eq!(live.unfollowed(), None);
        assert_eq!(effect.connections(&live), Err(Unfollowed::Waypoint));
    }
    let effect = live.apply(Edit::RemoveService(ObjectRef::new("bank", "db")));
    assert_eq!(effect.connections(&live), Ok(Vec::new()));
}

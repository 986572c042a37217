//! Policies, what enforces them, the mesh, and Services.

use super::{workload, world};
use palisade_diagnostics::FileId;
use palisade_netmodel::{
    Enforcement, NamespaceMatch, OutboundMode, Peer, Protocol, Selector, TargetPort,
};
use palisade_resources::{Input, Options, Role, load};

#[test]
fn the_mesh_is_read_from_its_config_map_and_webhook() {
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: mesh}\ndata:\n  \
        mesh: |-\n    rootNamespace: root\n    trustDomain: td\n    enableAutoMtls: false\n    \
        outboundTrafficPolicy:\n      mode: REGISTRY_ONLY\n    defaultConfig: {a: 1}\n---\n\
        apiVersion: admissionregistration.k8s.io/v1\nkind: MutatingWebhookConfiguration\n\
        metadata: {name: injector}\nwebhooks:\n- name: namespace.sidecar-injector.istio.io\n";
    let mesh = world(text).mesh;
    assert_eq!(mesh.root_namespace, "root");
    assert_eq!(mesh.trust_domain, "td");
    assert!(!mesh.auto_mtls && mesh.injector_shown);
    assert_eq!(mesh.outbound, OutboundMode::RegistryOnly);
    let options = Options {
        mesh_root: Some("mesh".to_owned()),
        trust_domain: Some("mine".to_owned()),
        ..Options::default()
    };
    let input = Input {
        file: FileId(0),
        text: text.into(),
        role: Role::Both,
    };
    let mesh = load(&[input], &options).world.mesh;
    assert_eq!(
        (mesh.root_namespace.as_str(), mesh.trust_domain.as_str()),
        ("root", "td"),
        "what is deployed counts, not what is assumed"
    );
    let mesh = load(&[], &options).world.mesh;
    assert_eq!(
        (mesh.root_namespace.as_str(), mesh.trust_domain.as_str()),
        ("mesh", "mine")
    );
}

#[test]
fn peer_authentications_come_oldest_first() {
    let one = |name: &str, namespace: &str, time: &str| {
        format!(
            "---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\n\
             metadata: {{name: {name}, namespace: {namespace}{time}}}\n"
        )
    };
    let text = [
        one("d", "ns", ""),
        one("c", "m", ""),
        one("b", "ns", ", creationTimestamp: '2024-01-01T00:00:00Z'"),
        one("a", "ns", ", creationTimestamp: '2024-06-01T00:00:00Z'"),
    ]
    .concat();
    let world = world(&text);
    let order: Vec<_> = world
        .peer_authentications
        .iter()
        .map(|p| p.object.to_string())
        .collect();
    assert_eq!(order, ["ns/b", "ns/a", "m/c", "ns/d"]);
}

#[test]
fn the_plugin_is_read_from_its_daemon_set() {
    let world = world(&workload("DaemonSet", "calico-node", ""));
    assert_eq!(world.profile.cni.name.as_deref(), Some("calico"));
    assert_eq!(world.profile.cni.enforcement, Enforcement::Enforced);
}

#[test]
fn policies_get_the_defaults_of_the_server() {
    let policy = |spec: &str| {
        let text = format!(
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: p, namespace: ns}}\nspec: {spec}\n"
        );
        world(&text).network_policies[0].clone()
    };
    let sides = |spec: &str| {
        let policy = policy(spec);
        (
            policy.ingress.map(|r| r.len()),
            policy.egress.map(|r| r.len()),
        )
    };
    assert_eq!(sides("{}"), (Some(0), None));
    assert_eq!(sides("null"), (Some(0), None));
    assert_eq!(sides("{egress: []}"), (Some(0), None));
    assert_eq!(sides("{egress: [{}]}"), (Some(0), Some(1)));
    assert_eq!(
        sides("{policyTypes: [Egress], ingress: [{}]}"),
        (None, Some(0))
    );
    assert_eq!(sides("{policyTypes: [], ingress: null}"), (Some(0), None));
    let spec = "{ingress: [{from: [], ports: []}, null, {from: [{podSelector: {}}, {namespaceSelector: {}}, \
        {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: m}}}]}]}";
    let rules = policy(spec).ingress.unwrap();
    assert_eq!((&rules[0].peers, &rules[0].ports), (&None, &None));
    assert_eq!((&rules[1].peers, &rules[1].ports), (&None, &None));
    let pods = |namespaces| Peer::Pods {
        namespaces,
        pods: Selector::everything(),
    };
    assert_eq!(
        rules[2].peers.as_deref().unwrap(),
        [
            pods(NamespaceMatch::Named("ns".to_owned())),
            pods(NamespaceMatch::Selector(Selector::everything())),
            pods(NamespaceMatch::Named("m".to_owned())),
        ]
    );
}

#[test]
fn services_keep_their_targets() {
    let text = "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec:\n  selector: {a: b}\n  ports:\n  \
        - {name: a, port: 80}\n  - {name: b, port: 81, targetPort: web, appProtocol: http}\n  \
        - {name: c, port: 82, targetPort: 8082, protocol: UDP}\n";
    let world = world(text);
    let ports = &world.services[0].ports;
    assert_eq!(ports[0].target, TargetPort::Number(80));
    assert_eq!(ports[1].target, TargetPort::Name("web".to_owned()));
    assert_eq!(ports[1].app_protocol.as_deref(), Some("http"));
    assert_eq!(
        (&ports[2].target, ports[2].protocol),
        (&TargetPort::Number(8082), Protocol::Udp)
    );
}

#[test]
fn a_service_that_is_only_a_name_selects_nothing() {
    let text = "apiVersion: v1\nkind: Service\nmetadata: {name: s}\n\
        spec: {type: ExternalName, externalName: a.example.com, selector: {a: b}}\n";
    assert!(world(text).services[0].selector.is_empty());
}

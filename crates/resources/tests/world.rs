//! How objects become a world: pods of templates and real pods, namespaces, the mesh, roles, and
//! the same world for any order of documents.

#![cfg(test)]

use palisade_diagnostics::{FileId, Severity};
use palisade_netmodel::{
    AddressSet, Enforcement, NamespaceMatch, ObjectRef, OutboundMode, Peer, Phase, PortSet,
    Protocol, Proxy, Selector, TargetPort, World,
};
use palisade_resources::{Input, Loaded, Options, Role, load};
use std::sync::Arc;

fn read(text: &str) -> Loaded {
    read_all(&[(text, Role::Both)])
}

fn read_all(texts: &[(&str, Role)]) -> Loaded {
    let inputs: Vec<Input<'_>> = texts
        .iter()
        .zip(0..)
        .map(|((text, role), id)| Input {
            file: FileId(id),
            text: (*text).into(),
            role: *role,
        })
        .collect();
    load(&inputs, &Options::default())
}

fn world(text: &str) -> World {
    let loaded = read(text);
    let errors: Vec<_> = loaded
        .diagnostics
        .iter()
        .filter(|d| d.severity == Severity::Error)
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
    loaded.world
}

fn names(world: &World) -> Vec<String> {
    world.pods.iter().map(|p| p.object().to_string()).collect()
}

/// A workload with one labelled container.
fn workload(kind: &str, name: &str, more: &str) -> String {
    let version = if kind == "Job" { "batch/v1" } else { "apps/v1" };
    format!(
        "---\napiVersion: {version}\nkind: {kind}\nmetadata: {{name: {name}, namespace: shop}}\n\
         spec:\n  selector: {{matchLabels: {{app: {name}}}}}\n{more}\
         \n  template:\n    metadata: {{labels: {{app: {name}}}}}\n    spec: {{containers: [{{name: a}}]}}\n"
    )
}

fn pod(metadata: &str, spec: &str, status: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata: {{{metadata}}}\n\
         spec: {{containers: [{{name: a}}]{spec}}}\nstatus: {{{status}}}\n"
    )
}

#[test]
fn templates_become_pods() {
    let cron = "---\napiVersion: batch/v1\nkind: CronJob\nmetadata: {name: tidy, namespace: shop}\n\
        spec:\n  schedule: '@daily'\n  suspend: true\n  jobTemplate:\n    spec:\n      template:\n        \
        spec: {containers: [{name: a}]}\n";
    let text = [
        workload("Deployment", "web", "  replicas: 1"),
        workload("ReplicaSet", "rs", ""),
        workload("StatefulSet", "db", "  replicas: 0"),
        workload("DaemonSet", "agent", ""),
        workload("Job", "once", ""),
        cron.to_owned(),
    ]
    .concat();
    let world = world(&text);
    let found: Vec<_> = world
        .pods
        .iter()
        .map(|p| (p.name.as_str(), p.workload.kind.as_str(), p.phase))
        .collect();
    assert_eq!(
        found,
        [
            ("agent-0", "DaemonSet", Phase::Live),
            ("agent-1", "DaemonSet", Phase::Live),
            ("db-0", "StatefulSet", Phase::ScaledToZero),
            ("db-1", "StatefulSet", Phase::ScaledToZero),
            ("once-0", "Job", Phase::Live),
            ("rs-0", "ReplicaSet", Phase::Live),
            ("rs-1", "ReplicaSet", Phase::Live),
            ("tidy-0", "CronJob", Phase::ScaledToZero),
            ("web-0", "Deployment", Phase::Live),
            ("web-1", "Deployment", Phase::Live),
        ]
    );
    let labels = |name: &str| {
        let pod = world.pods.iter().find(|p| p.name == name).unwrap();
        pod.labels.to_string()
    };
    assert_eq!(labels("web-0"), "app=web");
    assert!(labels("db-1").contains("statefulset.kubernetes.io/pod-name=db-1"));
    assert!(labels("once-0").contains("job-name=once"));
    assert!(
        world.namespaces.contains_key("shop"),
        "named by objects only"
    );
}

#[test]
fn real_pods_replace_those_of_their_template() {
    let owner = |kind: &str, name: &str| {
        format!(
            "namespace: shop, ownerReferences: [{{apiVersion: x/v1, kind: {kind}, name: {name}, controller: true, uid: u}}]"
        )
    };
    let live = "phase: Running, podIP: 10.0.0.7, podIPs: [{ip: 10.0.0.7}, {ip: 'fd00::7'}], hostIP: 192.0.2.1";
    let hash = "labels: {app: web, pod-template-hash: 5d4}";
    let text = [
        workload("Deployment", "web", ""),
        workload("Deployment", "api", ""),
        workload("ReplicaSet", "api-77", "").replace(
            "namespace: shop}",
            &format!("{}}}", owner("Deployment", "api")),
        ),
        workload("Job", "once", ""),
        workload("StatefulSet", "db", ""),
        pod(
            &format!(
                "name: web-5d4-x, {hash}, {}",
                owner("ReplicaSet", "web-5d4")
            ),
            "",
            live,
        ),
        pod(
            &format!("name: api-77-y, {}", owner("ReplicaSet", "api-77")),
            "",
            live,
        ),
        pod(
            &format!("name: once-z, {}", owner("Job", "once")),
            "",
            "phase: Succeeded",
        ),
    ]
    .concat();
    let world = world(&text);
    let found: Vec<_> = world
        .pods
        .iter()
        .map(|p| {
            format!(
                "{} {} {} {:?}",
                p.name, p.workload.kind, p.workload.name, p.phase
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            "api-77-y Deployment api Live",
            "db-0 StatefulSet db Live",
            "db-1 StatefulSet db Live",
            "once-z Job once Completed",
            "web-5d4-x Deployment web Live",
        ]
    );
    let known = |list: &[&str]| AddressSet {
        known: list.iter().map(|a| a.parse().unwrap()).collect(),
    };
    assert_eq!(world.pods[0].addresses, known(&["10.0.0.7", "fd00::7"]));
    assert_eq!(world.pods[0].node_addresses, known(&["192.0.2.1"]));
}

#[test]
fn a_finished_run_of_a_cron_job_leaves_the_next() {
    let cron = "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: tidy, namespace: shop}\n\
        spec: {schedule: '@daily', jobTemplate: {spec: {template: {spec: {containers: [{name: a}]}}}}}\n";
    let owner =
        "namespace: shop, ownerReferences: [{kind: Job, name: tidy-28000, controller: true}]";
    let run = |status: &str| pod(&format!("name: tidy-28000-x, {owner}"), "", status);
    let found = |status: &str| names(&world(&format!("{cron}{}", run(status))));
    assert_eq!(found("phase: Running"), ["shop/tidy-28000-x"]);
    assert_eq!(found("phase: Failed"), ["shop/tidy-0", "shop/tidy-28000-x"]);
}

/// Pods of one Job that run at once may call each other, as replicas do.
#[test]
fn a_job_of_several_pods_has_two() {
    let template = "template: {spec: {containers: [{name: a}]}}";
    let job = |kind: &str, spec: &str| {
        let text = format!(
            "apiVersion: batch/v1\nkind: {kind}\nmetadata: {{name: tidy, namespace: shop}}\nspec: {{{spec}}}\n"
        );
        names(&world(&text))
    };
    let cron = |spec: &str| {
        let spec = format!("schedule: '@daily', jobTemplate: {{spec: {{{spec}}}}}");
        job("CronJob", &spec)
    };
    for (parallelism, pods) in [
        ("", &["shop/tidy-0"][..]),
        ("parallelism: 1, ", &["shop/tidy-0"]),
        ("parallelism: 5, ", &["shop/tidy-0", "shop/tidy-1"]),
    ] {
        let spec = format!("{parallelism}{template}");
        assert_eq!(job("Job", &spec), pods, "{spec}");
        assert_eq!(cron(&spec), pods, "{spec}");
    }
}

#[test]
fn named_ports_include_native_sidecars_only() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  serviceAccountName: robot\n  \
        initContainers:\n  - {name: init, ports: [{name: boot, containerPort: 1}]}\n  \
        - {name: side, restartPolicy: Always, ports: [{name: side, containerPort: 2, protocol: UDP}]}\n  \
        containers:\n  - {name: app, ports: [{name: web, containerPort: 80}, {containerPort: 90}]}\n";
    let world = world(text);
    let pod = &world.pods[0];
    let ports: Vec<_> = pod
        .named_ports
        .iter()
        .map(|p| format!("{} {}/{}", p.name, p.port, p.protocol))
        .collect();
    assert_eq!(ports, ["side 2/UDP", "web 80/TCP"]);
    assert_eq!(pod.container_ports.to_string(), "80/TCP, 90/TCP, 2/UDP");
    assert_eq!(pod.service_account, "robot");
    assert_eq!(pod.namespace, "default");
}

/// The proxy of a pod by labels of its namespace, its own labels, annotations and containers.
fn proxy(namespace: &str, name: &str, labels: &str, annotations: &str, spec: &str) -> Proxy {
    let text = format!(
        "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}, labels: {{{namespace}}}}}\n---\n\
         apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: d, namespace: {name}}}\n\
         spec:\n  selector: {{matchLabels: {{app: d}}}}\n  template:\n    metadata:\n      \
         labels: {{app: d{labels}}}\n      annotations: {{{annotations}}}\n    spec: {{{spec}}}\n"
    );
    world(&text).pods[0].proxy.clone()
}

#[test]
fn injection_follows_the_webhook() {
    let app = "containers: [{name: a}]";
    let proxy_too = "containers: [{name: a}, {name: istio-proxy}]";
    let router = "containers: [{name: a}, {name: istio-proxy, args: [proxy, router]}]";
    let host = "hostNetwork: true, containers: [{name: a}]";
    let yes = ", sidecar.istio.io/inject: 'true'";
    let no = ", sidecar.istio.io/inject: 'false'";
    let enabled = "istio-injection: enabled";
    let disabled = "istio-injection: disabled";
    let both = "istio-injection: disabled, istio.io/rev: r";
    let rev = "istio.io/rev: r";
    for (namespace, name, labels, annotations, spec, expected) in [
        (enabled, "ns", "", "", app, "sidecar"),
        (
            enabled,
            "ns",
            no,
            "",
            app,
            "label sidecar.istio.io/inject is \"false\"",
        ),
        (
            enabled,
            "ns",
            "",
            &no[2..],
            app,
            "annotation sidecar.istio.io/inject is \"false\"",
        ),
        (enabled, "ns", yes, &no[2..], app, "sidecar"),
        (enabled, "ns", "", "", host, "it is on the host network"),
        (
            enabled,
            "kube-system",
            "",
            "",
            app,
            "the injector ignores namespace kube-system",
        ),
        (
            disabled,
            "ns",
            yes,
            "",
            app,
            "namespace ns has the label istio-injection=disabled",
        ),
        (
            both,
            "ns",
            "",
            "",
            app,
            "namespace ns has the label istio-injection=disabled",
        ),
        (rev, "ns", "", "", app, "sidecar"),
        (
            rev,
            "ns",
            no,
            "",
            app,
            "label sidecar.istio.io/inject is \"false\"",
        ),
        ("", "ns", yes, "", app, "sidecar"),
        ("", "ns", ", istio.io/rev: r", "", app, "sidecar"),
        (
            "",
            "ns",
            "",
            &yes[2..],
            app,
            "namespace ns has no injection label and the pod does not ask for it",
        ),
        ("", "ns", "", "", proxy_too, "sidecar shown"),
        ("", "ns", "", "", router, "gateway"),
        (
            "",
            "ns",
            "",
            "",
            "containers: [{name: istio-proxy}]",
            "gateway",
        ),
        (
            "",
            "ns",
            "",
            "",
            "containers: [{name: gw, image: 'x.io/istio/proxyv2@sha256:0'}]",
            "gateway",
        ),
        (
            "",
            "ns",
            ", istio: ingressgateway",
            "",
            proxy_too,
            "gateway",
        ),
        (
            enabled,
            "ns",
            "",
            "inject.istio.io/templates: gateway",
            app,
            "gateway",
        ),
    ] {
        let found = match proxy(namespace, name, labels, annotations, spec) {
            Proxy::None { reason } => reason,
            Proxy::Gateway => "gateway".to_owned(),
            Proxy::Ambient { capture, .. } => format!("ambient {capture:?}"),
            Proxy::Waypoint => "waypoint".to_owned(),
            Proxy::Sidecar { shown: true, .. } => "sidecar shown".to_owned(),
            Proxy::Sidecar { .. } => "sidecar".to_owned(),
        };
        assert_eq!(
            found, expected,
            "{namespace} {name} {labels} {annotations} {spec}"
        );
    }
}

#[test]
fn a_running_pod_without_proxy_has_none() {
    let enabled = "apiVersion: v1\nkind: Namespace\nmetadata: {name: ns, labels: {istio-injection: enabled}}\n";
    let found = |status: &str| {
        let text = format!("{enabled}{}", pod("name: p, namespace: ns", "", status));
        world(&text).pods[0].proxy.clone()
    };
    assert!(matches!(found(""), Proxy::Sidecar { .. }));
    assert!(matches!(found("phase: Running"), Proxy::None { .. }));
}

#[test]
fn interception_follows_the_annotations() {
    let tcp = |list: &[(u16, u16)]| {
        list.iter().fold(PortSet::empty(), |set, (first, last)| {
            set.union(&PortSet::range(Protocol::Tcp, *first, *last))
        })
    };
    let always = [(15020, 15021), (15090, 15090)];
    let prefix = "traffic.sidecar.istio.io/";
    for (annotations, bypass, excluded) in [
        ("".to_owned(), tcp(&always), tcp(&[])),
        (
            format!("{prefix}excludeInboundPorts: '80, 90', {prefix}excludeOutboundPorts: '443'"),
            tcp(&[(80, 80), (90, 90), (15020, 15021), (15090, 15090)]),
            tcp(&[(443, 443)]),
        ),
        (
            format!("{prefix}includeInboundPorts: '', {prefix}excludeInboundPorts: '80'"),
            tcp(&[(1, 65535)]),
            tcp(&[]),
        ),
        (
            format!("{prefix}includeInboundPorts: '80'"),
            tcp(&[(1, 79), (81, 65535)]),
            tcp(&[]),
        ),
        (
            format!("{prefix}includeInboundPorts: '*', {prefix}excludeInboundPorts: '80'"),
            tcp(&[(80, 80), (15020, 15021), (15090, 15090)]),
            tcp(&[]),
        ),
        (
            format!("{prefix}includeOutboundPorts: '9200'"),
            tcp(&always),
            tcp(&[]),
        ),
        (
            format!("{prefix}includeOutboundPorts: '9200', {prefix}includeOutboundIPRanges: ''"),
            tcp(&always),
            tcp(&[(1, 9199), (9201, 65535)]),
        ),
        (
            "sidecar.istio.io/interceptionMode: NONE".to_owned(),
            tcp(&[(1, 65535)]),
            tcp(&[(1, 65535)]),
        ),
    ] {
        let app = "containers: [{name: a}]";
        let Proxy::Sidecar {
            inbound,
            outbound_excluded,
            ..
        } = proxy("istio-injection: enabled", "ns", "", &annotations, app)
        else {
            panic!("{annotations}");
        };
        assert_eq!(inbound.bypass, bypass, "{annotations}");
        assert_eq!(outbound_excluded, excluded, "{annotations}");
    }
}

#[test]
fn replicas_share_what_they_have_in_common() {
    let pod = |name: &str, app: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, labels: {{app: {app}}}, \
            ownerReferences: [{{kind: ReplicaSet, name: web-1, controller: true}}]}}\n\
            spec: {{containers: [{{name: c}}]}}\n---\n"
        )
    };
    let text = [pod("a", "web"), pod("b", "web"), pod("c", "db")].concat();
    let mut world = world(&text);
    let [a, b, c] = world.pods.as_mut_slice() else {
        panic!("{:?}", world.pods);
    };
    assert!(Arc::ptr_eq(&a.template, &b.template));
    assert_ne!(a.labels, c.labels);
    // A change of one leaves the other as it is.
    a.host_network = true;
    assert!(a.host_network && !b.host_network);
}

#[test]
fn host_network_group_of_openshift() {
    let text = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: openshift-host-network\n  \
        labels: {policy-group.network.openshift.io/host-network: ''}\n";
    let world = world(text);
    let [pod] = world.pods.as_slice() else {
        panic!("{:?}", world.pods);
    };
    assert!(pod.host_group);
    assert_eq!(pod.name, "host-network");
}

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

#[test]
fn roles_choose_kinds_and_unite_namespaces() {
    let namespace = |labels: &str| {
        format!(
            "---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: ns, labels: {{{labels}}}}}\n"
        )
    };
    let policy = "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: ns}\n";
    let gateway = "---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: p, namespace: ns}\n";
    let shipped = [
        &namespace("a: old, b: kept"),
        policy,
        gateway,
        &workload("Deployment", "web", ""),
    ]
    .concat();
    let compiled = [
        &namespace("a: new"),
        policy,
        &workload("Deployment", "other", ""),
    ]
    .concat();
    for order in [[0, 1], [1, 0]] {
        let texts = [
            (shipped.as_str(), Role::Workloads),
            (compiled.as_str(), Role::Policies),
        ];
        let loaded = read_all(&order.map(|i| texts[i]));
        assert_eq!(loaded.diagnostics, []);
        assert_eq!(names(&loaded.world), ["shop/web-0", "shop/web-1"]);
        assert_eq!(loaded.world.network_policies.len(), 1);
        assert!(loaded.world.peer_authentications.is_empty());
        let labels = loaded.world.namespace_labels("ns").unwrap().to_string();
        assert_eq!(labels, "a=new,b=kept,kubernetes.io/metadata.name=ns");
    }
}

#[test]
fn an_object_in_error_is_left_out_and_named() {
    let text = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: bad, namespace: ns}\n\
        spec: {policyTypes: [In]}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: ok}\n---\n\
        apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n---\n\
        apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: s}\n";
    let loaded = read(text);
    assert_eq!(loaded.left_out, ["NetworkPolicy ns/bad"]);
    let note = "NetworkPolicy ns/bad is left out until its errors are corrected.";
    assert_eq!(loaded.diagnostics[0].notes, [note]);
    assert_eq!(loaded.world.namespaces.keys().collect::<Vec<_>>(), ["ok"]);
    assert_eq!(
        loaded.counts.into_iter().collect::<Vec<_>>(),
        [("Namespace".to_owned(), 1)]
    );
    let unknown: Vec<_> = loaded.unknown.into_iter().collect();
    let role = "Role.rbac.authorization.k8s.io".to_owned();
    assert_eq!(unknown, [(role, 1), ("Secret".to_owned(), 1)]);
}

#[test]
fn duplicates_are_told_with_both_places() {
    let text = "apiVersion: v1\nkind: Namespace\nmetadata: {name: ns}\n";
    let loaded = read_all(&[(text, Role::Both), (text, Role::Both)]);
    let labels = &loaded.diagnostics[0].labels;
    let files: Vec<_> = labels.iter().map(|label| label.span.file.0).collect();
    assert_eq!(files, [1, 0]);
    assert_eq!(ObjectRef::new("", "ns").to_string(), "ns");
}

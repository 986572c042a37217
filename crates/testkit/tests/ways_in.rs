//! What the outside can reach, through each kind of door, as the documents of Kubernetes, the Gateway
//! API, OpenShift and Istio say.

#![cfg(test)]

use palisade_diagnostics::{FileId, Severity};
use palisade_netmodel::{Endpoint, Node, Outcome, PodId, World, reference};
use palisade_resources::{Input, Options, Role, load};
use palisade_verify::{Behind, SeenAs, WayIn, ways_in};

fn world(text: &str) -> World {
    let input = Input {
        file: FileId(0),
        text: text.into(),
        role: Role::Both,
    };
    let loaded = load(&[input], &Options::default());
    let errors = loaded.diagnostics.iter();
    let errors: Vec<_> = errors.filter(|d| d.severity == Severity::Error).collect();
    assert!(errors.is_empty(), "{errors:?}\n{text}");
    loaded.world
}

/// A way as a line: door, port, hosts, paths, what is behind it, the source seen, the outcome, clients.
fn line(world: &World, way: &WayIn) -> String {
    let pod = |id: &PodId| world.pod(*id).unwrap().object().to_string();
    let port = |port| match port {
        Some((protocol, number)) => format!("{number}/{protocol}"),
        None => "?".to_owned(),
    };
    let door = &way.door;
    let mut text = format!("{} {} {}", door.kind, door.object, port(door.port));
    for part in door.addresses.iter().chain(&door.hosts).chain(&door.paths) {
        text.push_str(&format!(" {part}"));
    }
    let to = match &way.to {
        Behind::Pods(pods) => pods.iter().map(pod).collect::<Vec<_>>().join("+"),
        Behind::Address(address) => address.to_string(),
        Behind::Nothing(_) => "nothing".to_owned(),
    };
    let seen = match &way.seen_as {
        SeenAs::Client => "client".to_owned(),
        SeenAs::Node => "node".to_owned(),
        SeenAs::Unknown => "unknown".to_owned(),
        SeenAs::Pods(pods) => pods.iter().map(pod).collect::<Vec<_>>().join("+"),
    };
    text.push_str(&format!(
        " => {to} {} as {seen}: {:?}",
        port(way.port),
        way.outcome
    ));
    for (first, last) in &way.clients {
        text.push_str(&format!(" {first}-{last}"));
    }
    text
}

fn ways(world: &World) -> Vec<WayIn> {
    let found = ways_in(world);
    assert_eq!(found.left_out, 0);
    for way in &found.ways {
        // An example is what the reference says; what passes to a pod has one.
        let passes = way.outcome == Outcome::Allow && matches!(way.to, Behind::Pods(_));
        assert!(way.flow.is_some() || !passes, "{way:?}");
        if let Some(flow) = &way.flow {
            let decided = reference::decide(world, flow).outcome;
            assert!(
                decided <= way.outcome || way.outcome == Outcome::Depends,
                "{way:?}"
            );
        }
        assert!(
            way.outcome != Outcome::Depends || !way.notes.is_empty(),
            "{way:?}"
        );
    }
    found.ways
}

fn lines(world: &World) -> Vec<String> {
    ways(world).iter().map(|way| line(world, way)).collect()
}

fn check(text: &str, expected: &[&str]) {
    assert_eq!(lines(&world(text)), expected, "{text}");
}

const WEB: &str = "---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: a, ports: [{name: http, containerPort: 8080}]}]}
";

/// A Service `shop/web` for the pod, with more of its spec.
fn service(more: &str) -> String {
    format!(
        "{WEB}---\napiVersion: v1\nkind: Service\nmetadata: {{name: web, namespace: shop}}\n\
         spec:\n  selector: {{app: web}}\n{more}"
    )
}

/// A NetworkPolicy for all pods of `shop` with these ingress rules.
fn policy(rules: &str) -> String {
    format!(
        "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n\
         metadata: {{name: p, namespace: shop}}\nspec: {{podSelector: {{}}, ingress: {rules}}}\n"
    )
}

const PORTS: &str = "  ports: [{port: 80, targetPort: http, nodePort: 30007}]\n";

#[test]
fn a_service_inside_is_no_door() {
    check(&service("  ports: [{port: 80, targetPort: http}]\n"), &[]);
    check(&service("  clusterIP: None\n"), &[]);
}

/// `externalTrafficPolicy: Cluster`: "spread external traffic to any ready endpoints", with the node's
/// address as the source; a pod's own node always passes.
#[test]
fn a_node_port_shows_the_node() {
    let open = service(&format!("  type: NodePort\n{PORTS}"));
    let passes = "NodePort shop/web 30007/TCP => shop/web 8080/TCP as node: Allow";
    let depends = "NodePort shop/web 30007/TCP => shop/web 8080/TCP as node: Depends";
    check(&open, &[passes]);
    check(&format!("{open}{}", policy("[]")), &[depends]);
    check(&format!("{open}{}", policy("[{}]")), &[passes]);
    check(
        &format!("{open}{}", policy("[{ports: [{port: 8080}]}]")),
        &[passes],
    );
    // Without Node objects no address of a node is known.
    let nodes = format!(
        "{open}{}",
        policy("[{from: [{ipBlock: {cidr: 10.9.0.0/16}}]}]")
    );
    check(&nodes, &[depends]);
    let mut world = world(&nodes);
    for (name, address) in [("a", "10.9.0.1"), ("b", "10.9.0.2")] {
        world.nodes.push(Node {
            name: name.to_owned(),
            addresses: vec![address.parse().unwrap()],
            ..Node::default()
        });
    }
    assert_eq!(lines(&world), [passes]);
    world.nodes[1].addresses = vec!["10.8.0.2".parse().unwrap()];
    assert_eq!(lines(&world), [depends]);
}

/// A port that is not written is assigned later.
#[test]
fn a_node_port_may_be_unknown() {
    let text =
        service("  type: NodePort\n  ports: [{port: 80, targetPort: 9000, protocol: UDP}]\n");
    check(
        &text,
        &["NodePort shop/web ? => shop/web 9000/UDP as node: Allow"],
    );
}

/// `Local` "preserves the client source IP".
#[test]
fn local_shows_the_client() {
    let open = service(&format!(
        "  type: NodePort\n  externalTrafficPolicy: Local\n{PORTS}"
    ));
    let way =
        |rest: &str| format!("NodePort shop/web 30007/TCP => shop/web 8080/TCP as client: {rest}");
    check(&open, &[&way("Allow")]);
    check(&format!("{open}{}", policy("[]")), &[&way("Deny")]);
    // Selectors mean pods, never clients outside.
    let pods = policy("[{from: [{namespaceSelector: {}}]}]");
    check(&format!("{open}{pods}"), &[&way("Deny")]);
    let some = policy("[{from: [{ipBlock: {cidr: 203.0.113.0/24, except: [203.0.113.128/25]}}]}]");
    check(
        &format!("{open}{some}"),
        &[&way("Allow 203.0.113.0-203.0.113.127")],
    );
    // The port of the policy is the pod's.
    let wrong = policy("[{ports: [{port: 80}]}]");
    check(&format!("{open}{wrong}"), &[&way("Deny")]);
}

/// A load balancer is "equivalent to requesting a Service of type NodePort" with a balancer before it.
#[test]
fn a_load_balancer_has_two_doors() {
    let text = service(&format!(
        "  type: LoadBalancer\n  externalTrafficPolicy: Local\n  loadBalancerSourceRanges: [198.51.100.0/24]\n{PORTS}\
         status: {{loadBalancer: {{ingress: [{{ip: 192.0.2.127}}]}}}}\n"
    ));
    check(
        &text,
        &[
            "LoadBalancer shop/web 80/TCP 192.0.2.127 => shop/web 8080/TCP as client: Allow 198.51.100.0-198.51.100.255",
            "NodePort shop/web 30007/TCP => shop/web 8080/TCP as client: Allow",
        ],
    );
    let other = policy("[{from: [{ipBlock: {cidr: 203.0.113.0/24}}]}]");
    let found = lines(&world(&format!("{text}{other}")));
    assert!(found[0].ends_with("as client: Deny"), "{found:?}");
    assert!(
        found[1].ends_with("as client: Allow 203.0.113.0-203.0.113.255"),
        "{found:?}"
    );
    // "load balancer implementations that route traffic directly to pods".
    let direct = service(
        "  type: LoadBalancer\n  allocateLoadBalancerNodePorts: false\n  ports: [{port: 80, targetPort: 8080}]\n",
    );
    let way = |rest: &str| {
        format!("LoadBalancer shop/web 80/TCP => shop/web 8080/TCP as unknown: {rest}")
    };
    check(&direct, &[&way("Allow")]);
    check(&format!("{direct}{}", policy("[]")), &[&way("Deny")]);
    check(
        &format!("{direct}{}", policy("[{from: [{podSelector: {}}]}]")),
        &[&way("Depends")],
    );
}

#[test]
fn external_addresses_are_doors() {
    let text = service("  externalIPs: [198.51.100.32]\n  ports: [{port: 80, targetPort: 8080}]\n");
    check(
        &text,
        &["externalIPs shop/web 80/TCP 198.51.100.32 => shop/web 8080/TCP as node: Allow"],
    );
}

/// "a Service without a selector [...] can abstract other kinds of backends" with EndpointSlices.
#[test]
fn a_service_without_selector_follows_its_slices() {
    let door = "apiVersion: v1\nkind: Service\nmetadata: {name: db, namespace: shop}\n\
                spec: {type: NodePort, ports: [{name: sql, port: 5432, nodePort: 30008}]}\n";
    let way = |to: &str| format!("NodePort shop/db 30008/TCP => {to}");
    check(door, &[&way("nothing ? as node: Depends")]);
    let slice = "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\naddressType: IPv4\n\
                 metadata: {name: db-1, namespace: shop, labels: {kubernetes.io/service-name: db}}\n\
                 ports: [{name: sql, port: 6000}, {name: other, port: 7000}]\n\
                 endpoints: [{addresses: [10.4.5.6]}, {addresses: [10.1.2.3]}]\n";
    let pod = "---\napiVersion: v1\nkind: Pod\nmetadata: {name: db, namespace: data}\n\
               spec: {containers: [{name: a}]}\nstatus: {phase: Running, podIP: 10.1.2.3}\n";
    check(
        &format!("{door}{slice}{pod}"),
        &[
            &way("data/db 6000/TCP as node: Allow"),
            &way("10.4.5.6 6000/TCP as node: Allow"),
        ],
    );
}

/// A name of a port is looked up on each pod; a pod without it is no endpoint of that port.
#[test]
fn named_ports_differ_between_pods() {
    let more = "---\napiVersion: v1\nkind: Pod\nmetadata: {name: new, namespace: shop, labels: {app: web}}\n\
                spec: {containers: [{name: a, ports: [{name: http, containerPort: 9090}]}]}\n\
                ---\napiVersion: v1\nkind: Pod\nmetadata: {name: nameless, namespace: shop, labels: {app: web}}\n\
                spec: {containers: [{name: a, ports: [{containerPort: 8080}]}]}\n";
    let text = service(&format!("  type: NodePort\n{PORTS}"));
    check(
        &format!("{text}{more}"),
        &[
            "NodePort shop/web 30007/TCP => shop/new 9090/TCP as node: Allow",
            "NodePort shop/web 30007/TCP => shop/web 8080/TCP as node: Allow",
        ],
    );
}

const INGRESS: &str = "---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: site, namespace: shop}
spec:
  ingressClassName: nginx
  rules:
  - host: shop.example.com
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
";

const CONTROLLER: &str = "---
apiVersion: v1
kind: Pod
metadata: {name: nginx, namespace: ingress, labels: {app.kubernetes.io/name: ingress-nginx, app.kubernetes.io/component: controller}}
spec: {containers: [{name: a}]}
---
apiVersion: v1
kind: Service
metadata: {name: nginx, namespace: ingress}
spec: {type: LoadBalancer, externalTrafficPolicy: Local, allocateLoadBalancerNodePorts: false, selector: {app.kubernetes.io/name: ingress-nginx}, ports: [{port: 80, targetPort: 8000, nodePort: 30080}]}
";

const INSIDE: &str = "  ports: [{port: 80, targetPort: http}]\n";

/// The controller's pods in the world are the source; what stops the outside before them stops it.
#[test]
fn an_ingress_behind_known_pods() {
    let base = format!("{}{INGRESS}{CONTROLLER}", service(INSIDE));
    let inner = |text: &str| {
        let world = world(text);
        let found = ways(&world);
        let way = found.iter().find(|w| w.door.object.name == "site").unwrap();
        line(&world, way)
    };
    let way = |rest: &str| {
        format!(
            "Ingress shop/site 80/TCP shop.example.com / => shop/web 8080/TCP as ingress/nginx: {rest}"
        )
    };
    assert_eq!(inner(&base), way("Allow"));
    let from =
        "[{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress}}}]}]";
    assert_eq!(inner(&format!("{base}{}", policy(from))), way("Allow"));
    // Clients outside are not the source here.
    let clients = policy("[{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}]");
    assert_eq!(inner(&format!("{base}{clients}")), way("Deny"));
    // The controller's own egress and ingress count.
    let own = |spec: &str| {
        format!(
            "{base}---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n\
             metadata: {{name: own, namespace: ingress}}\nspec: {{podSelector: {{}}, {spec}}}\n"
        )
    };
    assert_eq!(inner(&own("policyTypes: [Egress]")), way("Deny"));
    assert_eq!(inner(&own("policyTypes: [Ingress]")), way("Deny"));
    assert_eq!(
        inner(&own("ingress: [{ports: [{port: 8000}]}]")),
        way("Allow")
    );
    // Nothing leads to the controller.
    let (unpublished, _) = CONTROLLER.split_at(CONTROLLER.rfind("---").unwrap());
    let text = format!("{}{INGRESS}{unpublished}", service(INSIDE));
    assert_eq!(inner(&text), way("Depends"));
}

/// A controller that is not in the world may be any pod or node.
#[test]
fn an_ingress_behind_unknown_pods() {
    let base = format!("{}{INGRESS}", service(INSIDE));
    let way = |rest: &str| {
        format!(
            "Ingress shop/site 80/TCP shop.example.com / => shop/web 8080/TCP as unknown: {rest}"
        )
    };
    check(&base, &[&way("Allow")]);
    check(&format!("{base}{}", policy("[]")), &[&way("Deny")]);
    check(
        &format!("{base}{}", policy("[{ports: [{port: 8080}]}]")),
        &[&way("Allow")],
    );
    check(
        &format!("{base}{}", policy("[{ports: [{port: 80}]}]")),
        &[&way("Deny")],
    );
    let selected = policy("[{from: [{namespaceSelector: {matchLabels: {a: b}}}]}]");
    check(&format!("{base}{selected}"), &[&way("Depends")]);
}

#[test]
fn what_an_ingress_names_may_be_missing() {
    let way = "Ingress shop/site 80/TCP shop.example.com / => nothing ? as unknown: Depends";
    check(INGRESS, &[way]);
    let other = service("  ports: [{port: 81, targetPort: http}]\n");
    check(&format!("{other}{INGRESS}"), &[way]);
    let name = "---\napiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\n\
                spec: {type: ExternalName, externalName: a.example.com, ports: [{port: 80}]}\n";
    check(&format!("{INGRESS}{name}"), &[way]);
}

/// An IngressClass names its controller; Ingresses without a class take the default one.
#[test]
fn classes_of_ingresses() {
    let class = |name: &str, controller: &str, default: bool| {
        format!(
            "---\napiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {{name: {name}, \
             annotations: {{ingressclass.kubernetes.io/is-default-class: '{default}'}}}}\n\
             spec: {{controller: {controller}}}\n"
        )
    };
    let seen = |text: &str| {
        let world = world(&format!("{}{CONTROLLER}{text}", service(INSIDE)));
        let found = ways(&world);
        let way = found.iter().find(|w| w.door.object.name == "site").unwrap();
        matches!(way.seen_as, SeenAs::Pods(_))
    };
    let mine = INGRESS.replace("ingressClassName: nginx", "ingressClassName: mine");
    let none = INGRESS.replace("  ingressClassName: nginx\n", "");
    let nginx = "k8s.io/ingress-nginx";
    assert!(!seen(&mine));
    assert!(seen(&format!("{mine}{}", class("mine", nginx, false))));
    assert!(!seen(&format!(
        "{INGRESS}{}",
        class("nginx", "traefik.io/ingress-controller", false)
    )));
    assert!(!seen(&format!(
        "{none}{}",
        class("other", "traefik.io/ingress-controller", true)
    )));
    assert!(seen(&format!("{none}{}", class("other", nginx, true))));
    // Without any class, the only known controller is taken.
    assert!(seen(&none));
}

#[test]
fn routes_of_openshift() {
    let route = "---\napiVersion: route.openshift.io/v1\nkind: Route\nmetadata: {name: r, namespace: shop}\n\
                 spec: {host: a.example.com, to: {kind: Service, name: web}, port: {targetPort: 8080}, tls: {termination: edge}}\n";
    let router = "---\napiVersion: v1\nkind: Pod\nmetadata: {name: router, namespace: openshift-ingress, \
                  labels: {ingresscontroller.operator.openshift.io/deployment-ingresscontroller: default}}\n\
                  spec: {hostNetwork: true, containers: [{name: a, ports: [{containerPort: 443}]}]}\n";
    let base = format!("{}{route}", service(INSIDE));
    check(
        &base,
        &["Route shop/r 443/TCP a.example.com => shop/web 8080/TCP as unknown: Allow"],
    );
    check(
        &format!("{base}{router}"),
        &[
            "hostNetwork openshift-ingress/router 443/TCP => openshift-ingress/router 443/TCP as client: Allow",
            "Route shop/r 443/TCP a.example.com => shop/web 8080/TCP as openshift-ingress/router: Allow",
        ],
    );
    // A target port that no pod has.
    let wrong = base.replace("targetPort: 8080}, tls", "targetPort: 9}, tls");
    check(&wrong, &[]);
}

const GATEWAY: &str = "---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: g, namespace: infra}
spec:
  gatewayClassName: c
  listeners:
  - {name: web, port: 80, protocol: HTTP, hostname: '*.example.com', allowedRoutes: {namespaces: {from: All}}}
  - {name: own, port: 81, protocol: HTTP}
  - {name: tcp, port: 82, protocol: TCP, allowedRoutes: {namespaces: {from: All}}}
";

fn http_route(hosts: &str, backend: &str) -> String {
    format!(
        "---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{name: r, namespace: shop}}\n\
         spec: {{hostnames: [{hosts}], parentRefs: [{{name: g, namespace: infra}}], rules: [{{backendRefs: [{backend}]}}]}}\n"
    )
}

/// A listener takes routes of allowed namespaces and suitable kinds whose hosts intersect its own.
#[test]
fn routes_of_the_gateway_api() {
    let web = "{name: web, port: 80}";
    let base = format!("{}{GATEWAY}", service(INSIDE));
    let way = |host: &str, rest: &str| {
        format!("HTTPRoute shop/r 80/TCP {host} => shop/web 8080/TCP as {rest}")
    };
    check(
        &format!("{base}{}", http_route("a.example.com, example.org", web)),
        &[&way("a.example.com", "unknown: Allow")],
    );
    check(
        &format!("{base}{}", http_route("", web)),
        &[&way("*.example.com", "unknown: Allow")],
    );
    check(&format!("{base}{}", http_route("example.com", web)), &[]);
    let tcp = "---\napiVersion: gateway.networking.k8s.io/v1alpha2\nkind: TCPRoute\nmetadata: {name: t, namespace: shop}\n\
               spec: {parentRefs: [{name: g, namespace: infra}], rules: [{backendRefs: [{name: web, port: 80}]}]}\n";
    check(
        &format!("{base}{tcp}"),
        &["TCPRoute shop/t 82/TCP => shop/web 8080/TCP as unknown: Allow"],
    );
    let pod = "---\napiVersion: v1\nkind: Pod\nmetadata: {name: g-x, namespace: infra, labels: {gateway.networking.k8s.io/gateway-name: g}}\n\
               spec: {containers: [{name: a}]}\n";
    let text = format!(
        "{base}{pod}{}{}",
        http_route("a.example.com", web),
        policy("[{from: [{podSelector: {}}]}]")
    );
    check(&text, &[&way("a.example.com", "infra/g-x: Deny")]);
    // A gateway that is not there.
    let absent = format!("{}{}", service(INSIDE), http_route("a.example.com", web));
    check(
        &absent,
        &["HTTPRoute shop/r ? a.example.com => shop/web 8080/TCP as unknown: Depends"],
    );
}

/// A Service of another namespace needs a ReferenceGrant there.
#[test]
fn reference_grants() {
    let other = service(INSIDE).replace("namespace: shop", "namespace: data");
    let base = format!(
        "{other}{GATEWAY}{}",
        http_route("a.example.com", "{name: web, namespace: data, port: 80}")
    );
    let way = |rest: &str| {
        format!("HTTPRoute shop/r 80/TCP a.example.com => data/web 8080/TCP as unknown: {rest}")
    };
    check(&base, &[&way("Deny")]);
    let grant = |to: &str| {
        format!(
            "---\napiVersion: gateway.networking.k8s.io/v1beta1\nkind: ReferenceGrant\nmetadata: {{name: g, namespace: data}}\n\
             spec: {{from: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: shop}}], to: [{{group: '', kind: Service{to}}}]}}\n"
        )
    };
    check(&format!("{base}{}", grant("")), &[&way("Allow")]);
    check(&format!("{base}{}", grant(", name: web")), &[&way("Allow")]);
    check(
        &format!("{base}{}", grant(", name: other")),
        &[&way("Deny")],
    );
}

const ISTIO: &str = "---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: g, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: ['*'], tls: {httpsRedirect: true}}
  - {port: {number: 443, name: https, protocol: HTTPS}, hosts: ['shop/*.example.com'], tls: {mode: SIMPLE, credentialName: c}}
  - {port: {number: 444, name: tls, protocol: TLS}, hosts: ['*'], tls: {mode: PASSTHROUGH}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: v, namespace: shop}
spec:
  hosts: [a.example.com]
  gateways: [istio-system/g]
  http: [{route: [{destination: {host: web}}]}]
";

#[test]
fn virtual_services_behind_istio_gateways() {
    let base = format!("{}{ISTIO}", service(INSIDE));
    check(
        &base,
        &["VirtualService shop/v 443/TCP a.example.com => shop/web 8080/TCP as unknown: Allow"],
    );
    // Another namespace than the server names; the sidecars alone.
    let elsewhere = base.replace("'shop/*.example.com'", "'data/*.example.com'");
    check(&elsewhere, &[]);
    let sidecars = base.replace("gateways: [istio-system/g]", "gateways: [mesh]");
    check(&sidecars, &[]);
    let passed = base.replace(
        "http: [{route",
        "tls: [{match: [{sniHosts: [a.example.com]}], route",
    );
    check(
        &passed,
        &["VirtualService shop/v 444/TCP a.example.com => shop/web 8080/TCP as unknown: Allow"],
    );
}

/// Plaintext from a node meets STRICT mutual TLS: no policy has to refuse it.
#[test]
fn the_mesh_refuses_plaintext() {
    let text = service(&format!("  type: NodePort\n{PORTS}")).replace(
        "labels: {app: web}}\nspec: {containers",
        "labels: {app: web, sidecar.istio.io/inject: 'true'}}\nspec: {containers",
    );
    let strict = "---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\n\
                  metadata: {name: default, namespace: istio-system}\nspec: {mtls: {mode: STRICT}}\n";
    let way =
        |rest: &str| format!("NodePort shop/web 30007/TCP => shop/web 8080/TCP as node: {rest}");
    check(&text, &[&way("Allow")]);
    check(&format!("{text}{strict}"), &[&way("Deny")]);
}

/// "NetworkPolicy behaviour for hostNetwork pods is undefined": no policy is taken to apply.
#[test]
fn the_host_network_is_a_door() {
    let pod = "---\napiVersion: v1\nkind: Pod\nmetadata: {name: agent, namespace: shop}\n\
               spec: {hostNetwork: true, containers: [{name: a, ports: [{containerPort: 9100}]}]}\n";
    let text = format!("{pod}{}", policy("[]"));
    check(
        &text,
        &["hostNetwork shop/agent 9100/TCP => shop/agent 9100/TCP as client: Allow"],
    );
}

/// Clients outside are no pods and no nodes.
#[test]
fn the_outside_is_neither_pod_nor_node() {
    let mut world = world(&format!(
        "{}{}",
        service(&format!(
            "  type: NodePort\n  externalTrafficPolicy: Local\n{PORTS}"
        )),
        policy("[{from: [{ipBlock: {cidr: 10.9.0.1/32}}]}]")
    ));
    let way = "NodePort shop/web 30007/TCP => shop/web 8080/TCP as client: Allow 10.9.0.1-10.9.0.1";
    assert_eq!(lines(&world), [way]);
    world.nodes.push(Node {
        addresses: vec!["10.9.0.1".parse().unwrap()],
        ..Node::default()
    });
    let refused = "NodePort shop/web 30007/TCP => shop/web 8080/TCP as client: Deny";
    assert_eq!(lines(&world), [refused]);
    let flow = ways(&world)[0].flow.unwrap();
    assert!(matches!(flow.source, Endpoint::Address(_)));
}

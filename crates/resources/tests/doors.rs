//! What lets the outside in, as it is read: Services, EndpointSlices, Ingresses, Gateway API, OpenShift
//! Routes, VirtualServices.

#![cfg(test)]

use palisade_diagnostics::FileId;
use palisade_netmodel::{
    Backend, BackendPort, DoorTls, Doors, ObjectRef, Parent, Protocol, RouteKind, RouteNamespaces,
    ServiceType, Way, World,
};
use palisade_resources::{Input, Loaded, Options, Role, load};

fn read(text: &str) -> Loaded {
    let input = Input {
        file: FileId(0),
        text: text.into(),
        role: Role::Both,
    };
    load(&[input], &Options::default())
}

fn world(text: &str) -> World {
    let loaded = read(text);
    assert_eq!(loaded.diagnostics, [], "{text}");
    loaded.world
}

fn doors(text: &str) -> Doors {
    world(text).doors
}

fn to(namespace: &str, name: &str, port: BackendPort) -> Backend {
    Backend {
        service: ObjectRef::new(namespace, name),
        port,
    }
}

/// A route's ways: hosts, paths, backends.
fn ways(ways: &[Way]) -> Vec<(Vec<&str>, Vec<&str>, Vec<Backend>)> {
    ways.iter()
        .map(|way| {
            (
                way.hosts.iter().map(String::as_str).collect(),
                way.paths.iter().map(String::as_str).collect(),
                way.backends.clone(),
            )
        })
        .collect()
}

#[test]
fn services() {
    let world = world(
        "apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: shop}\n\
         spec:\n  type: LoadBalancer\n  externalTrafficPolicy: Local\n  selector: {app: a}\n\
         \x20 externalIPs: [198.51.100.7]\n  loadBalancerSourceRanges: [' 203.0.113.0/24']\n\
         \x20 allocateLoadBalancerNodePorts: false\n\
         \x20 ports: [{name: w, port: 80, targetPort: 8080, nodePort: 30007}, {name: z, port: 81, nodePort: 0}]\n\
         status: {loadBalancer: {ingress: [{ip: 192.0.2.127}, {hostname: lb.example.com}]}}\n\
         ---\napiVersion: v1\nkind: Service\nmetadata: {name: b, namespace: shop}\n\
         spec: {type: ExternalName, externalName: db.example.com}\n",
    );
    let publication = &world.services[0].publication;
    assert_eq!(publication.kind, ServiceType::LoadBalancer);
    assert!(publication.local && publication.without_node_ports);
    assert_eq!(
        publication.external_addresses,
        ["198.51.100.7".parse::<std::net::IpAddr>().unwrap()]
    );
    assert_eq!(
        publication.source_ranges,
        ["203.0.113.0/24".parse().unwrap()]
    );
    assert_eq!(publication.balancer, ["192.0.2.127", "lb.example.com"]);
    let ports = &world.services[0].ports;
    assert_eq!(
        (ports[0].node_port, ports[1].node_port),
        (Some(30007), None)
    );
    let publication = &world.services[1].publication;
    assert_eq!(publication.external_name.as_deref(), Some("db.example.com"));
    assert_eq!(publication.kind, ServiceType::ExternalName);
}

#[test]
fn endpoint_slices() {
    let doors = doors(
        "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
         metadata: {name: a-1, namespace: shop, labels: {kubernetes.io/service-name: a}}\n\
         addressType: IPv4\nports: [{name: http, port: 8080}]\n\
         endpoints:\n- addresses: [192.0.2.2]\n- {addresses: [192.0.2.1], conditions: {ready: true}}\n\
         - {addresses: [192.0.2.3], conditions: {ready: false}, nodeName: n, targetRef: {kind: Pod}}\n",
    );
    let slice = &doors.endpoint_slices[0];
    assert_eq!(slice.service.as_deref(), Some("a"));
    assert_eq!(slice.ports, [("http".to_owned(), Protocol::Tcp, 8080)]);
    let addresses: Vec<String> = slice.addresses.iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["192.0.2.1", "192.0.2.2"]);
}

#[test]
fn ingresses() {
    let doors = doors(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: a, namespace: shop}\n\
         spec:\n  ingressClassName: nginx\n  tls: [{hosts: [a.example.com], secretName: s}]\n\
         \x20 defaultBackend: {service: {name: rest, port: {name: web}}}\n\
         \x20 rules:\n  - host: a.example.com\n    http:\n      paths:\n\
         \x20     - {path: /x, pathType: Prefix, backend: {service: {name: x, port: {number: 80}}}}\n\
         \x20     - {pathType: Prefix, backend: {resource: {kind: StorageBucket, name: b}}}\n\
         ---\napiVersion: networking.k8s.io/v1\nkind: IngressClass\n\
         metadata: {name: nginx, annotations: {ingressclass.kubernetes.io/is-default-class: 'true'}}\n\
         spec: {controller: k8s.io/ingress-nginx}\n",
    );
    let route = &doors.routes[0];
    assert_eq!(
        (route.kind, route.class.as_deref()),
        (RouteKind::Ingress, Some("nginx"))
    );
    let expected = [
        (
            vec!["a.example.com"],
            vec!["/x"],
            vec![to("shop", "x", BackendPort::Number(80))],
        ),
        (vec!["a.example.com"], vec![], vec![]),
        (
            vec![],
            vec![],
            vec![to("shop", "rest", BackendPort::Name("web".to_owned()))],
        ),
    ];
    assert_eq!(ways(&route.ways), expected);
    let tls: Vec<DoorTls> = route.ways.iter().map(|way| way.tls).collect();
    assert_eq!(
        tls,
        [DoorTls::Terminated, DoorTls::Terminated, DoorTls::None]
    );
    assert_eq!(
        route.ways.iter().map(|w| w.elsewhere).collect::<Vec<_>>(),
        [false, true, false]
    );
    let class = &doors.ingress_classes[0];
    assert_eq!(
        (class.controller.as_str(), class.is_default),
        ("k8s.io/ingress-nginx", true)
    );
}

/// Two kinds are called Gateway: they may share a name, and each is read as its own.
#[test]
fn gateways_of_two_groups() {
    let world = world(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: g, namespace: infra}\n\
         spec:\n  gatewayClassName: c\n  listeners:\n\
         \x20 - {name: web, port: 80, protocol: HTTP}\n\
         \x20 - name: tls\n    port: 443\n    protocol: TLS\n    hostname: '*.example.com'\n    tls: {mode: Passthrough}\n\
         \x20   allowedRoutes: {namespaces: {from: All}, kinds: [{kind: TLSRoute}]}\n\
         ---\napiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: g, namespace: infra}\n\
         spec: {selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: w, protocol: HTTP}, hosts: ['*']}]}\n",
    );
    assert_eq!(world.gateways.len(), 1);
    let gateway = &world.doors.gateways[0];
    assert_eq!(gateway.class, "c");
    let [web, tls] = gateway.listeners.as_slice() else {
        panic!("two listeners");
    };
    assert_eq!(
        (web.port, web.tls, &web.namespaces),
        (80, DoorTls::None, &RouteNamespaces::Same)
    );
    assert_eq!(
        (tls.port, tls.tls, &tls.namespaces),
        (443, DoorTls::Passthrough, &RouteNamespaces::All)
    );
    assert_eq!(
        (tls.host.as_deref(), tls.kinds.as_slice()),
        (Some("*.example.com"), &["TLSRoute".to_owned()][..])
    );
}

#[test]
fn routes_of_the_gateway_api() {
    let route = |kind: &str, version: &str, spec: &str| {
        let text = format!(
            "apiVersion: gateway.networking.k8s.io/{version}\nkind: {kind}\n\
             metadata: {{name: r, namespace: shop}}\nspec:\n  parentRefs:\n\
             \x20 - {{name: g, namespace: infra, sectionName: web, port: 80}}\n  - {{kind: Service, group: '', name: mesh}}\n{spec}"
        );
        doors(&text).routes.remove(0)
    };
    let http = route(
        "HTTPRoute",
        "v1",
        "  hostnames: [a.example.com]\n  rules:\n\
         \x20 - matches: [{path: {type: Exact, value: /x}}]\n    backendRefs: [{name: x, port: 80}, {name: idle, port: 80, weight: 0}]\n\
         \x20   filters: [{type: RequestMirror, requestMirror: {backendRef: {name: copy, namespace: other, port: 81}}}]\n\
         \x20 - backendRefs: [{group: example.com, kind: Bucket, name: b}]\n",
    );
    let parent = Parent {
        gateway: ObjectRef::new("infra", "g"),
        section: Some("web".to_owned()),
        port: Some(80),
    };
    assert_eq!(http.parents, std::slice::from_ref(&parent));
    assert_eq!(http.hosts, ["a.example.com"]);
    let both = vec![
        to("shop", "x", BackendPort::Number(80)),
        to("other", "copy", BackendPort::Number(81)),
    ];
    assert_eq!(
        ways(&http.ways),
        [(vec![], vec!["/x"], both), (vec![], vec![], vec![])]
    );
    assert!(!http.ways[0].elsewhere && http.ways[1].elsewhere);
    let grpc = route(
        "GRPCRoute",
        "v1",
        "  rules: [{matches: [{method: {service: s.S, method: M}}], backendRefs: [{name: x, port: 80}]}]\n",
    );
    assert_eq!(grpc.ways[0].paths, ["/s.S/M"]);
    for (kind, version, expected) in [
        ("TCPRoute", "v1alpha2", RouteKind::TcpRoute),
        ("TLSRoute", "v1alpha2", RouteKind::TlsRoute),
        ("UDPRoute", "v1alpha2", RouteKind::UdpRoute),
    ] {
        let found = route(
            kind,
            version,
            "  rules: [{backendRefs: [{name: x, port: 80}]}]\n",
        );
        assert_eq!(
            (found.kind, &found.parents),
            (expected, &vec![parent.clone()])
        );
        assert_eq!(
            found.ways[0].backends,
            [to("shop", "x", BackendPort::Number(80))]
        );
    }
    let grants = doors(
        "apiVersion: gateway.networking.k8s.io/v1beta1\nkind: ReferenceGrant\nmetadata: {name: g, namespace: other}\n\
         spec:\n  from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: shop}]\n\
         \x20 to: [{group: '', kind: Service, name: copy}, {group: '', kind: Secret}]\n",
    )
    .grants;
    assert_eq!(
        grants[0].from,
        [("HTTPRoute".to_owned(), "shop".to_owned())]
    );
    assert_eq!(grants[0].to, [Some("copy".to_owned())]);
}

#[test]
fn routes_of_openshift() {
    let route = doors(
        "apiVersion: route.openshift.io/v1\nkind: Route\nmetadata: {name: r, namespace: shop}\n\
         spec:\n  host: a.example.com\n  path: /x\n  port: {targetPort: web}\n  tls: {termination: reencrypt}\n\
         \x20 to: {kind: Service, name: a, weight: 100}\n\
         \x20 alternateBackends: [{kind: Service, name: b, weight: 1}, {kind: Service, name: idle, weight: 0}]\n",
    )
    .routes
    .remove(0);
    assert_eq!(route.hosts, ["a.example.com"]);
    let web = || BackendPort::Name("web".to_owned());
    let both = vec![to("shop", "a", web()), to("shop", "b", web())];
    assert_eq!(ways(&route.ways), [(vec![], vec!["/x"], both)]);
    assert_eq!(route.ways[0].tls, DoorTls::Reencrypted);
    let numbered = doors(
        "apiVersion: route.openshift.io/v1\nkind: Route\nmetadata: {name: r, namespace: shop}\n\
         spec: {to: {kind: Service, name: a}, port: {targetPort: 8080}}\n",
    );
    let backends = &numbered.routes[0].ways[0].backends;
    assert_eq!(backends, &[to("shop", "a", BackendPort::Target(8080))]);
}

#[test]
fn virtual_services() {
    let route = doors(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: v, namespace: shop}\n\
         spec:\n  hosts: [a.example.com]\n  gateways: [mesh, g, infra/h]\n  http:\n\
         \x20 - match: [{uri: {prefix: /x}, port: 80}, {uri: {exact: /y}, port: 81, gateways: [infra/h]}]\n\
         \x20   route: [{destination: {host: x, port: {number: 80}}, weight: 100}, {destination: {host: idle}, weight: 0}]\n\
         \x20   mirror: {host: copy.other.svc.cluster.local}\n\
         \x20 - match: [{gateways: [mesh]}]\n    route: [{destination: {host: inside}}]\n\
         \x20 - route: [{destination: {host: db.example.com}}]\n\
         \x20 tls:\n  - match: [{sniHosts: [b.example.com]}]\n    route: [{destination: {host: z}}]\n",
    )
    .routes
    .remove(0);
    let gateways: Vec<String> = route
        .parents
        .iter()
        .map(|p| p.gateway.to_string())
        .collect();
    assert_eq!(gateways, ["shop/g", "infra/h"]);
    let first = vec![
        to("shop", "x", BackendPort::Number(80)),
        to("other", "copy", BackendPort::Any),
    ];
    let expected = [
        (vec![], vec!["/x", "/y"], first),
        (vec![], vec![], vec![]),
        (
            vec!["b.example.com"],
            vec![],
            vec![to("shop", "z", BackendPort::Any)],
        ),
    ];
    assert_eq!(ways(&route.ways), expected);
    assert_eq!(route.ways[0].ports, [80, 81]);
    // One alternative names no gateway, so the route is for all.
    assert!(route.ways[0].gateways.is_empty());
    assert!(route.ways[1].elsewhere && !route.ways[0].elsewhere);
}

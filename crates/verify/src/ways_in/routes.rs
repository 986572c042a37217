//! Routes: Ingress, OpenShift Route, routes of the Gateway API, VirtualService. Each leads from the
//! pods of a controller or gateway to Services.

use super::controllers::{self, Found};
use super::judge::{Judge, Verdict};
use super::services::{Backing, Services, nothing};
use super::{Behind, Door, DoorKind, Entries, SeenAs, WayIn, WaysIn, door};
use palisade_netmodel::{
    ApiGateway, Backend, BackendPort, DoorTls, Gateway, GatewayServer, Labels, Listener, ObjectRef,
    Outcome, Parent, PodId, Protocol, Route, RouteKind, RouteNamespaces, ServerTls, ServicePort,
    TargetPort, Way, World,
};

/// The class of gateways that serve the mesh, not the outside.
const WAYPOINT: &str = "istio-waypoint";

/// Every way through a route.
pub(super) fn all(services: &Services<'_>, judge: &Judge<'_>, entries: &Entries, out: &mut WaysIn) {
    let finder = Finder {
        services,
        judge,
        entries,
    };
    for route in &judge.world().doors.routes {
        match route.kind {
            RouteKind::Ingress | RouteKind::Route => finder.controlled(route, out),
            RouteKind::VirtualService => finder.virtual_service(route, out),
            _ => finder.attached(route, out),
        }
    }
}

struct Finder<'a> {
    services: &'a Services<'a>,
    judge: &'a Judge<'a>,
    entries: &'a Entries,
}

/// Who serves a door, and what has to be said about it.
struct Server {
    found: Found,
    notes: Vec<String>,
}

impl Finder<'_> {
    fn world(&self) -> &World {
        self.judge.world()
    }

    /// An Ingress or an OpenShift Route: HTTP on 80, TLS on 443
    /// (`Kubernetes documentation, Ingress`: it exposes no other ports or protocols).
    fn controlled(&self, route: &Route, out: &mut WaysIn) {
        let server = Server {
            found: controllers::of_route(self.world(), route),
            notes: Vec::new(),
        };
        for way in &route.ways {
            let port = if way.tls == DoorTls::None { 80 } else { 443 };
            let hosts = if way.hosts.is_empty() {
                &route.hosts
            } else {
                &way.hosts
            };
            let entrance = Door {
                port: Some((Protocol::Tcp, port)),
                hosts: hosts.clone(),
                tls: way.tls,
                ..entrance(route, way)
            };
            self.ways(route, way, &entrance, &server, out);
        }
    }

    /// A route of the Gateway API, on each listener that takes it.
    fn attached(&self, route: &Route, out: &mut WaysIn) {
        for parent in &route.parents {
            let gateways = &self.world().doors.gateways;
            let Some(gateway) = gateways.iter().find(|g| g.object == parent.gateway) else {
                let why = format!("Gateway `{}` is not in the input", parent.gateway);
                self.unattached(route, parent, why, out);
                continue;
            };
            if gateway.class == WAYPOINT {
                continue;
            }
            let server = Server {
                found: controllers::of_api_gateway(self.world(), gateway),
                notes: Vec::new(),
            };
            for listener in &gateway.listeners {
                let hosts = self.accepted(gateway, listener, parent, route);
                for (way, hosts) in route.ways.iter().zip(std::iter::repeat(hosts)) {
                    let Some(hosts) = hosts else { break };
                    let entrance = Door {
                        gateway: Some(gateway.object.clone()),
                        port: Some((protocol(route.kind), listener.port)),
                        hosts,
                        tls: listener.tls,
                        ..entrance(route, way)
                    };
                    self.ways(route, way, &entrance, &server, out);
                }
            }
        }
    }

    /// The hosts for which a listener takes a route; `None` if it does not.
    fn accepted(
        &self,
        gateway: &ApiGateway,
        listener: &Listener,
        parent: &Parent,
        route: &Route,
    ) -> Option<Vec<String>> {
        let named = parent
            .section
            .as_ref()
            .is_none_or(|name| *name == listener.name)
            && parent.port.is_none_or(|port| port == listener.port);
        let from = &route.object.namespace;
        let labels: Option<&Labels> = self.world().namespace_labels(from);
        let allowed = match &listener.namespaces {
            RouteNamespaces::Same => *from == gateway.object.namespace,
            RouteNamespaces::All => true,
            RouteNamespaces::Selector(selector) => labels.is_some_and(|l| selector.matches(l)),
            RouteNamespaces::None => false,
        };
        if !named || !allowed || !takes(listener, route.kind) {
            return None;
        }
        match (listener.protocol.as_str(), &listener.host) {
            ("TCP" | "UDP", _) => Some(Vec::new()),
            (_, host) => common_hosts(host.as_slice(), &route.hosts),
        }
    }

    /// A VirtualService, on each server of its gateways that has its hosts.
    fn virtual_service(&self, route: &Route, out: &mut WaysIn) {
        for parent in &route.parents {
            let gateways = &self.world().gateways;
            let Some(gateway) = gateways.iter().find(|g| g.object == parent.gateway) else {
                let why = format!("Gateway `{}` is not in the input", parent.gateway);
                self.unattached(route, parent, why, out);
                continue;
            };
            let server = Server {
                found: controllers::of_istio_gateway(self.world(), gateway),
                notes: Vec::new(),
            };
            for listener in gateway.servers.iter().filter(|s| !s.https_redirect) {
                let Some(hosts) = server_hosts(gateway, listener, route) else {
                    continue;
                };
                for way in route
                    .ways
                    .iter()
                    .filter(|way| serves(listener, gateway, way))
                {
                    let hosts = if way.hosts.is_empty() {
                        &hosts
                    } else {
                        &way.hosts
                    };
                    let entrance = Door {
                        gateway: Some(gateway.object.clone()),
                        port: Some((Protocol::Tcp, listener.port)),
                        hosts: hosts.clone(),
                        tls: match listener.tls {
                            ServerTls::None => DoorTls::None,
                            ServerTls::Passthrough => DoorTls::Passthrough,
                            _ => DoorTls::Terminated,
                        },
                        ..entrance(route, way)
                    };
                    self.ways(route, way, &entrance, &server, out);
                }
            }
        }
    }

    /// A route whose gateway is not known: port and hosts may be any.
    fn unattached(&self, route: &Route, parent: &Parent, why: String, out: &mut WaysIn) {
        let server = Server {
            found: Err(why),
            notes: vec!["whether the gateway takes this route is not known".to_owned()],
        };
        for way in &route.ways {
            let entrance = Door {
                gateway: Some(parent.gateway.clone()),
                port: parent.port.map(|port| (protocol(route.kind), port)),
                hosts: route.hosts.clone(),
                ..entrance(route, way)
            };
            self.ways(route, way, &entrance, &server, out);
        }
    }

    /// The ways behind one door of a route.
    fn ways(&self, route: &Route, way: &Way, door: &Door, server: &Server, out: &mut WaysIn) {
        for backend in &way.backends {
            for backing in self.behind(route, backend) {
                let service = Some(backend.service.clone());
                out.push(self.through(route, door, service, backing, server));
            }
        }
        if way.elsewhere {
            let backing = nothing("it leads to something that is no Service of the input");
            out.push(self.through(route, door, None, backing, server));
        }
    }

    fn behind(&self, route: &Route, backend: &Backend) -> Vec<Backing> {
        let object = &backend.service;
        let Some(service) = self.services.get(object) else {
            return vec![nothing(format!("Service `{object}` is not in the input"))];
        };
        let wanted = protocol(route.kind);
        let fits = |port: &&ServicePort| {
            port.protocol == wanted
                && match &backend.port {
                    BackendPort::Number(number) => port.port == *number,
                    BackendPort::Name(name) => port.name == *name,
                    BackendPort::Target(number) => match &port.target {
                        TargetPort::Number(target) => target == number,
                        TargetPort::Name(_) => true,
                    },
                    BackendPort::Any => true,
                }
        };
        let ports: Vec<&ServicePort> = service.ports.iter().filter(fits).collect();
        if ports.is_empty() {
            let why = format!("Service `{object}` has no such port");
            return vec![nothing(why)];
        }
        let found = ports
            .into_iter()
            .flat_map(|port| self.services.behind(service, port));
        match backend.port {
            BackendPort::Target(number) => found
                .filter(|backing| backing.port.is_none_or(|(_, port)| port == number))
                .collect(),
            _ => found.collect(),
        }
    }

    fn through(
        &self,
        route: &Route,
        door: &Door,
        service: Option<ObjectRef>,
        backing: Backing,
        server: &Server,
    ) -> WayIn {
        let mut verdict = self.verdict(route, door, service.as_ref(), &backing, server);
        verdict.notes.extend(server.notes.iter().cloned());
        verdict.notes.extend(server.found.as_ref().err().cloned());
        if !server.notes.is_empty() {
            verdict.outcome = verdict.outcome.and(Outcome::Depends);
        }
        WayIn {
            door: door.clone(),
            service,
            to: backing.to,
            port: backing.port,
            seen_as: match &server.found {
                Ok(pods) => SeenAs::Pods(pods.clone()),
                Err(_) => SeenAs::Unknown,
            },
            outcome: verdict.outcome,
            clients: verdict.clients,
            flow: verdict.flow,
            notes: verdict.notes,
        }
    }

    fn verdict(
        &self,
        route: &Route,
        door: &Door,
        service: Option<&ObjectRef>,
        backing: &Backing,
        server: &Server,
    ) -> Verdict {
        if service.is_some_and(|service| !self.permitted(route, service)) {
            let why = "the Service is in another namespace, and no ReferenceGrant there permits it";
            return Verdict {
                outcome: Outcome::Deny,
                ..Verdict::unknown(why)
            };
        }
        let port = match (&backing.to, backing.port) {
            (Behind::Nothing(why), _) => return Verdict::unknown(why),
            (_, None) => return Verdict::unknown("the port of the pods is not known"),
            (_, Some(port)) => port,
        };
        let Behind::Pods(pods) = &backing.to else {
            return Verdict::open();
        };
        let Some(to) = pods.first() else {
            return Verdict::unknown("no pod is behind it");
        };
        match &server.found {
            Err(_) => self.judge.anyone(*to, port),
            Ok(controller) => {
                let entered: Vec<(PodId, Outcome)> = controller
                    .iter()
                    .map(|pod| (*pod, self.entry(*pod, door)))
                    .collect();
                let mut verdict = self.judge.pods(&entered, *to, port);
                if entered
                    .iter()
                    .all(|(pod, _)| !self.entries.contains_key(pod))
                {
                    verdict.notes.push(
                        "nothing in the input publishes the pods of the controller".to_owned(),
                    );
                }
                verdict
            }
        }
    }

    /// Whether the outside reaches a pod of a controller: by a door with the same port if there is one.
    fn entry(&self, pod: PodId, door: &Door) -> Outcome {
        let Some(entries) = self.entries.get(&pod) else {
            return Outcome::Depends;
        };
        let port = door.port.map(|(_, port)| port);
        let same = entries.iter().filter(|(number, _)| *number == port);
        let best = same.map(|(_, outcome)| *outcome).min();
        let any = entries.iter().map(|(_, outcome)| *outcome).min();
        best.or(any).unwrap_or(Outcome::Depends)
    }

    /// Whether a route may name a Service: of its own namespace, or with a ReferenceGrant. Others than
    /// those of the Gateway API need none.
    fn permitted(&self, route: &Route, service: &ObjectRef) -> bool {
        let own = &route.object.namespace;
        let free = matches!(
            route.kind,
            RouteKind::Ingress | RouteKind::Route | RouteKind::VirtualService
        );
        if free || service.namespace == *own {
            return true;
        }
        self.world().doors.grants.iter().any(|grant| {
            let from = |(kind, namespace): &(String, String)| {
                kind == route.kind.name() && namespace == own
            };
            let to = |name: &Option<String>| name.as_ref().is_none_or(|name| *name == service.name);
            grant.object.namespace == service.namespace
                && grant.from.iter().any(from)
                && grant.to.iter().any(to)
        })
    }
}

fn entrance(route: &Route, way: &Way) -> Door {
    Door {
        paths: way.paths.clone(),
        ..door(
            DoorKind::Route(route.kind),
            route.object.clone(),
            way.origin,
        )
    }
}

fn protocol(kind: RouteKind) -> Protocol {
    if kind == RouteKind::UdpRoute {
        Protocol::Udp
    } else {
        Protocol::Tcp
    }
}

/// Whether a listener takes a kind of route: those listed, else those that suit its protocol
/// (`Gateway API, Listener, allowedRoutes.kinds`).
fn takes(listener: &Listener, kind: RouteKind) -> bool {
    if !listener.kinds.is_empty() {
        return listener.kinds.iter().any(|name| name == kind.name());
    }
    match listener.protocol.as_str() {
        "HTTP" | "HTTPS" => matches!(kind, RouteKind::HttpRoute | RouteKind::GrpcRoute),
        "TLS" => matches!(kind, RouteKind::TlsRoute | RouteKind::TcpRoute),
        "TCP" => kind == RouteKind::TcpRoute,
        "UDP" => kind == RouteKind::UdpRoute,
        _ => true,
    }
}

/// The hosts that a server and a VirtualService share. A host of a server may name the namespace of its
/// VirtualServices (`Istio, Server.hosts`): `.` is its own, `*` any.
fn server_hosts(gateway: &Gateway, server: &GatewayServer, route: &Route) -> Option<Vec<String>> {
    let from = &route.object.namespace;
    let named = server
        .hosts
        .iter()
        .filter_map(|host| match host.split_once('/') {
            None | Some(("*", _)) => Some(host.rsplit('/').next().unwrap_or(host).to_owned()),
            Some((".", name)) => (*from == gateway.object.namespace).then(|| name.to_owned()),
            Some((namespace, name)) => (from == namespace).then(|| name.to_owned()),
        });
    let named: Vec<String> = named.collect();
    if named.is_empty() {
        return None;
    }
    common_hosts(&named, &route.hosts)
}

/// Whether a route of a VirtualService is used by a server: TLS that passes through is routed by SNI
/// and nothing else.
fn serves(server: &GatewayServer, gateway: &Gateway, way: &Way) -> bool {
    let passes = server.tls == ServerTls::Passthrough;
    passes == (way.tls == DoorTls::Passthrough)
        && (way.ports.is_empty() || way.ports.contains(&server.port))
        && (way.gateways.is_empty() || way.gateways.contains(&gateway.object))
}

/// The hosts that two lists share; an empty list is every host. `None`: they share none.
fn common_hosts(a: &[String], b: &[String]) -> Option<Vec<String>> {
    if a.is_empty() || b.is_empty() {
        return Some(if a.is_empty() { b } else { a }.to_vec());
    }
    let mut found: Vec<String> = a
        .iter()
        .flat_map(|x| b.iter().filter_map(|y| common_host(x, y)))
        .map(str::to_owned)
        .collect();
    found.sort();
    found.dedup();
    (!found.is_empty()).then_some(found)
}

/// The narrower of two hosts, if one is within the other. `*.example.com` is every name below
/// `example.com`, at any depth.
fn common_host<'h>(a: &'h str, b: &'h str) -> Option<&'h str> {
    let within = |narrow: &str, wide: &str| match wide.strip_prefix('*') {
        Some(suffix) => narrow.len() > suffix.len() && narrow.ends_with(suffix),
        None => narrow == wide,
    };
    if within(a, b) {
        Some(a)
    } else {
        within(b, a).then_some(b)
    }
}

//! AuthorizationPolicy at a proxy (`istio.io, AuthorizationPolicy`).

mod conditions;

use super::matching::{
    Match, and, any_in, lies_in, listed, or, string_matches, unlisted, wildcard,
};
use super::mesh::plain_cause;
use super::{Half, View, client_tls, pod};
use crate::{
    AuthorizationAction, AuthorizationPolicy, AuthorizationRule, Cause, Condition, Endpoint, Flow,
    GatewayServer, Layer, Operation, Origin, Outcome, Pod, PolicyTarget, ServerTls, Service,
    ServicePort, Source, Subject, Waypoint,
};
use std::net::IpAddr;

/// Rules of one policy whose conditions are told.
const MAX_CONDITIONS: usize = 5;

/// How the proxy reads a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    Http,
    Tcp,
}

/// The verdict on a sidecar's port. `identity` is the caller if it has shown its certificate.
pub(super) fn decide(world: View<'_>, flow: &Flow, receiver: &Pod, identity: Option<&Pod>) -> Half {
    let doors = client_tls::doors(world, receiver, flow.port);
    let mut wires = Vec::new();
    for (_, port) in &doors {
        wires.extend(declared(&port.name, port.app_protocol.as_deref()));
    }
    if doors.is_empty() {
        wires.extend([Wire::Http, Wire::Tcp]);
    }
    decide_on(world, flow, receiver, identity, wires)
}

/// `istio.io, Protocol Selection`: by `appProtocol`, else by the first word of the port's name; else
/// the protocol is detected, and both are possible.
fn declared(name: &str, app_protocol: Option<&str>) -> Vec<Wire> {
    let word = match app_protocol {
        Some(word) => word.to_lowercase(),
        None => name
            .to_lowercase()
            .split('-')
            .next()
            .unwrap_or_default()
            .to_owned(),
    };
    match word.as_str() {
        "http" | "http2" | "grpc" | "grpc-web" | "kubernetes.io/h2c" => vec![Wire::Http],
        "https" | "tls" | "tcp" | "mongo" | "mysql" | "redis" => vec![Wire::Tcp],
        _ => vec![Wire::Http, Wire::Tcp],
    }
}

/// What a gateway's server hands on: HTTP if it is HTTP, or HTTPS that ends here.
pub(super) fn wire_of_server(server: &GatewayServer) -> Wire {
    match server.protocol.as_str() {
        "HTTP" | "HTTP2" | "GRPC" | "GRPC-WEB" => Wire::Http,
        "HTTPS" if server.tls != ServerTls::Passthrough => Wire::Http,
        _ => Wire::Tcp,
    }
}

/// The verdict if the port is read as any of `wires`: if they differ, it depends.
pub(super) fn decide_on(
    world: View<'_>,
    flow: &Flow,
    receiver: &Pod,
    identity: Option<&Pod>,
    wires: Vec<Wire>,
) -> Half {
    let policies = of_workload(world, receiver);
    let requests = wires.into_iter().map(|wire| Request {
        world,
        source: flow.source,
        port: flow.port,
        destination: &receiver.addresses.known,
        identity,
        wire,
        policies: &policies,
    });
    let text =
        "the Service does not declare the port's protocol: HTTP and TCP are judged differently";
    agree(requests, text)
}

/// The verdict of a waypoint on a call to a Service, or to a pod's own address without one. Only
/// policies with `targetRefs` count, and the caller always shows its certificate.
pub(super) fn decide_at_waypoint(
    world: View<'_>,
    flow: &Flow,
    waypoint: &Waypoint,
    door: Option<(&Service, &ServicePort)>,
) -> Half {
    let policies = of_waypoint(world, waypoint, door.map(|(service, _)| service));
    let wires = door.map_or_else(
        || vec![Wire::Http, Wire::Tcp],
        |(_, port)| declared(&port.name, port.app_protocol.as_deref()),
    );
    // Whether `ports` means the Service's port or the pod's is not documented: both are tried.
    let ports = [Some(flow.port), door.map(|(_, port)| port.port)];
    let requests = wires.iter().flat_map(|wire| {
        ports.iter().flatten().map(|port| Request {
            world,
            source: flow.source,
            port: *port,
            destination: &[],
            identity: pod(world, flow.source),
            wire: *wire,
            policies: &policies,
        })
    });
    agree(
        requests,
        "the waypoint may read the port as HTTP or as TCP, and by the number of the Service or of the pod: they are judged differently",
    )
}

/// The worst verdict if all are the same, else it depends.
fn agree<'a>(requests: impl Iterator<Item = Request<'a>>, why_not: &str) -> Half {
    let mut halves: Vec<Half> = requests.map(|request| request.decide()).collect();
    halves.sort_by_key(|h| h.outcome);
    let differ = halves.first().map(|h| h.outcome) != halves.last().map(|h| h.outcome);
    // The worse verdict's reasons are the more useful ones.
    let Some(mut worst) = halves.pop() else {
        return Half {
            outcome: Outcome::Allow,
            because: Vec::new(),
        };
    };
    if differ {
        worst.outcome = Outcome::Depends;
        let cause = plain_cause(Layer::Authorization, Outcome::Depends, why_not.to_owned());
        worst.because.push(cause);
    }
    worst
}

/// The label that ties a pod to its `gateway.networking.k8s.io Gateway`.
const GATEWAY_NAME: &str = "gateway.networking.k8s.io/gateway-name";

/// The policies that a workload's own proxy enforces: of its namespace and of the root namespace, by
/// selector; for the pods of a Gateway those that name it as their target, too. A dry run is never
/// enforced.
fn of_workload<'w>(world: View<'w>, receiver: &Pod) -> Vec<&'w AuthorizationPolicy> {
    let gateway = receiver.labels.get(GATEWAY_NAME);
    let here = |p: &&AuthorizationPolicy| {
        let own = p.object.namespace == receiver.namespace;
        let selected = p.targets.is_empty()
            && (own || p.object.namespace == world.mesh.root_namespace)
            && receiver.labels.include(&p.selector);
        let targeted = own
            && p.targets.iter().any(
                |t| matches!(t, PolicyTarget::Gateway(name) if gateway == Some(name.as_str())),
            );
        !p.dry_run && (selected || targeted)
    };
    world.authorization_policies().filter(here).collect()
}

/// The policies that a waypoint enforces: those whose target is the waypoint, the Service that is
/// called, or, from the root namespace, the class of waypoints. Selectors mean nothing there.
fn of_waypoint<'w>(
    world: View<'w>,
    waypoint: &Waypoint,
    service: Option<&Service>,
) -> Vec<&'w AuthorizationPolicy> {
    let here = |p: &&AuthorizationPolicy| {
        let namespace = &p.object.namespace;
        let targeted = p.targets.iter().any(|target| match target {
            PolicyTarget::Gateway(name) => {
                *namespace == waypoint.object.namespace && *name == waypoint.object.name
            }
            PolicyTarget::Service(name) => {
                service.is_some_and(|s| *namespace == s.object.namespace && *name == s.object.name)
            }
            PolicyTarget::GatewayClass(name) => {
                *namespace == world.mesh.root_namespace && name == "istio-waypoint"
            }
            PolicyTarget::ServiceEntry(_) => false,
        });
        !p.dry_run && targeted
    };
    world.authorization_policies().filter(here).collect()
}

/// One request, as one proxy sees it.
struct Request<'a> {
    world: View<'a>,
    source: Endpoint,
    port: u16,
    /// The addresses of the destination, if known.
    destination: &'a [IpAddr],
    identity: Option<&'a Pod>,
    wire: Wire,
    /// All policies that the proxy enforces.
    policies: &'a [&'a AuthorizationPolicy],
}

impl Request<'_> {
    /// CUSTOM, then DENY, then ALLOW; AUDIT never decides. Without an ALLOW policy everything that is
    /// not denied passes; with one, something must match.
    fn decide(&self) -> Half {
        let mut outcome = Outcome::Allow;
        let mut because = Vec::new();
        for policy in self.policies(AuthorizationAction::Custom) {
            let (matched, rule) = self.policy(policy);
            if matched != Some(false) {
                outcome = outcome.and(Outcome::Depends);
                let text = "a CUSTOM rule matches: an external provider decides".to_owned();
                because.push(cause(policy, rule, Outcome::Depends, text));
            }
        }
        for policy in self.policies(AuthorizationAction::Deny) {
            let (matched, rule) = self.policy(policy);
            match matched {
                Some(false) => {}
                Some(true) => {
                    outcome = Outcome::Deny;
                    let text = "a DENY rule matches".to_owned();
                    because.push(cause(policy, rule, outcome, text));
                }
                None => {
                    outcome = outcome.and(Outcome::Depends);
                    self.conditions(policy, &mut because);
                }
            }
        }
        let allow = self.allow(&mut because);
        Half {
            outcome: outcome.and(allow),
            because,
        }
    }

    /// The first ALLOW rule that matches, else all that may match, else every ALLOW policy.
    fn allow(&self, because: &mut Vec<Cause>) -> Outcome {
        let policies = self.policies(AuthorizationAction::Allow);
        if policies.is_empty() {
            return Outcome::Allow;
        }
        for policy in &policies {
            let (matched, rule) = self.policy(policy);
            if matched == Some(true) {
                let text = "an ALLOW rule matches".to_owned();
                because.push(cause(policy, rule, Outcome::Allow, text));
                return Outcome::Allow;
            }
        }
        let may = policies.iter().filter(|p| self.policy(p).0.is_none());
        let may: Vec<_> = may.copied().collect();
        if !may.is_empty() {
            may.iter().for_each(|p| self.conditions(p, because));
            return Outcome::Depends;
        }
        because.extend(policies.iter().map(|policy| {
            let text = format!("no ALLOW rule of it matches{}", self.why_none(policy));
            cause(policy, None, Outcome::Deny, text)
        }));
        Outcome::Deny
    }

    /// Every rule that matches some requests, with its condition.
    fn conditions(&self, policy: &AuthorizationPolicy, because: &mut Vec<Cause>) {
        let action = match policy.action {
            AuthorizationAction::Deny => "a DENY rule",
            _ => "an ALLOW rule",
        };
        let open = policy.rules.iter();
        let open: Vec<_> = open
            .filter(|rule| self.rule(policy, rule).is_none())
            .collect();
        let (shown, rest) = open.split_at(open.len().min(MAX_CONDITIONS));
        because.extend(shown.iter().map(|rule| {
            let condition = self.condition_of(policy, rule);
            let text = format!("{action} matches some requests: those for which {condition}");
            cause(policy, Some(rule), Outcome::Depends, text)
        }));
        if !rest.is_empty() {
            let text = format!("{} more of its rules match some requests", rest.len());
            because.push(cause(policy, None, Outcome::Depends, text));
        }
    }

    /// What a reader of the policy easily overlooks.
    fn why_none(&self, policy: &AuthorizationPolicy) -> &'static str {
        if policy.rules.is_empty() {
            ": it has none"
        } else if self.wire == Wire::Tcp && policy.rules.iter().any(rule_has_http) {
            ": on a TCP port its rules with HTTP fields are dropped"
        } else if self.identity.is_none() {
            ": the caller shows no mesh certificate, and so has no identity"
        } else {
            ""
        }
    }

    fn policies(&self, action: AuthorizationAction) -> Vec<&AuthorizationPolicy> {
        let all = self.policies.iter().copied();
        all.filter(|p| p.action == action).collect()
    }

    /// Whether a rule matches, and the first that does, or may.
    fn policy<'p>(
        &self,
        policy: &'p AuthorizationPolicy,
    ) -> (Match, Option<&'p AuthorizationRule>) {
        for wanted in [Some(true), None] {
            let mut rules = policy.rules.iter();
            if let Some(rule) = rules.find(|rule| self.rule(policy, rule) == wanted) {
                return (wanted, Some(rule));
            }
        }
        (Some(false), None)
    }

    /// Any `from`, and any `to`, and all `when`; an empty list restricts nothing.
    fn rule(&self, policy: &AuthorizationPolicy, rule: &AuthorizationRule) -> Match {
        // On a TCP port an ALLOW rule with an HTTP field is left out as a whole; a DENY rule loses only
        // the field, and so denies more.
        if self.wire == Wire::Tcp
            && policy.action == AuthorizationAction::Allow
            && rule_has_http(rule)
        {
            return Some(false);
        }
        let namespace = &policy.object.namespace;
        let mut found = Some(true);
        if !rule.from.is_empty() {
            let from = rule.from.iter().map(|s| self.source(namespace, s));
            found = and(found, from.fold(Some(false), or));
        }
        if !rule.to.is_empty() {
            let to = rule.to.iter().map(|o| self.operation(o));
            found = and(found, to.fold(Some(false), or));
        }
        rule.when
            .iter()
            .fold(found, |found, c| and(found, self.condition(namespace, c)))
    }

    fn source(&self, namespace: &str, s: &Source) -> Match {
        let mut found = Some(true);
        found = and(found, listed(&s.principals, |v| self.principal(v)));
        found = and(found, unlisted(&s.not_principals, |v| self.principal(v)));
        found = and(found, listed(&s.namespaces, |v| self.namespace(v)));
        found = and(found, unlisted(&s.not_namespaces, |v| self.namespace(v)));
        let account = |v: &str| self.service_account(namespace, v);
        found = and(found, listed(&s.service_accounts, account));
        found = and(found, unlisted(&s.not_service_accounts, account));
        found = and(
            found,
            listed(&s.ip_blocks, |v| peer_in(self.world, self.source, v)),
        );
        found = and(
            found,
            unlisted(&s.not_ip_blocks, |v| peer_in(self.world, self.source, v)),
        );
        found = and(
            found,
            listed(&s.remote_ip_blocks, |v| self.remote_address(v)),
        );
        found = and(
            found,
            unlisted(&s.not_remote_ip_blocks, |v| self.remote_address(v)),
        );
        if self.wire == Wire::Http {
            // A token is part of the request.
            found = and(found, listed(&s.request_principals, |_| None));
            found = and(found, unlisted(&s.not_request_principals, |_| None));
        }
        found
    }

    fn operation(&self, o: &Operation) -> Match {
        let listed_port = o.ports.is_empty() || o.ports.contains(&self.port);
        let found = Some(listed_port && !o.not_ports.contains(&self.port));
        if self.wire == Wire::Http && operation_has_http(o) {
            // Method, path and host are part of the request.
            return and(found, None);
        }
        found
    }

    fn condition(&self, namespace: &str, c: &Condition) -> Match {
        if self.wire == Wire::Tcp && is_http_key(&c.key) {
            return Some(true);
        }
        let test = |v: &str| match c.key.as_str() {
            "source.principal" => self.principal(v),
            "source.namespace" => self.namespace(v),
            "source.serviceAccount" => self.service_account(namespace, v),
            "source.ip" => peer_in(self.world, self.source, v),
            "remote.ip" => self.remote_address(v),
            "destination.ip" => any_in(self.destination, v),
            "destination.port" => Some(v.parse() == Ok(self.port)),
            _ => None,
        };
        and(listed(&c.values, test), unlisted(&c.not_values, test))
    }

    /// Identities exist only with mTLS: without it no principal, namespace or account matches.
    fn principal(&self, pattern: &str) -> Match {
        Some(self.identity.is_some_and(|caller| {
            let domain = &self.world.mesh.trust_domain;
            let (namespace, account) = (&caller.namespace, &caller.service_account);
            let principal = format!("{domain}/ns/{namespace}/sa/{account}");
            string_matches(pattern, &principal)
                || self
                    .renamed(pattern)
                    .is_some_and(|p| string_matches(&p, &principal))
        }))
    }

    /// A principal with the mesh's own domain in place of one of its aliases, or of `cluster.local`, which always
    /// stands for it. Istio writes one for each name of the domain if it has the five parts of an identity, a
    /// pattern at its end or not (`pilot/pkg/security/trustdomain`, `Bundle`).
    fn renamed(&self, pattern: &str) -> Option<String> {
        let mesh = &self.world.mesh;
        let (name, rest) = pattern.split_once('/')?;
        let aliases = mesh.trust_domain_aliases.iter().map(String::as_str);
        let is_ours = aliases.chain(["cluster.local"]).any(|alias| alias == name);
        (is_ours && rest.split('/').count() == 4).then(|| format!("{}/{rest}", mesh.trust_domain))
    }

    /// Istio matches `.*/ns/PATTERN/.*` on the whole identity, so a `*` can reach past the namespace.
    fn namespace(&self, pattern: &str) -> Match {
        Some(self.identity.is_some_and(|caller| {
            let domain = &self.world.mesh.trust_domain;
            let (namespace, account) = (&caller.namespace, &caller.service_account);
            let identity = format!("spiffe://{domain}/ns/{namespace}/sa/{account}");
            wildcard(&format!("*/ns/{pattern}/*"), &identity)
        }))
    }

    /// `name` (in the policy's namespace) or `namespace/name`.
    fn service_account(&self, default: &str, wanted: &str) -> Match {
        Some(service_account_is(self.identity, default, wanted))
    }

    /// On HTTP the address comes from a header that the caller can write.
    fn remote_address(&self, block: &str) -> Match {
        match self.wire {
            Wire::Http => None,
            Wire::Tcp => peer_in(self.world, self.source, block),
        }
    }
}

/// `name` (in the policy's namespace) or `namespace/name`.
pub(super) fn service_account_is(identity: Option<&Pod>, default: &str, wanted: &str) -> bool {
    let (namespace, name) = wanted.split_once('/').unwrap_or((default, wanted));
    identity.is_some_and(|caller| caller.namespace == namespace && caller.service_account == name)
}

/// Whether the address of the TCP peer lies in a block.
pub(super) fn peer_in(world: View<'_>, peer: Endpoint, block: &str) -> Match {
    match peer {
        Endpoint::Address(address) => Some(lies_in(&address, block)),
        Endpoint::Pod(_) => match pod(world, peer) {
            None => Some(false),
            Some(p) if p.host_network && p.addresses.known.is_empty() => {
                any_in(&p.node_addresses.known, block)
            }
            Some(p) => any_in(&p.addresses.known, block),
        },
    }
}

/// At the rule that decides, else at the policy.
pub(super) fn cause(
    policy: &AuthorizationPolicy,
    rule: Option<&AuthorizationRule>,
    outcome: Outcome,
    text: String,
) -> Cause {
    Cause {
        layer: Layer::Authorization,
        outcome,
        subject: Some(Subject {
            kind: "AuthorizationPolicy",
            object: policy.object.clone(),
        }),
        origin: Origin(rule.and_then(|rule| rule.origin.0).or(policy.origin.0)),
        text,
    }
}

fn rule_has_http(rule: &AuthorizationRule) -> bool {
    rule.to.iter().any(operation_has_http)
        || rule.when.iter().any(|c| is_http_key(&c.key))
        || rule
            .from
            .iter()
            .any(|s| !(s.request_principals.is_empty() && s.not_request_principals.is_empty()))
}

pub(super) fn operation_has_http(o: &Operation) -> bool {
    !(o.methods.is_empty()
        && o.not_methods.is_empty()
        && o.paths.is_empty()
        && o.not_paths.is_empty()
        && o.hosts.is_empty()
        && o.not_hosts.is_empty())
}

fn is_http_key(key: &str) -> bool {
    key.starts_with("request.")
}

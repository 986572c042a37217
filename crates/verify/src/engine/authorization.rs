//! AuthorizationPolicy at a sidecar, gateway or waypoint, for one port and one caller.
//!
//! Answers are three-valued: a request's method or an unknown address leaves a rule undecided.

use super::endpoints::parse_block;
use super::mesh::{Client, Identity, Source};
use palisade_netmodel::{
    AddressSet, AuthorizationAction, AuthorizationPolicy, AuthorizationRule, Condition,
    GatewayServer, ObjectRef, Operation, Pod, PolicyTarget, ServerTls, Source as From, World,
};
use std::net::IpAddr;

/// May it pass? The order is from pass to refuse, as for outcomes.
pub(super) use palisade_netmodel::Outcome as Judgement;

/// The label that ties a pod to its Gateway of `gateway.networking.k8s.io`.
pub(super) const GATEWAY_NAME: &str = "gateway.networking.k8s.io/gateway-name";

/// How the proxy reads a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wire {
    Http,
    Tcp,
}

/// Who calls, and whether with a mesh certificate.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller<'w> {
    pub(super) source: Source<'w>,
    pub(super) mtls: bool,
}

impl<'w> Caller<'w> {
    /// The caller's certificate, if it shows one.
    pub(super) fn identity(&self) -> Option<&'w Client<'w>> {
        match self.source {
            Source::Pod(client) if self.mtls => Some(client),
            _ => None,
        }
    }
}

/// `Some` if decided.
pub(super) type Truth = Option<bool>;

pub(super) fn and(a: Truth, b: Truth) -> Truth {
    match (a, b) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

fn or(a: Truth, b: Truth) -> Truth {
    match (a, b) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), Some(false)) => Some(false),
        _ => None,
    }
}

pub(super) fn any(items: impl Iterator<Item = Truth>) -> Truth {
    items.fold(Some(false), or)
}

/// The protocol that a Service port declares (`Istio, Protocol Selection`); both if it does not.
pub(super) fn wires_of(name: &str, app_protocol: Option<&str>) -> Vec<Wire> {
    let lower = app_protocol.unwrap_or(name).to_lowercase();
    let word = if app_protocol.is_some() {
        lower.as_str()
    } else {
        lower.split('-').next().unwrap_or_default()
    };
    match word {
        "http" | "http2" | "grpc" | "grpc-web" | "kubernetes.io/h2c" => vec![Wire::Http],
        "tcp" | "tls" | "https" | "mongo" | "mysql" | "redis" => vec![Wire::Tcp],
        _ => vec![Wire::Http, Wire::Tcp],
    }
}

/// What a gateway's server hands to its filters.
pub(super) fn wires_of_server(server: &GatewayServer) -> Vec<Wire> {
    let http = matches!(
        server.protocol.as_str(),
        "HTTP" | "HTTP2" | "GRPC" | "GRPC-WEB"
    );
    let terminated = server.protocol == "HTTPS" && server.tls != ServerTls::Passthrough;
    if http || terminated {
        vec![Wire::Http]
    } else {
        vec![Wire::Tcp]
    }
}

/// Every port that a policy names.
pub(super) fn ports(policy: &AuthorizationPolicy) -> Vec<u16> {
    let operations = policy.rules.iter().flat_map(|r| &r.to);
    let mut out: Vec<u16> = operations
        .flat_map(|o| o.ports.iter().chain(&o.not_ports).copied())
        .collect();
    let conditions = policy.rules.iter().flat_map(|r| &r.when);
    out.extend(
        conditions
            .filter(|c| c.key == "destination.port")
            .flat_map(|c| c.values.iter().chain(&c.not_values))
            .filter_map(|v| v.parse::<u16>().ok()),
    );
    out
}

/// The policies that apply to one workload, by action.
#[derive(Debug, Default)]
pub(super) struct Applicable<'w> {
    custom: Vec<&'w AuthorizationPolicy>,
    deny: Vec<&'w AuthorizationPolicy>,
    allow: Vec<&'w AuthorizationPolicy>,
}

impl<'w> Applicable<'w> {
    /// Selection as `Istio AuthorizationPolicy` has it: by selector from the workload's namespace and
    /// the root namespace, and for the pods of a Gateway by target.
    pub(super) fn of(world: &'w World, pod: &Pod) -> Self {
        let gateway = pod.labels.get(GATEWAY_NAME);
        Self::chosen(world, |policy| {
            let own = policy.object.namespace == pod.namespace;
            if policy.targets.is_empty() {
                let here = own || policy.object.namespace == world.mesh.root_namespace;
                return here && pod.labels.include(&policy.selector);
            }
            let names =
                |t: &PolicyTarget| matches!(t, PolicyTarget::Gateway(n) if gateway == Some(n));
            own && policy.targets.iter().any(names)
        })
    }

    /// What a waypoint enforces on calls to a Service, or to a pod's own address: only targets count.
    pub(super) fn of_waypoint(
        world: &'w World,
        waypoint: &ObjectRef,
        service: Option<&ObjectRef>,
    ) -> Self {
        Self::chosen(world, |policy| {
            let within = |target: &ObjectRef, name: &str| {
                target.namespace == policy.object.namespace && target.name == name
            };
            policy.targets.iter().any(|target| match target {
                PolicyTarget::Gateway(name) => within(waypoint, name),
                PolicyTarget::Service(name) => service.is_some_and(|s| within(s, name)),
                PolicyTarget::GatewayClass(name) => {
                    name == "istio-waypoint" && policy.object.namespace == world.mesh.root_namespace
                }
                PolicyTarget::ServiceEntry(_) => false,
            })
        })
    }

    /// A dry run is never enforced, and AUDIT never decides.
    fn chosen(world: &'w World, wanted: impl Fn(&AuthorizationPolicy) -> bool) -> Self {
        let mut out = Self::default();
        let all = world.authorization_policies.iter();
        for policy in all.filter(|p| !p.dry_run && wanted(p)) {
            match policy.action {
                AuthorizationAction::Custom => out.custom.push(policy),
                AuthorizationAction::Deny => out.deny.push(policy),
                AuthorizationAction::Allow => out.allow.push(policy),
                AuthorizationAction::Audit => {}
            }
        }
        out
    }

    /// Every policy that can decide.
    pub(super) fn iter(&self) -> impl Iterator<Item = &'w AuthorizationPolicy> + '_ {
        let all = self.custom.iter().chain(&self.deny).chain(&self.allow);
        all.copied()
    }
}

/// The verdict on a port whose protocol may be any of `wires`, and whose number any of `ports`: if they
/// differ, it depends. `destination` are the receiver's addresses.
pub(super) fn judge(
    (destination, policies): (&AddressSet, &Applicable<'_>),
    ports: &[u16],
    caller: &Caller<'_>,
    wires: &[Wire],
) -> Judgement {
    let readings = wires.iter().flat_map(|w| ports.iter().map(move |p| (w, p)));
    let mut verdicts = readings.map(|(wire, port)| {
        let rules = Rules {
            destination,
            policies,
            port: *port,
            caller,
            wire: *wire,
        };
        rules.judge()
    });
    let Some(first) = verdicts.next() else {
        return Judgement::Allow;
    };
    if verdicts.all(|v| v == first) {
        first
    } else {
        Judgement::Depends
    }
}

/// Everything that a rule is matched against.
struct Rules<'a> {
    destination: &'a AddressSet,
    policies: &'a Applicable<'a>,
    port: u16,
    caller: &'a Caller<'a>,
    wire: Wire,
}

impl Rules<'_> {
    /// CUSTOM, then DENY, then ALLOW; AUDIT never decides (`Istio AuthorizationPolicy`).
    fn judge(&self) -> Judgement {
        let found = |list: &[&AuthorizationPolicy]| any(list.iter().map(|p| self.policy(p)));
        let custom = found(&self.policies.custom);
        let deny = found(&self.policies.deny);
        let allow = if self.policies.allow.is_empty() {
            Some(true)
        } else {
            found(&self.policies.allow)
        };
        match (deny, allow, custom) {
            (Some(true), _, _) | (_, Some(false), _) => Judgement::Deny,
            (Some(false), Some(true), Some(false)) => Judgement::Allow,
            _ => Judgement::Depends,
        }
    }

    fn policy(&self, policy: &AuthorizationPolicy) -> Truth {
        any(policy.rules.iter().map(|rule| self.rule(policy, rule)))
    }

    /// On a TCP port an ALLOW rule with an HTTP field is dropped; other actions lose the field only.
    fn rule(&self, policy: &AuthorizationPolicy, rule: &AuthorizationRule) -> Truth {
        let allow = policy.action == AuthorizationAction::Allow;
        if self.wire == Wire::Tcp && allow && uses_http(rule) {
            return Some(false);
        }
        let namespace = &policy.object.namespace;
        let from = rule.from.is_empty().then_some(true);
        let from = from.map_or_else(
            || any(rule.from.iter().map(|s| self.source(namespace, s))),
            Some,
        );
        let to = rule.to.is_empty().then_some(true);
        let to = to.map_or_else(|| any(rule.to.iter().map(|o| self.operation(o))), Some);
        rule.when
            .iter()
            .map(|c| self.condition(namespace, c))
            .fold(and(from, to), and)
    }

    fn source(&self, namespace: &str, s: &From) -> Truth {
        let identity = [
            field(&s.principals, &s.not_principals, &|v| self.principal(v)),
            field(&s.namespaces, &s.not_namespaces, &|v| self.namespace(v)),
            field(&s.service_accounts, &s.not_service_accounts, &|v| {
                self.service_account(namespace, v)
            }),
        ];
        let address = [
            field(&s.ip_blocks, &s.not_ip_blocks, &|v| {
                peer_in(self.caller.source, v)
            }),
            field(&s.remote_ip_blocks, &s.not_remote_ip_blocks, &|v| {
                self.remote_in(v)
            }),
        ];
        let request = if self.wire == Wire::Tcp {
            Some(true)
        } else {
            field(&s.request_principals, &s.not_request_principals, &|_| None)
        };
        let all = identity.into_iter().chain(address).chain([request]);
        all.fold(Some(true), and)
    }

    fn operation(&self, o: &Operation) -> Truth {
        let listed = o.ports.is_empty() || o.ports.contains(&self.port);
        let plain = Some(listed && !o.not_ports.contains(&self.port));
        if self.wire == Wire::Tcp || !operation_uses_http(o) {
            plain
        } else {
            and(plain, None)
        }
    }

    fn condition(&self, namespace: &str, c: &Condition) -> Truth {
        let test: &dyn Fn(&str) -> Truth = match c.key.as_str() {
            "source.principal" => &|v| self.principal(v),
            "source.namespace" => &|v| self.namespace(v),
            "source.serviceAccount" => &|v| self.service_account(namespace, v),
            "source.ip" => &|v| peer_in(self.caller.source, v),
            "remote.ip" => &|v| self.remote_in(v),
            "destination.port" => &|v| Some(v.parse::<u16>() == Ok(self.port)),
            "destination.ip" => &|v| in_block(self.destination, v),
            key if condition_uses_http(key) && self.wire == Wire::Tcp => return Some(true),
            _ => &|_| None,
        };
        field(&c.values, &c.not_values, test)
    }

    fn identity(&self) -> Option<&Client<'_>> {
        self.caller.identity()
    }

    fn principal(&self, pattern: &str) -> Truth {
        let identity = self.identity();
        Some(identity.is_some_and(|caller| is_principal(&caller.identity, pattern)))
    }

    fn namespace(&self, pattern: &str) -> Truth {
        let caller = self.identity();
        Some(caller.is_some_and(|c| is_namespace(&c.identity, &c.pod.namespace, pattern)))
    }

    fn service_account(&self, default: &str, wanted: &str) -> Truth {
        Some(is_account(self.identity(), default, wanted))
    }

    /// The first hop of `X-Forwarded-For` on HTTP, which a caller can write; the peer on TCP.
    fn remote_in(&self, block: &str) -> Truth {
        match self.wire {
            Wire::Http => None,
            Wire::Tcp => peer_in(self.caller.source, block),
        }
    }
}

/// Whether an identity is among those that a pattern of `principals` means.
pub(super) fn is_principal(identity: &Identity, pattern: &str) -> bool {
    let spiffe = &identity.spiffe;
    let principal = spiffe.strip_prefix("spiffe://").unwrap_or_default();
    let same_domain = |alias: &str| {
        let end = alias.find('/');
        end.is_some_and(|end| pattern.get(..=end) == alias.get(..=end))
    };
    // Other names of the domain count in principals of the five parts of an identity.
    let mut aliases = identity.aliases.iter();
    text_matches(pattern, principal)
        || (pattern.matches('/').count() == 4
            && aliases.any(|a| same_domain(a) && text_matches(pattern, a)))
}

/// The same for a pattern of `namespaces`. It stands between slashes, and its stars may reach past the
/// namespace.
pub(super) fn is_namespace(identity: &Identity, namespace: &str, pattern: &str) -> bool {
    if pattern.contains('*') {
        glob(&format!("*/ns/{pattern}/*"), &identity.spiffe)
    } else {
        pattern == namespace
    }
}

/// Whether the address of the peer lies in a block.
pub(super) fn peer_in(source: Source<'_>, block: &str) -> Truth {
    match source {
        Source::Address(address) => Some(holds(block, &address)),
        Source::Pod(Client { pod, .. }) if pod.addresses.known.is_empty() && pod.host_network => {
            in_block(&pod.node_addresses, block)
        }
        Source::Pod(client) => in_block(&client.pod.addresses, block),
        Source::Nobody => Some(false),
    }
}

/// `NAME` in the namespace `default`, or `NAMESPACE/NAME`.
pub(super) fn is_account(identity: Option<&Client<'_>>, default: &str, wanted: &str) -> bool {
    let (namespace, name) = wanted.split_once('/').unwrap_or((default, wanted));
    let pod = identity.map(|caller| caller.pod);
    pod.is_some_and(|p| p.namespace == namespace && p.service_account == name)
}

/// One of `values` (no values: no restriction) and none of `nots`.
pub(super) fn field<T: AsRef<str>>(
    values: &[T],
    nots: &[T],
    test: &dyn Fn(&str) -> Truth,
) -> Truth {
    let listed = if values.is_empty() {
        Some(true)
    } else {
        any(values.iter().map(|v| test(v.as_ref())))
    };
    let excluded = any(nots.iter().map(|v| test(v.as_ref())));
    and(listed, excluded.map(|e| !e))
}

pub(super) fn in_block(addresses: &AddressSet, block: &str) -> Truth {
    if addresses.known.is_empty() {
        return None;
    }
    Some(addresses.known.iter().any(|a| holds(block, a)))
}

fn holds(block: &str, address: &IpAddr) -> bool {
    parse_block(block).is_some_and(|net| net.contains(address))
}

pub(super) fn operation_uses_http(o: &Operation) -> bool {
    [
        &o.methods,
        &o.not_methods,
        &o.paths,
        &o.not_paths,
        &o.hosts,
        &o.not_hosts,
    ]
    .iter()
    .any(|list| !list.is_empty())
}

fn condition_uses_http(key: &str) -> bool {
    key.starts_with("request.")
}

fn uses_http(rule: &AuthorizationRule) -> bool {
    rule.to.iter().any(operation_uses_http)
        || rule
            .from
            .iter()
            .any(|s| !s.request_principals.is_empty() || !s.not_request_principals.is_empty())
        || rule.when.iter().any(|c| condition_uses_http(&c.key))
}

/// `*` is anything but nothing, `*suffix`, `prefix*`, else exact.
pub(super) fn text_matches(pattern: &str, text: &str) -> bool {
    if pattern == "*" {
        return !text.is_empty();
    }
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(suffix), _) => text.ends_with(suffix),
        (_, Some(prefix)) => text.starts_with(prefix),
        (None, None) => text == pattern,
    }
}

/// `*` anywhere, as in `namespaces`.
fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(first) = parts.next() else {
        return false;
    };
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.ends_with(last)
}

//! AuthorizationPolicy as filters of Envoy (`istio, pilot/pkg/security/authz/{builder,model}`).
//!
//! One filter for DENY, then one for ALLOW; each is there if a policy of its action applies, with or without rules. A
//! rule becomes a policy of Envoy's RBAC: any of its permissions (`to`) and any of its principals (`from`), and what
//! `when` says goes into each of them.

use crate::strings::{any_case, literal, matcher, regex, wildcard};
use palisade_netmodel::{
    AuthorizationAction, AuthorizationPolicy, AuthorizationRule, Condition, MeshConfig, Operation,
    Pod, Source, World,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// How connections are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    Http,
    Tcp,
}

/// The policies of a workload.
pub(crate) struct Policies<'w> {
    mesh: &'w MeshConfig,
    all: Vec<&'w AuthorizationPolicy>,
}

impl<'w> Policies<'w> {
    /// Those of the root namespace and of the pod's own that select it. Policies with `targetRefs` are for others, and
    /// dry runs are never enforced.
    pub(crate) fn of(world: &'w World, pod: &Pod) -> Self {
        let root = &world.mesh.root_namespace;
        let own = world.authorization_policies.iter().filter(|policy| {
            let namespace = &policy.object.namespace;
            (namespace == root || *namespace == pod.namespace)
                && pod.labels.include(&policy.selector)
                && policy.targets.is_empty()
                && !policy.dry_run
        });
        Self {
            mesh: &world.mesh,
            all: own.collect(),
        }
    }

    /// What the filters do not contain.
    pub(crate) fn left_out(&self) -> Vec<String> {
        let mut out = BTreeSet::new();
        for policy in &self.all {
            if policy.action == AuthorizationAction::Custom {
                out.insert(format!("{}: an external provider decides", policy.object));
            }
            for condition in policy.rules.iter().flat_map(|rule| &rule.when) {
                if !KEYS.contains(&condition.key.as_str()) && http_key(&condition.key).is_none() {
                    out.insert(format!("{}: the key {}", policy.object, condition.key));
                }
            }
        }
        out.into_iter().collect()
    }

    /// The filters of a chain, in their order.
    pub(crate) fn filters(&self, wire: Wire) -> Vec<Value> {
        let actions = [AuthorizationAction::Deny, AuthorizationAction::Allow];
        actions
            .into_iter()
            .filter_map(|action| self.filter(action, wire))
            .collect()
    }

    fn filter(&self, action: AuthorizationAction, wire: Wire) -> Option<Value> {
        let own: Vec<_> = self.all.iter().filter(|p| p.action == action).collect();
        if own.is_empty() {
            return None;
        }
        let mut policies = Map::new();
        for policy in own {
            for (number, rule) in policy.rules.iter().enumerate() {
                let writer = Writer {
                    mesh: self.mesh,
                    namespace: &policy.object.namespace,
                    wire,
                };
                if wire == Wire::Tcp && action == AuthorizationAction::Allow && has_http(rule) {
                    continue;
                }
                policies.insert(format!("{}[{number}]", policy.object), writer.rule(rule));
            }
        }
        let word = match action {
            AuthorizationAction::Deny => "DENY",
            _ => "ALLOW",
        };
        let rules = json!({"action": word, "policies": policies});
        Some(match wire {
            Wire::Tcp => json!({
                "name": "envoy.filters.network.rbac",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC",
                    "stat_prefix": "tcp",
                    "rules": rules,
                },
            }),
            Wire::Http => json!({
                "name": "envoy.filters.http.rbac",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
                    "rules": rules,
                },
            }),
        })
    }
}

/// Keys of conditions that are no request's.
const KEYS: [&str; 7] = [
    "source.ip",
    "source.namespace",
    "source.principal",
    "source.serviceAccount",
    "remote.ip",
    "destination.ip",
    "destination.port",
];

/// Keys that exist on HTTP alone: a header by its name, or something of a token.
enum HttpKey<'k> {
    Header(&'k str),
    Token,
}

fn http_key(key: &str) -> Option<HttpKey<'_>> {
    let header = key.strip_prefix("request.headers[");
    match header.and_then(|rest| rest.strip_suffix(']')) {
        Some(name) => Some(HttpKey::Header(name)),
        None if key.starts_with("request.auth.") => Some(HttpKey::Token),
        None => None,
    }
}

fn has_http(rule: &AuthorizationRule) -> bool {
    let of_request = |o: &Operation| {
        let lists = [
            &o.methods,
            &o.paths,
            &o.hosts,
            &o.not_methods,
            &o.not_paths,
            &o.not_hosts,
        ];
        lists.into_iter().any(|list| !list.is_empty())
    };
    let of_token =
        |s: &Source| !(s.request_principals.is_empty() && s.not_request_principals.is_empty());
    rule.to.iter().any(of_request)
        || rule.from.iter().any(of_token)
        || rule.when.iter().any(|c| http_key(&c.key).is_some())
}

/// Writes the rules of a policy.
struct Writer<'p> {
    mesh: &'p MeshConfig,
    namespace: &'p str,
    wire: Wire,
}

impl Writer<'_> {
    fn rule(&self, rule: &AuthorizationRule) -> Value {
        let mut permissions = Predicates::permission();
        let mut principals = Predicates::principal();
        for condition in &rule.when {
            self.condition(condition, &mut permissions, &mut principals);
        }
        let permissions = alternatives(&rule.to, &permissions, |o, p| self.operation(o, p));
        let principals = alternatives(&rule.from, &principals, |s, p| self.source(s, p));
        json!({"permissions": permissions, "principals": principals})
    }

    fn operation(&self, o: &Operation, out: &mut Predicates) {
        let port = |port: &u16| json!({"destination_port": port});
        out.both(&o.ports, &o.not_ports, port);
        // On a TCP port a DENY rule loses what is about requests, and so denies more.
        if self.wire == Wire::Http {
            let header =
                |name: &str, value: Value| json!({"header": {"name": name, "string_match": value}});
            out.both(&o.hosts, &o.not_hosts, |v| {
                header(":authority", any_case(v))
            });
            out.both(&o.methods, &o.not_methods, |v| {
                header(":method", matcher(v, ""))
            });
            out.both(&o.paths, &o.not_paths, |v| path(v));
        }
    }

    fn source(&self, s: &Source, out: &mut Predicates) {
        out.both(
            &self.names(&s.principals),
            &self.names(&s.not_principals),
            |v| identity(&matcher(v, "spiffe://")),
        );
        out.both(&s.namespaces, &s.not_namespaces, |v| namespace(v));
        let account = |v: &String| self.account(v);
        out.both(&s.service_accounts, &s.not_service_accounts, account);
        out.both(&s.ip_blocks, &s.not_ip_blocks, |v| {
            block("direct_remote_ip", v)
        });
        let remote = |v: &String| block("remote_ip", v);
        out.both(&s.remote_ip_blocks, &s.not_remote_ip_blocks, remote);
        if self.wire == Wire::Http {
            out.both(&s.request_principals, &s.not_request_principals, |_| {
                never()
            });
        }
    }

    fn condition(&self, c: &Condition, permissions: &mut Predicates, principals: &mut Predicates) {
        let (yes, no) = (&c.values, &c.not_values);
        match c.key.as_str() {
            "source.ip" => principals.both(yes, no, |v| block("direct_remote_ip", v)),
            "remote.ip" => principals.both(yes, no, |v| block("remote_ip", v)),
            "source.namespace" => principals.both(yes, no, |v| namespace(v)),
            "source.serviceAccount" => principals.both(yes, no, |v| self.account(v)),
            "source.principal" => principals.both(&self.names(yes), &self.names(no), |v| {
                identity(&matcher(v, "spiffe://"))
            }),
            "destination.ip" => permissions.both(yes, no, |v| block("destination_ip", v)),
            "destination.port" => permissions.both(yes, no, |v| match v.parse::<u16>() {
                Ok(port) => json!({"destination_port": port}),
                Err(_) => json!({"not_rule": {"any": true}}),
            }),
            key => match http_key(key) {
                Some(_) if self.wire == Wire::Tcp => {}
                Some(HttpKey::Header(name)) => principals.both(
                    yes,
                    no,
                    |v| json!({"header": {"name": name, "string_match": matcher(v, "")}}),
                ),
                Some(HttpKey::Token) | None => principals.both(yes, no, |_| never()),
            },
        }
    }

    /// Principals of the mesh's trust domain, also if it is called `cluster.local`, in each of its names
    /// (`trustdomain.Bundle`): only those of the five parts that an identity has.
    fn names(&self, patterns: &[String]) -> Vec<String> {
        let own = [&self.mesh.trust_domain].into_iter();
        let domains: BTreeSet<&String> = own.chain(&self.mesh.trust_domain_aliases).collect();
        let mut out = BTreeSet::new();
        for pattern in patterns {
            let parts = pattern.split_once('/').filter(|(domain, rest)| {
                let ours = *domain == "cluster.local" || domains.iter().any(|d| d == domain);
                ours && rest.split('/').count() == 4
            });
            match parts {
                Some((_, rest)) => out.extend(domains.iter().map(|d| format!("{d}/{rest}"))),
                None => out.extend([pattern.clone()]),
            }
        }
        out.into_iter().collect()
    }

    fn account(&self, account: &str) -> Value {
        let (namespace, name) = account.split_once('/').unwrap_or((self.namespace, account));
        let (namespace, name) = (literal(namespace), literal(name));
        identity(&regex(&format!("spiffe://[^/]+/ns/{namespace}/sa/{name}")))
    }
}

fn identity(name: &Value) -> Value {
    json!({"authenticated": {"principal_name": name}})
}

fn namespace(pattern: &str) -> Value {
    identity(&regex(&format!(".*/ns/{}/.*", wildcard(pattern))))
}

/// What no request is: one with a token, as long as nobody verifies any.
fn never() -> Value {
    json!({"not_id": {"any": true}})
}

/// The path without the query; `{*}` is one part of it and `{**}` any number.
fn path(pattern: &str) -> Value {
    if pattern.contains("{*}") || pattern.contains("{**}") {
        let template = pattern.replace("{**}", "**").replace("{*}", "*");
        return json!({"uri_template": {
            "name": "uri-template",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig",
                "path_template": template,
            },
        }});
    }
    json!({"url_path": {"path": matcher(pattern, "")}})
}

/// A CIDR, or a single address.
fn block(field: &str, block: &str) -> Value {
    let (address, length) = match block.split_once('/') {
        Some((address, length)) => (address, length.parse().unwrap_or(u32::MAX)),
        None if block.contains(':') => (block, 128),
        None => (block, 32),
    };
    json!({field: {"address_prefix": address, "prefix_len": length}})
}

/// What must be true together, in the words of permissions or of principals.
#[derive(Clone)]
struct Predicates {
    all: Vec<Value>,
    or: (&'static str, &'static str),
    and: (&'static str, &'static str),
    not: &'static str,
}

impl Predicates {
    fn permission() -> Self {
        Self {
            all: Vec::new(),
            or: ("or_rules", "rules"),
            and: ("and_rules", "rules"),
            not: "not_rule",
        }
    }

    fn principal() -> Self {
        Self {
            all: Vec::new(),
            or: ("or_ids", "ids"),
            and: ("and_ids", "ids"),
            not: "not_id",
        }
    }

    /// Any of the values, if there are some, and none of those that must not be.
    fn both<T>(&mut self, yes: &[T], no: &[T], value: impl Fn(&T) -> Value) {
        let (or, list) = self.or;
        let any = |values: &[T]| {
            let values: Vec<Value> = values.iter().map(&value).collect();
            json!({or: {list: values}})
        };
        if !yes.is_empty() {
            self.all.push(any(yes));
        }
        if !no.is_empty() {
            self.all.push(json!({self.not: any(no)}));
        }
    }

    fn write(self) -> Value {
        if self.all.is_empty() {
            return json!({"any": true});
        }
        let (and, list) = self.and;
        json!({and: {list: self.all}})
    }
}

/// Each item of a list with what must be true besides; no items restrict nothing.
fn alternatives<T>(
    items: &[T],
    besides: &Predicates,
    mut write: impl FnMut(&T, &mut Predicates),
) -> Vec<Value> {
    if items.is_empty() {
        return vec![besides.clone().write()];
    }
    let one = |item: &T| {
        let mut all = besides.clone();
        write(item, &mut all);
        all.write()
    };
    items.iter().map(one).collect()
}

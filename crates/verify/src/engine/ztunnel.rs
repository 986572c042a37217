//! AuthorizationPolicy as ztunnel evaluates it, for one port and one peer.
//!
//! Policies are turned once into what ztunnel is sent: groups of clauses of matches, in which only
//! fields of layer 4 are left. A match without a field never matches.

use super::authorization::{
    Caller, Judgement, Truth, and, any, field, in_block, is_account, operation_uses_http, peer_in,
    text_matches,
};
use super::endpoints::parse_block;
use palisade_netmodel::{
    AuthorizationAction, AuthorizationPolicy, AuthorizationRule, Pod, World, ztunnel_ports,
};

/// What one ztunnel enforces for one pod.
#[derive(Debug, Default)]
pub(super) struct Rules<'w> {
    deny: Vec<Group<'w>>,
    allow: Vec<Group<'w>>,
    /// Whether any ALLOW policy applies, be its groups as few as they may.
    closed: bool,
    /// Every port that a match names.
    pub(super) ports: Vec<u16>,
}

/// All clauses must match; in a clause, one of the matches.
type Group<'w> = Vec<Vec<Match<'w>>>;

/// All fields must match: one of the first list if it has any, none of the second.
#[derive(Debug, Default)]
struct Match<'w> {
    /// The namespace of the policy, for service accounts without one.
    home: &'w str,
    principals: Lists<'w>,
    namespaces: Lists<'w>,
    accounts: Lists<'w>,
    sources: Lists<'w>,
    destinations: Lists<'w>,
    ports: (Vec<u16>, Vec<u16>),
}

type Lists<'w> = (Vec<&'w str>, Vec<&'w str>);

impl<'w> Rules<'w> {
    /// The policies with a selector for the pod, or without one, of its namespace and of the root's.
    pub(super) fn of(world: &'w World, pod: &Pod) -> Self {
        let mut out = Self::default();
        for policy in &world.authorization_policies {
            let here =
                [&pod.namespace, &world.mesh.root_namespace].contains(&&policy.object.namespace);
            let loaded = policy.targets.is_empty() && !policy.dry_run;
            if !here || !loaded || !pod.labels.include(&policy.selector) {
                continue;
            }
            let groups = policy.rules.iter().filter_map(|rule| group(policy, rule));
            match policy.action {
                AuthorizationAction::Allow => {
                    out.closed = true;
                    out.allow.extend(groups);
                }
                AuthorizationAction::Deny => out.deny.extend(groups),
                AuthorizationAction::Audit | AuthorizationAction::Custom => {}
            }
        }
        let matches = out.deny.iter().chain(&out.allow).flatten().flatten();
        out.ports = matches
            .flat_map(|m| m.ports.0.iter().chain(&m.ports.1).copied())
            .collect();
        out
    }

    /// The verdict on a connection; ztunnel connects nobody to its own ports.
    pub(super) fn judge(&self, pod: &Pod, port: u16, caller: &Caller<'_>) -> Judgement {
        if ztunnel_ports().contains(palisade_netmodel::Protocol::Tcp, port) {
            return Judgement::Deny;
        }
        let found =
            |groups: &[Group<'_>]| any(groups.iter().map(|g| matches(g, pod, port, caller)));
        let allow = if self.closed {
            found(&self.allow)
        } else {
            Some(true)
        };
        match (found(&self.deny), allow) {
            (Some(true), _) | (_, Some(false)) => Judgement::Deny,
            (Some(false), Some(true)) => Judgement::Allow,
            _ => Judgement::Depends,
        }
    }
}

/// A rule as it is sent: not at all if it allows and has a field of layer 7.
fn group<'w>(policy: &'w AuthorizationPolicy, rule: &'w AuthorizationRule) -> Option<Group<'w>> {
    if policy.action == AuthorizationAction::Allow && uses_layer_7(rule) {
        return None;
    }
    let texts = |list: &'w [String]| list.iter().map(String::as_str).collect::<Vec<_>>();
    let lists = |yes: &'w [String], no: &'w [String]| (texts(yes), texts(no));
    let mut group = Group::new();
    if !rule.from.is_empty() {
        let from = rule.from.iter().map(|s| Match {
            home: &policy.object.namespace,
            principals: lists(&s.principals, &s.not_principals),
            namespaces: lists(&s.namespaces, &s.not_namespaces),
            accounts: lists(&s.service_accounts, &s.not_service_accounts),
            sources: lists(&s.ip_blocks, &s.not_ip_blocks),
            ..Match::default()
        });
        group.push(from.collect());
    }
    if !rule.to.is_empty() {
        let to = rule.to.iter().map(|o| Match {
            ports: (o.ports.clone(), o.not_ports.clone()),
            ..Match::default()
        });
        group.push(to.collect());
    }
    for c in &rule.when {
        let (yes, no) = lists(&c.values, &c.not_values);
        let blocks = |list: &[&'w str]| {
            let known = list.iter().filter(|text| parse_block(text).is_some());
            known.copied().collect::<Vec<_>>()
        };
        let numbers = |list: &[&str]| list.iter().filter_map(|text| text.parse().ok()).collect();
        let mut only = Match::default();
        match c.key.as_str() {
            "source.principal" => only.principals = (yes, no),
            "source.namespace" => only.namespaces = (yes, no),
            "source.ip" => only.sources = (blocks(&yes), blocks(&no)),
            "destination.ip" => only.destinations = (blocks(&yes), blocks(&no)),
            "destination.port" => only.ports = (numbers(&yes), numbers(&no)),
            _ => {}
        }
        group.push(vec![only]);
    }
    Some(group)
}

fn uses_layer_7(rule: &AuthorizationRule) -> bool {
    let known = [
        "source.ip",
        "source.namespace",
        "source.principal",
        "destination.ip",
        "destination.port",
    ];
    rule.to.iter().any(operation_uses_http)
        || rule.when.iter().any(|c| !known.contains(&c.key.as_str()))
        || rule.from.iter().any(|s| {
            !(s.remote_ip_blocks.is_empty()
                && s.not_remote_ip_blocks.is_empty()
                && s.request_principals.is_empty()
                && s.not_request_principals.is_empty())
        })
}

fn matches(group: &Group<'_>, pod: &Pod, port: u16, caller: &Caller<'_>) -> Truth {
    let clauses = group
        .iter()
        .map(|clause| any(clause.iter().map(|m| m.holds(pod, port, caller))));
    clauses.fold(Some(true), and)
}

impl Match<'_> {
    fn is_empty(&self) -> bool {
        let lists = [
            &self.principals,
            &self.namespaces,
            &self.accounts,
            &self.sources,
            &self.destinations,
        ];
        lists
            .iter()
            .all(|(yes, no)| yes.is_empty() && no.is_empty())
            && self.ports.0.is_empty()
            && self.ports.1.is_empty()
    }

    fn holds(&self, pod: &Pod, port: u16, caller: &Caller<'_>) -> Truth {
        if self.is_empty() {
            return Some(false);
        }
        let identity = caller.identity();
        let principal = |v: &str| {
            let name = identity.and_then(|c| c.identity.spiffe.strip_prefix("spiffe://"));
            Some(name.is_some_and(|name| text_matches(v, name)))
        };
        let namespace = |v: &str| Some(identity.is_some_and(|c| text_matches(v, &c.pod.namespace)));
        let account = |v: &str| Some(is_account(identity, self.home, v));
        let (ports, not_ports) = &self.ports;
        let listed = ports.is_empty() || ports.contains(&port);
        [
            Some(listed && !not_ports.contains(&port)),
            field(&self.principals.0, &self.principals.1, &principal),
            field(&self.namespaces.0, &self.namespaces.1, &namespace),
            field(&self.accounts.0, &self.accounts.1, &account),
            field(&self.sources.0, &self.sources.1, &|v| {
                peer_in(caller.source, v)
            }),
            field(&self.destinations.0, &self.destinations.1, &|v| {
                in_block(&pod.addresses, v)
            }),
        ]
        .into_iter()
        .fold(Some(true), and)
    }
}

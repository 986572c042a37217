//! AuthorizationPolicy as a node's ztunnel evaluates it (`istio, pilot/pkg/serviceregistry/ambient/
//! authorization.go: convertAuthorizationPolicy, handleRule`; `ztunnel, src/rbac.rs`).
//!
//! It knows no request: an ALLOW rule with a field that only HTTP has is left out; a DENY rule loses
//! the field, and what is left empty by that matches nothing. A sidecar does the opposite.

use super::Half;
use super::View;
use super::authorization::{cause, operation_has_http, peer_in, service_account_is};
use super::matching::{Match, and, any_in, listed, or, parse_block, string_matches, unlisted};
use crate::{
    AuthorizationAction, AuthorizationPolicy, AuthorizationRule, Condition, Endpoint, Operation,
    Outcome, Pod, Source,
};

/// One connection, as the ztunnel of its destination sees it.
pub(super) struct Connection<'a> {
    pub(super) world: View<'a>,
    /// The pod that is reached, and its port.
    pub(super) receiver: &'a Pod,
    pub(super) port: u16,
    /// The peer of the connection: the caller, or the waypoint.
    pub(super) peer: Endpoint,
    /// The peer's certificate, with HBONE.
    pub(super) identity: Option<&'a Pod>,
}

impl Connection<'_> {
    /// Any DENY that matches refuses; without an ALLOW policy the rest passes; with one, something
    /// must match. CUSTOM, AUDIT and dry runs are not loaded, and `targetRefs` are not ztunnel's.
    pub(super) fn decide(&self) -> Half {
        let mut outcome = Outcome::Allow;
        let mut because = Vec::new();
        for policy in self.policies(AuthorizationAction::Deny) {
            let (matched, rule) = self.policy(policy);
            let (verdict, text) = match matched {
                Some(true) => (Outcome::Deny, "a DENY rule matches at ztunnel"),
                None => (
                    Outcome::Depends,
                    "a DENY rule of ztunnel depends on an address",
                ),
                Some(false) => continue,
            };
            outcome = outcome.and(verdict);
            because.push(cause(policy, rule, verdict, text.to_owned()));
        }
        let allow = self.policies(AuthorizationAction::Allow);
        if allow.is_empty() {
            return Half { outcome, because };
        }
        for (wanted, verdict, text) in [
            (
                Some(true),
                Outcome::Allow,
                "an ALLOW rule matches at ztunnel",
            ),
            (
                None,
                Outcome::Depends,
                "an ALLOW rule of ztunnel depends on an address",
            ),
        ] {
            for policy in &allow {
                let (matched, rule) = self.policy(policy);
                if matched == wanted {
                    because.push(cause(policy, rule, verdict, text.to_owned()));
                    return Half {
                        outcome: outcome.and(verdict),
                        because,
                    };
                }
            }
        }
        because.extend(allow.iter().map(|policy| {
            let text = format!(
                "no ALLOW rule of it matches at ztunnel{}",
                self.why_none(policy)
            );
            cause(policy, None, Outcome::Deny, text)
        }));
        Half {
            outcome: Outcome::Deny,
            because,
        }
    }

    /// What a reader of the policy easily overlooks.
    fn why_none(&self, policy: &AuthorizationPolicy) -> &'static str {
        if policy.rules.is_empty() {
            ": it has none"
        } else if policy.rules.iter().any(has_http) {
            ": ztunnel leaves out rules with HTTP fields, which only a waypoint enforces"
        } else if self.identity.is_none() {
            ": the caller speaks plaintext, and so has no identity"
        } else {
            ""
        }
    }

    /// By selector, of the namespace or of the root namespace; without one, the whole namespace, or
    /// all of the mesh.
    fn policies(&self, action: AuthorizationAction) -> Vec<&AuthorizationPolicy> {
        let here = |p: &&AuthorizationPolicy| {
            p.action == action
                && !p.dry_run
                && p.targets.is_empty()
                && (p.object.namespace == self.receiver.namespace
                    || p.object.namespace == self.world.mesh.root_namespace)
                && self.receiver.labels.include(&p.selector)
        };
        self.world.authorization_policies().filter(here).collect()
    }

    /// Rules are OR-ed; none never match.
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

    /// `from`, `to` and each `when` must match; inside `from` and `to` one of the items.
    fn rule(&self, policy: &AuthorizationPolicy, rule: &AuthorizationRule) -> Match {
        if policy.action == AuthorizationAction::Allow && has_http(rule) {
            return Some(false);
        }
        let mut found = Some(true);
        if !rule.from.is_empty() {
            let namespace = &policy.object.namespace;
            let from = rule.from.iter().map(|s| self.source(namespace, s));
            found = and(found, from.fold(Some(false), or));
        }
        if !rule.to.is_empty() {
            let to = rule.to.iter().map(|o| self.operation(o));
            found = and(found, to.fold(Some(false), or));
        }
        let when = rule.when.iter().map(|c| self.condition(c));
        when.fold(found, and)
    }

    fn source(&self, namespace: &str, s: &Source) -> Match {
        let fields = [
            (&s.principals, &s.not_principals),
            (&s.namespaces, &s.not_namespaces),
            (&s.service_accounts, &s.not_service_accounts),
            (&s.ip_blocks, &s.not_ip_blocks),
        ];
        // An item without a field that ztunnel knows matches nothing.
        if fields
            .iter()
            .all(|(yes, no)| yes.is_empty() && no.is_empty())
        {
            return Some(false);
        }
        let account = |v: &str| Some(service_account_is(self.identity, namespace, v));
        let tests: [&dyn Fn(&str) -> Match; 4] = [
            &|v| Some(self.principal(v)),
            &|v| Some(self.namespace(v)),
            &account,
            &|v| peer_in(self.world, self.peer, v),
        ];
        let fields = fields.iter().zip(tests);
        let fields = fields.map(|((yes, no), test)| and(listed(yes, test), unlisted(no, test)));
        fields.fold(Some(true), and)
    }

    fn operation(&self, o: &Operation) -> Match {
        if o.ports.is_empty() && o.not_ports.is_empty() {
            return Some(false);
        }
        let listed = o.ports.is_empty() || o.ports.contains(&self.port);
        Some(listed && !o.not_ports.contains(&self.port))
    }

    /// Values that are no address or port are skipped, which can leave nothing to match.
    fn condition(&self, c: &Condition) -> Match {
        let is_port = |v: &&String| v.parse::<u16>().is_ok();
        let is_block = |v: &&String| parse_block(v).is_some();
        let known: &dyn Fn(&&String) -> bool = match c.key.as_str() {
            "source.ip" | "destination.ip" => &is_block,
            "destination.port" => &is_port,
            "source.namespace" | "source.principal" => &|_| true,
            _ => return Some(false),
        };
        let kept = |list: &[String]| list.iter().filter(known).cloned().collect::<Vec<_>>();
        let (values, not_values) = (kept(&c.values), kept(&c.not_values));
        if values.is_empty() && not_values.is_empty() {
            return Some(false);
        }
        let test = |v: &str| match c.key.as_str() {
            "source.principal" => Some(self.principal(v)),
            "source.namespace" => Some(self.namespace(v)),
            "source.ip" => peer_in(self.world, self.peer, v),
            "destination.ip" => any_in(&self.receiver.addresses.known, v),
            _ => Some(v.parse() == Ok(self.port)),
        };
        and(listed(&values, test), unlisted(&not_values, test))
    }

    /// Against the certificate as it is: ztunnel knows no aliases of the trust domain.
    fn principal(&self, pattern: &str) -> bool {
        self.identity.is_some_and(|caller| {
            let domain = &self.world.mesh.trust_domain;
            let (namespace, account) = (&caller.namespace, &caller.service_account);
            string_matches(pattern, &format!("{domain}/ns/{namespace}/sa/{account}"))
        })
    }

    /// Against the namespace alone; a `*` within is a letter like any other.
    fn namespace(&self, pattern: &str) -> bool {
        let caller = self.identity.map(|caller| caller.namespace.as_str());
        caller.is_some_and(|namespace| string_matches(pattern, namespace))
    }
}

/// Whether a rule has a field that ztunnel does not know.
fn has_http(rule: &AuthorizationRule) -> bool {
    let known = |key: &str| {
        matches!(
            key,
            "source.ip"
                | "source.namespace"
                | "source.principal"
                | "destination.ip"
                | "destination.port"
        )
    };
    let request = |s: &Source| {
        let lists = [
            &s.remote_ip_blocks,
            &s.not_remote_ip_blocks,
            &s.request_principals,
            &s.not_request_principals,
        ];
        lists.iter().any(|list| !list.is_empty())
    };
    rule.to.iter().any(operation_has_http)
        || rule.from.iter().any(request)
        || rule.when.iter().any(|c| !known(&c.key))
}

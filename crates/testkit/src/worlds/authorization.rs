//! Random AuthorizationPolicies, such as the API server takes.

use super::alphabet::{NAMESPACES, labels, port};
use palisade_netmodel::{
    AuthorizationAction, AuthorizationPolicy, AuthorizationRule, Condition, ObjectRef, Operation,
    Origin, PolicyTarget, Source,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

pub(super) fn words(from: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    prop_oneof![
        3 => Just(Vec::new()),
        2 => vec(select(from).prop_map(str::to_owned), 1..3),
    ]
}

fn source() -> impl Strategy<Value = Source> {
    let who = (
        words(&[
            "*",
            "cluster.local/ns/shop/sa/robot",
            "*/sa/default",
            "cluster.local/ns/bank/*",
        ]),
        words(&["*", "cluster.local/ns/bank/sa/default"]),
        words(&["shop", "*", "b*k", "*a"]),
        words(&["shop", "istio-*"]),
        words(&["robot", "bank/default"]),
    );
    let from = (
        words(&["10.0.0.0/8", "203.0.113.9"]),
        words(&["10.1.0.0/16", "2001:db8::/32"]),
        words(&["10.0.0.0/8"]),
        words(&["issuer/subject"]),
    );
    (who, from).prop_map(|(who, from)| {
        let source = Source {
            principals: who.0,
            not_principals: who.1,
            namespaces: who.2,
            not_namespaces: who.3,
            ip_blocks: from.0,
            not_ip_blocks: from.1,
            remote_ip_blocks: from.2,
            request_principals: from.3,
            ..Source::default()
        };
        valid_source(source, who.4)
    })
}

/// Istio refuses service accounts beside other names of the caller, and a source without a field.
fn valid_source(mut source: Source, accounts: Vec<String>) -> Source {
    let named = [
        &source.principals,
        &source.not_principals,
        &source.namespaces,
        &source.not_namespaces,
    ]
    .iter()
    .any(|list| !list.is_empty());
    if !named {
        source.service_accounts = accounts;
    }
    if source == Source::default() {
        source.namespaces = vec!["shop".to_owned()];
    }
    source
}

fn operation() -> impl Strategy<Value = Operation> {
    let ports = || prop_oneof![Just(Vec::new()), vec(port(), 1..3)];
    (
        ports(),
        ports(),
        words(&["GET"]),
        words(&["/metrics"]),
        words(&["shop.example"]),
    )
        .prop_map(|(ports, not_ports, methods, not_paths, hosts)| {
            let operation = Operation {
                ports,
                not_ports,
                methods,
                not_paths,
                hosts,
                ..Operation::default()
            };
            // Istio refuses an operation without a field.
            if operation == Operation::default() {
                return Operation {
                    ports: vec![80],
                    ..operation
                };
            }
            operation
        })
}

fn condition() -> impl Strategy<Value = Condition> {
    prop_oneof![
        (words(&["10.0.0.0/8"]), words(&["10.1.0.0/16"])).prop_map(|(v, n)| ("source.ip", v, n)),
        (words(&["10.0.0.0/8"]), words(&["::/0"])).prop_map(|(v, n)| ("remote.ip", v, n)),
        (words(&["shop"]), words(&["bank"])).prop_map(|(v, n)| ("source.namespace", v, n)),
        (words(&["80", "8080"]), words(&["9000"])).prop_map(|(v, n)| ("destination.port", v, n)),
        (words(&["10.1.0.7"]), Just(Vec::new())).prop_map(|(v, n)| ("destination.ip", v, n)),
        (words(&["x"]), Just(Vec::new())).prop_map(|(v, n)| ("request.headers[x]", v, n)),
        (words(&["a.example"]), Just(Vec::new())).prop_map(|(v, n)| ("connection.sni", v, n)),
    ]
    .prop_map(|(key, values, not_values)| Condition {
        key: key.to_owned(),
        values,
        not_values,
    })
}

pub(super) fn authorization_policy() -> impl Strategy<Value = AuthorizationPolicy> {
    let action = select(
        &[
            AuthorizationAction::Allow,
            AuthorizationAction::Allow,
            AuthorizationAction::Deny,
            AuthorizationAction::Custom,
            AuthorizationAction::Audit,
        ][..],
    );
    let rule = (
        vec(source(), 0..2),
        vec(operation(), 0..2),
        vec(condition(), 0..2),
    )
        .prop_map(|(from, to, mut when)| {
            when.retain(|c| !(c.values.is_empty() && c.not_values.is_empty()));
            AuthorizationRule {
                origin: Origin::default(),
                from,
                to,
                when,
            }
        });
    let flags = (prop::bool::weighted(0.1), prop::bool::weighted(0.1));
    (
        select(&NAMESPACES[..]),
        labels(),
        flags,
        action,
        vec(rule, 0..3),
    )
        .prop_map(
            |(namespace, selector, (target_refs, dry_run), action, mut rules)| {
                // Only ALLOW may be without rules.
                if rules.is_empty() && action != AuthorizationAction::Allow {
                    rules.push(AuthorizationRule::default());
                }
                AuthorizationPolicy {
                    origin: Origin::default(),
                    object: ObjectRef::new(namespace, "authz"),
                    targets: if target_refs && selector.is_empty() {
                        vec![PolicyTarget::Service("web".to_owned())]
                    } else {
                        Vec::new()
                    },
                    selector,
                    dry_run,
                    action,
                    rules,
                }
            },
        )
}

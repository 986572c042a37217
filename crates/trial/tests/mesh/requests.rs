//! Requests between which the policies of a world can tell: each method, path, host, header and forwarded address that one
//! names, and others.

use palisade_netmodel::{AuthorizationRule, World};
use palisade_trial::mesh::Wire;
use std::collections::{BTreeMap, BTreeSet};

/// More requests than a scenario should need.
const MOST: usize = 300;
/// An address in no block that a scenario names.
const ELSEWHERE: &str = "198.51.100.7";

/// What a request can have, by its kind: absent if `None`.
#[derive(Default)]
struct Choices {
    methods: BTreeSet<String>,
    paths: BTreeSet<String>,
    hosts: BTreeSet<String>,
    headers: BTreeMap<String, BTreeSet<String>>,
}

pub(crate) fn requests(world: &World) -> Vec<Wire> {
    let mut choices = Choices::default();
    choices.methods.insert("GET".to_owned());
    choices.paths.insert("/".to_owned());
    choices.hosts.insert("elsewhere.example".to_owned());
    for rule in world.authorization_policies.iter().flat_map(|p| &p.rules) {
        choices.add(rule);
    }
    choices.all()
}

/// Whether a policy asks for tokens, which no request here has.
pub(crate) fn asks_for_tokens(world: &World) -> bool {
    let mut rules = world.authorization_policies.iter().flat_map(|p| &p.rules);
    rules.any(|rule| {
        let mut from = rule.from.iter();
        from.any(|s| !(s.request_principals.is_empty() && s.not_request_principals.is_empty()))
            || rule.when.iter().any(|c| c.key.starts_with("request.auth"))
    })
}

impl Choices {
    fn add(&mut self, rule: &AuthorizationRule) {
        for o in &rule.to {
            let lists = [
                (&mut self.methods, &o.methods, &o.not_methods),
                (&mut self.paths, &o.paths, &o.not_paths),
                (&mut self.hosts, &o.hosts, &o.not_hosts),
            ];
            for (known, yes, no) in lists {
                known.extend(yes.iter().chain(no).map(|pattern| example(pattern)));
            }
            if !(o.methods.is_empty() && o.not_methods.is_empty()) {
                self.methods.insert("PATCH".to_owned());
            }
        }
        let forwarded = "x-forwarded-for".to_owned();
        for s in &rule.from {
            for block in s.remote_ip_blocks.iter().chain(&s.not_remote_ip_blocks) {
                let addresses = self.headers.entry(forwarded.clone()).or_default();
                addresses.insert(address(block));
                addresses.insert(ELSEWHERE.to_owned());
            }
        }
        for c in &rule.when {
            for value in c.values.iter().chain(&c.not_values) {
                let header = c.key.strip_prefix("request.headers[");
                let (name, value) = match header {
                    Some(name) => (name.trim_end_matches(']').to_owned(), example(value)),
                    None if c.key == "remote.ip" => (forwarded.clone(), address(value)),
                    None => continue,
                };
                self.headers.entry(name).or_default().insert(value);
            }
        }
    }

    fn all(&self) -> Vec<Wire> {
        let mut headers: Vec<Vec<(String, String)>> = vec![Vec::new()];
        for (name, values) in &self.headers {
            let without = headers.clone();
            for value in values {
                for before in &without {
                    let mut with = before.clone();
                    with.push((name.clone(), value.clone()));
                    headers.push(with);
                }
            }
        }
        let mut out = Vec::new();
        for method in &self.methods {
            for path in &self.paths {
                for host in &self.hosts {
                    for headers in &headers {
                        out.push(Wire::Http {
                            method: method.clone(),
                            path: path.clone(),
                            host: host.clone(),
                            headers: headers.clone(),
                        });
                    }
                }
            }
        }
        assert!(out.len() <= MOST, "{} requests are too many", out.len());
        out
    }
}

/// A string that a pattern matches.
fn example(pattern: &str) -> String {
    pattern
        .replace("{**}", "a/b")
        .replace("{*}", "a")
        .replace('*', "x")
}

/// An address in a block.
fn address(block: &str) -> String {
    block.split('/').next().unwrap_or_default().to_owned()
}

//! Requests between which the policies of a namespace can tell: each method, path, host, header and forwarded
//! address that one names, and others.

use super::caller::Wire;
use palisade_netmodel::{AuthorizationRule, Pod, TargetPort, World};
use std::collections::{BTreeMap, BTreeSet};

/// An address in no block that a policy should name.
const ELSEWHERE: &str = "198.51.100.7";

/// What a request can have, by its kind: absent if `None`.
#[derive(Default)]
struct Choices {
    methods: BTreeSet<String>,
    paths: BTreeSet<String>,
    hosts: BTreeSet<String>,
    headers: BTreeMap<String, BTreeSet<String>>,
}

/// Requests to a pod, at most so many, and whether these are all. Where there would be more, each differs from an
/// ordinary one in one thing alone.
#[must_use]
pub fn requests(world: &World, receiver: &Pod, most: usize) -> (Vec<Wire>, bool) {
    let mut choices = Choices {
        methods: BTreeSet::from(["GET".to_owned()]),
        paths: BTreeSet::from(["/".to_owned()]),
        hosts: BTreeSet::from(["elsewhere.example".to_owned()]),
        headers: BTreeMap::new(),
    };
    for rule in rules(world, receiver) {
        choices.add(rule);
    }
    if choices.count() <= most {
        return (choices.all(), true);
    }
    let mut some = choices.single();
    some.truncate(most);
    (some, false)
}

/// Whether a policy asks for tokens, which no request here has.
#[must_use]
pub fn asks_for_tokens(world: &World, receiver: &Pod) -> bool {
    rules(world, receiver).any(|rule| {
        let mut from = rule.from.iter();
        from.any(|s| !(s.request_principals.is_empty() && s.not_request_principals.is_empty()))
            || rule.when.iter().any(|c| c.key.starts_with("request.auth"))
    })
}

/// Every rule that could be about a pod, whatever it selects.
fn rules<'w>(world: &'w World, pod: &'w Pod) -> impl Iterator<Item = &'w AuthorizationRule> {
    let here =
        |namespace: &str| namespace == pod.namespace || namespace == world.mesh.root_namespace;
    let policies = world.authorization_policies.iter();
    let policies = policies.filter(move |policy| here(&policy.object.namespace));
    policies.flat_map(|policy| &policy.rules)
}

/// Whether every Service that leads to a port says that it is HTTP: bytes that are no request are none of its.
#[must_use]
pub fn declares_http(world: &World, pod: &Pod, port: u16) -> bool {
    let doors = world.services.iter().filter(|service| {
        service.object.namespace == pod.namespace
            && !service.selector.is_empty()
            && pod.labels.include(&service.selector)
    });
    let leads = |target: &TargetPort| match target {
        TargetPort::Number(number) => *number == port,
        TargetPort::Name(name) => {
            let mut named = pod.named_ports.iter();
            named.any(|n| n.name == *name && n.port == port)
        }
    };
    let words: Vec<&str> = doors
        .flat_map(|service| &service.ports)
        .filter(|p| leads(&p.target))
        .map(|p| p.app_protocol.as_deref().unwrap_or(&p.name))
        .collect();
    let http = |word: &&str| {
        let first = word.split('-').next().unwrap_or_default();
        ["http", "http2", "grpc"].contains(&first)
    };
    !words.is_empty() && words.iter().all(http)
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
                    Some(name) => (header_name(name), example(value)),
                    None if c.key == "remote.ip" => (forwarded.clone(), address(value)),
                    None => continue,
                };
                self.headers.entry(name).or_default().insert(value);
            }
        }
    }

    /// How many requests there would be.
    fn count(&self) -> usize {
        let lists = [&self.methods, &self.paths, &self.hosts];
        let headers = self.headers.values().map(|values| values.len() + 1);
        let all = lists.into_iter().map(BTreeSet::len).chain(headers);
        all.fold(1, usize::saturating_mul)
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
                        out.push(request(method, path, host, headers.clone()));
                    }
                }
            }
        }
        out
    }

    fn single(&self) -> Vec<Wire> {
        let mut out = vec![ordinary(None)];
        let [usual, root, elsewhere] = ["GET", "/", "elsewhere.example"];
        for method in self.methods.iter().filter(|m| *m != usual) {
            out.push(request(method, root, elsewhere, Vec::new()));
        }
        for path in self.paths.iter().filter(|p| *p != root) {
            out.push(request(usual, path, elsewhere, Vec::new()));
        }
        for host in self.hosts.iter().filter(|h| *h != elsewhere) {
            out.push(ordinary(Some(host)));
        }
        for (name, values) in &self.headers {
            for value in values {
                let header = (name.clone(), value.clone());
                out.push(request(usual, root, elsewhere, vec![header]));
            }
        }
        out
    }
}

/// A request about which there is nothing special but, perhaps, its host.
fn ordinary(host: Option<&str>) -> Wire {
    request("GET", "/", host.unwrap_or("elsewhere.example"), Vec::new())
}

fn request(method: &str, path: &str, host: &str, headers: Vec<(String, String)>) -> Wire {
    Wire::Http {
        method: method.to_owned(),
        path: path.to_owned(),
        host: host.to_owned(),
        headers,
    }
}

/// A string that a pattern matches, as far as it can stand in a request.
fn example(pattern: &str) -> String {
    let text = pattern
        .replace("{**}", "a/b")
        .replace("{*}", "a")
        .replace('*', "x");
    let fits = |c: &char| c.is_ascii_graphic();
    text.chars().filter(fits).collect()
}

/// The name in `request.headers[name]`, as far as it is one.
fn header_name(rest: &str) -> String {
    let fits = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    rest.chars().filter(fits).collect()
}

/// An address in a block.
fn address(block: &str) -> String {
    example(block.split('/').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::shop::{GET_ALONE, pod, shop};

    fn told(objects: &str, most: usize) -> (Vec<String>, bool) {
        let world = shop(objects);
        let (wires, all) = requests(&world, world.pod(pod(&world, "db")).unwrap(), most);
        let line = |wire: Wire| match wire {
            Wire::Bytes => "bytes".to_owned(),
            Wire::Http {
                method,
                path,
                host,
                headers,
            } => {
                let headers: String = headers.iter().map(|(k, v)| format!(" {k}={v}")).collect();
                format!("{method} {host}{path}{headers}")
            }
        };
        (wires.into_iter().map(line).collect(), all)
    }

    /// One rule, in the pod's namespace or in another.
    fn policy(namespace: &str, rule: &str) -> String {
        format!(
            "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n\
             metadata: {{name: p, namespace: {namespace}}}\nspec: {{rules: [{rule}]}}\n"
        )
    }

    /// What a rule names is asked for, and something else.
    #[test]
    fn every_field_of_a_rule_makes_a_request() {
        let usual = "GET elsewhere.example/";
        for (rule, expected) in [
            ("{}", vec![usual]),
            (
                "{to: [{operation: {methods: [PUT]}}]}",
                vec![usual, "PATCH elsewhere.example/", "PUT elsewhere.example/"],
            ),
            (
                "{to: [{operation: {notMethods: [PUT]}}]}",
                vec![usual, "PATCH elsewhere.example/", "PUT elsewhere.example/"],
            ),
            (
                "{to: [{operation: {paths: [/a*]}}]}",
                vec![usual, "GET elsewhere.example/ax"],
            ),
            (
                "{to: [{operation: {notPaths: [/a]}}]}",
                vec![usual, "GET elsewhere.example/a"],
            ),
            ("{to: [{operation: {hosts: [h]}}]}", vec![usual, "GET h/"]),
            (
                "{to: [{operation: {notHosts: [h]}}]}",
                vec![usual, "GET h/"],
            ),
            (
                "{when: [{key: 'request.headers[x-y]', values: [v]}]}",
                vec![usual, "GET elsewhere.example/ x-y=v"],
            ),
            (
                "{when: [{key: 'request.headers[x-y]', notValues: [v]}]}",
                vec![usual, "GET elsewhere.example/ x-y=v"],
            ),
            (
                "{when: [{key: remote.ip, values: [192.0.2.0/24]}]}",
                vec![usual, "GET elsewhere.example/ x-forwarded-for=192.0.2.0"],
            ),
            (
                "{from: [{source: {remoteIpBlocks: [192.0.2.0/24]}}]}",
                vec![
                    usual,
                    "GET elsewhere.example/ x-forwarded-for=192.0.2.0",
                    "GET elsewhere.example/ x-forwarded-for=198.51.100.7",
                ],
            ),
            (
                "{from: [{source: {notRemoteIpBlocks: [192.0.2.0/24]}}]}",
                vec![
                    usual,
                    "GET elsewhere.example/ x-forwarded-for=192.0.2.0",
                    "GET elsewhere.example/ x-forwarded-for=198.51.100.7",
                ],
            ),
        ] {
            let (found, all) = told(&policy("shop", rule), 32);
            assert!(all, "{rule}");
            assert_eq!(found, expected, "{rule}");
        }
    }

    #[test]
    fn policies_of_the_namespace_and_of_the_root_count() {
        let rule = "{to: [{operation: {hosts: [h]}}]}";
        for (namespace, expected) in [("shop", 2), ("istio-system", 2), ("legacy", 1)] {
            let (found, _) = told(&policy(namespace, rule), 32);
            assert_eq!(found.len(), expected, "{namespace}");
        }
    }

    #[test]
    fn what_is_left_out_is_told() {
        let rule = "{to: [{operation: {methods: [PUT], paths: [/a, /b], hosts: [h]}}]}";
        let objects = policy("shop", rule);
        assert_eq!(told(&objects, 18).0.len(), 18);
        assert!(told(&objects, 18).1 && !told(&objects, 17).1);
        let (some, _) = told(&objects, 3);
        assert_eq!(some.len(), 3);
    }

    #[test]
    fn tokens_are_seen_where_a_rule_asks_for_one() {
        for (rule, expected) in [
            ("{}", false),
            ("{from: [{source: {principals: ['*']}}]}", false),
            ("{from: [{source: {requestPrincipals: ['*']}}]}", true),
            ("{from: [{source: {notRequestPrincipals: ['*']}}]}", true),
            (
                "{when: [{key: 'request.auth.audiences', values: [a]}]}",
                true,
            ),
            ("{when: [{key: source.ip, values: [192.0.2.0/24]}]}", false),
        ] {
            let world = shop(&policy("shop", rule));
            let receiver = world.pod(pod(&world, "db")).unwrap();
            assert_eq!(asks_for_tokens(&world, receiver), expected, "{rule}");
        }
    }

    #[test]
    fn a_port_is_http_if_every_service_says_so() {
        let service = |name: &str, port: &str| {
            format!(
                "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: shop}}\n\
                 spec: {{selector: {{app: db}}, ports: [{port}]}}\n"
            )
        };
        let http = |objects: &str, port| {
            let world = shop(objects);
            declares_http(&world, world.pod(pod(&world, "db")).unwrap(), port)
        };
        // A port of the pod by its name, one of TCP, one that nothing names.
        assert!(http(GET_ALONE, 8080) && !http("", 5432) && !http("", 80));
        let second = service("second", "{name: tcp, port: 8080}");
        assert!(!http(&second, 8080));
        let third = service("third", "{name: x, appProtocol: grpc, port: 7777}");
        assert!(http(&third, 7777));
        let other = third.replace("{app: db}", "{app: web}");
        assert!(!http(&other, 7777));
    }

    #[test]
    fn too_many_differ_in_one_thing_each() {
        let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
        let choices = Choices {
            methods: names(&["GET", "PUT"]),
            paths: names(&["/", "/a", "/b"]),
            hosts: names(&["elsewhere.example"]),
            headers: BTreeMap::from([("x".to_owned(), names(&["1", "2"]))]),
        };
        assert_eq!((choices.count(), choices.all().len()), (18, 18));
        // The ordinary one, and one for each other value.
        assert_eq!(choices.single().len(), 1 + 1 + 2 + 2);
    }

    #[test]
    fn nothing_that_ends_a_line_gets_into_a_request() {
        assert_eq!(example("/a\r\nX: *"), "/aX:x");
    }
}

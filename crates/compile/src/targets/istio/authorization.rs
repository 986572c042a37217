//! AuthorizationPolicies: ALLOW only, by caller and port, for the same pods that NetworkPolicy isolates.

use super::peer_authentication::object_name;
use super::{Caller, Mesh, SECURITY, TcpPorts, in_mesh, labels, strings, tcp_ports};
use crate::Object;
use crate::artefacts::Header;
use crate::halves::{Halves, Needs, Subject};
use crate::names;
use crate::rules::{Style, one_line};
use crate::selectors::match_labels;
use palisade_diagnostics::Diagnostic;
use palisade_netmodel::{Direction, Grant};
use palisade_yaml::Value;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn objects(
    mesh: &Mesh<'_>,
    plan: &Halves<'_>,
    out: &mut Vec<Diagnostic>,
) -> Vec<Object> {
    let mut objects = Vec::new();
    for (namespace, directions) in &plan.default_deny {
        let isolated = directions.contains(&Direction::Ingress);
        if isolated && mesh.touches(namespace) && !mesh.is_root(namespace) {
            objects.push(allow_nothing(mesh, namespace));
        }
    }
    for (subject, needs) in &plan.subjects {
        let Some(grants) = &needs.ingress else {
            continue;
        };
        if !mesh.is_root(&subject.namespace) && meshed(mesh, subject, needs) {
            objects.extend(allow(mesh, subject, needs, grants, out));
        }
    }
    objects
}

/// A policy without rules never matches and so turns the default of a namespace to deny.
fn allow_nothing(mesh: &Mesh<'_>, namespace: &str) -> Object {
    let header = Header {
        api_version: SECURITY,
        kind: "AuthorizationPolicy",
        namespace,
        name: "allow-nothing",
        flows: Vec::new(),
    };
    Object::new(mesh.intent, header, vec![("spec", Value::Map(Vec::new()))])
}

/// Whether the subject's pods have proxies.
fn meshed(mesh: &Mesh<'_>, subject: &Subject, needs: &Needs<'_>) -> bool {
    if needs.components.is_empty() {
        mesh.touches(&subject.namespace)
    } else {
        needs.components.iter().any(|c| in_mesh(c))
    }
}

fn allow(
    mesh: &Mesh<'_>,
    subject: &Subject,
    needs: &Needs<'_>,
    grants: &[&Grant],
    out: &mut Vec<Diagnostic>,
) -> Vec<Object> {
    let Some(selectors) = match_labels(&subject.selector) else {
        out.push(inexpressible(subject, needs));
        return Vec::new();
    };
    let rules = rules(mesh, needs, grants);
    let many = selectors.len() > 1;
    selectors
        .iter()
        .map(|selector| {
            let name = match needs.components.first() {
                Some(component) => object_name(component, selector, many),
                None if many => names::object_name(&format!("{} {selector:?}", needs.name)),
                None => needs.name.clone(),
            };
            object(mesh, subject, &name, selector, &rules)
        })
        .collect()
}

fn inexpressible(subject: &Subject, needs: &Needs<'_>) -> Diagnostic {
    let origin = needs.components.first().and_then(|c| c.origin.0);
    Diagnostic::warning(
        "PAL0402",
        format!("no AuthorizationPolicy can select `{}`", subject.selector),
    )
    .at_opt(origin, "Istio selects by labels with exact values only")
    .help("select the pods by `matchLabels`")
}

fn object(
    mesh: &Mesh<'_>,
    subject: &Subject,
    name: &str,
    selector: &BTreeMap<String, String>,
    rules: &[Rule],
) -> Object {
    let mut spec = Vec::new();
    if !selector.is_empty() {
        spec.push(("selector", Value::map([("matchLabels", labels(selector))])));
    }
    spec.push(("action", Value::string("ALLOW")));
    if !rules.is_empty() {
        spec.push((
            "rules",
            Value::List(rules.iter().map(Rule::value).collect()),
        ));
    }
    let header = Header {
        api_version: SECURITY,
        kind: "AuthorizationPolicy",
        namespace: &subject.namespace,
        name,
        flows: rules.iter().flat_map(|r| r.flows.keys().cloned()).collect(),
    };
    Object::new(mesh.intent, header, vec![("spec", Value::map(spec))])
}

/// One item of `rules`: these callers on these ports.
#[derive(PartialEq, Eq)]
struct Rule {
    callers: BTreeSet<Caller>,
    /// `None`: every port.
    ports: Option<BTreeSet<u16>>,
    flows: Remarks,
}

/// Flow ids with the remark of each.
type Remarks = BTreeMap<String, String>;

impl Rule {
    fn value(&self) -> Value {
        let mut fields = Vec::new();
        if !self.callers.contains(&Caller::Unknown) {
            fields.push(("from", Value::List(self.sources())));
        }
        if let Some(ports) = &self.ports {
            let ports = strings(ports.iter().map(ToString::to_string));
            let operation = Value::map([("operation", Value::map([("ports", ports)]))]);
            fields.push(("to", Value::List(vec![operation])));
        }
        let remarks = self.flows.values().cloned().collect();
        Value::Commented(remarks, Box::new(Value::map(fields)))
    }

    fn sources(&self) -> Vec<Value> {
        let pick = |f: fn(&Caller) -> Option<&str>| -> Vec<&str> {
            self.callers.iter().filter_map(f).collect()
        };
        let principals = pick(|c| match c {
            Caller::Principal(p) => Some(p),
            _ => None,
        });
        let namespaces = pick(|c| match c {
            Caller::Namespace(n) => Some(n),
            _ => None,
        });
        let source = |field: &str, items: Vec<&str>| {
            Value::map([("source", Value::map([(field, strings(items))]))])
        };
        let mut out = Vec::new();
        if !principals.is_empty() {
            out.push(source("principals", principals));
        }
        if !namespaces.is_empty() {
            out.push(source("namespaces", namespaces));
        }
        out
    }
}

/// The rules for these grants. A port that a caller without identity may use is open to all in this
/// layer, so no other rule is written for it.
fn rules(mesh: &Mesh<'_>, needs: &Needs<'_>, grants: &[&Grant]) -> Vec<Rule> {
    if mesh.style == Style::PerFlow {
        let mut out: Vec<Rule> = Vec::new();
        for rule in grants.iter().flat_map(|g| merged(mesh, needs, &[*g])) {
            if !out.contains(&rule) {
                out.push(rule);
            }
        }
        return out;
    }
    merged(mesh, needs, grants)
}

fn merged(mesh: &Mesh<'_>, needs: &Needs<'_>, grants: &[&Grant]) -> Vec<Rule> {
    let mut table: BTreeMap<Option<u16>, (BTreeSet<Caller>, Remarks)> = BTreeMap::new();
    for grant in grants {
        let callers = mesh.callers(&grant.from);
        let ports: Vec<Option<u16>> = match tcp_ports(grant, needs.components.first().copied()) {
            TcpPorts::All => vec![None],
            TcpPorts::Some(ports) => ports.into_iter().map(Some).collect(),
        };
        let bare = mesh.bare_ports(grant);
        let ports: BTreeSet<Option<u16>> = ports
            .into_iter()
            .chain(bare.iter().copied().map(Some))
            .collect();
        for port in ports {
            let (all, flows) = table.entry(port).or_default();
            all.extend(callers.iter().cloned());
            if port.is_some_and(|p| bare.contains(&p)) {
                all.insert(Caller::Unknown);
            }
            let remark = format!("{}: {}", grant.id, one_line(&grant.reason));
            flows.insert(grant.id.clone(), remark);
        }
    }
    absorb(&mut table);
    let mut groups: BTreeMap<(bool, BTreeSet<Caller>), Rule> = BTreeMap::new();
    for (port, (mut callers, flows)) in table {
        if callers.contains(&Caller::Unknown) {
            callers = BTreeSet::from([Caller::Unknown]);
        }
        let rule = groups
            .entry((port.is_some(), callers.clone()))
            .or_insert_with(|| Rule {
                callers,
                ports: port.map(|_| BTreeSet::new()),
                flows: BTreeMap::new(),
            });
        if let (Some(ports), Some(port)) = (&mut rule.ports, port) {
            ports.insert(port);
        }
        rule.flows.extend(flows);
    }
    let mut rules: Vec<Rule> = groups
        .into_values()
        .filter(|r| !r.callers.is_empty())
        .collect();
    rules.sort_by(|a, b| {
        let key = |r: &Rule| (r.flows.keys().cloned().collect::<Vec<_>>(), r.ports.clone());
        key(a).cmp(&key(b))
    });
    rules
}

/// Callers that every port admits need no rule for single ports.
fn absorb(table: &mut BTreeMap<Option<u16>, (BTreeSet<Caller>, Remarks)>) {
    let Some((everywhere, mut remarks)) = table.remove(&None) else {
        return;
    };
    table.retain(|_, (callers, flows)| {
        if everywhere.contains(&Caller::Unknown) {
            callers.clear();
        } else if !callers.contains(&Caller::Unknown) {
            callers.retain(|c| !everywhere.contains(c));
        }
        if callers.is_empty() {
            remarks.append(flows);
        }
        !callers.is_empty()
    });
    table.insert(None, (everywhere, remarks));
}

//! A draft as the text of a matrix.

use crate::draft::{ANYWHERE, Draft, Flow, OUTSIDE, Side, Wire};
use palisade_netmodel::{Operator, PortSet, Protocol, Selector};
use palisade_yaml::Value;
use std::collections::BTreeSet;

/// The text. `claimed`: the isolation is what policies do today, and not a proposal.
pub(crate) fn write(draft: &Draft, name: &str, claimed: bool) -> String {
    let mut spec = vec![("zones", Value::List(zones(draft)))];
    let endpoints = endpoints(draft);
    if !endpoints.is_empty() {
        spec.push(("endpoints", Value::List(endpoints)));
    }
    spec.push(("components", Value::List(components(draft))));
    let flows = flows(draft);
    if !flows.is_empty() {
        spec.push(("flows", Value::List(flows)));
    }
    let document = Value::map([
        ("apiVersion", Value::string("palisade.dev/v1alpha1")),
        ("kind", Value::string("TrafficMatrix")),
        ("metadata", Value::map([("name", Value::string(name))])),
        ("spec", Value::map(spec)),
    ]);
    let head = if claimed {
        [
            "A first matrix, learnt from what the policies let pass. Every reason is a question: answer it,",
            "or remove the flow. What no policy closes is not closed here either (`isolation`).",
        ]
    } else {
        [
            "A first matrix, learnt from connections that were observed. Every reason is a question: answer it,",
            "or remove the flow. What happens seldom may be missing.",
        ]
    };
    let head = head.map(str::to_owned).to_vec();
    Value::Commented(head, Box::new(document)).to_yaml()
}

fn isolation((ingress, egress): (bool, bool)) -> Value {
    let word = |closed| Value::string(if closed { "Component" } else { "None" });
    Value::map([("ingress", word(ingress)), ("egress", word(egress))])
}

/// One zone for each namespace; it is closed as far as all its components are.
fn zones(draft: &Draft) -> Vec<Value> {
    let outside = Value::map([
        ("name", Value::string(OUTSIDE)),
        ("kind", Value::string("External")),
    ]);
    let mut out = vec![outside];
    for (namespace, name) in &draft.zones {
        let names = Value::List(vec![Value::string(namespace)]);
        out.push(Value::map([
            ("name", Value::string(name)),
            ("kind", Value::string("System")),
            ("namespaces", Value::map([("names", names)])),
            ("isolation", isolation(of_zone(draft, namespace))),
        ]));
    }
    out
}

fn of_zone(draft: &Draft, namespace: &str) -> (bool, bool) {
    let inside = draft
        .groups
        .iter()
        .zip(&draft.claims)
        .filter(|(group, _)| group.namespace == namespace && group.selectable);
    let claims: Vec<(bool, bool)> = inside.map(|(_, claims)| *claims).collect();
    let some = !claims.is_empty();
    (
        some && claims.iter().all(|c| c.0),
        some && claims.iter().all(|c| c.1),
    )
}

fn endpoints(draft: &Draft) -> Vec<Value> {
    let used = |side: &Side| {
        let mut flows = draft.flows.iter();
        flows.any(|flow| flow.from.contains(side) || flow.to.contains(side))
    };
    let mut out = Vec::new();
    if used(&Side::Anywhere) {
        out.push(Value::map([
            ("name", Value::string(ANYWHERE)),
            ("kind", Value::string("Any")),
        ]));
    }
    for (blocks, name) in &draft.blocks {
        let blocks = blocks.iter().map(Value::string).collect();
        out.push(Value::map([
            ("name", Value::string(name)),
            ("zone", Value::string(OUTSIDE)),
            ("kind", Value::string("CIDR")),
            ("cidrs", Value::List(blocks)),
        ]));
    }
    out
}

fn components(draft: &Draft) -> Vec<Value> {
    let all = draft.groups.iter().zip(&draft.claims);
    all.map(|(group, claims)| {
        let zone = draft
            .zones
            .get(&group.namespace)
            .unwrap_or(&group.namespace);
        let mut fields = vec![
            ("name", Value::string(&group.name)),
            ("zone", Value::string(zone)),
            ("namespace", Value::string(&group.namespace)),
            ("podSelector", selector(&group.selector)),
        ];
        if let Some(account) = &group.account {
            fields.push(("serviceAccount", Value::string(account)));
        }
        if *claims != of_zone(draft, &group.namespace) {
            fields.push(("isolation", isolation(*claims)));
        }
        Value::map(fields)
    })
    .collect()
}

fn selector(selector: &Selector) -> Value {
    let mut labels = Vec::new();
    let mut expressions = Vec::new();
    for requirement in &selector.requirements {
        match &requirement.operator {
            Operator::In(values) if values.len() == 1 => {
                labels.push((requirement.key.to_string(), Value::string(values.concat())));
            }
            _ => expressions.push(Value::map([
                ("key", Value::string(requirement.key.as_str())),
                ("operator", Value::string("DoesNotExist")),
            ])),
        }
    }
    let mut fields = Vec::new();
    if !labels.is_empty() {
        fields.push(("matchLabels", Value::map(labels)));
    }
    if !expressions.is_empty() {
        fields.push(("matchExpressions", Value::List(expressions)));
    }
    Value::map(fields)
}

fn flows(draft: &Draft) -> Vec<Value> {
    let mut taken = BTreeSet::new();
    draft
        .flows
        .iter()
        .filter(|flow| !flow.from.is_empty() && !flow.to.is_empty())
        .map(|flow| flow_value(draft, flow, &mut taken))
        .collect()
}

fn flow_value(draft: &Draft, flow: &Flow, taken: &mut BTreeSet<String>) -> Value {
    let names = |sides: &BTreeSet<Side>| -> Vec<String> {
        sides.iter().map(|side| draft.name(side)).collect()
    };
    let (from, to) = (names(&flow.from), names(&flow.to));
    let first = to.first().map_or("", String::as_str);
    let id = match from.as_slice() {
        [one] => format!("{one}-to-{first}"),
        _ => format!("to-{first}"),
    };
    let mut fields = vec![
        ("id", Value::string(crate::groups::free(taken, &id, "flow"))),
        ("from", one_or_many(&from)),
        ("to", one_or_many(&to)),
        ("ports", ports(&flow.ports)),
        ("reason", Value::string(question(&from, &to, &flow.ports))),
    ];
    let demand = match flow.wire {
        Wire::Any => None,
        Wire::Tls => Some("TLS"),
        Wire::Mesh => Some("MeshMTLS"),
    };
    if let Some(demand) = demand {
        let require = Value::map([("require", Value::string(demand))]);
        fields.push(("encryption", require));
    }
    Value::map(fields)
}

fn one_or_many(names: &[String]) -> Value {
    match names {
        [one] => Value::string(one),
        many => Value::List(many.iter().map(Value::string).collect()),
    }
}

/// `Why does web reach db on 5432/TCP?`
fn question(from: &[String], to: &[String], ports: &PortSet) -> String {
    let some = |names: &[String]| match names {
        [] => String::new(),
        [one] => one.clone(),
        [one, two] => format!("{one} and {two}"),
        [one, rest @ ..] => format!("{one} and {} more", rest.len()),
    };
    let does = if from.len() == 1 { "does" } else { "do" };
    format!("Why {does} {} reach {} on {ports}?", some(from), some(to))
}

fn ports(set: &PortSet) -> Value {
    if set.is_all() {
        return Value::string("All");
    }
    let number = |port: u16| Value::Int(port.into());
    let mut out = Vec::new();
    for protocol in Protocol::ALL {
        let word = ("protocol", Value::string(protocol.name()));
        for (first, last) in set.ranges(protocol) {
            out.push(match (*first, *last) {
                (1, u16::MAX) => Value::map([word.clone()]),
                (first, last) if first == last && protocol == Protocol::Tcp => number(first),
                (first, last) if first == last => {
                    Value::map([("port", number(first)), word.clone()])
                }
                (first, last) => Value::map([
                    ("port", number(first)),
                    ("endPort", number(last)),
                    word.clone(),
                ]),
            });
        }
    }
    Value::List(out)
}

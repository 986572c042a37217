//! Charts of small spaces, compared with direct compilation for every combination.

use super::values::Switch;
use super::{Chart, Input, InputKind, Space, chart};
use crate::Object;
use palisade_yaml::Value;
use std::collections::BTreeMap;

fn switch(name: &str, path: &[&str], default: bool) -> Switch {
    Switch {
        name: name.to_owned(),
        path: path.iter().map(|p| (*p).to_owned()).collect(),
        default,
        about: vec![format!("Turns {name} on.")],
    }
}

fn space() -> Space {
    let mut switches: Vec<Switch> = (0..10)
        .map(|n| switch(&format!("t{n}"), &[&format!("t{n}")], n % 3 == 0))
        .collect();
    switches.push(switch("jaeger", &["jaegerOperator", "enabled"], false));
    Space {
        chart: "shop".to_owned(),
        about: "Shop".to_owned(),
        platforms: vec!["kubernetes".to_owned(), "openshift".to_owned()],
        platform: 0,
        switches,
        inputs: vec![
            Input {
                name: "namespace".to_owned(),
                path: vec!["namespace".to_owned()],
                kind: InputKind::Name,
                default: Some("shop".to_owned()),
                example: None,
                about: Vec::new(),
            },
            Input {
                name: "port".to_owned(),
                path: vec!["port".to_owned()],
                kind: InputKind::Port,
                default: None,
                example: None,
                about: vec!["Port of Kafka.".to_owned()],
            },
        ],
        fixed: Vec::new(),
        labels: false,
    }
}

/// Objects whose parts depend on the switches in ways that charts have to learn.
fn compile(a: &[usize], parameters: &BTreeMap<String, String>) -> Vec<Object> {
    let on = |n: usize| a[n] == 1;
    let get = |name: &str, usual: &str| parameters.get(name).cloned().unwrap_or(usual.to_owned());
    let namespace = get("namespace", "shop");
    let port: i64 = get("port", "9093").parse().expect("a port");
    let rule = |id: &str, port: i64| {
        let rule = Value::map([("port", Value::Int(port))]);
        Value::Commented(vec![format!("{id}: says {{{{ it")], Box::new(rule))
    };
    let mut ingress = vec![rule("always", port)];
    for n in 1..=10 {
        if on(n) {
            ingress.push(rule(&format!("flow-{n}"), i64::try_from(n).expect("small")));
        }
    }
    if on(1) && on(2) && !on(3) {
        ingress.push(rule("mixed", 77));
    }
    let mut spec = vec![("ingress", Value::List(ingress))];
    let mut egress = Vec::new();
    for n in 1..=9 {
        if on(n) {
            egress.push(rule(&format!("out-{n}"), 100));
        }
    }
    if !egress.is_empty() {
        spec.push(("egress", Value::List(egress)));
    }
    let platform = if a[0] == 1 { "host-network" } else { "any" };
    spec.push(("from", Value::string(platform)));
    let object = |name: &str, spec: Value| Object {
        kind: "NetworkPolicy",
        namespace: namespace.clone(),
        name: name.to_owned(),
        value: Value::map([
            ("kind", Value::string("NetworkPolicy")),
            ("namespace", Value::string(namespace.as_str())),
            ("spec", spec),
        ]),
        flows: Vec::new(),
    };
    let mut out = vec![object("a", Value::map(spec))];
    if on(4) && (on(5) || a[0] == 1) {
        out.push(object(
            "b",
            Value::map([("host", Value::string(format!("x-{namespace}")))]),
        ));
    }
    out
}

fn made() -> Chart {
    chart(space(), &compile).expect("a chart")
}

#[test]
fn files() {
    let text: Vec<String> = made()
        .files()
        .iter()
        .map(|(path, text)| format!("===== {path}\n{text}"))
        .collect();
    insta::assert_snapshot!(text.concat());
}

/// Renders every combination and compares it with what is compiled directly.
#[test]
fn renders_what_is_compiled() {
    let chart = made();
    let parameters = BTreeMap::from([
        ("namespace".to_owned(), "market".to_owned()),
        ("port".to_owned(), "9999".to_owned()),
    ]);
    for n in 0..1 << 12_usize {
        let assignment: Vec<usize> = (0..12).map(|i| n >> i & 1).collect();
        let names = chart.space.switches.iter().map(|s| s.name.clone());
        let toggles = names
            .zip(&assignment[1..])
            .map(|(s, v)| (s, *v == 1))
            .collect();
        let platform = ["kubernetes", "openshift"][assignment[0]];
        let rendered = chart
            .render(Some(platform), &toggles, &parameters)
            .expect("renders");
        let direct = compile(&assignment, &parameters);
        let direct: Vec<String> = direct.iter().map(|o| o.value.to_yaml()).collect();
        // Indentation and the empty `egress:` are the renderer's own, so lines are compared.
        let lines = |text: &str| -> Vec<String> {
            let lines = text.lines().map(|l| l.trim().replace('"', ""));
            lines.filter(|l| l != "egress:").collect()
        };
        assert_eq!(
            lines(&rendered),
            lines(&direct.join("---\n")),
            "{assignment:?}"
        );
    }
}

#[test]
fn required_values_are_asked_for() {
    let error = made().render(None, &BTreeMap::new(), &BTreeMap::new());
    assert_eq!(error, Err("set port".to_owned()));
}

/// Helm refuses a namespace that exists already, so its label can be left out.
#[test]
fn namespaces_can_be_left_out() {
    let compile = |a: &[usize], parameters: &BTreeMap<String, String>| {
        let mut out = compile(a, parameters);
        out.push(Object {
            kind: "Namespace",
            namespace: String::new(),
            name: "shop".to_owned(),
            value: Value::map([("kind", Value::string("Namespace"))]),
            flows: Vec::new(),
        });
        out
    };
    let chart = chart(space(), &compile).expect("a chart");
    let find = |wanted: &str| {
        let file = chart.files().iter().find(|(path, _)| path == wanted);
        file.map(|(_, text)| text.clone()).expect("written")
    };
    let template = find("templates/namespace-shop.yaml");
    assert!(
        template.starts_with("{{- if .Values.labelNamespaces }}\n"),
        "{template}"
    );
    assert!(find("values.yaml").contains("\nlabelNamespaces: true\n"));
}

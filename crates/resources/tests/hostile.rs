//! Broken objects of every kind: no panic, and never an object in the world beside its error.

#![cfg(test)]

use palisade_diagnostics::{FileId, Severity};
use palisade_resources::{Input, KINDS, Loaded, Options, Role, load};
use proptest::prelude::*;
use proptest::sample::select;

fn read(text: &str) -> Loaded {
    let input = Input {
        file: FileId(0),
        text: text.into(),
        role: Role::Both,
    };
    load(&[input], &Options::default())
}

/// Words of all kinds, so that random trees get deep into the readers.
const KEYS: [&str; 56] = [
    "spec",
    "template",
    "metadata",
    "labels",
    "annotations",
    "selector",
    "matchLabels",
    "matchExpressions",
    "key",
    "operator",
    "values",
    "ingress",
    "egress",
    "from",
    "to",
    "ports",
    "port",
    "endPort",
    "protocol",
    "ipBlock",
    "cidr",
    "except",
    "podSelector",
    "policyTypes",
    "containers",
    "initContainers",
    "containerPort",
    "name",
    "rules",
    "source",
    "operation",
    "when",
    "mtls",
    "mode",
    "portLevelMtls",
    "host",
    "hosts",
    "trafficPolicy",
    "portLevelSettings",
    "tls",
    "number",
    "servers",
    "workloadSelector",
    "data",
    "mesh",
    "jobTemplate",
    "webhooks",
    "ownerReferences",
    "listeners",
    "parentRefs",
    "backendRefs",
    "matches",
    "http",
    "route",
    "destination",
    "gateways",
];

const SCALARS: [&str; 20] = [
    "null",
    "true",
    "0",
    "-1",
    "80",
    "65536",
    "99999999999999999999",
    "1.5",
    "''",
    "web",
    "In",
    "Exists",
    "Ingress",
    "TCP",
    "10.0.0.0/8",
    "10.0.0.5/24",
    "STRICT",
    "HTTPS",
    "'*'",
    "\"\\n\"",
];

/// A value in flow style.
fn tree() -> impl Strategy<Value = String> {
    let leaf = select(SCALARS.to_vec()).prop_map(str::to_owned);
    leaf.prop_recursive(6, 40, 4, |inner| {
        let list = prop::collection::vec(inner.clone(), 0..4);
        let map = prop::collection::btree_map(select(KEYS.to_vec()), inner, 0..5);
        prop_oneof![
            list.prop_map(|items| format!("[{}]", items.join(", "))),
            map.prop_map(|entries| {
                let entries = entries.iter().map(|(key, value)| format!("{key}: {value}"));
                format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn random_objects(kind in select(KINDS.to_vec()), spec in tree(), data in tree(), meta in tree()) {
        let head = format!("apiVersion: {}\nkind: {}\n", kind.api_version(), kind.name);
        let named = "metadata: {name: x}\n";
        for metadata in [named.to_owned(), format!("metadata: {meta}\n")] {
            let text = format!("{head}{metadata}spec: {spec}\ndata: {data}\nwebhooks: {data}\n");
            let loaded = read(&text);
            let errors = loaded.diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
            let accepted: usize = loaded.counts.values().sum();
            prop_assert_eq!(accepted == 0, errors > 0, "{}\n{:?}", text, loaded.diagnostics);
        }
    }

    #[test]
    fn random_text(text in "(apiVersion|kind|: |v1|Pod|List|items|-|\n|  |[\\[\\]{},:&*!|>'\"#%@\t]|[a-z]){0,60}") {
        let _ = read(&text);
    }
}

#[test]
fn many_problems_are_bounded() {
    let text = "a: 1\n---\n".repeat(5000);
    let mut options = Options::default();
    options.limits.max_diagnostics = 10;
    let input = Input {
        file: FileId(0),
        text: (&text).into(),
        role: Role::Both,
    };
    let loaded = load(&[input], &options);
    assert_eq!(loaded.diagnostics.len(), 11);
    assert_eq!(
        loaded.diagnostics[10].title,
        "4990 more problems are not shown"
    );
}

#[test]
fn warnings_beyond_the_limit_are_no_error() {
    let one = |i: usize, kind: &str| {
        format!("apiVersion: cilium.io/v2\nkind: {kind}\nmetadata: {{name: x{i}}}\n---\n")
    };
    let text: String = (0..30).map(|i| one(i, "CiliumNetworkPolicy")).collect();
    let mut options = Options::default();
    options.limits.max_diagnostics = 10;
    fn input(text: &str) -> Input<'_> {
        Input {
            file: FileId(0),
            text: text.into(),
            role: Role::Both,
        }
    }
    let loaded = load(&[input(&text)], &options);
    let last = loaded.diagnostics.last().unwrap();
    assert_eq!(last.title, "20 more problems are not shown");
    assert_eq!((last.severity, last.left_out), (Severity::Warning, true));
    // One error among those that are not shown, and it is an error.
    let text = format!("{text}a: 1\n");
    let loaded = load(&[input(&text)], &options);
    assert_eq!(loaded.diagnostics.last().unwrap().severity, Severity::Error);
}

#[test]
fn an_object_with_many_problems_names_the_error_and_is_left_out() {
    let loose: String = (0..50)
        .map(|i| format!("    - ipBlock: {{cidr: 10.0.{i}.5/24}}\n"))
        .collect();
    let head = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: web}\n";
    let text = format!(
        "{head}spec:\n  podSelector: {{}}\n  ingress:\n  - from:\n{loose}    - ipBlock: {{cidr: no}}\n"
    );
    let mut options = Options::default();
    options.limits.max_diagnostics = 3;
    let input = Input {
        file: FileId(0),
        text: (&text).into(),
        role: Role::Both,
    };
    let loaded = load(&[input], &options);
    assert_eq!(loaded.left_out, ["NetworkPolicy default/web"]);
    let notes = loaded.diagnostics.iter().flat_map(|d| &d.notes);
    let told: Vec<_> = notes
        .filter(|note| note.starts_with("NetworkPolicy default/web is left out"))
        .collect();
    assert_eq!(told.len(), 1, "{:#?}", loaded.diagnostics);
    assert_eq!(loaded.diagnostics.len(), 4);
}

#[test]
fn a_list_of_nothing_but_faults_is_counted() {
    // Large enough to be cut into items.
    let items = vec!["17"; 200_000].join(", ");
    let text = format!("{{\"kind\": \"List\", \"apiVersion\": \"v1\", \"items\": [{items}]}}");
    let loaded = read(&text);
    assert_eq!(loaded.diagnostics.len(), 1001);
    let last = loaded.diagnostics.last().unwrap();
    assert_eq!(last.title, "199000 more problems are not shown");
}

/// Texts of some megabytes that a reader with a square in its cost would read for hours.
fn monsters() -> Vec<(&'static str, String)> {
    let n = 300_000;
    let head = "apiVersion: v1\nkind: List\nitems:\n";
    let json =
        |items: &str| format!("{{\"kind\":\"List\",\"apiVersion\":\"v1\",\"items\":[{items}");
    vec![
        ("brackets", "[".repeat(n)),
        ("dashes", "- ".repeat(n)),
        ("documents", "---\n".repeat(n) + "x"),
        ("open maps", json(&"{\"a\":".repeat(n))),
        ("open strings", json(&"\"a\\\"".repeat(n))),
        (
            "half a list",
            json(&"{\"kind\":\"Pod\",\"apiVersion\":\"v1\"},".repeat(n / 4)),
        ),
        (
            "a list that ends badly",
            format!(
                "{head}{}- \"",
                "- {kind: Pod, apiVersion: v1}\n".repeat(n / 8)
            ),
        ),
        (
            "an alias in the last item",
            format!(
                "{head}{}- &a {{b: *a}}\n",
                "- {kind: Pod, apiVersion: v1}\n".repeat(n / 8)
            ),
        ),
        (
            "one object over and over",
            json(
                &"{\"kind\":\"Namespace\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"n\"}},"
                    .repeat(n / 16),
            ),
        ),
        (
            "one key over and over",
            format!(
                "kind: Pod\napiVersion: v1\n{}",
                "metadata: {}\n".repeat(n / 8)
            ),
        ),
        (
            "many keys",
            (0..n / 8).map(|i| format!("k{i}: 1\n")).collect::<String>()
                + "kind: Pod\napiVersion: v1\n",
        ),
        (
            "many labels",
            format!(
                "kind: Namespace\napiVersion: v1\nmetadata:\n  name: n\n  labels:\n{}",
                (0..n / 8)
                    .map(|i| format!("    k{i}: v\n"))
                    .collect::<String>()
            ),
        ),
        (
            "lists in lists",
            format!(
                "{}x",
                "{kind: List, apiVersion: v1, items: [".repeat(n / 16)
            ),
        ),
        ("one long word", "a".repeat(20 << 20)),
    ]
}

#[test]
fn monsters_are_told_in_time_and_in_few_words() {
    for (name, text) in monsters() {
        let start = std::time::Instant::now();
        let loaded = read(&text);
        let seconds = start.elapsed().as_secs();
        assert!(seconds < 60, "{name}: {seconds} s");
        assert!(loaded.diagnostics.len() <= 1001, "{name}");
        let places = loaded.diagnostics.iter().filter_map(|d| d.span());
        assert!(
            places.count() > 0 || name == "many labels",
            "{name}: {:?}",
            loaded.diagnostics
        );
        // What to do stands beside each error, but for the one that counts the others.
        for error in loaded
            .diagnostics
            .iter()
            .filter(|d| d.severity == Severity::Error)
        {
            assert!(
                !error.help.is_empty() || error.span().is_none(),
                "{name}: {error:?}"
            );
        }
    }
}

//! What a plan skips is checked all the same: the same documents and the same diagnostics, and nothing
//! is missing but what was skipped.

#![cfg(test)]

use palisade_diagnostics::FileId;
use palisade_yaml::{Limits, Node, Plan, Shape, Skip, parse, parse_planned};
use proptest::prelude::*;

static ROOT: Shape = Shape {
    inside: &[("spec", &SPEC), ("items", &ROOT)],
    skip: Skip::These(&[&["status", "env"]]),
    typed: true,
};
static SPEC: Shape = Shape {
    inside: &[("containers", &CONTAINER)],
    skip: Skip::These(&[]),
    typed: false,
};
static CONTAINER: Shape = Shape {
    inside: &[],
    skip: Skip::AllBut(&["name"]),
    typed: false,
};
static SECRET: Shape = Shape {
    inside: &[],
    skip: Skip::AllBut(&["apiVersion", "kind"]),
    typed: false,
};

fn choose(api_version: &str, kind: &str) -> Option<&'static Shape> {
    (api_version == "v1" && kind == "Secret").then_some(&SECRET)
}

const PLAN: Plan = Plan {
    root: Some(&ROOT),
    choose: Some(choose),
};

/// Whether two trees are the same where the second was read for.
fn agree(all: Node<'_>, some: Node<'_>, shape: Option<&'static Shape>) -> bool {
    let Some(mut shape) = shape else {
        return all.span() == some.span() && all.same(some);
    };
    let text = |key| all.get(key).and_then(|node| node.text());
    let keys: Vec<&str> = all.entries().map(|(key, _)| key.text).collect();
    let mut typed =
        shape.typed && text("apiVersion") == Some("v1") && text("kind") == Some("Secret");
    let mut items = all.items().zip(some.items());
    all.kind() == some.kind()
        && all.span().start == some.span().start
        && keys == some.entries().map(|(key, _)| key.text).collect::<Vec<_>>()
        && all.items().count() == some.items().count()
        && items.all(|(all, some)| agree(all, some, Some(shape)))
        && all
            .entries()
            .zip(some.entries())
            .all(|((key, all), (_, some))| {
                // The type is known from its second key on.
                let known = keys.iter().take_while(|k| **k != key.text);
                if typed
                    && known
                        .filter(|k| matches!(**k, "apiVersion" | "kind"))
                        .count()
                        == 2
                {
                    shape = &SECRET;
                    typed = false;
                }
                if let Some((_, inner)) = shape.inside.iter().find(|(name, _)| *name == key.text) {
                    return agree(all, some, Some(inner));
                }
                let skipped = match shape.skip {
                    Skip::These(lists) => lists.iter().any(|list| list.contains(&key.text)),
                    Skip::AllBut(list) => !list.contains(&key.text),
                };
                if skipped {
                    some.items().next().is_none() && some.entries().next().is_none()
                } else {
                    agree(all, some, None)
                }
            })
}

/// Whether the text was read without a problem.
fn check(text: &str) -> bool {
    let all = parse(FileId(0), text, &Limits::default());
    let some = parse_planned(FileId(0), text, &Limits::default(), PLAN);
    assert_eq!(all.diagnostics, some.diagnostics, "{text:?}");
    assert_eq!(all.documents.len(), some.documents.len(), "{text:?}");
    for (all, some) in all.documents.iter().zip(&some.documents) {
        let anchors = text.contains(['&', '*', '<']);
        let same = all.root().same(some.root());
        assert!(
            anchors && same || agree(all.root(), some.root(), Some(&ROOT)),
            "{text:?}\n{:?}\n{:?}",
            all.root(),
            some.root()
        );
    }
    all.diagnostics.is_empty()
}

const YAML: &str = "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - name: a\n    env:\n    - name: b\n      value: \"c\\n\"\n    args: [d, {e: f, 'g': h}]\n    k:{\"n\":\"m\"}: |\n      x\n  - name: z\nstatus:\n  one: {a: 1, b: [2]}\n  two: >-\n    y\n    z\nother:\n  env: [1]\n---\nkind: Secret\napiVersion: v1\ndata: {p: q}\n---\nitems:\n- status: {a: [b]}\n  spec: c\n";
const JSON: &str = "{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"spec\": {\"containers\": [{\"name\": \"a\", \"env\": [{\"n\\u0061me\": 1, \"value\": null}], \"x\": {\"y\": [true, {}]}}]}, \"status\": {\"a\": 1.5, \"b\": {\"c\": [], \"d\": \"\\\"\"}}, \"other\": {\"env\": [1]}}\n{\"kind\": \"Secret\", \"apiVersion\": \"v1\", \"data\": {\"p\": \"q\"}, \"items\": [{\"status\": 1}]}\n";

fn piece() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "",
        "\n",
        "- ",
        "\n  ",
        " ",
        "\"",
        "'",
        "]",
        "[",
        "}",
        "{",
        ",",
        ":",
        "a: 1\n",
        "\"a\": 1,",
        "&a ",
        "*a",
        "<<: {a: 1}\n",
        "#",
        "|\n",
        "\\",
        "\n---\n",
        "? [x]\n",
        "status: 1\n",
        "\u{1}",
        "\"name\": \"a\", ",
        "\"n\\u0061me\": 1, ",
        "\t",
        "\"status\": {\"a\": 1, \"\\u0061\": 2},",
    ])
}

#[test]
fn what_is_skipped_is_missing_and_nothing_else() {
    assert!(check(YAML) && check(JSON));
    let some = parse_planned(FileId(0), YAML, &Limits::default(), PLAN);
    let status = some.documents[0].root().get("status").unwrap();
    assert_eq!(status.entries().count(), 0);
}

#[test]
fn a_skipped_value_is_held_to_the_limits() {
    let deep = |open: &str, close: &str| {
        format!("{{\"status\": {}1{}}}", open.repeat(200), close.repeat(200))
    };
    for text in [
        deep("[", "]"),
        deep("{\"a\":", "}"),
        format!("# x\n{}", deep("[", "]")),
    ] {
        check(&text);
        let some = parse_planned(FileId(0), &text, &Limits::default(), PLAN);
        assert_eq!(some.diagnostics[0].title, "values are nested too deep");
    }
    let limits = Limits {
        max_nodes: 100,
        max_scalar: 50,
        ..Limits::default()
    };
    let many = format!("[{}1]", "1,".repeat(200));
    let long = format!("\"{}\"", "x".repeat(60));
    for (value, title) in [(many, "too many values"), (long, "value is too long")] {
        for text in [
            format!("{{\"status\": {value}}}"),
            format!("# x\nstatus: {value}\n"),
        ] {
            let some = parse_planned(FileId(0), &text, &limits, PLAN);
            assert_eq!(some.diagnostics[0].title, title, "{text}");
            assert_eq!(
                some.diagnostics,
                parse(FileId(0), &text, &limits).diagnostics
            );
        }
    }
}

#[test]
fn many_keys_of_a_skipped_map_are_compared_in_linear_time() {
    let start = std::time::Instant::now();
    let yaml: String = (0..200_000).map(|i| format!("  key{i}: 1\n")).collect();
    check(&format!("status:\n{yaml}  key7: 2\n"));
    let json: String = (0..200_000).map(|i| format!("\"key{i}\": 1, ")).collect();
    check(&format!("{{\"status\": {{{json}\"key7\": 2}}}}"));
    assert!(start.elapsed().as_secs() < 20);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_texts_are_read_the_same(yaml in any::<bool>(), at in 0..1000_usize, cut in 0..8_usize, new in piece()) {
        let text = if yaml { YAML } else { JSON };
        let at = at % text.len();
        let end = (at + cut).min(text.len());
        check(&format!("{}{new}{}", &text[..at], &text[end..]));
    }
}

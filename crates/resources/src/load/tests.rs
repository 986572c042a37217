//! That a text in pieces and in blocks gives what it gives as a whole.

use super::{Input, Loaded, Options, Role};
use palisade_diagnostics::{Blocks, FileId, Text};
use palisade_yaml::Sizes;
use proptest::prelude::*;

fn input(text: &str) -> Input<'_> {
    Input {
        file: FileId(0),
        text: text.into(),
        role: Role::Both,
    }
}

/// What a text holds that is read as a whole.
fn whole(text: &str, options: &Options) -> Loaded {
    super::load(&[input(text)], options)
}

/// The same, read from blocks of about `block` bytes.
fn streamed(text: &str, options: &Options, block: usize) -> Loaded {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let mut at = block.min(rest.len());
        while !rest.is_char_boundary(at) {
            at += 1;
        }
        let (part, after) = rest.split_at(at);
        parts.push(part);
        rest = after;
    }
    let blocks = Blocks::of(parts);
    let input = Input {
        text: Text::Blocks(&blocks),
        ..input("")
    };
    super::load(&[input], options)
}

const LISTS: [&str; 8] = [
    r#"{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"a","labels":{"é":"}"}}}, {"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"},"data":{"x":"e30="}},{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"a"},"spec":{"containers":[{"name":"c","image":"i"}]}}],"metadata":{"resourceVersion":""}}"#,
    "{\n \"apiVersion\": \"v1\",\n \"items\": [\n  {\"metadata\": {\"name\": \"p\"}, \"spec\": {\"containers\": []}},\n  {\"metadata\": {\"name\": \"q\"}}\n ],\n \"kind\": \"PodList\"\n}\n",
    "apiVersion: v1\nitems:\n- apiVersion: v1\n  kind: Namespace\n  metadata:\n    name: b\n# of c\n- apiVersion: v1\n  kind: Namespace\n  metadata: {name: c, labels: {l: 'x y'}}\nkind: List\n",
    "apiVersion: v1\nkind: NamespaceList\nitems:\n  - metadata: {name: d}\n  - metadata:\n      name: e\n      annotations:\n        t: |\n          - é\n\n          items:\n",
    "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"f\"}}\n{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"g\"}}\n{\"kind\":\"Pod\"}\n",
    "%YAML 1.1\n---\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: h # é\n  name: i\n...\n",
    "kind: NetworkPolicy\napiVersion: networking.k8s.io/v1\nmetadata: {name: n, namespace: a}\nspec: {podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{ipBlock: {cidr: 10.0.0.1/8}}]}]}\n",
    "\u{feff}[{\"a\":1},\r\n{\"b\":[]}]\r\n",
];

const BETWEEN: [&str; 24] = [
    "",
    "\n",
    "\n---\n",
    "---\n",
    "\n...\n",
    "\r\n---\r\n",
    "\n--- # x\n",
    "\n--- {a: 1}\n",
    "\n---x\n",
    "{",
    "}",
    "]",
    ",",
    "\"",
    "'",
    "- ",
    "\nkind: List\n",
    "\nitems:\n",
    "\u{feff}",
    "é",
    "# \n",
    "&a ",
    "\t",
    "\n  ",
];

fn all(loaded: &Loaded) -> String {
    format!("{loaded:?}")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Cuts, windows, going back: nothing of it can be seen in what is read.
    #[test]
    fn a_text_in_blocks_is_the_text(
        parts in prop::collection::vec((0..LISTS.len(), 0..BETWEEN.len()), 1..6),
        hit in prop::option::of((any::<prop::sample::Index>(), 0..5_usize, 0..BETWEEN.len())),
        (block, window, list) in (1..300_usize, 1..500_usize, 0..300_usize),
        most in prop::sample::select(vec![1000, 2]),
    ) {
        let mut text = String::new();
        for (list, between) in &parts {
            text.push_str(LISTS[*list]);
            text.push_str(BETWEEN[*between]);
        }
        if let Some((at, len, new)) = hit {
            let from = (0..=at.index(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap();
            let to = (from + len..).find(|i| *i >= text.len() || text.is_char_boundary(*i)).unwrap();
            text.replace_range(from..to.min(text.len()), BETWEEN[new]);
        }
        let mut options = Options::default();
        options.limits.max_diagnostics = most;
        let expected = all(&whole(&text, &options));
        options.limits.sizes = Sizes { window, list };
        prop_assert_eq!(&all(&streamed(&text, &options, block)), &expected, "{}", text);
        prop_assert_eq!(all(&whole(&text, &options)), expected, "{}", text);
    }
}

//! `palisade learn`: what it writes is a matrix, and the manifests that it was learnt from keep to it.

use crate::run::{palisade, palisade_with_input, root};
use std::fs;

/// Manifests of an example, and the policies that are in force.
const EXAMPLES: [(&str, &[&str]); 5] = [
    ("eem", &[]),
    ("fybrik", &[]),
    (
        "fybrik",
        &["--policies", "examples/fybrik/variants/np-isolation.yaml"],
    ),
    ("verrazzano", &[]),
    ("cf-for-k8s", &[]),
];

#[test]
fn examples_keep_to_what_was_learnt_from_them() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("matrix.yaml");
    let matrix = file.to_str().unwrap();
    for (example, policies) in EXAMPLES {
        let place = format!("examples/{example}");
        let learn = [&["learn", &place, "--out", matrix], policies].concat();
        let ended = palisade(&root(), &learn);
        assert_eq!((ended.code, ended.out.as_str()), (0, ""), "{}", ended.err);
        let manifests = format!("{place}/manifests");
        let verify = ["verify", "--matrix", matrix, "--manifests", &manifests];
        let ended = palisade(&root(), &[&verify[..], policies].concat());
        assert_eq!(ended.code, 0, "{place} {policies:?}\n{}", ended.out);
        // Where requests or certificates decide, the input does not: the verdict says so.
        let open = matches!(example, "verrazzano" | "cf-for-k8s");
        let word = if open { "\nunknown: " } else { "\nholds: " };
        assert!(ended.out.contains(word), "{place}\n{}", ended.out);
    }
}

#[test]
fn connections_are_read_from_standard_input() {
    let flow = r#"{"flow":{"verdict":"FORWARDED","is_reply":false,"l4":{"TCP":{"destination_port":8181}},"source":{"namespace":"fybrik-system","workloads":[{"name":"manager"}]},"destination":{"namespace":"fybrik-system","pod_name":"opa-5c6d7-x9"}}}
{"flow":{"verdict":"DROPPED","l4":{"TCP":{"destination_port":1}}}}
"#;
    let learn = ["learn", "examples/fybrik", "--flows", "-", "--name", "seen"];
    let ended = palisade_with_input(&root(), &learn, flow.as_bytes());
    assert_eq!(ended.code, 0, "{}", ended.err);
    for part in [
        "name: seen",
        "- id: manager-to-opa\n    from: manager\n    to: opa\n    ports:\n    - 8181\n",
        "reason: \"Why does manager reach opa on 8181/TCP?\"",
    ] {
        assert!(ended.out.contains(part), "{part} is not in\n{}", ended.out);
    }
    assert!(ended.err.contains("PAL0523"), "{}", ended.err);
    assert!(
        ended.err.contains("1 times: the flow did not pass"),
        "{}",
        ended.err
    );
}

#[test]
fn without_a_connection_there_is_no_matrix() {
    for (input, part) in [
        (&b""[..], "no connection was observed"),
        (b"hello\n", "1 times: the line is no connection"),
        (b"\xff\xfe\xff", "PAL0"),
    ] {
        let learn = ["learn", "examples/fybrik", "--flows", "-"];
        let ended = palisade_with_input(&root(), &learn, input);
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{}", ended.err);
        assert!(ended.err.contains(part), "{}", ended.err);
    }
    let directory = tempfile::tempdir().unwrap();
    fs::write(
        directory.path().join("n.yaml"),
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n",
    )
    .unwrap();
    let ended = palisade(directory.path(), &["learn", "."]);
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("PAL0514"), "{}", ended.err);
    let ended = palisade(&root(), &["learn", "examples/eem", "--flows", "nothing"]);
    assert_eq!(ended.code, 4, "{}", ended.err);
}

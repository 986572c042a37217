//! The four systems: the shipped policies get the true answer, the compiled ones hold.

use crate::run::{Ended, palisade, root};

/// Systems, and the exit code of `verify` on their shipped policies.
const SHIPPED: [(&str, i32); 5] = [
    ("verrazzano", 1),
    ("fybrik", 0),
    ("fybrik/m4d", 1),
    ("eem", 0),
    ("cf-for-k8s", 1),
];

fn run(arguments: &[&str]) -> Ended {
    palisade(&root(), arguments)
}

/// What is shipped against what is declared: each finding is reviewed in the system's FINDINGS.md.
#[test]
fn shipped_policies_get_the_true_answer() {
    for (system, code) in SHIPPED {
        let ended = run(&["verify", &format!("examples/{system}")]);
        assert_eq!(ended.code, code, "{system}\n{}{}", ended.out, ended.err);
        assert!(!ended.out.contains("PAL0399"), "{system}\n{}", ended.out);
    }
}

/// Compile, write, read back as `--policies`, verify: exit 0 and the word holds.
#[test]
fn compiled_policies_hold() {
    for (system, _) in SHIPPED {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("compiled");
        let out = out.to_str().unwrap();
        let example = format!("examples/{system}");
        let ended = run(&["compile", &example, "--out", out]);
        assert_eq!(ended.code, 0, "{system}\n{}{}", ended.out, ended.err);
        let ended = run(&["verify", &example, "--policies", out]);
        assert_eq!(ended.code, 0, "{system}\n{}{}", ended.out, ended.err);
        assert!(ended.out.contains("holds:"), "{system}\n{}", ended.out);
    }
}

/// A variant for which nothing is written is an answer too: no policies, and nothing claimed.
#[test]
fn a_variant_without_policies_holds() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("compiled");
    let out = out.to_str().unwrap();
    let off = [
        "--toggle",
        "operatorPolicy=off",
        "--toggle",
        "instancePolicies=off",
    ];
    let ended = run(&[&["compile", "examples/eem", "--out", out], &off[..]].concat());
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    assert!(ended.err.contains("0 objects"), "{}", ended.err);
    let verify = ["verify", "examples/eem", "--policies", out];
    let ended = run(&[&verify, &off[..]].concat());
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    let ended = run(&verify);
    assert_eq!(ended.code, 1, "what is declared by default is not deployed");
}

/// Systems with the upstream project's own expectations, and how many rows.
const EXPECTATIONS: &[(&str, usize)] = &[("verrazzano", 90), ("cf-for-k8s", 5)];

#[test]
fn expectation_rows_agree() {
    for (system, rows) in EXPECTATIONS {
        let ended = run(&["check", &format!("examples/{system}/expectations.yaml")]);
        assert_eq!(ended.code, 0, "{system}\n{}{}", ended.out, ended.err);
        let wanted = format!("{rows} of {rows} rows agree, 0 differ");
        assert!(ended.out.contains(&wanted), "{system}\n{}", ended.out);
    }
}

/// The matrices are in the one layout.
#[test]
fn matrices_are_formatted() {
    let files = SHIPPED.map(|(system, _)| format!("examples/{system}/matrix.yaml"));
    let mut arguments = vec!["fmt", "--check"];
    arguments.extend(files.iter().map(String::as_str));
    let ended = run(&arguments);
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
}

//! The matrix that the README shows compiles, and JSON reports are JSON.

use crate::run::{palisade, root};
use std::fs;

#[test]
fn the_matrix_of_the_readme_compiles() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let (_, rest) = readme.split_once("```yaml\n").unwrap();
    let (matrix, _) = rest.split_once("```").unwrap();
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("matrix.yaml"), matrix).unwrap();
    let ended = palisade(directory.path(), &["compile", "."]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(
        ended
            .out
            .contains("# orders: orders are kept in the database")
    );
}

/// `-o json` is one JSON document with the version of its form, findings with places included.
#[test]
fn json_reports_are_json() {
    let ended = palisade(&root(), &["verify", "examples/verrazzano", "-o", "json"]);
    assert_eq!(ended.code, 1);
    let report: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(report["schema"], "palisade.dev/report/v1");
    let findings = report["findings"].as_array().unwrap();
    assert!(findings.len() >= 20);
    let text = ended.out.as_str();
    assert!(text.contains("examples/verrazzano/manifests/policies.yaml"));
}

/// `--strict`: prerequisites that the input does not show end with 3; a stated plugin is shown.
#[test]
fn strict_ends_with_three_while_something_is_open() {
    let ended = palisade(&root(), &["verify", "examples/fybrik", "--strict"]);
    assert_eq!(ended.code, 3, "{}", ended.out);
    let ended = palisade(
        &root(),
        &["verify", "examples/fybrik", "--strict", "--cni", "calico"],
    );
    assert_eq!(ended.code, 0, "{}", ended.out);
}

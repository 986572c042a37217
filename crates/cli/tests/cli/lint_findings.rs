//! What `lint` finds in the example systems is exactly what the section *Lint* of each `FINDINGS.md`
//! has reviewed by hand: severity, lint and place of every finding, notes too.

use crate::run::{palisade, root};
use serde_json::Value;
use std::fs;

/// Severity, lint, file, line.
type Finding = (String, String, String, u64);

/// The rows of the section: severity, lint, places as `policies 12, 40; workloads 7`, the review.
fn reviewed(system: &str) -> Vec<Finding> {
    let page =
        fs::read_to_string(root().join("examples").join(system).join("FINDINGS.md")).unwrap();
    let (_, section) = page.split_once("\n## Lint\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let mut out = Vec::new();
    for row in section
        .lines()
        .filter(|line| line.starts_with("| "))
        .skip(1)
    {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [severity, lint, places, review]: [&str; 4] = cells.try_into().unwrap();
        assert!(!review.is_empty(), "{system}: {row}");
        for places in places.split("; ") {
            let (file, lines) = places.split_once(' ').unwrap();
            for line in lines.split(", ") {
                let line = line.parse().unwrap();
                let words = [severity, lint, file].map(str::to_owned);
                let [severity, lint, file] = words;
                out.push((severity, lint.trim_matches('`').to_owned(), file, line));
            }
        }
    }
    out.sort();
    out
}

fn found(system: &str) -> Vec<Finding> {
    let path = format!("examples/{system}");
    let ended = palisade(&root(), &["lint", &path, "--notes", "-o", "json"]);
    let report: Value = serde_json::from_str(&ended.out).unwrap();
    let text = |value: &Value, path: &str| {
        let found = value.pointer(path).and_then(Value::as_str);
        found.unwrap().to_owned()
    };
    let findings = report.get("findings").and_then(Value::as_array).unwrap();
    let mut out: Vec<Finding> = findings
        .iter()
        .map(|finding| {
            let line = finding.pointer("/places/0/start/line");
            let file = text(finding, "/places/0/file");
            let stem = file.rsplit('/').next().unwrap().trim_end_matches(".yaml");
            (
                text(finding, "/severity"),
                text(finding, "/lint"),
                stem.to_owned(),
                line.and_then(Value::as_u64).unwrap(),
            )
        })
        .collect();
    out.sort();
    out
}

#[test]
fn every_finding_in_the_examples_is_reviewed() {
    for system in ["cf-for-k8s", "eem", "fybrik", "verrazzano"] {
        let (found, reviewed) = (found(system), reviewed(system));
        let missing = found.iter().filter(|f| !reviewed.contains(f));
        let missing: Vec<&Finding> = missing.collect();
        assert!(missing.is_empty(), "{system}: not reviewed: {missing:?}");
        let gone = reviewed.iter().filter(|f| !found.contains(f));
        let gone: Vec<&Finding> = gone.collect();
        assert!(gone.is_empty(), "{system}: no longer found: {gone:?}");
        assert_eq!(found, reviewed, "{system}");
    }
}

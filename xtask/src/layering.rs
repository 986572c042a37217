//! A crate depends only on crates of lower floors (ARCHITECTURE.md). The floor stands in
//! `[package.metadata.layering]` of its Cargo.toml. `palisade-testkit` serves tests alone.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

use crate::tree::{assert_none, root};

const TESTKIT: &str = "palisade-testkit";

/// The violations among the packages of `cargo metadata --no-deps`.
fn violations(metadata: &Value) -> Vec<String> {
    let packages = metadata["packages"].as_array().unwrap();
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    let floors: BTreeMap<String, Option<u64>> = packages
        .iter()
        .map(|package| {
            let floor = package["metadata"]["layering"]["floor"].as_u64();
            (name(package), floor)
        })
        .collect();
    let mut found = Vec::new();
    for package in packages {
        let own = name(package);
        let Some(floor) = floors[&own] else {
            found.push(format!("{own}: no [package.metadata.layering] floor"));
            continue;
        };
        for dependency in package["dependencies"].as_array().unwrap() {
            let other = name(dependency);
            let Some(Some(below)) = floors.get(&other) else {
                continue;
            };
            let dev = dependency["kind"] == "dev";
            if other == TESTKIT && !dev {
                found.push(format!("{own}: {TESTKIT} may be a dev-dependency only"));
            } else if other != TESTKIT && *below >= floor {
                found.push(format!(
                    "{own} (floor {floor}) must not know {other} (floor {below})"
                ));
            }
        }
    }
    found
}

#[test]
fn crates_know_lower_floors_only() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version=1"])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata = serde_json::from_slice(&output.stdout).unwrap();
    assert_none(&violations(&metadata));
}

#[test]
fn a_neighbour_a_missing_floor_and_a_shipped_testkit_are_found() {
    let metadata = serde_json::json!({ "packages": [
        { "name": "a", "metadata": { "layering": { "floor": 2 } }, "dependencies": [
            { "name": "b", "kind": null },
            { "name": "palisade-testkit", "kind": null },
            { "name": "serde", "kind": null },
        ] },
        { "name": "b", "metadata": { "layering": { "floor": 2 } }, "dependencies": [
            { "name": "palisade-testkit", "kind": "dev" },
            { "name": "low", "kind": null },
        ] },
        { "name": "low", "metadata": { "layering": { "floor": 1 } }, "dependencies": [] },
        { "name": "c", "metadata": null, "dependencies": [] },
        { "name": "palisade-testkit", "metadata": { "layering": { "floor": 3 } },
          "dependencies": [] },
    ] });
    assert_eq!(
        violations(&metadata),
        [
            "a (floor 2) must not know b (floor 2)",
            "a: palisade-testkit may be a dev-dependency only",
            "c: no [package.metadata.layering] floor",
        ]
    );
}

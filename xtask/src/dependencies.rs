//! What a dependency brings along is a decision: its licence, where it comes from, and that it is none of those that
//! are kept out stand in `deny.toml`. `cargo deny check` reads the same file; this needs no tool.

use std::process::Command;

use serde_json::Value;
use spdx::{Expression, ParseMode};
use toml::Table;

use crate::tree::{assert_none, root};

/// What is against the rules among the packages of `cargo metadata`.
fn violations(metadata: &Value, rules: &Table) -> Vec<String> {
    let licences = words(&rules["licenses"]["allow"]);
    let registries = words(&rules["sources"]["allow-registry"]);
    let banned = rules["bans"]["deny"].as_array().unwrap().iter();
    let banned: Vec<&str> = banned.map(|ban| ban["crate"].as_str().unwrap()).collect();
    let mut found = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let Some(source) = package["source"].as_str() else {
            found.extend(wildcards(package).map(|other| format!("{name}: any version of {other}")));
            continue;
        };
        let registry = source.strip_prefix("registry+").unwrap_or(source);
        if !registries.contains(&registry) {
            found.push(format!("{name}: from {source}"));
        }
        if banned.contains(&name) {
            found.push(format!("{name}: is kept out"));
        }
        let licence = package["license"].as_str().unwrap_or_default();
        if !is_allowed(licence, &licences) {
            found.push(format!("{name}: licence {licence:?}"));
        }
    }
    found
}

fn words(list: &toml::Value) -> Vec<&str> {
    let list = list.as_array().unwrap().iter();
    list.map(|word| word.as_str().unwrap()).collect()
}

/// Whether an expression can be met by licences that are allowed.
fn is_allowed(expression: &str, allowed: &[&str]) -> bool {
    // Old packages write `MIT/Apache-2.0`.
    let Ok(expression) = Expression::parse_mode(expression, ParseMode::LAX) else {
        return false;
    };
    expression.evaluate(|one| allowed.contains(&one.to_string().as_str()))
}

/// The dependencies of a package of ours that any version would do for.
fn wildcards(package: &Value) -> impl Iterator<Item = &str> {
    let dependencies = package["dependencies"].as_array().unwrap().iter();
    let wild = dependencies.filter(|other| other["req"] == "*" && other["path"].is_null());
    wild.map(|other| other["name"].as_str().unwrap())
}

#[test]
fn dependencies_keep_the_rules() {
    let rules = std::fs::read_to_string(root().join("deny.toml")).unwrap();
    // Those that are built here; others need not be there.
    let host = Command::new(env!("CARGO")).args(["-vV"]).output().unwrap();
    let host = String::from_utf8(host.stdout).unwrap();
    let host = host.lines().find_map(|line| line.strip_prefix("host: "));
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--offline", "--format-version=1"])
        .args(["--filter-platform", host.unwrap()])
        .current_dir(root())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(metadata["packages"].as_array().unwrap().len() > 100);
    assert_none(&violations(&metadata, &rules.parse().unwrap()));
}

#[test]
fn what_is_against_the_rules_is_found() {
    let rules = "[licenses]\nallow = ['MIT', 'Apache-2.0 WITH LLVM-exception']\n\
                 [sources]\nallow-registry = ['https://example.org/index']\n\
                 [bans]\ndeny = [{ crate = 'bad' }]\n";
    let package = |name: &str, source: &str, licence: &str| serde_json::json!({ "name": name, "source": source, "license": licence });
    let index = "registry+https://example.org/index";
    let metadata = serde_json::json!({ "packages": [
        package("good", index, "MIT OR GPL-3.0-only"),
        package("old", index, "Apache-2.0/MIT"),
        package("except", index, "Apache-2.0 WITH LLVM-exception"),
        package("both", index, "MIT AND GPL-3.0-only"),
        package("none", index, ""),
        package("bad", index, "MIT"),
        package("elsewhere", "git+https://example.org/x", "MIT"),
        { "name": "own", "source": null, "license": null, "dependencies": [
            { "name": "good", "req": "^1" },
            { "name": "old", "req": "*" },
            { "name": "own2", "req": "*", "path": "/x" },
        ] },
    ] });
    assert_eq!(
        violations(&metadata, &rules.parse().unwrap()),
        [
            "both: licence \"MIT AND GPL-3.0-only\"",
            "none: licence \"\"",
            "bad: is kept out",
            "elsewhere: from git+https://example.org/x",
            "own: any version of old",
        ]
    );
}

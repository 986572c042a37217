//! The formats that other programs read keep to their schemas, on real answers.

use crate::run::{palisade, root};
use std::fs;
use std::process::Command;

/// Every command that answers in these formats, on every example system: findings, notes, prerequisites, steps, tables.
const COMMANDS: [&str; 28] = [
    "verify examples/verrazzano",
    "verify examples/cf-for-k8s",
    "verify examples/eem --all-toggles",
    "verify examples/fybrik --toggle npIsolation --policies examples/fybrik/variants/np-isolation.yaml",
    "verify examples/fybrik/m4d",
    "lint examples/verrazzano --notes",
    "lint examples/cf-for-k8s --notes",
    "lint examples/eem --notes",
    "lint examples/fybrik --policies examples/fybrik/variants/np-isolation.yaml",
    "list examples/verrazzano --to keycloak",
    "list examples/cf-for-k8s",
    "list examples/eem --by pod",
    "list examples/fybrik --exposed",
    "explain 203.0.113.10 keycloak/keycloak 8080 examples/verrazzano",
    "explain cf-system/cf-api-controllers cf-system/cf-api-server 80 examples/cf-for-k8s",
    "explain kafka/my-cluster-kafka my-eem-ns/ibm-eem-operator 8443 examples/eem",
    "explain fybrik-system/manager fybrik-system/opa-connector 8080 examples/fybrik",
    "diff examples/verrazzano examples/verrazzano/variants/single-node-opensearch.yaml --workloads examples/verrazzano",
    "diff examples/cf-for-k8s examples/cf-for-k8s/variants/external-db-and-blobstore-quarks.yaml --workloads examples/cf-for-k8s",
    "diff examples/eem examples/eem/variants/egress-literal.yaml --workloads examples/eem",
    "diff examples/fybrik examples/fybrik/variants/np-isolation.yaml --workloads examples/fybrik",
    "exposure -n keycloak -l app=probe examples/verrazzano",
    "exposure -n cf-workloads -l guid=1,process=web --named-port http=8080 examples/cf-for-k8s",
    "exposure -n my-eem-ns -l app=probe examples/eem",
    "exposure -n fybrik-blueprints -l app=probe examples/fybrik",
    "check examples/cf-for-k8s/expectations.yaml",
    "check examples/verrazzano/expectations.yaml",
    "profiles",
];

/// Runs `tools/validate-json.py`; skipped without the tools, an error where all checks have to run.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn validate(schema: &str, text: &str) {
    let Ok(python) = std::env::var("PALISADE_PYTHON") else {
        assert!(
            std::env::var_os("CI").is_none(),
            "PALISADE_PYTHON is not set: run ./test"
        );
        eprintln!("skipped: PALISADE_PYTHON is not set");
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("document");
    fs::write(&file, text).unwrap();
    let output = Command::new(python)
        .current_dir(root())
        .args(["tools/validate-json.py", schema])
        .arg(&file)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{told}{failed}\n{}",
        &text[..text.len().min(2000)]
    );
}

fn output(command: &str, format: &str) -> String {
    let mut arguments: Vec<&str> = command.split(' ').collect();
    arguments.extend(["-o", format]);
    let ended = palisade(&root(), &arguments);
    assert!(matches!(ended.code, 0 | 1), "{command:?}\n{}", ended.err);
    ended.out
}

#[test]
fn sarif_keeps_to_the_schema_of_2_1_0() {
    for command in COMMANDS {
        validate(
            "crates/cli/tests/schemas/sarif-2.1.0.schema.json",
            &output(command, "sarif"),
        );
    }
}

#[test]
fn json_keeps_to_its_schema() {
    let ended = palisade(&root(), &["schema", "--report"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let mut schema: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    // A reader ignores what it does not know; what we write ourselves is all known.
    close(&mut schema);
    let directory = tempfile::tempdir().unwrap();
    let closed = directory.path().join("closed.json");
    fs::write(&closed, schema.to_string()).unwrap();
    for command in COMMANDS {
        validate(closed.to_str().unwrap(), &output(command, "json"));
    }
}

/// Forbids fields that the schema does not name.
fn close(schema: &mut serde_json::Value) {
    match schema {
        serde_json::Value::Object(fields) => {
            if fields.contains_key("properties") {
                fields.insert("additionalProperties".to_owned(), false.into());
            }
            fields.values_mut().for_each(close);
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

#[test]
fn junit_is_xml_and_counts_its_tests() {
    for command in COMMANDS {
        let text = output(command, "junit");
        validate("--xml", &text);
        let tests = text.matches("<testcase ").count();
        let failures = text.matches("<failure ").count();
        let head = format!("tests=\"{tests}\" failures=\"{failures}\"");
        assert_eq!(text.matches(&head).count(), 2, "{head}\n{text}");
    }
}

/// Pictures of all sizes are well-formed, so browsers open them.
#[test]
fn pictures_are_xml() {
    let pictures = COMMANDS.iter().filter(|command| {
        let verb = command.split(' ').next();
        matches!(verb, Some("list" | "diff"))
    });
    for command in pictures {
        validate("--xml", &output(command, "svg"));
    }
}

/// Every line but the last is a command, and names a line of a file that is there.
#[test]
fn github_annotations_lead_to_lines() {
    for command in COMMANDS {
        let text = output(command, "github");
        let lines: Vec<&str> = text.lines().collect();
        let (last, commands) = lines.split_last().unwrap();
        assert!(last.starts_with("palisade: "), "{last}");
        for line in commands {
            assert!(
                ["::error ", "::warning ", "::notice "]
                    .iter()
                    .any(|start| line.starts_with(start)),
                "{line}"
            );
            let (properties, _) = line[2..].split_once("::").unwrap();
            let of = |name: &str| {
                let (_, rest) = properties.split_once(name)?;
                Some(rest.split(',').next().unwrap().to_owned())
            };
            if let Some(file) = of("file=") {
                let text = fs::read_to_string(root().join(file)).unwrap();
                let number: usize = of("line=").unwrap().parse().unwrap();
                assert!((1..=text.lines().count()).contains(&number), "{line}");
            }
        }
    }
}

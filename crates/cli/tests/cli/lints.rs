//! The pages of `docs/lints` are true: the bad manifest gives the printed finding, the repaired one
//! none; every lint has a page, and the index lists them all.
//!
//! With `PALISADE_UPDATE=1` findings and index are written instead of compared.

use crate::run::{palisade, palisade_with_input, root};
use palisade_diagnostics::{Severity, code_rows};
use palisade_verify::LINTS;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn directory() -> PathBuf {
    root().join("docs/lints")
}

/// Pages by name, the index left out.
fn pages() -> BTreeMap<String, PathBuf> {
    let entries = fs::read_dir(directory()).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), path))
        .filter(|(name, _)| name != "README")
        .collect()
}

fn updates() -> bool {
    std::env::var_os("PALISADE_UPDATE").is_some()
}

#[test]
fn every_lint_has_a_page_and_every_page_a_lint() {
    let pages: BTreeSet<String> = pages().into_keys().collect();
    let lints: BTreeSet<String> = LINTS.iter().map(|lint| lint.name.to_owned()).collect();
    assert_eq!(pages, lints);
    let codes: BTreeSet<&str> = LINTS.iter().map(|lint| lint.code).collect();
    assert_eq!(codes.len(), LINTS.len(), "one code for each lint");
}

/// Severities of `docs/codes.md` hold that of the lint.
#[test]
fn the_table_of_codes_knows_the_severities() {
    for lint in LINTS {
        let row = code_rows().find(|row| row.code == lint.code).unwrap();
        let word = word(lint.severity);
        assert!(
            row.severity.split(", ").any(|known| known == word),
            "{}: {word}",
            lint.code
        );
    }
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

/// The texts of the fenced blocks of a language, in order.
fn blocks<'p>(page: &'p str, language: &str) -> Vec<&'p str> {
    let open = format!("```{language}\n");
    page.split(open.as_str())
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect()
}

struct Linted {
    code: i32,
    /// The findings alone, without head and summary.
    findings: String,
}

fn lint(directory: &Path, text: &str, arguments: &[&str]) -> Linted {
    fs::write(directory.join("manifest.yaml"), text).unwrap();
    let all = [&["lint", "manifest.yaml", "--notes"], arguments].concat();
    let ended = palisade(directory, &all);
    let parts: Vec<&str> = ended.out.split("\n\n").collect();
    let inner = parts.get(1..parts.len().max(2) - 1).unwrap_or_default();
    assert!(ended.err.is_empty(), "{}", ended.err);
    Linted {
        code: ended.code,
        findings: inner.join("\n\n"),
    }
}

#[test]
fn pages_show_what_lints_find() {
    let mut wrong = Vec::new();
    for (name, path) in pages() {
        let page = fs::read_to_string(&path).unwrap();
        let lint_of = LINTS.iter().find(|lint| lint.name == name).unwrap();
        let head = format!("# {name}\n\n{}\n\n", lint_of.summary);
        let (manifests, texts) = (blocks(&page, "yaml"), blocks(&page, "text"));
        let ([bad, good], [text]) = (manifests.as_slice(), texts.as_slice()) else {
            wrong.push(format!("{name}: two yaml blocks and one text block"));
            continue;
        };
        let directory = tempfile::tempdir().unwrap();
        // What an annotation switches off shows when everything runs.
        let only = ["--only", &name];
        let only: &[&str] = if name == "lint-skip" { &[] } else { &only };
        let found = lint(directory.path(), bad, only);
        if updates() {
            let new = page.replacen(
                &format!("```text\n{text}```"),
                &format!("```text\n{}\n```", found.findings.trim_end()),
                1,
            );
            let rest = new.split("\n\n").skip(2).collect::<Vec<_>>().join("\n\n");
            fs::write(&path, format!("{head}{rest}")).unwrap();
            continue;
        }
        if !page.starts_with(&head) {
            wrong.push(format!("{name}: does not begin with {head:?}"));
        }
        if found.findings.trim_end() != text.trim_end() || found.findings.is_empty() {
            wrong.push(format!("{name}: finds\n{}", found.findings));
        }
        if !text.contains(lint_of.code) {
            wrong.push(format!("{name}: the finding is not of {}", lint_of.code));
        }
        let none = lint(directory.path(), good, only);
        if !none.findings.is_empty() {
            wrong.push(format!("{name}: the repaired one has\n{}", none.findings));
        }
        // Repaired is repaired: no other lint complains either, notes left aside.
        let all = lint(directory.path(), good, &[]);
        if all.code != 0 {
            wrong.push(format!(
                "{name}: the repaired one still has\n{}",
                all.findings
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

const BEGIN: &str = "<!-- lints: begin -->\n";
const END: &str = "<!-- lints: end -->\n";

#[test]
fn the_index_lists_every_lint() {
    let path = directory().join("README.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let mut table = String::from("| Lint | Code | Severity | Finds |\n|---|---|---|---|\n");
    for lint in LINTS {
        table.push_str(&format!(
            "| [{0}]({0}.md) | {1} | {2} | {3} |\n",
            lint.name,
            lint.code,
            word(lint.severity),
            lint.summary
        ));
    }
    let wanted = format!("{before}{BEGIN}{table}{END}{after}");
    if updates() {
        fs::write(&path, wanted).unwrap();
    } else {
        assert_eq!(text, wanted, "write it again with PALISADE_UPDATE=1");
    }
}

const LOOSE: &str = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: web
  namespace: shop
spec:
  podSelector: {matchLabels: {app: web}}
  ingress:
  - from:
    - ipBlock: {cidr: 192.0.2.7/24}
    ports: [{port: 8080}]
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {serviceAccount: web, containers: [{name: web, image: web, ports: [{containerPort: 8080}]}]}
";

/// `--fix` changes the two places and nothing else; what is read stays the same.
#[test]
fn fixes_change_the_text_and_not_its_meaning() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("m.yaml");
    fs::write(&file, LOOSE).unwrap();
    let ended = palisade(directory.path(), &["lint", "m.yaml", "--fix", "--dry-run"]);
    assert_eq!(ended.code, 1, "{}", ended.err);
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        LOOSE,
        "nothing is written"
    );
    for line in [
        "--- a/m.yaml",
        "+++ b/m.yaml",
        "-spec: {serviceAccount: web, containers: [{name: web, image: web, ports: [{containerPort: 8080}]}]}",
        "+spec: {serviceAccountName: web, containers: [{name: web, image: web, ports: [{containerPort: 8080}]}]}",
        "+  policyTypes: [Ingress]",
    ] {
        assert!(
            ended.out.lines().any(|l| l == line),
            "{line}\n{}",
            ended.out
        );
    }
    let ended = palisade(directory.path(), &["lint", "m.yaml", "--fix", "--notes"]);
    assert!(
        ended.err.contains("m.yaml: 2 places mended"),
        "{}",
        ended.err
    );
    let wanted = LOOSE
        .replace("serviceAccount:", "serviceAccountName:")
        .replace("  podSelector:", "  policyTypes: [Ingress]\n  podSelector:");
    assert_eq!(fs::read_to_string(&file).unwrap(), wanted);
    let world = |text: &str| {
        let mut sources = palisade_diagnostics::Sources::new();
        let file = sources.add("m", text);
        let input = palisade_resources::Input {
            file,
            text: text.into(),
            role: palisade_resources::Role::Both,
        };
        let loaded = palisade_resources::load(&[input], &palisade_resources::Options::default());
        let mut world = loaded.world;
        world
            .pods
            .iter_mut()
            .for_each(|pod| pod.origin = Default::default());
        for policy in &mut world.network_policies {
            policy.origin = Default::default();
            for rule in policy.ingress.iter_mut().flatten() {
                rule.origin = Default::default();
            }
        }
        world
    };
    assert_eq!(world(LOOSE), world(&wanted));
    let again = palisade(directory.path(), &["lint", "m.yaml", "--fix", "--dry-run"]);
    assert_eq!((again.code, again.out.as_str()), (0, ""));
}

/// Comments, Windows' line ends, the permissions and a link to the file stay as they are.
#[cfg(unix)]
#[test]
fn fixes_keep_the_file() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let directory = tempfile::tempdir().unwrap();
    let (file, link) = (
        directory.path().join("real.yaml"),
        directory.path().join("m.yaml"),
    );
    let text = LOOSE
        .replace("  podSelector:", "  # who is meant\n  podSelector:")
        .replace('\n', "\r\n");
    fs::write(&file, &text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    symlink("real.yaml", &link).unwrap();
    let ended = palisade(directory.path(), &["lint", "m.yaml", "--fix"]);
    assert_eq!(ended.code, 1, "{}{}", ended.out, ended.err);
    let wanted = text
        .replace("serviceAccount:", "serviceAccountName:")
        .replace("  # who", "  policyTypes: [Ingress]\r\n  # who");
    assert_eq!(fs::read_to_string(&file).unwrap(), wanted);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
}

/// JSON and braces get the field in their own style.
#[test]
fn fixes_keep_the_style() {
    let cases = [
        (
            "{\"apiVersion\": \"networking.k8s.io/v1\", \"kind\": \"NetworkPolicy\", \"metadata\": {\"name\": \"a\"}, \"spec\": {\"podSelector\": {}}}",
            "\"spec\": {\"policyTypes\": [\"Ingress\"], \"podSelector\": {}}",
        ),
        (
            "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: a}, spec: {podSelector: {}}}\n",
            "spec: {policyTypes: [Ingress], podSelector: {}}",
        ),
    ];
    for (text, wanted) in cases {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("m.yaml");
        fs::write(&file, text).unwrap();
        palisade(directory.path(), &["lint", "m.yaml", "--fix"]);
        let after = fs::read_to_string(&file).unwrap();
        assert!(after.contains(wanted), "{after}");
        assert_eq!(palisade(directory.path(), &["lint", "m.yaml"]).code, 0);
    }
}

#[test]
fn names_of_lints_are_checked() {
    let root = root();
    for option in ["--only", "--skip"] {
        let ended = palisade(&root, &["lint", "examples/eem", option, "half-opn"]);
        assert_eq!(ended.code, 2);
        assert!(
            ended.err.contains("did you mean `half-open`?"),
            "{}",
            ended.err
        );
    }
    let ended = palisade(&root, &["lint", "examples/eem", "--skip", "no-policy"]);
    assert_eq!(ended.code, 0, "notes alone are no findings\n{}", ended.out);
    assert!(
        ended.out.contains("2 notes (shown with --notes)"),
        "{}",
        ended.out
    );
    let ended = palisade_with_input(&root, &["lint", "-", "--fix"], LOOSE.as_bytes());
    assert_eq!(ended.code, 2, "{}", ended.out);
    let ended = palisade_with_input(&root, &["lint", "-"], LOOSE.as_bytes());
    assert_eq!(ended.code, 1, "{}", ended.err);
    assert!(ended.out.contains("<stdin>:10:23"), "{}", ended.out);
}

const PODS: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {serviceAccountName: web, containers: [{name: web, image: web, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: edge, labels: {app: client}}
spec: {containers: [{name: client, image: client}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Ingress, Egress]
  ingress: [{from: [{podSelector: {}}], ports: [{port: 8080}]}]
  egress: [{to: [{podSelector: {}}]}]
---
";

/// What looks like a defect and is none: the lint, and the object that makes the difference. Each
/// lint finds something without the object, or with the other one.
#[test]
fn what_is_no_defect_is_not_told() {
    let baseline = "\
apiVersion: policy.networking.k8s.io/v1alpha1
kind: BaselineAdminNetworkPolicy
metadata: {name: default}
spec:
  subject: {namespaces: {}}
  ingress: [{action: Deny, from: [{namespaces: {}}]}]
";
    let binding = |role: &str| {
        format!(
            "\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: runs}}
rules: [{{apiGroups: [policy], resources: [podsecuritypolicies], verbs: [use]}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: web, namespace: shop}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {role}}}
subjects: [{{kind: ServiceAccount, name: web}}]
"
        )
    };
    let set = |owners: &str| {
        format!(
            "\
apiVersion: apps/v1
kind: ReplicaSet
metadata: {{name: one, namespace: shop{owners}}}
spec:
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec: {{containers: [{{name: web, image: web}}]}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, namespace: shop}}
spec:
  selector: {{matchLabels: {{app: web, part: main}}}}
  template:
    metadata: {{labels: {{app: web, part: main}}}}
    spec: {{containers: [{{name: web, image: web}}]}}
"
        )
    };
    let owners = ", ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: web, uid: a, controller: true}]";
    let parts = |instance: &str| {
        format!(
            "\
apiVersion: v1
kind: Pod
metadata: {{name: one, namespace: shop, labels: {{app.kubernetes.io/name: one, app.kubernetes.io/instance: a, component: query}}}}
spec: {{containers: [{{name: one, image: one}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: two, namespace: shop, labels: {{app.kubernetes.io/name: two, app.kubernetes.io/instance: {instance}, component: query}}}}
spec: {{containers: [{{name: two, image: two}}]}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: query, namespace: shop}}
spec: {{podSelector: {{matchLabels: {{component: query}}}}, policyTypes: [Ingress]}}
"
        )
    };
    let probe = |action: &str| {
        format!(
            "\
apiVersion: v1
kind: Pod
metadata:
  name: meshed
  namespace: shop
  labels: {{sidecar.istio.io/inject: 'true'}}
  annotations: {{sidecar.istio.io/rewriteAppHTTPProbers: 'false'}}
spec: {{containers: [{{name: meshed, image: meshed, livenessProbe: {{{action}: {{port: 8080}}}}}}]}}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: default, namespace: istio-system}}
spec: {{mtls: {{mode: STRICT}}}}
"
        )
    };
    let dns = |name: &str| {
        format!(
            "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: {name}, namespace: edge}}
spec: {{podSelector: {{}}, policyTypes: [Egress], egress: [{{ports: [{{port: 53, protocol: UDP}}]}}]}}
"
        )
    };
    // The second item means a pod of its own namespace, or nobody.
    let items = |label: &str| {
        format!(
            "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: items, namespace: shop}}
spec:
  podSelector: {{matchLabels: {{app: web}}}}
  policyTypes: [Ingress]
  ingress:
  - from:
    - namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: edge}}}}
    - podSelector: {{matchLabels: {{app: client}}}}
---
apiVersion: v1
kind: Pod
metadata: {{name: own, namespace: shop, labels: {{app: {label}}}}}
spec: {{containers: [{{name: own, image: own}}]}}
"
        )
    };
    let platform = |label: &str| {
        format!(
            "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: router, namespace: shop}}
spec:
  podSelector: {{matchLabels: {{app: web}}}}
  policyTypes: [Ingress]
  ingress: [{{from: [{{namespaceSelector: {{matchLabels: {{{label}: ''}}}}}}], ports: [{{port: 8080}}]}}]
"
        )
    };
    let dns_peer = |label: &str| {
        format!(
            "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: names, namespace: shop}}
spec:
  podSelector: {{matchLabels: {{app: web}}}}
  policyTypes: [Egress]
  egress:
  - to: [{{namespaceSelector: {{}}, podSelector: {{matchLabels: {{k8s-app: {label}}}}}}}]
    ports: [{{port: 53, protocol: UDP}}]
"
        )
    };
    let cases: [(&str, String, String); 9] = [
        (
            "peer-selects-nothing",
            dns_peer("dns"),
            dns_peer("kube-dns"),
        ),
        ("split-peer", items("other"), items("client")),
        (
            "peer-selects-nothing",
            platform("example.com/router"),
            platform("policy-group.network.openshift.io/ingress"),
        ),
        ("label-collision", parts("b"), parts("a")),
        ("probe-blocked", probe("httpGet"), probe("tcpSocket")),
        ("dns-only", dns("allow-dns"), dns("allow-dns-only")),
        ("no-default-deny", String::new(), baseline.to_owned()),
        ("no-api-server", binding("view"), binding("runs")),
        ("workload-selects-others", set(""), set(owners)),
    ];
    let mut wrong = Vec::new();
    for (name, told, not_told) in cases {
        let run = |text: &str| {
            let text = format!("{PODS}{text}");
            let arguments = ["lint", "-", "--notes", "--only", name];
            palisade_with_input(&root(), &arguments, text.as_bytes()).out
        };
        let (with, without) = (run(&told), run(&not_told));
        if !with.contains(name) {
            wrong.push(format!("{name} is not found:\n{with}"));
        }
        if without.contains(name) {
            wrong.push(format!("{name} is found:\n{without}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Suppression by annotation, with a reason; what suppresses nothing is told.
#[test]
fn annotations_leave_lints_out() {
    let annotated = |names: &str, reason: &str| {
        let reason = match reason {
            "" => String::new(),
            text => format!("    palisade.dev/lint-skip-reason: {text}\n"),
        };
        LOOSE.replacen(
            "  namespace: shop\n",
            &format!(
                "  namespace: shop\n  annotations:\n    palisade.dev/lint-skip: {names}\n{reason}"
            ),
            1,
        )
    };
    let run = |text: &str, code: i32| {
        let ended = palisade_with_input(&root(), &["lint", "-"], text.as_bytes());
        assert_eq!(ended.code, code, "{}", ended.out);
        ended.out
    };
    run(&annotated("non-canonical-cidr", "the block is meant"), 0);
    let out = run(&annotated("non-canonical-cidr", ""), 1);
    assert!(
        out.contains("does not say why") && out.contains("PAL0630"),
        "{out}"
    );
    let out = run(
        &annotated("'non-canonical-cidr,half-open'", "the block is meant"),
        1,
    );
    assert!(out.contains("`half-open` finds nothing here"), "{out}");
    let out = run(
        &annotated("'non-canonical-cidr, non-canonical'", "so it is"),
        1,
    );
    assert!(out.contains("no lint is called `non-canonical`"), "{out}");
    // What has not run may still be needed.
    let text = annotated("non-canonical-cidr", "the block is meant");
    let arguments = ["lint", "-", "--only", "lint-skip,no-dns"];
    let ended = palisade_with_input(&root(), &arguments, text.as_bytes());
    assert_eq!(ended.code, 0, "{}", ended.out);
}

/// Findings of every format carry the lint, and the examples have no disagreement of our own.
#[test]
fn every_format_names_the_lint() {
    for format in ["text", "json", "sarif", "junit", "github"] {
        let ended = palisade(&root(), &["lint", "examples/verrazzano", "-o", format]);
        assert_eq!(ended.code, 1, "{}", ended.err);
        assert!(ended.out.contains("split-peer"), "{format}\n{}", ended.out);
        assert!(!ended.out.contains("PAL0399"), "{format}\n{}", ended.out);
    }
}

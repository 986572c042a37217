//! Hostile and broken input: the diagnostic, the exit code, and nothing written.
//!
//! One line of [`CASES`] per input. Each runs in a directory of its own with a small sound project;
//! `files` are written over it. The first diagnostic of the output must be the given one, and no case may
//! panic, hang, want more than 2 GiB, or leave an output behind.

use crate::run::{bounded, palisade, palisade_with_input};
use std::fs;
use std::path::Path;

const MATRIX: &str = "apiVersion: palisade.dev/v1alpha1
kind: TrafficMatrix
metadata: {name: shop}
spec:
  parameters:
  - {name: port, type: Port, default: 80}
  toggles:
  - {name: metrics, default: true, reason: scraping is a choice}
  zones:
  - name: shop
    kind: Apps
    namespaces: {names: [shop]}
    isolation: {ingress: Namespace}
  components:
  - name: web
    zone: shop
    namespace: shop
    podSelector: {matchLabels: {app: web}}
    ports: [{name: http, port: 80}]
  flows:
  - {id: pages, from: web, to: web, ports: [http], reason: pages link to pages}
";

const WORKLOAD: &str = "apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: web}]}
";

/// A pod that the matrix does not know.
const OTHER: &str = "apiVersion: v1
kind: Pod
metadata: {name: other, namespace: elsewhere}
spec: {containers: [{name: other}]}
";

/// A NetworkPolicy with this text as its spec's rules.
fn policy(rules: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: p, namespace: shop}}\nspec:\n  podSelector: {{}}\n  ingress:\n  - {rules}\n"
    )
}

/// What is put into the project before the run.
enum Put {
    /// A file of `manifests/`.
    Manifest(Vec<u8>),
    /// The matrix.
    Matrix(String),
    /// Any other file.
    File(&'static str, &'static str),
    /// Nothing.
    Nothing,
}

/// One input.
struct Case {
    name: &'static str,
    put: Put,
    arguments: &'static [&'static str],
    exit: i32,
    /// The first line of the first diagnostic.
    says: &'static str,
}

fn manifest(text: impl Into<Vec<u8>>) -> Put {
    Put::Manifest(text.into())
}

/// The sound matrix with one piece of text replaced.
fn matrix(old: &str, new: &str) -> Put {
    assert!(MATRIX.contains(old), "{old}");
    Put::Matrix(MATRIX.replacen(old, new, 1))
}

fn alias_bomb() -> String {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..30 {
        let item = format!("*a{}", i - 1);
        text.push_str(&format!(
            "a{i}: &a{i} [{}]\n",
            [item.as_str(); 10].join(", ")
        ));
    }
    text
}

const VERIFY: &[&str] = &["verify"];

#[rustfmt::skip]
fn cases() -> Vec<Case> {
    let case = |name, put, arguments, exit, says| Case { name, put, arguments, exit, says };
    vec![
        // Text
        case("alias bomb", manifest(alias_bomb()), VERIFY, 2, "error[PAL0004]: too many values"),
        case("100,000 lists in lists", manifest("[".repeat(100_000)), VERIFY, 2, "error[PAL0004]: values are nested too deep"),
        case("100,000 maps in maps", manifest("{\"a\":".repeat(100_000)), VERIFY, 2, "error[PAL0004]: values are nested too deep"),
        case("80 MB scalar", manifest(format!("a: \"{}\"\n", "x".repeat(80 << 20))), VERIFY, 2, "error[PAL0004]: value is too long"),
        case("duplicate key", manifest("kind: Pod\nkind: Pod\n"), VERIFY, 2, "error[PAL0010]: duplicate key `kind`"),
        case("duplicate key in JSON", manifest("{\"kind\": \"Pod\", \"kind\": \"Pod\"}"), VERIFY, 2, "error[PAL0010]: duplicate key `kind`"),
        case("NUL", manifest("kind: Pod\0\n"), VERIFY, 2, "error[PAL0002]: `manifests/case.yaml` holds a NUL character on line 1"),
        case("not UTF-8", manifest(b"kind: Pod\xFF\n"), VERIFY, 2, "error[PAL0002]: `manifests/case.yaml` is not UTF-8: byte 0xFF on line 1"),
        case("UTF-16", manifest(b"\xFF\xFEk\0i\0n\0d\0"), VERIFY, 2, "error[PAL0002]: `manifests/case.yaml` is UTF-16"),
        case("tab", manifest("kind: Pod\nmetadata:\n\tname: x\n"), VERIFY, 2, "error[PAL0001]: not YAML: tabs disallowed within this context (block indentation)"),
        case("Helm template", manifest("kind: Pod\nmetadata: {{ include \"x\" . }}\n{{- end }}\n"), VERIFY, 2, "error[PAL0001]: not YAML: \"-\" is only valid inside a block"),
        case("half-written file", manifest("apiVersion: v1\nkind: Pod\nmetadata: {name: web, namesp"), VERIFY, 2, "error[PAL0001]: not YAML: unclosed bracket '{'"),
        case("half-written JSON", manifest("{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"meta"), VERIFY, 2, "error[PAL0001]: not YAML: unclosed quote"),
        case("unclosed quote", manifest("kind: \"Pod\nmetadata: {}\n"), VERIFY, 2, "error[PAL0001]: not YAML: unclosed quote"),
        case("a list as a key", manifest("? [a]\n: b\n"), VERIFY, 2, "error[PAL0006]: a key must be a word, not a list or a map"),
        case("an alias in itself", manifest("a: &a [*a]\n"), VERIFY, 2, "error[PAL0003]: an alias stands inside what it stands for"),
        // Objects
        case("no kind", manifest("metadata: {name: x}\n"), VERIFY, 2, "error[PAL0101]: a document that is no Kubernetes object"),
        case("a scalar for a document", manifest("hello\n"), VERIFY, 2, "error[PAL0100]: a document is a string, not an object"),
        case("NO as a name", manifest(WORKLOAD.replace("name: web, namespace: shop", "name: NO, namespace: shop")), VERIFY, 2, "error[PAL0104]: a Pod without a name"),
        case("one object twice", manifest(format!("{WORKLOAD}---\n{WORKLOAD}")), VERIFY, 2, "error[PAL0106]: Pod shop/web is defined twice"),
        case("bad CIDR", manifest(policy("from: [{ipBlock: {cidr: 10.0.0.0/33}}]")), VERIFY, 2, "error[PAL0125]: \"10.0.0.0/33\" is not a CIDR"),
        case("except outside", manifest(policy("from: [{ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/16]}}]")), VERIFY, 2, "error[PAL0127]: except 11.0.0.0/16 is not strictly inside 10.0.0.0/8"),
        case("port 70000", manifest(policy("ports: [{port: 70000}]")), VERIFY, 2, "error[PAL0130]: 70000 is not a port"),
        case("endPort below port", manifest(policy("ports: [{port: 90, endPort: 80}]")), VERIFY, 2, "error[PAL0132]: endPort 80 is below port 90"),
        case("endPort with a name", manifest(policy("ports: [{port: web, endPort: 80}]")), VERIFY, 2, "error[PAL0131]: endPort without a numeric port"),
        case("protocol ICMP", manifest(policy("ports: [{protocol: ICMP}]")), VERIFY, 2, "error[PAL0134]: \"ICMP\" is not a protocol"),
        case("empty peer", manifest(policy("from: [{}]")), VERIFY, 2, "error[PAL0123]: a peer without any field"),
        case("ipBlock and selector", manifest(policy("from: [{ipBlock: {cidr: 10.0.0.0/8}, podSelector: {}}]")), VERIFY, 2, "error[PAL0124]: ipBlock beside a selector in one peer"),
        case("In without values", manifest(policy("from: [{podSelector: {matchExpressions: [{key: a, operator: In}]}}]")), VERIFY, 2, "error[PAL0111]: operator In needs at least one value"),
        case("unknown operator", manifest(policy("from: [{podSelector: {matchExpressions: [{key: a, operator: Like, values: [b]}]}}]")), VERIFY, 2, "error[PAL0110]: \"Like\" is not an operator of a label selector"),
        case("a map for a list", manifest(policy("from: {podSelector: {}}")), VERIFY, 2, "error[PAL0021]: `from` is a map"),
        // Matrix
        case("empty matrix", Put::Matrix(String::new()), VERIFY, 2, "error[PAL0210]: no document of kind TrafficMatrix"),
        case("unknown field", matrix("flows:", "flowz:"), VERIFY, 2, "error[PAL0201]: unknown field `flowz` in spec"),
        case("unknown component", matrix("to: web,", "to: wbe,"), VERIFY, 2, "error[PAL0213]: there is no component, endpoint or zone `wbe`"),
        case("unknown port", matrix("ports: [http],", "ports: [htpp],"), VERIFY, 2, "error[PAL0214]: component `web` has no port `htpp`"),
        case("port 0", matrix("port: 80}", "port: 0}"), VERIFY, 2, "error[PAL0206]: `port` is 0, which is no port"),
        case("no ports", matrix("ports: [http],", "ports: [],"), VERIFY, 2, "error[PAL0209]: flow `pages` has no ports"),
        case("no reason", matrix("reason: pages link to pages", "reason: tbd"), VERIFY, 2, "error[PAL0226]: flow `pages` has no reason that a reader could use"),
        case("one name twice", matrix("- name: web", "- name: shop"), VERIFY, 2, "error[PAL0212]: name `shop` is given twice"),
        case("unknown parameter", matrix("port: 80}]", "port: \"${prot}\"}]"), VERIFY, 2, "error[PAL0213]: there is no parameter `prot`"),
        case("contradictory overrides", matrix("isolation: {ingress: Namespace}", "isolation: {overrides: [{when: {toggle: metrics}, egress: None}, {when: {toggle: metrics}, egress: Namespace}]}"), VERIFY, 2, "error[PAL0224]: two overrides can hold together and set `egress` to None and Namespace"),
        case("comma in a text", matrix("reason: pages link to pages", "reason: pages, and more pages"), VERIFY, 2, "error[PAL0201]: unknown field `and more pages` in flow"),
        case("two matrices", Put::Matrix(format!("{MATRIX}---\n{MATRIX}")), VERIFY, 2, "error[PAL0211]: a second TrafficMatrix"),
        // Command line
        case("unknown toggle", Put::Nothing, &["verify", "--toggle", "metrix"], 2, "error[PAL0230]: the matrix has no toggle `metrix`"),
        case("bad toggle value", Put::Nothing, &["verify", "--toggle", "metrics=maybe"], 2, "error[PAL0512]: `maybe` is no value of a toggle"),
        case("unknown platform", Put::Nothing, &["verify", "--platform", "openshift"], 2, "error[PAL0230]: the matrix has no platform `openshift`"),
        case("bad parameter value", Put::Nothing, &["verify", "--set", "port=http"], 2, "error[PAL0233]: value `http` of parameter `port` is not a port, 1 to 65535"),
        case("unknown network plugin", Put::Nothing, &["verify", "--cni", "calicco"], 2, "error[PAL0513]: unknown network plugin `calicco`"),
        case("missing file", Put::Nothing, &["verify", "-f", "no-such.yaml"], 4, "error[PAL0501]: cannot read `no-such.yaml`"),
        case("no matrix", Put::Nothing, &["verify", "manifests"], 2, "error[PAL0504]: no matrix.yaml in `manifests`"),
        case("empty directory", Put::File("empty/.keep", ""), &["verify", "-f", "empty"], 2, "error[PAL0503]: no manifests in `empty`"),
        case("unknown pod", Put::Nothing, &["explain", "shop/wbe", "shop/web", "80"], 2, "error[PAL0507]: no pod or workload `shop/wbe`"),
        case("port of no protocol", Put::Nothing, &["explain", "shop/web", "shop/web", "80/ICMP"], 2, "error[PAL0508]: `80/ICMP` is no port"),
        case("port 0 on the command line", Put::Nothing, &["explain", "shop/web", "shop/web", "0"], 2, "error[PAL0508]: `0` is no port"),
        case("bad expectation", Put::File("rows.yaml", "expectations:\n- {from: {namespace: shop}, to: {namespace: shop}, port: 80, expect: perhaps}\n"), &["check", "rows.yaml"], 2, "error[PAL0511]: `expect` of an expectation must be allow or deny"),
        case("no expectations", Put::File("rows.yaml", "# none yet\n"), &["check", "rows.yaml"], 2, "error[PAL0511]: no rows under `expectations`"),
        case("format of no matrix", Put::Nothing, &["fmt", "manifests/web.yaml"], 2, "error[PAL0210]: not a matrix, but a Pod"),
        case("project that is not there", Put::Nothing, &["verify", "nowhere"], 4, "error[PAL0501]: cannot read `nowhere`"),
        case("manifests of another system", Put::File("other.yaml", OTHER), &["verify", "-f", "other.yaml"], 2, "error[PAL0519]: no component of the matrix selects a pod of the manifests of `.`"),
        case("directory to standard output", Put::Nothing, &["compile", "--layout", "kustomize"], 2, "error[PAL0518]: layout `kustomize` is a directory"),
        case("output over files of others", Put::File("out/mine.txt", "mine"), &["compile", "--out", "out"], 2, "error[PAL0506]: `out` holds files that Palisade did not write"),
        case("output below a file", Put::File("file", "mine"), &["compile", "--out", "file/out"], 4, "error[PAL0505]: cannot write `file/out`"),
        case("unknown layout", Put::Nothing, &["compile", "--layout", "tarball"], 2, "error[PAL0516]: unknown layout `tarball`"),
    ]
}

fn project(directory: &Path, put: &Put) {
    fs::create_dir(directory.join("manifests")).unwrap();
    fs::write(directory.join("manifests/web.yaml"), WORKLOAD).unwrap();
    fs::write(directory.join("matrix.yaml"), MATRIX).unwrap();
    match put {
        Put::Manifest(bytes) => fs::write(directory.join("manifests/case.yaml"), bytes).unwrap(),
        Put::Matrix(text) => fs::write(directory.join("matrix.yaml"), text).unwrap(),
        Put::File(name, text) => {
            let path = directory.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Put::Nothing => {}
    }
}

#[test]
fn every_bad_input_is_named_and_nothing_is_written() {
    let mut wrong = Vec::new();
    for case in cases() {
        let directory = tempfile::tempdir().unwrap();
        project(directory.path(), &case.put);
        let before = names(directory.path());
        let ended = bounded(directory.path(), case.arguments);
        let first = ended.err.lines().next().unwrap_or_default();
        if ended.code != case.exit || first != case.says || ended.err.contains("panicked") {
            wrong.push(format!("{}\t{}\t{first}", case.name, ended.code));
        }
        assert!(ended.out.is_empty(), "{}: {}", case.name, ended.out);
        assert_eq!(names(directory.path()), before, "{}", case.name);
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Every name in a directory, at any depth.
fn names(directory: &Path) -> Vec<String> {
    let mut out = Vec::new();
    let mut stack = vec![directory.to_owned()];
    while let Some(directory) = stack.pop() {
        for entry in fs::read_dir(directory).unwrap().flatten() {
            out.push(entry.path().display().to_string());
            if entry.path().is_dir() {
                stack.push(entry.path());
            }
        }
    }
    out.sort();
    out
}

/// The project of all cases is sound: without the bad input it holds or fails, and never errs.
#[test]
fn the_project_is_sound() {
    let directory = tempfile::tempdir().unwrap();
    project(directory.path(), &Put::Nothing);
    let ended = palisade(directory.path(), VERIFY);
    assert_eq!(ended.code, 1, "{}{}", ended.out, ended.err);
    assert!(ended.out.contains("PAL0302"), "{}", ended.out);
}

/// A declared port that no pod has grants nothing, which is a finding and not silence.
#[test]
fn a_port_that_nobody_has_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let matrix = MATRIX.replace("ports: [http]", "ports: [{name: htpp, protocol: TCP}]");
    project(directory.path(), &Put::Matrix(matrix));
    let ended = palisade(directory.path(), VERIFY);
    assert_eq!(ended.code, 1, "{}{}", ended.out, ended.err);
    let title = "declared flow `pages` names ports that no pod of `web` has";
    assert!(ended.out.contains(title), "{}", ended.out);
}

/// A component that selects nothing is a prerequisite that is not shown.
#[test]
fn an_absent_component_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let more = "  - {name: db, zone: shop, namespace: shop, podSelector: {matchLabels: {app: db}}}\n  flows:";
    let matrix = MATRIX.replace("  flows:", more);
    project(directory.path(), &Put::Matrix(matrix));
    let ended = palisade(directory.path(), VERIFY);
    let told = "no pod is selected by `db`: their flows were not tested";
    assert!(ended.out.contains(told), "{}", ended.out);
}

/// A result that cannot be written is not a success.
#[test]
fn a_full_disk_is_told() {
    let script = "\"$0\" schema > /dev/full";
    let ended = std::process::Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_palisade")])
        .output()
        .unwrap();
    assert_eq!(ended.status.code(), Some(4));
    let told = String::from_utf8_lossy(&ended.stderr);
    assert!(
        told.contains("error[PAL0505]: cannot write to standard output"),
        "{told}"
    );
}

/// Every bad document is reported, not only the first, and the last good one is still read.
#[test]
fn every_bad_document_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    project(directory.path(), &Put::Nothing);
    let bad = "a: [1\n---\nkind: Pod\nkind: Pod\n---\nmetadata: {}\n---\n".to_owned()
        + &policy("from: [{}]");
    let ended = palisade_with_input(directory.path(), &["verify", "-f", "-"], bad.as_bytes());
    assert_eq!(ended.code, 2);
    let errors = ended.err.matches("error[").count();
    assert_eq!(errors, 4, "{}", ended.err);
}

/// A reader that goes away does not make an error.
#[test]
fn a_closed_pipe_ends_cleanly() {
    let directory = tempfile::tempdir().unwrap();
    project(directory.path(), &Put::Nothing);
    let binary = env!("CARGO_BIN_EXE_palisade");
    let status = std::process::Command::new("sh")
        .arg("-c")
        .arg(format!(
            "{{ {binary} schema; echo $? >code; }} | head -c 1 >/dev/null"
        ))
        .current_dir(directory.path())
        .status()
        .unwrap();
    assert!(status.success());
    let code = fs::read_to_string(directory.path().join("code")).unwrap();
    assert_eq!(code.trim(), "0");
}

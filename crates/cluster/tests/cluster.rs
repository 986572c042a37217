//! Reading from a server that behaves, and from servers that do not.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, which clippy does not see as tests"
)]

use palisade_cluster::{Access, Object, Take, read};
use palisade_diagnostics::{Diagnostic, Severity};
use palisade_testkit::apiserver::{AUTHORITY, ApiServer, Fault, Request, Setup, objects};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

const MANIFESTS: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Secret
metadata: {name: key, namespace: shop}
data: {password: aHVudGVyMg==}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: shop}
data: {mesh: not ours}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data: {mesh: 'trustDomain: shop.example', other: x}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
  annotations: {kubectl.kubernetes.io/last-applied-configuration: '{}', keep: me}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      automountServiceAccountToken: false
      containers:
      - {name: web, image: web, env: [{name: PASSWORD, value: hunter2}], livenessProbe: {tcpSocket: {port: 1}}}
status: {replicas: 1}
---
apiVersion: v1
kind: Pod
metadata: {name: one, namespace: shop}
spec: {containers: [{name: a, image: b}], nodeName: n}
status: {phase: Running, podIP: 10.0.0.7, conditions: [{type: Ready}]}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: all, namespace: shop}
spec: {}
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: dns, namespace: shop}
spec: {}
";

/// What was taken.
#[derive(Default)]
struct Taken {
    objects: Vec<Object>,
    most: usize,
}

impl Take for Taken {
    fn progress(&mut self, _: &str, objects: usize) {
        self.most = self.most.max(objects);
    }

    fn object(&mut self, object: Object) -> bool {
        self.objects.push(object);
        true
    }
}

impl Taken {
    fn names(&self) -> Vec<&str> {
        self.objects
            .iter()
            .map(|object| object.name.as_str())
            .collect()
    }

    fn text(&self, name: &str) -> &str {
        let mut objects = self.objects.iter();
        &objects.find(|object| object.name == name).unwrap().text
    }
}

fn access(directory: &Path, kubeconfig: &str) -> Access {
    let path = directory.join("kubeconfig");
    std::fs::write(&path, kubeconfig).unwrap();
    Access {
        kubeconfig: Some(path),
        context: None,
        timeout: Duration::from_secs(20),
    }
}

type Result = std::result::Result<Vec<Diagnostic>, Vec<Diagnostic>>;

fn read_from(server: &ApiServer) -> (Taken, Result) {
    read_with(server, &json!({}), &json!({}), Duration::from_secs(20))
}

fn read_with(
    server: &ApiServer,
    cluster: &Value,
    user: &Value,
    timeout: Duration,
) -> (Taken, Result) {
    let directory = tempfile::tempdir().unwrap();
    let mut access = access(directory.path(), &server.kubeconfig(cluster, user));
    access.timeout = timeout;
    let mut taken = Taken::default();
    let result = read(&access, true, &mut taken);
    (taken, result)
}

fn manifests() -> Setup {
    Setup::new(objects(MANIFESTS))
}

fn failing(faults: impl Fn(&Request, usize) -> Option<Fault> + Send + Sync + 'static) -> ApiServer {
    ApiServer::start(manifests().failing(faults)).unwrap()
}

/// Fails with a status where the path ends so.
fn refusing(end: &'static str, status: u16) -> ApiServer {
    failing(move |request, _| {
        let here = request.path.ends_with(end);
        here.then(|| Fault::Status(status, format!("no {end} for you")))
    })
}

fn only(told: &[Diagnostic]) -> &Diagnostic {
    let [only] = told else {
        panic!("not one: {told:#?}")
    };
    only
}

#[test]
fn objects_are_read_without_what_nobody_looks_at() {
    let server = ApiServer::start(manifests()).unwrap();
    let (taken, told) = read_from(&server);
    assert_eq!(told.unwrap(), []);
    assert_eq!(
        taken.names(),
        [
            "cluster:AuthorizationPolicy/shop/all",
            "cluster:ConfigMap/istio-system/istio",
            "cluster:Deployment/shop/web",
            "cluster:Namespace/shop",
            "cluster:Pod/shop/one",
            "cluster:CiliumNetworkPolicy/shop/dns",
        ]
    );
    let web = taken.text("cluster:Deployment/shop/web");
    for gone in ["hunter2", "managedFields", "uid", "last-applied", "status"] {
        assert!(!web.contains(gone), "{gone} in {web}");
    }
    for kept in [
        "\"keep\": \"me\"",
        "livenessProbe",
        "automountServiceAccountToken",
        "\"apps/v1\"",
    ] {
        assert!(web.contains(kept), "no {kept} in {web}");
    }
    let pod = taken.text("cluster:Pod/shop/one");
    assert!(pod.contains("10.0.0.7") && pod.contains("Running") && !pod.contains("Ready"));
    assert!(
        !taken
            .text("cluster:ConfigMap/istio-system/istio")
            .contains("other")
    );
}

/// Only lints ask about probes.
#[test]
fn what_only_lints_read_is_kept_for_them_alone() {
    let server = ApiServer::start(manifests()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let access = access(directory.path(), &server.kubeconfig(&json!({}), &json!({})));
    let mut taken = Taken::default();
    assert_eq!(read(&access, false, &mut taken).unwrap(), []);
    let web = taken.text("cluster:Deployment/shop/web");
    for gone in ["livenessProbe", "automountServiceAccountToken", "hunter2"] {
        assert!(!web.contains(gone), "{gone} in {web}");
    }
    let requests = server.requests();
    assert!(!requests.iter().any(|r| r.path.ends_with("/clusterroles")));
}

/// Nothing is written, Secrets are never asked for, and of ConfigMaps the one of the mesh alone.
#[test]
fn nothing_private_is_asked_for_and_nothing_is_changed() {
    let server = ApiServer::start(manifests()).unwrap();
    read_from(&server).1.unwrap();
    let requests = server.requests();
    assert!(requests.len() > 30, "{}", requests.len());
    for request in &requests {
        assert_eq!(request.method, "GET", "{request:?}");
        assert!(!request.path.contains("secrets"), "{request:?}");
        assert!(!request.query.contains("watch"), "{request:?}");
        if request.path.ends_with("/configmaps") {
            assert_eq!(
                request.value("fieldSelector").as_deref(),
                Some("metadata.name=istio")
            );
        }
    }
    assert!(
        requests
            .iter()
            .any(|request| request.path.ends_with("/configmaps"))
    );
}

/// So many namespaces, and nothing else.
fn namespaces(count: usize) -> Vec<Value> {
    let name =
        |i| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": format!("n{i}")}});
    (0..count).map(name).collect()
}

#[test]
fn every_page_of_a_list_is_read_once() {
    for (count, page, pages) in [(0, 3, 1), (1, 3, 1), (3, 3, 1), (7, 3, 3), (1201, 1000, 3)] {
        let mut setup = Setup::new(namespaces(count));
        setup.page = page;
        let server = ApiServer::start(setup).unwrap();
        let (taken, told) = read_from(&server);
        assert_eq!(told.unwrap(), []);
        let expected: Vec<String> = (0..count)
            .map(|i| format!("cluster:Namespace/n{i}"))
            .collect();
        assert_eq!(taken.names(), expected, "{count} in pages of {page}");
        assert_eq!(taken.most, count);
        let requests = server.requests();
        let lists = requests
            .iter()
            .filter(|request| request.path.ends_with("/namespaces"));
        assert_eq!(lists.clone().count(), pages);
        assert!(
            lists
                .clone()
                .all(|request| request.value("limit").as_deref() == Some("500"))
        );
    }
}

/// A page that is gone starts the list again, and what was read before does not count twice.
#[test]
fn a_list_that_is_lost_in_the_middle_is_read_again() {
    let gone = |times: usize| {
        let left = std::sync::atomic::AtomicUsize::new(times);
        move |request: &Request, _| {
            let second =
                request.path.ends_with("/namespaces") && request.value("continue").is_some();
            let fails = second
                && left
                    .fetch_update(SEQ, SEQ, |left| left.checked_sub(1))
                    .is_ok();
            fails.then(|| {
                Fault::Status(410, "the provided continue parameter is too old".to_owned())
            })
        }
    };
    const SEQ: std::sync::atomic::Ordering = std::sync::atomic::Ordering::SeqCst;
    let start = |times| {
        let mut setup = Setup::new(namespaces(5)).failing(gone(times));
        setup.page = 3;
        ApiServer::start(setup).unwrap()
    };
    let server = start(2);
    let (taken, told) = read_from(&server);
    assert_eq!(told.unwrap(), []);
    assert_eq!(taken.objects.len(), 5);
    let server = start(3);
    let (_, told) = read_from(&server);
    let told = told.unwrap_err();
    assert!(
        only(&told)
            .title
            .contains("changes faster than it can be read"),
        "{told:#?}"
    );
}

/// What may not be read is never taken for what is not there.
#[test]
fn a_kind_that_may_not_be_listed_is_told() {
    for (end, essential) in [
        ("/networkpolicies", true),
        ("/namespaces", true),
        ("/pods", true),
        ("/authorizationpolicies", false),
        ("/ciliumnetworkpolicies", false),
        ("/nodes", false),
        ("/configmaps", false),
        ("/validatingwebhookconfigurations", false),
    ] {
        let (_, told) = read_from(&refusing(end, 403));
        let told = match (told, essential) {
            (Err(errors), true) => errors,
            (Ok(warnings), false) => warnings,
            (other, _) => panic!("{end}: {other:#?}"),
        };
        let told = only(&told);
        assert_eq!(told.code.0, "PAL0543");
        assert_eq!(told.severity == Severity::Error, essential, "{end}");
        assert_eq!(told.left_out, !essential, "{end}");
        assert!(
            told.title
                .starts_with(&format!("not allowed to list `{}", &end[1..])),
            "{told:#?}"
        );
        let rule = told.help.join("\n");
        assert!(
            rule.contains(&format!("resources: [{}]", &end[1..])),
            "{rule}"
        );
    }
}

/// All rights that are missing are told at once.
#[test]
fn every_missing_right_is_told_at_once() {
    let server = failing(|request, _| {
        let here = ["/pods", "/services"]
            .iter()
            .any(|end| request.path.ends_with(end));
        here.then(|| Fault::Status(403, "no".to_owned()))
    });
    let (_, told) = read_from(&server);
    assert_eq!(told.unwrap_err().len(), 2);
}

/// Without Istio nobody misses its configuration.
#[test]
fn a_plain_cluster_needs_no_right_to_read_config_maps() {
    let setup = Setup::new(namespaces(1)).failing(|request, _| {
        let here = request.path.ends_with("/configmaps");
        here.then(|| Fault::Status(403, "no".to_owned()))
    });
    let server = ApiServer::start(setup).unwrap();
    assert_eq!(read_from(&server).1.unwrap(), []);
}

#[test]
fn versions_that_are_not_read_are_told() {
    let policy = json!({"apiVersion": "security.istio.io/v9", "kind": "AuthorizationPolicy",
        "metadata": {"name": "new", "namespace": "shop"}, "spec": {}});
    let server = ApiServer::start(Setup::new(vec![policy])).unwrap();
    let told = read_from(&server).1.unwrap();
    let told = only(&told);
    assert_eq!(told.code.0, "PAL0545");
    assert!(
        told.left_out && told.title.contains("v9 alone"),
        "{told:#?}"
    );
}

/// The group of a kind that is read does not answer: nobody knows what it holds.
#[test]
fn a_group_that_does_not_say_what_it_serves_is_told() {
    let told = read_from(&refusing("/security.istio.io/v1", 503))
        .1
        .unwrap();
    let told = only(&told);
    assert_eq!(told.code.0, "PAL0544");
    assert!(
        told.left_out && told.title.contains("security.istio.io"),
        "{told:#?}"
    );
}

#[test]
fn a_busy_server_is_asked_again() {
    let server = failing(|_, before| (before == 3).then(|| Fault::Status(429, "later".to_owned())));
    let (taken, told) = read_from(&server);
    assert_eq!(told.unwrap(), []);
    assert_eq!(taken.objects.len(), 6);
}

/// Code and words of each way in which a server fails.
#[test]
fn a_server_that_fails_is_told_as_what_it_is() {
    let text = |text: &'static str| {
        move |_: &Request, before| (before == 9).then(|| Fault::Text(text.to_owned()))
    };
    let deep = || "[".repeat(100_000);
    let cases: Vec<(&str, ApiServer, &str, &str)> = vec![
        (
            "401",
            refusing("/pods", 401),
            "PAL0542",
            "does not know who we are",
        ),
        (
            "500",
            refusing("/pods", 500),
            "PAL0544",
            "does not give the list of `pods`",
        ),
        (
            "404 everywhere",
            refusing("", 404),
            "PAL0544",
            "is no Kubernetes API server",
        ),
        (
            "403 everywhere",
            refusing("", 403),
            "PAL0543",
            "does not let us ask what it serves",
        ),
        (
            "html",
            failing(text("<html>Log in</html>")),
            "PAL0544",
            "cannot be read|does not give|does not say|no Kubernetes",
        ),
        (
            "depth",
            failing(move |request, _| request.path.ends_with("/pods").then(|| Fault::Text(deep()))),
            "PAL0544",
            "does not give the list of `pods`",
        ),
        (
            "no list",
            failing(|request, _| {
                request
                    .path
                    .ends_with("/pods")
                    .then(|| Fault::Text("{\"items\": 7}".to_owned()))
            }),
            "PAL0544",
            "does not give the list of `pods`",
        ),
        (
            "item that is no object",
            failing(|request, _| {
                let text = "{\"metadata\": {}, \"items\": [[]]}".to_owned();
                request.path.ends_with("/pods").then_some(Fault::Text(text))
            }),
            "PAL0544",
            "does not give the list of `pods`",
        ),
        (
            "a page after itself",
            failing(|request, _| {
                let text = "{\"metadata\": {\"continue\": \"x\"}, \"items\": null}".to_owned();
                request.path.ends_with("/pods").then_some(Fault::Text(text))
            }),
            "PAL0544",
            "does not give the list of `pods`",
        ),
        (
            "cut",
            failing(|request, _| request.path.ends_with("/pods").then_some(Fault::Cut(20))),
            "PAL0541",
            "ended in the middle",
        ),
    ];
    for (name, server, code, words) in cases {
        let (_, told) = read_from(&server);
        let told = match told {
            Ok(warnings) => warnings,
            Err(errors) => errors,
        };
        let told = only(&told);
        assert_eq!(told.code.0, code, "{name}: {told:#?}");
        let all = told.plain_text();
        assert!(
            words.split('|').any(|words| all.contains(words)),
            "{name}: {all}"
        );
        assert!(!told.help.is_empty(), "{name}: {all}");
    }
}

#[test]
fn a_server_that_hangs_is_left_in_time() {
    let server = failing(|request, _| request.path.ends_with("/pods").then_some(Fault::Hang));
    let start = Instant::now();
    let (_, told) = read_with(&server, &json!({}), &json!({}), Duration::from_secs(1));
    assert!(start.elapsed() < Duration::from_secs(10));
    let told = told.unwrap_err();
    assert!(only(&told).title.contains("no answer from"), "{told:#?}");
    assert!(told[0].help[0].contains("--request-timeout"));
}

/// An object as large as no etcd takes it is read like any other.
#[test]
fn a_huge_item_is_read() {
    let mut one = namespaces(1);
    one[0]["metadata"]["annotations"] = json!({"note": "x".repeat(8 << 20)});
    let server = ApiServer::start(Setup::new(one)).unwrap();
    let (taken, told) = read_from(&server);
    assert_eq!(told.unwrap(), []);
    assert!(taken.objects[0].text.len() > 8 << 20);
}

#[test]
fn tokens_are_sent_and_wrong_ones_are_told() {
    let start = || {
        let mut setup = manifests();
        setup.token = Some("right".to_owned());
        ApiServer::start(setup).unwrap()
    };
    let with = |user: &Value| read_with(&start(), &json!({}), user, Duration::from_secs(20)).1;
    assert_eq!(with(&json!({"token": "right"})).unwrap(), []);
    for user in [json!({"token": "wrong"}), json!({})] {
        let told = with(&user).unwrap_err();
        assert_eq!(only(&told).code.0, "PAL0542", "{told:#?}");
    }
}

/// A credential plugin is run; one that is missing is told.
#[test]
fn credential_plugins_are_run() {
    let credential = json!({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
        "status": {"token": "right"}});
    let exec = |command: &str| {
        json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never",
            "command": command, "args": [credential.to_string()]}})
    };
    let mut setup = manifests();
    setup.token = Some("right".to_owned());
    let server = ApiServer::start(setup).unwrap();
    let with =
        |command: &str| read_with(&server, &json!({}), &exec(command), Duration::from_secs(20)).1;
    assert_eq!(with("echo").unwrap(), []);
    for command in ["no-such-program-anywhere", "false"] {
        let told = with(command).unwrap_err();
        assert_eq!(only(&told).code.0, "PAL0542", "{told:#?}");
    }
}

#[test]
fn certificates_are_checked() {
    let mut setup = manifests();
    setup.tls = true;
    let server = ApiServer::start(setup).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let authority = directory.path().join("ca.pem");
    std::fs::write(&authority, AUTHORITY).unwrap();
    let with = |cluster: Value| read_with(&server, &cluster, &json!({}), Duration::from_secs(20));
    let (taken, told) = with(json!({"certificate-authority": authority}));
    assert_eq!(told.unwrap(), []);
    assert_eq!(taken.objects.len(), 6);
    let told = with(json!({})).1.unwrap_err();
    assert_eq!(only(&told).code.0, "PAL0541", "{told:#?}");
    assert!(
        told[0].help[0].contains("certificate-authority-data"),
        "{told:#?}"
    );
}

/// The proxy of the kubeconfig is spoken to; this one refuses.
#[test]
fn the_proxy_of_the_kubeconfig_is_used() {
    let proxy = ApiServer::start(manifests()).unwrap();
    let mut setup = manifests();
    setup.tls = true;
    let server = ApiServer::start(setup).unwrap();
    let cluster = json!({"proxy-url": proxy.url()});
    let told = read_with(&server, &cluster, &json!({}), Duration::from_secs(20)).1;
    let told = told.unwrap_err();
    assert_eq!(only(&told).code.0, "PAL0541", "{told:#?}");
    assert!(
        only(&told).help.join(" ").contains("proxy-url"),
        "{told:#?}"
    );
    let requests = proxy.requests();
    assert!(
        requests.iter().any(|r| r.method == "CONNECT"),
        "{requests:?}"
    );
    assert_eq!(server.requests(), []);
}

#[test]
fn a_kubeconfig_that_leads_nowhere_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let start = |kubeconfig: &str, context: Option<&str>| {
        let mut access = access(directory.path(), kubeconfig);
        access.context = context.map(str::to_owned);
        let told = read(&access, false, &mut Taken::default()).unwrap_err();
        let told = only(&told);
        assert!(!told.help.is_empty());
        (told.code.0, told.plain_text())
    };
    let server = ApiServer::start(manifests()).unwrap();
    let good = server.kubeconfig(&json!({}), &json!({}));
    let (code, text) = start(&good, Some("tests"));
    assert_eq!(code, "PAL0540");
    assert!(
        text.contains("no context `tests`") && text.contains("did you mean `test`"),
        "{text}"
    );
    let (code, _) = start("{]", None);
    assert_eq!(code, "PAL0540");
    let (code, text) = start("apiVersion: v1\nkind: Config\n", None);
    assert_eq!(code, "PAL0540");
    assert!(text.contains("no current context"), "{text}");
    let mut nobody = good.clone();
    drop(server);
    let (code, text) = start(&nobody, None);
    assert_eq!(code, "PAL0541");
    assert!(
        text.contains("cannot reach the cluster") && text.contains("API server runs"),
        "{text}"
    );
    nobody = good.replace("http://127.0.0.1", "http://no-such-host.invalid");
    let (code, text) = start(&nobody, None);
    assert_eq!(code, "PAL0541");
    assert!(text.contains("host name"), "{text}");
    let missing = Access {
        kubeconfig: Some(directory.path().join("none")),
        context: None,
        timeout: Duration::from_secs(1),
    };
    let told = read(&missing, false, &mut Taken::default()).unwrap_err();
    assert_eq!(only(&told).code.0, "PAL0540");
}

/// The role in the document is the one that the list of kinds gives.
#[test]
fn the_documented_role_is_up_to_date() {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cluster.md");
    let text = std::fs::read_to_string(document).unwrap();
    let role = palisade_cluster::role::cluster_role();
    let mut shown = String::new();
    let _ = write!(shown, "```yaml\n{role}");
    assert!(
        text.contains(&shown),
        "write this into docs/cluster.md:\n{role}"
    );
    for line in role.lines().filter(|line| line.contains("verbs")) {
        assert_eq!(line, "  verbs: [list]");
    }
    assert!(!role.contains("secrets") && !role.contains('*'));
}

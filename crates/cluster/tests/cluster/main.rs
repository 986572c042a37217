//! Reading from a server that behaves, from servers that do not, and from those that ask who it is.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, which clippy does not see as tests"
)]

mod access;
mod failing;
mod reading;

use palisade_cluster::{Access, Object, Take, read};
use palisade_diagnostics::Diagnostic;
use palisade_testkit::apiserver::{ApiServer, Fault, Request, Setup, objects};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

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

/// So many namespaces, and nothing else.
fn namespaces(count: usize) -> Vec<Value> {
    let name =
        |i| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": format!("n{i}")}});
    (0..count).map(name).collect()
}

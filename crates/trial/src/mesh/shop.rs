//! A small mesh for tests of what is made of answers.

use palisade_netmodel::{Endpoint, Flow, PodId, Protocol, World};
use palisade_testkit::specs;

/// `web` calls `db`, both with a sidecar, with `client` outside the mesh and `captured` in ambient mode.
const SHOP: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio-injection: enabled}}
---
apiVersion: v1
kind: Namespace
metadata: {name: soft, labels: {istio.io/dataplane-mode: ambient}}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {serviceAccountName: web, containers: [{name: c}]}
---
apiVersion: v1
kind: Pod
metadata:
  name: db
  namespace: shop
  labels: {app: db}
  annotations: {traffic.sidecar.istio.io/excludeInboundPorts: "9999"}
spec: {serviceAccountName: db, containers: [{name: c, ports: [{name: admin, containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: legacy, labels: {app: client}}
spec: {containers: [{name: c}]}
---
apiVersion: v1
kind: Pod
metadata: {name: captured, namespace: soft, labels: {app: captured}}
spec: {containers: [{name: c}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec:
  selector: {app: db}
  ports: [{name: tcp-db, port: 5432}, {name: http-admin, port: 80, targetPort: admin}]
"#;

/// The receiver takes mTLS alone.
pub(crate) const STRICT: &str = r#"---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: shop}
spec: {mtls: {mode: STRICT}}
"#;
/// The receiver takes both.
pub(crate) const PERMISSIVE: &str = r#"---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: shop}
spec: {mtls: {mode: PERMISSIVE}}
"#;
/// Nobody is let in.
pub(crate) const ALLOW_NOTHING: &str = r#"---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: nothing, namespace: shop}
spec: {}
"#;
/// Whoever has an identity is let in; others with GET alone, on a port that no Service names.
pub(crate) const GET_ALONE: &str = r#"---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: get, namespace: shop}
spec:
  rules:
  - {from: [{source: {principals: ["*"]}}]}
  - {to: [{operation: {methods: [GET]}}]}
"#;

/// The world, with some more objects.
pub(crate) fn shop(objects: &str) -> World {
    specs::world(&format!("{SHOP}{objects}")).expect("the manifests have no errors")
}

/// A pod by its name.
pub(crate) fn pod(world: &World, name: &str) -> PodId {
    let found = world.pods().find(|(_, pod)| pod.name == name);
    found.expect("the shop has this pod").0
}

/// From a pod to `db`.
pub(crate) fn to(world: &World, from: &str, port: u16) -> Flow {
    Flow {
        source: Endpoint::Pod(pod(world, from)),
        destination: Endpoint::Pod(pod(world, "db")),
        protocol: Protocol::Tcp,
        port,
    }
}

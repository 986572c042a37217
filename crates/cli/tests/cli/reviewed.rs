//! What `list` and `diff` say of the four example systems, in full for parts that were worked out by hand
//! from the manifests; the reason stands beside each.

use crate::run::{palisade, root};

/// The lines below the title and what it rests on, runs of spaces as one.
fn answer(arguments: &[&str]) -> String {
    let ended = palisade(&root(), arguments);
    assert!(matches!(ended.code, 0 | 1), "{}", ended.err);
    let start = ended.out.find("\nTo ").unwrap_or(0);
    let lines = ended.out[start..].trim().lines();
    let words = lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    words.collect::<Vec<_>>().join("\n")
}

/// Three policies, each for ingress and without `from`: everybody reaches their ports, and nothing else is
/// closed.
#[test]
fn eem() {
    let expected = "To every pod but my-eem-ns/*, anywhere outside
FROM PORTS PASSES
every pod, anywhere outside all ports yes

To my-eem-ns/ibm-eem-operator
FROM PORTS PASSES
every pod, anywhere outside 8443/TCP yes

To my-eem-ns/my-gateway-ibm-egw-gateway
FROM PORTS PASSES
every pod, anywhere outside 8092/TCP yes

To my-eem-ns/my-manager-ibm-eem-manager
FROM PORTS PASSES
every pod, anywhere outside 3000/TCP, 8081/TCP yes

10 workloads can be reached, 10 from addresses outside, of 10 asked about";
    assert_eq!(answer(&["list", "examples/eem"]), expected);
}

/// One policy, for the two connectors: every pod of their namespace reaches them on every port.
#[test]
fn fybrik() {
    let expected = "To every pod but fybrik-system/opa-connector and fybrik-system/openmetadata-connector, anywhere outside
FROM PORTS PASSES
every pod, anywhere outside all ports yes

To fybrik-system/opa-connector, fybrik-system/openmetadata-connector
FROM PORTS PASSES
fybrik-system/* all ports yes

12 workloads can be reached, 10 from addresses outside, of 12 asked about";
    assert_eq!(answer(&["list", "examples/fybrik"]), expected);
}

/// `allow-same-namespace` admits keycloak/* on every port, `keycloak-mysql` the operator on three and
/// Prometheus on 15090. The mesh is STRICT: ports of Services pass by mTLS, ports that bypass the sidecar
/// in plaintext, others only for a process that uses the certificate itself.
#[test]
fn verrazzano() {
    let expected = "To keycloak/mysql
FROM PORTS PASSES WIRE
keycloak/* 3306/TCP, 33060-33061/TCP yes mesh mTLS
15020-15021/TCP, 15090/TCP, all UDP ports, all SCTP ports yes plaintext possible
1-3305/TCP, 3307-15019/TCP, 15022-15089/TCP, 15091-33059/TCP, 33062-65535/TCP depends mesh mTLS
mysql-operator/mysql-operator 3306/TCP, 33060-33061/TCP yes mesh mTLS
verrazzano-monitoring/prometheus-prometheus-operator-kube-p-prometheus 15090/TCP yes plaintext possible

1 workload can be reached, 0 from addresses outside, of 1 asked about; `depends`: not decided by the input";
    let question = ["list", "examples/verrazzano", "--to", "keycloak/mysql"];
    assert_eq!(answer(&question), expected);
}

/// `cf-db` admits six workloads of cf-system on every port, `only-allow-istio-control-plane` the namespace of
/// Istio. Three of the six may go nowhere but to port 5432 and to DNS. istiod has no sidecar, so that
/// a STRICT receiver refuses it but for the ports that bypass.
#[test]
fn cf_for_k8s() {
    let expected = "To cf-db/cf-db-postgresql
FROM PORTS PASSES WIRE
cf-system/ccdb-migrate, cf-system/cf-api-clock, 5432/TCP yes mesh mTLS
cf-system/cf-api-deployment-updater
53/UDP yes plaintext possible
53/TCP depends mesh mTLS
cf-system/cf-api-server, cf-system/cf-api-worker, cf-system/uaa, 5432/TCP yes mesh mTLS
istio-system/istio-ingressgateway
15020-15021/TCP, 15090/TCP, all UDP ports, all SCTP ports yes plaintext possible
1-5431/TCP, 5433-15019/TCP, 15022-15089/TCP, 15091-65535/TCP depends mesh mTLS
istio-system/istiod 15020-15021/TCP, 15090/TCP, all UDP ports, all SCTP ports yes plaintext possible

1 workload can be reached, 0 from addresses outside, of 1 asked about; `depends`: not decided by the input";
    assert_eq!(
        answer(&["list", "examples/cf-for-k8s", "--to", "cf-db"]),
        expected
    );
}

/// On OpenShift the operator's port is for the host network alone; the other policies are the same.
#[test]
fn eem_on_openshift() {
    let variant = "examples/eem/variants/openshift.yaml";
    let text = answer(&[
        "diff",
        "examples/eem",
        variant,
        "--workloads",
        "examples/eem",
    ]);
    for part in [
        "warning[PAL0342]: connections are lost",
        "--> examples/eem/variants/openshift.yaml:7:9",
        "::: examples/eem/manifests/policies.yaml:17:5",
        "= note: every pod but the nodes' host network (openshift-host-network), anywhere outside → my-eem-ns/ibm-eem-operator on 8443/TCP",
        "the worlds differ: 1 group lost",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert_eq!(text.matches("[PAL03").count(), 1, "{text}");
}

/// Without its policy, a data node of OpenSearch is open to the mesh: on the port that its Service leads to for
/// certain, on others only to a process that uses the certificate itself. A list says so, and a difference too.
#[test]
fn what_is_gained_for_certain_and_what_depends() {
    let variant = "examples/verrazzano/variants/single-node-opensearch.yaml";
    let text = answer(&[
        "diff",
        "examples/verrazzano",
        variant,
        "--workloads",
        "examples/verrazzano",
    ]);
    let row = |end: &str| {
        let found = text.lines().find(|line| {
            line.starts_with("= note: argocd/*, bobs-books/bobbys-front-end-adminserver")
                && line.contains("→ verrazzano-system/vmi-system-es-data-0 on")
                && line.ends_with(end)
        });
        assert!(found.is_some(), "{end}\n{text}");
    };
    row("on 9200/TCP, 9300/TCP, 15020-15021/TCP, 15090/TCP, all UDP ports, all SCTP ports");
    row("on 1-9199/TCP, 9201-9299/TCP, 9301-15019/TCP, 15022-15089/TCP, 15091-65535/TCP, depends");
}

/// Without its exception the blobstore is STRICT like the rest of the mesh. Policies of the network went too, and are
/// no reason for what is on the wire.
#[test]
fn the_wire_changes_by_objects_of_the_mesh() {
    let variant = "examples/cf-for-k8s/variants/external-db-and-blobstore-quarks.yaml";
    let text = answer(&[
        "diff",
        "examples/cf-for-k8s",
        variant,
        "--workloads",
        "examples/cf-for-k8s",
    ]);
    let better: Vec<&str> = text
        .split("\n\n")
        .filter(|finding| finding.starts_with("warning[PAL0344]"))
        .collect();
    assert_eq!(better.len(), 2, "{text}");
    for finding in better {
        assert!(finding.contains("policies.yaml:179:9"), "{finding}");
        assert!(finding.contains("quarks.yaml:169:9"), "{finding}");
        assert!(!finding.contains("NetworkPolicy"), "{finding}");
    }
}

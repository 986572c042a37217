//! What `explain` says of connections of the example systems, worked out by hand from the manifests: the layer
//! that decides, the object, and advice that helps if it is followed.

use crate::run::{palisade, root};

/// One connection, and what must and must not be said of it.
struct Case {
    flow: [&'static str; 3],
    verdict: &'static str,
    says: &'static [&'static str],
    never: &'static [&'static str],
}

fn check(example: &str, cases: &[Case]) {
    for Case {
        flow,
        verdict,
        says,
        never,
    } in cases
    {
        let ended = palisade(&root(), &[&["explain"], &flow[..], &[example]].concat());
        // The labels of both ends come first; they are not what is looked at.
        let said = ended
            .out
            .find("\n  port ")
            .map_or("", |at| &ended.out[at..]);
        let words: Vec<&str> = said.split_whitespace().collect();
        let text = words.join(" ");
        let mut says = says.to_vec();
        let verdict = format!("verdict {verdict}");
        says.push(&verdict);
        for part in says {
            assert!(text.contains(part), "{part}\nis not in\n{}", ended.out);
        }
        for part in *never {
            assert!(!text.contains(part), "{part}\nis in\n{}", ended.out);
        }
    }
}

#[test]
fn verrazzano() {
    check(
        "examples/verrazzano",
        &[
            // In the mesh, no Service leads to 7001, and the AuthorizationPolicy knows no principal of argocd:
            // neither plaintext nor the caller's certificate helps.
            Case {
                flow: [
                    "argocd/argocd-application-controller",
                    "bobs-books/bobbys-front-end-adminserver",
                    "7001",
                ],
                verdict: "denied",
                says: &[
                    "port 7001 is STRICT; plaintext is refused",
                    "mesh mTLS is refused too",
                    "policies.yaml:2087:9",
                    "let the caller's proxy send mesh mTLS (by a Service that leads to the port",
                    "add a rule for the caller's principal and port to AuthorizationPolicy bobs-books/bobs-books",
                ],
                // The caller is in the mesh, and nothing is on the wire.
                never: &["bring the caller into the mesh", "wire "],
            },
            // `allow-same-namespace` admits it; whether the process holds the certificate is not in the input.
            Case {
                flow: ["keycloak/mysql", "keycloak/keycloak", "9999"],
                verdict: "not decided",
                says: &[
                    "policies.yaml:410:5",
                    "mesh mTLS is not refused: a process that uses the mesh certificate itself can pass",
                    "wire mesh mTLS is proven",
                ],
                never: &["plaintext is not: a process"],
            },
            // 7800 bypasses Keycloak's sidecar, so NetworkPolicy alone decides, and two policies isolate the pod.
            // A rule that asked for the chart's version would fail with the next release.
            Case {
                flow: ["argocd/argocd-server", "keycloak/keycloak", "7800"],
                verdict: "denied",
                says: &[
                    "policies.yaml:403:9",
                    "policies.yaml:416:9",
                    "port 7800 bypasses the sidecar: no mesh rule applies",
                    "add to NetworkPolicy keycloak/keycloak: `ingress: [{from:",
                    "app.kubernetes.io/name: \"argocd-server\"",
                ],
                never: &["helm.sh/chart", "app.kubernetes.io/version"],
            },
            // The same call to the declared port: the instance label, as a list item of its own, admits it.
            Case {
                flow: [
                    "verrazzano-ingress-nginx/ingress-controller-ingress-nginx-defaultbackend",
                    "keycloak/keycloak",
                    "8080",
                ],
                verdict: "allowed",
                says: &[
                    "policies.yaml:425:5",
                    "wire mesh mTLS is proven",
                    "To deny it",
                ],
                never: &["To allow it"],
            },
            // An address outside has no certificate, whatever NetworkPolicy says.
            Case {
                flow: [
                    "203.0.113.10",
                    "verrazzano-monitoring/jaeger-operator-jaeger-collector",
                    "9411",
                ],
                verdict: "denied",
                says: &[
                    "the caller is outside the mesh and sends plaintext",
                    "policies.yaml:1737:9",
                    "bring the caller into the mesh",
                ],
                never: &["mesh mTLS is refused too"],
            },
        ],
    );
}

#[test]
fn cf_for_k8s() {
    check(
        "examples/cf-for-k8s",
        &[
            // The path decides: the DENY policy lists `/internal*`.
            Case {
                flow: [
                    "cf-system/cf-api-controllers",
                    "cf-system/cf-api-server",
                    "80",
                ],
                verdict: "not decided",
                says: &[
                    "policies.yaml:989:5",
                    "policies.yaml:663:5",
                    "those for which its path is `/internal*`",
                    "narrow the DENY rule of AuthorizationPolicy cf-system/cf-api-server",
                ],
                // A rule more in a DENY policy opens nothing.
                never: &[
                    "add a rule for the caller's principal and port to AuthorizationPolicy cf-system/cf-api-server",
                ],
            },
            // Its three egress peers are an exception from no isolation: five policies isolate it.
            Case {
                flow: ["cf-system/cf-api-clock", "cf-system/fluentd", "24224"],
                verdict: "denied",
                says: &[
                    "policies.yaml:472:9",
                    "policies.yaml:490:9",
                    "policies.yaml:778:9",
                    "policies.yaml:758:9",
                    "policies.yaml:409:9",
                    "policies.yaml:1040:5",
                    "podSelector: {matchLabels: {app: \"fluentd\"}}}], ports: [{port: 24224, protocol: TCP}]",
                ],
                never: &[],
            },
            // App to app is denied; a rule for one replica of a StatefulSet would leave the others out.
            Case {
                flow: [
                    "cf-workloads/dora-dev-1",
                    "cf-workloads/catnip-dev-1",
                    "8080",
                ],
                verdict: "denied",
                says: &[
                    "policies.yaml:26:9",
                    "cloudfoundry.org/guid: \"1e4a8b1c-guid\"",
                ],
                never: &[
                    "pod-index",
                    "statefulset.kubernetes.io/pod-name: \"dora-dev-1-0\"}}",
                ],
            },
            // PERMISSIVE and no NetworkPolicy: finding 2.
            Case {
                flow: ["monitoring/prometheus", "kpack/kpack-webhook", "8443"],
                verdict: "allowed",
                says: &[
                    "policies.yaml:191:9",
                    "port 8443 is PERMISSIVE",
                    "wire plaintext is possible",
                ],
                never: &[],
            },
            // The gateway terminates TLS: findings and `wire` follow its servers.
            Case {
                flow: ["203.0.113.10", "istio-system/istio-ingressgateway", "8443"],
                verdict: "allowed",
                says: &["policies.yaml:109:5", "wire TLS is proven"],
                never: &[],
            },
        ],
    );
}

#[test]
fn eem_and_fybrik() {
    check(
        "examples/eem",
        &[
            // Ingress without `from`: everybody.
            Case {
                flow: ["203.0.113.10", "my-eem-ns/ibm-eem-operator", "8443"],
                verdict: "allowed",
                says: &["policies.yaml:17:5"],
                never: &[],
            },
            Case {
                flow: [
                    "my-eem-ns/my-manager-ibm-eem-manager",
                    "my-eem-ns/my-gateway-ibm-egw-gateway",
                    "3000",
                ],
                verdict: "denied",
                says: &["ports: [{port: 3000, protocol: TCP}]"],
                never: &["pod-index"],
            },
        ],
    );
    check(
        "examples/fybrik",
        &[
            Case {
                flow: [
                    "fybrik-system/manager",
                    "fybrik-system/opa-connector",
                    "8080",
                ],
                verdict: "allowed",
                says: &["policies.yaml:22:5"],
                never: &[],
            },
            Case {
                flow: [
                    "fybrik-notebook-sample/my-notebook",
                    "fybrik-system/opa-connector",
                    "8080",
                ],
                verdict: "denied",
                says: &["policies.yaml:7:9", "To allow it"],
                never: &[],
            },
        ],
    );
}

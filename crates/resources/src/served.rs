//! How an API server serves the kinds: resource names, which it has built in, which no answer can do
//! without, and what of an object no reader looks at. Derived from [`KINDS`], so that a new kind is one line.

use crate::kinds::{KINDS, Kind};
use crate::{pods, read};

/// Fields of `metadata` that nobody reads.
pub use crate::head::IGNORED as UNREAD_OF_METADATA;

/// API groups that every Kubernetes cluster serves.
const BUILT_IN: [&str; 6] = [
    "",
    "admissionregistration.k8s.io",
    "apps",
    "batch",
    "discovery.k8s.io",
    "networking.k8s.io",
];

/// Other kinds that lints read: group and kind.
pub const READ_BY_LINTS: &[(&str, &str)] = &[
    (
        "admissionregistration.k8s.io",
        "ValidatingWebhookConfiguration",
    ),
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
    ("rbac.authorization.k8s.io", "ClusterRole"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
    ("rbac.authorization.k8s.io", "Role"),
    ("rbac.authorization.k8s.io", "RoleBinding"),
];

/// The one ConfigMap that is read: the configuration of the mesh.
pub const MESH_CONFIG_MAP: &str = "istio";

/// Fields of `status` that are read, by kind. No other kind has any.
pub const STATUS_READ: &[(&str, &[&str])] = &[
    ("Node", &["addresses"]),
    ("Pod", &["hostIP", "hostIPs", "phase", "podIP", "podIPs"]),
    ("Service", &["loadBalancer"]),
];

/// Fields of a pod's spec that are not read; `lints` says whether lints are to be asked.
pub fn unread_of_pods(lints: bool) -> impl Iterator<Item = &'static str> {
    let fields = pods::POD_FIELDS.into_iter();
    fields.filter(move |field| !lints || *field != "automountServiceAccountToken")
}

/// The same for a container; environments are among them.
pub fn unread_of_containers(lints: bool) -> impl Iterator<Item = &'static str> {
    let fields = pods::CONTAINER_FIELDS.into_iter();
    fields.filter(move |field| !lints || !field.ends_with("Probe"))
}

impl Kind {
    /// The name of its resource, for example `networkpolicies`.
    #[must_use]
    pub fn plural(&self) -> String {
        plural(self.name)
    }

    /// Whether every cluster serves it.
    #[must_use]
    pub fn is_built_in(&self) -> bool {
        BUILT_IN.contains(&self.group)
    }

    /// Whether nothing can be said without it: namespaces, what runs in them, and NetworkPolicy. What
    /// other kinds do can be told as not known.
    #[must_use]
    pub fn is_essential(&self) -> bool {
        self.is_built_in()
            && (self.namespaced || self.name == "Namespace")
            && !matches!(self.name, "ConfigMap" | "EndpointSlice" | "Ingress")
    }
}

/// The name of a kind's resource, as Kubernetes makes it (`apimachinery`, `UnsafeGuessKindToResource`).
#[must_use]
pub fn plural(kind: &str) -> String {
    let name = kind.to_lowercase();
    let vowel = |end: char| "aeiou".contains(end);
    match name.strip_suffix('y') {
        Some(stem) if !stem.ends_with(vowel) => format!("{stem}ies"),
        _ if name.ends_with('s') => format!("{name}es"),
        _ => format!("{name}s"),
    }
}

/// Whether a kind that is not read restricts or redirects traffic, so that answers leave its effect out.
#[must_use]
pub fn is_policy_not_read(group: &str, kind: &str) -> bool {
    let ours = KINDS.iter().any(|k| k.group == group && k.name == kind);
    !ours && read::is_other_policy(group, kind)
}

#[cfg(test)]
mod tests {
    use super::{is_policy_not_read, plural};
    use crate::KINDS;

    /// The names that Kubernetes, the Gateway API, Istio and OpenShift register.
    #[test]
    fn resources_are_called_as_they_are_registered() {
        let names: Vec<String> = KINDS.iter().map(|kind| kind.plural()).collect();
        let expected = "gateways adminnetworkpolicies authorizationpolicies baselineadminnetworkpolicies \
            clusternetworkpolicies configmaps cronjobs daemonsets deployments destinationrules endpointslices \
            gateways grpcroutes httproutes ingresses ingressclasses jobs mutatingwebhookconfigurations namespaces \
            networkpolicies nodes peerauthentications pods referencegrants replicasets routes services \
            serviceentries sidecars statefulsets tcproutes tlsroutes udproutes virtualservices";
        assert_eq!(names.join(" "), expected);
        assert_eq!(
            plural("CustomResourceDefinition"),
            "customresourcedefinitions"
        );
    }

    #[test]
    fn no_answer_goes_without_what_runs_and_what_keeps_it_apart() {
        let essential = KINDS.iter().filter(|kind| kind.is_essential());
        let names: Vec<&str> = essential.map(|kind| kind.name).collect();
        assert_eq!(
            names.join(" "),
            "CronJob DaemonSet Deployment Job Namespace NetworkPolicy Pod ReplicaSet Service StatefulSet"
        );
    }

    #[test]
    fn policies_of_network_plugins_are_known_by_name() {
        assert!(is_policy_not_read("cilium.io", "CiliumNetworkPolicy"));
        assert!(is_policy_not_read(
            "crd.projectcalico.org",
            "GlobalNetworkPolicy"
        ));
        assert!(is_policy_not_read("networking.istio.io", "EnvoyFilter"));
        assert!(!is_policy_not_read("networking.k8s.io", "NetworkPolicy"));
        assert!(!is_policy_not_read("", "Secret"));
    }
}

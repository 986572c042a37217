//! Which service accounts may ask the API server for something.

use super::{reference, text};
use palisade_diagnostics::Span;
use palisade_netmodel::{ObjectRef, Written};
use palisade_yaml::Node;
use std::collections::BTreeSet;

/// Roles that OpenShift binds to let pods run, not to let them call.
const TO_RUN: &str = "system:openshift:scc:";

/// Bindings and roles, until all are read.
#[derive(Default)]
pub(super) struct Roles {
    /// Account, role, place.
    bindings: Vec<(ObjectRef, Role, Span)>,
    /// Roles that only let pods run.
    to_run: BTreeSet<Role>,
}

/// Kind, namespace (empty for a ClusterRole), name.
type Role = (String, String, String);

impl Roles {
    /// Reads a role or a binding; anything else is passed over.
    pub(super) fn read(&mut self, node: Node<'_>, kind: &str) {
        match kind {
            "RoleBinding" | "ClusterRoleBinding" => self.binding(node),
            "Role" | "ClusterRole" => self.role(node, kind),
            _ => {}
        }
    }

    /// The service accounts among the subjects (`Kubernetes documentation, Using RBAC Authorization:
    /// Referring to subjects`).
    fn binding(&mut self, node: Node<'_>) {
        let (Some(own), Some(role)) = (reference(node), node.get("roleRef")) else {
            return;
        };
        let (Some(kind), Some(name)) = (text(role, "kind"), text(role, "name")) else {
            return;
        };
        let role = key(kind, &own.namespace, name);
        for subject in node.get("subjects").into_iter().flat_map(Node::items) {
            let (Some("ServiceAccount"), Some(name)) =
                (text(subject, "kind"), text(subject, "name"))
            else {
                continue;
            };
            let namespace = text(subject, "namespace").unwrap_or(&own.namespace);
            let account = ObjectRef::new(namespace, name);
            self.bindings.push((account, role.clone(), subject.span()));
        }
    }

    /// A role whose only verb is `use` is about security contexts: it is asked when a pod is admitted.
    fn role(&mut self, node: Node<'_>, kind: &str) {
        let Some(own) = reference(node) else { return };
        let rules = || node.get("rules").into_iter().flat_map(Node::items);
        let verbs = || rules().filter_map(|rule| rule.get("verbs"));
        let only_use = verbs()
            .flat_map(Node::items)
            .all(|verb| verb.as_str() == Some("use"));
        if only_use && verbs().next().is_some() {
            self.to_run.insert(key(kind, &own.namespace, &own.name));
        }
    }

    /// What is left when all is read.
    pub(super) fn finish(self, out: &mut Written) {
        for (account, role, span) in self.bindings {
            if !self.to_run.contains(&role) && !role.2.starts_with(TO_RUN) {
                out.bound.entry(account).or_insert(span);
            }
        }
    }
}

fn key(kind: &str, namespace: &str, name: &str) -> Role {
    let namespace = match kind {
        "ClusterRole" => "",
        _ => namespace,
    };
    (kind.to_owned(), namespace.to_owned(), name.to_owned())
}

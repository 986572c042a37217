//! What a receiver accepts (`istio.io, PeerAuthentication`).

use super::mesh::plain_cause;
use crate::{Cause, Labels, Layer, MtlsMode, Outcome, PeerAuthentication, Pod, Subject, World};

/// The mode of a workload's port, and the policy that sets it.
///
/// Workload level over namespace level over mesh level; the oldest of each level; UNSET inherits;
/// PERMISSIVE if nothing is set. A selector in the root namespace is ignored. `portLevelMtls` counts
/// only in the workload-level policy, by container port.
pub(super) fn mode(world: &World, pod: &Pod, port: u16) -> (MtlsMode, Cause) {
    let root = world.mesh.root_namespace.as_str();
    let oldest = |wanted: &dyn Fn(&PeerAuthentication) -> bool| {
        world.peer_authentications.iter().find(|p| wanted(p))
    };
    let mesh = oldest(&|p| p.object.namespace == root && p.selector.0.is_empty());
    let namespace = oldest(&|p| {
        p.object.namespace == pod.namespace && p.object.namespace != root && p.selector.0.is_empty()
    });
    let workload = oldest(&|p| {
        p.object.namespace == pod.namespace
            && p.object.namespace != root
            && !p.selector.0.is_empty()
            && matches(&p.selector, &pod.labels)
    });
    let mut mode = MtlsMode::Permissive;
    let mut by = None;
    for policy in [mesh, namespace, workload].into_iter().flatten() {
        if let Some(set) = policy.mode {
            mode = set;
            by = Some(policy);
        }
    }
    let own = workload.and_then(|w| Some((w, (*w.ports.get(&port)?)?)));
    if let Some((policy, set)) = own {
        mode = set;
        by = Some(policy);
    }
    (mode, cause(mode, by, port))
}

fn cause(mode: MtlsMode, by: Option<&PeerAuthentication>, port: u16) -> Cause {
    match by {
        None => plain_cause(
            Layer::PeerAuthentication,
            Outcome::Allow,
            format!("no PeerAuthentication applies: port {port} is {mode}"),
        ),
        Some(policy) => Cause {
            layer: Layer::PeerAuthentication,
            outcome: Outcome::Allow,
            subject: Some(Subject {
                kind: "PeerAuthentication",
                object: policy.object.clone(),
            }),
            origin: policy.origin,
            text: format!("port {port} is {mode}"),
        },
    }
}

/// `selector.matchLabels`: every label is there.
pub(super) fn matches(selector: &Labels, labels: &Labels) -> bool {
    selector
        .0
        .iter()
        .all(|(key, value)| labels.get(key) == Some(value.as_str()))
}

//! What a receiver accepts (`istio.io, PeerAuthentication`).

use super::View;
use super::mesh::plain_cause;
use crate::{Cause, Layer, MtlsMode, Outcome, PeerAuthentication, Pod, Subject};

/// The mode of a workload's port, and the policy that sets it.
///
/// Workload level over namespace level over mesh level; the oldest of each level; UNSET inherits;
/// PERMISSIVE if nothing is set. A selector in the root namespace is ignored. `portLevelMtls` counts
/// only in the workload-level policy, by container port.
pub(super) fn mode(world: View<'_>, pod: &Pod, port: u16) -> (MtlsMode, Cause) {
    let levels = levels(world, pod);
    let mut mode = MtlsMode::Permissive;
    let mut by = None;
    for policy in levels.into_iter().flatten() {
        if let Some(set) = policy.mode {
            mode = set;
            by = Some(policy);
        }
    }
    let [_, _, workload] = levels;
    let own = workload.and_then(|w| Some((w, (*w.ports.get(&port)?)?)));
    if let Some((policy, set)) = own {
        mode = set;
        by = Some(policy);
    }
    (mode, cause(mode, by, port))
}

/// What callers know of a namespace, where they look at no single pod: the policies without a selector, of the
/// namespace and of the mesh (`istio, push_context.go, BestEffortInferServiceMTLSMode`).
pub(super) fn of_namespace(world: View<'_>, namespace: &str) -> MtlsMode {
    let root = world.mesh.root_namespace.as_str();
    let mut mode = MtlsMode::Permissive;
    for place in [root, namespace] {
        let oldest = world
            .peer_authentications()
            .find(|p| p.object.namespace == place && p.selector.is_empty());
        mode = oldest.and_then(|policy| policy.mode).unwrap_or(mode);
    }
    mode
}

/// What ztunnel makes of plaintext to a port of a pod that it captures, as the step in words.
///
/// PeerAuthentication becomes a DENY of callers without identity where the mode is STRICT; DISABLE is
/// PERMISSIVE (`istio, ambient/authorization.go`). One combination is translated by halves: a port set to
/// DISABLE in a policy without a mode of its own, under a STRICT parent. It is not guessed.
pub(super) fn plaintext(world: View<'_>, pod: &Pod, port: u16) -> Cause {
    let (mode, mut cause) = mode(world, pod, port);
    let [mesh, namespace, workload] = levels(world, pod);
    let parent = [namespace, mesh].into_iter().flatten().find_map(|p| p.mode);
    let by_port = workload
        .is_some_and(|w| w.mode.is_none() && w.ports.get(&port) == Some(&Some(MtlsMode::Disable)));
    if by_port && parent == Some(MtlsMode::Strict) {
        cause.outcome = Outcome::Depends;
        cause.text.push_str(
            ": ztunnel does not support it under a STRICT parent without a mode of the workload",
        );
    } else if mode == MtlsMode::Strict {
        cause.outcome = Outcome::Deny;
        cause.text.push_str("; ztunnel refuses plaintext");
    }
    cause
}

/// The policies of the mesh, the namespace and the workload, the oldest of each.
fn levels<'w>(world: View<'w>, pod: &Pod) -> [Option<&'w PeerAuthentication>; 3] {
    let root = world.mesh.root_namespace.as_str();
    let oldest = |wanted: &dyn Fn(&PeerAuthentication) -> bool| {
        world.peer_authentications().find(|p| wanted(p))
    };
    let mesh = oldest(&|p| p.object.namespace == root && p.selector.is_empty());
    let namespace = oldest(&|p| {
        p.object.namespace == pod.namespace && p.object.namespace != root && p.selector.is_empty()
    });
    let workload = oldest(&|p| {
        p.object.namespace == pod.namespace
            && p.object.namespace != root
            && !p.selector.is_empty()
            && pod.labels.include(&p.selector)
    });
    [mesh, namespace, workload]
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

//! Sidecars that cannot reach istiod.

use super::Lint;
use super::context::{Context, Expect};
use crate::engine::EndpointId;
use palisade_diagnostics::{Diagnostic, Severity};
use palisade_netmodel::{Direction, Pod, Protocol};
use std::collections::BTreeMap;

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "no-mesh-control-plane",
    code: "PAL0622",
    severity: Severity::Warning,
    summary: "Policies cut a sidecar off from istiod, so that it gets no certificate and no configuration.",
    check,
};

/// Where sidecars get certificates and configuration (`Istio documentation, Ports used by Istio`).
const PORT: (Protocol, u16) = (Protocol::Tcp, 15012);

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let control: Vec<EndpointId> = control_plane(cx);
    let Some(istiod) = control.first().copied() else {
        return Vec::new();
    };
    // One finding for each policy that closes the way.
    let mut groups: BTreeMap<(usize, Direction), Vec<EndpointId>> = BTreeMap::new();
    for sidecar in cx.sidecars().iter().copied() {
        let closed = |direction| {
            control.iter().all(|target| {
                let may = cx.engine.half(direction, sidecar, *target).may;
                !may.contains(PORT.0, PORT.1)
            })
        };
        for (direction, end) in [(Direction::Egress, sidecar), (Direction::Ingress, istiod)] {
            if closed(direction)
                && let Some(policy) = cx.engine.isolating(direction, end).first()
            {
                groups
                    .entry((*policy, direction))
                    .or_default()
                    .push(sidecar);
            }
        }
    }
    let groups = groups.into_iter();
    groups
        .map(|((policy, direction), pods)| describe(cx, policy, direction, &pods, istiod))
        .collect()
}

fn control_plane(cx: &Context<'_>) -> Vec<EndpointId> {
    let is_istiod = |pod: &Pod| {
        pod.labels.get("istio") == Some("pilot") || pod.labels.get("app") == Some("istiod")
    };
    let here = cx.pods_in(&cx.world.mesh.root_namespace).iter().copied();
    here.filter(|e| cx.engine.is_destination(*e) && cx.engine.pod(*e).is_some_and(is_istiod))
        .collect()
}

fn describe(
    cx: &Context<'_>,
    policy: usize,
    direction: Direction,
    pods: &[EndpointId],
    istiod: EndpointId,
) -> Diagnostic {
    let few = cx.names().few(pods.iter().copied());
    let place = cx.world.network_policies.get(policy);
    let (text, help) = match direction {
        Direction::Egress => (
            "closes the way out to 15012/TCP",
            "add an egress rule to the pods of istiod on 15012/TCP",
        ),
        Direction::Ingress => (
            "does not admit it on 15012/TCP",
            "admit the pod's namespace to 15012/TCP at istiod",
        ),
    };
    let finding = LINT
        .finding(format!("the sidecar of {few} cannot reach istiod"))
        .at_opt(place.and_then(|p| p.origin.0), text)
        .note(format!(
            "concerns {}",
            cx.names().list(pods.iter().copied())
        ))
        .help(help);
    match pods.first() {
        Some(pod) => cx.shown(finding, (*pod, istiod), PORT, Expect::Refused),
        None => finding,
    }
}

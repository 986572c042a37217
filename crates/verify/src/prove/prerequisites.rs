//! What the proof rests on: unknown unless the input shows it.

use super::Context;
use crate::engine::EndpointId;
use crate::names::shortened;
use palisade_diagnostics::{Prerequisite, Verdict};
use palisade_netmodel::{Capture, Enforcement, MeshMode, Phase, PortSet, Proxy, World};
use roaring::RoaringBitmap;
use std::collections::BTreeSet;

/// Every prerequisite of a proof, in a fixed order.
pub(super) fn of(context: &Context<'_>) -> Vec<Prerequisite> {
    let (intent, world) = (context.intent, context.world);
    let mut out = Vec::new();
    if !intent.claims.is_empty() {
        out.push(enforced(world));
    }
    let mesh = intent.zones.iter().any(|z| z.mesh == MeshMode::Sidecar)
        || intent
            .components
            .iter()
            .any(|c| c.mesh == MeshMode::Sidecar);
    if mesh {
        out.push(injector(world));
        out.push(sidecars(world));
    }
    out.extend(captured(world));
    out.extend(absent(context));
    out.extend(requests(context));
    out.extend(certificates(context));
    out.extend(host_network(world));
    for wanted in &intent.prerequisites {
        if !matches!(
            wanted.capability.as_str(),
            "NetworkPolicyEnforced" | "SidecarInjectionWebhook"
        ) {
            let least = wanted
                .min
                .as_ref()
                .map_or_else(String::new, |m| format!(" {m} or later"));
            out.push(Prerequisite {
                title: format!("{}{least}", wanted.capability),
                verdict: Verdict::Unknown,
                detail: format!("the input does not show it; {}", wanted.reason),
            });
        }
    }
    out
}

fn enforced(world: &World) -> Prerequisite {
    let name = world.profile.cni.name.as_deref().unwrap_or("unknown");
    let (verdict, detail) = match world.profile.cni.enforcement {
        Enforcement::Enforced => (Verdict::Holds, format!("network plugin: {name}")),
        Enforcement::NotEnforced => (
            Verdict::Fails,
            format!("network plugin `{name}` ignores NetworkPolicy: every pod can reach every pod"),
        ),
        Enforcement::NotShown => (
            Verdict::Unknown,
            "the input does not show the network plugin; name it with `--cni` (for example calico)"
                .to_owned(),
        ),
    };
    Prerequisite {
        title: "the network plugin enforces NetworkPolicy".to_owned(),
        verdict,
        detail,
    }
}

fn injector(world: &World) -> Prerequisite {
    let (verdict, detail) = if world.mesh.injector_shown {
        (Verdict::Holds, "the input holds Istio's injection webhook")
    } else {
        (
            Verdict::Unknown,
            "the input holds no MutatingWebhookConfiguration of Istio",
        )
    };
    Prerequisite {
        title: "sidecar injection is on".to_owned(),
        verdict,
        detail: detail.to_owned(),
    }
}

/// Injection happens when a pod is made: pods that are older than the label have no proxy.
fn sidecars(world: &World) -> Prerequisite {
    let live = || world.pods.iter().filter(|p| p.phase == Phase::Live);
    let restart: Vec<String> = live()
        .filter(|p| matches!(&p.proxy, Proxy::None { reason } if reason.contains("restart")))
        .map(|p| p.object().to_string())
        .collect();
    let assumed = live()
        .filter(|p| matches!(p.proxy, Proxy::Sidecar { shown: false, .. }))
        .count();
    let (verdict, detail) = if !restart.is_empty() {
        (
            Verdict::Fails,
            format!("these pods need a restart: {}", restart.join(", ")),
        )
    } else if assumed > 0 {
        (
            Verdict::Unknown,
            format!(
                "{assumed} pods are known from templates only; running pods that are older than the injection label need a restart"
            ),
        )
    } else {
        (
            Verdict::Holds,
            "every pod in the mesh shows its proxy".to_owned(),
        )
    };
    Prerequisite {
        title: "pods of the mesh run with their sidecar".to_owned(),
        verdict,
        detail,
    }
}

/// A pod is captured by an agent of its node, which the pod's labels ask and its annotation shows.
fn captured(world: &World) -> Option<Prerequisite> {
    let captures = world.pods.iter().filter(|p| p.phase == Phase::Live);
    let captures: Vec<Capture> = captures
        .filter_map(|p| match p.proxy {
            Proxy::Ambient { capture, .. } => Some(capture),
            _ => None,
        })
        .collect();
    let hidden = captures.iter().filter(|c| **c != Capture::Shown).count();
    let (verdict, detail) = match (captures.is_empty(), hidden) {
        (true, _) => return None,
        (false, 0) => (
            Verdict::Holds,
            "every pod in ambient mode shows that it is captured".to_owned(),
        ),
        (false, _) => (
            Verdict::Unknown,
            format!(
                "{hidden} pods ask for ambient mode, and the input does not show that their node's agent captures them"
            ),
        ),
    };
    Some(Prerequisite {
        title: "pods in ambient mode are captured by ztunnel".to_owned(),
        verdict,
        detail,
    })
}

/// Components that select no pod: their flows are true of nothing.
fn absent(context: &Context<'_>) -> Option<Prerequisite> {
    let names: BTreeSet<&str> = context
        .intent
        .components
        .iter()
        .enumerate()
        .filter(|(index, component)| {
            let here = context.declared.component(*index);
            !component.open && here.is_none_or(RoaringBitmap::is_empty)
        })
        .map(|(_, component)| component.name.as_str())
        .collect();
    (!names.is_empty()).then(|| Prerequisite {
        title: "every component is deployed".to_owned(),
        verdict: Verdict::Unknown,
        detail: format!(
            "no pod is selected by {}: their flows were not tested",
            shortened(names.iter().copied())
        ),
    })
}

/// Flows that are limited to some requests, where every request passes.
fn requests(context: &Context<'_>) -> Option<Prerequisite> {
    let engine = context.engine;
    let mut flows = BTreeSet::new();
    for (index, grant) in context.intent.grants.iter().enumerate() {
        let Some((from, to)) = context
            .declared
            .ends(index)
            .filter(|_| grant.http.is_some())
        else {
            continue;
        };
        for destination in to.iter().map(EndpointId) {
            let wanted = engine.ports_at(grant.ports.as_deref(), destination);
            let open = from.iter().map(EndpointId).any(|source| {
                let ends = (source, destination);
                engine.is_pair(source, destination)
                    && !context
                        .pair(ends)
                        .passage
                        .must
                        .intersection(&wanted)
                        .is_empty()
            });
            if open {
                flows.insert(grant.id.as_str());
            }
        }
    }
    (!flows.is_empty()).then(|| Prerequisite {
        title: "methods and paths are kept to".to_owned(),
        verdict: Verdict::Unknown,
        detail: format!(
            "nothing that is deployed limits the requests of {}: every request passes",
            shortened(flows.iter().copied())
        ),
    })
}

/// Declared flows to ports that no Service leads to: a sidecar sends plaintext to a bare pod address, so
/// they pass a STRICT receiver only if the process uses the mesh certificate itself.
fn certificates(context: &Context<'_>) -> Option<Prerequisite> {
    let engine = context.engine;
    let mut flows = BTreeSet::new();
    for (index, grant) in context.intent.grants.iter().enumerate() {
        let Some((from, to)) = context.declared.ends(index) else {
            continue;
        };
        let receivers = to.iter().map(EndpointId);
        for destination in receivers.filter(|e| engine.is_proxied(*e)) {
            let wanted = engine.ports_at(grant.ports.as_deref(), destination);
            let bare = from.iter().map(EndpointId).any(|source| {
                engine.is_pair(source, destination)
                    && by_certificate(context, (source, destination), &wanted)
            });
            if bare {
                flows.insert(grant.id.as_str());
            }
        }
    }
    (!flows.is_empty()).then(|| Prerequisite {
        title: "callers of ports without a Service use their mesh certificate".to_owned(),
        verdict: Verdict::Unknown,
        detail: format!(
            "no Service leads to ports of these flows, and sidecars send plaintext to bare pod addresses: {}",
            shortened(flows.iter().copied())
        ),
    })
}

/// Whether some wanted port passes only with the caller's certificate.
fn by_certificate(context: &Context<'_>, ends: (EndpointId, EndpointId), wanted: &PortSet) -> bool {
    let pair = context.pair(ends);
    let bare = pair.by_certificate.intersection(&pair.passage.may);
    !bare.intersection(wanted).is_empty()
}

/// No policy selects the host network; say so where it matters.
fn host_network(world: &World) -> Option<Prerequisite> {
    let mut names: Vec<String> = world
        .pods
        .iter()
        .filter(|p| p.host_network && p.phase == Phase::Live)
        .map(|p| format!("{}/{}", p.namespace, p.workload.name))
        .collect();
    names.sort();
    names.dedup();
    (!names.is_empty()).then(|| Prerequisite {
        title: "host-network pods are trusted".to_owned(),
        verdict: Verdict::Unknown,
        detail: format!(
            "NetworkPolicy does not apply to {}: they appear as their node",
            names.join(", ")
        ),
    })
}

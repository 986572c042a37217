//! Selectors that go by a label which pods of several applications have.

use super::Lint;
use super::context::Context;
use crate::engine::EndpointId;
use palisade_diagnostics::{Diagnostic, Severity, Span};
use palisade_netmodel::{NetworkPolicy, Operator, Peer, Pod, Selector};
use std::collections::{BTreeMap, BTreeSet};

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "label-collision",
    code: "PAL0653",
    severity: Severity::Warning,
    summary: "A selector goes by the part that a pod plays, and pods of several applications play it.",
    check,
};

/// Labels that say which part of an application a pod is, and not of which application
/// (`Kubernetes documentation, Recommended Labels`, and what came before them).
const PARTS: [&str; 2] = ["app.kubernetes.io/component", "component"];

/// Labels by which different applications belong together.
const TOGETHER: [&str; 2] = ["app.kubernetes.io/instance", "app.kubernetes.io/part-of"];

/// Labels that say of which application a pod is, most telling first.
const APPLICATIONS: [&str; 4] = ["app.kubernetes.io/name", "app", "k8s-app", "name"];

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for (index, policy, written) in cx.policies() {
        let span = written.and_then(|w| w.pod_selector).or(policy.origin.0);
        let pods = cx.subjects(index);
        out.extend(judge(cx, policy, &policy.pod_selector, (span, pods)));
    }
    for view in cx.rules() {
        for (index, peer) in view.rule.peers.iter().flatten().enumerate() {
            if let Peer::Pods { pods, .. } = peer {
                let place = (view.peer_span(index), &*cx.peer(peer));
                out.extend(judge(cx, view.policy, pods, place));
            }
        }
    }
    out
}

fn judge(
    cx: &Context<'_>,
    policy: &NetworkPolicy,
    selector: &Selector,
    (span, pods): (Option<Span>, &[EndpointId]),
) -> Option<Diagnostic> {
    if !is_by_part(selector) {
        return None;
    }
    let groups = applications(cx, pods)?;
    // A policy that is named after one of them means that one.
    let words: BTreeSet<&str> = policy.object.name.split(['-', '.']).collect();
    let (meant, others): (Vec<&str>, Vec<&str>) = groups
        .keys()
        .copied()
        .partition(|name| words.contains(name));
    let title = format!(
        "`{selector}` in `{}` means pods of {} applications",
        policy.object,
        groups.len()
    );
    let finding = match (meant.as_slice(), others.as_slice()) {
        ([_], [_, ..]) => LINT.finding(title),
        _ => LINT.note(title),
    };
    let texts: Vec<String> = groups
        .iter()
        .map(|(name, pods)| format!("{name}: {}", cx.names().few(pods.iter().copied())))
        .collect();
    Some(
        finding
            .at_opt(span, "says the part, and not of which application")
            .note(texts.join("; "))
            .help("add a label that only the application has which is meant"),
    )
}

/// Whether a selector asks for one part, and for nothing else.
fn is_by_part(selector: &Selector) -> bool {
    !selector.is_everything()
        && selector.requirements.iter().all(|r| {
            let one = matches!(&r.operator, Operator::In(values) if values.len() == 1);
            one && PARTS.contains(&r.key.as_str())
        })
}

/// The pods by their application, if they have a label in common that tells several apart.
fn applications<'w>(
    cx: &Context<'w>,
    pods: &[EndpointId],
) -> Option<BTreeMap<&'w str, Vec<EndpointId>>> {
    let live: Vec<(EndpointId, &Pod)> = pods
        .iter()
        .filter_map(|e| Some((*e, cx.engine.pod(*e)?)))
        .filter(|(_, pod)| !pod.host_group)
        .collect();
    let together = |key: &&str| {
        let values: BTreeSet<Option<&str>> =
            live.iter().map(|(_, pod)| pod.labels.get(key)).collect();
        values.len() == 1 && !values.contains(&None)
    };
    if TOGETHER.iter().any(together) {
        return None;
    }
    APPLICATIONS.iter().find_map(|key| {
        let mut groups: BTreeMap<&str, Vec<EndpointId>> = BTreeMap::new();
        for (endpoint, pod) in &live {
            let name = pod.template.labels.get(key)?;
            groups.entry(name).or_default().push(*endpoint);
        }
        (groups.len() > 1).then_some(groups)
    })
}

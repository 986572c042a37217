//! Ports of Services in policies, where the ports of pods are meant.

use super::Lint;
use super::context::{Context, Expect, RuleView};
use super::destinations::{behind_service, numbers, of_rule, undeclared};
use crate::engine::EndpointId;
use palisade_diagnostics::{Diagnostic, Severity};
use palisade_netmodel::{Direction, Protocol};

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "service-port-in-policy",
    code: "PAL0623",
    severity: Severity::Warning,
    summary: "A rule names the port of a Service; policies see the port of the pod behind it.",
    check,
};

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for view in cx.rules() {
        let Some(pods) = of_rule(cx, view) else {
            continue;
        };
        for (index, protocol, port) in numbers(view) {
            if let Some(target) = mistaken(cx, &pods, protocol, port) {
                out.push(describe(cx, view, &pods, (index, protocol, port), target));
            }
        }
    }
    out
}

/// The port that was meant, if every pod declares other ports only and is behind a Service with
/// this one.
pub(super) fn mistaken(
    cx: &Context<'_>,
    pods: &[EndpointId],
    protocol: Protocol,
    port: u16,
) -> Option<u16> {
    let mut found = None;
    for endpoint in pods {
        let pod = cx.engine.pod(*endpoint)?;
        if !undeclared(pod, protocol, port) {
            return None;
        }
        let target = behind_service(cx, pod, protocol, port)?;
        if found.is_some_and(|known| known != target) {
            return None;
        }
        found = Some(target);
    }
    found
}

fn describe(
    cx: &Context<'_>,
    view: RuleView<'_>,
    pods: &[EndpointId],
    (index, protocol, port): (usize, Protocol, u16),
    target: u16,
) -> Diagnostic {
    let names = cx.names();
    let opens_target = view.rule.ports.iter().flatten().any(|p| {
        matches!(p, palisade_netmodel::PolicyPort::Range { protocol: q, first, last }
            if *q == protocol && *first <= target && target <= *last)
    });
    let title = format!(
        "`{}` opens {port}/{protocol}, a port of the Service and not of its pods",
        view.policy.object
    );
    // Some plugins match before the Service is resolved, so both are written on purpose.
    if opens_target {
        return LINT
            .note(title)
            .at_opt(
                view.port_span(index),
                format!("has no effect: {target}/{protocol} stands beside it"),
            )
            .help(
                "remove it, unless the network plugin matches ports before Services are resolved",
            );
    }
    let finding = LINT
        .finding(title)
        .at_opt(
            view.port_span(index),
            format!("the pods listen on {target}/{protocol}"),
        )
        .note(format!("concerns {}", names.list(pods.iter().copied())))
        .help(format!("write {target}, the `targetPort` of the Service"));
    witness(cx, finding, view, pods, (protocol, target))
}

/// A caller that the rule means, refused on the port that was meant.
fn witness(
    cx: &Context<'_>,
    finding: Diagnostic,
    view: RuleView<'_>,
    pods: &[EndpointId],
    port: (Protocol, u16),
) -> Diagnostic {
    let ends: Vec<(EndpointId, EndpointId)> = match view.direction {
        Direction::Egress => cx
            .subjects(view.index)
            .iter()
            .flat_map(|s| pods.iter().map(|d| (*s, *d)))
            .collect(),
        Direction::Ingress => {
            let peers = view.rule.peers.iter().flatten();
            let sources: Vec<EndpointId> = match &view.rule.peers {
                None => cx.addresses().to_vec(),
                Some(_) => peers.flat_map(|peer| cx.peer(peer).to_vec()).collect(),
            };
            sources
                .iter()
                .flat_map(|s| pods.iter().map(|d| (*s, *d)))
                .collect()
        }
    };
    let refused = ends.into_iter().find(|(s, d)| {
        cx.engine.is_pair(*s, *d)
            && !cx
                .engine
                .half(view.direction, *s, *d)
                .may
                .contains(port.0, port.1)
    });
    match refused {
        Some(pair) => cx.shown(finding, pair, port, Expect::Refused),
        None => finding,
    }
}

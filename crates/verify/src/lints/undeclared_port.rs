//! Ports that a policy opens and no pod declares.

use super::Lint;
use super::context::{Context, RuleView};
use super::destinations::{is_target, numbers, of_rule, undeclared};
use super::{service_port_in_policy, wrong_protocol};
use palisade_diagnostics::{Diagnostic, Severity};
use palisade_netmodel::{Direction, NamespaceMatch, Peer};

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "undeclared-port",
    code: "PAL0624",
    severity: Severity::Note,
    summary: "A rule opens a port that none of its pods declares.",
    check,
};

fn means_every_namespace(view: RuleView<'_>) -> bool {
    let mut peers = view.rule.peers.iter().flatten();
    view.direction == Direction::Egress
        && peers.any(|peer| {
            matches!(peer, Peer::Pods { namespaces: NamespaceMatch::Selector(s), .. } if s.is_everything())
        })
}

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for view in cx.rules() {
        let Some(pods) = of_rule(cx, view).filter(|pods| !pods.is_empty()) else {
            continue;
        };
        // Every namespace means pods too that the input need not show, as those of DNS.
        if means_every_namespace(view) {
            continue;
        }
        for (index, protocol, port) in numbers(view) {
            let silent = pods.iter().all(|e| {
                cx.engine.pod(*e).is_some_and(|pod| {
                    undeclared(pod, protocol, port) && !is_target(cx, pod, protocol, port)
                })
            });
            // Where another lint knows what was meant, it tells.
            let explained = service_port_in_policy::mistaken(cx, &pods, protocol, port).is_some()
                || wrong_protocol::meant(cx, &pods, protocol, port).is_some();
            if silent && !explained {
                let all = pods.iter().filter_map(|e| cx.engine.pod(*e));
                let declared = all.fold(palisade_netmodel::PortSet::empty(), |set, pod| {
                    set.union(&pod.container_ports)
                });
                out.push(
                    LINT.note(format!(
                        "`{}` opens {port}/{protocol}, which no pod declares",
                        view.policy.object
                    ))
                    .at_opt(
                        view.port_span(index),
                        format!(
                            "declared by {}: {declared}",
                            cx.names().few(pods.iter().copied())
                        ),
                    )
                    .note("a pod may listen on a port that it does not declare")
                    .help("remove the port, or declare it in the container"),
                );
            }
        }
    }
    out
}

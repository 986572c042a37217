//! TCP where UDP is meant, or the reverse.

use super::Lint;
use super::context::{Context, RuleView};
use super::destinations::{numbers, of_rule};
use crate::engine::EndpointId;
use palisade_diagnostics::{Diagnostic, Severity};
use palisade_netmodel::{Direction, PolicyPort, Protocol};

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "wrong-protocol",
    code: "PAL0627",
    severity: Severity::Warning,
    summary: "A rule opens a port by one protocol, and its pods declare it by another.",
    check,
};

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for view in cx.rules() {
        let pods = of_rule(cx, view);
        for (index, protocol, port) in numbers(view) {
            let meant = pods
                .as_deref()
                .and_then(|pods| meant(cx, pods, protocol, port));
            let title = |other: Protocol| {
                format!(
                    "`{}` opens {port}/{protocol}, where {port}/{other} is meant",
                    view.policy.object
                )
            };
            if let Some(other) = meant.filter(|other| !opens(view, *other, port)) {
                out.push(
                    LINT.finding(title(other))
                        .at_opt(
                            view.port_span(index),
                            format!("the pods declare {port}/{other}"),
                        )
                        .help(format!(
                            "write `protocol: {other}`; without `protocol` it is TCP"
                        )),
                );
            } else if is_dns_without_udp(cx, view, (protocol, port)) {
                out.push(
                    LINT.finding(title(Protocol::Udp))
                        .at_opt(view.port_span(index), "DNS asks by UDP first")
                        .help("add `{port: 53, protocol: UDP}` beside it"),
                );
            }
        }
    }
    out
}

/// The protocol by which every pod declares the port, if none does by the one of the rule.
pub(super) fn meant(
    cx: &Context<'_>,
    pods: &[EndpointId],
    protocol: Protocol,
    port: u16,
) -> Option<Protocol> {
    let mut found = None;
    for endpoint in pods {
        let declared = &cx.engine.pod(*endpoint)?.container_ports;
        if declared.contains(protocol, port) {
            return None;
        }
        let other = Protocol::ALL
            .into_iter()
            .find(|p| declared.contains(*p, port))?;
        found = Some(other);
    }
    found
}

/// Whether another port of the rule opens it.
fn opens(view: RuleView<'_>, protocol: Protocol, port: u16) -> bool {
    view.rule.ports.iter().flatten().any(|p| match p {
        PolicyPort::Range {
            protocol: q,
            first,
            last,
        } => *q == protocol && *first <= port && port <= *last,
        PolicyPort::Named { .. } => false,
    })
}

/// 53/TCP on the way out, while no rule of the policy opens 53/UDP.
fn is_dns_without_udp(cx: &Context<'_>, view: RuleView<'_>, at: (Protocol, u16)) -> bool {
    let rules = || cx.rules_of(view.index, Direction::Egress);
    view.direction == Direction::Egress
        && at == (Protocol::Tcp, 53)
        && !rules()
            .into_iter()
            .any(|rule| rule.rule.ports.is_none() || opens(rule, Protocol::Udp, 53))
}

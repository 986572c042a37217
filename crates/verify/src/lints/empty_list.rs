//! Lists of peers or ports that are there and hold nothing: they mean everybody, not nobody.

use super::Lint;
use super::context::{Context, Expect, RuleView};
use palisade_diagnostics::{Diagnostic, Severity, Span};
use palisade_netmodel::Direction;

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "empty-list",
    code: "PAL0612",
    severity: Severity::Warning,
    summary: "An empty or null list of peers or ports means everybody or every port, not none.",
    check,
};

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for view in cx.rules() {
        let Some(written) = view.written else {
            continue;
        };
        let key = match view.direction {
            Direction::Ingress => "from",
            Direction::Egress => "to",
        };
        if let Some(span) = written.empty_peers {
            let title = format!(
                "an empty `{key}` of `{}` means everybody",
                view.policy.object
            );
            out.push(describe(cx, view, (span, key, "everybody"), title));
        }
        if let Some(span) = written.empty_ports {
            let title = format!(
                "an empty `ports` of `{}` means every port",
                view.policy.object
            );
            out.push(describe(cx, view, (span, "ports", "every port"), title));
        }
    }
    for (span, object) in &cx.written.empty_sources {
        out.push(
            LINT.finding(format!(
                "an empty `from` of AuthorizationPolicy `{object}` means everybody"
            ))
            .at(*span, "everybody, as if it were not there")
            .help("name the callers, or remove the key")
            .help("to admit nobody, write no rules"),
        );
    }
    out
}

fn describe(
    cx: &Context<'_>,
    view: RuleView<'_>,
    (span, key, means): (Span, &str, &str),
    title: String,
) -> Diagnostic {
    let finding = LINT
        .finding(title)
        .at(span, format!("{means}, as if it were not there"))
        .help(format!(
            "fill `{key}`, or remove the key if {means} is meant"
        ))
        .help("to admit nobody, remove the whole rule");
    let Some(subject) = cx.subjects(view.index).first().copied() else {
        return finding;
    };
    let port = cx.sample_port(view.rule, subject);
    let index = view.index;
    let by_this = |e| {
        let Some(port) = port else { return false };
        let rule = cx
            .engine
            .admitting_rule(Direction::Ingress, e, subject, port);
        rule.is_some_and(|id| id.policy == index)
    };
    match (port, view.direction) {
        (Some(port), Direction::Ingress) => match cx.open_to(subject, &[port], by_this) {
            Some((source, port)) => cx.shown(finding, (source, subject), port, Expect::Passes),
            None => finding,
        },
        _ => finding,
    }
}

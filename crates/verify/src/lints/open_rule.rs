//! Rules that admit everybody on every port.

use super::Lint;
use super::context::{Context, Expect, RuleView};
use palisade_diagnostics::{Diagnostic, Severity};
use palisade_netmodel::{Direction, NamespaceMatch, Peer};

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "open-rule",
    code: "PAL0610",
    severity: Severity::Note,
    summary: "A rule admits everybody, or every pod of the cluster, on every port.",
    check,
};

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let (entering, leaving): (Vec<RuleView<'_>>, Vec<RuleView<'_>>) = cx
        .rules()
        .into_iter()
        .filter(|view| is_ours(*view))
        .partition(|view| view.direction == Direction::Ingress);
    let mut out: Vec<Diagnostic> = entering
        .iter()
        .filter_map(|view| entering_by(cx, *view))
        .collect();
    out.extend(all_leaving(cx, &leaving));
    out
}

/// A list that is there and empty is another lint's.
fn is_ours(view: RuleView<'_>) -> bool {
    everybody(view).is_some()
        && view
            .written
            .is_none_or(|w| w.empty_peers.is_none() && w.empty_ports.is_none())
}

/// One note for all ways out that are wide open: often a choice, made once for many policies.
fn all_leaving(cx: &Context<'_>, views: &[RuleView<'_>]) -> Option<Diagnostic> {
    let mut views = views
        .iter()
        .filter(|view| !cx.skips(&LINT, view.rule.origin.0));
    let first = views.next()?;
    let rest: Vec<&RuleView<'_>> = views.collect();
    let who = everybody(*first)?;
    let mut finding = LINT.finding(match rest.len() {
        0 => format!("`{}` lets out to {who} on every port", first.policy.object),
        n => format!(
            "`{}` and {n} other rules let out to {who} on every port",
            first.policy.object
        ),
    });
    for view in std::iter::once(&first).chain(&rest) {
        finding = finding.at_opt(
            view.rule.origin.0,
            "as open as without a policy in this direction",
        );
    }
    Some(finding.help("name the destinations under `to`, and `ports`"))
}

/// Whom a rule without ports means.
pub(super) fn everybody(view: RuleView<'_>) -> Option<&'static str> {
    if view.rule.ports.is_some() {
        return None;
    }
    let Some(peers) = &view.rule.peers else {
        return Some("everybody");
    };
    peers.iter().find_map(|peer| match peer {
        Peer::Pods {
            namespaces: NamespaceMatch::Selector(namespaces),
            pods,
        } if namespaces.is_everything() && pods.is_everything() => Some("every pod of the cluster"),
        Peer::Block { cidr, except } if cidr.prefix_len() == 0 && except.is_empty() => {
            Some("every address")
        }
        _ => None,
    })
}

fn entering_by(cx: &Context<'_>, view: RuleView<'_>) -> Option<Diagnostic> {
    let who = everybody(view)?;
    let finding = LINT
        .finding(format!(
            "`{}` admits {who} on every port",
            view.policy.object
        ))
        .at_opt(
            view.rule.origin.0,
            "as open as without a policy in this direction",
        )
        .help("name the callers under `from`, and `ports`");
    let shown = cx.subjects(view.index).first().and_then(|subject| {
        let (source, port) = cx.open_to(*subject, &[cx.any_port(*subject)], |_| true)?;
        Some((source, *subject, port))
    });
    Some(match shown {
        Some((source, pod, port)) => cx.shown(finding, (source, pod), port, Expect::Passes),
        None => finding,
    })
}

//! Policies that leave `policyTypes` to the API server.

use super::Lint;
use super::context::Context;
use super::implied_isolation;
use palisade_diagnostics::{Diagnostic, Edit, Fix, Severity, Span};
use palisade_netmodel::{Direction, NetworkPolicy};

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "implicit-policy-types",
    code: "PAL0617",
    severity: Severity::Note,
    summary: "policyTypes is missing, so a reader must know how the API server fills it in.",
    check,
};

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for (_, policy, written) in cx.policies() {
        let Some(written) = written.filter(|w| w.policy_types.is_none()) else {
            continue;
        };
        // There the default is the defect, and must not be written down.
        if implied_isolation::is_implied(cx, policy) {
            continue;
        }
        let types = types(policy);
        let mut finding = LINT
            .note(format!(
                "`{}` leaves `policyTypes` to the API server",
                policy.object
            ))
            .at_opt(
                policy.origin.0,
                format!("means `policyTypes: [{}]`", types.join(", ")),
            )
            .help(format!("write `policyTypes: [{}]`", types.join(", ")));
        if let Some(edit) = written.first_key.and_then(|key| insertion(cx, key, &types)) {
            finding = finding.fix(Fix {
                about: format!("write `policyTypes: [{}]`", types.join(", ")),
                edits: vec![edit],
            });
        }
        out.push(finding);
    }
    out
}

fn types(policy: &NetworkPolicy) -> Vec<&'static str> {
    let both = [
        (Direction::Ingress, "Ingress"),
        (Direction::Egress, "Egress"),
    ];
    let both = both.into_iter().filter(|(d, _)| policy.rules(*d).is_some());
    both.map(|(_, word)| word).collect()
}

/// The field before the first one of `spec`, in the style of the text: JSON, a map in braces, or one
/// field for each line.
fn insertion(cx: &Context<'_>, key: Span, types: &[&str]) -> Option<Edit> {
    let text = &cx.sources.get(key.file)?.text;
    let before = text.get(..key.start as usize)?;
    let list = types.join(", ");
    let indent = before.rsplit('\n').next()?;
    let text =
        if text.get(key.start as usize..)?.starts_with('"') && before.trim_end().ends_with('{') {
            format!("\"policyTypes\": [\"{}\"], ", types.join("\", \""))
        } else if before.trim_end().ends_with('{') {
            format!("policyTypes: [{list}], ")
        } else if indent.chars().all(|c| c == ' ') {
            format!("policyTypes: [{list}]\n{indent}")
        } else {
            return None;
        };
    Some(Edit {
        span: Span::new(key.file, key.start, key.start),
        text,
    })
}

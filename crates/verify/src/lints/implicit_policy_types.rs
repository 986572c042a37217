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
/// field for each line, before the comment that belongs to the next field.
fn insertion(cx: &Context<'_>, key: Span, types: &[&str]) -> Option<Edit> {
    let file = cx.sources.get(key.file)?;
    let (start, before) = file.before(key.start as usize)?;
    let list = types.join(", ");
    let indent = before.rsplit('\n').next()?;
    let in_braces = before.trim_end().ends_with('{');
    let (place, text) = if in_braces && cx.sources.text(key).starts_with('"') {
        let list = types.join("\", \"");
        (before.len(), format!("\"policyTypes\": [\"{list}\"], "))
    } else if in_braces {
        (before.len(), format!("policyTypes: [{list}], "))
    } else if indent.chars().all(|c| c == ' ') {
        let lines = before.get(..before.len() - indent.len())?;
        let end = if lines.ends_with("\r\n") {
            "\r\n"
        } else {
            "\n"
        };
        let line = format!("{indent}policyTypes: [{list}]{end}");
        (without_comments(lines).len(), line)
    } else {
        return None;
    };
    let place = u32::try_from(start + place).ok()?;
    Some(Edit {
        span: Span::new(key.file, place, place),
        text,
    })
}

/// Whole lines without the comments at their end.
fn without_comments(mut lines: &str) -> &str {
    while let Some(rest) = lines.strip_suffix('\n') {
        let start = rest.rfind('\n').map_or(0, |at| at + 1);
        let is_comment = |line: &str| line.trim_start().starts_with('#');
        if !rest.get(start..).is_some_and(is_comment) {
            break;
        }
        lines = lines.get(..start).unwrap_or_default();
    }
    lines
}

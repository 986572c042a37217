//! Fields that have another name today.

use super::Lint;
use super::context::Context;
use palisade_diagnostics::{Diagnostic, Edit, Fix, Severity};

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "deprecated-field",
    code: "PAL0644",
    severity: Severity::Note,
    summary: "A field goes by an old name, which other tools may not read.",
    check,
};

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    // Where both names stand, as in what a cluster prints, the new one counts.
    let fields = cx.written.old_fields.iter().filter(|field| !field.both);
    fields
        .map(|field| {
            let quoted = cx.sources.text(field.span).starts_with('"');
            let text = if quoted {
                format!("\"{}\"", field.new)
            } else {
                field.new.to_owned()
            };
            LINT.note(format!(
                "`{}` is the old name of `{}`",
                field.old, field.new
            ))
            .at(field.span, "honoured, and deprecated")
            .help(format!("write `{}`", field.new))
            .fix(Fix {
                about: format!("write `{}`", field.new),
                edits: vec![Edit {
                    span: field.span,
                    text,
                }],
            })
        })
        .collect()
}

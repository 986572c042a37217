//! Annotations that switch lints off, and do not work or are not needed.

use super::context::Context;
use super::{LINTS, Lint};
use palisade_diagnostics::{Diagnostic, Severity, did_you_mean};

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "lint-skip",
    code: "PAL0646",
    severity: Severity::Warning,
    summary: "An annotation that switches lints off has no reason, an unknown name, or nothing to switch off.",
    check,
};

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for (index, skip) in cx.written.skips.iter().enumerate() {
        if skip.reason.is_none() {
            out.push(
                LINT.finding("an annotation switches lints off and does not say why")
                    .at(skip.span, "has no effect without a reason")
                    .help("add the annotation `palisade.dev/lint-skip-reason`"),
            );
            continue;
        }
        for name in &skip.lints {
            match LINTS.iter().find(|lint| lint.name == name) {
                None => {
                    let near = did_you_mean(name, LINTS.iter().map(|lint| lint.name));
                    let finding = LINT
                        .finding(format!("no lint is called `{name}`"))
                        .at(skip.span, "has no effect");
                    out.push(match near {
                        Some(near) => finding.help(format!("did you mean `{near}`?")),
                        None => finding.help("`palisade lint --list` names them all"),
                    });
                }
                // What has not run may still be needed.
                Some(lint)
                    if cx.ran.borrow().contains(lint.name) && !cx.has_skipped(index, lint.name) =>
                {
                    out.push(
                        LINT.finding(format!(
                            "`{name}` finds nothing here that would have to be switched off"
                        ))
                        .at(skip.span, "no longer needed")
                        .help("remove the name from the annotation"),
                    );
                }
                Some(_) => {}
            }
        }
    }
    out
}

//! CIDRs with bits set beyond their prefix.

use super::Lint;
use super::context::Context;
use palisade_diagnostics::{Diagnostic, Edit, Fix, Severity};

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "non-canonical-cidr",
    code: "PAL0630",
    severity: Severity::Warning,
    summary: "A CIDR has bits set beyond its prefix, so it means more than the address in it.",
    check,
};

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let loose = cx.written.loose_cidrs.iter();
    loose
        .map(|(span, net)| {
            let written = cx.sources.text(*span);
            let bare = written.trim_matches(['"', '\'']);
            let (address, _) = bare.split_once('/').unwrap_or((bare, ""));
            let host = if net.addr().is_ipv6() { 128 } else { 32 };
            let quote =
                written.get(..written.len() - written.trim_start_matches(['"', '\'']).len());
            let quote = quote.unwrap_or_default();
            LINT.finding(format!("`{bare}` means all of `{net}`"))
                .at(*span, "bits are set beyond the prefix")
                .help(format!(
                    "write `{address}/{host}` if this one address is meant"
                ))
                .help(format!("write `{net}` if the block is meant"))
                .fix(Fix {
                    about: format!("write `{net}`, as it is read"),
                    edits: vec![Edit {
                        span: *span,
                        text: format!("{quote}{net}{quote}"),
                    }],
                })
        })
        .collect()
}

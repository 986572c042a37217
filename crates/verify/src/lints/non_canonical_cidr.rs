//! CIDRs with bits set beyond their prefix.

use super::Lint;
use super::context::Context;
use palisade_diagnostics::{Diagnostic, Severity};

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
            let written = written.trim_matches(['"', '\'']);
            let (address, _) = written.split_once('/').unwrap_or((written, ""));
            // No fix: which of the two is meant, nobody but the writer knows.
            LINT.finding(format!("`{written}` means all of `{net}`"))
                .at(*span, "bits are set beyond the prefix")
                .help(format!(
                    "write `{address}/{}` if this one address is meant",
                    net.max_prefix_len()
                ))
                .help(format!("write `{net}` if the block is meant"))
        })
        .collect()
}

//! All ports of a protocol, or a long range, where a few are meant.

use super::Lint;
use super::context::Context;
use palisade_diagnostics::{Diagnostic, Severity};
use palisade_netmodel::PolicyPort;

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "wide-ports",
    code: "PAL0628",
    severity: Severity::Warning,
    summary: "An entry of ports without a number opens every port of its protocol.",
    check,
};

/// From how many ports on a range is worth a note.
const LONG: u16 = 1000;

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for view in cx.rules() {
        for (index, port) in view.rule.ports.iter().flatten().enumerate() {
            let PolicyPort::Range {
                protocol,
                first,
                last,
            } = port
            else {
                continue;
            };
            let span = view.port_span(index);
            if (*first, *last) == (1, u16::MAX) {
                out.push(
                    LINT.finding(format!("`{}` opens every {protocol} port", view.policy.object))
                        .at_opt(span, "an entry without `port`")
                        .help("write the `port` that is meant")
                        .help(format!("if every {protocol} port is meant, say so with `port: 1` and `endPort: 65535`, and skip this lint there")),
                );
            } else if last - first >= LONG {
                out.push(
                    LINT.note(format!(
                        "`{}` opens {} ports at once",
                        view.policy.object,
                        u32::from(last - first) + 1
                    ))
                    .at_opt(span, format!("{first} to {last}/{protocol}"))
                    .help("name the ports that are used"),
                );
            }
        }
    }
    out
}

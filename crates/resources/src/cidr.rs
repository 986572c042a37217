//! CIDRs of `ipBlock`, as the API server keeps them.

use crate::codes;
use ipnet::IpNet;
use palisade_diagnostics::{Diagnostic, Span};
use palisade_yaml::Spanned;
use std::net::IpAddr;

/// A CIDR with its host bits cleared, which is reported; `None` and an error if it is none.
pub(crate) fn read(text: &Spanned<String>, out: &mut Vec<Diagnostic>) -> Option<IpNet> {
    let Ok(net) = text.value.parse::<IpNet>() else {
        out.push(not_a_cidr(&text.value, text.span));
        return None;
    };
    let clear = net.trunc();
    if clear != net {
        out.push(
            Diagnostic::warning(
                codes::HOST_BITS,
                format!("{} has bits set beyond its prefix", text.value),
            )
            .at(text.span, format!("read as {clear}"))
            .help(format!("write `{clear}`")),
        );
    }
    Some(clear)
}

fn not_a_cidr(text: &str, span: Span) -> Diagnostic {
    let help = match text.trim().parse::<IpAddr>() {
        Ok(address) => format!("write `{}`", IpNet::from(address)),
        Err(_) => "write an address and a prefix length, as `10.0.0.0/8` or `2001:db8::/32`".into(),
    };
    Diagnostic::error(codes::BAD_CIDR, format!("{text:?} is not a CIDR"))
        .at(span, "an address, `/` and a prefix length")
        .help(help)
}

/// Reports an `except` that is not strictly inside `cidr`.
pub(crate) fn check_except(
    cidr: &Spanned<String>,
    net: &IpNet,
    except: &IpNet,
    span: Span,
    out: &mut Vec<Diagnostic>,
) {
    if net.contains(except) && except.prefix_len() > net.prefix_len() {
        return;
    }
    out.push(
        Diagnostic::error(
            codes::BAD_EXCEPT,
            format!("except {except} is not strictly inside {net}"),
        )
        .at(span, "must be a smaller block within `cidr`")
        .at(cidr.span, "the block")
        .help("remove it, or correct one of the two"),
    );
}

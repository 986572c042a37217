//! Port numbers, port names and protocols.

use crate::{codes, names};
use palisade_diagnostics::{Diagnostic, did_you_mean};
use palisade_netmodel::Protocol;
use palisade_yaml::{Fields, Kind, Node};

/// `IntOrString` where it means a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PortRef {
    /// A number.
    Number(u16),
    /// The name of a container port.
    Name(String),
}

/// A port number, 1 to 65535.
pub(crate) fn number(node: Node<'_>, out: &mut Vec<Diagnostic>) -> Option<u16> {
    let port = node.as_int().and_then(|n| u16::try_from(n).ok());
    if let Some(port) = port.filter(|port| *port > 0) {
        return Some(port);
    }
    let written = node.text().unwrap_or_default();
    let (title, help) = match node.kind() {
        Kind::Int => (
            format!("{written} is not a port"),
            "use a number from 1 to 65535",
        ),
        Kind::String if written.parse::<u16>().is_ok() => (
            format!("a port number is expected, found the string {written:?}"),
            "remove the quotes",
        ),
        kind => (
            format!("a port number is expected, found {kind}"),
            "use a number from 1 to 65535",
        ),
    };
    out.push(
        Diagnostic::error(codes::BAD_PORT, title)
            .at(node.span(), "1 to 65535")
            .help(help),
    );
    None
}

/// The port number under `key`, if it is there.
pub(crate) fn number_at(
    fields: &mut Fields<'_>,
    key: &'static str,
    out: &mut Vec<Diagnostic>,
) -> Option<u16> {
    fields.node(key).and_then(|node| number(node, out))
}

/// The port number under `key`, which must be there.
pub(crate) fn required_number(
    fields: &mut Fields<'_>,
    key: &'static str,
    out: &mut Vec<Diagnostic>,
) -> Option<u16> {
    match fields.node(key) {
        Some(node) => number(node, out),
        None => {
            out.push(fields.missing(key));
            None
        }
    }
}

/// A port number or the name of a port.
pub(crate) fn number_or_name(node: Node<'_>, out: &mut Vec<Diagnostic>) -> Option<PortRef> {
    let Some(text) = node.as_str() else {
        return number(node, out).map(PortRef::Number);
    };
    check_name(text, node.span(), out).then(|| PortRef::Name(text.to_owned()))
}

/// Whether a text can be the name of a port; reports it if not.
pub(crate) fn check_name(
    text: &str,
    span: palisade_diagnostics::Span,
    out: &mut Vec<Diagnostic>,
) -> bool {
    if names::is_port_name(text) {
        return true;
    }
    let help = if text.parse::<u16>().is_ok() {
        "remove the quotes if the number of a port is meant"
    } else {
        "choose a name of that form"
    };
    out.push(
        Diagnostic::error(
            codes::BAD_PORT_NAME,
            format!("{text:?} cannot be the name of a port"),
        )
        .at(
            span,
            "at most 15 lower case letters, digits and single `-`, at least one letter",
        )
        .help(help),
    );
    false
}

/// The protocol under `protocol`, TCP if missing; `None` if it is wrong (reported).
pub(crate) fn protocol(fields: &mut Fields<'_>, out: &mut Vec<Diagnostic>) -> Option<Protocol> {
    if fields.node("protocol").is_none() {
        return Some(Protocol::Tcp);
    }
    let word = fields.string("protocol", out)?;
    let found = Protocol::parse(&word.value);
    if found.is_none() {
        let upper = word.value.to_uppercase();
        let help = match did_you_mean(&upper, ["TCP", "UDP", "SCTP"]) {
            _ if Protocol::parse(&upper).is_some() => format!("write `{upper}`"),
            Some(near) => format!("write `{near}`"),
            None => "use TCP, UDP or SCTP".to_owned(),
        };
        out.push(
            Diagnostic::error(
                codes::BAD_PROTOCOL,
                format!("{:?} is not a protocol", word.value),
            )
            .at(word.span, "TCP, UDP or SCTP")
            .help(help),
        );
    }
    found
}

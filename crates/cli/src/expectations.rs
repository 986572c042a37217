//! Files of expected connections.

use palisade_diagnostics::{Diagnostic, FileId, Severity, Sources, Span};
use palisade_netmodel::{Labels, Pod, Protocol};
use palisade_yaml::{Fields, Limits, Node};
use std::fmt;

/// One end of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Side {
    namespace: String,
    labels: Labels,
}

impl Side {
    /// Whether a pod is meant: live, in the namespace, with all labels.
    pub(crate) fn selects(&self, pod: &Pod) -> bool {
        pod.namespace == self.namespace && pod.labels.include(&self.labels)
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.namespace, self.labels)
    }
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expectation {
    /// Where it is written.
    pub(crate) span: Span,
    /// Source pods.
    pub(crate) from: Side,
    /// Destination pods.
    pub(crate) to: Side,
    /// Destination port.
    pub(crate) port: u16,
    /// Protocol, TCP unless given.
    pub(crate) protocol: Protocol,
    /// Whether the connection must be possible.
    pub(crate) allow: bool,
    /// Whether the row may be skipped if no such pod exists.
    pub(crate) optional: bool,
}

/// All rows, and what is wrong with the others.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) list: Vec<Expectation>,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// Reads every row of every document.
pub(crate) fn read(sources: &Sources, files: &[FileId]) -> Rows {
    let mut rows = Rows::default();
    for file in files {
        let Some(source) = sources.get(*file) else {
            continue;
        };
        let parsed = palisade_yaml::parse(*file, &source.whole(), &Limits::default());
        rows.diagnostics.extend(parsed.diagnostics);
        if parsed.documents.is_empty() && rows.diagnostics.is_empty() {
            rows.diagnostics.push(no_rows(Span {
                file: *file,
                start: 0,
                end: 0,
            }));
        }
        for document in &parsed.documents {
            let root = document.root();
            let Some(mut fields) = Fields::of(root, "expectations", &mut rows.diagnostics) else {
                continue;
            };
            let list = fields.list("expectations", &mut rows.diagnostics);
            if list.is_empty() {
                rows.diagnostics.push(no_rows(root.span()));
            }
            for node in list {
                let row = row(node, &mut rows.diagnostics);
                rows.list.extend(row);
            }
            fields.finish(&mut rows.diagnostics);
        }
    }
    rows
}

fn no_rows(span: Span) -> Diagnostic {
    Diagnostic::error("PAL0511", "no rows under `expectations`")
        .at(span, "")
        .help("see `palisade check --help` for a row")
}

fn row(node: Node<'_>, out: &mut Vec<Diagnostic>) -> Option<Expectation> {
    let before = out.len();
    let mut fields = Fields::of(node, "expectation", out)?;
    fields.ignore(&["upstream", "disabledInUpstreamTest", "reason"]);
    let from = side(&mut fields, "from", out);
    let to = side(&mut fields, "to", out);
    let port = fields.int("port", 1..=65535, out);
    let protocol = match fields.string("protocol", out) {
        None => Some(Protocol::Tcp),
        Some(word) => Protocol::parse(&word.value).or_else(|| {
            out.push(wrong(word.span, "protocol", "TCP, UDP or SCTP"));
            None
        }),
    };
    let expect = fields.required_string("expect", out);
    let allow = expect.and_then(|word| match word.value.as_str() {
        "allow" => Some(true),
        "deny" => Some(false),
        _ => {
            out.push(wrong(word.span, "expect", "allow or deny"));
            None
        }
    });
    let optional = fields.bool("optional", out).is_some_and(|b| b.value);
    if port.is_none()
        && !out
            .iter()
            .skip(before)
            .any(|d| d.severity == Severity::Error)
    {
        out.push(wrong(node.span(), "port", "a number from 1 to 65535"));
    }
    fields.finish(out);
    Some(Expectation {
        span: node.span(),
        from: from?,
        to: to?,
        port: u16::try_from(port?.value).ok()?,
        protocol: protocol?,
        allow: allow?,
        optional,
    })
}

fn wrong(span: Span, field: &str, known: &str) -> Diagnostic {
    Diagnostic::error(
        "PAL0511",
        format!("`{field}` of an expectation must be {known}"),
    )
    .at(span, "")
    .help(format!("write `{field}:` with {known}"))
}

fn side(fields: &mut Fields<'_>, key: &'static str, out: &mut Vec<Diagnostic>) -> Option<Side> {
    let Some(node) = fields.node(key) else {
        out.push(wrong(
            fields.span(),
            key,
            "{namespace: ..., podLabels: {...}}",
        ));
        return None;
    };
    let mut fields = Fields::of(node, "end of an expectation", out)?;
    let namespace = fields.required_string("namespace", out);
    let labels = fields.string_map("podLabels", out);
    fields.finish(out);
    Some(Side {
        namespace: namespace?.value,
        labels: labels
            .into_iter()
            .map(|(k, v)| (k.value, v.value))
            .collect(),
    })
}

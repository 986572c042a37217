//! The one layout of a matrix: two spaces, lists at the indentation of their key, one blank line at
//! most, comments where they were. What is written in `{}` or `[]` stays so.

use palisade_diagnostics::{Diagnostic, FileId, Severity, Span};
use palisade_yaml::{Document, Kind, Limits, Node, Value, parse};

/// Formats a text. If a document cannot be read the text comes back as it was, with the diagnostics.
/// The result always means the same: it is read back and compared.
#[must_use]
pub fn format(file: FileId, text: &str) -> (String, Vec<Diagnostic>) {
    let parsed = parse(file, text, &Limits::default());
    if parsed
        .diagnostics
        .iter()
        .any(|d| d.severity == Severity::Error)
    {
        return (text.to_owned(), parsed.diagnostics);
    }
    let strangers: Vec<Diagnostic> = parsed.documents.iter().filter_map(stranger).collect();
    if !strangers.is_empty() {
        return (text.to_owned(), strangers);
    }
    let mut out = String::new();
    let mut printer = Printer {
        text,
        comments: Vec::new(),
        next: 0,
        position: 0,
    };
    let scalars: Vec<(usize, usize)> = parsed
        .documents
        .iter()
        .flat_map(|d| scalars(d.root()))
        .collect();
    printer.comments = comments(text, &scalars);
    for (index, document) in parsed.documents.iter().enumerate() {
        if index > 0 {
            let start = document.span().start as usize;
            printer.leading_until_marker(&mut out, start);
            out.push_str("---\n");
        }
        printer.block(&mut out, document.root(), 0);
    }
    printer.leading(&mut out, text.len(), 0);
    if same(file, text, &out) {
        (out, parsed.diagnostics)
    } else {
        let diagnostic = Diagnostic::warning(
            "PAL0240",
            "this layout is not understood; the file is left as it is",
        )
        .help("write block style with two spaces of indentation, and no comments inside brackets");
        (text.to_owned(), vec![diagnostic])
    }
}

/// A document that is no matrix: its layout is not this language's to choose.
fn stranger(document: &Document) -> Option<Diagnostic> {
    let root = document.root();
    let kind = root.get("kind").and_then(Node::text);
    if matches!(kind, Some("TrafficMatrix" | "TrafficMatrixFragment")) {
        return None;
    }
    let found = kind.map_or_else(String::new, |kind| format!(", but a {kind}"));
    let start = root.span().start;
    let head = Span::new(root.span().file, start, start);
    Some(
        Diagnostic::error("PAL0210", format!("not a matrix{found}"))
            .at(head, "")
            .help("give files of kind TrafficMatrix or TrafficMatrixFragment only"),
    )
}

fn same(file: FileId, before: &str, after: &str) -> bool {
    let a = parse(file, before, &Limits::default()).documents;
    let b = parse(file, after, &Limits::default()).documents;
    let hashes = |t: &str| t.matches('#').count();
    a.len() == b.len()
        && hashes(before) == hashes(after)
        && a.iter().zip(&b).all(|(x, y)| x.root().same(y.root()))
}

/// The byte ranges of all scalars and keys: a `#` inside them begins no comment.
fn scalars(node: Node<'_>) -> Vec<(usize, usize)> {
    let range = |span: palisade_diagnostics::Span| (span.start as usize, span.end as usize);
    let mut out = Vec::new();
    let mut stack = vec![node];
    while let Some(node) = stack.pop() {
        match node.kind() {
            Kind::List => stack.extend(node.items()),
            Kind::Map => {
                for (key, value) in node.entries() {
                    out.push(range(key.span));
                    stack.push(value);
                }
            }
            _ => out.push(range(node.span())),
        }
    }
    out.sort_unstable();
    out
}

/// A comment: its place, its text, and whether it has its line to itself.
struct Comment<'t> {
    at: usize,
    text: &'t str,
    own_line: bool,
}

fn comments<'t>(text: &'t str, scalars: &[(usize, usize)]) -> Vec<Comment<'t>> {
    let mut out = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let body = line.trim_end_matches(['\n', '\r']);
        let found = body.char_indices().find(|(at, c)| {
            let before = body.get(..*at).unwrap_or_default();
            let place = start + at;
            let after = scalars.partition_point(|(s, _)| *s <= place);
            let inside = after
                .checked_sub(1)
                .and_then(|i| scalars.get(i))
                .is_some_and(|(_, end)| place < *end);
            *c == '#' && !inside && (before.is_empty() || before.ends_with([' ', '\t']))
        });
        if let Some((at, _)) = found {
            out.push(Comment {
                at: start + at,
                text: body.get(at..).unwrap_or_default().trim_end(),
                own_line: body.get(..at).unwrap_or_default().trim().is_empty(),
            });
        }
        start += line.len();
    }
    out
}

struct Printer<'t> {
    text: &'t str,
    comments: Vec<Comment<'t>>,
    /// The first comment that is not written yet.
    next: usize,
    /// Up to here the source has been written.
    position: usize,
}

impl Printer<'_> {
    /// Writes the comments before `until`, and keeps one blank line where there were any.
    fn leading(&mut self, out: &mut String, until: usize, indent: usize) {
        while let Some(comment) = self.comments.get(self.next).filter(|c| c.at < until) {
            let at = comment.at;
            let line = comment.text.to_owned();
            let own_line = comment.own_line;
            self.next += 1;
            if own_line || !out.ends_with('\n') || out.is_empty() {
                self.blank(out, at);
                pad(out, indent);
                out.push_str(&line);
                out.push('\n');
            } else {
                // A comment at the end of a line whose value has been written already.
                out.pop();
                out.push_str("  ");
                out.push_str(&line);
                out.push('\n');
            }
            self.position = at + line.len();
        }
        self.blank(out, until);
    }

    /// Comments before the `---` of the next document.
    fn leading_until_marker(&mut self, out: &mut String, start: usize) {
        let marker = self
            .text
            .get(self.position..start)
            .and_then(|t| t.find("\n---"))
            .map_or(start, |at| self.position + at + 1);
        self.leading(out, marker, 0);
        self.position = marker;
    }

    /// One blank line if the source has one between what was written and `until`.
    fn blank(&mut self, out: &mut String, until: usize) {
        let gap = self.text.get(self.position..until).unwrap_or_default();
        let breaks = gap.matches('\n').count();
        if breaks > 1 && !out.is_empty() && !out.ends_with("\n\n") && until < self.text.len() {
            out.push('\n');
        }
        self.position = self.position.max(until);
    }

    fn block(&mut self, out: &mut String, node: Node<'_>, indent: usize) {
        match node.kind() {
            Kind::Map if !self.is_flow(node) && node.entries().next().is_some() => {
                self.map(out, node, indent, false);
            }
            Kind::List if !self.is_flow(node) && node.items().next().is_some() => {
                self.list(out, node, indent);
            }
            _ => {
                self.leading(out, node.span().start as usize, indent);
                pad(out, indent);
                self.value(out, node, indent);
                out.push('\n');
            }
        }
    }

    /// Whether a list or map is written in brackets. A block list may begin where its first item does.
    fn is_flow(&self, node: Node<'_>) -> bool {
        let start = node.span().start;
        let (bracket, first) = match node.kind() {
            Kind::List => ('[', node.items().next().map(|n| n.span().start)),
            _ => ('{', node.entries().next().map(|(k, _)| k.span.start)),
        };
        first != Some(start)
            && self
                .text
                .get(start as usize..)
                .is_some_and(|t| t.starts_with(bracket))
    }

    fn map(&mut self, out: &mut String, node: Node<'_>, indent: usize, started: bool) {
        for (index, (key, value)) in node.entries().enumerate() {
            if !(started && index == 0) {
                self.leading(out, key.span.start as usize, indent);
                pad(out, indent);
            }
            out.push_str(self.slice(key.span));
            out.push(':');
            self.position = key.span.end as usize;
            self.after_key(out, value, indent);
        }
    }

    fn after_key(&mut self, out: &mut String, value: Node<'_>, indent: usize) {
        match value.kind() {
            Kind::Map if !self.is_flow(value) => {
                out.push('\n');
                self.map(out, value, indent + 1, false);
            }
            Kind::List if !self.is_flow(value) => {
                out.push('\n');
                self.list(out, value, indent);
            }
            Kind::Null if value.span().start == value.span().end => out.push('\n'),
            _ => {
                out.push(' ');
                self.value(out, value, indent + 1);
                out.push('\n');
            }
        }
    }

    fn list(&mut self, out: &mut String, node: Node<'_>, indent: usize) {
        for item in node.items() {
            self.leading(out, item.span().start as usize, indent);
            pad(out, indent);
            match item.kind() {
                Kind::Map if !self.is_flow(item) && item.entries().next().is_some() => {
                    out.push_str("- ");
                    self.map(out, item, indent + 1, true);
                }
                Kind::List if !self.is_flow(item) && item.items().next().is_some() => {
                    out.push_str("-\n");
                    self.list(out, item, indent + 1);
                }
                _ => {
                    out.push_str("- ");
                    self.value(out, item, indent + 1);
                    out.push('\n');
                }
            }
        }
    }

    /// A scalar, or a value in `{}` or `[]`.
    fn value(&mut self, out: &mut String, node: Node<'_>, indent: usize) {
        let bracketed = matches!(node.kind(), Kind::Map | Kind::List);
        if bracketed && self.slice(node.span()).contains('\n') {
            // Where the author broke the line in brackets, it stays broken.
            let lines = self.slice(node.span()).lines().map(str::trim);
            for (index, line) in lines.filter(|l| !l.is_empty()).enumerate() {
                if index > 0 {
                    out.push('\n');
                    pad(out, indent);
                }
                out.push_str(line);
            }
            self.position = self.position.max(node.span().end as usize);
            return;
        }
        match node.kind() {
            Kind::Map => {
                out.push('{');
                for (index, (key, value)) in node.entries().enumerate() {
                    out.push_str(if index > 0 { ", " } else { "" });
                    out.push_str(self.slice(key.span));
                    out.push_str(": ");
                    self.value(out, value, indent);
                }
                out.push('}');
            }
            Kind::List => {
                out.push('[');
                for (index, item) in node.items().enumerate() {
                    out.push_str(if index > 0 { ", " } else { "" });
                    self.value(out, item, indent);
                }
                out.push(']');
            }
            _ => self.scalar(out, node, indent),
        }
        self.position = self.position.max(node.span().end as usize);
    }

    fn scalar(&self, out: &mut String, node: Node<'_>, indent: usize) {
        let source = self.slice(node.span());
        if source.contains('\n') || source.starts_with(['|', '>']) {
            // Several lines: written anew, as a literal block or in quotes.
            let text = node.text().unwrap_or_default();
            let written = Value::map([("k", Value::string(text))]).to_yaml();
            let body = written.strip_prefix("k: ").unwrap_or(&written).trim_end();
            let mut lines = body.lines();
            out.push_str(lines.next().unwrap_or_default());
            for line in lines {
                out.push('\n');
                if !line.is_empty() {
                    pad(out, indent.saturating_sub(1));
                    out.push_str(line);
                }
            }
        } else {
            out.push_str(source);
        }
    }

    fn slice(&self, span: palisade_diagnostics::Span) -> &str {
        self.text
            .get(span.start as usize..span.end as usize)
            .unwrap_or_default()
    }
}

fn pad(out: &mut String, indent: usize) {
    for _ in 0..indent {
        out.push_str("  ");
    }
}

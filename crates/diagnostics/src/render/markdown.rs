//! For comments of reviews and wikis: GitHub-flavoured Markdown.

use super::{Format, Style};
use crate::layout::printable_line;
use crate::{Diagnostic, Report, Severity, Sources, Table, Verdict};

/// See the module.
pub(super) const FORMAT: Format = Format {
    name: "md",
    about: "Markdown, for comments and wikis",
    render,
};

/// Places of one finding that are listed; the others are counted.
const MAX_PLACES: usize = 8;

fn render(report: &Report, sources: &Sources, _: &Style) -> String {
    let mut parts = vec![format!("# {}", text(&report.title))];
    if !report.summary.text.is_empty() {
        parts.push(format!("**{}**", text(&report.summary.text)));
    }
    if !report.facts.is_empty() {
        let facts = report.facts.iter();
        let lines = facts.map(|f| format!("- {}: {}", text(&f.name), text(&f.value)));
        parts.push(lines.collect::<Vec<_>>().join("\n"));
    }
    parts.extend(report.findings.iter().map(|d| finding(d, sources)));
    if !report.prerequisites.is_empty() {
        let list = report.prerequisites.iter().map(|p| {
            let verdict = match p.verdict {
                Verdict::Holds => "shown",
                Verdict::Unknown => "not shown",
                Verdict::Fails => "refuted",
            };
            format!("- {} ({verdict}): {}", text(&p.title), text(&p.detail))
        });
        let list = list.collect::<Vec<_>>().join("\n");
        parts.push(format!("## What the answer rests on\n\n{list}"));
    }
    for section in &report.sections {
        parts.push(format!("## {}", text(&section.title)));
        parts.extend(section.paragraphs.iter().map(|p| text(p)));
        parts.extend(section.table.as_ref().map(table));
    }
    let mut out = parts.join("\n\n");
    out.push('\n');
    out
}

fn finding(diagnostic: &Diagnostic, sources: &Sources) -> String {
    let severity = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    let title = text(&diagnostic.title);
    let mut lines = vec![format!("### {severity} {}: {title}\n", diagnostic.code.0)];
    for label in diagnostic.labels.iter().take(MAX_PLACES) {
        let place = text(&sources.describe(label.span));
        let remark = match text(&label.text) {
            remark if remark.is_empty() => remark,
            remark => format!(": {remark}"),
        };
        lines.push(format!("- {place}{remark}"));
    }
    let more = diagnostic.labels.len().saturating_sub(MAX_PLACES);
    if more > 0 {
        lines.push(format!("- and {more} more places"));
    }
    if let Some(witness) = &diagnostic.witness {
        lines.push(format!("- for example: {}", text(witness)));
    }
    lines.extend(diagnostic.notes.iter().map(|n| format!("- {}", text(n))));
    lines.extend(
        diagnostic
            .help
            .iter()
            .map(|h| format!("- help: {}", text(h))),
    );
    lines.join("\n")
}

fn table(table: &Table) -> String {
    let line = |cells: &[String]| {
        let cells = cells.iter().map(|cell| {
            let lines: Vec<String> = cell.lines().map(text).collect();
            lines.join("<br>")
        });
        format!("| {} |", cells.collect::<Vec<_>>().join(" | "))
    };
    let mut lines = vec![line(&table.columns)];
    lines.push(format!("|{}", "---|".repeat(table.columns.len())));
    lines.extend(table.rows.iter().map(|row| line(row)));
    lines.join("\n")
}

/// A text that Markdown takes as it is. Spans in backticks stay spans: within them nothing is markup but
/// the bar that ends a cell.
fn text(raw: &str) -> String {
    let line = printable_line(raw);
    let spans = line.matches('`').count().is_multiple_of(2);
    let mut out = String::with_capacity(line.len());
    let mut code = false;
    for c in line.chars() {
        match c {
            '`' if spans => {
                code = !code;
                out.push(c);
            }
            '|' => out.push_str("\\|"),
            '<' if !code => out.push_str("&lt;"),
            '&' if !code => out.push_str("&amp;"),
            '*' | '_' | '[' | ']' | '\\' | '`' | '#' | '~' if !code => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn nothing_of_a_name_is_markup() {
        assert_eq!(text("a/* <b> [x](y) | z"), "a/\\* &lt;b> \\[x\\](y) \\| z");
        assert_eq!(text("`a/*` & b"), "`a/*` &amp; b");
        assert_eq!(text("odd ` tick"), "odd \\` tick");
        assert_eq!(text("a\nb"), "a b");
    }
}

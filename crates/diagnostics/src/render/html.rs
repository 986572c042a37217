//! One page that needs nothing from elsewhere: no script, no font, no network.

use super::{Format, Style};
use crate::layout::{printable, printable_line};
use crate::{Diagnostic, Report, Section, Severity, Sources, Table, Verdict};
use std::fmt::Write as _;

/// See the module.
pub(super) const FORMAT: Format = Format {
    name: "html",
    about: "a page that needs nothing from elsewhere",
    render,
};

/// Places of one finding that are shown; the others are counted.
const MAX_PLACES: usize = 8;

const CSS: &str = "\
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#59636e;--page:#fff;--line:#d1d9e0;--head:#f3f5f7;--bad:#b3261e;--maybe:#8a5a00;--good:#1a6b34}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ed;--soft:#9aa4af;--page:#14171b;--line:#343b44;--head:#1d2228;--bad:#ff8a80;--maybe:#e6b450;--good:#6fd08c}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--page);max-width:72rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem;overflow-wrap:anywhere}h3{font-size:1rem;margin:1.5rem 0 .3rem;overflow-wrap:anywhere}
.summary{font-weight:600}.holds{color:var(--good)}.unknown,.warning{color:var(--maybe)}.fails,.error{color:var(--bad)}.note{color:var(--soft)}
.wide{overflow-x:auto}table{border-collapse:collapse;min-width:40%}th,td{border:1px solid var(--line);padding:.3rem .6rem;text-align:left;vertical-align:top}
th{background:var(--head)}pre{background:var(--head);padding:.5rem;overflow-x:auto;margin:.3rem 0}code{font-family:ui-monospace,monospace}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem}dt{color:var(--soft)}dd{margin:0}";

fn render(report: &Report, sources: &Sources, _: &Style) -> String {
    let title = escaped(&printable_line(&report.title));
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n<style>\n{CSS}\n</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
    );
    let verdict = match report.verdict {
        Verdict::Holds => "holds",
        Verdict::Unknown => "unknown",
        Verdict::Fails => "fails",
    };
    if !report.summary.text.is_empty() {
        let text = inline(&report.summary.text);
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(out, "<p class=\"summary {verdict}\">{text}</p>");
    }
    if !report.facts.is_empty() {
        out.push_str("<dl>\n");
        for fact in &report.facts {
            let (name, value) = (inline(&fact.name), inline(&fact.value));
            let _ = writeln!(out, "<dt>{name}</dt><dd>{value}</dd>");
        }
        out.push_str("</dl>\n");
    }
    for diagnostic in &report.findings {
        finding(diagnostic, sources, &mut out);
    }
    prerequisites(report, &mut out);
    for part in &report.sections {
        section(part, &mut out);
    }
    out.push_str("</body>\n</html>\n");
    out
}

fn finding(diagnostic: &Diagnostic, sources: &Sources, out: &mut String) {
    let severity = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    let _ = writeln!(
        out,
        "<h3><span class=\"{severity}\">{severity} {}</span>: {}</h3>",
        diagnostic.code.0,
        inline(&diagnostic.title)
    );
    for label in diagnostic.labels.iter().take(MAX_PLACES) {
        let file = sources.get(label.span.file);
        let line = file.map(|file| file.line(file.line_column(label.span.start).line));
        let line = line.unwrap_or_default();
        let shown: String = line.chars().take(200).collect();
        let _ = writeln!(
            out,
            "<div>{} {}</div>\n<pre><code>{}</code></pre>",
            escaped(&printable_line(&sources.describe(label.span))),
            inline(&label.text),
            escaped(&printable(&shown))
        );
    }
    let more = diagnostic.labels.len().saturating_sub(MAX_PLACES);
    let mut lines: Vec<String> = Vec::new();
    lines.extend((more > 0).then(|| format!("and {more} more places")));
    lines.extend(
        diagnostic
            .witness
            .iter()
            .map(|w| format!("for example: {w}")),
    );
    lines.extend(diagnostic.notes.iter().cloned());
    lines.extend(diagnostic.help.iter().map(|h| format!("help: {h}")));
    if !lines.is_empty() {
        out.push_str("<ul>\n");
        for line in lines {
            let _ = writeln!(out, "<li>{}</li>", inline(&line));
        }
        out.push_str("</ul>\n");
    }
}

fn prerequisites(report: &Report, out: &mut String) {
    if report.prerequisites.is_empty() {
        return;
    }
    out.push_str("<h2>What the answer rests on</h2>\n<ul>\n");
    for it in &report.prerequisites {
        let (class, word) = match it.verdict {
            Verdict::Holds => ("holds", "shown"),
            Verdict::Unknown => ("unknown", "not shown"),
            Verdict::Fails => ("fails", "refuted"),
        };
        let _ = writeln!(
            out,
            "<li>{} (<span class=\"{class}\">{word}</span>): {}</li>",
            inline(&it.title),
            inline(&it.detail)
        );
    }
    out.push_str("</ul>\n");
}

fn section(section: &Section, out: &mut String) {
    let _ = writeln!(out, "<h2>{}</h2>", inline(&section.title));
    for paragraph in &section.paragraphs {
        let _ = writeln!(out, "<p>{}</p>", inline(paragraph));
    }
    if let Some(table) = &section.table {
        out.push_str(&self::table(table));
    }
}

fn table(table: &Table) -> String {
    let row = |cells: &[String], tag: &str| {
        let cells = cells.iter().map(|cell| {
            let lines: Vec<String> = cell.lines().map(inline).collect();
            format!("<{tag}>{}</{tag}>", lines.join("<br>"))
        });
        format!("<tr>{}</tr>\n", cells.collect::<String>())
    };
    let rows: String = table.rows.iter().map(|cells| row(cells, "td")).collect();
    format!(
        "<div class=\"wide\"><table>\n<thead>{}</thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n",
        row(&table.columns, "th").trim_end()
    )
}

/// A text on one line, its spans in backticks as code.
fn inline(text: &str) -> String {
    let line = printable_line(text);
    if line.matches('`').count() % 2 == 1 {
        return escaped(&line);
    }
    let mut out = String::new();
    for (index, part) in line.split('`').enumerate() {
        let part = escaped(part);
        if index % 2 == 1 {
            let _ = write!(out, "<code>{part}</code>");
        } else {
            out.push_str(&part);
        }
    }
    out
}

/// A text that is no markup, in an element or in a quoted attribute.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::render;
    use crate::render::Style;
    use crate::{Diagnostic, Report, Section, Sources, Span, Table};

    #[test]
    fn no_text_becomes_markup_and_nothing_is_fetched() {
        let evil = "<script>alert(1)</script>\"'&`x`";
        let mut sources = Sources::new();
        let file = sources.add(evil, format!("{evil}\n"));
        let mut report = Report::new(evil);
        report.summary.text = evil.to_owned();
        let place = Span::new(file, 0, 3);
        report.findings.push(
            Diagnostic::error("PAL0001", evil)
                .at(place, evil)
                .help(evil),
        );
        report.sections.push(Section {
            title: evil.to_owned(),
            paragraphs: vec![evil.to_owned()],
            table: Some(Table {
                columns: vec![evil.to_owned()],
                rows: vec![vec![format!("{evil}\n{evil}")]],
            }),
        });
        let page = render(&report, &sources, &Style::default());
        assert!(!page.contains("<script"));
        assert!(!page.contains("http"));
        assert!(page.contains("<code>x</code>"));
        assert_eq!(page.matches("&lt;script&gt;").count(), 13);
    }
}

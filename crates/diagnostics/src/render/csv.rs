//! For spreadsheets and scripts (RFC 4180): one table, of what the answer is mostly about.
//!
//! Connections if the answer has them, one line for each two ends; else the findings; else the tables.

use super::{Format, Style};
use crate::{Diagnostic, Graph, Report, Severity, Sources};

/// See the module.
pub(super) const FORMAT: Format = Format {
    name: "csv",
    about: "for spreadsheets",
    render,
};

fn render(report: &Report, sources: &Sources, _: &Style) -> String {
    let mut out = String::new();
    if let Some(graph) = &report.graph {
        connections(graph, &mut out);
    } else if report.findings.is_empty() {
        tables(report, &mut out);
    } else {
        findings(&report.findings, sources, &mut out);
    }
    out
}

fn connections(graph: &Graph, out: &mut String) {
    line(
        out,
        ["source", "destination", "ports", "passes", "wire", "change"],
    );
    for (source, destination, link) in graph.connections() {
        let passes = if link.certain { "yes" } else { "depends" };
        let wire = link.wire.as_deref().unwrap_or("");
        let change = link.change.map_or("", crate::Change::word);
        line(
            out,
            [
                &source.name,
                &destination.name,
                &link.ports,
                passes,
                wire,
                change,
            ],
        );
    }
}

fn findings(list: &[Diagnostic], sources: &Sources, out: &mut String) {
    line(
        out,
        [
            "code", "severity", "title", "file", "line", "witness", "notes", "help",
        ],
    );
    for diagnostic in list {
        let place = diagnostic.labels.first().and_then(|label| {
            let file = sources.get(label.span.file)?;
            let line = file.line_column(label.span.start).line;
            Some((file.name.clone(), line.to_string()))
        });
        let (file, number) = place.unwrap_or_default();
        let severity = match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        line(
            out,
            [
                diagnostic.code.0,
                severity,
                &diagnostic.title,
                &file,
                &number,
                diagnostic.witness.as_deref().unwrap_or(""),
                &diagnostic.notes.join("; "),
                &diagnostic.help.join("; "),
            ],
        );
    }
}

/// All tables below each other, the section in front of each line.
fn tables(report: &Report, out: &mut String) {
    for section in &report.sections {
        let Some(table) = &section.table else {
            continue;
        };
        line(
            out,
            std::iter::once("section").chain(table.columns.iter().map(String::as_str)),
        );
        for row in &table.rows {
            line(
                out,
                std::iter::once(section.title.as_str()).chain(row.iter().map(String::as_str)),
            );
        }
    }
}

fn line<'a>(out: &mut String, cells: impl IntoIterator<Item = &'a str>) {
    for (index, cell) in cells.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push_str(&quoted(cell));
    }
    out.push_str("\r\n");
}

/// A cell in quotes where it needs them. A spreadsheet must not take a text for a formula.
fn quoted(cell: &str) -> String {
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let cell = if formula {
        format!("'{cell}")
    } else {
        cell.to_owned()
    };
    if cell.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell
    }
}

#[cfg(test)]
mod tests {
    use super::{quoted, render};
    use crate::render::Style;
    use crate::{Change, Graph, Link, Node, Report, Sources};

    #[test]
    fn cells_are_quoted_and_never_formulas() {
        assert_eq!(quoted("a"), "a");
        assert_eq!(quoted("a, \"b\""), "\"a, \"\"b\"\"\"");
        assert_eq!(quoted("=1+1"), "'=1+1");
    }

    #[test]
    fn every_pair_of_a_link_is_a_line_but_a_single_pod_and_itself() {
        let node = |name: &str, many| Node {
            name: name.to_owned(),
            label: name.to_owned(),
            group: None,
            many,
            outside: false,
        };
        let mut report = Report::new("t");
        report.graph = Some(Graph {
            groups: Vec::new(),
            nodes: vec![node("a", false), node("b", true)],
            links: vec![Link {
                from: vec![0, 1],
                to: vec![0, 1],
                ports: "80/TCP, 90/TCP".to_owned(),
                certain: false,
                wire: None,
                change: Some(Change::Lost),
            }],
        });
        let text = render(&report, &Sources::new(), &Style::default());
        assert_eq!(
            text.lines().collect::<Vec<_>>(),
            [
                "source,destination,ports,passes,wire,change",
                "a,b,\"80/TCP, 90/TCP\",depends,,lost",
                "b,a,\"80/TCP, 90/TCP\",depends,,lost",
                "b,b,\"80/TCP, 90/TCP\",depends,,lost",
            ]
        );
    }
}

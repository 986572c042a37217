//! For Markdown that draws Mermaid: boxes are subgraphs, a small node ties many sources to many
//! destinations.

use super::bundle::{Bundle, End, bundles, members};
use super::{Format, Style};
use crate::layout::printable_line;
use crate::{Change, Graph, Report, Sources};
use std::fmt::Write as _;

/// See the module.
pub(super) const PICTURE: Format = Format {
    name: "mermaid",
    about: "a picture for Markdown",
    render,
};

fn render(report: &Report, _: &Sources, _: &Style) -> String {
    let empty = Graph::default();
    let graph = report.graph.as_ref().unwrap_or(&empty);
    let mut out = String::from("flowchart LR\n");
    let members = members(graph);
    // Writing to a string cannot fail, here and below.
    for (index, (name, nodes)) in graph.groups.iter().zip(&members).enumerate() {
        let _ = writeln!(out, "  subgraph g{index}[{}]", quoted(name));
        for node in nodes {
            let label = graph.nodes.get(*node).map_or("", |node| &node.label);
            let _ = writeln!(out, "    n{node}[{}]", quoted(label));
        }
        out.push_str("  end\n");
    }
    for (index, node) in graph.nodes.iter().enumerate() {
        if node.group.is_none() {
            let _ = writeln!(out, "  n{index}([{}])", quoted(&node.label));
        }
    }
    let mut colors: Vec<(usize, Change)> = Vec::new();
    let mut lines = 0;
    for (index, bundle) in bundles(graph).iter().enumerate() {
        let before = lines;
        lines += edges(index, bundle, &mut out);
        if let Some(change) = bundle.change {
            colors.extend((before..lines).map(|line| (line, change)));
        }
    }
    for (line, change) in colors {
        let color = match change {
            Change::Gained => "#1a7f37",
            Change::Lost => "#cf222e",
            Change::Changed => "#bc6c00",
        };
        let _ = writeln!(out, "  linkStyle {line} stroke:{color}");
    }
    out
}

/// Writes the lines of a bundle and says how many there are.
fn edges(index: usize, bundle: &Bundle, out: &mut String) -> usize {
    let text = quoted(&bundle.labels.join("\n"));
    let (line, arrow) = if bundle.certain {
        ("---", "-->")
    } else {
        ("-.-", "-.->")
    };
    if let ([from], [to]) = (bundle.from.as_slice(), bundle.to.as_slice()) {
        let _ = writeln!(out, "  {} {arrow}|{text}| {}", end(*from), end(*to));
        return 1;
    }
    let _ = writeln!(out, "  k{index}{{{{{text}}}}}");
    for from in &bundle.from {
        let _ = writeln!(out, "  {} {line} k{index}", end(*from));
    }
    for to in &bundle.to {
        let _ = writeln!(out, "  k{index} {arrow} {}", end(*to));
    }
    bundle.from.len() + bundle.to.len()
}

fn end(end: End) -> String {
    match end {
        End::Node(node) => format!("n{node}"),
        End::Group(group) => format!("g{group}"),
    }
}

/// A quoted text: Mermaid reads character codes between `#` and `;`, and HTML.
fn quoted(text: &str) -> String {
    let lines: Vec<String> = text
        .lines()
        .map(|line| escaped(&printable_line(line)))
        .collect();
    format!("\"{}\"", lines.join("<br>"))
}

fn escaped(line: &str) -> String {
    let mut out = String::new();
    for c in line.chars() {
        match c {
            '"' | '#' | '<' | '>' | '&' | ';' | '`' | '\\' => {
                let _ = write!(out, "#{};", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_name_cannot_leave_its_quotes() {
        assert_eq!(quoted("a\"]<b>"), "\"a#34;]#60;b#62;\"");
        assert_eq!(quoted("a\nb"), "\"a<br>b\"");
    }
}

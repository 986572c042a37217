//! For Graphviz: boxes are clusters, a point ties many sources to many destinations.

use super::bundle::{Bundle, End, bundles, members};
use super::{Format, Style};
use crate::layout::printable_line;
use crate::{Change, Graph, Report, Sources};
use std::fmt::Write as _;

/// See the module.
pub(super) const PICTURE: Format = Format {
    name: "dot",
    about: "a picture for Graphviz",
    render,
};

fn render(report: &Report, _: &Sources, _: &Style) -> String {
    let empty = Graph::default();
    let graph = report.graph.as_ref().unwrap_or(&empty);
    let mut out = String::from(
        "digraph {\n  rankdir=LR; compound=true; fontname=\"Helvetica\";\n  node [shape=box, style=rounded, fontname=\"Helvetica\"];\n  edge [fontname=\"Helvetica\", fontsize=10];\n",
    );
    // Writing to a string cannot fail, here and below.
    let _ = writeln!(out, "  label={}; labelloc=t;", quoted(&report.title));
    let members = members(graph);
    for (index, (name, nodes)) in graph.groups.iter().zip(&members).enumerate() {
        let _ = writeln!(out, "  subgraph cluster_{index} {{");
        let _ = writeln!(out, "    label={}; color=gray;", quoted(name));
        for node in nodes {
            let _ = writeln!(out, "    n{node} [label={}];", quoted(label(graph, *node)));
        }
        out.push_str("  }\n");
    }
    for (index, node) in graph.nodes.iter().enumerate() {
        if node.group.is_none() {
            let label = quoted(&node.label);
            let _ = writeln!(out, "  n{index} [label={label}, style=\"rounded,dashed\"];");
        }
    }
    for (index, bundle) in bundles(graph).iter().enumerate() {
        edges(index, bundle, &members, &mut out);
    }
    out.push_str("}\n");
    out
}

fn label(graph: &Graph, node: usize) -> &str {
    graph.nodes.get(node).map_or("", |node| &node.label)
}

fn edges(index: usize, bundle: &Bundle, members: &[Vec<usize>], out: &mut String) {
    let style = style(bundle);
    let text = quoted(&bundle.labels.join("\n"));
    if let ([from], [to]) = (bundle.from.as_slice(), bundle.to.as_slice()) {
        let (from, tail) = end(*from, members, "ltail");
        let (to, head) = end(*to, members, "lhead");
        let _ = writeln!(out, "  {from} -> {to} [label={text}{tail}{head}{style}];");
        return;
    }
    let _ = writeln!(
        out,
        "  k{index} [shape=plaintext, fontsize=10, label={text}];"
    );
    for from in &bundle.from {
        let (from, tail) = end(*from, members, "ltail");
        let _ = writeln!(out, "  {from} -> k{index} [arrowhead=none{tail}{style}];");
    }
    for to in &bundle.to {
        let (to, head) = end(*to, members, "lhead");
        let _ = writeln!(out, "  k{index} -> {to} [label=\"\"{head}{style}];");
    }
}

/// The node to draw to, and the attribute that cuts the line at the box of a group.
fn end(end: End, members: &[Vec<usize>], attribute: &str) -> (String, String) {
    match end {
        End::Node(node) => (format!("n{node}"), String::new()),
        End::Group(group) => {
            let first = members.get(group).and_then(|m| m.first()).copied();
            let node = first.unwrap_or_default();
            (format!("n{node}"), format!(", {attribute}=cluster_{group}"))
        }
    }
}

fn style(bundle: &Bundle) -> String {
    let color = match bundle.change {
        Some(Change::Gained) => ", color=darkgreen, fontcolor=darkgreen",
        Some(Change::Lost) => ", color=firebrick, fontcolor=firebrick",
        Some(Change::Changed) => ", color=darkorange3, fontcolor=darkorange3",
        None => "",
    };
    let dashed = if bundle.certain { "" } else { ", style=dashed" };
    format!("{color}{dashed}")
}

/// A quoted string of the DOT language; a line break stays one.
fn quoted(text: &str) -> String {
    let lines: Vec<String> = text
        .lines()
        .map(|line| {
            printable_line(line)
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
        })
        .collect();
    format!("\"{}\"", lines.join("\\n"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_name_cannot_leave_its_quotes() {
        assert_eq!(quoted("a\"]; x\\"), "\"a\\\"]; x\\\\\"");
        assert_eq!(quoted("a\nb"), "\"a\\nb\"");
    }
}

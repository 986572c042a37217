//! A picture for browsers that needs nothing else: callers at the left, what passes in the middle, the
//! called at the right. Pointing at a box in the middle shows its lines alone.

use super::columns::{Area, Columns, Knot, LINE, PAD, columns, text_width};
use super::html::escaped;
use super::{Format, Style};
use crate::layout::printable_line;
use crate::{Change, Graph, Report, Sources};
use std::fmt::Write as _;

/// See the module.
pub(super) const PICTURE: Format = Format {
    name: "svg",
    about: "a picture for browsers",
    render,
};

/// Height of title and legend.
const TOP: usize = 70;
/// Least width, for a small picture to look like one.
const MIN_WIDTH: usize = 480;
/// Where title and legend start.
const EDGE: usize = 20;
/// Length of an arrowhead.
const TIP: usize = 7;

/// Colours of lines, told apart also by people who see few of them (Okabe and Ito, 2008), on white and on
/// black; then gained, lost, changed, and what is in both of two worlds.
const COLORS: [(&str, &str, &str); 10] = [
    ("c0", "#0072b2", "#56b4e9"),
    ("c1", "#d55e00", "#f0883e"),
    ("c2", "#009e73", "#3fc79a"),
    ("c3", "#8a5a9c", "#cc9fd8"),
    ("c4", "#7a6a00", "#e0d045"),
    ("c5", "#4d4d4d", "#b1bac4"),
    ("plus", "#1a7f37", "#3fb950"),
    ("minus", "#cf222e", "#ff7b72"),
    ("tilde", "#9a6700", "#e3b341"),
    ("both", "#4d4d4d", "#b1bac4"),
];

/// How many of the colours are for lines that are just lines.
const PLAIN: usize = 6;

/// More lines than these of one box are faint, and below the others: together they would be a wall.
const FAN: usize = 24;

const STYLES: &str = "text{font:12px ui-sans-serif,system-ui,Helvetica,Arial,sans-serif;fill:#1f2328}\
.t{font-size:16px;font-weight:600}.g{font-weight:600;fill:#59636e}.s{fill:#59636e}.p{fill:#fff}\
.f{fill:#f6f8fa;stroke:#d1d9e0}.b{fill:#fff;stroke:#8c959f}.o{fill:#fff;stroke:#8c959f;stroke-dasharray:5 3}\
.k path{fill:none;stroke-width:1.4;opacity:.6}.k rect{fill:#fff}.d path{stroke-dasharray:6 4}\
.m path{stroke-width:1;opacity:.22}\
svg:has(.k:hover) .k:not(:hover){opacity:.12}.k:hover path{stroke-width:2.4;opacity:1}";

/// What a reader who asks for a dark page gets.
const DARK: &str = "text{fill:#e6edf3}.g,.s{fill:#9198a1}.p{fill:#0d1117}.f{fill:#151b23;stroke:#3d444d}\
.b,.o,.k rect{fill:#0d1117}.b,.o{stroke:#656c76}.k path{opacity:.75}.m path{opacity:.3}.k:hover path{opacity:1}";

/// The styles, with a rule for each colour.
fn styles() -> String {
    let mut out = STYLES.to_owned();
    let rule = |name: &str, color: &str| {
        format!(".{name} path,.{name} rect{{stroke:{color}}}.{name} polygon{{fill:{color}}}")
    };
    out.extend(COLORS.map(|(name, light, _)| rule(name, light)));
    out.push_str("@media(prefers-color-scheme:dark){");
    out.push_str(DARK);
    out.extend(COLORS.map(|(name, _, dark)| rule(name, dark)));
    out.push('}');
    out
}

fn render(report: &Report, _: &Sources, _: &Style) -> String {
    let empty = Graph::default();
    let graph = report.graph.as_ref().unwrap_or(&empty);
    let placed = columns(graph, TOP);
    let title = printable_line(&report.title);
    let legend = legend(graph, &report.summary.text);
    // The title has letters of 16 pixels, in bold.
    let head = (text_width(&title) * 3 / 2).max(text_width(&legend)) + 2 * EDGE;
    let (width, height) = (placed.width.max(head).max(MIN_WIDTH), placed.height);
    let (title, legend) = (escaped(&title), escaped(&legend));
    let mut out = String::new();
    // Writing to a string cannot fail, here and below.
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\">"
    );
    let _ = writeln!(out, "<title>{title}</title>\n<style>{}</style>", styles());
    let _ = writeln!(
        out,
        "<rect class=\"p\" width=\"{width}\" height=\"{height}\"/>"
    );
    let _ = writeln!(
        out,
        "<text class=\"t\" x=\"{EDGE}\" y=\"28\">{title}</text>\n<text class=\"s\" x=\"{EDGE}\" y=\"48\">{legend}</text>"
    );
    draw(&placed, graph, &mut out);
    out.push_str("</svg>\n");
    out
}

/// What is found, and how to read the picture.
fn legend(graph: &Graph, summary: &str) -> String {
    let compares = graph.links.iter().any(|link| link.change.is_some());
    let depends = graph.links.iter().any(|link| !link.certain);
    let mut words = vec!["callers at the left, called at the right".to_owned()];
    if depends {
        words.push("dashed: not all of it passes for certain".to_owned());
    }
    if compares {
        words.push("green and +: gained, red and -: lost, brown and ~: changed".to_owned());
    }
    if graph.links.is_empty() {
        words = vec!["nothing to draw".to_owned()];
    }
    let summary = summary.lines().next().unwrap_or_default();
    if !summary.is_empty() {
        words.insert(0, printable_line(summary));
    }
    words.join(" · ")
}

fn draw(placed: &Columns, graph: &Graph, out: &mut String) {
    for frame in &placed.frames {
        rect(frame, "f", out);
        let (x, y) = (frame.x + PAD, frame.y + LINE);
        let name = frame.lines.first().map_or("", String::as_str);
        let name = escaped(name);
        let _ = writeln!(out, "<text class=\"g\" x=\"{x}\" y=\"{y}\">{name}</text>");
    }
    for area in &placed.boxes {
        let class = if area.outside { "o" } else { "b" };
        tip(area, out);
        rect(area, class, out);
        text(area, out);
        out.push_str("</g>\n");
    }
    let compares = graph.links.iter().any(|link| link.change.is_some());
    let mut knots: Vec<(usize, &Knot)> = placed.knots.iter().enumerate().collect();
    knots.sort_by_key(|(_, knot)| !is_fan(knot));
    for (index, knot) in knots {
        let color = match knot.bundle.change {
            Some(Change::Gained) => "plus",
            Some(Change::Lost) => "minus",
            Some(Change::Changed) => "tilde",
            None if compares => "both",
            None => COLORS
                .get(index % PLAIN)
                .map_or("both", |(name, _, _)| *name),
        };
        draw_knot(knot, color, out);
    }
}

/// Whether a box has a great many lines.
fn is_fan(knot: &Knot) -> bool {
    knot.starts.len().max(knot.ends.len()) > FAN
}

/// The lines of a knot below its box.
fn draw_knot(knot: &Knot, color: &str, out: &mut String) {
    let depends = if knot.bundle.certain { "" } else { " d" };
    let many = if is_fan(knot) { " m" } else { "" };
    let _ = writeln!(out, "<g class=\"k{depends}{many} {color}\">");
    let area = &knot.area;
    let (left, right, middle) = (area.x, area.x + area.width, area.y + area.height / 2);
    for (x, y) in &knot.starts {
        curve((*x, *y), (left, middle), out);
    }
    for (x, y) in &knot.ends {
        let end = x.saturating_sub(TIP);
        curve((right, middle), (end, *y), out);
        let (up, down) = (y.saturating_sub(4), y + 4);
        let _ = writeln!(out, "<polygon points=\"{end},{up} {x},{y} {end},{down}\"/>");
    }
    tip(area, out);
    let Area {
        x,
        y,
        width,
        height,
        ..
    } = area;
    let _ = writeln!(
        out,
        "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"9\"/>"
    );
    text(area, out);
    out.push_str("</g>\n</g>\n");
}

fn curve((x1, y1): (usize, usize), (x2, y2): (usize, usize), out: &mut String) {
    let middle = usize::midpoint(x1, x2);
    let _ = writeln!(
        out,
        "<path d=\"M{x1},{y1}C{middle},{y1} {middle},{y2} {x2},{y2}\"/>"
    );
}

/// Opens a group, with the whole text as a tooltip where the box holds a part.
fn tip(area: &Area, out: &mut String) {
    out.push_str("<g>");
    if let Some(whole) = &area.whole {
        let _ = write!(out, "<title>{}</title>", escaped(whole));
    }
    out.push('\n');
}

fn rect(area: &Area, class: &str, out: &mut String) {
    let Area {
        x,
        y,
        width,
        height,
        ..
    } = area;
    let _ = writeln!(
        out,
        "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"4\"/>"
    );
}

fn text(area: &Area, out: &mut String) {
    for (index, line) in area.lines.iter().enumerate() {
        let (x, y) = (area.x + PAD, area.y + PAD / 2 + 12 + index * LINE);
        let line = escaped(line);
        let _ = writeln!(out, "<text x=\"{x}\" y=\"{y}\">{line}</text>");
    }
}

#[cfg(test)]
mod tests {
    use super::render;
    use crate::render::Style;
    use crate::{Change, Graph, Link, Node, Report, Sources};

    fn picture(name: &str) -> String {
        let node = |name: &str, group: Option<usize>| Node {
            name: name.to_owned(),
            label: name.to_owned(),
            group,
            many: false,
            outside: group.is_none(),
        };
        let mut report = Report::new(name);
        report.graph = Some(Graph {
            groups: vec![name.to_owned()],
            nodes: vec![node(name, Some(0)), node("anywhere outside", None)],
            links: vec![Link {
                from: vec![1],
                to: vec![0],
                ports: "80/TCP".to_owned(),
                certain: false,
                wire: None,
                change: Some(Change::Gained),
            }],
        });
        render(&report, &Sources::new(), &Style::default())
    }

    #[test]
    fn a_name_cannot_leave_its_place() {
        let text = picture("a\"><script>&\u{1b}");
        assert!(!text.contains("<script"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
        assert!(text.contains("&quot;&gt;&lt;script&gt;&amp;"), "{text}");
    }

    #[test]
    fn what_is_not_certain_is_dashed_and_changes_have_their_colour() {
        let text = picture("web");
        assert!(text.contains("<g class=\"k d plus\">"), "{text}");
        assert!(
            text.contains(".plus path,.plus rect{stroke:#1a7f37}"),
            "{text}"
        );
        assert!(text.contains(">+ 80/TCP (depends)</text>"), "{text}");
        assert!(text.contains("class=\"o\""), "{text}");
    }

    #[test]
    fn every_element_is_closed() {
        let text = picture("web");
        for element in ["svg", "g", "text", "title", "style"] {
            let open = text.matches(&format!("<{element}>")).count()
                + text.matches(&format!("<{element} ")).count();
            assert_eq!(open, text.matches(&format!("</{element}>")).count());
        }
        let empty = render(&Report::new("x"), &Sources::new(), &Style::default());
        assert!(empty.contains("nothing to draw"), "{empty}");
    }
}

//! Places for a picture in three columns: who calls, what passes, who is called. No two boxes overlap,
//! whatever the graph. Cost: one line for each end of a bundle.

use super::bundle::{Bundle, End, bundles, members};
use crate::Graph;
use crate::layout::printable_line;
use std::collections::{BTreeMap, BTreeSet};

/// Height of a line of text.
pub(super) const LINE: usize = 15;
/// Space between a box and its text.
pub(super) const PAD: usize = 8;
/// Space between boxes.
const GAP: usize = 8;
/// Space between groups.
const GROUP_GAP: usize = 18;
/// Height of the name of a group.
const HEAD: usize = 20;
/// Space between columns, where the lines run.
const LANE: usize = 170;
/// Most characters of a line in a box.
const MAX_LINE: usize = 44;
/// Most lines of a box; the whole text is its tooltip.
const MAX_LINES: usize = 8;
/// Space around everything.
const MARGIN: usize = 20;

/// A rectangle with text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Area {
    pub(super) x: usize,
    pub(super) y: usize,
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) lines: Vec<String>,
    /// The whole text, if the lines do not hold it.
    pub(super) whole: Option<String>,
    /// Whether it is outside.
    pub(super) outside: bool,
}

impl Area {
    fn of(text: &str) -> Self {
        let (lines, whole) = wrapped(text);
        Self {
            width: width(&lines) + 2 * PAD,
            height: lines.len() * LINE + PAD,
            lines,
            whole,
            ..Self::default()
        }
    }

    fn middle(&self) -> usize {
        self.y + self.height / 2
    }
}

/// A group: its frame, with its name as the text.
pub(super) type Frame = Area;

/// Fewest ends of a set that is shown as all of a column; most that it may lack, and the part of the column
/// that these may be.
const MANY: usize = 6;
const FEW: usize = 3;
const PART: usize = 8;

/// What passes between some ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Knot {
    pub(super) area: Area,
    pub(super) bundle: Bundle,
    /// Whether its callers, and the called, are shown as all of their column.
    all: (bool, bool),
    /// Where its lines start and end.
    pub(super) starts: Vec<(usize, usize)>,
    pub(super) ends: Vec<(usize, usize)>,
}

/// Everything with its place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Columns {
    pub(super) width: usize,
    pub(super) height: usize,
    /// First those of callers, then those of the called.
    pub(super) frames: Vec<Frame>,
    pub(super) boxes: Vec<Area>,
    pub(super) knots: Vec<Knot>,
}

/// Gives everything its place, below `top`.
pub(super) fn columns(graph: &Graph, top: usize) -> Columns {
    let bundles = bundles(graph);
    let members = members(graph);
    let mut callers = Column::of(graph, &members, bundles.iter().flat_map(|b| &b.from));
    let mut called = Column::of(graph, &members, bundles.iter().flat_map(|b| &b.to));
    let mut knots: Vec<Knot> = bundles
        .into_iter()
        .map(|bundle| {
            let mut text = bundle.labels.clone();
            let from = callers.but(graph, &members, &bundle.from);
            let to = called.but(graph, &members, &bundle.to);
            text.extend(lacking("from", from.as_deref()));
            text.extend(lacking("to", to.as_deref()));
            callers.all |= from.is_some();
            called.all |= to.is_some();
            Knot {
                area: Area::of(&text.join("\n")),
                all: (from.is_some(), to.is_some()),
                bundle,
                starts: Vec::new(),
                ends: Vec::new(),
            }
        })
        .collect();
    callers.place(graph, "all of these");
    called.place(graph, "all of these");
    let knot_width = knots.iter().map(|k| k.area.width).max().unwrap_or(0);
    let all: usize = knots.iter().map(|k| k.area.height + GAP).sum();
    let height = all.max(callers.height).max(called.height);
    let knot_x = MARGIN + callers.width + LANE;
    let called_x = knot_x + knot_width + LANE;
    for (column, x) in [(&mut callers, MARGIN), (&mut called, called_x)] {
        column.shift(x, top + (height - column.height) / 2);
    }
    for knot in &mut knots {
        knot.starts = callers.ports(&knot.bundle.from, knot.all.0, true);
        knot.ends = called.ports(&knot.bundle.to, knot.all.1, false);
        // Equal widths, so that no line passes over another box.
        (knot.area.x, knot.area.width) = (knot_x, knot_width);
    }
    stack(&mut knots, top, top + height);
    Columns {
        width: knot_x + knot_width + LANE + called.width + MARGIN,
        height: top + height + MARGIN,
        frames: [callers.frames, called.frames]
            .into_iter()
            .flat_map(BTreeMap::into_values)
            .collect(),
        boxes: [callers.boxes, called.boxes]
            .into_iter()
            .flat_map(BTreeMap::into_values)
            .collect(),
        knots,
    }
}

/// What a set lacks to be all of its column, in words.
fn lacking(word: &str, but: Option<&[String]>) -> Option<String> {
    let names = but.filter(|names| !names.is_empty())?;
    Some(format!("({word} all but {})", names.join(", ")))
}

/// The ends of one side, stacked.
#[derive(Default)]
struct Column {
    width: usize,
    height: usize,
    nodes: BTreeSet<usize>,
    frames: BTreeMap<usize, Frame>,
    boxes: BTreeMap<usize, Area>,
    /// Whether something is about all of it.
    all: bool,
}

/// The place of the box that means all of a column.
const ALL: usize = usize::MAX;

fn nodes_of(members: &[Vec<usize>], end: End) -> Vec<usize> {
    match end {
        End::Node(node) => vec![node],
        End::Group(group) => members.get(group).cloned().unwrap_or_default(),
    }
}

fn group_of(graph: &Graph, node: usize) -> Option<usize> {
    graph.nodes.get(node).and_then(|node| node.group)
}

impl Column {
    fn of<'e>(graph: &Graph, members: &[Vec<usize>], ends: impl Iterator<Item = &'e End>) -> Self {
        let nodes = ends.flat_map(|end| nodes_of(members, *end));
        Self {
            nodes: nodes.filter(|n| graph.nodes.get(*n).is_some()).collect(),
            ..Self::default()
        }
    }

    /// If these ends are nearly all: the names of those that they lack.
    fn but(&self, graph: &Graph, members: &[Vec<usize>], ends: &[End]) -> Option<Vec<String>> {
        let set: BTreeSet<usize> = ends.iter().flat_map(|e| nodes_of(members, *e)).collect();
        let others: Vec<&usize> = self.nodes.difference(&set).take(FEW + 1).collect();
        let few = FEW.min(self.nodes.len() / PART);
        let nearly = ends.len() >= MANY && others.len() <= few;
        let name = |node: &&usize| graph.nodes.get(**node).map(|n| n.name.clone());
        nearly.then(|| others.iter().filter_map(name).collect())
    }

    /// Gives its boxes their places.
    fn place(&mut self, graph: &Graph, all: &str) {
        if self.all {
            let area = Area::of(all);
            self.width = area.width;
            self.height = area.height + GROUP_GAP;
            self.boxes.insert(ALL, area);
        }
        // What has no group comes first: mostly it is the outside.
        let of = |nodes: &BTreeSet<usize>, group| -> Vec<usize> {
            let inside = nodes.iter().filter(|n| group_of(graph, **n) == group);
            inside.copied().collect()
        };
        let free = of(&self.nodes, None);
        self.pile(graph, &free, 0);
        for (group, name) in graph.groups.iter().enumerate() {
            let inside = of(&self.nodes, Some(group));
            if !inside.is_empty() {
                self.framed(graph, (group, name), &inside);
            }
        }
        let width = self.width;
        for (node, area) in &mut self.boxes {
            let inset = group_of(graph, *node).map_or(0, |_| 2 * PAD);
            area.width = width - inset;
        }
        for frame in self.frames.values_mut() {
            frame.width = width;
        }
        self.height = self.height.saturating_sub(GROUP_GAP);
    }

    /// Boxes below each other from the present bottom on.
    fn pile(&mut self, graph: &Graph, nodes: &[usize], inset: usize) {
        for node in nodes {
            let Some(end) = graph.nodes.get(*node) else {
                continue;
            };
            let mut area = Area::of(&end.label);
            area.outside = end.outside;
            (area.x, area.y) = (inset, self.height);
            self.height += area.height + GAP;
            self.width = self.width.max(area.width + 2 * inset);
            self.boxes.insert(*node, area);
        }
        if !nodes.is_empty() {
            self.height += GROUP_GAP - GAP;
        }
    }

    fn framed(&mut self, graph: &Graph, (group, name): (usize, &str), nodes: &[usize]) {
        let mut frame = Area::of(name);
        frame.lines.truncate(1);
        // Names of groups are bold, and so wider.
        frame.width += frame.width / 8;
        frame.y = self.height;
        self.width = self.width.max(frame.width);
        self.height += HEAD + PAD / 2;
        self.pile(graph, nodes, PAD);
        self.height -= GROUP_GAP - PAD;
        frame.height = self.height - frame.y;
        self.height += GROUP_GAP;
        self.frames.insert(group, frame);
    }

    fn shift(&mut self, x: usize, y: usize) {
        let areas = self.frames.values_mut().chain(self.boxes.values_mut());
        for area in areas {
            area.x += x;
            area.y += y;
        }
    }

    /// Where lines meet these ends: the middle of a box, the name of a group.
    fn ports(&self, ends: &[End], all: bool, right: bool) -> Vec<(usize, usize)> {
        let ends = if all { &[End::Node(ALL)] } else { ends };
        let port = |end: &End| {
            let (area, y) = match end {
                End::Node(node) => self.boxes.get(node).map(|a| (a, a.middle()))?,
                End::Group(group) => self.frames.get(group).map(|f| (f, f.y + HEAD / 2))?,
            };
            let x = if right { area.x + area.width } else { area.x };
            Some((x, y))
        };
        ends.iter().filter_map(port).collect()
    }
}

/// Puts each knot as near to the middle of its ends as there is room, in that order.
fn stack(knots: &mut [Knot], top: usize, bottom: usize) {
    knots.sort_by_cached_key(|knot| (mean(knot), knot.area.lines.clone()));
    let mut next = top;
    for knot in &mut *knots {
        let wish = mean(knot).saturating_sub(knot.area.height / 2);
        knot.area.y = wish.max(next);
        next = knot.area.y + knot.area.height + GAP;
    }
    // What was pushed out at the bottom goes up again: there is room for all.
    let mut limit = bottom;
    for knot in knots.iter_mut().rev() {
        knot.area.y = knot.area.y.min(limit.saturating_sub(knot.area.height));
        limit = knot.area.y.saturating_sub(GAP);
    }
}

fn mean(knot: &Knot) -> usize {
    let side = |ports: &[(usize, usize)]| {
        let sum: usize = ports.iter().map(|(_, y)| *y).sum();
        sum.checked_div(ports.len())
    };
    match (side(&knot.starts), side(&knot.ends)) {
        (Some(a), Some(b)) => usize::midpoint(a, b),
        (a, b) => a.or(b).unwrap_or(0),
    }
}

/// Lines that are short enough, and the whole text if they do not hold it.
fn wrapped(text: &str) -> (Vec<String>, Option<String>) {
    let mut lines: Vec<String> = Vec::new();
    for part in text.lines().map(printable_line) {
        let mut line = String::new();
        for word in words(&part) {
            let length = line.chars().count() + word.trim_end().chars().count();
            if !line.is_empty() && length > MAX_LINE {
                lines.push(std::mem::take(&mut line));
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    let mut cut = false;
    for line in &mut lines {
        line.truncate(line.trim_end().len());
        if line.chars().count() > MAX_LINE {
            *line = line.chars().take(MAX_LINE - 1).chain(['…']).collect();
            cut = true;
        }
    }
    if lines.len() > MAX_LINES {
        lines.truncate(MAX_LINES - 1);
        lines.push("…".to_owned());
        cut = true;
    }
    let whole = text.lines().map(printable_line).collect::<Vec<_>>();
    (lines, cut.then(|| whole.join("\n")))
}

/// Parts that a line may break between: behind commas, and at spaces in what is too long for a line.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(", ").flat_map(|item| {
        let long = item.chars().count() > MAX_LINE;
        let end = if long { " " } else { "\n" };
        item.split_inclusive(end)
    })
}

fn width(lines: &[String]) -> usize {
    let widths = lines.iter().map(|line| text_width(line));
    widths.max().unwrap_or(0)
}

/// Width of a text of 12 pixels, rather too much: the font is the reader's. The widest of the usual ones, DejaVu
/// Sans, sets the measure.
pub(super) fn text_width(text: &str) -> usize {
    let tenths: usize = text.chars().map(tenths).sum();
    tenths.div_ceil(10)
}

fn tenths(character: char) -> usize {
    match character {
        'i' | 'j' | 'l' | '\'' | '|' | ' ' | '.' | ',' | ':' | ';' => 40,
        'f' | 'r' | 't' | '-' | '/' | '(' | ')' | '[' | ']' | '`' | '"' => 56,
        'M' | 'm' | 'W' | '@' | '%' => 120,
        'w' | 'A'..='Z' | '_' | '~' | '+' | '=' | '<' | '>' | '→' => 101,
        character if character.is_ascii() => 77,
        _ => 121,
    }
}

#[cfg(test)]
mod tests {
    use super::{Area, columns, text_width, width, wrapped};
    use crate::{Graph, Link, Node};

    /// So many ends in groups of five, the first outside; each third one may be called by some or by all.
    fn graph(size: usize) -> Graph {
        let name = |n: usize| format!("workload-{n}{}", "-with-a-long-name".repeat(n % 5));
        let nodes = (0..size).map(|n| Node {
            name: format!("space-{}/{}", n / 5, name(n)),
            label: name(n),
            group: (n > 0).then_some(n / 5),
            many: false,
            outside: n == 0,
        });
        let all: Vec<usize> = (0..size).collect();
        let links = (0..size).step_by(3).map(|n| Link {
            from: match n % 2 {
                0 => all.clone(),
                _ => all.iter().copied().filter(|m| m % 7 == n % 7).collect(),
            },
            to: vec![n],
            ports: format!("{}/TCP, all UDP ports, all SCTP ports", 8000 + n),
            certain: n % 4 > 0,
            wire: None,
            change: None,
        });
        Graph {
            groups: (0..size.div_ceil(5))
                .map(|g| format!("space-{g}"))
                .collect(),
            nodes: nodes.collect(),
            links: links.collect(),
        }
    }

    fn apart(a: &Area, b: &Area) -> bool {
        a.x + a.width <= b.x
            || b.x + b.width <= a.x
            || a.y + a.height <= b.y
            || b.y + b.height <= a.y
    }

    #[test]
    fn nothing_overlaps_and_all_is_within_the_picture() {
        for (size, crowd) in [
            (1, 0),
            (2, 0),
            (10, 0),
            (50, 0),
            (200, 0),
            (50, 20),
            (10, 40),
        ] {
            let mut graph = graph(size);
            // Many knots that all belong near the bottom.
            let crowded = (0..crowd).map(|n| Link {
                from: vec![size - 1 - n % 4],
                to: vec![size - 1 - n / 4 % 5],
                ports: format!("{n}/TCP"),
                certain: true,
                wire: None,
                change: None,
            });
            graph.links.extend(crowded.collect::<Vec<_>>());
            let placed = columns(&graph, 70);
            let knots = placed.knots.iter().map(|k| &k.area);
            let areas: Vec<&Area> = placed.boxes.iter().chain(knots).collect();
            for (index, area) in areas.iter().enumerate() {
                assert!(area.x + area.width <= placed.width, "{size}: {area:?}");
                assert!(area.y + area.height <= placed.height, "{size}: {area:?}");
                assert!(area.y >= 70, "{size}: {area:?}");
                assert!(width(&area.lines) < area.width, "{size}: {area:?}");
                for other in areas.iter().skip(index + 1) {
                    assert!(apart(area, other), "{size}: {area:?} {other:?}");
                }
            }
            for (index, frame) in placed.frames.iter().enumerate() {
                let others = placed.frames.iter().skip(index + 1);
                others.for_each(|other| assert!(apart(frame, other), "{frame:?} {other:?}"));
                for area in &areas {
                    let inside = area.x > frame.x
                        && area.x + area.width < frame.x + frame.width
                        && area.y > frame.y
                        && area.y + area.height < frame.y + frame.height;
                    assert!(inside || apart(frame, area), "{frame:?} {area:?}");
                }
            }
            let lines = placed.knots.iter().map(|k| (k.starts.len(), k.ends.len()));
            assert!(lines.into_iter().all(|(s, e)| s > 0 && e > 0), "{size}");
        }
    }

    /// A set that is all of a column but a few is one line, and the words say who is left out.
    #[test]
    fn nearly_all_callers_are_one_line() {
        let mut graph = graph(40);
        graph.links.truncate(1);
        let link = graph.links[0].clone();
        graph.links.push(Link {
            from: (0..40).filter(|n| *n != 35).collect(),
            to: vec![1],
            ..link
        });
        let placed = columns(&graph, 0);
        assert!(placed.knots.iter().all(|k| k.starts.len() == 1));
        let texts: Vec<String> = placed.knots.iter().map(|k| k.area.lines.concat()).collect();
        let but = |text: &&String| text.contains("(from all but space-7/workload-35)");
        assert_eq!(texts.iter().filter(but).count(), 1, "{texts:?}");
    }

    /// Measured with DejaVu Sans, 12 pixels: 196.6, 65.1 and 100.8.
    #[test]
    fn broad_letters_have_room() {
        assert!(text_width("my-manager-ibm-eem-manager") >= 197);
        assert!(text_width("8080/TCP") >= 58);
        assert!(text_width("wwwwwwwwww") >= 99);
        assert!(text_width("illicit-fill") <= 70);
    }

    #[test]
    fn long_texts_are_wrapped_and_cut() {
        let (lines, whole) = wrapped("1-5431/TCP, 5433-15019/TCP, 15022-15089/TCP, all UDP ports");
        assert_eq!(
            lines,
            [
                "1-5431/TCP, 5433-15019/TCP, 15022-15089/TCP,",
                "all UDP ports"
            ]
        );
        assert_eq!(whole, None);
        let long = "x".repeat(60);
        let (lines, whole) = wrapped(&long);
        assert_eq!(lines, [format!("{}…", "x".repeat(43))]);
        assert_eq!(whole.as_deref(), Some(long.as_str()));
        let (lines, whole) = wrapped(&"a\n".repeat(20));
        assert_eq!((lines.len(), whole.is_some()), (8, true));
        assert_eq!(wrapped("").0, Vec::<String>::new());
    }
}

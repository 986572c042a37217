//! Texts of any size: cut first, then read piece by piece, in any order and by any number of threads.

use crate::limits::{self, Limits};
use crate::list::{self, Form, Next};
use crate::problems::Problems;
use crate::shape::Plan;
use crate::split::{self, Window};
use crate::tree::Document;
use crate::{Read, Spare, json, read_piece, span};
use palisade_diagnostics::FileId;
use std::ops::Range;

/// A piece of a text that can be read by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// What stands between two `---`: a document, or several JSON values.
    Document(Range<usize>),
    /// A large object with `items`.
    List(List),
}

/// A large object with `items`, cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    form: Form,
    head: Range<usize>,
    items: Vec<Range<usize>>,
    tail: Range<usize>,
}

/// Cuts a text. Limits on its size and on the number of documents are looked after here.
#[must_use]
pub fn cut(file: FileId, text: &str, limits: &Limits) -> (Vec<Piece>, Problems) {
    let (ranges, problems) = documents(file, text, limits);
    let pieces = ranges.into_iter().map(|range| {
        let part = text.get(range.clone()).unwrap_or_default();
        match (part.len() > limits.sizes.list)
            .then(|| List::cut(part, range.start, limits.max_documents))
            .flatten()
        {
            Some(list) => Piece::List(list),
            None => Piece::Document(range),
        }
    });
    (pieces.collect(), problems)
}

/// Where the documents of a text are.
pub(crate) fn documents(
    file: FileId,
    text: &str,
    limits: &Limits,
) -> (Vec<Range<usize>>, Problems) {
    let mut problems = Problems::new(limits.max_diagnostics);
    // Spans and ranges are 32 bits wide.
    let max = limits.max_bytes.min(u32::MAX as usize - 1);
    if text.len() > max {
        let start = Some(span(file, 0, 0));
        problems.add(|| limits::exceeded(start, "the text is too large", max, "bytes"));
        return (Vec::new(), problems);
    }
    let mut ranges = split::pieces(text);
    if let Some(beyond) = ranges.get(limits.max_documents) {
        let at = Some(span(file, beyond.start, beyond.start));
        let limit = limits.max_documents;
        problems.add(|| limits::exceeded(at, "too many documents", limit, "documents"));
        ranges.truncate(limit);
    }
    (ranges, problems)
}

/// Reads the documents of a range of a text that [`cut`] gave.
#[must_use]
pub fn read(
    file: FileId,
    window: Window<'_>,
    range: &Range<usize>,
    limits: &Limits,
    plan: Plan,
) -> (Vec<Document>, Problems) {
    read_part(file, window.get(range), range.start, limits, plan)
}

fn read_part(
    file: FileId,
    part: &str,
    start: usize,
    limits: &Limits,
    plan: Plan,
) -> (Vec<Document>, Problems) {
    let mut read = Read {
        documents: Vec::new(),
        problems: Problems::new(limits.max_diagnostics),
    };
    read_piece(file, part, start, limits, plan, &mut read);
    (read.documents, read.problems)
}

/// How the items of a large list are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Items(pub(crate) Form);

impl Items {
    /// Reads an item: the root of the document, or the only item of the list that is its root. `None`
    /// if the list has to be read as a whole.
    #[must_use]
    pub fn read(
        self,
        file: FileId,
        (window, item): (Window<'_>, &Range<usize>),
        (limits, plan): (&Limits, Plan),
        spare: &mut Spare,
    ) -> Option<Document> {
        let levels = match self.0 {
            Form::Values => 0,
            Form::Json => 2,
            Form::Yaml { .. } => 1,
        };
        let limits = Limits {
            max_depth: limits.max_depth.saturating_sub(levels),
            ..*limits
        };
        let (mut documents, problems) = match self.0 {
            Form::Yaml { .. } => read(file, window, item, &limits, plan),
            // By the reader of JSON alone: YAML would see other things in a piece of JSON.
            Form::Json | Form::Values => {
                let part = window.get(item);
                let found = json::parse(file, part, item.start, (&limits, plan), spare)?;
                (found.ok()?, Problems::new(0))
            }
        };
        let one = problems.is_empty() && documents.len() == 1;
        documents.pop().filter(|_| one)
    }

    /// Whether an item is the only item of the list that is the root of its document.
    #[must_use]
    pub fn is_wrapped(self) -> bool {
        matches!(self.0, Form::Yaml { .. })
    }

    /// Whether they are no items, but documents of their own.
    #[must_use]
    pub fn are_documents(self) -> bool {
        self.0 == Form::Values
    }
}

/// Reads what is around the items of a list: the object without them, whose first part ends where the
/// items begin, and whose other part begins where they end. `None` if the list has to be read as a whole.
pub(crate) fn around(
    file: FileId,
    (head, start): (&str, usize),
    (tail, end): (&str, usize),
    limits: &Limits,
) -> Option<Document> {
    let outer = [head, tail].concat();
    let (mut documents, problems) = read_part(file, &outer, start, limits, Plan::default());
    let one = problems.is_empty() && documents.len() == 1;
    let mut document = documents.pop().filter(|_| one)?;
    let head_end = start + head.len();
    document.shift(head_end, end - head_end);
    Some(document)
}

impl List {
    /// `None` also if there are more than `max` items, which only a text made to harm has.
    fn cut(part: &str, offset: usize, max: usize) -> Option<Self> {
        let (form, begin) = list::start(part)?;
        let (mut at, mut items) = (begin, Vec::new());
        let end = loop {
            match list::next(form, part, at, items.is_empty(), false) {
                Next::Item(..) if items.len() == max => return None,
                Next::Item(range, then) => {
                    items.push(range.start + offset..range.end + offset);
                    at = then;
                }
                Next::End(end) => break end,
                Next::More | Next::Broken => return None,
            }
        };
        Some(Self {
            form,
            head: offset..begin + offset,
            items,
            tail: end + offset..part.len() + offset,
        })
    }

    /// All of it.
    #[must_use]
    pub fn whole(&self) -> Range<usize> {
        self.head.start..self.tail.end
    }

    /// Its items. Each is to be read by [`Items::read`].
    #[must_use]
    pub fn items(&self) -> &[Range<usize>] {
        &self.items
    }

    /// How to read them.
    #[must_use]
    pub fn form(&self) -> Items {
        Items(self.form)
    }

    /// Reads what is around the items: the object without them. `None` if the list has to be read as a
    /// whole.
    #[must_use]
    pub fn around(&self, file: FileId, text: &str, limits: &Limits) -> Option<Document> {
        let part = |range: &Range<usize>| text.get(range.clone()).unwrap_or_default();
        let (head, tail) = (part(&self.head), part(&self.tail));
        around(
            file,
            (head, self.head.start),
            (tail, self.tail.start),
            limits,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{Piece, cut};
    use crate::split::Window;
    use crate::{Kind, Limits, Node, Plan, Sizes, Spare, parse};
    use palisade_diagnostics::FileId;
    use proptest::prelude::*;

    const FILE: FileId = FileId(0);

    /// The items of the list that a text is, piece by piece; `None` if it has to be read as a whole.
    fn by_pieces(text: &str) -> Option<Vec<String>> {
        let limits = Limits {
            sizes: Sizes {
                list: 0,
                ..Sizes::default()
            },
            ..Limits::default()
        };
        let (pieces, _) = cut(FILE, text, &limits);
        let [Piece::List(list)] = pieces.as_slice() else {
            return None;
        };
        let mut out = Vec::new();
        for range in list.items() {
            let (window, plan) = (Window::whole(text), Plan::default());
            let item = list.form();
            let item = item.read(
                FILE,
                (window, range),
                (&limits, plan),
                &mut Spare::default(),
            )?;
            let node = match list.form().is_wrapped() {
                true => item.root().items().next()?,
                false => item.root(),
            };
            out.push(shown(node));
        }
        let around = list.around(FILE, text, &limits)?;
        for (key, value) in around.root().entries().filter(|(k, _)| k.text != "items") {
            out.push(format!("{key:?} {}", shown(value)));
        }
        Some(out)
    }

    fn whole(text: &str) -> Option<Vec<String>> {
        let parsed = parse(FILE, text, &Limits::default());
        let [document] = parsed.documents.as_slice() else {
            return None;
        };
        let root = document.root();
        let items = root.get("items")?;
        if !parsed.diagnostics.is_empty() || items.kind() != Kind::List {
            return None;
        }
        let mut out: Vec<String> = items.items().map(shown).collect();
        for (key, value) in root.entries().filter(|(k, _)| k.text != "items") {
            out.push(format!("{key:?} {}", shown(value)));
        }
        Some(out)
    }

    fn shown(node: Node<'_>) -> String {
        let mut out = format!("{:?} {:?} {:?}", node.span(), node.kind(), node.text());
        for item in node.items() {
            out += &format!("\n- {}", shown(item));
        }
        for (key, value) in node.entries() {
            out += &format!("\n{key:?}: {}", shown(value));
        }
        out
    }

    const YAML: &str = "apiVersion: v1\nitems:\n# x\n- kind: A\n  b: |\n    - x\n\n  c: 'y'\n- kind: B\n  d:\n  - e\n  - {f: g}\nkind: List\nmetadata: {x: 1}\n";
    const JSON: &str = "{\"apiVersion\": \"v1\", \"items\": [{\"kind\": \"A\", \"b\": [1, {}]}, {\"c\": \"\\\"]\"}\n, []], \"kind\": \"List\"}";

    fn piece() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec![
            "",
            "\n",
            "- ",
            "\n- ",
            "\n  ",
            " ",
            "\"",
            "'",
            "]",
            "[",
            "}",
            "{",
            ",",
            ":",
            "x: 1",
            "\nitems:",
            "&a ",
            "*a",
            "#",
            "|",
            "\\",
            "\n---\n",
            "- - ",
            "null",
            "\nkind: List\n",
        ])
    }

    #[test]
    fn lists_are_cut() {
        for text in [YAML, JSON] {
            assert_eq!(by_pieces(text).unwrap(), whole(text).unwrap());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_read_by_pieces_is_what_is_read_as_a_whole(
            yaml in any::<bool>(),
            at in 0..JSON.len().max(YAML.len()),
            cut in 0..6_usize,
            new in piece(),
        ) {
            let text = if yaml { YAML } else { JSON };
            let at = at.min(text.len());
            let end = (at + cut).min(text.len());
            let text = format!("{}{new}{}", &text[..at], &text[end..]);
            // The full parser places an empty block scalar by what follows it.
            let empty = |shown: &String| text.contains('|') && shown.contains("Some(\"\")");
            if let Some(pieces) = by_pieces(&text).filter(|all| !all.iter().any(empty)) {
                prop_assert_eq!(Some(pieces), whole(&text), "{}", text);
            }
        }
    }
}

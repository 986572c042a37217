//! A whole answer: verdict, findings, what the proof rests on, and figures.

use crate::{Diagnostic, Graph};

/// The three answers. Unknown is never reported as holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Proven.
    Holds,
    /// Not decided; a reason stands beside it.
    Unknown,
    /// Refuted by a witness.
    Fails,
}

/// Something outside the input that the proof rests on, for example "the CNI enforces NetworkPolicy".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prerequisite {
    /// What must be so.
    pub title: String,
    /// Whether the input shows it.
    pub verdict: Verdict,
    /// What shows or refutes it, or how to show it.
    pub detail: String,
}

/// A named value, for the head of a report: `platform: openshift`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// Name.
    pub name: String,
    /// Value.
    pub value: String,
}

/// A table: column heads and rows of the same length.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Table {
    /// Column heads.
    pub columns: Vec<String>,
    /// Rows.
    pub rows: Vec<Vec<String>>,
}

/// A titled part of a report after the findings: paragraphs and perhaps a table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Section {
    /// Heading.
    pub title: String,
    /// Paragraphs.
    pub paragraphs: Vec<String>,
    /// A table, shown after the paragraphs.
    pub table: Option<Table>,
}

/// The last line, and the counts behind it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// One sentence: `fails: 12 findings, 3 not decided`.
    pub text: String,
}

/// One command's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What was asked: `verify examples/verrazzano`.
    pub title: String,
    /// The answer.
    pub verdict: Verdict,
    /// The circumstances of the answer: platform, toggles, counts.
    pub facts: Vec<Fact>,
    /// What was found, most serious first.
    pub findings: Vec<Diagnostic>,
    /// What the answer rests on.
    pub prerequisites: Vec<Prerequisite>,
    /// Further parts.
    pub sections: Vec<Section>,
    /// The answer as a picture, if it is about who talks to whom.
    pub graph: Option<Graph>,
    /// The last line.
    pub summary: Summary,
}

impl Report {
    /// An empty report that holds.
    #[must_use]
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            verdict: Verdict::Holds,
            facts: Vec::new(),
            findings: Vec::new(),
            prerequisites: Vec::new(),
            sections: Vec::new(),
            graph: None,
            summary: Summary::default(),
        }
    }
}

//! What is told of a text: as much as anybody reads is kept, all of it is counted.

use crate::codes;
use palisade_diagnostics::{Diagnostic, Severity};

/// Diagnostics in bounded memory.
#[derive(Debug, Default)]
pub(crate) struct Told {
    kept: Vec<Diagnostic>,
    max: usize,
    more: usize,
    /// Whether one that was not kept is an error, or tells of something that no answer holds.
    error: bool,
    left_out: bool,
}

impl Told {
    /// Nothing so far; at most `max` are kept.
    pub(crate) fn new(max: usize) -> Self {
        Self {
            max,
            ..Self::default()
        }
    }

    /// How many more are kept.
    pub(crate) fn room(&self) -> usize {
        self.max.saturating_sub(self.kept.len())
    }

    pub(crate) fn add(&mut self, diagnostic: Diagnostic) {
        if self.kept.len() < self.max {
            self.kept.push(diagnostic);
        } else {
            self.drop_one(&diagnostic);
        }
    }

    pub(crate) fn extend(&mut self, diagnostics: impl IntoIterator<Item = Diagnostic>) {
        diagnostics.into_iter().for_each(|d| self.add(d));
    }

    /// Counts one that is not kept.
    fn drop_one(&mut self, diagnostic: &Diagnostic) {
        self.more += 1;
        self.error |= diagnostic.severity == Severity::Error;
        self.left_out |= diagnostic.left_out;
    }

    /// Takes over what others have not kept.
    pub(crate) fn count(&mut self, other: &Self) {
        self.more += other.more;
        self.error |= other.error;
        self.left_out |= other.left_out;
    }

    /// Shortens the problems of one object to those that may still be told. The first error stays if
    /// anything does: it says why the object is left out.
    pub(crate) fn shorten(&mut self, problems: &mut Vec<Diagnostic>, room: usize) {
        if problems.len() <= room {
            return;
        }
        let first = problems.iter().position(|d| d.severity == Severity::Error);
        if let Some(first) = first.filter(|first| *first >= room && room > 0) {
            problems.swap(0, first);
        }
        for dropped in problems.drain(room..) {
            self.drop_one(&dropped);
        }
    }

    /// All that is kept, in the order of the texts, and a last one that counts the others.
    pub(crate) fn finish(mut self) -> Vec<Diagnostic> {
        self.kept.sort_by_key(Diagnostic::span);
        if self.more > 0 {
            let title = format!("{} more problems are not shown", self.more);
            let last = match self.error {
                true => Diagnostic::error(codes::TOO_MANY, title),
                false => Diagnostic::warning(codes::TOO_MANY, title),
            };
            let last = last.help("correct those above first");
            let last = match self.left_out {
                true => last.leaving_out(),
                false => last,
            };
            self.kept.push(last);
        }
        self.kept
    }
}

//! The diagnostics of one text: as many as are wanted are kept, all are counted.

use palisade_diagnostics::Diagnostic;

/// Collects diagnostics in bounded memory.
#[derive(Debug)]
pub struct Problems {
    list: Vec<Diagnostic>,
    /// How many were not kept.
    more: usize,
    max: usize,
}

impl Problems {
    /// None so far; at most `max` are kept.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self {
            list: Vec::new(),
            more: 0,
            max,
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty() && self.more == 0
    }

    /// Keeps a diagnostic; it is made only if there is room for it.
    pub(crate) fn add(&mut self, make: impl FnOnce() -> Diagnostic) {
        if self.list.len() < self.max {
            self.list.push(make());
        } else {
            self.more += 1;
        }
    }

    /// Adds others.
    pub fn append(&mut self, other: Self) {
        for diagnostic in other.list {
            self.add(|| diagnostic);
        }
        self.more += other.more;
    }

    /// The diagnostics kept, and a last one that counts the others.
    #[must_use]
    pub fn finish(mut self) -> Vec<Diagnostic> {
        if self.more > 0 {
            self.list.push(Diagnostic::error(
                "PAL0009",
                format!("{} further problems in this file are not shown", self.more),
            ));
        }
        self.list
    }
}

//! One thing to tell: what, where, why, an example, and what to do about it.

use crate::{Fix, Span};

/// A stable name of a kind of diagnostic, as people search for it: `PAL0101`.
///
/// Families: `PAL00xx` reading text, `PAL01xx` Kubernetes objects, `PAL02xx` the matrix,
/// `PAL03xx` verification, `PAL04xx` compiling and documents, `PAL05xx` the command line and I/O,
/// `PAL06xx` lints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub &'static str);

/// How much a diagnostic matters to the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing; never changes the exit code.
    Note,
    /// Suspicious, or not decided.
    Warning,
    /// Wrong: bad input, or a finding.
    Error,
}

/// A marked piece of text with a remark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// The remark printed beside the mark; may be empty.
    pub text: String,
}

/// What we tell, independent of how it is printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The kind.
    pub code: Code,
    /// How much it matters.
    pub severity: Severity,
    /// One line that makes sense alone.
    pub title: String,
    /// Places, the first being the main one. May be empty.
    pub labels: Vec<Label>,
    /// A concrete connection that shows it, replayed by the reference:
    /// ``` `default/netpol-test` → `keycloak/keycloak-0` 8080/TCP```.
    pub witness: Option<String>,
    /// Further facts, one sentence each.
    pub notes: Vec<String>,
    /// What to do, one sentence each, most useful first.
    pub help: Vec<String>,
    /// Whether it tells of something that was read and that answers leave out: then no answer is
    /// more than "as far as it was read".
    pub left_out: bool,
    /// The lint that found it, by the name that `--skip` and annotations take.
    pub lint: Option<&'static str>,
    /// A change of the text that mends it and cannot change what was meant.
    pub fix: Option<Fix>,
}

impl Diagnostic {
    /// A diagnostic without places, notes or help.
    #[must_use]
    pub fn new(severity: Severity, code: &'static str, title: impl Into<String>) -> Self {
        Self {
            code: Code(code),
            severity,
            title: title.into(),
            labels: Vec::new(),
            witness: None,
            notes: Vec::new(),
            help: Vec::new(),
            left_out: false,
            lint: None,
            fix: None,
        }
    }

    /// An error.
    #[must_use]
    pub fn error(code: &'static str, title: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, title)
    }

    /// A warning.
    #[must_use]
    pub fn warning(code: &'static str, title: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, title)
    }

    /// A note.
    #[must_use]
    pub fn note_only(code: &'static str, title: impl Into<String>) -> Self {
        Self::new(Severity::Note, code, title)
    }

    /// Adds a place. The first place added is the main one.
    #[must_use]
    pub fn at(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label {
            span,
            text: text.into(),
        });
        self
    }

    /// Adds a place if there is one.
    #[must_use]
    pub fn at_opt(self, span: Option<Span>, text: impl Into<String>) -> Self {
        match span {
            Some(span) => self.at(span, text),
            None => self,
        }
    }

    /// Says that answers leave out what this tells of.
    #[must_use]
    pub fn leaving_out(mut self) -> Self {
        self.left_out = true;
        self
    }

    /// Sets the witness.
    #[must_use]
    pub fn witness(mut self, text: impl Into<String>) -> Self {
        self.witness = Some(text.into());
        self
    }

    /// Adds a fact.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(text.into());
        self
    }

    /// Adds advice.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help.push(text.into());
        self
    }

    /// Sets the change that mends it.
    #[must_use]
    pub fn fix(mut self, fix: Fix) -> Self {
        self.fix = Some(fix);
        self
    }

    /// The main place.
    #[must_use]
    pub fn span(&self) -> Option<Span> {
        self.labels.first().map(|label| label.span)
    }

    /// Title, example, facts and advice as plain lines, for formats that show the place by other
    /// means.
    #[must_use]
    pub fn plain_text(&self) -> String {
        let mut lines = vec![self.title.clone()];
        lines.extend(
            self.witness
                .iter()
                .map(|text| format!("for example: {text}")),
        );
        lines.extend(self.notes.iter().cloned());
        lines.extend(self.help.iter().map(|text| format!("help: {text}")));
        lines.join("\n")
    }
}

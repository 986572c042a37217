//! Exit codes, and failures that end a command early.

use crate::Terminal;
use palisade_diagnostics::{Diagnostic, Severity, Sources, render};

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything holds.
    Holds,
    /// There are findings.
    Findings,
    /// Bad input or usage.
    BadInput,
    /// Not decided, under `--strict`.
    Unknown,
    /// A file cannot be read or written.
    Environment,
    /// As the command that was run ended.
    Command(u8),
}

impl Exit {
    /// The process exit code.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Holds => 0,
            Self::Findings => 1,
            Self::BadInput => 2,
            Self::Unknown => 3,
            Self::Environment => 4,
            Self::Command(code) => code,
        }
    }
}

/// Why a command cannot go on.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    diagnostics: Vec<Diagnostic>,
    sources: Option<Sources>,
}

impl Failure {
    /// Bad input, with the texts that the diagnostics point into.
    pub(crate) fn input(diagnostics: Vec<Diagnostic>, sources: Sources) -> Self {
        Self {
            exit: Exit::BadInput,
            diagnostics,
            sources: Some(sources),
        }
    }

    /// Wrong usage.
    pub(crate) fn usage(diagnostic: Diagnostic) -> Self {
        Self {
            exit: Exit::BadInput,
            diagnostics: vec![diagnostic],
            sources: None,
        }
    }

    /// A file that cannot be read or written.
    pub(crate) fn environment(diagnostic: Diagnostic) -> Self {
        Self {
            exit: Exit::Environment,
            diagnostics: vec![diagnostic],
            sources: None,
        }
    }

    /// The same failure as one of the environment.
    pub(crate) fn with_exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// Prints what is wrong, and says how the command ends.
    pub(crate) fn print(self, terminal: &mut Terminal<'_>, none: &Sources) -> Exit {
        let sources = self.sources.as_ref().unwrap_or(none);
        print(terminal, &self.diagnostics, sources);
        let errors = self
            .diagnostics
            .iter()
            .filter(|d| d.severity == Severity::Error)
            .count();
        let _ = writeln!(
            terminal.err,
            "palisade: {errors} error(s); nothing was written"
        );
        self.exit
    }
}

/// Prints diagnostics as messages.
pub(crate) fn print(terminal: &mut Terminal<'_>, list: &[Diagnostic], sources: &Sources) {
    if !list.is_empty() {
        let text = render::diagnostics_text(list, sources, &terminal.message_style);
        let _ = write!(terminal.err, "{text}");
    }
}

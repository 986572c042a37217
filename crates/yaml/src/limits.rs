//! Limits on input, and what is said when one is reached.

use palisade_diagnostics::{Diagnostic, Span};

/// Upper bounds on one text. Reaching one is a diagnostic, never a wrong answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a text that is there as a whole, or of one document of a text that arrives. Default 1 GiB.
    pub max_bytes: usize,
    /// Nesting of lists and maps. Default 100, far beyond any Kubernetes object.
    pub max_depth: usize,
    /// Values of one document, aliases counted as what they stand for. Default 10 million.
    pub max_nodes: usize,
    /// Documents. Default 2 million.
    pub max_documents: usize,
    /// Bytes of one scalar. Default 16 MiB.
    pub max_scalar: usize,
    /// Diagnostics of one text. Default 1000.
    pub max_diagnostics: usize,
    /// How much is looked at at a time.
    pub sizes: Sizes,
}

/// How much is looked at at a time. What a text means does not depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Bytes of a window on a text that arrives. Default 8 MiB.
    pub window: usize,
    /// Lists in shorter documents are read as a whole. Default 256 KiB.
    pub list: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            window: 8 << 20,
            list: 1 << 18,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bytes: 1 << 30,
            max_depth: 100,
            max_nodes: 10_000_000,
            max_documents: 2_000_000,
            max_scalar: 16 << 20,
            max_diagnostics: 1000,
            sizes: Sizes::default(),
        }
    }
}

/// The diagnostic for a limit.
pub(crate) fn exceeded(span: Option<Span>, what: &str, limit: usize, unit: &str) -> Diagnostic {
    Diagnostic::error("PAL0004", what.to_owned())
        .at_opt(span, "")
        .note(format!("limit: {limit} {unit}"))
        .help("no Kubernetes object needs this: check where the text comes from")
}

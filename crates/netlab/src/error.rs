//! What goes wrong in a lab: what was tried, and what the system said.

use std::fmt;
use std::io;

/// A step that failed.
#[derive(Debug)]
pub struct Error {
    doing: String,
    cause: io::Error,
}

/// The result of a step.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A step that failed, and why.
    pub fn new(doing: impl Into<String>, cause: impl Into<io::Error>) -> Self {
        Self {
            doing: doing.into(),
            cause: cause.into(),
        }
    }

    /// A step that failed for a reason that no system call gave.
    pub fn because(doing: impl Into<String>, why: impl Into<String>) -> Self {
        Self::new(doing, io::Error::other(why.into()))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.doing, self.cause)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}

/// Says what was being done when a call failed.
pub(crate) trait Doing<T> {
    /// The value, or the error with `what`.
    fn doing(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<io::Error>> Doing<T> for std::result::Result<T, E> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|cause| Error::new(what(), cause))
    }
}

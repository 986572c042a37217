//! What the agent says while it runs: a JSON object on each line, without a time, which container runtimes and
//! `journald` add.

use serde_json::{Map, Value};
use std::io::Write;
use std::sync::{Mutex, PoisonError};

/// Where lines go to.
pub struct Log(Mutex<Box<dyn Write + Send>>);

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Log")
    }
}

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Something happened as it should.
    Info,
    /// Something is not as it is written, on the closed side.
    Warning,
    /// Something does not work.
    Error,
}

impl Log {
    /// A log that writes to somewhere.
    #[must_use]
    pub fn new(out: Box<dyn Write + Send>) -> Self {
        Self(Mutex::new(out))
    }

    /// Writes a line: what happened, and its particulars.
    pub fn line(&self, level: Level, event: &str, fields: &[(&str, Value)]) {
        let level = match level {
            Level::Info => "info",
            Level::Warning => "warning",
            Level::Error => "error",
        };
        let mut line = Map::new();
        line.insert("level".to_owned(), Value::from(level));
        line.insert("event".to_owned(), Value::from(event));
        for (key, value) in fields {
            line.insert((*key).to_owned(), value.clone());
        }
        let mut text = Value::Object(line).to_string();
        text.push('\n');
        let mut out = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody reads any more: enforcing goes on.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

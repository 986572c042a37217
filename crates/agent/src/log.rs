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
        let mut text = plain(&Value::Object(line).to_string());
        text.push('\n');
        let mut out = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody reads any more: enforcing goes on.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

/// JSON in ASCII alone: whatever is in a name, no terminal obeys it. Outside of ASCII there are only characters of
/// strings.
fn plain(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() && c != '\u{7f}' {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            out.push_str(&format!("\\u{unit:04x}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Level, Log};
    use serde_json::{Value, json};
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_one_line_of_ascii_and_says_what_was_said() {
        let out = Shared::default();
        let log = Log::new(Box::new(out.clone()));
        let name = "a\n\u{1b}[31m\u{202e}\u{7f}\u{9b}\"\\日本語𝄞\u{2028}";
        log.line(Level::Info, name, &[("name", json!(name))]);
        let line = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
        let harmless = |b: u8| (0x20..0x7f).contains(&b);
        assert!(line.trim_end_matches('\n').bytes().all(harmless), "{line}");
        assert_eq!(line.matches('\n').count(), 1);
        let read: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            (&read["event"], &read["name"]),
            (&json!(name), &json!(name))
        );
    }
}

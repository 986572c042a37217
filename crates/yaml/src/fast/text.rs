//! Scalars on one line: plain ones, those in quotes, words.

use super::Reader;
use crate::scan;

/// A scalar on one line: its bytes in the text, quotes included, and what it stands for if that is not
/// written as it is.
pub(super) struct Text {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) quoted: bool,
    pub(super) decoded: Option<String>,
}

impl Reader<'_, '_> {
    /// The plain or quoted text that begins here and ends on its line: at a colon with a space behind
    /// it, at a comment, or with the line.
    pub(super) fn text_here(&self) -> Option<Text> {
        match self.peek(0) {
            quote @ (b'"' | b'\'') => self.quoted(quote),
            _ => self.plain(),
        }
    }

    pub(super) fn plain(&self) -> Option<Text> {
        self.plain_start()?;
        let mut at = self.at;
        loop {
            at = scan::plain_special(self.bytes, at);
            match self.bytes.get(at) {
                Some(b':') if self.is_colon(at) => break,
                // A comment needs a space before it.
                Some(b'#') if self.bytes.get(at - 1) == Some(&b' ') => break,
                None | Some(b'\n') => break,
                Some(byte) if is_simple(*byte) => at += 1,
                Some(_) => return None,
            }
        }
        let text = self.text.get(self.at..at)?;
        Some(Text {
            start: self.at,
            end: self.at + text.trim_end_matches(' ').len(),
            quoted: false,
            decoded: None,
        })
    }

    /// A string in quotes, on one line.
    pub(super) fn quoted(&self, quote: u8) -> Option<Text> {
        let start = self.at;
        let mut decoded: Option<String> = None;
        let (mut from, mut at) = (start + 1, start + 1);
        loop {
            at = scan::quoted_special(self.bytes, at, quote);
            let byte = *self.bytes.get(at)?;
            let next = self.bytes.get(at + 1).copied();
            let stands_for = if byte == quote && next == Some(quote) && quote == b'\'' {
                '\''
            } else if byte == quote {
                break;
            } else if byte == b'\\' && quote == b'"' {
                escape(next?)?
            } else if is_simple(byte) {
                at += 1;
                continue;
            } else {
                return None;
            };
            let out = decoded.get_or_insert_with(String::new);
            out.push_str(self.text.get(from..at)?);
            out.push(stands_for);
            at += 2;
            from = at;
        }
        if let Some(out) = &mut decoded {
            out.push_str(self.text.get(from..at)?);
        }
        Some(Text {
            start,
            end: at + 1,
            quoted: true,
            decoded,
        })
    }

    pub(super) fn word_end(&self) -> usize {
        let word = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'/' | b'-');
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        self.at + rest.iter().position(|b| !word(b)).unwrap_or(rest.len())
    }

    /// Whether a plain scalar may begin here.
    pub(super) fn plain_start(&self) -> Option<()> {
        let word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'/');
        let first = self.peek(0);
        let next = self.peek(1);
        (word(first)
            || matches!(first, b'(' | b'$' | b'+' | b'~' | b'=' | b'^' | b'<')
            || first == b'-' && (word(next) || next == b'-'))
            .then_some(())
    }

    /// A quoted text, or a word: commas and brackets end what is plain within a flow collection.
    pub(super) fn flow_text(&self) -> Option<Text> {
        if let quote @ (b'"' | b'\'') = self.peek(0) {
            return self.quoted(quote);
        }
        self.plain_start()?;
        let end = self.word_end();
        (end > self.at).then_some(Text {
            start: self.at,
            end,
            quoted: false,
            decoded: None,
        })
    }
}

/// What the escapes that manifests use stand for; the others are left to the full parser.
fn escape(byte: u8) -> Option<char> {
    Some(match byte {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'n' => '\n',
        b't' => '\t',
        _ => return None,
    })
}

/// A byte that YAML takes as it is inside a scalar. Characters that could be line breaks, marks or
/// controls are left to the full parser with all that share their first byte.
pub(super) fn is_simple(byte: u8) -> bool {
    byte >= b' ' && !matches!(byte, 0x7F | 0xC2 | 0xE2 | 0xEF)
}

//! From bytes to text.

use palisade_diagnostics::Diagnostic;

/// The text of a file: UTF-8, a byte-order mark taken off. Bytes that are handed over become the text
/// and are not copied.
///
/// # Errors
/// Bytes that are no UTF-8, UTF-16, or NUL characters, with the place and the fix (PAL0002): the first
/// of them.
pub fn decode(name: &str, bytes: impl Into<Vec<u8>>) -> Result<String, Diagnostic> {
    let mut decoder = Decoder::new(name);
    let text = decoder.decode(bytes.into())?;
    decoder.finish()?;
    Ok(text)
}

/// The same for bytes that come in parts.
#[derive(Debug)]
pub struct Decoder {
    name: String,
    /// The bytes of a character that is not whole yet.
    begun: Vec<u8>,
    /// Bytes and lines before.
    bytes: usize,
    lines: usize,
    started: bool,
}

impl Decoder {
    /// A decoder for the text of this name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            begun: Vec::new(),
            bytes: 0,
            lines: 0,
            started: false,
        }
    }

    /// The next part. The first one must hold the first four bytes of the text.
    ///
    /// # Errors
    /// As [`decode`].
    pub fn decode(&mut self, mut bytes: Vec<u8>) -> Result<String, Diagnostic> {
        if !self.started {
            self.start(&mut bytes)?;
        }
        if !self.begun.is_empty() {
            bytes.splice(0..0, self.begun.drain(..));
        }
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let (at, open) = (error.utf8_error().valid_up_to(), error.utf8_error());
                let begun = open.error_len().is_none();
                let mut bytes = error.into_bytes();
                let bad = bytes.get(at).copied().unwrap_or_default();
                self.begun = bytes.split_off(at);
                let text = String::from_utf8(bytes).unwrap_or_default();
                self.no_nul(&text)?;
                if !begun {
                    return Err(self.no_utf8(&text, bad));
                }
                self.pass(&text);
                return Ok(text);
            }
        };
        self.no_nul(&text)?;
        self.pass(&text);
        Ok(text)
    }

    /// Ends the text.
    ///
    /// # Errors
    /// As [`decode`].
    pub fn finish(&self) -> Result<(), Diagnostic> {
        match self.begun.first() {
            Some(byte) => Err(self.no_utf8("", *byte)),
            None => Ok(()),
        }
    }

    fn start(&mut self, bytes: &mut Vec<u8>) -> Result<(), Diagnostic> {
        self.started = true;
        let marked = bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]);
        // UTF-16 without a mark: half of the bytes of ASCII text are NUL.
        let wide = matches!(
            bytes.as_slice(),
            [0, 1..=255, 0, 1..=255, ..] | [1..=255, 0, 1..=255, 0, ..]
        );
        if marked || wide {
            return Err(self.wrong("is UTF-16").help("save the file as UTF-8"));
        }
        if bytes.starts_with(&[0xEF, 0xBB, 0xBF]) {
            bytes.drain(..3);
        }
        Ok(())
    }

    fn pass(&mut self, text: &str) {
        self.bytes += text.len();
        self.lines += lines(text);
    }

    fn no_nul(&self, text: &str) -> Result<(), Diagnostic> {
        let Some(at) = memchr::memchr(0, text.as_bytes()) else {
            return Ok(());
        };
        let line = 1 + self.lines + lines(text.get(..at).unwrap_or_default());
        Err(self
            .wrong(&format!("holds a NUL character on line {line}"))
            .note(self.place(at))
            .help("remove it; is the file a manifest at all?"))
    }

    fn no_utf8(&self, before: &str, byte: u8) -> Diagnostic {
        let line = 1 + self.lines + lines(before);
        self.wrong(&format!("is not UTF-8: byte 0x{byte:02X} on line {line}"))
            .note(self.place(before.len()))
            .help("save the file as UTF-8; is it a manifest at all?")
    }

    fn place(&self, at: usize) -> String {
        format!("byte {} of the file, counted from 0", self.bytes + at)
    }

    fn wrong(&self, what: &str) -> Diagnostic {
        Diagnostic::error("PAL0002", format!("`{}` {what}", self.name))
    }
}

fn lines(text: &str) -> usize {
    memchr::memchr_iter(b'\n', text.as_bytes()).count()
}

#[cfg(test)]
mod tests {
    use super::{Decoder, decode};

    #[test]
    fn bad_bytes_are_named_with_their_line() {
        assert_eq!(decode("f", b"\xEF\xBB\xBFa: 1").unwrap(), "a: 1");
        let title = |bytes: &[u8]| decode("f", bytes).unwrap_err().title;
        assert_eq!(title(b"a\nb\xFF"), "`f` is not UTF-8: byte 0xFF on line 2");
        assert_eq!(title(b"a\0"), "`f` holds a NUL character on line 1");
        assert_eq!(title(b"\xFF\xFEa\0"), "`f` is UTF-16");
        assert_eq!(title(b"\0a\0:\0 "), "`f` is UTF-16");
        // The first that is wrong.
        assert_eq!(title(b"a\n\0\xFF"), "`f` holds a NUL character on line 2");
        assert_eq!(title(b"a\xC3"), "`f` is not UTF-8: byte 0xC3 on line 1");
    }

    #[test]
    fn parts_give_what_the_whole_gives() {
        let bad: [&[u8]; 4] = [b"", b"\xFFz", b"a\0b", b"\xE2\x82"];
        for tail in bad {
            let text = [
                b"\xEF\xBB\xBFab\n\xE2\x82\xAC\n\xC3\xA9z\n".as_slice(),
                tail,
            ]
            .concat();
            for size in 4..text.len() {
                let mut decoder = Decoder::new("f");
                let parts = text.chunks(size).map(|part| decoder.decode(part.to_vec()));
                let parts: Result<String, _> = parts.collect();
                let all = parts.and_then(|text| decoder.finish().map(|()| text));
                assert_eq!(all, decode("f", text.clone()), "{size} {tail:?}");
            }
        }
    }
}

//! From bytes to text.

use palisade_diagnostics::Diagnostic;

/// The text of a file: UTF-8, a byte-order mark taken off. Bytes that are handed over become the text
/// and are not copied.
///
/// # Errors
/// Bytes that are no UTF-8, UTF-16, or NUL characters, with the place and the fix (PAL0002).
pub fn decode(name: &str, bytes: impl Into<Vec<u8>>) -> Result<String, Diagnostic> {
    decode_all(name, bytes.into())
}

fn decode_all(name: &str, mut bytes: Vec<u8>) -> Result<String, Diagnostic> {
    let wrong = |what: String| Diagnostic::error("PAL0002", format!("`{name}` {what}"));
    if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        return Err(wrong("is UTF-16".to_owned()).help("save the file as UTF-8"));
    }
    // UTF-16 without a mark: half of the bytes of ASCII text are NUL.
    if matches!(
        bytes.as_slice(),
        [0, 1..=255, 0, 1..=255, ..] | [1..=255, 0, 1..=255, 0, ..]
    ) {
        return Err(wrong("is UTF-16".to_owned()).help("save the file as UTF-8"));
    }
    if bytes.starts_with(&[0xEF, 0xBB, 0xBF]) {
        bytes.drain(..3);
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let (at, bytes) = (error.utf8_error().valid_up_to(), error.as_bytes());
        let byte = bytes.get(at).copied().unwrap_or_default();
        wrong(format!(
            "is not UTF-8: byte 0x{byte:02X} on line {}",
            line(bytes, at)
        ))
        .note(format!("byte {at} of the file, counted from 0"))
        .help("save the file as UTF-8; is it a manifest at all?")
    })?;
    if let Some(at) = memchr::memchr(0, text.as_bytes()) {
        return Err(wrong(format!(
            "holds a NUL character on line {}",
            line(text.as_bytes(), at)
        ))
        .note(format!("byte {at} of the file, counted from 0"))
        .help("remove it; is the file a manifest at all?"));
    }
    Ok(text)
}

fn line(bytes: &[u8], at: usize) -> usize {
    let before = bytes.get(..at).unwrap_or_default();
    1 + before.iter().filter(|b| **b == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn bad_bytes_are_named_with_their_line() {
        assert_eq!(decode("f", b"\xEF\xBB\xBFa: 1").unwrap(), "a: 1");
        let title = |bytes: &[u8]| decode("f", bytes).unwrap_err().title;
        assert_eq!(title(b"a\nb\xFF"), "`f` is not UTF-8: byte 0xFF on line 2");
        assert_eq!(title(b"a\0"), "`f` holds a NUL character on line 1");
        assert_eq!(title(b"\xFF\xFEa\0"), "`f` is UTF-16");
        assert_eq!(title(b"\0a\0:\0 "), "`f` is UTF-16");
    }
}

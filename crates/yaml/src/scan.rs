//! Looking through bytes eight at a time.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Marks bytes that are zero, exact up to the first of them.
fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGH
}

/// Marks bytes equal to `byte`, exact up to the first of them.
fn equal(word: u64, byte: u8) -> u64 {
    zeros(word ^ (ONES * u64::from(byte)))
}

/// Marks bytes below `limit` (at most 0x80), exact up to the first of them.
fn below(word: u64, limit: u8) -> u64 {
    word.wrapping_sub(ONES * u64::from(limit)) & !word & HIGH
}

/// The first byte from `at` on that `mark` marks and `slow` confirms; the length if there is none.
fn first(
    bytes: &[u8],
    mut at: usize,
    mark: impl Fn(u64) -> u64,
    slow: impl Fn(u8) -> bool,
) -> usize {
    while let Some(chunk) = bytes
        .get(at..at + 8)
        .and_then(|b| <[u8; 8]>::try_from(b).ok())
    {
        let found = mark(u64::from_le_bytes(chunk));
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(|b| slow(*b)).unwrap_or(rest.len())
}

/// The first quote, backslash or control character of JSON.
pub(crate) fn json_special(bytes: &[u8], at: usize) -> usize {
    first(
        bytes,
        at,
        |w| equal(w, b'"') | equal(w, b'\\') | below(w, 0x20),
        |b| matches!(b, b'"' | b'\\' | 0..=0x1F),
    )
}

/// The first quote or bracket of JSON.
pub(crate) fn json_structure(bytes: &[u8], at: usize) -> usize {
    // `[` and `{`, `]` and `}` differ in one bit.
    let fold = ONES * 0x20;
    first(
        bytes,
        at,
        |w| equal(w, b'"') | equal(w | fold, b'{') | equal(w | fold, b'}'),
        |b| matches!(b, b'"' | b'{' | b'[' | b'}' | b']'),
    )
}

/// The first byte that is no space.
pub(crate) fn no_space(bytes: &[u8], at: usize) -> usize {
    // Short runs are most frequent outside of JSON.
    if bytes.get(at) != Some(&b' ') {
        return at;
    }
    first(
        bytes,
        at,
        |w| {
            let other = w ^ (ONES * u64::from(b' '));
            // A byte is not zero if its low bits carry into the high one, or the high one is set.
            ((other & !HIGH).wrapping_add(!HIGH) | other) & HIGH
        },
        |b| b != b' ',
    )
}

/// The next line break; the length if there is none.
pub(crate) fn line_end(bytes: &[u8], at: usize) -> usize {
    first(bytes, at, |w| equal(w, b'\n'), |b| b == b'\n')
}

/// The first byte that is a control character, a colon, a number sign, DEL, or not ASCII.
pub(crate) fn plain_special(bytes: &[u8], at: usize) -> usize {
    first(
        bytes,
        at,
        |w| below(w, 0x20) | equal(w, b':') | equal(w, b'#') | equal(w, 0x7F) | (w & HIGH),
        |b| matches!(b, 0..=0x1F | b':' | b'#' | 0x7F..),
    )
}

/// The first byte that is a control character, `quote`, a backslash, DEL, or not ASCII.
pub(crate) fn quoted_special(bytes: &[u8], at: usize, quote: u8) -> usize {
    first(
        bytes,
        at,
        |w| below(w, 0x20) | equal(w, quote) | equal(w, b'\\') | equal(w, 0x7F) | (w & HIGH),
        |b| b == quote || matches!(b, 0..=0x1F | b'\\' | 0x7F..),
    )
}

#[cfg(test)]
mod tests {
    use super::{json_special, json_structure, line_end, no_space, plain_special, quoted_special};
    use proptest::prelude::*;

    fn slow(bytes: &[u8], at: usize, stop: impl Fn(u8) -> bool) -> usize {
        (at..bytes.len())
            .find(|i| stop(bytes[*i]))
            .unwrap_or(bytes.len().max(at))
    }

    proptest! {
        #[test]
        fn eight_at_a_time_finds_what_one_at_a_time_finds(
            bytes in prop::collection::vec(prop_oneof![4 => Just(b' '), 4 => Just(b'a'), 1 => any::<u8>(), 1 => prop::sample::select(&b"\"{}[]\\"[..])], 0..64),
            at in 0..8_usize,
        ) {
            let at = at.min(bytes.len());
            prop_assert_eq!(json_special(&bytes, at), slow(&bytes, at, |b| matches!(b, b'"' | b'\\' | 0..=0x1F)));
            prop_assert_eq!(json_structure(&bytes, at), slow(&bytes, at, |b| matches!(b, b'"' | b'{' | b'[' | b'}' | b']')));
            prop_assert_eq!(no_space(&bytes, at), slow(&bytes, at, |b| b != b' '));
            prop_assert_eq!(line_end(&bytes, at), slow(&bytes, at, |b| b == b'\n'));
            prop_assert_eq!(plain_special(&bytes, at), slow(&bytes, at, |b| matches!(b, 0..=0x1F | b':' | b'#' | 0x7F..)));
            prop_assert_eq!(quoted_special(&bytes, at, b'"'), slow(&bytes, at, |b| matches!(b, 0..=0x1F | b'"' | b'\\' | 0x7F..)));
        }
    }
}

//! Names of chains and sets: a word for people and a hash of what is meant.

use sha2::{Digest, Sha256};
use std::hash::{Hash, Hasher};

/// Bytes of the hash in a name: nobody finds another meaning with the same 80 bits.
const BYTES: usize = 10;

/// `word_<20 hexadecimal digits>`: the same meaning has the same name. The kernel takes 255 bytes.
pub(crate) fn name(word: &str, meaning: &impl Hash) -> String {
    let mut hasher = Stream(Sha256::new());
    meaning.hash(&mut hasher);
    let digest = hasher.0.finalize();
    let mut name = format!("{word}_");
    for byte in digest.iter().take(BYTES) {
        name.push_str(&format!("{byte:02x}"));
    }
    name
}

/// Feeds what is hashed to SHA-256.
struct Stream(Sha256);

impl Hasher for Stream {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Nobody asks: the digest is wider.
    fn finish(&self) -> u64 {
        0
    }
}

/// The longest comment that the kernel's users agree on (libnftables: 128 bytes with the final zero).
const COMMENT: usize = 127;

/// A comment that is safe in an nft script, whatever is in the names: letters, digits and `-./ ,_`; what is
/// longer than a comment may be ends with `...`.
pub(crate) fn comment(words: impl Iterator<Item = String>) -> String {
    let mut text = String::new();
    for word in words {
        if !text.is_empty() {
            text.push_str(", ");
        }
        let safe = |c: char| c.is_ascii_alphanumeric() || "-./_ ".contains(c);
        text.extend(word.chars().map(|c| if safe(c) { c } else { '_' }));
        if text.len() > COMMENT {
            text.truncate(COMMENT - 3);
            text.push_str("...");
            break;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{comment, name};

    #[test]
    fn comments_cannot_leave_their_quotes() {
        let words = ["a\"; drop; #", "émile\n"].map(str::to_owned);
        assert_eq!(comment(words.into_iter()), "a__ drop_ _, _mile_");
        let long = comment(std::iter::repeat_n("policy".to_owned(), 1000));
        assert_eq!(long.len(), 127);
        assert!(long.ends_with("..."));
    }

    #[test]
    fn one_meaning_has_one_name() {
        assert_eq!(name("a", &("x", 1)), name("a", &("x", 1)));
        assert_ne!(name("a", &("x", 1)), name("a", &("x", 2)));
        assert_eq!(name("egress4", &0).len(), "egress4_".len() + 20);
    }
}

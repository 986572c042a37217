//! Names that Kubernetes accepts, stable under everything but the name they are made from.

/// Longest name of an object that stays usable as a label value (RFC 1123 label).
const LABEL: usize = 63;

/// Turns any text into an RFC 1123 label of at most 63 characters. A text that is one already comes
/// back unchanged; any other loses something and gets a hash of the original, so that two texts
/// never meet in one name.
pub(crate) fn object_name(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            'a'..='z' | '0'..='9' => name.push(c),
            'A'..='Z' => name.push(c.to_ascii_lowercase()),
            _ if name.ends_with('-') => {}
            _ => name.push('-'),
        }
    }
    let name = name.trim_matches('-');
    if name == text && name.len() <= LABEL && !name.is_empty() {
        return name.to_owned();
    }
    hashed(name, text)
}

/// Turns any text into a label value (letters, digits, `-`, `_`, `.`; at most 63 characters).
pub(crate) fn label_value(text: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let edge = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    let valid = text.len() <= LABEL
        && text.chars().all(fits)
        && edge(text.chars().next())
        && edge(text.chars().last());
    if valid {
        text.to_owned()
    } else {
        object_name(text)
    }
}

/// A name with the hash of the original at its end.
fn hashed(name: &str, original: &str) -> String {
    let hash = format!("{:08x}", fnv(original.as_bytes()) & 0xffff_ffff);
    let kept: String = name.chars().take(LABEL - hash.len() - 1).collect();
    let kept = kept.trim_matches('-');
    if kept.is_empty() {
        format!("x-{hash}")
    } else {
        format!("{kept}-{hash}")
    }
}

/// FNV-1a, 64 bits (Fowler, Noll, Vo): a fixed function, so names do not change between builds.
pub(crate) fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::{label_value, object_name};

    #[test]
    fn valid_names_stay() {
        assert_eq!(object_name("ingress-nginx"), "ingress-nginx");
        assert_eq!(label_value("v1.2_X"), "v1.2_X");
    }

    #[test]
    fn others_are_repaired_and_told_apart() {
        assert_ne!(object_name("Log Cache"), object_name("log-cache"));
        assert!(object_name("Log Cache").starts_with("log-cache-"));
        assert_ne!(object_name("a_b"), object_name("a.b"));
        assert!(object_name("äöü").starts_with("x-"));
    }

    #[test]
    fn long_names_fit() {
        let long = "component-".repeat(20);
        let name = object_name(&long);
        assert!(name.len() <= 63 && !name.ends_with('-'), "{name}");
        assert_ne!(name, object_name(&format!("{long}x")));
    }
}

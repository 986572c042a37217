//! Names, keys and values as the API server accepts them (`apimachinery validation`, RFC 1123,
//! RFC 1035, RFC 6335).

use crate::codes;
use palisade_diagnostics::{Diagnostic, Span};

/// What the name of an object must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NameRule {
    /// RFC 1123 label, 63 characters: Namespace.
    Label,
    /// RFC 1035 label, 63 characters, first a letter: Service.
    Service,
    /// RFC 1123 subdomain, 253 characters: nearly everything.
    Subdomain,
    /// A subdomain of 52 characters, since its Jobs add 11: CronJob.
    CronJob,
}

impl NameRule {
    fn holds(self, text: &str) -> bool {
        match self {
            Self::Label => is_label(text),
            Self::Service => is_label(text) && text.starts_with(|c: char| c.is_ascii_alphabetic()),
            Self::Subdomain => is_subdomain(text),
            Self::CronJob => is_subdomain(text) && text.len() <= 52,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Label => {
                "at most 63 lower case letters, digits and `-`, first and last a letter or digit"
            }
            Self::Service => {
                "at most 63 lower case letters, digits and `-`, first a letter, last a letter or digit"
            }
            Self::Subdomain => {
                "at most 253 lower case letters, digits, `-` and `.`; each part between dots starts and ends with a letter or digit"
            }
            Self::CronJob => {
                "at most 52 lower case letters, digits, `-` and `.`; each part between dots starts and ends with a letter or digit"
            }
        }
    }

    /// A name near `text` that the rule accepts, if an easy one exists.
    fn mended(self, text: &str) -> Option<String> {
        let lower = text.trim().to_lowercase();
        let mended: String = lower
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || c == '.' {
                    c
                } else {
                    '-'
                }
            })
            .collect();
        let mended = match self {
            Self::Label | Self::Service => mended.replace('.', "-"),
            Self::Subdomain | Self::CronJob => mended,
        };
        let mended = mended.trim_matches(['-', '.']).to_owned();
        self.holds(&mended).then_some(mended)
    }

    /// Reports a name that the rule refuses. `what` is for example `the name of a Namespace`.
    pub(crate) fn check(self, text: &str, span: Span, what: &str, out: &mut Vec<Diagnostic>) {
        if self.holds(text) {
            return;
        }
        let title = format!("{text:?} cannot be {what}");
        let help = match self.mended(text) {
            Some(mended) => format!("write for example `{mended}`"),
            None => "choose a name of that form".to_owned(),
        };
        out.push(
            Diagnostic::error(codes::BAD_NAME, title)
                .at(span, self.words())
                .help(help),
        );
    }
}

fn is_inner(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'
}

/// Non-empty, lower case letters, digits and `-`, no `-` at the ends.
fn is_part(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_inner) && !text.starts_with('-') && !text.ends_with('-')
}

/// RFC 1123 label.
pub(crate) fn is_label(text: &str) -> bool {
    text.len() <= 63 && is_part(text)
}

/// RFC 1123 subdomain.
pub(crate) fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_part)
}

/// A domain name of two labels or more, perhaps with a dot at the end (`network-policy-api, DomainName`).
pub(crate) fn is_domain(text: &str) -> bool {
    let labels = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        let edge = |c: char| c.is_ascii_alphanumeric();
        label.starts_with(edge)
            && label.ends_with(edge)
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    labels.contains('.') && labels.split('.').all(is_label)
}

/// The name of a port (RFC 6335, `IANA_SVC_NAME`).
pub(crate) fn is_port_name(text: &str) -> bool {
    text.len() <= 15
        && is_part(text)
        && !text.contains("--")
        && text.bytes().any(|b| b.is_ascii_lowercase())
}

/// Letters, digits, `-`, `_` and `.`; a letter or digit at both ends; 63 characters.
fn is_word(text: &str) -> bool {
    let edge = |c: char| c.is_ascii_alphanumeric();
    text.len() <= 63
        && text.starts_with(edge)
        && text.ends_with(edge)
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// Reports a key of a label or annotation that is not a qualified name.
pub(crate) fn check_key(text: &str, span: Span, what: &str, out: &mut Vec<Diagnostic>) {
    let (prefix, name) = match text.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, text),
    };
    if is_word(name) && prefix.is_none_or(is_subdomain) {
        return;
    }
    out.push(
        Diagnostic::error(
            codes::BAD_KEY,
            format!("{text:?} cannot be the key of {what}"),
        )
        .at(
            span,
            "an optional DNS prefix and `/`, then at most 63 letters, digits, `-`, `_` and `.`",
        )
        .help("write it as `name` or `example.com/name`, a letter or digit at both ends"),
    );
}

/// Reports a value that no label can have.
pub(crate) fn check_value(text: &str, span: Span, out: &mut Vec<Diagnostic>) {
    if text.is_empty() || is_word(text) {
        return;
    }
    out.push(
        Diagnostic::error(
            codes::BAD_VALUE,
            format!("{text:?} cannot be the value of a label"),
        )
        .at(
            span,
            "empty, or at most 63 letters, digits, `-`, `_` and `.`",
        )
        .help("shorten it or replace the other characters, a letter or digit at both ends"),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_names() {
        let long = "a".repeat(64);
        for (text, label, subdomain, port) in [
            ("web", true, true, true),
            ("web-1", true, true, true),
            ("1", true, true, false),
            ("a.b", false, true, false),
            ("a..b", false, false, false),
            ("-a", false, false, false),
            ("a-", false, false, false),
            ("A", false, false, false),
            ("", false, false, false),
            ("a--b", true, true, false),
            ("abcdefghijklmnop", true, true, false),
            (long.as_str(), false, true, false),
        ] {
            let found = (is_label(text), is_subdomain(text), is_port_name(text));
            assert_eq!(found, (label, subdomain, port), "{text}");
        }
        for (text, domain) in [
            ("example.com", true),
            ("Example.com.", true),
            ("a_b.example.com", true),
            ("example", false),
            ("a..b", false),
            ("-a.b", false),
            ("*.a.b", false),
            (".", false),
        ] {
            assert_eq!(is_domain(text), domain, "{text}");
        }
        assert!(NameRule::Service.holds("a1") && !NameRule::Service.holds("1a"));
        assert!(NameRule::CronJob.holds(&long[..52]) && !NameRule::CronJob.holds(&long[..53]));
        assert!(is_word("A_b.c-1") && !is_word("_a") && !is_word("a/b"));
    }
}

//! Fields that hold one word of a fixed set.

use crate::codes;
use palisade_diagnostics::{Diagnostic, did_you_mean};
use palisade_yaml::{Fields, Spanned};

/// The meaning of the word under `key`; `None` if it is missing or (reported) none of the set.
/// `what` is for example `a mode of mutual TLS`.
pub(crate) fn choice<T: Copy>(
    fields: &mut Fields<'_>,
    key: &'static str,
    what: &str,
    set: &[(&str, T)],
    out: &mut Vec<Diagnostic>,
) -> Option<T> {
    let word = fields.string(key, out)?;
    meaning(&word, what, set, out)
}

/// The meaning of a word, reported if it is none of the set.
pub(crate) fn meaning<T: Copy>(
    word: &Spanned<String>,
    what: &str,
    set: &[(&str, T)],
    out: &mut Vec<Diagnostic>,
) -> Option<T> {
    if let Some((_, value)) = set.iter().find(|(name, _)| *name == word.value) {
        return Some(*value);
    }
    let names: Vec<&str> = set.iter().map(|(name, _)| *name).collect();
    let same = names.iter().find(|n| n.eq_ignore_ascii_case(&word.value));
    let near = same
        .copied()
        .or_else(|| did_you_mean(&word.value, names.iter().copied()));
    let help = match near {
        Some(near) => format!("write `{near}`"),
        None => format!("use {}", listed(&names)),
    };
    out.push(
        Diagnostic::error(codes::BAD_CHOICE, format!("{:?} is not {what}", word.value))
            .at(word.span, listed(&names))
            .help(help),
    );
    None
}

/// `A, B or C`.
fn listed(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

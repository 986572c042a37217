//! The little markup that prose of a matrix may carry: `` `code` `` and `[text](target)`. Everything
//! else is text, and a target is a place in the document or an `https` address, never a script.

/// A piece of prose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Span<'t> {
    /// Text.
    Text(&'t str),
    /// Text as it would be typed.
    Code(&'t str),
    /// A link.
    Link(&'t str, &'t str),
}

/// Splits prose.
pub(crate) fn parse(text: &str) -> Vec<Span<'_>> {
    let mut out = Vec::new();
    let mut plain = 0;
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|r| !r.is_empty()) {
        let Some((span, length)) = markup(rest) else {
            at += rest.chars().next().map_or(1, char::len_utf8);
            continue;
        };
        if plain < at {
            out.extend(text.get(plain..at).map(Span::Text));
        }
        out.push(span);
        at += length;
        plain = at;
    }
    out.extend(text.get(plain..).filter(|t| !t.is_empty()).map(Span::Text));
    out
}

/// The markup at the start of a text, and its length.
fn markup(text: &str) -> Option<(Span<'_>, usize)> {
    if let Some(rest) = text.strip_prefix('`') {
        let (code, _) = rest.split_once('`')?;
        return (!code.is_empty()).then_some((Span::Code(code), code.len() + 2));
    }
    let rest = text.strip_prefix('[')?;
    let (label, rest) = rest.split_once("](")?;
    let (target, _) = rest.split_once(')')?;
    let clean = !label.contains(['[', '`']) && !target.contains([' ', '"', '<', '>']);
    let safe = target.starts_with('#') || target.starts_with("https://");
    (clean && safe).then_some((Span::Link(label, target), label.len() + target.len() + 4))
}

/// How Markdown viewers make an anchor of a heading.
pub(crate) fn anchor(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Span, anchor, parse};

    #[test]
    fn markup() {
        assert_eq!(
            parse("see `a*b` and [x y](#x-y)."),
            [
                Span::Text("see "),
                Span::Code("a*b"),
                Span::Text(" and "),
                Span::Link("x y", "#x-y"),
                Span::Text("."),
            ]
        );
    }

    #[test]
    fn no_scripts_and_no_surprises() {
        for text in [
            "[x](javascript:alert)",
            "[x](data:a)",
            "`open",
            "[x]",
            "[a](b",
            "ü[",
            "",
        ] {
            let spans = parse(text);
            assert!(spans.iter().all(|s| matches!(s, Span::Text(_))), "{text}");
        }
    }

    #[test]
    fn anchors() {
        assert_eq!(anchor("Istio Mesh mTLS"), "istio-mesh-mtls");
        assert_eq!(anchor("Inbound (ingress)"), "inbound-ingress");
    }
}

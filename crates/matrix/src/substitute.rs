//! `${name}` in texts.

/// A piece of a text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'t> {
    Literal(&'t str),
    Parameter(&'t str),
}

/// Splits a text at its `${name}`. `$${` stands for a literal `${`; an unclosed `${` is literal.
pub(crate) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        if let Some(escaped) = before.strip_suffix('$') {
            out.push(Piece::Literal(escaped));
            out.push(Piece::Literal("${"));
            rest = from.get(2..).unwrap_or_default();
            continue;
        }
        let Some(end) = from.find('}') else { break };
        out.push(Piece::Literal(before));
        out.push(Piece::Parameter(from.get(2..end).unwrap_or_default()));
        rest = from.get(end + 1..).unwrap_or_default();
    }
    out.push(Piece::Literal(rest));
    out.retain(|piece| *piece != Piece::Literal(""));
    out
}

/// The names of the parameters in a text.
pub(crate) fn names(text: &str) -> impl Iterator<Item = &str> {
    pieces(text).into_iter().filter_map(|piece| match piece {
        Piece::Parameter(name) => Some(name),
        Piece::Literal(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::{Piece, pieces};

    #[test]
    fn texts_are_split() {
        assert_eq!(
            pieces("*/*.${domain}-x"),
            [Piece::Literal("*/*."), Piece::Parameter("domain"), Piece::Literal("-x")]
        );
        assert_eq!(pieces("$${a} ${"), [Piece::Literal("${"), Piece::Literal("a} ${")]);
    }
}

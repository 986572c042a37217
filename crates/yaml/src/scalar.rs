//! What a plain scalar means (YAML 1.1 as go-yaml v2 resolves it, which `sigs.k8s.io/yaml` uses).

/// A resolved scalar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    String,
}

/// Resolves a plain scalar as `goyaml.v2/resolve.go` of `sigs.k8s.io/yaml` does: `y` and `n` are
/// booleans; sexagesimals and times are strings.
pub(crate) fn resolve(text: &str) -> Scalar {
    let Some(first) = text.bytes().next() else {
        return Scalar::Null;
    };
    // Most scalars are words: one look at the first byte decides.
    if !matches!(
        first,
        b'0'..=b'9'
            | b'+'
            | b'-'
            | b'.'
            | b'~'
            | b'n'
            | b'N'
            | b't'
            | b'T'
            | b'f'
            | b'F'
            | b'y'
            | b'Y'
            | b'o'
            | b'O'
    ) {
        return Scalar::String;
    }
    match text {
        "~" | "null" | "Null" | "NULL" => return Scalar::Null,
        "y" | "Y" | "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => {
            return Scalar::Bool(true);
        }
        "n" | "N" | "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => {
            return Scalar::Bool(false);
        }
        ".nan" | ".NaN" | ".NAN" => return Scalar::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Scalar::Float(f64::INFINITY);
        }
        "-.inf" | "-.Inf" | "-.INF" => return Scalar::Float(f64::NEG_INFINITY),
        _ => {}
    }
    if first.is_ascii_alphabetic() || first == b'~' {
        return Scalar::String;
    }
    integer(text)
        .or_else(|| float(text))
        .unwrap_or(Scalar::String)
}

/// Decimal, `0x`, `0b`, `0o` and C's leading-zero octal; underscores are left out.
fn integer(text: &str) -> Option<Scalar> {
    let (negative, rest) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let digits: String = rest.chars().filter(|c| *c != '_').collect();
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, digits.get(2..)?),
        [b'0', b'b' | b'B', ..] => (2, digits.get(2..)?),
        [b'0', b'o' | b'O', ..] => (8, digits.get(2..)?),
        [b'0', _, ..] => (8, digits.get(1..)?),
        _ => (10, digits.as_str()),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let value = i128::from_str_radix(digits, radix).ok()?;
    let value = if negative { -value } else { value };
    match i64::try_from(value) {
        Ok(value) => Some(Scalar::Int(value)),
        #[expect(
            clippy::cast_precision_loss,
            reason = "go-yaml keeps such a number as a float too"
        )]
        Err(_) => Some(Scalar::Float(value as f64)),
    }
}

/// `-?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn float(text: &str) -> Option<Scalar> {
    let clean: String = text.chars().filter(|c| *c != '_').collect();
    let body = clean.strip_prefix(['-', '+']).unwrap_or(&clean);
    let allowed = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-');
    let starts = body.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    if !starts || !body.chars().all(allowed) || !body.contains(|c: char| c.is_ascii_digit()) {
        return None;
    }
    // A number beyond the range of floats stays a string.
    let value = clean.parse::<f64>().ok().filter(|v| v.is_finite())?;
    Some(Scalar::Float(value))
}

#[cfg(test)]
mod tests {
    use super::{Scalar, resolve};

    #[test]
    fn yaml_1_1_as_the_api_server_reads_it() {
        for (text, expected) in [
            ("", Scalar::Null),
            ("~", Scalar::Null),
            ("on", Scalar::Bool(true)),
            ("No", Scalar::Bool(false)),
            ("y", Scalar::Bool(true)),
            ("n", Scalar::Bool(false)),
            ("0XfF", Scalar::Int(255)),
            ("1e999", Scalar::String),
            ("-.5", Scalar::Float(-0.5)),
            (
                "18446744073709551615",
                Scalar::Float(18_446_744_073_709_551_615.0),
            ),
            ("0777", Scalar::Int(511)),
            ("0o17", Scalar::Int(15)),
            ("0x1F", Scalar::Int(31)),
            ("0b11", Scalar::Int(3)),
            ("1_000", Scalar::Int(1000)),
            ("-5", Scalar::Int(-5)),
            ("089", Scalar::Float(89.0)),
            ("1e3", Scalar::Float(1000.0)),
            ("1.5", Scalar::Float(1.5)),
            ("1.2.3", Scalar::String),
            ("10.0.0.0/8", Scalar::String),
            ("12:30:45", Scalar::String),
            ("2001-01-01", Scalar::String),
            ("-", Scalar::String),
            (".", Scalar::String),
            ("nothing", Scalar::String),
        ] {
            assert_eq!(resolve(text), expected, "{text:?}");
        }
    }
}

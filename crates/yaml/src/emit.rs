//! Writes values: one block style, the same bytes for the same value.

use crate::scalar::{self, Scalar};
use std::fmt::Write as _;

/// A value to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A string; quoted where YAML 1.1 or 1.2 would read something else.
    String(String),
    /// A list.
    List(Vec<Value>),
    /// A map in written order; keys are unique.
    Map(Vec<(String, Value)>),
    /// A value below comment lines. JSON has no comments and leaves them out.
    Commented(Vec<String>, Box<Value>),
}

impl Value {
    /// A string.
    #[must_use]
    pub fn string(text: impl Into<String>) -> Self {
        Self::String(text.into())
    }

    /// A map.
    #[must_use]
    pub fn map<K: Into<String>>(pairs: impl IntoIterator<Item = (K, Self)>) -> Self {
        Self::Map(pairs.into_iter().map(|(k, v)| (k.into(), v)).collect())
    }

    /// The value as a YAML document, ending with a line break.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let mut out = String::new();
        let (comments, value) = self.split();
        comment(&mut out, &comments, 0);
        match value {
            Self::Map(entries) if !entries.is_empty() => map(&mut out, entries, 0, false),
            Self::List(items) if !items.is_empty() => list(&mut out, items, 0),
            value => {
                inline(&mut out, value, 0);
                out.push('\n');
            }
        }
        out
    }

    /// The value as JSON, indented, ending with a line break.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        json(&mut out, self, 0);
        out.push('\n');
        out
    }

    /// All comments, and the value below them.
    fn split(&self) -> (Vec<&str>, &Self) {
        let mut comments = Vec::new();
        let mut value = self;
        while let Self::Commented(lines, below) = value {
            comments.extend(lines.iter().flat_map(|l| l.lines()));
            value = below;
        }
        (comments, value)
    }
}

fn indent(out: &mut String, depth: usize) {
    for _ in 0..depth {
        out.push_str("  ");
    }
}

fn comment(out: &mut String, lines: &[&str], depth: usize) {
    for line in lines {
        indent(out, depth);
        let clean: String = line.chars().filter(|c| is_printable(*c)).collect();
        out.push_str(format!("# {clean}").trim_end());
        out.push('\n');
    }
}

/// The entries of a map; the first goes onto the current line if `started`.
fn map(out: &mut String, entries: &[(String, Value)], depth: usize, started: bool) {
    for (i, (key, value)) in entries.iter().enumerate() {
        let (comments, value) = value.split();
        // The comments of the first entry stand above the dash then.
        if !(started && i == 0) {
            comment(out, &comments, depth);
            indent(out, depth);
        }
        string(out, key, depth, true);
        out.push(':');
        match value {
            Value::Map(inner) if !inner.is_empty() => {
                out.push('\n');
                map(out, inner, depth + 1, false);
            }
            Value::List(items) if !items.is_empty() => {
                out.push('\n');
                list(out, items, depth);
            }
            value => {
                out.push(' ');
                inline(out, value, depth + 1);
                out.push('\n');
            }
        }
    }
}

/// The comments of a list item: its own, and those of the entry that shares its line.
fn item_comments(item: &Value) -> (Vec<&str>, &Value) {
    let (mut comments, item) = item.split();
    if let Value::Map(entries) = item
        && let Some((_, first)) = entries.first()
    {
        comments.extend(first.split().0);
    }
    (comments, item)
}

fn list(out: &mut String, items: &[Value], depth: usize) {
    for item in items {
        let (comments, item) = item_comments(item);
        comment(out, &comments, depth);
        indent(out, depth);
        match item {
            Value::Map(entries) if !entries.is_empty() => {
                out.push_str("- ");
                map(out, entries, depth + 1, true);
            }
            Value::List(inner) if !inner.is_empty() => {
                out.push_str("-\n");
                list(out, inner, depth + 1);
            }
            item => {
                out.push_str("- ");
                inline(out, item, depth + 1);
                out.push('\n');
            }
        }
    }
}

fn inline(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => {
            let _ = write!(out, "{value}");
        }
        Value::Int(value) => {
            let _ = write!(out, "{value}");
        }
        Value::String(text) => string(out, text, depth, false),
        Value::List(_) => out.push_str("[]"),
        Value::Map(_) => out.push_str("{}"),
        Value::Commented(_, value) => inline(out, value, depth),
    }
}

fn string(out: &mut String, text: &str, depth: usize, key: bool) {
    if !key && depth > 0 && is_literal(text) {
        let chomp = if text.ends_with('\n') { "|" } else { "|-" };
        out.push_str(chomp);
        for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
            out.push('\n');
            if !line.is_empty() {
                indent(out, depth);
                out.push_str(line);
            }
        }
    } else if is_plain(text) {
        out.push_str(text);
    } else {
        quoted(out, text);
    }
}

/// Several lines that a literal block keeps exactly.
fn is_literal(text: &str) -> bool {
    text.contains('\n')
        && !text.starts_with([' ', '\n', '\t'])
        && !text.ends_with("\n\n")
        && text
            .chars()
            .all(|c| c == '\n' || c == '\t' || is_printable(c))
        && text
            .split('\n')
            .all(|line| !line.trim().is_empty() || line.is_empty())
}

fn is_printable(c: char) -> bool {
    !c.is_control()
        && !matches!(
            c,
            '\u{85}' | '\u{a0}' | '\u{2028}' | '\u{2029}' | '\u{feff}'
        )
}

/// Whether YAML reads the bare text as this very string, in version 1.1 and 1.2.
fn is_plain(text: &str) -> bool {
    let first_ok = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '/' | '.' | '$');
    let ok = |c: char| {
        c.is_ascii_alphanumeric()
            || matches!(
                c,
                '_' | '/'
                    | '.'
                    | '-'
                    | ' '
                    | ':'
                    | '='
                    | '('
                    | ')'
                    | ';'
                    | '+'
                    | '$'
                    | '*'
                    | ','
                    | '@'
            )
    };
    text.starts_with(first_ok)
        && text.chars().all(ok)
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        // A lone dot is a number to some readers of YAML 1.1.
        && text != "."
        && !is_sexagesimal(text)
        && scalar::resolve(text) == Scalar::String
        && !text.starts_with("0o")
        && !text.starts_with("...")
}

/// `12:30`, a number to YAML 1.1 in some readers; dates too.
fn is_sexagesimal(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
        && text
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, ':' | '.' | '-' | '_'))
        && (text.contains(':') || text.contains('-'))
        || is_date(text)
}

/// `2001-12-14T21:59:43Z`, a time to some readers.
fn is_date(text: &str) -> bool {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    digits == 4 && text.as_bytes().get(4) == Some(&b'-')
}

fn quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_printable(c) => out.push(c),
            c if u32::from(c) <= 0xFFFF => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

fn json(out: &mut String, value: &Value, depth: usize) {
    let items = |out: &mut String,
                 open: char,
                 close: char,
                 len: usize,
                 one: &dyn Fn(&mut String, usize)| {
        out.push(open);
        for i in 0..len {
            out.push_str(if i == 0 { "\n" } else { ",\n" });
            indent(out, depth + 1);
            one(out, i);
        }
        if len > 0 {
            out.push('\n');
            indent(out, depth);
        }
        out.push(close);
    };
    match value {
        Value::List(list) => items(out, '[', ']', list.len(), &|out, i| {
            if let Some(item) = list.get(i) {
                json(out, item, depth + 1);
            }
        }),
        Value::Map(map) => items(out, '{', '}', map.len(), &|out, i| {
            if let Some((key, item)) = map.get(i) {
                quoted(out, key);
                out.push_str(": ");
                json(out, item, depth + 1);
            }
        }),
        Value::String(text) => quoted(out, text),
        Value::Commented(_, value) => json(out, value, depth),
        value => inline(out, value, depth),
    }
}

#[cfg(test)]
mod tests {
    use super::Value;

    fn list(items: impl IntoIterator<Item = Value>) -> Value {
        Value::List(items.into_iter().collect())
    }

    fn remark(text: &str, value: Value) -> Value {
        Value::Commented(vec![text.to_owned()], Box::new(value))
    }

    #[test]
    fn the_style_is_that_of_kubectl() {
        let port = Value::map([
            ("port", remark("web", Value::Int(80))),
            ("end", Value::Null),
        ]);
        let value = Value::map([
            ("kind", Value::string("List")),
            (
                "items",
                list([port, remark("open", Value::map([("from", list([]))]))]),
            ),
            (
                "grid",
                list([list([Value::Int(1)]), Value::Map(Vec::new())]),
            ),
            ("text", Value::string("one\n\n  two\n")),
            ("cut", remark("first\n\nlast", Value::string("one\ntwo"))),
        ]);
        let expected = "kind: List\nitems:\n# web\n- port: 80\n  end: null\n# open\n- from: []\ngrid:\n-\n  - 1\n- {}\n\
                        text: |\n  one\n\n    two\n# first\n#\n# last\ncut: |-\n  one\n  two\n";
        assert_eq!(value.to_yaml(), expected);
    }

    #[test]
    fn what_yaml_would_misread_is_quoted() {
        for text in [
            "",
            "y",
            "N",
            "yes",
            "Off",
            "null",
            "~",
            "0777",
            "0o7",
            "0x1f",
            "1_0",
            "1e3",
            ".inf",
            "12:30",
            "2001-01-01",
            "2001-12-14T21:59:43Z",
            "a: b",
            "a #b",
            "- a",
            "*a",
            "&a",
            "!a",
            "%a",
            "@a",
            "`a`",
            "{a}",
            "[a]",
            "a:",
            " a",
            "a ",
            "---",
            "...",
            "?",
            "<<",
            "=",
            "{{ a }}",
            "\u{2028}",
            "\t",
        ] {
            let yaml = Value::string(text).to_yaml();
            assert!(yaml.starts_with('"'), "{yaml}");
        }
        for text in [
            "a",
            "a-b.c/d",
            "10.0.0.0/8",
            "nginx:1.25",
            "app=web",
            "don",
            "v1",
            "a, b",
        ] {
            assert_eq!(Value::string(text).to_yaml(), format!("{text}\n"));
        }
    }
}

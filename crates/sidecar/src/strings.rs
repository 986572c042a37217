//! Istio's string patterns as Envoy's string matchers (`istio, pilot/pkg/security/authz/matcher`).

use serde_json::{Value, json};

/// `*` is anything but the empty string, `*suffix`, `prefix*`, else the exact string; each behind a fixed beginning.
pub(crate) fn matcher(pattern: &str, beginning: &str) -> Value {
    if pattern == "*" {
        regex(".+")
    } else if let Some(suffix) = pattern.strip_prefix('*') {
        if beginning.is_empty() {
            json!({"suffix": suffix})
        } else {
            regex(&format!("{}.*{}", literal(beginning), literal(suffix)))
        }
    } else if let Some(prefix) = pattern.strip_suffix('*') {
        json!({"prefix": format!("{beginning}{prefix}")})
    } else {
        json!({"exact": format!("{beginning}{pattern}")})
    }
}

/// The same, in letters of any case.
pub(crate) fn any_case(pattern: &str) -> Value {
    let mut matcher = matcher(pattern, "");
    if pattern != "*"
        && let Some(fields) = matcher.as_object_mut()
    {
        fields.insert("ignore_case".to_owned(), json!(true));
    }
    matcher
}

/// A regular expression of the whole string.
pub(crate) fn regex(regex: &str) -> Value {
    json!({"safe_regex": {"regex": regex}})
}

/// A string as a regular expression of itself.
pub(crate) fn literal(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if c.is_ascii_punctuation() && !matches!(c, '/' | '-' | '_' | ':') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// `*` stands for any string, wherever it is.
pub(crate) fn wildcard(text: &str) -> String {
    let parts: Vec<String> = text.split('*').map(literal).collect();
    parts.join(".*")
}

#[cfg(test)]
mod tests {
    use super::{any_case, matcher, wildcard};
    use serde_json::json;

    #[test]
    fn patterns() {
        let spiffe = "spiffe://";
        assert_eq!(matcher("a*b", ""), json!({"exact": "a*b"}));
        assert_eq!(matcher("/api/*", ""), json!({"prefix": "/api/"}));
        assert_eq!(matcher("*.css", ""), json!({"suffix": ".css"}));
        assert_eq!(matcher("td/*", spiffe), json!({"prefix": "spiffe://td/"}));
        let regex = |regex: &str| json!({"safe_regex": {"regex": regex}});
        assert_eq!(matcher("*", spiffe), regex(".+"));
        assert_eq!(matcher("*/sa/a.b", spiffe), regex(r"spiffe://.*/sa/a\.b"));
        assert_eq!(wildcard("b*k.x"), r"b.*k\.x");
        let host = json!({"suffix": ".example", "ignore_case": true});
        assert_eq!(any_case("*.example"), host);
    }
}

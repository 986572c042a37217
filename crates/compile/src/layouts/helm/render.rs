//! The part of Helm's template language that our charts use, so that a chart can be proven as it will
//! be rendered: `if`, `else`, `end`, `and`, `or`, `not`, `eq`, `ne`, `index`, `required`, `quote`,
//! string literals, `.Values` paths, and `{{-`/`-}}` trimming.

use palisade_yaml::Value;

/// Renders a template with these values. `Err`: what is not understood, or a required value that is missing.
pub(crate) fn render(template: &str, values: &Value) -> Result<String, String> {
    let pieces = split(template)?;
    let mut out = String::new();
    let mut stack: Vec<Block> = Vec::new();
    for piece in pieces {
        let active = stack.iter().all(|b| b.active);
        match piece {
            Piece::Text(text) if active => out.push_str(&text),
            Piece::Text(_) => {}
            Piece::Action(action) => act(&action, values, active, &mut stack, &mut out)?,
        }
    }
    if stack.is_empty() {
        Ok(out)
    } else {
        Err("`if` without `end`".to_owned())
    }
}

/// An open `if`.
struct Block {
    active: bool,
    taken: bool,
}

enum Piece {
    Text(String),
    Action(String),
}

/// Texts and actions; white space next to `{{-` and `-}}` is gone.
fn split(template: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = template;
    let mut trim_next = false;
    loop {
        let (text, after) = match rest.split_once("{{") {
            Some((text, after)) => (text, Some(after)),
            None => (rest, None),
        };
        let mut text = if trim_next { text.trim_start() } else { text };
        let Some(after) = after else {
            pieces.push(Piece::Text(text.to_owned()));
            return Ok(pieces);
        };
        let after = match after.strip_prefix("- ") {
            Some(after) => {
                text = text.trim_end();
                after
            }
            None => after,
        };
        pieces.push(Piece::Text(text.to_owned()));
        let end = action_end(after).ok_or("`{{` without `}}`")?;
        let action = after.get(..end).unwrap_or_default();
        rest = after.get(end + 2..).unwrap_or_default();
        trim_next = action.ends_with(" -");
        let action = action.strip_suffix(" -").unwrap_or(action);
        pieces.push(Piece::Action(action.trim().to_owned()));
    }
}

/// Where `}}` ends an action, string literals skipped.
fn action_end(text: &str) -> Option<usize> {
    let mut quoted = false;
    let bytes = text.as_bytes();
    for (i, pair) in bytes.windows(2).enumerate() {
        match pair {
            [b'"', _] => quoted = !quoted,
            [b'}', b'}'] if !quoted => return Some(i),
            _ => {}
        }
    }
    None
}

fn act(
    action: &str,
    values: &Value,
    active: bool,
    stack: &mut Vec<Block>,
    out: &mut String,
) -> Result<(), String> {
    if let Some(condition) = action.strip_prefix("if ") {
        let yes = active && truthy(&eval(condition, values)?);
        stack.push(Block {
            active: yes,
            taken: yes,
        });
    } else if action == "else" {
        let block = stack.last_mut().ok_or("`else` without `if`")?;
        block.active = !block.taken;
    } else if action == "end" {
        stack.pop().ok_or("`end` without `if`")?;
    } else if active {
        out.push_str(&print(&eval(action, values)?));
    }
    Ok(())
}

/// Evaluates a pipeline.
fn eval(text: &str, values: &Value) -> Result<Value, String> {
    let mut tokens = tokens(text)?.into_iter().peekable();
    let mut result = call(&mut tokens, values)?;
    while let Some(token) = tokens.next() {
        match (token.as_str(), tokens.next().as_deref()) {
            ("|", Some("quote")) => result = Value::String(format!("{:?}", print(&result))),
            (bar, function) => return Err(format!("`{bar} {}`", function.unwrap_or_default())),
        }
    }
    Ok(result)
}

fn tokens(text: &str) -> Result<Vec<String>, String> {
    let mut out = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '(' | ')' | '|' => 1,
            '"' => {
                let tail = rest.get(1..).unwrap_or_default();
                tail.find('"').ok_or("an open string")? + 2
            }
            _ => rest.find([' ', '(', ')', '|']).unwrap_or(rest.len()),
        };
        out.push(rest.get(..length).unwrap_or_default().to_owned());
        rest = rest.get(length..).unwrap_or_default().trim_start();
    }
    Ok(out)
}

type Tokens = std::iter::Peekable<std::vec::IntoIter<String>>;

/// A function with its arguments, or a single value.
fn call(tokens: &mut Tokens, values: &Value) -> Result<Value, String> {
    const FUNCTIONS: [&str; 7] = ["and", "or", "not", "eq", "ne", "index", "required"];
    let name = tokens.next_if(|t| FUNCTIONS.contains(&t.as_str()));
    let mut arguments = Vec::new();
    while tokens.peek().is_some_and(|t| t != ")" && t != "|") {
        arguments.push(argument(tokens, values)?);
    }
    let Some(name) = name else {
        return match <[Value; 1]>::try_from(arguments) {
            Ok([one]) => Ok(one),
            Err(many) => Err(format!("{} values without a function", many.len())),
        };
    };
    let pair = || (arguments.first(), arguments.get(1));
    match name.as_str() {
        "and" => Ok(Value::Bool(arguments.iter().all(truthy))),
        "or" => Ok(Value::Bool(arguments.iter().any(truthy))),
        "not" => Ok(Value::Bool(!arguments.first().is_some_and(truthy))),
        "eq" => Ok(Value::Bool(pair().0 == pair().1)),
        "ne" => Ok(Value::Bool(pair().0 != pair().1)),
        "index" => {
            let mut keys = arguments.iter();
            let start = keys.next().cloned().unwrap_or(Value::Null);
            Ok(keys.fold(start, |value, key| field(&value, &print(key))))
        }
        _ => match pair() {
            (Some(message), Some(value)) if !truthy(value) && !matches!(value, Value::Bool(_)) => {
                Err(print(message))
            }
            (_, value) => Ok(value.cloned().unwrap_or(Value::Null)),
        },
    }
}

fn argument(tokens: &mut Tokens, values: &Value) -> Result<Value, String> {
    let token = tokens.next().ok_or("a missing argument")?;
    if token == "(" {
        let value = call(tokens, values)?;
        return match tokens.next().as_deref() {
            Some(")") => Ok(value),
            _ => Err("an open parenthesis".to_owned()),
        };
    }
    if let Some(text) = token.strip_prefix('"') {
        return Ok(Value::string(text.trim_end_matches('"')));
    }
    if token == "true" || token == "false" {
        return Ok(Value::Bool(token == "true"));
    }
    match token.strip_prefix(".Values") {
        Some(path) => Ok(path
            .split('.')
            .filter(|key| !key.is_empty())
            .fold(values.clone(), |value, key| field(&value, key))),
        None => Err(format!("`{token}`")),
    }
}

fn field(value: &Value, key: &str) -> Value {
    match strip(value) {
        Value::Map(entries) => entries
            .iter()
            .find(|(k, _)| k == key)
            .map_or(Value::Null, |(_, v)| strip(v).clone()),
        _ => Value::Null,
    }
}

/// A value without its remarks.
fn strip(value: &Value) -> &Value {
    match value {
        Value::Commented(_, inner) => strip(inner),
        other => other,
    }
}

fn truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(b) => *b,
        Value::Int(i) => *i != 0,
        Value::String(s) => !s.is_empty(),
        Value::List(items) => !items.is_empty(),
        Value::Map(entries) => !entries.is_empty(),
        Value::Commented(_, inner) => truthy(inner),
    }
}

fn print(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(b) => b.to_string(),
        Value::Int(i) => i.to_string(),
        Value::String(s) => s.clone(),
        other => other.to_yaml(),
    }
}

#[cfg(test)]
mod tests {
    use super::render;
    use palisade_yaml::Value;

    #[test]
    fn renders_like_helm() {
        let values = Value::map([
            ("on", Value::Bool(true)),
            ("a", Value::map([("b-c", Value::string("x"))])),
            ("port", Value::Int(80)),
        ]);
        let template = "a: 1\n{{- if and .Values.on (not .Values.off) }}\nb: {{ .Values.port }}\n{{- else }}\nb: 2\n{{- end }}\nc: {{ index .Values \"a\" \"b-c\" | quote }}\n# {{ \"{{\" }}\n";
        let text = render(template, &values).expect("renders");
        assert_eq!(text, "a: 1\nb: 80\nc: \"x\"\n# {{\n");
    }

    #[test]
    fn missing_values_are_refused() {
        let none = Value::Map(Vec::new());
        let error = render("{{ required \"say x\" .Values.x }}", &none).expect_err("refused");
        assert_eq!(error, "say x");
        assert!(render("{{ if .Values.x }}", &none).is_err());
    }
}

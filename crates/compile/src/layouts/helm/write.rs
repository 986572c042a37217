//! Conditional objects as Go templates.

use super::expr::Expr;
use super::tree::{Conditional, Node};
use palisade_yaml::Value;

/// How switches and parameters are spelled in templates.
pub(crate) struct Spelling<'a> {
    /// Per switch and value, a template expression that is true if the switch has the value.
    pub(crate) switch: &'a dyn Fn(usize, usize) -> String,
    /// Sentinel texts with the expression of the parameter they stand for.
    pub(crate) parameters: &'a [(String, String)],
}

impl Spelling<'_> {
    /// A condition in prefix notation.
    pub(crate) fn condition(&self, expr: &Expr) -> String {
        match expr {
            Expr::Const(value) => value.to_string(),
            Expr::Is(switch, values) => {
                let each: Vec<String> = values.iter().map(|v| (self.switch)(*switch, *v)).collect();
                join("or", &each)
            }
            Expr::And(all) => join("and", &self.nested(all)),
            Expr::Or(any) => join("or", &self.nested(any)),
        }
    }

    fn nested(&self, exprs: &[Expr]) -> Vec<String> {
        exprs.iter().map(|e| self.condition(e)).collect()
    }

    /// The text of an object with its conditions, parameters put in.
    pub(crate) fn object(&self, object: &Conditional, guard: Option<&str>) -> String {
        let mut out = String::new();
        let mut conditions: Vec<String> = guard.map(str::to_owned).into_iter().collect();
        if object.when != Expr::Const(true) {
            conditions.push(self.condition(&object.when));
        }
        let wrapped = !conditions.is_empty();
        if wrapped {
            open(&mut out, &join("and", &conditions));
        }
        self.node(&object.node, 0, &mut out);
        if wrapped {
            close(&mut out);
        }
        out
    }

    fn node(&self, node: &Node, indent: usize, out: &mut String) {
        match node {
            Node::Plain(value) => self.text(&value.to_yaml(), indent, out),
            Node::Map(entries) => {
                for (key, when, node) in entries {
                    self.conditional(when, out, |out| self.entry(key, node, indent, out));
                }
            }
            Node::List(items) => {
                for (when, item) in items {
                    let text = Value::List(vec![item.clone()]).to_yaml();
                    self.conditional(when, out, |out| self.text(&text, indent, out));
                }
            }
            Node::OneOf(values) => {
                for (when, value) in values {
                    self.conditional(when, out, |out| self.text(&value.to_yaml(), indent, out));
                }
            }
        }
    }

    /// A key with its value.
    fn entry(&self, key: &str, node: &Node, indent: usize, out: &mut String) {
        match node {
            Node::Plain(value) => {
                let entry = Value::map([(key, value.clone())]);
                self.text(&entry.to_yaml(), indent, out);
            }
            Node::OneOf(values) => {
                for (when, value) in values {
                    let entry = Value::map([(key, value.clone())]).to_yaml();
                    self.conditional(when, out, |out| self.text(&entry, indent, out));
                }
            }
            Node::Map(_) | Node::List(_) => {
                let head = Value::map([(key, Value::Null)]).to_yaml();
                let head = head.split(": ").next().unwrap_or_default().to_owned() + ":\n";
                self.text(&head, indent, out);
                self.node(node, indent + 2, out);
            }
        }
    }

    fn conditional(&self, when: &Expr, out: &mut String, body: impl FnOnce(&mut String)) {
        match when {
            Expr::Const(true) => body(out),
            Expr::Const(false) => {}
            _ => {
                open(out, &self.condition(when));
                body(out);
                close(out);
            }
        }
    }

    /// YAML text, indented, template brackets in it made harmless and sentinels replaced.
    fn text(&self, text: &str, indent: usize, out: &mut String) {
        for line in text.lines() {
            out.push_str(&" ".repeat(indent));
            out.push_str(&self.line(line));
            out.push('\n');
        }
    }

    /// One line. A scalar that is a parameter as a whole is quoted by the template, so that no value
    /// becomes another type; a port stays a number.
    fn line(&self, line: &str) -> String {
        let mut line = escape(line);
        for (sentinel, expression) in self.parameters {
            if !line.contains(sentinel.as_str()) {
                continue;
            }
            let number = sentinel.bytes().all(|b| b.is_ascii_digit());
            let alone = line.ends_with(&format!(": {sentinel}"))
                || line.trim_start() == format!("- {sentinel}");
            let whole = alone && !number;
            let with = if whole {
                format!("{{{{ {expression} | quote }}}}")
            } else {
                format!("{{{{ {expression} }}}}")
            };
            line = line.replace(sentinel.as_str(), &with);
        }
        line
    }
}

/// Template brackets of the matrix' own words (a reason, a host) as literals.
pub(crate) fn escape(text: &str) -> String {
    text.replace("{{", "{{ \"{{\" }}")
}

fn join(word: &str, parts: &[String]) -> String {
    match parts {
        [] => "true".to_owned(),
        [one] => one.clone(),
        many => {
            let many = many.iter().map(|part| {
                if part.contains(' ') && !part.starts_with('(') {
                    format!("({part})")
                } else {
                    part.clone()
                }
            });
            format!("{word} {}", many.collect::<Vec<_>>().join(" "))
        }
    }
}

fn open(out: &mut String, condition: &str) {
    out.push_str("{{- if ");
    out.push_str(condition);
    out.push_str(" }}\n");
}

fn close(out: &mut String) {
    out.push_str("{{- end }}\n");
}

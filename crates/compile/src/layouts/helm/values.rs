//! The chart's values: what can be set, under which names, with which defaults.

use super::expr::Assignment;
use crate::layouts::Files;
use crate::names;
use palisade_matrix::Choice;
use palisade_yaml::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A toggle.
#[derive(Debug, Clone)]
pub(crate) struct Switch {
    pub(crate) name: String,
    pub(crate) path: Vec<String>,
    pub(crate) default: bool,
    pub(crate) about: Vec<String>,
}

/// How a parameter is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InputKind {
    /// Any label value.
    Text,
    /// A DNS label.
    Name,
    /// A port number.
    Port,
}

/// A parameter that the user of the chart may set.
#[derive(Debug, Clone)]
pub(crate) struct Input {
    pub(crate) name: String,
    pub(crate) path: Vec<String>,
    pub(crate) kind: InputKind,
    pub(crate) default: Option<String>,
    /// A value for proofs and examples where there is no default.
    pub(crate) example: Option<String>,
    pub(crate) about: Vec<String>,
}

impl Input {
    /// The value that is used where none is given.
    pub(crate) fn usual(&self) -> Option<String> {
        self.default.clone().or_else(|| self.example.clone())
    }

    /// Where its value is.
    pub(crate) fn value_path(&self) -> String {
        accessor(&self.path)
    }

    /// Its value in a template; a parameter without default is required.
    pub(crate) fn expression(&self) -> String {
        let path = self.value_path();
        if self.default.is_some() {
            return path;
        }
        let path = if path.contains(' ') {
            format!("({path})")
        } else {
            path
        };
        format!("required \"set {}\" {path}", self.path.join("."))
    }

    fn value(&self, text: &str) -> Value {
        match (self.kind, text.parse::<i64>()) {
            (InputKind::Port, Ok(port)) => Value::Int(port),
            _ => Value::string(text),
        }
    }

    fn schema(&self) -> Value {
        let mut fields = match self.kind {
            InputKind::Port => vec![
                ("type", Value::string("integer")),
                ("minimum", Value::Int(1)),
                ("maximum", Value::Int(65535)),
            ],
            InputKind::Name => vec![
                ("type", Value::string("string")),
                (
                    "pattern",
                    Value::string("^([a-z0-9]([-a-z0-9]*[a-z0-9])?)?$"),
                ),
                ("maxLength", Value::Int(63)),
            ],
            InputKind::Text => vec![
                ("type", Value::string("string")),
                (
                    "pattern",
                    Value::string("^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"),
                ),
                ("maxLength", Value::Int(63)),
            ],
        };
        if self.kind == InputKind::Port && self.default.is_none() {
            let null = vec![Value::string("integer"), Value::string("null")];
            if let Some((_, kind)) = fields.first_mut() {
                *kind = Value::List(null);
            }
        }
        if !self.about.is_empty() {
            fields.push(("description", Value::string(self.about.join(" "))));
        }
        Value::map(fields)
    }
}

/// Everything that can be chosen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Space {
    pub(crate) chart: String,
    pub(crate) about: String,
    pub(crate) platforms: Vec<String>,
    pub(crate) platform: usize,
    pub(crate) switches: Vec<Switch>,
    pub(crate) inputs: Vec<Input>,
    /// Parameters that have their value when the chart is made, for the remark in `values.yaml`.
    pub(crate) fixed: Vec<String>,
    /// Whether the chart labels namespaces.
    pub(crate) labels: bool,
}

/// The value that keeps namespaces out of the chart.
pub(crate) const LABEL_NAMESPACES: &str = "labelNamespaces";

impl Space {
    /// The default platform and toggles.
    pub(crate) fn defaults(&self) -> Assignment {
        let mut out = vec![self.platform];
        out.extend(self.switches.iter().map(|s| usize::from(s.default)));
        out
    }

    /// An assignment as a choice, beside what `base` fixes.
    pub(crate) fn choice(
        &self,
        assignment: &[usize],
        parameters: &BTreeMap<String, String>,
        base: &Choice,
    ) -> Choice {
        let mut values = assignment.iter();
        let platform = values.next().and_then(|p| self.platforms.get(*p)).cloned();
        let switches = self.switches.iter().zip(values);
        let mut all = base.parameters.clone();
        all.extend(parameters.iter().map(|(k, v)| (k.clone(), v.clone())));
        Choice {
            platform,
            toggles: switches.map(|(s, on)| (s.name.clone(), *on == 1)).collect(),
            parameters: all,
            cni: base.cni.clone(),
        }
    }

    /// How many values each switch has.
    fn domains(&self) -> Vec<usize> {
        let mut out = vec![self.platforms.len().max(1)];
        out.extend(self.switches.iter().map(|_| 2));
        out
    }

    /// Every combination if there are at most `all`; else the defaults, all on and all off, and each
    /// of them with one switch turned.
    pub(crate) fn first_samples(&self, all: usize) -> BTreeSet<Assignment> {
        let domains = self.domains();
        let total = domains.iter().try_fold(1_usize, |n, d| n.checked_mul(*d));
        if total.is_some_and(|n| n <= all) {
            return every(&domains);
        }
        let mut out = BTreeSet::new();
        let uniform = |value: usize| {
            let mut a = vec![self.platform];
            a.extend(self.switches.iter().map(|_| value));
            a
        };
        for context in [self.defaults(), uniform(0), uniform(1)] {
            for turned in turned(&context, &domains) {
                out.insert(turned);
            }
            out.insert(context);
        }
        out
    }

    /// Combinations spread over the space, always the same (Knuth's MMIX generator).
    pub(crate) fn further_samples(&self, count: usize) -> BTreeSet<Assignment> {
        let domains = self.domains();
        let mut state = 11_u64;
        let mut out = BTreeSet::new();
        for _ in 0..count {
            let pick = domains.iter().map(|domain| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                usize::try_from(state >> 33).unwrap_or(0) % domain
            });
            out.insert(pick.collect());
        }
        out
    }

    /// A template expression that is true if a switch has a value.
    pub(crate) fn expression(&self, switch: usize, value: usize) -> String {
        let Some(index) = switch.checked_sub(1) else {
            let platform = self.platforms.get(value).map_or("", String::as_str);
            return format!("eq .Values.platform {platform:?}");
        };
        let path = self.switches.get(index).map(|s| accessor(&s.path));
        let path = path.unwrap_or_default();
        match value {
            0 if path.contains(' ') => format!("not ({path})"),
            0 => format!("not {path}"),
            _ => path,
        }
    }

    /// The values for a choice, as Helm would hold them.
    pub(crate) fn values(
        &self,
        platform: Option<&str>,
        toggles: &BTreeMap<String, bool>,
        parameters: &BTreeMap<String, String>,
    ) -> Value {
        let mut out = Vec::new();
        let usual = self.platforms.get(self.platform).map(String::as_str);
        let platform = platform.or(usual).unwrap_or_default();
        insert(&mut out, &["platform".to_owned()], Value::string(platform));
        if self.labels {
            insert(&mut out, &[LABEL_NAMESPACES.to_owned()], Value::Bool(true));
        }
        for switch in &self.switches {
            let on = toggles.get(&switch.name).copied().unwrap_or(switch.default);
            insert(&mut out, &switch.path, Value::Bool(on));
        }
        for input in &self.inputs {
            let text = parameters.get(&input.name).or(input.default.as_ref());
            if let Some(text) = text {
                insert(&mut out, &input.path, input.value(text));
            }
        }
        Value::Map(out)
    }

    /// `Chart.yaml`, `values.yaml` and `values.schema.json`.
    pub(crate) fn files(&self) -> Files {
        vec![
            ("Chart.yaml".to_owned(), self.chart_yaml()),
            ("values.schema.json".to_owned(), self.schema().to_json()),
            ("values.yaml".to_owned(), self.values_yaml()),
        ]
    }

    fn chart_yaml(&self) -> String {
        Value::map([
            ("apiVersion", Value::string("v2")),
            ("name", Value::string(names::object_name(&self.chart))),
            ("description", Value::string(self.about.as_str())),
            ("type", Value::string("application")),
            ("version", Value::string("0.1.0")),
        ])
        .to_yaml()
    }

    fn values_yaml(&self) -> String {
        let mut out = Vec::new();
        if let Some(platform) = self.platforms.get(self.platform) {
            let about = format!("Platform: {}.", self.platforms.join(" or "));
            let value = Value::Commented(vec![about], Box::new(Value::string(platform.as_str())));
            insert(&mut out, &["platform".to_owned()], value);
        }
        if self.labels {
            let about = [
                "Whether the chart labels namespaces for sidecar injection. Helm refuses objects that it",
                "did not create: set it to false and label namespaces that exist yourself.",
            ];
            let about = about.map(str::to_owned).to_vec();
            let value = Value::Commented(about, Box::new(Value::Bool(true)));
            insert(&mut out, &[LABEL_NAMESPACES.to_owned()], value);
        }
        for switch in &self.switches {
            let value = Box::new(Value::Bool(switch.default));
            insert(
                &mut out,
                &switch.path,
                Value::Commented(switch.about.clone(), value),
            );
        }
        for input in &self.inputs {
            let value = match (&input.default, input.kind) {
                (Some(text), _) => input.value(text),
                (None, InputKind::Port) => Value::Null,
                (None, _) => Value::string(""),
            };
            let mut about = input.about.clone();
            if input.default.is_none() {
                about.push("Required.".to_owned());
            }
            insert(
                &mut out,
                &input.path,
                Value::Commented(about, Box::new(value)),
            );
        }
        let mut text = String::new();
        for fixed in &self.fixed {
            text.push_str(&format!("# Not a value of this chart: {fixed}\n"));
        }
        text.push_str(&lifted(&out, 0));
        text
    }

    fn schema(&self) -> Value {
        let mut tree = Vec::new();
        if !self.platforms.is_empty() {
            let words = self.platforms.iter().map(|p| Value::string(p.as_str()));
            let platform = Value::map([("enum", Value::List(words.collect()))]);
            insert(&mut tree, &["platform".to_owned()], leaf(platform));
        }
        if self.labels {
            let boolean = Value::map([("type", Value::string("boolean"))]);
            insert(&mut tree, &[LABEL_NAMESPACES.to_owned()], leaf(boolean));
        }
        for switch in &self.switches {
            let mut fields = vec![("type", Value::string("boolean"))];
            if !switch.about.is_empty() {
                fields.push(("description", Value::string(switch.about.join(" "))));
            }
            insert(&mut tree, &switch.path, leaf(Value::map(fields)));
        }
        for input in &self.inputs {
            insert(&mut tree, &input.path, leaf(input.schema()));
        }
        let Value::Map(mut fields) = object_schema(&tree) else {
            return Value::Null;
        };
        let draft = Value::string("http://json-schema.org/draft-07/schema#");
        fields.insert(0, ("$schema".to_owned(), draft));
        Value::Map(fields)
    }
}

/// Marks a schema as a leaf of the tree of values.
fn leaf(schema: Value) -> Value {
    Value::Commented(Vec::new(), Box::new(schema))
}

fn object_schema(tree: &[(String, Value)]) -> Value {
    let properties = tree.iter().map(|(key, value)| {
        let schema = match value {
            Value::Map(inner) => object_schema(inner),
            Value::Commented(_, schema) => (**schema).clone(),
            other => other.clone(),
        };
        (key.as_str(), schema)
    });
    Value::map([
        ("type", Value::string("object")),
        ("properties", Value::map(properties)),
    ])
}

/// YAML with the remarks of a value above its key, where people look for them.
fn lifted(entries: &[(String, Value)], indent: usize) -> String {
    let pad = " ".repeat(indent);
    let mut out = String::new();
    for (key, value) in entries {
        match value {
            Value::Map(inner) if !inner.is_empty() => {
                let head = Value::map([(key.as_str(), Value::Null)]).to_yaml();
                let head = head.split(": ").next().unwrap_or_default().trim_end();
                out.push_str(&format!("{pad}{head}:\n{}", lifted(inner, indent + 2)));
            }
            Value::Commented(remarks, inner) => {
                for remark in remarks {
                    out.push_str(&format!("{pad}# {remark}\n"));
                }
                let line = Value::map([(key.as_str(), (**inner).clone())]).to_yaml();
                out.push_str(&format!("{pad}{line}"));
            }
            other => {
                let line = Value::map([(key.as_str(), other.clone())]).to_yaml();
                out.push_str(&format!("{pad}{line}"));
            }
        }
    }
    out
}

/// Every combination.
fn every(domains: &[usize]) -> BTreeSet<Assignment> {
    let mut out = vec![Vec::new()];
    for domain in domains {
        out = out
            .iter()
            .flat_map(|a: &Assignment| {
                (0..*domain).map(|value| {
                    let mut a = a.clone();
                    a.push(value);
                    a
                })
            })
            .collect();
    }
    out.into_iter().collect()
}

/// A context with one switch turned, in every way.
fn turned(context: &Assignment, domains: &[usize]) -> Vec<Assignment> {
    let mut out = Vec::new();
    for (switch, domain) in domains.iter().enumerate() {
        for value in 0..*domain {
            let mut other = context.clone();
            if let Some(slot) = other.get_mut(switch) {
                *slot = value;
            }
            out.push(other);
        }
    }
    out
}

/// Puts a value at a path of nested maps.
fn insert(map: &mut Vec<(String, Value)>, path: &[String], value: Value) {
    let Some((first, rest)) = path.split_first() else {
        return;
    };
    if rest.is_empty() {
        map.push((first.clone(), value));
        return;
    }
    let index = map.iter().position(|(key, _)| key == first);
    let index = index.unwrap_or_else(|| {
        map.push((first.clone(), Value::Map(Vec::new())));
        map.len() - 1
    });
    if let Some((_, Value::Map(inner))) = map.get_mut(index) {
        insert(inner, rest, value);
    }
}

/// `.Values.a.b`, or `index` where a key is no identifier of Go's templates.
fn accessor(path: &[String]) -> String {
    let identifier = |key: &String| {
        key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && !key.starts_with(|c: char| c.is_ascii_digit())
    };
    if path.iter().all(identifier) {
        return format!(".Values.{}", path.join("."));
    }
    let keys: Vec<String> = path.iter().map(|key| format!("{key:?}")).collect();
    format!("index .Values {}", keys.join(" "))
}

//! Parts of a matrix in words: conditions, ports, labels, and how things are set.

use palisade_matrix::syntax::{
    Component, FlowPort, FlowPorts, IsolationWord, Matrix, Number, ParameterValue, Port, SetBy,
    Text, When,
};
use palisade_netmodel::{Direction, Intent, Operator, Selector};
use std::collections::BTreeSet;

/// A matrix under one resolution, as documents need it.
#[derive(Clone, Copy)]
pub(crate) struct Words<'m> {
    pub(crate) matrix: &'m Matrix,
    pub(crate) intent: &'m Intent,
}

impl Words<'_> {
    /// The value of a parameter: as chosen, else its default. `None` if the user supplies it.
    fn parameter(&self, name: &str) -> Option<String> {
        let key = format!("parameter {name}");
        let chosen = self.intent.resolution.iter().find(|(k, _)| *k == key);
        if let Some((_, value)) = chosen {
            return Some(value.clone());
        }
        let parameter = self
            .matrix
            .parameters
            .iter()
            .find(|p| p.name.value == name)?;
        value_words(parameter.default.as_ref()?)
    }

    /// A text with its parameters put in; one that the user supplies is shown by its name.
    pub(crate) fn text(&self, text: &Text) -> String {
        let mut out = String::new();
        let mut rest = text.value.as_str();
        while let Some((before, after)) = rest.split_once("${") {
            out.push_str(before);
            match after.split_once('}') {
                Some((name, more)) => {
                    let value = self.parameter(name);
                    out.push_str(&value.unwrap_or_else(|| format!("<{name}>")));
                    rest = more;
                }
                None => {
                    out.push_str("${");
                    rest = after;
                }
            }
        }
        out.push_str(rest);
        out
    }

    /// Protocols and ports of a flow at a destination.
    pub(crate) fn ports(&self, ports: &FlowPorts, to: Option<&Component>) -> (String, String) {
        let FlowPorts::Items(items) = ports else {
            return ("All".to_owned(), "All".to_owned());
        };
        let mut protocols = Vec::new();
        let mut numbers = Vec::new();
        for item in items {
            let (protocol, number) = match item {
                FlowPort::Port(port) => (port.protocol, self.port(port)),
                FlowPort::Declared(name) => {
                    let declared =
                        to.and_then(|c| c.ports.iter().find(|p| p.name.value == name.value));
                    let Some(port) = declared else {
                        continue;
                    };
                    let number = self.range(&port.port, port.end_port.as_ref());
                    (port.protocol, number)
                }
            };
            push_new(&mut protocols, protocol.to_string());
            push_new(&mut numbers, number);
        }
        (protocols.join(", "), numbers.join(", "))
    }

    fn port(&self, port: &Port) -> String {
        match (&port.name, &port.port) {
            (Some(name), _) => self.text(name),
            (None, Some(number)) => self.range(number, port.end_port.as_ref()),
            (None, None) => "All".to_owned(),
        }
    }

    fn range(&self, first: &Number, last: Option<&Number>) -> String {
        let first = self.number(first);
        match last.map(|l| self.number(l)).filter(|l| *l != first) {
            Some(last) => format!("{first}-{last}"),
            None => first,
        }
    }

    fn number(&self, number: &Number) -> String {
        match number {
            Number::Is(number) => number.to_string(),
            Number::Parameter(text) => {
                let name = text.value.trim_start_matches("${").trim_end_matches('}');
                let value = self.parameter(name);
                value.unwrap_or_else(|| "User Supplied".to_owned())
            }
        }
    }

    /// Whether a half of a component's connections is in its policy, and if not by itself, when.
    pub(crate) fn enforced(&self, component: &Component, direction: Direction) -> Enforced {
        let zone = self
            .matrix
            .zones
            .iter()
            .find(|z| z.name.value == component.zone.value);
        let blocks = [component.isolation.as_ref(), zone.map(|z| &z.isolation)];
        // The zone's default deny holds for a component that states its own isolation too.
        let mut conditions = Vec::new();
        for (index, block) in blocks.into_iter().enumerate() {
            let Some(block) = block else { continue };
            let counts = |word: IsolationWord| match word {
                IsolationWord::None => false,
                IsolationWord::Component => index == 0 || component.isolation.is_none(),
                IsolationWord::Namespace => true,
            };
            let base = match direction {
                Direction::Ingress => block.ingress,
                Direction::Egress => block.egress,
            };
            if counts(base) {
                return Enforced::Always;
            }
            for o in &block.overrides {
                let word = match direction {
                    Direction::Ingress => o.ingress,
                    Direction::Egress => o.egress,
                };
                if word.is_some_and(counts) {
                    push_new(&mut conditions, when(&o.when));
                }
            }
        }
        if conditions.is_empty() {
            Enforced::Never
        } else {
            Enforced::When(conditions.join(" or "))
        }
    }
}

/// Whether something is in a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Enforced {
    /// Whatever is chosen.
    Always,
    /// Under this condition.
    When(String),
    /// Not at all.
    Never,
}

/// A value of a parameter on one line.
pub(crate) fn value_words(value: &ParameterValue) -> Option<String> {
    match value {
        ParameterValue::Text(text) => Some(text.clone()),
        ParameterValue::List(items) => Some(items.join(", ")),
        ParameterValue::Peers(_) => None,
    }
}

/// A condition.
pub(crate) fn when(when: &When) -> String {
    let mut parts = Vec::new();
    parts.extend(when.toggle.iter().map(|t| format!("{} is on", t.value)));
    parts.extend(
        when.platform
            .iter()
            .map(|p| format!("the platform is {}", p.value)),
    );
    if !when.cni.is_empty() {
        let names: Vec<&str> = when.cni.iter().map(|c| c.value.as_str()).collect();
        parts.push(format!("the network plugin is {}", names.join(" or ")));
    }
    parts.extend(when.parameter.iter().map(|p| format!("{} is set", p.value)));
    parts.extend(when.not.iter().map(|inner| negated(inner)));
    parts.join(" and ")
}

fn negated(inner: &When) -> String {
    let single = [
        inner.toggle.is_some(),
        inner.platform.is_some(),
        !inner.cni.is_empty(),
        inner.parameter.is_some(),
        inner.not.is_some(),
    ];
    match (&inner.toggle, single.iter().filter(|s| **s).count()) {
        (Some(toggle), 1) => format!("{} is off", toggle.value),
        _ => format!("not ({})", when(inner)),
    }
}

/// Conditions that must hold together, as a table shows them.
pub(crate) fn enabled<'w>(
    conditions: impl IntoIterator<Item = &'w When>,
    base: Enforced,
) -> String {
    let mut parts = Vec::new();
    for condition in conditions {
        push_new(&mut parts, when(condition));
    }
    match base {
        Enforced::Never => return "No".to_owned(),
        Enforced::When(text) => push_new(&mut parts, text),
        Enforced::Always => {}
    }
    if parts.is_empty() {
        "Always".to_owned()
    } else {
        format!("When {}", parts.join(" and "))
    }
}

fn push_new(list: &mut Vec<String>, item: String) {
    if !list.contains(&item) {
        list.push(item);
    }
}

/// A selector as labels are usually written.
pub(crate) fn labels(selector: &Selector) -> String {
    let one = |r: &palisade_netmodel::LabelRequirement| match &r.operator {
        Operator::In(values) if values.len() == 1 => format!("{}={}", r.key, values.concat()),
        Operator::In(values) => format!("{} in ({})", r.key, values.join(", ")),
        Operator::NotIn(values) => format!("{} not in ({})", r.key, values.join(", ")),
        Operator::Exists => r.key.to_string(),
        Operator::DoesNotExist => format!("no {}", r.key),
    };
    let parts: BTreeSet<String> = selector.requirements.iter().map(one).collect();
    parts.into_iter().collect::<Vec<_>>().join(", ")
}

/// How something is set, in prose.
pub(crate) fn set_by(ways: &[SetBy]) -> Vec<String> {
    ways.iter()
        .map(|way| {
            let what = match way.kind.as_str() {
                "HelmValue" => format!("Helm value `{}`", way.name),
                "Env" => format!("environment variable `{}`", way.name),
                "Field" => format!("field `{}`", way.name),
                _ => format!("`{}`", way.name),
            };
            let object = way.object.as_ref().map(|o| format!(" of {o}"));
            let condition = way.when.as_ref().map(|w| format!(" when {}", when(w)));
            let note = way.note.as_ref().map(|n| format!(" ({n})"));
            let parts = [Some(what), object, condition, note];
            parts.into_iter().flatten().collect()
        })
        .collect()
}

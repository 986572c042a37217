//! A choice, made complete: platform, toggles, the values of all parameters; and what conditions and
//! `${name}` mean under it.

use crate::syntax::{
    Listed, Matrix, Number, Parameter, ParameterType, ParameterValue, Peer, Platform, Selector,
    Text, When,
};
use ipnet::IpNet;
use palisade_diagnostics::{Diagnostic, Span, did_you_mean};
use palisade_netmodel::{LabelRequirement, Operator, Selector as LabelSelector, SmolStr};
use palisade_yaml::Spanned;
use std::collections::BTreeMap;

/// Which of the matrix's variants is meant. What is not given has its default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Choice {
    /// Platform by name; the one called `kubernetes`, else the first, if not given.
    pub platform: Option<String>,
    /// Toggles by name.
    pub toggles: BTreeMap<String, bool>,
    /// Parameters by name; lists separated by commas.
    pub parameters: BTreeMap<String, String>,
    /// Network plugin by name.
    pub cni: Option<String>,
}

/// A choice with nothing left open.
pub(crate) struct Environment<'m> {
    pub(crate) matrix: &'m Matrix,
    pub(crate) platform: Option<&'m Platform>,
    toggles: BTreeMap<&'m str, bool>,
    values: BTreeMap<&'m str, ParameterValue>,
    cni: Option<String>,
}

impl<'m> Environment<'m> {
    /// Completes a choice; unknown names and missing or bad values are reported.
    pub(crate) fn new(matrix: &'m Matrix, choice: &Choice, out: &mut Vec<Diagnostic>) -> Self {
        Self {
            matrix,
            platform: platform(matrix, choice, out),
            toggles: toggles(matrix, choice, out),
            values: values(matrix, choice, out),
            cni: choice.cni.clone(),
        }
    }

    /// The resolution in words, in a fixed order.
    pub(crate) fn describe(&self, choice: &Choice) -> Vec<(String, String)> {
        let mut out = Vec::new();
        if let Some(platform) = self.platform {
            out.push(("platform".to_owned(), platform.name.value.clone()));
        }
        for (name, on) in &self.toggles {
            let word = if *on { "on" } else { "off" };
            out.push((format!("toggle {name}"), word.to_owned()));
        }
        for (name, value) in &choice.parameters {
            out.push((format!("parameter {name}"), value.clone()));
        }
        if let Some(cni) = &self.cni {
            out.push(("cni".to_owned(), cni.clone()));
        }
        out
    }

    /// Whether a condition holds; a missing one does.
    pub(crate) fn holds(&self, when: Option<&When>) -> bool {
        when.is_none_or(|w| self.condition(w))
    }

    fn condition(&self, when: &When) -> bool {
        let toggle = |t: &Text| self.toggles.get(t.value.as_str()).copied().unwrap_or(false);
        let platform = |p: &Text| self.platform.is_some_and(|x| x.name.value == p.value);
        let parameter = |p: &Text| self.values.contains_key(p.value.as_str());
        when.toggle.as_ref().is_none_or(toggle)
            && when.platform.as_ref().is_none_or(platform)
            && (when.cni.is_empty()
                || self
                    .cni
                    .as_ref()
                    .is_some_and(|c| when.cni.iter().any(|w| w.value == *c)))
            && when.parameter.as_ref().is_none_or(parameter)
            && when.not.as_ref().is_none_or(|inner| !self.condition(inner))
    }

    /// A text with every `${name}` replaced. Lists are joined by commas.
    pub(crate) fn text(&self, text: &Text) -> String {
        let mut out = String::new();
        let mut rest = text.value.as_str();
        while let Some((before, after)) = rest.split_once("${") {
            out.push_str(before);
            let Some((name, more)) = after.split_once('}') else {
                out.push_str("${");
                rest = after;
                continue;
            };
            match self.values.get(name) {
                Some(ParameterValue::Text(value)) => out.push_str(value),
                Some(ParameterValue::List(values)) => out.push_str(&values.join(",")),
                Some(ParameterValue::Peers(_)) | None => {}
            }
            rest = more;
        }
        out.push_str(rest);
        out
    }

    fn whole(&self, text: &Text) -> Option<&ParameterValue> {
        let name = text.value.strip_prefix("${")?.strip_suffix('}')?;
        self.values.get(name)
    }

    /// A list of texts; an item that is a list parameter stands for its items.
    pub(crate) fn texts(&self, list: &Listed<Text>) -> Vec<Spanned<String>> {
        let expand = |text: &Text| -> Vec<String> {
            match self.whole(text) {
                Some(ParameterValue::List(values)) => values.clone(),
                Some(ParameterValue::Text(value)) => vec![value.clone()],
                Some(ParameterValue::Peers(_)) => Vec::new(),
                None if text.value.starts_with("${") => Vec::new(),
                None => vec![self.text(text)],
            }
        };
        let items: Vec<&Text> = match list {
            Listed::Parameter(text) => vec![text],
            Listed::Items(items) => items.iter().collect(),
        };
        items
            .into_iter()
            .flat_map(|text| {
                let span = text.span;
                expand(text)
                    .into_iter()
                    .map(move |value| Spanned { value, span })
            })
            .collect()
    }

    /// A list of peers.
    pub(crate) fn peers(&self, list: &Listed<Peer>) -> Vec<Peer> {
        match list {
            Listed::Items(items) => items.clone(),
            Listed::Parameter(text) => match self.whole(text) {
                Some(ParameterValue::Peers(peers)) => peers.clone(),
                _ => Vec::new(),
            },
        }
    }

    /// A port number; an error if a parameter holds none.
    pub(crate) fn number(&self, number: &Number, out: &mut Vec<Diagnostic>) -> Option<u16> {
        match number {
            Number::Is(number) => Some(*number),
            Number::Parameter(text) => {
                let value = self.text(text);
                let port = value.parse::<u16>().ok().filter(|p| *p > 0);
                if port.is_none() && !value.is_empty() {
                    out.push(bad_value(text.span, &value, "a port, 1 to 65535"));
                }
                port
            }
        }
    }

    /// A label selector.
    pub(crate) fn selector(&self, selector: &Selector) -> LabelSelector {
        let labels = selector.labels.iter().map(|(key, value)| LabelRequirement {
            key: key.value.as_str().into(),
            operator: Operator::In(vec![self.text(value).into()]),
        });
        let expressions = selector.expressions.iter().map(|e| {
            let values = e.values.iter().map(|v| self.text(v).into());
            let mut values: Vec<SmolStr> = values.collect();
            values.sort();
            values.dedup();
            LabelRequirement {
                key: e.key.value.as_str().into(),
                operator: match e.operator.as_str() {
                    "NotIn" => Operator::NotIn(values),
                    "Exists" => Operator::Exists,
                    "DoesNotExist" => Operator::DoesNotExist,
                    _ => Operator::In(values),
                },
            }
        });
        LabelSelector {
            requirements: labels.chain(expressions).collect(),
        }
    }

    /// A CIDR; a bad one is reported.
    pub(crate) fn cidr(&self, text: &Spanned<String>, out: &mut Vec<Diagnostic>) -> Option<IpNet> {
        match text.value.parse::<IpNet>() {
            Ok(net) => Some(net.trunc()),
            Err(_) => {
                out.push(bad_value(
                    text.span,
                    &text.value,
                    "a CIDR, for example 10.0.0.0/8",
                ));
                None
            }
        }
    }
}

fn bad_value(span: Span, value: &str, wanted: &str) -> Diagnostic {
    Diagnostic::error("PAL0233", format!("`{value}` is not {wanted}"))
        .at(span, "")
        .help(format!("give {wanted}"))
}

fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Diagnostic {
    let known: Vec<&str> = known.collect();
    let diagnostic = Diagnostic::error("PAL0230", format!("the matrix has no {what} `{name}`"));
    match did_you_mean(name, known.iter().copied()) {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None if known.is_empty() => diagnostic.help(format!("it has no {what} at all")),
        None => diagnostic.help(format!("it has: {}", known.join(", "))),
    }
}

fn platform<'m>(
    matrix: &'m Matrix,
    choice: &Choice,
    out: &mut Vec<Diagnostic>,
) -> Option<&'m Platform> {
    let by_name = |name: &str| matrix.platforms.iter().find(|p| p.name.value == name);
    let Some(name) = &choice.platform else {
        return by_name("kubernetes").or(matrix.platforms.first());
    };
    let found = by_name(name);
    if found.is_none() {
        let known = matrix.platforms.iter().map(|p| p.name.value.as_str());
        out.push(unknown("platform", name, known));
    }
    found
}

fn toggles<'m>(
    matrix: &'m Matrix,
    choice: &Choice,
    out: &mut Vec<Diagnostic>,
) -> BTreeMap<&'m str, bool> {
    let mut map: BTreeMap<&str, bool> = matrix
        .toggles
        .iter()
        .map(|t| (t.name.value.as_str(), t.default))
        .collect();
    for (name, on) in &choice.toggles {
        match map.get_mut(name.as_str()) {
            Some(slot) => *slot = *on,
            None => out.push(unknown("toggle", name, map.keys().copied())),
        }
    }
    map
}

fn values<'m>(
    matrix: &'m Matrix,
    choice: &Choice,
    out: &mut Vec<Diagnostic>,
) -> BTreeMap<&'m str, ParameterValue> {
    for name in choice.parameters.keys() {
        if !matrix.parameters.iter().any(|p| p.name.value == *name) {
            let known = matrix.parameters.iter().map(|p| p.name.value.as_str());
            out.push(unknown("parameter", name, known));
        }
    }
    let mut values = BTreeMap::new();
    for parameter in &matrix.parameters {
        let name = parameter.name.value.as_str();
        let given = choice.parameters.get(name);
        let value = match given {
            Some(text) => Some(from_text(parameter, text)),
            None => parameter
                .default
                .clone()
                .or_else(|| parameter.placeholder.clone()),
        };
        match value {
            Some(value) => {
                let span = given.is_none().then_some(parameter.span);
                check_value(parameter, &value, span, out);
                values.insert(name, value);
            }
            None if parameter.required => out.push(
                Diagnostic::error("PAL0232", format!("parameter `{name}` needs a value"))
                    .at(parameter.name.span, "declared here")
                    .help(format!("give it with --set {name}=VALUE")),
            ),
            None => {}
        }
    }
    values
}

/// A value of the command line.
fn from_text(parameter: &Parameter, text: &str) -> ParameterValue {
    let items = || {
        text.split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
    };
    match parameter.kind {
        ParameterType::StringList | ParameterType::CidrList | ParameterType::SecretRefList => {
            ParameterValue::List(items().map(str::to_owned).collect())
        }
        ParameterType::PeerList => {
            ParameterValue::Peers(items().map(|i| peer_from_text(parameter, i)).collect())
        }
        _ => ParameterValue::Text(text.to_owned()),
    }
}

/// A CIDR, `NAMESPACE`, or `NAMESPACE/KEY=VALUE`.
fn peer_from_text(parameter: &Parameter, text: &str) -> Peer {
    let at = |value: &str| Spanned {
        value: value.to_owned(),
        span: parameter.span,
    };
    let mut peer = Peer {
        span: None,
        cidr: None,
        except: Vec::new(),
        namespace: None,
        namespace_selector: None,
        pod_selector: None,
    };
    if text.parse::<IpNet>().is_ok() {
        peer.cidr = Some(at(text));
        return peer;
    }
    match text.split_once('/') {
        None => peer.namespace = Some(at(text)),
        Some((namespace, label)) => {
            peer.namespace = Some(at(namespace));
            let (key, value) = label.split_once('=').unwrap_or((label, ""));
            peer.pod_selector = Some(Selector {
                span: None,
                labels: vec![(at(key), at(value))],
                expressions: Vec::new(),
            });
        }
    }
    peer
}

/// Whether a value is of its parameter's type.
fn check_value(
    parameter: &Parameter,
    value: &ParameterValue,
    span: Option<Span>,
    out: &mut Vec<Diagnostic>,
) {
    let name = &parameter.name.value;
    let wrong = |text: &str, wanted: &str| {
        Diagnostic::error(
            "PAL0233",
            format!("value `{text}` of parameter `{name}` is not {wanted}"),
        )
        .at_opt(span.or(Some(parameter.name.span)), "")
        .help(format!("give {wanted}"))
    };
    let text_problem = |text: &str| match parameter.kind {
        ParameterType::Port if text.parse::<u16>().ok().is_none_or(|p| p == 0) => {
            Some("a port, 1 to 65535")
        }
        ParameterType::Namespace if !is_dns_label(text) => Some("the name of a namespace"),
        ParameterType::Bool if !matches!(text, "true" | "false") => Some("true or false"),
        _ => None,
    };
    match value {
        ParameterValue::Text(text) => {
            out.extend(text_problem(text).map(|wanted| wrong(text, wanted)));
        }
        ParameterValue::List(items) if parameter.kind == ParameterType::CidrList => {
            let bad = items.iter().filter(|i| i.parse::<IpNet>().is_err());
            out.extend(bad.map(|i| wrong(i, "a CIDR, for example 10.0.0.0/8")));
        }
        ParameterValue::List(_) | ParameterValue::Peers(_) => {}
    }
}

/// RFC 1123 label.
pub(crate) fn is_dns_label(text: &str) -> bool {
    let ok = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty()
        && text.len() <= 63
        && text.chars().all(ok)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

//! What of a matrix becomes a value of the chart.

use super::values::{Input, InputKind, LABEL_NAMESPACES, Space, Switch};
use palisade_matrix::Choice;
use palisade_matrix::syntax::{Matrix, ParameterType, ParameterValue, SetBy};

impl Space {
    /// The values of a matrix; `base` has the parameters and the platform that are the defaults.
    pub(crate) fn of(matrix: &Matrix, base: &Choice) -> Self {
        let platforms: Vec<String> = matrix
            .platforms
            .iter()
            .map(|p| p.name.value.clone())
            .collect();
        let wanted = base.platform.as_deref().unwrap_or("kubernetes");
        let platform = platforms.iter().position(|p| p == wanted).unwrap_or(0);
        let mut out = Self {
            chart: matrix.name.clone(),
            about: matrix.title.clone().unwrap_or_else(|| matrix.name.clone()),
            platforms,
            platform,
            ..Self::default()
        };
        let mut taken = vec![
            vec!["platform".to_owned()],
            vec![LABEL_NAMESPACES.to_owned()],
        ];
        for toggle in &matrix.toggles {
            let name = &toggle.name.value;
            let path = free_path(name, &toggle.set_by, &mut taken);
            let mut about = Vec::new();
            if !toggle.reason.is_empty() {
                about.push(crate::rules::one_line(&toggle.reason));
            }
            if toggle.restart {
                about.push("Restart the pods after switching it on.".to_owned());
            }
            out.switches.push(Switch {
                name: name.clone(),
                path,
                default: base.toggles.get(name).copied().unwrap_or(toggle.default),
                about,
            });
        }
        for parameter in &matrix.parameters {
            let name = &parameter.name.value;
            let given = base.parameters.get(name).cloned();
            let default = given.or_else(|| text(parameter.default.as_ref()));
            let example = text(parameter.placeholder.as_ref());
            let open = default.is_none() && example.is_none() && !parameter.required;
            let kind = match parameter.kind {
                ParameterType::Port => InputKind::Port,
                ParameterType::Namespace => InputKind::Name,
                ParameterType::String | ParameterType::SecretRef => InputKind::Text,
                _ => {
                    out.fixed.push(fixed(name));
                    continue;
                }
            };
            if open {
                out.fixed.push(fixed(name));
                continue;
            }
            let about = parameter
                .description
                .iter()
                .map(|d| crate::rules::one_line(d));
            out.inputs.push(Input {
                name: name.clone(),
                path: free_path(name, &parameter.set_by, &mut taken),
                kind,
                default,
                example,
                about: about.collect(),
            });
        }
        out
    }
}

fn text(value: Option<&ParameterValue>) -> Option<String> {
    match value {
        Some(ParameterValue::Text(text)) => Some(text.clone()),
        _ => None,
    }
}

fn fixed(name: &str) -> String {
    format!("{name} is built in; compile the chart again with --set {name}=VALUE to change it.")
}

/// The path under which people already set it: a Helm value, else a field; else its own name. Paths
/// that would lie inside one another, or are taken, fall back to the name.
fn free_path(name: &str, set_by: &[SetBy], taken: &mut Vec<Vec<String>>) -> Vec<String> {
    let of_kind = |kind: &str| {
        set_by
            .iter()
            .find(|s| s.kind == kind)
            .map(|s| split(&s.name))
    };
    let wishes = [
        of_kind("HelmValue"),
        of_kind("Field"),
        Some(vec![name.to_owned()]),
    ];
    let clashes = |path: &[String], taken: &[Vec<String>]| {
        path.is_empty()
            || taken
                .iter()
                .any(|t| t.starts_with(path) || path.starts_with(t))
    };
    let path = wishes
        .into_iter()
        .flatten()
        .find(|path| !clashes(path, taken))
        .unwrap_or_else(|| vec![format!("toggle-{name}")]);
    taken.push(path.clone());
    path
}

fn split(path: &str) -> Vec<String> {
    path.split('.')
        .filter(|key| !key.is_empty())
        .map(str::to_owned)
        .collect()
}

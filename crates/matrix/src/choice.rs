//! Which variant of a matrix is meant.

use crate::codes;
use crate::condition::Facts;
use crate::matrix::Matrix;
use crate::syntax::shape::near;
use palisade_diagnostics::Diagnostic;
use std::collections::BTreeMap;

/// A platform, toggles, parameters and a network plugin; what is left out has its default.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Choice {
    /// Platform.
    pub platform: Option<String>,
    /// Toggles.
    pub toggles: BTreeMap<String, bool>,
    /// Parameters, as people write them after `--set name=`.
    pub parameters: BTreeMap<String, String>,
    /// Network plugin.
    pub cni: Option<String>,
}

/// The facts of a choice, without parameters, and what is wrong with it.
pub(crate) fn facts(matrix: &Matrix, choice: &Choice, out: &mut Vec<Diagnostic>) -> Facts {
    let platforms = matrix.platform_names();
    let mut platform = matrix.default_platform().to_owned();
    if let Some(name) = &choice.platform {
        if platforms.contains(name) {
            platform.clone_from(name);
        } else {
            out.push(unknown(codes::CHOICE_PLATFORM, "platform", name, &platforms));
        }
    }
    let names: Vec<String> = matrix.toggles.iter().map(|t| t.name.value.clone()).collect();
    let mut toggles: BTreeMap<String, bool> = matrix
        .toggles
        .iter()
        .map(|t| (t.name.value.clone(), t.default))
        .collect();
    for (name, on) in &choice.toggles {
        match toggles.get_mut(name) {
            Some(value) => *value = *on,
            None => out.push(unknown(codes::CHOICE_TOGGLE, "toggle", name, &names)),
        }
    }
    let names: Vec<String> = matrix.parameters.iter().map(|p| p.name.value.clone()).collect();
    for name in choice.parameters.keys().filter(|name| !names.contains(name)) {
        out.push(unknown(codes::CHOICE_PARAMETER, "parameter", name, &names));
    }
    Facts {
        platform,
        toggles,
        cni: choice.cni.clone(),
        ..Facts::default()
    }
}

fn unknown(code: &'static str, what: &str, name: &str, known: &[String]) -> Diagnostic {
    let diagnostic = Diagnostic::error(code, format!("the matrix has no {what} `{name}`"));
    let diagnostic = near(diagnostic, name, known.iter().map(String::as_str));
    diagnostic.help(if known.is_empty() {
        format!("the matrix has no {what}s")
    } else {
        format!("{what}s of the matrix: {}", known.join(", "))
    })
}

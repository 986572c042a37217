//! Whether a `when` holds, and whether several can hold together.

use crate::raw::Raw;
use std::collections::{BTreeMap, BTreeSet};

/// What conditions are about.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    pub(crate) platform: String,
    pub(crate) toggles: BTreeMap<String, bool>,
    pub(crate) cni: Option<String>,
    /// The parameters that have a value.
    pub(crate) parameters: BTreeSet<String>,
}

/// All keys of a condition must hold. Names of network plugins are compared without case and dashes.
pub(crate) fn holds(when: &Raw, facts: &Facts) -> bool {
    let toggle = |name: &str| facts.toggles.get(name).copied().unwrap_or(false);
    when.text("toggle").is_none_or(|t| toggle(&t.value))
        && one_of(when, "platform", |p| p == facts.platform)
        && one_of(when, "cni", |name| {
            facts.cni.as_deref().is_some_and(|c| plain(c) == plain(name))
        })
        && when
            .text("parameter")
            .is_none_or(|p| facts.parameters.contains(&p.value))
        && when.get("not").is_none_or(|inner| !holds(inner, facts))
}

fn one_of(when: &Raw, key: &str, test: impl Fn(&str) -> bool) -> bool {
    when.get(key).is_none() || when.strings(key).iter().any(|name| test(name))
}

/// `OVN-Kubernetes` and `OVNKubernetes` are one plugin.
fn plain(name: &str) -> String {
    name.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

/// The toggles that a condition names.
pub(crate) fn toggles(when: &Raw, out: &mut Vec<String>) {
    out.extend(when.text("toggle").map(|t| t.value));
    if let Some(inner) = when.get("not") {
        toggles(inner, out);
    }
}

/// What conditions mention.
#[derive(Debug, Default)]
struct Mentioned {
    toggles: BTreeSet<String>,
    parameters: BTreeSet<String>,
    cni: BTreeSet<String>,
}

impl Mentioned {
    fn collect(&mut self, when: &Raw) {
        self.toggles.extend(when.text("toggle").map(|t| t.value));
        self.parameters.extend(when.text("parameter").map(|t| t.value));
        self.cni.extend(when.strings("cni"));
        if let Some(inner) = when.get("not") {
            self.collect(inner);
        }
    }
}

/// More variables than this are not tried: the conditions are taken to be able to hold together.
const MOST_VARIABLES: usize = 12;

/// Whether some platform, toggles, parameters and plugin make all conditions hold: by trying them.
pub(crate) fn satisfiable(conditions: &[&Raw], platforms: &[String]) -> bool {
    let mut mentioned = Mentioned::default();
    conditions.iter().for_each(|when| mentioned.collect(when));
    let variables = mentioned.toggles.len() + mentioned.parameters.len();
    if variables > MOST_VARIABLES {
        return true;
    }
    let plugins: Vec<Option<String>> = mentioned.cni.iter().cloned().map(Some).chain([None]).collect();
    platforms.iter().any(|platform| {
        plugins.iter().any(|cni| {
            (0..1_u32 << variables).any(|bits| {
                let facts = facts(&mentioned, bits, platform, cni.clone());
                conditions.iter().all(|when| holds(when, &facts))
            })
        })
    })
}

fn facts(mentioned: &Mentioned, bits: u32, platform: &str, cni: Option<String>) -> Facts {
    let bit = |index: usize| bits >> index & 1 == 1;
    let first = mentioned.toggles.len();
    Facts {
        platform: platform.to_owned(),
        toggles: mentioned.toggles.iter().cloned().enumerate().map(|(i, t)| (t, bit(i))).collect(),
        cni,
        parameters: mentioned
            .parameters
            .iter()
            .enumerate()
            .filter(|(i, _)| bit(first + i))
            .map(|(_, p)| p.clone())
            .collect(),
    }
}

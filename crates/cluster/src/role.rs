//! The rights that reading takes, as a ClusterRole: `list`, and nothing else.

use crate::wants;
use palisade_resources::served::{READ_BY_LINTS, plural};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A rule on one line.
pub(crate) fn rule(group: &str, resources: &[&str], only: Option<&str>) -> String {
    let group = match group {
        "" => "\"\"",
        group => group,
    };
    let names = only.map(|name| format!("resourceNames: [{name}], "));
    format!(
        "{{apiGroups: [{group}], resources: [{}], {}verbs: [list]}}",
        resources.join(", "),
        names.unwrap_or_default()
    )
}

/// The ClusterRole `palisade-reader` as YAML, made from what is read.
#[must_use]
pub fn cluster_role() -> String {
    let mut read: BTreeMap<(String, Option<&str>), Vec<String>> = BTreeMap::new();
    for want in wants::kinds(true, true) {
        let rule = read.entry((want.group, want.only)).or_default();
        rule.push(plural(&want.kind));
    }
    let mut linted: BTreeMap<(String, Option<&str>), Vec<String>> = BTreeMap::new();
    for (group, kind) in READ_BY_LINTS {
        let rule = linted.entry(((*group).to_owned(), None)).or_default();
        rule.push(plural(kind));
    }
    let mut out = String::from(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: palisade-reader\nrules:\n",
    );
    rules(&mut out, read);
    out.push_str("# For `palisade lint` alone:\n");
    rules(&mut out, linted);
    out
}

fn rules(out: &mut String, rules: BTreeMap<(String, Option<&str>), Vec<String>>) {
    for ((group, only), mut resources) in rules {
        resources.sort();
        let _ = writeln!(out, "- apiGroups: [\"{group}\"]");
        let _ = writeln!(out, "  resources: [{}]", resources.join(", "));
        if let Some(only) = only {
            let _ = writeln!(out, "  resourceNames: [{only}]");
        }
        out.push_str("  verbs: [list]\n");
    }
}

//! What a cluster is asked for: the kinds that are read, policies that are only told, and what lints read.

use crate::discovery::Served;
use palisade_resources::KINDS;
use palisade_resources::served::{MESH_CONFIG_MAP, READ_BY_LINTS, is_policy_not_read};

/// A kind to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Want {
    /// The group of its `apiVersion`, empty for the core.
    pub(crate) group: String,
    /// `kind`.
    pub(crate) kind: String,
    /// The versions that can be read, preferred first; any if there are none.
    pub(crate) versions: &'static [&'static str],
    /// Whether every cluster serves it.
    pub(crate) built_in: bool,
    /// Whether no answer can do without it.
    pub(crate) essential: bool,
    /// Whether it is told that it may not be listed.
    pub(crate) told: bool,
    /// Whether lints are asked about its objects.
    pub(crate) lints: bool,
    /// The only name that is read, if there is one.
    pub(crate) only: Option<&'static str>,
}

/// Everything to list, in the order of [`KINDS`], then the others.
pub(crate) fn all(served: &Served, lints: bool) -> Vec<Want> {
    let mut out = kinds(served.has_mesh(), lints);
    let others = served
        .kinds()
        .filter(|(group, kind)| is_policy_not_read(group, kind));
    out.extend(others.map(|(group, kind)| other(group, kind)));
    if lints {
        let more = READ_BY_LINTS.iter();
        out.extend(more.map(|(group, kind)| other(group, kind)));
    }
    out
}

/// The kinds of [`KINDS`]; `mesh` says whether the cluster knows Istio.
pub(crate) fn kinds(mesh: bool, lints: bool) -> Vec<Want> {
    let want = |kind: &palisade_resources::Kind| {
        let config = kind.name == "ConfigMap";
        Want {
            group: kind.group.to_owned(),
            kind: kind.name.to_owned(),
            versions: kind.versions,
            built_in: kind.is_built_in(),
            essential: kind.is_essential(),
            // Without a mesh there is no configuration of one to miss.
            told: !config || mesh,
            lints,
            only: config.then_some(MESH_CONFIG_MAP),
        }
    };
    KINDS.iter().map(want).collect()
}

fn other(group: &str, kind: &str) -> Want {
    Want {
        group: group.to_owned(),
        kind: kind.to_owned(),
        versions: &[],
        built_in: false,
        essential: false,
        told: true,
        lints: true,
        only: None,
    }
}

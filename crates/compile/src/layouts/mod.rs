//! Proven artefacts as named texts. A new layout is one file here and one line in [`LAYOUTS`].
//!
//! A layout returns relative paths (with `/`) and texts, sorted by path; writing them is the caller's.

mod directory;
pub(crate) mod helm;
mod kustomize;
mod stream;
#[cfg(test)]
mod tests;

use crate::{Artefacts, Object, Proven, names};

/// Relative paths with their texts, sorted by path.
pub type Files = Vec<(String, String)>;

/// A way to arrange the objects of one resolution.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is, in a few words.
    pub about: &'static str,
    /// Arranges the objects.
    pub write: fn(&Proven<Artefacts>) -> Files,
}

/// All layouts of single resolutions.
pub const LAYOUTS: &[Layout] = &[directory::LAYOUT, stream::LAYOUT, kustomize::LAYOUT];

/// `namespace/kind-name.yaml`; objects of the cluster lie in `cluster`.
fn path(object: &Object) -> String {
    let folder = if object.namespace.is_empty() {
        "cluster".to_owned()
    } else {
        names::object_name(&object.namespace)
    };
    let kind = object.kind.to_ascii_lowercase();
    format!("{folder}/{kind}-{}.yaml", names::object_name(&object.name))
}

/// One file per object.
fn each(artefacts: &Artefacts) -> Files {
    let mut files: Files = artefacts
        .objects
        .iter()
        .map(|o| (path(o), o.value.to_yaml()))
        .collect();
    files.sort();
    files
}

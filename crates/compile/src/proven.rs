//! The gate: only artefacts that were read back and proven leave the compiler.

use crate::rules::Style;
use crate::{Artefacts, TARGETS};
use palisade_netmodel::{Intent, World};

/// Compiles one resolution for every target, without proof: to look at, not to write out.
#[must_use]
pub fn compile(intent: &Intent, world: &World) -> Artefacts {
    compile_as(intent, world, Style::Merged)
}

/// Compiles with a choice of how rules are grouped.
pub(crate) fn compile_as(intent: &Intent, world: &World, style: Style) -> Artefacts {
    let mut artefacts = Artefacts {
        matrix: intent.name.clone(),
        resolution: intent.resolution.clone(),
        ..Artefacts::default()
    };
    for target in TARGETS {
        let (objects, diagnostics) = (target.compile)(intent, world, style);
        artefacts.objects.extend(objects);
        artefacts.diagnostics.extend(diagnostics);
    }
    artefacts
        .objects
        .sort_by(|a, b| (&a.namespace, a.kind, &a.name).cmp(&(&b.namespace, b.kind, &b.name)));
    artefacts
}

/// Something that was proven. The only constructor is [`prove`].
#[derive(Debug, Clone, PartialEq)]
pub struct Proven<T> {
    inner: T,
}

impl<T> Proven<T> {
    /// What was proven.
    #[must_use]
    pub fn get(&self) -> &T {
        &self.inner
    }

    /// For tests of what comes after the proof.
    #[cfg(test)]
    pub(crate) fn unproven(inner: T) -> Self {
        Self { inner }
    }
}

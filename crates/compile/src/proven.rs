//! The gate: only what was read back and proven leaves the compiler.
//!
//! The emitted text is read as if a stranger had written it, beside the workloads it is meant for, and
//! must let pass exactly what the matrix declares, encrypted as it declares.

use crate::layouts::helm::Chart;
use crate::rules::Style;
use crate::synthetic::synthetic_world;
use crate::{Artefacts, TARGETS, Target};
use palisade_diagnostics::{Diagnostic, FileId, Severity, Verdict};
use palisade_matrix::Matrix;
use palisade_netmodel::{Intent, World};
use palisade_resources::{Input, Loaded, Role, load};
use std::collections::BTreeMap;
use std::fmt;

/// Compiles one resolution for every standard target, without proof: to look at, not to write out.
#[must_use]
pub fn compile(intent: &Intent, world: &World) -> Artefacts {
    compile_also(intent, world, &[])
}

/// Compiles for every standard target, and for those that are asked for beside them.
#[must_use]
pub fn compile_also(intent: &Intent, world: &World, also: &[&Target]) -> Artefacts {
    compile_as(intent, world, Style::Merged, also)
}

/// Compiles with a choice of how rules are grouped.
pub(crate) fn compile_as(
    intent: &Intent,
    world: &World,
    style: Style,
    also: &[&Target],
) -> Artefacts {
    let mut artefacts = Artefacts {
        matrix: intent.name.clone(),
        resolution: intent.resolution.clone(),
        ..Artefacts::default()
    };
    let asked = |target: &&Target| target.standard || also.iter().any(|a| a.name == target.name);
    for target in TARGETS.iter().filter(asked) {
        let (objects, diagnostics) = (target.compile)(intent, world, style);
        artefacts.objects.extend(objects);
        artefacts.diagnostics.extend(diagnostics);
    }
    artefacts
        .objects
        .sort_by(|a, b| (&a.namespace, a.kind, &a.name).cmp(&(&b.namespace, b.kind, &b.name)));
    artefacts
}

/// What the policies are meant for.
#[derive(Clone, Copy)]
pub struct Deployed<'a> {
    /// The manifests. Their policies and Istio objects are not read: the compiled ones replace them.
    /// Without manifests the matrix makes its own world ([`synthetic_world`]).
    pub inputs: &'a [Input<'a>],
    /// How they are read.
    pub options: &'a palisade_resources::Options,
    /// What is known beyond the manifests (the network plugin), put into the world.
    pub adjust: &'a dyn Fn(&mut World),
}

impl fmt::Debug for Deployed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deployed")
            .field("inputs", &self.inputs)
            .finish_non_exhaustive()
    }
}

impl Deployed<'_> {
    /// The world without any policy.
    #[must_use]
    pub fn world(&self, intent: &Intent) -> World {
        self.with(intent, &[]).world
    }

    /// The world under policies in text form, unproven: to compare what variants let pass.
    #[must_use]
    pub fn under(&self, intent: &Intent, policies: &[(FileId, &str)]) -> World {
        self.with(intent, policies).world
    }

    /// The world with these policies. Errors of the workloads are not repeated.
    fn with(&self, intent: &Intent, policies: &[(FileId, &str)]) -> Loaded {
        let workloads = self.inputs.iter().map(|input| Input {
            role: Role::Workloads,
            ..*input
        });
        let policies = policies.iter().map(|(file, text)| Input {
            file: *file,
            text: (*text).into(),
            role: Role::Policies,
        });
        let inputs: Vec<Input<'_>> = workloads.chain(policies).collect();
        let mut loaded = load(&inputs, self.options);
        if self.inputs.is_empty() {
            loaded.world = planted(synthetic_world(intent), loaded.world);
        }
        (self.adjust)(&mut loaded.world);
        loaded
    }
}

/// A made world with the policies of a read one.
fn planted(mut world: World, read: World) -> World {
    for (name, namespace) in read.namespaces {
        world.ensure_namespace(&name);
        if let Some(own) = world.namespaces.get_mut(&name) {
            own.labels.extend(namespace.labels.iter());
        }
    }
    World {
        network_policies: read.network_policies,
        admin_policies: read.admin_policies,
        peer_authentications: read.peer_authentications,
        authorization_policies: read.authorization_policies,
        destination_rules: read.destination_rules,
        service_entries: read.service_entries,
        sidecars: read.sidecars,
        gateways: read.gateways,
        ..world
    }
}

/// Something that was proven. The only constructors are [`prove`] and [`prove_chart`].
#[derive(Debug, Clone, PartialEq)]
pub struct Proven<T> {
    inner: T,
    notes: Vec<Diagnostic>,
}

impl<T> Proven<T> {
    /// What was proven.
    #[must_use]
    pub fn get(&self) -> &T {
        &self.inner
    }

    /// What the proof states beside the verdict: accepted exceptions, peers that are wider than meant,
    /// and what could not be said exactly.
    #[must_use]
    pub fn notes(&self) -> &[Diagnostic] {
        &self.notes
    }

    /// For tests of what comes after the proof.
    #[cfg(test)]
    pub(crate) fn unproven(inner: T) -> Self {
        Self {
            inner,
            notes: Vec::new(),
        }
    }
}

/// Why something was not proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The resolution that failed: `platform=openshift`, `toggle jaeger=on`.
    pub resolution: Vec<(String, String)>,
    /// `Fails` or `Unknown`.
    pub verdict: Verdict,
    /// The findings, and what the compiler could not say. Their places are in the compiled text.
    pub findings: Vec<Diagnostic>,
    /// The compiled text, for the file id that was given.
    pub text: String,
}

/// Proves compiled artefacts against what they are meant for. `file` is the id under which the caller
/// knows their text ([`Artefacts::to_yaml`]); findings point into it.
///
/// # Errors
/// The text does not read back cleanly, or does not hold.
pub fn prove(
    artefacts: Artefacts,
    file: FileId,
    intent: &Intent,
    deployed: &Deployed<'_>,
) -> Result<Proven<Artefacts>, Box<Refusal>> {
    let mut notes = check(&artefacts.to_yaml(), file, intent, deployed)
        .map_err(|refusal| explained(refusal, &artefacts.diagnostics))?;
    notes.extend(artefacts.diagnostics.iter().cloned());
    Ok(Proven {
        inner: artefacts,
        notes,
    })
}

/// Puts what the compiler said before what the proof says: it is often the cause.
fn explained(mut refusal: Box<Refusal>, diagnostics: &[Diagnostic]) -> Box<Refusal> {
    let findings = diagnostics.iter().cloned().chain(refusal.findings);
    refusal.findings = findings.collect();
    refusal
}

/// Proves a chart: what it renders for every choice of [`palisade_matrix::resolutions`], with the
/// parameters of `base`.
/// Findings point into the rendered text of the resolution that failed, known as `file`.
///
/// # Errors
/// A resolution does not render, does not read back cleanly, or does not hold.
pub fn prove_chart(
    chart: Chart,
    file: FileId,
    matrix: &Matrix,
    base: &palisade_matrix::Choice,
    deployed: &Deployed<'_>,
) -> Result<Proven<Chart>, Box<Refusal>> {
    let mut notes: BTreeMap<String, Diagnostic> = BTreeMap::new();
    for choice in palisade_matrix::resolutions(matrix).choices {
        let choice = palisade_matrix::Choice {
            platform: choice.platform.clone(),
            toggles: choice.toggles.clone(),
            ..base.clone()
        };
        let (intent, _) = palisade_matrix::resolve(matrix, &choice);
        let rendered = chart.render(
            choice.platform.as_deref(),
            &choice.toggles,
            &chart.parameters_of(&choice),
        );
        let text = rendered.map_err(|error| Box::new(unrendered(&intent, &error)))?;
        for note in check(&text, file, &intent, deployed)? {
            notes.insert(format!("{}{}", note.code.0, note.title), note);
        }
    }
    Ok(Proven {
        inner: chart,
        notes: notes.into_values().collect(),
    })
}

fn unrendered(intent: &Intent, error: &str) -> Refusal {
    let finding = Diagnostic::error("PAL0411", format!("the chart does not render: {error}"))
        .help("give the parameter with --set NAME=VALUE");
    Refusal {
        resolution: intent.resolution.clone(),
        verdict: Verdict::Unknown,
        findings: vec![finding],
        text: String::new(),
    }
}

/// Reads a text back and proves it. `Ok`: what the proof states beside the verdict.
fn check(
    text: &str,
    file: FileId,
    intent: &Intent,
    deployed: &Deployed<'_>,
) -> Result<Vec<Diagnostic>, Box<Refusal>> {
    let loaded = deployed.with(intent, &[(file, text)]);
    let refuse = |verdict, findings| {
        Err(Box::new(Refusal {
            resolution: intent.resolution.clone(),
            verdict,
            findings,
            text: text.to_owned(),
        }))
    };
    let own = |d: &&Diagnostic| {
        d.severity >= Severity::Warning && d.span().is_some_and(|span| span.file == file)
    };
    let misread: Vec<Diagnostic> = loaded.diagnostics.iter().filter(own).cloned().collect();
    if !misread.is_empty() {
        return refuse(Verdict::Unknown, misread);
    }
    let proof = palisade_verify::prove(intent, &loaded.world, &palisade_verify::Options::default());
    match proof.verdict {
        Verdict::Holds => Ok(proof.findings),
        verdict => refuse(verdict, proof.findings),
    }
}

//! What is declared and what is effective: the same question under the choices of several network
//! plugins, and the table of these choices.

use crate::compare;
use crate::explain::outcome;
use palisade_diagnostics::{Diagnostic, Fact, Report, Section, Table};
use palisade_netmodel::{
    AdminKind, Cause, Decision, Enforcement, Flow, OwnNode, Profile, World, reference,
};

/// How one flow fares as declared, and on each of some profiles.
#[must_use]
pub fn on_profiles(world: &World, flow: &Flow, profiles: &[Profile]) -> Section {
    let judged = |profile: &Profile| {
        let world = World {
            profile: profile.clone(),
            ..world.clone()
        };
        reference::decide(&world, flow)
    };
    let declared = judged(&Profile::default());
    let mut rows = vec![row("as declared", &declared, String::new())];
    rows.extend(profiles.iter().map(|profile| {
        let effective = judged(profile);
        let why = if effective.outcome == declared.outcome {
            String::new()
        } else {
            difference(&declared, &effective)
        };
        row(&format!("effective on {}", name(profile)), &effective, why)
    }));
    Section {
        title: "Declared and effective".to_owned(),
        paragraphs: Vec::new(),
        table: Some(Table {
            columns: ["Profile", "Verdict", "Why it differs"]
                .map(str::to_owned)
                .to_vec(),
            rows,
        }),
    }
}

/// What a world lets pass other than the same world as declared.
///
/// # Errors
/// A diagnostic if the world is too large to compare.
pub fn against_declared(
    world: &World,
    tick: &mut dyn FnMut(usize, usize),
) -> Result<Section, Diagnostic> {
    let declared = World {
        profile: Profile::default(),
        ..world.clone()
    };
    let differences = compare(&declared, world, tick)?;
    let mut paragraphs: Vec<String> = differences.findings.iter().map(paragraph).collect();
    if paragraphs.is_empty() {
        paragraphs.push("nothing: what is declared is effective".to_owned());
    }
    Ok(Section {
        title: format!("Effective on {}, other than declared", name(&world.profile)),
        paragraphs,
        table: None,
    })
}

fn paragraph(finding: &Diagnostic) -> String {
    let mut out = finding.title.clone();
    for more in &finding.notes {
        out.push_str("; ");
        out.push_str(more);
    }
    out
}

fn row(profile: &str, decision: &Decision, why: String) -> Vec<String> {
    vec![
        profile.to_owned(),
        outcome(decision.outcome).to_owned(),
        why,
    ]
}

/// The first step that only the effective answer has; if it has none of its own, the first that it
/// lacks.
fn difference(declared: &Decision, effective: &Decision) -> String {
    let only = |of: &'_ Decision, other: &Decision| {
        let is_new = |cause: &&Cause| {
            let mut others = other.because.iter();
            !others.any(|o| {
                (o.layer, &o.subject, &o.text) == (cause.layer, &cause.subject, &cause.text)
            })
        };
        of.because.iter().find(is_new).map(step)
    };
    only(effective, declared).unwrap_or_else(|| {
        only(declared, effective).map_or_else(String::new, |step| format!("without: {step}"))
    })
}

fn step(cause: &Cause) -> String {
    let subject = cause
        .subject
        .as_ref()
        .map_or_else(String::new, |s| format!("{s}: "));
    format!("{subject}{}", cause.text)
}

/// The profiles that are known, choice by choice.
#[must_use]
pub fn profiles() -> Report {
    let mut report = Report::new("profiles");
    let columns = [
        "Profile",
        "NetworkPolicy",
        "Policies of administrators",
        "ipBlock and pods",
        "A pod and its own node",
        "SCTP",
    ];
    let declared = Profile::default();
    let named = Profile::names().filter_map(Profile::named);
    report.sections.push(Section {
        title: "Network profiles".to_owned(),
        paragraphs: vec![
            "What the specification leaves to the network plugin. Pods on the host network are no subjects of policies on any of them, and no peers but by the address of their node.".to_owned(),
        ],
        table: Some(Table {
            columns: columns.map(str::to_owned).to_vec(),
            rows: std::iter::once(declared).chain(named).map(|p| choices(&p)).collect(),
        }),
    });
    report.facts = vec![Fact {
        name: "default".to_owned(),
        value: "as declared, unless a DaemonSet of the input shows the plugin".to_owned(),
    }];
    report.summary.text = format!("{} profiles are known", Profile::names().count());
    report
}

fn name(profile: &Profile) -> &str {
    profile.cni.name.as_deref().unwrap_or("as declared")
}

fn choices(profile: &Profile) -> Vec<String> {
    let enforcement = match profile.cni.enforcement {
        Enforcement::Enforced => "enforced",
        Enforcement::NotEnforced => "ignored",
        Enforcement::NotShown => "assumed enforced",
    };
    let own_node = match profile.own_node {
        OwnNode::BothWays => "always reach each other",
        OwnNode::FromNode => "the node reaches the pod; egress policies hold for the way back",
    };
    let kinds = match profile.admin_kinds.as_slice() {
        [] => "ignored".to_owned(),
        all if all.len() == AdminKind::ALL.len() => "all kinds".to_owned(),
        some => some
            .iter()
            .map(|kind| kind.name())
            .collect::<Vec<_>>()
            .join(", "),
    };
    let blocks = if profile.ip_block_matches_pods {
        "also means pods"
    } else {
        "outside only"
    };
    let sctp = if profile.sctp {
        "carried"
    } else {
        "if switched on"
    };
    vec![
        name(profile).to_owned(),
        enforcement.to_owned(),
        kinds,
        blocks.to_owned(),
        own_node.to_owned(),
        sctp.to_owned(),
    ]
}

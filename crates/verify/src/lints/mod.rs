//! Defects that show without a matrix: one file per lint, one line in [`LINTS`], one executed page in
//! `docs/lints`.
//!
//! A lint tells what is certainly so; where a flow is claimed, the reference evaluator has replayed
//! it. What is a matter of style is a note. Findings with one cause are one finding.

mod allow_all_authorization;
mod broad_policy;
mod bypassed_port;
mod context;
mod deprecated_field;
mod destinations;
mod dns_only;
mod egress_closed;
mod empty_list;
mod equal_priority;
mod half_open;
mod host_network_pod;
mod implicit_policy_types;
mod implied_isolation;
mod label_collision;
mod layers_disagree;
mod lint_skip;
mod metadata_address;
mod misleading_name;
mod no_api_server;
mod no_default_deny;
mod no_dns;
mod no_mesh_control_plane;
mod no_mesh_mode;
mod no_policy;
mod no_ports;
mod no_sidecar;
mod non_canonical_cidr;
mod not_injected_yet;
mod open_rule;
mod peer_selects_nothing;
mod permissive_mtls;
mod plugin_does_not_enforce;
mod policy_selects_nothing;
mod probe_blocked;
mod published_blocked;
mod redundant_rule;
mod scrape_blocked;
mod service_address;
mod service_blocked;
mod service_port_in_policy;
mod service_selects_others;
mod service_target;
mod shared_service_account;
mod sidecar_scope;
mod split_peer;
mod split_rule;
mod undeclared_port;
mod unknown_principal;
mod unnamed_service_port;
mod unprotected_workload;
mod unresolved_port_name;
mod webhook_blocked;
mod wide_peer;
mod wide_ports;
mod workload_selects_others;
mod wrong_protocol;

use crate::engine::Engine;
use context::Context;
use palisade_diagnostics::{Diagnostic, Severity, Sources};
use palisade_netmodel::Written;
use std::net::{IpAddr, Ipv4Addr};

/// A lint.
#[derive(Clone, Copy)]
pub struct Lint {
    /// Its name, as `--only`, `--skip` and annotations take it.
    pub name: &'static str,
    /// Its code.
    pub code: &'static str,
    /// How much its findings matter; some of them may be notes.
    pub severity: Severity,
    /// What it finds, one sentence.
    pub summary: &'static str,
    check: fn(&Context<'_>) -> Vec<Diagnostic>,
}

impl std::fmt::Debug for Lint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.code, self.name)
    }
}

impl Lint {
    /// A finding of the lint's severity.
    fn finding(&self, title: impl Into<String>) -> Diagnostic {
        let mut finding = Diagnostic::new(self.severity, self.code, title);
        finding.lint = Some(self.name);
        finding
    }

    /// A finding that is a note.
    fn note(&self, title: impl Into<String>) -> Diagnostic {
        let mut finding = self.finding(title);
        finding.severity = Severity::Note;
        finding
    }
}

/// Every lint, in the order of their codes.
pub const LINTS: &[Lint] = &[
    split_peer::LINT,
    split_rule::LINT,
    policy_selects_nothing::LINT,
    peer_selects_nothing::LINT,
    service_selects_others::LINT,
    broad_policy::LINT,
    no_policy::LINT,
    unprotected_workload::LINT,
    no_default_deny::LINT,
    open_rule::LINT,
    no_ports::LINT,
    empty_list::LINT,
    host_network_pod::LINT,
    half_open::LINT,
    misleading_name::LINT,
    implied_isolation::LINT,
    implicit_policy_types::LINT,
    egress_closed::LINT,
    no_dns::LINT,
    webhook_blocked::LINT,
    redundant_rule::LINT,
    no_mesh_control_plane::LINT,
    service_port_in_policy::LINT,
    undeclared_port::LINT,
    unresolved_port_name::LINT,
    service_blocked::LINT,
    wrong_protocol::LINT,
    wide_ports::LINT,
    service_target::LINT,
    non_canonical_cidr::LINT,
    service_address::LINT,
    metadata_address::LINT,
    permissive_mtls::LINT,
    no_mesh_mode::LINT,
    bypassed_port::LINT,
    no_sidecar::LINT,
    layers_disagree::LINT,
    allow_all_authorization::LINT,
    shared_service_account::LINT,
    unknown_principal::LINT,
    not_injected_yet::LINT,
    sidecar_scope::LINT,
    unnamed_service_port::LINT,
    deprecated_field::LINT,
    plugin_does_not_enforce::LINT,
    lint_skip::LINT,
    wide_peer::LINT,
    no_api_server::LINT,
    scrape_blocked::LINT,
    probe_blocked::LINT,
    dns_only::LINT,
    workload_selects_others::LINT,
    label_collision::LINT,
    published_blocked::LINT,
    equal_priority::LINT,
];

/// The lint of a name.
#[must_use]
pub fn lint_named(name: &str) -> Option<&'static Lint> {
    LINTS.iter().find(|lint| lint.name == name)
}

/// The address at which clouds serve credentials to machines.
pub(crate) const METADATA_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254));

/// An engine whose cells of addresses are cut as lints need it.
#[must_use]
pub fn lint_engine(world: &palisade_netmodel::World) -> Engine<'_> {
    Engine::with_blocks(world, &[METADATA_ADDRESS.into()])
}

/// Runs lints, sorted by place. `done` hears of each lint that has ended.
#[must_use]
pub fn lint(
    engine: &Engine<'_>,
    written: &Written,
    sources: &Sources,
    lints: &[&'static Lint],
    mut done: impl FnMut(&'static Lint),
) -> Vec<Diagnostic> {
    let context = Context::new(engine, written, sources);
    let mut out = Vec::new();
    // Annotations are judged when everything they could switch off has run.
    let (last, first): (Vec<&'static Lint>, Vec<&'static Lint>) = lints
        .iter()
        .partition(|lint| lint.name == lint_skip::LINT.name);
    for lint in first.into_iter().chain(last) {
        let found = (lint.check)(&context);
        out.extend(
            found
                .into_iter()
                .filter(|finding| !context.skips(lint, finding.span())),
        );
        context.ran.borrow_mut().insert(lint.name);
        done(lint);
    }
    out.sort_by_key(|finding| (finding.span(), finding.code));
    out
}

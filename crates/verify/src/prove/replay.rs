//! No unreplayed witness: a flow is shown only after the reference evaluator has judged it.

use super::Context;
use crate::engine::EndpointId;
use crate::names;
use palisade_diagnostics::Diagnostic;
use palisade_netmodel::{Decision, Encryption, Outcome, Protocol, reference};

/// What a witness must show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    /// The flow passes for certain.
    Passes,
    /// The flow is refused for certain.
    Refused,
    /// The flow is neither certain to pass nor certain to be refused.
    Undecided,
    /// The flow can pass, with at most this proven of the wire.
    Weak(Encryption),
}

/// A confirmed flow and the reference's reasoning.
#[derive(Debug, Clone)]
pub(crate) struct Witness {
    pub(crate) text: String,
    pub(crate) decision: Decision,
}

/// Replays one flow between two endpoints. The error is a diagnostic that says that the engine and
/// the reference disagree, which is a defect of Palisade and never a finding.
pub(crate) fn replay(
    context: &Context<'_>,
    (source, destination): (EndpointId, EndpointId),
    port: (Protocol, u16),
    expect: Expect,
) -> Result<Witness, Diagnostic> {
    let Some(flow) = context.engine.flow(source, destination, port) else {
        return Err(disagreement("no two pods of the pair exist", None));
    };
    let decision = reference::decide(context.world, &flow);
    let agrees = match expect {
        Expect::Passes => decision.outcome == Outcome::Allow,
        Expect::Refused => decision.outcome == Outcome::Deny,
        Expect::Undecided => decision.outcome == Outcome::Depends,
        Expect::Weak(most) => decision.outcome != Outcome::Deny && decision.encryption <= most,
    };
    let text = names::flow(context.world, &flow);
    if agrees {
        return Ok(Witness { text, decision });
    }
    let detail = format!(
        "expected {expect:?}, the reference says {:?} with {:?}",
        decision.outcome, decision.encryption
    );
    Err(disagreement(&detail, Some(text)))
}

fn disagreement(detail: &str, flow: Option<String>) -> Diagnostic {
    let diagnostic = Diagnostic::warning(
        "PAL0399",
        "the engine and the reference evaluator disagree; nothing is claimed about this flow",
    )
    .note(detail.to_owned())
    .help("this is a defect of Palisade: please report it with the manifests");
    match flow {
        Some(flow) => diagnostic.witness(flow),
        None => diagnostic,
    }
}

/// The reasons of a decision that a finding shows, one per step.
pub(crate) fn reasons(decision: &Decision) -> Vec<String> {
    decision
        .because
        .iter()
        .map(|cause| format!("{}: {}", cause.layer, cause.text))
        .collect()
}

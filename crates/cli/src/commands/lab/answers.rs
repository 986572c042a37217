//! Each question with the answers of packets, reference and engine.

use super::place::{Place, failed};
use crate::exit::Failure;
use palisade_diagnostics::Diagnostic;
use palisade_netlab::{Answer, Outcome as Reached};
use palisade_netmodel::{Encryption, Endpoint, Flow, Outcome, Protocol, World, reference};
use palisade_trial::mesh::{Met, Sent};
use palisade_trial::{Answered, Table};
use palisade_verify::Engine;
use std::collections::BTreeMap;
use std::fmt;

/// A call, by packets, by the reference and by the engine.
pub(super) struct Row {
    pub(super) to: String,
    pub(super) from: String,
    pub(super) port: (Protocol, u16),
    pub(super) v6: bool,
    /// The flow that the reference explains; a Service's call is one of several.
    pub(super) flow: Option<Flow>,
    pub(super) seen: Seen,
    pub(super) expected: Outcome,
    pub(super) engine: Outcome,
    /// Whether the engine says that nothing but mesh mTLS is accepted.
    pub(super) encrypted: bool,
    /// Whether all three are the same; `None` where policies leave it open.
    pub(super) agree: Option<bool>,
}

/// What a call met.
pub(super) enum Seen {
    /// A packet of the network.
    Network(Answer),
    /// A pod behind its sidecar.
    Sidecar(Box<Met>),
    /// Pods behind a Service, by the caller's sidecar.
    Service(Box<Sent>),
}

impl Seen {
    pub(super) fn passed(&self) -> bool {
        match self {
            Self::Network(answer) => answer.outcome == Reached::Passed,
            Self::Sidecar(met) => met.passed(),
            Self::Service(sent) => sent.tries.passed > 0,
        }
    }

    /// Whether it passed by mTLS alone.
    pub(super) fn encrypted(&self) -> bool {
        match self {
            Self::Network(_) => false,
            Self::Sidecar(met) => met.encrypted(),
            Self::Service(sent) => sent.encrypted(),
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(answer) => write!(f, "the packet {answer}"),
            Self::Sidecar(met) => met.fmt(f),
            Self::Service(sent) => sent.fmt(f),
        }
    }
}

/// All of them, and the worlds that they are about: over IPv4 and over IPv6.
pub(super) struct Answers {
    pub(super) rows: Vec<Row>,
    network: [World; 2],
    whole: [World; 2],
}

impl Answers {
    /// What the network's policies say, beside what packets met.
    pub(super) fn of(place: &Place, table: &Table) -> Result<Self, Failure> {
        let located = |world: &World, v6| place.trial.located(world, Some(v6)).map_err(failed);
        let network = [located(&place.world, false)?, located(&place.world, true)?];
        let whole = [located(&place.whole, false)?, located(&place.whole, true)?];
        let [v4, v6] = network.each_ref().map(Engine::new);
        let row = |answered: &Answered| {
            let flow = answered.asked.flow;
            let engine = if answered.asked.v6 { &v6 } else { &v4 };
            let engine = engine.decide(&flow).0;
            let same = engine == answered.expected;
            Row {
                to: name(&place.world, flow.destination),
                from: name(&place.world, flow.source),
                port: (flow.protocol, flow.port),
                v6: answered.asked.v6,
                flow: Some(flow),
                seen: Seen::Network(answered.seen),
                expected: answered.expected,
                engine,
                encrypted: false,
                agree: if same { answered.agree } else { Some(false) },
            }
        };
        let rows = table.0.iter().map(row).collect();
        Ok(Self {
            rows,
            network,
            whole,
        })
    }

    /// The whole answer in the place of the network's, where a sidecar was met. A packet that does not do what the
    /// network's policies say stays as it is.
    pub(super) fn correct(&mut self, all: &[Met]) {
        let [v4, v6] = self.whole.each_ref().map(Engine::new);
        let mut by_question: BTreeMap<(Flow, bool), &Met> = BTreeMap::new();
        for met in all {
            by_question.insert((met.asked.flow, met.asked.v6), met);
        }
        for row in self.rows.iter_mut().filter(|row| row.agree != Some(false)) {
            let found = row.flow.and_then(|flow| by_question.get(&(flow, row.v6)));
            let Some(met) = found else { continue };
            let engine = if row.v6 { &v6 } else { &v4 };
            let answer = engine.decide(&met.asked.flow);
            let same = answer == met.expected;
            row.seen = Seen::Sidecar(Box::new((*met).clone()));
            row.expected = met.expected.0;
            row.engine = answer.0;
            row.encrypted = answer.1 == Encryption::MeshMtls;
            row.agree = if same { met.agree } else { Some(false) };
        }
    }

    /// One disagreement, with the reasons for what was expected.
    pub(super) fn finding(&self, enforced: bool, row: &Row) -> Diagnostic {
        let (protocol, port) = row.port;
        let family = if row.v6 { "IPv6" } else { "IPv4" };
        let said = words(row.expected);
        let title = format!(
            "`{}` to `{}` {port}/{protocol} over {family}: policies {said}, and packets do otherwise",
            row.from, row.to
        );
        let mut finding = Diagnostic::error("PAL0552", title).note(row.seen.to_string());
        if row.engine != row.expected {
            let engine = words(row.engine);
            finding = finding.note(format!("the engine says that policies {engine}"));
        }
        let worlds = match row.seen {
            Seen::Network(_) => &self.network,
            Seen::Sidecar(_) | Seen::Service(_) => &self.whole,
        };
        let [v4, v6] = worlds;
        let world = if row.v6 { v6 } else { v4 };
        let causes = row.flow.map(|flow| reference::decide(world, &flow).because);
        for cause in causes.into_iter().flatten() {
            let subject = cause.subject.map_or_else(String::new, |s| format!("{s} "));
            finding = finding.note(format!("because {subject}{}", cause.text));
        }
        finding.help(if enforced {
            "this is a defect of Palisade or of this kernel: please report it"
        } else {
            "nothing is enforced, as --control asks: packets notice it"
        })
    }
}

fn words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Allow => "let it pass",
        Outcome::Depends => "leave it open",
        Outcome::Deny => "deny it",
    }
}

/// A workload, or an address.
pub(super) fn name(world: &World, end: Endpoint) -> String {
    match end {
        Endpoint::Address(address) => address.to_string(),
        Endpoint::Pod(id) => world.pod(id).map_or_else(String::new, |pod| {
            format!("{}/{}", pod.namespace, pod.workload.name)
        }),
    }
}

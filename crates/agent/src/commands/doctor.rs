//! `palisade-agent doctor`: whether this node can enforce. It asks and changes nothing.

use super::{Failure, Making};
use crate::doctor::{self, Finding, State};
use clap::{Args, ValueEnum};
use serde_json::json;
use std::io::{self, Write};

/// Look whether this node's kernel and its settings can enforce policies. Nothing is changed.
///
/// Ends with 1 if something keeps policies from being enforced.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// How the answer is written.
    #[arg(long, short, value_enum, default_value_t = Form::Text)]
    output: Form,
    #[command(flatten)]
    making: Making,
}

/// `--output`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people.
    Text,
    /// For programs.
    Json,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let findings = doctor::examine(&arguments.making.settings());
    let text = match arguments.output {
        Form::Text => findings.iter().map(line).collect(),
        Form::Json => json(&findings),
    };
    write!(io::stdout(), "{text}").map_err(|e| Failure::Environment(e.to_string()))?;
    let broken = findings.iter().filter(|f| f.state == State::Broken).count();
    match broken {
        0 => Ok(()),
        broken => Err(Failure::Findings(format!(
            "{broken} finding(s) keep policies from being enforced"
        ))),
    }
}

fn word(state: State) -> &'static str {
    match state {
        State::Good => "good",
        State::Notable => "notable",
        State::Broken => "broken",
    }
}

fn line(finding: &Finding) -> String {
    format!(
        "{:8} {}: {}\n",
        word(finding.state),
        finding.about,
        finding.said
    )
}

fn json(findings: &[Finding]) -> String {
    let all = findings.iter().map(|finding| {
        json!({"about": finding.about, "state": word(finding.state), "said": finding.said})
    });
    let report = json!({
        "schema": "palisade.dev/doctor/v1",
        "findings": all.collect::<Vec<_>>(),
    });
    format!("{report}\n")
}

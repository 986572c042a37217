//! `palisade learn`: a first matrix, from manifests or from connections that were observed.

use super::print;
use crate::exit::{self, Exit, Failure};
use crate::input::Reader;
use crate::progress::Progress;
use crate::world::WorldArgs;
use crate::{Terminal, output};
use clap::Args;
use palisade_diagnostics::{Diagnostic, SourceFile};
use palisade_learn::{Skipped, Unplaced};
use std::path::PathBuf;

/// Most reasons that are listed for what was left out.
const MAX_LISTED: usize = 20;

/// Write a first matrix to edit: from what policies let pass, or from connections that were observed.
///
/// Without --flows it says what the policies of the manifests do, and `palisade verify` holds on the same
/// manifests as far as these decide. With --flows it closes every workload but for what was seen. Reasons
/// are left as questions.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  palisade learn examples/fybrik --policies examples/fybrik/variants/np-isolation.yaml\n  palisade learn k8s/ --out matrix.yaml\n  hubble observe --last 10000 -o json | palisade learn k8s/ --flows -\n  kubectl logs -l app=web -c istio-proxy --prefix | palisade learn k8s/ --flows -\n\nObserved connections: JSON of Hubble and of Inspektor Gadget, access logs of Istio in JSON, `conntrack -L`. The form\nis recognised line by line. Records with addresses alone need manifests of running pods (`kubectl get pods -A -o yaml`).\n\nExit codes: 0 written, 2 bad input, 4 a file cannot be read or written"
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    world: WorldArgs,
    /// Observed connections: a file, or - for standard input. May be repeated.
    #[arg(long, value_name = "FILE")]
    flows: Vec<PathBuf>,
    /// Name of the matrix.
    #[arg(long, value_name = "NAME", default_value = "learnt")]
    name: String,
    /// Write the matrix here instead of to standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Learns.
pub(super) fn run(arguments: &Arguments, terminal: &mut Terminal<'_>) -> Result<Exit, Failure> {
    let mut progress = Progress::new(terminal);
    let (project, world) = arguments.world.read(terminal)?;
    progress.done(terminal, "read");
    let text = if arguments.flows.is_empty() {
        palisade_learn::from_world(&world, &arguments.name).map_err(Failure::usage)?
    } else {
        let (seen, skipped) = observed(arguments)?;
        let (text, unplaced) = palisade_learn::from_seen(&world, &seen, &arguments.name);
        let told = left_out(&skipped, &unplaced);
        exit::print(terminal, told.as_slice(), &project.sources);
        text
    };
    progress.done(terminal, "learn");
    match &arguments.out {
        Some(path) => output::file(path, &text)?,
        None => print(terminal, &text),
    }
    Ok(Exit::Holds)
}

/// The records of all files. None at all is an error: a matrix that closes everything is no answer.
fn observed(arguments: &Arguments) -> Result<(Vec<palisade_learn::Seen>, Skipped), Failure> {
    let mut reader = Reader::default();
    let mut all = Vec::new();
    let mut skipped = Skipped::new();
    for path in &arguments.flows {
        let Some(file) = reader.one(path) else {
            continue;
        };
        let text = reader.sources.get(file).map(SourceFile::whole);
        let (seen, list) = palisade_learn::read(&text.unwrap_or_default());
        all.extend(seen);
        for (why, count) in list {
            *skipped.entry(why).or_default() += count;
        }
    }
    let environment = !reader.unreadable.is_empty();
    let mut diagnostics = std::mem::take(&mut reader.bad);
    diagnostics.append(&mut reader.unreadable);
    if !diagnostics.is_empty() {
        let failure = Failure::input(diagnostics, reader.sources);
        return Err(match environment {
            true => failure.with_exit(Exit::Environment),
            false => failure,
        });
    }
    if all.is_empty() {
        let mut none = Diagnostic::error("PAL0522", "no connection was observed");
        for (why, count) in &skipped {
            none = none.note(format!("{count} times: {why}"));
        }
        return Err(Failure::usage(none.help(
            "give what `hubble observe -o json`, `kubectl gadget run trace_tcp -o json`, `conntrack -L` or an Istio proxy with `accessLogEncoding: JSON` prints",
        )));
    }
    Ok((all, skipped))
}

/// What is not in the matrix, and why.
fn left_out(skipped: &Skipped, unplaced: &Unplaced) -> Option<Diagnostic> {
    let skipped = skipped.iter().map(|(why, count)| (*why, *count));
    let unplaced = unplaced.iter().map(|(why, count)| (why.as_str(), *count));
    let mut all: Vec<(&str, usize)> = skipped.chain(unplaced).collect();
    all.sort_by_key(|(why, count)| (std::cmp::Reverse(*count), *why));
    let total: usize = all.iter().map(|(_, count)| count).sum();
    if all.is_empty() {
        return None;
    }
    let title = format!("{total} observed records are not in the matrix");
    let mut told = Diagnostic::warning("PAL0523", title);
    for (why, count) in all.iter().take(MAX_LISTED) {
        told = told.note(format!("{count} times: {why}"));
    }
    if all.len() > MAX_LISTED {
        told = told.note(format!("and {} further reasons", all.len() - MAX_LISTED));
    }
    Some(told.help("give manifests that hold every workload, with the addresses of running pods"))
}

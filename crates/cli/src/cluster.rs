//! `--cluster`: a live cluster in the place of manifests.

use crate::Terminal;
use crate::exit::{Exit, Failure};
use crate::input::Reader;
use clap::Args;
use palisade_cluster::{Access, Object, Take};
use palisade_diagnostics::{Diagnostic, FileId, Severity, Sources};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Which cluster.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ClusterArgs {
    /// Read a live cluster instead of manifests. Nothing is changed in it, and no Secret is read.
    #[arg(long, help_heading = "Cluster")]
    pub(crate) cluster: bool,
    /// Context of the kubeconfig. Default: the current one.
    #[arg(long, value_name = "NAME", help_heading = "Cluster")]
    context: Option<String>,
    /// Kubeconfig. Default: KUBECONFIG, then ~/.kube/config, then the account of the pod that this runs in.
    #[arg(long, value_name = "FILE", help_heading = "Cluster")]
    kubeconfig: Option<PathBuf>,
    /// Longest time of one request to the API server. Default: 60.
    #[arg(long, value_name = "SECONDS", help_heading = "Cluster", value_parser = clap::value_parser!(u64).range(1..=3600))]
    request_timeout: Option<u64>,
}

/// Longest time of one request, unless the command line says otherwise.
const TIMEOUT: u64 = 60;

/// How a command calls what it reads, if that is the cluster.
pub(crate) const NAME: &str = "cluster";

/// A cluster that is to be read.
pub(crate) struct Live<'a, 't> {
    args: &'a ClusterArgs,
    terminal: &'a mut Terminal<'t>,
    /// Whether what only lints read is wanted.
    lints: bool,
}

/// What was read of a cluster.
pub(crate) struct Objects {
    /// Its texts are those of a row of files.
    files: Range<u32>,
    /// What could not be read, but is no obstacle.
    warnings: Vec<Diagnostic>,
}

impl ClusterArgs {
    /// The cluster, if it is meant.
    pub(crate) fn live<'a, 't>(
        &'a self,
        terminal: &'a mut Terminal<'t>,
    ) -> Result<Option<Live<'a, 't>>, Failure> {
        // clap forgives a missing `--cluster` where a path is given, which excludes it.
        let which = self.context.is_some() || self.kubeconfig.is_some();
        if !self.cluster && (which || self.request_timeout.is_some()) {
            return Err(Failure::usage(
                Diagnostic::error("PAL0534", "an option for a cluster without --cluster").help(
                    "add --cluster, or leave out --context, --kubeconfig and --request-timeout",
                ),
            ));
        }
        Ok(self.cluster.then_some(Live {
            args: self,
            terminal,
            lints: false,
        }))
    }

    /// How the place is called that a command reads: the cluster, or else the path.
    pub(crate) fn shown<'p>(&self, path: &'p Path) -> &'p Path {
        match self.cluster {
            true => Path::new(NAME),
            false => path,
        }
    }
}

impl Live<'_, '_> {
    /// The same with what only lints read.
    pub(crate) fn with_lints(self) -> Self {
        Self {
            lints: true,
            ..self
        }
    }

    /// Reads the cluster into texts.
    pub(crate) fn read(self, reader: &mut Reader) -> Result<Objects, Failure> {
        let access = Access {
            kubeconfig: self.args.kubeconfig.clone(),
            context: self.args.context.clone(),
            timeout: Duration::from_secs(self.args.request_timeout.unwrap_or(TIMEOUT)),
        };
        let start = reader.sources.len();
        let mut taken = Taken {
            reader,
            terminal: self.terminal,
            last: Instant::now(),
        };
        let warnings =
            palisade_cluster::read(&access, self.lints, &mut taken).map_err(|errors| {
                Failure::input(errors, Sources::new()).with_exit(Exit::Environment)
            })?;
        Ok(Objects {
            files: start..reader.sources.len(),
            warnings,
        })
    }
}

impl Objects {
    /// The texts.
    pub(crate) fn files(&self) -> impl Iterator<Item = FileId> + use<> {
        self.files.clone().map(FileId)
    }

    /// What is told of reading. An object that the cluster holds is there, whatever we think of it: an error
    /// in it makes answers unknown, and does not end the command.
    pub(crate) fn told(&self, diagnostics: &[Diagnostic]) -> Vec<Diagnostic> {
        let soft = diagnostics.iter().cloned().map(|mut told| {
            let here = told
                .span()
                .is_some_and(|span| self.files.contains(&span.file.0));
            if here && told.severity == Severity::Error {
                told.severity = Severity::Warning;
                told.left_out = true;
            }
            told
        });
        self.warnings.iter().cloned().chain(soft).collect()
    }
}

/// Puts objects among the texts of a run, and says how far it is once a second has passed.
struct Taken<'r, 't, 'o> {
    reader: &'r mut Reader,
    terminal: &'t mut Terminal<'o>,
    last: Instant,
}

impl Take for Taken<'_, '_, '_> {
    fn progress(&mut self, kind: &str, objects: usize) {
        if self.terminal.progress && self.last.elapsed() > Duration::from_secs(1) {
            self.last = Instant::now();
            let _ = writeln!(
                self.terminal.err,
                "palisade: reading the cluster, {kind}: {objects}"
            );
        }
    }

    fn object(&mut self, object: Object) -> bool {
        let file = self.reader.shared(object.name, object.text);
        file.is_some()
    }
}

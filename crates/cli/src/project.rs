//! A project on disk: a matrix and the manifests that it is about.

use crate::Terminal;
use crate::choice::ChoiceArgs;
use crate::cluster::{Live, Objects};
use crate::exit::{self, Exit, Failure};
use crate::input::{Reader, cannot_read};
use clap::Args;
use palisade_diagnostics::{Diagnostic, FileId, Severity, Sources};
use palisade_matrix::Matrix;
use palisade_netmodel::{Intent, World};
use palisade_resources::{Input, Loaded, Options, Role};
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// Where the matrix and the manifests are.
#[derive(Debug, Clone, Args)]
pub(crate) struct ProjectArgs {
    /// Project directory: matrix.yaml, and manifests in manifests/.
    #[arg(value_name = "DIR", default_value = ".")]
    pub(crate) directory: PathBuf,
    #[command(flatten)]
    pub(crate) sources: SourceArgs,
}

/// Paths that replace those of the project directory.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct SourceArgs {
    /// Matrix file, fragments too. Default: DIR/matrix.yaml. May be repeated.
    #[arg(long, value_name = "FILE", help_heading = "Input")]
    pub(crate) matrix: Vec<PathBuf>,
    /// Manifests: file, directory, or - for standard input. Default: DIR/manifests. May be repeated.
    #[arg(long, short = 'f', value_name = "PATH", help_heading = "Input")]
    pub(crate) manifests: Vec<PathBuf>,
    /// Take the policies and Istio objects from here instead of from the manifests.
    #[arg(long, value_name = "PATH", help_heading = "Input")]
    pub(crate) policies: Vec<PathBuf>,
}

/// What was read.
pub(crate) struct Project {
    /// All texts.
    pub(crate) sources: Sources,
    /// The matrix, if it was asked for.
    pub(crate) matrix: Option<Matrix>,
    /// The manifests, if there are any.
    pub(crate) loaded: Option<Loaded>,
    /// Warnings and notes of reading.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// The files of the manifests and how they are read.
    inputs: Vec<(FileId, Role)>,
    /// Which of them are objects of a cluster.
    objects: Option<Objects>,
}

/// What a command needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Needs {
    /// A matrix.
    pub(crate) matrix: bool,
    /// Manifests.
    pub(crate) manifests: bool,
}

impl Project {
    /// Reads a project. Every problem of every file is reported at once.
    pub(crate) fn read(directory: &Path, args: &SourceArgs, needs: Needs) -> Result<Self, Failure> {
        Self::read_with(directory, args, needs, None)
    }

    /// The same with a cluster in the place of the manifests, if there is one.
    pub(crate) fn read_with(
        directory: &Path,
        args: &SourceArgs,
        needs: Needs,
        live: Option<Live<'_, '_>>,
    ) -> Result<Self, Failure> {
        if live.is_some() && !args.manifests.is_empty() {
            return Err(Failure::usage(
                Diagnostic::error(
                    "PAL0532",
                    "two places of workloads: --cluster and --manifests",
                )
                .help("leave one of them out; --policies may be added to either"),
            ));
        }
        let mut reader = Reader::default();
        let mut diagnostics = Vec::new();
        let matrix_files = if needs.matrix {
            matrix_files(&mut reader, directory, args)?
        } else {
            Vec::new()
        };
        let manifests = match live {
            Some(_) => Vec::new(),
            None => manifest_paths(directory, args, needs),
        };
        let objects = live.map(|live| live.read(&mut reader)).transpose()?;
        let mut inputs = Vec::new();
        let role = if args.policies.is_empty() {
            Role::Both
        } else {
            Role::Workloads
        };
        let live = objects.iter().flat_map(|objects| objects.files());
        inputs.extend(live.map(|file| (file, role)));
        for path in &manifests {
            let files = reader.manifests(path).into_iter();
            inputs.extend(files.map(|file| (file, role)));
        }
        for path in &args.policies {
            let files = reader.manifests(path);
            inputs.extend(files.into_iter().map(|file| (file, Role::Policies)));
        }
        let matrix = needs.matrix.then(|| {
            let texts = texts(&reader.sources, &matrix_files);
            let texts: Vec<(FileId, &str)> = texts.iter().map(|(id, t)| (*id, &**t)).collect();
            let parsed = palisade_matrix::parse_all(&texts);
            diagnostics.extend(parsed.diagnostics);
            parsed.matrix
        });
        let matrix = matrix.flatten();
        let options = mesh_of(matrix.as_ref());
        let loaded = (!inputs.is_empty()).then(|| load(&reader.sources, &inputs, &options));
        if let Some(loaded) = &loaded {
            diagnostics.extend(told(&loaded.diagnostics, objects.as_ref()));
        }
        let mut project = Self::finish(reader, matrix, loaded, diagnostics)?;
        project.inputs = inputs;
        project.objects = objects;
        Ok(project)
    }

    pub(crate) fn finish(
        mut reader: Reader,
        matrix: Option<Matrix>,
        loaded: Option<Loaded>,
        mut diagnostics: Vec<Diagnostic>,
    ) -> Result<Self, Failure> {
        reader.settle();
        let environment = !reader.unreadable.is_empty();
        diagnostics.extend(reader.bad);
        diagnostics.extend(reader.unreadable);
        let sources = reader.sources;
        if diagnostics.iter().any(|d| d.severity == Severity::Error) {
            let failure = Failure::input(diagnostics, sources);
            return Err(if environment {
                failure.with_exit(Exit::Environment)
            } else {
                failure
            });
        }
        Ok(Self {
            sources,
            matrix,
            loaded,
            diagnostics,
            inputs: Vec::new(),
            objects: None,
        })
    }

    /// The same project with one more manifest, which is no file. For projects without a matrix.
    pub(crate) fn with_text(self, name: &str, text: &str) -> Result<Self, Failure> {
        let mut reader = Reader::with(self.sources);
        let mut inputs = self.inputs;
        let added = reader.text(name, text.as_bytes());
        inputs.extend(added.map(|file| (file, Role::Workloads)));
        let loaded = load(&reader.sources, &inputs, &Options::default());
        let diagnostics = told(&loaded.diagnostics, self.objects.as_ref());
        let mut project = Self::finish(reader, None, Some(loaded), diagnostics)?;
        project.inputs = inputs;
        project.objects = self.objects;
        Ok(project)
    }

    /// Prints the warnings of reading.
    pub(crate) fn print_warnings(&self, terminal: &mut Terminal<'_>) {
        exit::print(terminal, &self.diagnostics, &self.sources);
    }

    /// The matrix. It was asked for, and reading would have failed without it.
    pub(crate) fn matrix(&self) -> Result<&Matrix, Failure> {
        self.matrix
            .as_ref()
            .ok_or_else(|| no_matrix(Path::new(".")))
    }

    /// The intent of a choice; errors of resolving end the command.
    pub(crate) fn intent(&mut self, args: &ChoiceArgs) -> Result<Intent, Failure> {
        let choice = args.choice()?;
        let (intent, list) = palisade_matrix::resolve(self.matrix()?, &choice);
        if list.iter().any(|d| d.severity == Severity::Error) {
            return Err(Failure::input(list, self.sources.clone()));
        }
        self.diagnostics.extend(list);
        Ok(intent)
    }

    /// The manifests as inputs, to be read again beside other policies.
    pub(crate) fn inputs(&self) -> Vec<Input<'_>> {
        inputs(&self.sources, &self.inputs)
    }

    /// The world; empty if there are no manifests.
    pub(crate) fn world(&self, args: &ChoiceArgs) -> Result<World, Failure> {
        let mut world = self
            .loaded
            .as_ref()
            .map(|l| l.world.clone())
            .unwrap_or_default();
        args.apply_cni(&mut world)?;
        Ok(world)
    }
}

/// What is told of reading: of a cluster as of something that is there, whatever is wrong with it.
fn told(diagnostics: &[Diagnostic], objects: Option<&Objects>) -> Vec<Diagnostic> {
    match objects {
        Some(objects) => objects.told(diagnostics),
        None => diagnostics.to_vec(),
    }
}

/// Reads manifests that are no part of a project, as the policies of another world.
pub(crate) fn texts<'s>(sources: &'s Sources, files: &[FileId]) -> Vec<(FileId, Cow<'s, str>)> {
    files
        .iter()
        .filter_map(|file| Some((*file, sources.get(*file)?.whole())))
        .collect()
}

/// Loads files with their roles.
pub(crate) fn load(sources: &Sources, files: &[(FileId, Role)], options: &Options) -> Loaded {
    palisade_resources::load(&inputs(sources, files), options)
}

/// The mesh that a matrix describes is assumed where the manifests do not show it.
pub(crate) fn mesh_of(matrix: Option<&Matrix>) -> Options {
    Options {
        mesh_root: matrix.map(|m| m.istio.root_namespace.clone()),
        trust_domain: matrix.map(|m| m.istio.trust_domain.clone()),
        ..Options::default()
    }
}

fn inputs<'s>(sources: &'s Sources, files: &[(FileId, Role)]) -> Vec<Input<'s>> {
    files
        .iter()
        .filter_map(|(file, role)| {
            Some(Input {
                file: *file,
                text: sources.get(*file)?.text(),
                role: *role,
            })
        })
        .collect()
}

fn matrix_files(
    reader: &mut Reader,
    directory: &Path,
    args: &SourceArgs,
) -> Result<Vec<FileId>, Failure> {
    if !args.matrix.is_empty() {
        return Ok(args.matrix.iter().flat_map(|p| reader.read(p)).collect());
    }
    if let Err(error) = std::fs::metadata(directory) {
        return Err(Failure::environment(cannot_read(directory, &error)));
    }
    let file = directory.join("matrix.yaml");
    if !file.exists() {
        return Err(no_matrix(directory));
    }
    Ok(reader.read(&file))
}

fn no_matrix(directory: &Path) -> Failure {
    Failure::usage(
        Diagnostic::error(
            "PAL0504",
            format!("no matrix.yaml in `{}`", directory.display()),
        )
        .help("give the project directory (not a file in it), or the matrix with --matrix FILE")
        .help("`palisade verify examples/eem` shows a small one"),
    )
}

fn manifest_paths(directory: &Path, args: &SourceArgs, needs: Needs) -> Vec<PathBuf> {
    if !args.manifests.is_empty() {
        return args.manifests.clone();
    }
    let inside = directory.join("manifests");
    if inside.is_dir() {
        vec![inside]
    } else if needs.manifests && !needs.matrix {
        vec![directory.to_owned()]
    } else {
        Vec::new()
    }
}

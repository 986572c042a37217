//! The matrices in `examples/`: what is compiled for each platform and combination of toggles holds
//! against the manifests beside them, and so does the chart.

use palisade_compile::{Deployed, Proven, chart_of, compile, prove, prove_chart};
use palisade_diagnostics::{Diagnostic, FileId, Severity, Sources};
use palisade_matrix::{Choice, Matrix, resolutions, resolve};
use palisade_resources::{Input, Options, Role};
use std::path::{Path, PathBuf};

/// An example's matrix and manifests.
pub(crate) struct Example {
    sources: Sources,
    pub(crate) matrix: Matrix,
    manifests: Vec<FileId>,
}

/// The id under which compiled text is known; no file of an example has it.
const COMPILED: FileId = FileId(9999);

pub(crate) fn example(name: &str) -> Example {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples")
        .join(name);
    let mut sources = Sources::new();
    let file = folder.join("matrix.yaml");
    let text = std::fs::read_to_string(&file).expect("a matrix");
    let id = sources.add(file.display().to_string(), text.clone());
    let parsed = palisade_matrix::parse(id, &text);
    let matrix = parsed.matrix.expect("a matrix");
    let manifests = yaml_files(&folder.join("manifests"))
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).expect("manifests");
            sources.add(path.display().to_string(), text)
        })
        .collect();
    Example {
        sources,
        matrix,
        manifests,
    }
}

fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let mut out: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .collect();
    out.sort();
    out
}

impl Example {
    fn inputs(&self) -> Vec<Input<'_>> {
        self.manifests
            .iter()
            .map(|file| Input {
                file: *file,
                text: self.sources.get(*file).expect("added above").text(),
                role: Role::Workloads,
            })
            .collect()
    }
}

fn titles(findings: &[Diagnostic]) -> String {
    let lines = findings.iter().map(|d| {
        let witness = d.witness.clone().unwrap_or_default();
        format!(
            "{:?} {} {}\n    {witness}\n    {}",
            d.severity,
            d.code.0,
            d.title,
            d.notes.join("\n    ")
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Every variant against the manifests; some of them against the matrix' own world too.
fn holds(name: &str) {
    let example = example(name);
    let inputs = example.inputs();
    let options = Options::default();
    for (inputs, every) in [(inputs.as_slice(), 1), (&[], 9)] {
        let deployed = Deployed {
            inputs,
            options: &options,
            adjust: &|_| (),
        };
        for choice in resolutions(&example.matrix)
            .choices
            .into_iter()
            .step_by(every)
        {
            let (intent, diagnostics) = resolve(&example.matrix, &choice);
            let errors: Vec<Diagnostic> = diagnostics
                .into_iter()
                .filter(|d| d.severity == Severity::Error)
                .collect();
            assert!(errors.is_empty(), "{choice:?}\n{}", titles(&errors));
            let artefacts = compile(&intent, &deployed.world(&intent));
            assert!(!artefacts.objects.is_empty() || intent.claims.is_empty());
            if let Err(refusal) = prove(artefacts, COMPILED, &intent, &deployed) {
                panic!(
                    "{name}, {:?}, {} manifests: {:?}\n{}\n{}",
                    refusal.resolution,
                    inputs.len(),
                    refusal.verdict,
                    titles(&refusal.findings),
                    refusal.text
                );
            }
        }
    }
}

/// One chart for all variants.
fn chart_holds(name: &str) -> Vec<(String, String)> {
    let example = example(name);
    let inputs = example.inputs();
    let deployed = Deployed {
        inputs: &inputs,
        options: &Options::default(),
        adjust: &|_| (),
    };
    let base = Choice::default();
    let chart = match chart_of(&example.matrix, &base, &deployed) {
        Ok(chart) => chart,
        Err(findings) => panic!("{name}: {}", titles(&findings)),
    };
    match prove_chart(chart, COMPILED, &example.matrix, &base, &deployed) {
        Ok(chart) => Proven::get(&chart).files().clone(),
        Err(refusal) => panic!(
            "{name}, {:?}\n{}\n{}",
            refusal.resolution,
            titles(&refusal.findings),
            refusal.text
        ),
    }
}

#[test]
fn eem() {
    holds("eem");
}

#[test]
fn eem_chart() {
    let files = chart_holds("eem");
    let values = files
        .iter()
        .find(|(path, _)| path == "values.yaml")
        .expect("written");
    assert!(
        values.1.contains("\ndeployOperatorNetworkPolicy: true\n"),
        "{}",
        values.1
    );
    assert!(values.1.contains("\nspec:\n"), "{}", values.1);
    assert!(
        values.1.contains("\n  deployNetworkPolicies: true\n"),
        "{}",
        values.1
    );
}

#[test]
fn fybrik() {
    holds("fybrik");
}

#[test]
fn fybrik_chart() {
    chart_holds("fybrik");
}

#[test]
fn cf_for_k8s() {
    holds("cf-for-k8s");
}

#[test]
fn cf_for_k8s_chart() {
    chart_holds("cf-for-k8s");
}

#[test]
fn verrazzano() {
    holds("verrazzano");
}

/// The chart of 24 toggles is learned, and agrees with direct compilation where it was not learned.
#[test]
fn verrazzano_chart() {
    let example = example("verrazzano");
    let inputs = example.inputs();
    let deployed = Deployed {
        inputs: &inputs,
        options: &Options::default(),
        adjust: &|_| (),
    };
    let chart = match chart_of(&example.matrix, &Choice::default(), &deployed) {
        Ok(chart) => chart,
        Err(findings) => panic!("{}", titles(&findings)),
    };
    let files = chart.files();
    let values = files
        .iter()
        .find(|(path, _)| path == "values.yaml")
        .expect("written");
    assert!(values.1.contains("\njaegerOperator:\n"), "{}", values.1);
    assert!(
        values.1.contains("  multiNodeCluster: true\n"),
        "{}",
        values.1
    );
}

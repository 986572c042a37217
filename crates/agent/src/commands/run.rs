//! `palisade-agent run`: enforces until it is ended. The rules stay when it ends.

use super::{Failure, Making};
use crate::conntrack::Conntrack;
use crate::directory::{Directory, Looked};
use crate::drops::{Drops, InForce};
use crate::enforce::Enforcer;
use crate::http;
use crate::keeper::Keeper;
use crate::live::Live;
use crate::log::{Level, Log};
use crate::revoker::Revoker;
use crate::status::Shared;
use clap::Args;
use palisade_cluster::Access;
use palisade_cluster::watch::watch;
use serde_json::json;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Enforce until ended. The rules stay in the kernel when this ends, however it comes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Take objects from the manifests of a directory, and follow their changes. Without it, from the API server.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["kubeconfig", "context"])]
    directory: Option<PathBuf>,
    /// The kubeconfig; without one, the usual places, then the service account of this pod.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig.
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// The Node that this is.
    #[arg(long, value_name = "NAME", env = "NODE_NAME")]
    node: String,
    /// Where metrics and probes are answered.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9652")]
    listen: SocketAddr,
    #[command(flatten)]
    making: Making,
}

/// How long changes are gathered after an update; and the longest wait for an answer of the API server.
const TOGETHER: Duration = Duration::from_millis(20);
const ANSWER: Duration = Duration::from_secs(30);
/// After which time something that could not be done is tried again.
const AGAIN: Duration = Duration::from_secs(2);
/// How often the kernel's table is compared with what was left there.
const CHECK: Duration = Duration::from_secs(10);

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let environment = |why: &dyn std::fmt::Display| Failure::Environment(why.to_string());
    let status = Shared::default();
    let enforcer = Enforcer::new(arguments.making.settings()).map_err(|e| environment(&e))?;
    let address = http::serve(arguments.listen, status.clone())
        .map_err(|e| Failure::Environment(format!("listening on {}: {e}", arguments.listen)))?;
    let log = Arc::new(Log::new(Box::new(io::stderr())));
    log.line(
        Level::Info,
        "started",
        &[
            ("node", json!(arguments.node)),
            ("listening", json!(address.to_string())),
            ("table", json!(arguments.making.table)),
        ],
    );
    let in_force = InForce::default();
    if arguments.making.log_drops.is_some() {
        let group = arguments.making.log_group;
        let drops = Drops::open(group, in_force.clone(), Arc::clone(&log), status.clone());
        let drops = drops.map_err(|e| environment(&e))?;
        thread::spawn(move || drops.run());
    }
    let conntrack = Conntrack::open().map_err(|e| environment(&e))?;
    let bit = arguments.making.settings().revoked;
    let revoker = Revoker::start(conntrack, bit, status.clone(), Arc::clone(&log));
    let revoker = revoker.map_err(|e| environment(&e))?;
    let name = arguments.node.clone();
    let keeper = Keeper::new(enforcer, name, status, Arc::clone(&log), in_force, revoker);
    match &arguments.directory {
        Some(directory) => follow(Directory::new(directory), keeper, &log),
        None => listen(arguments, keeper),
    }
}

/// Enforces what the API server says, until there is nobody any more who asks it.
fn listen(arguments: &Arguments, mut keeper: Keeper) -> Result<(), Failure> {
    let access = Access {
        kubeconfig: arguments.kubeconfig.clone(),
        context: arguments.context.clone(),
        timeout: ANSWER,
    };
    let (send, events) = channel();
    let asking = thread::spawn(move || watch(&access, &send));
    let (mut live, mut dirty) = (Live::default(), false);
    let (mut tried, mut checked) = (Instant::now(), Instant::now());
    loop {
        let first = match events.recv_timeout(CHECK.min(AGAIN)) {
            Err(RecvTimeoutError::Disconnected) => break,
            event => event.ok(),
        };
        // The first event at once; those that come meanwhile together.
        for (kind, event) in first.into_iter().chain(events.try_iter()) {
            dirty |= live.take(kind, event, &mut keeper.texts);
        }
        keeper.source(live.heard());
        let again = keeper.is_held() && tried.elapsed() >= AGAIN;
        if live.is_whole() && (dirty || again) {
            keeper.turn();
            (dirty, tried) = (false, Instant::now());
            thread::sleep(TOGETHER);
        }
        if checked.elapsed() >= CHECK {
            keeper.check();
            checked = Instant::now();
        }
    }
    match asking.join() {
        Ok(Err(told)) => Err(Failure::Environment(told.plain_text())),
        _ => Err(Failure::Environment(
            "nobody asks the API server any more".to_owned(),
        )),
    }
}

/// Enforces what a directory says, for ever.
fn follow(mut directory: Directory, mut keeper: Keeper, log: &Log) -> ! {
    let (mut tried, mut checked) = (None::<Instant>, Instant::now());
    let mut told = false;
    loop {
        let looked = directory.look(&mut keeper.texts);
        if let Some(why) = directory.untold().filter(|_| !told) {
            let event = "the kernel does not tell of changes, and the directory is looked at again and again";
            log.line(Level::Info, event, &[("why", json!(why))]);
            told = true;
        }
        let changed = looked == Ok(Looked::Changed);
        // Never from nothing: the directory must have been seen as a whole once.
        let first = tried.is_none() && looked == Ok(Looked::Same);
        keeper.source(looked.map(|_| ()));
        let again = keeper.is_held() && tried.is_some_and(|at| at.elapsed() >= AGAIN);
        if changed || first || again {
            keeper.turn();
            tried = Some(Instant::now());
        }
        if checked.elapsed() >= CHECK {
            keeper.check();
            checked = Instant::now();
        }
        directory.wait();
    }
}

//! `palisade-agent run`: enforces until it is ended. The rules stay when it ends.

use super::{Failure, Making};
use crate::directory::{Directory, Looked};
use crate::enforce::Enforcer;
use crate::http;
use crate::keeper::Keeper;
use crate::log::{Level, Log};
use crate::status::Shared;
use clap::Args;
use serde_json::json;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

/// Enforce until ended. The rules stay in the kernel when this ends, however it comes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Take objects from the manifests of a directory, and follow their changes.
    #[arg(long, value_name = "DIR")]
    directory: PathBuf,
    /// The Node that this is.
    #[arg(long, value_name = "NAME", env = "NODE_NAME")]
    node: String,
    /// Where metrics and probes are answered.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9652")]
    listen: SocketAddr,
    #[command(flatten)]
    making: Making,
}

/// How often a directory is looked at; rather a tenth of the time if that takes long.
const LOOK: Duration = Duration::from_millis(30);
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
    let log = Log::new(Box::new(io::stderr()));
    log.line(
        Level::Info,
        "started",
        &[
            ("node", json!(arguments.node)),
            ("listening", json!(address.to_string())),
            ("table", json!(arguments.making.table)),
        ],
    );
    let keeper = Keeper::new(enforcer, arguments.node.clone(), status, log);
    follow(Directory::new(&arguments.directory), keeper)
}

/// Enforces what a directory says, for ever.
fn follow(mut directory: Directory, mut keeper: Keeper) -> ! {
    let (mut tried, mut checked) = (None::<Instant>, Instant::now());
    loop {
        let begun = Instant::now();
        let looked = directory.look(&mut keeper.texts);
        let changed = looked == Ok(Looked::Changed);
        // Never from nothing: the directory must have been seen as a whole once.
        let first = tried.is_none() && looked == Ok(Looked::Same);
        keeper.source(looked.map(|_| ()));
        let took = begun.elapsed();
        let again = keeper.is_held() && tried.is_some_and(|at| at.elapsed() >= AGAIN);
        if changed || first || again {
            keeper.turn();
            tried = Some(Instant::now());
        }
        if checked.elapsed() >= CHECK {
            keeper.check();
            checked = Instant::now();
        }
        thread::sleep(LOOK.max(took * 10));
    }
}

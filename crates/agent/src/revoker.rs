//! Revocation in a thread of its own: a long list of connections delays no change of policies.
//!
//! Only the newest policy set counts. Connections are listed, judged, and marked only while it is the one in force: one
//! that was opened under a later set must not end by the words of an earlier one.

use crate::conntrack::Conntrack;
use crate::log::{Level, Log};
use crate::revoke::{Revoked, revoke};
use crate::status::Shared;
use palisade_nftables::Ruleset;
use serde_json::json;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::{io, thread};

/// What is in force, and for which addresses of the node.
#[derive(Debug, Clone)]
pub struct Order {
    /// The ruleset.
    pub ruleset: Arc<Ruleset>,
    /// The node's addresses.
    pub node: Vec<IpAddr>,
}

/// Whether an order still holds.
pub type Holds<'h> = &'h dyn Fn() -> bool;

/// Gives orders to the thread that revokes.
#[derive(Clone, Default)]
pub struct Revoker(Arc<Desk>);

#[derive(Default)]
struct Desk {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Goes up with each change of what is in force, before it.
    generation: u64,
    order: Option<Order>,
    closed: bool,
}

impl fmt::Debug for Revoker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Revoker")
    }
}

impl Revoker {
    /// A thread that carries out orders by marking connections, and tells of it.
    ///
    /// # Errors
    ///
    /// If there can be no thread.
    pub fn start(
        conntrack: Conntrack,
        bit: u32,
        status: Shared,
        log: Arc<Log>,
    ) -> io::Result<Self> {
        Self::with(move |order, holds| {
            let done = revoke(&conntrack, &order.ruleset, &order.node, bit, holds);
            tell(done, &status, &log);
        })
    }

    /// A thread that carries out orders by a job of the caller's.
    ///
    /// # Errors
    ///
    /// If there can be no thread.
    pub fn with(mut job: impl FnMut(&Order, Holds<'_>) + Send + 'static) -> io::Result<Self> {
        let revoker = Self::default();
        let desk = Arc::clone(&revoker.0);
        let work = move || {
            while let Some((generation, order)) = desk.next() {
                job(&order, &|| desk.lock().generation == generation);
            }
        };
        thread::Builder::new()
            .name("revoker".to_owned())
            .spawn(work)?;
        Ok(revoker)
    }

    /// What is in force is about to change: no order that was given holds any more.
    pub fn halt(&self) {
        let mut state = self.0.lock();
        state.generation += 1;
        state.order = None;
    }

    /// Has connections judged by what is in force now.
    pub fn judge_by(&self, order: Order) {
        self.0.lock().order = Some(order);
        self.0.changed.notify_one();
    }

    /// Ends the thread, when it has done what it does.
    pub fn end(&self) {
        self.0.lock().closed = true;
        self.0.changed.notify_one();
    }
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next order; `None` if there will be none.
    fn next(&self) -> Option<(u64, Order)> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(order) = state.order.take() {
                return Some((state.generation, order));
            }
            let woken = self.changed.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn tell(done: Result<Revoked, crate::kernel::Error>, status: &Shared, log: &Log) {
    match done {
        Ok(done) => {
            status.with(|s| s.revoked += done.revoked as u64);
            if done.revoked + done.restored > 0 {
                let counts = [
                    ("revoked", json!(done.revoked)),
                    ("restored", json!(done.restored)),
                ];
                log.line(Level::Info, "connections", &counts);
            }
        }
        Err(error) => {
            let why = [("why", json!(error.to_string()))];
            let event = "connections without permission may live on";
            log.line(Level::Error, event, &why);
        }
    }
}

//! Revocation in a thread of its own: a long list of connections delays no change of policies.
//!
//! Only the policy set in force counts. Connections are listed, judged, and marked only while it is that: one
//! that was opened under a later set must not end by the words of an earlier one. So the thread waits while the kernel
//! is asked for a change, and goes on if it is refused: nothing that was to be done is lost with it.

use crate::conntrack::Conntrack;
use crate::kernel::Error;
use crate::log::{Level, Log};
use crate::revoke::{Revoked, revoke};
use crate::status::Shared;
use palisade_nftables::Ruleset;
use serde_json::json;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{io, thread};

/// What is in force, and for which addresses of the node.
#[derive(Debug, Clone)]
pub struct Order {
    /// The ruleset.
    pub ruleset: Arc<Ruleset>,
    /// The node's addresses.
    pub node: Vec<IpAddr>,
}

/// How often what the kernel refused is tried again, and how long after that.
const TRIES: usize = 10;
const PAUSE: Duration = Duration::from_secs(1);

/// Whether an order still holds.
pub type Holds<'h> = &'h dyn Fn() -> bool;

/// Gives orders to the thread that revokes.
#[derive(Clone, Default)]
pub struct Revoker(Arc<Desk>);

/// A change of what is in force that the kernel is asked for.
#[must_use]
pub struct Change<'r>(&'r Desk);

#[derive(Default)]
struct Desk {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Goes up with each change of what is in force.
    generation: u64,
    /// What nobody has begun to do yet.
    order: Option<Order>,
    /// Whether a change is asked for, so that nobody knows what is in force.
    changing: bool,
    closed: bool,
}

impl fmt::Debug for Revoker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Revoker")
    }
}

impl fmt::Debug for Change<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Change")
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
            let job = || revoke(&conntrack, &order.ruleset, &order.node, bit, holds);
            persist(job, holds, PAUSE, |done| tell(done, &status, &log));
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
                job(&order, &|| desk.settled().generation == generation);
            }
        };
        thread::Builder::new()
            .name("revoker".to_owned())
            .spawn(work)?;
        Ok(revoker)
    }

    /// What is in force is about to change: until it is known what came of it, nothing is done.
    pub fn change(&self) -> Change<'_> {
        self.0.lock().changing = true;
        Change(&self.0)
    }

    /// Ends the thread, when it has done what it does.
    pub fn end(&self) {
        self.0.lock().closed = true;
        self.0.changed.notify_all();
    }
}

impl Change<'_> {
    /// It happened: connections are judged by what is in force now, and by nothing else.
    pub fn done(self, order: Order) {
        let mut state = self.0.lock();
        state.generation += 1;
        state.order = Some(order);
    }
}

impl Drop for Change<'_> {
    /// If it did not happen, what was ordered before holds on.
    fn drop(&mut self) {
        self.0.lock().changing = false;
        self.0.changed.notify_all();
    }
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state once no change is asked for.
    fn settled(&self) -> MutexGuard<'_, State> {
        let waited = self.changed.wait_while(self.lock(), |s| s.changing);
        waited.unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next order; `None` if there will be none.
    fn next(&self) -> Option<(u64, Order)> {
        let waits = |s: &mut State| !s.closed && (s.changing || s.order.is_none());
        let waited = self.changed.wait_while(self.lock(), waits);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        if state.closed {
            return None;
        }
        let order = state.order.take()?;
        Some((state.generation, order))
    }
}

/// Does a job, and again after a pause if the kernel refused it, while its order holds; tells of each time.
fn persist(
    job: impl Fn() -> Result<Revoked, Error>,
    holds: Holds<'_>,
    pause: Duration,
    mut tell: impl FnMut(Result<Revoked, Error>),
) {
    let mut done = job();
    for _ in 0..TRIES {
        if done.is_ok() || !holds() {
            break;
        }
        tell(done);
        thread::sleep(pause);
        done = job();
    }
    tell(done);
}

fn tell(done: Result<Revoked, Error>, status: &Shared, log: &Log) {
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

#[cfg(test)]
mod tests {
    use super::{Error, Revoked, TRIES, persist};
    use nix::errno::Errno;
    use std::cell::Cell;
    use std::time::Duration;

    /// What is told of a job that the kernel refuses so many times, under an order that holds for so many looks.
    fn told(refused: usize, held: usize) -> Vec<Option<Revoked>> {
        let (done, looked, mut told) = (Cell::new(0), Cell::new(0), Vec::new());
        let job = || {
            done.set(done.get() + 1);
            if done.get() <= refused {
                return Err(Error::new("listing connections", Errno::ENOBUFS));
            }
            Ok(Revoked {
                seen: done.get(),
                ..Revoked::default()
            })
        };
        let holds = || {
            looked.set(looked.get() + 1);
            looked.get() <= held
        };
        persist(job, &holds, Duration::ZERO, |done| told.push(done.ok()));
        assert_eq!(told.len(), done.get(), "each time is told, and once");
        told
    }

    /// The job when it was done at last, at the time of a number.
    fn at(time: usize) -> Option<Revoked> {
        Some(Revoked {
            seen: time,
            ..Revoked::default()
        })
    }

    #[test]
    fn what_the_kernel_refuses_is_tried_again_while_the_order_holds() {
        assert_eq!(told(0, 100), [at(1)]);
        assert_eq!(told(2, 100), [None, None, at(3)]);
        // Nobody wants it any more.
        assert_eq!(told(2, 1), [None, None]);
        assert_eq!(told(2, 0), [None]);
    }

    #[test]
    fn what_the_kernel_never_does_has_an_end() {
        assert_eq!(told(usize::MAX, usize::MAX), vec![None; TRIES + 1]);
    }
}

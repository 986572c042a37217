//! Probes: does one new connection pass? Thousands at once, by one thread.
//!
//! *Passed* needs one sign, and no later try takes it back: the name of the host that answered, a completed
//! handshake, or the receiver's own note that the packet arrived. *Silent* is believed only after several tries, each
//! with a new flow, and each time only after the thread that answers has said that it has nothing left to do; so a
//! busy machine costs time and not truth.

mod run;

use crate::error::Result;
use crate::lab::{HostId, Lab};
use nix::sys::resource::{Resource, getrlimit};
use palisade_netmodel::Protocol;
use run::Run;
use std::fmt;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::thread;
use std::time::Duration;

/// One new connection to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Probe {
    /// From.
    pub from: HostId,
    /// To: an address of a host, or of a Service.
    pub to: SocketAddr,
    /// Protocol.
    pub protocol: Protocol,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// It passed.
    Passed,
    /// Somebody said no: a closed port, or a rule that rejects.
    Refused,
    /// Nothing came back, and nothing is known to have arrived.
    Silent,
    /// It could not be sent: the lab is at fault.
    Error,
}

/// How that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Evidence {
    /// The receiver answered with its name.
    Named,
    /// The handshake was completed; no name came.
    Connected,
    /// The receiver noted the packet; no answer came.
    Arrived,
    /// The receiver's protocol refused (SCTP ABORT).
    Abort,
    /// An error of the system, as `ECONNREFUSED` for a reset or a port unreachable, or
    /// `EHOSTUNREACH` for "administratively prohibited".
    System(i32),
    /// Nothing.
    Nothing,
}

/// The answer to a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// What became of it.
    pub outcome: Outcome,
    /// The host that answered or was reached.
    pub by: Option<HostId>,
    /// How that is known.
    pub evidence: Evidence,
    /// How many tries it took.
    pub tries: usize,
    /// How long after the last try.
    pub after: Duration,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tries, .. } = self;
        let word = match self.outcome {
            Outcome::Passed => "passed",
            Outcome::Refused => "was refused",
            Outcome::Silent => "met silence",
            Outcome::Error => "could not be sent",
        };
        match self.evidence {
            Evidence::Named => write!(f, "{word}: the receiver answered"),
            Evidence::Connected => write!(f, "{word}: connected, without an answer"),
            Evidence::Arrived => write!(f, "{word}: it arrived, and no answer came back"),
            Evidence::Abort => write!(f, "{word}: ABORT"),
            Evidence::System(code) => {
                write!(f, "{word}: {}", io::Error::from_raw_os_error(code))
            }
            Evidence::Nothing => write!(f, "{word} in {tries} tries"),
        }
    }
}

/// How long silence must last: each try waits for so long. There is at least one try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patience(pub Vec<Duration>);

impl Default for Patience {
    /// Three tries in just over a second.
    fn default() -> Self {
        Self([150, 300, 600].map(Duration::from_millis).to_vec())
    }
}

impl Lab {
    /// Sends probes and waits for what becomes of them, in their order.
    ///
    /// # Errors
    /// If a host does not exist or the machinery fails; a probe that cannot be sent is an [`Outcome::Error`].
    pub fn probe(&self, probes: &[Probe]) -> Result<Vec<Answer>> {
        self.probe_with(probes, &Patience::default())
    }

    /// Sends probes, with another patience.
    ///
    /// # Errors
    /// As [`Lab::probe`].
    pub fn probe_with(&self, probes: &[Probe], patience: &Patience) -> Result<Vec<Answer>> {
        for probe in probes {
            self.host(probe.from)?;
        }
        self.acquaint(probes.iter().map(|probe| (probe.from, probe.to.ip())))?;
        let mut order: Vec<usize> = (0..probes.len()).collect();
        order.sort_by_key(|number| probes.get(*number).map(|probe| probe.from));
        let mut answers = vec![None; probes.len()];
        thread::scope(|scope| {
            let run = scope.spawn(|| {
                for chunk in order.chunks(window(patience)) {
                    let chunk: Vec<(usize, Probe)> = chunk
                        .iter()
                        .filter_map(|number| Some((*number, *probes.get(*number)?)))
                        .collect();
                    for ((number, _), answer) in
                        chunk.iter().zip(Run::new(self, &chunk)?.run(patience)?)
                    {
                        if let Some(place) = answers.get_mut(*number) {
                            *place = Some(answer);
                        }
                    }
                }
                Ok(())
            });
            run.join().unwrap_or_else(|panic| resume_unwind(panic))
        })?;
        Ok(answers.into_iter().flatten().collect())
    }
}

/// How many probes may be under way: a socket for each try of each, and one more at the other end.
fn window(patience: &Patience) -> usize {
    let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(1_024, |(soft, _)| soft);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let open = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    let each = patience.0.len().max(1) + 1;
    (limit.saturating_sub(open) / each).clamp(16, 8_192)
}

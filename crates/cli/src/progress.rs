//! Says what long work is doing, once it has taken a second.

use crate::Terminal;
use std::io::Write;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

/// How long work stays silent.
const SILENCE: Duration = Duration::from_secs(1);

/// The stages of one command.
#[derive(Debug)]
pub(crate) struct Progress {
    start: Instant,
    stages: Vec<(&'static str, Duration)>,
    last: Instant,
    /// Dropped with the work: then the pulse ends.
    _pulse: Option<Sender<()>>,
}

impl Progress {
    /// Starts the clock.
    pub(crate) fn new(terminal: &Terminal<'_>) -> Self {
        let now = Instant::now();
        Self {
            start: now,
            stages: Vec::new(),
            last: now,
            _pulse: terminal.progress.then(pulse),
        }
    }

    /// Notes that a stage has ended; shows it if the work has been long and somebody watches.
    pub(crate) fn done(&mut self, terminal: &mut Terminal<'_>, stage: &'static str) {
        let now = Instant::now();
        self.stages.push((stage, now - self.last));
        self.last = now;
        if terminal.progress && now - self.start > SILENCE {
            let seconds = (now - self.start).as_secs_f32();
            let _ = writeln!(terminal.err, "palisade: {stage} done after {seconds:.1} s");
        }
    }

    /// The stages with their times, for `--timings`.
    pub(crate) fn stages(&self) -> &[(&'static str, Duration)] {
        &self.stages
    }
}

/// Says beside the work that it goes on, however long a stage is: after a second, then after twice as long each.
fn pulse() -> Sender<()> {
    let (sender, receiver) = mpsc::channel();
    // Without a thread there is no pulse, and the work is the same.
    let _ = std::thread::Builder::new().spawn(move || beat(&receiver));
    sender
}

fn beat(work: &Receiver<()>) {
    let start = Instant::now();
    let mut next = SILENCE;
    while work.recv_timeout(next.saturating_sub(start.elapsed())) == Err(RecvTimeoutError::Timeout)
    {
        let mut err = std::io::stderr();
        let _ = writeln!(err, "palisade: at work for {} s", next.as_secs());
        next = next.saturating_mul(2);
    }
}

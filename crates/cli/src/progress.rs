//! Says what long work is doing, once it has taken a second.

use crate::Terminal;
use std::time::{Duration, Instant};

/// How long work stays silent.
const SILENCE: Duration = Duration::from_secs(1);

/// The stages of one command.
#[derive(Debug)]
pub(crate) struct Progress {
    start: Instant,
    stages: Vec<(&'static str, Duration)>,
    last: Instant,
}

impl Progress {
    /// Starts the clock.
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Self {
            start: now,
            stages: Vec::new(),
            last: now,
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

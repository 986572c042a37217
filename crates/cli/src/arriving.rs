//! Long texts as they arrive: read, decoded and packed by a thread of its own, while others read what is
//! there.

use crate::input::{cannot_read, too_large};
use palisade_diagnostics::{Arrival, Block, Diagnostic, Refused};
use palisade_yaml::Decoder;
use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Bytes of a block.
pub(crate) const BLOCK: usize = 1 << 18;
/// Blocks that wait to be read.
const WAITING: usize = 16;
/// Most bytes of a run, over all texts: spans are 32 bits wide.
pub(crate) const MAX_TOTAL: u64 = (1 << 32) - (1 << 20);
/// Most bytes that are kept of them. Manifests take much less; what cannot be packed takes all of it.
pub(crate) const MAX_KEPT: u64 = 1 << 30;

/// What all texts of a run share.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    read: AtomicU64,
    kept: AtomicU64,
    /// What was wrong with texts that had begun to arrive.
    late: Mutex<Vec<Late>>,
}

/// Why a text is none.
#[derive(Debug)]
pub(crate) enum Late {
    /// It is not what it should be.
    Bad(Diagnostic),
    /// The system did not let us read it.
    Unreadable(Diagnostic),
}

impl Budget {
    /// Takes room for a text, or a part of one; false if there is not enough.
    pub(crate) fn take(&self, read: usize, kept: usize) -> bool {
        let add = |sum: &AtomicU64, bytes: usize, max: u64| {
            let bytes = bytes as u64;
            sum.fetch_add(bytes, Ordering::Relaxed) + bytes <= max
        };
        add(&self.read, read, MAX_TOTAL) & add(&self.kept, kept, MAX_KEPT)
    }

    /// Bytes kept so far.
    pub(crate) fn kept(&self) -> u64 {
        self.kept.load(Ordering::Relaxed)
    }

    /// What came to light since the last time.
    pub(crate) fn late(&self) -> Vec<Late> {
        let mut late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *late)
    }

    fn refuse(&self, why: Late) {
        let mut late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        late.push(why);
    }
}

/// A text whose beginning has been read.
pub(crate) struct Beginning {
    pub(crate) name: String,
    pub(crate) begun: Vec<u8>,
    pub(crate) rest: Box<dyn Read + Send>,
}

/// Its blocks. The thread that reads them starts when the first is asked for, and ends with the text, or
/// once nobody asks any more.
pub(crate) struct Arriving {
    budget: Arc<Budget>,
    state: State,
}

enum State {
    Waits(Beginning),
    Arrives(Receiver<Arrival>),
    Ended,
}

impl Arriving {
    pub(crate) fn new(beginning: Beginning, budget: &Arc<Budget>) -> Self {
        Self {
            budget: Arc::clone(budget),
            state: State::Waits(beginning),
        }
    }

    /// Starts the thread.
    fn start(&self, beginning: Beginning) -> State {
        let (sender, receiver) = sync_channel(WAITING);
        let budget = Arc::clone(&self.budget);
        let name = beginning.name.clone();
        let run = move || {
            if let Err(why) = send(beginning, &budget, &sender) {
                budget.refuse(why);
                // Told before the end can be seen.
                drop(sender.send(Err(Refused)));
            }
        };
        match thread::Builder::new().spawn(run) {
            Ok(_) => State::Arrives(receiver),
            Err(error) => {
                let why = cannot_read(Path::new(&name), &error);
                self.budget.refuse(Late::Unreadable(why));
                State::Ended
            }
        }
    }
}

impl Iterator for Arriving {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        if let State::Waits(_) = self.state {
            let State::Waits(beginning) = std::mem::replace(&mut self.state, State::Ended) else {
                return None;
            };
            self.state = self.start(beginning);
        }
        let next = match &self.state {
            State::Arrives(receiver) => receiver.recv().ok(),
            State::Waits(_) | State::Ended => None,
        };
        if !matches!(next, Some(Ok(_))) {
            self.state = State::Ended;
        }
        next
    }
}

/// Reads a text to its end.
fn send(beginning: Beginning, budget: &Budget, to: &SyncSender<Arrival>) -> Result<(), Late> {
    let Beginning { name, begun, rest } = beginning;
    let mut decoder = Decoder::new(&name);
    let mut stream = io::Cursor::new(begun).chain(rest);
    loop {
        let bytes = block(&mut stream)
            .map_err(|error| Late::Unreadable(cannot_read(Path::new(&name), &error)))?;
        let read = bytes.len();
        let text = decoder.decode(bytes).map_err(Late::Bad)?;
        let block = Block::pack(&text);
        if !budget.take(read, block.kept()) {
            return Err(Late::Bad(too_large(&name)));
        }
        if to.send(Ok((block, text))).is_err() {
            return Ok(());
        }
        if read < BLOCK {
            return decoder.finish().map_err(Late::Bad);
        }
    }
}

/// The bytes of a block; fewer at the end of the text.
fn block(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(BLOCK);
    stream.take(BLOCK as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

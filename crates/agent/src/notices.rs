//! What the kernel tells of changes in directories (inotify). A notice says that it is worth to look, and nothing else:
//! which one it is does not matter, and of those that are lost (`IN_Q_OVERFLOW`) the kernel tells as well.

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use std::collections::BTreeSet;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Duration;

/// Whatever may change which files there are, or what is in them; not that they are read.
const CHANGES: AddWatchFlags = AddWatchFlags::IN_MODIFY
    .union(AddWatchFlags::IN_CLOSE_WRITE)
    .union(AddWatchFlags::IN_ATTRIB)
    .union(AddWatchFlags::IN_CREATE)
    .union(AddWatchFlags::IN_DELETE)
    .union(AddWatchFlags::IN_MOVED_FROM)
    .union(AddWatchFlags::IN_MOVED_TO)
    .union(AddWatchFlags::IN_DELETE_SELF)
    .union(AddWatchFlags::IN_MOVE_SELF);

/// Changes of files and directories.
#[derive(Debug)]
pub(crate) struct Notices {
    kernel: Inotify,
    /// What is watched: files and directories themselves, whatever they are called by now.
    watched: BTreeSet<WatchDescriptor>,
}

impl Notices {
    /// Nothing is watched yet.
    ///
    /// # Errors
    ///
    /// If this user has too many of these, or the kernel none.
    pub(crate) fn new() -> Result<Self, Errno> {
        Ok(Self {
            kernel: Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?,
            watched: BTreeSet::new(),
        })
    }

    /// Watches what has these paths now, and nothing else any more. Gives whether all of it was watched before: if not,
    /// it may have changed since somebody looked at it.
    ///
    /// # Errors
    ///
    /// If something cannot be watched: it is gone, or this user watches too much.
    pub(crate) fn watch(&mut self, paths: &[PathBuf]) -> Result<bool, Errno> {
        let (mut now, mut all_before) = (BTreeSet::new(), true);
        for path in paths {
            // What is watched already has the same number again.
            let watched = self.kernel.add_watch(path, CHANGES)?;
            all_before &= self.watched.contains(&watched);
            self.watched.insert(watched);
            now.insert(watched);
        }
        for gone in self.watched.difference(&now) {
            // The kernel may have ended it itself.
            let _ = self.kernel.rm_watch(*gone);
        }
        self.watched = now;
        Ok(all_before)
    }

    /// Waits for a notice, and takes all that have come. Gives whether there was one.
    pub(crate) fn wait(&self, most: Duration) -> bool {
        let mut wanted = [PollFd::new(self.kernel.as_fd(), PollFlags::POLLIN)];
        let most = PollTimeout::try_from(most).unwrap_or(PollTimeout::MAX);
        let _ = poll(&mut wanted, most);
        let mut told = false;
        while self.kernel.read_events().is_ok() {
            told = true;
        }
        told
    }
}

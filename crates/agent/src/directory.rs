//! A directory of manifests, as it is now: every file, or why it cannot be read.
//!
//! What counts is a look at all of it. The kernel says when one is worth it; what it cannot tell of (files that another
//! machine writes, or that have a second name elsewhere) is seen by looking now and then.

#[cfg(test)]
mod tests;

use crate::notices::Notices;
use crate::texts::Texts;
use nix::errno::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};
use std::{fs, thread};

/// Most bytes of one file, files of a directory, and nested directories.
const MAX_BYTES: u64 = 64 << 20;
const MAX_FILES: usize = 10_000;
const MAX_DEPTH: usize = 32;
/// A file that was changed so recently may change again without another time.
const FRESH: Duration = Duration::from_secs(1);
/// So long after its last change nobody is writing a file any more; and so long a writer is waited for.
const SETTLED: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(1);

/// How often the directory is looked at while somebody writes, or if the kernel does not tell of changes.
const OFTEN: Duration = Duration::from_millis(30);
/// How often if it does.
const RARELY: Duration = Duration::from_secs(1);
/// How much longer than a look takes the next one waits at least.
const SHARE: u32 = 10;
/// How often a look is taken anew because there is something that was not watched.
const TRIES: usize = 8;

/// A directory that is followed.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    seen: BTreeMap<PathBuf, Seen>,
    /// Since when somebody is writing.
    writing: Option<Instant>,
    /// Who tells of changes.
    notices: Option<Notices>,
    /// Whether all that was seen was watched before it was looked at.
    watched: bool,
    /// Why not, if the kernel refuses that.
    untold: Option<String>,
    /// How long the last look took.
    took: Duration,
    rarely: Duration,
}

/// What a look gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looked {
    /// As before.
    Same,
    /// Something changed.
    Changed,
    /// Somebody is writing: nothing was taken yet.
    Writing,
}

/// By what a change is noticed; `None`: whatever the file says, it is read again.
type Seen = Option<(SystemTime, u64)>;

/// What is below a directory.
#[derive(Debug, Default)]
struct Found {
    /// All `.yaml`, `.yml` and `.json` files.
    files: Vec<PathBuf>,
    /// What has to be watched: directories, and files by links, which may lie anywhere.
    places: Vec<PathBuf>,
}

impl Directory {
    /// A directory of which nothing is known yet.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            seen: BTreeMap::new(),
            writing: None,
            notices: None,
            watched: false,
            untold: None,
            took: Duration::ZERO,
            rarely: RARELY,
        }
    }

    /// Why the kernel does not tell of changes, if it does not.
    #[must_use]
    pub fn untold(&self) -> Option<&str> {
        self.untold.as_deref()
    }

    /// Waits until another look is worth it.
    pub fn wait(&self) {
        // However much changes, looking takes a small part of the time.
        thread::sleep(self.took * SHARE);
        match &self.notices {
            Some(notices) if self.watched && self.writing.is_none() => {
                notices.wait(self.rarely);
            }
            _ => thread::sleep(OFTEN.saturating_sub(self.took * SHARE)),
        }
    }

    /// Brings texts up to date with the files, at a moment in which nobody writes any of them: a file may be empty
    /// before it is written.
    ///
    /// # Errors
    ///
    /// If the directory cannot be listed as a whole. The texts are as they were then: what is not seen is not gone.
    pub fn look(&mut self, texts: &mut Texts) -> Result<Looked, String> {
        let begun = Instant::now();
        let path = self.path.clone();
        let found = self.watching(|| found(&path));
        let looked = found.map(|found| self.take(found.files, texts));
        self.took = begun.elapsed();
        looked
    }

    /// What is found when all of it was watched before, so that the kernel tells of whatever happens from then on.
    fn watching(&mut self, find: impl Fn() -> Result<Found, String>) -> Result<Found, String> {
        self.watched = false;
        let mut found = find()?;
        for _ in 0..TRIES {
            let watched = self.watch(&found.places);
            let lost = |cause: &Errno| matches!(cause, Errno::ENOENT | Errno::ENOTDIR);
            self.untold = watched
                .err()
                .filter(|c| !lost(c))
                .map(|c| c.desc().to_owned());
            match watched {
                Ok(true) => {
                    self.watched = true;
                    break;
                }
                Err(cause) if !lost(&cause) => break,
                // Something is new, or gone already.
                _ => found = find()?,
            }
        }
        Ok(found)
    }

    /// Whether all of it was watched before.
    fn watch(&mut self, places: &[PathBuf]) -> Result<bool, Errno> {
        match &mut self.notices {
            Some(notices) => notices.watch(places),
            none => none.insert(Notices::new()?).watch(places),
        }
    }

    fn take(&mut self, files: Vec<PathBuf>, texts: &mut Texts) -> Looked {
        if self.is_written(&files) {
            return Looked::Writing;
        }
        let mut changed = false;
        let mut names = BTreeSet::new();
        let mut seen = BTreeMap::new();
        for file in files {
            let name = file.display().to_string();
            let now = stamp(&file);
            let known = self.seen.get(&file).is_some_and(|then| *then == now);
            if !known || now.is_none() {
                changed |= texts.put(&name, text(&file));
            }
            names.insert(name);
            seen.insert(file, now.filter(|now| !is_younger(*now, FRESH)));
        }
        self.seen = seen;
        changed |= texts.retain(|name| names.contains(name));
        match changed {
            true => Looked::Changed,
            false => Looked::Same,
        }
    }

    /// Whether somebody is writing, and has not been for long.
    fn is_written(&mut self, files: &[PathBuf]) -> bool {
        let mut stamps = files.iter().filter_map(|file| stamp(file));
        if !stamps.any(|stamp| is_younger(stamp, SETTLED)) {
            self.writing = None;
            return false;
        }
        self.writing.get_or_insert_with(Instant::now).elapsed() < PATIENCE
    }
}

fn found(directory: &Path) -> Result<Found, String> {
    let mut found = Found::default();
    walk(directory, 0, &mut found)?;
    Ok(found)
}

/// Hidden files are left out: mounted ConfigMaps keep their versions in hidden directories, and lead to them by links.
fn walk(directory: &Path, depth: usize, found: &mut Found) -> Result<(), String> {
    let lost = |error: std::io::Error| format!("{}: {error}", directory.display());
    found.places.push(directory.to_owned());
    for entry in fs::read_dir(directory).map_err(lost)? {
        let entry = entry.map_err(lost)?;
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        let kind = entry.file_type().map_err(lost)?;
        if kind.is_dir() {
            if depth == MAX_DEPTH {
                return Err(format!("{}: lies too deep", path.display()));
            }
            walk(&path, depth + 1, found)?;
        } else if is_manifest(&path) {
            if found.files.len() == MAX_FILES {
                return Err(format!("more than {MAX_FILES} files"));
            }
            // A link that leads nowhere is watched where it lies.
            if kind.is_symlink() && path.exists() {
                found.places.push(path.clone());
            }
            found.files.push(path);
        }
    }
    Ok(())
}

fn is_manifest(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str());
    extension.is_some_and(|e| ["yaml", "yml", "json"].contains(&e))
}

fn stamp(path: &Path) -> Seen {
    let about = fs::metadata(path).ok()?;
    Some((about.modified().ok()?, about.len()))
}

fn is_younger((changed, _): (SystemTime, u64), than: Duration) -> bool {
    // A time in the future says nothing.
    changed.elapsed().map_or(true, |age| age < than)
}

fn text(path: &Path) -> Result<String, String> {
    let file = fs::File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(format!("more than {MAX_BYTES} bytes"));
    }
    palisade_yaml::decode("", bytes).map_err(|problem| problem.title)
}

//! Reads manifests from files, directories and standard input, with limits.

use crate::arriving::{Arriving, BLOCK, Beginning, Budget, Late, MAX_KEPT, MAX_TOTAL};
use palisade_diagnostics::{Blocks, Diagnostic, FileId, Sources};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of texts that are kept as they are. Those beyond arrive and are kept in blocks.
const PLAIN: u64 = 8 << 20;
/// Shorter texts are always kept as they are.
const SMALL: usize = 1 << 12;
/// Deepest nesting of directories.
const MAX_DEPTH: usize = 32;
/// Most files of one run.
const MAX_FILES: usize = 100_000;

/// How a text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// All of it at once.
    Whole,
    /// A long one as it arrives.
    Arriving,
}

/// Collects texts, and everything that kept a text from being read.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    /// What was read.
    pub(crate) sources: Sources,
    /// Texts that are no UTF-8, too large, or missing.
    pub(crate) bad: Vec<Diagnostic>,
    /// Files that the system did not let us read.
    pub(crate) unreadable: Vec<Diagnostic>,
    budget: Arc<Budget>,
}

impl Reader {
    /// A reader that adds to texts that have been read.
    pub(crate) fn with(sources: Sources) -> Self {
        Self {
            sources,
            ..Self::default()
        }
    }

    /// Reads a file, all `.yaml`, `.yml` and `.json` files under a directory, or `-` for standard
    /// input. Problems are collected, and the rest is still read.
    pub(crate) fn read(&mut self, path: &Path) -> Vec<FileId> {
        self.below(path, How::Whole)
    }

    /// The same for manifests, of which long ones are read as they are loaded.
    pub(crate) fn manifests(&mut self, path: &Path) -> Vec<FileId> {
        self.below(path, How::Arriving)
    }

    fn below(&mut self, path: &Path, how: How) -> Vec<FileId> {
        let mut out = Vec::new();
        if path.as_os_str() == "-" {
            out.extend(self.stdin(how));
        } else if path.is_dir() {
            let mut files = Vec::new();
            self.walk(path, 0, &mut files);
            files.sort();
            // What Palisade wrote may hold nothing: a variant without objects.
            if files.is_empty() && !path.join(crate::output::MARKER).is_file() {
                self.bad.push(
                    Diagnostic::error("PAL0503", format!("no manifests in `{}`", path.display()))
                        .help("give a directory that holds .yaml, .yml or .json files"),
                );
            }
            for file in files {
                out.extend(self.file(&file, how));
            }
        } else {
            out.extend(self.file(path, how));
        }
        out
    }

    fn walk(&mut self, directory: &Path, depth: usize, files: &mut Vec<PathBuf>) {
        if depth > MAX_DEPTH || files.len() > MAX_FILES {
            self.bad.push(
                Diagnostic::error(
                    "PAL0502",
                    format!(
                        "`{}` lies too deep or holds too many files",
                        directory.display()
                    ),
                )
                .note(format!(
                    "limits: {MAX_DEPTH} nested directories, {MAX_FILES} files"
                ))
                .help("name the directories that hold manifests one by one"),
            );
            return;
        }
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) => return self.refuse(directory, &error),
        };
        for entry in entries.flatten() {
            let path = entry.path();
            let hidden = entry.file_name().to_string_lossy().starts_with('.');
            // Links to directories are not followed, so no loop is possible.
            let kind = entry.file_type();
            let directory = kind.as_ref().is_ok_and(fs::FileType::is_dir);
            if hidden {
                continue;
            } else if directory {
                self.walk(&path, depth + 1, files);
            } else if is_manifest(&path) && !path.is_dir() {
                // A link that leads nowhere may be a policy that is missing: opening it says so.
                match path.is_file() || !path.exists() {
                    true => files.push(path),
                    false => self.bad.push(no_file(&path)),
                }
            }
        }
    }

    fn stdin(&mut self, how: How) -> Option<FileId> {
        self.add("<stdin>", Box::new(io::stdin()), 0, how)
    }

    fn file(&mut self, path: &Path, how: How) -> Option<FileId> {
        let shown = path.strip_prefix(".").unwrap_or(path);
        let name = shown.display().to_string();
        match File::open(path) {
            Ok(file) => {
                // Known for files: no room is made twice for a large one.
                let size = file.metadata().map_or(0, |about| about.len());
                self.add(&name, Box::new(file), size, how)
            }
            Err(error) => {
                self.refuse(path, &error);
                None
            }
        }
    }

    /// Adds what a stream holds: a short text as it is, a long one as it arrives, if it may.
    fn add(
        &mut self,
        name: &str,
        mut stream: Box<dyn Read + Send>,
        expected: u64,
        how: How,
    ) -> Option<FileId> {
        let left = match how {
            How::Whole => MAX_KEPT.saturating_sub(self.budget.kept()),
            How::Arriving => PLAIN.saturating_sub(self.budget.kept()).max(BLOCK as u64),
        };
        // One byte more, so that the end is found without room for further ones.
        let room = usize::try_from(expected.min(left) + 1).unwrap_or_default();
        let mut begun = Vec::with_capacity(room);
        if let Err(error) = stream.by_ref().take(left + 1).read_to_end(&mut begun) {
            self.refuse(Path::new(name), &error);
            return None;
        }
        if begun.len() as u64 <= left {
            return self.whole(name, begun, how);
        }
        if how == How::Whole {
            self.bad.push(too_large(name));
            return None;
        }
        let beginning = Beginning {
            name: name.to_owned(),
            begun,
            rest: stream,
        };
        let arriving = Arriving::new(beginning, &self.budget);
        Some(self.sources.add_blocks(name, Blocks::new(arriving)))
    }

    fn whole(&mut self, name: &str, bytes: Vec<u8>, how: How) -> Option<FileId> {
        let read = bytes.len();
        let text = match palisade_yaml::decode(name, bytes) {
            Ok(text) => text,
            Err(diagnostic) => {
                self.bad.push(diagnostic);
                return None;
            }
        };
        let pack = how == How::Arriving && self.budget.kept() > PLAIN && read > SMALL;
        let blocks = pack.then(|| Blocks::of([text.as_str()]));
        let kept = blocks.as_ref().map_or(read, Blocks::kept);
        if !self.budget.take(read, kept) {
            self.bad.push(too_large(name));
            return None;
        }
        Some(match blocks {
            Some(blocks) => self.sources.add_blocks(name, blocks),
            None => self.sources.add(name, text),
        })
    }

    /// Reads one file, whatever its name, or `-` for standard input.
    pub(crate) fn one(&mut self, path: &Path) -> Option<FileId> {
        match path.as_os_str() == "-" {
            true => self.stdin(How::Whole),
            false => self.file(path, How::Whole),
        }
    }

    /// Adds a text that somebody has made, without a copy of it.
    pub(crate) fn shared(&mut self, name: String, text: String) -> Option<FileId> {
        if !self.budget.take(text.len(), text.len()) {
            self.bad.push(too_large(&name));
            return None;
        }
        Some(self.sources.add(name, text))
    }

    /// Adds a text that is no file.
    pub(crate) fn text(&mut self, name: &str, bytes: &[u8]) -> Option<FileId> {
        self.whole(name, bytes.to_vec(), How::Arriving)
    }

    /// Takes note of what came to light while texts were read.
    pub(crate) fn settle(&mut self) {
        for late in self.budget.late() {
            match late {
                Late::Bad(diagnostic) => self.bad.push(diagnostic),
                Late::Unreadable(diagnostic) => self.unreadable.push(diagnostic),
            }
        }
    }

    fn refuse(&mut self, path: &Path, error: &io::Error) {
        self.unreadable.push(cannot_read(path, error));
    }
}

pub(crate) fn too_large(name: &str) -> Diagnostic {
    Diagnostic::error("PAL0502", format!("`{name}` is too large"))
        .note(format!(
            "limits over all files of one run: {MAX_TOTAL} bytes, and {MAX_KEPT} bytes of what compression makes of them"
        ))
        .help("split the input, or leave out what the network does not depend on")
}

/// What has the name of a manifest, and could be waited for without end.
fn no_file(path: &Path) -> Diagnostic {
    let title = format!("`{}` is not a file and is not read", path.display());
    Diagnostic::warning("PAL0537", title)
        .note("a pipe, a socket or a device in a directory is passed over")
        .help("name it on the command line if it is a pipe that holds manifests, or remove it")
        .leaving_out()
}

/// Why a file or directory cannot be read.
pub(crate) fn cannot_read(path: &Path, error: &io::Error) -> Diagnostic {
    Diagnostic::error("PAL0501", format!("cannot read `{}`", path.display()))
        .note(error.to_string())
        .help(match error.kind() {
            io::ErrorKind::NotFound => "check the path",
            io::ErrorKind::PermissionDenied => "check the permissions of the file",
            _ => "check the file and the disk",
        })
}

pub(crate) fn is_manifest(path: &Path) -> bool {
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    matches!(extension.as_deref(), Some("yaml" | "yml" | "json"))
}

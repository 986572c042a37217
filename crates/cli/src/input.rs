//! Reads manifests from files, directories and standard input, with limits.

use palisade_diagnostics::{Diagnostic, FileId, Sources};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Most bytes of one run, over all files.
const MAX_TOTAL: u64 = 1 << 30;
/// Deepest nesting of directories.
const MAX_DEPTH: usize = 32;
/// Most files of one run.
const MAX_FILES: usize = 100_000;

/// Collects texts, and everything that kept a text from being read.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    /// What was read.
    pub(crate) sources: Sources,
    /// Texts that are no UTF-8, too large, or missing.
    pub(crate) bad: Vec<Diagnostic>,
    /// Files that the system did not let us read.
    pub(crate) unreadable: Vec<Diagnostic>,
    total: u64,
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
        let mut out = Vec::new();
        if path.as_os_str() == "-" {
            let stdin = io::stdin();
            out.extend(self.add("<stdin>", &mut stdin.lock(), 0));
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
                out.extend(self.file(&file));
            }
        } else {
            out.extend(self.file(path));
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
            } else if is_manifest(&path) && (path.is_file() || !path.exists()) {
                // A link that leads nowhere may be a policy that is missing: opening it says so.
                files.push(path);
            }
        }
    }

    fn file(&mut self, path: &Path) -> Option<FileId> {
        let shown = path.strip_prefix(".").unwrap_or(path);
        let name = shown.display().to_string();
        match File::open(path) {
            Ok(mut file) => {
                // Known for files: no room is made twice for a large one.
                let size = file.metadata().map_or(0, |about| about.len());
                self.add(&name, &mut file, size)
            }
            Err(error) => {
                self.refuse(path, &error);
                None
            }
        }
    }

    fn add(&mut self, name: &str, stream: &mut dyn Read, expected: u64) -> Option<FileId> {
        let left = MAX_TOTAL.saturating_sub(self.total);
        // One byte more, so that the end is found without room for further ones.
        let room = expected.min(left) + 1;
        let mut bytes = Vec::with_capacity(usize::try_from(room).unwrap_or_default());
        if let Err(error) = stream.take(left + 1).read_to_end(&mut bytes) {
            self.refuse(Path::new(name), &error);
            return None;
        }
        let size = bytes.len() as u64;
        if size > left {
            self.bad.push(too_large(name));
            return None;
        }
        self.total += size;
        match palisade_yaml::decode(name, bytes) {
            Ok(text) => Some(self.sources.add(name, text)),
            Err(diagnostic) => {
                self.bad.push(diagnostic);
                None
            }
        }
    }

    /// Reads one file, whatever its name, or `-` for standard input.
    pub(crate) fn one(&mut self, path: &Path) -> Option<FileId> {
        match path.as_os_str() == "-" {
            true => self.add("<stdin>", &mut io::stdin().lock(), 0),
            false => self.file(path),
        }
    }

    /// Adds a text that somebody has made, without a copy of it.
    pub(crate) fn shared(&mut self, name: String, text: String) -> Option<FileId> {
        let size = text.len() as u64;
        if size > MAX_TOTAL.saturating_sub(self.total) {
            self.bad.push(too_large(&name));
            return None;
        }
        self.total += size;
        Some(self.sources.add(name, text))
    }

    /// Adds a text that is no file.
    pub(crate) fn text(&mut self, name: &str, mut bytes: &[u8]) -> Option<FileId> {
        let size = bytes.len() as u64;
        self.add(name, &mut bytes, size)
    }

    fn refuse(&mut self, path: &Path, error: &io::Error) {
        self.unreadable.push(cannot_read(path, error));
    }
}

fn too_large(name: &str) -> Diagnostic {
    Diagnostic::error("PAL0502", format!("`{name}` is too large"))
        .note(format!(
            "limit: {MAX_TOTAL} bytes over all files of one run"
        ))
        .help("split the input, or leave out what the network does not depend on")
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

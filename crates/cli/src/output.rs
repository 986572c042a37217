//! Writes files whole or not at all: into a temporary place beside the target, then rename.

use crate::exit::Failure;
use palisade_diagnostics::Diagnostic;
use std::fs;
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;
use tempfile::{Builder, NamedTempFile, TempDir};

/// The file that lists what Palisade wrote into a directory, so that it may be replaced.
pub(crate) const MARKER: &str = ".palisade";

/// How the names of temporary files and directories begin.
const TEMPORARY: &str = ".palisade-";
/// The same for a directory that waits to be replaced.
const ASIDE: &str = ".palisade-old-";
/// After so long nobody is writing any more: an interrupted run left it.
const STALE: Duration = Duration::from_secs(60 * 60);

/// Removes what interrupted runs left in a directory.
fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let made_up = name.to_str().and_then(|name| {
            name.strip_prefix(ASIDE)
                .or_else(|| name.strip_prefix(TEMPORARY))
        });
        // The library makes up six letters and digits.
        let ours = made_up.is_some_and(|rest| {
            rest.len() == 6 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
        });
        let age = |data: fs::Metadata| data.modified().ok()?.elapsed().ok();
        let Ok(data) = entry.metadata() else { continue };
        let directory = data.is_dir();
        if !ours || age(data).is_none_or(|age| age < STALE) {
            continue;
        }
        let _ = if directory {
            fs::remove_dir_all(entry.path())
        } else {
            fs::remove_file(entry.path())
        };
    }
}

/// A temporary file beside the one that it becomes.
fn temporary_in(parent: &Path) -> io::Result<NamedTempFile> {
    sweep(parent);
    Builder::new().prefix(TEMPORARY).tempfile_in(parent)
}

/// Writes one file whole.
pub(crate) fn file(path: &Path, text: &str) -> Result<(), Failure> {
    let refuse = |error: &io::Error| cannot_write(path, error);
    let parent = parent(path);
    fs::create_dir_all(&parent).map_err(|e| refuse(&e))?;
    let mut temporary = temporary_in(&parent).map_err(|e| refuse(&e))?;
    temporary
        .write_all(text.as_bytes())
        .and_then(|()| temporary.as_file().sync_all())
        .map_err(|e| refuse(&e))?;
    readable(temporary.path()).map_err(|e| refuse(&e))?;
    temporary.persist(path).map_err(|e| refuse(&e.error))?;
    Ok(())
}

/// Writes a file that was read before anew: a link stays a link, and who may read it stays as it is.
pub(crate) fn mend(path: &Path, text: &str) -> Result<(), Failure> {
    let refuse = |error: &io::Error| cannot_write(path, error);
    let place = fs::canonicalize(path).map_err(|e| refuse(&e))?;
    let permissions = fs::metadata(&place).map_err(|e| refuse(&e))?.permissions();
    // What its owner may not write is not written beside it either.
    if permissions.readonly() {
        return Err(refuse(&io::ErrorKind::PermissionDenied.into()));
    }
    let mut temporary = temporary_in(&parent(&place)).map_err(|e| refuse(&e))?;
    temporary
        .write_all(text.as_bytes())
        .and_then(|()| temporary.as_file().sync_all())
        .map_err(|e| refuse(&e))?;
    fs::set_permissions(temporary.path(), permissions).map_err(|e| refuse(&e))?;
    temporary.persist(&place).map_err(|e| refuse(&e.error))?;
    Ok(())
}

/// Writes a directory whole. A directory that Palisade wrote before is replaced; any other that is
/// not empty is left alone.
pub(crate) fn directory(path: &Path, files: &[(String, String)]) -> Result<(), Failure> {
    let refuse = |error: &io::Error| cannot_write(path, error);
    replaceable(path)?;
    // A link stays a link: what it leads to is replaced.
    let place = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let parent = parent(place);
    fs::create_dir_all(&parent).map_err(|e| refuse(&e))?;
    sweep(&parent);
    let temporary = Builder::new()
        .prefix(TEMPORARY)
        .tempdir_in(&parent)
        .map_err(|e| refuse(&e))?;
    for (name, text) in files {
        write_below(temporary.path(), name, text).map_err(|e| refuse(&e))?;
    }
    let mut list = String::from("# Written by Palisade; the directory is replaced as a whole.\n");
    for (name, _) in files {
        list.push_str(name);
        list.push('\n');
    }
    write_below(temporary.path(), MARKER, &list).map_err(|e| refuse(&e))?;
    readable_directory(temporary.path()).map_err(|e| refuse(&e))?;
    swap(temporary, place).map_err(|e| refuse(&e))
}

/// Standard output that remembers when a result could not be written.
pub(crate) struct Results<W> {
    inner: W,
    failed: Option<io::Error>,
}

impl<W: Write> Results<W> {
    pub(crate) fn new(inner: W) -> Self {
        Self {
            inner,
            failed: None,
        }
    }

    /// Why a result could not be written. A reader that has gone away is no failure of ours.
    pub(crate) fn failure(mut self) -> Option<io::Error> {
        let _ = self.flush();
        self.failed
            .filter(|error| error.kind() != io::ErrorKind::BrokenPipe)
    }

    fn note<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &result {
            let again = io::Error::new(error.kind(), error.to_string());
            self.failed.get_or_insert(again);
        }
        result
    }
}

impl<W: Write> Write for Results<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes);
        self.note(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.inner.flush();
        self.note(flushed)
    }
}

/// Puts the new directory in the place of the old one; the old one returns if that fails.
fn swap(new: TempDir, path: &Path) -> io::Result<()> {
    if !path.exists() {
        fs::rename(new.path(), path)?;
        let _ = new.keep();
        return Ok(());
    }
    let old = Builder::new().prefix(ASIDE).tempdir_in(parent(path))?;
    let aside = old.path().join("old");
    fs::rename(path, &aside)?;
    if let Err(error) = fs::rename(new.path(), path) {
        fs::rename(&aside, path)?;
        return Err(error);
    }
    let _ = new.keep();
    Ok(())
}

fn replaceable(path: &Path) -> Result<(), Failure> {
    let found = match below(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(cannot_write(path, &error)),
    };
    let list = fs::read_to_string(path.join(MARKER)).unwrap_or_default();
    let ours = |name: &str| name == MARKER || list.lines().any(|line| line == name);
    match found.iter().find(|name| !ours(name)) {
        None => Ok(()),
        Some(other) => Err(Failure::usage(
            Diagnostic::error(
                "PAL0506",
                format!(
                    "`{}` holds files that Palisade did not write",
                    path.display()
                ),
            )
            .note(format!("for example `{other}`"))
            .note("the output directory is replaced as a whole, so nothing stale stays in it")
            .help("give a directory that does not exist yet, or an empty one"),
        )),
    }
}

/// The files below a directory, by their relative names.
fn below(root: &Path) -> io::Result<Vec<String>> {
    let mut out = Vec::new();
    let mut stack = vec![root.to_owned()];
    while let Some(directory) = stack.pop() {
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            if path.is_dir() && !path.is_symlink() {
                stack.push(path);
            } else {
                let relative = path.strip_prefix(root).unwrap_or(&path);
                out.push(relative.display().to_string());
            }
        }
    }
    out.sort();
    Ok(out)
}

fn write_below(root: &Path, name: &str, text: &str) -> io::Result<()> {
    let relative = Path::new(name);
    let safe = relative
        .components()
        .all(|c| matches!(c, Component::Normal(_)));
    if !safe {
        return Err(io::Error::other(format!("unsafe file name {name:?}")));
    }
    let path = root.join(relative);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(path, text)
}

fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::environment(
        Diagnostic::error("PAL0505", format!("cannot write `{}`", path.display()))
            .note(error.to_string())
            .note("nothing was changed")
            .help("check that the directory exists, is writable, and has space"),
    )
}

/// Temporary files are private; results are not.
#[cfg(unix)]
fn readable(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644))
}

#[cfg(unix)]
fn readable_directory(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn readable(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(not(unix))]
fn readable_directory(_: &Path) -> io::Result<()> {
    Ok(())
}

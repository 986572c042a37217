//! Writes files whole or not at all: into a temporary place beside the target, then rename.

use crate::exit::Failure;
use palisade_diagnostics::Diagnostic;
use std::fs;
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};
use tempfile::{Builder, NamedTempFile, TempDir};

/// The file that marks a directory as written by Palisade, so that it may be replaced.
const MARKER: &str = ".palisade";

/// Writes one file whole.
pub(crate) fn file(path: &Path, text: &str) -> Result<(), Failure> {
    let refuse = |error: &io::Error| cannot_write(path, error);
    let parent = parent(path);
    fs::create_dir_all(&parent).map_err(|e| refuse(&e))?;
    let mut temporary = NamedTempFile::new_in(&parent).map_err(|e| refuse(&e))?;
    temporary
        .write_all(text.as_bytes())
        .and_then(|()| temporary.as_file().sync_all())
        .map_err(|e| refuse(&e))?;
    readable(temporary.path()).map_err(|e| refuse(&e))?;
    temporary.persist(path).map_err(|e| refuse(&e.error))?;
    Ok(())
}

/// Writes a directory whole. A directory that Palisade wrote before is replaced; any other that is
/// not empty is left alone.
pub(crate) fn directory(path: &Path, files: &[(String, String)]) -> Result<(), Failure> {
    let refuse = |error: &io::Error| cannot_write(path, error);
    replaceable(path)?;
    let parent = parent(path);
    fs::create_dir_all(&parent).map_err(|e| refuse(&e))?;
    let temporary = Builder::new()
        .prefix(".palisade-")
        .tempdir_in(&parent)
        .map_err(|e| refuse(&e))?;
    for (name, text) in files {
        write_below(temporary.path(), name, text).map_err(|e| refuse(&e))?;
    }
    write_below(
        temporary.path(),
        MARKER,
        "This directory is written by `palisade compile` and is replaced as a whole.\n",
    )
    .map_err(|e| refuse(&e))?;
    readable_directory(temporary.path()).map_err(|e| refuse(&e))?;
    swap(temporary, path).map_err(|e| refuse(&e))
}

/// Puts the new directory in the place of the old one; the old one returns if that fails.
fn swap(new: TempDir, path: &Path) -> io::Result<()> {
    if !path.exists() {
        fs::rename(new.path(), path)?;
        let _ = new.keep();
        return Ok(());
    }
    let old = Builder::new()
        .prefix(".palisade-old-")
        .tempdir_in(parent(path))?;
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
    let entries = match fs::read_dir(path) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(cannot_write(path, &error)),
    };
    if !entries || path.join(MARKER).is_file() {
        return Ok(());
    }
    Err(Failure::usage(
        Diagnostic::error(
            "PAL0506",
            format!(
                "`{}` holds files that Palisade did not write",
                path.display()
            ),
        )
        .note("the output directory is replaced as a whole, so nothing stale stays in it")
        .help("give a directory that does not exist yet, or an empty one"),
    ))
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

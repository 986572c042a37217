//! Manifests of a git revision, read through the `git` program: `REV:PATH`.

use crate::exit::Failure;
use crate::input::Reader;
use palisade_diagnostics::{Diagnostic, FileId};
use std::ffi::OsStr;
use std::io::{self, Write};
use std::process::{Command, Output, Stdio};

/// A word that means a revision: no path of that name exists, and it has a colon.
pub(crate) fn revision(word: &OsStr) -> Option<(&str, &str)> {
    if std::path::Path::new(word).exists() {
        return None;
    }
    let (revision, path) = word.to_str()?.split_once(':')?;
    (!revision.is_empty() && !revision.starts_with('-')).then_some((revision, path))
}

/// Reads the manifests below a path as they were in a revision; of a project directory, its manifests/.
pub(crate) fn read(
    reader: &mut Reader,
    revision: &str,
    path: &str,
) -> Result<Vec<FileId>, Failure> {
    let commit = format!("{revision}^{{commit}}");
    let known = git(
        &[
            "rev-parse",
            "--verify",
            "--quiet",
            "--end-of-options",
            &commit,
        ],
        b"",
    )?;
    if !known.status.success() {
        return Err(problem(
            &known,
            &format!("git does not know the revision `{revision}`"),
        ));
    }
    let path = if path.is_empty() { "." } else { path };
    let inside = format!("{}/manifests", path.trim_end_matches('/'));
    let mut files = list(revision, &inside)?;
    if files.is_empty() {
        files = list(revision, path)?;
    }
    if files.is_empty() {
        return Err(Failure::environment(
            Diagnostic::error(
                "PAL0521",
                format!("no manifests in `{path}` of revision `{revision}`"),
            )
            .help("give REVISION:PATH with a path from where you are, for example main:k8s"),
        ));
    }
    let names: String = files.iter().map(|(hash, _)| format!("{hash}\n")).collect();
    let blobs = git(&["cat-file", "--batch"], names.as_bytes())?;
    if !blobs.status.success() {
        return Err(problem(&blobs, "git cannot read the revision"));
    }
    Ok(texts(reader, revision, &files, &blobs.stdout))
}

/// Hash and path of each manifest, by path.
fn list(revision: &str, path: &str) -> Result<Vec<(String, String)>, Failure> {
    let listed = git(
        &["ls-tree", "-r", "-z", "--end-of-options", revision, path],
        b"",
    )?;
    let text = String::from_utf8_lossy(&listed.stdout);
    let mut files: Vec<(String, String)> = text
        .split('\0')
        .filter_map(|line| {
            let (head, path) = line.split_once('\t')?;
            let mut words = head.split(' ');
            let (_, kind, hash) = (words.next()?, words.next()?, words.next()?);
            let hidden = path
                .split('/')
                .any(|part| part.starts_with('.') && part.len() > 1);
            let manifest = crate::input::is_manifest(path.as_ref());
            (kind == "blob" && manifest && !hidden).then(|| (hash.to_owned(), path.to_owned()))
        })
        .collect();
    files.sort_by(|a, b| a.1.cmp(&b.1));
    Ok(files)
}

/// The contents in the form of `git cat-file --batch`: a line `hash type size`, the bytes, a line break.
fn texts(
    reader: &mut Reader,
    revision: &str,
    files: &[(String, String)],
    mut bytes: &[u8],
) -> Vec<FileId> {
    let mut out = Vec::new();
    for (_, path) in files {
        let Some(end) = bytes.iter().position(|b| *b == b'\n') else {
            break;
        };
        let head = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned();
        let size = head
            .rsplit(' ')
            .next()
            .and_then(|s| s.parse::<usize>().ok());
        let rest = bytes.get(end + 1..).unwrap_or_default();
        let Some(content) = size.and_then(|size| rest.get(..size)) else {
            break;
        };
        bytes = rest.get(content.len() + 1..).unwrap_or_default();
        out.extend(reader.text(&format!("{revision}:{path}"), content));
    }
    out
}

/// Runs git with bytes on its standard input.
fn git(arguments: &[&str], input: &[u8]) -> Result<Output, Failure> {
    let run = || -> io::Result<Output> {
        let mut child = Command::new("git")
            .args(arguments)
            .env("GIT_OPTIONAL_LOCKS", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let stdin = child.stdin.take();
        std::thread::scope(|scope| {
            // Both pipes may fill up at the same time.
            scope.spawn(move || stdin.map(|mut pipe| pipe.write_all(input)));
            child.wait_with_output()
        })
    };
    run().map_err(|error| {
        Failure::environment(
            Diagnostic::error("PAL0520", "the program `git` cannot be run")
                .note(error.to_string())
                .help("install git, or compare two directories"),
        )
    })
}

/// What git says went wrong.
fn problem(output: &Output, title: &str) -> Failure {
    let said = String::from_utf8_lossy(&output.stderr);
    let mut diagnostic = Diagnostic::error("PAL0521", title);
    if let Some(line) = said.lines().next() {
        diagnostic = diagnostic.note(line.to_owned());
    }
    Failure::environment(
        diagnostic.help("`git log` and `git tag` show what there is; run inside the repository"),
    )
}

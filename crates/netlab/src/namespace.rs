//! A network namespace without a name, held by a file descriptor.

use crate::error::{Doing, Result};
use nix::sched::{CloneFlags, setns, unshare};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::panic::resume_unwind;
use std::process::{Command, Output, Stdio};
use std::thread;

/// The namespace of the thread that asks.
const OWN: &str = "/proc/thread-self/ns/net";

/// A network namespace. It lives as long as this value or a socket in it.
#[derive(Debug)]
pub struct Namespace {
    file: File,
}

impl Namespace {
    /// A new namespace, which the calling thread enters: for threads that end with their job.
    pub(crate) fn create_and_enter() -> Result<Self> {
        unshare(CloneFlags::CLONE_NEWNET).doing(|| "creating a network namespace".into())?;
        let file = File::open(OWN).doing(|| format!("opening {OWN}"))?;
        Ok(Self { file })
    }

    /// Moves the calling thread in: for threads that end with their job.
    pub(crate) fn enter(&self) -> Result<()> {
        setns(&self.file, CloneFlags::CLONE_NEWNET).doing(|| "entering a network namespace".into())
    }

    /// Runs a job inside, on a thread of its own. Sockets that it opens stay inside; processes that
    /// it starts begin inside.
    ///
    /// # Errors
    /// If the namespace cannot be entered.
    pub fn run<T: Send>(&self, job: impl FnOnce() -> T + Send) -> Result<T> {
        thread::scope(|scope| {
            let inside = scope.spawn(|| self.enter().map(|()| job()));
            inside.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }

    /// Runs a program inside, with a text as its standard input.
    ///
    /// # Errors
    /// If the program cannot be started. What it answers is the caller's to judge.
    pub fn command(&self, command: &mut Command, input: &str) -> Result<Output> {
        let name = command.get_program().to_string_lossy().into_owned();
        self.run(|| talk(command, input))?
            .doing(|| format!("running {name}"))
    }

    /// The number by which the kernel knows the namespace (`net:[4026531833]`).
    ///
    /// # Errors
    /// If the descriptor cannot be looked at.
    pub fn inode(&self) -> Result<u64> {
        let data = self.file.metadata();
        data.map(|data| data.ino())
            .doing(|| "looking at a network namespace".into())
    }

    /// The descriptor.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Starts a program, feeds it and waits for its answer.
fn talk(command: &mut Command, input: &str) -> io::Result<Output> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let stdin = child.stdin.take();
    thread::scope(|scope| {
        // On a thread of its own: a program may answer before it has read everything. One that ends early
        // says why in its answer, so a broken pipe is nobody's business.
        scope.spawn(move || stdin.map(|mut pipe| pipe.write_all(input.as_bytes())));
        child.wait_with_output()
    })
}

/// Sets a variable below `/proc/sys/net` of the calling thread's namespace.
pub(crate) fn sysctl(name: &str, value: &str) -> Result<()> {
    let path = format!("/proc/sys/net/{name}");
    fs::write(&path, value).doing(|| format!("writing {value} to {path}"))
}

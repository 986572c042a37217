//! Runs the built binary.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// What a run printed and how it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// Runs `palisade` with arguments in a directory.
pub(crate) fn palisade(directory: &Path, arguments: &[&str]) -> Ended {
    let output = command(directory, arguments).output().unwrap();
    ended(&output)
}

/// The same with `KUBECONFIG`.
pub(crate) fn palisade_at(directory: &Path, kubeconfig: &Path, arguments: &[&str]) -> Ended {
    palisade_with(
        directory,
        &[("KUBECONFIG", kubeconfig.to_str().unwrap())],
        arguments,
    )
}

/// The same with these variables.
pub(crate) fn palisade_with(
    directory: &Path,
    variables: &[(&str, &str)],
    arguments: &[&str],
) -> Ended {
    let mut command = command(directory, arguments);
    command.envs(variables.iter().copied());
    ended(&command.output().unwrap())
}

/// The same within 2 GiB of address space and 60 seconds, for input that wants more.
pub(crate) fn bounded(directory: &Path, arguments: &[&str]) -> Ended {
    let script = "ulimit -v 2097152 && exec timeout 60 \"$0\" \"$@\"";
    let output = Command::new("sh")
        .current_dir(directory)
        .args(["-c", script, env!("CARGO_BIN_EXE_palisade")])
        .args(arguments)
        .output()
        .unwrap();
    ended(&output)
}

/// The same with text on standard input.
pub(crate) fn palisade_with_input(directory: &Path, arguments: &[&str], input: &[u8]) -> Ended {
    let mut child = command(directory, arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // The program may end before it has read everything.
    let writer = std::thread::spawn(move || {
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    ended(&output)
}

fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_palisade"));
    command
        .current_dir(directory)
        .args(arguments)
        .env_remove("NO_COLOR");
    command
}

fn ended(output: &Output) -> Ended {
    Ended {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

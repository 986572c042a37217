//! Processes of this machine, as `/proc` shows them: that something ends with what started it.

use std::fs;

/// Whether a process runs; one that has ended and that nobody has waited for does not.
#[must_use]
pub fn runs(id: u32) -> bool {
    status(id).is_some_and(|(state, _)| state != "Z")
}

/// The processes that another one has started.
#[must_use]
pub fn children(parent: u32) -> Vec<u32> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = all.filter_map(|entry| entry.file_name().to_string_lossy().parse().ok());
    ids.filter(|id| status(*id).is_some_and(|(_, started_by)| started_by == parent))
        .collect()
}

/// State and parent of a process, if there is one. Its name may contain anything, also brackets.
fn status(id: u32) -> Option<(String, u32)> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    let mut words = rest.split_whitespace();
    Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_process_runs_until_it_is_killed() {
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let id = child.id();
        assert!(runs(id));
        assert!(children(std::process::id()).contains(&id));
        assert!(!children(id).contains(&id));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!runs(id));
        assert!(!children(std::process::id()).contains(&id));
    }
}

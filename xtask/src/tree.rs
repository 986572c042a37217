//! The files of the repository, read once, for the rules that look at text.

use std::fs;
use std::path::{Path, PathBuf};

/// A text file, its path relative to the root with `/` between the parts.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// The lines before the tests, numbered from 1. By the house style a file ends with its tests, or
    /// names a file of tests; files of tests alone have none.
    pub(crate) fn product_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let tests = ["/tests/", "/benches/", "/tests.rs", "_tests.rs"];
        let lines: Vec<&str> = self.text.lines().collect();
        let of_file = |line: &str| line.starts_with("mod ") && line.ends_with(';');
        let inline = lines
            .windows(2)
            .position(|two| two[0].trim_end() == "#[cfg(test)]" && !of_file(two[1]));
        let count = if tests.iter().any(|part| self.path.contains(part)) {
            0
        } else {
            inline.unwrap_or(lines.len())
        };
        (1..).zip(lines).take(count)
    }
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap().to_path_buf()
}

/// Every text file that belongs to the repository, by path.
pub(crate) fn files() -> Vec<File> {
    let mut files = Vec::new();
    collect(&root(), "", &mut files);
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

fn collect(directory: &Path, prefix: &str, files: &mut Vec<File>) {
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = format!("{prefix}{name}");
        let generated = ["target", "node_modules", "__pycache__", ".git"];
        if generated.contains(&name.as_str()) {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            collect(&entry.path(), &format!("{path}/"), files);
        } else if let Ok(text) = fs::read_to_string(entry.path()) {
            files.push(File { path, text });
        }
    }
}

/// Fails with every line of `found`, if there is one.
#[track_caller]
pub(crate) fn assert_none(found: &[String]) {
    assert!(
        found.is_empty(),
        "\n{}\n{} to repair",
        found.join("\n"),
        found.len()
    );
}

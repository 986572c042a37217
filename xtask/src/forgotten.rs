//! One feature is one file and one line in a list: no file that the list does not name, and no
//! source file that no `mod` reaches, because the compiler says nothing about either.

use std::collections::BTreeSet;

use crate::tree::{File, assert_none, files};

/// Directories of features, the names of their lists in `mod.rs`, and what a feature's file defines
/// (other files there are helpers).
const LISTS: [(&str, &str, &str); 7] = [
    ("crates/resources/src/kinds/", "KINDS", "const KIND:"),
    ("crates/diagnostics/src/render/", "FORMATS", "const FORMAT:"),
    (
        "crates/diagnostics/src/render/",
        "PICTURES",
        "const PICTURE:",
    ),
    ("crates/compile/src/targets/", "TARGETS", "const TARGET:"),
    ("crates/verify/src/lints/", "LINTS", "const LINT:"),
    ("crates/cli/src/commands/", "Command", "struct Arguments"),
    ("crates/agent/src/commands/", "Command", "struct Arguments"),
];

/// The features of a directory that its list does not name as `stem::…`.
fn unlisted(files: &[File], (directory, list, mark): (&str, &str, &str)) -> Vec<String> {
    let home = format!("{directory}mod.rs");
    let inside = files
        .iter()
        .filter(|file| file.path.starts_with(directory) && file.path != home);
    let features: BTreeSet<&str> = inside
        .filter(|file| file.text.contains(mark))
        .filter_map(|file| {
            let first = file.path.strip_prefix(directory)?.split('/').next()?;
            Some(first.trim_end_matches(".rs"))
        })
        .collect();
    let Some(text) = files.iter().find(|file| file.path == home) else {
        return Vec::new();
    };
    let Some(entries) = entries(&text.text, list) else {
        return vec![format!("{home}: no list {list}")];
    };
    if features.is_empty() {
        return vec![format!("{directory}: no file defines `{mark}`")];
    }
    let missing = features.iter().filter(|name| !names(entries, name));
    missing
        .map(|name| format!("{home}: {list} does not name {name}"))
        .collect()
}

/// The text of the constant `NAME: … = …;` or of the `enum NAME { … }`.
fn entries<'a>(text: &'a str, list: &str) -> Option<&'a str> {
    if let Some((_, rest)) = text.split_once(&format!(" {list}: ")) {
        return rest.split_once('=')?.1.split(';').next();
    }
    let (_, rest) = text.split_once(&format!("enum {list} {{"))?;
    rest.split('}').next()
}

/// Whether `entries` uses the module `name`.
fn names(entries: &str, name: &str) -> bool {
    let path = format!("{name}::");
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    entries
        .match_indices(&path)
        .any(|(at, _)| !entries[..at].ends_with(is_word))
}

/// The source files of `crates/*/src` that no chain of `mod` lines from a root reaches.
fn unreachable(files: &[File]) -> Vec<String> {
    let sources: Vec<&File> = files
        .iter()
        .filter(|file| file.is_rust() && file.path.contains("/src/"))
        .collect();
    let find = |path: &str| sources.iter().find(|file| file.path == path).copied();
    let is_root = |file: &&File| {
        let (_, inner) = file.path.split_once("/src/").unwrap();
        inner == "lib.rs" || inner == "main.rs" || inner.starts_with("bin/")
    };
    let mut reached: BTreeSet<&str> = BTreeSet::new();
    let mut queue: Vec<&File> = sources.iter().copied().filter(is_root).collect();
    while let Some(file) = queue.pop() {
        if !reached.insert(&file.path) {
            continue;
        }
        let (directory, name) = file.path.rsplit_once('/').unwrap();
        let home = match name {
            "lib.rs" | "main.rs" | "mod.rs" => directory.to_owned(),
            _ => file.path.trim_end_matches(".rs").to_owned(),
        };
        for module in modules(&file.text) {
            let flat = find(&format!("{home}/{module}.rs"));
            queue.extend(flat.or_else(|| find(&format!("{home}/{module}/mod.rs"))));
        }
    }
    let missing = sources.iter().filter(|file| !reached.contains(&*file.path));
    missing
        .map(|file| format!("{}: no `mod` line reaches it", file.path))
        .collect()
}

/// The names of `mod name;` lines.
fn modules(text: &str) -> Vec<&str> {
    let lines = text.lines().map(str::trim);
    lines
        .filter_map(|line| {
            let (before, name) = line.strip_suffix(';')?.rsplit_once("mod ")?;
            let visible = before.is_empty() || before.starts_with("pub");
            visible.then_some(name)
        })
        .collect()
}

#[test]
fn every_feature_is_in_its_list() {
    let files = files();
    let found = LISTS.iter().flat_map(|list| unlisted(&files, *list));
    assert_none(&found.collect::<Vec<_>>());
}

#[test]
fn every_source_file_is_compiled() {
    assert_none(&unreachable(&files()));
}

#[test]
fn a_forgotten_file_is_found() {
    let kinds = "mod pod;\npub const KINDS: &[Kind] = &[pod::KIND];\n";
    let files = [
        File::new("a/src/kinds/mod.rs", kinds),
        File::new("a/src/kinds/pod.rs", "const KIND: Kind"),
        File::new("a/src/kinds/od.rs", "const KIND: Kind"),
        File::new("a/src/kinds/helper.rs", ""),
        File::new("a/src/lib.rs", "pub mod kinds;\n"),
    ];
    assert_eq!(
        unlisted(&files, ("a/src/kinds/", "KINDS", "const KIND:")),
        ["a/src/kinds/mod.rs: KINDS does not name od"]
    );
    assert_eq!(
        unlisted(&files, ("a/src/kinds/", "KINDS", "const SORT:")),
        ["a/src/kinds/: no file defines `const SORT:`"]
    );
    assert_none(&unlisted(&files, ("b/src/", "KINDS", "const KIND:")));
    assert_eq!(
        unreachable(&files),
        [
            "a/src/kinds/od.rs: no `mod` line reaches it",
            "a/src/kinds/helper.rs: no `mod` line reaches it",
        ]
    );
}

#[test]
fn a_forgotten_command_is_found() {
    let text = "mod fmt;\nenum Command {\n    Fmt(fmt::Arguments),\n}\nfn f() { old::run() }\n";
    let files = [
        File::new("c/mod.rs", text),
        File::new("c/fmt.rs", "struct Arguments"),
        File::new("c/old.rs", "struct Arguments"),
    ];
    assert_eq!(
        unlisted(&files, ("c/", "Command", "struct Arguments")),
        ["c/mod.rs: Command does not name old"]
    );
}

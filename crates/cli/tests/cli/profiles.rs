//! `docs/profiles.md` is true: every console block shows what its command prints. `...` stands for lines that are
//! left out.
//!
//! With `PALISADE_UPDATE=1` the blocks are written instead of compared.

use crate::run::{palisade, root};
use std::fs;

/// What a block shows of an output: for `explain` the comparison alone.
fn shown(command: &str, out: &str) -> String {
    let part = match command.split_whitespace().nth(1) {
        Some("explain") => out.split("\n\n").find(|p| p.starts_with("Declared")),
        Some("list") => out.split("\n\n").find(|p| p.starts_with("Effective")),
        _ => return out.trim_end().to_owned(),
    };
    let part = part.unwrap_or("nothing is compared");
    format!("...\n{part}\n...")
}

#[test]
fn the_page_of_profiles_shows_what_is_printed() {
    let path = root().join("docs/profiles.md");
    let page = fs::read_to_string(&path).unwrap();
    let mut written = String::new();
    let mut rest = page.as_str();
    let mut blocks = 0;
    while let Some((before, after)) = rest.split_once("```console\n$ ") {
        let (block, after) = after.split_once("```\n").unwrap();
        let (line, _) = block.split_once('\n').unwrap();
        let command = line.split(" #").next().unwrap();
        let words: Vec<&str> = command.split_whitespace().skip(1).collect();
        let ended = palisade(&root(), &words);
        let text = shown(command, &ended.out);
        written += &format!("{before}```console\n$ {line}\n{text}\n```\n");
        rest = after;
        blocks += 1;
    }
    written += rest;
    assert!(blocks >= 6);
    if std::env::var_os("PALISADE_UPDATE").is_some() {
        fs::write(&path, written).unwrap();
    } else {
        assert_eq!(page, written, "write it again with PALISADE_UPDATE=1");
    }
}

/// The answer is for the first profile; a wrong name is told, and the other way to name the plugin refused beside it.
#[test]
fn the_first_profile_decides() {
    let explain = |more: &[&str]| {
        let base = ["explain", "shop/web", "shop/db", "5432", "docs/profiles"];
        palisade(&root(), &[&base, more].concat())
    };
    assert_eq!(explain(&[]).code, 1);
    assert_eq!(
        explain(&["--profile", "calico", "--profile", "cilium"]).code,
        0
    );
    assert_eq!(
        explain(&["--profile", "cilium", "--profile", "calico"]).code,
        1
    );
    assert_eq!(explain(&["--profile", "all"]).code, 1);
    let wrong = explain(&["--profile", "calcio"]);
    assert_eq!(wrong.code, 2);
    assert!(
        wrong.err.contains("did you mean `calico`?"),
        "{}",
        wrong.err
    );
    assert_eq!(explain(&["--profile", "calico", "--cni", "calico"]).code, 2);
}

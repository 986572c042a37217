//! Mutilated matrices: whatever the text, an answer and no panic.

use crate::{SHOP, examples};
use palisade_diagnostics::FileId;
use palisade_matrix::{Choice, format, parse, resolutions, resolve};
use proptest::prelude::*;

fn survive(text: &str) {
    let parsed = parse(FileId(0), text);
    if let Some(matrix) = parsed.matrix {
        for choice in resolutions(&matrix).choices.iter().take(4) {
            let _ = resolve(&matrix, choice);
        }
        let odd = Choice {
            platform: Some("nowhere".to_owned()),
            toggles: [("nothing".to_owned(), true)].into(),
            parameters: [("databasePort".to_owned(), "0".to_owned())].into(),
            cni: Some("none".to_owned()),
        };
        let _ = resolve(&matrix, &odd);
    }
    let _ = format(FileId(0), text);
}

/// Puts pieces of YAML and of the language where they do not belong.
fn mutilated(text: &str, edits: &[(usize, usize, usize)]) -> String {
    const PIECES: [&str; 16] = [
        "",
        "null",
        "{}",
        "[]",
        "${",
        "${namespace}",
        "\"",
        "- ",
        ": ",
        "&a *a",
        "65536",
        "-1",
        "\t",
        "é",
        "when: {not: {not: {toggle: x}}}",
        "\n---\n",
    ];
    let mut chars: Vec<char> = text.chars().collect();
    for (at, cut, piece) in edits {
        let start = at % (chars.len() + 1);
        let end = (start + cut).min(chars.len());
        chars.splice(start..end, PIECES[piece % PIECES.len()].chars());
    }
    chars.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn mutilated_shop(edits in proptest::collection::vec((any::<usize>(), 0_usize..30, any::<usize>()), 1..6)) {
        survive(&mutilated(SHOP, &edits));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn mutilated_examples(edits in proptest::collection::vec((any::<usize>(), 0_usize..60, any::<usize>()), 1..4)) {
        for text in examples().values() {
            survive(&mutilated(text, &edits));
        }
    }
}

#[test]
fn every_prefix_of_a_matrix() {
    for (end, _) in SHOP.char_indices().step_by(7) {
        survive(&SHOP[..end]);
    }
}

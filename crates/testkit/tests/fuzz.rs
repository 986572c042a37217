//! The hunt finds what it is made to find, by its seed, and makes it short.

#![cfg(test)]

use palisade_testkit::fuzz::{Failure, Hunt};

/// Three steps deep: no single change of the corpus gets there.
fn deep(input: &[u8]) -> Result<u64, String> {
    let holds = |word: &str| input.windows(word.len()).any(|w| w == word.as_bytes());
    let steps = ["ports:", "[]", "\u{e9}"]
        .iter()
        .take_while(|word| holds(word))
        .count();
    assert!(steps < 3 || holds("x"), "three steps");
    Ok(steps as u64)
}

fn found(seed: u64) -> (u64, Failure) {
    let corpus = vec![b"kind: x\nspec: {}\n".to_vec(), b"ports: 1\n".to_vec()];
    let mut hunt = Hunt::new(deep, corpus, &["[]", "\u{e9}"], seed);
    loop {
        let input = hunt.input();
        if let Err(failure) = hunt.attempt(input) {
            return (hunt.cases, failure);
        }
        assert!(hunt.cases < 1_000_000, "nothing found");
    }
}

#[test]
fn a_fault_is_found_made_short_and_found_again_by_its_seed() {
    let (cases, failure) = found(1);
    assert_eq!(failure.message, "panic: three steps");
    // Nine bytes are needed: the words and nothing else.
    assert_eq!(failure.input.len(), "ports:[]\u{e9}".len(), "{failure:?}");
    assert_eq!(found(1), (cases, failure));
    assert_ne!(found(2).0, cases);
}

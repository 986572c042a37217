//! The examples of the repository: sound in every variant, and the listed variants are all there are.

use crate::{errors, examples, good};
use palisade_matrix::{resolutions, resolve};
use std::collections::BTreeSet;

#[test]
fn every_variant_of_every_example_resolves() {
    for (path, text) in examples() {
        let matrix = good(&text);
        for choice in resolutions(&matrix).choices {
            let (intent, diagnostics) = resolve(&matrix, &choice);
            assert_eq!(
                errors(&diagnostics),
                Vec::<String>::new(),
                "{path} {choice:?}"
            );
            let declared: BTreeSet<&str> =
                intent.components.iter().map(|c| c.name.as_str()).collect();
            for grant in &intent.grants {
                assert!(!grant.reason.is_empty(), "{path}: {}", grant.id);
                for party in [&grant.from, &grant.to] {
                    let known = party
                        .component
                        .as_deref()
                        .is_none_or(|c| declared.contains(c));
                    assert!(known, "{path}: {} names an absent component", grant.id);
                }
            }
        }
    }
}

#[test]
fn variants_are_distinct_and_complete() {
    for (path, text) in examples() {
        let matrix = good(&text);
        let found = resolutions(&matrix);
        let toggles = u32::try_from(matrix.toggles.len()).expect("few toggles");
        let mut all = BTreeSet::new();
        for choice in found.choices.iter().filter(|c| !c.toggles.is_empty()) {
            assert!(
                all.insert((choice.platform.clone(), choice.toggles.clone())),
                "{path}: twice"
            );
        }
        if found.exhaustive && toggles > 0 {
            let platforms = matrix.platforms.len().max(1);
            assert_eq!(all.len(), platforms * 2_usize.pow(toggles), "{path}");
        }
    }
}

//! Whose rules a kernel does not take, when it does not take all of them together.

use palisade_nftables::Ruleset;
use std::collections::BTreeSet;

/// The chains without which a ruleset is accepted, found by trying halves: about as many tries as there are such
/// chains, times the logarithm of all. `None` if not even a ruleset that closes everything is accepted.
pub fn culprits(
    ruleset: &Ruleset,
    accepts: &mut dyn FnMut(&Ruleset) -> bool,
) -> Option<BTreeSet<String>> {
    let mut closed = ruleset.heads();
    if !accepts(&ruleset.closing(&closed)) {
        return None;
    }
    let all: Vec<String> = closed.iter().cloned().collect();
    let mut parts = vec![all.as_slice()];
    while let Some(part) = parts.pop() {
        let mut fewer = closed.clone();
        for head in part {
            fewer.remove(head);
        }
        if accepts(&ruleset.closing(&fewer)) {
            closed = fewer;
        } else if part.len() > 1 {
            let (first, second) = part.split_at(part.len() / 2);
            parts.extend([second, first]);
        }
    }
    Some(closed)
}

#[cfg(test)]
mod tests {
    use super::culprits;
    use palisade_nftables::{Chain, Family, Map, Rule, Ruleset, Verdict};
    use std::collections::BTreeSet;

    /// A ruleset in which each of some addresses leads to a chain of its own.
    fn ruleset(count: u8) -> Ruleset {
        let mut ruleset = Ruleset::default();
        let mut map = Map {
            family: Family::V4,
            elements: Default::default(),
        };
        for number in 0..count {
            let name = format!("ingress_{number}");
            map.elements.insert([10, 0, 0, number].into(), name.clone());
            let rules = vec![Rule::new(vec![], Verdict::Return)];
            let chain = Chain::new(Family::V4, "", rules);
            ruleset.chains.insert(name, chain);
        }
        ruleset.maps.insert("ingress4".to_owned(), map);
        ruleset
    }

    #[test]
    fn exactly_those_that_are_refused_are_closed() {
        for count in 1..40 {
            let ruleset = ruleset(count);
            for step in 1..=count {
                let bad: BTreeSet<String> = (0..count)
                    .step_by(usize::from(step))
                    .map(|n| format!("ingress_{n}"))
                    .collect();
                let mut tries = 0;
                let mut accepts = |r: &Ruleset| {
                    tries += 1;
                    !r.chains.keys().any(|name| bad.contains(name))
                };
                assert_eq!(culprits(&ruleset, &mut accepts), Some(bad.clone()));
                let most = 2 + 2 * bad.len() * 8;
                assert!(tries <= most, "{tries} tries for {} of {count}", bad.len());
            }
        }
    }

    #[test]
    fn what_is_too_much_together_is_closed_in_part() {
        let ruleset = ruleset(20);
        let mut accepts = |r: &Ruleset| r.chains.len() <= 13;
        let closed = culprits(&ruleset, &mut accepts).unwrap();
        assert_eq!(closed.len(), 7);
        assert!(accepts(&ruleset.closing(&closed)));
    }

    #[test]
    fn a_kernel_that_takes_nothing_names_nobody() {
        assert_eq!(culprits(&ruleset(3), &mut |_| false), None);
    }
}

//! Whether a value of a rule matches: yes, no, or it depends; and what strings and blocks of addresses
//! match, for proxies and for ztunnel (`istio.io, AuthorizationPolicy`).

use ipnet::IpNet;
use std::net::IpAddr;

/// Does something match? `None`: it depends on the request, or on an address that is not known.
pub(super) type Match = Option<bool>;

pub(super) fn and(a: Match, b: Match) -> Match {
    if a == Some(false) || b == Some(false) {
        Some(false)
    } else if a == Some(true) && b == Some(true) {
        Some(true)
    } else {
        None
    }
}

pub(super) fn or(a: Match, b: Match) -> Match {
    and(a.map(|x| !x), b.map(|x| !x)).map(|x| !x)
}

/// One of the values; no values restrict nothing.
pub(super) fn listed(values: &[String], test: impl Fn(&str) -> Match) -> Match {
    if values.is_empty() {
        return Some(true);
    }
    values.iter().map(|v| test(v)).fold(Some(false), or)
}

/// None of the values.
pub(super) fn unlisted(values: &[String], test: impl Fn(&str) -> Match) -> Match {
    let hit = values.iter().map(|v| test(v)).fold(Some(false), or);
    hit.map(|x| !x)
}

pub(super) fn any_in(addresses: &[IpAddr], block: &str) -> Match {
    if addresses.is_empty() {
        return None;
    }
    Some(addresses.iter().any(|a| lies_in(a, block)))
}

/// `ipBlocks`: CIDRs or single addresses. What is neither contains nothing.
pub(super) fn lies_in(address: &IpAddr, block: &str) -> bool {
    parse_block(block).is_some_and(|net| net.contains(address))
}

/// A CIDR, or a single address.
pub(super) fn parse_block(block: &str) -> Option<IpNet> {
    let single = || block.parse::<IpAddr>().ok().map(IpNet::from);
    block.parse().ok().or_else(single)
}

/// `*` is any non-empty string, `*suffix`, `prefix*`, else the exact string.
pub(super) fn string_matches(pattern: &str, text: &str) -> bool {
    if pattern == "*" {
        !text.is_empty()
    } else if let Some(suffix) = pattern.strip_prefix('*') {
        text.ends_with(suffix)
    } else if let Some(prefix) = pattern.strip_suffix('*') {
        text.starts_with(prefix)
    } else {
        text == pattern
    }
}

/// `*` stands for any string, anywhere in the pattern. `ends` are the prefixes of the text, by
/// length, that the pattern read so far can be.
pub(super) fn wildcard(pattern: &str, text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let mut ends = vec![false; text.len() + 1];
    if let Some(empty) = ends.first_mut() {
        *empty = true;
    }
    for p in pattern.chars() {
        let mut next = vec![false; text.len() + 1];
        let mut reached = false;
        for (length, slot) in next.iter_mut().enumerate() {
            let at = |i: usize| ends.get(i).copied().unwrap_or(false);
            reached |= at(length);
            *slot = match (p, length.checked_sub(1)) {
                ('*', _) => reached,
                (_, None) => false,
                (c, Some(before)) => at(before) && text.get(before) == Some(&c),
            };
        }
        ends = next;
    }
    ends.last().copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::{string_matches, wildcard};

    #[test]
    fn patterns() {
        assert!(wildcard("a*b*", "axxbyy") && wildcard("*", "") && wildcard("a", "a"));
        assert!(!wildcard("a*b", "axxc") && !wildcard("", "a"));
        assert!(string_matches("*/sa/x", "td/ns/n/sa/x") && string_matches("td/*", "td/ns"));
        assert!(!string_matches("*", "") && !string_matches("a*b", "axb"));
    }
}

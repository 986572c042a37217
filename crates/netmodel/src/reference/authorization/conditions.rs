//! What a rule asks of the request, in words: the part of it that the connection alone does not decide.

use super::{Request, Wire, peer_in};
use crate::reference::matching::{Match, listed, unlisted};
use crate::{AuthorizationPolicy, AuthorizationRule, Condition, Operation, Source};

/// Values, or alternatives, that are written out; the others are counted.
const SHOWN: usize = 3;

impl Request<'_> {
    /// The condition under which a rule matches, if it may.
    pub(super) fn condition_of(
        &self,
        policy: &AuthorizationPolicy,
        rule: &AuthorizationRule,
    ) -> String {
        let namespace = &policy.object.namespace;
        let sources = || rule.from.iter().map(|s| (self.source(namespace, s), s));
        let operations = || rule.to.iter().map(|o| (self.operation(o), o));
        let mut parts = Vec::new();
        // Where one of several surely matches, the others ask nothing.
        if !sources().any(|(found, _)| found == Some(true)) {
            let open = sources().filter(|(found, _)| found.is_none());
            parts.extend(either(
                &open.map(|(_, s)| self.of_source(s)).collect::<Vec<_>>(),
            ));
        }
        if !operations().any(|(found, _)| found == Some(true)) {
            let open = operations().filter(|(found, _)| found.is_none());
            parts.extend(either(
                &open.map(|(_, o)| of_operation(o)).collect::<Vec<_>>(),
            ));
        }
        let when = rule.when.iter();
        let open = when.filter(|c| self.condition(namespace, c).is_none());
        parts.extend(open.map(of_condition));
        parts.join(", and ")
    }

    fn of_source(&self, s: &Source) -> String {
        let peer = |v: &str| peer_in(self.world, self.source, v);
        let remote = |v: &str| self.remote_address(v);
        let (own, header) = (
            "the caller's address",
            "the address in the request's headers",
        );
        let seen = match self.wire {
            Wire::Http => header,
            Wire::Tcp => own,
        };
        // What is settled already is not asked.
        let open = |list, found: Match| if found.is_none() { list } else { &[][..] };
        let addresses = [
            (
                own,
                &s.ip_blocks,
                &s.not_ip_blocks,
                &peer as &dyn Fn(&str) -> Match,
            ),
            (seen, &s.remote_ip_blocks, &s.not_remote_ip_blocks, &remote),
        ];
        let mut parts: Vec<String> = addresses
            .iter()
            .flat_map(|(subject, yes, no, test)| {
                let (yes, no) = (
                    open(yes.as_slice(), listed(yes, test)),
                    open(no.as_slice(), unlisted(no, test)),
                );
                field((subject, "is in", "is not in"), yes, no)
            })
            .collect();
        parts.extend(field(
            ("its token", "is of", "is not of"),
            &s.request_principals,
            &s.not_request_principals,
        ));
        parts.join(", ")
    }
}

fn of_operation(o: &Operation) -> String {
    let fields = [
        ("its method", &o.methods, &o.not_methods),
        ("its path", &o.paths, &o.not_paths),
        ("its host", &o.hosts, &o.not_hosts),
    ];
    let fields = fields
        .iter()
        .flat_map(|(subject, yes, no)| field((subject, "is", "is not"), yes, no));
    fields.collect::<Vec<_>>().join(", ")
}

fn of_condition(c: &Condition) -> String {
    let key = format!("`{}`", c.key);
    field((&key, "is", "is not"), &c.values, &c.not_values).join(", ")
}

fn field((subject, is, is_not): (&str, &str, &str), yes: &[String], no: &[String]) -> Vec<String> {
    [(is, yes), (is_not, no)]
        .into_iter()
        .filter(|(_, list)| !list.is_empty())
        .map(|(verb, list)| format!("{subject} {verb} {}", values(list)))
        .collect()
}

fn values(list: &[String]) -> String {
    some(
        &list.iter().map(|v| format!("`{v}`")).collect::<Vec<_>>(),
        " or ",
    )
}

/// One of several; none if there is none.
fn either(alternatives: &[String]) -> Option<String> {
    match alternatives {
        [] => None,
        [only] => Some(only.clone()),
        several => Some(format!("either {}", some(several, "; or "))),
    }
}

fn some(all: &[String], between: &str) -> String {
    let shown = all.iter().take(SHOWN).cloned().collect::<Vec<_>>();
    let rest = all.len() - shown.len();
    let shown = shown.join(between);
    match rest {
        0 => shown,
        n => format!("{shown}{between}{n} more"),
    }
}

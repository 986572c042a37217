//! For code scanning: SARIF 2.1.0 (`OASIS Static Analysis Results Interchange Format`).
//!
//! Each code is a rule with the words of `docs/codes.md`, each finding a result with the region of
//! its place, and a fingerprint that stays when lines move. What the input does not show is a
//! notification, so that an unknown is never taken for a clean run.

use serde_json::{Value, json};
use std::collections::BTreeMap;

use super::{Format, Style};
use crate::codes::code_rows;
use crate::{Diagnostic, Fix, Label, Report, Severity, Sources, Span, Verdict};

/// See the module.
pub(super) const FORMAT: Format = Format {
    name: "sarif",
    about: "for code scanning (SARIF 2.1.0)",
    render,
};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";
const HOME: &str = "https://github.com/palisade-dev/palisade";

/// Characters of a snippet; a marked text may be a whole file.
const MAX_SNIPPET: usize = 2000;

fn render(report: &Report, sources: &Sources, _: &Style) -> String {
    let mut rules: BTreeMap<&str, Option<&str>> = BTreeMap::new();
    for finding in &report.findings {
        rules.insert(finding.code.0, finding.lint);
    }
    let index = |code: &str| rules.keys().position(|known| *known == code);
    let mut seen = BTreeMap::new();
    let results: Vec<Value> = report
        .findings
        .iter()
        .map(|finding| result(finding, index(finding.code.0), sources, &mut seen))
        .collect();
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "palisade",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "informationUri": HOME,
                "rules": rules.iter().map(|(code, lint)| rule(code, *lint)).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": true,
                "toolExecutionNotifications": notifications(report),
            }],
            "properties": {
                "title": report.title,
                "verdict": verdict(report.verdict),
                "summary": report.summary.text,
            },
            "results": results,
        }],
    });
    // Strings and numbers in memory cannot fail to be written; the fallback is no valid log.
    let mut text = serde_json::to_string_pretty(&log).unwrap_or_else(|error| error.to_string());
    text.push('\n');
    text
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Holds => "holds",
        Verdict::Unknown => "unknown",
        Verdict::Fails => "fails",
    }
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

fn rule(code: &str, lint: Option<&str>) -> Value {
    let row = code_rows().find(|row| row.code == code);
    let (meaning, fix) = row.map_or((code, "Follow the advice of the finding."), |row| {
        (row.meaning, row.fix)
    });
    let page = lint.map_or_else(
        || "docs/codes.md".to_owned(),
        |name| format!("docs/lints/{name}.md"),
    );
    json!({
        "id": code,
        "name": lint.unwrap_or(code),
        "shortDescription": { "text": meaning },
        "fullDescription": { "text": format!("{meaning} {fix}") },
        "help": { "text": fix, "markdown": format!("**{meaning}**\n\n{fix}") },
        "helpUri": format!("{HOME}/blob/main/{page}"),
    })
}

/// What the answer rests on and the input does not show.
fn notifications(report: &Report) -> Vec<Value> {
    let open = report
        .prerequisites
        .iter()
        .filter(|it| it.verdict != Verdict::Holds);
    open.map(|it| {
        json!({
            "level": if it.verdict == Verdict::Fails { "error" } else { "warning" },
            "message": { "text": format!("{}: {}: {}", verdict(it.verdict), it.title, it.detail) },
        })
    })
    .collect()
}

fn result(
    finding: &Diagnostic,
    rule: Option<usize>,
    sources: &Sources,
    seen: &mut BTreeMap<String, usize>,
) -> Value {
    let mut places = finding
        .labels
        .iter()
        .filter(|label| sources.get(label.span.file).is_some());
    let main = places.next();
    let related: Vec<Value> = places
        .filter_map(|label| location(label, sources))
        .collect();
    let mut value = json!({
        "ruleId": finding.code.0,
        "level": level(finding.severity),
        "message": { "text": finding.plain_text() },
        "locations": main.and_then(|l| location(l, sources)).into_iter().collect::<Vec<_>>(),
        "partialFingerprints": { "palisade/v1": fingerprint(finding, main, sources, seen) },
    });
    let Some(fields) = value.as_object_mut() else {
        return value;
    };
    if let Some(rule) = rule {
        fields.insert("ruleIndex".to_owned(), json!(rule));
    }
    if !related.is_empty() {
        fields.insert("relatedLocations".to_owned(), json!(related));
    }
    if let Some(fix) = finding.fix.as_ref().and_then(|fix| changes(fix, sources)) {
        fields.insert("fixes".to_owned(), json!([fix]));
    }
    value
}

fn location(label: &Label, sources: &Sources) -> Option<Value> {
    let mut value = json!({ "physicalLocation": physical(label.span, sources)? });
    if !label.text.is_empty()
        && let Some(fields) = value.as_object_mut()
    {
        fields.insert("message".to_owned(), json!({ "text": label.text }));
    }
    Some(value)
}

fn physical(span: Span, sources: &Sources) -> Option<Value> {
    let file = sources.get(span.file)?;
    let text: String = sources.text(span).chars().take(MAX_SNIPPET).collect();
    let mut region = region(span, sources)?;
    if let Some(fields) = region.as_object_mut() {
        fields.insert("snippet".to_owned(), json!({ "text": text }));
    }
    Some(json!({
        "artifactLocation": { "uri": uri(&file.name) },
        "region": region,
    }))
}

fn region(span: Span, sources: &Sources) -> Option<Value> {
    let file = sources.get(span.file)?;
    let (start, end) = (file.line_column(span.start), file.line_column(span.end));
    Some(json!({
        "startLine": start.line,
        "startColumn": start.column,
        "endLine": end.line,
        "endColumn": end.column,
    }))
}

/// The edits of a fix, file by file.
fn changes(fix: &Fix, sources: &Sources) -> Option<Value> {
    let mut files: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for edit in &fix.edits {
        let file = sources.get(edit.span.file)?;
        files.entry(&file.name).or_default().push(json!({
            "deletedRegion": region(edit.span, sources)?,
            "insertedContent": { "text": edit.text },
        }));
    }
    let changes = files.into_iter().map(|(name, replacements)| {
        json!({ "artifactLocation": { "uri": uri(name) }, "replacements": replacements })
    });
    Some(json!({
        "description": { "text": fix.about },
        "artifactChanges": changes.collect::<Vec<_>>(),
    }))
}

/// A path as a URI reference (`RFC 3986`): everything but unreserved characters and `/` is escaped.
fn uri(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.replace('\\', "/").bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Equal for the same finding in a later version of the file: code, title, file and marked text,
/// not the line. The second of two equal ones gets a number.
fn fingerprint(
    finding: &Diagnostic,
    main: Option<&Label>,
    sources: &Sources,
    seen: &mut BTreeMap<String, usize>,
) -> String {
    let file = main.and_then(|label| sources.get(label.span.file));
    let marked = main.map(|label| sources.text(label.span));
    let marked = marked.unwrap_or_default();
    let parts = [
        finding.code.0,
        &finding.title,
        file.map_or("", |file| &file.name),
        &marked,
    ];
    // FNV-1a: no secret is at stake, only stability.
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in parts.join("\0").bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    let text = format!("{hash:016x}");
    let count = seen.entry(text.clone()).or_default();
    *count += 1;
    format!("{text}:{count}")
}

#[cfg(test)]
mod tests {
    use super::{render, uri};
    use crate::render::Style;
    use crate::{Diagnostic, Edit, Fix, Prerequisite, Report, Sources, Span, Verdict};
    use serde_json::Value;

    fn log(text: &str, at: u32) -> Value {
        let mut sources = Sources::new();
        let file = sources.add("a dir/é.yaml", text);
        let mut report = Report::new("lint a");
        report.verdict = Verdict::Fails;
        let span = Span::new(file, at, at + 2);
        let finding = Diagnostic::error("PAL0001", "`é` is wrong")
            .at(span, "here")
            .at(Span::new(file, 0, 1), "and there")
            .witness("`a` → `b`")
            .fix(Fix {
                about: "write `e`".to_owned(),
                edits: vec![Edit {
                    span,
                    text: "e".to_owned(),
                }],
            });
        report.findings = vec![
            finding.clone(),
            finding,
            Diagnostic::warning("PAL9999", "w"),
        ];
        report.prerequisites.push(Prerequisite {
            title: "the plugin enforces".to_owned(),
            verdict: Verdict::Unknown,
            detail: "nothing shows it".to_owned(),
        });
        serde_json::from_str(&render(&report, &sources, &Style::default())).unwrap()
    }

    #[test]
    fn a_result_has_rule_region_and_fix() {
        let log = log("x: 1\ny: é\n", 8);
        let run = &log["runs"][0];
        let result = &run["results"][0];
        assert_eq!(result["ruleId"], "PAL0001");
        assert_eq!(result["ruleIndex"], 0);
        assert_eq!(result["level"], "error");
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "a%20dir/%C3%A9.yaml");
        assert_eq!(
            place["region"].to_string(),
            r#"{"endColumn":5,"endLine":2,"snippet":{"text":"é"},"startColumn":4,"startLine":2}"#
        );
        assert_eq!(
            result["relatedLocations"][0]["message"]["text"],
            "and there"
        );
        let change = &result["fixes"][0]["artifactChanges"][0]["replacements"][0];
        assert_eq!(change["insertedContent"]["text"], "e");
        let rules = &run["tool"]["driver"]["rules"];
        assert_eq!(
            rules[0]["shortDescription"]["text"],
            "The text is not YAML or JSON."
        );
        assert_eq!(rules[1]["id"], "PAL9999");
        let told = &run["invocations"][0]["toolExecutionNotifications"][0];
        assert_eq!(
            told["message"]["text"],
            "unknown: the plugin enforces: nothing shows it"
        );
    }

    #[test]
    fn fingerprints_stay_when_lines_move_and_differ_from_each_other() {
        let print = |log: &Value, n: usize| {
            log["runs"][0]["results"][n]["partialFingerprints"]["palisade/v1"].clone()
        };
        let (before, after) = (log("x: 1\ny: é\n", 8), log("x: 1\n\n\nyy: é\n", 11));
        assert_eq!(print(&before, 0), print(&after, 0));
        assert_ne!(print(&before, 0), print(&before, 1));
        assert_ne!(print(&before, 0), print(&before, 2));
    }

    #[test]
    fn uris_hold_no_bare_specials() {
        assert_eq!(uri("<stdin>"), "%3Cstdin%3E");
        assert_eq!(uri("a\\b%c"), "a/b%25c");
    }
}

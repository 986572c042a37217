//! For CI systems that show tests: JUnit XML. Each finding is a test that failed (or passed, if it
//! is a note), each prerequisite a test, and the verdict the last one.

use super::{Format, Style};
use crate::{Diagnostic, Report, Severity, Sources, Verdict};

/// See the module.
pub(super) const FORMAT: Format = Format {
    name: "junit",
    about: "test results for CI systems",
    render,
};

/// What a test ended with.
enum End {
    Passed,
    Skipped(String),
    Failed { kind: &'static str, text: String },
}

struct Case {
    class: String,
    name: String,
    place: Option<(String, u32)>,
    end: End,
}

fn render(report: &Report, sources: &Sources, _: &Style) -> String {
    let cases = cases(report, sources);
    let count = |wanted: fn(&End) -> bool| cases.iter().filter(|c| wanted(&c.end)).count();
    let failures = count(|end| matches!(end, End::Failed { .. }));
    let skipped = count(|end| matches!(end, End::Skipped(_)));
    let name = attribute(&report.title);
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    out.push_str(&format!(
        "<testsuites name=\"palisade\" tests=\"{0}\" failures=\"{failures}\" errors=\"0\">\n  \
         <testsuite name=\"{name}\" tests=\"{0}\" failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\">\n",
        cases.len()
    ));
    if !report.facts.is_empty() {
        out.push_str("    <properties>\n");
        for fact in &report.facts {
            out.push_str(&format!(
                "      <property name=\"{}\" value=\"{}\"/>\n",
                attribute(&fact.name),
                attribute(&fact.value)
            ));
        }
        out.push_str("    </properties>\n");
    }
    for case in &cases {
        out.push_str(&element(case));
    }
    out.push_str("  </testsuite>\n</testsuites>\n");
    out
}

fn cases(report: &Report, sources: &Sources) -> Vec<Case> {
    let mut cases: Vec<Case> = report
        .findings
        .iter()
        .map(|d| finding(d, sources))
        .collect();
    for prerequisite in &report.prerequisites {
        cases.push(Case {
            class: "prerequisite".to_owned(),
            name: prerequisite.title.clone(),
            place: None,
            end: end(prerequisite.verdict, &prerequisite.detail),
        });
    }
    cases.push(Case {
        class: "verdict".to_owned(),
        name: report.title.clone(),
        place: None,
        end: end(report.verdict, &report.summary.text),
    });
    cases
}

/// Unknown is never passed.
fn end(verdict: Verdict, text: &str) -> End {
    match verdict {
        Verdict::Holds => End::Passed,
        Verdict::Unknown => End::Skipped(text.to_owned()),
        Verdict::Fails => End::Failed {
            kind: "fails",
            text: text.to_owned(),
        },
    }
}

fn finding(finding: &Diagnostic, sources: &Sources) -> Case {
    let place = finding.span().and_then(|span| {
        let file = sources.get(span.file)?;
        Some((file.name.clone(), file.line_column(span.start).line))
    });
    let mut text = finding.plain_text();
    if let Some((file, line)) = &place {
        text.push_str(&format!("\nat {file}:{line}"));
    }
    let kind = match finding.severity {
        Severity::Error => Some("error"),
        Severity::Warning => Some("warning"),
        Severity::Note => None,
    };
    Case {
        class: finding.lint.unwrap_or(finding.code.0).to_owned(),
        name: finding.title.clone(),
        place,
        end: kind.map_or(End::Passed, |kind| End::Failed { kind, text }),
    }
}

fn element(case: &Case) -> String {
    let mut out = format!(
        "    <testcase classname=\"{}\" name=\"{}\"",
        attribute(&case.class),
        attribute(&case.name)
    );
    if let Some((file, line)) = &case.place {
        out.push_str(&format!(" file=\"{}\" line=\"{line}\"", attribute(file)));
    }
    match &case.end {
        End::Passed => out.push_str("/>\n"),
        End::Skipped(text) => out.push_str(&format!(
            ">\n      <skipped message=\"{}\"/>\n    </testcase>\n",
            attribute(text)
        )),
        End::Failed { kind, text } => out.push_str(&format!(
            ">\n      <failure type=\"{kind}\" message=\"{}\">{}</failure>\n    </testcase>\n",
            attribute(&case.name),
            content(text)
        )),
    }
    out
}

/// Text between tags. XML 1.0 has no way to write most control characters.
fn content(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\n' | '\t' => out.push(c),
            '\r' => out.push_str("&#13;"),
            '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => {
                out.push('\u{fffd}');
            }
            _ => out.push(c),
        }
    }
    out
}

/// Text between double quotes, where a reader would make spaces of line breaks.
fn attribute(text: &str) -> String {
    content(text)
        .replace('"', "&quot;")
        .replace('\n', "&#10;")
        .replace('\t', "&#9;")
}

#[cfg(test)]
mod tests {
    use super::render;
    use crate::render::Style;
    use crate::{Diagnostic, Fact, Prerequisite, Report, Sources, Span, Verdict};

    #[test]
    fn findings_prerequisites_and_the_verdict_are_tests() {
        let mut sources = Sources::new();
        let file = sources.add("a.yaml", "x: 1\n");
        let mut report = Report::new("lint \"a\" & b");
        report.verdict = Verdict::Fails;
        report.facts.push(Fact {
            name: "plugin".to_owned(),
            value: "<calico>".to_owned(),
        });
        report.findings.push(
            Diagnostic::error("PAL0001", "`x` is <wrong>\u{1b}[31m")
                .at(Span::new(file, 0, 1), "")
                .help("a\nb"),
        );
        report
            .findings
            .push(Diagnostic::note_only("PAL0002", "a note"));
        report.prerequisites.push(Prerequisite {
            title: "the plugin enforces".to_owned(),
            verdict: Verdict::Unknown,
            detail: "nothing shows it".to_owned(),
        });
        report.summary.text = "1 error".to_owned();
        insta::assert_snapshot!(render(&report, &sources, &Style::default()), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="palisade" tests="4" failures="2" errors="0">
          <testsuite name="lint &quot;a&quot; &amp; b" tests="4" failures="2" errors="0" skipped="1">
            <properties>
              <property name="plugin" value="&lt;calico&gt;"/>
            </properties>
            <testcase classname="PAL0001" name="`x` is &lt;wrong&gt;�[31m" file="a.yaml" line="1">
              <failure type="error" message="`x` is &lt;wrong&gt;�[31m">`x` is &lt;wrong&gt;�[31m
        help: a
        b
        at a.yaml:1</failure>
            </testcase>
            <testcase classname="PAL0002" name="a note"/>
            <testcase classname="prerequisite" name="the plugin enforces">
              <skipped message="nothing shows it"/>
            </testcase>
            <testcase classname="verdict" name="lint &quot;a&quot; &amp; b">
              <failure type="fails" message="lint &quot;a&quot; &amp; b">1 error</failure>
            </testcase>
          </testsuite>
        </testsuites>
        "#);
    }
}

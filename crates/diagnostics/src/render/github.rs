//! For GitHub Actions: workflow commands that become annotations of the changed lines
//! (`GitHub documentation, Workflow commands: ::error file=…,line=…::message`).

use super::{Format, Style};
use crate::{Diagnostic, Report, Severity, Sources, Verdict};

/// See the module.
pub(super) const FORMAT: Format = Format {
    name: "github",
    about: "annotations for GitHub Actions",
    render,
};

fn render(report: &Report, sources: &Sources, _: &Style) -> String {
    let mut out = String::new();
    for finding in &report.findings {
        out.push_str(&annotation(finding, sources));
    }
    for prerequisite in &report.prerequisites {
        if prerequisite.verdict != Verdict::Holds {
            let text = format!("{}: {}", prerequisite.title, prerequisite.detail);
            out.push_str(&format!(
                "::notice title=not shown by the input::{}\n",
                message(&text)
            ));
        }
    }
    // The prefix keeps a text that starts with `::` from being a command.
    let verdict = match report.verdict {
        Verdict::Holds => "holds",
        Verdict::Unknown => "unknown",
        Verdict::Fails => "fails",
    };
    out.push_str(&format!(
        "palisade: {}: {verdict}: {}\n",
        message(&report.title),
        message(&report.summary.text)
    ));
    out
}

fn annotation(finding: &Diagnostic, sources: &Sources) -> String {
    let command = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "notice",
    };
    let mut properties = Vec::new();
    if let Some((span, file)) = finding
        .span()
        .and_then(|span| Some((span, sources.get(span.file)?)))
    {
        let (start, end) = (file.line_column(span.start), file.line_column(span.end));
        properties.push(format!("file={}", property(&file.name)));
        properties.push(format!("line={}", start.line));
        properties.push(format!("endLine={}", end.line));
        // Columns are taken within one line only.
        if start.line == end.line {
            properties.push(format!("col={}", start.column));
            properties.push(format!("endColumn={}", end.column));
        }
    }
    let title = match finding.lint {
        Some(lint) => format!("{} {lint}", finding.code.0),
        None => finding.code.0.to_owned(),
    };
    properties.push(format!("title={}", property(&title)));
    format!(
        "::{command} {}::{}\n",
        properties.join(","),
        message(&finding.plain_text())
    )
}

/// The value after `::`.
fn message(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// The value of a property.
fn property(text: &str) -> String {
    message(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::render;
    use crate::render::Style;
    use crate::{Diagnostic, Prerequisite, Report, Sources, Span, Verdict};

    #[test]
    fn a_finding_is_one_line_that_nothing_can_leave() {
        let mut sources = Sources::new();
        let file = sources.add("a,b:c.yaml", "x\ny: é\nz\n");
        let mut report = Report::new("lint a");
        report.verdict = Verdict::Fails;
        report.findings.push(
            Diagnostic::error("PAL0001", "100% wrong\n::error::forged")
                .at(Span::new(file, 5, 7), "here")
                .witness("`a` → `b`")
                .help("mend it"),
        );
        report
            .findings
            .push(Diagnostic::note_only("PAL0002", "over two lines").at(Span::new(file, 0, 4), ""));
        report
            .findings
            .push(Diagnostic::warning("PAL0003", "no place"));
        report.prerequisites.push(Prerequisite {
            title: "the plugin enforces".to_owned(),
            verdict: Verdict::Unknown,
            detail: "nothing shows it".to_owned(),
        });
        report.summary.text = "1 error\n::warning::forged".to_owned();
        insta::assert_snapshot!(render(&report, &sources, &Style::default()), @r"
        ::error file=a%2Cb%3Ac.yaml,line=2,endLine=2,col=4,endColumn=5,title=PAL0001::100%25 wrong%0A::error::forged%0Afor example: `a` → `b`%0Ahelp: mend it
        ::notice file=a%2Cb%3Ac.yaml,line=1,endLine=2,title=PAL0002::over two lines
        ::warning title=PAL0003::no place
        ::notice title=not shown by the input::the plugin enforces: nothing shows it
        palisade: lint a: fails: 1 error%0A::warning::forged
        ");
    }
}

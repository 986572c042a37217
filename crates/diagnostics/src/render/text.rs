//! For people at a terminal: a report reads like a sequence of good compiler errors.

use annotate_snippets::{AnnotationKind, Element, Group, Level, Renderer, Snippet};

use super::{Format, Style};
use crate::excerpt::{Excerpt, excerpts};
use crate::layout::{aligned, printable, printable_line, wrapped};
use crate::{Diagnostic, Label, Prerequisite, Report, Section, Severity, Sources, Verdict};

/// See the module.
pub(super) const FORMAT: Format = Format {
    name: "text",
    about: "for people",
    render,
};

/// Places of one diagnostic that are drawn; the others are counted.
const MAX_PLACES: usize = 8;

/// The diagnostics alone, one empty line between two, for input that cannot be used.
#[must_use]
pub fn diagnostics_text(diagnostics: &[Diagnostic], sources: &Sources, style: &Style) -> String {
    let renderer = renderer(style);
    let mut out = String::new();
    for diagnostic in diagnostics {
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(&finding(diagnostic, sources, &renderer));
    }
    out
}

fn render(report: &Report, sources: &Sources, style: &Style) -> String {
    let mut parts = vec![head(report, style)];
    if !report.findings.is_empty() {
        parts.push(diagnostics_text(&report.findings, sources, style));
    }
    if !report.prerequisites.is_empty() {
        parts.push(prerequisites(&report.prerequisites, style));
    }
    parts.extend(report.sections.iter().map(|part| section(part, style)));
    if !report.summary.text.is_empty() {
        let text = printable_line(&report.summary.text);
        parts.push(format!("{}\n", paint(style, color(report.verdict), &text)));
    }
    parts.retain(|part| !part.is_empty());
    parts.join("\n")
}

fn renderer(style: &Style) -> Renderer {
    let renderer = if style.color {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    // Excerpts arrive cut; a second cut would hide what the first kept in sight.
    renderer.term_width(usize::MAX / 4)
}

const BOLD: &str = "1";

fn color(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Holds => "1;32",
        Verdict::Unknown => "1;33",
        Verdict::Fails => "1;31",
    }
}

/// `text` in a Select Graphic Rendition of ECMA-48, if colour is wanted.
fn paint(style: &Style, rendition: &str, text: &str) -> String {
    if style.color {
        format!("\u{1b}[{rendition}m{text}\u{1b}[0m")
    } else {
        text.to_owned()
    }
}

/// The title and the facts, aligned.
fn head(report: &Report, style: &Style) -> String {
    let mut out = String::new();
    if !report.title.is_empty() {
        out = paint(style, BOLD, &printable_line(&report.title));
        out.push('\n');
    }
    let names = report.facts.iter().map(|fact| printable_line(&fact.name));
    let names: Vec<String> = names.collect();
    let width = names.iter().map(|name| name.chars().count()).max();
    for (name, fact) in names.iter().zip(&report.facts) {
        let space = " ".repeat(width.unwrap_or(0) - name.chars().count() + 2);
        out.push_str(&format!("  {name}{space}{}\n", printable_line(&fact.value)));
    }
    out
}

/// One diagnostic: title, places with their text, example, facts, advice.
fn finding(diagnostic: &Diagnostic, sources: &Sources, renderer: &Renderer) -> String {
    let labels = &diagnostic.labels;
    let shown = labels.get(..MAX_PLACES).unwrap_or(labels);
    let excerpts = excerpts(shown, sources);
    let mut elements: Vec<Element<'_>> = Vec::new();
    elements.extend(
        excerpts
            .iter()
            .map(|excerpt| snippet(excerpt, shown).into()),
    );
    elements.extend(remarks(diagnostic, sources, labels.len() - shown.len()));
    let title = level(diagnostic.severity)
        .primary_title(printable_line(&diagnostic.title))
        .id(diagnostic.code.0);
    let group: Group<'_> = title.elements(elements);
    let mut text = with_places(&renderer.render(&[group]), &excerpts);
    text.push('\n');
    text
}

/// Stands for the place of an excerpt until the excerpt is drawn. The drawing library would count
/// columns in the cut and escaped line. A private character: none is left in printable text.
const PLACE: char = '\u{E000}';

/// The drawing with the true places of the excerpts, which come in the same order.
fn with_places(drawn: &str, excerpts: &[Excerpt]) -> String {
    let mut parts = drawn.split(PLACE);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for (part, excerpt) in parts.zip(excerpts) {
        let name = printable_line(&excerpt.name);
        out.push_str(&format!("{name}:{}:{}", excerpt.line, excerpt.column));
        out.push_str(part.trim_start_matches(|c: char| c == ':' || c.is_ascii_digit()));
    }
    out
}

fn level(severity: Severity) -> Level<'static> {
    match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    }
}

fn snippet<'a>(
    excerpt: &Excerpt,
    labels: &[Label],
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let marks = excerpt.marks.iter().map(|(range, index)| {
        let kind = if *index == 0 {
            AnnotationKind::Primary
        } else {
            AnnotationKind::Context
        };
        let text = labels.get(*index).map(|label| printable_line(&label.text));
        kind.span(range.clone())
            .label(text.filter(|text| !text.is_empty()))
    });
    Snippet::source(excerpt.text.clone())
        .path(PLACE.to_string())
        .line_start(excerpt.first_line)
        .fold(false)
        .annotations(marks)
}

/// The lines after the excerpts. A note that opens with `because ` is the reason for the title and
/// gets that word as its name.
fn remarks(diagnostic: &Diagnostic, sources: &Sources, hidden: usize) -> Vec<Element<'static>> {
    let mut out: Vec<Element<'static>> = Vec::new();
    let mut say = |level: Level<'static>, text: &str| {
        let text = printable(text.trim());
        if !text.is_empty() {
            out.push(level.message(text).into());
        }
    };
    for label in &diagnostic.labels {
        if sources.get(label.span.file).is_none() {
            say(Level::NOTE, &label.text);
        }
    }
    if hidden > 0 {
        say(Level::NOTE, &format!("{hidden} more places are not shown"));
    }
    if let Some(witness) = &diagnostic.witness {
        say(Level::INFO.with_name("for example"), witness);
    }
    for note in &diagnostic.notes {
        match note.strip_prefix("because ") {
            Some(reason) => say(Level::INFO.with_name("because"), reason),
            None => say(Level::NOTE, note),
        }
    }
    for help in &diagnostic.help {
        say(Level::HELP, help);
    }
    if let Some(lint) = diagnostic.lint {
        let fix = diagnostic.fix.as_ref().map_or("", |_| " (--fix mends it)");
        say(Level::INFO.with_name("lint"), &format!("{lint}{fix}"));
    }
    out
}

fn prerequisites(list: &[Prerequisite], style: &Style) -> String {
    let mut out = format!("{}\n", paint(style, BOLD, "What this rests on"));
    for prerequisite in list {
        let word = match prerequisite.verdict {
            Verdict::Holds => "holds",
            Verdict::Unknown => "unknown",
            Verdict::Fails => "fails",
        };
        let mark = paint(style, color(prerequisite.verdict), &format!("{word:<7}"));
        let title = printable_line(&prerequisite.title);
        out.push_str(&format!("  {mark}  {title}\n"));
        let detail = wrapped(&prerequisite.detail, 11);
        if !detail.is_empty() {
            out.push_str(&format!("{detail}\n"));
        }
    }
    out
}

fn section(section: &Section, style: &Style) -> String {
    let mut out = format!("{}\n", paint(style, BOLD, &printable_line(&section.title)));
    for paragraph in &section.paragraphs {
        out.push_str(&wrapped(paragraph, 2));
        out.push('\n');
    }
    if let Some(table) = &section.table {
        if !section.paragraphs.is_empty() {
            out.push('\n');
        }
        out.push_str(&aligned(table, 2));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{diagnostics_text, render};
    use crate::render::Style;
    use crate::{
        Diagnostic, Fact, FileId, Prerequisite, Report, Section, Sources, Span, Summary, Table,
        Verdict,
    };
    use proptest::prelude::*;

    const POLICY: &str = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: keycloak
spec:
  podSelector: {}
  ingress:
  - from:
    - namespaceSelector: {}
";

    fn span_of(file: FileId, needle: &str) -> Span {
        let at = u32::try_from(POLICY.find(needle).unwrap()).unwrap();
        Span::new(file, at, at + u32::try_from(needle.len()).unwrap())
    }

    fn plain(diagnostics: &[Diagnostic], sources: &Sources) -> String {
        diagnostics_text(diagnostics, sources, &Style::default())
    }

    #[test]
    fn a_whole_report() {
        let mut sources = Sources::new();
        let file = sources.add("policies/keycloak.yaml", POLICY);
        let mut report = Report::new("verify examples/verrazzano");
        report.verdict = Verdict::Fails;
        for (name, value) in [("platform", "openshift"), ("pods", "73")] {
            report.facts.push(Fact {
                name: name.to_owned(),
                value: value.to_owned(),
            });
        }
        report.findings = vec![
            Diagnostic::error(
                "PAL0301",
                "`keycloak` accepts connections that no flow declares",
            )
            .at(
                span_of(file, "namespaceSelector: {}"),
                "admits every pod of every namespace",
            )
            .at(span_of(file, "name: keycloak"), "in this policy")
            .witness("`default/netpol-test` → `keycloak/keycloak-0` 8080/TCP")
            .note("because no other policy selects `keycloak/keycloak-0`")
            .note("the mesh admits it too")
            .help("name the callers: replace `{}` by their namespace labels"),
            Diagnostic::warning("PAL0310", "the order of things is not decided"),
        ];
        report.prerequisites.push(Prerequisite {
            title: "the network plugin enforces NetworkPolicy".to_owned(),
            verdict: Verdict::Unknown,
            detail: "no known plugin is among the manifests; say `--cni calico`".to_owned(),
        });
        report.sections.push(Section {
            title: "Toggles".to_owned(),
            paragraphs: vec!["What each toggle opens.".to_owned()],
            table: Some(Table {
                columns: vec!["toggle".to_owned(), "opens".to_owned()],
                rows: vec![vec!["metrics".to_owned(), "9090/TCP".to_owned()]],
            }),
        });
        report.summary = Summary {
            text: "fails: 1 finding, 1 not decided".to_owned(),
        };
        insta::assert_snapshot!(render(&report, &sources, &Style::default()), @r#"
        verify examples/verrazzano
          platform  openshift
          pods      73

        error[PAL0301]: `keycloak` accepts connections that no flow declares
         --> policies/keycloak.yaml:9:7
          |
        9 |     - namespaceSelector: {}
          |       ^^^^^^^^^^^^^^^^^^^^^ admits every pod of every namespace
          |
         ::: policies/keycloak.yaml:4:3
          |
        4 |   name: keycloak
          |   -------------- in this policy
          |
          = for example: `default/netpol-test` → `keycloak/keycloak-0` 8080/TCP
          = because: no other policy selects `keycloak/keycloak-0`
          = note: the mesh admits it too
          = help: name the callers: replace `{}` by their namespace labels

        warning[PAL0310]: the order of things is not decided

        What this rests on
          unknown  the network plugin enforces NetworkPolicy
                   no known plugin is among the manifests; say `--cni calico`

        Toggles
          What each toggle opens.

          TOGGLE   OPENS
          metrics  9090/TCP

        fails: 1 finding, 1 not decided
        "#);
        let colored = render(&report, &sources, &Style { color: true });
        assert!(colored.contains("\u{1b}[1;31mfails: 1 finding"));
    }

    #[test]
    fn places_in_two_files_and_at_the_end_of_a_text() {
        let mut sources = Sources::new();
        let one = sources.add("one.yaml", "a: 1\nb: [1,\n  2]\n");
        let two = sources.add("two.yaml", "a: 2");
        let d = Diagnostic::error("PAL0001", "`a` is given twice")
            .at(Span::new(two, 4, 4), "ends here")
            .at(Span::new(one, 5, 16), "a list over two lines");
        insta::assert_snapshot!(plain(&[d], &sources), @r#"
        error[PAL0001]: `a` is given twice
         --> two.yaml:1:5
          |
        1 |   a: 2
          |       ^ ends here
          |
         ::: one.yaml:2:1
          |
        2 | / b: [1,
        3 | |   2]
          | |____- a list over two lines
        "#);
    }

    #[test]
    fn hostile_text_cannot_drive_the_terminal() {
        let mut sources = Sources::new();
        let file = sources.add("a\u{1b}[2J.yaml", "k: \u{1b}[31mred\u{202e}\tx\n");
        let d = Diagnostic::error("PAL0001", "bad\u{7}\nvalue")
            .at(Span::new(file, 3, 8), "\u{9b}1m")
            .at(Span::new(FileId(7), 0, 3), "from nowhere")
            .help("say\u{0} less");
        let text = plain(&[d], &sources);
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
        insta::assert_snapshot!(text, @r#"
        error[PAL0001]: bad\u{7} value
         --> a\u{1b}[2J.yaml:1:4
          |
        1 | k: \u{1b}[31mred\u{202e}    x
          |    ^^^^^^^^^^ \u{9b}1m
          |
          = note: from nowhere
          = help: say\u{0} less
        "#);
    }

    #[test]
    fn many_findings_in_one_huge_line_are_drawn_in_linear_time() {
        let mut sources = Sources::new();
        let unit = "{\"kind\":\"Pod\",\"spec\":{}},";
        let count = 80_000_000 / unit.len();
        let file = sources.add("pods.json", unit.repeat(count));
        let findings: Vec<Diagnostic> = (0..2000)
            .map(|n| {
                let at = u32::try_from(n * (count / 2000) * unit.len()).unwrap();
                Diagnostic::error("PAL0101", "bad").at(Span::new(file, at, at + 5), "here")
            })
            .collect();
        let started = std::time::Instant::now();
        let text = plain(&findings, &sources);
        assert_eq!(text.matches("error[PAL0101]").count(), 2000);
        assert!(text.len() < 2_000_000);
        // Quadratic work would read 80 GB here: minutes, even on a fast machine.
        assert!(started.elapsed().as_secs() < 60);
    }

    #[test]
    fn places_beyond_the_eighth_are_counted() {
        let mut sources = Sources::new();
        let file = sources.add("t", "a\n".repeat(100));
        let d = (0..11).fold(Diagnostic::error("PAL0001", "t"), |d, n| {
            d.at(Span::new(file, n * 10, n * 10 + 1), format!("place {n}"))
        });
        let text = plain(&[d], &sources);
        assert!(text.contains("place 7") && !text.contains("place 8"));
        assert!(text.contains("3 more places are not shown"));
    }

    proptest! {
        /// Any text, any spans (also inside a character and beyond the end): no panic, and the place
        /// of the first label is printed.
        #[test]
        fn anything_can_be_drawn(
            text in "[a:é\t\r\n\u{1b}\u{202e}€😀 ]{0,300}",
            spans in prop::collection::vec((0u32..1200, 0u32..1200), 1..5),
        ) {
            let mut sources = Sources::new();
            let file = sources.add("f", text.as_str());
            let d = spans.iter().fold(Diagnostic::error("PAL0001", "t"), |d, (start, end)| {
                d.at(Span::new(file, *start, *end), "label")
            });
            let place = sources.describe(d.labels[0].span);
            let drawn = plain(&[d], &sources);
            prop_assert!(drawn.contains(&place), "{} not in {}", place, drawn);
        }
    }
}

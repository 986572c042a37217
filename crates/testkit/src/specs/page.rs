//! From the text of a page to its scenarios. What cannot be understood is a problem, never skipped.

use palisade_netmodel::{Encryption, Outcome, Protocol};

/// A page.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// Path, for messages.
    pub name: String,
    /// Scenarios in order.
    pub scenarios: Vec<Scenario>,
    /// What is wrong with the page.
    pub problems: Vec<String>,
}

/// One block of manifests and what is expected of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// The heading above it.
    pub heading: String,
    /// The line of its block, from 1.
    pub line: usize,
    /// Objects shared by the page, then those of the block.
    pub manifests: String,
    /// Name of the network plugin, if the block chooses one.
    pub cni: Option<String>,
    /// What must come out.
    pub expectation: Expectation,
}

/// What must come out of manifests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expectation {
    /// Verdicts on flows.
    Flows(Vec<Row>),
    /// The object is refused with this diagnostic.
    Rejected(String),
}

/// A row of a table: every combination of its ends and ports has the same answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its line, from 1.
    pub line: usize,
    /// Sources.
    pub from: Vec<String>,
    /// Destinations.
    pub to: Vec<String>,
    /// Ports of the destination.
    pub ports: Vec<(Protocol, u16)>,
    /// The verdict.
    pub outcome: Outcome,
    /// What is proven of the wire.
    pub encryption: Encryption,
    /// Words of a step of the reference: what the verdict depends on.
    pub condition: Option<String>,
}

const HEADER: [&str; 5] = ["From", "To", "Port", "Verdict", "Encryption"];
/// A sixth column that a table may have.
const CONDITION: &str = "Condition";

/// Reads a page.
#[must_use]
pub fn parse(name: &str, text: &str) -> Page {
    let mut reader = Reader {
        page: Page {
            name: name.to_owned(),
            ..Page::default()
        },
        heading: String::new(),
        cluster: String::new(),
        in_table: false,
    };
    let mut lines = (1..).zip(text.lines());
    while let Some((number, line)) = lines.next() {
        if let Some(info) = line.strip_prefix("```") {
            let mut block = String::new();
            let closed = lines.by_ref().map(|(_, inner)| inner).any(|inner| {
                if inner != "```" {
                    block.push_str(inner);
                    block.push('\n');
                }
                inner == "```"
            });
            if !closed {
                reader.problem(number, "the block is not closed");
            }
            reader.block(number, info, &block);
        } else {
            reader.line(number, line);
        }
    }
    reader.finish()
}

struct Reader {
    page: Page,
    heading: String,
    cluster: String,
    in_table: bool,
}

impl Reader {
    fn problem(&mut self, line: usize, what: &str) {
        let text = format!("{}:{line}: {what}", self.page.name);
        self.page.problems.push(text);
    }

    fn block(&mut self, line: usize, info: &str, text: &str) {
        self.in_table = false;
        let words: Vec<&str> = info.split_whitespace().collect();
        let (cni, expectation) = match words.as_slice() {
            ["yaml", "cluster"] => {
                self.cluster = format!("{text}---\n");
                return;
            }
            ["yaml", "manifests"] => (None, Expectation::Flows(Vec::new())),
            ["yaml", "manifests", choice] if choice.starts_with("cni=") => (
                choice.strip_prefix("cni=").map(str::to_owned),
                Expectation::Flows(Vec::new()),
            ),
            ["yaml", "rejected", code] => (None, Expectation::Rejected((*code).to_owned())),
            [first, ..] if *first != "yaml" => return,
            _ => {
                self.problem(
                    line,
                    "a block is `yaml cluster`, `yaml manifests` or `yaml rejected`",
                );
                return;
            }
        };
        // An object that is refused stands alone.
        let shared = match expectation {
            Expectation::Flows(_) => self.cluster.as_str(),
            Expectation::Rejected(_) => "",
        };
        self.page.scenarios.push(Scenario {
            heading: self.heading.clone(),
            line,
            manifests: format!("{shared}{text}"),
            cni,
            expectation,
        });
    }

    fn line(&mut self, number: usize, line: &str) {
        if line.starts_with('#') {
            line.trim_start_matches('#')
                .trim()
                .clone_into(&mut self.heading);
        }
        let Some(cells) = cells(line) else {
            self.in_table = false;
            return;
        };
        if cells.first() == HEADER.first() {
            let (first, more) = cells.split_at(cells.len().min(HEADER.len()));
            self.in_table = first == HEADER && matches!(more, [] | [CONDITION]);
            if !self.in_table {
                let wanted = HEADER.join(" | ");
                self.problem(number, &format!("the table's header must be {wanted}"));
            }
        } else if self.in_table && !cells.iter().all(|c| c.chars().all(|c| "-: ".contains(c))) {
            match row(number, &cells) {
                Ok(row) => self.row(number, row),
                Err(what) => self.problem(number, &what),
            }
        }
    }

    fn row(&mut self, number: usize, row: Row) {
        match self.page.scenarios.last_mut().map(|s| &mut s.expectation) {
            Some(Expectation::Flows(rows)) => rows.push(row),
            _ => self.problem(number, "no `yaml manifests` block stands above the table"),
        }
    }

    fn finish(mut self) -> Page {
        if self.page.scenarios.is_empty() {
            self.problem(1, "the page has no scenario");
        }
        let is_empty = |s: &&Scenario| s.expectation == Expectation::Flows(Vec::new());
        let empty = self.page.scenarios.iter().filter(is_empty);
        let lines: Vec<usize> = empty.map(|s| s.line).collect();
        for line in lines {
            self.problem(line, "the scenario has no table");
        }
        self.page
    }
}

/// The cells of a line of a table.
fn cells(line: &str) -> Option<Vec<&str>> {
    let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    Some(inner.split('|').map(str::trim).collect())
}

fn row(line: usize, cells: &[&str]) -> Result<Row, String> {
    let (first, condition) = cells.split_at(cells.len().min(HEADER.len()));
    let ([from, to, ports, verdict, encryption], [] | [_]) = (first, condition) else {
        return Err(format!("{} cells instead of 5 or 6", cells.len()));
    };
    let outcome = match *verdict {
        "Allow" => Outcome::Allow,
        "Depends" => Outcome::Depends,
        "Deny" => Outcome::Deny,
        other => return Err(format!("{other:?} is not Allow, Depends or Deny")),
    };
    let encryption = match (*encryption, outcome) {
        ("-", Outcome::Deny) | ("None", Outcome::Allow | Outcome::Depends) => Encryption::None,
        ("TLS", Outcome::Allow | Outcome::Depends) => Encryption::Tls,
        ("MeshMTLS", Outcome::Allow | Outcome::Depends) => Encryption::MeshMtls,
        (other, _) => return Err(format!("{other:?} is no encryption of {verdict}")),
    };
    Ok(Row {
        line,
        from: list(from),
        to: list(to),
        ports: list(ports)
            .iter()
            .map(|p| port(p))
            .collect::<Result<_, _>>()?,
        outcome,
        encryption,
        condition: condition.first().map(|words| (*words).to_owned()),
    })
}

fn list(cell: &str) -> Vec<String> {
    cell.split(',')
        .map(|item| item.trim().trim_matches('`').to_owned())
        .collect()
}

/// `80` is TCP, `53/UDP` is not.
fn port(text: &str) -> Result<(Protocol, u16), String> {
    let (number, word) = text.split_once('/').unwrap_or((text, "TCP"));
    match (number.parse::<u16>(), Protocol::parse(word)) {
        (Ok(number), Some(protocol)) if number > 0 => Ok((protocol, number)),
        _ => Err(format!("{text:?} is not a port")),
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    fn problems(text: &str) -> String {
        parse("page.md", text).problems.join("\n")
    }

    #[test]
    fn broken_pages_are_told() {
        let good = "# T\n```yaml manifests\na: b\n```\n| From | To | Port | Verdict | Encryption |\n\
                    |---|---|---|---|---|\n| a/b | c/d | 80, 53/UDP | Deny | - |\n";
        assert_eq!(problems(good), "");
        let conditions = good.replace("Encryption |", "Encryption | Condition |");
        assert_eq!(problems(&conditions.replace("| - |", "| - | `/x` |")), "");
        assert_eq!(problems("# T\n"), "page.md:1: the page has no scenario");
        for (from, to, message) in [
            ("| Encryption |", "|", "the table's header must be"),
            ("53/UDP", "53/XYZ", "\"53/XYZ\" is not a port"),
            ("80,", "0,", "\"0\" is not a port"),
            ("| - |", "| None |", "\"None\" is no encryption of Deny"),
            ("Deny", "No", "\"No\" is not Allow"),
            (
                "Encryption |",
                "Encryption | Reason |",
                "the table's header",
            ),
            ("| Deny", "", "4 cells instead of 5"),
            ("| - |", "| - | x | y |", "7 cells instead of 5"),
            ("manifests", "manifest", "a block is"),
            ("| a/b | c/d | 80, 53/UDP | Deny | - |\n", "", "no table"),
        ] {
            let found = problems(&good.replacen(from, to, 1));
            assert!(found.contains(message), "{from} -> {to}: {found}");
        }
        assert!(problems("```yaml manifests\n").contains("not closed"));
    }
}

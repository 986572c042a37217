//! Markdown (CommonMark with tables, as GitHub shows it).

use super::book::{Book, Cell, Part, Table};
use super::inline::{self, Span};

/// Writes a document.
pub(crate) fn write(book: &Book) -> String {
    let mut out = format!("# {}\n", escape(&book.title));
    for part in &book.parts {
        out.push('\n');
        match part {
            Part::Heading(level, text) => {
                let marks = "#".repeat(usize::from(*level));
                out.push_str(&format!("{marks} {}\n", escape(text)));
            }
            Part::Paragraph(text) => out.push_str(&format!("{}\n", prose(text))),
            Part::Note(text) => out.push_str(&format!("**Note:** {}\n", prose(text))),
            Part::Table(table) => out.push_str(&self::table(table)),
            Part::Footnotes(notes) => {
                let notes: Vec<String> = notes
                    .iter()
                    .map(|(n, text)| format!("<sup>{n}</sup> {}\n", prose(text)))
                    .collect();
                out.push_str(&notes.join("\n"));
            }
        }
    }
    out
}

/// A table with columns of equal width, so that it also reads as text.
fn table(table: &Table) -> String {
    let head: Vec<String> = table
        .head
        .iter()
        .map(|h| format!("**{}**", escape(h)))
        .collect();
    let head: Vec<String> = head
        .into_iter()
        .map(|h| if h == "****" { String::new() } else { h })
        .collect();
    let rows: Vec<Vec<String>> = table
        .rows
        .iter()
        .map(|row| row.iter().map(cell).collect())
        .collect();
    let width = |column: usize| {
        let cells = rows.iter().chain([&head]).filter_map(|row| row.get(column));
        cells.map(|c| c.chars().count()).max().unwrap_or(0).max(3)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &[String]| {
        let padded = widths.iter().enumerate().map(|(i, width)| {
            let text = cells.get(i).map_or("", String::as_str);
            let fill = " ".repeat(width.saturating_sub(text.chars().count()));
            format!(" {text}{fill} ")
        });
        format!("|{}|\n", padded.collect::<Vec<_>>().join("|"))
    };
    let rule: Vec<String> = widths.iter().map(|w| "-".repeat(*w)).collect();
    let mut out = line(&head);
    out.push_str(&line(&rule));
    for row in &rows {
        out.push_str(&line(row));
    }
    out
}

fn cell(cell: &Cell) -> String {
    let mut text = if cell.prose {
        prose(&cell.text)
    } else {
        escape(&cell.text)
    };
    if !cell.footnotes.is_empty() {
        let numbers: Vec<String> = cell.footnotes.iter().map(ToString::to_string).collect();
        text.push_str(&format!("<sup>{}</sup>", numbers.join(",")));
    }
    text
}

/// Text with the markup that is allowed in prose.
fn prose(text: &str) -> String {
    inline::parse(text)
        .iter()
        .map(|span| match span {
            Span::Text(text) => {
                let lead = if text.starts_with(char::is_whitespace) {
                    " "
                } else {
                    ""
                };
                let tail = if text.ends_with(char::is_whitespace) {
                    " "
                } else {
                    ""
                };
                match escape(text).as_str() {
                    "" => lead.to_owned(),
                    inner => format!("{lead}{inner}{tail}"),
                }
            }
            Span::Code(text) => format!("`{}`", text.replace('|', "\\|")),
            Span::Link(text, target) => {
                format!("[{}]({})", escape(text), target.replace('|', "%7C"))
            }
        })
        .collect()
}

/// Text in which Markdown sees nothing but text. An underscore inside a word means nothing to
/// CommonMark and stays as people type it.
fn escape(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut out = String::with_capacity(text.len());
    let mut previous = ' ';
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let inside = previous.is_alphanumeric() && rest.peek().is_some_and(|n| n.is_alphanumeric());
        match c {
            '\\' | '`' | '*' | '[' | ']' | '<' | '|' | '~' => {
                out.push('\\');
                out.push(c);
            }
            '_' if !inside => out.push_str("\\_"),
            '&' => out.push_str("&amp;"),
            _ => out.push(c),
        }
        previous = c;
    }
    let first = out.chars().next();
    if matches!(first, Some('#' | '>' | '+' | '=')) || out.starts_with("- ") {
        out.insert(0, '\\');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn nothing_but_text() {
        assert_eq!(escape("a|b *c* `d`"), "a\\|b \\*c\\* \\`d\\`");
        assert_eq!(escape("x=<INSTANCE_NAME>"), "x=\\<INSTANCE_NAME>");
        assert_eq!(escape("_a_ <script>"), "\\_a\\_ \\<script>");
        assert_eq!(escape("# no\nheading"), "\\# no heading");
    }
}

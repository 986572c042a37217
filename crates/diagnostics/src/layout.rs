//! Text made safe and laid out for a terminal: escapes, wrapped paragraphs, aligned tables.

use crate::Table;

/// Columns after which a paragraph is wrapped.
const WIDTH: usize = 100;

/// Whether a character may reach a terminal as it is. Control characters could drive the terminal;
/// the directional and invisible formatting characters could make a text look like another
/// (Unicode Technical Report 36, section 2); private ones have no agreed look.
pub(crate) fn is_printable(c: char) -> bool {
    !c.is_control()
        && !matches!(
            c,
            '\u{200B}'..='\u{200F}'
                | '\u{2028}'..='\u{202E}'
                | '\u{2060}'..='\u{206F}'
                | '\u{E000}'..='\u{F8FF}'
                | '\u{FEFF}'
                | '\u{FFF9}'..='\u{FFFB}'
                | '\u{E0000}'..='\u{E007F}'
        )
}

/// `text` with line breaks kept and everything else that is not printable escaped as in Rust.
pub(crate) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push('\n'),
            c if is_printable(c) => out.push(c),
            c => out.extend(c.escape_default()),
        }
    }
    out
}

/// [`printable`] on one line: runs of line breaks become one space.
pub(crate) fn printable_line(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    printable(&lines.collect::<Vec<_>>().join(" "))
}

/// A paragraph wrapped at spaces, every line indented; no line break at the end.
pub(crate) fn wrapped(text: &str, indent: usize) -> String {
    let margin = " ".repeat(indent);
    let mut lines = Vec::new();
    for paragraph in printable(text).lines() {
        let mut line = String::new();
        let mut width = 0;
        for word in paragraph.split_whitespace() {
            let length = word.chars().count();
            if width > 0 && indent + width + 1 + length > WIDTH {
                lines.push(format!("{margin}{line}"));
                line.clear();
                width = 0;
            }
            if width > 0 {
                line.push(' ');
                width += 1;
            }
            line.push_str(word);
            width += length;
        }
        if width > 0 {
            lines.push(format!("{margin}{line}"));
        }
    }
    lines.join("\n")
}

/// A table with its head on the first line, columns two spaces apart; every line ends in a break. A
/// cell with line breaks goes on below itself.
pub(crate) fn aligned(table: &Table, indent: usize) -> String {
    let head = table
        .columns
        .iter()
        .map(|name| vec![printable_line(&name.to_uppercase())]);
    let mut rows: Vec<Vec<Vec<String>>> = vec![head.collect()];
    for row in &table.rows {
        let cells = row
            .iter()
            .map(|cell| cell.lines().map(printable_line).collect());
        rows.push(cells.collect());
    }
    let mut widths: Vec<usize> = Vec::new();
    for row in &rows {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            let widest = cell.iter().map(|line| line.chars().count()).max();
            *width = (*width).max(widest.unwrap_or(0));
        }
    }
    let mut out = String::new();
    for row in &rows {
        let height = row.iter().map(Vec::len).max().unwrap_or(0).max(1);
        for at in 0..height {
            let mut line = " ".repeat(indent);
            for (cell, width) in row.iter().zip(&widths) {
                let part = cell.get(at).map_or("", String::as_str);
                line.push_str(part);
                line.push_str(&" ".repeat(width - part.chars().count() + 2));
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{aligned, printable, printable_line, wrapped};
    use crate::Table;

    #[test]
    fn terminal_escapes_and_hidden_characters_are_shown() {
        assert_eq!(
            printable("a\u{1b}[31m\u{202e}b\tc\nd"),
            "a\\u{1b}[31m\\u{202e}b\\tc\nd"
        );
        assert_eq!(printable_line("a\n\n  b\r\n"), "a b");
    }

    #[test]
    fn paragraphs_wrap_and_long_words_stay_whole() {
        let text = format!("{} end {}", "word ".repeat(30), "x".repeat(120));
        let lines: Vec<String> = wrapped(&text, 2).lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), 3);
        assert!(
            lines
                .iter()
                .all(|l| l.chars().count() <= 100 || l.contains("xxx"))
        );
        assert!(lines.iter().all(|l| l.starts_with("  ")));
    }

    #[test]
    fn columns_align_by_characters_and_lines_end_without_spaces() {
        let table = Table {
            columns: vec!["name".into(), "why".into()],
            rows: vec![vec!["é".into(), "x".into()], vec!["longer".into()]],
        };
        assert_eq!(aligned(&table, 2), "  NAME    WHY\n  é       x\n  longer\n");
        let table = Table {
            columns: vec!["from".into(), "port".into()],
            rows: vec![vec!["a,\nbcdef".into(), "1".into()]],
        };
        assert_eq!(aligned(&table, 0), "FROM   PORT\na,     1\nbcdef\n");
    }
}

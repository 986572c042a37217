//! One HTML file that needs nothing else: readable on a phone, on paper, and in the dark.

use super::book::{Book, Cell, Part, Table};
use super::inline::{self, Span, anchor};

/// Writes a document.
pub(crate) fn write(book: &Book) -> String {
    let title = escape(&book.title);
    let prose = |text: &str| self::prose(text, book);
    let mut body = format!("<h1>{title}</h1>\n");
    body.push_str(&contents(book));
    for (index, part) in book.parts.iter().enumerate() {
        match part {
            Part::Heading(level, text) => {
                let text = escape(text);
                body.push_str(&format!("<h{level} id=\"s{index}\">{text}</h{level}>\n"));
            }
            Part::Paragraph(text) => body.push_str(&format!("<p>{}</p>\n", prose(text))),
            Part::Note(text) => {
                let text = prose(text);
                body.push_str(&format!(
                    "<p class=\"note\"><strong>Note:</strong> {text}</p>\n"
                ));
            }
            Part::Table(table) => body.push_str(&self::table(table, book)),
            Part::Footnotes(notes) => {
                for (number, text) in notes {
                    let text = prose(text);
                    body.push_str(&format!(
                        "<p class=\"foot\"><sup>{number}</sup> {text}</p>\n"
                    ));
                }
            }
        }
    }
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n\
         </body>\n</html>\n"
    )
}

/// Links to the chapters.
fn contents(book: &Book) -> String {
    let mut out = String::from("<nav aria-label=\"Contents\">\n<ul>\n");
    for (index, part) in book.parts.iter().enumerate() {
        if let Part::Heading(2, text) = part {
            let text = escape(text);
            out.push_str(&format!("<li><a href=\"#s{index}\">{text}</a></li>\n"));
        }
    }
    out.push_str("</ul>\n</nav>\n");
    out
}

/// A table that becomes a list of cards on a narrow screen: each cell carries its column's name.
fn table(table: &Table, book: &Book) -> String {
    let mut out = String::from("<table>\n<thead><tr>");
    for head in &table.head {
        out.push_str(&format!("<th scope=\"col\">{}</th>", escape(head)));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in &table.rows {
        out.push_str("<tr>");
        for (index, cell) in row.iter().enumerate() {
            let name = table.head.get(index).map(|h| escape(h)).unwrap_or_default();
            let text = self::cell(cell, book);
            if table.row_heads && index == 0 {
                out.push_str(&format!("<th scope=\"row\">{text}</th>"));
            } else {
                out.push_str(&format!("<td data-name=\"{name}\">{text}</td>"));
            }
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table>\n");
    out
}

fn cell(cell: &Cell, book: &Book) -> String {
    let mut out = if cell.prose {
        prose(&cell.text, book)
    } else {
        escape(&cell.text)
    };
    if !cell.footnotes.is_empty() {
        let numbers: Vec<String> = cell.footnotes.iter().map(ToString::to_string).collect();
        out.push_str(&format!("<sup>{}</sup>", numbers.join(",")));
    }
    out
}

/// Text with the markup that is allowed in prose. A link to a heading that does not exist is text.
fn prose(text: &str, book: &Book) -> String {
    let heading = |target: &str| {
        let name = target.strip_prefix('#')?;
        book.parts.iter().position(|part| match part {
            Part::Heading(_, text) => anchor(text) == name,
            _ => false,
        })
    };
    inline::parse(text)
        .iter()
        .map(|span| match span {
            Span::Text(text) => escape(text),
            Span::Code(text) => format!("<code>{}</code>", escape(text)),
            Span::Link(text, target) => match (heading(target), target.starts_with('#')) {
                (Some(index), _) => format!("<a href=\"#s{index}\">{}</a>", escape(text)),
                (None, true) => escape(text),
                (None, false) => {
                    format!("<a href=\"{}\">{}</a>", escape(target), escape(text))
                }
            },
        })
        .collect()
}

/// Text in which HTML sees nothing but text, in attributes as well.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

const STYLE: &str = include_str!("style.css");

#[cfg(test)]
mod tests {
    use super::{STYLE, escape};

    #[test]
    fn nothing_but_text() {
        assert_eq!(escape("<b a='\"'>&"), "&lt;b a=&#39;&quot;&#39;&gt;&amp;");
    }

    #[test]
    fn nothing_from_elsewhere() {
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
    }
}

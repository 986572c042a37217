//! A document as data: headings, paragraphs, tables. The formats write it out.

/// A document.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Book {
    pub(crate) title: String,
    pub(crate) parts: Vec<Part>,
}

/// A piece of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// A heading; level 2 is a chapter, 3 a section.
    Heading(u8, String),
    /// A paragraph.
    Paragraph(String),
    /// A remark: it stands out.
    Note(String),
    /// A table.
    Table(Table),
    /// Footnotes with their numbers.
    Footnotes(Vec<(i64, String)>),
}

/// A table of plain text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Table {
    pub(crate) head: Vec<String>,
    pub(crate) rows: Vec<Vec<Cell>>,
    /// Whether the first column is a heading of its row.
    pub(crate) row_heads: bool,
}

/// A cell: text, and the numbers of its footnotes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Cell {
    pub(crate) text: String,
    pub(crate) footnotes: Vec<i64>,
    /// Whether the text may carry markup.
    pub(crate) prose: bool,
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self {
            text,
            ..Self::default()
        }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl Table {
    pub(crate) fn new<const N: usize>(head: [&str; N]) -> Self {
        Self {
            head: head.map(str::to_owned).to_vec(),
            ..Self::default()
        }
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.map(Cell::from).to_vec());
    }

    /// A row whose cells may carry markup.
    pub(crate) fn prose_row<const N: usize>(&mut self, cells: [String; N]) {
        let cells = cells.map(|text| Cell {
            prose: true,
            ..Cell::from(text)
        });
        self.rows.push(cells.to_vec());
    }
}

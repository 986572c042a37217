//! The few lines of a file that a diagnostic points at, cut and escaped before they are drawn.
//!
//! The cost follows the number of labels, never the size of the file or of a line.

use std::ops::Range;

use crate::layout::is_printable;
use crate::{FileId, Label, SourceFile, Sources};

/// A span over more lines than this is drawn by its first line alone.
const MAX_LINES: u32 = 6;
/// Lines between two labels that are shown rather than starting another excerpt.
const MAX_GAP: u32 = 2;
/// Characters of a line that are shown.
const MAX_WIDTH: usize = 120;
/// Bytes shown before the first mark of a line that is too long.
const BEFORE: usize = 30;

/// Some consecutive lines of one file, with marks.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Excerpt {
    /// Name of the file.
    pub(crate) name: String,
    /// Line of the place that leads the excerpt, from 1.
    pub(crate) line: usize,
    /// Its column in characters, from 1.
    pub(crate) column: usize,
    /// Number of the first line of `text`.
    pub(crate) first_line: usize,
    /// The lines.
    pub(crate) text: String,
    /// Marks: bytes of `text`, and the index of the label.
    pub(crate) marks: Vec<(Range<usize>, usize)>,
}

/// A label and the lines it takes.
struct Piece {
    index: usize,
    file: FileId,
    span: Range<usize>,
    lines: Range<u32>,
}

/// The excerpts of the labels whose files are known, that of the first label first, the others in
/// the order of files and lines.
pub(crate) fn excerpts(labels: &[Label], sources: &Sources) -> Vec<Excerpt> {
    let mut pieces: Vec<Piece> = labels
        .iter()
        .enumerate()
        .filter_map(|(index, label)| piece(index, label, sources))
        .collect();
    pieces.sort_by_key(|piece| (piece.file, piece.lines.start, piece.index));
    let mut chunks: Vec<Vec<Piece>> = Vec::new();
    let mut end = (FileId(u32::MAX), 0);
    for piece in pieces {
        let joins = piece.file == end.0 && piece.lines.start <= end.1 + MAX_GAP;
        end = (
            piece.file,
            piece.lines.end.max(if joins { end.1 } else { 0 }),
        );
        match chunks.last_mut() {
            Some(chunk) if joins => chunk.push(piece),
            _ => chunks.push(vec![piece]),
        }
    }
    chunks.sort_by_key(|chunk| !chunk.iter().any(|piece| piece.index == 0));
    let drawn = chunks.iter().filter_map(|chunk| excerpt(chunk, sources));
    drawn.collect()
}

fn piece(index: usize, label: &Label, sources: &Sources) -> Option<Piece> {
    let file = sources.get(label.span.file)?;
    let length = file.len();
    let start = (label.span.start as usize).min(length);
    let end = (label.span.end as usize).clamp(start, length);
    let first = file.line_column(label.span.start).line;
    // The last marked byte, so that a span that ends with a line break stays on its line.
    let inner = u32::try_from(end.saturating_sub(1).max(start)).unwrap_or(u32::MAX);
    let last = file.line_column(inner).line;
    let whole = last - first < MAX_LINES;
    let end = if whole {
        end
    } else {
        file.line_range(first).end.max(start)
    };
    Some(Piece {
        index,
        file: label.span.file,
        span: start..end,
        lines: first..if whole { last + 1 } else { first + 1 },
    })
}

fn excerpt(chunk: &[Piece], sources: &Sources) -> Option<Excerpt> {
    let lead = chunk.iter().min_by_key(|piece| piece.index)?;
    let file = sources.get(lead.file)?;
    let first = chunk.iter().map(|piece| piece.lines.start).min()?;
    let last = chunk.iter().map(|piece| piece.lines.end).max()?;
    let mut drawing = Drawing::default();
    for line in first..last {
        let range = file.line_range(line);
        let starts = chunk.iter().map(|piece| piece.span.start);
        let mark = starts.filter(|start| range.contains(start)).min();
        drawing.line(file, range, mark);
    }
    let place = file.line_column(u32::try_from(lead.span.start).unwrap_or(u32::MAX));
    let mut marks: Vec<(Range<usize>, usize)> = chunk
        .iter()
        .map(|piece| {
            let start = drawing.position(piece.span.start);
            (
                start..drawing.position(piece.span.end).max(start),
                piece.index,
            )
        })
        .collect();
    marks.sort_by_key(|(_, index)| *index);
    Some(Excerpt {
        name: file.name.clone(),
        line: place.line as usize,
        column: place.column as usize,
        first_line: first as usize,
        text: drawing.text,
        marks,
    })
}

/// The text so far, and where bytes of the file went in it.
#[derive(Default)]
struct Drawing {
    text: String,
    positions: Vec<(usize, usize)>,
}

impl Drawing {
    /// Adds a line; one that is too long is cut so that `mark` stays in sight.
    fn line(&mut self, file: &SourceFile, range: Range<usize>, mark: Option<usize>) {
        if !self.text.is_empty() || !self.positions.is_empty() {
            self.text.push('\n');
        }
        let mut start = range.start;
        if let Some(mark) = mark
            && range.len() > MAX_WIDTH
            && mark - range.start > MAX_WIDTH - BEFORE
        {
            start = mark - BEFORE;
            self.text.push('…');
        }
        let (start, line) = file.shown(start..range.end);
        let mut end = range.end;
        for (count, (at, c)) in line.char_indices().enumerate() {
            if count == MAX_WIDTH {
                end = start + at;
                break;
            }
            self.positions.push((start + at, self.text.len()));
            if is_printable(c) || c == '\t' {
                self.text.push(c);
            } else {
                self.text.extend(c.escape_default());
            }
        }
        self.positions.push((end, self.text.len()));
        if end < range.end {
            self.text.push('…');
        }
    }

    /// Where byte `offset` of the file went; the nearest shown place before it if it was cut away.
    fn position(&self, offset: usize) -> usize {
        let after = self
            .positions
            .partition_point(|(source, _)| *source <= offset);
        let found = self.positions.get(after.saturating_sub(1));
        found.map_or(0, |(_, place)| *place)
    }
}

#[cfg(test)]
mod tests {
    use super::excerpts;
    use crate::{Diagnostic, FileId, Sources, Span};

    fn span(from: usize, to: usize) -> Span {
        let [from, to] = [from, to].map(|n| u32::try_from(n).unwrap());
        Span::new(FileId(0), from, to)
    }

    #[test]
    fn near_labels_share_an_excerpt_and_far_ones_do_not() {
        let mut sources = Sources::new();
        sources.add(
            "t",
            (0..100)
                .map(|n| format!("line{n:03}\n"))
                .collect::<String>(),
        );
        let d = Diagnostic::error("PAL0000", "t")
            .at(span(9 * 8, 9 * 8 + 4), "main")
            .at(span(0, 4), "far")
            .at(span(11 * 8, 11 * 8 + 4), "near");
        let found = excerpts(&d.labels, &sources);
        let shape: Vec<_> = found.iter().map(|e| (e.line, e.marks.len())).collect();
        assert_eq!(shape, [(10, 2), (1, 1)]);
        assert_eq!(found[0].text, "line009\nline010\nline011");
    }

    #[test]
    fn a_long_line_is_cut_around_its_mark() {
        let mut sources = Sources::new();
        let text = format!("{}ÄHERE\u{7}{}", "é".repeat(5000), "z".repeat(5000));
        sources.add("t", text.as_str());
        let d = Diagnostic::error("PAL0000", "t").at(span(10_002, 10_006), "");
        let found = excerpts(&d.labels, &sources);
        let cut = &found[0];
        assert_eq!((cut.line, cut.column), (1, 5002));
        assert_eq!(&cut.text[cut.marks[0].0.clone()], "HERE");
        assert!(cut.text.chars().count() < 140);
        assert!(cut.text.contains("HERE\\u{7}z") && cut.text.starts_with('…'));
    }

    #[test]
    fn a_span_over_many_lines_is_drawn_by_its_first() {
        let mut sources = Sources::new();
        sources.add("t", "a: 1\n".repeat(50));
        let d = Diagnostic::error("PAL0000", "t").at(span(5, 200), "");
        assert_eq!(excerpts(&d.labels, &sources)[0].text, "a: 1");
        let d = Diagnostic::error("PAL0000", "t").at(span(5, 15), "");
        assert_eq!(excerpts(&d.labels, &sources)[0].text, "a: 1\na: 1");
    }
}

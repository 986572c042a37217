//! The documents that people read: inbound and outbound tables of each component, the zone matrix with
//! its footnotes, all flows, and what can be set. One content, one file per format.

mod book;
mod collect;
mod content;
mod html;
mod inline;
mod markdown;
mod tables;
#[cfg(test)]
mod tests;
mod words;

use book::Book;
use palisade_matrix::Matrix;
use palisade_netmodel::Intent;

/// A format of documents.
#[derive(Debug, Clone, Copy)]
pub struct Format {
    /// Its name on the command line.
    pub name: &'static str,
    /// How its files end, without the dot.
    pub extension: &'static str,
    /// Writes the documents of a matrix; `intent` is the resolution they are for.
    pub write: fn(&Matrix, &Intent) -> String,
}

/// All formats.
pub const FORMATS: &[Format] = &[
    Format {
        name: "markdown",
        extension: "md",
        write: markdown,
    },
    Format {
        name: "html",
        extension: "html",
        write: html,
    },
];

/// The documents as Markdown.
#[must_use]
pub fn markdown(matrix: &Matrix, intent: &Intent) -> String {
    markdown::write(&book(matrix, intent))
}

/// The documents as one HTML file that needs nothing else.
#[must_use]
pub fn html(matrix: &Matrix, intent: &Intent) -> String {
    html::write(&book(matrix, intent))
}

fn book(matrix: &Matrix, intent: &Intent) -> Book {
    tables::book(&collect::content(matrix, intent))
}

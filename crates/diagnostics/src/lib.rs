//! What Palisade tells people, as data.
//!
//! Every other crate builds [`Diagnostic`]s and [`Report`]s; nobody but [`render`] turns them into
//! text. A diagnostic points into [`Sources`] by [`Span`], so it carries no file contents itself.

mod blocks;
mod codes;
mod diagnostic;
mod excerpt;
mod fix;
mod graph;
mod layout;
pub mod render;
mod report;
mod source;
mod suggest;

pub use blocks::{Arrival, Block, Blocks, Refused, Text};
pub use codes::{CodeRow, code_rows};
pub use diagnostic::{Code, Diagnostic, Label, Severity};
pub use fix::{Edit, Fix, apply};
pub use graph::{Change, Graph, Link, Node};
pub use report::{Fact, Prerequisite, Report, Section, Summary, Table, Verdict};
pub use source::{FileId, LineColumn, SourceFile, Sources, Span};
pub use suggest::did_you_mean;

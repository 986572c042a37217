//! For people at a terminal.
use super::{Format, Style};
use crate::{Report, Sources};
pub(super) const FORMAT: Format = Format {
    name: "text",
    about: "for people",
    render,
};
fn render(report: &Report, _: &Sources, _: &Style) -> String {
    report.title.clone()
}

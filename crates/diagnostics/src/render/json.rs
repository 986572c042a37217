//! For programs.
use super::{Format, Style};
use crate::{Report, Sources};
pub(super) const FORMAT: Format = Format {
    name: "json",
    about: "for programs",
    render,
};
fn render(report: &Report, _: &Sources, _: &Style) -> String {
    report.title.clone()
}

//! Reads a matrix and prints its problems and what it resolves to: for work on the language itself.
//!
//! `cargo run -p palisade-matrix --example check -- FILE [PLATFORM]`

use palisade_diagnostics::Sources;
use palisade_diagnostics::render::{Style, diagnostics_text};
use palisade_matrix::{Choice, parse, resolve};

#[expect(clippy::print_stdout, reason = "an example prints")]
fn main() -> Result<(), std::io::Error> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().unwrap_or_else(|| "matrix.yaml".to_owned());
    let text = std::fs::read_to_string(&file)?;
    let mut sources = Sources::new();
    let id = sources.add(file, text.as_str());
    let parsed = parse(id, &text);
    println!(
        "{}",
        diagnostics_text(&parsed.diagnostics, &sources, &Style::default())
    );
    if let Some(matrix) = parsed.matrix {
        let choice = Choice {
            platform: arguments.next(),
            ..Choice::default()
        };
        let (intent, diagnostics) = resolve(&matrix, &choice);
        println!(
            "{}",
            diagnostics_text(&diagnostics, &sources, &Style::default())
        );
        println!("{intent:#?}");
    }
    Ok(())
}

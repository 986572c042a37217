//! Cases that others wrote (`conformance/README.md`): the reference and the engine answer as those
//! projects expect, but for the rows of one list of exceptions.

#[cfg(test)]
mod analyzer;
#[cfg(test)]
mod cyclonus;
#[cfg(test)]
mod exceptions;
#[cfg(test)]
mod expected;

#[cfg(test)]
use std::path::PathBuf;

/// Where the cases are.
#[cfg(test)]
fn home() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("conformance")
}

/// The text of a file; of `NAME.gz` if only that is there.
#[cfg(test)]
fn text(path: &std::path::Path) -> String {
    use std::io::Read;
    if path.exists() {
        return std::fs::read_to_string(path).unwrap();
    }
    let packed = PathBuf::from(format!("{}.gz", path.display()));
    let file = std::fs::File::open(&packed).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(file)
        .read_to_string(&mut text)
        .unwrap();
    text
}

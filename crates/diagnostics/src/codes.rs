//! What each code means, from the table that people read: `docs/codes.md`.

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeRow {
    /// `PAL0101`.
    pub code: &'static str,
    /// The severities with which it is told, separated by commas.
    pub severity: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// What to do.
    pub fix: &'static str,
}

const TABLE: &str = include_str!("../../../docs/codes.md");

/// Every row, in the order of the codes.
pub fn code_rows() -> impl Iterator<Item = CodeRow> {
    let rows = TABLE.lines().filter(|line| line.starts_with("| PAL"));
    rows.filter_map(|line| {
        let mut cells = line.trim_matches('|').split(" | ").map(str::trim);
        let row = CodeRow {
            code: cells.next()?,
            severity: cells.next()?,
            meaning: cells.next()?,
            fix: cells.next()?,
        };
        Some(row)
    })
}

#[cfg(test)]
mod tests {
    use super::code_rows;

    #[test]
    fn rows_have_their_cells() {
        let row = code_rows().find(|row| row.code == "PAL0001").unwrap();
        assert_eq!(row.severity, "error");
        assert_eq!(row.meaning, "The text is not YAML or JSON.");
        assert!(row.fix.starts_with("Correct the place shown"));
        assert!(code_rows().all(|row| row.code.len() == 7));
    }
}

//! Hostile and broken input: the diagnostic, the exit code, and nothing written.

use crate::run::palisade_with_input;

#[test]
fn garbage_on_standard_input() {
    let directory = tempfile::tempdir().unwrap();
    let matrix =
        "apiVersion: palisade.dev/v1alpha1\nkind: TrafficMatrix\nmetadata: {name: x}\nspec: {}\n";
    std::fs::write(directory.path().join("matrix.yaml"), matrix).unwrap();
    let ended = palisade_with_input(
        directory.path(),
        &["verify", "-f", "-"],
        b"a: [1\n---\nb: \xff",
    );
    assert_eq!(ended.code, 2, "{}", ended.err);
    assert!(ended.err.contains("error[PAL0002]"), "{}", ended.err);
}

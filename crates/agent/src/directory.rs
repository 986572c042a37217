//! A directory of manifests, as it is now: every file, or why it cannot be read.

use crate::texts::Texts;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// Most bytes of one file, files of a directory, and nested directories.
const MAX_BYTES: u64 = 64 << 20;
const MAX_FILES: usize = 10_000;
const MAX_DEPTH: usize = 32;
/// A file that was changed so recently may change again without another time.
const FRESH: Duration = Duration::from_secs(1);
/// So long after its last change nobody is writing a file any more; and so long a writer is waited for.
const SETTLED: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(1);

/// A directory that is watched by looking at it again and again.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    seen: BTreeMap<PathBuf, Seen>,
    /// Since when somebody is writing.
    writing: Option<Instant>,
}

/// What a look gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looked {
    /// As before.
    Same,
    /// Something changed.
    Changed,
    /// Somebody is writing: nothing was taken yet.
    Writing,
}

/// By what a change is noticed.
type Seen = Option<(SystemTime, u64)>;

impl Directory {
    /// A directory of which nothing is known yet.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            seen: BTreeMap::new(),
            writing: None,
        }
    }

    /// Brings texts up to date with the files, at a moment in which nobody writes any of them: a file may be empty
    /// before it is written.
    ///
    /// # Errors
    ///
    /// If the directory cannot be listed as a whole. The texts are as they were then: what is not seen is not gone.
    pub fn look(&mut self, texts: &mut Texts) -> Result<Looked, String> {
        let mut files = Vec::new();
        walk(&self.path, 0, &mut files)?;
        if self.is_written(&files) {
            return Ok(Looked::Writing);
        }
        let mut changed = false;
        let mut names = BTreeSet::new();
        let mut seen = BTreeMap::new();
        for file in files {
            let name = file.display().to_string();
            let now = stamp(&file);
            let known = self.seen.get(&file).is_some_and(|then| *then == now);
            if !known || now.is_none_or(|now| is_younger(now, FRESH)) {
                changed |= texts.put(&name, text(&file));
            }
            names.insert(name);
            seen.insert(file, now);
        }
        self.seen = seen;
        changed |= texts.retain(|name| names.contains(name));
        Ok(if changed {
            Looked::Changed
        } else {
            Looked::Same
        })
    }

    /// Whether somebody is writing, and has not been for long.
    fn is_written(&mut self, files: &[PathBuf]) -> bool {
        let mut stamps = files.iter().filter_map(|file| stamp(file));
        if !stamps.any(|stamp| is_younger(stamp, SETTLED)) {
            self.writing = None;
            return false;
        }
        self.writing.get_or_insert_with(Instant::now).elapsed() < PATIENCE
    }
}

/// All `.yaml`, `.yml` and `.json` files, hidden ones left out: mounted ConfigMaps keep their versions in hidden
/// directories, and lead to them by links.
fn walk(directory: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let lost = |error: std::io::Error| format!("{}: {error}", directory.display());
    for entry in fs::read_dir(directory).map_err(lost)? {
        let entry = entry.map_err(lost)?;
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        if entry.file_type().map_err(lost)?.is_dir() {
            if depth == MAX_DEPTH {
                return Err(format!("{}: lies too deep", path.display()));
            }
            walk(&path, depth + 1, files)?;
        } else if is_manifest(&path) {
            if files.len() == MAX_FILES {
                return Err(format!("more than {MAX_FILES} files"));
            }
            files.push(path);
        }
    }
    Ok(())
}

fn is_manifest(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str());
    extension.is_some_and(|e| ["yaml", "yml", "json"].contains(&e))
}

fn stamp(path: &Path) -> Seen {
    let about = fs::metadata(path).ok()?;
    Some((about.modified().ok()?, about.len()))
}

fn is_younger((changed, _): (SystemTime, u64), than: Duration) -> bool {
    // A time in the future says nothing.
    changed.elapsed().map_or(true, |age| age < than)
}

fn text(path: &Path) -> Result<String, String> {
    let file = fs::File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(format!("more than {MAX_BYTES} bytes"));
    }
    palisade_yaml::decode("", bytes).map_err(|problem| problem.title)
}

#[cfg(test)]
mod tests {
    use super::{Directory, Looked};
    use crate::texts::Texts;
    use std::fs;

    const POLICY: &str = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: NAME, namespace: shop}\nspec: {podSelector: {}, policyTypes: [Ingress]}\n";

    fn policy(name: &str) -> String {
        POLICY.replace("NAME", name)
    }

    /// A look once nobody is writing any more.
    fn look(directory: &mut Directory, texts: &mut Texts) -> Result<Looked, String> {
        loop {
            match directory.look(texts) {
                Ok(Looked::Writing) => std::thread::sleep(std::time::Duration::from_millis(5)),
                looked => return looked,
            }
        }
    }

    fn names(texts: &mut Texts) -> Option<Vec<String>> {
        let world = texts.read().world?;
        let all = world.network_policies.iter();
        Some(all.map(|p| p.object.name.clone()).collect())
    }

    #[test]
    fn a_version_that_does_not_read_leaves_the_one_before() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("a.yaml");
        let (mut directory, mut texts) = (Directory::new(place.path()), Texts::default());
        fs::write(&file, policy("one")).unwrap();
        assert_eq!(look(&mut directory, &mut texts), Ok(Looked::Changed));
        assert_eq!(look(&mut directory, &mut texts), Ok(Looked::Same));
        assert_eq!(names(&mut texts).unwrap(), ["one"]);

        // Nothing at all, a kind that nobody knows, no YAML, no UTF-8.
        let broken: [&[u8]; 4] = [
            b"",
            b"apiVersion: networking.k8s.io/v1\nkind: NetworkPol",
            b"kind: [",
            b"\xff\xfe\xfd",
        ];
        for bytes in broken {
            fs::write(&file, bytes).unwrap();
            assert_eq!(look(&mut directory, &mut texts), Ok(Looked::Changed));
            let reading = texts.read();
            assert_eq!(names(&mut texts).unwrap(), ["one"]);
            let told = reading.told.join("\n");
            assert!(
                told.contains("a.yaml") && told.contains("stays in force"),
                "{told}"
            );
        }
        fs::write(&file, policy("two")).unwrap();
        assert_eq!(look(&mut directory, &mut texts), Ok(Looked::Changed));
        assert_eq!(names(&mut texts).unwrap(), ["two"]);
        assert!(texts.read().told.is_empty());
        fs::remove_file(&file).unwrap();
        assert_eq!(look(&mut directory, &mut texts), Ok(Looked::Changed));
        assert_eq!(names(&mut texts).unwrap(), [""; 0]);
    }

    #[test]
    fn a_file_that_is_being_written_is_waited_for() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("a.yaml");
        let (mut directory, mut texts) = (Directory::new(place.path()), Texts::default());
        fs::write(&file, policy("one")).unwrap();
        assert_eq!(directory.look(&mut texts), Ok(Looked::Writing));
        assert!(texts.is_empty());
        look(&mut directory, &mut texts).unwrap();
        assert_eq!(names(&mut texts).unwrap(), ["one"]);
    }

    #[test]
    fn nothing_is_said_while_a_text_has_never_been_read() {
        let place = tempfile::tempdir().unwrap();
        let (mut directory, mut texts) = (Directory::new(place.path()), Texts::default());
        fs::write(place.path().join("a.yaml"), policy("one")).unwrap();
        fs::write(place.path().join("b.yaml"), "kind: NetworkPolicy\n").unwrap();
        look(&mut directory, &mut texts).unwrap();
        let reading = texts.read();
        assert!(reading.world.is_none());
        assert!(
            reading.told[0].contains("nothing changes"),
            "{:?}",
            reading.told
        );
        // A policy that moved to a file that does not read must not be lost.
        fs::remove_file(place.path().join("a.yaml")).unwrap();
        look(&mut directory, &mut texts).unwrap();
        assert!(texts.read().world.is_none());
        fs::write(place.path().join("b.yaml"), policy("one")).unwrap();
        look(&mut directory, &mut texts).unwrap();
        assert_eq!(names(&mut texts).unwrap(), ["one"]);
    }

    #[test]
    fn texts_that_contradict_each_other_say_nothing() {
        let place = tempfile::tempdir().unwrap();
        let (mut directory, mut texts) = (Directory::new(place.path()), Texts::default());
        fs::write(place.path().join("a.yaml"), policy("one")).unwrap();
        fs::write(place.path().join("b.yaml"), policy("one")).unwrap();
        look(&mut directory, &mut texts).unwrap();
        let reading = texts.read();
        assert!(reading.world.is_none());
        assert!(reading.told[0].contains("b.yaml"), "{:?}", reading.told);
    }

    #[test]
    fn a_directory_that_is_gone_takes_nothing_with_it() {
        let place = tempfile::tempdir().unwrap();
        let inner = place.path().join("manifests");
        fs::create_dir(&inner).unwrap();
        fs::write(inner.join("a.yaml"), policy("one")).unwrap();
        let (mut directory, mut texts) = (Directory::new(&inner), Texts::default());
        look(&mut directory, &mut texts).unwrap();
        fs::rename(&inner, place.path().join("elsewhere")).unwrap();
        assert!(look(&mut directory, &mut texts).is_err());
        assert_eq!(names(&mut texts).unwrap(), ["one"]);
    }
}

//! A directory of manifests, as it is now: every file, or why it cannot be read.
//!
//! What counts is a look at all of it. The kernel says when one is worth it; what it cannot tell of (files that another
//! machine writes, or that have a second name elsewhere) is seen by looking now and then.

use crate::notices::Notices;
use crate::texts::Texts;
use nix::errno::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};
use std::{fs, thread};

/// Most bytes of one file, files of a directory, and nested directories.
const MAX_BYTES: u64 = 64 << 20;
const MAX_FILES: usize = 10_000;
const MAX_DEPTH: usize = 32;
/// A file that was changed so recently may change again without another time.
const FRESH: Duration = Duration::from_secs(1);
/// So long after its last change nobody is writing a file any more; and so long a writer is waited for.
const SETTLED: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(1);

/// How often the directory is looked at while somebody writes, or if the kernel does not tell of changes.
const OFTEN: Duration = Duration::from_millis(30);
/// How often if it does.
const RARELY: Duration = Duration::from_secs(1);
/// How much longer than a look takes the next one waits at least.
const SHARE: u32 = 10;
/// How often a look is taken anew because there is something that was not watched.
const TRIES: usize = 8;

/// A directory that is followed.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    seen: BTreeMap<PathBuf, Seen>,
    /// Since when somebody is writing.
    writing: Option<Instant>,
    /// Who tells of changes.
    notices: Option<Notices>,
    /// Whether all that was seen was watched before it was looked at.
    watched: bool,
    /// Why not, if the kernel refuses that.
    untold: Option<String>,
    /// How long the last look took.
    took: Duration,
    rarely: Duration,
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

/// By what a change is noticed; `None`: whatever the file says, it is read again.
type Seen = Option<(SystemTime, u64)>;

/// What is below a directory.
#[derive(Debug, Default)]
struct Found {
    /// All `.yaml`, `.yml` and `.json` files.
    files: Vec<PathBuf>,
    /// What has to be watched: directories, and files by links, which may lie anywhere.
    places: Vec<PathBuf>,
}

impl Directory {
    /// A directory of which nothing is known yet.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            seen: BTreeMap::new(),
            writing: None,
            notices: None,
            watched: false,
            untold: None,
            took: Duration::ZERO,
            rarely: RARELY,
        }
    }

    /// Why the kernel does not tell of changes, if it does not.
    #[must_use]
    pub fn untold(&self) -> Option<&str> {
        self.untold.as_deref()
    }

    /// Waits until another look is worth it.
    pub fn wait(&self) {
        // However much changes, looking takes a small part of the time.
        thread::sleep(self.took * SHARE);
        match &self.notices {
            Some(notices) if self.watched && self.writing.is_none() => {
                notices.wait(self.rarely);
            }
            _ => thread::sleep(OFTEN.saturating_sub(self.took * SHARE)),
        }
    }

    /// Brings texts up to date with the files, at a moment in which nobody writes any of them: a file may be empty
    /// before it is written.
    ///
    /// # Errors
    ///
    /// If the directory cannot be listed as a whole. The texts are as they were then: what is not seen is not gone.
    pub fn look(&mut self, texts: &mut Texts) -> Result<Looked, String> {
        let begun = Instant::now();
        let path = self.path.clone();
        let found = self.watching(|| found(&path));
        let looked = found.map(|found| self.take(found.files, texts));
        self.took = begun.elapsed();
        looked
    }

    /// What is found when all of it was watched before, so that the kernel tells of whatever happens from then on.
    fn watching(&mut self, find: impl Fn() -> Result<Found, String>) -> Result<Found, String> {
        self.watched = false;
        let mut found = find()?;
        for _ in 0..TRIES {
            let watched = self.watch(&found.places);
            let lost = |cause: &Errno| matches!(cause, Errno::ENOENT | Errno::ENOTDIR);
            self.untold = watched
                .err()
                .filter(|c| !lost(c))
                .map(|c| c.desc().to_owned());
            match watched {
                Ok(true) => {
                    self.watched = true;
                    break;
                }
                Err(cause) if !lost(&cause) => break,
                // Something is new, or gone already.
                _ => found = find()?,
            }
        }
        Ok(found)
    }

    /// Whether all of it was watched before.
    fn watch(&mut self, places: &[PathBuf]) -> Result<bool, Errno> {
        match &mut self.notices {
            Some(notices) => notices.watch(places),
            none => none.insert(Notices::new()?).watch(places),
        }
    }

    fn take(&mut self, files: Vec<PathBuf>, texts: &mut Texts) -> Looked {
        if self.is_written(&files) {
            return Looked::Writing;
        }
        let mut changed = false;
        let mut names = BTreeSet::new();
        let mut seen = BTreeMap::new();
        for file in files {
            let name = file.display().to_string();
            let now = stamp(&file);
            let known = self.seen.get(&file).is_some_and(|then| *then == now);
            if !known || now.is_none() {
                changed |= texts.put(&name, text(&file));
            }
            names.insert(name);
            seen.insert(file, now.filter(|now| !is_younger(*now, FRESH)));
        }
        self.seen = seen;
        changed |= texts.retain(|name| names.contains(name));
        match changed {
            true => Looked::Changed,
            false => Looked::Same,
        }
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

fn found(directory: &Path) -> Result<Found, String> {
    let mut found = Found::default();
    walk(directory, 0, &mut found)?;
    Ok(found)
}

/// Hidden files are left out: mounted ConfigMaps keep their versions in hidden directories, and lead to them by links.
fn walk(directory: &Path, depth: usize, found: &mut Found) -> Result<(), String> {
    let lost = |error: std::io::Error| format!("{}: {error}", directory.display());
    found.places.push(directory.to_owned());
    for entry in fs::read_dir(directory).map_err(lost)? {
        let entry = entry.map_err(lost)?;
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        let kind = entry.file_type().map_err(lost)?;
        if kind.is_dir() {
            if depth == MAX_DEPTH {
                return Err(format!("{}: lies too deep", path.display()));
            }
            walk(&path, depth + 1, found)?;
        } else if is_manifest(&path) {
            if found.files.len() == MAX_FILES {
                return Err(format!("more than {MAX_FILES} files"));
            }
            // A link that leads nowhere is watched where it lies.
            if kind.is_symlink() && path.exists() {
                found.places.push(path.clone());
            }
            found.files.push(path);
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
    use super::{Directory, Found, Looked, found};
    use crate::texts::Texts;
    use std::cell::Cell;
    use std::os::unix::fs::symlink;
    use std::path::Path;
    use std::time::{Duration, Instant};
    use std::{fs, thread};

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
        let mut all: Vec<String> = all.map(|p| p.object.name.clone()).collect();
        all.sort();
        Some(all)
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

    /// Longest wait for what the kernel tells of.
    const PATIENCE: Duration = Duration::from_secs(20);

    /// A directory that is never looked at for no reason.
    fn patient(path: &Path) -> (Directory, Texts) {
        let mut directory = Directory::new(path);
        directory.rarely = PATIENCE * 3;
        (directory, Texts::default())
    }

    /// Follows until the policies have these names, or there is no world. The change has happened already, after the
    /// last look: without a word of the kernel there is no other one.
    #[track_caller]
    fn follow(directory: &mut Directory, texts: &mut Texts, wanted: Option<&[&str]>) {
        let begun = Instant::now();
        let is = |texts: &mut Texts| match (names(texts), wanted) {
            (Some(names), Some(wanted)) => names == wanted,
            (names, wanted) => names.is_none() && wanted.is_none(),
        };
        loop {
            directory.wait();
            assert!(begun.elapsed() < PATIENCE, "{:?}", names(texts));
            if directory.look(texts).is_ok() && is(texts) {
                break;
            }
        }
        // Until nobody is writing any more, and nothing is left to be told.
        look(directory, texts).unwrap();
        assert!(directory.watched, "{:?}", directory.untold());
        directory.notices.as_ref().unwrap().wait(Duration::ZERO);
        look(directory, texts).unwrap();
    }

    /// Writes a file beside its place, and moves it there.
    fn put(path: &Path, text: &str) {
        let beside = path.with_extension("new");
        fs::write(&beside, text).unwrap();
        fs::rename(&beside, path).unwrap();
    }

    #[test]
    fn every_change_is_told() {
        let outer = tempfile::tempdir().unwrap();
        let place = outer.path().join("manifests");
        fs::create_dir(&place).unwrap();
        let (mut directory, mut texts) = patient(&place);
        look(&mut directory, &mut texts).unwrap();
        let mut is = |wanted: &[&str]| follow(&mut directory, &mut texts, Some(wanted));
        fs::write(place.join("a.yaml"), policy("a")).unwrap();
        is(&["a"]);
        fs::write(place.join("a.yaml"), policy("b")).unwrap();
        is(&["b"]);
        put(&place.join("a.yaml"), &policy("c"));
        is(&["c"]);
        // A directory with others in it comes at once, or step by step.
        let beside = outer.path().join("beside");
        fs::create_dir_all(beside.join("x/y")).unwrap();
        fs::write(beside.join("x/y/d.yaml"), policy("d")).unwrap();
        fs::rename(&beside, place.join("inner")).unwrap();
        is(&["c", "d"]);
        fs::create_dir_all(place.join("inner/x/z/deep")).unwrap();
        fs::write(place.join("inner/x/z/deep/e.yaml"), policy("e")).unwrap();
        is(&["c", "d", "e"]);
        fs::write(place.join("inner/x/y/d.yaml"), policy("f")).unwrap();
        is(&["c", "e", "f"]);
        fs::rename(place.join("inner/x/z"), outer.path().join("z")).unwrap();
        is(&["c", "f"]);
        fs::remove_dir_all(place.join("inner")).unwrap();
        is(&["c"]);
        // The directory itself is another one.
        fs::rename(&place, outer.path().join("before")).unwrap();
        fs::create_dir(&place).unwrap();
        fs::write(place.join("a.yaml"), policy("g")).unwrap();
        is(&["g"]);
        fs::remove_file(place.join("a.yaml")).unwrap();
        is(&[]);
    }

    #[test]
    fn links_are_followed_wherever_they_lead() {
        let outer = tempfile::tempdir().unwrap();
        let place = outer.path().join("manifests");
        fs::create_dir(&place).unwrap();
        let (mut directory, mut texts) = patient(&place);
        let mut follow = |wanted| follow(&mut directory, &mut texts, wanted);
        // As a ConfigMap is mounted.
        for version in ["1", "2"] {
            let hidden = place.join(format!("..{version}"));
            fs::create_dir(&hidden).unwrap();
            fs::write(hidden.join("a.yaml"), policy(&format!("v{version}"))).unwrap();
        }
        symlink("..1", place.join("..data")).unwrap();
        symlink("..data/a.yaml", place.join("a.yaml")).unwrap();
        follow(Some(&["v1"]));
        symlink("..2", place.join("..next")).unwrap();
        fs::rename(place.join("..next"), place.join("..data")).unwrap();
        follow(Some(&["v2"]));
        fs::write(place.join("..2/a.yaml"), policy("v3")).unwrap();
        follow(Some(&["v3"]));
        // A file elsewhere.
        let elsewhere = outer.path().join("b.yaml");
        symlink(&elsewhere, place.join("b.yaml")).unwrap();
        follow(None);
        fs::write(&elsewhere, policy("w0")).unwrap();
        // Nobody is told that what a link leads to is there at last; whoever looks sees it.
        fs::write(place.join("c.txt"), "look").unwrap();
        follow(Some(&["v3", "w0"]));
        fs::write(&elsewhere, policy("w1")).unwrap();
        follow(Some(&["v3", "w1"]));
        fs::write(&elsewhere, policy("w2")).unwrap();
        follow(Some(&["v3", "w2"]));
        put(&elsewhere, &policy("w3"));
        follow(Some(&["v3", "w3"]));
    }

    #[test]
    fn what_happens_between_looking_and_watching_is_seen() {
        let place = tempfile::tempdir().unwrap();
        let inner = place.path().join("inner");
        fs::create_dir(&inner).unwrap();
        let (mut directory, _) = patient(place.path());
        let looks = Cell::new(0);
        // The first two times something happens right after the look.
        let find = || {
            let found = found(place.path());
            match looks.replace(looks.get() + 1) {
                0 => fs::write(inner.join("a.yaml"), policy("a")).unwrap(),
                1 => fs::create_dir(inner.join("more")).unwrap(),
                _ => {}
            }
            found
        };
        let Found { files, .. } = directory.watching(find).unwrap();
        assert_eq!(files, [inner.join("a.yaml")]);
        // What came after the last look is not watched, but that it came is told.
        assert!(directory.watched);
        let told = |directory: &Directory| directory.notices.as_ref().unwrap().wait(PATIENCE);
        assert!(told(&directory));
        fs::write(inner.join("more/b.yaml"), policy("b")).unwrap();
        let Found { files, places } = directory.watching(|| found(place.path())).unwrap();
        assert_eq!((files.len(), places.len()), (2, 3));
        fs::write(inner.join("more/b.yaml"), policy("c")).unwrap();
        assert!(told(&directory));
    }

    #[test]
    fn notices_that_are_lost_cost_nothing() {
        let place = tempfile::tempdir().unwrap();
        let (mut directory, mut texts) = patient(place.path());
        look(&mut directory, &mut texts).unwrap();
        let most = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
        let most: usize = most.trim().parse().unwrap();
        fs::create_dir(place.path().join("inner")).unwrap();
        // Each is told twice: it comes, and it goes.
        for number in 0..most.div_ceil(2) {
            let path = place.path().join(format!("{}", number % 2));
            fs::create_dir(&path).unwrap();
            fs::remove_dir(&path).unwrap();
        }
        fs::write(place.path().join("inner/a.yaml"), policy("a")).unwrap();
        follow(&mut directory, &mut texts, Some(&["a"]));
        fs::write(place.path().join("inner/a.yaml"), policy("b")).unwrap();
        follow(&mut directory, &mut texts, Some(&["b"]));
    }

    #[test]
    fn whatever_happens_meanwhile_the_end_is_seen() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().to_owned();
        let (mut directory, mut texts) = patient(place.path());
        let busy = thread::spawn(move || {
            let mut random = 88_172_645_463_325_252_u64;
            let mut next = |below: u64| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                random % below
            };
            let inside = |next: &mut dyn FnMut(u64) -> u64| {
                let mut path = root.clone();
                (0..next(4)).for_each(|_| path.push(format!("d{}", next(2))));
                path
            };
            for number in 0..400_u64 {
                let (from, to) = (inside(&mut next), inside(&mut next));
                let name = |number: u64| format!("p{}.yaml", number % 8);
                // What is not there is not moved or removed; that is all right.
                let _ = match next(6) {
                    0 | 1 => fs::create_dir_all(&to),
                    2 => fs::rename(from, to),
                    3 => fs::rename(from.join(name(number)), to.join(name(number))),
                    4 if from != root => fs::remove_dir_all(from),
                    _ => fs::create_dir_all(&to).map(|()| {
                        let text = policy(&format!("p{number}"));
                        put(&to.join(name(number)), &text);
                    }),
                };
                if next(8) == 0 {
                    thread::sleep(Duration::from_millis(next(8)));
                }
            }
            put(&root.join("last.yaml"), &policy("last"));
            found(&root).unwrap().files
        });
        while !busy.is_finished() {
            let _ = directory.look(&mut texts);
            directory.wait();
        }
        // No two files have the same policy.
        let texts_there = busy
            .join()
            .unwrap()
            .into_iter()
            .map(|f| fs::read_to_string(f).unwrap());
        let name = |text: String| {
            text.split_once("{name: ")?
                .1
                .split_once(',')
                .map(|n| n.0.to_owned())
        };
        let mut wanted: Vec<String> = texts_there.filter_map(name).collect();
        wanted.sort();
        let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
        let begun = Instant::now();
        while names(&mut texts).is_none_or(|names| names != wanted) {
            directory.wait();
            assert!(begun.elapsed() < PATIENCE, "{:?}", names(&mut texts));
            let _ = directory.look(&mut texts);
        }
    }
}

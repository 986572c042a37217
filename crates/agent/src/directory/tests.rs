//! Changes of a directory are told, whatever way they are made.

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

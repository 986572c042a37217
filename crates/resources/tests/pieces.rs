//! A text that is read piece by piece, by several threads, gives what the same objects give as documents.

#![cfg(test)]

use palisade_diagnostics::FileId;
use palisade_resources::{Input, Loaded, Loader, Options, Role, load};
use std::fmt::Write as _;

fn read(text: &str) -> Loaded {
    let input = Input {
        file: FileId(0),
        text: text.into(),
        role: Role::Both,
    };
    load(&[input], &Options::default())
}

/// Objects as JSON, of which every seventh is wrong in one way or another.
fn objects(count: usize) -> Vec<String> {
    let make = |i: usize| match i % 21 {
        0 => format!(
            r#"{{"apiVersion":"v1","kind":"Namespace","metadata":{{"name":"n{i}","labels":{{"a":"b{i}"}}}}}}"#
        ),
        7 => format!(
            r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"Bad_{i}"}},"spec":{{"containers":[]}}}}"#
        ),
        14 => format!(r#"{{"apiVersion":"v2","kind":"Pod","metadata":{{"name":"p{i}"}}}}"#),
        15 => format!(
            r#"{{"apiVersion":"example.com/v1","kind":"Thing","metadata":{{"name":"t{i}"}},"spec":{{"a":[{i}]}}}}"#
        ),
        16 => r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"twice"}}"#.to_owned(),
        17 => r#"{"kind":"Pod"}"#.to_owned(),
        18 => "17".to_owned(),
        _ => format!(
            r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"p{i}","namespace":"n","labels":{{"l{}":"{i}"}}}},"spec":{{"containers":[{{"name":"c","image":"i","env":[{{"name":"x","value":"{}"}}]}}]}}}}"#,
            i % 3,
            "y".repeat(i % 900),
        ),
    };
    (0..count).map(make).collect()
}

/// What is said, without places: their text instead.
fn said(loaded: &Loaded, text: &str) -> Vec<String> {
    let one = |d: &palisade_diagnostics::Diagnostic| {
        let labels = d.labels.iter().map(|l| {
            let range = l.span.start as usize..l.span.end as usize;
            (l.text.clone(), text[range].to_owned())
        });
        format!("{} {:?} {:?}", d.title, labels.collect::<Vec<_>>(), d.notes)
    };
    loaded.diagnostics.iter().map(one).collect()
}

/// What is in the world, without places.
fn world(loaded: &Loaded) -> String {
    let mut out = format!(
        "{:?} {:?} {:?}\n",
        loaded.counts, loaded.unknown, loaded.left_out
    );
    for pod in &loaded.world.pods {
        let _ = writeln!(out, "{} {:?}", pod.object(), pod.template);
    }
    for namespace in loaded.world.namespaces.values() {
        let _ = writeln!(out, "{} {:?}", namespace.name, namespace.labels);
    }
    out
}

#[test]
fn a_large_list_gives_what_its_items_give_as_documents() {
    let objects = objects(3000);
    let documents = objects.join("\n---\n");
    let expected = read(&documents);
    assert_eq!(expected.world.pods.len(), 3000 / 21 * 14 + 12);
    assert!(
        expected.diagnostics.len() > 500,
        "{}",
        expected.diagnostics.len()
    );
    let json = format!(
        "{{\"apiVersion\": \"v1\", \"items\": [{}], \"kind\": \"List\"}}",
        objects.join(",\n  ")
    );
    let items: String = objects.iter().map(|o| format!("- {o}\n")).collect();
    let yaml = format!("apiVersion: v1\nitems:\n{items}kind: List\n");
    // One anchor, and the list has to be read as a whole.
    let whole = yaml.replacen("apiVersion: v1", "apiVersion: &a v1\nx: *a", 1);
    for text in [json, yaml, whole] {
        assert!(text.len() > 1 << 20);
        let loaded = read(&text);
        assert!(world(&loaded) == world(&expected), "{}", &text[..60]);
        assert_eq!(said(&loaded, &text), said(&expected, &documents));
    }
}

#[test]
fn a_broken_item_costs_the_list_and_nothing_else() {
    let mut objects = objects(1500);
    objects[700] = r#"{"apiVersion": "v1", "kind": "Pod", "kind": "Pod"}"#.to_owned();
    for form in ["json", "yaml"] {
        let list = match form {
            "json" => format!(
                "{{\"kind\":\"List\",\"apiVersion\":\"v1\",\"items\":[{}]}}",
                objects.join(",")
            ),
            _ => format!(
                "kind: List\napiVersion: v1\nitems:\n- {}\n",
                objects.join("\n- ")
            ),
        };
        let text = format!("{}\n---\n{list}\n---\n{}\n", objects[1], objects[2]);
        let loaded = read(&text);
        let titles: Vec<&str> = loaded
            .diagnostics
            .iter()
            .map(|d| d.title.as_str())
            .collect();
        assert_eq!(titles, ["duplicate key `kind`"], "{form}");
        let names: Vec<&str> = loaded.world.pods.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(names, ["p1", "p2"], "{form}");
    }
}

#[test]
fn items_of_a_typed_list_inherit_its_type_wherever_it_stands() {
    let pod = |i: usize| {
        format!(
            r#"{{"metadata":{{"name":"p{i}"}},"spec":{{"containers":[{{"name":"c","image":"{}"}}]}}}}"#,
            "i".repeat(100)
        )
    };
    let pods: Vec<String> = (0..3000).map(pod).collect();
    let json = pods.join(",");
    let yaml: String = pods.iter().map(|pod| format!("- {pod}\n")).collect();
    for text in [
        format!("{{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"items\":[{json}]}}"),
        format!("{{\"items\":[{json}],\"apiVersion\":\"v1\",\"kind\":\"PodList\"}}"),
        format!("apiVersion: v1\nitems:\n{yaml}kind: PodList\n"),
    ] {
        assert!(text.len() > 1 << 18);
        let loaded = read(&text);
        assert_eq!(loaded.diagnostics, []);
        assert_eq!(loaded.world.pods.len(), 3000);
    }
}

/// Everything that was loaded, places too.
fn all(loaded: &Loaded) -> String {
    format!("{}{loaded:?}", world(loaded))
}

#[test]
fn many_files_give_the_same_by_any_number_of_threads() {
    let objects = objects(3000);
    // Files of all sizes: one object, hundreds, a list, nothing, what is not YAML.
    let mut texts: Vec<String> = Vec::new();
    let mut rest = objects.as_slice();
    for number in 0_usize.. {
        let size = [1, 250, 2, 40, 600, 3][number % 6].min(rest.len());
        let (part, after) = rest.split_at(size);
        rest = after;
        texts.push(match number % 6 {
            1 => format!(
                r#"{{"kind":"List","apiVersion":"v1","items":[{}]}}"#,
                part.join(",")
            ),
            _ => part.join("\n---\n"),
        });
        if number % 7 == 3 {
            texts.push("a: [\n---\na: 1\na: 2\n".to_owned());
        }
        if rest.is_empty() {
            break;
        }
    }
    texts.resize(texts.len() + 100, "kind: Pod\n".to_owned());
    let roles = [Role::Both, Role::Both, Role::Policies, Role::Workloads];
    let inputs: Vec<Input<'_>> = texts
        .iter()
        .zip(0..)
        .zip(roles.into_iter().cycle())
        .map(|((text, file), role)| Input {
            file: FileId(file),
            text: text.into(),
            role,
        })
        .collect();
    for max_diagnostics in [1000, 90] {
        let mut options = Options::default();
        options.limits.max_diagnostics = max_diagnostics;
        let by = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.unwrap().install(|| all(&load(&inputs, &options)))
        };
        let one = by(1);
        assert!(one.len() > 1 << 20 && one.contains("not YAML"));
        for threads in [2, 5] {
            assert!(by(threads) == one, "{threads} threads");
        }
        // One file after the other, those of policies last.
        let mut loader = Loader::new(&options);
        for last in [false, true] {
            let these = inputs
                .iter()
                .filter(|input| (input.role == Role::Policies) == last);
            these.for_each(|input| loader.read(input));
        }
        assert!(all(&loader.finish()) == one);
    }
}

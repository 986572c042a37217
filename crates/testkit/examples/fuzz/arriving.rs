//! A text that arrives: in blocks, windows and pieces of any size it gives what it gives as a whole.

use crate::{places, signature};
use palisade_diagnostics::render::{Style, diagnostics_text};
use palisade_diagnostics::{Arrival, Block, Blocks, Diagnostic, FileId, Refused, Sources};
use palisade_resources::{Input, Loaded, Options, Role, load, written};
use palisade_testkit::clusters::{self, Shape};
use palisade_yaml::{Decoder, Limits, Sizes, decode, parse};
use std::fmt::Debug;

/// Bytes before the text, which say how it arrives.
const HOW: usize = 4;
const FILE: FileId = FileId(0);

/// How a text arrives.
struct How {
    /// Bytes of a block; of each that is 0, a number of its own.
    block: usize,
    sizes: Sizes,
    max_diagnostics: usize,
}

impl How {
    fn new([block, window, list, most]: [u8; HOW]) -> Self {
        Self {
            block: match block {
                0..64 => 0,
                _ => grown(block - 63),
            },
            sizes: Sizes {
                window: grown(window),
                list: grown(list) - 1,
            },
            max_diagnostics: match most {
                0..32 => usize::from(most),
                _ => 1000,
            },
        }
    }

    fn options(&self, sizes: Sizes) -> Options {
        Options {
            limits: Limits {
                max_diagnostics: self.max_diagnostics,
                sizes,
                ..Limits::default()
            },
            ..Options::default()
        }
    }
}

/// Small numbers one by one, then ever fewer, to 21,000.
fn grown(byte: u8) -> usize {
    let byte = usize::from(byte);
    match byte {
        0..64 => byte + 1,
        _ => byte * byte * byte / 790 - 267,
    }
}

/// Judges bytes that say how a text arrives, and the text.
pub(crate) fn arriving(bytes: &[u8]) -> Result<u64, String> {
    let Some((how, bytes)) = bytes.split_first_chunk::<HOW>() else {
        return Ok(0);
    };
    let how = How::new(*how);
    let arrives = || Blocks::new(arrivals(bytes, how.block));
    let text = match decode("input", bytes) {
        Ok(text) => text,
        Err(error) => return refused(&error, bytes, how.block, &arrives()),
    };
    let (mut all, mut parts) = (Sources::new(), Sources::new());
    all.add("input", text.as_str());
    parts.add_blocks("input", arrives());
    let no_pieces = Sizes {
        list: usize::MAX,
        ..how.sizes
    };
    let loaded = read(&all, &how.options(no_pieces));
    places(&loaded.diagnostics, &text)?;
    same("pieces", &read(&all, &how.options(how.sizes)), &loaded)?;
    // Once as it arrives, once as it was kept.
    for _ in 0..2 {
        same("blocks", &read(&parts, &how.options(how.sizes)), &loaded)?;
    }
    shown(&loaded.diagnostics, (&all, &parts))?;
    if reads(&text) {
        let about = |sources: &Sources, sizes| {
            input(sources).map(|input| written(&[input], &how.options(sizes).limits))
        };
        let expected = about(&all, no_pieces);
        same("written, pieces", &about(&all, how.sizes), &expected)?;
        same("written, blocks", &about(&parts, how.sizes), &expected)?;
    }
    let kinds: Vec<&String> = loaded.counts.keys().collect();
    Ok(signature(&loaded.diagnostics, kinds))
}

/// Whether nothing is wrong with the text as such. What lints see of one in error may be what stands before
/// the mistake; that it is in error is told.
fn reads(text: &str) -> bool {
    parse(FILE, text, &Limits::default()).diagnostics.is_empty()
}

fn input(sources: &Sources) -> Option<Input<'_>> {
    sources.get(FILE).map(|source| Input {
        file: FILE,
        text: source.text(),
        role: Role::Both,
    })
}

fn read(sources: &Sources, options: &Options) -> Loaded {
    let input = input(sources);
    load(input.as_slice(), options)
}

/// The blocks of bytes, as the command line makes them.
fn arrivals(bytes: &[u8], block: usize) -> impl Iterator<Item = Arrival> + Send + use<> {
    let mut parts = decoded(bytes, block).into_iter();
    let next = move || {
        let text = parts.next()?;
        Some(text.map_err(|_| Refused).map(|t| (Block::pack(&t), t)))
    };
    std::iter::from_fn(next)
}

/// The text in parts, up to its end or to what is no text.
fn decoded(bytes: &[u8], block: usize) -> Vec<Result<String, Diagnostic>> {
    let mut decoder = Decoder::new("input");
    let (mut rest, mut out, mut random) = (bytes, Vec::new(), bytes.len());
    while !rest.is_empty() {
        random = random.wrapping_mul(48_271) % 0x7FFF_FFFF;
        let len = if block == 0 { 1 + random % 300 } else { block };
        // The first part tells the encoding.
        let len = if out.is_empty() { len.max(4) } else { len };
        let (part, after) = rest.split_at(len.min(rest.len()));
        rest = after;
        let text = decoder.decode(part.to_vec());
        let ends = text.is_err();
        out.push(text);
        if ends {
            return out;
        }
    }
    out.extend(decoder.finish().err().map(Err));
    out
}

/// What is no text is refused for the same reason, and nothing is taken from it.
fn refused(error: &Diagnostic, bytes: &[u8], block: usize, blocks: &Blocks) -> Result<u64, String> {
    let last = decoded(bytes, block).pop().and_then(Result::err);
    same("refused", &last.as_ref(), &Some(error))?;
    let input = Input {
        file: FILE,
        text: palisade_diagnostics::Text::Blocks(blocks),
        role: Role::Both,
    };
    let loaded = load(&[input], &Options::default());
    if !blocks.is_refused() || !loaded.counts.is_empty() || !loaded.diagnostics.is_empty() {
        return Err(format!("something is taken from no text: {loaded:?}"));
    }
    Ok(signature(std::slice::from_ref(error), 0))
}

fn same<T: Debug>(what: &str, found: &T, expected: &T) -> Result<(), String> {
    let (found, expected) = (format!("{found:?}"), format!("{expected:?}"));
    if found == expected {
        return Ok(());
    }
    let differs = found.bytes().zip(expected.bytes());
    let at = differs.take_while(|(a, b)| a == b).count();
    let near = |text: &str| -> String {
        let bytes = text.as_bytes();
        let to = (at + 200).min(bytes.len());
        let part = bytes.get(at.saturating_sub(200)..to).unwrap_or_default();
        String::from_utf8_lossy(part).into_owned()
    };
    Err(format!(
        "{what}: {}\nas a whole: {}",
        near(&found),
        near(&expected)
    ))
}

/// Diagnostics look the same, and stand on the same lines.
fn shown(diagnostics: &[Diagnostic], (all, parts): (&Sources, &Sources)) -> Result<(), String> {
    let (Some(whole), Some(blocks)) = (all.get(FILE), parts.get(FILE)) else {
        return Err("a text without a source".to_owned());
    };
    let spans = || {
        let labels = diagnostics.iter().flat_map(|d| &d.labels);
        labels.map(|label| label.span)
    };
    let look = |source: &palisade_diagnostics::SourceFile| -> Vec<_> {
        let ends = spans().flat_map(|span| [span.start, span.end]);
        let place = |at| {
            let place = source.line_column(at);
            (place, source.line(place.line).into_owned())
        };
        ends.map(place).collect()
    };
    same("places", &look(blocks), &look(whole))?;
    same("texts", &blocks.whole(), &whole.whole())?;
    let draw = |sources| diagnostics_text(diagnostics, sources, &Style::default());
    same("drawn", &draw(parts), &draw(all))
}

/// The documents of the repository, and lists and rows of them, each of which arrives in several ways.
pub(crate) fn corpus(documents: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let text = |document: &Vec<u8>| String::from_utf8_lossy(document).into_owned();
    let mut texts: Vec<String> = documents.iter().map(text).collect();
    let mut long = Vec::new();
    for (index, several) in texts.chunks(3).enumerate() {
        let items = several.iter().map(|text| {
            let lines = text.lines().enumerate();
            let lines = lines.map(|(at, line)| match (at, line) {
                (0, line) => format!("- {line}\n"),
                (_, "") => "\n".to_owned(),
                (_, line) => format!("  {line}\n"),
            });
            lines.collect::<String>()
        });
        let items: String = items.collect();
        long.push(several.join("\n---\n"));
        long.push(match index % 2 {
            0 => format!("apiVersion: v1\nitems:\n{items}kind: List\n"),
            _ => format!("apiVersion: v1\nkind: List\nitems:\n{items}"),
        });
    }
    texts.append(&mut long);
    for mesh in [false, true] {
        let shape = Shape {
            pods: 2,
            workloads: 2,
            namespaces: 1,
            policies: 2,
            mesh,
            ..Shape::default()
        };
        texts.extend(clusters::Style::ALL.map(|style| clusters::text(&shape, style)));
    }
    let ways = |text: &String| {
        let len = text.len().to_le_bytes();
        [[0, 0, 0, 255], [64, 100, 30, 255], [len[0], len[1], 200, 2]]
            .map(|how| [how.as_slice(), text.as_bytes()].concat())
    };
    texts.iter().flat_map(ways).collect()
}

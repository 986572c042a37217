//! Hunting for inputs that break a reader: texts of a corpus, changed byte by byte, from one seed.
//!
//! It knows nothing of what runs inside, so that it needs no compiler but the stable one. What a target
//! says of an input (its *signature*) stands for coverage: an input with a new one joins the corpus.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Judges an input: its signature, or what is wrong.
pub type Target = fn(&[u8]) -> Result<u64, String>;

/// Most bytes of an input, and most inputs that are kept.
const MAX_BYTES: usize = 1 << 15;
const MAX_KEPT: usize = 20_000;

/// An input that a target did not stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The input, made as short as it can be.
    pub input: Vec<u8>,
    /// The panic, or what the target said.
    pub message: String,
}

/// A hunt.
#[derive(Debug)]
pub struct Hunt {
    target: Target,
    kept: Vec<Vec<u8>>,
    seen: HashSet<u64>,
    words: Vec<Vec<u8>>,
    random: u64,
    /// Inputs so far.
    pub cases: u64,
}

impl Hunt {
    /// A hunt that begins with a corpus; its words are put into other inputs.
    #[must_use]
    pub fn new(target: Target, corpus: Vec<Vec<u8>>, words: &[&str], seed: u64) -> Self {
        let mut words: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        let all = corpus
            .iter()
            .flat_map(|text| text.split(|b| !b.is_ascii_alphanumeric()));
        let distinct: HashSet<&[u8]> = all.filter(|word| (2..20).contains(&word.len())).collect();
        let mut distinct: Vec<Vec<u8>> = distinct.into_iter().map(<[u8]>::to_vec).collect();
        distinct.sort();
        words.extend(distinct);
        Self {
            target,
            kept: corpus,
            seen: HashSet::new(),
            words,
            random: seed,
            cases: 0,
        }
    }

    /// How many inputs are kept.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.kept.len()
    }

    /// The next input.
    pub fn input(&mut self) -> Vec<u8> {
        self.cases += 1;
        let base = self.below(self.kept.len());
        let mut input = self.kept.get(base).cloned().unwrap_or_default();
        for _ in 0..=self.below(6) {
            self.change(&mut input);
        }
        input.truncate(MAX_BYTES);
        input
    }

    /// Tries an input.
    ///
    /// # Errors
    /// What the target did not stand.
    pub fn attempt(&mut self, input: Vec<u8>) -> Result<(), Failure> {
        match judged(self.target, &input) {
            Ok(signature) => {
                if self.seen.insert(signature) && self.kept.len() < MAX_KEPT {
                    self.kept.push(input);
                }
                Ok(())
            }
            Err(message) => Err(shortened(self.target, input, message)),
        }
    }

    /// A number below `end`; 0 if there is none.
    fn below(&mut self, end: usize) -> usize {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % (end.max(1) as u64)).unwrap_or_default()
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let at = self.below(input.len() + 1);
        let len = match self.below(3) {
            0 => 1,
            1 => self.below(16),
            _ => self.below(300),
        };
        let range = at..(at + len).min(input.len());
        let new = match self.below(8) {
            0 => vec![u8::try_from(self.below(256)).unwrap_or_default()],
            1 => Vec::new(),
            2 => input
                .get(range.clone())
                .unwrap_or_default()
                .repeat(2 + self.below(3)),
            3 => {
                let other = self.below(self.kept.len());
                let other = self.kept.get(other).cloned().unwrap_or_default();
                let from = self.below(other.len() + 1);
                let to = (from + len).min(other.len());
                other.get(from..to).unwrap_or_default().to_vec()
            }
            4 => {
                // A whole line again, at another place.
                let lines: Vec<&[u8]> = input.split_inclusive(|b| *b == b'\n').collect();
                let line = lines
                    .get(at % lines.len().max(1))
                    .copied()
                    .unwrap_or_default()
                    .to_vec();
                let to = self.below(lines.len() + 1);
                let offset: usize = lines.iter().take(to).map(|line| line.len()).sum();
                input.splice(offset..offset, line);
                return;
            }
            5 if len < 8 => input
                .get(range.clone())
                .unwrap_or_default()
                .iter()
                .map(|b| b ^ (1 << (at % 8)))
                .collect(),
            _ => {
                let word = self.below(self.words.len());
                let word = self.words.get(word).cloned().unwrap_or_default();
                let end = if self.below(2) == 0 { at } else { range.end };
                input.splice(at..end, word);
                return;
            }
        };
        input.splice(range, new);
    }
}

fn judged(target: Target, input: &[u8]) -> Result<u64, String> {
    catch_unwind(AssertUnwindSafe(|| target(input))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or(panic.downcast_ref::<&str>().copied());
        Err(format!("panic: {}", text.unwrap_or("?")))
    })
}

/// Takes out of an input what it does not need to fail.
fn shortened(target: Target, mut input: Vec<u8>, mut message: String) -> Failure {
    let mut size = input.len().div_ceil(2);
    while size > 0 {
        let mut at = 0;
        while at < input.len() {
            let mut shorter = input.clone();
            shorter.drain(at..(at + size).min(input.len()));
            match judged(target, &shorter) {
                Err(new) => (input, message) = (shorter, new),
                Ok(_) => at += size,
            }
        }
        size /= 2;
    }
    Failure { input, message }
}

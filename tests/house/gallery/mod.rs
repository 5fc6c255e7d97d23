//! The gallery: every message that the program can give, to be read as a whole.
//!
//! `shown/` holds what people see: every kind of error, every decision with its reasons and the
//! rebuilders' standings as text and as JSON, and what the commands say. `words.txt` holds every
//! text that stands in the source, and whether it is `shown` there or `tested` elsewhere,
//! as a whole or `partly`. The
//! mistakes of a configuration are in `tests/bad_configuration`, each in one of its own.
//!
//! It is complete because the source is read for it (`source.rs`): an error type, a variant, a
//! reason or a text that is new fails here until it is shown. `APT_QUORUM_UPDATE_GALLERY=1` writes
//! the files anew; read what changed. A new text that no test can bring about must be written
//! into `words.txt` by hand, without a mark.

mod commands;
mod decisions;
mod errors;
mod machines;
mod setup;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use source::Source;

/// Set it to write the gallery anew.
const UPDATE: &str = "APT_QUORUM_UPDATE_GALLERY";

/// Longest line, in characters: what one package can say when three rebuilders have something to
/// say about it, with a link.
const LONGEST: usize = 500;

/// Shortest part of a text, in characters, by which a test knows it.
const PART: usize = 12;

fn gallery() -> PathBuf {
    crate::sources::root().join("tests/gallery")
}

/// Compares a file of the gallery, or writes it.
fn assert_shown(name: &str, found: &str) {
    let path = gallery().join(name);
    if std::env::var_os(UPDATE).is_some() {
        fs::write(&path, found).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    let differs = expected.lines().zip(found.lines()).find(|(a, b)| a != b);
    assert!(
        expected == found,
        "{name} differs ({differs:?}): write it with {UPDATE}=1 cargo test --test house gallery, and read what changed"
    );
}

/// What holds for every line that people see.
fn assert_readable(name: &str, text: &str) {
    for line in text.lines() {
        let odd = line.chars().find(|c| !matches!(c, ' '..='~'));
        assert_eq!(odd, None, "{name}: {line:?}");
        // The updater of Qubes takes the last word for a percentage if it is a number. What a
        // configuration says itself is quoted with a bar before it.
        let last = line.split(' ').next_back().unwrap_or_default();
        let quoted = line.trim_start().trim_start_matches(|c: char| c.is_ascii_digit());
        let quoted = quoted.trim_start().starts_with('|');
        assert!(quoted || last.parse::<f64>().is_err(), "{name} ends in a number: {line:?}");
        assert!(line.len() <= LONGEST, "{name}: {} characters: {line:?}", line.len());
        assert_eq!(line.trim_end(), line, "{name}: a space at the end");
        for jargon in ["Err(", "Some(", "panicked", "os error", "errno", "unwrap", " simply "] {
            assert!(!line.contains(jargon), "{name}: {line:?}");
        }
    }
}

#[test]
fn every_error_is_shown() {
    let source = Source::read();
    assert!(source.errors.len() > 40, "{:?}", source.errors.keys());
    let shown = errors::all();
    for (name, variants) in &source.errors {
        let all: BTreeSet<&str> =
            shown.0.get(name.as_str()).into_iter().flatten().map(|it| &*it.0).collect();
        let missing: Vec<&String> = variants.iter().filter(|it| !all.contains(&***it)).collect();
        assert!(missing.is_empty(), "{name}: tests/house/gallery/errors.rs has no {missing:?}");
    }
    let names: BTreeSet<&str> = source.errors.keys().map(String::as_str).collect();
    let gone: Vec<_> = shown.0.keys().filter(|it| !names.contains(**it)).collect();
    assert!(gone.is_empty(), "{gone:?} are no error types any more");
    let text = shown.text();
    assert_readable("errors.txt", &text);
    assert_shown("shown/errors.txt", &text);
}

#[test]
fn every_decision_is_shown_with_all_that_a_refusal_must_say() {
    let source = Source::read();
    let all = decisions::all();
    for (name, shown) in decisions::variants(&all) {
        let expected: BTreeSet<String> = source.variants(name).iter().cloned().collect();
        assert_eq!(shown, expected, "{name}: tests/house/gallery/decisions.rs");
    }
    all.iter().for_each(decisions::assert_complete);
    let text = decisions::text(&all);
    assert_readable("decisions.txt", &text);
    assert_shown("shown/decisions.txt", &text);
    assert_shown("shown/decisions.json", &decisions::json(&all));
}

/// What the commands and entrances say, by the name of the file that shows it; nothing where a
/// machine cannot run them. They are run once.
fn spoken() -> &'static [(&'static str, Option<String>)] {
    static SPOKEN: OnceLock<Vec<(&str, Option<String>)>> = OnceLock::new();
    SPOKEN.get_or_init(|| {
        vec![
            ("configured", Some(commands::configured())),
            ("trusting", Some(commands::trusting())),
            ("unconfigured", Some(commands::unconfigured())),
            ("entrances", Some(commands::entrances())),
            ("setup-by-flags", Some(setup::by_flags())),
            ("setup-by-questions", Some(setup::by_questions())),
            ("images", Some(machines::images())),
            ("explained", machines::explained()),
            ("apt", commands::with_apt()),
        ]
    })
}

#[test]
fn commands_and_entrances_speak_like_this() {
    for (name, text) in spoken() {
        let Some(text) = text else { continue };
        assert_readable(name, text);
        assert_shown(&format!("shown/{name}.txt"), text);
    }
    commands::of_configurations().iter().for_each(|it| assert_readable("bad_configuration", it));
}

/// Where a text was seen.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    /// In the gallery
    Shown,
    /// A test expects it
    Tested,
    /// A test expects a part of it
    Partly,
    /// Nowhere
    Nowhere,
}

#[test]
fn every_text_of_the_source_is_known() {
    let source = Source::read();
    let mut shown = vec![errors::all().text(), decisions::text(&decisions::all())];
    shown.extend(commands::of_configurations());
    for (name, text) in spoken() {
        let kept = || fs::read_to_string(gallery().join(format!("shown/{name}.txt"))).unwrap();
        shown.push(text.clone().unwrap_or_else(kept));
    }
    let shown = Said::new(shown.iter().flat_map(|it| it.split("\n$ ")));
    let tested = source::texts_of_tests();
    let tested = Said::new(tested.iter().map(String::as_str));
    let mut words = String::from(
        "# Every text of the source with words in it, and where it is seen: see main.rs here.\n",
    );
    let mut nowhere: BTreeMap<String, String> = BTreeMap::new();
    for (file, texts) in &source.texts {
        words += &format!("\n{file}\n");
        let texts: BTreeSet<&String> = texts.iter().collect();
        for text in texts {
            assert!(text.is_ascii(), "{file}: {text:?}");
            let control = text.chars().find(|c| c.is_ascii_control() && *c != '\n');
            assert!(control.is_none() || file == "report/paint.rs", "{file}: {text:?}");
            let seen = if shown.has(text) {
                Seen::Shown
            } else if tested.has(text) {
                Seen::Tested
            } else if tested.have_some_of(text) {
                Seen::Partly
            } else {
                Seen::Nowhere
            };
            let mark = match seen {
                Seen::Shown => "shown",
                Seen::Tested => "tested",
                Seen::Partly => "partly",
                Seen::Nowhere => "",
            };
            let line = format!(
                "  {mark:<6}  {}",
                text.escape_default().to_string().replace("\\'", "'").replace("\\\"", "\"")
            );
            if seen == Seen::Nowhere {
                nowhere.insert(line.clone(), file.clone());
            }
            words += &(line + "\n");
        }
    }
    let path = gallery().join("words.txt");
    let known = fs::read_to_string(&path).unwrap_or_default();
    let known: BTreeSet<&str> = known.lines().collect();
    // The list of what no test brings about may only become shorter by itself.
    if !known.is_empty() {
        let new: Vec<_> = nowhere.iter().filter(|(line, _)| !known.contains(&***line)).collect();
        assert!(new.is_empty(), "no test shows these texts, which are new: {new:#?}");
    }
    assert_shown("words.txt", &words);
}

/// Texts to look in, each on a line of its own.
struct Said(String);

impl Said {
    fn new<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        let lines: BTreeSet<String> = texts.map(flat).collect();
        Self(lines.into_iter().collect::<Vec<_>>().join("\n"))
    }

    /// Whether one of them has what this format makes: its fixed pieces, in their order.
    fn has(&self, format: &str) -> bool {
        let pieces: Vec<String> =
            source::without_values(format).iter().map(|it| flat(it)).collect();
        let longest = pieces.iter().max_by_key(|it| it.len()).unwrap();
        let mut seen = 0;
        memchr::memmem::find_iter(self.0.as_bytes(), longest).any(|at| {
            // Every line once.
            let start = self.0[..at].rfind('\n').map_or(0, |it| it + 1);
            let line = &self.0[start..];
            let line = &line[..line.find('\n').unwrap_or(line.len())];
            let is_new = seen <= start;
            seen = start + line.len();
            is_new && in_order(line, &pieces)
        })
    }
}

impl Said {
    /// Whether one of them is a part of this format, and long enough to be no accident.
    fn have_some_of(&self, format: &str) -> bool {
        let pieces: Vec<String> =
            source::without_values(format).iter().map(|it| flat(it)).collect();
        let parts = self.0.lines().filter(|it| it.len() >= PART && it.contains(' '));
        parts.into_iter().any(|part| pieces.iter().any(|it| it.contains(part)))
    }
}

fn in_order(line: &str, pieces: &[String]) -> bool {
    let mut rest = line;
    pieces.iter().all(|piece| match rest.find(piece.as_str()) {
        Some(at) => {
            rest = &rest[at + piece.len()..];
            true
        }
        None => false,
    })
}

/// A text with single spaces, for what is shown may be broken into lines.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

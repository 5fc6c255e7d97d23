//! Colours for a text that was made for people, where it goes to a terminal.
//!
//! Pure. What is coloured are words that say the same without: the first word of a line, and the
//! counts of a summary. Nothing but the codes here is added, and text from outside is printable
//! when it comes here ([`crate::types::printable`]) and cannot begin a line.

use std::fmt::Write as _;

const RED: &str = "\u{1b}[31m";
const GREEN: &str = "\u{1b}[32m";
const YELLOW: &str = "\u{1b}[33m";
const PLAIN: &str = "\u{1b}[0m";

/// The words with which a line can begin, and their colours.
const WORDS: &[(&str, &str)] = &[
    ("refused", RED),
    ("CONFLICT", RED),
    ("NOT GUARDED", RED),
    ("BROKEN", RED),
    ("confirmed", GREEN),
    ("verified", GREEN),
    ("guarded", GREEN),
    ("exception", YELLOW),
    ("excepted", YELLOW),
    ("warning", YELLOW),
    ("not confirmed", YELLOW),
    ("debt", YELLOW),
    ("unknown", YELLOW),
];

/// The things that a summary counts, and their colours.
const COUNTS: &[(&str, &str)] = &[
    ("confirmed", GREEN),
    ("under an exception", YELLOW),
    ("accepted unconfirmed", YELLOW),
    ("accepted unchecked", YELLOW),
    ("not confirmed", YELLOW),
    ("refused", RED),
];

/// The same text in colour.
#[must_use]
pub fn painted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, line) in text.split_inclusive('\n').enumerate() {
        let counts = line.strip_prefix("apt-quorum: ").filter(|_| at == 0);
        match counts {
            Some(counts) => add_counts(&mut out, counts),
            None => add_line(&mut out, line),
        }
    }
    out
}

fn add_line(out: &mut String, line: &str) {
    let start = line.trim_start_matches(' ');
    let begins = |word: &str| {
        // A whole word, and not the beginning of a package's name.
        start.strip_prefix(word).filter(|rest| rest.starts_with(": ") || rest.starts_with("  "))
    };
    let found = WORDS.iter().find_map(|(word, code)| Some((*word, *code, begins(word)?)));
    match (found, line.strip_suffix(start)) {
        (Some((word, code, rest)), Some(indent)) => {
            let _ = write!(out, "{indent}{code}{word}{PLAIN}{rest}");
        }
        _ => out.push_str(line),
    }
}

/// Colours every `3 refused` of a line like `3 confirmed, 3 refused.`
fn add_counts(out: &mut String, line: &str) {
    out.push_str("apt-quorum: ");
    for (at, part) in line.split(", ").enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        let counted = part.split_once(' ').and_then(|(count, rest)| {
            let some = count.parse::<usize>().is_ok_and(|count| count > 0);
            let it = COUNTS.iter().find(|(what, _)| some && rest.starts_with(what))?;
            Some((count, it.0, it.1, rest.strip_prefix(it.0)?))
        });
        let _ = match counted {
            Some((count, what, code, rest)) => {
                write!(out, "{code}{count} {what}{PLAIN}{rest}")
            }
            None => write!(out, "{part}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_words_are_coloured() {
        for (plain, expected) in [
            ("refused: x 1 all: no.\n", "\u{1b}[31mrefused\u{1b}[0m: x 1 all: no.\n"),
            ("  CONFLICT: x\n", "  \u{1b}[31mCONFLICT\u{1b}[0m: x\n"),
            ("confirmed  x 1 all  by a\n", "\u{1b}[32mconfirmed\u{1b}[0m  x 1 all  by a\n"),
            ("  exception  x\n", "  \u{1b}[33mexception\u{1b}[0m  x\n"),
            ("confirmed 1 all: would pass\n", "confirmed 1 all: would pass\n"),
            ("x: refused: y\n", "x: refused: y\n"),
            (
                "apt-quorum: 2 confirmed, 10 refused.\n",
                "apt-quorum: \u{1b}[32m2 confirmed\u{1b}[0m, \u{1b}[31m10 refused\u{1b}[0m.\n",
            ),
            (
                "apt-quorum: of 3 packages, 0 confirmed, 3 refused.\n",
                "apt-quorum: of 3 packages, 0 confirmed, \u{1b}[31m3 refused\u{1b}[0m.\n",
            ),
            ("x\napt-quorum: 2 refused.\n", "x\napt-quorum: 2 refused.\n"),
            ("", ""),
        ] {
            assert_eq!(painted(plain), expected);
        }
    }

    #[test]
    fn without_the_codes_it_is_the_same_text() {
        let text = "apt-quorum: 1 confirmed, 1 refused.\n  refused: x.\n  warning: y.\nend";
        let mut painted = painted(text);
        assert_ne!(painted, text);
        for code in [RED, GREEN, YELLOW, PLAIN] {
            painted = painted.replace(code, "");
        }
        assert_eq!(painted, text);
    }
}

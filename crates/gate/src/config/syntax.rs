//! Syntax errors of TOML in plain words.
//!
//! The parser continues after a mistake, and its later messages are often only an echo of the
//! first. After a mistake within one value, or a duplicate key, the rest of the file remains
//! readable. Any other mistake makes the rest guesswork.

use std::ops::Range;

use toml::de::{DeTable, DeValue};
use toml::{Spanned, de::Error};

use super::diagnostic::{Problems, SourceFile};

/// The usable part of a file with mistakes.
pub(super) enum Left {
    /// All except these values, which were reported
    AllBut(Vec<Range<usize>>),
    /// No reliable part
    Nothing,
}

/// Reports syntax errors.
pub(super) fn report(
    source: &SourceFile,
    table: &DeTable<'_>,
    mut errors: Vec<Error>,
    problems: &mut Problems,
) -> Left {
    // The parser finds mistakes within values after those between them.
    errors.sort_by_key(|error| error.span().map_or(0, |span| span.start));
    let mut scalars = Vec::new();
    collect(table, &mut scalars);
    let mut left = Left::AllBut(Vec::new());
    let mut last_line = None;
    let mut repeated_header = None;
    for error in &errors {
        let span = error.span().unwrap_or(0..0);
        let Some((line_start, line)) = source.line_at(span.start) else { continue };
        let text = source.text().get(span.clone()).unwrap_or_default();
        let what = error.message().split(", expected").next().unwrap_or_default();
        let value = scalars.iter().find(|it| it.start <= span.start && span.end <= it.end);
        match (&mut left, value) {
            (Left::AllBut(wrong), Some(value)) => wrong.push(value.clone()),
            (_, None) if what != "duplicate key" => left = Left::Nothing,
            _ => {}
        }
        // Under a duplicate header, all keys are duplicates.
        let header = line.trim_start().starts_with('[');
        let echo = what == "duplicate key"
            && !header
            && repeated_header.is_some_and(|from| !headers(source, from, line_start));
        if header && what == "duplicate key" {
            repeated_header = Some(line_start + line.len());
        }
        let several = header.then(|| name_of_several(line.trim())).flatten();
        if let (Some(name), "duplicate key") = (several, what) {
            for place in lines_like(source, line.trim()) {
                problems.push(source.at(place).saying(&head_each(name)));
            }
        } else if last_line != Some(line_start) && !echo {
            let (message, help) = plain(what, text, line.trim());
            let whole_line = matches!(what, "key with no value" | "invalid unquoted key");
            let indent = line.len() - line.trim_start().len();
            let line = line_start + indent..line_start + line.trim_end().len();
            let diagnostic = source.at(if whole_line { line } else { span }).saying(&message);
            problems.push(match help {
                Some(help) => diagnostic.help(help),
                None => diagnostic,
            });
        }
        last_line = Some(line_start);
        // Up to the end of the file, everything counts as a part of the list.
        if what.contains("array") && !what.contains("table") {
            return Left::Nothing;
        }
    }
    left
}

/// The message about `[name]` in place of `[[name]]`.
pub(super) fn head_each(name: &str) -> String {
    format!("there may be several: head each with [[{name}]], in double brackets")
}

/// The name in a header in single brackets that should have double ones.
fn name_of_several(header: &str) -> Option<&'static str> {
    let name = header.strip_prefix('[')?.strip_suffix(']')?;
    ["rule", "exception", "key", "endpoint"].into_iter().find(|several| *several == name)
}

/// Finds the places of this very line.
fn lines_like<'a>(
    source: &'a SourceFile,
    wanted: &'a str,
) -> impl Iterator<Item = Range<usize>> + 'a {
    let mut start = 0;
    source.text().split_inclusive('\n').filter_map(move |line| {
        let indent = line.len() - line.trim_start().len();
        let place = start + indent..start + indent + wanted.len();
        start += line.len();
        (line.trim() == wanted).then_some(place)
    })
}

/// Returns true when a header is between these two places.
fn headers(source: &SourceFile, from: usize, to: usize) -> bool {
    let between = source.text().get(from..to).unwrap_or_default();
    between.lines().any(|line| line.trim_start().starts_with('['))
}

fn collect(table: &DeTable<'_>, scalars: &mut Vec<Range<usize>>) {
    for (_, value) in table.iter() {
        collect_value(value, scalars);
    }
}

/// Collects the places of simple values. The parser limits the depth of nesting.
fn collect_value(value: &Spanned<DeValue<'_>>, scalars: &mut Vec<Range<usize>>) {
    match value.get_ref() {
        DeValue::Array(elements) => elements.iter().for_each(|it| collect_value(it, scalars)),
        DeValue::Table(table) => collect(table, scalars),
        _ => scalars.push(value.span()),
    }
}

/// Describes the mistake and the right form. `what` is the parser's message, `text` is the part
/// that it points at.
fn plain(what: &str, text: &str, line: &str) -> (String, Option<String>) {
    const DATE: &str = "a date is written year-month-day without quotes, such as 2027-03-01";
    let with = |message: &str, help: &str| (message.to_owned(), Some(help.to_owned()));
    let alone = |message: &str| (message.to_owned(), None);
    match what {
        "string values must be quoted" if text.is_empty() => alone("nothing stands behind the ="),
        "string values must be quoted" => {
            let quotes = ['\u{2018}', '\u{2019}', '\u{201a}', '\u{201c}', '\u{201d}', '\u{201e}'];
            let message = if text.starts_with(quotes) || text.starts_with(['\u{ab}', '\u{bb}']) {
                "these are not the quotes that are understood here"
            } else {
                "a text must stand in quotes"
            };
            let bare = text.trim_matches(|c: char| !c.is_ascii());
            let short = bare.len() <= 60 && !bare.contains(['"', '\\']);
            let right = if short && bare.is_ascii() { bare } else { "..." };
            (message.to_owned(), Some(format!("write: \"{right}\"")))
        }
        "duplicate key" if line.starts_with('[') => (format!("{line} stands twice"), None),
        "duplicate key" => (format!("{text} stands twice"), Some("a key is given once".to_owned())),
        "key with no value" | "missing value for key" => {
            with("this is not understood", "write: KEY = VALUE")
        }
        "missing value" => alone("nothing stands behind the ="),
        "extra `=`" => alone("there is an = too many"),
        "invalid unquoted key" | "unquoted keys cannot be empty" => with(
            "this is not understood",
            "write: KEY = VALUE; a key has only letters, digits, - and _",
        ),
        "unclosed table" => alone("this header lacks its closing ]"),
        "unclosed array table" => alone("this header lacks its closing ]]"),
        "invalid comment character" => alone("a control character stands in this comment"),
        _ if what.starts_with("invalid date") => with("there is no such day", DATE),
        _ if what.starts_with("invalid time") => alone("there is no such time"),
        _ if what.contains("array") && !what.contains("table") => {
            with("a list lacks a comma, or its closing ]", "write: [\"a\", \"b\"]")
        }
        _ if what.contains("table") => alone("this table is not understood"),
        _ if what.contains("escape") => {
            with("this is not understood in a text", "write \\\\ for one \\")
        }
        _ if what.contains("string") && text.is_empty() => alone("a text lacks its closing quote"),
        _ if what.contains("string") => alone("this must not stand in a text"),
        _ => alone("this is no value that is understood"),
    }
}

impl Left {
    /// The values that were reported; nothing if no reliable part is left.
    pub(super) fn reported(self) -> Option<Vec<Range<usize>>> {
        match self {
            Self::AllBut(wrong) => Some(wrong),
            Self::Nothing => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(text: &str) -> (Vec<String>, bool) {
        let source = SourceFile::new("/a.toml".into(), text.to_owned());
        let (table, errors) = DeTable::parse_recoverable(source.text());
        let mut problems = Problems::default();
        let left = report(&source, table.get_ref(), errors, &mut problems);
        let lines = problems.all().iter().map(|it| it.one_line()).collect();
        (lines, matches!(left, Left::AllBut(_)))
    }

    #[test]
    fn each_mistake_is_said_once_in_plain_words() {
        for (text, expected, readable) in [
            ("a = b", "/a.toml:1:5: a text must stand in quotes", true),
            ("a = 1\na = 2", "/a.toml:2:1: a stands twice", true),
            ("a = 2027-02-30", "/a.toml:1:5: there is no such day", true),
            ("a = 0123", "/a.toml:1:5: this is no value that is understood", true),
            ("a = \"\\d\"", "/a.toml:1:7: this is not understood in a text", true),
            ("a = \"b", "/a.toml:1:7: a text lacks its closing quote", true),
            ("a = 'b", "/a.toml:1:7: a text lacks its closing quote", true),
            ("a", "/a.toml:1:1: this is not understood", false),
            ("a =", "/a.toml:1:4: nothing stands behind the =", true),
            ("a b = 1", "/a.toml:1:1: this is not understood", false),
            ("[a", "/a.toml:1:3: this header lacks its closing ]", false),
            ("[[a]", "/a.toml:1:5: this header lacks its closing ]]", false),
            ("a = [\"b\"", "/a.toml:1:9: a list lacks a comma, or its closing ]", false),
            (
                "a = [\"b\" \"c\"]\nd = [\"e\" \"f\"]",
                "/a.toml:1:10: a list lacks a comma, or its closing ]",
                false,
            ),
            ("[a]\nb = 1\n[a]\nb = 2\n", "/a.toml:3:2: [a] stands twice", true),
        ] {
            assert_eq!(mistakes(text), (vec![expected.to_owned()], readable), "{text:?}");
        }
        assert_eq!(mistakes("a = 1"), (Vec::new(), true));
    }
}

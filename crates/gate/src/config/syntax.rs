//! Syntax errors of TOML, each reported once.
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
            let (mut message, help) = words(what, text, line.trim());
            if let (Some(first), "duplicate key") = (first_of(source, line_start, text), what) {
                message += &format!(" (the first is in {})", source.named_place(first));
            }
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
    format!("write [[{name}]] in double brackets: there may be several")
}

/// The name in a header in single brackets that should have double ones.
fn name_of_several(header: &str) -> Option<&'static str> {
    let name = header.strip_prefix('[')?.strip_suffix(']')?;
    ["rule", "exception", "group", "key", "endpoint"].into_iter().find(|several| *several == name)
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

/// Finds the earlier line that has what the line at `from` has once more: the key `text` in the same
/// table, or the same header.
fn first_of(source: &SourceFile, from: usize, text: &str) -> Option<usize> {
    let (_, again) = source.line_at(from)?;
    let mut start = 0;
    let mut first = None;
    for whole in source.text().get(..from)?.split_inclusive('\n') {
        let (at, line) = (start, whole.trim());
        start += whole.len();
        if again.trim_start().starts_with('[') {
            if line == again.trim() {
                first = first.or(Some(at));
            }
        } else if line.starts_with('[') {
            first = None;
        } else if line.strip_prefix(text).is_some_and(|it| it.trim_start().starts_with('=')) {
            first = first.or(Some(at));
        }
    }
    first
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

/// Describes the mistake in the parser's own words, with the right form of what people often get
/// wrong. `what` is the parser's message, `text` is the part that it points at.
fn words(what: &str, text: &str, line: &str) -> (String, Option<String>) {
    let message = match what {
        "string values must be quoted" if text.is_empty() => "missing value".to_owned(),
        "duplicate key" if line.starts_with('[') => format!("duplicate table {line}"),
        "duplicate key" => format!("duplicate key \"{text}\""),
        "invalid basic string" | "invalid literal string" if text.is_empty() => {
            "unclosed quote".to_owned()
        }
        _ => what.to_owned(),
    };
    let help = match what {
        "string values must be quoted" if text.is_empty() => None,
        "string values must be quoted" => {
            // Perhaps with the quotes of a word processor.
            let bare = text.trim_matches(|c: char| !c.is_ascii());
            let fits = bare.len() <= 60 && bare.is_ascii() && !bare.contains(['"', '\\']);
            Some(format!("write: \"{}\"", if fits { bare } else { "..." }))
        }
        "key with no value" | "missing value for key" | "invalid unquoted key" => {
            Some("write: KEY = VALUE; a key has only letters, digits, - and _".to_owned())
        }
        _ if what.starts_with("invalid date") => {
            Some("write: year-month-day without quotes, such as 2027-03-01".to_owned())
        }
        _ if what.contains("array") && !what.contains("table") => {
            Some("write: [\"a\", \"b\"]".to_owned())
        }
        _ if what.contains("escape") => Some("write \\\\ for one \\".to_owned()),
        _ => None,
    };
    (message, help)
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
    fn each_mistake_is_said_once() {
        for (text, expected, readable) in [
            ("a = b", "/a.toml:1:5: string values must be quoted", true),
            (
                "a = 1\na = 2",
                "/a.toml:2:1: duplicate key \"a\" (the first is in a.toml line 1)",
                true,
            ),
            (
                "[b]\na = 1\n[c]\na = 1\na = 2",
                "/a.toml:5:1: duplicate key \"a\" (the first is in a.toml line 4)",
                true,
            ),
            ("a = 2027-02-30", "/a.toml:1:5: invalid date", true),
            ("a = 0123", "/a.toml:1:5: unexpected leading zero", true),
            ("a = \"\\d\"", "/a.toml:1:7: missing escaped value", true),
            ("a = \"b", "/a.toml:1:7: unclosed quote", true),
            ("a = 'b", "/a.toml:1:7: unclosed quote", true),
            ("a", "/a.toml:1:1: key with no value", false),
            ("a =", "/a.toml:1:4: missing value", true),
            ("a b = 1", "/a.toml:1:1: key with no value", false),
            ("[a", "/a.toml:1:3: unclosed table", false),
            ("[[a]", "/a.toml:1:5: unclosed array table", false),
            ("a = [\"b\"", "/a.toml:1:9: unclosed array", false),
            (
                "a = [\"b\" \"c\"]\nd = [\"e\" \"f\"]",
                "/a.toml:1:10: missing comma between array elements",
                false,
            ),
            (
                "[a]\nb = 1\n[a]\nb = 2\n",
                "/a.toml:3:2: duplicate table [a] (the first is in a.toml line 1)",
                true,
            ),
        ] {
            assert_eq!(mistakes(text), (vec![expected.to_owned()], readable), "{text:?}");
        }
        assert_eq!(mistakes("a = 1"), (Vec::new(), true));
    }
}

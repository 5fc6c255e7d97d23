//! Exceptions in the text of their files: adds, renews or removes one, and leaves everything else in
//! the file unchanged.

use std::fmt::Write as _;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::draft::{toml_list, toml_text};
use crate::policy::{ExceptionId, Matcher};
use crate::types::{Timestamp, printable};

/// A file after an exception was removed from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// The remaining text
    Left(String),
    /// No text remains, not even a comment
    Nothing,
}

/// Formats an exception as a table under its header, with a comment above.
#[must_use]
pub fn exception_table(
    comment: &str,
    id: Option<&ExceptionId>,
    matcher: &Matcher,
    reason: &str,
    expires: Timestamp,
) -> String {
    let mut text = format!("# {}\n[[exception]]\n", printable(comment));
    if let Some(id) = id {
        let _ = writeln!(text, "id = {}", toml_text(&id.to_string()));
    }
    for (key, values) in matcher.conditions() {
        let _ = writeln!(text, "{key} = {}", toml_list(values.into_iter()));
    }
    let _ = writeln!(text, "reason = {}", toml_text(reason));
    let _ = writeln!(text, "expires = {}", expires.last_day().unwrap_or_else(|| expires.date()));
    text
}

/// Sets the end of the exception whose header is on this line, counted from 1.
///
/// Returns nothing if no exception begins there under a separate header, or if the end of exactly
/// this one could not be set.
#[must_use]
pub fn with_end(text: &str, line: usize, expires: Timestamp) -> Option<String> {
    let index = position(text, line)?;
    let document = DeTable::parse(text).ok()?;
    let list = document.get_ref().get("exception")?.get_ref().as_array()?;
    let old = list.get(index)?.get_ref().as_table()?.get("expires")?.span();
    let (before, after) = (text.get(..old.start)?, text.get(old.end..)?);
    let end = expires.last_day()?;
    let new = format!("{before}{end}{after}");
    let read = |text: &str| text.parse::<toml::Table>().ok();
    let (mut wanted, found) = (read(text)?, read(&new)?);
    let exception = wanted.get_mut("exception")?.as_array_mut()?.get_mut(index)?.as_table_mut()?;
    exception.insert("expires".to_owned(), toml::Value::Datetime(end.parse().ok()?));
    (wanted == found).then_some(new)
}

/// Returns the number of the exception whose own header is on this line.
fn position(text: &str, line: usize) -> Option<usize> {
    let header = line.checked_sub(1)?;
    if !text.split_inclusive('\n').nth(header)?.trim_start().starts_with("[[") {
        return None;
    }
    let line_of = |at: usize| Some(text.get(..at)?.matches('\n').count());
    tables(text)?.iter().position(|span| line_of(span.start) == Some(header))
}

/// Removes the exception whose header is on this line, counted from 1. Removes also the comments
/// that belong to it: the one right above, unless the file begins with it, and the one right below.
///
/// Returns nothing if no exception begins there under a separate header, or if exactly this one
/// could not be removed.
#[must_use]
pub fn without_exception(text: &str, line: usize) -> Option<Removed> {
    let index = position(text, line)?;
    let header = line.checked_sub(1)?;
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let end = tables(text)?.get(index)?.end.checked_sub(1)?;
    let last = text.get(..end)?.matches('\n').count();
    let range = with_comments(&lines, header, last);
    let left = [lines.get(..range.start)?.concat(), lines.get(range.end..)?.concat()].concat();
    is_without(text, &left, index).then(|| match left.trim() {
        "" => Removed::Nothing,
        _ => Removed::Left(left.clone()),
    })
}

/// Finds the place of each exception: from its header to the end of its last value.
fn tables(text: &str) -> Option<Vec<Range<usize>>> {
    let document = DeTable::parse(text).ok()?;
    let list = document.get_ref().get("exception")?.get_ref().as_array()?;
    let span = |element: &toml::Spanned<DeValue<'_>>| {
        let table = element.get_ref().as_table()?;
        let ends = table.iter().map(|(_, value)| value.span().end);
        Some(element.span().start..ends.max().unwrap_or(element.span().end))
    };
    list.iter().map(span).collect()
}

/// Returns the lines to remove, for an exception on the lines from `header` to `last`.
fn with_comments(lines: &[&str], header: usize, last: usize) -> Range<usize> {
    let at = |line: usize| lines.get(line).map(|it| it.trim_start());
    let is_comment = |line: usize| at(line).is_some_and(|it| it.starts_with('#'));
    let is_blank = |line: usize| at(line).is_some_and(str::is_empty);
    let mut start = header;
    while start.checked_sub(1).is_some_and(is_comment) {
        start -= 1;
    }
    if start == 0 {
        // It may be about the whole file.
        start = header;
    }
    let mut end = last + 1;
    let below = (end..lines.len()).take_while(|line| is_comment(*line)).count();
    // A comment right above the next header belongs to that one.
    if at(end + below).is_none_or(|it| it.is_empty()) {
        end += below;
    }
    while is_blank(end) {
        end += 1;
    }
    start..end
}

/// Returns true when `left` means the same as `text` except for the exception with this number.
fn is_without(text: &str, left: &str, index: usize) -> bool {
    let read = |text: &str| text.parse::<toml::Table>().ok();
    let (Some(mut before), Some(mut after)) = (read(text), read(left)) else { return false };
    let Some(mut wanted) = before.remove("exception").and_then(|it| it.as_array().cloned()) else {
        return false;
    };
    if index >= wanted.len() {
        return false;
    }
    wanted.remove(index);
    let found = match after.remove("exception") {
        None => Vec::new(),
        Some(toml::Value::Array(found)) => found,
        Some(_) => return false,
    };
    found == wanted && before == after
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# exceptions of this machine\n\n\
        # the kernel\n[[exception]]\npackage = [\"linux-*\"] # all\nreason = \"a\"\nexpires = 2099-01-01\n\
        #version = [\"1\"]\n\n\
        # a text with a header in it\n[[exception]]\npackage = [\"b\"]\nreason = \"\"\"\n[[exception]]\n\"\"\"\nexpires = 2099-01-01\n\
        # of the next\n[[ exception ]]\npackage = [\n  \"c\",\n]\nreason = \"c\"\nexpires = 2099-01-01\n";

    fn left(text: &str, line: usize) -> Option<String> {
        match without_exception(text, line)? {
            Removed::Left(text) => Some(text),
            Removed::Nothing => Some(String::new()),
        }
    }

    #[test]
    fn exactly_one_goes_with_the_comments_that_are_its_own() {
        let (head, rest) = FILE.split_once("# the kernel\n").unwrap();
        let (_, from_second) = rest.split_once("\n\n").unwrap();
        assert_eq!(left(FILE, 4).unwrap(), format!("{head}{from_second}"));
        let (up_to_second, third) = FILE.split_once("# of the next\n").unwrap();
        let (first, _) = up_to_second.split_once("# a text").unwrap();
        assert_eq!(left(FILE, 11).unwrap(), format!("{first}# of the next\n{third}"));
        assert_eq!(left(FILE, 18).unwrap(), up_to_second);
        for line in (0..30).filter(|line| ![4, 11, 18].contains(line)) {
            assert_eq!(left(FILE, line), None, "line {line}");
        }
    }

    #[test]
    fn what_is_about_the_whole_file_stays() {
        let one = "[[exception]]\npackage = [\"a\"]\n";
        assert_eq!(without_exception(one, 1), Some(Removed::Nothing));
        assert_eq!(left(&format!("# all of them\n{one}"), 2).unwrap(), "# all of them\n");
        assert_eq!(left(&format!("\n# this one\n{one}"), 3).unwrap(), "");
        // In a list on one line there is no separate line to remove.
        let inline = "exception = [\n{ package = [\"a\"] },\n{ package = [\"b\"] },\n]\n";
        assert_eq!((left(inline, 2), left(inline, 3)), (None, None));
        // The apparent comment is the end of a text.
        let text = "\n[[exception]]\nreason = \"\"\"\n# x\"\"\"\n[[exception]]\nreason = \"b\"\n";
        assert_eq!(left(text, 5), None);
        // Also if the remaining text could be read, with another meaning.
        assert_eq!(left(&format!("{text}[[exception]]\nreason = \"c\"\n# y\"\"\"\n"), 5), None);
        assert_eq!(left("[[exception", 1), None);
        assert_eq!(left("", 1), None);
    }

    #[test]
    fn only_the_end_of_one_changes() {
        let day = Timestamp::start_of_day(2031, 1, 1).unwrap();
        let renewed = with_end(FILE, 4, day).unwrap();
        assert_eq!(renewed, FILE.replacen("expires = 2099-01-01", "expires = 2030-12-31", 1));
        let (before, third) = FILE.split_once("# of the next").unwrap();
        let third = third.replace("2099-01-01", "2030-12-31");
        assert_eq!(with_end(FILE, 18, day).unwrap(), format!("{before}# of the next{third}"));
        assert_eq!(with_end(FILE, 4, "2030-12-31T12:00:00Z".parse().unwrap()), None);
        for line in (0..30).filter(|line| ![4, 11, 18].contains(line)) {
            assert_eq!(with_end(FILE, line, day), None, "line {line}");
        }
        assert_eq!(with_end("[[exception]]\npackage = [\"a\"]\n", 1, day), None);
        assert_eq!(with_end("exception = [\n{ expires = 2099-01-01 },\n]\n", 2, day), None);
    }

    #[test]
    fn what_is_written_cannot_become_more_than_values() {
        let matcher = Matcher {
            package: Some(vec!["a-*".parse().unwrap()]),
            version: Some(vec!["1\" = #".parse().unwrap()]),
            ..Matcher::default()
        };
        let day = Timestamp::start_of_day(2099, 3, 2).unwrap();
        let reason = "\"\n[[exception]]\n\u{1b}\\";
        let id = "a-1".parse().unwrap();
        let text = exception_table("by\nme = 1", Some(&id), &matcher, reason, day);
        let begins = "# by me = 1\n[[exception]]\nid = \"a-1\"\npackage = [\"a-*\"]\n";
        assert!(text.starts_with(begins), "{text}");
        assert!(text.ends_with("\nexpires = 2099-03-01\n"), "{text}");
        let read: toml::Table = text.parse().unwrap();
        let all = read.get("exception").unwrap().as_array().unwrap();
        assert_eq!((read.len(), all.len()), (1, 1));
        assert_eq!(all[0].get("reason").unwrap().as_str(), Some(reason));
    }
}

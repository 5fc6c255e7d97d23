//! Reads TOML tables by hand, so that every mistake is found, each at its place.
//!
//! One mistake is reported once: checks that depend on a wrong value are skipped.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::{Problems, SourceFile, SourcePlace};
use super::syntax;
use crate::policy::Place;
use crate::types::Timestamp;

/// All keys that may occur anywhere. None of them counts as a misspelling of another one.
const KEYS: [&str; 50] = [
    "answer_timeout",
    "architecture",
    "architectures",
    "authorities",
    "builder",
    "codename",
    "component",
    "conflict",
    "contact",
    "description",
    "dpkg",
    "endpoint",
    "exception",
    "expires",
    "file",
    "group",
    "groups",
    "hold",
    "hold_alarm",
    "id",
    "key",
    "label",
    "max_age_days",
    "mode",
    "name",
    "network",
    "not_after",
    "origin",
    "package",
    "property",
    "protocol",
    "proxy",
    "public",
    "reason",
    "rebuilders",
    "require",
    "rule",
    "sha256",
    "signed_by",
    "site",
    "source",
    "statement",
    "suite",
    "taken_over",
    "threshold",
    "total_timeout",
    "type",
    "url",
    "verifier",
    "version",
];

/// A table of a configuration file that is being read. Each key is taken once; [`Self::finish`]
/// reports the others.
pub(super) struct Table<'s, 't> {
    source: &'s SourceFile,
    table: &'t DeTable<'s>,
    span: Range<usize>,
    known: Vec<&'static str>,
    /// Values that are no TOML and were reported
    reported: &'t [Range<usize>],
}

/// A value with its place.
#[derive(Clone)]
pub(super) struct Located<T> {
    pub(super) value: T,
    pub(super) place: SourcePlace,
}

/// A list with the items that could be read.
pub(super) struct TextList<T> {
    pub(super) items: Vec<Located<T>>,
    /// True if these are all items
    pub(super) complete: bool,
}

/// Numbers under keys that are names of the administrator's own, as far as they could be read.
pub(super) struct NamedNumbers<K> {
    pub(super) items: Vec<(Located<K>, Located<i64>)>,
    /// True if these are all items
    pub(super) complete: bool,
}

/// Reads a whole file and hands its table to `read`, if the part without syntax errors is reliable.
pub(super) fn document<T>(
    source: &SourceFile,
    problems: &mut Problems,
    read: impl FnOnce(&mut Table<'_, '_>, &mut Problems) -> T,
) -> Option<T> {
    let (table, errors) = DeTable::parse_recoverable(source.text());
    let reported = syntax::report(source, table.get_ref(), errors, problems).reported()?;
    let table = table.get_ref();
    let mut reader = Table { source, table, span: 0..0, known: Vec::new(), reported: &reported };
    let result = read(&mut reader, problems);
    reader.finish(problems);
    Some(result)
}

impl<'s, 't> Table<'s, 't> {
    /// The place of the table itself.
    pub(super) fn place(&self) -> SourcePlace {
        self.source.at(self.span.clone())
    }

    /// The place of a rule or an exception, as people are told of it.
    pub(super) fn named_place(&self) -> Place {
        self.source.named_place(self.span.start)
    }

    /// Reads a text by the `FromStr` of its type.
    pub(super) fn parsed<T>(
        &mut self,
        key: &'static str,
        problems: &mut Problems,
    ) -> Option<Located<T>>
    where
        T: FromStr,
        T::Err: fmt::Display,
    {
        let text = self.text(key, problems)?;
        text.value.parse().map_or_else(
            |error: T::Err| {
                problems.push(text.place.saying(&error));
                None
            },
            |value| Some(Located { value, place: text.place.clone() }),
        )
    }

    /// Reads a text.
    pub(super) fn text(
        &mut self,
        key: &'static str,
        problems: &mut Problems,
    ) -> Option<Located<Cow<'t, str>>> {
        let value = self.take(key)?;
        let text = value.get_ref().as_str().map(Cow::Borrowed);
        self.typed(key, value, text, "a text in quotes", problems)
    }

    /// Reads a whole number.
    pub(super) fn integer(
        &mut self,
        key: &'static str,
        problems: &mut Problems,
    ) -> Option<Located<i64>> {
        let value = self.take(key)?;
        self.whole(key, value, problems)
    }

    fn whole(
        &self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        problems: &mut Problems,
    ) -> Option<Located<i64>> {
        let number = value
            .get_ref()
            .as_integer()
            .and_then(|number| i64::from_str_radix(number.as_str(), number.radix()).ok());
        self.typed(key, value, number, "a whole number, without quotes", problems)
    }

    /// Reads `true` or `false`.
    pub(super) fn boolean(
        &mut self,
        key: &'static str,
        problems: &mut Problems,
    ) -> Option<Located<bool>> {
        let value = self.take(key)?;
        let answer = value.get_ref().as_bool();
        self.typed(key, value, answer, "true or false, without quotes", problems)
    }

    /// Reads a date, and returns the moment at which that day begins in UTC.
    pub(super) fn date(
        &mut self,
        key: &'static str,
        problems: &mut Problems,
    ) -> Option<Located<Timestamp>> {
        let value = self.take(key)?;
        let date =
            value.get_ref().as_datetime().filter(|it| it.time.is_none() && it.offset.is_none());
        let moment = date
            .and_then(|it| it.date)
            .and_then(|day| Timestamp::start_of_day(day.year, day.month, day.day).ok());
        let expected = "a day without quotes and without a time, such as 2027-03-01";
        self.typed(key, value, moment, expected, problems)
    }

    /// Reads the last day of something, and returns the moment at which the day after it begins in
    /// UTC.
    pub(super) fn last_day(
        &mut self,
        key: &'static str,
        problems: &mut Problems,
    ) -> Option<Located<Timestamp>> {
        let day = self.date(key, problems)?;
        match day.value.end_of_day() {
            Ok(value) => Some(Located { value, place: day.place }),
            Err(error) => {
                problems.push(day.place.saying(&error));
                None
            }
        }
    }

    /// Reads a list of texts, each by the `FromStr` of its type. An empty list is a mistake: as a
    /// condition it would match nothing, and as a choice no rebuilder.
    pub(super) fn list<T>(
        &mut self,
        key: &'static str,
        problems: &mut Problems,
    ) -> Option<TextList<T>>
    where
        T: FromStr,
        T::Err: fmt::Display,
    {
        let value = self.take(key)?;
        let place = self.source.at(value.span());
        let Some(array) = value.get_ref().as_array() else {
            let example = value.get_ref().as_str().filter(|text| text.len() < 40);
            let example = example.unwrap_or("...");
            problems.push(
                place
                    .saying(&format!("{key} must be a list of texts, in square brackets"))
                    .help(format!("write: {key} = [\"{example}\"]")),
            );
            return None;
        };
        if array.is_empty() {
            let message = format!("{key} is empty: leave it out, or add a value");
            problems.push(place.saying(&message));
            return None;
        }
        let mut list = TextList { items: Vec::new(), complete: true };
        for element in array.iter() {
            let place = self.source.at(element.span());
            let read =
                match element.get_ref().as_str() {
                    _ if self.reported.contains(&element.span()) => None,
                    None => {
                        problems.push(place.saying(&format!(
                            "{key} must be a list of texts, each of them in quotes"
                        )));
                        None
                    }
                    Some(text) => match text.parse() {
                        Ok(value) => Some(Located { value, place }),
                        Err(error) => {
                            problems.push(place.saying(&error));
                            None
                        }
                    },
                };
            list.complete &= read.is_some();
            list.items.extend(read);
        }
        // The readable items are used, so that the mistakes after them are found as well.
        Some(list)
    }

    /// Reads a table of whole numbers, whose keys it reads by the `FromStr` of their type.
    pub(super) fn numbers<K>(
        &mut self,
        key: &'static str,
        problems: &mut Problems,
    ) -> Option<NamedNumbers<K>>
    where
        K: FromStr,
        K::Err: fmt::Display,
    {
        let value = self.take(key)?;
        let table = value.get_ref().as_table();
        let expected = format!("a table of whole numbers, such as {key} = {{ name = 1 }}");
        let table = self.typed(key, value, table, &expected, problems)?.value;
        let mut all = NamedNumbers { items: Vec::new(), complete: true };
        for (name, value) in table.iter() {
            let place = self.source.at(name.span());
            let text: &str = name.get_ref();
            let name = match text.parse() {
                Ok(value) => Some(Located { value, place }),
                Err(error) => {
                    problems.push(place.saying(&error));
                    None
                }
            };
            let number = match self.reported.contains(&value.span()) {
                true => None,
                false => self.whole(&format!("each number of {key}"), value, problems),
            };
            all.complete &= name.is_some() && number.is_some();
            all.items.extend(name.zip(number));
        }
        Some(all)
    }

    /// Reads one of a few words.
    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        words: &[(&str, T)],
        problems: &mut Problems,
    ) -> Option<Located<T>> {
        let value = self.take(key)?;
        let place = self.source.at(value.span());
        let word = value.get_ref().as_str();
        match words.iter().find(|(allowed, _)| Some(*allowed) == word) {
            Some(&(_, value)) => Some(Located { value, place }),
            None => {
                let allowed: Vec<String> =
                    words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
                let message = format!("{key} must be {}", allowed.join(" or "));
                problems.push(place.saying(&message));
                None
            }
        }
    }

    /// Reads the tables under `[[key]]`, each with `read`. Returns nothing if the value is no such
    /// list.
    pub(super) fn tables<T>(
        &mut self,
        key: &'static str,
        problems: &mut Problems,
        mut read: impl FnMut(&mut Table<'s, '_>, &mut Problems) -> T,
    ) -> Option<Vec<T>> {
        let Some(value) = self.take(key) else {
            return (!self.names(key)).then(Vec::new);
        };
        let place = self.source.at(value.span());
        let wrong = syntax::head_each(key);
        let Some(array) = value.get_ref().as_array() else {
            problems.push(place.saying(&wrong));
            return None;
        };
        let mut all = Vec::new();
        for element in array.iter() {
            let Some(table) = element.get_ref().as_table() else {
                problems.push(self.source.at(element.span()).saying(&wrong));
                return None;
            };
            let (source, span, reported) = (self.source, element.span(), self.reported);
            let mut reader = Table { source, table, span, known: Vec::new(), reported };
            all.push(read(&mut reader, problems));
            reader.finish(problems);
        }
        Some(all)
    }

    /// Reads the table under `[key]` with `read`.
    pub(super) fn table<T>(
        &mut self,
        key: &'static str,
        problems: &mut Problems,
        read: impl FnOnce(&mut Table<'s, '_>, &mut Problems) -> T,
    ) -> Option<T> {
        let value = self.take(key)?;
        let table = value.get_ref().as_table();
        let expected = format!("a table, headed [{key}]");
        let table = self.typed(key, value, table, &expected, problems)?.value;
        let (source, span, reported) = (self.source, value.span(), self.reported);
        let mut reader = Table { source, table, span, known: Vec::new(), reported };
        let result = read(&mut reader, problems);
        reader.finish(problems);
        Some(result)
    }

    /// Reports a key that must be there.
    pub(super) fn required<T>(
        &self,
        key: &str,
        what: &str,
        found: Option<T>,
        problems: &mut Problems,
    ) -> Option<T> {
        if found.is_none() && !self.names(key) {
            problems.push(self.place().saying(&format!("{key} is missing: {what}")));
        }
        found
    }

    /// Returns true when the key is in the table, right, wrong or misspelt. A mistake in it is
    /// reported at its place, so the key must not be reported as missing.
    pub(super) fn names(&self, key: &str) -> bool {
        self.table.iter().any(|(found, _)| {
            let found: &str = found.get_ref();
            found == key || is_slip(found, key)
        })
    }

    fn take(&mut self, key: &'static str) -> Option<&'t Spanned<DeValue<'s>>> {
        debug_assert!(KEYS.contains(&key), "{key} is not listed");
        self.known.push(key);
        let table = self.table;
        let (_, value) = table.iter().find(|(found, _)| found.get_ref() == key)?;
        (!self.reported.contains(&value.span())).then_some(value)
    }

    fn typed<T>(
        &self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        read: Option<T>,
        expected: &str,
        problems: &mut Problems,
    ) -> Option<Located<T>> {
        let place = self.source.at(value.span());
        if read.is_none() {
            problems.push(place.saying(&format!("{key} must be {expected}")));
        }
        read.map(|value| Located { value, place })
    }

    fn finish(self, problems: &mut Problems) {
        let known: BTreeSet<&str> = self.known.iter().copied().collect();
        for (key, _) in self.table.iter() {
            let name: &str = key.get_ref();
            if known.contains(name) {
                continue;
            }
            let allowed: Vec<&str> = known.iter().copied().collect();
            let meant = allowed.iter().find(|known| is_slip(name, known));
            let meant = meant.map(|meant| format!("did you mean {meant}? "));
            let help = format!("{}allowed here: {}", meant.unwrap_or_default(), allowed.join(", "));
            let message = format!("unknown key \"{}\"", crate::types::printable(name));
            problems.push(self.source.at(key.span()).saying(&message).help(help));
        }
    }
}

/// Returns true when `found` is `key` with a letter or two wrong, missing or too many.
fn is_slip(found: &str, key: &str) -> bool {
    let allowed = key.len() / 3;
    if KEYS.contains(&found) || found.len().abs_diff(key.len()) > allowed.min(2) {
        return false;
    }
    // Levenshtein's distance, row by row.
    let mut row: Vec<usize> = (0..=key.len()).collect();
    for (at, a) in found.bytes().enumerate() {
        let mut diagonal = at;
        let mut left = at + 1;
        for (cell, b) in row.iter_mut().skip(1).zip(key.bytes()) {
            let changed = diagonal + usize::from(!a.eq_ignore_ascii_case(&b));
            diagonal = *cell;
            left = changed.min(*cell + 1).min(left + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = at + 1;
        }
    }
    row.last().is_some_and(|distance| *distance <= allowed.min(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_finger_are_told_from_other_words() {
        for (found, key, expected) in [
            ("threshhold", "threshold", true),
            ("treshold", "threshold", true),
            ("Mode", "mode", true),
            ("keys", "key", true),
            ("expire", "expires", true),
            ("pakage", "package", true),
            ("mode", "mode", false),
            ("label", "suite", false),
            ("url", "key", false),
            ("colour", "mode", false),
            ("", "mode", false),
            ("a-very-long-key-that-is-none", "mode", false),
        ] {
            assert_eq!(is_slip(found, key), expected, "{found} for {key}");
        }
    }
}

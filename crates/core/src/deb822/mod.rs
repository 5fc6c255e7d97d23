//! Stanzas of fields, the format of deb822(5): control files, Packages, Release.
//!
//! Pure: bytes in, values out.
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod control;
pub mod packages;
pub mod status;

mod source;

use std::cmp::Ordering;

use memchr::memchr;

/// Most fields that a stanza may have. Debian's have some thirty.
pub const MAX_FIELDS: usize = 32 * 1024;
/// The white space that dpkg and apt ignore around a value (`c_isspace`, `isspace_ascii`). A file
/// with the line ends of MS-DOS therefore says the same as a file without them.
const WHITE: [char; 6] = [' ', '\t', '\n', '\r', '\x0b', '\x0c'];

/// A text that is not of the format, or not without doubt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A line that is neither a field nor the continuation of one.
    #[error("a line is neither a field nor a continuation")]
    Line,
    /// A field stands twice in a stanza.
    #[error("duplicate field {}", crate::types::printable(.0))]
    Twice(String),
    /// More fields than [`MAX_FIELDS`].
    #[error("a stanza has more than {MAX_FIELDS} fields")]
    TooMany,
}

/// A field: its name, and all that stands behind the colon.
type Field<'a> = (&'a [u8], &'a [u8]);

/// One stanza: its fields, in the order of [`by_name`], each name once.
#[derive(Debug, Clone, Default)]
pub struct Stanza<'a>(Vec<Field<'a>>);

impl<'a> Stanza<'a> {
    /// Returns true when the field is there, whatever its value.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.raw(name).is_some()
    }

    /// Returns true when the value of a field begins on a later line than its name. Some readers
    /// take that line end for a part of the value.
    #[must_use]
    pub fn begins_below(&self, name: &str) -> bool {
        self.raw(name).is_some_and(|value| {
            let (line, below) = split_line(value);
            line.trim_ascii().is_empty() && !below.trim_ascii().is_empty()
        })
    }

    /// The value of a field, whose name is compared without regard to case. Leading and trailing
    /// white space is left out; a value of several lines keeps its line ends. A value that is not
    /// UTF-8 counts as not there.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'a str> {
        let value = std::str::from_utf8(self.raw(name)?).ok()?;
        Some(value.trim_matches(WHITE))
    }

    fn raw(&self, name: &str) -> Option<&'a [u8]> {
        let at = self.0.binary_search_by(|(key, _)| by_name(key, name.as_bytes())).ok()?;
        self.0.get(at).map(|(_, value)| *value)
    }
}

/// An order of names without regard to case. The shorter one goes first, which is quickest to see.
fn by_name(one: &[u8], other: &[u8]) -> Ordering {
    let (ones, others) = (one.iter(), other.iter());
    let letters = || ones.map(u8::to_ascii_lowercase).cmp(others.map(u8::to_ascii_lowercase));
    one.len().cmp(&other.len()).then_with(letters)
}

/// The stanzas of `text`, separated by empty lines.
///
/// Each item is an error if that stanza is malformed; nothing after it should be used then.
pub fn stanzas(text: &[u8]) -> impl Iterator<Item = Result<Stanza<'_>, Malformed>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let (stanza, after) = split_stanza(rest);
            let at_end = rest.is_empty();
            rest = after;
            match parse(stanza) {
                Ok(empty) if empty.0.is_empty() && at_end => return None,
                Ok(empty) if empty.0.is_empty() => {}
                other => return Some(other),
            }
        }
    })
}

/// Reads one stanza, in time that grows with its size and no faster: whoever writes a text must not
/// be able to have it read for minutes.
///
/// # Errors
/// See [`Malformed`].
pub fn parse(stanza: &[u8]) -> Result<Stanza<'_>, Malformed> {
    let mut fields: Vec<Field<'_>> = Vec::new();
    let mut rest = stanza;
    while !rest.is_empty() {
        let (line, after) = split_line(rest);
        if line.is_empty() {
            rest = after;
            continue;
        }
        let colon = memchr(b':', line).ok_or(Malformed::Line)?;
        // White space before the colon is none of the name, for dpkg and for apt.
        let name = line.get(..colon).unwrap_or_default();
        let name = name.trim_ascii_end();
        if name.is_empty() || name.iter().any(|c| *c == b' ' || c.is_ascii_control()) {
            return Err(Malformed::Line);
        }
        if fields.len() == MAX_FIELDS {
            return Err(Malformed::TooMany);
        }
        let mut end = rest.len() - after.len();
        let mut following = after;
        while following.first().is_some_and(|c| matches!(c, b' ' | b'\t')) {
            following = split_line(following).1;
            end = rest.len() - following.len();
        }
        fields.push((name, rest.get(colon + 1..end).unwrap_or_default()));
        rest = following;
    }
    match sort(&mut fields, by_name) {
        Some(name) => Err(Malformed::Twice(String::from_utf8_lossy(name).into_owned())),
        None => Ok(Stanza(fields)),
    }
}

/// Puts fields into their order, and gives a name that an earlier one has. Neighbours are looked at,
/// since each field beside all others would be too much.
fn sort<'a>(
    fields: &mut [Field<'a>],
    mut order: impl FnMut(&[u8], &[u8]) -> Ordering,
) -> Option<&'a [u8]> {
    fields.sort_by(|(one, _), (other, _)| order(one, other));
    let mut pairs = fields.iter().zip(fields.iter().skip(1));
    pairs.find(|(one, next)| order(one.0, next.0).is_eq()).map(|(_, next)| next.0)
}

/// Splits behind the first empty line. A line of white space goes on with a field for some
/// readers and ends the stanza for others, so it is left in and `parse` sees what it makes of it.
fn split_stanza(text: &[u8]) -> (&[u8], &[u8]) {
    if let Some(after) = text.strip_prefix(b"\n") {
        return (&[], after);
    }
    match memchr::memmem::find(text, b"\n\n") {
        Some(at) => {
            let (stanza, rest) = text.split_at(at + 1);
            (stanza, rest.get(1..).unwrap_or_default())
        }
        None => (text, &[]),
    }
}

fn split_line(text: &[u8]) -> (&[u8], &[u8]) {
    match memchr(b'\n', text) {
        Some(at) => (text.get(..at).unwrap_or_default(), text.get(at + 1..).unwrap_or_default()),
        None => (text, &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stanzas_are_split_at_empty_lines() {
        let text = b"\n\nA: 1\nB: 2\n x\n\n\nA: 3";
        let all: Vec<_> = stanzas(text).map(Result::unwrap).collect();
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].field("b"), Some("2\n x"));
        assert_eq!(all[1].field("A"), Some("3"));
        assert!(stanzas(b"").next().is_none());
    }

    #[test]
    fn a_name_that_stands_twice_is_found_whatever_its_case_and_place() {
        for (text, twice) in [
            ("A: 1\nbb: 2\na: 3\n", Some("a")),
            ("Version: 1\nX: 2\nY: 3\nVERSION: 4\nPackage: z\n", Some("version")),
            ("A: 1\nAb: 2\nB: 3\nBa: 4\n", None),
        ] {
            match (parse(text.as_bytes()), twice) {
                (Err(Malformed::Twice(name)), Some(twice)) => {
                    assert!(name.eq_ignore_ascii_case(twice), "{text}");
                }
                (read, twice) => assert!(read.is_ok() && twice.is_none(), "{text}: {read:?}"),
            }
        }
    }

    #[test]
    fn fields_are_found_in_a_stanza_with_as_many_as_there_may_be() {
        let field = |n: usize| format!("f{n}: {n}\n");
        let most: String = (0..MAX_FIELDS).map(field).collect();
        let stanza = parse(most.as_bytes()).unwrap();
        assert_eq!(stanza.field("F0"), Some("0"));
        assert_eq!(stanza.field("f32767"), Some("32767"));
        assert!(!stanza.has("f32768"));
        let more = most + "another: x\n";
        assert_eq!(parse(more.as_bytes()).unwrap_err(), Malformed::TooMany);
    }

    /// The number of comparisons of two names while a stanza with so many fields is read.
    fn compared(fields: usize) -> usize {
        // In an order that is none.
        let names: Vec<String> =
            (0..fields).map(|n| format!("f{:05}", n * 7919 % fields)).collect();
        let mut all: Vec<Field<'_>> = names.iter().map(|it| (it.as_bytes(), &b""[..])).collect();
        let mut count = 0;
        let twice = sort(&mut all, |one, other| {
            count += 1;
            by_name(one, other)
        });
        assert_eq!(twice, None);
        count
    }

    #[test]
    fn many_fields_are_not_each_compared_with_all_others() {
        let (some, many) = (compared(2048), compared(16_384));
        assert!(many < 16 * some, "{some} comparisons, and {many} of eight times as many fields");
    }
}

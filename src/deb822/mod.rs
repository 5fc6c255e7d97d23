//! Stanzas of fields, the format of deb822(5): control files, Packages, Release.
//!
//! Pure: bytes in, values out.
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod control;
pub mod packages;
pub mod source;
pub mod status;

use memchr::memchr;

/// What dpkg and apt take for white space around a value (`c_isspace`, `isspace_ascii`), so that a
/// file with the line ends of MS-DOS says what it says without them.
const WHITE: [char; 6] = [' ', '\t', '\n', '\r', '\x0b', '\x0c'];

/// A text that is not of the format, or not without doubt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A line that is neither a field nor the continuation of one.
    #[error("a line is neither a field nor goes on with one")]
    Line,
    /// A field stands twice in a stanza.
    #[error("the field {} stands twice", crate::types::printable(.0))]
    Twice(String),
}

/// One stanza: fields in their order.
#[derive(Debug, Clone, Default)]
pub struct Stanza<'a>(Vec<(&'a [u8], &'a [u8])>);

impl<'a> Stanza<'a> {
    /// Whether the field is there, whatever its value.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes()))
    }

    /// Whether the value of a field begins on a later line than its name. That line end is part of
    /// the value for some readers.
    #[must_use]
    pub fn begins_below(&self, name: &str) -> bool {
        let value = self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes()));
        value.is_some_and(|(_, value)| {
            let (line, below) = split_line(value);
            line.trim_ascii().is_empty() && !below.trim_ascii().is_empty()
        })
    }

    /// The value of a field, whose name is compared without regard to case. Leading and trailing
    /// white space is left out; a value of several lines keeps its line ends. A value that is not
    /// UTF-8 counts as not there.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'a str> {
        self.0
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes()))
            .and_then(|(_, value)| std::str::from_utf8(value).ok())
            .map(|value| value.trim_matches(WHITE))
    }
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

/// Reads one stanza.
///
/// # Errors
/// See [`Malformed`].
pub fn parse(stanza: &[u8]) -> Result<Stanza<'_>, Malformed> {
    let mut fields: Vec<(&[u8], &[u8])> = Vec::new();
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
        if fields.iter().any(|(key, _)| key.eq_ignore_ascii_case(name)) {
            return Err(Malformed::Twice(String::from_utf8_lossy(name).into_owned()));
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
    Ok(Stanza(fields))
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
}

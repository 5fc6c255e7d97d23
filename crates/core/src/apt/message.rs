//! Messages between apt and its methods.
//!
//! Format: apt's `doc/method.dbk`, and `apt-pkg/acquire-worker.cc` where that is silent. A message
//! is `NNN Text`, lines of `Key: value`, and an empty line. Values are bytes: apt passes on what
//! it has, in whatever encoding.

use std::fmt;
use std::io::{self, BufRead, Read};

/// Largest message, in bytes. apt's configuration, the largest of all, has about 10 kB.
const MAX_MESSAGE: u64 = 8 * 1024 * 1024;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    code: u16,
    text: String,
    fields: Vec<(String, Vec<u8>)>,
}

/// The reason that no further message can be read.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// Reading failed.
    #[error("{}", crate::types::plain(.0))]
    Io(#[from] io::Error),
    /// The bytes are no message; where the next one begins is unknown.
    #[error("malformed message")]
    Malformed,
}

impl Message {
    /// A message to write. Values get their line ends and control characters taken out, so that
    /// no value can become another field or message.
    #[must_use]
    pub fn new(code: u16, text: &str) -> Self {
        Self { code, text: text.to_owned(), fields: Vec::new() }
    }

    /// Adds a field.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Vec<u8>>) -> Self {
        self.fields.push((key.to_owned(), value.into()));
        self
    }

    /// Adds a field if there is a value for it.
    #[must_use]
    pub fn with_some(self, key: &str, value: Option<impl Into<Vec<u8>>>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// Gives all fields of this name another value.
    #[must_use]
    pub fn with_changed(mut self, key: &str, value: &[u8]) -> Self {
        for (_, old) in self.fields.iter_mut().filter(|(name, _)| name.eq_ignore_ascii_case(key)) {
            value.clone_into(old);
        }
        self
    }

    /// Leaves out the fields whose names are not wanted.
    #[must_use]
    pub fn only(mut self, wanted: impl Fn(&str) -> bool) -> Self {
        self.fields.retain(|(name, _)| wanted(name));
        self
    }

    /// The number that tells the kind of message.
    #[must_use]
    pub const fn code(&self) -> u16 {
        self.code
    }

    /// The first field of this name, which is compared without regard to case as apt does.
    #[must_use]
    pub fn field(&self, key: &str) -> Option<&[u8]> {
        let found = self.fields.iter().find(|(name, _)| name.eq_ignore_ascii_case(key));
        found.map(|(_, value)| value.as_slice())
    }

    /// The field as text; nothing if it is not UTF-8.
    #[must_use]
    pub fn text_field(&self, key: &str) -> Option<&str> {
        self.field(key).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// All values of fields of this name.
    pub fn all(&self, key: &str) -> impl Iterator<Item = &[u8]> {
        let same = move |name: &str| name.eq_ignore_ascii_case(key);
        self.fields.iter().filter(move |(name, _)| same(name)).map(|(_, value)| value.as_slice())
    }

    /// Reads the next message. `None` at the end.
    ///
    /// # Errors
    /// See [`MessageError`].
    pub fn read(input: &mut impl BufRead) -> Result<Option<Self>, MessageError> {
        let mut input = input.take(MAX_MESSAGE);
        let mut line = Vec::new();
        // apt ends a message with one empty line and reads over further ones.
        while line.is_empty() {
            if !read_line(&mut input, &mut line)? {
                return Ok(None);
            }
        }
        let mut message = Self::header(&line).ok_or(MessageError::Malformed)?;
        loop {
            if !read_line(&mut input, &mut line)? {
                return Err(MessageError::Malformed);
            }
            if line.is_empty() {
                return Ok(Some(message));
            }
            if line.first().is_some_and(|c| matches!(c, b' ' | b'\t')) {
                let (_, value) = message.fields.last_mut().ok_or(MessageError::Malformed)?;
                value.push(b'\n');
                value.extend_from_slice(line.trim_ascii());
                continue;
            }
            let colon = memchr::memchr(b':', &line).ok_or(MessageError::Malformed)?;
            let (key, value) = line.split_at(colon);
            let key = std::str::from_utf8(key).map_err(|_| MessageError::Malformed)?;
            let value = value.get(1..).unwrap_or_default().trim_ascii();
            message.fields.push((key.to_owned(), value.to_vec()));
        }
    }

    fn header(line: &[u8]) -> Option<Self> {
        let line = std::str::from_utf8(line).ok()?;
        let (code, text) = line.split_once(' ').unwrap_or((line, ""));
        let digits = code.len() == 3 && code.bytes().all(|digit| digit.is_ascii_digit());
        Some(Self::new(code.parse().ok().filter(|_| digits)?, text))
    }

    /// The message as it is written.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = format!("{:03} ", self.code).into_bytes();
        write_clean(self.text.as_bytes(), &mut out);
        out.push(b'\n');
        for (key, value) in &self.fields {
            write_clean(key.as_bytes(), &mut out);
            out.extend_from_slice(b": ");
            // A value of several lines goes on behind a space.
            for (at, line) in value.split(|&byte| byte == b'\n').enumerate() {
                if at > 0 {
                    out.extend_from_slice(b"\n ");
                }
                write_clean(line, &mut out);
            }
            out.push(b'\n');
        }
        out.push(b'\n');
        out
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.to_bytes()))
    }
}

/// Reads a line without its end. `false` at the end of the input. A last line without an end is
/// no line: its message was cut off.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> Result<bool, MessageError> {
    line.clear();
    if input.read_until(b'\n', line)? == 0 {
        return Ok(false);
    }
    if line.pop() != Some(b'\n') {
        return Err(MessageError::Malformed);
    }
    Ok(true)
}

/// Control characters become `?`: a terminal must not obey them, and a line end among them would
/// begin another field.
fn write_clean(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend(bytes.iter().map(|&byte| if byte < 0x20 || byte == 0x7f { b'?' } else { byte }));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<Message>, MessageError> {
        Message::read(&mut text.as_bytes())
    }

    #[test]
    fn messages_are_read_as_apt_writes_them() {
        let text = "\n\n600 URI Acquire\nURI: http://x/a%2bb.deb\nfilename:/p/a+b.deb\nAlternate-URIs: one\n two\nEmpty:\n\n601 next\n\n";
        let message = read(text).unwrap().unwrap();
        assert_eq!(message.code(), 600);
        assert_eq!(message.text_field("uri"), Some("http://x/a%2bb.deb"));
        assert_eq!(message.text_field("Filename"), Some("/p/a+b.deb"));
        assert_eq!(message.text_field("Alternate-URIs"), Some("one\ntwo"));
        assert_eq!(message.text_field("Empty"), Some(""));
        assert_eq!(message.text_field("None"), None);
        let less = message.only(|name| name == "URI");
        assert_eq!((less.field("filename"), less.field("Empty")), (None, None));
        assert!(less.field("URI").is_some());
    }

    #[test]
    fn a_message_that_was_written_is_read_back() {
        let message = Message::new(201, "URI Done").with("URI", "x").with("List", "a\nb");
        assert_eq!(read(&message.to_string()).unwrap(), Some(message));
    }

    #[test]
    fn a_value_cannot_become_another_field_or_message() {
        let hostile = "x\r\n201 URI Done\n\n\u{1b}[2J";
        let message = Message::new(400, "URI Failure\nURI: y").with("Message", hostile);
        let back = read(&message.to_string()).unwrap().unwrap();
        assert_eq!(back.code(), 400);
        assert_eq!(back.field("URI"), None);
        assert_eq!(back.all("Message").count(), 1);
        assert!(!message.to_string().contains('\u{1b}'));
    }

    #[test]
    fn what_is_no_message_is_an_error_and_no_end() {
        assert!(read("").unwrap().is_none());
        assert!(read("\n\n").unwrap().is_none());
        for bad in [
            "600 x",
            "600 x\n",
            "600 x\nURI: y",
            "600 x\nURI: y\n",
            "60 x\n\n",
            "6000 x\n\n",
            "abc\n\n",
            "600 x\n continued\n\n",
            "600 x\nno colon\n\n",
        ] {
            assert!(matches!(read(bad), Err(MessageError::Malformed)), "{bad:?}");
        }
        let endless = format!("600 x\nURI: {}", "y".repeat(9 << 20));
        assert!(read(&endless).is_err());
    }
}

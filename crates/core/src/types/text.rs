//! Text from outside, made fit for a terminal and a log.

use std::fmt;

/// Longest run of outside text that is shown, in characters.
const MAX_SHOWN: usize = 300;

/// Shows outside text as printable ASCII on one line: control characters and everything that is
/// not ASCII become `?`, runs of white space become one space, and long text is cut.
///
/// A rebuilder's answer or a file's control data must not be able to move the cursor, forge a
/// line of apt's output, or fill a log.
#[derive(Debug, Clone, Copy)]
pub struct Printable<'a>(&'a str);

/// Wraps `text` for display; see [`Printable`].
#[must_use]
pub const fn printable(text: &str) -> Printable<'_> {
    Printable(text)
}

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = 0;
        for (at, word) in self.0.split_ascii_whitespace().enumerate() {
            if at > 0 {
                f.write_str(" ")?;
                shown += 1;
            }
            for c in word.chars() {
                if shown >= MAX_SHOWN {
                    return f.write_str("...");
                }
                write!(f, "{}", if c.is_ascii_graphic() { c } else { '?' })?;
                shown += 1;
            }
        }
        Ok(())
    }
}

/// The system's message about an error, without the number that only programmers know.
#[must_use]
pub fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    let number = error.raw_os_error().map(|it| format!(" (os error {it})"));
    let words = number.and_then(|it| Some(text.strip_suffix(&it)?.to_owned()));
    words.unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_line_ends_and_length_do_not_get_through() {
        let shown = printable("a\u{1b}[2Jb\r\nE: all is well\u{202e}\u{7f}").to_string();
        assert_eq!(shown, "a?[2Jb E: all is well??");
        assert_eq!(printable(&"x".repeat(10_000)).to_string().len(), MAX_SHOWN + 3);
    }

    #[test]
    fn an_error_is_told_in_words() {
        let error = std::io::Error::from_raw_os_error(2);
        assert_eq!(plain(&error), "No such file or directory");
        assert_eq!(plain(&std::io::Error::other("(os error 2)")), "(os error 2)");
    }
}

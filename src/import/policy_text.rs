//! Changes values in the text of a policy in place, because comments, order and white space are the
//! administrator's.

use std::ops::Range;

use toml::de::DeTable;

use crate::config::with_threshold;
use crate::types::Threshold;

/// A text in which a value was set.
pub(super) struct Edited {
    /// The text
    pub(super) text: String,
    /// The text of the value before, if it was there
    pub(super) found: Option<String>,
}

/// Sets a value that is there. Returns none if it is not, or if the text is not TOML.
pub(super) fn set(text: &str, key: &str, value: &str) -> Option<Edited> {
    let span = place(text, key)?;
    let found = text.get(span.clone())?.to_owned();
    let (before, after) = (text.get(..span.start)?, text.get(span.end..)?);
    Some(Edited { text: format!("{before}{value}{after}"), found: Some(found) })
}

/// Sets the threshold, and adds it if it is not there. Returns none if the text is not TOML.
pub(super) fn set_threshold(text: &str, threshold: Threshold) -> Option<Edited> {
    let found = place(text, "threshold").and_then(|it| text.get(it)).map(ToOwned::to_owned);
    Some(Edited { text: with_threshold(text, threshold)?, found })
}

fn place(text: &str, key: &str) -> Option<Range<usize>> {
    Some(DeTable::parse(text).ok()?.get_ref().get(key)?.span())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_value_changes() {
        let text =
            "# mode = 1\r\n\"mode\"='warn'# yet\r\nthreshold = 0x2\n[[rule]]\nthreshold = 3\n";
        let edited = set(text, "mode", "\"enforce\"").unwrap();
        assert_eq!(edited.text, text.replace("'warn'", "\"enforce\""));
        assert_eq!(edited.found.as_deref(), Some("'warn'"));
        let one = Threshold::try_from(1).unwrap();
        let edited = set_threshold(text, one).unwrap();
        assert_eq!(edited.text, text.replace("0x2", "1"));
        assert_eq!(edited.found.as_deref(), Some("0x2"));
        let edited = set_threshold("mode = \"warn\"\n[[rule]]\nthreshold = 3\n", one).unwrap();
        assert_eq!(edited.found, None);
        assert!(set("threshold = 1\n", "mode", "1").is_none());
        assert!(set("mode =", "mode", "1").is_none());
    }
}

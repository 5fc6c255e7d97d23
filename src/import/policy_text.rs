//! One value in the text of a policy, changed where it stands: comments, order and white space
//! are the administrator's.

use toml::de::DeTable;

/// A text in which a value was set.
pub(super) struct Edited {
    /// The text
    pub(super) text: String,
    /// How the value was written before, if it was there
    pub(super) found: Option<String>,
}

/// Sets a value at the top of the file. One that is not there comes behind the line with the mode,
/// which every policy has, and in any case before the first table. Nothing if the text is not
/// TOML.
pub(super) fn set(text: &str, key: &str, value: &str) -> Option<Edited> {
    let table = DeTable::parse(text).ok()?;
    let table = table.get_ref();
    if let Some(old) = table.get(key) {
        let span = old.span();
        let found = text.get(span.clone())?.to_owned();
        let (before, after) = (text.get(..span.start)?, text.get(span.end..)?);
        return Some(Edited { text: format!("{before}{value}{after}"), found: Some(found) });
    }
    let after_mode = table.get("mode").and_then(|mode| {
        let end = mode.span().end;
        let rest = text.get(end..)?;
        Some(end + rest.find('\n').map_or(rest.len(), |at| at + 1))
    });
    let (before, after) = text.split_at_checked(after_mode.unwrap_or_default())?;
    let gap = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
    Some(Edited { text: format!("{before}{gap}{key} = {value}\n{after}"), found: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_value_changes() {
        for (text, expected, found) in [
            ("mode = \"warn\"", "mode = \"warn\"\nthreshold = 2\n", None),
            (
                "# threshold = 9\nmode = \"warn\" # yet\n\n[[rule]]\nthreshold = 3\n",
                "# threshold = 9\nmode = \"warn\" # yet\nthreshold = 2\n\n[[rule]]\nthreshold = 3\n",
                None,
            ),
            (
                "mode = \"warn\"\r\nthreshold=1# one\r\n",
                "mode = \"warn\"\r\nthreshold=2# one\r\n",
                Some("1"),
            ),
            (
                "[network]\ntotal_timeout = 9\n",
                "threshold = 2\n[network]\ntotal_timeout = 9\n",
                None,
            ),
            ("\"threshold\" = 0x2\n", "\"threshold\" = 2\n", Some("0x2")),
        ] {
            let edited = set(text, "threshold", "2").unwrap();
            assert_eq!(edited.text, expected);
            assert_eq!(edited.found.as_deref(), found, "{text}");
        }
        assert!(set("mode =", "threshold", "2").is_none());
    }
}

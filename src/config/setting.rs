//! Writes a setting into `policy.toml`, and leaves everything else in the file unchanged.

use toml::de::DeTable;

use crate::types::Threshold;

/// Sets this threshold in the text of `policy.toml`, see [`with_setting`].
#[must_use]
pub fn with_threshold(text: &str, threshold: Threshold) -> Option<String> {
    with_setting(text, "threshold", &threshold.count().to_string())
}

/// Sets `key` at the top of the text of `policy.toml` to `value`, which is written as TOML.
/// Replaces the present setting, else a line that is commented out; otherwise adds a line below the
/// mode. Returns nothing if the text cannot be read, or would not contain the setting afterwards.
#[must_use]
pub fn with_setting(text: &str, key: &str, value: &str) -> Option<String> {
    let table = DeTable::parse(text).ok()?;
    let span = |wanted: &str| {
        let found = table.get_ref().iter().find(|(key, _)| key.get_ref() == wanted);
        found.map(|(_, value)| value.span())
    };
    if let Some(old) = span(key) {
        let (before, after) = (text.get(..old.start)?, text.get(old.end..)?);
        let new = format!("{before}{value}{after}");
        return only_sets(text, &new, key, value).then_some(new);
    }
    let line = format!("{key} = {value}");
    let mut start = 0;
    for old in text.split_inclusive('\n') {
        if old.starts_with('[') {
            break;
        }
        let setting = old.strip_prefix('#').and_then(|it| it.strip_prefix(key));
        if setting.is_some_and(|rest| rest.trim_start().starts_with('=')) {
            let (before, after) = (text.get(..start)?, text.get(start + old.len()..)?);
            let new = format!("{before}{line}\n{after}");
            // It could have been within a text.
            return only_sets(text, &new, key, value).then_some(new);
        }
        start += old.len();
    }
    let mode = span("mode")?.end;
    let end = text.get(mode..)?.find('\n').map_or(text.len(), |length| mode + length);
    let new = format!("{}\n{line}{}", text.get(..end)?, text.get(end..)?);
    only_sets(text, &new, key, value).then_some(new)
}

/// Turns `key` at the top of the text of `policy.toml` into a comment. Returns the same text if it is
/// not there, and nothing if the text cannot be read or would mean something else besides.
#[must_use]
pub fn without_setting(text: &str, key: &str) -> Option<String> {
    let mut wanted: toml::Table = text.parse().ok()?;
    if wanted.remove(key).is_none() {
        return Some(text.to_owned());
    }
    let table = DeTable::parse(text).ok()?;
    let value = table.get_ref().iter().find(|(found, _)| found.get_ref() == key)?.1.span();
    let start = text.get(..value.start)?.rfind('\n').map_or(0, |at| at + 1);
    let new = format!("{}#{}", text.get(..start)?, text.get(start..)?);
    (new.parse::<toml::Table>().ok()? == wanted).then_some(new)
}

/// Returns true when the new text means the same as the old one except for this setting.
fn only_sets(old: &str, new: &str, key: &str, value: &str) -> bool {
    let read = |text: &str| text.parse::<toml::Table>().ok();
    let (Some(mut old), Some(new)) = (read(old), read(new)) else { return false };
    let Some(wanted) = read(&format!("{key} = {value}")).filter(|it| it.len() == 1) else {
        return false;
    };
    old.remove(key);
    old.extend(wanted);
    old == new
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_threshold_changes() {
        let two = Threshold::try_from(2).unwrap();
        for (text, expected) in [
            ("mode = \"warn\"\n", "mode = \"warn\"\nthreshold = 2\n"),
            ("mode = 'warn' # so", "mode = 'warn' # so\nthreshold = 2"),
            (
                "mode = \"warn\"\n# so many\n#threshold = 9\n[network]\n",
                "mode = \"warn\"\n# so many\nthreshold = 2\n[network]\n",
            ),
            ("threshold=1 # one\nmode = \"warn\"\n", "threshold=2 # one\nmode = \"warn\"\n"),
            (
                "mode = \"warn\"\n[[rule]]\n#threshold = 9\nthreshold = 1\n",
                "mode = \"warn\"\nthreshold = 2\n[[rule]]\n#threshold = 9\nthreshold = 1\n",
            ),
        ] {
            assert_eq!(with_threshold(text, two).as_deref(), Some(expected), "{text:?}");
        }
        assert_eq!(with_threshold("mode = \"\"\"\n#threshold = 1\n\"\"\"\n", two), None);
        assert_eq!(with_threshold("mode", two), None);
        assert_eq!(with_threshold("", two), None);
    }

    #[test]
    fn a_setting_becomes_a_comment() {
        let without = |text| without_setting(text, "threshold");
        for (text, expected) in [
            ("mode = \"warn\"\n", "mode = \"warn\"\n"),
            ("mode = \"warn\"\nthreshold = 2 # x\n", "mode = \"warn\"\n#threshold = 2 # x\n"),
            ("  threshold=2", "#  threshold=2"),
            ("[[rule]]\nthreshold = 2\n", "[[rule]]\nthreshold = 2\n"),
        ] {
            assert_eq!(without(text).as_deref(), Some(expected), "{text:?}");
        }
        for bad in ["threshold =", "threshold = \"\"\"\n2\"\"\"\n"] {
            assert_eq!(without(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn every_other_setting_stays_as_it_is_written() {
        let enforce = |text| with_setting(text, "mode", "\"enforce\"");
        for (text, expected) in [
            ("mode = 'warn'   # yet\n", "mode = \"enforce\"   # yet\n"),
            ("# mode = 1\r\n\"mode\"='warn'\r\n", "# mode = 1\r\n\"mode\"=\"enforce\"\r\n"),
            ("#mode = \"warn\"\n[[rule]]\n", "mode = \"enforce\"\n[[rule]]\n"),
        ] {
            assert_eq!(enforce(text).as_deref(), Some(expected), "{text:?}");
        }
        for bad in ["threshold = 1\n", "mode =", "x = \"\"\"\n#mode = 1\n\"\"\"\n"] {
            assert_eq!(enforce(bad), None, "{bad:?}");
        }
        // Text that is no value must not become more than a value.
        let two = "1\nthreshold = 3";
        assert_eq!(with_setting("mode = \"warn\"\nconflict = 2\n", "conflict", two), None);
    }
}

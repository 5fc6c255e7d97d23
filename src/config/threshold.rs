//! Writing the threshold into `policy.toml`, with all that people wrote around it left as it is.

use toml::de::DeTable;

use crate::types::Threshold;

/// The text of `policy.toml` with this threshold: in place of the one that is set, else of one
/// that is commented out, else below the mode. Nothing if the text cannot be read.
#[must_use]
pub fn with_threshold(text: &str, threshold: Threshold) -> Option<String> {
    let table = DeTable::parse(text).ok()?;
    let span = |wanted: &str| {
        let found = table.get_ref().iter().find(|(key, _)| key.get_ref() == wanted);
        found.map(|(_, value)| value.span())
    };
    if let Some(value) = span("threshold") {
        let (before, after) = (text.get(..value.start)?, text.get(value.end..)?);
        return Some(format!("{before}{}{after}", threshold.count()));
    }
    let line = format!("threshold = {}", threshold.count());
    let mut start = 0;
    for old in text.split_inclusive('\n') {
        if old.starts_with('[') {
            break;
        }
        let setting = old.strip_prefix("#threshold").map(str::trim_start);
        if setting.is_some_and(|rest| rest.starts_with('=')) {
            let (before, after) = (text.get(..start)?, text.get(start + old.len()..)?);
            let new = format!("{before}{line}\n{after}");
            // It could have stood within a text.
            return sets(&new, threshold).then_some(new);
        }
        start += old.len();
    }
    let mode = span("mode")?.end;
    let end = text.get(mode..)?.find('\n').map_or(text.len(), |length| mode + length);
    let new = format!("{}\n{line}{}", text.get(..end)?, text.get(end..)?);
    sets(&new, threshold).then_some(new)
}

fn sets(text: &str, threshold: Threshold) -> bool {
    let found = text.parse::<toml::Table>().ok();
    let found = found.and_then(|table| table.get("threshold")?.as_integer());
    found == Some(i64::from(threshold.count()))
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
}

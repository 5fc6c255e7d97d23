//! The field `Source` of a binary package: `name`, or `name (version)` where the version differs
//! from the binary's (deb-control(5)).
//!
//! dpkg and apt take any text there. Of one that is odd, what both read in the same way is read here
//! (`virt_source_package` in dpkg's lib/dpkg/pkg-format.c, `debListParser::NewVersion` in
//! apt-pkg/deb/deblistparser.cc): the name ends at the first space, and the version stands in the first
//! brackets behind it.

use crate::types::{DebVersion, SourceName};

/// Reads the value of the field in a package of this version. None if dpkg and apt do not read it in
/// the same way, or if it is no text of one line.
pub(super) fn parse(text: &str, version: &DebVersion) -> Option<(SourceName, DebVersion)> {
    // For dpkg the value ends at a NUL.
    if text.contains(char::is_control) {
        return None;
    }
    let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
    let version = match rest.split_once('(') {
        None => version.clone(),
        Some((_, behind)) => behind.split_once(')')?.0.trim_matches(' ').parse().ok()?,
    };
    Some((name.parse().ok()?, version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_dpkg_and_apt_read_in_one_way_is_read() {
        let version: DebVersion = "1:2".parse().unwrap();
        let read = |text: &str| parse(text, &version).map(|(name, it)| format!("{name} {it}"));
        for (text, expected) in [
            ("hello", "hello 1:2"),
            ("hello (2.10-3)", "hello 2.10-3"),
            ("Microsoft", "Microsoft 1:2"),
            ("My Product", "My 1:2"),
            ("My Product  ( 3 ) x", "My 3"),
            ("https://example.org/x", "https://example.org/x 1:2"),
            ("x", "x 1:2"),
        ] {
            assert_eq!(read(text).as_deref(), Some(expected), "{text}");
        }
        for bad in ["", "a(1)", "a (", "a (b_c)", "a ()", "a\n b", "a\tb", "a)b", "(1)", "a \0(1)"]
        {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }
}

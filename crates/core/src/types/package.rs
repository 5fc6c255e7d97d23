//! Names, versions and architectures of packages, as dpkg takes them.
//!
//! Debian policy allows less. What dpkg and apt install is judged all the same, as long as both read
//! it in one way only; and no part may have what would make `NAME_VERSION_ARCH.deb` ambiguous.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

/// Longest name, version or architecture that is read, in bytes. Debian sets no limit;
/// dpkg's own file names end at 255 (NAME_MAX), and all three stand in one.
const MAX_LENGTH: usize = 200;

/// The reason that a package name, version or architecture is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The text is empty or shorter than the format allows.
    #[error("{what} is too short")]
    TooShort {
        /// The kind of text that was read.
        what: &'static str,
    },
    /// The text is longer than any real one.
    #[error("{what} is longer than {limit} characters")]
    TooLong {
        /// The kind of text that was read.
        what: &'static str,
        /// The limit in bytes.
        limit: usize,
    },
    /// The text has a character, or a place for it, that the format does not allow.
    #[error("{what} must not have {} there", shown(*.found))]
    Character {
        /// The kind of text that was read.
        what: &'static str,
        /// The first character at fault.
        found: char,
    },
}

/// The name of a binary package: letters, digits and `-+._`, a letter or digit first
/// (`pkg_name_is_invalid` in dpkg's lib/dpkg/parsehelp.c).
///
/// It is kept as it was written, for so the file is called that rebuilders sign. Two names that differ
/// in the case of letters only are the same: dpkg and apt make all of them lower case.
#[derive(Debug, Clone)]
pub struct PackageName(String);

/// The name of a source package, as a binary one gives it. dpkg takes any text there.
///
/// Nothing but rules about sources and questions to rebuilders go by it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceName(String);

/// A package version, `[epoch:]upstream[-revision]` (Debian policy 5.6.12).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DebVersion(String);

/// A Debian architecture, `all` included (Debian policy 5.6.8).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Architecture(String);

impl PackageName {
    /// The name by which dpkg and apt know the package.
    #[must_use]
    pub fn in_lower_case(&self) -> Cow<'_, str> {
        if self.0.bytes().any(|c| c.is_ascii_uppercase()) {
            Cow::Owned(self.0.to_ascii_lowercase())
        } else {
            Cow::Borrowed(&self.0)
        }
    }
}

impl PartialEq for PackageName {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for PackageName {}

impl Ord for PackageName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.in_lower_case().cmp(&other.in_lower_case())
    }
}

impl PartialOrd for PackageName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for PackageName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.in_lower_case().hash(state);
    }
}

impl SourceName {
    /// The name as text. It can have any characters but white space, brackets and control characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&PackageName> for SourceName {
    /// A package without the field is its own source.
    fn from(name: &PackageName) -> Self {
        Self(name.0.clone())
    }
}

impl DebVersion {
    /// The version as it stands in file names: the epoch and its colon are left out.
    #[must_use]
    pub fn without_epoch(&self) -> &str {
        self.0.split_once(':').map_or(self.as_str(), |(_, rest)| rest)
    }
}

impl Architecture {
    /// Returns true when this is `all`, the architecture of packages that run everywhere.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.0 == "all"
    }
}

impl FromStr for PackageName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        check("a package name", text, |at, c| match c {
            '+' | '-' | '.' | '_' => at > 0,
            _ => c.is_ascii_alphanumeric(),
        })?;
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for SourceName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        check("a source", text, |_, c| {
            !c.is_control() && !c.is_whitespace() && !matches!(c, '(' | ')')
        })?;
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for DebVersion {
    type Err = NameError;

    /// Accepts what dpkg accepts of a package (`parseversion` in its lib/dpkg/parsehelp.c): an epoch
    /// of digits, and a rest that begins with a digit. It can have further colons.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WHAT: &str = "a version";
        check(WHAT, text, |_, c| {
            c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '-' | '~' | ':')
        })?;
        let rest = match text.split_once(':') {
            Some((epoch, rest)) => {
                // dpkg reads the epoch as a positive int; more digits would overflow there.
                check(WHAT, epoch, |at, c| at < 9 && c.is_ascii_digit())?;
                rest
            }
            None => text,
        };
        check(WHAT, rest, |at, c| at > 0 || c.is_ascii_digit())?;
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for Architecture {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        check("an architecture", text, |at, c| match c {
            '-' => at > 0,
            _ => c.is_ascii_alphanumeric(),
        })?;
        Ok(Self(text.to_owned()))
    }
}

impl std::fmt::Display for SourceName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", super::printable(&self.0))
    }
}

impl serde::Serialize for SourceName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// A character in quotes and in ASCII.
fn shown(c: char) -> String {
    if c.is_ascii() { format!("{c:?}") } else { format!("'{}'", c.escape_default()) }
}

fn check(
    what: &'static str,
    text: &str,
    allowed: impl Fn(usize, char) -> bool,
) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::TooShort { what });
    }
    if text.len() > MAX_LENGTH {
        return Err(NameError::TooLong { what, limit: MAX_LENGTH });
    }
    match text.char_indices().find(|&(at, c)| !allowed(at, c)) {
        Some((_, found)) => Err(NameError::Character { what, found }),
        None => Ok(()),
    }
}

/// The text of a newtype over `String`, and its `Display`.
macro_rules! shown_as_text {
    ($($name:ident),*) => {$(
        impl $name {
            /// The text as it was written.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}
pub(super) use shown_as_text;

/// `Serialize` through `Display`.
macro_rules! written_as_text {
    ($($name:ident),*) => {$(
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )*};
}
pub(super) use written_as_text;

/// `Deserialize` through `FromStr`, so that no unchecked value comes in that way.
macro_rules! read_from_text {
    ($($name:ident),*) => {$(
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}
pub(super) use read_from_text;

shown_as_text!(PackageName, DebVersion, Architecture);
written_as_text!(PackageName, DebVersion, Architecture);
read_from_text!(PackageName, SourceName, DebVersion, Architecture);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_names_and_versions_are_read() {
        for name in [
            "libstdc++6",
            "zlib1g",
            "0ad",
            "g++-14",
            "libc6.1",
            // Not by policy, but dpkg and apt install them.
            "node_exporter",
            "NoMachine",
            "r",
            "a_1",
        ] {
            assert!(name.parse::<PackageName>().is_ok(), "{name}");
        }
        for (version, bare) in [
            ("1:1.3.dfsg+really1.3.1-1+b1", "1.3.dfsg+really1.3.1-1+b1"),
            ("2.36-9+deb12u14", "2.36-9+deb12u14"),
            ("2:4.0~rc1", "4.0~rc1"),
            ("20240101", "20240101"),
            ("1:2:3", "2:3"),
        ] {
            assert_eq!(
                version.parse::<DebVersion>().map(|v| v.without_epoch().to_owned()),
                Ok(bare.to_owned())
            );
        }
        for architecture in ["amd64", "kfreebsd-amd64", "x32", "AMD64"] {
            assert!(architecture.parse::<Architecture>().is_ok());
        }
        for source in ["Microsoft", "Gr\u{fc}n", "https://example.org/x"] {
            assert!(source.parse::<SourceName>().is_ok(), "{source}");
        }
    }

    /// dpkg and apt write `nomachine` where a package says `NoMachine`.
    #[test]
    fn names_that_differ_in_case_are_one() {
        use std::collections::{BTreeSet, HashSet};

        let name = |text: &str| text.parse::<PackageName>().unwrap();
        let (written, known) = (name("NoMachine"), name("nomachine"));
        assert_eq!(written, known);
        assert_eq!(written.as_str(), "NoMachine");
        assert_eq!(written.in_lower_case(), "nomachine");
        assert_eq!(BTreeSet::from([written.clone(), known.clone()]).len(), 1);
        assert_eq!(HashSet::from([written, known]).len(), 1);
        // The order is that of the names that dpkg writes.
        assert!(name("B") > name("a") && name("a_") < name("aZ"));
    }

    /// Found by fuzzing: what is said about a name must be fit for apt's output.
    #[test]
    fn a_character_beyond_ascii_is_not_shown_as_it_is() {
        let error = "a\u{fffd}b".parse::<PackageName>().unwrap_err();
        assert_eq!(error.to_string(), "a package name must not have '\\u{fffd}' there");
        let error = "a/b".parse::<PackageName>().unwrap_err();
        assert_eq!(error.to_string(), "a package name must not have '/' there");
        assert_eq!("a\u{202e}b".parse::<SourceName>().unwrap().to_string(), "a?b");
    }

    #[test]
    fn names_that_could_be_paths_or_markup_are_refused() {
        for bad in ["", "../x", "a/b", "a b", "-ab", ".ab", "_a", "a\nb", "a%5f", "a:b", "é1"] {
            assert!(bad.parse::<PackageName>().is_err(), "{bad:?}");
        }
        for bad in
            ["", "1/2", "1 2", ":1", "a:1", "1:", "1::3", "1\n", "1_2", "1234567890:1", "v1", "1:x"]
        {
            assert!(bad.parse::<DebVersion>().is_err(), "{bad:?}");
        }
        for bad in ["", "-x", "am/d", "any all", "amd_64", "a.b"] {
            assert!(bad.parse::<Architecture>().is_err(), "{bad:?}");
        }
        for bad in ["", "a b", "a(1)", "a\nb", "a\u{1b}b", "a\u{9b}b", "a\u{a0}b"] {
            assert!(bad.parse::<SourceName>().is_err(), "{bad:?}");
        }
        assert!("a".repeat(MAX_LENGTH + 1).parse::<PackageName>().is_err());
    }
}

//! Names, versions and architectures of packages, as Debian policy defines them.

use std::str::FromStr;

/// Longest name, version or architecture that is read, in bytes. Debian sets no limit;
/// dpkg's own file names end at 255 (NAME_MAX), and all three stand in one.
const MAX_LENGTH: usize = 200;

/// Why a package name, version or architecture is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The text is empty or shorter than the format allows.
    #[error("{what} is too short")]
    TooShort {
        /// What was read.
        what: &'static str,
    },
    /// The text is longer than any real one.
    #[error("{what} is longer than {limit} characters")]
    TooLong {
        /// What was read.
        what: &'static str,
        /// The limit in bytes.
        limit: usize,
    },
    /// The text has a character, or a place for it, that the format does not allow.
    #[error("{what} must not have {} there", shown(*.found))]
    Character {
        /// What was read.
        what: &'static str,
        /// The first character at fault.
        found: char,
    },
}

/// A binary or source package name (Debian policy 5.6.1 and 5.6.7).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageName(String);

/// A package version, `[epoch:]upstream[-revision]` (Debian policy 5.6.12).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DebVersion(String);

/// A Debian architecture, `all` included (Debian policy 5.6.8).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Architecture(String);

impl PackageName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl DebVersion {
    /// The version as text, epoch included.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The version as it stands in file names: the epoch and its colon are left out.
    #[must_use]
    pub fn without_epoch(&self) -> &str {
        self.0.split_once(':').map_or(self.as_str(), |(_, rest)| rest)
    }
}

impl Architecture {
    /// The architecture as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is `all`, the architecture of packages that run everywhere.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.0 == "all"
    }
}

impl FromStr for PackageName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        check("a package name", text, 2, |at, c| match c {
            'a'..='z' | '0'..='9' => true,
            '+' | '-' | '.' => at > 0,
            _ => false,
        })?;
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for DebVersion {
    type Err = NameError;

    /// Accepts what dpkg accepts; an epoch must be digits and the rest must not be empty.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WHAT: &str = "a version";
        check(WHAT, text, 1, |_, c| {
            c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '-' | '~' | ':')
        })?;
        if let Some((epoch, rest)) = text.split_once(':') {
            // dpkg reads the epoch as a positive int; more digits would overflow there.
            check(WHAT, epoch, 1, |at, c| at < 9 && c.is_ascii_digit())?;
            // A second colon would be legal in the upstream part, but no file name can hold it
            // unambiguously and no archive has one.
            check(WHAT, rest, 1, |_, c| c != ':')?;
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for Architecture {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        check("an architecture", text, 1, |at, c| match c {
            'a'..='z' | '0'..='9' => true,
            '-' => at > 0,
            _ => false,
        })?;
        Ok(Self(text.to_owned()))
    }
}

/// A character in quotes and in ASCII.
fn shown(c: char) -> String {
    if c.is_ascii() { format!("{c:?}") } else { format!("'{}'", c.escape_default()) }
}

fn check(
    what: &'static str,
    text: &str,
    shortest: usize,
    allowed: impl Fn(usize, char) -> bool,
) -> Result<(), NameError> {
    if text.len() < shortest {
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

/// `Display` and `Serialize` of a newtype over `String`.
macro_rules! shown_as_text {
    ($($name:ident),*) => {$(
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }
    )*};
}
pub(super) use shown_as_text;

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
read_from_text!(PackageName, DebVersion, Architecture);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_names_and_versions_are_read() {
        for name in ["libstdc++6", "zlib1g", "0ad", "g++-14", "libc6.1"] {
            assert!(name.parse::<PackageName>().is_ok(), "{name}");
        }
        for (version, bare) in [
            ("1:1.3.dfsg+really1.3.1-1+b1", "1.3.dfsg+really1.3.1-1+b1"),
            ("2.36-9+deb12u14", "2.36-9+deb12u14"),
            ("2:4.0~rc1", "4.0~rc1"),
            ("20240101", "20240101"),
        ] {
            assert_eq!(
                version.parse::<DebVersion>().map(|v| v.without_epoch().to_owned()),
                Ok(bare.to_owned())
            );
        }
        assert!("kfreebsd-amd64".parse::<Architecture>().is_ok());
    }

    /// Found by fuzzing: what is said about a name must be fit for apt's output.
    #[test]
    fn a_character_beyond_ascii_is_not_shown_as_it_is() {
        let error = "a\u{fffd}b".parse::<PackageName>().unwrap_err();
        assert_eq!(error.to_string(), "a package name must not have '\\u{fffd}' there");
        let error = "a/b".parse::<PackageName>().unwrap_err();
        assert_eq!(error.to_string(), "a package name must not have '/' there");
    }

    #[test]
    fn names_that_could_be_paths_or_markup_are_refused() {
        for bad in ["", "a", "../x", "a/b", "a b", "A1", "-ab", ".ab", "a\nb", "a_b", "é1"] {
            assert!(bad.parse::<PackageName>().is_err(), "{bad:?}");
        }
        for bad in ["", "1/2", "1 2", ":1", "a:1", "1:", "1:2:3", "1\n", "1_2", "1234567890:1"] {
            assert!(bad.parse::<DebVersion>().is_err(), "{bad:?}");
        }
        for bad in ["", "-x", "AMD64", "am/d", "any all"] {
            assert!(bad.parse::<Architecture>().is_err(), "{bad:?}");
        }
        assert!("a".repeat(MAX_LENGTH + 1).parse::<PackageName>().is_err());
    }
}

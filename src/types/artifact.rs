//! What a package is called, inside itself and as a file.

use std::fmt;
use std::str::FromStr;

use super::{Architecture, DebVersion, NameError, PackageName};

/// Name, version and architecture of a binary package, from its own control data or from what
/// apt says that it is installing.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct Identity {
    /// `Package`
    pub package: PackageName,
    /// `Version`, epoch included
    pub version: DebVersion,
    /// `Architecture`
    pub architecture: Architecture,
}

impl Identity {
    /// The canonical name of the file that holds this package.
    #[must_use]
    pub fn artifact_name(&self) -> ArtifactName {
        ArtifactName(format!(
            "{}_{}_{}.deb",
            self.package,
            self.version.without_epoch(),
            self.architecture
        ))
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.package, self.version, self.architecture)
    }
}

/// The canonical file name of a binary package: name, version without epoch and architecture,
/// joined by `_`, as pools and rebuilders name it.
///
/// Being made of checked parts it holds no `/` and never starts with a dot, so it is safe as a
/// file name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArtifactName(String);

impl ArtifactName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is a file of this package, and, if one is given, of this version: the epoch,
    /// which file names do not have, plays no part.
    #[must_use]
    pub fn is_of(&self, package: &PackageName, version: Option<&DebVersion>) -> bool {
        let mut parts = self.0.split('_');
        let named = parts.next() == Some(package.as_str());
        let found = parts.next();
        named && version.is_none_or(|version| found == Some(version.without_epoch()))
    }
}

impl FromStr for ArtifactName {
    type Err = NameError;

    /// Reads `NAME_VERSION_ARCH.deb`, in which no part can hold a `_`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let what = NameError::TooShort { what: "a file name NAME_VERSION_ARCH.deb" };
        let mut parts = text.strip_suffix(".deb").ok_or_else(|| what.clone())?.split('_');
        let (Some(package), Some(version), Some(architecture), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(what);
        };
        package.parse::<PackageName>()?;
        architecture.parse::<Architecture>()?;
        let bare: DebVersion = version.parse()?;
        if bare.without_epoch() != version {
            return Err(NameError::Character { what: "the version in a file name", found: ':' });
        }
        Ok(Self(text.to_owned()))
    }
}

super::package::shown_as_text!(ArtifactName);
super::package::read_from_text!(ArtifactName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_as_a_file_name_is_one_that_a_package_can_have() {
        for good in ["hello_2.10-3_amd64.deb", "g++_4:14_all.deb", "aa_1.deb.2_amd64.deb"] {
            let read = good.parse::<ArtifactName>();
            assert_eq!(read.is_ok(), !good.contains(':'), "{good}");
        }
        for bad in [
            "",
            ".deb",
            "hello",
            "hello_1.deb",
            "hello_1_amd64",
            "hello_1_amd64_x.deb",
            "a_1_all.deb",
            "../x_1_all.deb",
            "x/y_1_all.deb",
            "hello_1_.deb",
            "hello__all.deb",
            "Hello_1_all.deb",
            "hello_1 2_all.deb",
            "hello_1_all.deb.deb",
            "hello_1_all.deb\n",
        ] {
            assert!(bad.parse::<ArtifactName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_file_is_of_its_package_and_version_only() {
        let file: ArtifactName = "hello_2.10-3_amd64.deb".parse().unwrap();
        let is_of = |package: &str, version: Option<&str>| {
            let version: Option<DebVersion> = version.map(|it| it.parse().unwrap());
            file.is_of(&package.parse().unwrap(), version.as_ref())
        };
        assert!(is_of("hello", None) && is_of("hello", Some("2.10-3")));
        assert!(is_of("hello", Some("1:2.10-3")));
        assert!(!is_of("hell", None) && !is_of("hello", Some("2.10")));
    }
}

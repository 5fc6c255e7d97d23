//! What a package is called, inside itself and as a file.

use std::fmt;
use std::str::FromStr;

use super::{Architecture, DebVersion, NameError, PackageName, printable};

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

    /// Reads the name, without its ending, under which apt keeps a package's file, or debootstrap:
    /// `NAME_VERSION_ARCH`. apt writes `%3a` for a colon, as there is behind an epoch, and `%5f` for a
    /// `_` in the package's name (`pkgAcqArchive` in its apt-pkg/acquire-item.cc); debootstrap
    /// leaves the `_`.
    #[must_use]
    pub fn of_stem(stem: &str) -> Option<Self> {
        let (package, version, architecture) = parts(stem)?;
        if version.contains(':') {
            return None;
        }
        Some(Self {
            package: package.replace("%5f", "_").parse().ok()?,
            version: version.replace("%3a", ":").parse().ok()?,
            architecture: architecture.parse().ok()?,
        })
    }
}

/// The name, version and architecture that apt, dpkg's database or a file's name gives for a
/// package. The text is unchecked: it is for comparison and display only.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct Called {
    /// The package's name
    pub package: String,
    /// Its version
    pub version: String,
    /// Its architecture
    pub architecture: String,
}

impl Called {
    /// Returns true when `identity` is exactly this package. The comparison ignores the case of the
    /// package's name.
    #[must_use]
    pub fn is(&self, identity: &Identity) -> bool {
        self.package.eq_ignore_ascii_case(identity.package.as_str())
            && self.version == identity.version.as_str()
            && self.architecture == identity.architecture.as_str()
    }

    /// The package that is called so.
    ///
    /// # Errors
    /// If no package that can be judged is.
    pub fn identity(&self) -> Result<Identity, NameError> {
        Ok(Identity {
            package: self.package.parse()?,
            version: self.version.parse()?,
            architecture: self.architecture.parse()?,
        })
    }
}

impl From<Identity> for Called {
    fn from(identity: Identity) -> Self {
        Self {
            package: identity.package.to_string(),
            version: identity.version.to_string(),
            architecture: identity.architecture.to_string(),
        }
    }
}

impl fmt::Display for Called {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [&self.package, &self.version, &self.architecture];
        let [package, version, architecture] = all.map(|it| printable(it));
        write!(f, "{package} {version} {architecture}")
    }
}

/// Splits `NAME_VERSION_ARCH` in the only way that there is: a name can have a `_`, and neither of
/// the others can.
fn parts(stem: &str) -> Option<(&str, &str, &str)> {
    let (rest, architecture) = stem.rsplit_once('_')?;
    let (package, version) = rest.rsplit_once('_')?;
    Some((package, version, architecture))
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.package, self.version, self.architecture)
    }
}

/// The canonical file name of a binary package: name, version without epoch and architecture,
/// joined by `_`, as pools and rebuilders name it.
///
/// No two packages of one version have the same: neither a version nor an architecture can have a
/// `_`, so what stands before the last two is the name. It is compared as it was written: a signer
/// who means `NoMachine` writes it so.
///
/// Being made of checked parts it holds no `/` and never starts with a dot, so it is safe as a
/// file name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArtifactName(String);

impl ArtifactName {
    /// Returns true when the file belongs to this package and, if `version` is given, to this
    /// version. The comparison ignores the epoch, which file names do not have.
    #[must_use]
    pub fn is_of(&self, package: &PackageName, version: Option<&DebVersion>) -> bool {
        let Some((name, found, _)) = self.0.strip_suffix(".deb").and_then(parts) else {
            return false;
        };
        name.eq_ignore_ascii_case(package.as_str())
            && version.is_none_or(|version| found == version.without_epoch())
    }
}

impl FromStr for ArtifactName {
    type Err = NameError;

    /// Reads `NAME_VERSION_ARCH.deb`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let what = NameError::TooShort { what: "a file name NAME_VERSION_ARCH.deb" };
        let (package, version, architecture) =
            text.strip_suffix(".deb").and_then(parts).ok_or(what)?;
        package.parse::<PackageName>()?;
        architecture.parse::<Architecture>()?;
        // A colon that stands there belongs to the version itself: the epoch is left out.
        format!("0:{version}").parse::<DebVersion>()?;
        Ok(Self(text.to_owned()))
    }
}

super::package::shown_as_text!(ArtifactName);
super::package::written_as_text!(ArtifactName);
super::package::read_from_text!(ArtifactName);

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(package: &str, version: &str, architecture: &str) -> Identity {
        Identity {
            package: package.parse().unwrap(),
            version: version.parse().unwrap(),
            architecture: architecture.parse().unwrap(),
        }
    }

    #[test]
    fn what_is_read_as_a_file_name_is_one_that_a_package_can_have() {
        for good in [
            "hello_2.10-3_amd64.deb",
            "g++_14_all.deb",
            "aa_1.deb.2_amd64.deb",
            "node_exporter_1.0_all.deb",
            "NoMachine_8_amd64.deb",
            "a_1_all.deb",
            "a_2:3_all.deb",
        ] {
            assert_eq!(good.parse::<ArtifactName>().map(|it| it.to_string()), Ok(good.to_owned()));
        }
        for bad in [
            "",
            ".deb",
            "hello",
            "hello_1.deb",
            "hello_1_amd64",
            "hello_1_amd64_x.deb",
            "_1_all.deb",
            "../x_1_all.deb",
            "x/y_1_all.deb",
            "hello_1_.deb",
            "hello__all.deb",
            "hello_v1_all.deb",
            "hello_1 2_all.deb",
            "hello_1_all.deb.deb",
            "hello_1_all.deb\n",
        ] {
            assert!(bad.parse::<ArtifactName>().is_err(), "{bad:?}");
        }
    }

    /// An attestation for one package never counts for another one.
    #[test]
    fn no_two_packages_have_one_file_name() {
        let parts = ["a", "1", "a_1", "1_1", "a_1_1", "all", "a.deb", "a_1_all"];
        let versions = ["1", "1-1", "1:1:1", "2:1", "0:1:1"];
        let mut seen = std::collections::BTreeMap::new();
        for package in parts {
            for version in versions {
                for architecture in ["all", "1", "a"] {
                    let it = identity(package, version, architecture);
                    let bare = (package, it.version.without_epoch().to_owned(), architecture);
                    let name = it.artifact_name();
                    assert_eq!(name.as_str().parse::<ArtifactName>().as_ref(), Ok(&name));
                    assert!(name.is_of(&it.package, Some(&it.version)));
                    // Only the epoch is not in it.
                    let earlier = seen.entry(name).or_insert_with(|| bare.clone());
                    assert_eq!(*earlier, bare);
                }
            }
        }
    }

    #[test]
    fn a_file_is_of_its_package_and_version_only() {
        let is_of = |file: &str, package: &str, version: Option<&str>| {
            let version: Option<DebVersion> = version.map(|it| it.parse().unwrap());
            let file: ArtifactName = file.parse().unwrap();
            file.is_of(&package.parse().unwrap(), version.as_ref())
        };
        let file = "hello_2.10-3_amd64.deb";
        assert!(is_of(file, "hello", None) && is_of(file, "hello", Some("2.10-3")));
        assert!(is_of(file, "hello", Some("1:2.10-3")));
        assert!(!is_of(file, "hell", None) && !is_of(file, "hello", Some("2.10")));
        assert!(is_of("a_1_2_all.deb", "a_1", Some("2")) && !is_of("a_1_2_all.deb", "a", None));
        assert!(is_of("NoMachine_1_all.deb", "nomachine", None));
    }

    #[test]
    fn apts_and_debootstraps_own_names_are_read() {
        for (stem, expected) in [
            ("epochpkg_1%3a2.0+b1~rc1-1_all", Some("epochpkg 1:2.0+b1~rc1-1 all")),
            ("node%5fexporter_1.0_all", Some("node_exporter 1.0 all")),
            ("node_exporter_1.0_all", Some("node_exporter 1.0 all")),
            ("x_1%3a2%3a3_all", Some("x 1:2:3 all")),
            ("x_1:2_all", None),
            ("x_1%3A2_all", None),
            ("x_1%2b_all", None),
            ("x%2f_1_all", None),
            ("xx_1_all_more", None),
            ("xx_1", None),
            ("__", None),
            ("", None),
        ] {
            let read = Identity::of_stem(stem).map(|it| it.to_string());
            assert_eq!(read.as_deref(), expected, "{stem}");
        }
    }

    #[test]
    fn what_is_called_otherwise_is_another_package() {
        let called = |package: &str, version: &str, architecture: &str| Called {
            package: package.into(),
            version: version.into(),
            architecture: architecture.into(),
        };
        let it = identity("NoMachine", "1:2", "amd64");
        assert!(called("nomachine", "1:2", "amd64").is(&it));
        assert_eq!(called("nomachine", "1:2", "amd64").identity().as_ref(), Ok(&it));
        assert!(!called("nomachine", "2", "amd64").is(&it));
        assert!(!called("nomachine", "1:2", "AMD64").is(&it));
        let odd = called("a\u{1b}[2J", "1_2", "");
        assert!(odd.identity().is_err() && !odd.is(&it));
        assert_eq!(odd.to_string(), "a?[2J 1_2 ");
    }
}

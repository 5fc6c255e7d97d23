//! What a package is called, inside itself and as a file.

use std::fmt;

use super::{Architecture, DebVersion, PackageName};

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
}

super::package::shown_as_text!(ArtifactName);

//! The field `Source` of a binary package: `name`, or `name (version)` where the version differs
//! from the binary's (deb-control(5)).

use crate::types::{DebVersion, NameError, PackageName};

/// Why a source is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// Written otherwise than the format says.
    #[error("not a name, or a name and a version in brackets")]
    Form,
    /// The name or the version is none.
    #[error(transparent)]
    Name(#[from] NameError),
}

/// Reads the value of the field in a package of this version.
///
/// # Errors
/// See [`SourceError`].
pub fn parse(text: &str, version: &DebVersion) -> Result<(PackageName, DebVersion), SourceError> {
    let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
    let name = name.parse()?;
    let version = match rest.trim() {
        "" => version.clone(),
        rest => rest
            .strip_prefix('(')
            .and_then(|rest| rest.strip_suffix(')'))
            .ok_or(SourceError::Form)?
            .trim()
            .parse()?,
    };
    Ok((name, version))
}

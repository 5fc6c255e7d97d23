//! Evidence that people name on the command line.

use std::io;
use std::path::{Path, PathBuf};

use super::Tree;
use super::bundle::{self, Bundle};
use crate::attest;
use crate::sys::files::read_bounded;
use crate::sys::plain;
use crate::types::ArtifactName;

/// Attestations that the caller supplied, opened.
#[derive(Debug)]
pub enum AtHand {
    /// A file that is an attestation
    File(PathBuf),
    /// A tree
    Tree(Tree),
    /// A bundle
    Bundle(Box<Bundle>),
}

impl AtHand {
    /// Opens the evidence at `path`. A person named it, so an unusable path is an error.
    ///
    /// # Errors
    /// The problem with it, for people.
    pub fn open(path: &Path) -> Result<Self, String> {
        let failed = |error: io::Error| plain(&error);
        let real = path.canonicalize().map_err(failed)?;
        let kind = real.metadata().map_err(failed)?;
        if kind.is_dir() {
            std::fs::read_dir(&real).map_err(failed)?;
            return Ok(Self::Tree(Tree::new(real)));
        }
        if !kind.is_file() {
            return Err("neither a file nor a directory".to_owned());
        }
        if path.to_string_lossy().ends_with(bundle::SUFFIX) {
            let bundle = Bundle::open(&real).map_err(|error| error.to_string())?;
            return Ok(Self::Bundle(Box::new(bundle)));
        }
        std::fs::File::open(&real).map_err(failed)?;
        if usize::try_from(kind.len()).unwrap_or(usize::MAX) > attest::MAX_BYTES {
            return Err(format!("larger than {} bytes, so no attestation", attest::MAX_BYTES));
        }
        Ok(Self::File(real))
    }

    /// Returns the attestations about `artifact`. A missing file counts as none.
    #[must_use]
    pub fn about(&self, artifact: &ArtifactName) -> Vec<Vec<u8>> {
        match self {
            Self::File(path) => read_bounded(path, attest::MAX_BYTES).into_iter().collect(),
            Self::Tree(tree) => tree.about(artifact).unwrap_or_default(),
            Self::Bundle(bundle) => bundle.about(artifact).unwrap_or_default(),
        }
    }
}

/// Returns the attestations about `artifact` in all of these.
#[must_use]
pub fn about(evidence: &[AtHand], artifact: &ArtifactName) -> Vec<Vec<u8>> {
    evidence.iter().flat_map(|it| it.about(artifact)).collect()
}

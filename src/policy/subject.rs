//! What is judged: a file, or a package that is only named.

use crate::apt::index::Listing;
use crate::deb::{Control, DebError, Examined};
use crate::types::{Called, Identity, Sha256Digest};

/// A file that is to be installed: what it is, what it was asked for as, and where it comes from.
#[derive(Debug, Clone)]
pub struct Subject {
    file: Examined,
    requested: Option<Called>,
    listings: Vec<Listing>,
    changeable: Option<String>,
}

impl Subject {
    /// Puts together what is known about a file.
    ///
    /// `requested` is what apt or dpkg says it is installing, where it says so.
    #[must_use]
    pub fn new(file: Examined, requested: Option<Identity>, listings: Vec<Listing>) -> Self {
        Self { file, requested: requested.map(Called::from), listings, changeable: None }
    }

    /// Notes what apt says it is installing, in its own words: it can call a package what none is
    /// called.
    #[must_use]
    pub fn requested_as(self, requested: Option<Called>) -> Self {
        Self { requested, ..self }
    }

    /// Notes that others than root could put another file in its place after it was judged, and
    /// why.
    #[must_use]
    pub fn that_others_can_change(self, why: String) -> Self {
        Self { changeable: Some(why), ..self }
    }

    /// Why others than root could put another file in its place, if they could.
    #[must_use]
    pub fn changeable(&self) -> Option<&str> {
        self.changeable.as_deref()
    }

    /// The file as it was read.
    #[must_use]
    pub fn into_file(self) -> Examined {
        self.file
    }

    /// The SHA-256 that we computed over the file.
    #[must_use]
    pub const fn sha256(&self) -> Sha256Digest {
        self.file.sha256()
    }

    /// Its size in bytes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.file.size()
    }

    /// What the file says that it is.
    ///
    /// # Errors
    /// Why it is not a package.
    pub const fn control(&self) -> Result<&Control, &DebError> {
        self.file.control()
    }

    /// What it was asked for as.
    #[must_use]
    pub const fn requested(&self) -> Option<&Called> {
        self.requested.as_ref()
    }

    /// The archives that offer it.
    #[must_use]
    pub fn listings(&self) -> &[Listing] {
        &self.listings
    }
}

/// A package that is not here as a file: what it is called, and the SHA-256 that an index or a
/// receipt gives for its file.
///
/// Nobody hashed anything, so it can be assessed ([`super::assess()`]) and never be admitted.
#[derive(Debug, Clone)]
pub struct Named {
    /// What it is, and the source that it is said to be built from
    pub control: Control,
    /// The SHA-256 of its file, as told
    pub sha256: Sha256Digest,
    /// The archives that offer it
    pub listings: Vec<Listing>,
}

/// What the judgement goes by, whether a file was read or somebody told it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) control: &'a Control,
    pub(super) sha256: Sha256Digest,
    pub(super) listings: &'a [Listing],
}

impl<'a> From<&'a Named> for Facts<'a> {
    fn from(named: &'a Named) -> Self {
        Self { control: &named.control, sha256: named.sha256, listings: &named.listings }
    }
}

//! What is judged: a file, or a package that is only named.

use crate::apt::index::Listing;
use crate::deb::{Control, DebError, Examined};
use crate::types::{Called, DebVersion, Identity, Sha256Digest, SourceName};

/// A file that is to be installed: what it is, what it was asked for as, and where it comes from.
#[derive(Debug, Clone)]
pub struct Subject {
    file: Examined,
    /// The package that apt or dpkg says it is installing, where it says so
    pub(crate) requested: Option<Called>,
    /// The repositories that offer it
    pub(crate) listings: Vec<Listing>,
    unhashed: Vec<Listing>,
    /// The reason that others than root could put another file in its place, if they could
    pub(crate) changeable: Option<String>,
}

impl Subject {
    /// Puts together what is known about a file.
    ///
    /// `requested` is what apt or dpkg says it is installing, where it says so.
    #[must_use]
    pub fn new(file: Examined, requested: Option<Identity>, listings: Vec<Listing>) -> Self {
        let requested = requested.map(Called::from);
        Self { file, requested, listings, unhashed: Vec::new(), changeable: None }
    }

    /// The reason that others than root could put another file in its place, if they could.
    #[must_use]
    pub fn changeable(&self) -> Option<&str> {
        self.changeable.as_deref()
    }

    /// The repositories that offer it.
    #[must_use]
    pub fn listings(&self) -> &[Listing] {
        &self.listings
    }

    /// Notes which repositories list a package of this name, version and architecture without the
    /// SHA-256 of its file. That lets nothing in; people are told why an exception does not apply.
    #[must_use]
    pub fn listed_without_hash(self, unhashed: Vec<Listing>) -> Self {
        Self { unhashed, ..self }
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

    /// The file's own control data.
    ///
    /// # Errors
    /// If it is not a package: the reason.
    pub const fn control(&self) -> Result<&Control, &DebError> {
        self.file.control()
    }
}

/// A package that is not here as a file: what it is called, and the SHA-256 that an index or a
/// receipt gives for its file.
///
/// No file was hashed, so it can be assessed ([`super::assess()`]) and never be admitted.
#[derive(Debug, Clone)]
pub struct Named {
    /// Its name, version and architecture
    pub identity: Identity,
    /// The source package that it is built from; none if nothing trustworthy states it
    pub source: Option<(SourceName, DebVersion)>,
    /// The authority for its version's epoch
    pub epoch: Epoch,
    /// The SHA-256 of its file, as told
    pub sha256: Sha256Digest,
    /// The repositories that offer it
    pub listings: Vec<Listing>,
}

/// The authority for a version's epoch. The name of a file has no epoch, and so an attestation
/// about it has none. Every vote binds everything else of the package's identity to the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Epoch {
    /// The file itself, the system on which it is, or an index of this machine's apt
    Known,
    /// Another one, which is not trusted for it
    Told,
}

/// The facts that a judgement uses, either read from a file or told by others.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) identity: &'a Identity,
    pub(super) source: Option<&'a SourceName>,
    pub(super) epoch: Epoch,
    pub(super) sha256: Sha256Digest,
    pub(super) listings: &'a [Listing],
    /// The repositories that list it without the SHA-256 of its file
    pub(super) unhashed: &'a [Listing],
}

impl<'a> Facts<'a> {
    /// The facts about a file that was read.
    pub(super) fn of(subject: &'a Subject, control: &'a Control) -> Self {
        Self {
            identity: &control.identity,
            source: Some(&control.source.0),
            epoch: Epoch::Known,
            sha256: subject.sha256(),
            listings: &subject.listings,
            unhashed: &subject.unhashed,
        }
    }
}

impl<'a> From<&'a Named> for Facts<'a> {
    fn from(named: &'a Named) -> Self {
        Self {
            identity: &named.identity,
            source: named.source.as_ref().map(|(name, _)| name),
            epoch: named.epoch,
            sha256: named.sha256,
            listings: &named.listings,
            unhashed: &[],
        }
    }
}

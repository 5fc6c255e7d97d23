//! The signed file at the root of a repository.

use std::collections::{BTreeMap, BTreeSet};

use pgp::composed::{CleartextSignedMessage, Deserializable, DetachedSignature};
use pgp::packet::{Signature as Packet, SignatureType};

use super::{MAX_RELEASE, MAX_SIGNATURE, RepositoryRejection, Terms};
use crate::attest::openpgp::OpenPgpSignature;
use crate::attest::signatures::{Form, Signature, Signatures};
use crate::attest::{self, AHEAD, Claim, KeyRing, PinnedKey};
use crate::compressed::Compression;
use crate::deb822;
use crate::types::{ArtifactName, PublicKey, Sha256Digest, Timestamp};

/// Most files that a Release file may list. Debian's list about 2,000.
const MAX_FILES: usize = 100_000;

/// A Release file that a pinned certificate signed.
#[derive(Debug, Clone)]
pub struct Release {
    /// The SHA-256 of the file as it was published, by which receipts name it
    digest: Sha256Digest,
    signers: Vec<PublicKey>,
    terms: Terms,
    date: Timestamp,
    valid_until: Option<Timestamp>,
    by_hash: bool,
    files: ReleaseFiles,
}

/// A file that a Release file lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedFile {
    /// Its path below `dists/SUITE/`
    pub path: String,
    /// Its SHA-256
    pub sha256: Sha256Digest,
    /// Its size in bytes
    pub size: usize,
}

impl Release {
    /// Reads an InRelease file, or with a `signature` beside it a Release file, that must be signed
    /// with a key of the repository's rebuilder, and be of the suite.
    ///
    /// [`Release::check_still_good`] tells whether the file is still good.
    ///
    /// # Errors
    /// If the file cannot be used: the reason.
    pub fn read(
        file: &[u8],
        signature: Option<&[u8]>,
        keys: &KeyRing,
        terms: &Terms,
        now: Timestamp,
    ) -> Result<Self, RepositoryRejection> {
        let (text, signatures) = signed(file, signature)?;
        let keys = keys.of(&terms.rebuilder);
        let signers = signatures.signers(&keys, now)?;
        let signers = signers.into_iter().map(|pinned| pinned.key.clone()).collect();
        // From here on, somebody whom the administrator chose wrote it.
        Self::signed(&text, Sha256Digest::of(file), signers, terms, now)
    }

    /// Reads the text that the keys `signers` signed.
    pub(super) fn signed(
        text: &[u8],
        digest: Sha256Digest,
        signers: Vec<PublicKey>,
        terms: &Terms,
        now: Timestamp,
    ) -> Result<Self, RepositoryRejection> {
        let (stanza, files) = listed(text)?;
        let suites = ["Suite", "Codename"].map(|name| stanza.field(name).unwrap_or_default());
        if !suites.contains(&terms.suite.as_str()) {
            let found = suites.into_iter().find(|it| !it.is_empty()).unwrap_or("no suite");
            return Err(RepositoryRejection::OtherSuite { found: found.to_owned() });
        }
        let date = |name| match stanza.field(name) {
            Some(text) => Timestamp::from_release(text).map(Some),
            None => Ok(None),
        };
        let (Ok(Some(date)), Ok(valid_until)) = (date("Date"), date("Valid-Until")) else {
            return Err(RepositoryRejection::Release(
                "has no valid Date, or an invalid Valid-Until",
            ));
        };
        if date.as_unix() > now.as_unix().saturating_add(AHEAD) {
            return Err(RepositoryRejection::Release("is dated in the future"));
        }
        Ok(Self {
            digest,
            signers,
            terms: terms.clone(),
            date,
            valid_until,
            by_hash: stanza.field("Acquire-By-Hash") == Some("yes"),
            files,
        })
    }

    /// The SHA-256 of the file.
    #[must_use]
    pub const fn digest(&self) -> Sha256Digest {
        self.digest
    }

    /// The time at which it was made.
    #[must_use]
    pub const fn date(&self) -> Timestamp {
        self.date
    }

    /// The parts of the repository that count.
    #[must_use]
    pub const fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Returns true when files can be asked for by their hash, so that no file is replaced between
    /// two requests.
    #[must_use]
    pub const fn by_hash(&self) -> bool {
        self.by_hash
    }

    /// Checks that it still counts at `now`.
    ///
    /// # Errors
    /// If it no longer counts: the time until which it did.
    pub fn check_still_good(&self, now: Timestamp) -> Result<(), RepositoryRejection> {
        match self.valid_until {
            Some(end) if end <= now => Err(RepositoryRejection::NoLongerValid(end)),
            _ => Ok(()),
        }
    }

    /// Checks that it is not older than one of the date `seen`.
    ///
    /// # Errors
    /// If it is older: both dates.
    pub fn check_not_older(&self, seen: Timestamp) -> Result<(), RepositoryRejection> {
        if self.date < seen {
            return Err(RepositoryRejection::Older { found: self.date, seen });
        }
        Ok(())
    }

    /// The file that stands under `path`, compressed in the way that makes the least of it.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<ListedFile> {
        Compression::ALL.into_iter().find_map(|compression| {
            let path = format!("{path}{}", compression.suffix());
            let (sha256, size) = *self.files.get(&path)?;
            Some(ListedFile { path, sha256, size })
        })
    }

    /// The SHA-256 of every file that it lists.
    #[must_use]
    pub fn digests(&self) -> BTreeSet<Sha256Digest> {
        self.files.values().map(|(sha256, _)| *sha256).collect()
    }

    /// The list of what the repository took over, without which nothing of it counts.
    ///
    /// # Errors
    /// If it is not listed.
    pub fn taken_over(&self) -> Result<ListedFile, RepositoryRejection> {
        let path = &self.terms.taken_over;
        self.file(path).ok_or_else(|| RepositoryRejection::NotListed { path: path.clone() })
    }

    pub(super) fn claims(
        &self,
        artifact: &ArtifactName,
        sha256: Sha256Digest,
        keys: &KeyRing,
    ) -> Vec<Claim> {
        let claim = |key: &PinnedKey| Claim {
            rebuilder: key.rebuilder.clone(),
            key: key.key.clone(),
            artifact: artifact.clone(),
            sha256,
            attestation: self.digest,
            dated: Some(self.date),
        };
        let own = keys.iter().filter(|it| it.rebuilder == self.terms.rebuilder);
        own.filter(|it| self.signers.contains(&it.key)).map(claim).collect()
    }
}

/// The text of an InRelease file, or with a `signature` beside it of a Release file, and its
/// signatures.
pub(super) fn signed(
    file: &[u8],
    signature: Option<&[u8]>,
) -> Result<(Vec<u8>, Signatures), RepositoryRejection> {
    if file.len() > MAX_RELEASE {
        return Err(attest::Rejection::TooLarge { size: file.len() }.into());
    }
    match signature {
        None => inline(file),
        Some(signature) => Ok((file.to_vec(), detached(file, signature)?)),
    }
}

/// The text of an InRelease file as it was signed, and its signatures (RFC 9580 section 7).
fn inline(file: &[u8]) -> Result<(Vec<u8>, Signatures), RepositoryRejection> {
    const UNFIT: RepositoryRejection = RepositoryRejection::Release("is not a signed text");
    let text = std::str::from_utf8(file).map_err(|_| UNFIT)?;
    // What stands around the frame is signed by nobody; apt refuses it, too.
    let framed = text.starts_with("-----BEGIN PGP SIGNED MESSAGE-----\n")
        && text.trim_end().ends_with("\n-----END PGP SIGNATURE-----")
        && text.matches("\n-----BEGIN PGP ").count() == 1;
    if !framed {
        return Err(UNFIT);
    }
    let (message, _) = CleartextSignedMessage::from_string(text).map_err(|_| UNFIT)?;
    let signed = message.signed_text();
    let packets = message.signatures().iter().cloned();
    let signatures = signatures(packets, SignatureType::Text, signed.clone().into_bytes())?;
    // The signature is over the text with the network's line ends; what is read has Unix's.
    Ok((signed.replace("\r\n", "\n").into_bytes(), signatures))
}

/// The signatures in a file of their own, armoured or not.
fn detached(message: &[u8], signature: &[u8]) -> Result<Signatures, RepositoryRejection> {
    const UNFIT: RepositoryRejection =
        RepositoryRejection::Release("has a malformed detached signature");
    if signature.len() > MAX_SIGNATURE {
        return Err(UNFIT);
    }
    let packets: Vec<DetachedSignature> = if signature.starts_with(b"-----BEGIN PGP SIGNATURE-----")
    {
        let (packets, _) = DetachedSignature::from_armor_many(signature).map_err(|_| UNFIT)?;
        packets.collect::<Result<_, _>>().map_err(|_| UNFIT)?
    } else {
        let packets = DetachedSignature::from_bytes_many(signature).map_err(|_| UNFIT)?;
        packets.collect::<Result<_, _>>().map_err(|_| UNFIT)?
    };
    let packets = packets.into_iter().map(|it| it.signature);
    signatures(packets, SignatureType::Binary, message.to_vec())
}

fn signatures(
    packets: impl ExactSizeIterator<Item = Packet>,
    expected: SignatureType,
    message: Vec<u8>,
) -> Result<Signatures, RepositoryRejection> {
    Signatures::check_count(packets.len())?;
    let signature = |packet: Packet| {
        let packet = OpenPgpSignature::of(packet, expected);
        let key_id = packet.as_ref().and_then(OpenPgpSignature::issuer).unwrap_or_default();
        Signature { key_id, form: Form::open_pgp(packet) }
    };
    Ok(Signatures::new(packets.map(signature).collect(), message))
}

/// The files that a Release file lists, by their paths below `dists/SUITE/`.
type ReleaseFiles = BTreeMap<String, (Sha256Digest, usize)>;

/// The fields of a Release file, and the files that it lists.
pub(super) fn listed(
    text: &[u8],
) -> Result<(deb822::Stanza<'_>, ReleaseFiles), RepositoryRejection> {
    let mut stanzas = deb822::stanzas(text);
    let (Some(Ok(stanza)), None) = (stanzas.next(), stanzas.next()) else {
        return Err(RepositoryRejection::Release("is not one stanza of fields"));
    };
    let files = files(stanza.field("SHA256").unwrap_or_default());
    Ok((stanza, files.ok_or(RepositoryRejection::Release("has a malformed list of files"))?))
}

/// The lines ` SHA256 SIZE PATH` of a Release file.
fn files(field: &str) -> Option<ReleaseFiles> {
    let mut files = BTreeMap::new();
    for line in field.lines().filter(|line| !line.trim().is_empty()) {
        let mut parts = line.split_ascii_whitespace();
        let (sha256, size, path) = (parts.next()?, parts.next()?, parts.next()?);
        let listed = (sha256.parse().ok()?, size.parse().ok()?);
        // A path that stands twice is fine if both mean the same file.
        let earlier = files.insert(path.to_owned(), listed);
        if parts.next().is_some()
            || files.len() > MAX_FILES
            || earlier.is_some_and(|it| it != listed)
        {
            return None;
        }
    }
    Some(files)
}

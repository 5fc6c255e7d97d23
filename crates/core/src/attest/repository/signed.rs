//! Whose word apt's own indexes are: the certificates whose keys signed a Release file.
//!
//! apt verified the file when it fetched it, and does not write down with what. So the signatures are
//! verified here once more, with the certificates that apt's configuration names. A fingerprint says
//! which certificate is meant, so it makes no difference where that was found: whoever has other keys
//! cannot sign in its name.

use std::collections::{BTreeMap, BTreeSet};

use super::{RepositoryRejection, release};
use crate::attest::openpgp::OpenPgpSignature;
use crate::attest::{MAX_CHECKS, SignatureFault};
use crate::types::{Certificate, Fingerprint, KeyFault, Sha256Digest, Timestamp, Unverified};

/// A Release file with a signature by a certificate that is at hand.
#[derive(Debug, Clone)]
pub struct SignedRelease {
    text: Vec<u8>,
    files: BTreeMap<String, Sha256Digest>,
    signers: BTreeSet<Fingerprint>,
}

impl SignedRelease {
    /// Reads an InRelease file, or with a `signature` beside it a Release file, and finds out which
    /// of the `certificates` signed it: by a key that may sign at `now`. Whatever is not certain is
    /// nobody's signature.
    ///
    /// # Errors
    /// If the file is not of the form, or nobody signed it that is known.
    pub fn read(
        file: &[u8],
        signature: Option<&[u8]>,
        certificates: &[Unverified],
        now: Timestamp,
    ) -> Result<Self, RepositoryRejection> {
        let (text, signatures) = release::signed(file, signature)?;
        let mut signers = VerifiedSigners::default();
        for packet in signatures.packets() {
            for certificate in signers.named_by(packet, certificates) {
                let verified = packet.verify_by_any(certificate, signatures.message(), now);
                signers.add(certificate, verified);
            }
        }
        let signers = signers.good(certificates, now);
        if signers.is_empty() {
            return Err(RepositoryRejection::Release(
                "is signed by no certificate of apt's configuration",
            ));
        }
        let (_, files) = release::listed(&text)?;
        let files = files.into_iter().map(|(path, (sha256, _))| (path, sha256)).collect();
        Ok(Self { text, files, signers })
    }

    /// The signed text, without its frame.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// The fingerprints of the certificates whose keys signed it.
    #[must_use]
    pub const fn signers(&self) -> &BTreeSet<Fingerprint> {
        &self.signers
    }

    /// The SHA-256 that it lists for a file; `path` as below `dists/SUITE/`.
    #[must_use]
    pub fn sha256(&self, path: &str) -> Option<Sha256Digest> {
        self.files.get(path).copied()
    }
}

/// The certificates that were found to have signed.
#[derive(Default)]
struct VerifiedSigners {
    good: BTreeSet<Fingerprint>,
    /// The certificates of which a copy says that the key was revoked
    revoked: BTreeSet<Fingerprint>,
    checks: usize,
}

impl VerifiedSigners {
    /// The certificates with a key that the signature names. A signature that names no key would
    /// cost an attempt with every key; no program signs a repository in this way.
    fn named_by<'c>(
        &mut self,
        packet: &OpenPgpSignature,
        certificates: &'c [Unverified],
    ) -> Vec<&'c Certificate> {
        let names: Vec<String> = packet.issuers().collect();
        let named = certificates.iter().filter(|it| names.iter().any(|name| it.may_be(name)));
        let left = MAX_CHECKS.saturating_sub(self.checks);
        // One more than is left tells that not all were looked at.
        let named: Vec<&Unverified> = named.take(left + 1).collect();
        self.checks += named.len();
        named.into_iter().take(left).filter_map(Unverified::verified).collect()
    }

    fn add(&mut self, certificate: &Certificate, verified: Result<(), Option<SignatureFault>>) {
        let Ok(fingerprint) = certificate.fingerprint().parse() else { return };
        match verified {
            Ok(()) => drop(self.good.insert(fingerprint)),
            Err(Some(SignatureFault::Key { why: KeyFault::Revoked, .. })) => {
                self.revoked.insert(fingerprint);
            }
            Err(_) => {}
        }
    }

    /// The certificates whose signature is good, unless any copy of a certificate is revoked or not
    /// valid: another copy may not have the revocation yet. None if not all could be looked at.
    fn good(mut self, certificates: &[Unverified], now: Timestamp) -> BTreeSet<Fingerprint> {
        let stands = |it: &Unverified| it.verified().is_some_and(|it| !is_revoked(it, now));
        self.good.retain(|signer| {
            let name = signer.to_string().to_ascii_lowercase();
            let mut copies = certificates.iter().filter(|it| it.fingerprint() == name);
            !self.revoked.contains(signer) && copies.all(stands)
        });
        if self.checks > MAX_CHECKS { BTreeSet::new() } else { self.good }
    }
}

fn is_revoked(certificate: &Certificate, now: Timestamp) -> bool {
    let mut keys = certificate.components();
    keys.next().is_some_and(|it| certificate.may_sign(it, now) == Err(KeyFault::Revoked))
}

//! A message that signatures are over, hashed once however many they are.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::Read;

use pgp::crypto::hash::HashAlgorithm;
use pgp::line_writer::LineBreak;
use pgp::normalize_lines::NormalizedReader;
use pgp::packet::{Signature, SignatureType};
use pgp::types::PublicKeyTrait;
use sha2::digest::DynDigest;

/// A message, and the state of each hash function after it.
///
/// An OpenPGP signature hashes the message and then what is its own (RFC 9580 section 5.2.4), so
/// the state after the message serves all of them. Hashing a long message for each signature of each
/// key would let whoever writes them hold the machine up.
pub(crate) struct Hashed {
    message: Vec<u8>,
    /// The hash states, by the algorithm and by whether the message was hashed as a text
    states: RefCell<BTreeMap<(u8, bool), Box<dyn DynDigest>>>,
}

impl Hashed {
    pub(crate) const fn new(message: Vec<u8>) -> Self {
        Self { message, states: RefCell::new(BTreeMap::new()) }
    }

    pub(crate) fn message(&self) -> &[u8] {
        &self.message
    }

    /// Its SHA-256.
    pub(crate) fn sha256(&self) -> Option<Box<[u8]>> {
        self.digest(HashAlgorithm::Sha256, false, |_| {})
    }

    /// Returns true when `key` made `signature`. `part` is the part of the signature packet that is
    /// hashed together with the message ([`hashed_part`]). Accepts any known hash: the caller must
    /// check that the hash is strong enough.
    pub(crate) fn is_signed(
        &self,
        signature: &Signature,
        part: &[u8],
        key: &impl PublicKeyTrait,
    ) -> bool {
        let signed = self.signed_digest(signature, part).zip(signature.hash_alg());
        let (Some((digest, algorithm)), Some(bytes)) = (signed, signature.signature()) else {
            return false;
        };
        key.verify_signature(algorithm, &digest, bytes).is_ok()
    }

    /// The digest that `signature` was made over.
    fn signed_digest(&self, signature: &Signature, part: &[u8]) -> Option<Box<[u8]>> {
        let length = u32::try_from(part.len()).ok()?.to_be_bytes();
        let text = signature.typ() == Some(SignatureType::Text);
        self.digest(signature.hash_alg()?, text, |state| {
            state.update(part);
            // The trailer of version 4.
            state.update(&[4, 0xff]);
            state.update(&length);
        })
    }

    fn digest(
        &self,
        algorithm: HashAlgorithm,
        text: bool,
        end: impl FnOnce(&mut dyn DynDigest),
    ) -> Option<Box<[u8]>> {
        let mut states = self.states.borrow_mut();
        let mut state = match states.entry((u8::from(algorithm), text)) {
            Entry::Occupied(there) => there.get().box_clone(),
            Entry::Vacant(place) => {
                let mut state = algorithm.new_hasher().ok()?;
                match text {
                    true => state.update(&self.as_text()?),
                    false => state.update(&self.message),
                }
                place.insert(state).box_clone()
            }
        };
        end(&mut *state);
        Some(state.finalize())
    }

    /// With the line ends of the network, as a signature over a text hashes them.
    fn as_text(&self) -> Option<Vec<u8>> {
        let mut text = Vec::new();
        let mut lines = NormalizedReader::new(self.message.as_slice(), LineBreak::Crlf);
        lines.read_to_end(&mut text).ok()?;
        Some(text)
    }

    /// The number of times that the message was hashed.
    #[cfg(test)]
    pub(crate) fn times(&self) -> usize {
        self.states.borrow().len()
    }
}

/// The part of a signature packet's body, of version 4, that is hashed (RFC 9580 section 5.2.4):
/// everything up to the end of the hashed subpackets.
pub(crate) fn hashed_part(body: &[u8]) -> Option<&[u8]> {
    let [4, _, _, _, rest @ ..] = body else { return None };
    let length = rest.first_chunk().copied().map(u16::from_be_bytes)?;
    body.get(..6 + usize::from(length))
}

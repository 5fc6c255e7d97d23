//! The keys that the administrator pinned, and who owns them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Accepted, Remembered};
use crate::types::{KeyId, PublicKey, RebuilderName, Timestamp};

/// One pinned key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedKey {
    /// Its only owner.
    pub rebuilder: RebuilderName,
    /// The key.
    pub key: PublicKey,
    /// The first moment at which it no longer counts, if the administrator set one.
    pub not_after: Option<Timestamp>,
}

impl PinnedKey {
    /// Returns true when the key's signatures still count at `now`.
    #[must_use]
    pub fn is_good_at(&self, now: Timestamp) -> bool {
        self.not_after.is_none_or(|end| now < end)
    }
}

/// All pinned keys, and the kinds of statements by their owners that count. No key is in it twice,
/// in whatever form, so each has exactly one owner.
#[derive(Debug, Clone, Default)]
pub struct KeyRing {
    keys: Vec<Ready>,
    accepted: BTreeMap<RebuilderName, Vec<Accepted>>,
    remembered: Option<Arc<Remembered>>,
}

/// A pinned key, and what of it every signature needs.
#[derive(Debug, Clone)]
pub(super) struct Ready {
    pub(super) pinned: PinnedKey,
    /// The key id by which signatures name it
    pub(super) id: KeyId,
    /// The point of the curve, for an Ed25519 key
    pub(super) ed25519: Option<ed25519_dalek::VerifyingKey>,
}

impl Ready {
    fn of(pinned: PinnedKey) -> Self {
        let ed25519 = match &pinned.key {
            PublicKey::Ed25519(key) => ed25519_dalek::VerifyingKey::from_bytes(key).ok(),
            _ => None,
        };
        Self { id: pinned.key.key_id(), ed25519, pinned }
    }
}

/// A key that was pinned twice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyRingError {
    /// By two rebuilders: one party would have two votes.
    #[error("the same key already belongs to rebuilder {first}")]
    SharedKey {
        /// The rebuilder that already has it.
        first: RebuilderName,
        /// That one's place in the list that was given.
        earlier: usize,
        /// Its place there.
        index: usize,
    },
    /// Twice by one rebuilder: the two entries could differ in when they expire.
    #[error("the same key is given twice")]
    RepeatedKey {
        /// The first one's place in the list that was given.
        earlier: usize,
        /// The second one's place in the list that was given.
        index: usize,
    },
}

impl KeyRing {
    /// Takes the pinned keys.
    ///
    /// # Errors
    /// Every key that is there already.
    pub fn new(keys: Vec<PinnedKey>) -> Result<Self, Vec<KeyRingError>> {
        let mut errors = Vec::new();
        let mut owners = BTreeMap::new();
        for (index, pinned) in keys.iter().enumerate() {
            let materials = pinned.key.materials();
            // Of a certificate no part must be somebody else's either.
            let mut before = keys.iter().enumerate().take(index);
            let earlier = before.find(|(_, other)| other.key == pinned.key);
            let earlier = materials.iter().find_map(|it| owners.get(it).copied()).or(earlier);
            for material in materials {
                owners.entry(material).or_insert((index, pinned));
            }
            match earlier {
                Some((earlier, other)) if other.rebuilder == pinned.rebuilder => {
                    errors.push(KeyRingError::RepeatedKey { earlier, index });
                }
                Some((earlier, other)) => {
                    let first = other.rebuilder.clone();
                    errors.push(KeyRingError::SharedKey { first, earlier, index });
                }
                None => {}
            }
        }
        drop(owners);
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self { keys: keys.into_iter().map(Ready::of).collect(), ..Self::default() })
    }

    /// Sets what statements of this rebuilder count, in whichever envelope. Without that, only links
    /// do.
    #[must_use]
    pub fn accepting(mut self, rebuilder: RebuilderName, accepted: Vec<Accepted>) -> Self {
        self.accepted.insert(rebuilder, accepted);
        self
    }

    /// Goes by what is remembered of plain signatures, and remembers more.
    #[must_use]
    pub fn remembering(self, remembered: Arc<Remembered>) -> Self {
        Self { remembered: Some(remembered), ..self }
    }

    /// The signatures that are remembered as verified, if there are any.
    #[must_use]
    pub fn remembered(&self) -> Option<&Remembered> {
        self.remembered.as_deref()
    }

    /// The kinds of statements by this rebuilder that count.
    #[must_use]
    pub fn accepted(&self, rebuilder: &RebuilderName) -> &[Accepted] {
        const LINKS: &[Accepted] = &[Accepted::Link];
        self.accepted.get(rebuilder).map_or(LINKS, Vec::as_slice)
    }

    /// The kinds of statements that count, for the rebuilders for which they were set.
    pub fn statements(&self) -> impl Iterator<Item = (RebuilderName, Vec<Accepted>)> {
        self.accepted.iter().map(|(name, accepted)| (name.clone(), accepted.clone()))
    }

    /// The keys of this rebuilder alone.
    #[must_use]
    pub fn of(&self, rebuilder: &RebuilderName) -> Self {
        let keys = self.keys.iter().filter(|it| it.pinned.rebuilder == *rebuilder).cloned();
        let accepted = self.accepted.get(rebuilder).cloned();
        let accepted = accepted.map(|it| (rebuilder.clone(), it)).into_iter().collect();
        Self { keys: keys.collect(), accepted, remembered: self.remembered.clone() }
    }

    /// The keys in the order in which they were given.
    pub fn iter(&self) -> impl Iterator<Item = &PinnedKey> {
        self.keys.iter().map(|it| &it.pinned)
    }

    /// The same, ready to verify with.
    pub(super) fn ready(&self) -> impl Iterator<Item = &Ready> {
        self.keys.iter()
    }
}

//! The keys that the administrator pinned, and who owns them.

use crate::types::{OperatorName, PublicKey, Timestamp};

/// One pinned key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedKey {
    /// Its only owner.
    pub operator: OperatorName,
    /// The key.
    pub key: PublicKey,
    /// The first moment at which it no longer counts, if the administrator set one.
    pub not_after: Option<Timestamp>,
}

impl PinnedKey {
    /// Whether its signatures still count at `now`.
    #[must_use]
    pub fn is_good_at(&self, now: Timestamp) -> bool {
        self.not_after.is_none_or(|end| now < end)
    }
}

/// All pinned keys. No key stands in it twice, so each has exactly one owner.
#[derive(Debug, Clone, Default)]
pub struct KeyRing(Vec<PinnedKey>);

/// A key that was pinned twice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyRingError {
    /// By two operators: one party would have two votes.
    #[error("the same key belongs to operator {first} already")]
    SharedKey {
        /// Who has it already.
        first: OperatorName,
        /// Its place in the list that was given.
        index: usize,
    },
    /// Twice by one operator: the two entries could differ in when they expire.
    #[error("the same key stands twice")]
    RepeatedKey {
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
        for (index, pinned) in keys.iter().enumerate() {
            let earlier = keys.iter().take(index).find(|other| other.key == pinned.key);
            match earlier {
                Some(other) if other.operator == pinned.operator => {
                    errors.push(KeyRingError::RepeatedKey { index });
                }
                Some(other) => {
                    errors.push(KeyRingError::SharedKey { first: other.operator.clone(), index })
                }
                None => {}
            }
        }
        if errors.is_empty() { Ok(Self(keys)) } else { Err(errors) }
    }

    /// The keys in the order in which they were given.
    pub fn iter(&self) -> impl Iterator<Item = &PinnedKey> {
        self.0.iter()
    }
}

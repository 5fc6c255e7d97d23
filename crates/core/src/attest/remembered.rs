//! Signatures that were verified before.
//!
//! That a plain signature (Ed25519, ECDSA, RSA) was made by a key over a message is so for ever:
//! neither a clock nor a configuration has a part in it. So whoever found it out may tell others who
//! believe it, and they need not find it out again. Whose key it is, whether it has expired and what
//! the message says is judged anew each time, and so is all about OpenPGP, where a signature is as
//! good as its certificate is now.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard};

use sha2::{Digest, Sha256};

/// Most of them that are kept. The packages of a large system by five rebuilders are 15,000.
const MOST: usize = 32 * 1024;

/// The text in front of the marks, and a part of each mark. Another version of this program may
/// verify more strictly, and believes none of these.
const HEAD: &str = concat!("apt-quorum ", env!("CARGO_PKG_VERSION"), " verified signatures\n");

/// A signature, its key and its message.
type Mark = [u8; 32];

/// The signatures that are known to verify.
#[derive(Debug, Default)]
pub struct Remembered {
    /// Sorted
    before: Vec<Mark>,
    used: Mutex<Used>,
}

#[derive(Debug, Default)]
struct Used {
    again: BTreeSet<Mark>,
    new: BTreeSet<Mark>,
}

impl Remembered {
    /// The most bytes that [`Self::to_bytes`] gives.
    pub const MAX_BYTES: usize = HEAD.len() + MOST * size_of::<Mark>();

    /// Takes what [`Self::to_bytes`] gave. Every one of them is believed, so they must be from somebody
    /// who could as well replace this program. Nothing if they are of another version of it.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let marks = bytes.strip_prefix(HEAD.as_bytes())?.chunks_exact(size_of::<Mark>());
        if !marks.remainder().is_empty() || marks.len() > MOST {
            return None;
        }
        let mut before: Vec<Mark> = marks.filter_map(|it| it.try_into().ok()).collect();
        before.sort_unstable();
        Some(Self { before, used: Mutex::default() })
    }

    /// All of them for later, if there is one that was not known before. If there are too many, those
    /// go first that nobody needed this time.
    #[must_use]
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        let used = self.used();
        if used.new.is_empty() {
            return None;
        }
        let needed = used.new.iter().chain(&used.again);
        let others = self.before.iter().filter(|it| !used.again.contains(*it));
        let mut all: Vec<Mark> = needed.chain(others).take(MOST).copied().collect();
        all.sort_unstable();
        Some([HEAD.as_bytes(), all.as_flattened()].concat())
    }

    /// Returns true when `key` made `signature` over the message with this SHA-256. Uses the
    /// remembered result, or else calls `verify`.
    pub(super) fn or_verify(
        &self,
        (kind, key): (&str, &[u8]),
        signature: &[u8],
        message: Option<&[u8]>,
        verify: impl FnOnce() -> bool,
    ) -> bool {
        let Some(message) = message else { return verify() };
        let mark = mark([kind.as_bytes(), key, signature, message]);
        if self.before.binary_search(&mark).is_ok() {
            self.used().again.insert(mark);
            return true;
        }
        if self.used().new.contains(&mark) {
            return true;
        }
        let verified = verify();
        if verified {
            let new = &mut self.used().new;
            if new.len() < MOST {
                new.insert(mark);
            }
        }
        verified
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(|lock| lock.into_inner())
    }
}

/// Each part with its length, so that no two lists of parts are the same bytes.
fn mark(parts: [&[u8]; 4]) -> Mark {
    let mut hash = Sha256::new_with_prefix(HEAD);
    for part in parts {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns true when the signature was not remembered, so that it had to be verified.
    fn is_found_out(all: &Remembered, parts: [&[u8]; 4]) -> bool {
        let [kind, key, signature, message] = parts;
        let kind = std::str::from_utf8(kind).unwrap();
        let mut asked = false;
        let verified = all.or_verify((kind, key), signature, Some(message), || {
            asked = true;
            true
        });
        assert!(verified);
        asked
    }

    fn again(all: &Remembered) -> Remembered {
        Remembered::from_bytes(&all.to_bytes().unwrap()).unwrap()
    }

    const ONE: [&[u8]; 4] = [b"ed25519", b"key", b"signature", b"message"];

    #[test]
    fn what_verified_is_known_again_and_nothing_else_is() {
        let first = Remembered::default();
        assert!(is_found_out(&first, ONE));
        assert!(!is_found_out(&first, ONE));
        let second = again(&first);
        assert!(!is_found_out(&second, ONE));
        assert_eq!(second.to_bytes(), None, "there is nothing new");
        for at in 0..4 {
            let mut other = ONE;
            let changed = [other[at], b"x"].concat();
            other[at] = &changed;
            assert!(is_found_out(&again(&first), other), "{at}");
        }
        // The same bytes, parted elsewhere.
        assert!(is_found_out(&second, [b"ed25519", b"keys", b"ignature", b"message"]));
    }

    #[test]
    fn what_did_not_verify_is_not_kept() {
        let all = Remembered::default();
        let verify = |all: &Remembered, result| {
            all.or_verify(("ed25519", b"key"), b"signature", Some(b"message"), || result)
        };
        assert!(!verify(&all, false));
        assert_eq!(all.to_bytes(), None);
        assert!(verify(&all, true));
        // Without a hash of the message there is nothing to know it by.
        assert!(!again(&all).or_verify(("ed25519", b"key"), b"signature", None, || false));
    }

    #[test]
    fn nothing_of_another_version_or_cut_off_is_believed() {
        let all = Remembered::default();
        assert!(is_found_out(&all, ONE));
        let bytes = all.to_bytes().unwrap();
        assert!(Remembered::from_bytes(&bytes).is_some());
        for bad in [&[], &bytes[1..], &bytes[..bytes.len() - 1], &bytes[..HEAD.len() - 1]] {
            assert!(Remembered::from_bytes(bad).is_none());
        }
        let other = [b"apt-quorum 0.0.1 verified signatures\n", &bytes[HEAD.len()..]].concat();
        assert!(Remembered::from_bytes(&other).is_none());
    }

    #[test]
    fn when_there_are_too_many_those_go_that_nobody_needed() {
        let full = Remembered { before: (0..MOST).map(number).collect(), ..Remembered::default() };
        let needed = Remembered { before: full.before, ..Remembered::default() };
        needed.used().again.insert(number(MOST - 1));
        assert!(is_found_out(&needed, ONE));
        let bytes = needed.to_bytes().unwrap();
        assert_eq!(bytes.len(), Remembered::MAX_BYTES);
        let kept = Remembered::from_bytes(&bytes).unwrap();
        assert!(kept.before.binary_search(&number(MOST - 1)).is_ok());
        assert!(!is_found_out(&kept, ONE));
    }

    fn number(it: usize) -> Mark {
        let mut mark = [0; 32];
        mark[..8].copy_from_slice(&it.to_be_bytes());
        mark
    }
}

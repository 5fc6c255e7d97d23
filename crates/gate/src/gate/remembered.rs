//! The signatures that root has verified, kept so that no hook, in this run or in a later one,
//! verifies them again.
//!
//! The file is root's own, and is trusted for that reason: a user who can write it can replace this
//! program. The method, which is no longer root when it works, reads it before it changes its user,
//! and never writes it. Files that `_apt` can write, such as the cache of attestations, are not
//! trusted.

use std::path::Path;
use std::sync::Arc;

use crate::attest::Remembered;
use crate::sys::files::{read_at_most, write_whole};
use crate::sys::secure::Trusted;

/// The file's name below `APT::Quorum::State`.
const FILE: &str = "signatures";

/// Reads the remembered signatures below `state`. An unreadable file, or one that another user
/// could have written, counts as empty.
pub(super) fn recall(state: &Path) -> Arc<Remembered> {
    let file = Trusted::now().open_file(&state.join(FILE)).ok();
    let bytes = file.and_then(|it| read_at_most(it, Remembered::MAX_BYTES).ok());
    let remembered = bytes.and_then(|it| Remembered::from_bytes(&it));
    Arc::new(remembered.unwrap_or_default())
}

/// Keeps below `state` the remembered signatures that are still needed, and the new ones. If they
/// cannot be written, all of them are verified again.
pub(super) fn keep(state: &Path, remembered: &Remembered) {
    if let Some(bytes) = remembered.to_bytes() {
        let _ = write_whole(&state.join(FILE), &bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::attest::{self, KeyRing, PinnedKey, WantedFile};
    use crate::types::{PublicKey, Timestamp};

    /// One signature by a key of this test's, as a useless link: the signer is known before the
    /// content is looked at.
    fn attestation() -> (Vec<u8>, KeyRing) {
        use ed25519_dalek::Signer;

        let secret = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
        let key = PublicKey::Ed25519(secret.verifying_key().to_bytes());
        let name = key.key_id();
        let signature = secret.sign(br#"{"a":1}"#).to_bytes();
        let signature: String = signature.iter().map(|it| format!("{it:02x}")).collect();
        let text = format!(
            r#"{{"signatures":[{{"keyid":"{name}","sig":"{signature}"}}],"signed":{{"a":1}}}}"#
        );
        let pinned = PinnedKey { rebuilder: "a".parse().unwrap(), key, not_after: None };
        (text.into_bytes(), KeyRing::new(vec![pinned]).unwrap())
    }

    fn verify(state: &Path) -> Arc<Remembered> {
        let (bytes, keys) = attestation();
        let remembered = recall(state);
        let artifact = "x_1_all.deb".parse().unwrap();
        let wanted = WantedFile { artifact: &artifact, sha256: None };
        let keys = keys.remembering(Arc::clone(&remembered));
        let why = attest::verify(&bytes, &keys, wanted, Timestamp::from_unix(0).unwrap());
        assert_eq!(why.unwrap_err().code(), "wrong-type");
        remembered
    }

    #[test]
    fn what_others_could_have_written_was_forgotten() {
        let state = tempfile::tempdir().unwrap();
        fs::set_permissions(state.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let state = state.path();
        let is_new = || verify(state).to_bytes().is_some();
        assert!(is_new());
        keep(state, &verify(state));
        assert!(!is_new());
        let file = state.join(FILE);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
        assert!(is_new());
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(!is_new());
        let bytes = fs::read(&file).unwrap();
        fs::write(&file, vec![0; Remembered::MAX_BYTES + 1]).unwrap();
        assert!(is_new());
        fs::write(&file, &bytes[1..]).unwrap();
        assert!(is_new());
        fs::write(&file, bytes).unwrap();
        assert!(!is_new());
    }
}

//! A document with one signature of one's own, and the same read again.
//!
//! The envelope is DSSE's, as in [`super::dsse`]. Nothing in here is a vote: a document that is
//! opened so was signed by the one key that was given, and says what that key's owner says.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::dsse::{Envelope, PAYLOAD_TYPE, pre_authentication_encoding};
use super::{KeyRing, PinnedKey, Rejection, json, object};
use crate::types::{PublicKey, RebuilderName, SecretKey, Timestamp};

/// Puts an in-toto Statement into an envelope that `key` signs. The same statement and key always
/// make the same bytes.
#[must_use]
pub fn seal(statement: &str, key: &SecretKey) -> String {
    let message = pre_authentication_encoding(PAYLOAD_TYPE, statement.as_bytes());
    let (payload, signature) = (STANDARD.encode(statement), STANDARD.encode(key.sign(&message)));
    let key_id = key.public().key_id();
    format!(
        r#"{{"payload":"{payload}","payloadType":"{PAYLOAD_TYPE}","signatures":[{{"keyid":"{key_id}","sig":"{signature}"}}]}}"#
    ) + "\n"
}

/// The in-toto Statement in an envelope that `key` signed. The caller bounds the size.
///
/// # Errors
/// If it is no such envelope, or could be read in two ways: the reason.
pub fn unseal(envelope: &[u8], key: &PublicKey) -> Result<Vec<u8>, Rejection> {
    let envelope = Envelope::of(&object(json::parse(envelope)?)?)?;
    let nobody = |_| Rejection::Shape("there is no name for the key");
    let rebuilder: RebuilderName = "signer".parse().map_err(nobody)?;
    let pinned = PinnedKey { rebuilder, key: key.clone(), not_after: None };
    let keys = KeyRing::new(vec![pinned]).map_err(|_| Rejection::Unsigned)?;
    // An Ed25519 key is not judged by the time.
    let now = Timestamp::from(std::time::SystemTime::UNIX_EPOCH);
    envelope.signatures().signers(&keys, now)?;
    let payload = envelope.payload()?;
    // Whatever reads it next takes the same from it.
    json::parse(payload)?;
    Ok(payload.to_vec())
}

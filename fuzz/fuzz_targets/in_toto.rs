//! The crate `in-toto`, with which rebuilderd signs, as a second opinion about whether a link is
//! signed. Where the two differ for a reason that is known, [`Known`] names it;
//! `tests/core/second_opinion.rs` has each of them as an example and says who is right. Everything else
//! is a finding.
#![no_main]

use std::sync::LazyLock;

use apt_quorum::attest::{JsonError, KeyRing, Rejection, WantedFile, json, verify};
use apt_quorum::types::Sha256Digest;
use apt_quorum_fuzz::support::{Key, identity, now, pinned};
use apt_quorum_fuzz::{canonical, fixed_key, parts};
use in_toto::interchange::{DataInterchange, Json};
use in_toto::models::Metablock;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

type TheirKey = in_toto::crypto::PublicKey;

static KEY: LazyLock<(Key, KeyRing, TheirKey)> = LazyLock::new(|| {
    let key = fixed_key(1);
    let ring = KeyRing::new(vec![pinned("alpha", &key, None)]).unwrap();
    let algorithms = vec!["sha256".to_owned(), "sha512".to_owned()];
    let raw = key.0.verifying_key().to_bytes();
    let theirs = TheirKey::from_ed25519_with_keyid_hash_algorithms(raw, Some(algorithms));
    (key, ring, theirs.unwrap())
});

/// Why one of them accepts a signature and the other does not.
#[derive(Debug)]
enum Known {
    // The crate accepts, and must not.
    /// It verifies what it would write for what it understood, not what it received: members that
    /// it does not know, a `_type` of its own, an absent value that it writes as null.
    VerifiesItsOwnText,
    /// It takes the last of two equal keys.
    DuplicateKey,
    // The crate refuses, and should not.
    /// It reads only links with the members, types and hash algorithms that it knows.
    NarrowSchema,
    /// It lets go a good signature when another one in the list is bad or of another form.
    OtherSignatures,
    /// Its canonical form has `\n` of two characters and a line end alike, and other escapes where
    /// the form has none.
    Escapes,
    // We refuse what has no canonical form without doubt; it has no such limits.
    /// Deeper than a link is, a number that is no 64-bit integer, too many signatures.
    Limits,
    /// It takes signatures that only one of several readers of RFC 8032 would, we are strict.
    Strictness,
}

fn has_escapes(canonical: &[u8]) -> bool {
    canonical.iter().any(|&byte| byte < 0x20 || byte == b'\\' || byte == 0x7f)
}

/// Whether the signature of the alpha key is good, in our eyes, whatever the link says.
fn ours(bytes: &[u8]) -> Result<(), Rejection> {
    let file = identity("hello 2.10-3 amd64").artifact_name();
    let wanted = WantedFile { artifact: &file, sha256: Some(Sha256Digest::of(b"hello")) };
    match verify(bytes, &KEY.1, wanted, now()) {
        Ok(_)
        | Err(
            Rejection::WrongType { .. }
            | Rejection::WrongStep { .. }
            | Rejection::NoSha256 { .. }
            | Rejection::AmbiguousProducts { .. }
            | Rejection::OtherName { .. }
            | Rejection::OtherArtifact,
        ) => Ok(()),
        // `products` is looked at behind the signature.
        Err(Rejection::Shape(what)) if what.starts_with("\"products\"") => Ok(()),
        Err(other) => Err(other),
    }
}

/// The reason for a difference, if it is one that is known.
fn known(bytes: &[u8], ours: &Result<(), Rejection>, block: Option<&Metablock>) -> Option<Known> {
    let received: Value = serde_json::from_slice(bytes).ok()?;
    let written = block.and_then(|block| serde_json::to_value(&block.metadata).ok());
    let escapes = has_escapes(&canonical::form(&received["signed"]));
    let rewritten = written.as_ref() != Some(&received["signed"]);
    let one_signature = received["signatures"].as_array().is_some_and(|all| all.len() == 1);
    match ours {
        Err(Rejection::Json(JsonError::DuplicateKey { .. })) => Some(Known::DuplicateKey),
        Err(
            Rejection::Json(JsonError::NotAnInteger | JsonError::TooDeep)
            | Rejection::TooManySignatures { .. },
        ) => Some(Known::Limits),
        Err(_) if block.is_none() => None,
        Ok(()) if block.is_none() => Some(Known::NarrowSchema),
        _ if rewritten => Some(Known::VerifiesItsOwnText),
        _ if escapes => Some(Known::Escapes),
        Ok(()) if !one_signature => Some(Known::OtherSignatures),
        Ok(()) if received["signatures"][0]["keyid"] != KEY.0.id() => Some(Known::OtherSignatures),
        Err(Rejection::BadSignature { .. } | Rejection::UnknownKey { .. }) if !one_signature => {
            Some(Known::Strictness)
        }
        _ => None,
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&how, rest)) = data.split_first() else { return };
    let mut parts = parts(rest);
    let (text, other) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());

    // The canonical forms of any value.
    let value: Option<Value> = serde_json::from_slice(text).ok();
    if let (Some(value), Ok(ours)) = (&value, json::parse(text)) {
        let ours = ours.canonical();
        if let Ok(theirs) = Json::canonicalize(value) {
            assert!(theirs == ours || has_escapes(&ours), "two canonical forms");
        } else {
            assert!(has_escapes(&ours), "no canonical form");
        }
    }

    // The signature over what was received, over something else, and over what the crate writes.
    let key = &KEY.0;
    let message = match how & 3 {
        0 => text.to_vec(),
        1 => value.as_ref().map(canonical::form).unwrap_or_default(),
        2 => value.as_ref().and_then(|value| Json::canonicalize(value).ok()).unwrap_or_default(),
        _ => other.to_vec(),
    };
    let signature = format!(r#"{{"keyid":"{}","sig":"{}"}}"#, key.id(), key.sign(&message));
    let more = String::from_utf8_lossy(if how & 4 == 0 { b"" } else { other });
    let more = more.replace("SIG", &signature);
    let bytes =
        [b"{\"signatures\":[", signature.as_bytes(), more.as_bytes(), b"],\"signed\":", text, b"}"]
            .concat();

    let block = serde_json::from_slice::<Metablock>(&bytes).ok();
    let theirs = block.as_ref().is_some_and(|block| block.verify(1, [&KEY.2]).is_ok());
    let ours = ours(&bytes);
    if ours.is_ok() != theirs {
        let known = known(&bytes, &ours, block.as_ref());
        assert!(known.is_some(), "ours {ours:?}, theirs {theirs}");
    }
});

//! Attestations. A claim is made only from bytes that a pinned key signed, and it says what they
//! say. The first byte of an input chooses what stands around the fuzzed link, so that the fuzzer
//! need not find out how to sign.
#![no_main]

use std::sync::LazyLock;

use apt_quorum::attest::{
    KeyRing, MAX_BYTES, MAX_SIGNATURES, PinnedKey, Rejection, WantedFile, verify,
};
use apt_quorum::types::{Identity, PublicKey, Sha256Digest};
use apt_quorum_fuzz::support::{Key, identity, moment, now, pinned};
use apt_quorum_fuzz::{canonical, fixed_key, parts};
use ed25519_dalek::{Signature, VerifyingKey};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

struct World {
    /// Pinned: alpha, beta, and beta's older one that has expired. Not pinned: the last one.
    keys: [Key; 4],
    ring: KeyRing,
    identity: Identity,
    /// What the file has, whose digest the seeds have in them.
    sha256: Sha256Digest,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let keys = [1, 2, 3, 4].map(fixed_key);
    let ring = KeyRing::new(vec![
        pinned("alpha", &keys[0], None),
        pinned("beta", &keys[1], Some(moment("2027-01-01T00:00:00Z"))),
        pinned("beta", &keys[2], Some(moment("2026-01-01T00:00:00Z"))),
    ]);
    World {
        keys,
        ring: ring.unwrap(),
        identity: identity("hello 2.10-3 amd64"),
        sha256: Sha256Digest::of(b"hello"),
    }
});

/// All good signatures of pinned keys in the list, told by nobody's key id.
fn signers<'w>(envelope: &Value, world: &'w World) -> Vec<&'w PinnedKey> {
    let message = canonical::form(&envelope["signed"]);
    let empty = Vec::new();
    let signatures = envelope["signatures"].as_array().unwrap_or(&empty);
    let signed_by = |key: &PublicKey| {
        let PublicKey::Ed25519(raw) = key else { unreachable!() };
        let key = VerifyingKey::from_bytes(raw).unwrap();
        signatures.iter().any(|signature| {
            let bytes = signature["sig"].as_str().and_then(unhex);
            signature["keyid"].is_string()
                && bytes.is_some_and(|bytes| {
                    key.verify_strict(&message, &Signature::from_bytes(&bytes)).is_ok()
                })
        })
    };
    world.ring.iter().filter(|pinned| signed_by(&pinned.key)).collect()
}

fn unhex(text: &str) -> Option<[u8; 64]> {
    let nibble = |c: &u8| char::from(*c).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let nibbles: Vec<u8> = text.as_bytes().iter().map(nibble).collect::<Option<_>>()?;
    let bytes: Vec<u8> =
        nibbles.chunks(2).map(|two| two[0] << 4 | two.get(1).unwrap_or(&0)).collect();
    (text.len() == 128).then(|| bytes.try_into().ok()).flatten()
}

/// What the text would be signed as, if it is JSON.
fn message(text: &[u8]) -> Vec<u8> {
    serde_json::from_slice(text).map(|value| canonical::form(&value)).unwrap_or_default()
}

fn element(id: &str, signature: &str) -> String {
    format!(r#"{{"keyid":"{id}","sig":"{signature}"}}"#)
}

/// The envelope around `text` that the first byte asks for.
fn envelope(how: u8, text: &[u8], other: &[u8], world: &World) -> Vec<u8> {
    let key = &world.keys[usize::from(how >> 3 & 3)];
    let id = key.id();
    let signatures = match how & 7 {
        0 => return text.to_vec(),
        1 => element(&id, &key.sign(&message(text))),
        2 => element("", &key.sign(&message(text))),
        // Signed was something else.
        3 => element(&id, &key.sign(&message(other))),
        // As the text stands there, canonical or not.
        4 => element(&id, &key.sign(text)),
        // A list by the fuzzer, in which these words stand for the real things.
        _ => String::from_utf8_lossy(other)
            .replace("SIG", &key.sign(&message(text)))
            .replace("ID", &id)
            .replace("TWO", &world.keys[1].sign(&message(text))),
    };
    [b"{\"signatures\":[", signatures.as_bytes(), b"],\"signed\":", text, b"}"].concat()
}

fuzz_target!(|data: &[u8]| {
    let world = &*WORLD;
    let Some((&how, rest)) = data.split_first() else { return };
    let mut parts = parts(rest);
    let (text, other) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let bytes = envelope(how, text, other, world);
    let artifact = world.identity.artifact_name();
    let wanted = WantedFile { artifact: &artifact, sha256: Some(world.sha256) };
    let verdict = verify(&bytes, &world.ring, wanted, now());

    let envelope: Result<Value, _> = serde_json::from_slice(&bytes);
    let Ok(envelope) = envelope else {
        // Several envelopes, a line each, are judged one by one.
        let lines: Vec<&[u8]> = bytes
            .split(|byte| *byte == b'\n')
            .map(<[u8]>::trim_ascii)
            .filter(|line| !line.is_empty())
            .collect();
        let each = |line: &&[u8]| verify(line, &world.ring, wanted, now()).map_or(0, |it| it.len());
        let good: usize = lines.iter().map(each).sum();
        if let Ok(claims) = &verdict {
            let json = |line: &&[u8]| serde_json::from_slice::<Value>(line).is_ok();
            assert!(lines.len() > 1 && lines.iter().all(json), "a claim from what is no JSON");
            assert_eq!(claims.len(), good, "a line says something else alone");
        }
        return;
    };
    let signers = signers(&envelope, world);
    let good: Vec<_> = signers.iter().filter(|pinned| pinned.is_good_at(now())).collect();
    let says = canonical::product(&envelope["signed"], artifact.as_str(), world.sha256);
    // What is told to people is fit for a terminal.
    if let Err(rejection) = &verdict {
        let said = rejection.to_string();
        assert!(said.len() < 2000 && said.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
    }
    match verdict {
        Ok(claims) => {
            assert!(bytes.len() <= MAX_BYTES);
            let mut rebuilders = Vec::new();
            for claim in &claims {
                assert!(good.iter().any(|pinned| pinned.key == *claim.key()), "nobody signed it");
                assert_eq!(Some(claim.sha256()), says, "it says something else");
                assert_eq!(claim.artifact(), &artifact);
                assert_eq!(claim.attestation(), Sha256Digest::of(&bytes));
                rebuilders.push((claim.key().clone(), claim.rebuilder().clone()));
            }
            let pinned: Vec<_> =
                good.iter().map(|it| (it.key.clone(), it.rebuilder.clone())).collect();
            assert_eq!(rebuilders, pinned, "a signer lost or counted twice");
            assert!(!claims.is_empty());
        }
        // Reasons about the content mean that somebody signed that content.
        Err(
            Rejection::WrongType { .. }
            | Rejection::WrongStep { .. }
            | Rejection::NoSha256 { .. }
            | Rejection::AmbiguousProducts { .. }
            | Rejection::OtherName { .. }
            | Rejection::OtherArtifact,
        ) => {
            assert!(!good.is_empty(), "believed to be signed");
            assert_eq!(says, None, "a vote was lost");
        }
        Err(Rejection::ExpiredKey { .. }) => assert!(good.is_empty() && !signers.is_empty()),
        Err(
            Rejection::UnknownKey { .. } | Rejection::BadSignature { .. } | Rejection::Unsigned,
        ) => {
            assert!(signers.is_empty(), "a good signature was not found");
        }
        Err(Rejection::TooManySignatures { count }) => assert!(count > MAX_SIGNATURES),
        Err(Rejection::Shape(_) | Rejection::Json(_) | Rejection::Sigstore(_)) => {}
        Err(other) => assert!(bytes.len() > MAX_BYTES, "{other}"),
    }
});

//! Statements in DSSE envelopes, signed in the target. A claim is made only where the rebuilder's
//! statements of that kind are accepted, and it says what the statement says.
//!
//! The first byte of an input chooses who signs what; the rest is the payload, and behind a byte
//! 0xff what stands around it.
#![no_main]

use std::sync::LazyLock;

use apt_quorum::attest::{Accepted, Findings, KeyRing, Rejection, WantedFile, verify};
use apt_quorum::types::{Identity, Sha256Digest};
use apt_quorum_fuzz::support::{Key, identity, now, pinned, rebuilder};
use apt_quorum_fuzz::{fixed_key, parts};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::Signer;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

struct World {
    /// Of alpha, who may state anything, of beta, whose links count, and of nobody
    keys: [Key; 3],
    ring: KeyRing,
    identity: Identity,
    sha256: Sha256Digest,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let keys = [1, 2, 3].map(fixed_key);
    let verified = || Findings {
        verifier: "v".to_owned(),
        properties: vec!["R".to_owned()],
        lasts: 30 * 24 * 60 * 60,
    };
    let builder = || "b".to_owned();
    let ring = KeyRing::new(vec![pinned("alpha", &keys[0], None), pinned("beta", &keys[1], None)]);
    let ring = ring.unwrap().accepting(
        rebuilder("alpha"),
        vec![
            Accepted::Link,
            Accepted::SlsaProvenance { builder: builder() },
            Accepted::OssRebuild { builder: builder() },
            Accepted::Svr(verified()),
            Accepted::Vsa(verified()),
        ],
    );
    World {
        keys,
        ring,
        identity: identity("hello 2.10-3 amd64"),
        sha256: Sha256Digest::of(b"hello"),
    }
});

const IN_TOTO: &str = "application/vnd.in-toto+json";

fn signed(kind: &str, payload: &[u8], key: &Key) -> String {
    let head = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len());
    STANDARD.encode(key.0.sign(&[head.as_bytes(), payload].concat()).to_bytes())
}

/// Whether a statement may be taken as beta's (links only) or alpha's, read without any care.
fn may_count(statement: &Value, links_only: bool) -> bool {
    let predicate = &statement["predicate"];
    let kind = statement["predicateType"].as_str().unwrap_or_default();
    let link = kind.to_ascii_lowercase().contains("/link/v0.")
        && predicate["name"].as_str().is_some_and(|it| it.split(' ').next() == Some("rebuild"));
    let built =
        kind == "https://slsa.dev/provenance/v1" && predicate["runDetails"]["builder"]["id"] == "b";
    let verified = (kind.contains("/svr/") || kind.contains("verification_summary"))
        && predicate["verifier"]["id"] == "v";
    link || (!links_only && (built || verified))
}

fuzz_target!(|data: &[u8]| {
    let world = &*WORLD;
    let Some((&how, rest)) = data.split_first() else { return };
    let mut parts = parts(rest);
    let (payload, other) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let other = String::from_utf8_lossy(other);
    let kind = if how & 0x10 == 0 { IN_TOTO } else { &*other };
    let signer = usize::from(how & 3) % 3;
    let signature = signed(kind, payload, &world.keys[signer]);
    let named = serde_json::to_string(kind).unwrap();
    let element = match how >> 2 & 3 {
        0 => format!(r#"{{"sig":"{signature}"}}"#),
        1 => format!(r#"{{"keyid":"{}","sig":"{signature}"}}"#, world.keys[0].id()),
        // Over something else.
        2 => format!(r#"{{"sig":"{}"}}"#, signed("x", payload, &world.keys[signer])),
        // A list by the fuzzer, in which this word stands for the signature.
        _ => other.replace("SIG", &signature),
    };
    let payload_text = STANDARD.encode(payload);
    let bytes =
        format!(r#"{{"payloadType":{named},"payload":"{payload_text}","signatures":[{element}]}}"#);
    let artifact = world.identity.artifact_name();
    let wanted = WantedFile { artifact: &artifact, sha256: Some(world.sha256) };
    match verify(bytes.as_bytes(), &world.ring, wanted, now()) {
        Ok(claims) => {
            assert!(signer < 2 && bytes.contains(&signature), "nobody signed it");
            assert_eq!(kind, IN_TOTO, "something else was signed");
            let statement: Value = serde_json::from_slice(payload).expect("it was read");
            let said = statement["_type"].as_str().unwrap_or_default();
            let [claim] = claims.as_slice() else { panic!("one key signed") };
            assert_eq!(claim.rebuilder().as_str(), ["alpha", "beta"][signer]);
            if said == "link" {
                // As in-toto itself writes it.
                let step = statement["name"].as_str().unwrap_or_default();
                assert_eq!(step.split(' ').next(), Some("rebuild"));
                let product = &statement["products"][artifact.as_str()]["sha256"];
                let digest = product.as_str().unwrap_or_default();
                assert!(digest.eq_ignore_ascii_case(&claim.sha256().to_string()));
                return;
            }
            assert!(said.starts_with("https://in-toto.io/Statement/v"));
            assert!(may_count(&statement, signer == 1), "that is not accepted");
            let says = |it: &Value| {
                let digest = it["digest"]["sha256"].as_str().unwrap_or_default();
                let same = digest.eq_ignore_ascii_case(&claim.sha256().to_string());
                let name = it["name"].as_str().unwrap_or_default();
                same && (name == artifact.as_str() || matches!(name, "" | "_"))
            };
            assert!(statement["subject"].as_array().is_some_and(|all| all.iter().any(says)));
        }
        Err(rejection) => {
            let said = rejection.to_string();
            assert!(said.len() < 2000 && said.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
            let judged = matches!(
                rejection,
                Rejection::WrongType { .. }
                    | Rejection::WrongPayload { .. }
                    | Rejection::WrongStep { .. }
                    | Rejection::PredicateNotAccepted { .. }
                    | Rejection::PredicateContent(_)
                    | Rejection::OtherParty { .. }
                    | Rejection::OtherArtifact
                    | Rejection::OtherName { .. }
                    | Rejection::AmbiguousProducts { .. }
            );
            assert!(!judged || bytes.contains(&signature), "believed to be signed");
        }
    }
});

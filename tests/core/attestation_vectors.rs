//! Runs the attacks on attestations in `tests/vectors`. The format is described in the README
//! there; whatever it does not describe makes the run fail, so that a misspelt expectation
//! cannot pass for a kept one.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use apt_quorum::attest::{self, Claim, KeyRing, PinnedKey, Rejection, Remembered, WantedFile};
use apt_quorum::types::{KeyKind, PublicKey, Sha256Digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::support::{self, Key, identity, moment, now, rebuilder};
use crate::vectors::{
    Attack, Built, Expect, IN_TOTO, Vector, directories, dsse, expected, find, sort,
};

/// Fewer would mean that some were lost.
const FEWEST: usize = 190;

fn run(directory: &Path) -> Result<(), String> {
    let vector = Vector::read(directory)?;
    let attack = &vector.attack;
    if !attack.attack.ends_with('.') {
        return Err("the attack is not described in a sentence".to_owned());
    }
    let artifact = vector.subject().artifact_name();
    let sha256 = Sha256Digest::of(b"the file being judged");
    let Built { ring, envelope, is_spelt_out, .. } = vector.build(sha256)?;

    let wanted = WantedFile { artifact: &artifact, sha256: (!attack.any_hash).then_some(sha256) };
    let result = attest::verify(&envelope, &ring, wanted, now());
    remembered_signatures_change_nothing(&envelope, &ring, wanted, &result)?;
    let expected = expected(&attack.expect)?;
    if expected.is_ok() && !is_spelt_out {
        return Err("claims are expected, so canonical.txt must say what was signed".to_owned());
    }
    if let Err(rejection) = &result {
        // What an attacker wrote may stand in the reason; it must not be able to forge a line.
        let told = rejection.to_string();
        if told.len() > 400 || told.chars().any(|c| c != ' ' && !c.is_ascii_graphic()) {
            return Err(format!("this is not for a terminal: {told:?}"));
        }
    }
    for claim in result.iter().flatten() {
        check_claim(claim, &ring, &artifact, &envelope)?;
    }
    let found = sort(&result, sha256);
    if found == expected {
        return Ok(());
    }
    let why = result.map_or_else(|e| e.to_string(), |claims| format!("{} claim(s)", claims.len()));
    Err(format!("expected {expected:?}, got {found:?}: {why}"))
}

/// Whoever remembers nothing yet, whoever has just verified it, and whoever was told of that all find the
/// same.
fn remembered_signatures_change_nothing(
    envelope: &[u8],
    ring: &KeyRing,
    wanted: WantedFile<'_>,
    expected: &Result<Vec<Claim>, Rejection>,
) -> Result<(), String> {
    let by = |remembered: &Arc<Remembered>| {
        let ring = ring.clone().remembering(Arc::clone(remembered));
        let result = attest::verify(envelope, &ring, wanted, now());
        (result == *expected)
            .then_some(())
            .ok_or_else(|| format!("{expected:?}, and where signatures are remembered {result:?}"))
    };
    let first = Arc::new(Remembered::default());
    by(&first)?;
    by(&first)?;
    let told = first.to_bytes().map(|bytes| Remembered::from_bytes(&bytes).map(Arc::new));
    told.map_or(Ok(()), |told| by(&told.ok_or("what it remembers cannot be read")?))
}

/// Whatever a claim says must be what was asked and what was signed.
fn check_claim(
    claim: &Claim,
    ring: &KeyRing,
    artifact: &apt_quorum::types::ArtifactName,
    envelope: &[u8],
) -> Result<(), String> {
    let owner = ring.iter().find(|pinned| pinned.key == *claim.key()).map(|p| &p.rebuilder);
    if owner != Some(claim.rebuilder())
        || claim.artifact() != artifact
        || claim.attestation() != Sha256Digest::of(envelope)
    {
        return Err(format!("the claim is not what was signed: {claim:?}"));
    }
    Ok(())
}
#[test]
fn every_attack_comes_to_what_its_directory_says() {
    let directories = directories();
    let mut failures = Vec::new();
    for directory in &directories {
        let name = directory.file_name().unwrap().to_str().unwrap();
        match run(directory) {
            Ok(()) => println!("ok      {name}"),
            Err(why) => {
                println!("FAILED  {name}: {why}");
                failures.push(name);
            }
        }
    }
    println!("{} attacks", directories.len());
    assert!(failures.is_empty(), "{failures:?}");
    assert!(directories.len() >= FEWEST, "there are {} only", directories.len());
}

/// A reason that no attack leads to is either untested or cannot happen.
#[test]
fn every_reason_for_a_rejection_has_an_attack() {
    let expected: BTreeSet<String> = directories()
        .iter()
        .filter_map(|directory| Vector::read(directory).unwrap().attack.expect.rejection)
        .collect();
    let all = [
        "ambiguous-products",
        "bad-signature",
        "duplicate-key",
        "expired-key",
        "expired-signature",
        "no-sha256",
        "not-an-integer",
        "not-for-signing",
        "not-json",
        "not-over-data",
        "not-understood",
        "other-artifact",
        "other-name",
        "other-party",
        "perhaps-revoked-key",
        "predicate-content",
        "predicate-not-accepted",
        "revoked-key",
        "shape",
        "sigstore",
        "too-deep",
        "too-large",
        "too-many-signatures",
        "unbound-key",
        "undated",
        "unknown-key",
        "unsigned",
        "weak-hash",
        "wrong-step",
        "wrong-time",
        "wrong-type",
    ];
    assert_eq!(expected.iter().map(String::as_str).collect::<Vec<_>>(), all);
}

/// The first wall before `small-order-key`: such keys cannot be read from a configuration.
#[test]
fn keys_of_small_order_are_not_read() {
    let p = |low: u8, high: u8| format!("{low:02x}{}{high:02x}", "ff".repeat(30));
    let zero = |low: u8, high: u8| format!("{low:02x}{}{high:02x}", "00".repeat(30));
    let eight = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05";
    let eight_too = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a";
    let negative = |key: &str| {
        let (rest, last) = key.split_at(62);
        format!("{rest}{:02x}", u8::from_str_radix(last, 16).unwrap() | 0x80)
    };
    for key in [
        zero(1, 0),    // the neutral element
        zero(1, 0x80), // the same with the sign that it does not have
        zero(0, 0),    // order 4
        zero(0, 0x80), // order 4
        p(0xec, 0x7f), // order 2
        p(0xec, 0xff), // order 2 with the sign that it does not have
        p(0xed, 0x7f), // 0 written as the prime
        p(0xed, 0xff),
        p(0xee, 0x7f), // 1 written as the prime plus 1
        p(0xee, 0xff),
        eight.to_owned(), // order 8
        eight_too.to_owned(),
        negative(eight),
        negative(eight_too),
    ] {
        assert!(PublicKey::ed25519_from_hex(&key).is_err(), "{key}");
    }
}

#[test]
fn what_a_vector_does_not_say_is_not_guessed() {
    let parse = |text: &str| toml::from_str::<Attack>(text).map(drop).map_err(drop);
    let good = "attack = \"x.\"\nsubject = \"x\"\n[expect]\nvotes = []\n";
    assert!(parse(good).is_ok());
    assert!(parse(&good.replace("votes", "vote")).is_err());
    assert!(parse(&good.replace("subject", "subjects")).is_err());
    assert!(parse("attack = \"x.\"\nsubject = \"x\"\n").is_err());
    let nothing = Expect { rejection: None, votes: None, conflicts: None };
    assert!(expected(&nothing).is_err());
    let both = Expect { rejection: Some("x".into()), votes: Some(vec![]), conflicts: None };
    assert!(expected(&both).is_err());
    assert!(Vector::read(Path::new(env!("CARGO_MANIFEST_DIR"))).is_err());
}

/// Both limits on size are the last value that is still read.
#[test]
fn an_attestation_of_exactly_the_largest_size_is_read() {
    let key = Key::new();
    let identity = identity("hello 2.10-3 amd64");
    let artifact = identity.artifact_name();
    let sha256 = Sha256Digest::of(b"the file being judged");
    let pinned = support::pinned("alpha", &key, None);
    let ring = KeyRing::new(vec![pinned]).unwrap();
    let mut bytes = support::attestation(artifact.as_str(), sha256, &[&key]);
    bytes.resize(attest::MAX_BYTES, b' ');
    let wanted = WantedFile { artifact: &artifact, sha256: Some(sha256) };
    let verify = |bytes: &[u8]| attest::verify(bytes, &ring, wanted, now());
    assert_eq!(verify(&bytes).map(|claims| claims.len()), Ok(1));
    bytes.push(b' ');
    assert_eq!(verify(&bytes), Err(Rejection::TooLarge { size: attest::MAX_BYTES + 1 }));
}

#[test]
fn a_rejection_tells_people_whose_key_it_was_and_until_when() {
    let key_id = Key::new().public().key_id();
    let short = &key_id.as_str()[..16];
    let alpha = rebuilder("alpha");
    let unknown = |ids: &[&str]| Rejection::UnknownKey {
        key_ids: ids.iter().map(|&id| id.to_owned()).collect(),
    };
    for (rejection, told) in [
        (unknown(&[]), "signed by unnamed keys, not by a trusted key".to_owned()),
        // DSSE needs no key ids.
        (unknown(&["", ""]), "signed by unnamed keys, not by a trusted key".to_owned()),
        (unknown(&["", "ab"]), "signed by ab, not by a trusted key".to_owned()),
        (unknown(&["ab"]), "signed by ab, not by a trusted key".to_owned()),
        (
            unknown(&["1", "2", "\u{1b}[2J", "4"]),
            "signed by 1, 2, ?[2J, ..., not by a trusted key".to_owned(),
        ),
        (
            unknown(&["1", "2", "0123456789abcdef0123"]),
            "signed by 1, 2, 0123456789abcdef, not by a trusted key".to_owned(),
        ),
        (
            Rejection::BadSignature { rebuilder: alpha.clone(), key_id: key_id.clone() },
            format!("invalid signature for alpha's key {short}"),
        ),
        (
            Rejection::ExpiredKey {
                rebuilder: alpha,
                key_id: key_id.clone(),
                not_after: moment("2026-01-01T00:00:00Z"),
            },
            format!("alpha's key {short} expired on 2026-01-01"),
        ),
    ] {
        assert_eq!(rejection.to_string(), told);
    }
}

/// Whatever bit is changed: what is signed cannot be, and what is not signed says nothing else.
#[test]
fn no_flipped_bit_makes_another_claim() {
    let key = Key::new();
    let identity = identity("hello 2.10-3 amd64");
    let artifact = identity.artifact_name();
    let sha256 = Sha256Digest::of(b"the file being judged");
    let ring = KeyRing::new(vec![support::pinned("alpha", &key, None)]).unwrap();
    let good = support::attestation(artifact.as_str(), sha256, &[&key]);
    let signed = find(&good, br#","signed":"#).unwrap() + br#","signed":"#.len();
    let wanted = WantedFile { artifact: &artifact, sha256: Some(sha256) };
    let mut taken = 0;
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut flipped = good.clone();
            flipped[at] ^= 1 << bit;
            let Ok(claims) = attest::verify(&flipped, &ring, wanted, now()) else { continue };
            assert!(!(signed..good.len() - 1).contains(&at), "bit {bit} of byte {at} is signed");
            assert_eq!(claims.len(), 1);
            assert_eq!(claims[0].sha256(), sha256);
            assert_eq!(claims[0].attestation(), Sha256Digest::of(&flipped));
            taken += 1;
        }
    }
    // Letters of the key id, and the case of the signature's digits.
    assert!(taken > 64, "{taken}");
}

/// `in-toto-run --use-dsse --step-name rebuild --no-command --products hello_2.10-3_amd64.deb
/// --signing-key KEY` of in-toto 3.0.0, as it came out. No Debian has that version.
#[test]
fn a_link_as_in_toto_3_0_0_wrote_it_is_read() {
    let made = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/in-toto-3.0.0");
    let key = fs::read_to_string(made.join("key.pem")).unwrap();
    let key = PublicKey::read(KeyKind::Ed25519, &key).unwrap();
    let pinned = PinnedKey { rebuilder: rebuilder("alpha"), key, not_after: None };
    let ring = KeyRing::new(vec![pinned]).unwrap();
    let artifact = identity("hello 2.10-3 amd64").artifact_name();
    let link = fs::read(made.join("hello.link")).unwrap();
    let sha256 = Sha256Digest::of(b"hi\n");
    let wanted = WantedFile { artifact: &artifact, sha256: Some(sha256) };
    let claims = attest::verify(&link, &ring, wanted, now()).unwrap();
    assert_eq!(claims.iter().map(Claim::sha256).collect::<Vec<_>>(), [sha256]);
}

/// What is refused as a whole says what it is, and not that something is missing in it.
#[test]
fn what_is_not_read_is_refused_in_words_that_fit() {
    let ring = KeyRing::new(vec![support::pinned("alpha", &Key::new(), None)]).unwrap();
    let artifact = identity("hello 2.10-3 amd64").artifact_name();
    let wanted = WantedFile { artifact: &artifact, sha256: Some(Sha256Digest::of(b"")) };
    let told =
        |text: &str| attest::verify(text.as_bytes(), &ring, wanted, now()).unwrap_err().to_string();
    let envelope = r#"{"payloadType":"application/vnd.in-toto+json","payload":"e30=","signatures":[{"sig":"AAAA"}]}"#;
    let bundle = |material: &str| {
        format!(
            r#"{{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{{{material}}},"dsseEnvelope":{envelope}}}"#
        )
    };
    let unsigned = envelope.replace(r#"{"sig":"AAAA"}"#, "");
    let nobody = "signed by unnamed keys, not by a trusted key";
    for (text, words) in [
        (envelope.to_owned(), nobody),
        (format!("{envelope}\n{envelope}\n"), nobody),
        // Of several that are of no use, the last one's reason is told.
        (format!("{envelope}\n{unsigned}\n"), "the attestation has no signature"),
        (format!("{unsigned}\n{envelope}\n"), nobody),
        (
            r#"{"signed":{},"signatures":[],"dsseEnvelope":{}}"#.to_owned(),
            "the attestation has no signature",
        ),
        (
            bundle(r#""certificate":{"rawBytes":"AAAA"}"#),
            "a Sigstore bundle that is signed with a short-lived certificate: ask its publisher for a bundle that is signed with a public key",
        ),
        (bundle(r#""publicKey":{"hint":"some key"}"#), "signed by some key, not by a trusted key"),
        (bundle(""), nobody),
        (
            format!("{envelope}\n").repeat(5),
            "not an in-toto Metablock or DSSE envelope: it has too many envelopes",
        ),
    ] {
        assert_eq!(told(&text), words, "{text}");
    }
}

/// What somebody signed and is of no use here is called what it is, also where it says nothing of that.
#[test]
fn what_was_signed_and_does_not_count_is_called_what_it_is() {
    let key = Key::new();
    let ring = KeyRing::new(vec![support::pinned("alpha", &key, None)]).unwrap();
    let artifact = identity("hello 2.10-3 amd64").artifact_name();
    let wanted = WantedFile { artifact: &artifact, sha256: Some(Sha256Digest::of(b"")) };
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    for (kind, payload, words) in [
        (
            "text/plain",
            "{}",
            "signed, but the envelope's payload is not in-toto: its type is text/plain",
        ),
        ("", "{}", "signed, but the envelope's payload is not in-toto: its type is missing"),
        (IN_TOTO, "{}", "signed, but neither a link nor an in-toto statement: its type is missing"),
        (
            IN_TOTO,
            r#"{"_type":"link"}"#,
            "signed, but the link is not for the step rebuild: its name is missing",
        ),
        (
            IN_TOTO,
            r#"{"_type":"link","name":"rebuild","products":{"":{}}}"#,
            "the product without a name has no valid sha256",
        ),
    ] {
        let signature = key.sign(&dsse(kind, payload.as_bytes()));
        let signature: Vec<u8> = signature.as_bytes().chunks(2).map(byte).collect();
        let envelope = format!(
            r#"{{"payloadType":"{kind}","payload":"{}","signatures":[{{"sig":"{}"}}]}}"#,
            STANDARD.encode(payload),
            STANDARD.encode(signature)
        );
        let told = attest::verify(envelope.as_bytes(), &ring, wanted, now()).unwrap_err();
        assert_eq!(told.to_string(), words, "{payload}");
    }
}

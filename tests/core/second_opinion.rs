//! The crate `in-toto` 0.4, with which rebuilderd signs, as a second opinion: what it signs
//! verifies with ours, and where the two differ is written down here, each difference in a test
//! that says who is right. When an update of the crate mends one, its test fails and goes.

use std::collections::{BTreeMap, HashMap};

use apt_quorum::attest::Rejection;
use apt_quorum::types::{PublicKey, Sha256Digest};
use in_toto::crypto::{HashAlgorithm, HashValue, KeyType, PrivateKey, SignatureScheme};
use in_toto::interchange::Json;
use in_toto::models::byproducts::ByProducts;
use in_toto::models::{LinkMetadataBuilder, Metablock, VirtualTargetPath};

use crate::support::{self, Key, World, envelope, hex, link_text};

type TheirKey = in_toto::crypto::PublicKey;

/// One rebuilder, `alpha`, in both worlds.
struct Both {
    world: World,
    theirs: TheirKey,
}

impl Both {
    fn new() -> Self {
        let world = World::new(&["alpha"]);
        let theirs = their_key(world.key("alpha"));
        Self { world, theirs }
    }

    fn key(&self) -> &Key {
        self.world.key("alpha")
    }

    fn link(&self) -> String {
        link_text(&self.world.artifact(), self.world.file.sha256())
    }

    fn we_accept(&self, bytes: &[u8]) -> bool {
        let votes = |claims: &Vec<apt_quorum::attest::Claim>| {
            claims.iter().all(|claim| claim.sha256() == self.world.file.sha256())
        };
        self.world.verify(bytes).is_ok_and(|claims| votes(&claims))
    }

    fn they_accept(&self, bytes: &[u8]) -> bool {
        they_accept(bytes, 1, &[&self.theirs])
    }
}

/// Our key as theirs, with the hash algorithms that securesystemslib puts into the key id.
fn their_key(key: &Key) -> TheirKey {
    let algorithms = vec!["sha256".to_owned(), "sha512".to_owned()];
    TheirKey::from_ed25519_with_keyid_hash_algorithms(
        key.0.verifying_key().to_bytes(),
        Some(algorithms),
    )
    .unwrap()
}

fn they_accept(bytes: &[u8], threshold: u32, keys: &[&TheirKey]) -> bool {
    serde_json::from_slice::<Metablock>(bytes)
        .is_ok_and(|block| block.verify(threshold, keys.iter().copied()).is_ok())
}

fn their_id(key: &TheirKey) -> String {
    serde_json::to_value(key.key_id()).unwrap().as_str().unwrap().to_owned()
}

/// A link as rebuilderd makes one, through the crate's own builder.
fn built_by_theirs(artifact: &str, sha256: Sha256Digest, keys: &[&PrivateKey]) -> Vec<u8> {
    let hashes = HashMap::from([
        (HashAlgorithm::Sha256, HashValue::new(sha256.as_bytes().to_vec())),
        (HashAlgorithm::Sha512, HashValue::new(vec![0x5a; 64])),
    ]);
    let products = BTreeMap::from([(VirtualTargetPath::from(artifact), hashes)]);
    let link = LinkMetadataBuilder::new()
        .name(format!("rebuild {artifact}"))
        .products(products)
        .byproducts(ByProducts::new().set_return_value(0).set_stdout("a\nb".to_owned()));
    let block: Metablock = match keys {
        [key] => link.signed::<Json>(key).unwrap(),
        several => {
            let link = Box::new(link.build().unwrap());
            Metablock::new(in_toto::models::Metadata::into_enum(link), several).unwrap()
        }
    };
    serde_json::to_vec_pretty(&block).unwrap()
}

fn new_their_key() -> (PrivateKey, PublicKey) {
    let pkcs8 = PrivateKey::new(KeyType::Ed25519).unwrap();
    let key = PrivateKey::from_pkcs8(&pkcs8, SignatureScheme::Ed25519).unwrap();
    let public = PublicKey::ed25519_from_hex(&hex(key.public().as_bytes())).unwrap();
    (key, public)
}

#[test]
fn what_the_crate_builds_and_signs_verifies_with_ours() {
    use apt_quorum::attest::{KeyRing, PinnedKey, WantedFile, verify};
    let (daemon, public) = new_their_key();
    let (worker, _) = new_their_key();
    let pinned = PinnedKey { rebuilder: support::rebuilder("alpha"), key: public, not_after: None };
    let ring = KeyRing::new(vec![pinned]).unwrap();
    let world = World::with_package(&[], "libstdc++6 1:14.2.0~rc1-19+b1 amd64");
    let artifact = world.identity.artifact_name();
    let sha256 = world.file.sha256();
    for keys in [vec![&daemon], vec![&worker, &daemon]] {
        let bytes = built_by_theirs(artifact.as_str(), sha256, &keys);
        let wanted = WantedFile { artifact: &artifact, sha256: Some(sha256) };
        let claims = verify(&bytes, &ring, wanted, support::now()).unwrap();
        assert_eq!(claims.len(), 1);
        assert_eq!(claims[0].sha256(), sha256);
        assert!(they_accept(&bytes, 1, &[daemon.public()]));
    }
}

#[test]
fn what_we_write_for_tests_verifies_with_the_crate() {
    let both = Both::new();
    let bytes = envelope(&both.link(), &[both.key()]);
    assert!(both.we_accept(&bytes));
    assert!(both.they_accept(&bytes));
}

#[test]
fn both_derive_the_same_key_id() {
    for _ in 0..20 {
        let (theirs, ours) = new_their_key();
        assert_eq!(their_id(theirs.public()), ours.key_id().as_str());
        let ours = Key::new();
        assert_eq!(their_id(&their_key(&ours)), ours.public().key_id().as_str());
    }
}

#[test]
fn both_read_the_pem_that_the_crate_writes() {
    // rebuilderd publishes its key in this form: NULL as the algorithm's parameter.
    use base64::Engine;
    let (theirs, ours) = new_their_key();
    let der = theirs.public().as_spki().unwrap();
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let pem = format!("-----BEGIN PUBLIC KEY-----\r\n{text}\r\n-----END PUBLIC KEY-----\r\n");
    assert_eq!(PublicKey::ed25519_from_pem(&pem), Ok(ours));
}

#[test]
fn both_refuse_what_was_changed_in_a_member_that_both_know() {
    let both = Both::new();
    let good = String::from_utf8(envelope(&both.link(), &[both.key()])).unwrap();
    let other = Sha256Digest::of(b"x").to_string();
    let changed = good.replace(&both.world.file.sha256().to_string(), &other);
    assert!(!both.we_accept(changed.as_bytes()));
    assert!(!both.they_accept(changed.as_bytes()));
}

// What the crate accepts and must not.

#[test]
fn the_crate_accepts_a_member_added_after_signing_and_we_refuse_it() {
    let both = Both::new();
    let good = String::from_utf8(envelope(&both.link(), &[both.key()])).unwrap();
    let changed = good.replace(r#""_type":"link""#, r#""_type":"link","added":"later""#);
    assert!(both.they_accept(changed.as_bytes()));
    assert_eq!(both.world.verify(changed.as_bytes()).unwrap_err().code(), "bad-signature");
}

#[test]
fn the_crate_accepts_a_type_changed_after_signing_and_we_refuse_it() {
    let both = Both::new();
    let good = String::from_utf8(envelope(&both.link(), &[both.key()])).unwrap();
    let changed = good.replace(r#""_type":"link""#, r#""_type":"anything""#);
    assert!(both.they_accept(changed.as_bytes()));
    assert_eq!(both.world.verify(changed.as_bytes()).unwrap_err().code(), "bad-signature");
}

#[test]
fn the_crate_counts_one_key_under_two_ids_twice_and_we_once() {
    let both = Both::new();
    let bytes = both.key().0.verifying_key().to_bytes();
    let same_key = TheirKey::from_ed25519(bytes).unwrap();
    assert_ne!(their_id(&same_key), their_id(&both.theirs));
    let signature = both.key().sign(both.link().as_bytes());
    let twice = format!(
        r#"{{"signatures":[{{"keyid":"{}","sig":"{signature}"}},{{"keyid":"{}","sig":"{signature}"}}],"signed":{}}}"#,
        their_id(&both.theirs),
        their_id(&same_key),
        both.link()
    );
    assert!(they_accept(twice.as_bytes(), 2, &[&both.theirs, &same_key]));
    assert_eq!(both.world.verify(twice.as_bytes()).map(|claims| claims.len()), Ok(1));
}

#[test]
fn the_crate_accepts_a_product_that_stands_twice_and_we_refuse_it() {
    let both = Both::new();
    let good = String::from_utf8(envelope(&both.link(), &[both.key()])).unwrap();
    let other = Sha256Digest::of(b"x");
    let first = format!(r#""products":{{"{}":{{"sha256":"{other}"}},"#, both.world.artifact());
    let changed = good.replace(r#""products":{"#, &first);
    assert!(both.they_accept(changed.as_bytes()));
    assert_eq!(both.world.verify(changed.as_bytes()).unwrap_err().code(), "duplicate-key");
}

// What the crate refuses and should not: in-toto's reference implementation makes these.

fn only_we_accept(name: &str, from: &str, to: &str) {
    let both = Both::new();
    let link = both.link().replace(from, to);
    assert_ne!(link, both.link(), "{name}");
    let bytes = envelope(&link, &[both.key()]);
    assert!(both.we_accept(&bytes), "{name}: {:?}", both.world.verify(&bytes));
    assert!(!both.they_accept(&bytes), "{name}");
}

#[test]
fn the_crate_refuses_an_unknown_signed_member_and_we_verify_it() {
    let (from, to) = (r#""name":"#, r#""misc":{"a":1},"name":"#);
    only_we_accept("an unknown member", from, to);
}

#[test]
fn the_crate_refuses_a_link_without_environment_and_we_verify_it() {
    only_we_accept("no environment", r#""environment":null,"#, "");
}

#[test]
fn the_crate_refuses_an_md5_beside_the_sha256_and_we_verify_it() {
    let to = r#"{"md5":"d41d8cd98f00b204e9800998ecf8427e","sha256":"#;
    only_we_accept("an MD5", r#"{"sha256":"#, to);
}

#[test]
fn the_crate_refuses_an_environment_of_other_types_and_we_verify_it() {
    only_we_accept("a number", r#""environment":null"#, r#""environment":{"cores":4}"#);
}

/// The text of the envelope escapes what JSON must escape; what is signed does not.
fn stdout(raw_in_canonical: &str, in_json: &str) -> (bool, bool) {
    let both = Both::new();
    let with = |text: &str| {
        both.link().replace(r#""byproducts":{}"#, &format!(r#""byproducts":{{"stdout":"{text}"}}"#))
    };
    let signature = both.key().sign(with(raw_in_canonical).as_bytes());
    let bytes = format!(
        r#"{{"signatures":[{{"keyid":"{}","sig":"{signature}"}}],"signed":{}}}"#,
        both.key().id(),
        with(in_json)
    );
    (both.we_accept(bytes.as_bytes()), both.they_accept(bytes.as_bytes()))
}

#[test]
fn both_keep_a_line_end_raw_in_what_is_signed() {
    assert_eq!(stdout("a\nb", r"a\nb"), (true, true));
}

#[test]
fn the_crate_refuses_a_tab_in_the_output_and_we_verify_it() {
    assert_eq!(stdout("a\tb", r"a\tb"), (true, false));
}

#[test]
fn the_crate_takes_backslash_n_for_a_line_end_and_we_do_not() {
    // The two characters, `\` and `n`: escaped as `\\n` in both texts.
    assert_eq!(stdout(r"a\\nb", r"a\\nb"), (true, false));
    // What the crate would sign for them is what is signed for a backslash and a line end.
    assert_eq!(stdout("a\\\nb", r"a\\nb"), (false, true));
}

#[test]
fn a_later_bad_signature_hides_a_good_one_from_the_crate_and_not_from_us() {
    let both = Both::new();
    let (id, good) = (both.key().id(), both.key().sign(both.link().as_bytes()));
    let bad = "00".repeat(64);
    let bytes = format!(
        r#"{{"signatures":[{{"keyid":"{id}","sig":"{good}"}},{{"keyid":"{id}","sig":"{bad}"}}],"signed":{}}}"#,
        both.link()
    );
    assert!(both.we_accept(bytes.as_bytes()));
    assert!(!both.they_accept(bytes.as_bytes()));
}

#[test]
fn neither_counts_a_signature_by_openpgp() {
    // The crate cannot read such a link at all; we read it and find nobody who signed it.
    let both = Both::new();
    let fingerprint = "0123456789ABCDEF0123456789ABCDEF01234567";
    let bytes = format!(
        r#"{{"signatures":[{{"keyid":"{fingerprint}","other_headers":"0400","signature":"00"}}],"signed":{}}}"#,
        both.link()
    );
    assert!(!both.they_accept(bytes.as_bytes()));
    assert_eq!(
        both.world.verify(bytes.as_bytes()),
        Err(Rejection::UnknownKey { key_ids: vec![fingerprint.to_owned()] })
    );
}

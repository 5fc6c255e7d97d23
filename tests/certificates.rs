//! OpenPGP certificates as keys: what is read as one, whose it is, and how it travels to the process
//! that fetches. What signatures by them are worth stands in `tests/vectors/gpg-*`.
#![allow(
    clippy::as_conversions,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod support;

use std::fs;
use std::path::Path;

use apt_quorum::attest::{KeyRing, KeyRingError, PinnedKey};
use apt_quorum::types::{Certificate, KeyError, KeyFault, KeyKind, PublicKey, Timestamp};
use support::openpgp::{Back, CERTIFY, CREATED, PgpKey, Recipe, SIGN, Says, Sub, armored};
use support::{Key, now, operator};

fn recipe(primary: PgpKey) -> Recipe {
    Recipe::of(primary, SIGN)
}

fn with_subkey(key: PgpKey) -> Recipe {
    let says = Says { flags: Some(SIGN), ..Says::at(CREATED) };
    let sub = Sub { key, bindings: vec![(says, Back::Good)], revoked: false };
    Recipe { subkeys: vec![sub], ..recipe(PgpKey::new(CREATED)) }
}

fn read(recipe: &Recipe) -> PublicKey {
    PublicKey::read(KeyKind::OpenPgp, &recipe.armored()).unwrap()
}

fn pinned(name: &str, key: PublicKey) -> PinnedKey {
    PinnedKey { operator: operator(name), key, not_after: None }
}

#[test]
fn a_certificate_is_called_by_any_of_its_fingerprints() {
    let recipe = with_subkey(PgpKey::new(CREATED));
    let key = read(&recipe);
    assert_eq!(key.key_id().as_str(), recipe.primary.fingerprint());
    let sub = recipe.subkeys[0].key.fingerprint();
    for id in [recipe.primary.fingerprint(), sub.clone(), sub.to_uppercase()] {
        assert!(key.is_called(&id), "{id}");
    }
    assert!(!key.is_called(&sub[..16]) && !key.is_called(""));
}

/// The process that fetches is told the keys as bytes.
#[test]
fn every_key_is_read_back_as_the_same() {
    let keys = [
        Key::new().public(),
        read(&recipe(PgpKey::new(CREATED))),
        read(&with_subkey(PgpKey::new(CREATED))),
    ];
    for key in keys {
        assert_eq!(PublicKey::from_bytes(key.kind(), key.to_bytes()).as_ref(), Ok(&key));
    }
    // Found by fuzzing: the library writes this one otherwise than it reads it.
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/openpgp");
    let bytes = fs::read(corpus.join("not-written-as-it-was-read")).unwrap();
    let odd = Certificate::from_packets(&bytes[1..]).unwrap();
    assert_eq!(Certificate::from_packets(odd.packets()).as_ref(), Ok(&odd));
    assert_eq!(odd.packets(), &bytes[1..]);
}

#[test]
fn one_key_in_two_forms_has_one_owner() {
    let secret = Key::new();
    let inside = |name: &str, wrap: &dyn Fn(PgpKey) -> Recipe| {
        pinned(name, read(&wrap(PgpKey::of(secret.0.clone(), CREATED))))
    };
    let plain = |name: &str| pinned(name, secret.public());
    for wrap in [&recipe as &dyn Fn(PgpKey) -> Recipe, &with_subkey] {
        for (first, second) in [
            (plain("a"), inside("b", wrap)),
            (inside("a", wrap), plain("b")),
            // Two certificates around one key.
            (inside("a", wrap), inside("b", &with_subkey)),
        ] {
            let shared = KeyRingError::SharedKey { first: operator("a"), index: 1 };
            assert_eq!(KeyRing::new(vec![first, second]).unwrap_err(), [shared]);
        }
        let repeated = KeyRingError::RepeatedKey { index: 1 };
        assert_eq!(KeyRing::new(vec![plain("a"), inside("a", wrap)]).unwrap_err(), [repeated]);
    }
    let others = vec![pinned("a", read(&recipe(PgpKey::new(CREATED)))), plain("b")];
    assert!(KeyRing::new(others).is_ok());
}

/// As from a keyserver: many others signed the user id, and its own signature comes last.
#[test]
fn signatures_by_others_hide_none_of_its_own() {
    let mut recipe = recipe(PgpKey::new(CREATED));
    recipe.foreign = 300;
    let PublicKey::OpenPgp(certificate) = read(&recipe) else { panic!("it is a certificate") };
    assert_eq!(certificate.can_sign(now()), Ok(()));
}

#[test]
fn a_certificate_with_too_many_keys_is_refused() {
    let says = Says { flags: Some(SIGN), ..Says::at(CREATED) };
    let with = |count: usize| {
        let sub = |_| Sub {
            key: PgpKey::new(CREATED),
            bindings: vec![(says.clone(), Back::Good)],
            revoked: false,
        };
        Recipe { subkeys: (0..count).map(sub).collect(), ..recipe(PgpKey::new(CREATED)) }
    };
    assert!(Certificate::from_packets(&with(63).packets()).is_ok());
    let refused = Certificate::from_packets(&with(64).packets());
    assert_eq!(refused, Err(KeyError::TooManyKeys { most: 64 }));
}

#[test]
fn what_is_not_exactly_one_certificate_is_refused() {
    let (one, two) = (recipe(PgpKey::new(CREATED)), recipe(PgpKey::new(CREATED)));
    let from_armor = |text: &str| PublicKey::read(KeyKind::OpenPgp, text).unwrap_err();
    assert_eq!(from_armor(""), KeyError::NotArmor);
    assert_eq!(from_armor("-----BEGIN PGP SIGNATURE-----\n"), KeyError::NotArmor);
    let after = format!("{}{}", one.armored(), two.armored());
    assert_eq!(from_armor(&after), KeyError::NotArmor);
    let before = format!("a word before\n{}", one.armored());
    assert_eq!(from_armor(&before), KeyError::NotArmor);
    let together = [one.packets(), two.packets()].concat();
    assert_eq!(from_armor(&armored(&together)), KeyError::NotOpenPgp);
    assert_eq!(from_armor(&armored(b"")), KeyError::NotOpenPgp);
    let cut = &one.packets()[..20];
    assert_eq!(from_armor(&armored(cut)), KeyError::NotOpenPgp);
    let giant = " ".repeat(Certificate::MAX_LENGTH + 1);
    assert_eq!(from_armor(&giant), KeyError::TooLong { most: Certificate::MAX_LENGTH });
    let giant = vec![0; Certificate::MAX_LENGTH + 1];
    let told = Certificate::from_packets(&giant).unwrap_err();
    assert_eq!(told, KeyError::TooLong { most: Certificate::MAX_LENGTH });
}

/// Whether a key of it may sign at this moment.
fn can_sign(recipe: &Recipe, at: u32) -> Result<(), KeyFault> {
    let certificate = Certificate::from_packets(&recipe.packets()).unwrap();
    certificate.can_sign(Timestamp::from_unix(i64::from(at)).unwrap())
}

#[test]
fn a_binding_that_ends_holds_until_then_and_no_longer() {
    let ending = Says { ends: Some(100), flags: Some(SIGN), ..Says::at(CREATED) };
    let recipe = Recipe { own: vec![ending], ..recipe(PgpKey::new(CREATED)) };
    assert_eq!(can_sign(&recipe, CREATED + 99), Ok(()));
    assert_eq!(can_sign(&recipe, CREATED + 100), Err(KeyFault::Unbound));
    assert_eq!(can_sign(&recipe, CREATED - 1), Err(KeyFault::Unbound));
}

#[test]
fn a_signature_on_the_key_itself_counts_if_the_key_made_it_and_it_is_one_of_that_type() {
    const DIRECT: u8 = 0x1f;
    let signs = Says { flags: Some(SIGN), ..Says::at(CREATED + 10) };
    let with = |kind, by| Recipe {
        own: Vec::new(),
        direct: vec![(kind, signs.clone(), by)],
        ..recipe(PgpKey::new(CREATED))
    };
    let at = CREATED + 1000;
    assert_eq!(can_sign(&with(DIRECT, None), at), Ok(()));
    let stranger = || Some(PgpKey::new(CREATED));
    assert_eq!(can_sign(&with(DIRECT, stranger()), at), Err(KeyFault::Unbound));
    // Made by the key, over the same bytes, as something else.
    for kind in [0x00, 0x01, 0x02, 0x50] {
        assert_eq!(can_sign(&with(kind, None), at), Err(KeyFault::Unbound), "{kind}");
    }
    // It takes away what an earlier one gave.
    let not = Says { flags: Some(CERTIFY), ..signs.clone() };
    let mut taken = recipe(PgpKey::new(CREATED));
    taken.direct = vec![(DIRECT, not.clone(), None)];
    assert_eq!(can_sign(&taken, at), Err(KeyFault::NotForSigning));
    taken.direct = vec![(DIRECT, not, stranger())];
    assert_eq!(can_sign(&taken, at), Ok(()));
}

#[test]
fn only_a_certification_binds_by_a_user_id() {
    let signs = Says { flags: Some(SIGN), ..Says::at(CREATED) };
    for kind in [0x00, 0x01, 0x1f, 0x50] {
        let mut recipe = recipe(PgpKey::new(CREATED));
        recipe.own = Vec::new();
        recipe.odd = vec![(kind, signs.clone())];
        assert_eq!(can_sign(&recipe, CREATED + 1000), Err(KeyFault::Unbound), "{kind}");
    }
    for kind in [0x10, 0x11, 0x12, 0x13] {
        let mut recipe = recipe(PgpKey::new(CREATED));
        recipe.own = Vec::new();
        recipe.odd = vec![(kind, signs.clone())];
        assert_eq!(can_sign(&recipe, CREATED + 1000), Ok(()), "{kind}");
    }
}

#[test]
fn what_was_taken_back_in_the_same_second_binds_no_more() {
    for (when, expected) in [
        (CREATED - 1, Ok(())),
        (CREATED, Err(KeyFault::Unbound)),
        (CREATED + 1, Err(KeyFault::Unbound)),
    ] {
        let recipe = Recipe { user_revoked: Some(when), ..recipe(PgpKey::new(CREATED)) };
        assert_eq!(can_sign(&recipe, CREATED + 1000), expected, "{when}");
    }
}

#[test]
fn certificates_of_other_versions_are_refused() {
    let mut parameters = pgp::composed::SecretKeyParamsBuilder::default();
    parameters
        .version(pgp::types::KeyVersion::V6)
        .key_type(pgp::composed::KeyType::Ed25519)
        .can_sign(true)
        .primary_user_id("somebody <somebody@localhost>".to_owned());
    let secret = parameters.build().unwrap().generate(rand_core::OsRng).unwrap();
    let signed = secret.sign(rand_core::OsRng, &pgp::types::Password::empty()).unwrap();
    let packets = pgp::ser::Serialize::to_bytes(&signed.signed_public_key()).unwrap();
    assert_eq!(Certificate::from_packets(&packets), Err(KeyError::OpenPgpVersion));
}

//! OpenPGP certificates as keys: what is read as one, whose it is, and how it travels to the process
//! that fetches. What signatures by them are worth stands in `tests/vectors/gpg-*`.

use std::fs;
use std::path::Path;

use apt_quorum::attest::{KeyRing, KeyRingError, PinnedKey};
use apt_quorum::types::{Certificate, KeyError, KeyFault, KeyKind, PublicKey, Timestamp};
use sha1::{Digest, Sha1};

use crate::support::openpgp::{
    Back, CERTIFY, CREATED, ENCRYPT, PgpKey, Recipe, SHA1, SIGN, Says, Sub, apart, appointing,
    armored, packet,
};
use crate::support::{Key, now, rebuilder};

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
    PinnedKey { rebuilder: rebuilder(name), key, not_after: None }
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
            let shared = KeyRingError::SharedKey { first: rebuilder("a"), earlier: 0, index: 1 };
            assert_eq!(KeyRing::new(vec![first, second]).unwrap_err(), [shared]);
        }
        let repeated = KeyRingError::RepeatedKey { earlier: 0, index: 1 };
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

/// A certificate with two subkeys that sign, behind a primary key that does not.
fn with_two_subkeys() -> Recipe {
    let sub = || Sub {
        key: PgpKey::new(CREATED),
        bindings: vec![(Says { flags: Some(SIGN), ..Says::at(CREATED) }, Back::Good)],
        revoked: false,
    };
    Recipe { subkeys: vec![sub(), sub()], ..Recipe::of(PgpKey::new(CREATED), CERTIFY) }
}

/// What becomes of a certificate with this packet put behind each of its packets.
fn at_every_place(recipe: &Recipe, packet: &[u8]) -> Vec<Result<(), KeyFault>> {
    let packets = apart(&recipe.packets());
    let put = |at: usize| {
        let mut all = packets.clone();
        all.insert(at, packet.to_vec());
        let certificate = Certificate::from_packets(&all.concat()).unwrap();
        certificate.can_sign(Timestamp::from_unix(i64::from(CREATED) + 1000).unwrap())
    };
    // Before the key it is no certificate.
    let mut before = packets.clone();
    before.insert(0, packet.to_vec());
    assert_eq!(Certificate::from_packets(&before.concat()), Err(KeyError::NotOpenPgp));
    (1..=packets.len()).map(put).collect()
}

fn all(found: &[Result<(), KeyFault>], expected: &Result<(), KeyFault>) {
    assert!(found.len() > 2 && found.iter().all(|it| it == expected), "{found:?}");
}

/// GnuPG and Sequoia show it as revoked wherever the revocation was put into the file.
#[test]
fn a_revocation_of_the_key_counts_wherever_it_stands() {
    let recipe = with_two_subkeys();
    let (primary, framed) = (&recipe.primary, recipe.primary.framed());
    all(&at_every_place(&recipe, &packet(13, b"nothing but a name")), &Ok(()));
    let revoked = Err(KeyFault::Revoked);
    let issuer = [&[9, 16][..], &[0; 8]].concat();
    for says in [
        Says::at(CREATED + 60),
        // Whenever it says that it was made, and for however long.
        Says { created: None, ..Says::at(0) },
        Says::at(CREATED - 1),
        Says::at(CREATED + 1_000_000),
        Says { ends: Some(1), ..Says::at(CREATED) },
        Says { critical: true, ..Says::at(CREATED) },
        // A critical subpacket of a type that nobody knows; one that would be written otherwise
        // ("revocable" is 2); somebody else's name as the issuer.
        Says { more: vec![2, 0x80 | 99, 1], ..Says::at(CREATED) },
        Says { more: vec![2, 7, 2], ..Says::at(CREATED) },
        Says { more: issuer.clone(), ..Says::at(CREATED) },
    ] {
        all(&at_every_place(&recipe, &primary.signature_packet(0x20, &says, &framed)), &revoked);
    }
    // The first two bytes of the hash are only a hint.
    let mut body = primary.signature_body(0x20, &Says::at(CREATED), &framed, &[]);
    let hint = 6 + usize::from(body[5]) + 2;
    body[hint] ^= 1;
    all(&at_every_place(&recipe, &packet(2, &body)), &revoked);
    // An issuer that is not hashed proves nothing, either.
    let body = primary.signature_body(0x20, &Says::at(CREATED), &framed, &issuer);
    all(&at_every_place(&recipe, &packet(2, &body)), &revoked);
    // Somebody else's revokes nothing.
    let stranger = PgpKey::new(CREATED);
    let foreign = stranger.signature_packet(0x20, &Says::at(CREATED), &framed);
    all(&at_every_place(&recipe, &foreign), &Ok(()));
    let own = stranger.signature_packet(0x20, &Says::at(CREATED), &stranger.framed());
    all(&at_every_place(&recipe, &own), &Ok(()));
}

#[test]
fn a_revocation_of_a_subkey_counts_wherever_it_stands_and_for_that_one() {
    let recipe = with_two_subkeys();
    let framed = recipe.primary.framed();
    let revocation = |at: usize| {
        let both = [&framed[..], &recipe.subkeys[at].key.framed()].concat();
        recipe.primary.signature_packet(0x28, &Says::at(CREATED + 60), &both)
    };
    for at in [0, 1] {
        // The other one signs.
        all(&at_every_place(&recipe, &revocation(at)), &Ok(()));
        let mut packets = apart(&recipe.packets());
        packets.insert(1, revocation(at));
        let once = packets.concat();
        let certificate = Certificate::from_packets(&once).unwrap();
        let secret = pinned("alpha", PublicKey::OpenPgp(certificate));
        assert!(KeyRing::new(vec![secret]).is_ok());
        for place in 1..=packets.len() {
            let mut both = packets.clone();
            both.insert(place, revocation(1 - at));
            let certificate = Certificate::from_packets(&both.concat()).unwrap();
            let now = Timestamp::from_unix(i64::from(CREATED) + 1000).unwrap();
            assert_eq!(certificate.can_sign(now), Err(KeyFault::Revoked), "{at} {place}");
        }
    }
}

#[test]
fn what_was_taken_back_binds_no_more_wherever_that_stands() {
    let unbound = Err(KeyFault::Unbound);
    let by_user = recipe(PgpKey::new(CREATED));
    let primary = &by_user.primary;
    let revoke = |says: &Says| primary.signature_packet(0x30, says, &by_user.with_user());
    all(&at_every_place(&by_user, &revoke(&Says::at(CREATED + 60))), &unbound);
    // One without a date is older than nothing.
    all(&at_every_place(&by_user, &revoke(&Says { created: None, ..Says::at(0) })), &unbound);
    all(&at_every_place(&by_user, &revoke(&Says::at(CREATED - 60))), &Ok(()));
    // Over the key alone it takes back what was signed about the key alone.
    let says = Says { flags: Some(SIGN), ..Says::at(CREATED) };
    let direct = Recipe {
        own: Vec::new(),
        direct: vec![(0x1f, says, None)],
        ..recipe(PgpKey::new(CREATED))
    };
    let revoke =
        |when| direct.primary.signature_packet(0x30, &Says::at(when), &direct.primary.framed());
    all(&at_every_place(&direct, &revoke(CREATED + 60)), &unbound);
    all(&at_every_place(&direct, &revoke(CREATED - 60)), &Ok(()));
}

/// What its owner signed later counts wherever it stands, so that it cannot be moved away.
#[test]
fn a_later_binding_counts_wherever_it_stands() {
    let recipe = with_two_subkeys();
    let (primary, framed) = (&recipe.primary, recipe.primary.framed());
    let expired = Timestamp::from_unix(i64::from(CREATED) + 500).unwrap();
    let says = Says { key_expires: Some(500), flags: Some(CERTIFY), ..Says::at(CREATED + 10) };
    let expired = Err(KeyFault::Expired(expired));
    all(&at_every_place(&recipe, &primary.signature_packet(0x1f, &says, &framed)), &expired);
    let user = recipe.with_user();
    all(&at_every_place(&recipe, &primary.signature_packet(0x13, &says, &user)), &expired);
    let mut one = with_two_subkeys();
    one.subkeys.pop();
    let both = [&one.primary.framed()[..], &one.subkeys[0].key.framed()].concat();
    let says = Says { flags: Some(ENCRYPT), ..Says::at(CREATED + 10) };
    let found = at_every_place(&one, &one.primary.signature_packet(0x18, &says, &both));
    all(&found, &Err(KeyFault::NotForSigning));
}

/// A key that the owner appointed to revoke is not here, so whether it did cannot be found out.
#[test]
fn with_a_revocation_that_may_be_an_appointed_key_s_nothing_signs() {
    let revoker = PgpKey::new(CREATED);
    let appoints = Says { more: appointing(&revoker), ..Says::at(CREATED + 1) };
    let mut recipe = with_two_subkeys();
    let both = [&recipe.primary.framed()[..], &recipe.subkeys[0].key.framed()].concat();
    let revocation =
        revoker.signature_packet(0x20, &Says::at(CREATED + 60), &recipe.primary.framed());
    let of_subkey = revoker.signature_packet(0x28, &Says::at(CREATED + 60), &both);
    // Nobody was appointed.
    all(&at_every_place(&recipe, &revocation), &Ok(()));
    recipe.direct = vec![(0x1f, appoints.clone(), None)];
    all(&at_every_place(&recipe, &packet(13, b"no revocation")), &Ok(()));
    let perhaps = Err(KeyFault::PerhapsRevoked);
    all(&at_every_place(&recipe, &revocation), &perhaps);
    all(&at_every_place(&recipe, &of_subkey), &perhaps);
    // Nobody is appointed by a stranger.
    recipe.direct = vec![(0x1f, appoints, Some(PgpKey::new(CREATED)))];
    all(&at_every_place(&recipe, &revocation), &Ok(()));
}

/// A revocation in the key's own name that does not verify may have been damaged on its way.
#[test]
fn with_a_damaged_revocation_in_its_own_name_nothing_signs() {
    let recipe = with_two_subkeys();
    let (primary, framed) = (&recipe.primary, recipe.primary.framed());
    let issuer = [&[22, 33, 4][..], &Sha1::digest(&framed)].concat();
    for kind in [0x20, 0x28, 0x30] {
        for says in [
            Says { more: issuer.clone(), ..Says::at(CREATED) },
            // The library verifies no EdDSA over SHA-1.
            Says { hash: SHA1, ..Says::at(CREATED) },
        ] {
            let damaged = primary.signature_packet(kind, &says, b"something else");
            all(&at_every_place(&recipe, &damaged), &Err(KeyFault::PerhapsRevoked));
        }
    }
    let weak = Says { hash: SHA1, ..Says::at(CREATED) };
    let weak = primary.signature_packet(0x20, &weak, &framed);
    all(&at_every_place(&recipe, &weak), &Err(KeyFault::PerhapsRevoked));
}

/// Of the form of before 1998, which GnuPG takes as well. It is not verified here.
#[test]
fn with_an_old_revocation_in_its_own_name_nothing_signs() {
    let recipe = with_two_subkeys();
    let (primary, framed) = (&recipe.primary, recipe.primary.framed());
    let revocation = primary.old_packet(0x20, CREATED + 60, &framed);
    all(&at_every_place(&recipe, &revocation), &Err(KeyFault::PerhapsRevoked));
    let stranger = PgpKey::new(CREATED);
    let foreign = stranger.old_packet(0x20, CREATED + 60, &framed);
    all(&at_every_place(&recipe, &foreign), &Ok(()));
    // Nothing else of that form says anything.
    all(&at_every_place(&recipe, &primary.old_packet(0x1f, CREATED + 60, &framed)), &Ok(()));
}

/// An earlier binding is what the later one was made to replace.
#[test]
fn a_later_binding_that_is_not_understood_ends_the_earlier_one() {
    // Of a type that nobody knows, of one for experiments; one that means less to the library than
    // what stands there ("primary user id" is 2, and something behind it that is not critical).
    for more in [vec![2, 0x80 | 99, 1], vec![2, 0x80 | 101, 1], vec![2, 25, 2], vec![3, 25, 1, 9]] {
        let later = Says { more, ..Says::at(CREATED + 10) };
        let mut recipe = recipe(PgpKey::new(CREATED));
        recipe.own.push(later);
        assert_eq!(can_sign(&recipe, CREATED + 1000), Err(KeyFault::NotUnderstood));
        assert_eq!(can_sign(&recipe, CREATED + 5), Ok(()), "not yet");
    }
    let later = Says { critical: true, flags: Some(SIGN), ..Says::at(CREATED + 10) };
    let mut recipe = with_subkey(PgpKey::new(CREATED));
    recipe.own = vec![Says { flags: Some(CERTIFY), ..Says::at(CREATED) }];
    recipe.subkeys[0].bindings.push((later, Back::Missing));
    assert_eq!(can_sign(&recipe, CREATED + 1000), Err(KeyFault::NotUnderstood));
}

/// What is said twice counts as it gives less.
#[test]
fn of_two_subpackets_the_narrower_one_counts() {
    let with = |more: Vec<u8>| {
        let own = vec![Says { more, key_expires: Some(500), ..Says::at(CREATED) }];
        Recipe { own, ..recipe(PgpKey::new(CREATED)) }
    };
    let flags = |first, second| with(vec![2, 27, first, 2, 27, second]);
    assert_eq!(can_sign(&flags(SIGN, SIGN), CREATED + 100), Ok(()));
    for (first, second) in [(SIGN, CERTIFY), (CERTIFY, SIGN)] {
        let found = can_sign(&flags(first, second), CREATED + 100);
        assert_eq!(found, Err(KeyFault::NotForSigning));
    }
    // The one that stands first, and the one behind it.
    for more in [200_u32, 900] {
        let expires = with([&[5, 9][..], &more.to_be_bytes()].concat());
        let then = CREATED + more.min(500);
        assert_eq!(can_sign(&expires, then - 1), Ok(()), "{more}");
        assert!(matches!(can_sign(&expires, then), Err(KeyFault::Expired(_))), "{more}");
    }
}

#[test]
fn a_packet_that_has_no_place_in_a_certificate_is_not_passed_over() {
    let recipe = with_two_subkeys();
    let packets = apart(&recipe.packets());
    let stranger = PgpKey::new(CREATED);
    let odd = |kind| KeyError::OddPacket { kind };
    let of_version_5 = [&[5, 0x20, 22, 8][..], &[0; 80]].concat();
    let signature = recipe.primary.signature_body(0x20, &Says::at(CREATED), b"", &[]);
    // The length of the number in bits, of which the first one is none.
    let sub = stranger.framed()[3..].to_vec();
    let mut written_otherwise = sub.clone();
    let length = written_otherwise.len() - 34;
    written_otherwise[length] += 1;
    for (body, error) in [
        // Marker, trust, literal data, padding, a type that is critical, one that is not, one for
        // experiments, a signature of an unknown version.
        (packet(10, b"PGP"), odd(10)),
        (packet(12, &[0, 0]), odd(12)),
        (packet(11, b"b\0\0\0\0\0x"), odd(11)),
        (packet(21, &[0; 9]), odd(21)),
        (packet(30, b"x"), odd(30)),
        (packet(55, b"x"), odd(55)),
        (packet(62, b"x"), odd(62)),
        (packet(2, &of_version_5), odd(2)),
        // Another certificate, a secret key, a key of version 6, damaged and truncated ones.
        (apart(&Recipe::of(stranger.clone(), SIGN).packets())[0].clone(), KeyError::NotOpenPgp),
        (packet(5, b"x"), odd(5)),
        (packet(14, &[6; 50]), KeyError::OpenPgpVersion),
        (packet(14, &[4, 0, 0, 0, 0, 22]), KeyError::NotOpenPgp),
        (packet(2, &[4, 0x20]), KeyError::NotOpenPgp),
        (packet(2, &[&signature[..], b"x"].concat()), KeyError::NotOpenPgp),
        (packet(14, &[&sub[..], b"x"].concat()), KeyError::NotOpenPgp),
        (packet(14, &written_otherwise), KeyError::NotOpenPgp),
        // Of a length that is not known, and of parts; no packet.
        (vec![0x8b, 4], KeyError::NotOpenPgp),
        (vec![0xc2, 0xe1, 4, 0x20], KeyError::NotOpenPgp),
        (b"\n".to_vec(), KeyError::NotOpenPgp),
    ] {
        for at in 1..=packets.len() {
            let mut all = packets.clone();
            all.insert(at, body.clone());
            let found = Certificate::from_packets(&all.concat());
            assert_eq!(found, Err(error.clone()), "{at} {body:?}");
        }
    }
    // The end of a packet is missing.
    for cut in [1, 10, packets.last().unwrap().len() - 1] {
        let whole = packets.concat();
        let found = Certificate::from_packets(&whole[..whole.len() - cut]);
        assert_eq!(found, Err(KeyError::NotOpenPgp), "{cut}");
    }
    let text = armored(&recipe.packets());
    let revocation =
        recipe.primary.signature_packet(0x20, &Says::at(CREATED), &recipe.primary.framed());
    let from_armor = |text: &str| PublicKey::read(KeyKind::OpenPgp, text).map(drop);
    assert_eq!(from_armor(&text), Ok(()));
    let second = armored(&revocation);
    let bare = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &revocation);
    for behind in
        [second.clone(), second.replace("-----BEGIN", "----- BEGIN"), bare, "x".to_owned()]
    {
        assert_eq!(from_armor(&format!("{text}{behind}")), Err(KeyError::NotArmor), "{behind}");
        assert_eq!(from_armor(&format!("{behind}\n{text}")), Err(KeyError::NotArmor), "{behind}");
    }
    // More base64 behind where it ends: the padding of the first makes a reader stop.
    for fill in 0..3 {
        let user = packet(13, &b"abc"[..fill]);
        let first = armored(&[recipe.packets(), user].concat());
        let more = armored(&revocation).lines().nth(2).unwrap().to_owned();
        let end = "\n-----END";
        let joined = first.replace(end, &format!("\n{more}{end}"));
        let joined = PublicKey::read(KeyKind::OpenPgp, &joined);
        assert!(joined.is_err(), "{fill}");
    }
}

#[test]
fn a_certificate_that_would_take_too_many_checks_is_refused() {
    let recipe = with_two_subkeys();
    let stray = recipe.primary.signature_packet(0x28, &Says::at(CREATED), b"nothing here");
    let with = |count: usize| {
        Certificate::from_packets(&[recipe.packets(), stray.repeat(count)].concat()).map(drop)
    };
    assert!(with(2000).is_ok());
    assert_eq!(with(4200), Err(KeyError::TooManySignatures));
}

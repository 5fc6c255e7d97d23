//! OpenPGP: certificates, and signatures that were taken out of their packets.
//!
//! The first byte of an input says which: a certificate by the fuzzer, the good certificate with
//! bytes changed, or a signature by the fuzzer in the good certificate's name.
#![no_main]

use std::sync::LazyLock;

use apt_quorum::attest::{KeyRing, PinnedKey, WantedFile, verify};
use apt_quorum::types::{Certificate, PublicKey, Sha256Digest, Timestamp};
use apt_quorum_fuzz::support::openpgp::{Back, CERTIFY, CREATED, PgpKey, Recipe, SIGN, Says, Sub};
use apt_quorum_fuzz::support::{hex, identity, link_text, now, rebuilder};
use apt_quorum_fuzz::{fixed_key, parts};
use libfuzzer_sys::fuzz_target;

struct World {
    packets: Vec<u8>,
    ring: KeyRing,
    link: String,
    headers: Vec<u8>,
    signature: Vec<u8>,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let key = |number| PgpKey::of(fixed_key(number).0, CREATED);
    let says = |flags| Says { flags: Some(flags), ..Says::at(CREATED) };
    let recipe = Recipe {
        subkeys: vec![Sub {
            key: key(2),
            bindings: vec![(says(SIGN), Back::Good)],
            revoked: false,
        }],
        ..Recipe::of(key(1), CERTIFY)
    };
    let packets = recipe.packets();
    let certificate = Certificate::from_packets(&packets).expect("it is good");
    let pinned = PinnedKey {
        rebuilder: rebuilder("alpha"),
        key: PublicKey::OpenPgp(certificate),
        not_after: None,
    };
    let sha256 = Sha256Digest::of(b"hello");
    let artifact = identity("hello 2.10-3 amd64").artifact_name();
    let link = link_text(artifact.as_str(), sha256);
    let (headers, signature) = key(2).sign(0, &Says::at(CREATED + 60), link.as_bytes());
    World { packets, ring: KeyRing::new(vec![pinned]).unwrap(), link, headers, signature }
});

fn certificate(packets: &[u8]) {
    let Ok(read) = Certificate::from_packets(packets) else { return };
    assert_eq!(read.fingerprint().len(), 40);
    assert!(read.fingerprint().bytes().all(|digit| digit.is_ascii_hexdigit()));
    // What was understood is understood again, as the same: two processes exchange it.
    let again = Certificate::from_packets(read.packets()).expect("it was read");
    assert_eq!(again, read);
    assert!(again.fingerprints().eq(read.fingerprints()));
    // Nothing behind it is passed over.
    assert!(Certificate::from_packets(&[packets, b"\xb0\x02\0\0"].concat()).is_err());
}

fuzz_target!(|data: &[u8]| {
    let world = &*WORLD;
    let Some((&how, rest)) = data.split_first() else { return };
    match how % 4 {
        0 => certificate(rest),
        1 => {
            // Pairs of a place and a byte.
            let mut packets = world.packets.clone();
            for change in rest.chunks_exact(3) {
                let at = usize::from(change[0]) << 8 | usize::from(change[1]);
                let at = at % packets.len();
                packets[at] = change[2];
            }
            certificate(&packets);
        }
        _ => {
            let mut parts = parts(rest);
            let mut headers = parts.next().unwrap_or_default().to_vec();
            let mut signature = parts.next().unwrap_or_default().to_vec();
            if how & 4 != 0 {
                headers.clone_from(&world.headers);
            }
            if how & 8 != 0 {
                signature.clone_from(&world.signature);
            }
            let (shown, signed) = (hex(&headers), hex(&signature));
            let link = &world.link;
            let bytes = format!(
                r#"{{"signatures":[{{"keyid":"","other_headers":"{shown}","signature":"{signed}"}}],"signed":{link}}}"#
            );
            let identity = identity("hello 2.10-3 amd64");
            let artifact = identity.artifact_name();
            let wanted =
                WantedFile { artifact: &artifact, sha256: Some(Sha256Digest::of(b"hello")) };
            let good = headers == world.headers && signature == world.signature;
            let now: Timestamp = now();
            let verdict = verify(bytes.as_bytes(), &world.ring, wanted, now);
            assert_eq!(verdict.is_ok(), good, "{verdict:?}");
        }
    }
});

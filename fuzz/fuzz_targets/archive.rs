//! Archives that were built anew: Release files in their frames and as they were signed, indexes, and
//! lists of what was taken over. Whatever the bytes are, an archive claims only what stands in
//! them, and what it took over it does not claim.
#![no_main]

use apt_quorum::attest::KeyRing;
use apt_quorum::attest::repository::{Index, ListedFile, Release, Repository, TakenOver, Terms};
use apt_quorum::fuzzing::release_as_if_signed;
use apt_quorum::types::{Identity, Sha256Digest, Timestamp};
use libfuzzer_sys::fuzz_target;

fn terms() -> Terms {
    Terms {
        rebuilder: "alpha".parse().unwrap(),
        suite: "trixie".to_owned(),
        components: vec!["main".to_owned()],
        taken_over: "main/taken-over".to_owned(),
    }
}

fn now() -> Timestamp {
    Timestamp::from_unix(1_780_000_000).unwrap()
}

fn listed(path: &str, bytes: &[u8]) -> ListedFile {
    ListedFile { path: path.to_owned(), sha256: Sha256Digest::of(bytes), size: bytes.len() }
}

fuzz_target!(|data: &[u8]| {
    let keys = KeyRing::default();
    // The index is the last part, whatever bytes are in it.
    let mut parts = data.splitn(3, |&byte| byte == 0xff);
    let mut part = || parts.next().unwrap_or_default();
    let (first, third, second) = (part(), part(), part());

    // Nobody's key is pinned, so nothing is signed, inside or beside.
    assert!(Release::read(data, None, &keys, &terms(), now()).is_err());
    assert!(Release::read(first, Some(second), &keys, &terms(), now()).is_err());

    let Ok(release) = release_as_if_signed(first, &terms(), now()) else { return };
    for path in terms().indexes(&"amd64".parse().unwrap()).chain(["main/taken-over".to_owned()]) {
        if let Some(found) = release.file(&path) {
            assert!(found.path.starts_with(&path) && release.digests().contains(&found.sha256));
            let digest = found.sha256.to_string();
            let lower = first.to_ascii_lowercase();
            assert!(lower.windows(64).any(|it| it == digest.as_bytes()), "{digest} stands nowhere");
        }
    }
    let suffix = ["", ".gz", ".xz", ".zst"][data.len() % 4];
    let at = listed(&format!("main/binary-amd64/Packages{suffix}"), second);
    let Ok(index) = Index::read(second, &at) else { return };
    let Ok(taken_over) = TakenOver::read(third, &listed("main/taken-over", third)) else { return };
    let mut archive = Repository::new(release, taken_over);
    assert!(archive.check_room(&index).is_ok(), "one index is never too much");
    archive.add(index);
    let identity = Identity {
        package: "hello".parse().unwrap(),
        version: "1".parse().unwrap(),
        architecture: "amd64".parse().unwrap(),
    };
    // No key, no claim.
    if let Ok(claims) = archive.claims(&identity, &keys, now()) {
        assert!(claims.is_empty());
        let name = identity.artifact_name();
        let taken = third.split(|&byte| byte == b'\n').any(|line| {
            line.strip_suffix(name.as_str().as_bytes()).is_some_and(|rest| rest.ends_with(b" "))
        });
        assert!(!taken || third.contains(&b'#'), "{name} was taken over");
    }
});

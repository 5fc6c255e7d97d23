//! Bundles. The first byte of an input says how many layers are made here: none, the gzip file
//! around a stream of deflate, or all around a tar archive. What we find in a bundle, a reader by
//! the book finds there, and it is the same whenever it is looked up.
#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};

use apt_quorum::evidence::MAX_ATTESTATIONS;
use apt_quorum::evidence::bundle::Bundle;
use apt_quorum::types::ArtifactName;
use apt_quorum_fuzz::naive;
use apt_quorum_fuzz::wrap::{gz, mended};
use libfuzzer_sys::fuzz_target;

/// An archive in a stream that was flushed again and again.
fn packed(tar: &[u8]) -> Vec<u8> {
    let mut stream = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    for part in tar.chunks(1024) {
        stream.write_all(part).unwrap();
        stream.flush().unwrap();
    }
    gz(&stream.finish().unwrap())
}

/// Whether a file called like this behind an artifact is an attestation about it: an empty name
/// belongs to nothing, nor do lists and what is hidden.
fn is_shown(name: &str) -> bool {
    !name.is_empty() && !name.contains('/') && !name.starts_with('.') && name != "SHA256SUMS"
}

fuzz_target!(|data: &[u8]| {
    let Some((kind, rest)) = data.split_first() else { return };
    let bytes = match kind {
        b'z' => rest.to_vec(),
        b'd' => gz(rest),
        _ => packed(&[mended(rest), vec![0; 1024]].concat()),
    };
    let Ok(bundle) = Bundle::of_bytes(bytes.clone()) else { return };

    let mut stream = flate2::bufread::GzDecoder::new(bytes.as_slice());
    let mut tar = Vec::new();
    stream.read_to_end(&mut tar).expect("a whole stream");
    assert!(stream.into_inner().is_empty(), "something follows");
    // An archive may end without saying so.
    tar.extend([0; 1024]);
    let files = naive::tar(&tar).expect("an archive");

    let mut by_path: BTreeMap<String, &[u8]> = BTreeMap::new();
    for (path, content) in &files {
        let parts: Vec<&str> = path.split('/').filter(|part| *part != ".").collect();
        assert!(!path.starts_with('/') && !parts.contains(&".."), "{path}");
        assert!(by_path.insert(parts.join("/"), content).is_none(), "{path} twice");
    }
    let mut found: Vec<(ArtifactName, Vec<u8>)> = Vec::new();
    bundle.each(|artifact, bytes| found.push((artifact, bytes))).expect("it was read before");
    assert_eq!(found.len(), bundle.count());
    // Each is a file of the archive that is filed under this name.
    let mut left = by_path;
    for (artifact, bytes) in &found {
        let filed = |path: &str| {
            let rest = path.strip_prefix(artifact.as_str());
            rest.and_then(|it| it.strip_prefix(['/', '.'])).is_some_and(is_shown)
        };
        let path = left.iter().find(|(path, content)| filed(path) && *content == bytes);
        let path = path.expect("a file of the archive").0.clone();
        left.remove(&path);
    }
    let artifacts: BTreeSet<&ArtifactName> = found.iter().map(|(artifact, _)| artifact).collect();
    for artifact in artifacts {
        let all = found.iter().filter(|(its, _)| its == artifact).map(|(_, bytes)| bytes.clone());
        let expected: Vec<Vec<u8>> = all.take(MAX_ATTESTATIONS).collect();
        assert_eq!(bundle.about(artifact).expect("it is in memory"), expected);
    }
    // And what is left is not called like an attestation.
    for path in left.keys() {
        let plain = path.split_once('/').filter(|(_, name)| is_shown(name));
        assert!(
            plain.is_none_or(|(artifact, _)| artifact.parse::<ArtifactName>().is_err()),
            "{path}"
        );
    }
});

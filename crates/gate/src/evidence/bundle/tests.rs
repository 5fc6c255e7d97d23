//! Bundles from the inside: the points at which reading can begin.

use std::io::Write;

use flate2::{Crc, FlushCompress};

use super::*;

/// Packages with one attestation each, of which every second is like the one before.
fn all() -> Vec<(ArtifactName, Vec<u8>)> {
    let name = |n: usize| format!("package{n:04}_1.0_all.deb").parse().unwrap();
    let text = |n: usize| {
        let random: String = (0..40)
            .map(|at| Sha256Digest::of(format!("{} {at}", n / 2).as_bytes()).to_string())
            .collect();
        format!("{n} {random}").into_bytes()
    };
    (0..400).map(|n| (name(n), text(n))).collect()
}

/// The archive of a bundle, uncompressed.
fn archive() -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (artifact, attestation) in all() {
        let mut header = tar::Header::new_ustar();
        header.set_size(attestation.len().try_into().unwrap());
        header.set_mode(0o644);
        tar.append_data(&mut header, format!("{artifact}/x"), attestation.as_slice()).unwrap();
    }
    tar.into_inner().unwrap()
}

/// A bundle whose stream is flushed like this, once in a while.
fn packed(flush: FlushCompress) -> Vec<u8> {
    let tar = archive();
    let mut stream = flate2::Compress::new(flate2::Compression::best(), false);
    let mut bytes = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    let mut crc = Crc::new();
    crc.update(&tar);
    for (part, last) in tar.chunks(65_000).map(|part| (part, part.len() < 65_000)) {
        let how = if last { FlushCompress::Finish } else { flush };
        bytes.reserve(2 * part.len());
        let before = stream.total_in();
        stream.compress_vec(part, &mut bytes, how).unwrap();
        assert_eq!(stream.total_in() - before, u64::try_from(part.len()).unwrap());
    }
    bytes.write_all(&crc.sum().to_le_bytes()).unwrap();
    bytes.write_all(&crc.amount().to_le_bytes()).unwrap();
    bytes
}

fn assert_whole(bundle: &Bundle) {
    let mut seen = Vec::new();
    bundle.each(|artifact, bytes| seen.push((artifact, bytes))).unwrap();
    assert!(seen == all());
    for (artifact, attestation) in all() {
        assert!(bundle.about(&artifact).unwrap() == [attestation], "{artifact}");
    }
    assert_eq!(bundle.about(&"other_1.0_all.deb".parse().unwrap()), Ok(Vec::new()));
}

#[test]
fn what_was_packed_is_found_from_several_places() {
    let bundle = Bundle::of_bytes(packed(FlushCompress::Full)).unwrap();
    assert!(bundle.points.len() > 5, "{:?}", bundle.points);
    assert_whole(&bundle);
}

#[test]
fn a_place_at_which_reading_cannot_begin_is_found_out() {
    // What is written for such a flush looks the same, but what follows refers back.
    let bundle = Bundle::of_bytes(packed(FlushCompress::Sync)).unwrap();
    assert!(bundle.points.len() > 5, "{:?}", bundle.points);
    assert_whole(&bundle);
    let bundle = Bundle::of_bytes(packed(FlushCompress::None)).unwrap();
    assert_eq!(bundle.points.len(), 1);
    assert_whole(&bundle);
}

#[test]
fn a_header_with_a_checksum_must_agree_with_it() {
    let plain = packed(FlushCompress::Full);
    let mut header = plain[..10].to_vec();
    header[3] = 2;
    let mut crc = Crc::new();
    crc.update(&header);
    let sum = u16::try_from(crc.sum() & 0xffff).unwrap();
    let with = |sum: u16| [&header[..], &sum.to_le_bytes(), &plain[10..]].concat();
    assert_whole(&Bundle::of_bytes(with(sum)).unwrap());
    assert!(Bundle::of_bytes(with(sum ^ 1)).is_err());
    for short in 0..12 {
        assert!(Bundle::of_bytes(with(sum)[..short].to_vec()).is_err(), "{short}");
    }
}

#[test]
fn a_bundle_that_changes_while_it_is_in_use_gives_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.tar.gz");
    let mut bytes = packed(FlushCompress::Full);
    std::fs::write(&path, &bytes).unwrap();
    let bundle = Bundle::open(&path).unwrap();
    assert_whole(&bundle);
    let middle = bytes.len() / 2;
    bytes[middle..].fill(b'x');
    std::fs::write(&path, &bytes).unwrap();
    let all = all();
    assert!(bundle.about(&all[0].0).unwrap() == [all[0].1.clone()]);
    assert!(matches!(bundle.about(&all[399].0), Err(BundleError::Read(_))));
    assert!(bundle.each(|_, _| {}).is_err());
}

#[test]
fn paths_are_split_where_the_artifact_ends() {
    let split = |path| file_name(path).map(|(artifact, name)| (artifact.to_string(), name));
    let some = |artifact: &str, name| Some((artifact.to_owned(), name));
    assert_eq!(split("aa_1_all.deb/x"), some("aa_1_all.deb", "x"));
    assert_eq!(split("aa_1_all.deb.x"), some("aa_1_all.deb", "x"));
    assert_eq!(split("aa_1.deb.2_all.deb.x.deb.y"), some("aa_1.deb.2_all.deb", "x.deb.y"));
    assert_eq!(split("aa_1_all.deb.x_y_z"), some("aa_1_all.deb", "x_y_z"));
    for other in [
        "",
        "x",
        "aa_1_all.deb",
        "aa_1_all.deb/",
        "aa_1_all.deb.",
        "aa_1_all.deb/.x",
        "aa_1_all.deb/x/y",
        "aa_1_all.debx",
        "aa_1_all.deb.x/y",
        "aa_1_all.deb/SHA256SUMS",
        "aa_1/x",
    ] {
        assert_eq!(split(other), None, "{other}");
    }
}

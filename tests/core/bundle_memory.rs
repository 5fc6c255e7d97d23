//! Memory and time that a large bundle takes whoever asks it.

use std::io::BufWriter;

use apt_quorum::evidence::bundle::{Bundle, Packer};
use apt_quorum::types::ArtifactName;

use crate::common::{alone, memory_of};

/// Attestations in the bundle.
const COUNT: usize = 100_000;

/// What the index of them may take with all that stands around it, in KiB. Together they are four
/// times as much.
const MOST: u64 = 20 * 1024;

fn artifact(n: usize) -> ArtifactName {
    format!("package{}_2.0-1+b1_amd64.deb", (n * 7919) % COUNT).parse().unwrap()
}

/// As large as one of rebuilderd's, and as hard to compress.
fn attestation(n: usize) -> Vec<u8> {
    let mut text = String::new();
    let mut state = n as u64 + 1;
    while text.len() < 600 {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text += &format!("{:016x}", state ^ (state >> 29));
    }
    format!("{{\"signatures\":[],\"signed\":{{\"command\":[],\"environment\":null,\"materials\":{{}}}},\"x\":\"{text}\"}}")
        .into_bytes()
}

#[test]
fn a_hundred_thousand_attestations_take_little_memory_and_are_found() {
    alone(
        "bundle_memory::a_hundred_thousand_attestations_take_little_memory_and_are_found",
        find_them,
    );
}

fn find_them() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.tar.gz");
    let mut packer = Packer::new(BufWriter::new(std::fs::File::create(&path).unwrap())).unwrap();
    for n in 0..COUNT {
        packer.add(&artifact(n), &[attestation(n)]).unwrap();
    }
    drop(packer.finish().unwrap().into_inner().unwrap());
    assert!(memory_of(|| vec![1_u8; 64 << 20].len()).1 > 60 << 10, "it is measured");
    let began = std::time::Instant::now();
    let (bundle, index) = memory_of(|| Bundle::open(&path).unwrap());
    let opened = began.elapsed();
    assert_eq!(bundle.count(), COUNT);
    let began = std::time::Instant::now();
    let ((), lookups) = memory_of(|| {
        for n in (0..COUNT).step_by(997) {
            assert_eq!(bundle.about(&artifact(n)).unwrap(), [attestation(n)]);
        }
    });
    let looked = began.elapsed();
    println!(
        "{} bytes, index {index} KiB in {opened:?}, lookups {lookups} KiB in {looked:?}",
        path.metadata().unwrap().len()
    );
    assert!(index < MOST && lookups < MOST, "{index} and {lookups} KiB");
    // From the beginning each time, it would be a hundred times what opening takes.
    assert!(looked < 10 * opened, "{looked:?} after {opened:?}");
}

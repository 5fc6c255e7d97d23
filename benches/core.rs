//! How fast the pure core is by itself: what each attestation, each file and each message costs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::hint::black_box;

use apt_quorum::apt::message::Message;
use apt_quorum::attest::json;
use apt_quorum::policy::{Subject, decide};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use support::{World, attestation, claimed, listing, now, requirement};

/// Subjects that are decided about in one go.
const SUBJECTS: u64 = 10_000;

fn canonical_json(c: &mut Criterion) {
    let world = World::new(&["a"]);
    let bytes = attestation(&world.artifact(), world.file.sha256(), &[world.key("a")]);
    let mut group = c.benchmark_group("canonical_json");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("link", |b| {
        b.iter(|| json::parse(black_box(&bytes)).unwrap().canonical());
    });
    group.finish();
}

fn verify(c: &mut Criterion) {
    let world = World::new(&["a", "b", "c"]);
    let bytes = attestation(&world.artifact(), world.file.sha256(), &[world.key("b")]);
    c.bench_function("verify/link", |b| b.iter(|| world.verify(black_box(&bytes)).unwrap()));
}

fn decision(c: &mut Criterion) {
    let world = World::new(&["a", "b", "c"]);
    let policy = world.policy(requirement(2, &["a", "b", "c"]));
    let evidence = claimed(world.votes(&["a", "b"]));
    let subjects: Vec<Subject> = (0..SUBJECTS)
        .map(|_| Subject::new(world.file.clone(), Some(world.identity.clone()), vec![listing()]))
        .collect();
    let mut group = c.benchmark_group("decide");
    group.throughput(Throughput::Elements(SUBJECTS));
    group.bench_function("10000_subjects", |b| {
        b.iter(|| {
            for subject in &subjects {
                let _ = black_box(decide(&policy, subject, &evidence, now()));
            }
        });
    });
    group.finish();
}

fn messages(c: &mut Criterion) {
    let sha256 = "5c8a6ef4b5a0a7a4d1f0e2c3b4a596877869504f3e2d1c0baf9e8d7c6b5a4938";
    let text = format!(
        "600 URI Acquire\nURI: quorum+https://deb.debian.org/debian/pool/main/h/hello/hello_2.10-3_amd64.deb\n\
         Filename: /var/cache/apt/archives/partial/hello_2.10-3_amd64.deb\n\
         Expected-SHA256: {sha256}\nExpected-MD5Sum: 27ab798c1d8d9048ffc8127e9b8dbfca\n\
         Expected-Checksum-FileSize: 53080\nTarget-Repo-URI: quorum+https://deb.debian.org/debian/\n\
         Target-Release: trixie\nTarget-Component: main\nTarget-Codename: trixie\n\
         Target-Suite: stable\nTarget-Architecture: amd64\nTarget-Type: deb\n\n"
    );
    let mut group = c.benchmark_group("message");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("read_600", |b| {
        b.iter(|| Message::read(&mut black_box(text.as_bytes())).unwrap().unwrap());
    });
    let message = Message::read(&mut text.as_bytes()).unwrap().unwrap();
    group.bench_function("write_600", |b| b.iter(|| black_box(&message).to_bytes()));
    group.finish();
}

criterion_group!(benches, canonical_json, verify, decision, messages);
criterion_main!(benches);

//! How often the core asks for memory for each attestation, decision and message: numbers that do
//! not depend on the machine, as those of `budget.rs`. The allocator
//! is one for a whole program.
#![allow(
    clippy::as_conversions,
    clippy::disallowed_macros,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]
#![allow(unsafe_code, reason = "an allocator has no safe form")]

#[path = "../support/mod.rs"]
mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use apt_quorum::apt::message::Message;
use apt_quorum::attest::{self, WantedFile, json};
use apt_quorum::deb::examine;
use apt_quorum::policy::decide;
use support::*;

/// The system's allocator, which counts what each thread asks for.
struct Counting;

thread_local! {
    static ASKED: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: all is handed to the system's allocator as it is. The cell needs no memory of its own.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ASKED.set(ASKED.get() + 1);
        // SAFETY: the caller's promises are handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) };
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ASKED.set(ASKED.get() + 1);
        // SAFETY: as above.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// How often `work` asks for memory, the second time: the first one may set something up for good.
fn asked<T>(mut work: impl FnMut() -> T) -> u64 {
    drop(work());
    let before = ASKED.get();
    drop(work());
    ASKED.get() - before
}

#[test]
fn no_step_asks_for_memory_more_often_than_it_did() {
    assert_eq!(asked(|| vec![1_u8; 100]), 1, "it is counted");
    assert_eq!(asked(|| 1), 0, "nothing else is");

    let world = World::new(&["a", "b", "c"]);
    let link = attestation(&world.artifact(), world.file.sha256(), &[world.key("b")]);
    let policy = world.policy(requirement(2, &["a", "b", "c"]));
    let (subject, evidence) = (world.listed(), claimed(world.votes(&["a", "b", "c"])));
    let package = deb::package(&world.identity);
    let message = "600 URI Acquire\nURI: quorum+http://deb.debian.org/hello_2.10-3_amd64.deb\n\
                   Filename: /var/cache/apt/archives/partial/hello_2.10-3_amd64.deb\n\
                   Expected-Checksum-FileSize: 53080\nTarget-Type: deb\n\n";
    let read = || Message::read(&mut message.as_bytes()).unwrap().unwrap();
    let found = read();
    let ring = world.ring();
    let artifact = world.identity.artifact_name();
    let wanted = WantedFile { artifact: &artifact, sha256: Some(world.file.sha256()) };
    for (step, asked, most) in [
        ("canonical JSON", asked(|| json::parse(&link).unwrap().canonical()), 35),
        ("a link", asked(|| attest::verify(&link, &ring, wanted, now()).unwrap()), 50),
        ("a decision", asked(|| decide(&policy, &subject, &evidence, now())), 43),
        ("a small package", asked(|| examine(package.as_slice()).unwrap()), 40),
        ("reading a message", asked(read), 15),
        ("writing it", asked(|| found.to_bytes()), 8),
    ] {
        println!("{step}: {asked}, of {most}");
        assert!(asked <= most, "{step}: {asked}, of {most}");
    }
}

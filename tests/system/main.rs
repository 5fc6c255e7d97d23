//! The gate under real apt and dpkg, in throw-away chroots of each Debian release: every way in,
//! one row each, and one line a row.
//!
//! Runs as root inside `testbed/enter` (own mounts, own processes, only loopback), as
//! `make test-system` starts it. Everywhere else it says that it was left out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(clippy::disallowed_macros)]

#[macro_use]
mod table;

mod archive;
#[path = "../support/deb.rs"]
#[allow(dead_code, reason = "other tests make more kinds of packages")]
mod deb;
mod mapped;
mod rebuilder;
mod rebuilder_key;
mod server;
mod steps;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use table::{Log, Row};
use world::World;

/// The files with rows, in the order in which they are run. Each has a list `ROWS`.
macro_rules! purposes {
    ($($file:ident)*) => {
        $(mod $file;)*
        const ROWS: &[&[Row]] = &[$($file::ROWS),*];
    };
}

purposes! {
    judgement
    prompt
    waiting
    slow
    standing
    holding
    year
    sources
    redirects
    indexes
    cache
    local
    odd
    downloads
    dpkg
    front_ends
    wrapped
    environment
    configuration
    walls
    log
    faults
}

/// `name version architecture`.
fn identity(text: &str) -> apt_quorum::types::Identity {
    let mut words = text.split(' ');
    let mut next = || words.next().unwrap();
    apt_quorum::types::Identity {
        package: next().parse().unwrap(),
        version: next().parse().unwrap(),
        architecture: next().parse().unwrap(),
    }
}

#[test]
fn debian_12() {
    run("bookworm");
}

#[test]
fn debian_13() {
    run("trixie");
}

#[test]
fn debian_forky() {
    run("forky");
}

/// Runs every row on one release, one line each, and fails if one is not as expected or missing.
fn run(suite: &'static str) {
    if std::env::var_os("TESTBED_RUN").is_none() {
        eprintln!("LEFT OUT: real apt on {suite}: NOT INSIDE testbed/enter (see make test-system)");
        return;
    }
    let wanted = std::env::var("SCENARIO").unwrap_or_default();
    let packages = archive::packages();
    let (mut seen, mut impossible, mut wrong) = (0, 0, Vec::new());
    let release = world::release(suite);
    let rows = ROWS.iter().copied().flatten();
    for row in rows.filter(|row| is_wanted(row, &wanted)) {
        let begun = std::time::Instant::now();
        let log = Log::default();
        let world = || World::new(suite, row.flavour, &packages, log.clone());
        let ran = match world::is_offered(suite, row.flavour) {
            true => catch_unwind(AssertUnwindSafe(|| {
                let world = world();
                (row.run)(&world);
                world.holds();
            })),
            false => {
                let why = format!("there is no chroot with {}", row.flavour).to_uppercase();
                log.add(table::Sight::Impossible(why));
                Ok(())
            }
        };
        let verdict = match (ran, log.impossible()) {
            (Err(_), _) => Err("WRONG: see above".to_owned()),
            (Ok(()), Some(why)) => Ok(format!("CANNOT RUN IN {}: {why}", release.to_uppercase())),
            (Ok(()), None) => match log.lacks(row.expected) {
                Some(what) => Err(format!("WRONG: {what}")),
                None => Ok("ok".to_owned()),
            },
        };
        let Row { name, way, expected, .. } = row;
        let shown = match &verdict {
            Ok(text) | Err(text) => text,
        };
        println!(
            "{release} | {name}: {way} | expected: {expected} | seen: {log} | {shown} ({:.1} s)",
            begun.elapsed().as_secs_f32()
        );
        seen += 1;
        impossible += usize::from(log.impossible().is_some());
        if verdict.is_err() {
            wrong.push(*name);
        }
    }
    println!("{release} | {seen} rows, {} wrong, {impossible} cannot be run there", wrong.len());
    assert!(wrong.is_empty(), "{release}: {} wrong: {}", wrong.len(), wrong.join(", "));
    if wanted.is_empty() {
        let all: usize = ROWS.iter().map(|rows| rows.len()).sum();
        assert_eq!(seen, all, "{release}: some rows were passed over");
    }
}

/// Whether a row is called by one of the words, which commas separate.
fn is_wanted(row: &Row, words: &str) -> bool {
    words.split(',').any(|word| row.name.contains(word) || row.way.contains(word))
}

//! What `make bench` measures against: `bench archive DIRECTORY` makes packages and an archive of
//! them, `bench rebuilder LIST PORT SEED` is a rebuilder that has built them.

mod mirror;
#[allow(dead_code, reason = "tests/alone/budget.rs uses the rest")]
mod rebuilder;

use std::fmt::Write as _;
use std::io::{BufRead as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use rebuilder::{Built, Rebuilder, Settings};

/// Small packages, with 2 kB in each.
const SMALL: (usize, usize) = (2000, 2048);

/// Large ones, with 50 MB in each.
const LARGE: (usize, usize) = (5, 50_000_000);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["archive", directory] => archive(Path::new(directory)),
        ["rebuilder", list, port, seed] => serve(list, port, seed),
        _ => {
            eprintln!("usage: bench archive DIRECTORY | bench rebuilder LIST PORT SEED");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

/// Lays out an archive, and beside it the list of what is in it.
fn archive(directory: &Path) {
    let small = (0..SMALL.0).map(|n| mirror::package(&format!("small{n:04}"), SMALL.1));
    let large = (0..LARGE.0).map(|n| mirror::package(&format!("large{n}"), LARGE.1));
    let packages: Vec<_> = small.chain(large).collect();
    mirror::lay_out(directory, &packages);
    let mut list = String::new();
    for (Built { name, version, architecture, sha256 }, _) in &packages {
        writeln!(list, "{name} {version} {architecture} {sha256}").unwrap();
    }
    std::fs::write(directory.join("built"), list).unwrap();
}

/// Serves until its input ends. Each line there is what it is to be like from now on: the delay in
/// milliseconds, what the names of the packages begin with that it has built, how many others it
/// lists for each, and whether a cache answers in its place (`itself` or `cache`). It answers with
/// its public key on one line.
///
/// An empty line asks for what it has counted, which starts anew.
fn serve(list: &str, port: &str, seed: &str) {
    let list = std::fs::read_to_string(list).unwrap();
    let all: Vec<Built> = list
        .lines()
        .map(|line| {
            let mut words = line.split(' ').map(str::to_owned);
            let mut next = || words.next().unwrap();
            Built { name: next(), version: next(), architecture: next(), sha256: next() }
        })
        .collect();
    let mut running: Option<Rebuilder> = None;
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        let answer = match (words.as_slice(), &running) {
            ([], Some(rebuilder)) => {
                let counts = rebuilder.counts.line();
                rebuilder.counts.reset();
                counts
            }
            ([delay, first, others, answers], _) => {
                // The port is free only when the one before is gone.
                drop(running.take());
                let first = all.iter().filter(|it| it.name.starts_with(first));
                let rebuilder = Rebuilder::start(Settings {
                    seed: [seed.parse().unwrap(); 32],
                    built: first.cloned().collect(),
                    others: others.parse().unwrap(),
                    delay: std::time::Duration::from_millis(delay.parse().unwrap()),
                    cached: *answers == "cache",
                    tls: None,
                    barrier: None,
                    address: format!("127.0.0.1:{port}").parse().unwrap(),
                });
                running.insert(rebuilder).public_key().replace('\n', "|")
            }
            _ => "it takes DELAY PREFIX OTHERS ANSWERS, or an empty line".to_owned(),
        };
        let mut out = std::io::stdout().lock();
        writeln!(out, "{answer}").and_then(|()| out.flush()).unwrap();
    }
}

//! SECURITY.md's table and the tests are of one mind: what it names exists, and every row of the
//! system tests stands in it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The part of SECURITY.md with the table.
fn security() -> String {
    let text = fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let (_, ways) = text.split_once("## Ways round the gate").unwrap();
    ways.to_owned()
}

/// All Rust files below a directory.
fn sources(directory: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut ahead = vec![root().join(directory)];
    while let Some(directory) = ahead.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                ahead.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                found.push(path);
            }
        }
    }
    found
}

/// The names of the rows in `tests/system/`: lines of `rows! { name: "way" => ... }`.
fn rows() -> BTreeSet<String> {
    let mut rows = BTreeSet::new();
    for path in sources("tests/system") {
        let text = fs::read_to_string(&path).unwrap();
        let Some((_, list)) = text.split_once("\nrows! {\n") else { continue };
        let list = list.split("\n}\n").next().unwrap();
        let names = list.lines().filter_map(|line| line.trim().split_once(": \""));
        rows.extend(names.map(|(name, _)| name.to_owned()));
    }
    assert!(rows.len() > 50, "only these rows were found: {rows:?}");
    rows
}

/// The names of all tests.
fn tests() -> BTreeSet<String> {
    let mut tests = BTreeSet::new();
    for path in ["src", "crates", "tests"].into_iter().flat_map(sources) {
        let text = fs::read_to_string(&path).unwrap();
        for (_, after) in
            text.match_indices("#[test]\n").map(|(at, it)| text.split_at(at + it.len()))
        {
            let name = after.trim_start().strip_prefix("fn ").and_then(|it| it.split('(').next());
            tests.extend(name.map(str::to_owned));
        }
    }
    tests
}

/// What stands in backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn whatever_security_md_says_shows_something_exists() {
    let (rows, tests) = (rows(), tests());
    let mut looked_at = 0;
    for line in security().lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").collect();
        let [way, _, shown] = cells.as_slice() else { continue };
        assert!(way.trim() == "way" || way.starts_with("---") || shown.contains('`'), "{line}");
        for name in quoted(shown) {
            let exists = rows.contains(name)
                || tests.contains(name)
                || name.contains('/') && root().join(name).exists();
            assert!(exists, "there is no row, test or file {name}:\n{line}");
            looked_at += 1;
        }
    }
    assert!(looked_at > 60, "only {looked_at} names were found in SECURITY.md");
}

#[test]
fn every_way_is_closed_by_something_or_out_of_scope_for_a_reason() {
    let text = security();
    for line in text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| way |")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        assert!(cells.len() >= 2 && cells.iter().all(|cell| !cell.is_empty()), "{line}");
        assert!(!line.contains("**open**"), "an open way: {line}");
    }
}

#[test]
fn every_row_of_the_system_tests_stands_in_security_md() {
    let text = security();
    let named: BTreeSet<&str> = text.lines().flat_map(quoted).collect();
    for row in rows() {
        assert!(named.contains(row.as_str()), "SECURITY.md does not name {row}");
    }
}

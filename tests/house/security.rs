//! Compares the tables of docs/ways-round.md with the tests: every name in them exists, and the
//! page names every row of the system tests.

use std::collections::BTreeSet;
use std::fs;

use crate::sources::{root, rust_files};

/// The part of docs/ways-round.md with the ways, those out of scope included.
fn ways_round() -> String {
    let text = fs::read_to_string(root().join("docs/ways-round.md")).unwrap();
    let (_, ways) = text.split_once("\n## The ways, by kind\n").unwrap();
    ways.to_owned()
}

/// The names of the rows in `tests/system/`: lines of `rows! { name: "way" => ... }`.
fn rows() -> BTreeSet<String> {
    let mut rows = BTreeSet::new();
    for path in rust_files(&root().join("tests/system")) {
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
    for path in ["src", "crates", "tests"].iter().flat_map(|it| rust_files(&root().join(it))) {
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
fn every_name_under_shown_by_exists() {
    let (rows, tests) = (rows(), tests());
    let text = ways_round();
    let (ways, _) = text.split_once("\n## Out of scope\n").unwrap();
    let mut looked_at = 0;
    for line in ways.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").collect();
        let [way, _, shown] = cells.as_slice() else { panic!("not three cells: {line}") };
        assert!(way.trim() == "way" || way.starts_with("---") || shown.contains('`'), "{line}");
        for name in quoted(shown) {
            let exists = rows.contains(name)
                || tests.contains(name)
                || name.contains('/') && root().join(name).exists();
            assert!(exists, "there is no row, test or file {name}:\n{line}");
            looked_at += 1;
        }
    }
    assert!(looked_at > 250, "only {looked_at} names were found in docs/ways-round.md");
}

#[test]
fn every_way_is_closed_by_something_or_out_of_scope_for_a_reason() {
    let text = ways_round();
    for line in text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| way |")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        assert!(cells.len() >= 2 && cells.iter().all(|cell| !cell.is_empty()), "{line}");
        assert!(!line.contains("**open**"), "an open way: {line}");
    }
}

#[test]
fn every_row_of_the_system_tests_is_a_way_of_the_page() {
    let text = ways_round();
    let named: BTreeSet<&str> = text.lines().flat_map(quoted).collect();
    for row in rows() {
        assert!(named.contains(row.as_str()), "docs/ways-round.md does not name {row}");
    }
}

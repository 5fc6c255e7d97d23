//! Imports point downward only (ARCHITECTURE.md, "Crates and modules"): what stands below cannot come
//! to depend on what stands above it without anybody noticing.
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::{Path, PathBuf};

/// The crates, each with its modules from the core to the edges. Modules of one crate may use each
/// other in the order in which they stand; that no crate uses one above it, Cargo sees to.
const CRATES: &[(&str, &[&str])] = &[
    (
        "crates/core/src",
        &["types", "compressed", "deb822", "attest", "apt", "deb", "policy", "report"],
    ),
    (
        "crates/gate/src",
        &["config", "cache", "evidence", "receipt", "log", "fetching", "gate", "method", "hook"],
    ),
    ("src", &["config", "receipt", "evidence", "import", "audit", "image", "cli"]),
];

/// Not part of the program: compiled for the fuzz targets only.
const BESIDES: &[&str] = &["fuzzing", "lib", "main"];

#[test]
fn no_module_imports_from_one_above_it() {
    let mut seen = 0;
    for (source, layers) in CRATES {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(source);
        let rank = |module: &str| layers.iter().position(|it| *it == module);
        for path in rust_files(&source) {
            let inside = path.strip_prefix(&source).expect("it is there");
            let module = inside.components().next().expect("a name").as_os_str().to_string_lossy();
            let module = module.trim_end_matches(".rs");
            if BESIDES.contains(&module) {
                continue;
            }
            let layer = rank(module).unwrap_or_else(|| panic!("{module} has no layer"));
            let text = fs::read_to_string(&path).expect("it can be read");
            for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
                for (at, _) in line.match_indices("crate::") {
                    let name: String = line[at + "crate::".len()..]
                        .chars()
                        .take_while(|it| {
                            it.is_ascii_lowercase() || it.is_ascii_digit() || *it == '_'
                        })
                        .collect();
                    let Some(used) = rank(&name) else { continue };
                    seen += 1;
                    assert!(used <= layer, "{}: {module} uses {name}: {line}", path.display());
                }
            }
        }
    }
    assert!(seen > 100, "only {seen} imports were looked at");
}

/// What decides reads no clock, no file and no network: it could not if it wanted to.
#[test]
fn the_core_has_no_crate_for_the_world_outside() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/core/Cargo.toml");
    let text = fs::read_to_string(manifest).expect("it can be read");
    let (_, after) = text.split_once("\n[dependencies]\n").expect("it has dependencies");
    let (needed, _) = after.split_once("\n[").expect("something follows");
    let names: Vec<&str> = needed.lines().filter_map(|it| it.split(['.', ' ']).next()).collect();
    assert!(names.len() > 10, "{names:?}");
    for outside in ["tokio", "reqwest", "hyper", "rustls", "nix", "landlock", "clap"] {
        assert!(!names.contains(&outside), "the core needs {outside}");
    }
}

/// The code that can admit is counted, and does not grow without somebody noticing: each number in
/// ARCHITECTURE.md is right to five in a hundred, and all of it together has a ceiling.
#[test]
fn the_code_that_can_admit_is_as_large_as_is_said() {
    const CEILING: usize = 17_500;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("ARCHITECTURE.md")).expect("it can be read");
    let (_, after) = text.split_once("\n## Code that can admit\n").expect("the section");
    let (table, _) = after.split_once("\n## ").expect("another one follows");
    let mut sum = 0;
    for row in table.lines().filter_map(|it| it.strip_prefix("| `")) {
        let (place, said) = row.split_once("` | ").expect("two cells");
        let said: usize = said.trim_end_matches(" |").parse().expect("a number");
        let found: usize = rust_files(&root.join(place)).iter().map(|it| code_lines(it)).sum();
        assert!(found.abs_diff(said) * 20 <= said, "{place} has {found} lines and not {said}");
        sum += found;
    }
    assert!((10_000..=CEILING).contains(&sum), "{sum} lines of code can admit");
}

/// Lines of a file up to its tests, without those that are blank or comments.
fn code_lines(path: &Path) -> usize {
    if path.ends_with("tests.rs") {
        return 0;
    }
    let text = fs::read_to_string(path).expect("it can be read");
    let lines = text.lines().map(str::trim).take_while(|it| *it != "#[cfg(test)]");
    lines.filter(|it| !it.is_empty() && !it.starts_with("//")).count()
}

fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(directory).expect("it can be read") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            all.extend(rust_files(&path));
        } else if path.extension().is_some_and(|it| it == "rs") {
            all.push(path);
        }
    }
    all
}

//! Imports point downward only (ARCHITECTURE.md, "Crates and modules"): what stands below cannot come
//! to depend on what stands above it without anybody noticing.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::sources::{root, rust_files};

/// The crates, each with its modules from the core to the edges. Modules of one crate may use each
/// other in the order in which they stand; that no crate uses one above it, Cargo sees to.
const CRATES: &[(&str, &[&str])] = &[
    (
        "crates/core/src",
        &["types", "compressed", "deb822", "attest", "apt", "deb", "policy", "report", "route"],
    ),
    (
        "crates/gate/src",
        &[
            "config", "cache", "evidence", "receipt", "log", "fetching", "gate", "method", "hook",
            "entry",
        ],
    ),
    ("src", &["config", "receipt", "evidence", "import", "audit", "hold", "image", "cli"]),
];

/// Roots of crates and programs, and what is compiled for the fuzz targets only.
const BESIDES: &[&str] = &["bin", "fuzzing", "lib", "main"];

#[test]
fn no_module_imports_from_one_above_it() {
    let mut seen = 0;
    for (source, layers) in CRATES {
        let source = root().join(source);
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
    let manifest = root().join("crates/core/Cargo.toml");
    let text = fs::read_to_string(manifest).expect("it can be read");
    let (_, after) = text.split_once("\n[dependencies]\n").expect("it has dependencies");
    let (needed, _) = after.split_once("\n[").expect("something follows");
    let names: Vec<&str> = needed.lines().filter_map(|it| it.split(['.', ' ']).next()).collect();
    assert!(names.len() > 10, "{names:?}");
    for outside in ["tokio", "reqwest", "hyper", "rustls", "nix", "landlock", "clap"] {
        assert!(!names.contains(&outside), "the core needs {outside}");
    }
}

/// The gate's program has nothing of the command in it: neither its crates nor its code.
#[test]
fn the_gate_has_nothing_that_people_type() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = fs::read_to_string(root.join("src/bin/gate.rs")).expect("it can be read");
    assert!(!source.contains("apt_quorum::"), "{source}");
    let contains = |program: &str, name: &str| {
        let bytes = fs::read(program).expect("it can be read");
        memchr::memmem::find(&bytes, name.as_bytes()).is_some()
    };
    let (gate, command) = (env!("CARGO_BIN_EXE_gate"), env!("CARGO_BIN_EXE_apt-quorum"));
    for name in ["clap_builder", "apt_quorum3cli", "apt_quorum5audit", "apt_quorum6import"] {
        assert!(contains(command, name), "the test would not find {name}");
        assert!(!contains(gate, name), "the gate has {name}");
    }
    assert!(contains(gate, "apt_quorum_gate"));
}

/// The code that can admit is counted, and does not grow without somebody noticing: each number in
/// ARCHITECTURE.md is right to five in a hundred, and all of it together has a ceiling.
#[test]
fn the_code_that_can_admit_is_as_large_as_is_said() {
    const CEILING: usize = 17_500;
    let root = root();
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

/// One name is one type in all crates, so that a reader who meets it knows which.
#[test]
fn a_name_means_one_type() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for path in ["src", "crates"].iter().flat_map(|it| rust_files(&root.join(it))) {
        let is_test = |it: &Path| it.ends_with("tests.rs") || it.iter().any(|it| it == "tests");
        if is_test(path.strip_prefix(root).expect("it is below")) {
            continue;
        }
        let text = fs::read_to_string(&path).expect("it can be read");
        let code = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]"));
        for name in code.filter_map(defined) {
            let place = path.strip_prefix(root).expect("it is below").display().to_string();
            found.entry(name.to_owned()).or_default().push(place);
        }
    }
    assert!(found.len() > 400, "only {} names were found", found.len());
    for (name, places) in &found {
        assert_eq!(places.len(), 1, "{name} is defined in {places:?}: rename all but one");
    }
}

/// The type that a line defines. Types that belong to a trait's implementation have no name of
/// their own.
fn defined(line: &str) -> Option<&str> {
    let start = line.trim_start();
    let item = match start.strip_prefix("pub") {
        Some(rest) => match rest.strip_prefix('(') {
            Some(rest) => rest.split_once(") ")?.1,
            None => rest.strip_prefix(' ')?,
        },
        None => start,
    };
    let (kind, rest) = item.split_once(' ')?;
    let is_one = match kind {
        "struct" | "enum" | "trait" | "union" => true,
        "type" => start.len() == line.len(),
        _ => false,
    };
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    rest.get(..end).filter(|name| is_one && name.starts_with(char::is_uppercase))
}

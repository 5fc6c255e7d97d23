//! Imports point downward only (ARCHITECTURE.md, "Modules"): what stands below cannot come to
//! depend on what stands above it without anybody noticing.
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::{Path, PathBuf};

/// From the core to the edges. Modules of one layer may use each other in the order in which they
/// stand.
const LAYERS: &[&str] = &[
    "types",
    "sys",
    "compressed",
    "deb822",
    "attest",
    "apt",
    "deb",
    "policy",
    "report",
    "config",
    "import",
    "cache",
    "evidence",
    "receipt",
    "log",
    "gate",
    "audit",
    "image",
    "method",
    "hook",
    "cli",
];

/// Not part of the program: compiled for the fuzz targets only.
const BESIDES: &[&str] = &["fuzzing", "lib", "main"];

#[test]
fn no_module_imports_from_one_above_it() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut seen = 0;
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
                    .take_while(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || *it == '_')
                    .collect();
                let Some(used) = rank(&name) else { continue };
                seen += 1;
                assert!(used <= layer, "{}: {module} uses {name}: {line}", path.display());
            }
        }
    }
    assert!(seen > 100, "only {seen} imports were looked at");
}

fn rank(module: &str) -> Option<usize> {
    LAYERS.iter().position(|it| *it == module)
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

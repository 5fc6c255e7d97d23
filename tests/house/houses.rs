//! Every Rust file below `tests/` is in a house (`tests/README.md`) and is compiled there: one that
//! nothing names would not run, and nobody would notice.

use std::fs;

use crate::sources::{read, root, rust_files};

/// Returns true when this text declares the module, alone or in a macro's list with a name a line.
fn declares(text: &str, module: &str) -> bool {
    let mut lines =
        text.lines().map(|it| it.trim().trim_start_matches("pub ").trim_end_matches(';'));
    lines.any(|it| it.strip_prefix("mod ").unwrap_or(it) == module)
}

#[test]
fn every_test_file_is_compiled() {
    let tests = root().join("tests");
    let files = rust_files(&tests);
    let places: Vec<&str> =
        files.iter().map(|it| it.strip_prefix(&tests).unwrap().to_str().unwrap()).collect();
    // Cargo finds them itself.
    let houses: Vec<&str> = places.iter().filter_map(|it| it.strip_suffix("/main.rs")).collect();
    let mut named = read("Cargo.toml");
    for house in &houses {
        named += &read(&format!("tests/{house}/main.rs")).replace("\"../", "\"tests/");
    }
    for place in &places {
        let (directory, file) = place.rsplit_once('/').expect("a test is in a house");
        let (directory, module) = match file.strip_suffix(".rs") {
            Some("main") => continue,
            Some("mod") => directory.rsplit_once('/').unwrap_or(("", directory)),
            Some(module) => (directory, module),
            None => unreachable!("a Rust file"),
        };
        let above = ["main.rs", "mod.rs"].map(|it| tests.join(directory).join(it));
        let mut above = above.iter().filter_map(|it| fs::read_to_string(it).ok());
        let is_compiled = named.contains(&format!("path = \"tests/{place}\""))
            || above.any(|it| declares(&it, module));
        assert!(is_compiled, "no `mod {module};` names tests/{place}");
    }
    assert!(places.len() > 90, "only {} files were looked at", places.len());
}

#[test]
fn the_page_about_tests_has_every_directory() {
    let page = read("tests/README.md");
    for entry in fs::read_dir(root().join("tests")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().and_then(|it| it.to_str()).unwrap();
        let called = if path.is_dir() { format!("`{name}/`") } else { format!("`{name}`") };
        let is_hidden = name.starts_with('.') || name == "README.md";
        assert!(
            is_hidden || page.contains(&called),
            "tests/README.md does not say what {called} is"
        );
    }
    for path in rust_files(&root().join("tests/alone")) {
        let name = path.file_stem().and_then(|it| it.to_str()).unwrap();
        let is_told = page.contains(&format!("\n- `{name}` "));
        assert!(is_told, "tests/README.md does not say why {name} is alone");
    }
}

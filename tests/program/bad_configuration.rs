//! Every directory of `bad_configuration/` is a configuration with the mistake after which it is
//! named. `expected.txt` is what `config check` says about it, word for word.
//!
//! `UPDATE_SNAPSHOTS=1 cargo test --test program bad_configuration` writes these texts anew. Read them
//! aloud before you commit them: each must say what is wrong, where, and what would be right.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{Deb, World, assert_snapshot, cases, copy_safely, run};

/// A world whose configuration is that of the case.
fn world_of(case: &Path) -> World {
    let world = World::new();
    fs::remove_dir_all(world.path("etc")).unwrap();
    copy_safely(case, &world.path("etc"));
    fs::remove_file(world.path("etc/expected.txt")).ok();
    world
}

fn name_of(case: &Path) -> String {
    case.file_name().unwrap().to_string_lossy().into_owned()
}

#[test]
fn each_mistake_is_explained_where_it_is() {
    for case in cases("bad_configuration") {
        let world = world_of(&case);
        let ended =
            run(world.command().args(["config", "check", "--config"]).arg(world.path("etc")));
        assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{}: {ended:?}", name_of(&case));
        ended.assert_plain();
        let here = format!("{}/", world.path("etc").display());
        assert_snapshot(&case.join("expected.txt"), &ended.stderr.replace(&here, ""));
    }
}

#[test]
fn with_any_mistake_a_good_package_is_refused() {
    let hello = Deb::new("hello", "2.10-3", "amd64");
    for case in cases("bad_configuration") {
        let world = world_of(&case);
        let (decision, ended) = world.decision(&hello, &[]);
        assert_eq!(ended.code, Some(2), "{}: {ended:?}", name_of(&case));
        assert_eq!(decision["decision"], "refuse", "{}", name_of(&case));
        assert_eq!(decision["reason"]["code"], "configuration", "{}", name_of(&case));
        let text = world.verify(&hello);
        text.assert_code(2).assert_plain();
        assert!(text.stdout.starts_with("refused: "), "{}: {text:?}", name_of(&case));
        let checked =
            run(world.command().args(["config", "check", "--config"]).arg(world.path("etc")));
        assert_eq!(text.stderr, checked.stderr, "{}", name_of(&case));
    }
}

/// The updater of Qubes takes the last word of a line for a percentage if it is a number.
#[test]
fn no_mistake_ends_in_a_number_or_speaks_the_language_of_programmers() {
    let jargon = [
        "Err(",
        "Some(",
        "None",
        "serde",
        "toml::",
        "`",
        "deserial",
        "variant",
        "panicked",
        "i64",
        "u64",
        "bool",
        "scalar",
        "literal",
        "RelativeUrl",
        "errno",
    ];
    let expected: Vec<(PathBuf, String)> = cases("bad_configuration")
        .into_iter()
        .map(|case| case.join("expected.txt"))
        .map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
        .collect();
    for (path, text) in &expected {
        for line in text.lines().filter(|line| !line.starts_with(' ')) {
            let last = line.split(' ').next_back().unwrap_or_default();
            assert!(last.parse::<f64>().is_err(), "{}: {line}", path.display());
            for word in jargon {
                assert!(!line.contains(word), "{}: {line}", path.display());
            }
        }
    }
    assert!(expected.len() >= 30, "{}", expected.len());
}

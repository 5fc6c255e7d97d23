//! The completions that are checked in are those of the command line as it is.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::Path;

use clap_complete::Shell;

/// Set it to write them anew.
const UPDATE: &str = "APT_QUORUM_UPDATE_COMPLETIONS";

#[test]
fn the_completions_are_up_to_date() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("completions");
    let mut outdated = Vec::new();
    for (shell, file) in [
        (Shell::Bash, "bash/apt-quorum"),
        (Shell::Fish, "fish/apt-quorum.fish"),
        (Shell::Zsh, "zsh/_apt-quorum"),
    ] {
        let mut made = Vec::new();
        clap_complete::generate(shell, &mut apt_quorum::cli::command(), "apt-quorum", &mut made);
        let path = directory.join(file);
        if std::env::var_os(UPDATE).is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &made).unwrap();
        }
        if std::fs::read(&path).ok() != Some(made) {
            outdated.push(file);
        }
    }
    assert!(outdated.is_empty(), "{outdated:?}: write them with {UPDATE}=1 cargo test completions");
}

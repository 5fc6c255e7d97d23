//! Doc comments begin as STYLE.md says, and the lines of `--help` fit a terminal.

use std::fs;
use std::process::Command;

use crate::sources::{root, rust_files};

/// The words with which a doc comment must not begin, because a riddle follows them.
const QUESTIONS: &[&str] = &[
    "What", "Who", "Whose", "Whom", "Whether", "How", "Where", "When", "Why", "Whoever", "Whatever",
];

/// Most characters of a line of help: clap's own limit for this program.
const WIDTH: usize = 100;

/// Allows fewer than 5 %, because the help of clap's types comes from their doc comments.
#[test]
fn doc_comments_begin_with_a_noun_or_a_verb() {
    let root = root();
    let mut sources = vec![root.join("src")];
    for entry in fs::read_dir(root.join("crates")).expect("it can be read") {
        sources.push(entry.expect("it can be read").path().join("src"));
    }
    let (mut all, mut questions) = (0, Vec::new());
    for path in sources.iter().flat_map(|it| rust_files(it)) {
        let text = fs::read_to_string(&path).expect("it can be read");
        let mut inside = false;
        for (index, line) in text.lines().enumerate() {
            let comment = line.trim_start().strip_prefix("///");
            if let (Some(comment), false) = (comment, inside) {
                all += 1;
                let mut words = comment.trim_start().split(|it: char| !it.is_alphanumeric());
                if words.next().is_some_and(|it| QUESTIONS.contains(&it)) {
                    questions.push(format!("{}:{}:{comment}", path.display(), index + 1));
                }
            }
            inside = comment.is_some();
        }
    }
    assert!(all > 1000, "only {all} doc comments were looked at");
    assert!(
        questions.len() * 20 < all,
        "{} of {all} doc comments begin with a question, see STYLE.md:\n{}",
        questions.len(),
        questions.join("\n")
    );
}

#[test]
fn no_line_of_help_is_wider_than_a_terminal() {
    let mut waiting: Vec<Vec<String>> = vec![Vec::new()];
    let mut seen = 0;
    while let Some(words) = waiting.pop() {
        let text = help(&words);
        // clap wraps all but the usage.
        for line in text.lines().filter(|it| !it.starts_with("Usage: ")) {
            let width = line.chars().count();
            assert!(width <= WIDTH, "{}: {width} characters: {line}", words.join(" "));
        }
        seen += 1;
        for name in subcommands(&text) {
            waiting.push(words.iter().cloned().chain([name]).collect());
        }
    }
    assert!(seen > 20, "only {seen} commands were asked for their help");
}

/// Runs the program with these words and `--help`. A terminal wider than the limit must not matter.
fn help(words: &[String]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_apt-quorum"))
        .args(words)
        .arg("--help")
        .env("COLUMNS", "1000")
        .output()
        .expect("it can be run");
    assert!(output.status.success(), "{}: {output:?}", words.join(" "));
    String::from_utf8(output.stdout).expect("it is text")
}

/// Returns the subcommands that a help lists, except for clap's own `help`.
fn subcommands(text: &str) -> Vec<String> {
    let list = text.lines().skip_while(|it| *it != "Commands:").skip(1);
    let names = list.take_while(|it| !it.is_empty()).filter_map(|it| it.strip_prefix("  "));
    let names = names.filter_map(|it| it.split(' ').next());
    names.filter(|it| !it.is_empty() && *it != "help").map(ToOwned::to_owned).collect()
}

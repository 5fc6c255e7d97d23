//! `apt-quorum complete`: the words that could come next on the command line, for shells'
//! completions.
//!
//! The shells' own parts (`completions/`) only hand over words and show the answer. They need no
//! quoting: words that would need some are left out here. So no name of a file and no package of a
//! hostile repository can become a command. The command only reads, and asks no rebuilder.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};

use clap::{Arg, Command, ValueHint};

use super::Exit;
use super::args::{Complete, ConfigDirectory};
use super::exception::{conditions, reference};
use super::output::print;
use super::world::{Stop, World};
use crate::audit::System;
use crate::config::{DESCRIPTIONS, Description};
use crate::gate::{Environment, Keyrings, Root, apt_configuration};
use crate::sys::secure::Trusted;
use crate::types::{PackageName, printable};

/// Most names that are told. All packages of a Debian release are some 65,000.
const MAX_NAMES: usize = 200_000;

/// The line that says that names of files fit as well.
const FILES: &str = "\t";

/// Names that the command line itself does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names {
    /// Rebuilders that are trusted
    Rebuilders,
    /// Rebuilders that come with the package, and can be added
    Descriptions,
    /// Places of exceptions
    Exceptions,
    /// Packages that apt knows
    Packages,
    /// Fingerprints of the certificates that apt is told to take
    Signers,
}

/// The arguments that take names: command, argument, names, and true if a file fits as well.
const KNOWN: &[(&str, &str, Names, bool)] = &[
    ("check", "packages", Names::Packages, true),
    ("explain", "what", Names::Packages, true),
    ("rebuilder add", "what", Names::Descriptions, true),
    ("rebuilder add-key", "name", Names::Rebuilders, false),
    ("rebuilder refresh", "name", Names::Rebuilders, false),
    ("rebuilder remove", "name", Names::Rebuilders, false),
    ("exception add", "package", Names::Packages, false),
    ("exception add", "signed_by", Names::Signers, false),
    ("exception add", "what", Names::Packages, true),
    ("exception remove", "what", Names::Exceptions, false),
    ("exception renew", "what", Names::Exceptions, false),
    ("evidence export", "wanted", Names::Packages, true),
];

/// A word that could come next.
#[derive(Debug, PartialEq, Eq)]
struct NextWord {
    word: String,
    /// Its description for people
    about: String,
}

/// The words that could come next.
#[derive(Debug, Default)]
struct NextWords {
    candidates: Vec<NextWord>,
    files: bool,
}

/// The place on the command line that the words lead to.
struct Position<'a> {
    command: &'a Command,
    /// Its names from the program's on
    path: Vec<String>,
    /// The number of arguments that are there already
    positionals: usize,
    /// An option that waits for its value
    waiting: Option<&'a Arg>,
    /// True if only arguments can follow
    only_arguments: bool,
    /// The configuration that was named
    config: Option<PathBuf>,
}

pub(super) fn run(arguments: &Complete) -> Result<Exit, Stop> {
    let lossy = |it: &OsString| it.to_string_lossy().into_owned();
    let mut words: Vec<String> = arguments.words.iter().map(lossy).collect();
    let current = words.pop().unwrap_or_default();
    let mut program = super::command();
    program.build();
    let found = complete(&program, &words, &current);
    let mut text = String::new();
    for NextWord { word, about } in found.candidates.iter().filter(|it| is_plain(&it.word)) {
        text += word;
        if !about.is_empty() {
            text += &format!("\t{}", printable(about));
        }
        text.push('\n');
    }
    if found.files {
        text += &format!("{FILES}\n");
    }
    Ok(print(&text, Exit::Admitted))
}

/// Returns true if every shell takes a word as it is.
fn is_plain(word: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:=".contains(c);
    !word.is_empty() && word.chars().all(plain)
}

/// Returns the words that can replace `current` behind `words`.
fn complete(program: &Command, words: &[String], current: &str) -> NextWords {
    let place = Position::of(program, words);
    let mut found = NextWords::default();
    if let Some(option) = place.waiting {
        place.add_values(option, current, &mut found);
    } else if let (Some((name, value)), false) =
        (current.split_once('=').filter(|_| current.starts_with("--")), place.only_arguments)
    {
        if let Some(option) = place.option(name) {
            place.add_values(option, value, &mut found);
            for candidate in &mut found.candidates {
                candidate.word = format!("{name}={}", candidate.word);
            }
        }
    } else if current.starts_with('-') && !place.only_arguments {
        for option in place.command.get_arguments().filter(|it| !it.is_hide_set()) {
            if let Some(long) = option.get_long() {
                found.add(format!("--{long}"), about(option.get_help()));
            }
        }
    } else {
        for it in place.command.get_subcommands().filter(|it| !it.is_hide_set()) {
            found.add(it.get_name().to_owned(), about(it.get_about()));
        }
        if let Some(argument) = place.argument() {
            place.add_values(argument, current, &mut found);
        }
    }
    found.candidates.retain(|it| it.word.starts_with(current));
    found
}

impl<'a> Position<'a> {
    fn of(program: &'a Command, words: &[String]) -> Self {
        let mut place = Self {
            command: program,
            path: Vec::new(),
            positionals: 0,
            waiting: None,
            only_arguments: false,
            config: None,
        };
        for word in words {
            place.step(word);
        }
        place
    }

    fn step(&mut self, word: &str) {
        if let Some(option) = self.waiting.take() {
            if option.get_long() == Some("config") {
                self.config = Some(word.into());
            }
        } else if self.only_arguments {
            self.positionals += 1;
        } else if word == "--" {
            self.only_arguments = true;
        } else if let Some(("--config", value)) = word.split_once('=') {
            self.config = Some(value.into());
        } else if word.starts_with('-') && word.len() > 1 {
            self.waiting = self.option(word).filter(|it| it.get_action().takes_values());
        } else if let Some(below) = self.command.find_subcommand(word) {
            self.command = below;
            self.path.push(below.get_name().to_owned());
            self.positionals = 0;
        } else {
            self.positionals += 1;
            self.only_arguments = self.command.get_positionals().any(Arg::is_trailing_var_arg_set);
        }
    }

    fn option(&self, word: &str) -> Option<&'a Arg> {
        let long = word.strip_prefix("--")?;
        self.command.get_arguments().find(|it| it.get_long() == Some(long))
    }

    /// Returns the argument that comes next. The last one may take any number.
    fn argument(&self) -> Option<&'a Arg> {
        let all: Vec<&Arg> = self.command.get_positionals().collect();
        let last = all.last().filter(|it| it.get_num_args().is_some_and(|it| it.max_values() > 1));
        all.get(self.positionals).or(last).copied()
    }

    fn add_values(&self, argument: &Arg, current: &str, found: &mut NextWords) {
        for it in argument.get_possible_values().iter().filter(|it| !it.is_hide_set()) {
            found.add(it.get_name().to_owned(), about(it.get_help()));
        }
        let files = [ValueHint::AnyPath, ValueHint::FilePath, ValueHint::DirPath];
        found.files |= files.contains(&argument.get_value_hint());
        let path = self.path.join(" ");
        for (command, id, names, files) in KNOWN {
            if *command == path && *id == argument.get_id().as_str() {
                found.files |= files;
                self.add_names(*names, current, found);
            }
        }
    }

    fn add_names(&self, names: Names, current: &str, found: &mut NextWords) {
        match names {
            Names::Rebuilders => {
                let Some(world) = self.world() else { return };
                for it in world.config.policy.rebuilders() {
                    found.add(it.to_string(), String::new());
                }
            }
            Names::Descriptions => {
                for it in Description::names(Path::new(DESCRIPTIONS), Trusted::now()) {
                    found.add(it.to_string(), String::new());
                }
            }
            Names::Exceptions => {
                let Some(world) = self.world() else { return };
                for it in world.config.policy.exceptions() {
                    let about = format!("{}: {}", conditions(&it.matcher), it.exemption.reason);
                    found.add(reference(it), about);
                }
            }
            Names::Packages => {
                for name in packages(current) {
                    found.add(name.to_string(), String::new());
                }
            }
            Names::Signers => {
                let apt = apt_configuration(Environment::Heard).unwrap_or_default();
                for it in Keyrings::of(&apt).certificates(Root::Own) {
                    found.add(it.fingerprint().to_ascii_uppercase(), String::new());
                }
            }
        }
    }

    /// Opens the configuration. One with mistakes has no names: the commands that change it would
    /// refuse it.
    fn world(&self) -> Option<World> {
        World::open(&ConfigDirectory { config: self.config.clone() }).ok()
    }
}

impl NextWords {
    fn add(&mut self, word: String, about: String) {
        if self.candidates.len() < MAX_NAMES {
            self.candidates.push(NextWord { word, about });
        }
    }
}

fn about(text: Option<&clap::builder::StyledStr>) -> String {
    text.map(ToString::to_string).unwrap_or_default()
}

/// Returns the packages whose names begin so, by apt, with the installed ones among them. Like
/// apt's own completion, it does not make apt's cache anew. Without a cache, it returns the
/// installed ones alone.
fn packages(start: &str) -> Vec<PackageName> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "+.-_".contains(c);
    if start.starts_with('-') || !start.chars().all(plain) {
        return Vec::new();
    }
    let output = Process::new("/usr/bin/apt-cache")
        .args(["--no-generate", "-q", "pkgnames", start])
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let output = output.map(|it| it.stdout).unwrap_or_default();
    let mut names: Vec<PackageName> =
        String::from_utf8_lossy(&output).lines().filter_map(|it| it.parse().ok()).collect();
    if names.is_empty() {
        let system = System::running(&apt_configuration(Environment::Heard).unwrap_or_default());
        let installed = system.and_then(|it| it.installed()).unwrap_or_default();
        names = installed.into_iter().filter_map(|it| it.called.package.parse().ok()).collect();
    }
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> NextWords {
        let mut program = crate::cli::command();
        program.build();
        let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let current = words.pop().unwrap();
        complete(&program, &words, &current)
    }

    fn names(line: &str) -> Vec<String> {
        words(line).candidates.into_iter().map(|it| it.word).collect()
    }

    #[test]
    fn commands_options_and_values_are_those_of_the_command_line() {
        assert_eq!(names("reb"), ["rebuilder"]);
        assert!(names("").contains(&"verify-image".to_owned()));
        assert!(!names("").contains(&"complete".to_owned()));
        let rebuilder = ["list", "add", "add-key", "refresh", "remove", "import-layout", "help"];
        assert_eq!(names("rebuilder "), rebuilder);
        let options = ["--config", "--threshold", "--yes", "--json", "--help"];
        assert_eq!(names("rebuilder remove --"), options);
        assert_eq!(names("rebuilder remove --y"), ["--yes"]);
        assert_eq!(names("mode "), ["enforce", "warn"]);
        assert_eq!(names("mode --config /x e"), ["enforce"]);
        assert_eq!(names("rebuilder add --protocol int"), ["intoto-metadata"]);
        assert_eq!(names("rebuilder add --protocol=int"), ["--protocol=intoto-metadata"]);
        assert_eq!(names("help rebu"), ["rebuilder"]);
        // A word that is a value, and one that is no command.
        assert_eq!(names("verify --evidence rebuilder "), [""; 0]);
        assert_eq!(names("nothing remove "), names("nothing x "));
        assert_eq!(names("mode enforce "), [""; 0]);
        assert_eq!(names("bootstrap trixie --"), [""; 0]);
    }

    #[test]
    fn files_are_left_to_the_shell() {
        for line in ["verify ", "verify a.deb ", "verify --config ", "explain ", "check a "] {
            assert!(words(line).files, "{line}");
        }
        for line in ["", "rebuilder remove ", "status ", "exception add --package x", "mode "] {
            assert!(!words(line).files, "{line}");
        }
    }

    #[test]
    fn every_argument_that_has_names_is_there() {
        let mut program = crate::cli::command();
        program.build();
        for (path, id, ..) in KNOWN {
            let words: Vec<String> = path.split(' ').map(str::to_owned).collect();
            let place = Position::of(&program, &words);
            assert_eq!(place.path.join(" "), *path);
            assert!(place.command.get_arguments().any(|it| it.get_id() == id), "{path} {id}");
        }
    }

    #[test]
    fn what_a_shell_would_take_for_more_than_a_word_is_left_out() {
        for bad in ["", "$(x)", "a b", "a;b", "`x`", "a\n", "~a", "\"", "a*", "{a,b}", "a\u{e9}"] {
            assert!(!is_plain(bad), "{bad}");
        }
        assert!(is_plain("exceptions.d/local.toml:12"));
        assert!(packages("-o=x").is_empty() && packages("$(x)").is_empty());
    }
}

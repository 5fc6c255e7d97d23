//! The table of ways: what is to happen, what was seen, and whether that is the same.
//!
//! A way is a row: its name (by which `docs/ways-round.md` calls it), what somebody does, what is
//! expected, and the function that does it. The function fails by panicking. What it saw is noted
//! by [`Ran`](super::world::Ran), and compared with what was expected once more: a row that
//! expects the hook to refuse does not pass because the method did.

use std::fmt;
use std::sync::{Arc, Mutex};

use super::world::World;

/// A way to get a package onto the system.
pub struct Row {
    pub name: &'static str,
    pub way: &'static str,
    pub expected: Expected,
    /// What the system has besides apt: a flavour of `testbed/chroot`
    pub flavour: &'static str,
    pub run: fn(&World),
}

/// Lists a file's rows: `function: "what somebody does" => EXPECTED;`, and `in "flavour"` before the
/// semicolon where apt alone is not enough.
macro_rules! rows {
    ($($name:ident: $way:literal => $expected:expr $(, in $flavour:literal)?;)*) => {
        pub const ROWS: &[super::table::Row] = &[$(super::table::Row {
            name: stringify!($name),
            way: $way,
            expected: $expected,
            flavour: super::table::flavour(&[$($flavour)?]),
            run: $name,
        }),*];
    };
}

/// The flavour that a row names, or apt alone.
pub const fn flavour(named: &[&'static str]) -> &'static str {
    match named {
        [flavour] => flavour,
        _ => "apt",
    }
}

/// Who says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The method, while apt downloads
    Method,
    /// The hook, before dpkg
    Hook,
    /// dpkg's gate
    Dpkg,
    /// Our word before apt asks whether to go on
    Prompt,
    /// apt, by itself
    Apt,
}

/// What must have been seen when a row ends.
#[derive(Clone, Copy)]
pub struct Expected {
    /// Who must have refused, each at least once
    refused: &'static [By],
    /// Whether a package must have been installed that way, too
    installed: bool,
}

/// The hook refuses; the good package is installed that way.
pub const HOOK: Expected = Expected { refused: &[By::Hook], installed: true };
/// The method refuses; the good package is installed that way.
pub const METHOD: Expected = Expected { refused: &[By::Method], installed: true };
/// The method refuses, and where apt goes round it, the hook; the good package is installed.
pub const BOTH: Expected = Expected { refused: &[By::Method, By::Hook], installed: true };
/// dpkg's gate refuses; the good package is installed that way.
pub const DPKG: Expected = Expected { refused: &[By::Dpkg], installed: true };
/// dpkg's gate refuses; the good package is unpacked that way.
pub const UNPACKED: Expected = Expected { refused: &[By::Dpkg], installed: false };
/// The hook refuses, and dpkg's gate; the good package is installed that way.
pub const HOOK_AND_DPKG: Expected = Expected { refused: &[By::Hook, By::Dpkg], installed: true };
/// Refused before anything is downloaded; the good package is installed that way.
pub const PROMPT: Expected = Expected { refused: &[By::Prompt], installed: true };
/// Refused before anything is downloaded, and by the hook where that cannot tell; the good package is
/// installed that way.
pub const PROMPT_AND_HOOK: Expected =
    Expected { refused: &[By::Prompt, By::Hook], installed: true };
/// Nobody refuses.
pub const PASSES: Expected = Expected { refused: &[], installed: false };
/// apt refuses by itself; the good package is installed that way.
pub const APT: Expected = Expected { refused: &[By::Apt], installed: true };
/// The method refuses; the good file is downloaded that way.
pub const DOWNLOAD: Expected = Expected { refused: &[By::Method], installed: false };
/// apt refuses some of it by itself, the hook the rest; the good package is installed that way.
pub const APT_AND_HOOK: Expected = Expected { refused: &[By::Apt, By::Hook], installed: true };
/// Nobody refuses, and the good package is installed.
pub const INSTALLED: Expected = Expected { refused: &[], installed: true };

/// Something that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Somebody refused, and the decisive line
    Refused(By, String),
    /// dpkg set these up
    Installed(String),
    /// Something that a scenario found worth saying
    Noted(String),
    /// The package that nobody confirms gets onto the system in this row, for this reason
    LetIn(String),
    /// The way does not exist in this release, for this reason
    Impossible(String),
}

/// What was seen in one row.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<Sight>>>);

impl Log {
    pub fn add(&self, sight: Sight) {
        let mut sights = self.0.lock().unwrap_or_else(|lock| lock.into_inner());
        if !sights.contains(&sight) {
            sights.push(sight);
        }
    }

    /// Notes who refused in the output of a command that failed.
    pub fn failure(&self, text: &str) {
        let mut found = false;
        // Both say the same; dpkg says so itself when its gate refused.
        let by_dpkg = (text.contains("dpkg: error: ") && text.contains(" hook '"))
            || text.contains("verification on package");
        let hook = match by_dpkg {
            true => By::Dpkg,
            false if text.contains("Nothing was downloaded or installed.") => By::Prompt,
            false => By::Hook,
        };
        let mut lines = text.lines().map(str::trim).peekable();
        while let Some(line) = lines.next() {
            let method = ["apt-quorum refused it: ", "apt-quorum: nothing will be installed. "]
                .into_iter()
                .find_map(|words| line.split_once(words));
            if let Some((_, why)) = method {
                self.add(Sight::Refused(By::Method, why.to_owned()));
                found = true;
            } else if line.starts_with("apt-quorum: ") && line.ends_with(" refused.") {
                let why = lines.peek().copied().unwrap_or_default();
                self.add(Sight::Refused(hook, why.trim_start_matches("refused: ").to_owned()));
                found = true;
            } else if let Some(why) = line.strip_prefix("apt-quorum: ").filter(|_| !found) {
                if why.contains("othing was installed") || why.contains("is not installed") {
                    self.add(Sight::Refused(hook, why.to_owned()));
                    found = true;
                }
            }
        }
        // Some front ends keep what the hook says to themselves.
        let exit = "pre-install-pkgs returned an error code (1)";
        if let Some(line) = text.lines().find(|line| !found && line.contains(exit)) {
            self.add(Sight::Refused(By::Hook, line.trim_start_matches("E: ").to_owned()));
            found = true;
        }
        if !found {
            let said = text.lines().find(|line| line.starts_with("E: "));
            let said = said.or_else(|| text.lines().last()).unwrap_or_default();
            self.add(Sight::Refused(By::Apt, said.trim_start_matches("E: ").to_owned()));
        }
    }

    /// Notes what was installed in the output of a command that succeeded.
    pub fn success(&self, text: &str) {
        for line in text.lines() {
            if let Some((name, _)) =
                line.split_once("Setting up ").and_then(|(_, rest)| rest.split_once(' '))
            {
                self.add(Sight::Installed(name.to_owned()));
            }
        }
    }

    /// Why the row cannot be run here, if it said so.
    pub fn impossible(&self) -> Option<String> {
        self.sights().into_iter().find_map(|sight| match sight {
            Sight::Impossible(why) => Some(why),
            _ => None,
        })
    }

    /// Whether the row said that it lets the package in that nobody confirms.
    pub fn lets_in(&self) -> bool {
        self.sights().iter().any(|sight| matches!(sight, Sight::LetIn(_)))
    }

    /// What of `expected` was not seen.
    pub fn lacks(&self, expected: Expected) -> Option<String> {
        let sights = self.sights();
        let refused =
            |by: By| sights.iter().any(|it| matches!(it, Sight::Refused(who, _) if *who == by));
        let missing = expected.refused.iter().find(|by| !refused(**by));
        let installed = sights.iter().any(|it| matches!(it, Sight::Installed(_)));
        match missing {
            Some(by) => Some(format!("no refusal by {by}")),
            None if expected.installed && !installed => Some("nothing was installed".to_owned()),
            None => None,
        }
    }

    fn sights(&self) -> Vec<Sight> {
        self.0.lock().unwrap_or_else(|lock| lock.into_inner()).clone()
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Method => "the method",
            Self::Hook => "the hook",
            Self::Dpkg => "dpkg's gate",
            Self::Prompt => "the hook before the prompt",
            Self::Apt => "apt",
        })
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by: Vec<String> = self.refused.iter().map(By::to_string).collect();
        match (by.is_empty(), self.installed) {
            (true, _) => write!(f, "goes through"),
            (false, true) => write!(f, "refused by {}; confirmed, installed", by.join(" and ")),
            (false, false) => write!(f, "refused by {}; confirmed, goes through", by.join(" and ")),
        }
    }
}

/// The first refusal of each, what was noted, and what was installed, on one line.
impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sights = self.sights();
        let mut said = Vec::new();
        for wanted in [By::Prompt, By::Method, By::Hook, By::Dpkg, By::Apt] {
            let mut all = sights.iter().filter_map(|sight| match sight {
                Sight::Refused(by, why) if *by == wanted => Some(why),
                _ => None,
            });
            if let Some(first) = all.next() {
                let (more, first) = (all.count(), shortened(first));
                let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
                said.push(format!("{wanted} refused: {first}{more}"));
            }
        }
        let mut installed = Vec::new();
        for sight in &sights {
            match sight {
                Sight::Noted(what) => said.push(what.clone()),
                Sight::LetIn(why) => said.push(format!("let in, as meant: {why}")),
                Sight::Installed(name) => installed.push(name.as_str()),
                Sight::Refused(..) | Sight::Impossible(_) => {}
            }
        }
        if !installed.is_empty() {
            said.push(format!("installed {}", installed.join(" ")));
        }
        f.write_str(&if said.is_empty() { "nothing".to_owned() } else { said.join("; ") })
    }
}

/// The head of a line: where each rebuilder stands is left out.
fn shortened(line: &str) -> String {
    let head = line.split(" [").next().unwrap_or(line);
    let head: String = head.chars().filter(|it| !it.is_control()).take(160).collect();
    head.trim_end_matches('.').to_owned()
}

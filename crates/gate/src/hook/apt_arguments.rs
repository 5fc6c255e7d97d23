//! apt's configuration as apt itself has it, for an apt that does not tell its hooks (before 2.7).
//! Reads the same files and environment, and the options of apt's command line. It only decides
//! whether a refusal comes early.

use std::ffi::OsString;
use std::iter::Peekable;
use std::os::unix::process::parent_id;

use crate::apt::configuration::Configuration;
use crate::gate::{AptUnreadable, Environment, apt_configuration_with};

/// Returns the configuration of the apt that started this process, directly or by the shell that it
/// starts hooks with.
///
/// # Errors
/// If it cannot be read, even if apt could read it.
pub(super) fn configuration_of_apt() -> Result<Configuration, AptUnreadable> {
    let parent = parent_id();
    let mut line = command_line(parent);
    if matches!(line.as_slice(), [shell, option, ..] if shell.ends_with("sh") && option == "-c") {
        line = parent_of(parent).map(command_line).unwrap_or_default();
    }
    let options = options(line.into_iter().skip(1).peekable());
    // The caller of apt sets `APT_CONFIG` for apt, too.
    apt_configuration_with(Environment::Heard, &options)
}

fn command_line(process: u32) -> Vec<String> {
    let line = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).split('\0').map(str::to_owned).collect()
}

/// Returns the parent of a process (proc_pid_status(5)).
fn parent_of(process: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}

/// Translates these arguments (apt-get(8), "OPTIONS") to options of apt-config, in their order.
/// Keeps only those that set or read a configuration item that matters here.
fn options(mut arguments: Peekable<impl Iterator<Item = String>>) -> Vec<OsString> {
    let mut options = Options::default();
    while let Some(argument) = arguments.next() {
        let mut next = || arguments.next_if(|next| !next.starts_with('-'));
        let (name, own) = match argument.split_once('=') {
            Some((name, own)) => (name, Some(own.to_owned())),
            None => (argument.as_str(), None),
        };
        match name {
            "--" => break,
            "--yes" | "--assume-yes" => options.set("APT::Get::Assume-Yes=true"),
            "--simulate" | "--just-print" | "--dry-run" | "--recon" | "--no-act" => {
                options.set("APT::Get::Simulate=true");
            }
            "--print-uris" => options.set("APT::Get::Print-URIs=true"),
            "--quiet" | "--silent" => {
                options.set(&format!("quiet={}", own.as_deref().unwrap_or("1")));
            }
            "--config-file" => options.add("-c", own.or_else(next)),
            "--option" => options.add("-o", own.or_else(next)),
            _ => match argument.strip_prefix('-') {
                Some(letters) if !letters.starts_with('-') => {
                    options.add_letters(letters, &mut next);
                }
                _ => {}
            },
        }
    }
    options.0
}

/// Options of apt-config.
#[derive(Default)]
struct Options(Vec<OsString>);

impl Options {
    fn set(&mut self, item: &str) {
        self.add("-o", Some(item.to_owned()));
    }

    /// Adds an option. Without a value, apt itself has ended with an error.
    fn add(&mut self, option: &str, value: Option<String>) {
        if let Some(value) = value {
            self.0.extend([option.into(), value.into()]);
        }
    }

    /// Several options of one letter may stand together, the last of them with a value: `-yqq`,
    /// `-q=2`, `-yo A=b`, `-oA=b`.
    fn add_letters(&mut self, letters: &str, next: &mut dyn FnMut() -> Option<String>) {
        let mut quiet = 0;
        let mut rest = letters.chars();
        while let Some(letter) = rest.next() {
            let behind = rest.as_str();
            let level = behind.strip_prefix('=');
            let value = Some(level.unwrap_or(behind).to_owned()).filter(|it| !it.is_empty());
            match letter {
                'y' => self.set("APT::Get::Assume-Yes=true"),
                's' => self.set("APT::Get::Simulate=true"),
                'q' => {
                    quiet += 1;
                    let level = level.map_or_else(|| quiet.to_string(), ToOwned::to_owned);
                    self.set(&format!("quiet={level}"));
                }
                'c' => return self.add("-c", value.or_else(next)),
                'o' => return self.add("-o", value.or_else(next)),
                // Of an option that does not matter here.
                '=' => return,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(line: &str) -> String {
        let options = options(line.split(' ').map(str::to_owned).peekable());
        options.join(" ".as_ref()).into_string().unwrap()
    }

    #[test]
    fn settings_are_found_however_they_are_written() {
        let (yes, simulate) = ("-o APT::Get::Assume-Yes=true", "-o APT::Get::Simulate=true");
        for (line, expected) in [
            ("install -y hello", yes),
            ("install --assume-yes hello", yes),
            ("-yqq install hello", &format!("{yes} -o quiet=1 -o quiet=2")),
            ("install -s hello", simulate),
            ("--dry-run upgrade", simulate),
            ("install -o APT::Get::Assume-Yes=1 hello", "-o APT::Get::Assume-Yes=1"),
            ("install -oA::B=x hello", "-o A::B=x"),
            ("install -o=A::B=x hello", "-o A::B=x"),
            ("install --option A::B=x hello", "-o A::B=x"),
            ("install --option=A::B=x=y", "-o A::B=x=y"),
            ("install -yo A::B=x hello", &format!("{yes} -o A::B=x")),
            ("install -o A::B= x hello", "-o A::B="),
            ("install -o", ""),
            ("install -o -y", yes),
            ("-c /x/y install -y", &format!("-c /x/y {yes}")),
            ("-c=/x/y install", "-c /x/y"),
            ("-yc/x/y install", &format!("{yes} -c /x/y")),
            ("--config-file=/x/y install", "-c /x/y"),
            ("--config-file /x/y install", "-c /x/y"),
            ("install -o A::B=x -c /y -o A::B=z", "-o A::B=x -c /y -o A::B=z"),
            ("-q=2 install", "-o quiet=2"),
            ("-q install", "-o quiet=1"),
            ("--quiet install", "-o quiet=1"),
            ("--silent=2 install", "-o quiet=2"),
            ("-y --print-uris install", &format!("{yes} -o APT::Get::Print-URIs=true")),
            ("-t=syts install", ""),
            ("install -- -y", ""),
            ("install hello", ""),
        ] {
            assert_eq!(found(line), expected, "{line}");
        }
    }
}

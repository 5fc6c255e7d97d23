//! What apt's command line says, for an apt that does not tell its hooks its configuration (before
//! 2.7). It decides only whether a refusal comes early.

use std::os::unix::process::parent_id;

use crate::apt::configuration::Configuration;

/// Adds what apt was called with: the parent process, or the one above the shell that apt starts
/// hooks with.
pub(super) fn add_those_of_apt(to: &mut Configuration) {
    let parent = parent_id();
    let mut line = command_line(parent);
    if matches!(line.as_slice(), [shell, option, ..] if shell.ends_with("sh") && option == "-c") {
        line = parent_of(parent).map(command_line).unwrap_or_default();
    }
    add(to, line.iter().skip(1).map(String::as_str));
}

fn command_line(process: u32) -> Vec<String> {
    let line = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).split('\0').map(str::to_owned).collect()
}

/// proc_pid_status(5).
fn parent_of(process: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}

/// Adds the settings that these arguments make (apt-get(8), "OPTIONS"), as far as they matter here.
fn add<'a>(to: &mut Configuration, mut arguments: impl Iterator<Item = &'a str>) {
    while let Some(argument) = arguments.next() {
        let setting = match argument {
            "--" => return,
            "--yes" | "--assume-yes" => Some("APT::Get::Assume-Yes=true"),
            "--simulate" | "--just-print" | "--dry-run" | "--recon" | "--no-act" => {
                Some("APT::Get::Simulate=true")
            }
            "--print-uris" => Some("APT::Get::Print-URIs=true"),
            "--quiet" | "--silent" => Some("quiet=1"),
            "-o" | "--option" => arguments.next(),
            _ => match argument.split_once('=') {
                Some(("--quiet" | "--silent", level)) => {
                    to.set("quiet", level.to_owned());
                    None
                }
                _ => argument.strip_prefix("--option=").or(argument.strip_prefix("-o")),
            },
        };
        if let Some((name, value)) = setting.and_then(|it| it.split_once('=')) {
            to.set(name, value.to_owned());
        } else if let Some(letters) = argument.strip_prefix('-').filter(|it| !it.starts_with('-')) {
            add_letters(to, letters);
        }
    }
}

/// Several options of one letter may stand together: `-yqq`, `-q=2`.
fn add_letters(to: &mut Configuration, letters: &str) {
    let (letters, value) = letters.split_once('=').unwrap_or((letters, ""));
    if letters.contains('y') {
        to.set("APT::Get::Assume-Yes", "true".to_owned());
    }
    if letters.contains('s') {
        to.set("APT::Get::Simulate", "true".to_owned());
    }
    match (letters.matches('q').count(), value) {
        (0, _) => {}
        (count, "") => to.set("quiet", count.to_string()),
        (_, value) => to.set("quiet", value.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_found_however_they_are_written() {
        for (line, expected) in [
            ("install -y hello", [true, false]),
            ("install --assume-yes hello", [true, false]),
            ("-yqq install hello", [true, false]),
            ("install -s hello", [false, true]),
            ("--dry-run upgrade", [false, true]),
            ("install -o APT::Get::Assume-Yes=1 hello", [true, false]),
            ("install -oAPT::Get::Assume-Yes=true hello", [true, false]),
            ("install --option=apt::get::simulate=yes", [false, true]),
            ("install -- -y", [false, false]),
            ("install hello", [false, false]),
        ] {
            let mut found = Configuration::default();
            add(&mut found, line.split(' '));
            let names = ["APT::Get::Assume-Yes", "APT::Get::Simulate"];
            assert_eq!(names.map(|it| found.is_on(it)), expected, "{line}");
        }
        for (line, expected) in [
            ("-qq", "2"),
            ("-q", "1"),
            ("-q=2", "2"),
            ("--quiet", "1"),
            ("--quiet=2", "2"),
            ("--silent=2", "2"),
            ("-yqq --print-uris", "2"),
        ] {
            let mut found = Configuration::default();
            add(&mut found, line.split(' '));
            assert_eq!(found.find("quiet"), Some(expected), "{line}");
            assert_eq!(found.is_on("APT::Get::Print-URIs"), line.ends_with("--print-uris"));
        }
    }
}

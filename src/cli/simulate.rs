//! What apt would install and remove, told by apt itself.

use std::collections::BTreeSet;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use std::{fs, io};

use super::world::Stop;
use crate::apt::configuration::Configuration;
use crate::apt::simulation::{self, SimulatedChanges};
use crate::hold::{self, Pin, Solver, Upgrade};
use crate::sys::plain;
use crate::types::{Architecture, Identity, printable};

/// A configuration that apt reads after all of its files. apt runs these hooks in a simulation as
/// well. Ours would ask rebuilders about packages about which our caller asks next.
const WITHOUT_HOOKS: &str = "#clear AptCli::Hooks;\n";

/// apt's directory with preferences.
const PREFERENCES: &str = "Dir::Etc::preferencesparts";

/// The directory below `APT::Quorum::State` in which pins are tried.
const TRIAL: &str = "hold-trial";

/// The time for which fewer updates to hold are looked for. `apt update` waits for it.
const PATIENCE: Duration = Duration::from_secs(120);

/// The ways in which a machine is upgraded. `apt` has a solver of its own in later versions.
const WAYS: [(&str, &[&str]); 3] = [
    ("/usr/bin/apt-get", &["upgrade", "--with-new-pkgs"]),
    ("/usr/bin/apt-get", &["dist-upgrade"]),
    ("/usr/bin/apt", &["full-upgrade"]),
];

/// The packages that apt would install.
pub(super) struct Simulated {
    pub(super) packages: Vec<Identity>,
    /// Packages that apt names in a way that cannot be looked up, as text that can be shown
    pub(super) odd: Vec<String>,
}

/// Returns the packages that `apt-get ACTION` would install, such as `dist-upgrade` or
/// `install -- PACKAGE`.
///
/// # Errors
/// The reason why apt does not tell, in its own words.
pub(super) fn installed_by(action: &[&str]) -> Result<Simulated, String> {
    let output = said(start("/usr/bin/apt-get", &[], action))?;
    let SimulatedChanges { unpacked, odd, .. } = simulation::changes(&output);
    let odd = odd.into_iter().map(|line| printable(line).to_string()).collect();
    Ok(Simulated { packages: unpacked.into_iter().map(|it| it.package).collect(), odd })
}

/// Returns the packages that `apt-get dist-upgrade` would install.
pub(super) fn upgraded() -> Result<Simulated, Stop> {
    installed_by(&["dist-upgrade"])
        .map_err(|why| Stop::silent(format!("cannot ask apt-get what it would upgrade: {why}")))
}

/// Starts a simulation.
fn start(program: &str, options: &[String], action: &[&str]) -> io::Result<Child> {
    let mut child = Command::new(program)
        .args(["-qq", "-s", "-c", "/dev/stdin"])
        .args(["-o", "APT::Get::Show-User-Simulation-Note=false"])
        .args(options)
        .args(action)
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // Where apt reads nothing, it says why.
        let _ = stdin.write_all(WITHOUT_HOOKS.as_bytes());
    }
    Ok(child)
}

/// Returns the output of a simulation, or the reason why there is none, in apt's own words.
fn said(child: io::Result<Child>) -> Result<String, String> {
    let Output { status, stdout, stderr } =
        child.and_then(Child::wait_with_output).map_err(|error| plain(&error))?;
    if !status.success() {
        let said = String::from_utf8_lossy(&stderr);
        // One line, whatever apt makes of it.
        let said: Vec<&str> = said.lines().map(str::trim).filter(|it| !it.is_empty()).collect();
        return Err(printable(&said.join(" ")).to_string());
    }
    Ok(String::from_utf8_lossy(&stdout).into_owned())
}

/// apt with pins that are only tried: in a directory that has all of the administrator's
/// preferences, and the pins in place of ours.
pub(super) struct Trial {
    directory: PathBuf,
    native: Architecture,
    started: Instant,
}

impl Trial {
    /// Lays out the directory. Whoever calls must be alone.
    ///
    /// # Errors
    /// The reason why it cannot be made.
    pub(super) fn open(apt: &Configuration, state: &Path) -> Result<Self, String> {
        let native = apt.find("APT::Architecture").and_then(|it| it.parse().ok());
        let native = native.ok_or("apt does not tell the architecture of this system")?;
        let trial = Self { directory: state.join(TRIAL), native, started: Instant::now() };
        trial.lay_out(&preferences_directory(apt)).map_err(|error| {
            format!("cannot write to {}: {}", trial.directory.display(), plain(&error))
        })?;
        Ok(trial)
    }

    fn lay_out(&self, preferences: &Path) -> io::Result<()> {
        self.clear();
        fs::DirBuilder::new().mode(0o700).create(&self.directory)?;
        let entries = match fs::read_dir(preferences) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            // A link to a directory, which some have there, is one here as well.
            if entry.file_name() != hold::FILE {
                symlink(entry.path(), self.directory.join(entry.file_name()))?;
            }
        }
        Ok(())
    }

    fn clear(&self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Returns the directory in which apt looks for preferences.
pub(super) fn preferences_directory(apt: &Configuration) -> PathBuf {
    apt.path(PREFERENCES, "/etc/apt/preferences.d")
}

impl Solver for Trial {
    fn upgrades(&mut self, pins: &BTreeSet<Pin>) -> Result<Vec<Upgrade>, String> {
        let text = hold::preferences(pins, |_| "tried".to_owned());
        fs::write(self.directory.join(hold::FILE), text).map_err(|error| plain(&error))?;
        let option = format!("{PREFERENCES}={}", self.directory.display());
        let options = ["-o".to_owned(), option];
        let ways = WAYS.into_iter().filter(|(program, _)| Path::new(program).exists());
        // At the same time: each reads all indexes.
        let started: Vec<_> =
            ways.map(|(program, action)| start(program, &options, action)).collect();
        let mut upgrades = Vec::new();
        for child in started {
            let output = said(child)?;
            let SimulatedChanges { unpacked, removed, odd } = simulation::changes(&output);
            upgrades.push(Upgrade {
                unpacked,
                removed: removed.into_iter().map(|it| printable(it).to_string()).collect(),
                odd: odd.into_iter().map(|it| printable(it).to_string()).collect(),
            });
        }
        Ok(upgrades)
    }

    fn has_time(&self) -> bool {
        self.started.elapsed() < PATIENCE
    }

    fn native(&self) -> &Architecture {
        &self.native
    }
}

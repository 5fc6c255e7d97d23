//! The packages that apt would install, told by apt itself.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use super::world::Stop;
use crate::apt::simulation;
use crate::sys::plain;
use crate::types::{Identity, printable};

/// A configuration that apt reads after all of its files. apt runs these hooks in a simulation as
/// well. Ours would ask rebuilders about packages about which our caller asks next.
const WITHOUT_HOOKS: &str = "#clear AptCli::Hooks;\n";

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
    let output = run(action).map_err(|error| plain(&error))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        // One line, whatever apt makes of it.
        let said: Vec<&str> = said.lines().map(str::trim).filter(|it| !it.is_empty()).collect();
        return Err(printable(&said.join(" ")).to_string());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let (packages, odd) = simulation::installed(&text);
    let odd = odd.into_iter().map(|line| printable(line).to_string()).collect();
    Ok(Simulated { packages, odd })
}

/// Returns the packages that `apt-get dist-upgrade` would install.
pub(super) fn upgraded() -> Result<Simulated, Stop> {
    installed_by(&["dist-upgrade"])
        .map_err(|why| Stop::silent(format!("cannot ask apt-get what it would upgrade: {why}")))
}

fn run(action: &[&str]) -> std::io::Result<Output> {
    let mut child = Command::new("/usr/bin/apt-get")
        .args(["-qq", "-s", "-c", "/dev/stdin"])
        .args(["-o", "APT::Get::Show-User-Simulation-Note=false"])
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
    child.wait_with_output()
}

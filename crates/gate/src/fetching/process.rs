//! The process that asks endpoints for root, as root starts it and writes to it.

use std::io::{ErrorKind, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::apt::configuration::Configuration;
use crate::sys::privileges::{PrivilegeError, User};
use crate::sys::{inherited, program};

/// The time that the fetching process may need in addition to its network timeouts, to start and to
/// verify.
pub(super) const SLACK: Duration = Duration::from_secs(10);

/// The longest wait for the end of the fetching process after it was killed.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// apt's unprivileged user, unless its configuration names another.
const APT_USER: &str = "_apt";

/// Returns the user as which the fetching process must ask. Returns nothing if this process is not
/// root's and may ask itself.
///
/// A system that is being built may have no apt yet, and so no user for apt.
///
/// # Errors
/// If there is no such user.
pub fn fetching_user(apt: &Configuration) -> Result<Option<User>, String> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(None);
    }
    let named = apt.find("APT::Sandbox::User").filter(|name| *name != "root" && *name != APT_USER);
    let found = match named {
        Some(name) => User::find(name),
        // Without apt, its user does not exist. Any other user than root is good enough: its
        // messages are not believed.
        None => match User::find(APT_USER) {
            Err(PrivilegeError::NoUser(_)) => Ok(User::nobody()),
            found => found,
        },
    };
    found.map(Some).map_err(|error| error.to_string())
}

/// The process that fetches, and the lines for it.
///
/// Every process of the same user can stop it at any moment, so this process never waits for it. A
/// separate thread starts it and writes to it.
#[derive(Debug)]
pub(super) struct FetchingProcess {
    child: Child,
    /// The lines that wait to be written, as many as there are packages to ask about
    lines: Sender<String>,
}

/// The name by which the process that fetches is started.
pub const FETCH: &str = "apt-quorum-fetch";

impl FetchingProcess {
    /// Starts this program again, as `user`, to read a setup from its input. Returns the process
    /// and its output.
    pub(super) fn start(user: &User) -> std::io::Result<(Self, ChildStdout)> {
        let mut command = Command::new(program()?);
        command
            .arg0(FETCH)
            .env_clear()
            .current_dir("/")
            // Clears the supplementary groups as well.
            .uid(user.uid)
            .gid(user.gid)
            // Not /dev/null: in a directory that contains only this program there is none. The
            // output to it is ignored.
            .stderr(Stdio::piped());
        Self::start_command(command)
    }

    fn start_command(mut command: Command) -> std::io::Result<(Self, ChildStdout)> {
        inherited::hand_nothing_down(&mut command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let (lines, to_write) = channel::<String>();
        let (send, started) = channel();
        std::thread::Builder::new().name("fetcher-in".to_owned()).spawn(move || {
            let started = command.spawn().and_then(|mut child| {
                drop(child.stderr.take());
                let input = child.stdin.take().ok_or(ErrorKind::BrokenPipe)?;
                let output = child.stdout.take().ok_or(ErrorKind::BrokenPipe)?;
                Ok((child, input, output))
            });
            let (told, input) = match started {
                Ok((child, input, output)) => (Ok((child, output)), Some(input)),
                Err(error) => (Err(error), None),
            };
            // If it took too long, no caller waits for it any more: then its input ends here.
            let (Ok(()), Some(mut input)) = (send.send(told), input) else { return };
            while to_write.recv().is_ok_and(|line| input.write_all(line.as_bytes()).is_ok()) {}
        })?;
        let started = started.recv_timeout(SLACK).map_err(|_| ErrorKind::TimedOut)?;
        started.map(|(child, output)| (Self { child, lines }, output))
    }

    /// Sends it a line of JSON, and does not wait until it reads that.
    ///
    /// # Errors
    /// If it is known to have ended.
    pub(super) fn tell(&self, what: &impl Serialize) -> std::io::Result<()> {
        let line = serde_json::to_string(what)? + "\n";
        self.lines.send(line).map_err(|_| ErrorKind::BrokenPipe.into())
    }
}

impl Drop for FetchingProcess {
    /// Ends the process. Does not wait for one that hangs in the kernel, for example for a file on
    /// an unreachable server.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let end = Instant::now() + LAST_WAIT;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read};

    use super::*;

    fn started(program: &str, argument: &str) -> (FetchingProcess, ChildStdout) {
        let mut command = Command::new(program);
        command.arg(argument);
        FetchingProcess::start_command(command).unwrap()
    }

    #[test]
    fn a_process_that_reads_nothing_is_not_waited_for() {
        let begun = Instant::now();
        let (process, mut output) = started("sleep", "1000");
        // Far more than a pipe can hold.
        for _ in 0..1000 {
            process.tell(&"x".repeat(10_000)).unwrap();
        }
        let id = nix::unistd::Pid::from_raw(process.child.id().try_into().unwrap());
        nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGSTOP).unwrap();
        drop(process);
        assert_eq!(output.read(&mut [0]).unwrap(), 0, "it is still there");
        assert!(begun.elapsed() < LAST_WAIT, "it took {:?}", begun.elapsed());
    }

    #[test]
    fn lines_arrive_in_their_order_and_nobody_is_told_after_the_end() {
        let (process, output) = started("head", "--lines=3");
        for line in ["a", "b", "c"] {
            process.tell(&line).unwrap();
        }
        let said: Vec<String> = BufReader::new(output).lines().map(Result::unwrap).collect();
        assert_eq!(said, ["\"a\"", "\"b\"", "\"c\""]);
        let end = Instant::now() + Duration::from_secs(30);
        while process.tell(&"d").is_ok() {
            assert!(Instant::now() < end, "it is told for ever");
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(FetchingProcess::start_command(Command::new("/no/such/program")).is_err());
    }

    #[test]
    fn what_this_process_has_open_is_not_handed_down() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let flags = nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty());
        nix::fcntl::fcntl(file.as_file(), flags).unwrap();
        let own = file.path().to_string_lossy();
        let list = || {
            let mut command = Command::new("ls");
            command.args(["-l", "/proc/self/fd"]);
            command
        };
        let handed = String::from_utf8(list().output().unwrap().stdout).unwrap();
        assert!(handed.contains(&*own), "it would not be handed down anyway: {handed}");
        let (_process, mut output) = FetchingProcess::start_command(list()).unwrap();
        let mut handed = String::new();
        output.read_to_string(&mut handed).unwrap();
        assert!(!handed.contains(&*own), "{own} is among {handed}");
    }
}

//! A terminal of its own for the program, and somebody who reads before he types.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use super::{World, finish};

/// Nothing here takes longer unless it hangs.
const HANGS: Duration = Duration::from_secs(60);

/// A program at a terminal.
pub struct Terminal {
    child: Child,
    input: ChildStdin,
    output: Receiver<Vec<u8>>,
    /// All that was shown
    shown: String,
    /// How much of it was waited for already
    read: usize,
}

impl Terminal {
    /// Starts what `command` is, in `world`, at a terminal.
    pub fn start(world: &World, command: &Command) -> Self {
        let quoted = |it: &std::ffi::OsStr| format!("'{}'", it.to_str().unwrap());
        let line: Vec<String> =
            std::iter::once(command.get_program()).chain(command.get_args()).map(quoted).collect();
        let mut script = world.command_of(Path::new("/usr/bin/script"));
        script.args([
            "--quiet",
            "--return",
            "--command",
            &format!("exec {}", line.join(" ")),
            "/dev/null",
        ]);
        for (name, value) in command.get_envs() {
            script.env(name, value.unwrap());
        }
        script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = script.spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let mut from = child.stdout.take().unwrap();
        let (send, output) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length) = from.read(&mut bytes) {
                if length == 0 || send.send(bytes[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { child, input, output, shown: String::new(), read: 0 }
    }

    /// Waits until this is shown, behind what was waited for before.
    pub fn expect(&mut self, text: &str) -> &mut Self {
        let end = Instant::now() + HANGS;
        loop {
            if let Some(at) = self.shown[self.read..].find(text) {
                self.read += at + text.len();
                return self;
            }
            let left = end.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.shown += &String::from_utf8_lossy(&bytes),
                Err(_) => panic!("{text:?} was not shown: {}", self.shown),
            }
        }
    }

    /// Types this.
    pub fn send(&mut self, text: &str) -> &mut Self {
        self.input.write_all(text.as_bytes()).unwrap();
        self
    }

    /// Waits until the program has ended: with which code, and what it showed.
    pub fn end(self) -> (Option<i32>, String) {
        let Self { child, input, output, mut shown, .. } = self;
        // Held open: with its end the terminal would be gone, perhaps before it was read.
        let ended = finish(child);
        drop(input);
        for bytes in output {
            shown += &String::from_utf8_lossy(&bytes);
        }
        (ended.code, shown)
    }
}

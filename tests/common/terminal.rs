//! A terminal that a test looks at: what was written to it, and what is on its screen then.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

use super::{Ended, HANGS, finish};

/// All codes that may ever come.
pub const CODES: [&str; 4] = ["\u{1b}[31m", "\u{1b}[32m", "\u{1b}[33m", "\u{1b}[0m"];

const COLUMNS: u16 = 80;

type Written = Arc<(Mutex<Vec<u8>>, Condvar)>;

pub struct Terminal {
    end: OwnedFd,
    written: Written,
    reader: JoinHandle<()>,
}

impl Terminal {
    pub fn new() -> Self {
        let size = nix::pty::Winsize { ws_row: 24, ws_col: COLUMNS, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = nix::pty::openpty(Some(&size), None).unwrap();
        let mut master = File::from(pair.master);
        let written = Written::default();
        let kept = Arc::clone(&written);
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 1024];
            // It ends with an error when nobody has the other end any more.
            while let Ok(got @ 1..) = master.read(&mut buffer) {
                kept.0.lock().unwrap().extend(&buffer[..got]);
                kept.1.notify_all();
            }
        });
        Self { end: pair.slave, written, reader }
    }

    /// For a program to write to.
    pub fn end(&self) -> Stdio {
        self.end.try_clone().unwrap().into()
    }

    /// Waits until this was written.
    pub fn wait_for(&self, text: &str) {
        let there = |written: &mut Vec<u8>| String::from_utf8_lossy(written).contains(text);
        let written = self.written.0.lock().unwrap();
        let (written, over) =
            self.written.1.wait_timeout_while(written, HANGS, |it| !there(it)).unwrap();
        assert!(!over.timed_out(), "no {text:?} in {:?}", String::from_utf8_lossy(&written));
    }

    /// All that was written, when nobody has it open any more.
    pub fn close(self) -> String {
        drop(self.end);
        self.reader.join().unwrap();
        let written = self.written.0.lock().unwrap().clone();
        String::from_utf8(written).unwrap()
    }
}

/// Runs a program with its output and its complaints on a terminal, and gives what was written.
pub fn run_at_terminal(mut command: Command) -> (Ended, String) {
    let terminal = Terminal::new();
    command.stdout(terminal.end()).stderr(terminal.end());
    let child = command.spawn().unwrap();
    drop(command);
    (finish(child), terminal.close())
}

/// What is on the screen at the end, line by line.
pub fn screen(written: &str) -> Vec<String> {
    let mut lines = vec![Vec::new()];
    let mut column = 0;
    let plain = CODES.iter().fold(written.to_owned(), |text, code| text.replace(code, ""));
    for c in plain.chars() {
        match c {
            '\r' => column = 0,
            '\n' => lines.push(Vec::new()),
            ' '..='~' => {
                let line = lines.last_mut().unwrap();
                line.resize(line.len().max(column + 1), ' ');
                line[column] = c;
                column += 1;
            }
            other => panic!("{other:?} in {written:?}"),
        }
    }
    lines.iter().map(|it| it.iter().collect::<String>().trim_end().to_owned()).collect()
}

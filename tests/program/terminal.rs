//! What is for a person at a terminal only: a bar while they wait, which leaves nothing behind,
//! and colours. With a real terminal, and without one.

use std::os::unix::fs::symlink;
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use crate::common::apt::with_archive;
use crate::common::installed::Machine;
use crate::common::rebuilder::{Rebuilder, hello};
use crate::common::server::Server;
use crate::common::terminal::{CODES, Terminal, run_at_terminal, screen};
use crate::common::{Deb, Key, World, finish, run};

/// A bar begins so.
const BAR: &str = "[......";

/// Something that a rebuilder waits for before it answers.
#[derive(Default)]
struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }

    fn wait(&self) {
        let open = self.open.lock().unwrap();
        let wait = self.opened.wait_timeout_while(open, Duration::from_secs(60), |open| !*open);
        drop(wait.unwrap());
    }
}

/// A rebuilder who confirms these, as soon as the gate is open.
fn patient(world: &World, debs: &[&Deb], gate: &Arc<Gate>) -> Server {
    let key = Key::new();
    let rebuilder = Rebuilder::confirming(&key, debs.iter().copied());
    let gate = Arc::clone(gate);
    let server = Server::start(move |target| {
        gate.wait();
        rebuilder.answer(target)
    });
    world.policy("mode = \"enforce\"\nthreshold = 1\n");
    world.rebuilder("alpha", &key, &[server.endpoint()]);
    server
}

/// The command with everything on a terminal, where a bar comes; then alpha answers.
fn waits_with_a_bar(mut command: Command, gate: &Gate, bar: &str) -> Vec<String> {
    let terminal = Terminal::new();
    command.env("TERM", "xterm").stdout(terminal.end()).stderr(terminal.end());
    let child = command.spawn().unwrap();
    drop(command);
    terminal.wait_for(bar);
    gate.open();
    finish(child).assert_code(0);
    let written = terminal.close();
    let screen = screen(&written);
    assert!(!screen.iter().any(|it| it.contains("[.") || it.contains("[#")), "{screen:#?}");
    screen
}

/// The command with nothing on a terminal, which takes long enough for a bar.
fn waits_without_a_bar(mut command: Command, gate: &Arc<Gate>) {
    let later = Arc::clone(gate);
    let opener = std::thread::spawn(move || {
        // Longer than it takes for a bar to come.
        std::thread::sleep(Duration::from_secs(2));
        later.open();
    });
    let ended = run(command.env("TERM", "xterm"));
    opener.join().unwrap();
    ended.assert_code(0).assert_plain();
    assert!(!ended.stderr.contains("[.") && !ended.stderr.contains("[#"), "{ended:?}");
}

/// One command after the other, with a terminal and without one, each with a rebuilder of its
/// own.
fn every_way(make: impl Fn(&World) -> Command, debs: &[&Deb], bar: &str, line: &str) {
    let prepared = |gate: &Arc<Gate>| {
        let world = World::new();
        let server = patient(&world, debs, gate);
        debs.iter().for_each(|it| drop(world.put(it)));
        (with_archive(&world, debs, &[]), world, server)
    };
    let gate = Arc::default();
    let (there, world, _server) = prepared(&gate);
    if !there {
        return;
    }
    let screen = waits_with_a_bar(make(&world), &gate, bar);
    assert!(screen.iter().any(|it| it.starts_with(line)), "{line}: {screen:#?}");
    let gate = Arc::default();
    let (_, world, _server) = prepared(&gate);
    waits_without_a_bar(make(&world), &gate);
}

fn other() -> Deb {
    Deb::new("other", "1.0-1", "all")
}

#[test]
fn verify_shows_a_bar_at_a_terminal_and_wipes_it_out() {
    let verify = |world: &World| {
        let mut command = world.verify_command(&[]);
        for deb in [hello(), other()] {
            command.arg(world.path(&format!("files/{}", deb.file_name())));
        }
        command
    };
    let bar = format!("{BAR}........................] 0 of 2 packages");
    every_way(verify, &[&hello(), &other()], &bar, "confirmed: hello 2.10-3 amd64 [");
}

#[test]
fn check_shows_a_bar_at_a_terminal_and_wipes_it_out() {
    let check = |world: &World| {
        let mut command = world.command();
        command.arg("check").arg("--config").arg(world.path("etc")).arg("other");
        command
    };
    every_way(check, &[&other()], "] 0 of 1 package", "apt-quorum: of 1 package, 1 confirmed.");
}

#[test]
fn evidence_fetch_shows_a_bar_at_a_terminal_and_wipes_it_out() {
    let fetch = |world: &World| {
        let list = world.write("list", "other 1.0-1 all\n");
        let mut command = world.command();
        command.args(["evidence", "fetch", "--config"]).arg(world.path("etc"));
        command.arg("--packages").arg(list);
        command
    };
    every_way(fetch, &[&other()], "] 0 of 1 package", "asked about 1 package: ");
}

#[test]
fn audit_shows_a_bar_at_a_terminal_and_wipes_it_out() {
    let gate = Arc::default();
    let mut machine = Machine::new();
    machine.installed(&other()).let_in(&other(), "quorum");
    let key = &machine.keys["alpha"];
    let rebuilder = Rebuilder::confirming(key, [&other()]);
    let held: Arc<Gate> = Arc::clone(&gate);
    let server = Server::start(move |target| {
        held.wait();
        rebuilder.answer(target)
    });
    machine.world.policy("mode = \"enforce\"\nthreshold = 1\n");
    machine.world.rebuilder("alpha", key, &[server.endpoint()]);
    machine.write();
    let mut command = machine.world.command();
    command.args(["audit", "--config"]).arg(machine.world.path("etc"));
    command.arg("--root").arg(machine.path(""));
    let screen = waits_with_a_bar(command, &gate, "] 0 of 1 package");
    assert!(screen.iter().any(|it| it == "1 of 1 packages confirmed."), "{screen:#?}");
}

/// apt's hook, with the list that apt hands it.
fn hook(world: &World) -> Command {
    let here = world.directory.path().display().to_string();
    let deb = world.put(&hello());
    let list = format!(
        "VERSION 3\nAPT::Quorum::Config={here}/etc\nAPT::Quorum::State={here}/state\n\
         APT::Quorum::Cache={here}/cache\nDir::State::lists={here}/lists\n\
         Acquire::http::Proxy=DIRECT\n\nhello - - none < 2.10-3 amd64 none {}\n",
        deb.display()
    );
    world.write("list", list);
    let link = world.path("pre-install-pkgs");
    if !link.exists() {
        symlink(env!("CARGO_BIN_EXE_gate"), &link).unwrap();
    }
    let mut command = world.command_of("bash".as_ref());
    command.args(["-c", "exec \"$0\" 20<\"$1\""]).arg(link).arg(world.path("list"));
    command
}

#[test]
fn the_hook_shows_a_bar_at_a_terminal_and_wipes_it_out() {
    let bar = format!("apt-quorum: {BAR}");
    every_way(hook, &[&hello()], &bar, "apt-quorum: 1 confirmed.");
}

/// A world in which one package is refused, and one confirmed.
fn judged() -> (World, Server, Command) {
    let world = World::new();
    let gate = Arc::new(Gate::default());
    gate.open();
    let server = patient(&world, &[&hello()], &gate);
    let files = [world.put(&hello()), world.put(&other())];
    let mut command = world.verify_command(&[]);
    command.args(files);
    (world, server, command)
}

#[test]
fn verdicts_are_in_colour_at_a_terminal_that_takes_it() {
    let (_world, _server, mut command) = judged();
    let plain = run(&mut command);
    plain.assert_code(1).assert_plain();
    for (variables, colour) in [
        (&[("TERM", "xterm")][..], true),
        (&[("TERM", "xterm"), ("NO_COLOR", "")], true),
        (&[("TERM", "xterm"), ("NO_COLOR", "0")], false),
        (&[("TERM", "dumb")], false),
        (&[], false),
    ] {
        let (_world, _server, mut command) = judged();
        command.envs(variables.iter().copied());
        let (ended, written) = run_at_terminal(command);
        ended.assert_code(1);
        let expected = ["\u{1b}[32mconfirmed\u{1b}[0m: hello", "\u{1b}[31mrefused\u{1b}[0m: other"];
        for part in expected {
            assert_eq!(written.contains(part), colour, "{variables:?}: {written:?}");
        }
        assert_eq!(written.contains('\u{1b}'), colour, "{variables:?}: {written:?}");
        // The words are the same.
        let text = CODES.iter().fold(written, |text, code| text.replace(code, ""));
        assert_eq!(text.replace("\r\n", "\n").lines().count(), plain.stdout.lines().count());
    }
}

#[test]
fn each_stream_is_in_colour_for_itself_and_json_never() {
    // Output in a pipe, complaints on a terminal.
    let (_world, _server, mut command) = judged();
    let terminal = Terminal::new();
    command.env("TERM", "xterm").stdout(std::process::Stdio::piped()).stderr(terminal.end());
    let child = command.spawn().unwrap();
    drop(command);
    finish(child).assert_code(1).assert_plain();
    assert_eq!(terminal.close(), "");

    let (_world, _server, mut command) = judged();
    command.env("TERM", "xterm").arg("--json");
    let (ended, written) = run_at_terminal(command);
    ended.assert_code(1);
    assert!(!written.contains('\u{1b}'), "{written:?}");
}

#[test]
fn the_hook_has_colours_unless_apt_or_dpkg_shall_have_none() {
    for (item, variable, colour) in [
        ("", None, true),
        ("APT::Color=1\n", None, true),
        ("APT::Color=0\n", None, false),
        ("APT::Color=no\n", None, false),
        ("", Some(("DPKG_COLORS", "never")), false),
        ("", Some(("DPKG_COLORS", "auto")), true),
        ("", Some(("NO_COLOR", "1")), false),
    ] {
        let world = World::new();
        let gate = Arc::new(Gate::default());
        gate.open();
        let _server = patient(&world, &[&hello()], &gate);
        let mut command = hook(&world);
        let list = std::fs::read_to_string(world.path("list")).unwrap();
        world.write("list", list.replace("VERSION 3\n", &format!("VERSION 3\n{item}")));
        command.env("TERM", "xterm").envs(variable);
        let (ended, written) = run_at_terminal(command);
        ended.assert_code(0);
        let expected = "apt-quorum: \u{1b}[32m1 confirmed\u{1b}[0m.";
        assert_eq!(written.contains(expected), colour, "{item}{variable:?}: {written:?}");
        assert_eq!(written.contains('\u{1b}'), colour, "{item}{variable:?}: {written:?}");
    }
}

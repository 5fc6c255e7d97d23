//! Root does not talk to the network: it starts the program again as apt's unprivileged user.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::common::rebuilder::{alone, confirming, hello};
use crate::common::server::Server;
use crate::common::{Key, World, copy_of_program, is_root, left_out, run, set_mode};

/// Longer than anything takes that does not hang.
const HANGS: Duration = Duration::from_secs(30);

/// The processes that descend from `ancestor`, which is not among them.
fn descendants(ancestor: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|id: u32| Some((id, status(id, "PPid:")?.parse().ok()?)))
        .collect();
    let mut found = vec![ancestor];
    let mut at = 0;
    while let Some(parent) = found.get(at).copied() {
        found.extend(parents.iter().filter(|(_, it)| *it == parent).map(|(id, _)| id));
        at += 1;
    }
    found.split_off(1)
}

/// The first word of a line of /proc/ID/status.
fn status(id: u32, name: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next().map(str::to_owned)
}

/// A rebuilder that never answers, and tells when it was asked and when the one who asked is gone.
fn silent_rebuilder() -> (Server, mpsc::Receiver<&'static str>) {
    let (send, receive) = mpsc::channel();
    let send = std::sync::Mutex::new(send);
    let server = Server::on_connection(move |stream, _| {
        let send = send.lock().unwrap().clone();
        let mut buffer = [0; 1024];
        let mut asked = false;
        while stream.read(&mut buffer).is_ok_and(|got| got > 0) {
            if !asked {
                send.send("asked").unwrap();
            }
            asked = true;
        }
        let _ = send.send("gone");
    });
    (server, receive)
}

/// Starts a judgement that waits for an answer that never comes.
fn waiting_judgement(world: &World, events: &mpsc::Receiver<&str>) -> std::process::Child {
    world.policy(
        "mode = \"enforce\"\nthreshold = 1\n[network]\nanswer_timeout = 600\ntotal_timeout = 600\n",
    );
    let path = world.put(&hello());
    let mut command = world.verify_command(&[]);
    let child = command.arg(path).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    assert_eq!(events.recv_timeout(HANGS), Ok("asked"));
    child
}

#[test]
fn as_root_the_network_is_left_to_a_process_without_privileges_that_ends_with_its_parent() {
    let (server, events) = silent_rebuilder();
    let world = World::new();
    world.rebuilder("alpha", &Key::new(), &[server.endpoint()]);
    let mut child = waiting_judgement(&world, &events);
    let fetching: Vec<u32> = descendants(child.id());
    if is_root() {
        let user = nix::unistd::User::from_name("_apt").unwrap().unwrap();
        assert_eq!(fetching.len(), 1, "{fetching:?}");
        let id = fetching[0];
        let line = |name: &str| {
            let text = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
            let line = text.lines().find_map(|line| line.strip_prefix(name).map(str::to_owned));
            line.unwrap().split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(line("Uid:"), vec![user.uid.to_string(); 4]);
        assert_eq!(line("Gid:"), vec![user.gid.to_string(); 4]);
        let none: [String; 0] = [];
        assert_eq!(line("Groups:"), none);
        assert_eq!(line("CapEff:"), ["0000000000000000"]);
        assert_eq!(line("CapPrm:"), ["0000000000000000"]);
        assert_eq!(line("NoNewPrivs:"), ["1"]);
        assert_eq!(line("Seccomp:"), ["2"]);
        let environment = fs::read(format!("/proc/{id}/environ")).unwrap();
        assert!(environment.is_empty(), "{}", String::from_utf8_lossy(&environment));
        // Root's own process has no connection: who looks at its sockets finds none.
        let sockets = fs::read_dir(format!("/proc/{}/fd", child.id())).unwrap();
        let is_socket = |path: PathBuf| {
            fs::read_link(path).is_ok_and(|it| it.to_string_lossy().starts_with("socket:"))
        };
        assert!(!sockets.filter_map(Result::ok).any(|entry| is_socket(entry.path())));
    } else {
        assert!(fetching.is_empty(), "{fetching:?}");
        left_out("whether root leaves the network to another user can be seen only by root");
    }
    // Killed, so that it cannot clear up.
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(events.recv_timeout(HANGS), Ok("gone"), "the fetching process lives on");
}

/// Where apt does not sandbox its methods, root's own judgement still does not fetch as root.
#[test]
fn a_sandbox_user_that_is_root_is_not_taken() {
    if !is_root() {
        return left_out("only for root the fetching runs as somebody else");
    }
    let user = nix::unistd::User::from_name("_apt").unwrap().unwrap();
    let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
    for (name, expected) in [("root", user.uid), ("nobody", nobody.uid)] {
        let (server, events) = silent_rebuilder();
        let world = World::new();
        world.rebuilder("alpha", &Key::new(), &[server.endpoint()]);
        let conf = fs::read_to_string(world.path("apt.conf")).unwrap();
        world.write("apt.conf", format!("{conf}APT::Sandbox::User \"{name}\";\n"));
        let mut child = waiting_judgement(&world, &events);
        let fetching = descendants(child.id());
        assert_eq!(fetching.len(), 1, "{fetching:?}");
        assert_eq!(status(fetching[0], "Uid:"), Some(expected.to_string()), "{name}");
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(events.recv_timeout(HANGS), Ok("gone"));
    }
}

/// apt hands its hooks a socket and pipes, and the shell from which it was started may have more
/// open: all of it is root's.
#[test]
fn what_whoever_calls_has_open_the_fetching_process_has_not() {
    use nix::fcntl::{FcntlArg, FdFlag, fcntl};

    if !is_root() {
        return left_out("only for root the fetching runs as somebody else");
    }
    let (server, events) = silent_rebuilder();
    let world = World::new();
    world.rebuilder("alpha", &Key::new(), &[server.endpoint()]);
    let (socket, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    fcntl(&socket, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
    let file = fs::File::open(world.path("apt.conf")).unwrap();
    fcntl(&file, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
    let mut child = waiting_judgement(&world, &events);
    let open = |id: u32| -> Vec<PathBuf> {
        let entries = fs::read_dir(format!("/proc/{id}/fd")).unwrap().flatten();
        entries.filter_map(|entry| fs::read_link(entry.path()).ok()).collect()
    };
    let own = open(std::process::id());
    let theirs: Vec<PathBuf> = [&socket as &dyn std::os::fd::AsRawFd, &file]
        .iter()
        .map(|it| fs::read_link(format!("/proc/self/fd/{}", it.as_raw_fd())).unwrap())
        .collect();
    let fetching = descendants(child.id());
    let (parent, handed) = (open(child.id()), open(fetching[0]));
    for it in &theirs {
        assert!(own.contains(it) && parent.contains(it), "{} is not handed on", it.display());
        assert!(!handed.contains(it), "{} is handed down: {handed:?}", it.display());
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(events.recv_timeout(HANGS), Ok("gone"));
}

/// Whoever runs as the same user, such as a method that was broken into, can stop it: before it has
/// read what it is asked, and even before it runs.
#[test]
fn a_fetching_process_that_is_stopped_holds_nobody_up() {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

    if !is_root() {
        return left_out("only for root the fetching runs as somebody else");
    }
    let (server, _events) = silent_rebuilder();
    let world = World::new();
    world.rebuilder("alpha", &Key::new(), &[server.endpoint()]);
    world.policy(
        "mode = \"enforce\"\nthreshold = 1\n[network]\nanswer_timeout = 1\ntotal_timeout = 1\n",
    );
    let path = world.put(&hello());
    let mut command = world.verify_command(&[]);
    // Far more questions than a pipe takes.
    command.args(std::iter::repeat_n(&path, 3000)).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let begun = std::time::Instant::now();
    let fetching = loop {
        // What reads apt's configuration is root's, and nobody can stop that.
        let is_its = |id: &u32| status(*id, "Uid:").is_some_and(|uid| uid != "0");
        if let Some(id) = descendants(child.id()).into_iter().find(is_its) {
            break Pid::from_raw(id.try_into().unwrap());
        }
        assert!(begun.elapsed() < HANGS, "nothing is fetched");
    };
    kill(fetching, Signal::SIGSTOP).unwrap();
    let ended = loop {
        match child.try_wait().unwrap() {
            Some(ended) => break Some(ended),
            None if begun.elapsed() > 2 * HANGS => break None,
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    let _ = kill(fetching, Signal::SIGKILL);
    let _ = child.kill();
    assert_eq!(ended.and_then(|it| it.code()), Some(3), "it hangs, or nothing is refused");
}

#[test]
fn an_interrupted_judgement_leaves_no_process_behind() {
    let (server, events) = silent_rebuilder();
    let world = World::new();
    world.rebuilder("alpha", &Key::new(), &[server.endpoint()]);
    let mut child = waiting_judgement(&world, &events);
    let id = nix::unistd::Pid::from_raw(child.id().try_into().unwrap());
    nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGINT).unwrap();
    assert!(!child.wait().unwrap().success());
    assert_eq!(events.recv_timeout(HANGS), Ok("gone"));
}

#[test]
fn the_program_fetches_from_wherever_it_lies() {
    let (key, rebuilder) = confirming(&[&hello()]);
    let (world, _server) = alone(key, rebuilder);
    world.make_directory("root");
    let program = world.path("root/apt-quorum");
    copy_of_program(&program);
    // As /root: nobody else can get there.
    set_mode(&world.path("root"), 0o700);
    let path = world.put(&hello());
    let verify = |command: &mut Command| {
        let ended = run(command.arg("verify").arg("--config").arg(world.path("etc")).arg(&path));
        let _ = fs::remove_dir_all(world.path("cache/attestations"));
        ended
    };
    verify(&mut world.command_of(&program)).assert_code(0);

    // By a relative path, and by a link that is gone when it fetches.
    verify(world.command_of(Path::new("root/apt-quorum")).current_dir(world.directory.path()))
        .assert_code(0);
}

#[test]
fn a_program_that_only_root_may_run_says_why_it_cannot_fetch() {
    if !is_root() {
        return left_out("only for root the fetching runs as somebody else");
    }
    let (key, rebuilder) = confirming(&[&hello()]);
    let (world, server) = alone(key, rebuilder);
    let program = world.path("apt-quorum");
    copy_of_program(&program);
    set_mode(&program, 0o700);
    let path = world.put(&hello());
    let mut command = world.command_of(&program);
    let ended = run(command.arg("verify").arg("--config").arg(world.path("etc")).arg(&path));
    ended.assert_code(3);
    assert!(ended.stdout.contains("Permission denied"), "{ended:?}");
    assert_eq!(server.connections(), 0);
}

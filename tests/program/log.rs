//! Decisions are told to the journal, and to syslog where there is none, by the real program in a
//! namespace of its own, where the sockets are those of the tests.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::common::{self, Deb, Ended, Key, World, finish, is_root, left_out, run};

/// A namespace with an empty /run, and the devices that programs need.
const NAMESPACE: &str = r#"
mount -t tmpfs none /run
mkdir "$AT/dev" "$AT/root" 2>/dev/null || true
mount -t tmpfs none "$AT/dev"
for device in null zero full random urandom; do
    : >"$AT/dev/$device"
    mount --bind "/dev/$device" "$AT/dev/$device"
done
journal() { mkdir -p /run/systemd/journal; mount --bind "$AT/journal" /run/systemd/journal; }
syslog() { : >"$AT/dev/log"; mount --bind "$AT/syslog/log" "$AT/dev/log"; }
devices() { mount --rbind "$AT/dev" /dev; }
hook() { "$AT/pre-install-pkgs" 20<"$AT/input"; }
"#;

/// Fields by their names, each with all its values.
type Message = BTreeMap<String, Vec<String>>;

struct Stage {
    world: World,
    journal: UnixDatagram,
    syslog: UnixDatagram,
}

fn good() -> Deb {
    Deb::new("good", "1:1.0-1", "all")
}

fn other() -> Deb {
    Deb::new("other", "2.0", "all")
}

/// Two of three must confirm. All know `good`; `other` is confirmed by one, and another one signed
/// a different file.
fn stage() -> Option<Stage> {
    if !is_root() || !can_enter() {
        left_out("what the journal and syslog are told: it takes root and namespaces");
        return None;
    }
    let world = World::new();
    world.make_directory("attestations");
    let directory = format!("directory file://{}", world.path("attestations").display());
    for (name, other) in
        [("alpha", Some(other())), ("beta", Some(other().differently_built())), ("gamma", None)]
    {
        let key = Key::new();
        world.rebuilder(name, &key, std::slice::from_ref(&directory));
        for deb in [Some(good()), other].into_iter().flatten() {
            world.write(&format!("attestations/{}.{name}", deb.file_name()), deb.link(&key));
        }
    }
    for name in ["journal", "syslog"] {
        world.make_directory(name);
    }
    let bind = |name: &str| {
        let socket = UnixDatagram::bind(world.path(name)).unwrap();
        common::set_mode(&world.path(name), 0o666);
        socket.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        socket
    };
    let (journal, syslog) = (bind("journal/socket"), bind("syslog/log"));
    let program = env!("CARGO_BIN_EXE_gate");
    std::os::unix::fs::symlink(program, world.path("pre-install-pkgs")).unwrap();
    let stage = Stage { world, journal, syslog };
    stage.installs(&[&good()], "");
    Some(stage)
}

fn can_enter() -> bool {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--pid", "--fork", "--mount-proc", "true"]);
    command.stderr(Stdio::null()).status().is_ok_and(|it| it.success())
}

impl Stage {
    /// What apt tells the hook, with more of its configuration.
    fn installs(&self, debs: &[&Deb], configuration: &str) {
        let at = self.world.directory.path().display();
        let mut input = format!(
            "VERSION 3\nAPT::Quorum::Config={at}/etc\nAPT::Quorum::State={at}/state\n\
             APT::Quorum::Cache={at}/cache\nDir::State::lists={at}/lists\n{configuration}\n"
        );
        for deb in debs {
            let path = self.world.put(deb);
            let Deb { name, version, architecture, .. } = deb;
            input +=
                &format!("{name} - - none < {version} {architecture} none {}\n", path.display());
        }
        self.world.write("input", input);
    }

    /// A shell in the namespace, with the functions above.
    fn command(&self, script: &str) -> Command {
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child"])
            .args(["--mount-proc", "bash", "-ec"])
            .arg(format!("{NAMESPACE}{script}"))
            .env("AT", self.world.directory.path());
        command
    }

    fn enter(&self, script: &str) -> Ended {
        let ended = run(&mut self.command(script));
        ended.assert_plain();
        ended
    }

    /// What came to the journal.
    fn messages(&self) -> Vec<Message> {
        received(&self.journal).iter().map(|it| read(it)).collect()
    }

    /// What came to syslog.
    fn lines(&self) -> Vec<String> {
        let all = received(&self.syslog);
        all.into_iter().map(|it| String::from_utf8(it).unwrap()).collect()
    }
}

fn received(socket: &UnixDatagram) -> Vec<Vec<u8>> {
    let mut buffer = vec![0; 1 << 18];
    std::iter::from_fn(|| socket.recv(&mut buffer).ok().map(|it| buffer[..it].to_vec())).collect()
}

/// Reads a message as the journal does (<https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>).
fn read(mut bytes: &[u8]) -> Message {
    let mut fields = Message::new();
    while !bytes.is_empty() {
        let end = bytes.iter().position(|it| *it == b'\n').expect("a line end");
        let (line, rest) = bytes.split_at(end);
        let (name, value, after) = match line.iter().position(|it| *it == b'=') {
            Some(at) => (&line[..at], &line[at + 1..], &rest[1..]),
            None => {
                let (length, rest) = rest[1..].split_at(8);
                let length = u64::from_le_bytes(length.try_into().unwrap()) as usize;
                assert_eq!(rest[length], b'\n');
                (line, &rest[..length], &rest[length + 1..])
            }
        };
        let name = String::from_utf8(name.to_vec()).unwrap();
        let good = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        assert!(name.chars().all(good) && name.starts_with(|c: char| c.is_ascii_uppercase()));
        fields.entry(name).or_default().push(String::from_utf8(value.to_vec()).unwrap());
        bytes = after;
    }
    fields
}

fn of<'a>(message: &'a Message, name: &str) -> Vec<&'a str> {
    message.get(name).into_iter().flatten().map(String::as_str).collect()
}

const CONFIRMED: &str = "9fc9993c0faa4415afee80796ed503b9";
const EXCEPTED: &str = "04885a47f7904ab7a326b0336821ca41";
const LET_THROUGH: &str = "d2e918120d304a66b679366534bb7c5a";
const REFUSED: &str = "da13c73a104b4162ae69f2eeba57b12c";
const CONFLICT: &str = "89fb7808e159435c955868543e2eaf7e";

#[test]
fn the_journal_gets_every_decision_with_its_fields() {
    let Some(stage) = stage() else { return };
    stage.enter("journal; syslog; devices; hook").assert_code(0);
    let messages = stage.messages();
    assert_eq!(messages.len(), 1, "{messages:?}");
    let sha256 = good().sha256();
    for (name, expected) in [
        (
            "MESSAGE",
            &["confirmed: good 1:1.0-1 all [alpha: confirmed; beta: confirmed; gamma: confirmed]."]
                [..],
        ),
        ("MESSAGE_ID", &[CONFIRMED]),
        ("PRIORITY", &["6"]),
        ("SYSLOG_IDENTIFIER", &["apt-quorum"]),
        ("SYSLOG_FACILITY", &["10"]),
        ("APT_QUORUM_DECISION", &["admit"]),
        ("APT_QUORUM_BASIS", &["quorum"]),
        ("APT_QUORUM_REASON", &[]),
        ("APT_QUORUM_ENTRANCE", &["hook"]),
        ("APT_QUORUM_PACKAGE", &["good"]),
        ("APT_QUORUM_VERSION", &["1:1.0-1"]),
        ("APT_QUORUM_ARCHITECTURE", &["all"]),
        ("APT_QUORUM_SHA256", &[&*sha256]),
        ("APT_QUORUM_THRESHOLD", &["2"]),
        ("APT_QUORUM_REBUILDER", &["alpha", "beta", "gamma"]),
        ("APT_QUORUM_CONFLICT", &[]),
    ] {
        assert_eq!(of(&messages[0], name), expected, "{name}");
    }
    let file = stage.world.put(&good()).display().to_string();
    assert_eq!(of(&messages[0], "APT_QUORUM_FILE"), [file]);
    assert_eq!(of(&messages[0], "APT_QUORUM_POLICY")[0].len(), 64);
    assert!(stage.lines().is_empty(), "syslog was told as well");
}

#[test]
fn a_refusal_a_conflict_an_exception_and_a_warning_are_told_apart() {
    let Some(stage) = stage() else { return };
    stage.installs(&[&good(), &other()], "");
    let kinds = |messages: &[Message]| -> Vec<String> {
        messages.iter().map(|it| of(it, "MESSAGE_ID").concat()).collect()
    };
    stage.enter("journal; ! hook");
    let messages = stage.messages();
    assert_eq!(kinds(&messages), [CONFIRMED, REFUSED, CONFLICT]);
    let refused = &messages[1];
    assert_eq!(of(refused, "APT_QUORUM_DECISION"), ["refuse"]);
    assert_eq!(of(refused, "APT_QUORUM_REASON"), ["not-confirmed"]);
    assert_eq!(of(refused, "APT_QUORUM_REBUILDER"), ["alpha"]);
    assert_eq!(of(refused, "APT_QUORUM_CONFLICT"), ["beta"]);
    assert_eq!(of(refused, "PRIORITY"), ["4"]);
    let message = of(refused, "MESSAGE").concat();
    assert!(message.starts_with("refused: other 2.0 all: 1 of 2 required confirmations ["));
    let message = of(&messages[2], "MESSAGE").concat();
    assert!(message.starts_with("CONFLICT: other 2.0 all: beta signed a different file under"));
    assert_eq!(of(&messages[2], "PRIORITY"), ["3"]);

    // What root writes down cannot become more than a value either.
    let sha256 = other().sha256();
    stage.world.exception(&format!(
        "[[exception]]\nsha256 = [\"{sha256}\"]\nreason = \"why\\nAPT_QUORUM_BASIS=quorum\"\nexpires = 2199-01-01\n"
    ));
    stage.enter("journal; hook").assert_code(0);
    let messages = stage.messages();
    assert_eq!(kinds(&messages), [CONFIRMED, EXCEPTED, CONFLICT]);
    assert_eq!(of(&messages[1], "APT_QUORUM_BASIS"), ["exception"]);
    assert_eq!(of(&messages[1], "APT_QUORUM_EXCEPTION"), ["test.toml line 1"]);
    assert!(of(&messages[1], "MESSAGE").concat().contains(": why APT_QUORUM_BASIS=quorum (until"));

    stage.world.exception("");
    stage.world.policy("mode = \"warn\"\nthreshold = 2\n");
    stage.enter("journal; hook").assert_code(0);
    let messages = stage.messages();
    assert_eq!(kinds(&messages), [CONFIRMED, LET_THROUGH, CONFLICT]);
    assert_eq!(of(&messages[1], "APT_QUORUM_REASON"), ["not-confirmed"]);
}

#[test]
fn what_was_never_judged_or_recorded_is_told_too() {
    let Some(stage) = stage() else { return };
    stage.world.policy("mode = \"off\"\n");
    stage.enter("journal; ! hook");
    stage.world.write("input", "VERSION 2\n\n");
    stage.enter("journal; ! hook");
    let messages = stage.messages();
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert_eq!(of(&messages[0], "APT_QUORUM_REASON"), ["configuration"]);
    assert!(of(&messages[1], "MESSAGE").concat().starts_with("refused: apt used version "));
    for message in messages {
        assert_eq!(of(&message, "MESSAGE_ID"), [REFUSED]);
        assert_eq!(of(&message, "APT_QUORUM_ENTRANCE"), ["hook"]);
    }
    // Confirmed, and not installed all the same.
    stage.world.policy("mode = \"enforce\"\nthreshold = 2\n");
    let _ = std::fs::remove_dir_all(stage.world.path("state"));
    stage.world.write("state", "");
    stage.installs(&[&good()], "");
    stage.enter("journal; ! hook");
    let messages = stage.messages();
    let kinds: Vec<_> = messages.iter().map(|it| of(it, "MESSAGE_ID").concat()).collect();
    assert_eq!(kinds, [CONFIRMED, REFUSED]);
    let message = of(&messages[1], "MESSAGE").concat();
    assert!(message.contains("; nothing is installed without a record"), "{message}");
}

#[test]
fn syslog_is_told_where_there_is_no_journal() {
    let Some(stage) = stage() else { return };
    stage.installs(&[&good(), &other()], "");
    stage.enter("syslog; devices; ! hook");
    let lines = stage.lines();
    assert_eq!(lines.len(), 3, "{lines:?}");
    let text = |priority: u8, line: &str| {
        let rest = line.strip_prefix(&format!("<{priority}>apt-quorum[")).expect(line).to_owned();
        let (id, text) = rest.split_once("]: ").unwrap();
        assert!(id.parse::<u32>().is_ok());
        text.to_owned()
    };
    let sha256 = good().sha256();
    let expected = format!(
        "confirmed: good 1:1.0-1 all [alpha: confirmed; beta: confirmed; gamma: confirmed] (hook, sha256 {sha256})."
    );
    assert_eq!(text(86, &lines[0]), expected);
    assert!(
        text(84, &lines[1]).starts_with("refused: other 2.0 all: 1 of 2 required confirmations")
    );
    assert!(text(83, &lines[2]).starts_with("CONFLICT: other 2.0 all: beta"));
}

#[test]
fn where_nobody_listens_or_reads_nothing_is_different() {
    let Some(stage) = stage() else { return };
    let alone = stage.enter("devices; hook");
    alone.assert_code(0);
    // Filled up by somebody else.
    let full = UnixDatagram::unbound().unwrap();
    full.set_nonblocking(true).unwrap();
    while full.send_to(b"X=1\n", stage.world.path("journal/socket")).is_ok() {}
    let mut command = stage.command("journal; hook");
    // Within the time after which a program is taken for one that hangs.
    let ended = finish(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    ended.assert_code(0);
    assert_eq!(ended.stderr, alone.stderr);
    assert!(stage.messages().iter().all(|it| it.contains_key("X")));
    // A place that is no socket.
    let ended = stage.enter("mkdir -p /run/systemd/journal/socket; devices; hook");
    assert_eq!((ended.code, ended.stderr), (Some(0), alone.stderr));
}

#[test]
fn what_is_decided_for_another_system_is_no_news_here() {
    let Some(stage) = stage() else { return };
    for configuration in ["Dir=/mnt/\n", "DPkg::Chroot-Directory=/mnt\n"] {
        stage.installs(&[&good()], configuration);
        stage.enter("journal; hook").assert_code(0);
        assert!(stage.messages().is_empty(), "{configuration}");
    }
    // In a chroot that has all of /run, as many builders and rescuers make it.
    stage.installs(&[&good()], "");
    let chroot = r#"
        journal
        mount -t tmpfs none "$AT/root"
        for directory in usr lib lib64 bin sbin etc tmp proc dev run repo root home work; do
            if [[ -e /$directory ]]; then
                mkdir "$AT/root/$directory"
                mount --rbind "/$directory" "$AT/root/$directory"
            fi
        done
        mkdir -p "$AT/root$PROGRAM"
        mount --bind "$PROGRAM" "$AT/root$PROGRAM"
        chroot "$AT/root" "$AT/pre-install-pkgs" 20<"$AT/input"
        hook
    "#;
    let directory = Path::new(env!("CARGO_BIN_EXE_apt-quorum")).parent().unwrap();
    let ended = run(stage.command(chroot).env("PROGRAM", directory));
    ended.assert_code(0);
    assert_eq!(ended.stderr.matches("1 confirmed").count(), 2, "{ended:?}");
    assert_eq!(stage.messages().len(), 1);
}

#[test]
fn an_image_tells_only_what_is_not_confirmed() {
    let Some(stage) = stage() else { return };
    stage.world.make_directory("archives");
    let program = env!("CARGO_BIN_EXE_apt-quorum");
    let judge = || {
        let script = format!(
            "journal; {program} bootstrap --config \"$AT/etc\" --no-receipts --archives \"$AT/archives\" --offline"
        );
        run(stage.command(&script).env("APT_CONFIG", stage.world.path("apt.conf")))
    };
    let put = |deb: &Deb| {
        stage.world.write(
            &format!("archives/{}_{}_all.deb", deb.name, deb.version.replace(':', "%3a")),
            &deb.bytes,
        );
    };
    put(&good());
    judge().assert_code(0);
    assert!(stage.messages().is_empty());
    put(&other());
    judge().assert_code(1);
    let messages = stage.messages();
    let packages: Vec<_> = messages.iter().map(|it| of(it, "APT_QUORUM_PACKAGE")).collect();
    assert_eq!(packages, [["other"], ["other"]]);
    assert_eq!(of(&messages[0], "APT_QUORUM_ENTRANCE"), ["bootstrap"]);
}

/// The method has closed itself in by the time at which it decides, and is not root any more.
#[test]
fn the_method_tells_the_log_although_it_is_closed_in() {
    use std::io::{BufRead, BufReader, Write};

    let Some(stage) = stage() else { return };
    let world = &stage.world;
    for name in ["methods", "lists/partial", "archives", "archives/partial"] {
        world.make_directory(name);
    }
    let (good, other) = (good(), other());
    let wanted = [(&good, "201 URI Done"), (&other, "401 General Failure")];
    let mut wrapped = "#!/bin/sh\nprintf '100 Capabilities\\nVersion: 1.2\\nSend-Config: true\\nSend-URI-Encoded: true\\n\\n'\n".to_owned();
    let name = |deb: &Deb| format!("{}_{}_all.deb", deb.name, deb.version.replace(':', "%3a"));
    let destination =
        |deb: &Deb| world.path("archives/partial").join(name(deb)).display().to_string();
    let url = |deb: &Deb| format!("quorum+http://mirror/{}", deb.name);
    wrapped += "while read -r line; do case $line in\n";
    for (deb, _) in wanted {
        world.write(&format!("archives/partial/{}", name(deb)), &deb.bytes);
        wrapped += &format!(
            "\"URI: {}\") printf '201 URI Done\\nURI: %s\\nFilename: %s\\n\\n' '{}' '{}' ;;\n",
            url(deb),
            url(deb),
            destination(deb).replace('%', "%%").replace("%%", "%")
        );
    }
    wrapped += "esac; done\n";
    common::write_script(&world.path("methods/http"), &wrapped);
    let program = env!("CARGO_BIN_EXE_gate");
    std::os::unix::fs::symlink(program, world.path("methods/quorum+http")).unwrap();

    let mut command = stage.command("journal; exec \"$AT/methods/quorum+http\"");
    let mut method = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let at = world.directory.path().display();
    let mut input = method.stdin.take().unwrap();
    let user = nix::unistd::User::from_name("_apt").unwrap().map_or("nobody", |_| "_apt");
    write!(
        input,
        "601 Configuration\nConfig-Item: Dir::Bin::Methods={at}/methods\nConfig-Item: Dir::State::lists={at}/lists\n\
         Config-Item: Dir::Cache::archives={at}/archives\nConfig-Item: APT::Quorum::Config={at}/etc\n\
         Config-Item: APT::Quorum::State={at}/state\nConfig-Item: APT::Quorum::Cache={at}/cache\n\
         Config-Item: APT::Sandbox::User={user}\n\n"
    )
    .unwrap();
    let mut output = BufReader::new(method.stdout.take().unwrap());
    let mut said = String::new();
    for (deb, last) in wanted {
        write!(input, "600 URI Acquire\nURI: {}\nFilename: {}\n\n", url(deb), destination(deb))
            .unwrap();
        while !said.ends_with(&format!("{last}\n")) {
            assert_ne!(output.read_line(&mut said).unwrap(), 0, "{said}");
        }
    }
    // Through it, nobody else can have told.
    let status = std::fs::read_to_string(format!("/proc/{}/status", inner(&method))).unwrap();
    assert!(status.contains("\nNoNewPrivs:\t1\n"), "{status}");
    drop(input);
    method.wait().unwrap();
    let messages = stage.messages();
    let kinds: Vec<_> = messages.iter().map(|it| of(it, "MESSAGE_ID").concat()).collect();
    assert_eq!(kinds, [CONFIRMED, REFUSED, CONFLICT], "{said}");
    for message in &messages {
        assert_eq!(of(message, "APT_QUORUM_ENTRANCE"), ["method"]);
    }
    assert_eq!(of(&messages[1], "APT_QUORUM_PACKAGE"), ["other"]);
}

/// The program that unshare started.
fn inner(unshare: &std::process::Child) -> u32 {
    let path = format!("/proc/{0}/task/{0}/children", unshare.id());
    std::fs::read_to_string(path).unwrap().trim().parse().unwrap()
}

#[test]
fn the_manual_tells_the_ids() {
    let page = include_str!("../../man/apt-quorum-method.8");
    for id in [CONFIRMED, EXCEPTED, LET_THROUGH, REFUSED, CONFLICT] {
        assert!(page.contains(&format!(".It Li {id}\n")), "{id}");
    }
}

/// What others' programs make of it.
#[test]
fn the_real_journal_and_two_real_syslogds_take_it() {
    let Some(stage) = stage() else { return };
    stage.installs(&[&good(), &other()], "");
    let journald = Path::new("/lib/systemd/systemd-journald");
    if journald.exists() && Path::new("/usr/bin/journalctl").exists() {
        let script = r#"
            mkdir -p /run/systemd/journal /run/log/journal
            mount -t tmpfs none /var/log
            /lib/systemd/systemd-journald & server=$!
            until [[ -S /run/systemd/journal/socket ]]; do read -rt 0.05 <> <(:) || true; done
            hook || true
            journalctl --sync
            journalctl --directory "$(echo /run/log/journal/*)" --output=json SYSLOG_IDENTIFIER=apt-quorum
            kill "$server"
        "#;
        let ended = stage.enter(script);
        let read: Vec<serde_json::Value> =
            ended.stdout.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
        assert_eq!(read.len(), 3, "{ended:?}");
        assert_eq!(read[0]["APT_QUORUM_REBUILDER"], serde_json::json!(["alpha", "beta", "gamma"]));
        assert_eq!(read[1]["MESSAGE_ID"], REFUSED);
        assert_eq!(read[1]["APT_QUORUM_SHA256"], other().sha256());
        assert_eq!((&read[1]["PRIORITY"], &read[1]["_UID"]), (&"4".into(), &"0".into()));
    } else {
        left_out("what systemd's journal makes of messages: there is no systemd-journald");
    }
    for (program, package, start) in [
        ("/usr/bin/busybox", "busybox", "busybox syslogd -n -O \"$AT/out\""),
        ("/usr/sbin/rsyslogd", "rsyslog", "rsyslogd -n -f \"$AT/rsyslog.conf\" -i NONE"),
    ] {
        if !Path::new(program).exists() {
            left_out(&format!("what {package} makes of messages: it is not installed"));
            continue;
        }
        let at = stage.world.directory.path().display();
        let conf = format!(
            "module(load=\"imuxsock\")\n*.* action(type=\"omfile\" file=\"{at}/out\" template=\"RSYSLOG_TraditionalFileFormat\")\n"
        );
        stage.world.write("rsyslog.conf", conf);
        let _ = std::fs::remove_file(stage.world.path("out"));
        let ended = stage.enter(&format!(
            r#"
            devices
            {start} & server=$!
            until [[ -S /dev/log ]]; do read -rt 0.05 <> <(:) || true; done
            hook || true
            until grep -q CONFLICT "$AT/out"; do read -rt 0.05 <> <(:) || true; done
            kill "$server"
            "#
        ));
        let out = std::fs::read_to_string(stage.world.path("out")).unwrap();
        let lines: Vec<&str> = out.lines().filter(|it| it.contains(" apt-quorum[")).collect();
        assert_eq!(lines.len(), 3, "{package}: {out} {ended:?}");
        assert!(lines[0].contains("]: confirmed: good 1:1.0-1 all ["), "{out}");
        assert!(
            lines[1].contains("]: refused: other 2.0 all: 1 of 2 required confirmations"),
            "{out}"
        );
    }
}

/// What an apt of version 0.2 of the protocol says before its question about `other`.
fn before_prompt(stage: &Stage) -> Ended {
    let (mut apt, hook) = UnixStream::pair().unwrap();
    let at = stage.world.directory.path().display();
    let options = [
        ("APT::Quorum::Config", format!("{at}/etc")),
        ("APT::Quorum::State", format!("{at}/state")),
        ("APT::Quorum::Cache", format!("{at}/cache")),
        ("Dir::State::lists", format!("{at}/lists")),
        ("APT::Get::Assume-Yes", "1".to_owned()),
    ];
    let options: Vec<_> =
        options.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
    let package = json!({
        "name": "other", "mode": "install",
        "versions": { "install": { "version": "2.0", "architecture": "all" } },
    });
    for (method, params) in [
        ("hello", json!({ "versions": ["0.2"], "options": options })),
        (
            "install.pre-prompt",
            json!({ "command": "install", "search-terms": ["other"], "packages": [package] }),
        ),
        ("bye", json!({})),
    ] {
        let method = format!("org.debian.apt.hooks.{method}");
        let message = json!({ "jsonrpc": "2.0", "method": method, "id": 0, "params": params });
        apt.write_all(format!("{message}\n\n").as_bytes()).unwrap();
    }
    let mut command = stage.command("journal; exec \"$AT/before-prompt\" 20<&0 </dev/null");
    let ended = run(command
        .env("APT_HOOK_SOCKET", "20")
        // At a socket, bash takes itself for a remote one and reads what is in somebody's home.
        .env("SHLVL", "2")
        .stdin(OwnedFd::from(hook)));
    ended.assert_plain();
    ended
}

#[test]
fn a_refusal_before_the_prompt_is_told_and_recorded() {
    let Some(stage) = stage() else { return };
    let program = env!("CARGO_BIN_EXE_gate");
    std::os::unix::fs::symlink(program, stage.world.path("before-prompt")).unwrap();
    let deb = other();
    stage.world.write("lists/a.example_dists_x_Release", "Origin: x\nSuite: x\nCodename: x\n");
    stage.world.write(
        "lists/a.example_dists_x_main_binary-amd64_Packages",
        format!(
            "Package: {}\nVersion: {}\nArchitecture: {}\nSize: {}\nSHA256: {}\n\n",
            deb.name,
            deb.version,
            deb.architecture,
            deb.bytes.len(),
            deb.sha256()
        ),
    );
    let mut messages = Vec::new();
    for _ in 0..7 {
        let ended = before_prompt(&stage);
        ended.assert_code(1);
        assert!(ended.stderr.ends_with("Nothing was downloaded or installed.\n"), "{ended:?}");
        // The queue of a socket is short.
        messages.extend(stage.messages());
    }
    let refused: Vec<&Message> =
        messages.iter().filter(|it| of(it, "MESSAGE_ID") == [REFUSED]).collect();
    assert_eq!(refused.len(), 7, "{messages:?}");
    assert_eq!(of(refused[0], "APT_QUORUM_ENTRANCE"), ["before-prompt"]);
    assert_eq!(of(refused[0], "APT_QUORUM_PACKAGE"), ["other"]);
    assert_eq!(of(refused[0], "APT_QUORUM_SHA256"), [""; 0]);
    assert_eq!(of(refused[0], "APT_QUORUM_REASON"), ["not-confirmed"]);
    let receipts = std::fs::read_to_string(stage.world.path("state/receipts/hook.jsonl")).unwrap();
    // A loop does not fill the disk.
    assert_eq!(receipts.lines().count(), 5, "{receipts}");
    let receipt: serde_json::Value =
        serde_json::from_str(receipts.lines().next().unwrap()).unwrap();
    assert_eq!(receipt["entrance"], "before-prompt");
    assert_eq!((&receipt["decision"], &receipt["version"]), (&"refuse".into(), &"2.0".into()));
    assert!(receipt.get("sha256").is_none(), "{receipt}");
    // What it rests on was kept, as with other receipts.
    let attestation = receipt["claims"][0]["attestation"].as_str().unwrap();
    assert!(stage.world.path("state/evidence").join(attestation).exists());
    let mut status = stage.world.command();
    status.arg("status").arg("--config").arg(stage.world.path("etc"));
    let status = run(&mut status);
    assert!(status.stdout.contains("  refused    other 2.0 all: 1 of 2 required"), "{status:?}");

    // What can be said of no package is told to the log alone.
    stage.world.policy("mode = \"off\"\n");
    before_prompt(&stage).assert_code(1);
    let messages = stage.messages();
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert_eq!(of(&messages[0], "APT_QUORUM_ENTRANCE"), ["before-prompt"]);
    let message = of(&messages[0], "MESSAGE").concat();
    assert!(message.starts_with("refused: the configuration cannot be used ("), "{message}");
}

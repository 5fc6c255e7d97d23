//! Without a configuration that only root (or, for their own, the caller) could have written,
//! `verify` refuses everything, says which file it is and what to do.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use nix::unistd::{Gid, Uid, chown};

use crate::common::{Deb, Ended, Key, World, copy_of_program, is_root, left_out, run, set_mode};

/// Somebody who is neither root nor the one who runs the tests.
const SOMEBODY: u32 = 65534;

/// A world in which `hello` is confirmed by both rebuilders, by attestations in a directory.
fn good_world() -> (World, Deb) {
    let world = World::new();
    let hello = Deb::new("hello", "2.10-3", "amd64");
    world.make_directory("attestations");
    for name in ["alpha", "beta"] {
        let key = Key::new();
        let directory = format!("directory file://{}", world.path("attestations").display());
        world.rebuilder(name, &key, &[directory]);
        let attestation = format!("attestations/{}.{name}", hello.file_name());
        world.write(&attestation, hello.link(&key));
    }
    (world, hello)
}

fn give_to_somebody(path: &Path) {
    chown(path, Some(Uid::from_raw(SOMEBODY)), Some(Gid::from_raw(SOMEBODY))).unwrap();
}

/// `verify` must refuse, with the configuration as the reason, and name `file` and `remedy`.
fn assert_closed(world: &World, hello: &Deb, what: &str, file: &str, remedy: &str) {
    let ended = world.verify(hello);
    ended.assert_plain();
    assert_eq!(ended.code, Some(2), "{what}: {ended:?}");
    assert!(ended.stdout.starts_with("refused: "), "{what}: {ended:?}");
    assert!(ended.stdout.contains("the configuration cannot be used"), "{what}: {ended:?}");
    for text in [&ended.stdout, &ended.stderr] {
        assert!(text.contains(file), "{what}: {file} is not named: {text}");
        assert!(text.contains(remedy), "{what}: nothing like {remedy:?} in {text}");
    }
    let json = world.decision(hello, &[]).0;
    assert_eq!(json["reason"]["code"], "configuration", "{what}");
    assert!(json.get("policy").is_none(), "{what}: {json}");
}

#[test]
fn the_world_of_these_tests_is_open_until_something_is_wrong() {
    let (world, hello) = good_world();
    let ended = world.verify(&hello);
    ended.assert_code(0);
    assert!(ended.stdout.starts_with("confirmed: hello 2.10-3 amd64"), "{ended:?}");
}

#[test]
fn a_build_goes_by_no_directory_to_which_others_can_add() {
    let (world, hello) = good_world();
    for directory in ["archives", "lists"] {
        world.make_directory(directory);
    }
    let name = hello.file_name();
    world.write(&format!("archives/{name}"), &hello.bytes);
    let judge = || {
        let mut command = world.command();
        command.args(["bootstrap", "--no-receipts", "--offline", "--archives"]);
        command.arg(world.path("archives")).arg("--lists").arg(world.path("lists"));
        run(command.arg("--config").arg(world.path("etc")))
    };
    judge().assert_code(0);
    for directory in ["archives", "lists"] {
        for mode in [0o1777, 0o1775, 0o777] {
            set_mode(&world.path(directory), mode);
            let ended = judge();
            ended.assert_code(1);
            assert!(ended.stderr.contains(&format!("{directory} ")), "{ended:?}");
        }
        set_mode(&world.path(directory), 0o755);
    }
    judge().assert_code(0);
}

#[test]
fn a_file_that_decides_something_and_is_not_as_it_should_be_closes_the_gate() {
    type Spoil = fn(&World);
    let policy = "etc/policy.toml";
    let rebuilder = "etc/rebuilders.d/alpha.toml";
    let key = "etc/rebuilders.d/alpha.pem";
    let cases: [(&str, Spoil, &str, &str); 26] = [
        (
            "everybody can add an exception",
            |w| {
                w.make_directory("etc/exceptions.d");
                set_mode(&w.path("etc/exceptions.d"), 0o1777);
            },
            "etc/exceptions.d",
            "lets others than root add files",
        ),
        (
            "policy missing",
            |w| fs::remove_file(w.path("etc/policy.toml")).unwrap(),
            policy,
            "No such file",
        ),
        ("policy empty", |w| w.policy(""), policy, "mode is missing: write mode = "),
        ("policy not TOML", |w| w.policy("mode: enforce\n"), policy, "invalid unquoted key"),
        (
            "policy not text",
            |w| drop(w.write("etc/policy.toml", b"mode = \"enforce\"\nthreshold = 2 # \xff\n")),
            policy,
            "not UTF-8 text: see line 2",
        ),
        (
            "policy enormous",
            |w| w.policy(&format!("mode = \"enforce\"\nthreshold = 2\n{}", "#".repeat(1 << 20))),
            policy,
            "larger than 1048576 bytes",
        ),
        ("policy world-writable", |w| set_mode(&w.path("etc/policy.toml"), 0o666), policy, "go-w"),
        ("policy group-writable", |w| set_mode(&w.path("etc/policy.toml"), 0o664), policy, "go-w"),
        ("only others can write", |w| set_mode(&w.path("etc/policy.toml"), 0o602), policy, "go-w"),
        ("directory world-writable", |w| set_mode(&w.path("etc"), 0o777), "/etc can be", "go-w"),
        ("directory group-writable", |w| set_mode(&w.path("etc"), 0o775), "/etc can be", "go-w"),
        (
            "the directory above writable",
            |w| set_mode(w.directory.path(), 0o777),
            "can be written by others",
            "chmod go-w it",
        ),
        (
            "policy is a directory",
            |w| {
                fs::remove_file(w.path("etc/policy.toml")).unwrap();
                w.make_directory("etc/policy.toml");
            },
            policy,
            "is not a file",
        ),
        (
            "policy is a pipe",
            |w| {
                fs::remove_file(w.path("etc/policy.toml")).unwrap();
                let mode = nix::sys::stat::Mode::from_bits_truncate(0o644);
                nix::unistd::mkfifo(&w.path("etc/policy.toml"), mode).unwrap();
            },
            policy,
            "is not a file",
        ),
        (
            "policy is a link to nowhere",
            |w| {
                fs::remove_file(w.path("etc/policy.toml")).unwrap();
                symlink("nowhere", w.path("etc/policy.toml")).unwrap();
            },
            policy,
            "No such file",
        ),
        (
            "policy is a link to itself",
            |w| {
                fs::remove_file(w.path("etc/policy.toml")).unwrap();
                symlink("policy.toml", w.path("etc/policy.toml")).unwrap();
            },
            policy,
            "too many symbolic links",
        ),
        (
            "policy is a device",
            |w| {
                fs::remove_file(w.path("etc/policy.toml")).unwrap();
                symlink("/dev/null", w.path("etc/policy.toml")).unwrap();
            },
            policy,
            "/dev/null is not a file",
        ),
        (
            "rebuilders.d world-writable",
            |w| set_mode(&w.path("etc/rebuilders.d"), 0o777),
            "etc/rebuilders.d",
            "go-w",
        ),
        (
            "rebuilders.d is a file",
            |w| {
                fs::remove_dir_all(w.path("etc/rebuilders.d")).unwrap();
                w.write("etc/rebuilders.d", "");
            },
            "etc/rebuilders.d",
            "is not a directory",
        ),
        (
            "rebuilder world-writable",
            |w| set_mode(&w.path("etc/rebuilders.d/alpha.toml"), 0o646),
            rebuilder,
            "go-w",
        ),
        (
            "rebuilder is a pipe",
            |w| {
                fs::remove_file(w.path("etc/rebuilders.d/alpha.toml")).unwrap();
                let mode = nix::sys::stat::Mode::from_bits_truncate(0o644);
                nix::unistd::mkfifo(&w.path("etc/rebuilders.d/alpha.toml"), mode).unwrap();
            },
            rebuilder,
            "is not a file",
        ),
        (
            "key world-writable",
            |w| set_mode(&w.path("etc/rebuilders.d/alpha.pem"), 0o666),
            key,
            "go-w",
        ),
        (
            "key missing",
            |w| fs::remove_file(w.path("etc/rebuilders.d/alpha.pem")).unwrap(),
            key,
            "No such file",
        ),
        (
            "exceptions.d group-writable",
            |w| set_mode(&w.path("etc/exceptions.d"), 0o775),
            "etc/exceptions.d",
            "go-w",
        ),
        (
            "exception world-writable",
            |w| {
                w.exception("");
                set_mode(&w.path("etc/exceptions.d/test.toml"), 0o666);
            },
            "etc/exceptions.d/test.toml",
            "go-w",
        ),
        (
            "sticky and world-writable, with a file that anybody could have put there",
            |w| {
                set_mode(&w.path("etc/rebuilders.d"), 0o1777);
                set_mode(&w.path("etc/rebuilders.d/alpha.toml"), 0o666);
            },
            "etc/rebuilders.d",
            "lets others than root add files",
        ),
    ];
    for (what, spoil, file, remedy) in cases {
        let (world, hello) = good_world();
        spoil(&world);
        assert_closed(&world, &hello, what, file, remedy);
    }
}

#[test]
fn a_file_that_belongs_to_somebody_else_closes_the_gate() {
    if !is_root() {
        return left_out("files of other owners can be made only by root");
    }
    for (path, named) in [
        ("etc", "etc is owned"),
        ("etc/policy.toml", "etc/policy.toml"),
        ("etc/rebuilders.d", "etc/rebuilders.d"),
        ("etc/rebuilders.d/alpha.toml", "etc/rebuilders.d/alpha.toml"),
        ("etc/rebuilders.d/alpha.pem", "etc/rebuilders.d/alpha.pem"),
        ("etc/exceptions.d", "etc/exceptions.d"),
        ("", "is owned"),
    ] {
        let (world, hello) = good_world();
        give_to_somebody(&world.path(path));
        assert_closed(&world, &hello, path, named, "is owned by user 65534, not by root");
    }
}

#[test]
fn a_link_leads_nowhere_that_others_control() {
    if !is_root() {
        return left_out("links of other owners can be made only by root");
    }
    // Own links to own files are fine, wherever they are.
    let (world, hello) = good_world();
    world.make_directory("elsewhere");
    fs::rename(world.path("etc/policy.toml"), world.path("elsewhere/policy.toml")).unwrap();
    symlink("../elsewhere/policy.toml", world.path("etc/policy.toml")).unwrap();
    world.verify(&hello).assert_code(0);

    // The file is good, but who owns the directory can put another one there.
    set_mode(&world.path("elsewhere"), 0o777);
    assert_closed(&world, &hello, "by a link into a writable directory", "elsewhere", "go-w");

    // The link stands in a sticky directory, where its owner can point it somewhere else.
    let (world, hello) = good_world();
    world.make_directory("tmp");
    set_mode(&world.path("tmp"), 0o1777);
    fs::rename(world.path("etc"), world.path("real")).unwrap();
    symlink(world.path("real"), world.path("tmp/link")).unwrap();
    symlink(world.path("tmp/link"), world.path("etc")).unwrap();
    world.verify(&hello).assert_code(0);
    let link = world.path("tmp/link");
    std::os::unix::fs::lchown(&link, Some(SOMEBODY), Some(SOMEBODY)).unwrap();
    assert_closed(&world, &hello, "by somebody's link", "tmp/link", "is owned by user 65534");
}

/// `setpriv`, which runs the binary as somebody without privileges.
fn as_somebody(world: &World) -> Command {
    let binary = world.path("apt-quorum");
    copy_of_program(&binary);
    let mut command = world.command_of(Path::new("/usr/bin/setpriv"));
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"])
        .arg(binary);
    command
}

fn verify_as_somebody(world: &World, hello: &Deb) -> Ended {
    let package = world.put(hello);
    run(as_somebody(world).args(["verify", "--config"]).arg(world.path("etc")).arg(package))
}

#[test]
fn without_privileges_a_configuration_of_ones_own_or_of_root_is_used() {
    if !is_root() {
        return left_out("becoming another user needs root; as this one the other tests ran");
    }
    let (world, hello) = good_world();
    verify_as_somebody(&world, &hello).assert_code(0);

    for path in ["etc", "etc/policy.toml", "etc/rebuilders.d", "etc/rebuilders.d/alpha.pem"] {
        give_to_somebody(&world.path(path));
    }
    verify_as_somebody(&world, &hello).assert_code(0);
    // And root does not trust it.
    assert_closed(&world, &hello, "root", "etc", "is owned by user 65534");

    // Somebody else's is nobody's own.
    let third = Some(Uid::from_raw(12345));
    chown(&world.path("etc/rebuilders.d/beta.pem"), third, None).unwrap();
    let ended = verify_as_somebody(&world, &hello);
    ended.assert_code(2);
    assert!(ended.stderr.contains("beta.pem is owned by user 12345"), "{ended:?}");
}

#[test]
fn a_configuration_that_cannot_be_read_closes_the_gate() {
    if !is_root() {
        return left_out("for root, every file can be read; this needs both it and another user");
    }
    for (path, mode) in [
        ("etc/policy.toml", 0o600),
        ("etc/rebuilders.d/alpha.toml", 0o600),
        ("etc/rebuilders.d/alpha.pem", 0o000),
        ("etc/rebuilders.d", 0o700),
        ("etc/exceptions.d", 0o711),
    ] {
        let (world, hello) = good_world();
        set_mode(&world.path(path), mode);
        let ended = verify_as_somebody(&world, &hello);
        ended.assert_code(2).assert_plain();
        assert!(ended.stdout.starts_with("refused: "), "{path}: {ended:?}");
        let why = format!("{}: Permission denied", world.path(path).display());
        assert!(ended.stderr.contains(&why), "{path}: {ended:?}");
    }
}

#[test]
fn nothing_in_the_environment_opens_the_gate() {
    let (world, hello) = good_world();
    fs::remove_file(world.path("etc/policy.toml")).unwrap();
    let package = world.put(&hello);
    let (good, _) = good_world();
    for name in ["APT_QUORUM_CONFIG", "APT_QUORUM", "CONFIG", "XDG_CONFIG_HOME", "HOME"] {
        let mut command = world.verify_command(&[]);
        command.env(name, good.path("etc")).arg(&package);
        run(&mut command).assert_code(2);
    }
}

#[test]
fn the_configuration_is_the_one_that_apt_names_unless_the_command_line_names_another() {
    let (world, hello) = good_world();
    let package = world.put(&hello);
    let mut apt = fs::read_to_string(world.path("apt.conf")).unwrap();
    apt += &format!("APT::Quorum::Config \"{}\";\n", world.path("etc").display());
    world.write("apt.conf", apt);
    run(world.command().arg("verify").arg(&package)).assert_code(0);
    run(world.command().args(["config", "check"])).assert_code(0);

    let nowhere = world.path("nowhere");
    let ended = run(world.command().args(["verify", "--config"]).arg(&nowhere).arg(&package));
    ended.assert_code(2);
    assert!(ended.stderr.contains("nowhere/policy.toml: No such file"), "{ended:?}");
}

//! Showing and setting the mode, with the real program.

use std::fs;

use crate::common::{self, Deb, Ended, Key, World, is_root, left_out, run};

const WRITTEN: &str = "# what holds here\nmode = 'warn'   # until March\nthreshold = 1\n\n[network]\n# slow line\nanswer_timeout = 20\n";

fn mode(world: &World, arguments: &[&str]) -> Ended {
    let mut command = world.command();
    command.arg("mode").args(arguments).arg("--config").arg(world.path("etc"));
    let ended = run(&mut command);
    ended.assert_plain();
    ended
}

fn policy(world: &World) -> String {
    fs::read_to_string(world.path("etc/policy.toml")).unwrap()
}

#[test]
fn the_mode_is_shown_and_set_and_all_else_stays_as_it_is_written() {
    let world = World::new();
    world.policy(WRITTEN);
    world.rebuilder("alpha", &Key::new(), &[]);
    let hello = Deb::new("hello", "1", "all");
    world.verify(&hello).assert_code(0);
    let lets = "packages without 1 of 1 confirmation pass with a warning and count as debt.\n";
    assert_eq!(mode(&world, &[]).assert_code(0).stdout, format!("warn: {lets}"));
    let already = format!("The mode is already warn: {lets}");
    assert_eq!(mode(&world, &["warn"]).assert_code(0).stdout, already);
    assert_eq!(policy(&world), WRITTEN);

    let set = mode(&world, &["enforce"]);
    let refuses = "packages need 1 of 1 confirmation.\n";
    let said = set.assert_code(0).stdout.lines().next().unwrap();
    assert_eq!(format!("{said}\n"), format!("The mode is now enforce: {refuses}"));
    let etc = world.path("etc").display().to_string();
    assert!(
        set.stdout.contains(&format!("To stop refusing: apt-quorum mode warn --config {etc}\n"))
    );
    assert_eq!(policy(&world), WRITTEN.replace("'warn'", "\"enforce\""));
    assert_eq!(mode(&world, &[]).stdout, format!("enforce: {refuses}"));
    world.verify(&hello).assert_code(1);

    world.exception("[[exception]]\npackage = [\"x\"]\nreason = \"why\"\nexpires = 2199-01-01\n");
    let set = mode(&world, &["warn"]);
    assert!(
        set.stdout.contains(
            "packages without 1 of 1 confirmation or a valid exception pass with a warning"
        ),
        "{set:?}"
    );
    assert_eq!(policy(&world), WRITTEN.replace("'warn'", "\"warn\""));
}

#[test]
fn a_script_is_told_whether_anything_changed() {
    let world = World::new();
    world.policy(WRITTEN);
    world.rebuilder("alpha", &Key::new(), &[]);
    for (arguments, changed, now) in [
        (&["--json"][..], false, "warn"),
        (&["enforce", "--json"], true, "enforce"),
        (&["enforce", "--json"], false, "enforce"),
        (&["--json"], false, "enforce"),
    ] {
        let json = mode(&world, arguments).assert_code(0).json();
        assert_eq!((&json["changed"], &json["mode"]), (&changed.into(), &now.into()));
    }
    let mut check = world.command();
    let check = run(check.args(["config", "check", "--json", "--config"]).arg(world.path("etc")));
    let json = check.assert_code(0).json();
    assert_eq!((&json["problems"], &json["threshold"]), (&serde_json::Value::Null, &1.into()));
    world.policy("mode = 1\n");
    let mut check = world.command();
    let check = run(check.args(["config", "check", "--json", "--config"]).arg(world.path("etc")));
    assert!(check.assert_code(2).json()["problems"].as_str().unwrap().contains("mode must be"));
}

#[test]
fn nothing_is_enforced_that_nobody_could_meet() {
    let world = World::new();
    let shipped = "mode = \"warn\"\n#threshold = 2\n";
    world.policy(shipped);
    let nobody = "warn: no rebuilder is configured, so every package passes unchecked. Choose some: apt-quorum setup\n";
    assert_eq!(mode(&world, &[]).stdout, nobody);
    let refused = mode(&world, &["enforce"]);
    refused.assert_code(1);
    assert!(refused.stderr.starts_with("apt-quorum: the configuration would have mistakes:\n"));
    assert!(refused.stderr.contains("after this change; nothing was changed."), "{refused:?}");
    assert_eq!(policy(&world), shipped);
    mode(&world, &["off"]).assert_code(2);
    world.policy("mode = 1\n");
    for arguments in [&[][..], &["warn"], &["enforce"]] {
        let ended = mode(&world, arguments);
        ended.assert_code(2);
        assert!(
            ended.stderr.contains("fix the configuration first: nothing was changed."),
            "{ended:?}"
        );
    }
    assert_eq!(policy(&world), "mode = 1\n");
}

/// Where nothing is refused, nothing that cannot be judged stops an installation, whatever apt says of
/// it.
#[test]
fn in_mode_warn_the_hook_stops_at_nothing() {
    let world = World::new();
    world.rebuilder("alpha", &Key::new(), &[]);
    let hook = world.path("pre-install-pkgs");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_gate"), &hook).unwrap();
    let control = "Package: odd\nVersion: 1\nArchitecture: all\nSource: a(1)\nDescription: x\n";
    let odd = Deb { bytes: common::deb(control), ..Deb::new("odd", "1", "all") };
    let line =
        |deb: &Deb| format!("{} - - none < 1 all none {}\n", deb.name, world.put(deb).display());
    let hello = line(&Deb::new("hello", "1", "all"));
    let at = world.directory.path().display();
    for (lines, said, user) in [
        (hello.clone(), "hello 1 all", None),
        // Root leaves the asking to somebody who is not there.
        (hello.clone(), "nobody-at-all", Some("nobody-at-all")),
        (line(&odd), "odd_1_all.deb", None),
        (hello.clone() + "odd - - none < 1 all none odd.deb\n", "line 8 of apt's list", None),
        ("odd - - none < 1\n".to_owned() + &hello, "line 7 of apt's list", None),
    ] {
        if user.is_some() && !is_root() {
            left_out("only root leaves the asking to another user");
            continue;
        }
        let user = user.map(|it| format!("APT::Sandbox::User={it}\n")).unwrap_or_default();
        let head = format!(
            "VERSION 3\nAPT::Quorum::Config={at}/etc\nAPT::Quorum::State={at}/state\n\
             APT::Quorum::Cache={at}/cache\nDir::State::lists={at}/lists\n{user}\n"
        );
        world.write("list", head + &lines);
        for (mode, code) in [("enforce", 1), ("warn", 0)] {
            world.policy(&format!("mode = \"{mode}\"\nthreshold = 1\n"));
            let mut command = world.command_of("bash".as_ref());
            command.args(["-c", "exec \"$0\" 20<\"$1\""]).arg(&hook).arg(world.path("list"));
            let ended = run(&mut command);
            ended.assert_code(code);
            assert!(ended.stderr.contains(said), "{mode} {lines}: {ended:?}");
            let nobody = ended.stderr.contains(", so no rebuilder is asked");
            assert_eq!(nobody, mode == "warn" && !user.is_empty(), "{ended:?}");
        }
    }
}

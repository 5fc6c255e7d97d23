//! Files that no archive lists.

use super::archive::{Stanza, archive};
use super::steps::two_attest;
use super::table::{HOOK, APT_AND_HOOK};
use super::world::World;

rows! {
    local_lies: "a local file under the name of a confirmed package, relative, linked, and by --with-source" => HOOK;
    local_newline: "a local file with a line end in its path, and a Filename: with a quoted one" => APT_AND_HOOK;
    local: "a local file, also with spaces in its path" => HOOK;
    local_changeable: "a local file that others could swap" => HOOK;
}

fn local(world: &World) {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    two_attest(world, good);
    world.write("/root/good.deb", &good.bytes);
    world.write("/root/a b/c  d.deb", &unknown.bytes);
    world.write("/root/a b/g o.deb", &good.bytes);
    world
        .install("'/root/a b/c  d.deb'")
        .fails()
        .says("unknown 1.0-1 all: 0 of 2 required confirmations");
    assert!(!world.has_run("unknown"));
    world.install("/root/good.deb").succeeds();
    world.install("--reinstall '/root/a b/g o.deb'").succeeds();
}

fn local_changeable(world: &World) {
    let good = world.package("good");
    two_attest(world, good);
    world.write("/srv/user/good.deb", &good.bytes);
    world.sh("chown -R 1000 /srv/user").succeeds();
    world
        .install("/srv/user/good.deb")
        .fails()
        .says("another user could replace the file after this check (/srv/user belongs to user 1000)")
        .says("Copy the file to a directory that only root can change, such as /root, and install it from there");
    assert!(!world.has_run("good"));
    world.sh("chown -R root /srv/user").succeeds();
    world.install("/srv/user/good.deb").succeeds();
}

fn local_lies(world: &World) {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    two_attest(world, good);
    world.write("/root/good_1.0-1_all.deb", &unknown.bytes);
    world.write("/root/tampered.deb", &good.tampered().bytes);
    world.write("/srv/good/good_1.0-1_all.deb", &good.bytes);
    world.sh("cd /root; ln -s good_1.0-1_all.deb link.deb; mkdir sub; ln -s .. sub/up").succeeds();
    for (arguments, says) in [
        ("./good_1.0-1_all.deb", "unknown 1.0-1 all: 0 of 2 required confirmations"),
        ("./tampered.deb", "good 1.0-1 all: "),
        ("./link.deb", "unknown 1.0-1 all: 0 of 2 required confirmations"),
        ("./sub/up/good_1.0-1_all.deb", "unknown 1.0-1 all: 0 of 2 required confirmations"),
        ("--with-source ./good_1.0-1_all.deb unknown", "unknown 1.0-1 all: 0 of 2 required confirmations"),
    ] {
        for apt in ["apt-get", "apt"] {
            let script = format!("cd /root; {apt} install -y {arguments}");
            world.sh(&script).fails().says(says).says("apt-quorum: 1 refused.");
            assert!(!world.has_run("unknown") && !world.has_run("good"), "{arguments}");
        }
    }
    world.sh("cd /srv/good; apt install -y ./good_1.0-1_all.deb").succeeds();
    world.sh("cd /srv/good; apt install --reinstall -y --with-source ./good_1.0-1_all.deb good").succeeds();
}

fn local_newline(world: &World) {
    let good = world.package("good");
    two_attest(world, good);
    world.write("/root/good.deb", &good.bytes);
    world.write("/root/x", &good.bytes);
    world.write("/root/x.deb", &good.bytes);
    // What the hook reads of these would be confirmed files, if it took each line by itself:
    // the path up to the line end, and what follows as one more package.
    let line = "good - - none < 1.0-1 all none /root/good.deb";
    for path in [
        "/root/x.deb\n.deb".to_owned(),
        format!("/root/x.deb\n{line}"),
        format!("/root/x\n{line}"),
        "/root/x.deb\ngood 1 all none > - - none **REMOVE**".to_owned(),
    ] {
        world.write(&path, &good.tampered().bytes);
        let ran = world.sh(&format!("apt-get install -y '{path}'")).fails();
        assert!(!world.has_run("good"), "{path:?}:\n{}", ran.text);
    }
    // An index has no line ends in its values, and a quoted one stays as it is.
    let tampered = good.tampered();
    let filename = format!("pool/x.deb%0a{line}");
    let mut files = archive("Test", &[(Stanza { filename, ..Stanza::of(&tampered) }, &tampered)]);
    files.insert(format!("pool/x.deb\n{line}"), tampered.bytes.clone());
    files.insert("pool/x.deb".to_owned(), good.bytes.clone());
    world.disk("/srv/disk", &files);
    world.urls(&["file:/srv/disk"]);
    world.install("good").fails().says("good 1.0-1 all: 0 of 2 required confirmations");
    assert!(!world.has_run("good"));
    world.sh(": >/etc/apt/sources.list; apt-get update").succeeds();
    world.install("/root/good.deb").succeeds();
}

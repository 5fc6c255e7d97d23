//! What is fetched and not installed.

use super::archive::{Files, Stanza, archive_with, source_package};
use super::rebuilder::Mood;
use super::server::{Answer, Server};
use super::steps::{source_of, two_attest, wait_until};
use super::table::{DOWNLOAD, INSTALLED, PASSES};
use super::world::{PAST_THE_PROMPT, World, serve};

rows! {
    download: "apt-get download" => DOWNLOAD;
    unprivileged_download: "an unprivileged apt-get download" => DOWNLOAD;
    download_killed: "apt-get download, killed while what it fetched is judged" => PASSES;
    not_packages: "files that are no packages, by apt-helper" => DOWNLOAD;
    source: "apt-get source, from any directory" => DOWNLOAD;
    changelog: "apt-get changelog" => PASSES;
    other_indexes: "indexes for AppStream, command-not-found and translations" => PASSES;
    relative: "apt with Dir::State and Dir::Cache below the directory it is called in" => DOWNLOAD;
    interrupted: "Ctrl-C in the middle of a download leaves nothing running" => INSTALLED;
}

fn download(world: &World) {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    world.source(source_of(&[good, unknown]));
    two_attest(world, good);
    for directory in ["/root", "/tmp", "/var/cache/apt/archives"] {
        let there = format!("cd {directory}; apt-get download");
        world.sh(&format!("{there} unknown")).fails().says("0 of 2 required confirmations");
        assert_eq!(debs(world, directory), [""; 0], "{directory}");
        world.sh(&format!("{there} good; dpkg-deb -I good_1.0-1_all.deb")).succeeds();
        assert_eq!(debs(world, directory), ["good_1.0-1_all.deb"], "{directory}");
    }
    // What was there is replaced by what passes.
    world.write("/root/good_1.0-1_all.deb", "mine");
    world.sh("cd /root; apt-get download good; dpkg-deb -I good_1.0-1_all.deb").succeeds();
    // A name that somebody made to lead elsewhere is not followed.
    world.write("/root/secret", "secret");
    let place = "/root/good_1.0-1_all.deb.unconfirmed";
    for planted in ["ln -s", "ln"] {
        world.sh(&format!("rm -f /root/*.deb*; {planted} /root/secret {place}")).succeeds();
        world.sh("cd /root; apt-get download good").falls_short().says("is in the way");
        assert_eq!(std::fs::read(world.path("/root/secret")).unwrap(), b"secret");
    }
}

/// What lies in a directory and is called like a package, in some way.
fn debs(world: &World, directory: &str) -> Vec<String> {
    let entries = std::fs::read_dir(world.path(directory)).unwrap().flatten();
    let names = entries.map(|entry| entry.file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.contains(".deb")).collect();
    names.sort();
    names
}

fn unprivileged_download(world: &World) {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    world.source(source_of(&[good, unknown]));
    two_attest(world, good);
    world.sh("mkdir -m 777 /srv/any").succeeds();
    let as_nobody =
        "cd /srv/any; setpriv --reuid=65534 --regid=65534 --clear-groups apt-get download";
    world.sh(&format!("{as_nobody} unknown")).fails().says("0 of 2 required confirmations");
    assert_eq!(debs(world, "/srv/any"), [""; 0]);
    world.sh(&format!("{as_nobody} good; dpkg-deb -I good_1.0-1_all.deb")).succeeds();
    assert_eq!(debs(world, "/srv/any"), ["good_1.0-1_all.deb"]);
}

fn download_killed(world: &World) {
    let good = world.package("good");
    world.source(source_of(&[good]));
    world.policy(
        "mode = \"enforce\"\nthreshold = 2\n[network]\nanswer_timeout = 300\ntotal_timeout = 300\n",
    );
    for rebuilder in [&world.alice, &world.bob, &world.carol] {
        rebuilder.is(Mood::Hangs);
    }
    let mut command = world.command();
    let command = command.args(["sh", "-c", "cd /root; exec apt-get download good"]);
    let mut apt = command.stdout(std::process::Stdio::null()).spawn().unwrap();
    wait_until("the file is there", || {
        std::fs::metadata(world.path("/root/good_1.0-1_all.deb.unconfirmed"))
            .is_ok_and(|it| it.len() == u64::try_from(good.bytes.len()).unwrap())
    });
    apt.kill().unwrap();
    apt.wait().unwrap();
    wait_until("nothing runs in the chroot", || world.processes().is_empty());
    assert_eq!(debs(world, "/root"), ["good_1.0-1_all.deb.unconfirmed"]);
}

/// A source package, of which one file is a binary package.
fn with_sources(world: &World, rest: &[u8]) -> Files {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    let files: [(&str, &[u8]); 2] = [("good_1.0.orig.tar.gz", rest), ("good_1.0-1.debian.tar.xz", rest)];
    let (index, mut pool) = source_package("good", "1.0-1", &files);
    let odd: [(&str, &[u8]); 1] = [("odd_1.0.orig.tar.gz", &unknown.bytes)];
    let (odd_index, odd_pool) = source_package("odd", "1.0-1", &odd);
    pool.extend(odd_pool);
    let entries = [(Stanza::of(good), good)];
    let mut all = archive_with("Test", &entries, &[("main/source/Sources", &(index + &odd_index))]);
    all.extend(pool);
    all
}

fn source(world: &World) {
    let server = serve(with_sources(world, b"not looked into"));
    let url = format!("http://{}/debian", server.authority());
    let strict = concat!(env!("CARGO_MANIFEST_DIR"), "/apt-conf/examples/strict.conf");
    for scheme in ["quorum+", ""] {
        if scheme.is_empty() {
            world.write("/etc/apt/apt.conf.d/01apt-quorum-strict", std::fs::read(strict).unwrap());
        }
        let line = format!("deb-src [trusted=yes] {scheme}{url} stable main\n");
        world.write("/etc/apt/sources.list", line);
        world.sh("apt-get update").succeeds();
        world.sh("rm -rf /srv/any; mkdir -m 777 /srv/any /srv/any/below").succeeds();
        // As root without and with a directory in which the unprivileged user can write, and as
        // any user.
        let as_nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups ";
        for (directory, who) in [("/root", ""), ("/srv/any/below", ""), ("/srv/any", as_nobody)] {
            let there = format!("cd {directory}; rm -f *.dsc *.tar.*; {who}apt-get");
            world.sh(&format!("{there} source --download-only good")).succeeds();
            let files = "good_1.0-1.debian.tar.xz good_1.0-1.dsc good_1.0.orig.tar.gz";
            world.sh(&format!("cd {directory}; echo $(ls -d *.dsc* *.tar.*)")).says(files);
            // Again: all is there.
            world.sh(&format!("cd {directory}; {who}apt-get source -d good")).succeeds();
            let refused = world.sh(&format!("{there} source --download-only odd")).fails();
            refused.says("0 of 2 required confirmations");
            world.sh(&format!("cd {directory}; ls odd_1.0.orig*")).falls_short();
        }
        world.sh("apt-get build-dep --simulate good || true").says("good has no build depends");
        world.sh("apt-get source --print-uris good").succeeds().says("good_1.0-1.dsc");
    }
    let helper = format!("apt-helper download-file quorum+{url}/pool");
    world
        .sh(&format!(
            "cd /srv/any; /usr/lib/apt/{helper}/good_1.0-1.dsc x.dsc; grep -q quilt x.dsc
             /usr/lib/apt/{helper}/good_1.0-1.dsc below/../y.dsc; grep -q quilt y.dsc"
        ))
        .succeeds();
    world.sh(&format!("cd /srv/any; /usr/lib/apt/{helper}/good_1.0-1.dsc none/x")).fails();
}

fn changelog(world: &World) {
    let mut files = source_of(&[world.package("good")]);
    files.insert("changelogs/main/g/good/good_1.0-1".to_owned(), b"good (1.0-1) stable\n".as_slice().into());
    let server = world.source(files);
    let url = format!("quorum+http://{}/debian/changelogs/@CHANGEPATH@", server.authority());
    world.write(
        "/etc/apt/apt.conf.d/50changelogs",
        format!("Acquire::Changelogs::URI::Override::Label::Test \"{url}\";\n"),
    );
    let as_nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups ";
    for who in ["", as_nobody] {
        let get = format!("cd /tmp; {who}env PAGER=cat apt-get");
        world.sh(&format!("{get} changelog good")).succeeds().says("good (1.0-1) stable");
    }
    world.sh("cd /root; apt-get changelog --download-only good; cat *.changelog").succeeds();
}

/// What other packages have apt fetch: their configuration stands in apt.conf.d.
fn other_indexes(world: &World) {
    let good = world.package("good");
    let more = [
        ("main/dep11/Components-amd64.yml", "File: DEP-11\n"),
        ("main/cnf/Commands-amd64", "suite: stable\n"),
        ("main/i18n/Translation-en", "Package: good\nDescription-en: good\n"),
        ("main/Contents-amd64", "usr/bin/good good\n"),
    ];
    let server = serve(archive_with("Test", &[(Stanza::of(good), good)], &more));
    world.write(
        "/etc/apt/apt.conf.d/50targets",
        "Acquire::Languages { \"en\"; };
         Acquire::IndexTargets::deb {
             DEP-11 { MetaKey \"$(COMPONENT)/dep11/Components-$(NATIVE_ARCHITECTURE).yml\";
                 ShortDescription \"Components\"; Description \"components\"; KeepCompressed \"true\"; };
             CNF { MetaKey \"$(COMPONENT)/cnf/Commands-$(NATIVE_ARCHITECTURE)\";
                 ShortDescription \"Commands\"; Description \"commands\"; };
             Contents-deb { MetaKey \"$(COMPONENT)/Contents-$(ARCHITECTURE)\";
                 ShortDescription \"Contents\"; Description \"contents\"; };
         };\n",
    );
    for scheme in ["quorum+http", "http"] {
        if scheme == "http" {
            super::steps::interpose(world);
        }
        world.sources(&[(scheme, &server)]);
        let targets = world.sh("apt-get indextargets --format '$(FILENAME)' | xargs ls").succeeds();
        for (path, _) in more {
            let name = path.rsplit('/').next().unwrap();
            assert!(targets.text.contains(name), "{name}:\n{}", targets.text);
        }
    }
}

fn relative(world: &World) {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    let server = serve(source_of(&[good, unknown]));
    two_attest(world, good);
    world.source(source_of(&[]));
    let line = format!("deb [trusted=yes] quorum+http://{}/debian stable main\n", server.authority());
    world.write("/srv/here/sources.list", line);
    world
        .sh("cd /srv/here; mkdir -p state/lists/partial cache/archives/partial; chown -R _apt state cache")
        .succeeds();
    let here = "cd /srv/here/state; apt-get -o Dir::State=../state -o Dir::Cache=./../cache \
                -o Dir::Etc::SourceList=/srv/here/sources.list -o Dir::State::Status=/var/lib/dpkg/status";
    world.sh(&format!("{here} update")).succeeds();
    let refused = world.sh(&format!("{here} -y -d {PAST_THE_PROMPT} install unknown")).fails();
    refused.says("0 of 2 required confirmations");
    world.sh("cd /srv/here/cache/archives; ! ls *unknown* partial/*unknown*").succeeds();
    world.sh(&format!("{here} -y -d install good; ls ../cache/archives/good_1.0-1_all.deb")).succeeds();
}

fn not_packages(world: &World) {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    let mut files = source_of(&[good]);
    files.insert("x.dsc".to_owned(), b"Format: 3.0\n".as_slice().into());
    files.insert("x.dsc.deb".to_owned(), unknown.bytes.clone());
    let server = world.source(files);
    let url = format!("quorum+http://{}/debian", server.authority());
    world
        .sh(&format!(
            "/usr/lib/apt/apt-helper download-file {url}/x.dsc /root/x.dsc; grep Format /root/x.dsc"
        ))
        .succeeds();
    world
        .sh(&format!("/usr/lib/apt/apt-helper download-file {url}/x.dsc.deb /root/y.dsc"))
        .fails()
        .says("0 of 2 required confirmations");
}

fn interrupted(world: &World) {
    let good = world.package("good");
    two_attest(world, good);
    let files = source_of(&[good]);
    let (whole, bytes) = (serve(files), good.bytes.clone());
    let stalling = Server::start({
        let whole = whole.clone();
        move |path| {
            if path.ends_with(".deb") { Answer::Stall(bytes.clone()) } else { whole.answer(path) }
        }
    });
    world.sources(&[("quorum+http", &stalling)]);
    use std::os::unix::process::CommandExt;
    let mut command = world.command();
    let mut apt = command
        .args(["apt-get", "install", "-y", "good"])
        .stdout(std::process::Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    wait_until("the download has begun", || {
        stalling.requests().iter().any(|path| path.ends_with(".deb"))
    });
    let group = nix::unistd::Pid::from_raw(i32::try_from(apt.id()).unwrap());
    nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGINT).unwrap();
    assert!(!apt.wait().unwrap().success());
    wait_until("nothing runs in the chroot", || world.processes().is_empty());
    world.sources(&[("quorum+http", &whole)]);
    world.install("good").succeeds();
}

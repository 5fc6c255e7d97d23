//! What is fetched and not installed.

use super::server::{Answer, Server};
use super::steps::{source_of, two_attest, wait_until};
use super::table::{DOWNLOAD, INSTALLED};
use super::world::{World, serve};

rows! {
    download: "apt-get download" => DOWNLOAD;
    unprivileged_download: "an unprivileged apt-get download" => DOWNLOAD;
    not_packages: "files that are no packages: sources, changelogs" => DOWNLOAD;
    interrupted: "Ctrl-C in the middle of a download leaves nothing running" => INSTALLED;
}

fn download(world: &World) {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    world.source(source_of(&[good, unknown]));
    two_attest(world, good);
    world.sh("cd /root; apt-get download unknown").fails().says("no operator confirms it");
    world.sh("cd /root; apt-get download good; test -e good_1.0-1_all.deb").succeeds();
}

fn unprivileged_download(world: &World) {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    world.source(source_of(&[good, unknown]));
    two_attest(world, good);
    world.sh("mkdir -m 777 /srv/any").succeeds();
    let as_nobody =
        "cd /srv/any; setpriv --reuid=65534 --regid=65534 --clear-groups apt-get download";
    world.sh(&format!("{as_nobody} unknown")).fails().says("no operator confirms it");
    world.sh(&format!("{as_nobody} good; test -e good_1.0-1_all.deb")).succeeds();
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
        .says("no operator confirms it");
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

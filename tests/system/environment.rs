//! What stands in the environment and on apt's command line.

use super::server::{Answer, Server};
use super::steps::{source_of, two_attest};
use super::table::BOTH;
use super::world::{PAST_THE_PROMPT, World, serve};

rows! {
    environment: "environment variables: our names, paths, proxies, certificates, APT_CONFIG" => BOTH;
    hostile_proxy: "http_proxy leads to somebody who answers every question in his own favour" => BOTH;
}

fn environment(world: &World) {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    let server = serve(source_of(&[good, unknown]));
    two_attest(world, good);
    // A configuration that would admit anything, and programs that would say yes to anything.
    world
        .sh("cp -r /etc/apt-quorum /srv/loose; rm /srv/loose/rebuilders.d/*
             echo 'mode = \"warn\"' >/srv/loose/policy.toml
             mkdir -p /srv/bin; for name in sh apt-quorum pre-install-pkgs apt-quorum-fetch dpkg-deb; do
                 printf '#!/bin/sh\\nexit 0\\n' >/srv/bin/$name; chmod 755 /srv/bin/$name; done
             echo '#clear DPkg::Pre-Install-Pkgs; #clear DPkg; DPkg::Tools \"\";' >/srv/apt.conf")
        .succeeds();
    let ours = ["CONFIG", "CONFIG_DIR", "DIR", "CACHE", "STATE", "POLICY"]
        .map(|it| format!("APT_QUORUM_{it}=/srv/loose"));
    let modes = ["APT_QUORUM=off", "APT_QUORUM_MODE=warn", "APT_QUORUM_DISABLE=1", "QUORUM_MODE=warn"];
    let others = [
        "HOME=/srv XDG_CONFIG_HOME=/srv/loose XDG_CONFIG_DIRS=/srv/loose",
        "PATH=/srv/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "TMPDIR=/srv/nowhere TEMP=/srv/nowhere TMP=/srv/nowhere",
        "http_proxy=http://127.0.0.1:9 https_proxy=http://127.0.0.1:9 all_proxy=http://127.0.0.1:9",
        "SSL_CERT_FILE=/srv/loose/policy.toml SSL_CERT_DIR=/srv SSLKEYLOGFILE=/srv/keys",
        "APT_HOOK_INFO_FD=0 DPKG_FRONTEND_LOCKED=1 DPKG_ADMINDIR=/srv/dpkg",
        "RUST_LOG=trace RUST_BACKTRACE=1 LC_ALL=tr_TR.UTF-8 LANGUAGE=tr TZ=/srv/zone",
        "APT_CONFIG=/srv/apt.conf",
    ];
    for scheme in ["quorum+http", "http"] {
        world.sources(&[(scheme, &server)]);
        let assignments = [ours.join(" "), modes.join(" ")];
        for assignment in assignments.iter().map(String::as_str).chain(others) {
            for past in ["", PAST_THE_PROMPT] {
                let apt = format!("env {assignment} apt-get install -y {past} unknown");
                let ran = world.sh(&apt).fails();
                assert!(!world.has_run("unknown"), "{assignment}:\n{}", ran.text);
            }
        }
    }
    world.sh(&format!("env {} {} apt-get install -y good", ours.join(" "), modes.join(" "))).succeeds();
}

fn hostile_proxy(world: &World) {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    let server = serve(source_of(&[good, unknown]));
    two_attest(world, good);
    // Somebody who has no rebuilder's key but answers for all of them.
    let liar = super::rebuilder::Rebuilder::new("alice");
    liar.attests(unknown);
    let (archive, answers) = (server.clone(), liar.server().clone());
    let proxy = Server::start(move |url| {
        let path = url.strip_prefix("http://").and_then(|rest| rest.split_once('/'));
        match path.map(|(_, path)| format!("/{path}")) {
            Some(path) if path.starts_with("/debian/") => archive.answer(&path),
            Some(path) => answers.answer(&path),
            None => Answer::None,
        }
    });
    let through = format!("env http_proxy=http://{} no_proxy= ", proxy.authority());
    for scheme in ["quorum+http", "http"] {
        world.sources(&[(scheme, &server)]);
        for past in ["", PAST_THE_PROMPT] {
            let ran = world.sh(&format!("{through} apt-get install -y {past} unknown")).fails();
            ran.says("0 of 2 required confirmations");
        }
        assert!(!world.has_run("unknown"));
    }
    let asked = proxy.requests().iter().any(|url| url.contains("/api/v1/"));
    assert!(asked, "the proxy was not asked for evidence");
    world.install("good").succeeds();
}

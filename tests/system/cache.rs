//! What lies in apt's cache, and in ours, before apt looks there.

use super::archive::{Stanza, archive};
use super::steps::{source_of, two_attest};
use super::table::{APT, HOOK, INSTALLED, METHOD};
use super::world::{PAST_THE_PROMPT, World, serve};

rows! {
    swapped_without_network: "an archive in the cache, installed with --no-download and with every source gone" => HOOK;
    planted_partials: "links, pipes and directories planted in partial/" => INSTALLED;
    planted_in_our_cache: "links, pipes, directories, giants and foreign signatures planted in our cache" => METHOD;
    planted_evidence: "links planted where the method keeps evidence" => INSTALLED;
    swapped_in_cache: "an archive in the cache with the right size and other content" => HOOK;
    damaged: "a damaged download" => APT;
    resumed: "a partial file: resumed if good, thrown away if not" => INSTALLED;
}

fn swapped_in_cache(world: &World) {
    let good = world.package("good");
    world.source(source_of(&[good]));
    two_attest(world, good);
    let cached = "/var/cache/apt/archives/good_1.0-1_all.deb";
    world.write(cached, &good.tampered().bytes);
    world.install("good").fails().says("signed a different file under this name");
    assert!(!world.has_run("good"));
    world.write(cached, &good.bytes);
    world.install("good").succeeds().never_says("Get:");
}

fn damaged(world: &World) {
    let good = world.package("good");
    let tampered = good.tampered();
    let files = archive("Test", &[(Stanza::of(good), &tampered)]);
    world.source(files);
    two_attest(world, good);
    world.install("good").fails().says("Hash Sum mismatch");
    assert!(!world.has_run("good"));
    world.source(source_of(&[good]));
    world.install("good").succeeds();
}

fn resumed(world: &World) {
    let good = world.package("good");
    let server = world.source(source_of(&[good]));
    two_attest(world, good);
    let partial = "/var/cache/apt/archives/partial/good_1.0-1_all.deb";
    let half = &good.bytes[..good.bytes.len() / 2];
    for (content, what) in [
        (half.to_vec(), "half"),
        (vec![b'x'; half.len()], "nonsense"),
        (good.tampered().bytes.to_vec(), "all of it, tampered with"),
        (good.bytes.to_vec(), "all of it"),
    ] {
        world.write(partial, &content);
        // As http would have left it, with the time of the file on the server.
        world
            .sh(&format!("chown _apt {partial}; touch -d '2026-01-01 00:00:00 UTC' {partial}"))
            .succeeds();
        let ran = world.install("good");
        let ran = if ran.code == Some(0) { ran } else { world.install("good") };
        ran.succeeds();
        assert!(world.has_run("good"), "{what}");
        world.sh("apt-get purge -y good; apt-get clean; rm /var/lib/ran-good").succeeds();
    }
    assert!(server.requests().len() > 4);
}

fn swapped_without_network(world: &World) {
    let good = world.package("good");
    world.source(source_of(&[good]));
    two_attest(world, good);
    world.sh("apt-get install -y --download-only good").succeeds();
    let cached = "/var/cache/apt/archives/good_1.0-1_all.deb";
    let genuine = std::fs::read(world.path(cached)).unwrap();
    world.write(cached, &good.tampered().bytes);
    world.install("--no-download good").fails().says("apt-quorum: 1 refused.");
    assert!(!world.has_run("good"));
    // A link in its place leads to a file that is judged as well.
    world.write("/root/tampered", &good.tampered().bytes);
    world.sh(&format!("ln -sf /root/tampered {cached}")).succeeds();
    world.install("--no-download good").fails();
    assert!(!world.has_run("good"));
    world.sh(&format!("rm -f {cached}")).succeeds();
    world.write(cached, genuine);
    world.install("--no-download good").succeeds();
}

/// A file of root's that nobody else can read or write.
const SECRET: &str = "/root/secret";

fn secret(world: &World) {
    world.write(SECRET, "secret\n");
    world.sh(&format!("chmod 600 {SECRET}")).succeeds();
}

fn secret_is_untouched(world: &World, what: &str) {
    let text = std::fs::read_to_string(world.path(SECRET)).unwrap();
    assert_eq!(text, "secret\n", "{what}");
    world.sh(&format!("test \"$(stat -c '%U %a' {SECRET})\" = 'root 600'")).succeeds();
}

fn planted_partials(world: &World) {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    secret(world);
    two_attest(world, good);
    let server = serve(source_of(&[good, unknown]));
    let place = |name: &str| format!("/var/cache/apt/archives/partial/{name}_1.0-1_all.deb");
    world.write("/srv/tampered.deb", &good.tampered().bytes);
    for plant in [
        format!("ln -s {SECRET}"),
        "ln -s /srv/tampered.deb".to_owned(),
        "ln /srv/tampered.deb".to_owned(),
        "ln -s nowhere".to_owned(),
        "mkfifo".to_owned(),
        "mkdir".to_owned(),
    ] {
        for (scheme, names) in
            [("quorum+http", ["unknown", "good"].as_slice()), ("http", &["good"])]
        {
            world.sources(&[(scheme, &server)]);
            for name in names {
                world.sh(&format!("{plant} {0}; chown -h _apt {0}", place(name))).succeeds();
                // apt's own http waits for a reader of the pipe until it is interrupted.
                let seconds = if plant == "mkfifo" { 2 } else { 60 };
                let ran = world
                    .sh(&format!("timeout -s INT {seconds} apt-get install -y --reinstall {name}"));
                secret_is_untouched(world, &plant);
                assert!(!world.has_run("unknown"), "{scheme} {plant}");
                if ran.code == Some(0) {
                    let text = std::fs::read_to_string(world.path("/var/lib/ran-good")).unwrap();
                    assert_eq!((*name, text.as_str()), ("good", "good\n"), "{scheme} {plant}");
                } else {
                    assert!(!ran.text.contains("Setting up"), "{scheme} {plant}\n{}", ran.text);
                }
                // Whatever became of it, the next run works once it is gone.
                world.sh(&format!("rm -rf {}; apt-get clean", place(name))).succeeds();
            }
        }
        world.install("--reinstall good").succeeds();
        world.sh("rm -f /var/lib/ran-good; apt-get clean").succeeds();
        world.write("/srv/tampered.deb", &good.tampered().bytes);
    }
}

fn planted_in_our_cache(world: &World) {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    secret(world);
    world.source(source_of(&[good, unknown]));
    two_attest(world, good);
    let stranger = super::rebuilder_key::RebuilderKey::new();
    let link = stranger.link(&unknown.artifact(), &unknown.sha256());
    let giant = vec![b' '; 64 * 1024 * 1024];
    for package in [good, unknown] {
        let directory = format!("/var/cache/apt-quorum/attestations/{}", package.artifact());
        for (n, name) in ["stranger", "alice", "bob"].iter().enumerate() {
            world.write(&format!("{directory}/{name}"), link.replace("any", &n.to_string()));
        }
        world.write(&format!("{directory}/giant"), &giant);
        world
            .sh(&format!(
                "cd {directory}; mkfifo pipe; mkdir directory; ln -s {SECRET} link; ln -s . loop
                 ln -s /dev/zero zero; chown -R _apt /var/cache/apt-quorum/attestations"
            ))
            .succeeds();
    }
    for past in ["", PAST_THE_PROMPT] {
        let ran = world.sh(&format!("timeout 30 apt-get install -y {past} unknown")).fails();
        ran.says("0 of 2 required confirmations");
    }
    assert!(!world.has_run("unknown"));
    world.sh("timeout 30 apt-get install -y good").succeeds();
    secret_is_untouched(world, "a directory with odd things in it");
    // The directory itself as a link: whoever fetches is not root and cannot write there.
    world
        .sh("apt-get purge -y good; cd /var/cache/apt-quorum; rm -rf attestations/*
             mkdir -m 700 /root/private; ln -s /root/private attestations/good_1.0-1_all.deb
             chown -h _apt attestations/*")
        .succeeds();
    world.sh("timeout 30 apt-get install -y good").succeeds();
    world.sh("test -z \"$(ls -A /root/private)\"").succeeds();
}

fn planted_evidence(world: &World) {
    let good = world.package("good");
    secret(world);
    world.source(source_of(&[good]));
    two_attest(world, good);
    // The names are known beforehand to whoever sees the attestations.
    world.sh("apt-get install -y --download-only good; apt-get clean").succeeds();
    world
        .sh(&format!(
            "cd /var/lib/apt-quorum/evidence/method; test -n \"$(ls)\"
             for name in *; do ln -sf {SECRET} $name; ln -s {SECRET} $name.1; done; chown -h _apt *"
        ))
        .succeeds();
    world.install("good").succeeds();
    secret_is_untouched(world, "evidence");
    world.sh("cd /var/lib/apt-quorum/evidence; for name in *; do test -d $name || test ! -h $name; done").succeeds();
}

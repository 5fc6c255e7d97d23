//! Servers that send apt elsewhere.

use super::steps::{source_of, two_attest, interpose, redirecting};
use super::server::{Answer, Server};
use super::table::{APT, METHOD};
use super::world::{World, serve, serve_tls};

rows! {
    redirect_same_host: "a redirect to another path of the same host, prefixed and interposed" => METHOD;
    redirect_to_https: "a redirect from http to https of a prefixed source" => METHOD;
    redirect_from_https: "a redirect from https to http" => APT;
    redirect: "a redirect to another host" => METHOD;
    redirect_interposed: "a redirect while apt's own http is interposed" => METHOD;
    redirect_out: "a redirect out of the gate's schemes" => METHOD;
}

fn redirect(world: &World) {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    let files = source_of(&[good, unknown]);
    let target = serve(files.clone());
    // Another host for apt: the name differs.
    let server = redirecting(&format!("http://localhost:{}", target.port()), files);
    world.write("/etc/hosts", "127.0.0.1 localhost\n");
    world.sources(&[("quorum+http", &server)]);
    two_attest(world, good);
    world.install("unknown").fails().says("0 of 2 required confirmations");
    world.install("good").succeeds();
    assert!(target.requests().iter().any(|path| path.contains("good")));
}

fn redirect_interposed(world: &World) {
    interpose(world);
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    let files = source_of(&[good, unknown]);
    let target = serve(files.clone());
    let server = redirecting(&format!("http://localhost:{}", target.port()), files);
    world.write("/etc/hosts", "127.0.0.1 localhost\n");
    world.sources(&[("http", &server)]);
    two_attest(world, good);
    world.install("unknown").fails().says("0 of 2 required confirmations");
    assert_eq!(world.receipts("method").len(), 1);
    world.install("good").succeeds();
}

fn redirect_out(world: &World) {
    // Only http is interposed: a redirect to https would shed the gate.
    world.write(
        "/etc/apt/apt.conf.d/50half",
        "Dir::Bin::Methods::http \"/usr/lib/apt/methods/quorum+http\";\n",
    );
    let good = world.package("good");
    let files = source_of(&[good]);
    let (target, certificate) = serve_tls(files.clone());
    world.write("/etc/apt/test-ca.pem", certificate);
    world.write("/etc/apt/apt.conf.d/50tls", "Acquire::https::CAInfo \"/etc/apt/test-ca.pem\";\n");
    world.write("/etc/hosts", "127.0.0.1 localhost\n");
    let server = redirecting(&format!("https://localhost:{}", target.port()), files);
    world.sources(&[("http", &server)]);
    two_attest(world, good);
    world.install("good").fails().says("redirected to a place where packages are not checked");
    assert!(target.requests().is_empty());
    // With both interposed, the same redirect is fine.
    interpose(world);
    world.install("good").succeeds();
}

fn redirect_same_host(world: &World) {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    let files = source_of(&[good, unknown]);
    let indexes = serve(files);
    let server = Server::start(move |path| match path.strip_prefix("/debian/pool/") {
        Some(rest) => Answer::Redirect(format!("/moved/{rest}")),
        None => indexes.answer(&path.replace("/moved/", "/debian/pool/")),
    });
    two_attest(world, good);
    for scheme in ["quorum+http", "http"] {
        world.sources(&[(scheme, &server)]);
        world.install("unknown").fails().says("apt-quorum refused it: unknown 1.0-1 all: 0 of 2 required confirmations");
        assert!(!world.has_run("unknown"));
        world.install("--reinstall good").succeeds();
        world.sh("apt-get clean").succeeds();
        interpose(world);
    }
    assert!(server.requests().iter().any(|path| path.starts_with("/moved/unknown")));
}

/// Makes the certificate of a server good in the chroot.
fn believe(world: &World, certificate: &[u8]) {
    world.write("/etc/apt/test-ca.pem", certificate);
    world.write("/etc/apt/apt.conf.d/50tls", "Acquire::https::CAInfo \"/etc/apt/test-ca.pem\";\n");
    world.write("/etc/hosts", "127.0.0.1 localhost\n");
}

fn redirect_to_https(world: &World) {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    let files = source_of(&[good, unknown]);
    let (target, certificate) = serve_tls(files.clone());
    believe(world, &certificate);
    let server = redirecting(&format!("https://localhost:{}", target.port()), files);
    world.sources(&[("quorum+http", &server)]);
    two_attest(world, good);
    world.install("unknown").fails().says("0 of 2 required confirmations");
    assert_eq!(world.receipts("method").len(), 1);
    world.install("good").succeeds();
    assert!(target.requests().iter().any(|path| path.contains("good")));
}

fn redirect_from_https(world: &World) {
    let good = world.package("good");
    let files = source_of(&[good]);
    let target = serve(files.clone());
    let plain = redirecting(&format!("http://localhost:{}", target.port()), files.clone());
    let pair = super::world::certificate();
    let server = Server::start_tls(super::world::tls(&pair), move |path| plain.answer(path));
    believe(world, &pair.1);
    world.sources(&[("quorum+https", &server)]);
    two_attest(world, good);
    // apt's own https does not follow it.
    world.install("good").fails();
    assert!(target.requests().is_empty());
    let (server, certificate) = serve_tls(files);
    believe(world, &certificate);
    world.sources(&[("quorum+https", &server)]);
    world.install("good").succeeds();
}

//! Where packages come from: with the gate in the source's name, without, and from two places.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::server::{Answer, Server};
use super::steps::{source_of, two_attest, interpose};
use super::table::{APT, BOTH, HOOK, INSTALLED, METHOD};
use super::world::{World, serve, serve_tls};

rows! {
    interposed: "apt's own http under our control (Dir::Bin::Methods)" => METHOD;
    https: "https, with the archive's and the rebuilder's certificates checked" => METHOD;
    proxy: "through an http proxy" => INSTALLED;
    proxy_detected: "by the proxy that a command names (Proxy-Auto-Detect), which wants a login" => INSTALLED;
    tor_sources: "a source by Tor: rebuilders are asked by the same proxy and in no other way" => INSTALLED;
    evidence_proxy: "a proxy for evidence alone: rebuilders by it and in no other way, packages past it" => INSTALLED;
    plain_source: "a plain source: the hook refuses what nobody confirms" => HOOK;
    second_source_plain_second: "the same version from a plain source behind the gated one" => METHOD;
    second_source_plain_first: "the same version from a plain source before the gated one" => HOOK;
    file_source: "a file: source" => HOOK;
    copy_source: "a copy: source" => HOOK;
    cdrom_source: "a cdrom: source (apt-cdrom add)" => HOOK;
    schemes_not_offered: "quorum+ in front of a method that is not wrapped" => APT;
    mirror_plain: "a mirror list (mirror+file, mirror+http, mirror) of plain URLs" => HOOK;
    mirror_quorum: "a mirror list of quorum+ URLs" => METHOD;
    mirror_mixed: "a mirror list of a plain and a quorum+ URL" => BOTH;
    mirror_interposed: "a mirror list of plain URLs while apt's own http is interposed" => METHOD;
}

fn interposed(world: &World) {
    interpose(world);
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    let server = serve(source_of(&[good, unknown]));
    world.sources(&[("http", &server)]);
    two_attest(world, good);
    world.install("unknown").fails().says("unknown 1.0-1 all: 0 of 2 required confirmations");
    assert_eq!(world.receipts("method").len(), 1);
    world.install("good").succeeds();
}

fn https(world: &World) {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    let (server, certificate) = serve_tls(source_of(&[good, unknown]));
    world.write("/etc/apt/test-ca.pem", &certificate);
    world.write("/etc/apt/apt.conf.d/50tls", "Acquire::https::CAInfo \"/etc/apt/test-ca.pem\";\n");
    // A rebuilder behind TLS as well.
    let dave = super::rebuilder::Rebuilder::new_tls("dave", &super::world::certificate());
    world.write("/etc/apt/dave-ca.pem", dave.1);
    world.sh("cat /etc/apt/dave-ca.pem >>/etc/apt/test-ca.pem").succeeds();
    world.write("/etc/apt-quorum/rebuilders.d/dave.toml", dave.0.configuration());
    world.sources(&[("quorum+https", &server)]);
    world.alice.attests(good);
    world.install("unknown").fails().says("0 of 2 required confirmations");
    dave.0.attests(good);
    world.install("good").succeeds();
    // Without the authority neither the archive nor the rebuilder is believed to be who it is.
    world.sh("apt-get purge -y good; rm -rf /var/cache/apt-quorum/attestations /var/cache/apt/archives/*.deb; : >/etc/apt/test-ca.pem").succeeds();
    world.install("good").fails();
}

fn proxy(world: &World) {
    let good = world.package("good");
    let server = serve(source_of(&[good]));
    // Answers for whatever host is asked for, and logs what that was.
    let (archive, alice) = (server.clone(), world.alice.server().clone());
    let proxy = Server::start(move |url| match url.strip_prefix("http://archive.invalid") {
        Some(path) => archive.answer(path),
        None => {
            url.strip_prefix("http://alice.invalid").map_or(Answer::None, |path| alice.answer(path))
        }
    });
    let authority = proxy.authority();
    world.write("/etc/apt/apt.conf.d/50proxy", format!("Acquire::http::Proxy \"http://{authority}/\";\nAcquire::http::Proxy::127.0.0.1 \"DIRECT\";\n"));
    let alice =
        world.alice.configuration().replace(&world.alice.server().authority(), "alice.invalid");
    world.write("/etc/apt-quorum/rebuilders.d/alice.toml", alice);
    world.write(
        "/etc/apt/sources.list",
        "deb [trusted=yes] quorum+http://archive.invalid/debian stable main\n",
    );
    world.sh("apt-get update").succeeds();
    two_attest(world, good);
    world.install("good").succeeds().says("1 confirmed");
    let through = |what: &str| proxy.requests().iter().any(|url| url.contains(what));
    assert!(
        through("http://archive.invalid/debian/pool") && through("http://alice.invalid/api/v1/")
    );
}

/// A proxy that leads everything to the archive and to alice, under names that nobody can look up.
fn proxy_before(world: &World, archive: Server) -> Server {
    let alice = world.alice.server().clone();
    let configuration = world.alice.configuration().replace(&alice.authority(), "alice.invalid");
    world.write("/etc/apt-quorum/rebuilders.d/alice.toml", configuration);
    Server::start(move |url| match url.strip_prefix("http://archive.invalid") {
        Some(path) => archive.answer(path),
        None => {
            url.strip_prefix("http://alice.invalid").map_or(Answer::None, |path| alice.answer(path))
        }
    })
}

fn proxy_detected(world: &World) {
    let good = world.package("good");
    let proxy = proxy_before(world, serve(source_of(&[good])));
    let authority = proxy.authority();
    world.write(
        "/usr/local/bin/detect",
        format!("#!/bin/sh\nid -u >>/tmp/asked\necho http://{authority}/\n"),
    );
    world.sh("chmod 755 /usr/local/bin/detect; : >/tmp/asked; chmod 666 /tmp/asked").succeeds();
    world.write(
        "/etc/apt/apt.conf.d/50proxy",
        "Acquire::http::Proxy-Auto-Detect \"/usr/local/bin/detect\";\nAcquire::http::Proxy::127.0.0.1 \"DIRECT\";\n",
    );
    // Readable for root alone, and for the proxy alone.
    world.write(
        "/etc/apt/auth.conf.d/proxy.conf",
        format!("machine http://{authority}/ login corp password secret\n"),
    );
    world.sh("chmod 600 /etc/apt/auth.conf.d/proxy.conf").succeeds();
    two_attest(world, good);
    for scheme in ["http", "quorum+http"] {
        world.write(
            "/etc/apt/sources.list",
            format!("deb [trusted=yes] {scheme}://archive.invalid/debian stable main\n"),
        );
        let before = proxy.requests().len();
        world.sh("apt-get update").succeeds();
        world.install("good").succeeds().says("1 confirmed").never_says("secret");
        let asked = proxy.requests().split_off(before);
        for what in ["http://archive.invalid/debian/pool", "http://alice.invalid/api/v1/"] {
            assert!(asked.iter().any(|url| url.contains(what)), "{scheme} {asked:?}");
        }
        world.sh("apt-get purge -y good; rm -rf /var/cache/apt-quorum/attestations /var/cache/apt/archives/*.deb").succeeds();
    }
    // Our own questions to the command are not root's.
    world.sh("grep -qv '^0$' /tmp/asked").succeeds();
    // Where it names none, nobody is asked past it.
    world.write("/usr/local/bin/detect", "#!/bin/sh\nexit 1\n");
    let before = proxy.requests().len();
    world.install("good").fails();
    assert_eq!(proxy.requests().len(), before);
    world.write("/usr/local/bin/detect", format!("#!/bin/sh\necho http://{authority}/\n"));
    world.install("good").succeeds();
}

/// A SOCKS 5 proxy that leads each of these hosts to a port of this machine; and which it was asked
/// for, behind the names and passwords.
fn socks(hosts: Vec<(&'static str, u16)>) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let told = Arc::<Mutex<Vec<String>>>::default();
    let tell = Arc::clone(&told);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (hosts, tell) = (hosts.clone(), Arc::clone(&tell));
            std::thread::spawn(move || serve_socks(stream, &hosts, &tell));
        }
    });
    (port, told)
}

fn serve_socks(
    mut stream: TcpStream,
    hosts: &[(&str, u16)],
    tell: &Mutex<Vec<String>>,
) -> Option<()> {
    let take = |stream: &mut TcpStream, count: usize| {
        let mut bytes = vec![0; count];
        stream.read_exact(&mut bytes).ok().map(|()| bytes)
    };
    let text = |stream: &mut TcpStream| {
        let length = take(stream, 1)?[0].into();
        take(stream, length).and_then(|bytes| String::from_utf8(bytes).ok())
    };
    let methods = take(&mut stream, 2)?[1].into();
    let with_login = take(&mut stream, methods)?.contains(&2);
    stream.write_all(&[5, if with_login { 2 } else { 0 }]).ok()?;
    if with_login {
        take(&mut stream, 1)?;
        let login = format!("{}:{}", text(&mut stream)?, text(&mut stream)?);
        tell.lock().unwrap().push(login);
        stream.write_all(&[1, 0]).ok()?;
    }
    // Names only: nobody is to have looked one up.
    if take(&mut stream, 4)?[3] != 3 {
        tell.lock().unwrap().push("an address".to_owned());
        return None;
    }
    let host = text(&mut stream)?;
    take(&mut stream, 2)?;
    let port = hosts.iter().find(|(name, _)| *name == host).map(|(_, port)| *port);
    tell.lock().unwrap().push(host);
    let server = TcpStream::connect(("127.0.0.1", port?)).ok()?;
    stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).ok()?;
    let (mut up, mut to) = (stream.try_clone().ok()?, server.try_clone().ok()?);
    std::thread::spawn(move || drop(std::io::copy(&mut up, &mut to)));
    std::io::copy(&mut { server }, &mut stream).ok()?;
    stream.shutdown(std::net::Shutdown::Both).ok()
}

fn tor_sources(world: &World) {
    let good = world.package("good");
    let archive = serve(source_of(&[good]));
    let alice = world.alice.server().clone();
    let port = |server: &Server| server.authority().rsplit(':').next().unwrap().parse().unwrap();
    let mut hosts = vec![("archive.example", port(&archive))];
    let names = ["alice.example", "bob.example", "carol.example"];
    for (rebuilder, name) in [&world.alice, &world.bob, &world.carol].into_iter().zip(names) {
        let authority = rebuilder.server().authority();
        let file = name.replace(".example", ".toml");
        let named = rebuilder.configuration().replace(&authority, name);
        world.write(&format!("/etc/apt-quorum/rebuilders.d/{file}"), named);
        hosts.push((name, port(rebuilder.server())));
    }
    let (tor, told) = socks(hosts);
    // What apt-transport-tor does, but for the port.
    world.sh("ln -s http /usr/lib/apt/methods/tor+http").succeeds();
    let setting = format!("Acquire::tor::Proxy \"socks5h://apt-transport-tor@127.0.0.1:{tor}\";\n");
    world.write("/etc/apt/apt.conf.d/50tor", setting);
    world.write(
        "/etc/apt/sources.list",
        "deb [trusted=yes] tor+http://archive.example/debian stable main\n",
    );
    world.sh("apt-get update").succeeds();
    two_attest(world, good);
    world.sh("apt-quorum config check").succeeds().says("because apt has sources by Tor");
    let before = alice.requests().len();
    world.install("good").succeeds().says("1 confirmed");
    assert!(alice.requests().len() > before);
    let told = told.lock().unwrap().clone();
    for what in ["apt-transport-tor:archiveexample", "apt-transport-tor:aliceexample"] {
        assert!(told.iter().any(|it| it == what), "{told:?}");
    }
    assert!(!told.iter().any(|it| it == "an address"));
    // Where Tor is gone, nobody is asked in another way, be it by an address that is known.
    world.sh("apt-get purge -y good; rm -rf /var/cache/apt-quorum/attestations").succeeds();
    for rebuilder in [&world.alice, &world.bob] {
        let file = format!("/etc/apt-quorum/rebuilders.d/{}.toml", rebuilder.name);
        world.write(&file, rebuilder.configuration());
    }
    world.write("/etc/apt/apt.conf.d/50tor", "Acquire::tor::Proxy \"socks5h://127.0.0.1:9\";\n");
    let before = alice.requests().len();
    world.install("good").fails().says("the proxy socks5h://127.0.0.1:9 cannot be reached");
    assert_eq!(alice.requests().len(), before);
    world.write("/etc/apt/apt.conf.d/50tor", "Acquire::http::Proxy::127.0.0.1 \"DIRECT\";\n");
    world.install("good").succeeds();
}

fn evidence_proxy(world: &World) {
    let good = world.package("good");
    let archive = serve(source_of(&[good]));
    let port = |server: &Server| server.authority().rsplit(':').next().unwrap().parse().unwrap();
    let mut hosts = Vec::new();
    let names = ["alice.example", "bob.example", "carol.example"];
    for (rebuilder, name) in [&world.alice, &world.bob, &world.carol].into_iter().zip(names) {
        let named = rebuilder.configuration().replace(&rebuilder.server().authority(), name);
        let file = format!("/etc/apt-quorum/rebuilders.d/{}.toml", rebuilder.name);
        world.write(&file, named);
        hosts.push((name, port(rebuilder.server())));
    }
    let (proxy, told) = socks(hosts);
    let policy = |proxy: u16| {
        let text = format!("mode = \"enforce\"\nthreshold = 2\n[network]\nanswer_timeout = 20\ntotal_timeout = 40\nproxy = \"socks5h://127.0.0.1:{proxy}\"\n");
        world.write("/etc/apt-quorum/policy.toml", text);
    };
    policy(proxy);
    world.sources(&[("quorum+http", &archive)]);
    two_attest(world, good);
    world.install("good").succeeds().says("1 confirmed");
    let asked = told.lock().unwrap().clone();
    for (user, host) in [("alice:", "alice.example"), ("bob:", "bob.example")] {
        assert!(asked.iter().any(|it| it.starts_with(user)), "{asked:?}");
        assert!(asked.iter().any(|it| it == host), "{asked:?}");
    }
    // Each name and password, and then a host: no package is among these, and no address.
    let is_rebuilders = |it: &String| it.contains(':') || names.contains(&it.as_str());
    assert!(asked.iter().all(is_rebuilders), "{asked:?}");
    // Where the proxy is gone, nobody is asked, be it by an address that is known.
    world.sh("apt-get purge -y good; rm -rf /var/cache/apt-quorum/attestations").succeeds();
    for rebuilder in [&world.alice, &world.bob, &world.carol] {
        let file = format!("/etc/apt-quorum/rebuilders.d/{}.toml", rebuilder.name);
        world.write(&file, rebuilder.configuration());
    }
    policy(9);
    world.write("/etc/apt/apt.conf.d/50direct", "Acquire::http::Proxy::127.0.0.1 \"DIRECT\";\n");
    let before = [&world.alice, &world.bob].map(|it| it.server().requests().len());
    world.install("good").fails().says("the proxy socks5h://127.0.0.1:9 cannot be reached");
    assert_eq!([&world.alice, &world.bob].map(|it| it.server().requests().len()), before);
}

fn plain_source(world: &World) {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    let server = serve(source_of(&[good, unknown]));
    world.sources(&[("http", &server)]);
    two_attest(world, good);
    let ran = world
        .install("unknown")
        .fails()
        .says("apt-quorum: 1 refused.")
        .says("Nothing was installed.");
    assert_eq!(ran.code, Some(100));
    assert!(!world.has_run("unknown"));
    world.install("good").succeeds();
}

/// The unconfirmed package from two sources, and the confirmed one.
fn two_sources(world: &World, first: &str, second: &str) {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    let servers = (serve(source_of(&[good, unknown])), serve(source_of(&[good, unknown])));
    two_attest(world, good);
    world.sources(&[(first, &servers.0), (second, &servers.1)]);
    world.install("unknown").fails();
    world.install("--fix-missing unknown").fails();
    world.install("--no-download --fix-missing unknown").fails();
    assert!(!world.has_run("unknown"));
    world.install("good").succeeds();
}

fn second_source_plain_second(world: &World) {
    two_sources(world, "quorum+http", "http");
}

fn second_source_plain_first(world: &World) {
    two_sources(world, "http", "quorum+http");
}

/// The hook refuses what comes by these sources and nobody confirms.
fn ungated(world: &World, urls: &[&str]) {
    two_attest(world, world.package("good"));
    for url in urls {
        world.urls(&[url]);
        let ran = world.install("unknown").fails();
        assert!(ran.text.contains("apt-quorum: 1 refused."), "{url}:\n{}", ran.text);
        assert!(!world.has_run("unknown"), "{url}");
        world.install("--reinstall good").succeeds();
        world.sh("apt-get clean").succeeds();
    }
}

fn on_disk(world: &World) -> &'static str {
    let files = source_of(&[world.package("good"), world.package("unknown")]);
    world.disk("/srv/disk/debian", &files);
    "/srv/disk/debian"
}

fn file_source(world: &World) {
    let directory = on_disk(world);
    ungated(world, &[&format!("file:{directory}"), &format!("file://{directory}")]);
}

fn copy_source(world: &World) {
    let directory = on_disk(world);
    ungated(world, &[&format!("copy:{directory}")]);
}

fn cdrom_source(world: &World) {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    two_attest(world, good);
    world.disk("/media/cdrom", &source_of(&[good, unknown]));
    world.write("/media/cdrom/.disk/info", "A disc for a test\n");
    world.write("/etc/apt/apt.conf.d/50disc", "APT::CDROM::NoMount \"true\";\nAcquire::cdrom::mount \"/media/cdrom\";\n");
    world.sh("apt-cdrom -o APT::Authentication::TrustCDROM=true -m -d /media/cdrom add\n             sed -i 's/^deb cdrom/deb [trusted=yes] cdrom/' /etc/apt/sources.list\n             apt-get update; grep cdrom: /etc/apt/sources.list").succeeds();
    world.install("unknown").fails().says("apt-quorum: 1 refused.");
    assert!(!world.has_run("unknown"));
    world.install("good").succeeds();
}

fn schemes_not_offered(world: &World) {
    let good = world.package("good");
    let server = serve(source_of(&[good]));
    let directory = on_disk(world);
    two_attest(world, good);
    let http = format!("{}/debian", server.authority());
    world.write("/etc/apt/mirrors", format!("http://{http}\n"));
    // Also where somebody links the program to a name that it does not take.
    for linked in [false, true] {
        for (scheme, rest) in [
            ("file", directory),
            ("copy", directory),
            ("cdrom", "[disc]/"),
            ("mirror+file", "/etc/apt/mirrors"),
            ("mirror+http", &format!("//{http}/mirrors")),
            ("mirror", &format!("//{http}/mirrors")),
            ("tor+http", &format!("//{http}")),
        ] {
            let method = format!("/usr/lib/apt/methods/quorum+{scheme}");
            if linked {
                world.sh(&format!("ln -s ../../../bin/apt-quorum '{method}'")).succeeds();
            }
            let source = format!("deb [trusted=yes] quorum+{scheme}:{rest} stable main\n");
            world.write("/etc/apt/sources.list", source);
            world.sh("apt-get update --error-on=any || apt-get update");
            world.install("good").fails();
            assert!(!world.has_run("good"), "{scheme}");
        }
    }
    world.sources(&[("quorum+http", &server)]);
    world.install("good").succeeds();
}

/// A list of mirrors that speak `schemes`, as a file and on a server.
fn mirrors(world: &World, schemes: &[&str]) -> Vec<String> {
    let files = source_of(&[world.package("good"), world.package("unknown")]);
    let urls: Vec<String> =
        schemes.iter().map(|scheme| format!("{scheme}://{}/debian", serve(files.clone()).authority())).collect();
    let list: String =
        urls.iter().enumerate().map(|(n, url)| format!("{url}\tpriority:{}\n", n + 1)).collect();
    world.write("/etc/apt/mirrors", &list);
    let listing = Server::start(move |_| Answer::Body(list.clone().into_bytes().into()));
    let list = format!("//{}/mirrors", listing.authority());
    vec![
        "mirror+file:/etc/apt/mirrors".to_owned(),
        format!("mirror+http:{list}"),
        format!("mirror:{list}"),
    ]
}

fn mirror_plain(world: &World) {
    let urls = mirrors(world, &["http"]);
    ungated(world, &urls.iter().map(String::as_str).collect::<Vec<_>>());
}

/// Nothing that is not confirmed comes through any of these, whoever refuses it.
fn mirrored(world: &World, urls: &[String]) {
    two_attest(world, world.package("good"));
    for url in urls {
        world.urls(&[url]);
        let ran = world.install("unknown").fails();
        assert!(ran.text.contains("0 of 2 required confirmations"), "{url}:\n{}", ran.text);
        assert!(!world.has_run("unknown"), "{url}");
        world.install("--reinstall good").succeeds();
        world.sh("apt-get clean").succeeds();
    }
}

fn mirror_quorum(world: &World) {
    let urls = mirrors(world, &["quorum+http"]);
    let (file, remote) = urls.split_first().unwrap();
    mirrored(world, std::slice::from_ref(file));
    // apt takes no such entries from a list that came over the network.
    world.sh("apt-get purge -y good").succeeds();
    for url in remote {
        world.write("/etc/apt/sources.list", format!("deb [trusted=yes] {url} stable main\n"));
        world.sh("rm -rf /var/lib/apt/lists/*; apt-get update").fails();
        world.install("good").fails();
    }
}

fn mirror_mixed(world: &World) {
    mirrored(world, &mirrors(world, &["quorum+http", "http"]));
    mirrored(world, &mirrors(world, &["http", "quorum+http"]));
}

fn mirror_interposed(world: &World) {
    interpose(world);
    mirrored(world, &mirrors(world, &["http"]));
}

//! apt's own http, broken into: what it says is not what it did.

use super::steps::{source_of, two_attest};
use super::table::BOTH;
use super::world::{World, serve};

rows! {
    forged_hashes: "the wrapped method forges hashes, file names, links and redirects" => BOTH;
}

/// Stands in for apt's http. It lets the real one fetch indexes; for packages it does what
/// `/srv/mode` says. As the real one, it gives up root.
const STAND_IN: &str = r#"#!/usr/bin/python3
import os, pwd, shutil, subprocess, sys, threading

mode, scheme = open('/srv/mode').read().split()
out, lock = sys.stdout.buffer, threading.Lock()

def say(text):
    with lock:
        out.write(text)
        out.flush()

def messages(pipe):
    lines = []
    for line in pipe:
        if line != b'\n':
            lines.append(line)
        elif lines:
            yield b''.join(lines) + b'\n'
            lines = []

def field(message, name):
    for line in message.split(b'\n'):
        key, _, value = line.partition(b': ')
        if key.lower() == name.lower():
            return value
    return None

def relay():
    for message in messages(real.stdout):
        if not message.startswith(b'100'):
            say(message)

def deceive(message):
    uri, name = field(message, b'URI'), field(message, b'Filename')
    if mode == 'redirect':
        return say(b'103 Redirect\nURI: ' + uri + b'\nNew-URI: ' + uri.replace(b'quorum+', b'') + b'?\n\n')
    path = name
    if mode == 'elsewhere':
        path = b'/srv/evil.deb'
    elif mode == 'link':
        os.symlink('/srv/evil.deb', name)
    else:
        shutil.copy('/srv/evil.deb', name)
    answer = b'201 URI Done\nURI: ' + uri + b'\nFilename: ' + path + b'\n'
    answer += b'Size: %d\n' % os.stat('/srv/evil.deb').st_size
    for kind in [b'SHA512', b'SHA256', b'SHA1', b'MD5Sum', b'Checksum-FileSize']:
        expected = field(message, b'Expected-' + kind)
        if expected:
            answer += kind + b'-Hash: ' + expected + b'\n'
    say(answer + b'\n')

say(b'100 Capabilities\nVersion: 1.2\nPipeline: true\nSend-Config: true\nSend-URI-Encoded: true\n\n')
real = None
for message in messages(sys.stdin.buffer):
    if real is None:
        real = subprocess.Popen(['/usr/lib/apt/methods/' + scheme], executable='/usr/lib/apt/methods/http.real',
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        threading.Thread(target=relay, daemon=True).start()
        user = pwd.getpwnam('_apt')
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
    if message.startswith(b'600') and b'/archives/' in field(message, b'Filename') and mode != 'honest':
        deceive(message)
    else:
        real.stdin.write(message)
        real.stdin.flush()
"#;

fn forged_hashes(world: &World) {
    let good = world.package("good");
    let server = serve(source_of(&[good]));
    two_attest(world, good);
    world.sh("mv /usr/lib/apt/methods/http /usr/lib/apt/methods/http.real").succeeds();
    world.write("/usr/lib/apt/methods/http", STAND_IN);
    world.sh("chmod 755 /usr/lib/apt/methods/http").succeeds();
    world.write("/srv/evil.deb", &good.tampered().bytes);
    for scheme in ["quorum+http", "http"] {
        for mode in ["forge", "elsewhere", "link", "redirect"] {
            if (scheme, mode) == ("http", "redirect") {
                // Without the gate in the source's name there is nothing to be shed.
                continue;
            }
            world.write("/srv/mode", format!("{mode} {scheme}"));
            world.sources(&[(scheme, &server)]);
            let ran = world.sh("timeout 60 apt-get install -y good").fails();
            assert_ne!(ran.code, Some(124), "{scheme} {mode}: hangs\n{}", ran.text);
            assert!(!world.has_run("good"), "{scheme} {mode}:\n{}", ran.text);
            world.sh("apt-get clean").succeeds();
        }
        world.write("/srv/mode", format!("honest {scheme}"));
        world.install("good").succeeds();
        world.sh("apt-get purge -y good; rm /var/lib/ran-good; apt-get clean").succeeds();
    }
}

"""What benches/measure.py measures in: rebuilders, the archive's web server, and chroots with one or
more contenders in them. Works only inside testbed/enter, as root.
"""

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
ARCHIVE = REPOSITORY / "target/bench/archive"
PROGRAM = Path(os.environ.get("APT_QUORUM_PROGRAM", REPOSITORY / "target/release/apt-quorum"))
TOOL = REPOSITORY / "target/benches/release/bench"
RUN = Path(os.environ["TESTBED_RUN"])
REBUILDERS = ["alice", "bob", "carol"]
# Other packages that a rebuilder lists for each that is asked for.
OTHERS = 3


def run(*command, **options):
    return subprocess.run([str(it) for it in command], check=True, **options)


def overlay(suite, flavour):
    """A throw-away copy of a chroot."""
    lower = subprocess.check_output(
        [REPOSITORY / "testbed/chroot", suite, flavour], text=True
    ).strip()
    root = RUN / f"{suite}-{flavour}"
    run(REPOSITORY / "testbed/overlay", lower, root)
    return root


def acknowledge_at_once(whether):
    """Has TCP acknowledge all that comes over loopback at once, or when it likes. The network is this
    namespace's own."""
    run("ip", "route", "replace", "local", "127.0.0.1", "dev", "lo", "table", "local", "scope",
        "host", "src", "127.0.0.1", "quickack", int(whether))


class Rebuilder:
    """One of the rebuilders' rebuilders, which counts what it is asked."""

    def __init__(self, number):
        self.port = 9000 + number
        self.process = subprocess.Popen(
            [TOOL, "rebuilder", ARCHIVE / "built", str(self.port), str(number)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def become(self, delay, prefix, answers):
        self.key = self.say(f"{delay} {prefix} {OTHERS} {answers}").replace("|", "\n")

    def counts(self):
        return json.loads(self.say(""))


def start_nginx():
    """Serves the archive, and stands before the rebuilders with TLS and HTTP/2."""
    root = overlay("trixie", "web")
    (root / "srv/archive").mkdir(parents=True)
    run("mount", "--bind", ARCHIVE, root / "srv/archive")
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
        "-nodes", "-days", "2", "-subj", "/CN=localhost",
        "-addext", "subjectAltName=DNS:localhost",
        "-addext", "basicConstraints=critical,CA:FALSE",
        "-keyout", root / "srv/key.pem", "-out", root / "srv/certificate.pem",
        stderr=subprocess.DEVNULL)
    fronts = "".join(
        f"""
        upstream up{n} {{ server 127.0.0.1:{9000 + n}; keepalive 256; keepalive_requests 1000000; }}
        server {{
            listen 127.0.0.1:{8440 + n} ssl;
            http2 on;
            access_log /srv/front{n}.log short;
            ssl_certificate /srv/certificate.pem;
            ssl_certificate_key /srv/key.pem;
            location / {{
                proxy_pass http://up{n};
                proxy_http_version 1.1;
                proxy_set_header Connection "";
            }}
        }}"""
        for n in range(1, 4)
    )
    (root / "srv/nginx.conf").write_text(f"""
    user root;
    worker_processes 1;
    pid /srv/nginx.pid;
    error_log /srv/error.log;
    events {{ worker_connections 4096; }}
    http {{
        log_format short "$connection";
        access_log off;
        sendfile on;
        tcp_nopush on;
        keepalive_requests 100000;
        server {{
            listen 127.0.0.1:8080;
            root /srv/archive;
            access_log /srv/archive.log short;
        }}
        {fronts}
    }}""")
    # The packages in there were unpacked and nothing more.
    (root / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\n")
    for directory in ("var/log/nginx", "var/lib/nginx"):
        (root / directory).mkdir(parents=True, exist_ok=True)
    run("chroot", root, "/usr/sbin/nginx", "-c", "/srv/nginx.conf")
    return root


def log_counts(path):
    """Connections and requests of an access log, which starts anew."""
    lines = path.read_text().split() if path.exists() else []
    path.write_text("")
    return {"connections": len(set(lines)), "requests": len(lines)}


def sign_archive():
    """Signs the Release file; gives the key that did."""
    home = RUN / "gnupg"
    home.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", home, "--batch", "--quiet", "--yes"]
    run(*gpg, "--passphrase", "", "--quick-generate-key", "bench@example.invalid", "rsa3072",
        "sign", "never", stderr=subprocess.DEVNULL)
    suite = ARCHIVE / "dists/stable"
    run(*gpg, "--clearsign", "--output", suite / "InRelease", suite / "Release")
    return subprocess.check_output([*gpg, "--export", "--armor"])


class System:
    """A chroot with one or more contenders in it."""

    def __init__(self, suite, flavour, key, certificate):
        self.name = suite
        self.root = overlay(suite, flavour)
        sources = self.root / "etc/apt/sources.list.d"
        shutil.rmtree(sources, ignore_errors=True)
        sources.mkdir()
        (self.root / "etc/apt/sources.list").unlink(missing_ok=True)
        (self.root / "etc/apt/keyrings").mkdir(exist_ok=True)
        (self.root / "etc/apt/keyrings/bench.asc").write_bytes(key)
        (self.root / "etc/bench.pem").write_bytes(certificate)
        names = " ".join(f"{it}.example" for it in REBUILDERS)
        (self.root / "etc/hosts").write_text(f"127.0.0.1 localhost {names}\n")
        # Where packages of a machine lie, a hook need not copy them; on an overlay it must.
        archives = self.root / "var/cache/apt/archives"
        run("mount", "-t", "tmpfs", "-o", "mode=0755,nosuid,nodev", "bench-archives", archives)
        self.sh("install -d -m 700 -o _apt /var/cache/apt/archives/partial")
        # No index in any other language is there.
        (self.root / "etc/apt/apt.conf.d/bench").write_text(
            'Acquire::Languages "none"; APT::Sandbox::User "_apt"; Acquire::Check-Date "false";\n'
        )

    def sh(self, script, **options):
        return subprocess.run(
            ["chroot", self.root, "/bin/sh", "-ec", script],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}, **options,
        )

    def source(self, scheme):
        (self.root / "etc/apt/sources.list").write_text(
            f"deb [signed-by=/etc/apt/keyrings/bench.asc] {scheme}://localhost:8080/ stable main\n"
        )
        done = self.sh("rm -rf /var/lib/apt/lists/*; apt-get -q update")
        if done.returncode != 0:
            raise SystemExit(f"{self.name}: apt-get update with {scheme}: {done.stdout}")

    def install_quorum(self):
        # By another process: a file that is open for writing cannot be executed.
        run("cp", PROGRAM, self.root / "usr/bin/apt-quorum")
        run("mkdir", self.root / "usr/lib/apt-quorum")
        run("cp", PROGRAM.with_name("gate"), self.root / "usr/lib/apt-quorum/gate")
        self.sh("""
            ln -s ../../apt-quorum/gate /usr/lib/apt/methods/quorum+http
            mkdir -p /var/lib/apt-quorum /var/cache/apt-quorum
            for name in before-prompt pre-install-pkgs; do
                ln -s gate /usr/lib/apt-quorum/$name
            done
            mkdir -p /etc/apt-quorum/rebuilders.d""")
        ask = self.root / "usr/lib/apt-quorum/ask-before-prompt"
        shutil.copy(REPOSITORY / "apt-conf/ask-before-prompt", ask)
        ask.chmod(0o755)
        (self.root / "etc/apt-quorum/policy.toml").write_text(
            'mode = "enforce"\nthreshold = 2\n[network]\nauthorities = "/etc/bench.pem"\n'
        )

    def ship(self, names):
        """Has apt read these of the files that the package ships for it, and no others of them."""
        for name in ("00apt-quorum", "90apt-quorum-before-prompt", "90apt-quorum-pipeline"):
            there = self.root / "etc/apt/apt.conf.d" / name
            there.unlink(missing_ok=True)
            if name in names:
                shutil.copy(REPOSITORY / "apt-conf" / name, there)

    def configure_quorum(self, rebuilders, http2):
        for n, (name, it) in enumerate(zip(REBUILDERS, rebuilders), 1):
            url = f"https://localhost:{8440 + n}/" if http2 else f"http://127.0.0.1:{it.port}/"
            (self.root / f"etc/apt-quorum/rebuilders.d/{name}.toml").write_text(
                f'name = "{name}"\n[[key]]\ntype = "ed25519"\npublic = """\n{it.key}"""\n'
                f'[[endpoint]]\nprotocol = "rebuilderd"\nurl = "{url}"\n'
            )

    def configure_threshold(self, rebuilders):
        # It counts by the host of the address, and wants a name there.
        text = "[rules]\nrequired_threshold = 2\n"
        for name, it in zip(REBUILDERS, rebuilders):
            text += (
                f'[[trusted_rebuilder]]\nname = "{name}"\nurl = "http://{name}.example:{it.port}"\n'
                f'distributions = ["debian"]\nsigning_keyring = """\n{it.key}"""\n'
            )
        file = self.root / "etc/repro-threshold.conf"
        # Its package brings a link to what is not there yet.
        file.unlink(missing_ok=True)
        file.write_text(text)

    def configure_intoto(self, rebuilders):
        keys = {name: base64.b64decode(it.key.split("\n")[1])[-32:].hex()
                for name, it in zip(REBUILDERS, rebuilders)}
        (self.root / "srv/keys.json").write_text(json.dumps(keys))
        shutil.copy(REPOSITORY / "benches/layout.py", self.root / "srv/layout.py")
        made = self.sh("[ -e /srv/root.layout ] || python3 /srv/layout.py; cat /srv/fingerprint")
        if made.returncode != 0:
            raise SystemExit(f"no layout: {made.stdout}")
        urls = " ".join(f'"http://127.0.0.1:{it.port}";' for it in rebuilders)
        (self.root / "etc/apt/apt.conf.d/intoto").write_text(
            f'APT::Intoto {{ LogLevel {{"30"}}; Rebuilders {{ {urls} }}; '
            f'GPGHomedir {{"/srv/gnupg"}}; Layout {{"/srv/root.layout"}}; '
            f'Keyids {{ "{made.stdout.strip()}" }}; }};\n'
        )

    def forget(self, evidence):
        self.sh("rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*")
        if evidence:
            self.sh("rm -rf /var/cache/apt-quorum/* /var/lib/apt-quorum/*")

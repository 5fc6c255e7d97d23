"""The measuring side of benches/run: starts the servers, runs all contenders in turn, several
rounds of them, and prints what came of it. Works only inside testbed/enter, as root.

Times are wall clock times of `apt-get install --download-only`, and of the hook by itself. What is
compared ran in the same chroot, so by the same apt.
"""

import argparse
import base64
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
ARCHIVE = REPOSITORY / "target/bench/archive"
PROGRAM = Path(os.environ.get("APT_QUORUM_PROGRAM", REPOSITORY / "target/release/apt-quorum"))
TOOL = REPOSITORY / "target/benches/release/bench"
RUN = Path(os.environ["TESTBED_RUN"])
OPERATORS = ["alice", "bob", "carol"]
# Other packages that a rebuilder lists for each that is asked for.
OTHERS = 3
# As long as nobody waits for.
LIMIT = 150


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


class Rebuilder:
    """One of the operators' rebuilders, which counts what it is asked."""

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
        names = " ".join(f"{it}.example" for it in OPERATORS)
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
        self.sh("""
            ln -s ../../../bin/apt-quorum /usr/lib/apt/methods/quorum+http
            mkdir -p /usr/lib/apt-quorum /var/lib/apt-quorum /var/cache/apt-quorum
            ln -s ../../bin/apt-quorum /usr/lib/apt-quorum/pre-install-pkgs
            mkdir -p /etc/apt-quorum/operators.d""")
        for name in ("00apt-quorum", "90apt-quorum-pipeline"):
            shutil.copy(REPOSITORY / "apt-conf" / name, self.root / "etc/apt/apt.conf.d/")
        (self.root / "etc/apt-quorum/policy.toml").write_text(
            'mode = "enforce"\nthreshold = 2\n[network]\nauthorities = "/etc/bench.pem"\n'
        )

    def configure_quorum(self, rebuilders, http2):
        for n, (name, it) in enumerate(zip(OPERATORS, rebuilders), 1):
            url = f"https://localhost:{8440 + n}/" if http2 else f"http://127.0.0.1:{it.port}/"
            (self.root / f"etc/apt-quorum/operators.d/{name}.toml").write_text(
                f'name = "{name}"\n[[key]]\ntype = "ed25519"\npublic = """\n{it.key}"""\n'
                f'[[endpoint]]\nprotocol = "rebuilderd"\nurl = "{url}"\n'
            )

    def configure_threshold(self, rebuilders):
        # It counts by the host of the address, and wants a name there.
        text = "[rules]\nrequired_threshold = 2\n"
        for name, it in zip(OPERATORS, rebuilders):
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
                for name, it in zip(OPERATORS, rebuilders)}
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


class Watch(threading.Thread):
    """The most memory that a method has had while this ran, in KiB."""

    def __init__(self):
        super().__init__(daemon=True)
        self.most = 0
        self.over = threading.Event()

    def run(self):
        while not self.over.wait(0.02):
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    name = (process / "cmdline").read_bytes().split(b"\0")[0].decode()
                    if not re.search(r"methods/(quorum|reproduced|intoto)", name):
                        continue
                    status = (process / "status").read_text()
                    self.most = max(self.most, int(re.search(r"VmHWM:\s+(\d+)", status)[1]))
                except (OSError, TypeError, IndexError, UnicodeDecodeError):
                    continue

    def stop(self):
        self.over.set()
        self.join()
        return self.most


def measure(system, command, expected):
    """Runs a command in a chroot; nothing if it did not do what it should within the limit."""
    watch = Watch()
    watch.start()
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
    with open(RUN / "said", "wb") as said:
        began = time.monotonic()
        child = subprocess.Popen(
            ["timeout", str(LIMIT), "chroot", system.root, "/bin/bash", "-ec", command],
            stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=environment,
        )
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.monotonic() - began
    memory = watch.stop()
    fetched = len(list((system.root / "var/cache/apt/archives").glob("*.deb")))
    if status != 0 or (expected and fetched != expected):
        return None
    return {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "memory": memory}


def apt_get(names):
    return f"exec apt-get -qq --yes --download-only install {names}"


def spread(values):
    return {
        "median": statistics.median(values), "least": min(values), "most": max(values),
        "all": values,
    }


class Bench:
    def __init__(self, quick, only):
        self.quick = quick
        self.only = only
        self.rounds = 3 if quick else 5
        self.rebuilders = [Rebuilder(n) for n in range(1, 4)]
        key = sign_archive()
        self.web = start_nginx()
        certificate = (self.web / "srv/certificate.pem").read_bytes()
        self.bookworm = System("bookworm", "apt", key, certificate)
        self.forky = System("forky", "rival", key, certificate)
        # The same apt, with the other method for it.
        self.intoto = System("bookworm", "rival", key, certificate)
        for system in (self.bookworm, self.forky, self.intoto):
            system.install_quorum()
        self.results = []

    def set(self, delay, prefix, answers="itself"):
        for it in self.rebuilders:
            it.become(delay, prefix, answers)

    def leaves_out(self, title):
        return self.only is not None and self.only not in title

    def counts(self):
        counts = [it.counts() for it in self.rebuilders]
        fronts = [log_counts(self.web / f"srv/front{n}.log") for n in range(1, 4)]
        # The front keeps its own connections to what is behind it.
        if any(it["requests"] for it in fronts):
            for it, front in zip(counts, fronts):
                it["connections"] = front["connections"]
        return {
            "requests": max(it["requests"] for it in counts),
            "connections": max(it["connections"] for it in counts),
            "bytes": max(it["sent"] for it in counts),
        }

    def case(self, system, title, names, prefix, delay, contenders):
        """Each contender once a round, in turn. The first is what the others are compared with."""
        if self.leaves_out(title):
            return
        count = len(names.split())
        runs = {name: [] for name, *_ in contenders}
        seen = {}
        for turn in range(self.rounds):
            for name, scheme, evidence, http2, answers in contenders:
                if len(runs[name]) < turn:
                    continue
                self.set(delay, prefix, answers)
                system.source(scheme)
                if scheme.startswith("quorum"):
                    system.configure_quorum(self.rebuilders, http2)
                elif scheme.startswith("reproduced"):
                    system.configure_threshold(self.rebuilders)
                elif scheme == "intoto":
                    system.configure_intoto(self.rebuilders)
                if evidence == "cached":
                    system.forget(True)
                    measure(system, apt_get(names), count)
                system.forget(evidence == "cold")
                self.counts()
                result = measure(system, apt_get(names), count)
                seen[name] = self.counts()
                if result is None:
                    said = (RUN / "said").read_text(errors="replace").strip().splitlines()
                    seen[name]["failed"] = said[-1] if said else f"no end within {LIMIT} s"
                    continue
                runs[name].append(result)
        base = contenders[0][0]
        for name, *_ in contenders:
            row = {
                "system": system.name, "case": title, "contender": name, "delay_ms": delay,
                "packages": count, **seen[name],
            }
            if runs[name]:
                for what in ("wall", "cpu", "memory"):
                    row[what] = spread([it[what] for it in runs[name]])
                if runs[base]:
                    plain = statistics.median([it["wall"] for it in runs[base]])
                    row["ratio"] = row["wall"]["median"] / plain
                    if delay:
                        row["round_trips"] = (row["wall"]["median"] - plain) * 1000 / delay
            self.results.append(row)
            show(row)

    def everything(self):
        plain = ("plain apt", "http", None, False, "itself")
        cold = ("apt-quorum, HTTP/1.1", "quorum+http", "cold", False, "itself")
        cold2 = ("apt-quorum, HTTP/2", "quorum+http", "cold", True, "itself")
        # The rebuilders say that a cache answers in their place.
        front = ("HTTP/1.1, from caches", "quorum+http", "cold", False, "cache")
        front2 = ("HTTP/2, from caches", "quorum+http", "cold", True, "cache")
        cached = ("apt-quorum, cached", "quorum+http", "cached", False, "itself")
        rival = ("repro-threshold", "reproduced+http", None, False, "itself")
        older = ("apt-transport-in-toto", "intoto", None, False, "itself")
        small = lambda n: " ".join(f"small{it:04}" for it in range(n))
        large = " ".join(f"large{it}" for it in range(5))
        # The rebuilders list the packages of the case, so they are told by what these begin with.
        prefix = {1: "small0000", 50: "small00", 500: "small0", 2000: "small"}
        sizes = [1, 50, 500] if self.quick else [1, 50, 500, 2000]
        delays = [0, 100] if self.quick else [0, 20, 100]
        show_head()
        for size in sizes:
            for delay in delays:
                contenders = [plain, cold, cold2, front, front2]
                contenders += [cached] if delay == 0 else []
                self.case(self.bookworm, f"{size} small", small(size), prefix[size], delay, contenders)
        self.case(self.bookworm, "5 of 50 MB", large, "large", 0, [plain, cold, cached])
        # It asks for one package at a time: more than these take minutes.
        for size in [1, 50]:
            for delay in [0, 100]:
                self.case(self.forky, f"{size} small", small(size), prefix[size], delay,
                          [plain, cold, cold2, rival])
            for delay in [0, 100]:
                self.case(self.intoto, f"{size} small", small(size), prefix[size], delay,
                          [plain, cold, older])
        self.case(self.forky, "5 of 50 MB", large, "large", 0, [plain, cold, rival])
        self.case(self.intoto, "5 of 50 MB", large, "large", 0, [plain, cold, older])
        self.hook(small(sizes[-1]), prefix[sizes[-1]])
        self.start()
        self.updates()

    def hook(self, names, prefix):
        """The hook by itself: small packages with evidence that is there, and large ones beside
        what openssl takes for the same bytes."""
        system = self.bookworm
        for title, names, prefix in (
            (f"hook, {len(names.split())} small, cached", names, prefix),
            ("hook, 5 of 50 MB, cached", " ".join(f"large{it}" for it in range(5)), "large"),
        ):
            if self.leaves_out(title):
                continue
            self.set(0, prefix)
            system.forget(True)
            system.configure_quorum(self.rebuilders, False)
            system.source("quorum+http")
            count = len(names.split())
            measure(system, apt_get(names), count)
            version = "1.0-1"
            lines = ["VERSION 3", "APT::Architecture=amd64", "APT::Sandbox::User=_apt", ""]
            archives = "/var/cache/apt/archives"
            lines += [
                f"{name} - - none < {version} amd64 none {archives}/{name}_{version}_amd64.deb"
                for name in names.split()
            ]
            (system.root / "tmp/list").write_text("\n".join(lines) + "\n")
            command = "exec /usr/lib/apt-quorum/pre-install-pkgs 20</tmp/list"
            # The first time it asks whom the method did not need.
            measure(system, command, count)
            runs = [measure(system, command, count) for _ in range(self.rounds)]
            self.rows(title, "apt-quorum", count, runs)
            # One process for each processor, over all of the files.
            openssl = [
                timed(f"ls {system.root}{archives}/*.deb | "
                      f"xargs -P {os.cpu_count()} -n {max(1, count // 64)} openssl dgst -sha256")
                for _ in range(self.rounds)
            ]
            self.rows(title, "openssl dgst", count, openssl)

    def start(self):
        """What a run costs that does nothing."""
        system = self.bookworm
        for title, command in (
            ("start, --version", "for n in $(seq 50); do apt-quorum --version; done"),
            ("start, prober",
             "for n in $(seq 50); do /usr/lib/apt/methods/quorum+http </dev/null; done"),
        ):
            if self.leaves_out(title):
                continue
            runs = [measure(system, command, 0) for _ in range(self.rounds)]
            for it in filter(None, runs):
                it["wall"] /= 50
                it["cpu"] /= 50
            self.rows(title, "apt-quorum", 0, runs)

    def updates(self):
        """Requests that `apt-get update` makes to the archive."""
        if self.leaves_out("update"):
            return
        for scheme, contender in (("http", "plain apt"), ("quorum+http", "apt-quorum")):
            log = self.web / "srv/archive.log"
            log_counts(log)
            self.bookworm.source(scheme)
            counts = {"bytes": 0, **log_counts(log)}
            row = {"system": "bookworm", "case": "update", "contender": contender, **counts}
            self.results.append(row)
            show(row)

    def rows(self, title, contender, count, runs):
        runs = [it for it in runs if it]
        row = {"system": "bookworm", "case": title, "contender": contender, "packages": count}
        for what in ("wall", "cpu", "memory"):
            if runs:
                row[what] = spread([it[what] for it in runs])
        if not runs:
            row["failed"] = (RUN / "said").read_text(errors="replace").strip()[-200:]
        self.results.append(row)
        show(row)


def timed(command):
    began = time.monotonic()
    child = subprocess.Popen(["/bin/sh", "-ec", command], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.monotonic() - began
    cpu = usage.ru_utime + usage.ru_stime
    return {"wall": wall, "cpu": cpu, "memory": 0} if status == 0 else None


COLUMNS = "{:9} {:26} {:21} {:>6} {:>9} {:>17} {:>6} {:>7} {:>8} {:>9} {:>6} {:>10} {:>8}"


def show_head():
    print(COLUMNS.format("system", "case", "contender", "delay", "median", "spread", "ratio", "trips",
                         "cpu", "requests", "conns", "bytes", "memory"), flush=True)


def show(row):
    wall, cpu, memory = (row.get(it) for it in ("wall", "cpu", "memory"))
    delay = f"{row['delay_ms']} ms" if "delay_ms" in row else ""
    print(COLUMNS.format(
        row["system"], row["case"], row["contender"], delay,
        f"{wall['median']:.3f} s" if wall else "-",
        f"{wall['least']:.3f}-{wall['most']:.3f} s" if wall else "-",
        f"{row['ratio']:.2f}" if "ratio" in row else "",
        f"{row['round_trips']:.1f}" if "round_trips" in row else "",
        f"{cpu['median']:.3f} s" if cpu else "-",
        row.get("requests", ""), row.get("connections", ""), row.get("bytes", ""),
        f"{memory['median']:.0f} KiB" if memory and memory["median"] else "",
    ), flush=True)
    if "failed" in row:
        print(f"    not measured in every round: {row['failed']}", flush=True)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--quick", action="store_true")
    arguments.add_argument("--case")
    arguments = arguments.parse_args()
    quick = arguments.quick
    bench = Bench(quick, arguments.case)
    bench.everything()
    out = REPOSITORY / "target/bench/result.json"
    machine = {
        "processors": os.cpu_count(),
        "load_before": os.getloadavg()[2],
        "kernel": os.uname().release,
    }
    out.write_text(json.dumps({"machine": machine, "quick": quick, "rows": bench.results}, indent=1))
    print(f"all of it is in {out.relative_to(REPOSITORY)}")


main()

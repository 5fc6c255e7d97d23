"""The measuring side of benches/run: starts the servers, runs all contenders in turn, several
rounds of them, and prints what came of it. Works only inside testbed/enter, as root.

Times are wall clock times of `apt-get install --download-only`, and of the hook by itself. What is
compared ran in the same chroot, so by the same apt. apt-quorum has all files that its package ships for apt,
so the hook before the prompt is a part of it, unless a contender says that it goes without; plain apt and
the others have none of them. It is `-q` and not `-qq`, in which that hook is silent.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import threading
import time
from pathlib import Path

from world import (
    REPOSITORY, RUN, Rebuilder, System, acknowledge_at_once, log_counts, sign_archive, start_nginx,
)

# As long as nobody waits for.
LIMIT = 150


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
    return f"exec apt-get -q --yes --download-only install {names}"


# What is shipped for apt, but for the hook before the prompt.
WITHOUT = ("00apt-quorum", "90apt-quorum-pipeline")
SHIPPED = (*WITHOUT, "90apt-quorum-before-prompt")


def shipped(name, scheme):
    if not scheme.startswith("quorum"):
        return ()
    return WITHOUT if "no prompt" in name else SHIPPED


def spread(values):
    return {
        "median": statistics.median(values), "least": min(values), "most": max(values),
        "all": values,
    }


class Bench:
    def __init__(self, quick, only, suites):
        self.quick = quick
        self.only = only
        self.suites = suites
        self.rounds = 3 if quick else 5
        self.rebuilders = [Rebuilder(n) for n in range(1, 4)]
        self.key = sign_archive()
        self.web = start_nginx()
        self.systems = {}
        self.results = []

    def system(self, suite, flavour="apt"):
        """A system with apt-quorum in it, made when a case needs it."""
        if (suite, flavour) not in self.systems:
            certificate = (self.web / "srv/certificate.pem").read_bytes()
            system = System(suite, flavour, self.key, certificate)
            system.install_quorum()
            self.systems[suite, flavour] = system
        return self.systems[suite, flavour]

    def set(self, delay, prefix, answers="itself"):
        for it in self.rebuilders:
            it.become(delay, prefix, answers)

    def leaves_out(self, title, suite="bookworm"):
        if self.suites and suite not in self.suites:
            return True
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

    def case(self, where, title, names, prefix, delay, contenders):
        """Each contender once a round, in turn. The first is what the others are compared with."""
        if self.leaves_out(title, where[0]):
            return
        system = self.system(*where)
        count = len(names.split())
        runs = {name: [] for name, *_ in contenders}
        seen = {}
        for turn in range(self.rounds):
            for name, scheme, evidence, http2, answers in contenders:
                if len(runs[name]) < turn:
                    continue
                self.set(delay, prefix, answers)
                system.ship(())
                system.source(scheme)
                system.ship(shipped(name, scheme))
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
        alone = ("HTTP/1.1, no prompt", "quorum+http", "cold", False, "itself")
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
                contenders = [plain, cold, alone, cold2, front, front2]
                contenders += [cached] if delay == 0 else []
                self.case(["trixie"], f"{size} small", small(size), prefix[size], delay, contenders)
        # Without the 40 ms that a request or an answer now and then waits for an acknowledgement,
        # which comes by chance and hides all else.
        acknowledge_at_once(True)
        for size in sizes:
            self.case(["trixie"], f"{size} small, quickack", small(size), prefix[size], 0,
                      [plain, cold, alone, cold2, cached])
        acknowledge_at_once(False)
        self.case(["trixie"], "5 of 50 MB", large, "large", 0, [plain, cold, cached])
        # It asks for one package at a time: more than these take minutes.
        for size in [1, 50]:
            for delay in [0, 100]:
                self.case(["forky", "rival"], f"{size} small", small(size), prefix[size], delay,
                          [plain, cold, cold2, rival])
            for delay in [0, 100]:
                self.case(["bookworm", "rival"], f"{size} small", small(size), prefix[size], delay,
                          [plain, cold, older])
        self.case(["forky", "rival"], "5 of 50 MB", large, "large", 0, [plain, cold, rival])
        self.case(["bookworm", "rival"], "5 of 50 MB", large, "large", 0, [plain, cold, older])
        self.hook(small(sizes[-1]), prefix[sizes[-1]])
        self.start()
        self.updates()

    def hook(self, names, prefix):
        """The hook by itself: small packages with evidence that is there, and large ones beside
        what openssl takes for the same bytes."""
        for title, names, prefix in (
            (f"hook, {len(names.split())} small, cached", names, prefix),
            ("hook, 5 of 50 MB, cached", " ".join(f"large{it}" for it in range(5)), "large"),
        ):
            if self.leaves_out(title):
                continue
            system = self.system("bookworm")
            self.set(0, prefix)
            system.forget(True)
            system.configure_quorum(self.rebuilders, False)
            system.source("quorum+http")
            system.ship(SHIPPED)
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
        for title, command in (
            ("start, --version", "for n in $(seq 50); do apt-quorum --version; done"),
            ("start, prober",
             "for n in $(seq 50); do /usr/lib/apt/methods/quorum+http </dev/null; done"),
        ):
            if self.leaves_out(title):
                continue
            system = self.system("bookworm")
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
            self.system("bookworm").source(scheme)
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
    arguments.add_argument("--suite", action="append")
    arguments = arguments.parse_args()
    quick = arguments.quick
    bench = Bench(quick, arguments.case, arguments.suite)
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

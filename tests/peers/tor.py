"""Makes a network of Tor's of its own on loopback: three authorities, three exits, and a client with its SOCKS port
at 127.0.0.1:19050. Its names are those below .test, which all lead to 127.0.0.1.

Leaves /srv/ready when the client can be used, and writes to /srv/streams which circuit each stream takes. The
daemons end with this process.
"""

import os
import re
import socket
import struct
import subprocess
import threading

BASE = "/srv/tor"
AUTHORITY = "127.0.0.1:1 ffffffffffffffffffffffffffffffffffffffff"


def answer(question):
    """The answer of a server for names (RFC 1035)."""
    labels, at = [], 12
    while question[at]:
        labels.append(question[at + 1 : at + 1 + question[at]])
        at += 1 + question[at]
    is_known = labels[-1].lower() == b"test" and question[at + 1 : at + 3] == b"\0\1"
    record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x7f\0\0\1" if is_known else b""
    flags = b"\x81\x80" if is_known else b"\x81\x83"
    counts = struct.pack(">HHHH", 1, len(record) and 1, 0, 0)
    return question[:2] + flags + counts + question[12 : at + 5] + record


def serve_names():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    while True:
        question, client = server.recvfrom(512)
        server.sendto(answer(question), client)


def directory(name):
    os.makedirs(f"{BASE}/{name}/keys", mode=0o700, exist_ok=True)
    return f"{BASE}/{name}"


def authority(number):
    """Makes the keys of an authority, and gives the line by which all know it."""
    home = directory(f"authority{number}")
    keys = f"{home}/keys/authority_"
    address, port = f"127.0.0.1:{7100 + number}", str(7000 + number)
    command = ["tor-gencert", "--create-identity-key", "--passphrase-fd", "0", "-m", "1"]
    command += ["-i", f"{keys}identity_key", "-s", f"{keys}signing_key"]
    command += ["-c", f"{keys}certificate", "-a", address]
    subprocess.run(command, input=b"x\n", check=True)
    with open(f"{keys}certificate", encoding="ascii") as certificate:
        identity = re.search("fingerprint ([0-9A-F]+)", certificate.read()).group(1)
    command = ["tor", "--quiet", "--list-fingerprint", "-f", f"{BASE}/empty", "--orport", port]
    command += ["--dirserver", f"x {AUTHORITY}", "--datadirectory", home]
    command += ["--nickname", f"authority{number}"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    fingerprint = "".join(listed.split()[1:])
    return f"DirAuthority authority{number} orport={port} no-v2 v3ident={identity} {address} {fingerprint}"


def start(name, common, more):
    home = directory(name)
    lines = common + [f"DataDirectory {home}", f"Log notice file {home}/log"] + more
    lines.append(f"__OwningControllerProcess {os.getpid()}")
    with open(f"{home}/torrc", "w", encoding="ascii") as file:
        file.write("\n".join(lines) + "\n")
    subprocess.Popen(["tor", "--quiet", "-f", f"{home}/torrc"], stdin=subprocess.DEVNULL)


def relay(name, port):
    return [f"Nickname {name}", "Address 127.0.0.1", f"ORPort {port}", "SocksPort 0", "ContactInfo nobody"]


def main():
    threading.Thread(target=serve_names, daemon=True).start()
    os.makedirs(BASE)
    with open(f"{BASE}/empty", "w", encoding="ascii"):
        pass
    with open(f"{BASE}/names", "w", encoding="ascii") as file:
        file.write("nameserver 127.0.0.1\n")
    common = ["TestingTorNetwork 1", "PathsNeededToBuildCircuits 0.67", "TestingDirAuthVoteExit *"]
    common += ["AssumeReachable 1"] + [authority(number) for number in range(3)]
    for number in range(3):
        times = [f"TestingV3AuthInitial{it}" for it in ("VotingInterval 20", "VoteDelay 4", "DistDelay 4")]
        more = [f"DirPort {7100 + number}", "AuthoritativeDirectory 1", "V3AuthoritativeDirectory 1"]
        more += ["ExitPolicy reject *:*", "TestingMinExitFlagThreshold 0"] + times
        start(f"authority{number}", common, relay(f"authority{number}", 7000 + number) + more)
        more = ["ExitRelay 1", "ExitPolicy accept 127.0.0.0/8:*", "ExitPolicyRejectPrivate 0"]
        more += [f"ServerDNSResolvConfFile {BASE}/names", "ServerDNSDetectHijacking 0"]
        more += ["ServerDNSAllowBrokenConfig 1", "ServerDNSTestAddresses"]
        start(f"exit{number}", common, relay(f"exit{number}", 7200 + number) + more)
    more = ["SocksPort 127.0.0.1:19050", "ControlPort 127.0.0.1:19051", "CookieAuthentication 0"]
    start("client", common, more + ["ClientRejectInternalAddresses 0", "SafeLogging 0"])
    watch()


def watch():
    while True:
        try:
            control = socket.create_connection(("127.0.0.1", 19051)).makefile("rw", newline="\r\n")
            break
        except OSError:
            threading.Event().wait(0.2)
    control.write("AUTHENTICATE\r\nSETEVENTS STREAM\r\n")
    control.flush()
    threading.Thread(target=wait_until_ready, daemon=True).start()
    with open("/srv/streams", "w", encoding="ascii") as streams:
        for line in control:
            streams.write(line.strip() + "\n")
            streams.flush()


def wait_until_ready():
    while True:
        with open(f"{BASE}/client/log", encoding="ascii") as log:
            if "Bootstrapped 100%" in log.read():
                break
        threading.Event().wait(0.2)
    with open("/srv/ready", "w", encoding="ascii"):
        pass


if __name__ == "__main__":
    main()

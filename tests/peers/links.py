"""Links about the files in /srv/files, made by in-toto and GnuPG as they come with Debian 12.

For each kind of key, /srv/links/KIND has a link for each file and key.pem, key.asc or key.hex.
"""

import json
import os
import subprocess

from securesystemslib import interface
from securesystemslib.formats import encode_canonical

FILES = "/srv/files"
LINKS = "/srv/links"
HOME = "/srv/gnupg"


def run(*command, **more):
    return subprocess.run(command, check=True, capture_output=True, **more).stdout


def write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)


def gpg(*arguments, **more):
    return run("gpg", "--homedir", HOME, "--batch", "--quiet", "--passphrase", "", *arguments, **more)


def fingerprints(user):
    lines = gpg("--with-colons", "--list-keys", user).decode().splitlines()
    return [line.split(":")[9] for line in lines if line.startswith("fpr:")]


def link(directory, name, *signer):
    """One link about one file, under the name that apt-quorum looks for on disk."""
    os.makedirs(directory, exist_ok=True)
    run("in-toto-run", "--quiet", "--step-name", "rebuild", "--no-command", "--products", name,
        "--metadata-directory", directory, *signer, cwd=FILES)
    made = [it for it in os.listdir(directory) if it.startswith("rebuild.") and it.endswith(".link")]
    assert len(made) == 1, made
    os.rename(f"{directory}/{made[0]}", f"{directory}/{name}.{made[0]}")


def plain_keys():
    for kind, make in (
        ("ed25519", interface.generate_and_write_unencrypted_ed25519_keypair),
        ("rsa-pss", interface.generate_and_write_unencrypted_rsa_keypair),
        ("ecdsa-p256", interface.generate_and_write_unencrypted_ecdsa_keypair),
    ):
        directory = f"{LINKS}/{kind}"
        os.makedirs(directory)
        path = make(f"/srv/{kind}")
        short = {"rsa-pss": "rsa", "ecdsa-p256": "ecdsa"}.get(kind, kind)
        for name in os.listdir(FILES):
            link(directory, name, "--key", path, "--key-type", short)
        public = open(f"{path}.pub", "rb").read()
        if kind == "ed25519":
            write(f"{directory}/key.hex", json.loads(public)["keyval"]["public"].encode())
        elif kind == "ecdsa-p256":
            write(f"{directory}/key.pem", json.loads(public)["keyval"]["public"].encode())
        else:
            write(f"{directory}/key.pem", public)


def certificates():
    for kind, algorithm, subkey in (
        ("openpgp-rsa", "rsa2048", None),
        ("openpgp-eddsa", "ed25519", None),
        ("openpgp-subkey", "ed25519", "rsa2048"),
    ):
        user = f"{kind} <{kind}@localhost>"
        gpg("--quick-gen-key", user, algorithm, "cert" if subkey else "sign", "1y")
        if subkey:
            gpg("--quick-add-key", fingerprints(user)[0], subkey, "sign", "1y")
        directory = f"{LINKS}/{kind}"
        for name in os.listdir(FILES):
            link(directory, name, "--gpg", fingerprints(user)[-1], "--gpg-home", HOME)
        write(f"{directory}/key.asc", gpg("--armor", "--export", user))


def ecdsa_certificate():
    """securesystemslib makes no ECDSA signatures with GnuPG, but the form has room for them: the
    packet of `gpg --detach-sign`, taken apart as it takes the others apart, the two numbers in
    DER."""
    user = "openpgp-ecdsa <openpgp-ecdsa@localhost>"
    gpg("--quick-gen-key", user, "nistp256", "sign", "1y")
    directory = f"{LINKS}/openpgp-ecdsa"
    for name in os.listdir(FILES):
        digest = run("sha256sum", name, cwd=FILES).decode().split()[0]
        signed = {"_type": "link", "name": "rebuild", "materials": {}, "byproducts": {},
                  "environment": {}, "command": [], "products": {name: {"sha256": digest}}}
        packet = gpg("--local-user", user, "--digest-algo", "SHA256", "--detach-sign",
                     input=encode_canonical(signed).encode())
        assert packet[0] == 0x88 and len(packet) == packet[1] + 2
        body = packet[2:]
        headers = body[:6 + int.from_bytes(body[4:6], "big")]
        rest = body[len(headers):]
        rest = rest[2 + int.from_bytes(rest[:2], "big") + 2:]
        numbers = b""
        while rest:
            length = (int.from_bytes(rest[:2], "big") + 7) // 8
            number, rest = rest[2:2 + length], rest[2 + length:]
            number = (b"\0" if number[0] & 0x80 else b"") + number
            numbers += bytes([2, len(number)]) + number
        signature = {"keyid": fingerprints(user)[0].lower(), "other_headers": headers.hex(),
                     "signature": (bytes([0x30, len(numbers)]) + numbers).hex()}
        made = json.dumps({"signatures": [signature], "signed": signed})
        write(f"{directory}/{name}.link", made.encode())
    write(f"{directory}/key.asc", gpg("--armor", "--export", user))


def tree():
    """As PackageRebuilder lays links out: one for each architecture, and one in which they are
    merged and which `metadata` leads to."""
    user = "tree <tree@localhost>"
    gpg("--quick-gen-key", user, "rsa2048", "sign", "1y")
    key = fingerprints(user)[0]
    short = key[:8].lower()
    for source, version, files in json.load(open("/srv/sources.json")):
        directory = f"/srv/tree/sources/{source}/{version}"
        os.makedirs(directory)
        merged = None
        for name in files:
            architecture = name.rsplit("_", 1)[1].removesuffix(".deb")
            own = f"{directory}/rebuild.{short}.{architecture}.link"
            run("in-toto-run", "--quiet", "--step-name", "rebuild", "--no-command",
                "--products", name, "--gpg", key, "--gpg-home", HOME,
                "--metadata-directory", directory, cwd=FILES)
            os.rename(f"{directory}/rebuild.{short}.link", own)
            found = json.load(open(own))
            if merged is None:
                merged = {"signed": found["signed"], "signatures": []}
            merged["signed"]["products"].update(found["signed"]["products"])
            binary = name.split("_")[0]
            if binary != source and not os.path.lexists(f"/srv/tree/sources/{binary}"):
                os.symlink(source, f"/srv/tree/sources/{binary}")
        write(f"{directory}/merged", json.dumps(merged).encode())
        run("in-toto-sign", "--quiet", "-f", "merged", "--gpg", key, "--gpg-home", HOME,
            "-o", f"rebuild.{short}.link", cwd=directory)
        os.remove(f"{directory}/merged")
        os.symlink(f"rebuild.{short}.link", f"{directory}/metadata")
    write("/srv/tree/key.asc", gpg("--armor", "--export", user))


os.makedirs(HOME, mode=0o700)
plain_keys()
certificates()
ecdsa_certificate()
tree()

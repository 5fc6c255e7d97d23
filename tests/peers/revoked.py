"""A certificate that GnuPG takes for revoked, with the revocation at every place where it can be.

Makes /srv/certificates/good.asc, others beside it, each of which GnuPG shows as revoked (the key that
signs, or all), and /srv/links with a link about each of /srv/files, signed by the subkey.
"""

import base64
import os
import shutil
import subprocess
import tempfile

FILES = "/srv/files"
LINKS = "/srv/links"
HOME = "/srv/gnupg"
OUT = "/srv/certificates"


def run(*command, **more):
    return subprocess.run(command, check=True, capture_output=True, **more).stdout


def gpg(*arguments, home=HOME, **more):
    return run("gpg", "--homedir", home, "--batch", "--quiet", "--passphrase", "", *arguments, **more)


def apart(packets):
    """The packets, which have headers of the old format."""
    found = []
    while packets:
        size = {0: 1, 1: 2, 2: 4}[packets[0] & 3]
        end = 1 + size + int.from_bytes(packets[1:1 + size], "big")
        found.append(packets[:end])
        packets = packets[end:]
    return found


def shown(packets, record):
    """Whether GnuPG shows all keys of this kind as revoked, once they are imported."""
    home = tempfile.mkdtemp()
    gpg("--import", home=home, input=packets)
    lines = gpg("--with-colons", "--list-keys", home=home).decode().splitlines()
    shutil.rmtree(home)
    states = [line.split(":")[1] for line in lines if line.startswith(record + ":")]
    assert states
    return set(states) == {"r"}


def write(name, packets):
    text = base64.encodebytes(packets).decode()
    with open(f"{OUT}/{name}.asc", "w") as file:
        file.write("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n"
                   f"{text}-----END PGP PUBLIC KEY BLOCK-----\n")


for directory in (HOME, LINKS, OUT):
    os.makedirs(directory, mode=0o700)
gpg("--quick-gen-key", "somebody <somebody@localhost>", "ed25519", "cert", "1y")
lines = gpg("--with-colons", "--list-keys").decode().splitlines()
primary = next(line.split(":")[9] for line in lines if line.startswith("fpr:"))
gpg("--quick-add-key", primary, "ed25519", "sign", "1y")
gpg("--quick-add-uid", primary, "somebody else <else@localhost>")
lines = gpg("--with-colons", "--list-keys").decode().splitlines()
signing = [line.split(":")[9] for line in lines if line.startswith("fpr:")][-1]
for name in os.listdir(FILES):
    run("in-toto-run", "--quiet", "--step-name", "rebuild", "--no-command", "--products", name,
        "--metadata-directory", LINKS, "--gpg", signing, "--gpg-home", HOME, cwd=FILES)
    made = [it for it in os.listdir(LINKS) if it.startswith("rebuild.")]
    os.rename(f"{LINKS}/{made[0]}", f"{LINKS}/{name}.{made[0]}")
good = gpg("--export", primary)
write("good", good)

text = open(f"{HOME}/openpgp-revocs.d/{primary}.rev").read()
revocation = gpg("--dearmor", input=text[text.index(":-----BEGIN") + 1:].encode())
gpg("--command-fd", "0", "--edit-key", primary, input=b"key 1\nrevkey\ny\n0\n\ny\nsave\n")
of_subkey = [it for it in apart(gpg("--export", primary)) if it not in apart(good)]
assert len(of_subkey) == 1, of_subkey
for kind, record, packet in (("key", "pub", revocation), ("subkey", "sub", of_subkey[0])):
    packets = apart(good)
    for at in range(1, len(packets) + 1):
        changed = b"".join(packets[:at] + [packet] + packets[at:])
        assert shown(changed, record), (kind, at)
        write(f"{kind}-revoked-at-{at}", changed)
# What this machine's GnuPG passes over, and what stands behind it.
for name, between in (("trust", b"\xb0\x02\0\0"), ("marker", b"\xa8\x03PGP"),
                      ("unknown", b"\xf7\x01x"), ("literal", b"\xac\x07b\0\0\0\0\0x")):
    changed = good + between + revocation
    assert shown(changed, "pub"), name
    write(f"revoked-behind-{name}", changed)

"""A layout of one rebuild by two keys, signed by a third one, made by in-toto and GnuPG as they come
with Debian 12, and links about the files in /srv/files by both keys.

in-toto itself is asked first: it must accept each file with both links, and not with one.
"""

import os
import shutil
import subprocess

from in_toto.models.layout import Inspection, Layout, Step
from in_toto.models.metadata import Metablock

FILES = "/srv/files"
HOME = "/srv/gnupg"


def run(*command, **more):
    return subprocess.run(command, check=True, capture_output=True, **more).stdout


def gpg(*arguments):
    return run("gpg", "--homedir", HOME, "--batch", "--quiet", "--passphrase", "", *arguments)


def key(name, algorithm, subkey=None):
    """Makes a key, writes its certificate, and gives the fingerprints of it and of what signs."""
    user = f"{name} <{name}@localhost>"
    gpg("--quick-gen-key", user, algorithm, "cert" if subkey else "sign", "1y")
    fingerprint = fingerprints(user)[0]
    if subkey:
        gpg("--quick-add-key", fingerprint, subkey, "sign", "1y")
    with open(f"/srv/{name}.asc", "wb") as file:
        file.write(gpg("--armor", "--export", user))
    return fingerprint.lower(), fingerprints(user)[-1].lower()


def fingerprints(user):
    lines = gpg("--with-colons", "--list-keys", user).decode().splitlines()
    return [line.split(":")[9] for line in lines if line.startswith("fpr:")]


def accepts(name, links):
    """What in-toto says about a file with these links."""
    directory = "/srv/verification"
    shutil.rmtree(directory, ignore_errors=True)
    os.mkdir(directory)
    shutil.copy(f"{FILES}/{name}", directory)
    for at, (primary, _) in zip(links, keys):
        for link in os.listdir(at):
            if link.startswith(f"{name}."):
                # It looks by the name of the primary key, whatever subkey signed.
                shutil.copy(f"{at}/{link}", f"{directory}/rebuild.{primary[:8]}.link")
    return subprocess.run(
        ("in-toto-verify", "--verbose", "--layout", "/srv/root.layout",
         "--gpg", root, "--gpg-home", HOME),
        cwd=directory, capture_output=True, check=False)


os.makedirs(HOME, mode=0o700)
root, _ = key("root", "rsa2048")
keys = [key("alice", "rsa2048", "rsa2048"), key("bob", "ed25519")]

layout = Layout()
layout.set_relative_expiration(months=4)
layout.add_functionary_keys_from_gpg_keyids([primary for primary, _ in keys], gpg_home=HOME)
step = Step(name="rebuild")
step.pubkeys = [primary for primary, _ in keys]
step.threshold = 2
step.expected_products = [["CREATE", "*.deb"], ["DISALLOW", "*.deb"]]
inspection = Inspection(name="verify-reprobuilds")
inspection.expected_materials = [
    ["MATCH", "*.deb", "WITH", "PRODUCTS", "FROM", "rebuild"], ["DISALLOW", "*.deb"]]
inspection.set_run_from_string("/usr/bin/true")
layout.steps = [step]
layout.inspect = [inspection]
metablock = Metablock(signed=layout)
metablock.sign_gpg(root, gpg_home=HOME)
metablock.dump("/srv/root.layout")

directories = []
for at, (_, signing) in enumerate(keys):
    directory = f"/srv/links/{at}"
    directories.append(directory)
    os.makedirs(directory)
    for name in os.listdir(FILES):
        run("in-toto-run", "--quiet", "--step-name", "rebuild", "--no-command", "--products", name,
            "--metadata-directory", directory, "--gpg", signing, "--gpg-home", HOME, cwd=FILES)
        made = [it for it in os.listdir(directory) if it.startswith("rebuild.")]
        assert len(made) == 1, made
        os.rename(f"{directory}/{made[0]}", f"{directory}/{name}.{made[0]}")
for name in os.listdir(FILES):
    both = accepts(name, directories)
    assert both.returncode == 0, (name, both.stderr)
    assert accepts(name, directories[:1]).returncode == 1, name
run("gpgconf", "--homedir", HOME, "--kill", "all")

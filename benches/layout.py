"""Makes the layout that apt-transport-in-toto verifies by: one step, a rebuild, by two of three
keys, whose public halves stand in /srv/keys.json. Runs in a chroot that has in-toto and GnuPG.
"""

import hashlib
import json
import os
import subprocess

from in_toto.models.layout import Inspection, Layout, Step
from in_toto.models.metadata import Metablock

HOME = "/srv/gnupg"


def gpg(*arguments):
    command = ["gpg", "--homedir", HOME, "--batch", "--quiet", "--passphrase", "", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def of_in_toto(public):
    """A key as in-toto writes it, with the name that it gives it."""
    key = {
        "keyid_hash_algorithms": ["sha256", "sha512"],
        "keytype": "ed25519",
        "keyval": {"public": public},
        "scheme": "ed25519",
    }
    text = json.dumps(key, sort_keys=True, separators=(",", ":"))
    return {**key, "keyid": hashlib.sha256(text.encode()).hexdigest()}


with open("/srv/keys.json", encoding="utf-8") as file:
    keys = [of_in_toto(public) for public in json.load(file).values()]
os.makedirs(HOME, mode=0o700)
gpg("--quick-gen-key", "bench@example.invalid", "rsa3072", "sign", "never")
lines = gpg("--with-colons", "--list-keys").splitlines()
fingerprint = next(line.split(":")[9] for line in lines if line.startswith("fpr:")).lower()
step = Step(name="rebuild", threshold=2, pubkeys=[key["keyid"] for key in keys])
inspection = Inspection(
    name="verify",
    run=["/usr/bin/true"],
    expected_materials=[["MATCH", "*.deb", "WITH", "PRODUCTS", "FROM", "rebuild"],
                        ["DISALLOW", "*.deb"]],
)
layout = Layout(steps=[step], inspect=[inspection], keys={key["keyid"]: key for key in keys})
layout.set_relative_expiration(days=2)
metablock = Metablock(signed=layout)
metablock.sign_gpg(fingerprint, HOME)
metablock.dump("/srv/root.layout")
with open("/srv/fingerprint", "w", encoding="utf-8") as file:
    file.write(fingerprint)

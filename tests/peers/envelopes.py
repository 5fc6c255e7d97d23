"""DSSE envelopes about the files in /srv/files, made by securesystemslib as it comes with Debian 13.

For each kind of key, /srv/links/KIND has an envelope for each file, and key.pem, and
/srv/dsse-links/KIND an envelope with a link in it, as `in-toto-run --use-dsse` makes it.
"""

import hashlib
import json
import os

from cryptography.hazmat.primitives.serialization import load_pem_public_key
from securesystemslib.dsse import Envelope
from securesystemslib.signer import CryptoSigner

FILES = "/srv/files"
LINKS = "/srv/links"
DSSE_LINKS = "/srv/dsse-links"


def digest_of(name):
    return hashlib.sha256(open(f"{FILES}/{name}", "rb").read()).hexdigest()


def link(name):
    """The members and their order are those of in-toto 3.0, which Debian does not have."""
    return {"_type": "link", "byproducts": {}, "command": [], "environment": {}, "materials": {},
            "name": "rebuild", "products": {name: {"sha256": digest_of(name)}}}


def statement(name):
    digest = digest_of(name)
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": {"sha256": digest}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {"buildType": "https://rebuilder.example/v1",
                                "externalParameters": {}},
            "runDetails": {"builder": {"id": "https://rebuilder.example/"}},
        },
    }


for kind, signer in (
    ("ed25519", CryptoSigner.generate_ed25519()),
    ("ecdsa-p256", CryptoSigner.generate_ecdsa()),
    ("rsa-pss", CryptoSigner.generate_rsa(size=2048)),
):
    directory = f"{LINKS}/{kind}"
    os.makedirs(directory)
    os.makedirs(f"{DSSE_LINKS}/{kind}")
    for name in os.listdir(FILES):
        for made, path in ((statement(name), f"{directory}/{name}.dsse"),
                           (link(name), f"{DSSE_LINKS}/{kind}/{name}.link")):
            envelope = Envelope(json.dumps(made).encode(), "application/vnd.in-toto+json", {})
            envelope.sign(signer)
            with open(path, "w") as file:
                json.dump(envelope.to_dict(), file)
    public = signer.public_key.keyval["public"]
    if kind == "ed25519":
        with open(f"{directory}/key.hex", "w") as file:
            file.write(public)
    else:
        load_pem_public_key(public.encode())
        with open(f"{directory}/key.pem", "w") as file:
            file.write(public)

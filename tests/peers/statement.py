"""Verifies a statement about an image with securesystemslib as it comes with Debian 13.

/srv has statement.json, the manifest that it is about, and signer.pem, the key.
"""

import hashlib
import json

from cryptography.hazmat.primitives.serialization import load_pem_public_key
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

envelope = json.load(open("/srv/statement.json"))
keyid = envelope["signatures"][0]["keyid"]
public = load_pem_public_key(open("/srv/signer.pem", "rb").read())
key = SSlibKey(keyid, "ed25519", "ed25519", {"public": public.public_bytes_raw().hex()})

# The key's id is the one that in-toto gives it.
described = {"keyid_hash_algorithms": ["sha256", "sha512"], "keytype": "ed25519",
             "keyval": key.keyval, "scheme": "ed25519"}
canonical = json.dumps(described, sort_keys=True, separators=(",", ":"))
assert keyid == hashlib.sha256(canonical.encode()).hexdigest()

signed = Envelope.from_dict(json.loads(json.dumps(envelope)))
assert signed.payload_type == "application/vnd.in-toto+json"
assert list(signed.verify([key], 1)) == [keyid]

signed.payload = signed.payload.replace(b"PASSED", b"FAILED")
try:
    signed.verify([key], 1)
except VerificationError:
    pass
else:
    raise AssertionError("a changed payload was taken")

statement = json.loads(Envelope.from_dict(envelope).payload)
assert statement["_type"] == "https://in-toto.io/Statement/v1"
assert statement["predicateType"] == "https://slsa.dev/verification_summary/v1"
manifest = hashlib.sha256(open("/srv/manifest", "rb").read()).hexdigest()
assert {"name": "manifest", "digest": {"sha256": manifest}} in statement["subject"]
predicate = statement["predicate"]
for member in ("verifier", "timeVerified", "resourceUri", "policy", "verificationResult",
               "verifiedLevels"):
    assert member in predicate, member
assert not any(level.startswith("SLSA_") for level in predicate["verifiedLevels"])

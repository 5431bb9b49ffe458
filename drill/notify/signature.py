"""The signature of a webhook's body, and how its receiver checks it.

`X-Drill-Timestamp` is when it was signed (seconds since the epoch), `X-Drill-Signature` is `v1=` and the HMAC-SHA256 of
`<timestamp>.<body>` in hexadecimal. A receiver refuses what is older than some minutes, so that nobody can send it
again later, and what it has seen already (`X-Drill-Delivery` stays the same when a message is sent again).
"""

import hmac
from hashlib import sha256

TIMESTAMP, SIGNATURE, DELIVERY = "X-Drill-Timestamp", "X-Drill-Signature", "X-Drill-Delivery"
TOLERANCE = 300.0
"""Seconds by which a signature may be older or newer than now."""


def sign(body: bytes, key: str, timestamp: int) -> str:
    """The signature of a body that is sent at `timestamp`."""
    signed = str(timestamp).encode() + b"." + body
    return f"v1={hmac.new(key.encode(), signed, sha256).hexdigest()}"


def verify(body: bytes, key: str, timestamp: str, signature: str, now: float) -> bool:
    """Whether a body was signed with `key`, not long before or after `now`."""
    if not timestamp.isascii() or not timestamp.isdigit() or abs(now - int(timestamp)) > TOLERANCE:
        return False
    return hmac.compare_digest(sign(body, key, int(timestamp)).encode(), signature.encode())

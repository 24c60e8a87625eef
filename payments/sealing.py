"""Destinations encrypted, each for one owner, under keys that can be changed: what the tables keep of them.

A sealed destination is: version (1 byte), length of the key's id (1), the id, nonce (12), then AES-256-GCM of its
canonical form. All before the nonce, and the owner, are authenticated with it.
"""

import base64
import binascii
import json
import os
import re
from collections.abc import Mapping
from types import MappingProxyType

from sqlalchemy.orm import Session

from foundation.errors import Internal, Unavailable
from foundation.settings import SettingsError
from payments.destinations import Destination, Kind, canonical

_VERSION = b"\x01"
_KEY_BYTES = 32
# Random nonces of 96 bits: a key is good for 2^32 destinations (NIST SP 800-38D, 8.3).
_NONCE_BYTES = 12
_ID = re.compile(r"[a-z0-9-]{1,32}")


class SealKeyMissing(Unavailable):
    """No key is configured that destinations could be sealed with."""


class SealKeyUnknown(Unavailable):
    """The key that this destination was sealed with is not configured."""


class SealBroken(Internal):
    """A sealed destination was changed, or belongs to somebody else."""


def keys_of(db: Session) -> dict[str, bytes]:
    """The keys that this process was configured with, the newest first; none if nobody has set any."""
    return read_keys(db.info.get("destination_keys", ""))


def fingerprint_key(keys: Mapping[str, bytes]) -> bytes:
    """What fingerprints are made with: the oldest key, which therefore stays when others are changed."""
    if not keys:
        raise SealKeyMissing("Ask the operator to set ROOKERY_DESTINATION_KEYS.")
    return list(keys.values())[-1]


def seal(destination: Destination, keys: Mapping[str, bytes], *, owner: str) -> bytes:
    """Encrypt under the first key, so that only the same owner's name opens it again."""
    if not keys:
        raise SealKeyMissing("Ask the operator to set ROOKERY_DESTINATION_KEYS.")
    # Large, and most processes never touch an account.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    key_id, key = next(iter(keys.items()))
    header = _VERSION + bytes([len(key_id)]) + key_id.encode()
    nonce = os.urandom(_NONCE_BYTES)
    plain = canonical(destination.kind, destination.fields)
    return header + nonce + AESGCM(key).encrypt(nonce, plain, header + owner.encode())


def unseal(sealed: bytes, keys: Mapping[str, bytes], *, owner: str) -> Destination:
    """Decrypt what was sealed for this owner. Anything else is `SealBroken`, or `SealKeyUnknown`."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    key_id = key_of(sealed)
    if key_id not in keys:
        raise SealKeyUnknown(f"Ask the operator to put the key {key_id} back into ROOKERY_DESTINATION_KEYS.")
    start = 2 + len(key_id)
    header, nonce, rest = sealed[:start], sealed[start : start + _NONCE_BYTES], sealed[start + _NONCE_BYTES :]
    try:
        plain = AESGCM(keys[key_id]).decrypt(nonce, rest, header + owner.encode())
    except (InvalidTag, ValueError):
        raise SealBroken("This destination cannot be read; enter it again.") from None
    kind, fields = json.loads(plain)
    return Destination(Kind(kind), MappingProxyType(fields))


def key_of(sealed: bytes) -> str:
    """The id of the key that something was sealed with: where it is not the newest, seal it again."""
    length = sealed[1] if len(sealed) > 2 and sealed[:1] == _VERSION else 0
    key_id = sealed[2 : 2 + length].decode("ascii", "replace")
    if not _ID.fullmatch(key_id) or len(key_id) != length:
        raise SealBroken("This is not a sealed destination; enter it again.")
    return key_id


def read_keys(written: str) -> dict[str, bytes]:
    """`ROOKERY_DESTINATION_KEYS`: id:key, id:key, the newest first; a key is 32 random bytes in base64.

    `seal` takes the first; the others still open what they sealed. No message shows a key.
    """
    keys: dict[str, bytes] = {}
    for place, pair in enumerate(filter(None, written.split(",")), 1):
        key_id, _, encoded = pair.strip().partition(":")
        if not _ID.fullmatch(key_id):
            raise SettingsError(
                f"ROOKERY_DESTINATION_KEYS must look like 2026-10:base64,2026-01:base64; number {place} does not."
            )
        if key_id in keys:
            raise SettingsError(f"ROOKERY_DESTINATION_KEYS has two keys named {key_id}.")
        try:
            keys[key_id] = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            raise SettingsError(f"The key {key_id} in ROOKERY_DESTINATION_KEYS is not base64.") from None
        if len(keys[key_id]) != _KEY_BYTES:
            raise SettingsError(f"The key {key_id} in ROOKERY_DESTINATION_KEYS must be 32 bytes, as base64.")
    return keys

"""Destinations encrypted: what opens them again, and what does not."""

import base64
import json

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from foundation.settings import SettingsError
from payments import destinations, sealing
from payments.sealing import SealBroken, SealKeyMissing, SealKeyUnknown

OLD, NEW = b"o" * 32, b"n" * 32
OWNER = "pye_1"
DESTINATION = destinations.parse("iban", {"iban": "DE89370400440532013000", "bic": "COBADEFF"})


def test_what_was_sealed_is_what_comes_out() -> None:
    sealed = sealing.seal(DESTINATION, {"2026-01": OLD}, owner=OWNER)

    opened = sealing.unseal(sealed, {"2026-01": OLD}, owner=OWNER)

    assert opened == DESTINATION
    assert opened.masked == "DE** **** 3000"


def test_a_seal_shows_nothing_and_is_never_the_same_twice() -> None:
    one, other = (sealing.seal(DESTINATION, {"a": OLD}, owner=OWNER) for _ in range(2))

    assert one != other
    assert b"DE89" not in one
    assert b"013000" not in one


def test_a_seal_has_the_layout_that_is_documented() -> None:
    sealed = sealing.seal(DESTINATION, {"2026-01": OLD}, owner=OWNER)

    header, nonce, rest = sealed[:9], sealed[9:21], sealed[21:]
    assert header == b"\x01\x072026-01"
    plain = AESGCM(OLD).decrypt(nonce, rest, header + OWNER.encode())
    assert json.loads(plain) == ["iban", {"bic": "COBADEFF", "iban": "DE89370400440532013000"}]


def test_the_newest_key_seals_and_the_older_still_opens() -> None:
    before = sealing.seal(DESTINATION, {"old": OLD}, owner=OWNER)
    keys = {"new": NEW, "old": OLD}

    after = sealing.seal(sealing.unseal(before, keys, owner=OWNER), keys, owner=OWNER)

    assert (sealing.key_of(before), sealing.key_of(after)) == ("old", "new")
    assert sealing.unseal(after, {"new": NEW}, owner=OWNER) == DESTINATION


def test_a_key_that_is_gone_is_named() -> None:
    sealed = sealing.seal(DESTINATION, {"old": OLD}, owner=OWNER)

    with pytest.raises(SealKeyUnknown, match="the key old"):
        sealing.unseal(sealed, {"new": NEW}, owner=OWNER)


def test_nothing_is_sealed_without_a_key() -> None:
    with pytest.raises(SealKeyMissing, match="ROOKERY_DESTINATION_KEYS"):
        sealing.seal(DESTINATION, {}, owner=OWNER)


@pytest.mark.parametrize("owner", ["pye_2", "", "pye_1 "])
def test_a_destination_opens_for_its_owner_alone(owner: str) -> None:
    sealed = sealing.seal(DESTINATION, {"a": OLD}, owner=OWNER)

    with pytest.raises(SealBroken):
        sealing.unseal(sealed, {"a": OLD}, owner=owner)


def test_another_key_under_the_same_name_opens_nothing() -> None:
    sealed = sealing.seal(DESTINATION, {"a": OLD}, owner=OWNER)

    with pytest.raises(SealBroken):
        sealing.unseal(sealed, {"a": NEW}, owner=OWNER)


def test_no_byte_can_be_changed_and_none_left_out() -> None:
    keys = {"a": OLD, "b": NEW}
    sealed = sealing.seal(DESTINATION, keys, owner=OWNER)
    changed = [
        bytes([*sealed[:at], sealed[at] ^ bit, *sealed[at + 1 :]]) for at in range(len(sealed)) for bit in (1, 3, 128)
    ]
    cut = [sealed[:length] for length in range(len(sealed))]

    for tampered in [*changed, *cut, sealed + b"\0", b"\x01\xff" + sealed]:
        with pytest.raises((SealBroken, SealKeyUnknown)):
            sealing.unseal(tampered, keys, owner=OWNER)


def _encoded(key: bytes) -> str:
    return base64.b64encode(key).decode()


def test_keys_are_read_newest_first() -> None:
    written = f"2026-10:{_encoded(NEW)}, 2026-01:{_encoded(OLD)}"

    assert list(sealing.read_keys(written).items()) == [("2026-10", NEW), ("2026-01", OLD)]


def test_no_keys_are_no_keys() -> None:
    assert sealing.read_keys("") == {}


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (_encoded(OLD), "number 1 does not"),
        (f"a:{_encoded(OLD)},B!:{_encoded(NEW)}", "number 2 does not"),
        (f":{_encoded(OLD)}", "number 1 does not"),
        (f"{'a' * 33}:{_encoded(OLD)}", "number 1 does not"),
        (f"a:{_encoded(OLD)},a:{_encoded(NEW)}", "two keys named a"),
        (f"a:{_encoded(OLD)[:4]}!{_encoded(OLD)[4:]}", "is not base64"),
        ("a:not base64!", "a in ROOKERY_DESTINATION_KEYS is not base64"),
        ("a:\u00e9\u00e9\u00e9\u00e9", "is not base64"),
        (f"a:{_encoded(OLD[:31])}", "32 bytes"),
        (f"a:{_encoded(OLD + b'o')}", "32 bytes"),
        ("a", "32 bytes"),
    ],
)
def test_a_setting_that_is_no_list_of_keys_is_one_sentence_without_a_key(written: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told) as refused:
        sealing.read_keys(written)

    assert _encoded(OLD)[:20] not in str(refused.value)
    assert _encoded(NEW)[:20] not in str(refused.value)

"""Proofs: one secret, sent to one address, of use once and for one thing."""

from collections.abc import Iterator

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from foundation import proofs
from foundation.mail import Mail
from foundation.proofs import Proof, ProofRefused
from tests import factories
from tests.conftest import House, age, held_up

DAY = 86_400


def _send(db: Session, subject: str = "thg_1", purpose: str = "tests") -> str:
    proofs.send(
        db, purpose=purpose, subject=subject, to="ada@example.com", title="A subject",
        words=f"Bring it back: {proofs.PLACE}\n", days=7,
    )  # fmt: skip
    return factories.secret_about(db, subject)


def test_a_secret_proves_its_subject_once(db: Session) -> None:
    secret = _send(db)

    assert proofs.redeem(db, purpose="tests", secret=secret) == "thg_1"
    with pytest.raises(ProofRefused):
        proofs.redeem(db, purpose="tests", secret=secret)


def test_looking_uses_nothing_up(db: Session) -> None:
    secret = _send(db)

    assert proofs.look_up(db, purpose="tests", secret=secret) == "thg_1"
    assert proofs.look_up(db, purpose="tests", secret=secret) == "thg_1"


def _wrong(db: Session) -> Iterator[tuple[str, str]]:
    """Purposes and secrets that prove nothing."""
    living = _send(db)
    yield "others", living
    yield "tests", ""
    yield "tests", living[:-1]
    yield "tests", "rp_" + "0" * 64
    yield "tests", _send(db, "thg_2") and living.upper()


def test_whatever_is_wrong_is_refused_in_the_same_words(db: Session) -> None:
    told = set()
    for purpose, secret in _wrong(db):
        with pytest.raises(ProofRefused) as refused:
            proofs.redeem(db, purpose=purpose, secret=secret)
        told.add((refused.value.status, refused.value.detail))

    used = _send(db, "thg_3")
    proofs.redeem(db, purpose="tests", secret=used)
    with pytest.raises(ProofRefused) as refused:
        proofs.look_up(db, purpose="tests", secret=used)

    assert told == {(404, refused.value.detail)}


def test_a_newer_secret_takes_the_place_of_the_one_before(db: Session) -> None:
    first, other, second = _send(db), _send(db, "thg_2"), _send(db)

    with pytest.raises(ProofRefused):
        proofs.redeem(db, purpose="tests", secret=first)
    assert proofs.redeem(db, purpose="tests", secret=second) == "thg_1"
    assert proofs.redeem(db, purpose="tests", secret=other) == "thg_2"


def test_a_secret_is_of_no_use_when_its_time_is_over_or_it_was_ended(db: Session) -> None:
    late, ended = _send(db), _send(db, "thg_2")
    proofs.end(db, purpose="tests", subject="thg_2")
    age(db, "proofs", "expires_at", 7 * DAY)

    for secret in (late, ended):
        with pytest.raises(ProofRefused):
            proofs.look_up(db, purpose="tests", secret=secret)


def test_of_two_who_bring_a_secret_at_once_one_is_refused(house: House) -> None:
    with house.sessions() as db:
        secret = _send(db)
        db.commit()
    with house.sessions() as db:
        proofs.redeem(db, purpose="tests", secret=secret)
        with held_up(house, lambda other: proofs.redeem(other, purpose="tests", secret=secret)) as other:
            db.commit()
            with pytest.raises(ProofRefused):
                other.result(10)


def test_the_secret_is_in_its_letter_alone(db: Session) -> None:
    secret = _send(db)

    letter, proof = db.scalars(select(Mail)).one(), db.scalars(select(Proof)).one()
    assert (letter.address, letter.about, proof.mail_id) == ("ada@example.com", "thg_1", letter.id)
    assert secret in (letter.body or "")
    assert secret not in letter.subject
    assert secret not in str(db.execute(text("SELECT proofs.*::text FROM proofs")).one())


def test_proofs_are_forgotten_a_month_after_their_time(db: Session) -> None:
    _send(db), _send(db, "thg_2")
    age(db, "proofs", "expires_at", 36 * DAY)
    before = proofs.forget(db)
    age(db, "proofs", "expires_at", 1 * DAY)

    assert (before, proofs.forget(db), proofs.forget(db)) == (0, 2, 0)

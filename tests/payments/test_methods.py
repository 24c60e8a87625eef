"""Payout methods: where somebody wants their money, who is told of a change, and who can read it."""

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation.errors import Invalid
from payments import methods, rails, sealing
from payments.destinations import IbanChecksumWrong
from payments.methods import COOLING, NoMethod, RailReachesNot
from payments.models import Payee, PayoutMethod
from payments.rails import NoSuchRail
from payments.sealing import SealBroken, SealKeyMissing
from tests.payments import owed

IBAN, OTHER = "DE89 3704 0044 0532 0130 00", "GB33BUKB20201555555555"


def _choose(db: Session, payee: Payee, iban: str = IBAN, **changes: Any) -> PayoutMethod:
    given = {"rail": "sepa", "kind": "iban", "given": {"iban": iban}, "set_by": payee.owner_ref, **changes}
    return methods.choose(db, payee.id, **given)


def _told(db: Session, topic: str) -> list[dict[str, Any]]:
    rows = text("SELECT payload FROM outbox_events WHERE topic = :topic ORDER BY id")
    return list(db.scalars(rows, {"topic": topic}))


def test_a_method_cools_off_and_shows_its_last_characters_alone(db: Session) -> None:
    made = _choose(db, owed.payee(db, rail=None))

    assert (made.masked, made.status) == ("DE** **** 3000", "active")
    db.refresh(made)
    assert abs(made.cooling_until - made.created_at - COOLING).total_seconds() < 1
    assert b"0532013000" not in bytes(made.sealed)


def test_the_same_place_typed_otherwise_changes_nothing(db: Session) -> None:
    ada = owed.payee(db, rail=None)
    made = _choose(db, ada)

    again = _choose(db, ada, "de89370400440532013000")

    assert again.id == made.id
    assert len(db.scalars(methods.listed(payee_id=ada.id)).all()) == 1
    assert _told(db, "DestinationChanged") == []


def test_another_place_retires_the_one_before_and_whoever_watches_is_told(db: Session) -> None:
    ada = owed.payee(db, rail=None)
    old = _choose(db, ada)

    new = _choose(db, ada, OTHER)

    db.refresh(old)
    assert (old.status, old.retired_at is not None) == ("retired", True)
    assert methods.find_active(db, ada.id).id == new.id
    assert _told(db, "DestinationChanged") == [{"payee_id": ada.id, "old_method_id": old.id, "new_method_id": new.id}]


def test_the_same_account_over_another_rail_is_another_method(db: Session) -> None:
    ada, given = owed.payee(db, rail=None), {"email": "ada@example.com"}
    old = _choose(db, ada, rail="paypal", kind="email", given=given)

    new = _choose(db, ada, rail="wise", kind="email", given=given)

    assert (new.id != old.id, methods.find_active(db, ada.id).rail) == (True, "wise")


def test_an_account_that_two_share_is_told_with_both_names(db: Session) -> None:
    ada, ben = owed.payee(db, rail=None), owed.payee(db, rail=None)
    _choose(db, ada)

    # Another BIC hides nothing.
    made = _choose(db, ben, given={"iban": IBAN, "bic": "COBADEFF"})

    assert _told(db, "DestinationShared") == [{"method_id": made.id, "payee_ids": sorted([ada.id, ben.id])}]


def test_an_account_that_forty_share_is_told_with_all_their_names(db: Session) -> None:
    people = [owed.payee(db, rail=None) for _ in range(40)]

    made = [_choose(db, one) for one in people]

    told = _told(db, "DestinationShared")
    assert len(told) == 39
    assert told[-1] == {"method_id": made[-1].id, "payee_ids": sorted(one.id for one in people)}


def test_an_account_that_was_left_is_shared_with_nobody(db: Session) -> None:
    ada, ben = owed.payee(db, rail=None), owed.payee(db, rail=None)
    _choose(db, ada)
    _choose(db, ada, OTHER)

    _choose(db, ben)

    assert _told(db, "DestinationShared") == []


def test_a_destination_opens_under_its_payees_name_alone(db: Session) -> None:
    ada, ben = owed.payee(db, rail=None), owed.payee(db, rail=None)
    made, keys = _choose(db, ada), sealing.keys_of(db)

    assert methods.opened(made, keys).fields == {"iban": "DE89370400440532013000"}
    # Somebody with the tables alone copies their own sealed account over hers.
    made.payee_id = ben.id
    with db.no_autoflush, pytest.raises(SealBroken):
        methods.opened(made, keys)
    db.expire(made)


def test_without_keys_nothing_is_taken_and_the_operator_is_named(db: Session) -> None:
    ada = owed.payee(db, rail=None)
    db.info.pop("destination_keys")

    with pytest.raises(SealKeyMissing, match="ROOKERY_DESTINATION_KEYS"):
        _choose(db, ada)

    with pytest.raises(NoMethod):
        methods.find_active(db, ada.id)


@pytest.mark.parametrize(
    ("changes", "problem", "pointer"),
    [
        ({"rail": "pigeon"}, NoSuchRail, "/rail"),
        ({"rail": "ach"}, RailReachesNot, "/kind"),
        ({"iban": "DE88370400440532013000"}, IbanChecksumWrong, "/destination/iban"),
        ({"given": {}}, Invalid, "/destination/iban"),
        ({"given": {"iban": 7}}, Invalid, "/destination/iban"),
    ],
)
def test_what_is_no_destination_changes_nothing(
    db: Session, changes: dict[str, Any], problem: type[Invalid], pointer: str
) -> None:
    ada = owed.payee(db, rail=None)
    before = _choose(db, ada)

    with pytest.raises(problem) as refused:
        _choose(db, ada, **changes)

    assert [error["pointer"] for error in refused.value.errors] == [pointer]
    assert methods.find_active(db, ada.id).id == before.id


def test_every_rail_goes_somewhere_that_tests_know(db: Session) -> None:
    """The destinations of `owed` are of their rails, so that runs over every rail are tried with real ones."""
    for rail in rails.by_name.values():
        made = owed.set_method(db, owed.payee(db, rail=None), rail=rail.name)
        assert made.kind in rail.kinds
        assert methods.opened(made, sealing.keys_of(db)).masked == made.masked

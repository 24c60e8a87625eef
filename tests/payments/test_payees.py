"""Payees: one for each person."""

import pytest
from sqlalchemy.orm import Session

from payments import payees
from payments.payees import NoPayee


def test_a_person_has_one_payee(db: Session) -> None:
    first = payees.register(db, owner_ref="wrk_1", name="Ada", country="KE")
    again = payees.register(db, owner_ref="wrk_1", name="Someone else", country="DE")

    assert again.id == first.id
    assert (again.name, again.country) == ("Ada", "KE")


def test_a_payee_is_found_by_its_person(db: Session) -> None:
    made = payees.register(db, owner_ref="wrk_1", name="Ada", country="KE")
    payees.register(db, owner_ref="wrk_2", name="Ada", country="KE")

    assert payees.of_owner(db, "wrk_1").id == made.id


def test_a_stranger_has_no_payee(db: Session) -> None:
    with pytest.raises(NoPayee, match="apply"):
        payees.of_owner(db, "wrk_nobody")

"""Payees: one for each person."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from payments import payees
from payments.payees import NoPayee
from tests.conftest import House, held_up


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


def test_whoever_changes_what_is_paid_to_somebody_waits_for_others_who_do(house: House) -> None:
    with house.sessions() as db:
        ada = payees.register(db, owner_ref="wrk_1", name="Ada", country="KE").id
        db.commit()

    with house.sessions() as db:
        assert payees.lock(db, [ada, "pye_nobody"]) == [ada]
        with held_up(house, lambda other: payees.lock(other, [ada])) as acting:
            assert not acting.done()
            db.commit()
            assert acting.result(timeout=10) == [ada]


def test_payees_are_locked_in_the_order_of_their_ids_wherever_they_lie(house: House) -> None:
    with house.sessions() as db:
        low, high = (payees.register(db, owner_ref=f"wrk_{n}", name="Ada", country="KE").id for n in (1, 2))
        # Behind the other one on the disk.
        db.execute(text("UPDATE payees SET name = name WHERE id = :id"), {"id": low})
        db.commit()
    lock = text("SELECT FROM payees WHERE id = :id FOR UPDATE NOWAIT")

    def lock_both(db: Session) -> None:
        for way in ("indexscan", "indexonlyscan", "bitmapscan"):
            db.execute(text(f"SET LOCAL enable_{way} = off"))
        payees.lock(db, [high, low])

    with house.sessions() as holder, house.sessions() as other:
        holder.execute(lock, {"id": high})
        with held_up(house, lock_both) as acting:
            try:
                with pytest.raises(OperationalError, match="could not obtain lock"):
                    other.execute(lock, {"id": low})
            finally:
                other.rollback()
                holder.rollback()
            acting.result()

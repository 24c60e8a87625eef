"""Holds: with a reason and an end; a legal one ends by two people."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from foundation import clock
from foundation.errors import NotFound
from payments import holds
from payments.adjustments import NoSuchEarning
from payments.four_eyes import SamePerson
from payments.holds import HoldEndInvalid, HoldOver
from payments.models import Earning, Hold
from tests.payments import owed


def _later(db: Session, days: float = 3) -> datetime:
    return clock.now(db) + timedelta(days=days)


def test_a_hold_ends_by_its_date(db: Session) -> None:
    ada = owed.payee(db)
    holds.place(db, payee_id=ada.id, reason="Document is unclear", made_by="ops", until=_later(db))
    assert [one.reason for one in holds.of_payee(db, ada.id)] == ["Document is unclear"]

    over = Hold(id="hld_over", payee_id=ada.id, reason="Over", made_by="ops", until=_later(db, -1))
    db.add(over)
    db.flush()

    assert [one.reason for one in holds.of_payee(db, ada.id)] == ["Document is unclear"]
    with pytest.raises(HoldOver):
        holds.end(db, over.id, reason="Clear now", ended_by="ops")


def test_a_hold_is_ended_once_by_anybody(db: Session) -> None:
    ada = owed.payee(db)
    hold = holds.place(db, payee_id=ada.id, reason="r", made_by="ops", until=_later(db))

    holds.end(db, hold.id, reason="Clear now", ended_by="ops")

    assert holds.of_payee(db, ada.id) == []
    assert (hold.ended_by, hold.end_reason) == ("ops", "Clear now")
    with pytest.raises(HoldOver):
        holds.end(db, hold.id, reason="Again", ended_by="ops")


def test_a_legal_hold_has_no_date_and_another_person_ends_it(db: Session) -> None:
    ada = owed.payee(db)
    hold = holds.place(db, payee_id=ada.id, reason="A court", made_by="wanjiru", is_legal=True)

    with pytest.raises(SamePerson):
        holds.end(db, hold.id, reason="r", ended_by="wanjiru")
    holds.end(db, hold.id, reason="The court says so", ended_by="oscar")

    assert holds.of_payee(db, ada.id) == []


@pytest.mark.parametrize("days", [None, -1, 91])
def test_a_hold_has_an_end_within_ninety_days(db: Session, days: float | None) -> None:
    ada = owed.payee(db)
    until = None if days is None else _later(db, days)

    with pytest.raises(HoldEndInvalid):
        holds.place(db, payee_id=ada.id, reason="r", made_by="ops", until=until)
    with pytest.raises(HoldEndInvalid):
        holds.place(db, payee_id=ada.id, reason="r", made_by="ops", until=_later(db), is_legal=True)


def test_an_earning_is_held_for_its_own_payee(db: Session) -> None:
    ada, ben = owed.payee(db, 200), owed.payee(db, 300)
    of_ben = db.query(Earning).filter_by(payee_id=ben.id).one()

    with pytest.raises(NoSuchEarning):
        holds.place(db, payee_id=ada.id, earning_id=of_ben.id, reason="r", made_by="ops", until=_later(db))
    with pytest.raises(NotFound):
        holds.place(db, payee_id="pye_none", reason="r", made_by="ops", until=_later(db))
    with pytest.raises(NotFound):
        holds.end(db, "hld_none", reason="r", ended_by="ops")


def test_holds_are_listed_by_payee_and_by_whether_they_hold(db: Session) -> None:
    ada, ben = owed.payee(db), owed.payee(db)
    over = holds.place(db, payee_id=ada.id, reason="r", made_by="ops", until=_later(db))
    holds.end(db, over.id, reason="r", ended_by="ops")
    now = holds.place(db, payee_id=ada.id, reason="r", made_by="ops", until=_later(db))
    other = holds.place(db, payee_id=ben.id, reason="r", made_by="ops", is_legal=True)

    assert set(db.scalars(holds.listed(active=True))) == {now, other}
    assert set(db.scalars(holds.listed(active=False))) == {over}
    assert set(db.scalars(holds.listed(payee_id=ada.id))) == {over, now}

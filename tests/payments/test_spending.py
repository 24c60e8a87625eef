"""What owners spent in a month: by the ids of its entries, and the same as by all entries."""

from datetime import date, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import clock
from payments import spending
from tests.payments import owed

_FOUND = text(f"SELECT entry_id, owner_ref, cause_ref, work, fee FROM {spending.OF_MONTH} AS s ORDER BY 1, 4, 5")
_ALL = text("""
    SELECT entry_id, owner_ref, cause_ref, work, fee FROM spending
     WHERE effective_on >= :first AND effective_on < :next ORDER BY 1, 4, 5
""")
# Days from today, of which some are in other months, whatever day it is.
_APART = (-400, -62, -31, -2, -1, 0, 1, 31)


@pytest.mark.parametrize("days", _APART)
def test_a_month_holds_what_the_books_say_of_it_whenever_that_was_written(db: Session, books: None, days: int) -> None:
    today = clock.now(db).date()
    for apart in _APART:
        with owed.booked_on(today + timedelta(days=apart)):
            owed.payee(db, 10_000 + apart)
    month = spending.month_of((today + timedelta(days=days)).replace(day=1))

    found = db.execute(_FOUND, month).all()

    assert found == db.execute(_ALL, month).all()
    assert {10_000 + days, 0} <= {row.work for row in found}


def test_a_months_last_and_first_days_are_in_one_month_each(db: Session, books: None) -> None:
    first = date(2026, 2, 1)
    for day in (first - timedelta(days=1), first, date(2026, 2, 28), date(2026, 3, 1)):
        with owed.booked_on(day):
            owed.payee(db, 10_000)

    assert [len(db.execute(_FOUND, spending.month_of(month)).all()) for month in _quarter()] == [2, 4, 2]


def _quarter() -> list[date]:
    return [date(2026, month, 1) for month in (1, 2, 3)]


@pytest.mark.parametrize(
    ("day", "following"), [(date(2026, 1, 1), date(2026, 2, 1)), (date(2026, 12, 1), date(2027, 1, 1))]
)
def test_a_month_is_followed_by_the_next(day: date, following: date) -> None:
    assert spending.next_month(day) == following

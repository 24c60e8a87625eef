"""A demo's data can be that of the month before; nobody else's can."""

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import ProgrammingError

from tests.conftest import House
from tests.drills import last_month
from tests.drills.last_month import NoDemo
from tests.payments import owed


def _count(house: House, of: str) -> int:
    with house.sessions() as db:
        return int(db.execute(text(f"SELECT count(*) FROM {of}")).scalar_one())


def test_what_a_demo_has_booked_is_of_the_last_month_and_the_journal_is_closed_again(house: House) -> None:
    with house.sessions() as db:
        owed.payee(db, 500, cooling=1)
        db.commit()
    engine = create_engine(house.urls.owner)
    with pytest.raises(NoDemo), engine.begin() as connection:
        last_month.move(connection)

    house.token("finance", "demo finance")
    with engine.begin() as connection:
        days = last_month.move(connection)
        again = last_month.move(connection)
    with pytest.raises(ProgrammingError, match="append-only"), engine.begin() as connection:
        connection.execute(text("UPDATE journal_entries SET effective_on = current_date"))
    engine.dispose()

    assert days == again > 0
    this_month = "effective_on >= date_trunc('month', current_date)"
    assert _count(house, "journal_entries") > 0
    assert _count(house, f"journal_entries WHERE {this_month}") == 0
    assert _count(house, f"journal_entries WHERE effective_on = current_date - {days}") > 0
    assert _count(house, "payout_methods WHERE cooling_until > now()") == 0

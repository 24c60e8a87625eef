"""Entries in a house that commits, and a horizon behind them, for tests of seals and statements."""

import time
from collections.abc import Callable
from typing import Any

from sqlalchemy.orm import Session

from foundation import clock
from payments import horizon, ledger
from payments.ledger import BANK, FUNDS, HOUSE, AccountName, Entry, Line
from tests.conftest import House

CASH, FREE = AccountName(BANK, HOUSE, "USD"), AccountName(FUNDS, "a", "USD")


def post(db: Session, *keys: str, amount: int = 500, lines: tuple[Line, ...] = ()) -> list[str]:
    """An entry for each key, which pays in if nothing else is said; their ids."""
    posted = ledger.post(
        db, [Entry(key, "test", "cause", "somebody", lines or (Line(CASH, FREE, amount),)) for key in keys]
    )
    return [posted.ids[key] for key in keys]


def alone(house: House, act: Callable[[Session], Any]) -> Any:
    """What an act returns, in a transaction of its own."""
    with house.sessions() as db:
        result = act(db)
        db.commit()
    return result


def settle(house: House) -> str:
    """Tell of a horizon behind all there is, and go on until it is final; what is written next lies beyond it."""
    assert alone(house, lambda db: horizon.tell(db, clock.now(db)))
    return until_final(house)


def until_final(house: House) -> str:
    """Go on until another horizon is final; transactions of other tests are numbered together with ours."""
    before, end = alone(house, horizon.final), time.monotonic() + 30
    while time.monotonic() < end:
        alone(house, horizon.advance)
        found = alone(house, horizon.final)
        if found != before:
            return str(found)
        time.sleep(0.01)
    raise AssertionError("the horizon never became final")

"""A package's invariants: what must always hold, as SQL that finds what breaks it."""

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import worlds
from foundation.db import patience

_SHOWN = 20


def of_both_worlds(db: Session, checks: Sequence[Callable[[Session], dict[str, list[str]]]]) -> dict[str, list[str]]:
    """What is wrong under each rule's name, in the live world and in the test world if anybody has come into it."""
    found = {name: rows for check in checks for name, rows in check(db).items()}
    if worlds.is_open(db.connection()):
        with worlds.in_test(db) as test:
            found |= {f"test world: {name}": rows for check in checks for name, rows in check(test).items()}
    return found


def broken(db: Session, rules: Mapping[str, str]) -> dict[str, list[str]]:
    """The first things that are wrong under each rule's name; all empty is what must be.

    Each may take minutes: it adds up all there ever was, and by a slow plan where the rows were never counted.
    """
    with patience(db):
        return {name: [str(row[0]) for row in db.execute(text(_first(sql)))] for name, sql in rules.items()}


def _first(sql: str) -> str:
    # Materialised, or else the planner counts on meeting the first rows soon and chooses a plan that takes the square
    # of the rows to find that there are none.
    return f"WITH found AS MATERIALIZED ({sql}) SELECT * FROM found LIMIT {_SHOWN}"

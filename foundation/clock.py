"""The database's clock is the only clock: leases, holds and deadlines never look at a process's own time."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session


def now(db: Session) -> datetime:
    """The transaction's start in UTC: the same value however often it is asked within one transaction."""
    return db.scalar(select(func.now()))  # type: ignore[return-value]  # `select now()` always has a row

"""The horizon: the id before which the journal says nothing new any more, so that seals and sums up to it stay true.

An entry's id tells when it was made, but it is seen when its transaction commits, maybe after entries with higher ids.
So a horizon is told first: from then on the table's trigger refuses ids before it. A transaction that wrote before it
could hear of that may still be open; the horizon is final once all of them have ended. No clock decides that, and
nobody who posts waits.
"""

from datetime import datetime, timedelta

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from foundation import clock, ids
from payments.models import Horizon

# A day is over for so long before its end is told as the horizon: nobody's clock is that far behind, nor is a posting
# that long on its way from its id to its table. Whoever is refuses itself (`ledger.ClockBehind`).
LATENESS = timedelta(hours=1)
_TRY_LOCK = text("SELECT pg_try_advisory_xact_lock(7265004)")
# A number is given when a transaction first writes. What a snapshot calls its end is no bound, for numbers beyond it
# may be given out already; this transaction has seen what was told, so whoever gets a number after it sees that too.
_NUMBER = text("""
    SELECT CASE WHEN pg_current_xact_id_if_assigned() IS NULL
                THEN CAST(CAST(pg_current_xact_id() AS text) AS bigint) END
""")
_OPEN = text("SELECT CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint)")


def advance(db: Session) -> int:
    """Bring the horizon a step towards the end of the last day; each step takes a transaction of its own. A sweep."""
    if not db.scalar(_TRY_LOCK):
        return 0
    newest = db.scalars(select(Horizon).order_by(Horizon.before_id.desc()).limit(1)).one_or_none()
    if newest is None or newest.is_final:
        midnight = (clock.now(db) - LATENESS).replace(hour=0, minute=0, second=0, microsecond=0)
        return tell(db, midnight)
    if newest.heard_xact is None:
        newest.heard_xact = db.scalar(_NUMBER)
    else:
        newest.is_final = newest.heard_xact < db.scalars(_OPEN).one()
    if not db.is_modified(newest):
        return 0
    db.flush()
    return 1


def tell(db: Session, moment: datetime) -> int:
    """Let nothing be written any more with an id from before a moment; how many horizons are new. `advance` goes on."""
    before_id = ids.earliest("jnl", moment)
    newest = db.scalar(select(Horizon.before_id).order_by(Horizon.before_id.desc()).limit(1))
    if newest is not None and before_id <= newest:
        return 0
    db.add(Horizon(before_id=before_id))
    db.flush()
    return 1


def final(db: Session) -> str | None:
    """The id before which the journal stays as it is for ever, if there is one yet."""
    return db.scalar(select(Horizon.before_id).where(Horizon.is_final).order_by(Horizon.before_id.desc()).limit(1))

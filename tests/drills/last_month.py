"""`python -m tests.drills.last_month FOLDER`: a demo's data becomes that of the month before, to try month end with.

A month is closed when it is over, and a destination is paid to after three days; who tries that with the demo does not
want to wait. What was booked this month counts for a day of the last one, and what cools off has cooled off. It changes
the journal, which the service itself can never do, so it touches nothing but the data of `rookery demo`.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from sqlalchemy import Connection, text

from foundation import db, settings
from foundation.installation import open_installation

_IS_DEMO = text("SELECT EXISTS (SELECT FROM tokens WHERE subject_id = 'demo finance')")
_DAYS = text("""
    SELECT current_date - CAST(date_trunc('month', current_date) - interval '1 month' + interval '19 days' AS date)
""")
# The triggers that keep these rows as they are; only the tables' owner can lift them.
_KEPT = ("journal_entries", "active_time")
_MOVED = (
    (
        "UPDATE journal_entries SET effective_on = current_date - :days"
        " WHERE effective_on >= date_trunc('month', current_date)"
    ),
    (
        "UPDATE active_time SET worked_on = worked_on - make_interval(days => :days)"
        " WHERE worked_on >= date_trunc('month', now())"
    ),
    "UPDATE earnings SET due_at = due_at - make_interval(days => :days) WHERE due_at >= date_trunc('month', now())",
    "UPDATE payout_methods SET cooling_until = now() WHERE cooling_until > now()",
)


class NoDemo(Exception):
    """This is not the data of a demo."""


def move(connection: Connection) -> int:
    """Let this month's bookings have been on the 20th of the last one; returns how many days they moved."""
    if not connection.execute(_IS_DEMO).scalar_one():
        raise NoDemo("Only what `rookery demo` has made is moved.")
    days = int(connection.execute(_DAYS).scalar_one())
    for table in _KEPT:
        connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER append_only"))
    for statement in _MOVED:
        connection.execute(text(statement), {"days": days})
    for table in _KEPT:
        connection.execute(text(f"ALTER TABLE {table} ENABLE TRIGGER append_only"))
    return days


def main() -> int:
    """Read the folder from the command line and move what is in it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the --data-dir of the demo, which may be running")
    given = replace(settings.read(), data_dir=parser.parse_args().folder, database_url=None)
    with open_installation(given) as installation:
        engine = db.make_engine(installation.database_owner_url, pool_size=1)
        try:
            with engine.begin() as connection:
                days = move(connection)
        except NoDemo as error:
            print(error, file=sys.stderr)
            return 2
        finally:
            engine.dispose()
    print(f"What was booked this month is {days} days older now, and destinations have cooled off.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

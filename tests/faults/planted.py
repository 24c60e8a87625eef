"""Builds of the product with one bug each, which a siege must catch: a copy of the source, edited in a few places.

Each bug is harmless as long as nothing dies, nobody is late and no two do the same at once, so that only a siege can
bring it to light.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.faults.house import CHECKOUT
from tests.planting import Edit

_PARTS = ("wsgi.py", "foundation", "quality", "payments", "workforce", "demo", "migrations")


@dataclass(frozen=True, slots=True)
class Planted:
    """A bug: what is wrong, where, and the faults that bring it to light."""

    name: str
    edits: Sequence[Edit]
    faults: Sequence[str]
    shows: str
    """What it does, as `Reckoning` calls it."""
    writes: int = 500
    late_share: float = 0.0
    """The share of leases that are answered only after their end."""
    pays: bool = False
    """Whether people have to be paid for it to show."""


def build(bug: Planted, folder: Path) -> Path:
    """A copy of the checkout with the bug in it."""
    for part in _PARTS:
        source = CHECKOUT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, folder / part)
    for edit in bug.edits:
        path = folder / edit.file
        path.write_text(edit.of(path.read_text()))
    return folder


# The commit of an answer trails behind its acknowledgement, about as long as with a write-back cache.
_TRAILING = """
import threading, time
import flask

class _Hasty(Session):
    hasty = False

    def commit(self):
        self.hasty = flask.has_request_context() and flask.request.path.endswith("/answer")
        if self.hasty:
            threading.Thread(target=self._commit_later).start()
        else:
            super().commit()

    def close(self):
        if not self.hasty:
            super().close()

    def _commit_later(self):
        time.sleep(0.15)
        super().commit()
        super().close()


def sessions(engine: Engine, **info: Any) -> sessionmaker[Session]:"""

EARLY = Planted(
    "an answer is acknowledged before it is committed",
    (
        Edit("foundation/db.py", "\ndef sessions(engine: Engine, **info: Any) -> sessionmaker[Session]:", _TRAILING),
        Edit("foundation/db.py", "class_=PlainSession", "class_=_Hasty"),
    ),
    faults=("all web", "web", "postmaster") * 3,
    shows="lost",
)
UNFENCED = Planted(
    "whoever is late answers all the same",
    (
        Edit("workforce/assignment.py", "    if held.fence != fence:\n", "    if False:\n"),
        Edit("workforce/assignment.py", "        _retake(db, worker_id, held)\n", "        pass\n"),
    ),
    faults=("sweeper", "web") * 4,
    shows="doubled",
    writes=5000,
    late_share=0.3,
)
# The pay is posted in a transaction of its own, a moment before the one that takes the event out of the outbox; and
# nothing behind it, neither the journal's keys nor the earning's state, makes the second posting harmless.
_TOGETHER = """            _react(db, table, taken)
            db.commit()
    except Exception as error:  # noqa: BLE001 - a reaction may raise anything
"""
_APART = """            with sessions() as apart:
                _react(apart, table, taken)
                apart.commit()
            __import__("time").sleep(1 if taken else 0)
            db.commit()
    except Exception as error:  # noqa: BLE001 - a reaction may raise anything
"""
OUTSIDE = Planted(
    "answers are paid outside of the transaction that takes their event",
    (
        Edit("foundation/outbox.py", _TOGETHER, _APART),
        Edit("foundation/outbox.py", "SELECT pg_advisory_xact_lock(hashtextextended(:stream, 2))", "SELECT :stream"),
        Edit("payments/earnings.py", " AND e.status = 'pending' ORDER BY", " ORDER BY"),
        Edit("payments/earnings.py", 'f"earn:{row.answer_ref}:1"', 'f"earn:{row.answer_ref}:{ids.new(\'try\')}"'),
    ),
    faults=("backend", "sweeper", "postmaster", "jobs parent and child", "work-horse") * 3,
    shows="doubled",
)  # fmt: skip

# Payouts are called sent a moment before they are booked, in a transaction of its own: whoever dies between the two has
# paid without a word of it in the books.
MARKED = Planted(
    "payouts are marked as sent before they are booked",
    (
        Edit(
            "payments/payouts.py",
            """    ledger.post(db, [*entries, *(entry for row in rows for entry in _netted(row, actor))])
    db.execute(_SEND, {"ids": list(payout_ids)})
""",
            """    db.execute(_SEND, {"ids": [row.id for row in rows]})
    db.commit()
    __import__("time").sleep(0.3)
    ledger.post(db, entries)
""",
        ),
    ),
    faults=("sweeper at releasing", "postmaster at releasing", "backend at releasing") * 3,
    shows="lost",
    writes=0,
    pays=True,
)
# Nobody waits for who looks at the same payees, and nothing in the tables keeps an earning from being taken twice.
UNLOCKED = Planted(
    "two who prepare at once take the same earnings",
    (
        Edit("payments/preparing.py", "ORDER BY p.id LIMIT :most FOR NO KEY UPDATE OF p", "ORDER BY p.id LIMIT :most"),
        Edit(
            "payments/preparing.py",
            "    _write(db, run, made)\n",
            '    __import__("time").sleep(1)\n    _write(db, run, made)\n',
        ),
        Edit(
            "migrations/versions/0030_payouts.py",
            '"ix_payout_items_open", "payout_items", ["earning_id", "part"], unique=True, ',
            '"ix_payout_items_open", "payout_items", ["earning_id", "part"], ',
        ),
    ),
    faults=("preparing at the machine", "leader frozen at preparing") * 3,
    shows="doubled",
    writes=0,
    pays=True,
)

BUGS = (EARLY, UNFENCED, OUTSIDE, MARKED, UNLOCKED)

"""The books beside a model of them over very many operations, each committed, then all entries again from zero.

    python -m tests.payments.books_soak --seed 1 --operations 100000

What agrees is compared in part after each operation, in whole every so often and at the end.
"""

import argparse
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path

from sqlalchemy import make_url, text
from sqlalchemy.orm import Session, sessionmaker

from foundation import db as database
from foundation import embedded, logs
from foundation.installation import migrate
from payments import preparing, runs
from tests import travel
from tests.payments.books_model import AT_ONCE, NAMES, Model

# The books are read in whole so often, and as they grow, whenever they are a twentieth longer.
_WHOLE = 5_000
_CONF = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


def main() -> int:
    parser = argparse.ArgumentParser(prog="books_soak", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--operations", type=int, default=10_000)
    parser.add_argument("--payees", type=int, default=12)
    wanted = parser.parse_args()
    logs.configure("error")
    runs.AT_ONCE = preparing.AT_ONCE = AT_ONCE
    with (
        tempfile.TemporaryDirectory(prefix="rookery-soak-") as folder,
        embedded.engines(Path(folder), conf=_CONF) as engines,
    ):
        travel.install(engines.superuser, make_url(engines.database_url).database or "")
        migrate(engines.database_owner_url, engines.database_url)
        engine = database.make_engine(engines.database_url, patient=True)
        soak(database.sessions(engine), wanted.seed, wanted.operations, wanted.payees)
        engine.dispose()
    print("sound")
    return 0


def soak(sessions: sessionmaker[Session], seed: int, n_operations: int, n_payees: int) -> None:
    """So many operations; an `AssertionError` where the books and the model part."""
    rng, started, done, whole = random.Random(seed), time.monotonic(), Counter[str](), _WHOLE
    with sessions() as db:
        model = Model(db, n_payees)
        model.owe(rng)
        db.commit()
    for number in range(1, n_operations + 1):
        name = rng.choice(NAMES)
        with sessions() as db:
            model.db = db
            getattr(model, name)(rng)
            model.check_owed()
            if number in {whole, n_operations}:
                model.check_all()
                _report(model, number, time.monotonic() - started)
                whole += max(_WHOLE, number // 20)
            db.commit()
        done[name] += 1
    with sessions() as db:
        print(f"  replayed {replay(db):,} entries from zero: every balance is what they come to")
    print(f"  {dict(done.most_common())}")


def _report(model: Model, number: int, seconds: float) -> None:
    states = Counter(one.state for one in model.sent.values())
    asked = Counter(one.state for one in model.clawbacks.values())
    print(
        f"  {number:,} operations in {seconds:,.0f} s: {len(model.earned):,} earnings, {len(model.runs):,} runs, "
        f"payouts {dict(states)}, clawbacks {dict(asked)}",
        flush=True,
    )


_LINES = text("SELECT entry_id, debit_id, credit_id, currency, amount FROM journal_lines ORDER BY entry_id, line")
_ACCOUNTS = text("""
    SELECT a.id, a.currency, a.bounded, b.debits, b.credits FROM accounts a LEFT JOIN balances b ON b.account_id = a.id
""")
_MANY = 10_000


def replay(db: Session) -> int:
    """Add all entries up in Python, and compare every balance that is stored; returns how many entries there were."""
    moved: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    currencies: dict[str, str] = {}
    entries, last = 0, ""
    for row in db.execute(_LINES, execution_options={"yield_per": _MANY}):
        assert row.amount > 0
        for side, account in enumerate((row.debit_id, row.credit_id)):
            moved[account][side] += row.amount
            assert currencies.setdefault(account, row.currency) == row.currency
        entries, last = entries + (row.entry_id != last), row.entry_id
    for row in db.execute(_ACCOUNTS):
        debits, credits_ = moved.pop(row.id, [0, 0])
        assert currencies.get(row.id, row.currency) == row.currency
        if row.bounded:
            assert (row.debits or 0, row.credits or 0) == (debits, credits_), f"{row.id} has another balance"
            assert credits_ >= debits, f"{row.id} is below zero"
    assert not moved, "every line is of an account"
    return entries


if __name__ == "__main__":
    sys.exit(main())

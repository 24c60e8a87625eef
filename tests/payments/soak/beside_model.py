"""The books beside a model of them: what agrees is compared in part after each operation, in whole every so often."""

import random
import time
from collections import Counter
from unittest.mock import patch

from sqlalchemy.orm import Session, sessionmaker

from foundation import db as database
from payments import preparing, runs
from tests import travel
from tests.payments.books_model import AT_ONCE, NAMES, Model
from tests.payments.soak.replay import replay

# The books are read in whole so often, and as they grow, whenever they are a twentieth longer.
_WHOLE = 5_000


def soak(url: str, seed: int, n_operations: int, n_payees: int) -> None:
    """So many operations; an `AssertionError` where the books and the model part."""
    engine = database.make_engine(url, patient=True)
    try:
        with (
            travel.ids_following(engine),
            patch.object(runs, "AT_ONCE", AT_ONCE),
            patch.object(preparing, "AT_ONCE", AT_ONCE),
        ):
            _live(database.sessions(engine), seed, n_operations, n_payees)
    finally:
        engine.dispose()


def _live(sessions: sessionmaker[Session], seed: int, n_operations: int, n_payees: int) -> None:
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
        f"  {number:,} operations in {seconds:,.0f} s, {model.ahead.days:,} days on: {len(model.earned):,} earnings, "
        f"{len(model.runs):,} runs, payouts {dict(states)}, clawbacks {dict(asked)}",
        flush=True,
    )

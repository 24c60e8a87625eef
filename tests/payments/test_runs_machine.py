"""Payout runs beside a model of them, whatever is done in whatever order, and everything again."""

import random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from payments import payouts, runs
from payments.payouts import Outcome
from tests.payments.books_model import AT_ONCE, NAMES, OPERATIONS, Model

_RANDOM = st.randoms(use_true_random=False)


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "_AT_ONCE", AT_ONCE)


class Runs(RuleBasedStateMachine):
    """Any operation of the model, then another."""

    engine: Engine

    def __init__(self) -> None:
        super().__init__()
        self.connection = self.engine.connect()
        self.outer = self.connection.begin()
        self.db = sessionmaker(self.connection, join_transaction_mode="create_savepoint", autoflush=False)()
        self.model = Model(self.db)

    def teardown(self) -> None:
        self.db.close()
        self.outer.rollback()
        self.connection.close()

    @initialize(rng=_RANDOM)
    def everybody_has_somewhere_to_be_paid_to(self, rng: random.Random) -> None:
        for _ in self.model.payees:
            self.model.set_method(rng)
            self.model.owe(rng)
        self.model.begin(rng)

    @rule(name=st.sampled_from(NAMES), rng=_RANDOM)
    def do(self, name: str, rng: random.Random) -> None:
        getattr(self.model, name)(rng)

    @invariant()
    def both_agree(self) -> None:
        self.model.check_all()


def test_runs_agree_with_a_model_whatever_is_done_and_done_again(shared_engine: Engine) -> None:
    machine = type("RunsHere", (Runs,), {"engine": shared_engine})

    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=15,
            stateful_step_count=40,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.fixture
def long(db: Session) -> tuple[Model, set[str]]:
    """A model after many operations, and the states that runs and payouts have been in."""
    model, rng, seen = Model(db), random.Random(7), set()
    model.owe(rng)
    for _ in range(800):
        getattr(model, rng.choice(NAMES))(rng)
        model.check_owed()
        seen |= {run.state for run in model.runs.values()} | {one.state for one in model.sent.values()}
    return model, seen


def test_a_long_life_comes_to_every_state_of_runs_and_payouts(long: tuple[Model, set[str]]) -> None:
    model, seen = long

    model.check_all()
    assert seen >= {"preparing", "draft", "approved", "releasing", "exported", "closed", "cancelling", "cancelled"}
    assert seen >= {"prepared", "dropped", "exported", "settled", "failed", "returned"}
    assert all(callable(getattr(model, name)) for name in OPERATIONS)


def test_the_model_disagrees_with_books_that_something_else_has_changed(long: tuple[Model, set[str]]) -> None:
    model, _ = long
    for act, state in ((payouts.settle, "exported"), (payouts.take_returns, "settled")):
        name = next(name for name, one in model.sent.items() if one.state == state)
        behind = model.db.begin_nested()
        act(model.db, [Outcome(name, "behind its back", 1)])

        with pytest.raises(AssertionError):
            model.check_all()
        behind.rollback()
    model.check_all()

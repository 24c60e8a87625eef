"""Payout runs beside a model of them, whatever is done in whatever order, and everything again."""

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from payments import payouts, preparing, runs
from payments.payouts import Outcome
from tests.conftest import rolled_back
from tests.payments.books_model import AT_ONCE, NAMES, OPERATIONS, Model

_RANDOM = st.randoms(use_true_random=False)


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "AT_ONCE", AT_ONCE)
    monkeypatch.setattr(preparing, "AT_ONCE", AT_ONCE)


@pytest.fixture
def db(travelling: Engine) -> Iterator[Session]:
    """A session in a transaction that is rolled back."""
    with rolled_back(travelling) as session:
        yield session


class Runs(RuleBasedStateMachine):
    """Any operation of the model, then another."""

    engine: Engine

    def __init__(self) -> None:
        super().__init__()
        self.open = ExitStack()
        self.model = Model(self.open.enter_context(rolled_back(self.engine)))

    def teardown(self) -> None:
        self.open.close()

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


def test_runs_agree_with_a_model_whatever_is_done_and_done_again(travelling: Engine) -> None:
    machine = type("RunsHere", (Runs,), {"engine": travelling})

    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=10,
            stateful_step_count=40,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


_RUN_STATES = {
    "preparing",
    "rechecking",
    "draft",
    "approved",
    "releasing",
    "exported",
    "closed",
    "cancelling",
    "cancelled",
}
_PAYOUT_STATES = {"prepared", "dropped", "exported", "settled", "failed", "returned"}


def _live(model: Model, rng: random.Random, until: Callable[[], bool]) -> None:
    """Do this and that until something has come about."""
    for _ in range(3_000):
        if until():
            return
        getattr(model, rng.choice(NAMES))(rng)
        model.check_owed()
    pytest.fail("it never comes about")


def test_a_long_life_comes_to_every_state_of_runs_and_payouts(db: Session, books: None) -> None:
    model, rng, runs_seen, payouts_seen = Model(db), random.Random(7), set[str](), set[str]()

    def is_seen() -> bool:
        runs_seen.update(run.state for run in model.runs.values())
        payouts_seen.update(one.state for one in model.sent.values())
        return runs_seen == _RUN_STATES and payouts_seen == _PAYOUT_STATES

    model.owe(rng)
    _live(model, rng, is_seen)

    model.check_all()
    assert all(callable(getattr(model, name)) for name in OPERATIONS)


@pytest.mark.parametrize(("state", "act"), [("exported", payouts.settle), ("settled", payouts.take_returns)])
def test_the_model_disagrees_with_books_that_something_else_has_changed(
    db: Session, books: None, state: str, act: Callable[..., object]
) -> None:
    model, rng = Model(db), random.Random(7)
    model.owe(rng)
    _live(model, rng, lambda: any(one.state == state for one in model.sent.values()))
    model.check_all()
    name = next(name for name, one in model.sent.items() if one.state == state)

    act(db, [Outcome(name, "behind its back", 1)])

    with pytest.raises(AssertionError):
        model.check_all()

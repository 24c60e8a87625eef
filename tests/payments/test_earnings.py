"""What an answer is worth to its payee, and that the sums agree whatever happens in whatever order."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session, sessionmaker

from foundation.pagination import PageRequest
from payments import adjustments, checks, earnings, funding, ledger, payees
from payments.adjustments import Gift
from payments.earnings import Work
from payments.funding import Rest
from payments.ledger import PAYABLE, PLATFORM_FEE, RESERVE, InsufficientFunds
from payments.models import Payee
from tests.conftest import House, held_up

OWNER, BATCH = "req_owner", "bat_1"


@pytest.fixture
def payee(db: Session) -> Payee:
    """Somebody to pay, and a reserve to pay them from."""
    _reserve(db, 10_000)
    return payees.register(db, owner_ref="wrk_1", name="Ada", country="KE")


def _reserve(db: Session, amount: int, cause: str = BATCH) -> None:
    funding.register(db, OWNER)
    funding.top_up(db, owner_ref=OWNER, currency="USD", amount=amount, bank_reference=cause, actor_ref="finance")
    funding.reserve(db, owner_ref=OWNER, cause_ref=cause, key=cause, currency="USD", amount=amount)


def _work(payee: Payee, answer: str = "ans_1", amount: int = 200, cause: str = BATCH) -> Work:
    return Work(answer_ref=answer, payee_id=payee.id, cause_ref=cause, currency="USD", amount=amount)


def _sums(db: Session, payee: Payee) -> tuple[int, int, int]:
    rows = earnings.totals(db, payee.id)
    return (0, 0, 0) if not rows else (rows[0].answers, int(rows[0].pending), int(rows[0].due))


def test_what_is_accepted_after_its_reserve_was_given_back_is_paid_by_the_house(db: Session, books: None) -> None:
    """As an appeal is that was upheld in time, and one that was upheld a second later."""
    payee = payees.register(db, owner_ref="wrk_1", name="Ada", country="KE")
    _reserve(db, 480)
    earnings.pend(db, [_work(payee, "in time"), _work(payee, "late")])

    earnings.accept(db, ["in time"])
    funding.release(db, [Rest(BATCH, "the time to appeal is over", 240)], actor_ref="ops")
    with pytest.raises(InsufficientFunds), db.begin_nested():
        earnings.accept(db, ["late"])
    gift = Gift(payee.id, "USD", 200, reference="appeal 2", reason="Upheld too late for its reserve.")
    adjustments.give_goodwill(db, gift, actor_ref="ops")

    found = {row.role: int(row.debits - row.credits) for row in ledger.trial_balance(db)}
    assert (found["payable"], found["goodwill"], found["reserve"], found["funds"]) == (-400, 200, 0, -240)


def test_a_new_answer_is_pending_and_not_in_the_books(db: Session, payee: Payee, books: None) -> None:
    earnings.pend(db, [_work(payee), _work(payee, "ans_2", 300)])

    assert _sums(db, payee) == (2, 500, 0)
    assert ledger.balance(db, PAYABLE, payee.id, "USD") == 0


def test_an_answer_has_one_earning_however_often_it_is_told(db: Session, payee: Payee, books: None) -> None:
    earnings.pend(db, [_work(payee)])
    earnings.pend(db, [_work(payee), _work(payee, amount=999)])

    assert _sums(db, payee) == (1, 200, 0)


def test_an_accepted_answer_is_due_and_its_fee_is_earned(db: Session, payee: Payee, books: None) -> None:
    earnings.pend(db, [_work(payee)])

    assert earnings.accept(db, ["ans_1"]) == 1

    assert _sums(db, payee) == (1, 0, 200)
    assert ledger.balance(db, PAYABLE, payee.id, "USD") == 200
    fees = {row.role: row.credits - row.debits for row in ledger.trial_balance(db)}[PLATFORM_FEE.name]
    assert fees == 40
    assert funding.spent(db, [BATCH]) == 240


def test_only_accounts_that_may_run_dry_keep_a_live_balance(db: Session, payee: Payee, books: None) -> None:
    earnings.pend(db, [_work(payee)])
    earnings.accept(db, ["ans_1"])

    # The bank's and the fee's are in every posting: a row for each would make all of them wait for one another.
    kept = db.scalars(text("SELECT a.role FROM balances b JOIN accounts a ON a.id = b.account_id")).all()
    assert sorted(kept) == ["funds", "payable", "reserve"]


def test_an_answer_whose_fee_rounds_to_nothing_is_paid_without_one(db: Session, payee: Payee, books: None) -> None:
    earnings.pend(db, [_work(payee, amount=1)])

    earnings.accept(db, ["ans_1"])

    assert _sums(db, payee) == (1, 0, 1)
    assert funding.spent(db, [BATCH]) == 1


def test_nothing_is_paid_twice(db: Session, payee: Payee, books: None) -> None:
    earnings.pend(db, [_work(payee)])
    earnings.accept(db, ["ans_1"])

    assert earnings.accept(db, ["ans_1", "ans_1"]) == 0

    assert _sums(db, payee) == (1, 0, 200)


def test_an_answer_accepted_twice_at_once_is_paid_and_spent_once(house: House) -> None:
    with house.sessions() as db:
        _reserve(db, 10_000)
        payee = payees.register(db, owner_ref="wrk_1", name="Ada", country="KE")
        earnings.pend(db, [_work(payee)])
        db.commit()
    with house.sessions() as db:
        assert earnings.accept(db, ["ans_1"]) == 1
        with held_up(house, lambda other: earnings.accept(other, ["ans_1"])) as acting:
            db.commit()
            assert acting.result() == 0

        assert funding.spent(db, [BATCH]) == 240


def test_a_rest_that_is_told_twice_is_given_back_once(db: Session, payee: Payee, books: None) -> None:
    earnings.pend(db, [_work(payee)])
    for _ in range(2):
        earnings.accept(db, ["ans_1"], rests=[Rest(BATCH, "tsk_1", 60)])

    (funds,) = funding.of_owner(db, OWNER)
    assert (funds.available, funds.spent, funds.reserved) == (60, 240, 10_000 - 300)


def test_a_reserve_that_many_draw_on_at_once_pays_as_many_as_it_holds(house: House) -> None:
    with house.sessions() as db:
        _reserve(db, 3 * 240)
        ada = payees.register(db, owner_ref="wrk_1", name="Ada", country="KE")
        earnings.pend(db, [_work(ada, f"ans_{number}") for number in range(8)])
        db.commit()
    start = threading.Barrier(8)

    def accept(number: int) -> int:
        with house.sessions() as db:
            db.execute(text("SELECT 1"))
            start.wait(timeout=10)
            try:
                accepted = earnings.accept(db, [f"ans_{number}"])
            except InsufficientFunds:
                return 0
            db.commit()
            return accepted

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(accept, range(8))) == [0] * 5 + [1] * 3

    with house.sessions() as db:
        assert ledger.balance(db, RESERVE, BATCH, "USD") == 0
        assert ledger.balance(db, PAYABLE, ada.id, "USD") == 3 * 200


def test_what_was_never_told_is_not_accepted(db: Session, payee: Payee, books: None) -> None:
    assert earnings.accept(db, ["ans_unknown"]) == 0
    assert earnings.accept(db, []) == 0


def test_a_due_earning_names_its_entry_and_its_day(db: Session, payee: Payee, books: None) -> None:
    earnings.pend(db, [_work(payee)])
    earnings.accept(db, ["ans_1"])

    (row,) = earnings.page(db, payee.id, PageRequest(10)).items

    entry = db.execute(text("SELECT id FROM journal_entries WHERE idempotency_key = 'earn:ans_1:1'")).scalar_one()
    assert (row.status, row.entry_id) == ("due", entry)
    assert row.due_at is not None


def test_one_set_pays_several_payees_out_of_several_reserves(db: Session, payee: Payee, books: None) -> None:
    _reserve(db, 5_000, "bat_2")
    other = payees.register(db, owner_ref="wrk_2", name="Bo", country="PH")
    earnings.pend(db, [_work(payee), _work(other, "ans_2", 300, "bat_2"), _work(payee, "ans_3", 100, "bat_2")])

    assert earnings.accept(db, ["ans_3", "ans_1", "ans_2"]) == 3

    assert (_sums(db, payee)[2], _sums(db, other)[2]) == (300, 300)
    assert (funding.spent(db, [BATCH]), funding.spent(db, ["bat_2"])) == (240, 480)


def test_a_reserve_that_is_too_small_pays_nobody(db: Session, payee: Payee, books: None) -> None:
    earnings.pend(db, [_work(payee), _work(payee, "ans_2", 9_000)])

    with pytest.raises(InsufficientFunds), db.begin_nested():
        earnings.accept(db, ["ans_1", "ans_2"])

    assert _sums(db, payee) == (2, 9_200, 0)


def test_a_payee_sees_their_own_earnings_newest_first(db: Session, payee: Payee, books: None) -> None:
    other = payees.register(db, owner_ref="wrk_2", name="Bo", country="PH")
    earnings.pend(db, [_work(payee, f"ans_{i}") for i in range(3)] + [_work(other, "ans_other")])

    first = earnings.page(db, payee.id, PageRequest(2))
    rest = earnings.page(db, payee.id, PageRequest(2, after=first.last))

    seen = [row.id for row in [*first.items, *rest.items]]
    assert len(seen) == 3
    assert seen == sorted(seen, reverse=True)
    assert rest.last is None


# A model of the books


class Books(RuleBasedStateMachine):
    """Random top-ups, reserves, answers and releases, and every one again, beside a few Python integers."""

    engine: Engine

    def __init__(self) -> None:
        super().__init__()
        self.connection = self.engine.connect()
        self.outer = self.connection.begin()
        self.db = sessionmaker(self.connection, join_transaction_mode="create_savepoint")()
        self.payees = [payees.register(self.db, owner_ref=f"wrk_{i}", name=f"W{i}", country="KE") for i in range(2)]
        self.available = 0
        self.paid_in: list[int] = []
        self.reserved: dict[str, int] = {}
        self.held: dict[str, int] = {}
        self.pending: dict[str, Work] = {}
        self.due: dict[str, Work] = {}
        self.released: list[Rest] = []

    def teardown(self) -> None:
        self.db.close()
        self.outer.rollback()
        self.connection.close()

    @initialize(amount=st.integers(10**4, 10**6))
    def first_top_up(self, amount: int) -> None:
        self._top_up(len(self.paid_in), amount)
        self.paid_in.append(amount)
        self.available += amount

    @rule(amount=st.integers(1, 10**6))
    def top_up(self, amount: int) -> None:
        self.first_top_up(amount)

    @rule(which=st.integers(0, 100))
    def top_up_again(self, which: int) -> None:
        number = which % len(self.paid_in)
        self._top_up(number, self.paid_in[number])

    def _top_up(self, number: int, amount: int) -> None:
        funding.register(self.db, OWNER)
        funding.top_up(
            self.db, owner_ref=OWNER, currency="USD", amount=amount, bank_reference=f"b{number}", actor_ref="f"
        )

    @rule(amount=st.integers(1, 10**6))
    def reserve(self, amount: int) -> None:
        cause = f"bat_{len(self.reserved)}"
        if self._reserve(cause, amount):
            assert amount <= self.available
            self.reserved[cause] = self.held[cause] = amount
            self.available -= amount
        else:
            assert amount > self.available

    @precondition(lambda self: self.reserved)
    @rule(data=st.data())
    def reserve_again(self, data: st.DataObject) -> None:
        cause = data.draw(st.sampled_from(sorted(self.reserved)))
        assert self._reserve(cause, self.reserved[cause])

    def _reserve(self, cause: str, amount: int) -> bool:
        return self._tried(
            lambda: funding.reserve(self.db, owner_ref=OWNER, cause_ref=cause, key=cause, currency="USD", amount=amount)
        )

    @precondition(lambda self: self.reserved)
    @rule(data=st.data(), amount=st.integers(1, 10**5), who=st.integers(0, 1))
    def pend(self, data: st.DataObject, amount: int, who: int) -> None:
        cause = data.draw(st.sampled_from(sorted(self.reserved)))
        answer = f"ans_{len(self.pending) + len(self.due)}"
        self.pending[answer] = Work(answer, self.payees[who].id, cause, "USD", amount)
        earnings.pend(self.db, [self.pending[answer]])

    @precondition(lambda self: self.pending or self.due)
    @rule()
    def pend_all_again(self) -> None:
        earnings.pend(self.db, [*self.pending.values(), *self.due.values()])

    @precondition(lambda self: self.pending or self.due)
    @rule(data=st.data())
    def accept(self, data: st.DataObject) -> None:
        told = data.draw(st.lists(st.sampled_from(sorted({**self.pending, **self.due})), min_size=1, max_size=4))
        new = [self.pending[answer] for answer in sorted(set(told)) if answer in self.pending]
        left = dict(self.held)
        for work in new:
            left[work.cause_ref] -= funding.with_fee(work.amount)
        if self._tried(lambda: earnings.accept(self.db, told)):
            assert min(left.values()) >= 0
            self.held = left
            for work in new:
                self.due[work.answer_ref] = self.pending.pop(work.answer_ref)
        else:
            assert min(left.values()) < 0

    @precondition(lambda self: self.reserved)
    @rule(data=st.data(), amount=st.integers(1, 10**6))
    def release(self, data: st.DataObject, amount: int) -> None:
        cause = data.draw(st.sampled_from(sorted(self.reserved)))
        rest = Rest(cause, f"{cause} {len(self.released)}", amount)
        if self._tried(lambda: funding.release(self.db, [rest], actor_ref="f")):
            assert amount <= self.held[cause]
            self.released.append(rest)
            self.held[cause] -= amount
            self.available += amount
        else:
            assert amount > self.held[cause]

    @precondition(lambda self: self.released)
    @rule()
    def release_all_again(self) -> None:
        funding.release(self.db, self.released, actor_ref="f")

    def _tried(self, act: Any) -> bool:
        try:
            with self.db.begin_nested():
                act()
        except InsufficientFunds:
            return False
        return True

    @invariant()
    def the_books_say_what_the_model_says(self) -> None:
        self.db.expire_all()
        spent = sum(funding.with_fee(work.amount) for work in self.due.values())
        for funds in funding.of_owner(self.db, OWNER):
            assert (funds.available, funds.reserved, funds.spent) == (self.available, sum(self.held.values()), spent)
        for payee in self.payees:
            pending, due = (
                [work.amount for work in some.values() if work.payee_id == payee.id]
                for some in (self.pending, self.due)
            )
            assert _sums(self.db, payee) == (len(pending) + len(due), sum(pending), sum(due))

    @invariant()
    def every_check_is_empty_and_every_sum_ties_out(self) -> None:
        assert not any(checks.check(self.db).values())
        for row in ledger.tie_out(self.db):
            assert row.payable == row.unpaid
            assert row.reserved == row.spent + row.released + row.remaining
            assert row.stored == row.recomputed


def test_the_books_agree_with_a_model_whatever_is_done_and_done_again(shared_engine: Engine) -> None:
    machine = type("BooksHere", (Books,), {"engine": shared_engine})

    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=30,
            stateful_step_count=20,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )

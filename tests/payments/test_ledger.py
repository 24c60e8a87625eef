"""The books: what is posted, what is refused, and what many do at once."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from payments import checks, earnings, funding, ledger, payees
from payments.earnings import Work
from payments.funding import Rest
from payments.ledger import BANK, FUNDS, HOUSE, PLATFORM_FEE, AccountName, Entry, EntryConflict, InsufficientFunds, Line
from tests.conftest import House, held_up

CASH = AccountName(BANK, HOUSE, "USD")
FEE = AccountName(PLATFORM_FEE, HOUSE, "USD")


def _funds(owner: str) -> AccountName:
    return AccountName(FUNDS, owner, "USD")


def _entry(key: str, *lines: Line) -> Entry:
    return Entry(key, "test", "cause", "somebody", lines)


def _paid_in(owner: str, amount: int) -> Entry:
    return _entry(f"in:{owner}", Line(CASH, _funds(owner), amount))


def _count(db: Session, table: str) -> int:
    return int(db.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


# Known answers


def test_an_entry_moves_both_its_accounts(db: Session, books: None) -> None:
    ledger.post(db, [_paid_in("a", 500)])
    ledger.post(db, [_entry("move", Line(_funds("a"), _funds("b"), 120), Line(_funds("a"), FEE, 30))])

    assert ledger.balance(db, FUNDS, "a", "USD") == 350
    assert ledger.balance(db, FUNDS, "b", "USD") == 120
    sums = {row.role: (int(row.debits), int(row.credits)) for row in ledger.trial_balance(db)}
    assert sums == {"bank": (500, 0), "funds": (150, 620), "platform_fee": (0, 30)}


def test_an_account_nobody_posted_to_holds_nothing(db: Session) -> None:
    assert ledger.balance(db, FUNDS, "nobody", "USD") == 0


def test_one_batch_opens_accounts_and_uses_what_it_brought_itself(db: Session, books: None) -> None:
    batch = [_paid_in("a", 500), _entry("on", Line(_funds("a"), _funds("b"), 500))]

    posted = ledger.post(db, batch)

    assert sorted(posted.ids) == ["in:a", "on"]
    assert ledger.balance(db, FUNDS, "b", "USD") == 500


def test_currencies_of_one_owner_are_kept_apart(db: Session, books: None) -> None:
    euros = Line(AccountName(BANK, HOUSE, "EUR"), AccountName(FUNDS, "a", "EUR"), 7)

    ledger.post(db, [_paid_in("a", 500), _entry("euros", euros)])

    assert (ledger.balance(db, FUNDS, "a", "USD"), ledger.balance(db, FUNDS, "a", "EUR")) == (500, 7)


def test_posting_nothing_writes_nothing(db: Session) -> None:
    assert ledger.post(db, []).ids == {}


_moves = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("abc"), st.integers(1, 10**12)).filter(lambda m: m[0] != m[1]),
    min_size=1,
    max_size=8,
)


@settings(max_examples=25, deadline=None, database=None)
@given(_moves)
def test_whatever_is_posted_the_trial_balance_is_zero(shared_engine: Engine, moves: list[tuple[str, str, int]]) -> None:
    with shared_engine.connect() as connection, Session(connection) as db:
        ledger.post(db, [_paid_in(owner, 10**14) for owner in "abc"])

        ledger.post(db, [_entry(f"m{i}", Line(_funds(a), _funds(b), n)) for i, (a, b, n) in enumerate(moves)])

        assert sum(row.debits - row.credits for row in ledger.trial_balance(db)) == 0
        assert not any(checks.check(db).values())


# The same key again


def test_a_key_books_once(db: Session, books: None) -> None:
    first = ledger.post(db, [_paid_in("a", 500)])
    again = ledger.post(db, [_paid_in("a", 500)])

    assert again.ids == first.ids
    assert first.fresh == {"in:a"}
    assert not again.fresh
    assert ledger.balance(db, FUNDS, "a", "USD") == 500
    assert _count(db, "journal_entries") == 1


def test_a_key_books_once_within_one_batch(db: Session, books: None) -> None:
    ledger.post(db, [_paid_in("a", 500), _paid_in("a", 500)])

    assert ledger.balance(db, FUNDS, "a", "USD") == 500


def test_a_batch_writes_what_is_new_beside_what_is_known(db: Session, books: None) -> None:
    known = ledger.post(db, [_paid_in("a", 500)])

    both = ledger.post(db, [_paid_in("a", 500), _paid_in("b", 40)])

    assert both.ids["in:a"] == known.ids["in:a"]
    assert both.fresh == {"in:b"}
    assert ledger.balance(db, FUNDS, "b", "USD") == 40


OTHERS = {
    "amount": Line(CASH, _funds("a"), 501),
    "account": Line(CASH, _funds("b"), 500),
    "currency": Line(AccountName(BANK, HOUSE, "EUR"), AccountName(FUNDS, "a", "EUR"), 500),
    "direction": Line(_funds("a"), CASH, 500),
}


@pytest.mark.parametrize("line", OTHERS.values(), ids=OTHERS.keys())
def test_a_key_with_other_lines_is_refused_and_nothing_is_written(db: Session, books: None, line: Line) -> None:
    ledger.post(db, [_paid_in("a", 500)])

    with pytest.raises(EntryConflict, match="in:a"), db.begin_nested():
        ledger.post(db, [_paid_in("c", 9), _entry("in:a", line)])

    assert ledger.balance(db, FUNDS, "a", "USD") == 500
    assert ledger.balance(db, FUNDS, "c", "USD") == 0
    assert _count(db, "journal_entries") == 1


def test_a_key_with_two_meanings_in_one_batch_is_refused(db: Session, books: None) -> None:
    with pytest.raises(EntryConflict), db.begin_nested():
        ledger.post(db, [_paid_in("a", 500), _entry("in:a", Line(CASH, _funds("a"), 501))])

    assert _count(db, "journal_entries") == 0


# What cannot be written


def test_more_than_an_account_holds_is_refused_and_nothing_is_written(db: Session, books: None) -> None:
    ledger.post(db, [_paid_in("a", 500)])

    with pytest.raises(InsufficientFunds), db.begin_nested():
        ledger.post(db, [_paid_in("c", 9), _entry("out", Line(_funds("a"), _funds("b"), 501))])

    assert ledger.balance(db, FUNDS, "a", "USD") == 500
    assert ledger.balance(db, FUNDS, "c", "USD") == 0
    assert _count(db, "journal_entries") == 1


def test_the_last_unit_may_be_spent(db: Session, books: None) -> None:
    ledger.post(db, [_paid_in("a", 500)])

    ledger.post(db, [_entry("out", Line(_funds("a"), _funds("b"), 500))])

    assert ledger.balance(db, FUNDS, "a", "USD") == 0


BAD_LINES = {
    "nothing": Line(CASH, _funds("a"), 0),
    "less than nothing": Line(_funds("a"), CASH, -5),
    "one account": Line(CASH, CASH, 5),
    "two currencies": Line(CASH, AccountName(FUNDS, "a", "EUR"), 5),
}


@pytest.mark.parametrize("line", BAD_LINES.values(), ids=BAD_LINES.keys())
def test_a_line_that_does_not_balance_cannot_be_written(db: Session, books: None, line: Line) -> None:
    with pytest.raises(IntegrityError), db.begin_nested():
        ledger.post(db, [_entry("bad", line)])

    assert _count(db, "journal_entries") == 0


def test_an_entry_without_lines_cannot_be_written(db: Session, books: None) -> None:
    with pytest.raises(IntegrityError, match="has_lines"), db.begin_nested():
        ledger.post(db, [_entry("empty")])


# Append-only


def test_the_tie_out_keeps_currencies_apart(db: Session, books: None) -> None:
    payee = payees.register(db, owner_ref="wrk_1", name="Ada", country="KE")
    funding.register(db, "req")
    for currency, amount in (("EUR", 100), ("USD", 200)):
        funding.top_up(db, owner_ref="req", currency=currency, amount=1_000, bank_reference=currency, actor_ref="f")
        funding.reserve(db, owner_ref="req", cause_ref=currency, key=currency, currency=currency, amount=900)
        earnings.pend(db, [Work(f"ans_{currency}", payee.id, currency, currency, amount)])
    earnings.accept(db, ["ans_EUR", "ans_USD"], rests=[Rest("EUR", "EUR", 500), Rest("USD", "USD", 400)])

    rows = ledger.tie_out(db)

    sums = [(r.currency, r.payable, r.unpaid, r.reserved, r.spent, r.released, r.remaining) for r in rows]
    assert sums == [("EUR", 100, 100, 900, 120, 500, 280), ("USD", 200, 200, 900, 240, 400, 260)]
    assert [row.stored for row in rows] == [row.recomputed for row in rows] == [4_020, 4_040]


# Many at once


def _together(house: House, acts: list[Callable[[Session], object]]) -> None:
    """Run every act in a transaction of its own, all started at the same moment; an error is raised here."""
    start = threading.Barrier(len(acts))

    def run(act: Callable[[Session], object]) -> None:
        with house.sessions() as db:
            db.execute(text("SELECT 1"))
            start.wait(timeout=10)
            act(db)
            db.commit()

    with ThreadPoolExecutor(len(acts)) as pool:
        for done in [pool.submit(run, act) for act in acts]:
            done.result(timeout=30)


def _posting(*batches: Sequence[Entry]) -> Callable[[Session], object]:
    return lambda db: [ledger.post(db, batch) for batch in batches]


def _fund(house: House, *owners: str) -> None:
    with house.sessions() as db:
        ledger.post(db, [_paid_in(owner, 10**6) for owner in owners])
        db.commit()


def test_batches_over_the_same_accounts_in_opposite_order_never_wait_for_each_other(house: House) -> None:
    owners = [f"owner {i}" for i in range(20)]
    _fund(house, *owners)
    ring = [Line(_funds(a), _funds(b), 1) for a, b in zip(owners, owners[1:] + owners[:1], strict=True)]

    for turn in range(10):
        there = [_entry(f"there {turn} {i}", line) for i, line in enumerate(ring)]
        back = [_entry(f"back {turn} {i}", line) for i, line in enumerate(reversed(ring))]
        _together(house, [_posting(there), _posting(back)])

    with house.sessions() as db:
        assert {ledger.balance(db, FUNDS, owner, "USD") for owner in owners} == {10**6}


def test_balances_are_locked_in_the_order_of_their_ids_wherever_they_lie(house: House) -> None:
    _fund(house, "a", "b")
    with house.sessions() as db:
        low, high = db.scalars(text("SELECT account_id FROM balances ORDER BY account_id")).all()
        # Behind the other one on the disk.
        db.execute(text("UPDATE balances SET debits = debits WHERE account_id = :id"), {"id": low})
        db.commit()
    lock = text("SELECT FROM balances WHERE account_id = :id FOR UPDATE NOWAIT")

    def post(db: Session) -> None:
        for way in ("nestloop", "mergejoin", "indexscan", "bitmapscan"):
            db.execute(text(f"SET LOCAL enable_{way} = off"))
        ledger.post(db, [_entry("from a to b", Line(_funds("a"), _funds("b"), 1))])

    with house.sessions() as holder, house.sessions() as other:
        holder.execute(lock, {"id": high})
        with held_up(house, post) as acting:
            try:
                with pytest.raises(OperationalError, match="could not obtain lock"):
                    other.execute(lock, {"id": low})
            finally:
                other.rollback()
                holder.rollback()
            acting.result()


def test_a_posting_waits_for_no_account_but_its_own(house: House) -> None:
    _fund(house, "a", "b", "busy")
    with house.sessions() as holder:
        ledger.post(holder, [_entry("elsewhere", Line(_funds("busy"), _funds("new"), 1))])
        _together(house, [_posting([_entry("from a to b", Line(_funds("a"), _funds("b"), 1))])])
        holder.commit()

    with house.sessions() as db:
        assert [ledger.balance(db, FUNDS, owner, "USD") for owner in ("a", "busy")] == [10**6 - 1] * 2


def test_the_same_entries_in_opposite_order_are_booked_once(house: House) -> None:
    _fund(house, "a")

    for turn in range(10):
        batch = [_entry(f"{turn} {i}", Line(_funds("a"), _funds(f"b{i}"), 1)) for i in range(20)]
        _together(house, [_posting(batch), _posting(batch[::-1])])

    with house.sessions() as db:
        assert ledger.balance(db, FUNDS, "a", "USD") == 10**6 - 200


def test_one_hot_account_loses_nothing(house: House) -> None:
    def pay_in(writer: int) -> Callable[[Session], object]:
        return _posting(*[[_entry(f"{writer} {i}", Line(CASH, _funds("hot"), 3))] for i in range(20)])

    _together(house, [pay_in(writer) for writer in range(8)])

    with house.sessions() as db:
        assert ledger.balance(db, FUNDS, "hot", "USD") == 8 * 20 * 3


def test_an_account_cannot_be_spent_twice_at_once(house: House) -> None:
    _fund(house, "a")
    refused: list[int] = []

    def spend(writer: int) -> Callable[[Session], object]:
        def act(db: Session) -> None:
            try:
                ledger.post(db, [_entry(f"spend {writer}", Line(_funds("a"), _funds("b"), 10**6))])
            except InsufficientFunds:
                refused.append(writer)
                db.rollback()

        return act

    _together(house, [spend(writer) for writer in range(4)])

    assert len(refused) == 3
    with house.sessions() as db:
        assert ledger.balance(db, FUNDS, "b", "USD") == 10**6


def test_accounts_of_one_name_are_opened_once_by_many(house: House) -> None:
    def open_all(writer: int) -> Callable[[Session], object]:
        names = [f"o{i}" for i in range(10)]
        ordered = names if writer % 2 else names[::-1]
        return _posting([_entry(f"{writer} {name}", Line(CASH, _funds(name), 1)) for name in ordered])

    _together(house, [open_all(writer) for writer in range(4)])

    with house.sessions() as db:
        assert {ledger.balance(db, FUNDS, f"o{i}", "USD") for i in range(10)} == {4}
        assert _count(db, "accounts") == 11

"""What was paid out and is asked back: the requester has it at once, the payee owes it, and two people say so."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from foundation import clock
from foundation.errors import NotFound
from payments import active_time, adjustments, clawbacks, ledger, payouts, runs
from payments.adjustments import EarningAskedBack, EarningInPayout, NoSuchEarning
from payments.clawbacks import (
    ClawbackDecided,
    ClawbackExists,
    EarningChanged,
    EarningNotPaid,
    NettingUnderWay,
    netting,
)
from payments.four_eyes import SamePerson
from payments.ledger import FUNDS, PAYABLE, RECEIVABLE_PAYEE
from payments.models import Clawback, Earning, Netting, Payee, Payout
from payments.payouts import Outcome
from tests import factories
from tests.payments import owed
from tests.payments.owed import OWNER


def _earning(db: Session, of: Payee) -> Earning:
    return db.query(Earning).filter_by(payee_id=of.id).order_by(Earning.id).first() or Earning()


def _paid(db: Session, amount: int = 10_000) -> tuple[Payee, Earning]:
    """Somebody with one earning that has arrived in their account."""
    ada = owed.payee(db, amount)
    owed.pay_out(db)
    return ada, _earning(db, ada)


def _propose(db: Session, earning: Earning) -> Clawback:
    return clawbacks.propose(db, earning.id, reason="Copied from others", made_by="wanjiru")


def _asked_back(db: Session, earning: Earning) -> Clawback:
    return clawbacks.confirm(db, _propose(db, earning).id, confirmed_by="oscar")


def _stands(db: Session, payee: Payee) -> tuple[int, int]:
    """What the payee owes, and what the requester has free."""
    return ledger.debit_balance(db, RECEIVABLE_PAYEE, payee.id, "USD"), ledger.balance(db, FUNDS, OWNER, "USD")


def test_a_clawback_gives_the_requester_price_and_fee_and_leaves_the_payee_owing_the_price(
    db: Session, books: None
) -> None:
    ada, earning = _paid(db)
    clawback = _propose(db, earning)
    assert _stands(db, ada) == (0, 0)

    clawbacks.confirm(db, clawback.id, confirmed_by="oscar")

    assert _stands(db, ada) == (10_000, 12_000)
    assert (clawback.state, clawback.owed, clawback.returned) == ("open", 10_000, 12_000)
    sums = {row.role: int(row.debits - row.credits) for row in ledger.trial_balance(db)}
    assert (sums["platform_fee"], sums["payable"], sums["reserve"]) == (0, 0, 0)


def test_who_asks_back_does_not_confirm_it(db: Session, books: None) -> None:
    ada, earning = _paid(db)
    clawback = _propose(db, earning)

    with pytest.raises(SamePerson):
        clawbacks.confirm(db, clawback.id, confirmed_by="wanjiru")

    assert _stands(db, ada) == (0, 0)


def test_an_earning_is_asked_back_once_and_again_after_a_refusal(db: Session, books: None) -> None:
    ada, earning = _paid(db)
    first = _propose(db, earning)
    with pytest.raises(ClawbackExists):
        _propose(db, earning)

    clawbacks.refuse(db, first.id, refused_by="oscar")
    with pytest.raises(ClawbackDecided, match="refused"):
        clawbacks.confirm(db, first.id, confirmed_by="oscar")
    again = _asked_back(db, earning)

    assert (first.owed, again.owed, _stands(db, ada)) == (0, 10_000, (10_000, 12_000))
    with pytest.raises(ClawbackExists):
        _propose(db, earning)
    with pytest.raises(ClawbackDecided, match="open"):
        clawbacks.confirm(db, again.id, confirmed_by="oscar")


def test_what_has_not_left_or_not_arrived_is_not_asked_back(db: Session, books: None) -> None:
    ada = owed.payee(db, 10_000)
    with pytest.raises(EarningNotPaid, match="due"):
        _propose(db, _earning(db, ada))

    run = owed.go_through(db, runs.begin(db, rail="paypal", prepared_by="f"))
    assert run.content_hash is not None
    runs.approve(db, run.id, content_hash=run.content_hash.hex(), approved_by="a")
    owed.go_through(db, runs.release(db, run.id, released_by="f"))
    with pytest.raises(EarningNotPaid, match="not arrived"):
        _propose(db, _earning(db, ada))
    with pytest.raises(NoSuchEarning):
        clawbacks.propose(db, "ern_none", reason="r", made_by="wanjiru")


def test_what_came_back_meanwhile_is_taken_back_instead(db: Session, books: None) -> None:
    ada, earning = _paid(db)
    clawback = _propose(db, earning)
    (payout,) = db.scalars(payouts.listed(payee_id=ada.id))
    payouts.take_returns(db, [payouts.Outcome(payout.id, "closed", amount=10_000)])
    db.expire_all()

    with pytest.raises(EarningNotPaid, match="due"):
        clawbacks.confirm(db, clawback.id, confirmed_by="oscar")

    clawbacks.refuse(db, clawback.id, refused_by="oscar")
    adjustments.reverse(db, [earning.id], reason="Copied", actor_ref="ops")
    assert _stands(db, ada) == (0, 12_000)


def test_what_became_worth_something_else_meanwhile_is_not_asked_back_as_it_was(db: Session, books: None) -> None:
    ada, earning = _paid(db)
    clawback = _propose(db, earning)
    (payout,) = db.scalars(select(Payout)).all()
    payouts.take_returns(db, [Outcome(payout.id, "closed", payout.net)])
    adjustments.repair(db, earning.id, amount="0.5", reason="r", actor_ref="f")
    owed.pay_out(db)

    with pytest.raises(EarningChanged, match="refuse this one"):
        clawbacks.confirm(db, clawback.id, confirmed_by="oscar")

    clawbacks.refuse(db, clawback.id, refused_by="oscar")
    _asked_back(db, earning)
    assert _stands(db, ada)[0] == 5_000


def test_what_was_asked_back_is_not_taken_back_as_well(db: Session, books: None) -> None:
    ada, earning = _paid(db)
    _asked_back(db, earning)
    (payout,) = db.scalars(payouts.listed(payee_id=ada.id))
    payouts.take_returns(db, [payouts.Outcome(payout.id, "closed", amount=10_000)])

    with pytest.raises(EarningAskedBack):
        adjustments.reverse(db, [earning.id], reason="Copied", actor_ref="ops")

    assert _stands(db, ada) == (10_000, 12_000)


def _bonus(db: Session, payee: Payee) -> None:
    owed.pay_in(db, 12_000)
    owed.give_bonus(db, owner_ref=OWNER, payee_id=payee.id, currency="USD", amount=10_000, reason="r", actor_ref="f")


def _goodwill(db: Session, payee: Payee) -> None:
    owed.give_goodwill(db, payee_id=payee.id, currency="USD", amount=10_000, reason="r", actor_ref="f")


@pytest.mark.parametrize(("give", "returned"), [(_bonus, 12_000), (_goodwill, 0)])
def test_a_bonus_goes_back_to_its_requester_and_goodwill_to_the_house(
    db: Session, books: None, give: Callable[[Session, Payee], None], returned: int
) -> None:
    ada = owed.payee(db)
    give(db, ada)
    owed.pay_out(db)

    clawback = _asked_back(db, _earning(db, ada))

    assert (_stands(db, ada), clawback.returned) == ((10_000, returned), returned)
    goodwill = {row.role: int(row.debits - row.credits) for row in ledger.trial_balance(db)}.get("goodwill", 0)
    assert goodwill == 0


def test_a_debt_is_written_off_by_two_people(db: Session, books: None) -> None:
    ada, earning = _paid(db)
    clawback = _asked_back(db, earning)
    with pytest.raises(ClawbackDecided, match="Nobody"):
        clawbacks.write_off(db, clawback.id, confirmed_by="oscar")
    clawbacks.propose_write_off(db, clawback.id, reason="Cannot be found", proposed_by="wanjiru")
    with pytest.raises(SamePerson):
        clawbacks.write_off(db, clawback.id, confirmed_by="wanjiru")
    assert _stands(db, ada)[0] == 10_000

    clawbacks.write_off(db, clawback.id, confirmed_by="oscar")

    assert (clawback.state, clawback.written_off, clawback.owed) == ("written_off", 10_000, 0)
    assert _stands(db, ada) == (0, 12_000)
    sums = {row.role: int(row.debits - row.credits) for row in ledger.trial_balance(db)}
    assert sums["write_off"] == 10_000
    with pytest.raises(ClawbackDecided, match="written_off"):
        clawbacks.write_off(db, clawback.id, confirmed_by="oscar")


def test_only_what_is_still_owed_is_written_off(db: Session, books: None) -> None:
    ada, earning = _paid(db)
    clawback = _asked_back(db, earning)
    owed.owe(db, ada, 16_000)
    owed.pay_out(db)
    clawbacks.propose_write_off(db, clawback.id, reason="r", proposed_by="wanjiru")

    clawbacks.write_off(db, clawback.id, confirmed_by="oscar")

    assert (clawback.recovered, clawback.written_off, _stands(db, ada)[0]) == (4_000, 6_000, 0)


def test_a_proposed_clawback_is_not_written_off(db: Session, books: None) -> None:
    _, earning = _paid(db)
    clawback = _propose(db, earning)

    with pytest.raises(ClawbackDecided, match="proposed"):
        clawbacks.propose_write_off(db, clawback.id, reason="r", proposed_by="wanjiru")
    with pytest.raises(NotFound):
        clawbacks.propose_write_off(db, "clw_none", reason="r", proposed_by="wanjiru")


def test_clawbacks_are_listed_by_payee_and_state(db: Session, books: None) -> None:
    ada, ben = owed.payee(db, 10_000), owed.payee(db, 20_000)
    owed.pay_out(db)
    one, other = _asked_back(db, _earning(db, ada)), _propose(db, _earning(db, ben))

    assert set(db.scalars(clawbacks.listed())) == {one, other}
    assert set(db.scalars(clawbacks.listed(payee_id=ada.id))) == {one}
    assert set(db.scalars(clawbacks.listed(state="proposed"))) == {other}


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("recovered = amount + 1", "amounts"),
        ("state = 'recovered'", "open_is_owed"),
        ("recovered = amount", "open_is_owed"),
        ("state = 'written_off', written_off = amount", "written_off"),
        ("decided_by = made_by", "four_eyes"),
        ("entry_id = NULL", "confirmed_is_posted"),
        ("write_off_by = 'wanjiru'", "write_off_with_reason"),
        (
            """write_off_by = 'f', write_off_reason = 'r', written_off_by = 'f', written_off_at = now(),
               state = 'written_off', written_off = amount""",
            "written_off_by_two",
        ),
    ],
)
def test_the_table_refuses_what_cannot_be(db: Session, change: str, constraint: str) -> None:
    _, earning = _paid(db)
    _asked_back(db, earning)

    with pytest.raises(IntegrityError, match=constraint), db.begin_nested():
        db.execute(text(f"UPDATE clawbacks SET {change}"))


# Netting, as arithmetic


@pytest.mark.parametrize(
    ("debts", "due", "taken"),
    [
        ([1_000], 10_000, [1_000]),
        ([3_000], 10_000, [2_500]),
        ([1_000, 1_000, 1_000], 10_000, [1_000, 1_000, 500]),
        ([1_000], 3, [0]),
        ([1_000], 4, [1]),
        ([1_000], 0, [0]),
        ([], 10_000, []),
    ],
)
def test_a_quarter_of_a_payout_goes_to_debts_at_most_the_oldest_first(
    debts: list[int], due: int, taken: list[int]
) -> None:
    assert netting(debts, due) == taken


def test_what_a_payee_must_have_stays_theirs() -> None:
    assert netting([9_000], 10_000, least_left=9_000) == [1_000]
    assert netting([9_000], 10_000, least_left=10_001) == [0]
    assert netting([9_000], 10_000, cap_basis_points=10_000) == [9_000]
    assert netting([9_000], 10_000, cap_basis_points=0) == [0]


@given(
    st.lists(st.integers(0, 10**15), max_size=6), st.integers(0, 10**15), st.integers(0, 10_000), st.integers(0, 10**15)
)
def test_netting_takes_no_more_than_is_owed_than_the_cap_and_than_can_be_spared(
    debts: list[int], due: int, cap: int, least_left: int
) -> None:
    taken = netting(debts, due, cap_basis_points=cap, least_left=least_left)

    assert all(0 <= part <= debt for part, debt in zip(taken, debts, strict=True))
    assert sum(taken) * 10_000 <= due * cap
    assert sum(taken) == 0 or due - sum(taken) >= least_left
    # A later debt gets something only when the earlier ones are settled.
    assert all(part == debt for part, debt, later in zip(taken, debts, taken[1:], strict=False) if later)
    # Nothing that could be taken is left.
    most = max(min(due * cap // 10_000, due - least_left), 0)
    assert sum(taken) == min(sum(debts), most)


# Coming back out of later pay


def _owing(db: Session, amount: int = 10_000) -> tuple[Payee, Clawback]:
    """Somebody who is asked back what they were paid once."""
    ada, earning = _paid(db, amount)
    return ada, _asked_back(db, earning)


def _later_pay(db: Session, ada: Payee, *amounts: int) -> Payout:
    """What they are paid next, prepared."""
    owed.owe(db, ada, *amounts)
    run = owed.go_through(db, runs.begin(db, rail="paypal", prepared_by="wanjiru"))
    (one,) = db.scalars(payouts.listed(run_id=run.id).execution_options(populate_existing=True))
    return one


def _leave(db: Session, one: Payout) -> None:
    run = runs.find(db, one.run_id)
    runs.approve(db, run.id, content_hash=str(run.hash_text), approved_by="oscar")
    owed.go_through(db, runs.release(db, run.id, released_by="wanjiru"))
    db.expire_all()


def test_a_quarter_of_later_pay_goes_to_the_debt_when_it_leaves(db: Session, books: None) -> None:
    ada, clawback = _owing(db)

    one = _later_pay(db, ada, 12_000)

    assert (one.gross, one.net) == (9_000, 9_000)
    assert (_stands(db, ada)[0], clawback.recovered) == (10_000, 0)
    _leave(db, one)
    assert (_stands(db, ada)[0], clawback.recovered, clawback.state) == (7_000, 3_000, "open")
    assert ledger.balance(db, PAYABLE, ada.id, "USD") == 0
    assert _earning(db, ada).paid == 10_000


def test_pay_upon_pay_the_debt_ends(db: Session, books: None) -> None:
    ada, clawback = _owing(db)
    for _ in range(4):
        owed.owe(db, ada, 12_000)
        owed.pay_out(db)

    assert (clawback.recovered, clawback.state, _stands(db, ada)[0]) == (10_000, "recovered", 0)
    assert _later_pay(db, ada, 12_000).net == 12_000


def test_two_debts_share_a_quarter_the_older_one_first(db: Session, books: None) -> None:
    ada, older = _owing(db, 1_000)
    owed.owe(db, ada, 4_000)
    one = _later_pay(db, ada)
    _leave(db, one)
    payouts.settle(db, [payouts.Outcome(one.id)])
    assert (older.recovered, older.state) == (1_000, "recovered")


def test_a_debt_is_not_taken_twice_by_two_runs(db: Session, books: None) -> None:
    ada, _ = _owing(db, 2_000)

    first, second = _later_pay(db, ada, 6_000), _later_pay(db, ada, 6_000)

    assert (first.net, second.net) == (4_500, 5_500)


@pytest.mark.parametrize("end", ["dropped", "cancelled"])
def test_what_does_not_leave_pays_no_debt(db: Session, books: None, end: str) -> None:
    ada, clawback = _owing(db)
    one = _later_pay(db, ada, 12_000)

    if end == "dropped":
        runs.drop(db, one.id, reason="r")
    else:
        owed.go_through(db, runs.cancel(db, one.run_id))

    assert (clawback.recovered, ledger.balance(db, PAYABLE, ada.id, "USD")) == (0, 12_000)
    assert _later_pay(db, ada).net == 9_000


def test_a_debt_stays_paid_when_the_payout_beside_it_comes_back(db: Session, books: None) -> None:
    ada, clawback = _owing(db)
    one = _later_pay(db, ada, 12_000)
    _leave(db, one)

    payouts.fail(db, [payouts.Outcome(one.id, "AC04")])
    db.expire_all()

    assert (clawback.recovered, ledger.balance(db, PAYABLE, ada.id, "USD")) == (3_000, 9_000)
    # A quarter of what came back, for it is pay as ever; and half a cent of the rest waits.
    assert _later_pay(db, ada).net == 6_700


def test_the_floor_of_the_time_it_is_for_is_never_taken(db: Session, books: None) -> None:
    ada, _ = _owing(db)
    (answer,) = owed.owe(db, ada, 12_000)
    now = clock.now(db)
    work = active_time.Piece(answer, ada.id, "bat_x", "image", 1, "KE", now - timedelta(hours=1), now)
    active_time.record(db, [work])
    factories.enter_floor_rule(db, hourly="1.10", currency="USD", region="KE", confirmed=True)

    assert _later_pay(db, ada).net == 11_000


def test_what_a_run_is_about_to_take_is_not_written_off(db: Session, books: None) -> None:
    ada, clawback = _owing(db)
    one = _later_pay(db, ada, 12_000)
    clawbacks.propose_write_off(db, clawback.id, reason="r", proposed_by="wanjiru")

    with pytest.raises(NettingUnderWay):
        clawbacks.write_off(db, clawback.id, confirmed_by="oscar")

    runs.drop(db, one.id, reason="r")
    assert clawbacks.write_off(db, clawback.id, confirmed_by="oscar").written_off == 10_000


def test_an_earning_that_pays_a_debt_is_not_taken_back_meanwhile(db: Session, books: None) -> None:
    ada, _ = _owing(db, 100_000)
    owed.owe(db, ada, 3_000)
    one = _later_pay(db, ada, 9_000)
    netted = db.scalars(select(Netting.earning_id).where(Netting.payout_id == one.id)).all()

    with pytest.raises(EarningInPayout):
        adjustments.reverse(db, netted, reason="r", actor_ref="ops")


def test_what_a_debt_takes_is_not_taxed(db: Session, books: None) -> None:
    ada, _ = _owing(db)
    owed.levy(db, 1_000, authority="KRA")

    one = _later_pay(db, ada, 12_000)

    assert (one.gross, one.withheld, one.net) == (9_000, 900, 8_100)

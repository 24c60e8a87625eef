"""Pay that nobody claims: never owed and kept at once, given back whole, and handed over by two people."""

from collections.abc import Callable
from datetime import date, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import clock
from payments import adjustments, clawbacks, ledger, payouts, runs, unclaimed
from payments.adjustments import EarningPaid
from payments.clawbacks import EarningNotPaid
from payments.four_eyes import SamePerson
from payments.ledger import PAYABLE
from payments.ledger import UNCLAIMED as ROLE
from payments.models import Payee, Payout, Unclaimed
from payments.payouts import NoSuchPayout, Outcome
from payments.unclaimed import (
    FilingTaken,
    FilingUnknown,
    NoSuchUnclaimed,
    NothingUnclaimed,
    NoticeInvalid,
    NotReturned,
    StillClaimable,
    UnclaimedExists,
    UnclaimedMoveNotAllowed,
)
from tests.conftest import House, held_up
from tests.payments import owed
from tests.payments.owed import APPROVER, PREPARER


def _returned(db: Session, *amounts: int, currency: str = "USD") -> tuple[Payee, Payout]:
    """Somebody whose payout came back."""
    payee = owed.payee(db, *amounts, currency=currency)
    run = owed.sent(db)
    (payout,) = db.scalars(payouts.listed(run_id=run.id, payee_id=payee.id))
    payouts.settle(db, [Outcome(payout.id)])
    payouts.take_returns(db, [Outcome(payout.id, "account closed", payout.net)])
    db.refresh(payout)
    owed.retire(db, payee)
    return payee, payout


def _long_ago(db: Session) -> date:
    return clock.now(db).date() - timedelta(days=31)


def _propose(db: Session, payout: Payout) -> Unclaimed:
    return unclaimed.propose(db, payout.id, noticed_on=_long_ago(db), made_by=PREPARER)


def _kept(db: Session, *amounts: int) -> tuple[Payee, Unclaimed]:
    payee, payout = _returned(db, *amounts)
    return payee, unclaimed.confirm(db, _propose(db, payout).id, confirmed_by=APPROVER)


def _balances(db: Session, payee: Payee) -> tuple[int, int]:
    """What is payable to somebody, and kept for them."""
    payable, kept = (ledger.balance(db, role, payee.id, "USD") for role in (PAYABLE, ROLE))
    return payable, kept


def test_what_nobody_claims_is_kept_and_no_run_pays_it(db: Session, books: None) -> None:
    payee, payout = _returned(db, 10_000, 5_000)
    made = _propose(db, payout)
    assert (made.state, _balances(db, payee)) == ("proposed", (15_000, 0))

    found = unclaimed.confirm(db, made.id, confirmed_by=APPROVER)

    assert (found.state, found.amount, _balances(db, payee)) == ("kept", 15_000, (0, 15_000))
    owed.set_method(db, payee)
    assert owed.go_through(db, runs.begin(db, rail="paypal", prepared_by=PREPARER)).n_payouts == 0
    (key,) = db.scalars(text("SELECT idempotency_key FROM journal_entries WHERE kind = 'unclaimed'"))
    assert key == f"unc:{payout.id}"


def test_whoever_claims_is_paid_by_the_next_run(db: Session, books: None) -> None:
    payee, found = _kept(db, 10_000, 5_000)

    unclaimed.claim(db, found.id, claimed_by=payee.owner_ref, payee_id=payee.id)

    assert (found.state, found.claimed_by, _balances(db, payee)) == ("claimed", payee.owner_ref, (15_000, 0))
    assert owed.rests(db, payee) == [10_000, 5_000]
    owed.set_method(db, payee)
    assert owed.sent(db).total == 15_000


def test_what_is_claimed_and_comes_back_again_can_be_unclaimed_again(db: Session, books: None) -> None:
    payee, found = _kept(db, 10_000)
    unclaimed.claim(db, found.id, claimed_by="wanjiru")
    owed.set_method(db, payee)
    (second,) = db.scalars(payouts.listed(run_id=owed.sent(db).id))
    payouts.settle(db, [Outcome(second.id)])
    payouts.take_returns(db, [Outcome(second.id, "closed", second.net)])
    db.refresh(second)

    with pytest.raises(UnclaimedExists):
        _propose(db, db.get_one(Payout, found.payout_id))
    again = unclaimed.confirm(db, _propose(db, second).id, confirmed_by=APPROVER)

    assert (again.amount, _balances(db, payee)) == (10_000, (0, 10_000))


def test_new_pay_of_somebody_is_not_unclaimed(db: Session, books: None) -> None:
    payee, payout = _returned(db, 10_000)
    owed.owe(db, payee, 7_000)

    unclaimed.confirm(db, _propose(db, payout).id, confirmed_by=APPROVER)

    assert _balances(db, payee) == (7_000, 10_000)


def test_only_what_is_still_owed_of_a_payout_is_unclaimed(db: Session, books: None) -> None:
    payee, payout = _returned(db, 10_000, 5_000)
    made = _propose(db, payout)
    first, _ = db.scalars(text("SELECT id FROM earnings WHERE payee_id = :id ORDER BY id"), {"id": payee.id})
    adjustments.reverse(db, [first], reason="r", actor_ref="f")

    assert unclaimed.confirm(db, made.id, confirmed_by=APPROVER).amount == 5_000


def test_a_part_of_an_earning_that_was_paid_before_is_not_unclaimed(db: Session, books: None) -> None:
    payee = owed.payee(db, 10_050)
    owed.pay_out(db)
    owed.owe(db, payee, 100)
    (payout,) = db.scalars(payouts.listed(run_id=owed.sent(db).id))
    payouts.settle(db, [Outcome(payout.id)])
    payouts.take_returns(db, [Outcome(payout.id, "closed", payout.net)])
    db.refresh(payout)

    found = unclaimed.confirm(db, _propose(db, payout).id, confirmed_by=APPROVER)

    assert (found.amount, _balances(db, payee)) == (100, (50, 100))


def test_what_was_paid_meanwhile_is_not_unclaimed(db: Session, books: None) -> None:
    payee, payout = _returned(db, 10_000)
    made = _propose(db, payout)
    owed.set_method(db, payee)
    run = owed.go_through(db, runs.begin(db, rail="paypal", prepared_by=PREPARER))
    with pytest.raises(NothingUnclaimed, match="about to"):
        unclaimed.confirm(db, made.id, confirmed_by=APPROVER)
    runs.approve(db, run.id, content_hash=str(run.hash_text), approved_by=APPROVER)
    owed.go_through(db, runs.release(db, run.id, released_by=PREPARER))

    with pytest.raises(NothingUnclaimed):
        unclaimed.confirm(db, made.id, confirmed_by=APPROVER)


def test_what_is_kept_is_neither_taken_back_nor_asked_back(db: Session, books: None) -> None:
    payee, _ = _kept(db, 10_000)
    (earning_id,) = db.scalars(text("SELECT id FROM earnings WHERE payee_id = :id"), {"id": payee.id})

    with pytest.raises(EarningPaid):
        adjustments.reverse(db, [earning_id], reason="r", actor_ref="f")
    with pytest.raises(EarningNotPaid):
        clawbacks.propose(db, earning_id, reason="r", made_by="f")


# The notice


def test_nothing_is_kept_before_the_notice_is_over(db: Session, books: None) -> None:
    payee, payout = _returned(db, 10_000)
    today = clock.now(db).date()
    with pytest.raises(NoticeInvalid):
        unclaimed.propose(db, payout.id, noticed_on=today + timedelta(days=1), made_by=PREPARER)
    made = unclaimed.propose(db, payout.id, noticed_on=today - timedelta(days=30), made_by=PREPARER)
    assert made.claimable_until == today

    with pytest.raises(StillClaimable):
        unclaimed.confirm(db, made.id, confirmed_by=APPROVER)
    assert _balances(db, payee) == (10_000, 0)
    unclaimed.refuse(db, made.id, refused_by=APPROVER)
    shorter = unclaimed.propose(db, payout.id, noticed_on=today - timedelta(days=8), notice_days=7, made_by=PREPARER)
    assert unclaimed.confirm(db, shorter.id, confirmed_by=APPROVER).state == "kept"


# To a state


def test_what_goes_to_a_state_leaves_the_bank_once_for_a_filing(db: Session, books: None) -> None:
    (one, first), (other, second) = _kept(db, 10_000), _kept(db, 5_000)
    bank = {row.role: int(row.debits - row.credits) for row in ledger.trial_balance(db)}["bank"]
    unclaimed.file(db, [first.id], filing="NY 2029", filed_by=PREPARER)
    filed = unclaimed.file(db, [second.id], filing="NY 2029", filed_by=PREPARER)
    assert (filed.amount, filed.parts) == (15_000, 2)

    with pytest.raises(SamePerson):
        unclaimed.hand_over(db, "NY 2029", currency="USD", amount=15_000, confirmed_by=PREPARER)
    with pytest.raises(FilingTaken, match="another sum"):
        unclaimed.hand_over(db, "NY 2029", currency="USD", amount=10_000, confirmed_by=APPROVER)
    unclaimed.hand_over(db, "NY 2029", currency="USD", amount=15_000, confirmed_by=APPROVER)

    after = {row.role: int(row.debits - row.credits) for row in ledger.trial_balance(db)}
    assert (after["bank"], after["unclaimed"]) == (bank - 15_000, 0)
    assert (_balances(db, one), _balances(db, other)) == ((0, 0), (0, 0))
    assert {first.state, second.state} == {"handed_over"}
    _, late = _kept(db, 100)
    with pytest.raises(FilingTaken):
        unclaimed.file(db, [late.id], filing="NY 2029", filed_by=PREPARER)
    with pytest.raises(UnclaimedMoveNotAllowed):
        unclaimed.claim(db, first.id, claimed_by="wanjiru")


def test_what_is_claimed_in_time_is_in_no_filing(db: Session, books: None) -> None:
    (payee, first), (_, second) = _kept(db, 10_000), _kept(db, 5_000)
    unclaimed.file(db, [first.id, second.id], filing="NY 2029", filed_by=PREPARER)

    unclaimed.claim(db, first.id, claimed_by=payee.owner_ref, payee_id=payee.id)

    assert unclaimed.hand_over(db, "NY 2029", currency="USD", amount=5_000, confirmed_by=APPROVER).parts == 1


def test_a_filing_that_is_dropped_leaves_all_of_it_kept(db: Session, books: None) -> None:
    payee, found = _kept(db, 10_000)
    unclaimed.file(db, [found.id], filing="NY 2029", filed_by=PREPARER)
    with pytest.raises(FilingTaken, match="by the filing"):
        unclaimed.file(db, [found.id], filing="CA 2029", filed_by=PREPARER)

    assert unclaimed.unfile(db, "NY 2029").amount == 10_000

    assert (found.state, found.filing, _balances(db, payee)) == ("kept", None, (0, 10_000))
    for act in (
        lambda: unclaimed.unfile(db, "NY 2029"),
        lambda: unclaimed.hand_over(db, "NY 2029", currency="USD", amount=10_000, confirmed_by=APPROVER),
    ):
        with pytest.raises(FilingUnknown):
            _do(act)


def _do(act: Callable[[], object]) -> None:
    act()


# Who and what is refused


def test_two_people_keep_what_is_somebodys(db: Session, books: None) -> None:
    payee, payout = _returned(db, 10_000)
    made = _propose(db, payout)

    with pytest.raises(SamePerson):
        unclaimed.confirm(db, made.id, confirmed_by=PREPARER)
    with pytest.raises(UnclaimedExists):
        _propose(db, payout)
    assert _balances(db, payee) == (10_000, 0)


def test_what_has_not_come_back_is_not_unclaimed(db: Session, books: None) -> None:
    owed.payee(db, 10_000)
    (payout,) = db.scalars(payouts.listed(run_id=owed.sent(db).id))

    with pytest.raises(NotReturned):
        _propose(db, payout)
    with pytest.raises(NoSuchPayout):
        unclaimed.propose(db, "pyo_x", noticed_on=_long_ago(db), made_by=PREPARER)


def test_nobody_claims_what_is_somebody_elses(db: Session, books: None) -> None:
    _, found = _kept(db, 10_000)
    stranger = owed.payee(db)

    with pytest.raises(NoSuchUnclaimed):
        unclaimed.claim(db, found.id, claimed_by=stranger.owner_ref, payee_id=stranger.id)
    with pytest.raises(NoSuchUnclaimed):
        unclaimed.file(db, ["unc_x"], filing="NY 2029", filed_by=PREPARER)


def test_what_is_kept_is_shown_by_the_year_since_which(db: Session, books: None) -> None:
    _kept(db, 10_000)
    _kept(db, 5_000)

    (age,) = unclaimed.ages(db)

    today = clock.now(db).date()
    assert (age.currency, age.since, age.n, int(age.amount), age.oldest) == (
        "USD", today.replace(month=1, day=1), 2, 15_000, today,
    )  # fmt: skip


def test_a_claim_and_a_handing_over_at_once_do_not_both_happen(house: House) -> None:
    with house.sessions() as db:
        _, found = _kept(db, 10_000)
        unclaimed_id = found.id
        unclaimed.file(db, [unclaimed_id], filing="NY 2029", filed_by=PREPARER)
        db.commit()

    def hand_over(other: Session) -> object:
        return unclaimed.hand_over(other, "NY 2029", currency="USD", amount=10_000, confirmed_by=APPROVER)

    with house.sessions() as db:
        unclaimed.claim(db, unclaimed_id, claimed_by="wanjiru")
        with held_up(house, hand_over) as acting:
            db.commit()
            with pytest.raises(FilingUnknown):
                acting.result()

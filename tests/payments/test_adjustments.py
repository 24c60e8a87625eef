"""What is put right after the fact: exact for the payee, the requester and the books, and nothing twice."""

from decimal import Decimal

import pytest
from sqlalchemy.orm import Session

from foundation import clock
from foundation.errors import NotFound
from foundation.pagination import PageRequest
from payments import adjustments, contracts, earnings, funding, ledger, payees, payouts, runs
from payments.adjustments import EarningInPayout, EarningNotDue, EarningPaid, NoSuchEarning
from payments.earnings import Work
from payments.ledger import FUNDS, PAYABLE, InsufficientFunds
from payments.models import Adjustment, Billing, Earning, Payee, Presentation
from tests.payments import owed
from tests.payments.owed import OWNER


def _earnings(db: Session, payee: Payee) -> list[Earning]:
    db.expire_all()
    return db.query(Earning).filter_by(payee_id=payee.id).order_by(Earning.id).all()


def _holds(db: Session, payee: Payee) -> tuple[int, int]:
    """What a payee is owed, and what their requester has to spend."""
    return ledger.balance(db, PAYABLE, payee.id, "USD"), ledger.balance(db, FUNDS, OWNER, "USD")


def _told(db: Session) -> list[tuple[str, int, int, str, str]]:
    found = adjustments.page(db, PageRequest(10)).items
    return [(one.kind, one.amount_before, one.amount_after, one.reason, one.made_by) for one in found]


def test_an_earning_that_is_taken_back_goes_to_its_requester_with_the_fee(db: Session, books: None) -> None:
    ada = owed.payee(db, 200, 300)
    first, _ = _earnings(db, ada)

    (effect,) = adjustments.reverse(db, [first.id], reason="Copied", actor_ref="ops")

    assert (effect.amount_before, effect.amount_after, effect.returned) == (200, 0, 240)
    assert _holds(db, ada) == (300, 240)
    assert [one.status for one in _earnings(db, ada)] == ["reversed", "due"]
    assert _told(db) == [("reversal", 200, 0, "Copied", "ops")]


def test_a_preview_says_what_would_happen_and_writes_nothing(db: Session, books: None) -> None:
    ada = owed.payee(db, 200)
    (one,) = _earnings(db, ada)

    previewed = adjustments.preview_reversal(db, [one.id])
    repaired = adjustments.preview_repair(db, one.id, amount="0.05")

    assert (repaired.amount_after, repaired.returned) == (500, -360)
    assert _holds(db, ada) == (200, 0)
    assert adjustments.reverse(db, [one.id], reason="r", actor_ref="ops") == previewed


def test_an_earning_is_taken_back_once(db: Session, books: None) -> None:
    ada = owed.payee(db, 200)
    (one,) = _earnings(db, ada)
    adjustments.reverse(db, [one.id, one.id], reason="r", actor_ref="ops")

    assert adjustments.reverse(db, [one.id], reason="r", actor_ref="ops") == []
    assert _holds(db, ada) == (0, 240)


@pytest.mark.parametrize(("amount", "returned"), [(50, 180), (500, -360)])
def test_a_repaired_earning_is_worth_what_it_should_have_been(
    db: Session, books: None, amount: int, returned: int
) -> None:
    ada = owed.payee(db, 200)
    owed.pay_in(db, 1000)
    (one,) = _earnings(db, ada)

    adjustments.repair(db, one.id, amount=str(Decimal(amount) / 10_000), reason="Wrong tier", actor_ref="ops")

    assert _holds(db, ada) == (amount, 1000 + returned)
    assert [(e.amount, e.revision, e.status) for e in _earnings(db, ada)] == [(amount, 2, "due")]
    adjustments.repair(db, one.id, amount="0.02", reason="No, it was right", actor_ref="ops")
    assert _holds(db, ada) == (200, 1000)
    assert [kind for kind, *_ in _told(db)] == ["repair", "repair"]


def test_a_repair_to_the_same_amount_changes_nothing(db: Session, books: None) -> None:
    ada = owed.payee(db, 200)
    (one,) = _earnings(db, ada)

    adjustments.repair(db, one.id, amount="0.02", reason="r", actor_ref="ops")

    assert _told(db) == []
    assert _earnings(db, ada)[0].revision == 1


def test_a_repair_that_nobody_can_pay_is_refused(db: Session) -> None:
    ada = owed.payee(db, 200)
    (one,) = _earnings(db, ada)

    with pytest.raises(InsufficientFunds), db.begin_nested():
        adjustments.repair(db, one.id, amount="0.0201", reason="r", actor_ref="ops")
    assert _holds(db, ada) == (200, 0)


def test_what_is_in_a_payout_or_paid_is_not_taken_back(db: Session, books: None) -> None:
    ada = owed.payee(db, 10_000)
    (one,) = _earnings(db, ada)
    run = owed.go_through(db, runs.begin(db, rail="paypal", prepared_by="f"))

    with pytest.raises(EarningInPayout):
        adjustments.reverse(db, [one.id], reason="r", actor_ref="ops")

    assert run.content_hash is not None
    runs.approve(db, run.id, content_hash=run.content_hash.hex(), approved_by="a")
    owed.go_through(db, runs.release(db, run.id, released_by="f"))
    with pytest.raises(EarningPaid):
        adjustments.repair(db, one.id, amount="0.0005", reason="r", actor_ref="ops")


def test_what_came_back_from_the_bank_can_be_taken_back(db: Session, books: None) -> None:
    ada = owed.payee(db, 10_000)
    (one,) = _earnings(db, ada)
    run = owed.go_through(db, runs.begin(db, rail="paypal", prepared_by="f"))
    assert run.content_hash is not None
    runs.approve(db, run.id, content_hash=run.content_hash.hex(), approved_by="a")
    owed.go_through(db, runs.release(db, run.id, released_by="f"))
    (payout,) = db.scalars(payouts.listed(run_id=run.id))
    payouts.fail(db, [payouts.Outcome(payout.id, "closed")])

    adjustments.reverse(db, [one.id], reason="r", actor_ref="ops")

    assert _holds(db, ada) == (0, 12_000)


def test_what_is_not_due_yet_is_not_taken_back(db: Session) -> None:
    ada = owed.payee(db)
    owed.pay_in(db, 1000)
    funding.reserve(db, owner_ref=OWNER, cause_ref="b", key="b", currency="USD", amount=500)
    earnings.pend(db, [Work("ans_x", ada.id, "b", "USD", 100)])
    (one,) = _earnings(db, ada)

    with pytest.raises(EarningNotDue, match="pending"):
        adjustments.reverse(db, [one.id], reason="r", actor_ref="ops")
    with pytest.raises(NoSuchEarning, match="ern_none"):
        adjustments.reverse(db, [one.id, "ern_none"], reason="r", actor_ref="ops")


def test_a_bonus_is_due_at_once_and_paid_by_the_requester_with_the_fee(db: Session, books: None) -> None:
    ada = owed.payee(db)
    owed.pay_in(db, 1000)

    made = owed.give_bonus(
        db, owner_ref=OWNER, payee_id=ada.id, currency="USD", amount=500, reason="Well done", actor_ref="finance"
    )

    assert (made.status, made.kind, made.amount) == ("due", "bonus", 500)
    assert _holds(db, ada) == (500, 400)
    with pytest.raises(InsufficientFunds), db.begin_nested():
        owed.give_bonus(
            db, owner_ref=OWNER, payee_id=ada.id, currency="USD", amount=500, reason="r", actor_ref="finance"
        )


def test_goodwill_is_the_houses_money_and_goes_back_to_it(db: Session, books: None) -> None:
    ada = owed.payee(db)
    made = owed.give_goodwill(db, payee_id=ada.id, currency="USD", amount=500, reason="Sorry", actor_ref="ops")
    assert _holds(db, ada) == (500, 0)

    (effect,) = adjustments.reverse(db, [made.id], reason="Twice", actor_ref="ops")

    assert (effect.returned, _holds(db, ada)) == (0, (0, 0))


def test_a_bonus_taken_back_is_the_requesters_again(db: Session, books: None) -> None:
    ada = owed.payee(db)
    owed.pay_in(db, 600)
    made = owed.give_bonus(
        db, owner_ref=OWNER, payee_id=ada.id, currency="USD", amount=500, reason="r", actor_ref="finance"
    )

    adjustments.reverse(db, [made.id], reason="Wrong person", actor_ref="ops")

    assert _holds(db, ada) == (0, 600)


def test_a_payee_has_to_be_one(db: Session) -> None:
    with pytest.raises(NotFound):
        payees.find(db, "pye_none")


def test_adjustments_of_a_payee_are_theirs(db: Session, books: None) -> None:
    ada, ben = owed.payee(db, 200), owed.payee(db, 300)
    for one in (ada, ben):
        adjustments.reverse(db, [_earnings(db, one)[0].id], reason=one.name, actor_ref="ops")

    (found,) = adjustments.page(db, PageRequest(10), payee_id=ada.id).items

    assert isinstance(found, Adjustment)
    assert found.reason == ada.name


def test_a_gift_pays_once_whatever_the_fee_is_by_then(db: Session, books: None) -> None:
    ada = owed.payee(db, rail=None)
    owed.pay_in(db, 10_000)
    given = {"payee_id": ada.id, "currency": "USD", "amount": 500, "reference": "appeal 7", "reason": "r"}
    first = owed.give_bonus(db, owner_ref=OWNER, actor_ref="f", **given)
    dearer = contracts.propose(
        db, owner_ref=OWNER, entity="ROOK", presentation=Presentation.AGENT, billing=Billing.PREPAID,
        valid_from=clock.now(db), made_by="f", fee_basis_points=3_000,
    )  # fmt: skip
    contracts.confirm(db, dearer.id, confirmed_by="a")

    again = owed.give_bonus(db, owner_ref=OWNER, actor_ref="somebody else", **given)

    assert again.id == first.id
    assert _holds(db, ada)[0] == 500

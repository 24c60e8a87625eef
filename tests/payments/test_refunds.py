"""Money that goes back to where it came from: no more than came, nothing on credit, and by two people."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from foundation.errors import NotFound
from payments import checks, funding, ledger, money, refunds
from payments.four_eyes import SamePerson
from payments.ledger import (
    FUNDS,
    RECEIVABLE_REQUESTER,
    AccountName,
    Entry,
    InsufficientFunds,
    Line,
)
from payments.models import Refund
from payments.refunds import RefundDecided, RefundTooFine, RefundTooMuch, TopUpUnknown
from tests.conftest import House, held_up

OWNER, BANK_REFERENCE = "req_owner", "bank 1"


def _top_up(db: Session, amount: int, reference: str = BANK_REFERENCE, currency: str = "USD", fee: int = 0) -> str:
    funding.register(db, OWNER)
    return funding.top_up(
        db, owner_ref=OWNER, currency=currency, amount=amount, bank_reference=reference, actor_ref="finance", fee=fee
    )


def _propose(
    db: Session, amount: int, reference: str = BANK_REFERENCE, *, currency: str = "USD", owner: str = OWNER
) -> Refund:
    entry = text("SELECT max(id) FROM journal_entries WHERE idempotency_key = :key")
    top_up = db.scalar(entry, {"key": f"fund:{reference}"}) or "jnl_none"
    return refunds.propose(
        db, owner_ref=owner, currency=money.currency(db, currency), amount=amount, top_up_id=top_up,
        requested_by="wanjiru",
    )  # fmt: skip


def _free(db: Session) -> int:
    return ledger.balance(db, FUNDS, OWNER, "USD")


def test_a_refund_that_is_approved_leaves_the_funds_and_the_bank(db: Session, books: None) -> None:
    _top_up(db, 90_000)
    refund = _propose(db, 50_000)
    assert _free(db) == 90_000

    refunds.approve(db, refund.id, approved_by="oscar")

    assert (refund.state, refund.decided_by, _free(db)) == ("approved", "oscar", 40_000)
    turnover = {row.role: (int(row.debits), int(row.credits)) for row in ledger.trial_balance(db)}
    assert turnover == {"bank": (90_000, 50_000), "funds": (50_000, 90_000)}


def test_all_that_was_paid_in_over_a_processor_can_go_back(db: Session, books: None) -> None:
    _top_up(db, 90_000, fee=3_000)
    with pytest.raises(RefundTooMuch):
        _propose(db, 90_100)

    refunds.approve(db, _propose(db, 90_000).id, approved_by="oscar")

    # What the processor kept is not given back.
    turnover = {row.role: (int(row.debits), int(row.credits)) for row in ledger.trial_balance(db)}
    assert turnover == {"bank": (87_000, 90_000), "funds": (90_000, 90_000), "rail_fee": (3_000, 0)}


def test_who_asked_for_a_refund_does_not_approve_it(db: Session, books: None) -> None:
    _top_up(db, 90_000)
    refund = _propose(db, 50_000)

    with pytest.raises(SamePerson):
        refunds.approve(db, refund.id, approved_by="wanjiru")

    assert (refund.state, _free(db)) == ("proposed", 90_000)


def test_a_refund_that_is_refused_moves_nothing_and_its_money_can_be_asked_for_again(db: Session, books: None) -> None:
    _top_up(db, 90_000)
    refund = _propose(db, 90_000)

    refunds.refuse(db, refund.id, reason="The wrong customer", refused_by="oscar")

    assert (refund.state, refund.reason, _free(db)) == ("refused", "The wrong customer", 90_000)
    refunds.approve(db, _propose(db, 90_000).id, approved_by="oscar")
    assert _free(db) == 0


def test_a_refund_is_decided_once(db: Session, books: None) -> None:
    _top_up(db, 90_000)
    approved, refused = _propose(db, 10_000), _propose(db, 20_000)
    refunds.approve(db, approved.id, approved_by="oscar")
    refunds.refuse(db, refused.id, reason="r", refused_by="oscar")

    for refund in (approved, refused):
        with pytest.raises(RefundDecided, match=refund.state):
            refunds.approve(db, refund.id, approved_by="oscar")
        with pytest.raises(RefundDecided):
            refunds.refuse(db, refund.id, reason="r", refused_by="oscar")
    assert _free(db) == 80_000


def test_no_more_goes_back_than_came_by_one_top_up(db: Session, books: None) -> None:
    _top_up(db, 90_000)
    _top_up(db, 500_000, "bank 2")
    refunds.approve(db, _propose(db, 60_000).id, approved_by="oscar")

    with pytest.raises(RefundTooMuch, match=r"3\.0000 USD"):
        _propose(db, 30_100)

    _propose(db, 20_000)
    with pytest.raises(RefundTooMuch, match=r"1\.0000 USD"):
        _propose(db, 10_100)
    refunds.approve(db, _propose(db, 500_000, "bank 2").id, approved_by="oscar")


def test_what_is_reserved_does_not_go_back(db: Session, books: None) -> None:
    _top_up(db, 90_000)
    refund = _propose(db, 90_000)
    funding.reserve(db, owner_ref=OWNER, cause_ref="bat_1", key="t1", currency="USD", amount=1)

    with pytest.raises(InsufficientFunds):
        refunds.approve(db, refund.id, approved_by="oscar")
    refunds.refuse(db, refund.id, reason="r", refused_by="oscar")
    with pytest.raises(InsufficientFunds):
        _propose(db, 90_000)

    assert _free(db) == 89_999


def test_what_an_owner_has_on_credit_does_not_go_back(db: Session, books: None) -> None:
    _top_up(db, 90_000)
    funding.reserve(db, owner_ref=OWNER, cause_ref="bat_1", key="t1", currency="USD", amount=60_000)
    credit = Line(AccountName(RECEIVABLE_REQUESTER, OWNER, "USD"), AccountName(FUNDS, OWNER, "USD"), 50_000)
    ledger.post(db, [Entry("draw:1", "draw", OWNER, "finance", (credit,))])
    assert _free(db) == 80_000

    with pytest.raises(InsufficientFunds):
        _propose(db, 30_100)

    refunds.approve(db, _propose(db, 30_000).id, approved_by="oscar")


OTHERS = {
    "another owner": {"owner": "req_other"},
    "another currency": {"currency": "EUR"},
    "another reference": {"reference": "bank 9"},
}


@pytest.mark.parametrize("change", OTHERS.values(), ids=OTHERS.keys())
def test_money_goes_back_to_its_own_source_alone(db: Session, change: dict[str, str]) -> None:
    _top_up(db, 90_000)

    with pytest.raises(TopUpUnknown):
        _propose(db, 10_000, **change)


def test_only_a_top_up_is_given_back(db: Session) -> None:
    _top_up(db, 90_000)
    funding.reserve(db, owner_ref=OWNER, cause_ref=OWNER, key="t1", currency="USD", amount=50_000)
    reserved = db.scalar(text("SELECT id FROM journal_entries WHERE kind = 'reserve'"))

    with pytest.raises(TopUpUnknown):
        refunds.propose(
            db, owner_ref=OWNER, currency=money.currency(db, "USD"), amount=100, top_up_id=str(reserved),
            requested_by="wanjiru",
        )  # fmt: skip


def test_a_refund_is_an_amount_that_a_bank_can_pay(db: Session) -> None:
    _top_up(db, 90_000)

    with pytest.raises(RefundTooFine, match="2 decimals"):
        _propose(db, 10_001)


def test_a_refund_has_to_be_there(db: Session) -> None:
    with pytest.raises(NotFound):
        refunds.approve(db, "rfd_none", approved_by="oscar")


def test_refunds_are_listed_by_owner_and_state(db: Session, books: None) -> None:
    _top_up(db, 90_000)
    waiting, gone = _propose(db, 10_000), _propose(db, 20_000)
    refunds.approve(db, gone.id, approved_by="oscar")

    assert set(db.scalars(refunds.listed())) == {waiting, gone}
    assert set(db.scalars(refunds.listed(state="proposed"))) == {waiting}
    assert set(db.scalars(refunds.listed(owner_ref="req_other"))) == set()


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("state = 'perhaps', decided_by = 'oscar', decided_at = now()", "state_known"),
        ("state = 'approved', decided_by = 'oscar', decided_at = now()", "approved_is_posted"),
        ("state = 'refused', decided_by = 'oscar', decided_at = now()", "refused_with_reason"),
        ("state = 'approved', decided_by = requested_by, decided_at = now(), entry_id = top_up_id", "four_eyes"),
        ("decided_at = now()", "decided_by_somebody"),
    ],
)
def test_the_table_refuses_what_cannot_be(db: Session, change: str, constraint: str) -> None:
    _top_up(db, 90_000)
    _propose(db, 10_000)

    with pytest.raises(IntegrityError, match=constraint), db.begin_nested():
        db.execute(text(f"UPDATE refunds SET {change}"))


def test_of_two_who_ask_for_the_same_money_at_once_one_is_refused(house: House) -> None:
    with house.sessions() as db:
        _top_up(db, 90_000)
        db.commit()
    refused: list[str] = []

    def act(db: Session) -> None:
        try:
            _propose(db, 90_000)
        except RefundTooMuch as problem:
            refused.append(problem.detail)

    with house.sessions() as first:
        _propose(first, 90_000)
        with held_up(house, act) as acting:
            first.commit()
            acting.result()

    assert len(refused) == 1


_steps = st.lists(
    st.tuples(st.sampled_from(["bank 1", "bank 2"]), st.integers(1, 15), st.sampled_from(["approve", "refuse", ""])),
    min_size=1, max_size=10,
)  # fmt: skip


@settings(max_examples=20, deadline=None, database=None)
@given(_steps)
def test_whatever_is_asked_for_no_more_goes_back_than_came(
    shared_engine: Engine, steps: list[tuple[str, int, str]]
) -> None:
    with shared_engine.connect() as connection, Session(connection) as db:
        for reference in ("bank 1", "bank 2"):
            _top_up(db, 1_000, reference)
        gone = {"bank 1": 0, "bank 2": 0}
        for reference, hundreds, then in steps:
            try:
                refund = _propose(db, hundreds * 100, reference)
            except (RefundTooMuch, InsufficientFunds):
                continue
            if then == "approve":
                refunds.approve(db, refund.id, approved_by="oscar")
                gone[reference] += refund.amount
            elif then == "refuse":
                refunds.refuse(db, refund.id, reason="r", refused_by="oscar")

        assert max(gone.values()) <= 1_000
        assert _free(db) == 2_000 - sum(gone.values())
        assert not any(checks.check(db).values())

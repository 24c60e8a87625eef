"""Lines that nobody could place: one person says what they are, another posts it, and the books follow the bank."""

import io
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import ids
from payments import funding, ledger, payouts, reconciliation, suspense
from payments.four_eyes import SamePerson
from payments.funding import OwnerUnknown
from payments.ledger import FUNDS, PAYABLE
from payments.models import BankEntry, Payout, Resolution, ResolutionKind
from payments.payouts import Outcome
from payments.suspense import (
    NoResolution,
    NoSuchBankEntry,
    NotInSuspense,
    ResolutionExists,
    ResolutionIncomplete,
    ResolutionUnfit,
)
from tests.payments import owed
from tests.payments.files.test_camt import details, document, entry

CENT = 100
# The statements here are of an account of ours that no rail pays from.
OURS = "FR1420041010050500013M02606"
FINANCE, APPROVER = "wanjiru", "oscar"


def _line(db: Session, cents: int, name: str | None = None, reference: str = "b1") -> BankEntry:
    """A booked line that nobody could place."""
    sign = "CRDT" if cents > 0 else "DBIT"
    amount = f"{abs(cents) // 100}.{abs(cents) % 100:02}"
    parts = [details(name, amount, sign=sign)] if name else []
    owed.bank_account(db, OURS)
    content = document(entry(*parts, amount=amount, sign=sign, refs=("", reference)), name=reference)
    reconciliation.read(db, io.BytesIO(content), format_="camt", read_by=FINANCE)
    (line,) = db.scalars(reconciliation.entries().where(BankEntry.reference.startswith(f"{reference}#")))
    assert line.state == "suspense"
    return line


def _propose(db: Session, line: BankEntry, kind: str, made_by: str = FINANCE, **named: str) -> Resolution:
    return suspense.propose(db, line.id, kind=ResolutionKind(kind), reason="Seen.", made_by=made_by, **named)


def _confirm(db: Session, made: Resolution, confirmed_by: str = APPROVER) -> Resolution:
    return suspense.confirm(db, made.bank_entry_id, resolution_id=made.id, confirmed_by=confirmed_by)


def _resolve(db: Session, line: BankEntry, kind: str, **named: str) -> Resolution:
    return _confirm(db, _propose(db, line, kind, **named))


def _cents(db: Session, role: str, currency: str = "EUR") -> int:
    """Debits less credits of a role."""
    rows = [row for row in ledger.trial_balance(db) if (row.role, row.currency) == (role, currency)]
    return sum(int(row.debits - row.credits) for row in rows) // CENT


def _sent(db: Session, cents: int) -> Payout:
    """A payout that has left."""
    owed.paying_account(db, "sepa", **{**owed.ACCOUNTS["sepa"], "iban": "FR7630006000011234567890189"})
    owed.payee(db, cents * CENT, currency="EUR", rail="sepa")
    (payout,) = db.scalars(payouts.listed(run_id=owed.sent(db, "sepa").id))
    return payout


# What it is


def test_money_of_a_requester_becomes_theirs_when_two_people_say_so(db: Session, books: None) -> None:
    funding.register(db, "req_a")
    line = _line(db, 5000)
    made = _propose(db, line, "top_up", owner_ref="req_a")
    assert ledger.balance(db, FUNDS, "req_a", "EUR") == 0

    found = _confirm(db, made)

    assert (found.state, line.state, line.payout_id) == ("posted", "resolved", None)
    assert ledger.balance(db, FUNDS, "req_a", "EUR") == 5000 * CENT
    assert (_cents(db, "bank"), _cents(db, "suspense")) == (5000, 0)
    assert db.scalar(text("SELECT idempotency_key FROM journal_entries WHERE kind = 'top_up'")) == f"fund:{line.id}"


@pytest.mark.parametrize(("cents", "role", "moved"), [(-25, "rail_fee", 25), (12, "bank_interest", -12)])
def test_a_banks_charges_and_its_interest_are_the_houses_own(
    db: Session, books: None, cents: int, role: str, moved: int
) -> None:
    _resolve(db, _line(db, cents), "own", role=role)

    assert (_cents(db, "bank"), _cents(db, "suspense"), _cents(db, role)) == (cents, 0, moved)


def test_what_goes_back_to_its_sender_is_answered_for_by_the_line_by_which_it_goes(db: Session, books: None) -> None:
    sent_back = _resolve(db, _line(db, 5000), "sent_back")
    gone = _line(db, -5000, reference="b2")
    assert (_cents(db, "bank"), _cents(db, "suspense")) == (-5000, 5000), "the bank has not sent it when we say so"

    _resolve(db, gone, "booked", booked_id=str(sent_back.entry_id))

    assert (_cents(db, "bank"), _cents(db, "suspense")) == (0, 0)


def test_a_top_up_that_finance_has_booked_by_hand_counts_once(db: Session, books: None) -> None:
    funding.register(db, "req_a")
    entry_id = funding.top_up(
        db, owner_ref="req_a", currency="EUR", amount=5000 * CENT, bank_reference="r", actor_ref="f"
    )
    line = _line(db, 5000)
    assert _cents(db, "bank") == 10_000

    _resolve(db, line, "booked", booked_id=entry_id)

    assert (_cents(db, "bank"), _cents(db, "suspense")) == (5000, 0)
    assert ledger.balance(db, FUNDS, "req_a", "EUR") == 5000 * CENT


def test_a_top_up_over_a_processor_answers_for_the_line_of_what_arrived(db: Session, books: None) -> None:
    funding.register(db, "req_a")
    entry_id = funding.top_up(
        db, owner_ref="req_a", currency="EUR", amount=5150 * CENT, bank_reference="r", actor_ref="f", fee=150 * CENT
    )
    with pytest.raises(ResolutionUnfit):
        _propose(db, _line(db, 5150, reference="b2"), "booked", booked_id=entry_id)

    _resolve(db, _line(db, 5000), "booked", booked_id=entry_id)

    assert (_cents(db, "bank"), _cents(db, "suspense")) == (5000 + 5150, -5150)
    assert ledger.balance(db, FUNDS, "req_a", "EUR") == 5150 * CENT


def test_an_entry_answers_for_one_line(db: Session, books: None) -> None:
    funding.register(db, "req_a")
    entry_id = funding.top_up(
        db, owner_ref="req_a", currency="EUR", amount=5000 * CENT, bank_reference="r", actor_ref="f"
    )
    _propose(db, _line(db, 5000), "booked", booked_id=entry_id)

    with pytest.raises(ResolutionUnfit):
        _propose(db, _line(db, 5000, reference="b2"), "booked", booked_id=entry_id)


# Payouts


def test_a_payout_that_its_bank_has_named_otherwise_is_settled_by_hand(db: Session, books: None) -> None:
    payout = _sent(db, 700)
    line = _line(db, -700, "another name")
    before = _cents(db, "bank")

    _resolve(db, line, "payout", payout_id=payout.id)

    db.refresh(payout)
    assert (payout.state, line.state, line.payout_id) == ("settled", "resolved", payout.id)
    assert (_cents(db, "bank"), _cents(db, "suspense"), _cents(db, "in_transit")) == (before, 0, 0)


def test_a_payout_that_comes_back_without_its_name_is_returned_by_hand(db: Session, books: None) -> None:
    payout = _sent(db, 700)
    payouts.settle(db, [Outcome(payout.id)])
    line = _line(db, 650)

    _resolve(db, line, "payout", payout_id=payout.id)

    db.refresh(payout)
    assert (payout.state, _cents(db, "rail_fee"), _cents(db, "suspense")) == ("returned", 50, 0)
    assert ledger.balance(db, PAYABLE, payout.payee_id, "EUR") == 700 * CENT


def test_what_somebody_has_matched_by_hand_is_told_for(db: Session, books: None) -> None:
    payout = _sent(db, 700)
    _resolve(db, _line(db, -700, "another name"), "payout", payout_id=payout.id)
    before = _cents(db, "bank")

    again = _line(db, -700, payout.end_to_end_id, reference="b2")

    assert (again.state, _cents(db, "bank")) == ("suspense", before - 700)
    with pytest.raises(ResolutionUnfit):
        _propose(db, again, "payout", payout_id=payout.id)


@pytest.mark.parametrize("cents", [-699, -701, 701])
def test_another_amount_is_no_payouts(db: Session, books: None, cents: int) -> None:
    payout = _sent(db, 700)
    payouts.settle(db, [Outcome(payout.id)])
    line = _line(db, cents)

    with pytest.raises(ResolutionUnfit):
        _propose(db, line, "payout", payout_id=payout.id)


def test_what_a_payout_has_become_since_it_was_proposed_counts(db: Session, books: None) -> None:
    payout = _sent(db, 700)
    made = _propose(db, _line(db, -700, "another name"), "payout", payout_id=payout.id)
    payouts.fail(db, [Outcome(payout.id, "AC04")])

    with pytest.raises(ResolutionUnfit):
        _confirm(db, made)


def test_payouts_of_the_same_amount_are_shown_to_choose_from(db: Session, books: None) -> None:
    payout = _sent(db, 700)
    line = _line(db, -700, "another name")

    sent = text("UPDATE payout_runs SET exported_at = CAST(:day AS date) + CAST(:days AS integer) WHERE id = :id")
    for days, expected in ((-2, [payout.id]), (40, []), (-40, [])):
        db.execute(sent, {"id": payout.run_id, "day": line.booked_on, "days": days})
        assert [row.id for row in suspense.candidates(db, line.id)] == expected


# Who and what is refused


def test_nobody_posts_what_they_have_said_themselves(db: Session, books: None) -> None:
    made = _propose(db, _line(db, -25), "own", role="rail_fee")

    with pytest.raises(SamePerson):
        _confirm(db, made, FINANCE)


def test_only_what_was_looked_at_is_posted(db: Session, books: None) -> None:
    line = _line(db, -25)
    first = _propose(db, line, "own", role="rail_fee")
    with pytest.raises(ResolutionExists):
        _propose(db, line, "own", role="bank_interest")
    suspense.refuse(db, line.id, refused_by=APPROVER)
    second = _propose(db, line, "own", role="bank_interest")

    with pytest.raises(NoResolution):
        _confirm(db, first)
    assert _confirm(db, second).role == "bank_interest"
    with pytest.raises(NotInSuspense):
        _propose(db, line, "own", role="rail_fee")


@pytest.mark.parametrize(
    ("kind", "named", "problem"),
    [
        ("top_up", {"owner_ref": "req_a"}, ResolutionUnfit),
        ("sent_back", {}, ResolutionUnfit),
        ("own", {"role": "goodwill"}, ResolutionUnfit),
        ("payout", {"payout_id": "pyo_x"}, ResolutionUnfit),
        ("booked", {"booked_id": "jnl_x"}, ResolutionUnfit),
        ("own", {}, ResolutionIncomplete),
        ("own", {"role": "rail_fee", "owner_ref": "req_a"}, ResolutionIncomplete),
        ("sent_back", {"role": "rail_fee"}, ResolutionIncomplete),
    ],
)
def test_a_payment_that_went_out_cannot_be_that(
    db: Session, books: None, kind: str, named: dict[str, Any], problem: type[Exception]
) -> None:
    line = _line(db, -25)

    with pytest.raises(problem):
        _propose(db, line, kind, **named)
    assert (_cents(db, "bank"), _cents(db, "suspense")) == (-25, 25)


def test_a_top_up_of_nobody_is_refused(db: Session, books: None) -> None:
    with pytest.raises(OwnerUnknown):
        _propose(db, _line(db, 25), "top_up", owner_ref=ids.new("req"))


def test_what_the_bank_never_booked_is_not_resolved(db: Session) -> None:
    for act in (
        lambda: suspense.candidates(db, "ben_x"),
        lambda: suspense.refuse(db, "ben_x", refused_by=APPROVER),
    ):
        with pytest.raises(NoSuchBankEntry):
            act()
    line = _line(db, 25)
    with pytest.raises(NoResolution):
        suspense.refuse(db, line.id, refused_by=APPROVER)

"""What rails take for payouts: booked once for each, as it was told; what cannot be right is kept and not guessed."""

import io
from datetime import date

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import clock
from payments import bank_balances, ledger, payouts, rail_fees, reconciliation, suspense
from payments.ledger import BANK, HOUSE, RAIL_FEE
from payments.models import BankBalance, Payout, PayoutRun, ResolutionKind
from payments.payouts import Outcome
from payments.suspense import ResolutionUnfit
from tests.payments import owed
from tests.payments.files.test_camt import OURS, balance, details, document, entry
from tests.payments.owed import APPROVER, PREPARER

CENT = 100
_HEAD = ("sender_item_id", "transaction_status", "payout_item_fee", "errors")


def _sent(db: Session, *cents: int, rail: str = "paypal", currency: str = "USD") -> PayoutRun:
    """A run that has left, with one payee for each amount."""
    if rail == "sepa":
        owed.paying_account(db, rail, name="Rookery", iban=OURS, bic="BNPAFRPP")
    for amount in cents:
        owed.payee(db, amount * CENT, currency=currency, rail=rail)
    return owed.sent(db, rail)


def _payouts(db: Session, run: PayoutRun) -> list[Payout]:
    db.expire_all()
    return list(db.scalars(payouts.listed(run_id=run.id).order_by(Payout.id)))


def _told(*rows: tuple[str, str, str], head: tuple[str, ...] = _HEAD, more: str = "") -> bytes:
    """A file of PayPal's: name, word and fee of each payout."""
    lines = ["\t".join(head), *(f"{name}\t{word}\t{fee}\twords{more}" for name, word, fee in rows)]
    return "\r\n".join(lines).encode()


def _read(db: Session, content: bytes, format_: str = "paypal") -> dict[str, int]:
    return dict(reconciliation.read(db, io.BytesIO(content), format_=format_, read_by=PREPARER).outcome)


def _cost(db: Session, currency: str = "USD") -> int:
    return ledger.debit_balance(db, RAIL_FEE, HOUSE, currency)


def _on_bank(db: Session, currency: str = "USD") -> int:
    return ledger.debit_balance(db, BANK, HOUSE, currency)


def _unplaced(db: Session) -> list[tuple[str, str]]:
    return [(one.told, one.reason) for one in db.scalars(rail_fees.unplaced_fees())]


def test_a_fee_is_the_houses_cost_and_leaves_the_bank(db: Session, books: None) -> None:
    run = _sent(db, 1_000, 2_000)
    first, second = _payouts(db, run)
    before = _on_bank(db)

    outcome = _read(db, _told((first.end_to_end_id, "SUCCESS", "0.25"), (second.end_to_end_id, "SUCCESS", "0.02")))

    assert outcome == {"fees": 2, "settled": 2}
    assert (_cost(db), _on_bank(db) - before) == (27 * CENT, -3_027 * CENT)
    assert [one.state for one in _payouts(db, run)] == ["settled"] * 2
    keys = db.scalars(text("SELECT idempotency_key FROM journal_entries WHERE kind = 'fee' ORDER BY id"))
    assert set(keys) == {f"fee:{first.id}", f"fee:{second.id}"}


def test_a_fee_counts_once_however_often_it_is_told(db: Session, books: None) -> None:
    (one,) = _payouts(db, _sent(db, 1_000))
    row = (one.end_to_end_id, "SUCCESS", "0.25")

    assert _read(db, _told(row, row)) == {"fees": 1, "settled": 2}
    assert _read(db, _told(row, more=" again")) == {"settled": 1}
    assert _read(db, _told((one.end_to_end_id, "SUCCESS", "0.250"))) == {"settled": 1}
    assert (_cost(db), _unplaced(db)) == (25 * CENT, [])


def test_a_fee_that_comes_after_its_payout_was_settled_is_booked(db: Session, books: None) -> None:
    (one,) = _payouts(db, _sent(db, 1_000))
    payouts.settle(db, [Outcome(one.id)])

    assert _read(db, _told((one.end_to_end_id, "SUCCESS", "0.25"))) == {"fees": 1, "settled": 1}
    assert _cost(db) == 25 * CENT


@pytest.mark.parametrize("fee", ["", "0", "0.00", "-0"])
def test_no_fee_is_nothing(db: Session, books: None, fee: str) -> None:
    (one,) = _payouts(db, _sent(db, 1_000))

    assert _read(db, _told((one.end_to_end_id, "SUCCESS", fee))) == {"settled": 1}
    assert (_cost(db), _unplaced(db)) == (0, [])


@pytest.mark.parametrize(
    ("fee", "reason"),
    [("-0.25", "negative"), ("10.01", "too_much"), ("0.00001", "decimals"), ("999999999999999.999999", "decimals")],
)
def test_a_fee_that_cannot_be_right_is_kept_and_not_booked(db: Session, books: None, fee: str, reason: str) -> None:
    run = _sent(db, 1_000)
    (one,) = _payouts(db, run)

    outcome = _read(db, _told((one.end_to_end_id, "SUCCESS", fee)))

    assert outcome == {"fees_unplaced": 1, "settled": 1}
    assert (_cost(db), _unplaced(db)) == (0, [(fee, reason)])
    assert [one.state for one in _payouts(db, run)] == ["settled"]


def test_a_fee_of_all_that_was_paid_is_the_most(db: Session, books: None) -> None:
    (one,) = _payouts(db, _sent(db, 1_000))

    assert _read(db, _told((one.end_to_end_id, "SUCCESS", "10.00"))) == {"fees": 1, "settled": 1}
    assert _cost(db) == 1_000 * CENT


def test_a_fee_in_another_currency_is_not_changed_into_the_payouts(db: Session, books: None) -> None:
    first, second, third = _payouts(db, _sent(db, 1_000, 2_000, 3_000))
    head, told = (*_HEAD, "payout_item_fee_currency"), []
    for one, currency in ((first, "EUR"), (second, "USD"), (third, "")):
        told.append(f"{one.end_to_end_id}\tSUCCESS\t0.25\twords\t{currency}")

    outcome = _read(db, "\r\n".join(["\t".join(head), *told]).encode())

    assert outcome == {"fees": 2, "fees_unplaced": 1, "settled": 3}
    assert (_cost(db), _cost(db, "EUR"), _unplaced(db)) == (50 * CENT, 0, [("0.25 EUR", "currency")])


def test_another_fee_for_the_same_payout_is_kept_beside_the_first(db: Session, books: None) -> None:
    (one,) = _payouts(db, _sent(db, 1_000))
    _read(db, _told((one.end_to_end_id, "SUCCESS", "0.25")))

    for more in ("", " once more"):
        assert _read(db, _told((one.end_to_end_id, "SUCCESS", "0.30"), more=more)) == {"fees_unplaced": 1, "settled": 1}

    assert (_cost(db), _unplaced(db)) == (25 * CENT, [("0.30", "differs")])


def test_what_was_not_paid_has_no_fee_booked(db: Session, books: None) -> None:
    first, second = _payouts(db, _sent(db, 1_000, 2_000))
    payouts.fail(db, [Outcome(first.id, "AC01")])

    outcome = _read(db, _told((first.end_to_end_id, "SUCCESS", "0.25"), (second.end_to_end_id, "FAILED", "0.25")))

    assert outcome == {"failed": 1, "fees_unplaced": 1, "settled": 1}
    assert (_cost(db), _unplaced(db)) == (0, [("0.25", "not_settled")])


def test_a_fee_stays_the_houses_when_the_payout_comes_back(db: Session, books: None) -> None:
    (one,) = _payouts(db, _sent(db, 1_000))
    _read(db, _told((one.end_to_end_id, "SUCCESS", "0.25")))

    assert _read(db, _told((one.end_to_end_id, "RETURNED", "0.25"))) == {"returned": 1}

    assert (_cost(db), _unplaced(db)) == (25 * CENT, [])
    assert ledger.balance(db, ledger.PAYABLE, one.payee_id, "USD") == 1_000 * CENT


# Banks


def _charge(amount: str, *, version: int = 4, included: str = "true", sign: str = "DBIT", currency: str = "EUR") -> str:
    inside = f'<Amt Ccy="{currency}">{amount}</Amt><CdtDbtInd>{sign}</CdtDbtInd>'
    if version < 4:
        return f"<Chrgs>{inside}</Chrgs>"
    return f"<Chrgs><Rcrd>{inside}<ChrgInclInd>{included}</ChrgInclInd></Rcrd></Chrgs>"


def _line(name: str, amount: str, *, inside: str = "", beside: str = "", reference: str = "b1") -> str:
    """A booked payment; charges inside the details of its transfer, or beside them in the entry."""
    made = entry(details(name, amount).replace("</TxDtls>", f"{inside}</TxDtls>"), amount=amount, refs=("", reference))
    return made.replace("<NtryDtls>", f"{beside}<NtryDtls>")


def _bank(db: Session, *lines: str, name: str = "st1") -> dict[str, int]:
    return _read(db, document(*lines, name=name, balances=""), "camt")


@pytest.mark.parametrize("version", [2, 4])
@pytest.mark.parametrize("place", ["inside", "beside"])
def test_what_a_bank_took_beside_a_payout_is_its_fee(db: Session, books: None, version: int, place: str) -> None:
    run = _sent(db, 10_000, rail="sepa", currency="EUR")
    (one,) = _payouts(db, run)
    before = _on_bank(db, "EUR")

    charged = {place: _charge("2.50", version=version)}
    assert _bank(db, _line(one.end_to_end_id, "102.50", **charged)) == {"fees": 1, "matched": 1}

    assert (_cost(db, "EUR"), _on_bank(db, "EUR") - before) == (250 * CENT, -10_250 * CENT)
    assert [one.state for one in _payouts(db, run)] == ["settled"]


def test_the_books_are_the_banks_balance_when_it_took_a_fee(db: Session, books: None) -> None:
    (one,) = _payouts(db, _sent(db, 10_000, rail="sepa", currency="EUR"))
    # Of the requester's money the house's fee is left, and less what the bank took.
    assert _on_bank(db, "EUR") == 12_000 * CENT
    line = _line(one.end_to_end_id, "102.50", inside=_charge("2.50"))
    content = document(line, balances=balance("CLBD", "17.50"))
    today = clock.now(db).date().isoformat().encode()

    _read(db, content.replace(b"2026-02-02", today), "camt")

    (told,) = bank_balances.compare(db, db.scalars(bank_balances.listed().order_by(BankBalance.id)).all())
    assert (told.difference, told.books) == (0, 1_750 * CENT)


@pytest.mark.parametrize(
    "charge",
    [
        _charge("2.50", included="false"), _charge("2.50", sign="CRDT"), _charge("2.49"),
        _charge("2.50", currency="USD"), _charge("2.00") + _charge("0.50", currency="USD"),
    ],
    ids=["booked by itself", "given back", "less than is missing", "another currency", "two currencies"],
)  # fmt: skip
def test_a_line_that_its_charges_do_not_explain_waits_in_suspense(db: Session, books: None, charge: str) -> None:
    run = _sent(db, 10_000, rail="sepa", currency="EUR")
    (one,) = _payouts(db, run)

    assert _bank(db, _line(one.end_to_end_id, "102.50", inside=charge)) == {"suspense": 1}

    assert (_cost(db, "EUR"), [one.state for one in _payouts(db, run)]) == (0, ["exported"])


def test_charges_of_a_payment_that_is_the_payouts_are_not_the_houses(db: Session, books: None) -> None:
    (one,) = _payouts(db, _sent(db, 10_000, rail="sepa", currency="EUR"))

    assert _bank(db, _line(one.end_to_end_id, "100.00", inside=_charge("2.50"))) == {"matched": 1}

    assert (_cost(db, "EUR"), _unplaced(db)) == (0, [])


def test_charges_in_several_parts_add_up(db: Session, books: None) -> None:
    (one,) = _payouts(db, _sent(db, 10_000, rail="sepa", currency="EUR"))

    _bank(db, _line(one.end_to_end_id, "102.50", inside=_charge("2.00", version=2) + _charge("0.50", version=2)))

    assert _cost(db, "EUR") == 250 * CENT


def _booked(db: Session, line_id: str, entry_id: str) -> None:
    made = suspense.propose(
        db, line_id, kind=ResolutionKind.BOOKED, reason="Its fee.", made_by=PREPARER, booked_id=entry_id
    )
    suspense.confirm(db, line_id, resolution_id=made.id, confirmed_by=APPROVER)


def test_a_providers_fee_answers_for_the_line_by_which_it_left(db: Session, books: None) -> None:
    (one,) = _payouts(db, _sent(db, 1_000))
    _read(db, _told((one.end_to_end_id, "SUCCESS", "0.25")))
    owed.bank_account(db, OURS)
    before = _on_bank(db)
    _read(db, document(entry(amount="0.25", refs=("", "fee")), balances="").replace(b'"EUR"', b'"USD"'), "camt")
    (line_id,) = db.scalars(text("SELECT id FROM bank_entries"))
    (entry_id,) = db.scalars(text("SELECT id FROM journal_entries WHERE kind = 'fee'"))

    _booked(db, line_id, entry_id)

    assert (_cost(db), _on_bank(db)) == (25 * CENT, before)


def test_a_banks_fee_answers_for_no_other_line(db: Session, books: None) -> None:
    (one,) = _payouts(db, _sent(db, 10_000, rail="sepa", currency="EUR"))
    _bank(db, _line(one.end_to_end_id, "102.50", inside=_charge("2.50")))
    _bank(db, entry(amount="2.50", refs=("", "b2")), name="st2")
    (line_id,) = db.scalars(text("SELECT id FROM bank_entries WHERE state = 'suspense'"))
    (entry_id,) = db.scalars(text("SELECT id FROM journal_entries WHERE kind = 'fee'"))

    with pytest.raises(ResolutionUnfit):
        _booked(db, line_id, entry_id)


# Figures


def test_costs_are_shown_by_rail_and_kind_and_are_what_the_books_say(db: Session, books: None) -> None:
    first, second = _payouts(db, _sent(db, 1_000, 2_000))
    _read(db, _told((first.end_to_end_id, "SUCCESS", "0.25"), (second.end_to_end_id, "SUCCESS", "0.30")))
    (third,) = _payouts(db, _sent(db, 10_000, rail="sepa", currency="EUR"))
    payouts.settle(db, [Outcome(third.id)])
    payouts.take_returns(db, [Outcome(third.id, "AC04", 9_000 * CENT)])
    _bank(db, entry(amount="4.00", refs=("", "b2")))
    (line_id,) = db.scalars(text("SELECT id FROM bank_entries"))
    made = suspense.propose(db, line_id, kind=ResolutionKind.OWN, reason="r", made_by=PREPARER, role="rail_fee")
    suspense.confirm(db, line_id, resolution_id=made.id, confirmed_by=APPROVER)
    month = clock.now(db).date().replace(day=1)

    found = [(row.rail, row.kind, row.currency, row.entries, int(row.amount)) for row in rail_fees.costs(db, month)]

    assert found == [
        ("sepa", "returned", "EUR", 1, 1_000 * CENT), (None, "own", "EUR", 1, 400 * CENT),
        ("paypal", "fee", "USD", 2, 55 * CENT),
    ]  # fmt: skip
    assert sum(row[4] for row in found if row[2] == "EUR") == _cost(db, "EUR")
    assert rail_fees.costs(db, date(2020, 1, 1)) == []

"""What banks say of payouts: each line counts once, in whatever file and order it comes, and nothing is guessed."""

import io
import itertools
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from payments import ledger, paying_accounts, payouts, reconciliation, runs
from payments.ledger import PAYABLE
from payments.models import BankEntry, Payout, PayoutRun
from payments.payouts import Outcome
from payments.reconciliation import FileFormatUnknown, FileRead, FileUnreadable, ForeignAccount
from tests.conftest import House, held_up
from tests.payments import owed
from tests.payments.files.samples import order, returned
from tests.payments.files.test_camt import OURS, details, document, entry

CENT = 100
_SIGNS = {True: "CRDT", False: "DBIT"}
_AC04 = "<RtrInf><Rsn><Cd>AC04</Cd></Rsn></RtrInf>"


def _sent(db: Session, *cents: int, rail: str = "sepa", currency: str = "EUR") -> PayoutRun:
    """A run that has left, with one payee for each amount."""
    accounts = {
        "sepa": {"name": "Rookery", "iban": OURS, "bic": "BNPAFRPP"},
        "ach": {"name": "Rookery", "routing": "121000358", "company_id": "1234567890"},
    }
    if rail in accounts:
        owed.paying_account(db, rail, **accounts[rail])
    for amount in cents:
        owed.payee(db, amount * CENT, currency=currency, rail=rail)
    return owed.sent(db, rail)


def _names(db: Session, run: PayoutRun) -> list[str]:
    return [one.end_to_end_id for one in _payouts(db, run)]


def _name(db: Session, run: PayoutRun) -> str:
    (name,) = _names(db, run)
    return name


def _payouts(db: Session, run: PayoutRun) -> list[Payout]:
    db.expire_all()
    return list(db.scalars(payouts.listed(run_id=run.id).order_by(Payout.id)))


def _states(db: Session, run: PayoutRun) -> list[str]:
    return [one.state for one in _payouts(db, run)]


def _text(cents: int) -> str:
    return f"{abs(cents) // 100}.{abs(cents) % 100:02}"


def _line(reference: str, cents: int, *names: str, back: str = "") -> str:
    """A booked entry: what left is below zero; each name a transfer of an equal part of it."""
    sign = _SIGNS[cents > 0]
    parts = [details(name, _text(cents // len(names)), sign=sign, back=back) for name in names]
    return entry(*parts, amount=_text(cents), sign=sign, refs=("", reference))


def _read(db: Session, content: bytes, format_: str = "camt") -> dict[str, int]:
    """What came of a file."""
    return dict(reconciliation.read(db, io.BytesIO(content), format_=format_, read_by="wanjiru").outcome)


def _statement(*lines: str, name: str = "st1") -> bytes:
    return document(*lines, name=name)


def _on_bank(db: Session, currency: str = "EUR") -> int:
    """What the books say is on the bank's account, in cents."""
    rows = [row for row in ledger.trial_balance(db) if (row.role, row.currency) == ("bank", currency)]
    return sum(int(row.debits - row.credits) for row in rows) // CENT


@pytest.fixture
def booked(db: Session) -> Callable[[], int]:
    """By how many cents the bank's account has moved since the first time this was asked."""
    first: list[int] = []

    def moved() -> int:
        first.append(_on_bank(db))
        return first[-1] - first[0]

    return moved


def _kept(db: Session) -> list[tuple[str, int, str | None]]:
    db.expire_all()
    rows = db.scalars(reconciliation.entries().order_by(BankEntry.id))
    return [(row.state, row.amount // CENT, row.payout_id) for row in rows]


# Statements


def test_a_payout_is_settled_by_the_line_that_names_it(db: Session, books: None) -> None:
    run = _sent(db, 1250, 700)
    first, second = _names(db, run)

    outcome = _read(db, _statement(_line("b1", -1250, first), _line("b2", -700, second)))

    assert outcome == {"matched": 2}
    assert _states(db, run) == ["settled"] * 2
    assert run.state == "closed"
    assert _kept(db) == [("matched", -1250, _payouts(db, run)[0].id), ("matched", -700, _payouts(db, run)[1].id)]


def test_a_batch_that_is_booked_with_its_details_settles_each_of_them(db: Session, books: None) -> None:
    run = _sent(db, 500, 500, 500)

    assert _read(db, _statement(_line("b1", -1500, *_names(db, run)))) == {"matched": 3}
    assert _states(db, run) == ["settled"] * 3


def test_a_run_that_is_booked_in_one_sum_is_settled_as_a_whole(db: Session, books: None) -> None:
    run = _sent(db, 1250, 700)

    assert _read(db, _statement(_line("b1", -1950))) == {"matched": 1}
    assert _states(db, run) == ["settled"] * 2


def test_details_that_do_not_come_to_what_was_booked_are_not_believed(
    db: Session, books: None, booked: Callable[[], int]
) -> None:
    run = _sent(db, 500, 500)
    booked()
    parts = [details(name, "5.00") for name in _names(db, run)]

    outcome = _read(db, _statement(entry(*parts, amount="10.15", refs=("", "b1"))))

    assert (outcome, booked()) == ({"suspense": 1}, -1015)
    assert _states(db, run) == ["exported"] * 2


def test_of_two_runs_with_one_sum_neither_is_settled_by_it(db: Session, books: None, booked: Callable[[], int]) -> None:
    one, other = _sent(db, 1250, 700), _sent(db, 1950)
    booked()

    assert _read(db, _statement(_line("b1", -1950))) == {"suspense": 1}
    assert (_states(db, one), _states(db, other)) == (["exported"] * 2, ["exported"])
    assert booked() == -1950


def test_a_sum_settles_a_run_once(db: Session, books: None, booked: Callable[[], int]) -> None:
    run = _sent(db, 1250, 700)
    booked()

    outcome = _read(db, _statement(_line("b1", -1950), _line("b2", -1950)))

    assert (outcome, booked()) == ({"matched": 1, "suspense": 1}, -3900)
    assert _read(db, _statement(_line("b3", -1250, _names(db, run)[0]), name="st2")) == {"suspense": 1}
    assert _read(db, _statement(_line("b4", -700, _names(db, run)[1]), name="st3")) == {"suspense": 1}


def test_the_sum_of_a_run_of_which_some_was_refused_is_that_of_the_others(db: Session, books: None) -> None:
    run = _sent(db, 1250, 700)
    payouts.fail(db, [Outcome(_payouts(db, run)[0].id, "AC04")])

    assert _read(db, _statement(_line("b1", -700))) == {"matched": 1}
    assert _states(db, run) == ["failed", "settled"]


def test_what_is_left_of_a_run_that_is_booked_one_by_one_is_not_settled_by_a_sum(db: Session, books: None) -> None:
    run = _sent(db, 1250, 700)
    _read(db, _statement(_line("b1", -1250, _names(db, run)[0])))

    assert _read(db, _statement(_line("b2", -700), name="st2")) == {"suspense": 1}
    assert _states(db, run) == ["settled", "exported"]


def test_a_sum_from_another_account_settles_no_run(db: Session, books: None) -> None:
    other = "FR7630006000011234567890189"
    run = _sent(db, 700)
    owed.paying_account(db, "sepa", name="Rookery", iban=other, bic="BNPAFRPP")

    outcome = _read(db, _statement(_line("b1", -700)).replace(OURS.encode(), other.encode()))

    assert (outcome, _states(db, run)) == ({"suspense": 1}, ["exported"])


@pytest.mark.parametrize("status", ["PDNG", "INFO", "FUTR"])
def test_what_is_not_booked_is_no_money(db: Session, books: None, status: str) -> None:
    run = _sent(db, 700)

    assert _read(db, _statement(entry(details(_name(db, run), "7.00"), amount="7.00", status=status))) == {}
    assert _states(db, run) == ["exported"]


def test_a_line_that_moves_nothing_is_none(db: Session, books: None) -> None:
    owed.bank_account(db, OURS)

    assert _read(db, _statement(entry(amount="0.00"))) == {}


def test_the_books_say_on_which_day_the_bank_booked(db: Session, books: None) -> None:
    run = _sent(db, 700)
    name = _name(db, run)

    _read(db, _statement(_line("b1", -700, name), _line("b2", 50)))
    _read(db, _statement(_line("b3", 700, name, back=_AC04), name="st2"))

    told = text("SELECT kind, event_at, effective_on = current_date FROM journal_entries WHERE event_at IS NOT NULL")
    day = datetime(2026, 2, 2, tzinfo=UTC)
    assert {tuple(row) for row in db.execute(told)} == {
        ("settled", day, True), ("suspense", day, True), ("returned", day, True),
    }  # fmt: skip


# What comes again


def test_a_file_is_read_once(db: Session, books: None) -> None:
    run = _sent(db, 700)
    content = _statement(_line("b1", -700, *_names(db, run)))
    _read(db, content)

    with pytest.raises(FileRead):
        _read(db, content)
    assert len(_kept(db)) == 1


def test_a_line_counts_once_in_however_many_files(db: Session, books: None, booked: Callable[[], int]) -> None:
    run = _sent(db, 700, 300)
    lines = [_line("b1", -700, _names(db, run)[0]), _line("b2", 5000)]
    booked()

    assert _read(db, _statement(*lines)) == {"matched": 1, "suspense": 1}
    assert _read(db, _statement(*lines, lines[1], _line("b3", -300, _names(db, run)[1]), name="st2")) == {
        "known": 3,
        "matched": 1,
    }
    assert (booked(), len(_kept(db))) == (4000, 3)


def test_a_notification_and_the_statement_after_it_tell_of_one_line(db: Session, books: None) -> None:
    run = _sent(db, 700)
    line = _line("b1", -700, *_names(db, run))
    _read(db, document(line, version="camt.054.001.02"))

    assert _read(db, _statement(line)) == {"known": 1}


def test_lines_of_a_batch_that_share_a_reference_are_several(db: Session, books: None) -> None:
    run = _sent(db, 500, 500)

    assert _read(db, _statement(*[_line("b1", -500, name) for name in _names(db, run)])) == {"matched": 2}
    assert _states(db, run) == ["settled"] * 2


def test_two_files_at_once_count_a_line_once(house: House) -> None:
    with house.sessions() as db:
        line = _line("b1", -700, *_names(db, _sent(db, 700)))
        db.commit()
    with house.sessions() as db:
        assert _read(db, _statement(line)) == {"matched": 1}
        with held_up(house, lambda other: _read(other, _statement(line, name="st2"))) as acting:
            db.commit()
            assert acting.result() == {"known": 1}


def test_a_payout_that_leaves_twice_is_settled_once(db: Session, books: None, booked: Callable[[], int]) -> None:
    run = _sent(db, 700)
    (name,) = _names(db, run)
    booked()

    assert _read(db, _statement(_line("b1", -700, name), _line("b2", -700, name))) == {"matched": 1, "suspense": 1}
    assert _read(db, _statement(_line("b3", -700, name), name="st2")) == {"suspense": 1}
    assert booked() == -2100


# What comes back


@pytest.mark.parametrize("order_", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("n_files", [1, 3])
def test_lines_may_come_in_any_order(
    db: Session, books: None, booked: Callable[[], int], order_: tuple[int, ...], n_files: int
) -> None:
    run = _sent(db, 700)
    (name,) = _names(db, run)
    booked()
    lines = [_line("b1", -700, name), _line("b2", 700, name, back=_AC04), _line("b3", -700, name)]
    told = [lines[place] for place in order_]

    for number, some in enumerate([told] if n_files == 1 else [[one] for one in told]):
        _read(db, _statement(*some, name=f"st{number}"))

    assert _states(db, run) == ["returned"]
    assert sorted(state for state, _, _ in _kept(db)) == ["matched", "matched", "suspense"]
    assert booked() == -700


def test_what_comes_back_is_due_again_and_the_banks_fee_is_the_houses(
    db: Session, books: None, booked: Callable[[], int]
) -> None:
    run = _sent(db, 700)
    (one,) = _payouts(db, run)
    booked()
    _read(db, _statement(_line("b1", -700, one.end_to_end_id)))

    assert _read(db, _statement(_line("b2", 450, one.end_to_end_id, back=_AC04), name="st2")) == {"matched": 1}

    assert [(one.state, one.reason) for one in _payouts(db, run)] == [("returned", "AC04")]
    assert ledger.balance(db, PAYABLE, one.payee_id, "EUR") == 700 * CENT
    assert booked() == -250
    fees = {row.role: int(row.debits) for row in ledger.trial_balance(db)}
    assert fees["rail_fee"] == 250 * CENT


def test_what_comes_back_twice_is_due_once(db: Session, books: None, booked: Callable[[], int]) -> None:
    run = _sent(db, 700)
    (one,) = _payouts(db, run)
    booked()
    _read(db, _statement(_line("b1", -700, one.end_to_end_id)))

    outcome = _read(db, _statement(*[_line(f"c{n}", 700, one.end_to_end_id, back=_AC04) for n in "12"], name="st2"))

    assert (outcome, booked()) == ({"matched": 1, "suspense": 1}, 700)
    assert ledger.balance(db, PAYABLE, one.payee_id, "EUR") == 700 * CENT


def test_more_than_left_does_not_come_back(db: Session, books: None, booked: Callable[[], int]) -> None:
    run = _sent(db, 700)
    booked()

    assert _read(db, _statement(_line("b1", 701, *_names(db, run), back=_AC04))) == {"suspense": 1}
    assert (_states(db, run), booked()) == (["exported"], 701)


def test_what_was_refused_and_is_booked_all_the_same_is_looked_into(
    db: Session, books: None, booked: Callable[[], int]
) -> None:
    run = _sent(db, 700)
    payouts.fail(db, [Outcome(_payouts(db, run)[0].id, "AC04")])
    booked()

    assert _read(db, _statement(_line("b1", -700, *_names(db, run)))) == {"suspense": 1}
    assert (_states(db, run), booked()) == (["failed"], -700)


def test_a_line_of_what_somebody_else_has_told_already_is_no_second_payment(db: Session, books: None) -> None:
    run = _sent(db, 700, 300)
    first, second = _payouts(db, run)
    payouts.settle(db, [Outcome(first.id), Outcome(second.id)])
    payouts.take_returns(db, [Outcome(second.id, "R01", 300 * CENT)])
    before = _on_bank(db)
    lines = [_line("b1", -700, first.end_to_end_id), _line("b2", -300, second.end_to_end_id)]
    back = _line("b3", 300, second.end_to_end_id, back=_AC04)

    assert _read(db, _statement(*lines, back)) == {"matched": 3}
    assert (_states(db, run), _on_bank(db)) == (["settled", "returned"], before)


# What nobody can place


@pytest.mark.parametrize(
    "line",
    [_line("b1", 5000), _line("b1", 5000, "nobody", back=_AC04), _line("b1", -5000, "nobody"), _line("b1", -3)],
    ids=["money that came in", "a return of nothing", "a payment that is not ours", "the bank's fee"],
)
def test_the_books_follow_the_banks_closing_balance_whatever_it_books(
    db: Session, books: None, booked: Callable[[], int], line: str
) -> None:
    run = _sent(db, 700)
    booked()

    outcome = _read(db, _statement(line, _line("b2", -700, *_names(db, run))))

    assert outcome == {"matched": 1, "suspense": 1}
    assert booked() == sum(cents for _, cents, _ in _kept(db))


@pytest.mark.parametrize("cents", [-699, -701, -1])
def test_a_payment_of_another_amount_is_not_the_payout(
    db: Session, books: None, booked: Callable[[], int], cents: int
) -> None:
    run = _sent(db, 700)
    booked()

    assert _read(db, _statement(_line("b1", cents, *_names(db, run)))) == {"suspense": 1}
    assert (_states(db, run), booked()) == (["exported"], cents)


def test_a_payment_in_another_currency_is_not_the_payout(db: Session, books: None) -> None:
    run = _sent(db, 700)
    line = _line("b1", -700, *_names(db, run)).replace('Ccy="EUR"', 'Ccy="USD"')

    assert _read(db, _statement(line)) == {"suspense": 1}
    assert _states(db, run) == ["exported"]


def test_a_payout_that_has_not_left_is_not_settled(db: Session, books: None) -> None:
    run = _sent(db, 700)
    owed.payee(db, 300 * CENT, currency="EUR", rail="sepa")
    waiting = owed.go_through(db, runs.begin(db, rail="sepa", prepared_by="wanjiru"))

    assert _read(db, _statement(_line("b1", -300, *_names(db, waiting)))) == {"suspense": 1}
    assert (_states(db, waiting), _states(db, run)) == (["prepared"], ["exported"])


# Files that are none


def _refuse(db: Session, content: bytes, problem: type[Exception], format_: str = "camt") -> None:
    """Refused, and nothing has changed."""
    counts = text("SELECT (SELECT count(*) FROM bank_files), (SELECT count(*) FROM bank_entries)")
    sums = [tuple(row) for row in ledger.trial_balance(db)]

    with pytest.raises(problem):
        _read(db, content, format_)

    assert tuple(db.execute(counts).one()) == (0, 0)
    assert [tuple(row) for row in ledger.trial_balance(db)] == sums


def test_a_statement_of_another_account_changes_nothing(db: Session, books: None) -> None:
    run = _sent(db, 700)
    ours, theirs = _statement(_line("b1", -700, *_names(db, run))), b"FR7630006000011234567890189"

    _refuse(db, ours.replace(OURS.encode(), theirs), ForeignAccount)
    assert _states(db, run) == ["exported"]


def test_before_any_account_is_confirmed_no_statement_is_read(db: Session, books: None) -> None:
    content = _statement(_line("b1", 5000))
    _refuse(db, content, ForeignAccount)

    owed.bank_account(db, OURS)

    assert _read(db, content) == {"suspense": 1}


_ACH_ACCOUNT = "000123456789"


def _of_ach(content: bytes) -> bytes:
    """A statement of the account that ACH pays from, which has no IBAN."""
    ours = f"<IBAN>{OURS}</IBAN></Id><Ccy>EUR".encode()
    return content.replace(ours, f"<Othr><Id>{_ACH_ACCOUNT}</Id></Othr></Id><Ccy>USD".encode()).replace(
        b'Ccy="EUR"', b'Ccy="USD"'
    )


def test_the_bank_of_ach_is_read_when_its_paying_account_names_its_own(db: Session, books: None) -> None:
    _sent(db, 300)
    run = _sent(db, 700, 200, rail="ach", currency="USD")
    content = _of_ach(_statement(_line("b1", -900)))
    _refuse(db, content, ForeignAccount)

    owed.paying_account(db, "ach", **owed.ACCOUNTS["ach"], account=_ACH_ACCOUNT)

    assert _read(db, content) == {"matched": 1}
    assert _states(db, run) == ["settled"] * 2


def test_a_sum_from_another_account_than_the_one_of_ach_settles_no_run(db: Session, books: None) -> None:
    _sent(db, 300)
    owed.paying_account(db, "ach", **owed.ACCOUNTS["ach"], account=_ACH_ACCOUNT)
    owed.payee(db, 700 * CENT, rail="ach")
    run = owed.sent(db, "ach")
    line = _statement(_line("b1", -700)).replace(b'"EUR"', b'"USD"')

    assert _read(db, line) == {"suspense": 1}
    assert _states(db, run) == ["exported"]
    assert _read(db, _of_ach(_statement(_line("b1", -700)))) == {"matched": 1}


def test_an_account_counts_when_it_is_confirmed(db: Session, books: None) -> None:
    run = _sent(db, 700)
    theirs = "FR7630006000011234567890189"
    given = {"name": "Rookery", "iban": theirs, "bic": "BNPAFRPP"}
    paying_accounts.enter(db, rail="sepa", details=given, entered_by="wanjiru")

    content = _statement(_line("b1", -700, *_names(db, run))).replace(OURS.encode(), theirs.encode())
    _refuse(db, content, ForeignAccount)


_DAYLESS = "<BookgDt><Dt>2026-02-02</Dt></BookgDt>"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('Ccy="EUR"', 'Ccy="XQQ"'),
        (_DAYLESS, ""),
        (">7.00<", ">7.00001<"),
        (">7.00<", ">999999999999999999<"),
        ("</Document>", ""),
        ("BkToCstmrStmt>", "Other>"),
    ],
    ids=["unknown currency", "no day", "too many decimals", "too much", "cut off", "something else"],
)
def test_a_file_that_is_none_changes_nothing(
    db: Session, books: None, monkeypatch: pytest.MonkeyPatch, old: str, new: str
) -> None:
    # The fault is behind lines that were taken in already.
    monkeypatch.setattr(reconciliation, "_AT_ONCE", 1)
    run = _sent(db, 700, 300)
    first, second = _names(db, run)
    good, bad = _line("b1", -300, second), _line("b2", -700, first)
    document_ = _statement(good, good, bad).decode()
    head, _, tail = document_.partition(bad)
    assert old in bad + tail

    _refuse(db, (head + (bad + tail).replace(old, new)).encode(), FileUnreadable)
    assert _states(db, run) == ["exported"] * 2
    assert _read(db, document_.encode()) == {"known": 1, "matched": 2}


def test_a_format_must_be_one(db: Session) -> None:
    _refuse(db, b"", FileFormatUnknown, "mt940")
    for format_ in ("camt", "pain.002", "nacha-returns", "paypal", "mpesa"):
        _refuse(db, b"nothing of the kind", FileUnreadable, format_)


# Answers to orders


def _answer(run: PayoutRun, *orders: str, group: str = "", block: str = "", reason: str = "") -> bytes:
    """A pain.002. group, block : codes of all of the message, and of its one block."""
    why = f"<StsRsnInf><Rsn><Cd>{reason}</Cd></Rsn></StsRsnInf>" if reason else ""
    name = run.id.replace("_", "")
    codes = [f"<{tag}>{code}</{tag}>{why}" if code else "" for tag, code in (("GrpSts", group), ("PmtInfSts", block))]
    inside = f"<OrgnlPmtInfAndSts><OrgnlPmtInfId>{name}</OrgnlPmtInfId>{codes[1]}{''.join(orders)}</OrgnlPmtInfAndSts>"
    return f"""<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.03"><CstmrPmtStsRpt>
<GrpHdr><MsgId>bank1</MsgId><CreDtTm>2026-02-02T09:00:00</CreDtTm></GrpHdr>
<OrgnlGrpInfAndSts><OrgnlMsgId>{name}</OrgnlMsgId><OrgnlMsgNmId>pain.001</OrgnlMsgNmId>{codes[0]}</OrgnlGrpInfAndSts>
{inside if orders or block else ""}</CstmrPmtStsRpt></Document>""".encode()


def _order(name: str, code: str, reason: str = "") -> str:
    why = f"<StsRsnInf><Rsn><Cd>{reason}</Cd></Rsn></StsRsnInf>" if reason else ""
    return f"<TxInfAndSts><OrgnlEndToEndId>{name}</OrgnlEndToEndId><TxSts>{code}</TxSts>{why}</TxInfAndSts>"


def test_an_order_that_was_refused_is_due_again(db: Session, books: None) -> None:
    run = _sent(db, 700, 300)
    first, second = _names(db, run)

    outcome = _read(db, _answer(run, _order(first, "RJCT", "AC04"), _order(second, "ACSP"), group="PART"), "pain.002")

    assert outcome == {"failed": 1, "look_below": 1, "no_news": 1}
    assert [(one.state, one.reason) for one in _payouts(db, run)] == [("failed", "AC04"), ("exported", None)]
    assert ledger.balance(db, PAYABLE, _payouts(db, run)[0].payee_id, "EUR") == 700 * CENT


@pytest.mark.parametrize("level", ["group", "block"])
def test_a_message_that_was_refused_without_a_word_of_its_orders_has_failed(
    db: Session, books: None, level: str
) -> None:
    run, other = _sent(db, 700, 300), _sent(db, 200)

    assert _read(db, _answer(run, reason="FF01", **{level: "RJCT"}), "pain.002") == {"failed": 1}
    assert [(one.state, one.reason) for one in _payouts(db, run)] == [("failed", "FF01")] * 2
    assert (run.state, _states(db, other)) == ("closed", ["exported"])


def test_an_order_with_an_answer_of_its_own_is_not_refused_with_its_message(db: Session, books: None) -> None:
    run = _sent(db, 700, 300, 200)
    first, second, _ = _names(db, run)

    _read(db, _answer(run, _order(first, "ACSP"), _order(second, "RJCT", "AC04"), group="RJCT"), "pain.002")

    assert _states(db, run) == ["exported", "failed", "failed"]


@pytest.mark.parametrize("code", ["ACSC", "ACCP", "PDNG", "XXXX", "PART"])
def test_what_is_not_money_and_no_refusal_leaves_a_payout_in_transit(db: Session, books: None, code: str) -> None:
    run = _sent(db, 700)

    _read(db, _answer(run, _order(_name(db, run), code), group="ACCP"), "pain.002")

    assert (_states(db, run), run.state) == (["exported"], "exported")


def test_nothing_that_is_said_after_a_refusal_takes_it_back(db: Session, books: None) -> None:
    run = _sent(db, 700)
    _read(db, _answer(run, _order(_name(db, run), "RJCT", "AC04")), "pain.002")

    _read(db, _answer(run, _order(_name(db, run), "ACSC")), "pain.002")
    _read(db, _answer(run, _order(_name(db, run), "RJCT", "AM04")), "pain.002")

    assert [(one.state, one.reason) for one in _payouts(db, run)] == [("failed", "AC04")]


def test_a_refusal_of_what_is_paid_changes_nothing(db: Session, books: None) -> None:
    run = _sent(db, 700)
    _read(db, _statement(_line("b1", -700, *_names(db, run))))

    _read(db, _answer(run, group="RJCT"), "pain.002")

    assert _states(db, run) == ["settled"]


def test_an_answer_to_what_nobody_sent_changes_nothing(db: Session, books: None) -> None:
    run = _sent(db, 700)
    content = _answer(run, _order("nobody", "RJCT"), group="RJCT").replace(run.id.replace("_", "").encode(), b"run0")

    assert _read(db, content, "pain.002") == {"failed": 2}
    assert _states(db, run) == ["exported"]


# Other words for it


def _came_back(name: str, cents: int, code: str) -> bytes:
    return returned((order(end_to_end_id=name, amount=cents), 0, code, ""))


def test_a_return_of_an_ach_payment_is_a_failure_before_it_was_booked_and_a_return_after(
    db: Session, books: None
) -> None:
    run = _sent(db, 700, 300, rail="ach", currency="USD")
    first, second = _payouts(db, run)
    payouts.settle(db, [Outcome(first.id)])

    for one, cents in ((first, 700), (second, 300)):
        assert _read(db, _came_back(one.end_to_end_id, cents, "R03"), "nacha-returns") == {"returned": 1}

    assert [(one.state, one.reason) for one in _payouts(db, run)] == [("returned", "R03"), ("failed", "R03")]


def test_an_ach_return_of_another_amount_or_of_nothing_changes_nothing(db: Session, books: None) -> None:
    run = _sent(db, 700, rail="ach", currency="USD")
    (name,) = _names(db, run)

    assert _read(db, _came_back(name, 701, "R03"), "nacha-returns") == {"unknown": 1}
    assert _read(db, _came_back("pay000000000000001", 700, "R03"), "nacha-returns") == {"unknown": 1}
    assert _read(db, _came_back(name, 0, "C01"), "nacha-returns") == {"changed": 1}
    assert _states(db, run) == ["exported"]


def test_returns_are_looked_up_by_their_traces_however_many_payouts_there_are(db: Session) -> None:
    run = _sent(db, 700, rail="ach", currency="USD")
    (one,) = _payouts(db, run)
    db.execute(
        text("""INSERT INTO payouts (id, run_id, payee_id, method_id, fingerprint, part, currency, earned_currency,
                                     gross, net, end_to_end_id, state)
                SELECT p.id || n, run_id, payee_id, method_id, fingerprint, n, currency, earned_currency, gross, net,
                       'pyo' || lpad(n::text, 26, '0'), 'exported' FROM payouts p, generate_series(1, 20000) n""")
    )
    db.execute(text("ANALYZE payouts"))
    told = {"names": [one.end_to_end_id[-15:].upper()], "codes": ["R03"], "amounts": [700]}

    plan = "\n".join(db.scalars(text(f"EXPLAIN {reconciliation._ENDING}"), told))

    assert "ix_payouts_trace" in plan
    assert "Seq Scan on payouts" not in plan


def _paypal(*rows: tuple[str, str, str]) -> bytes:
    lines = ["sender_item_id\ttransaction_status\tpayout_item_fee\terrors"]
    return "\r\n".join(lines + [f"{name}\t{word}\t0.02\t{reason}" for name, word, reason in rows]).encode()


def test_paypals_words_settle_fail_and_return_what_was_sent(db: Session, books: None) -> None:
    run = _sent(db, 100, 200, 300, 400, 500, rail="paypal", currency="USD")
    names = _names(db, run)
    words = ["SUCCESS", "FAILED", "UNCLAIMED", "RETURNED", "WHATEVER"]
    told = [(name, word, "why" if word == "FAILED" else "") for name, word in zip(names, words, strict=True)]

    outcome = _read(db, _paypal(*told, ("nobody", "SUCCESS", "")), "paypal")

    assert outcome == {"exported": 1, "failed": 1, "fees": 1, "returned": 1, "settled": 2, "unknown": 1}
    # What nobody has claimed was never paid.
    assert _states(db, run) == ["settled", "failed", "exported", "failed", "exported"]
    assert [one.reason for one in _payouts(db, run)] == [None, "why", None, "RETURNED", None]


def test_what_paypal_takes_back_after_it_was_paid_is_returned(db: Session, books: None) -> None:
    run = _sent(db, 100, 200, rail="paypal", currency="USD")
    first, second = _names(db, run)
    _read(db, _paypal((first, "SUCCESS", "")), "paypal")

    _read(db, _paypal((first, "REVERSED", ""), (second, "SUCCESS", ""), (second, "REFUNDED", "")), "paypal")

    assert _states(db, run) == ["returned"] * 2
    _read(db, _paypal((first, "SUCCESS", ""), (second, "FAILED", "")), "paypal")
    assert _states(db, run) == ["returned"] * 2


def test_mpesas_codes_settle_fail_and_return_and_a_time_out_says_nothing(db: Session, books: None) -> None:
    run = _sent(db, 1000, 2000, 3000, rail="mpesa", currency="KES")
    rows = [f"{name},{code},words" for name, code in zip(_names(db, run), ("0", "2001", "TIMEOUT"), strict=True)]
    head = "OriginatorConversationID,ResultCode,ResultDesc"

    assert _read(db, "\r\n".join([head, *rows]).encode(), "mpesa") == {"exported": 1, "failed": 1, "settled": 1}
    assert _states(db, run) == ["settled", "failed", "exported"]
    _read(db, f"{head}\r\n{_names(db, run)[0]},Reversed,words".encode(), "mpesa")
    assert _states(db, run) == ["returned", "failed", "exported"]


def test_a_provider_file_that_is_cut_off_changes_nothing(db: Session, books: None) -> None:
    run = _sent(db, 100, 200, rail="paypal", currency="USD")
    first, second = _names(db, run)
    whole = _paypal((first, "SUCCESS", ""), (second, "FAILED", "why"))

    _refuse(db, whole[:-10], FileUnreadable, "paypal")
    assert _states(db, run) == ["exported"] * 2

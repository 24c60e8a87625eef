"""The journal and the trial balance: judged by DuckDB, openpyxl, and beancount in a process of its own."""

import io
import subprocess
import sys
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import clock
from payments import account_codes, adjustments, ledger, statements
from payments.account_codes import AccountCodesMissing
from payments.export_kinds.spans import ExportSpanInvalid
from payments.ledger import BANK, FUNDS, HOUSE, AccountName, Entry, Line
from payments.periods import NoSuchMonth
from tests.payments import exported, owed
from tests.payments.exported import ask, finish, make


@pytest.fixture
def month(db: Session) -> str:
    """This month, in which people earned in two currencies, were paid and had something taken back."""
    first = owed.payee(db, 12_300, 200)
    owed.payee(db, 500, currency="EUR")
    exported.enter_rate(db, "EUR", "USD", "1.085")
    owed.pay_out(db)
    answers = owed.owe(db, first, 4_000, 7_000)
    earning = db.scalars(text("SELECT id FROM earnings WHERE answer_ref = :ref"), {"ref": answers[0]}).one()
    adjustments.reverse(db, [earning], reason="A mistake.", actor_ref="finance")
    return f"{clock.now(db):%Y-%m}"


def _turnover(db: Session) -> dict[tuple[str, str], tuple[Decimal, Decimal]]:
    """Debits and credits by role and currency, by the books."""
    return {
        (row.role, row.currency): (
            Decimal(int(row.debits)).scaleb(-row.exponent),
            Decimal(int(row.credits)).scaleb(-row.exponent),
        )
        for row in ledger.trial_balance(db)
    }


def _judged(path: Path) -> dict[tuple[str, str], tuple[Decimal, Decimal]]:
    """The same by DuckDB, out of lines whose account is the role behind an R."""
    with duckdb.connect() as judge:
        found = judge.execute(
            "SELECT Account[3:], Currency, sum(coalesce(CAST(nullif(Debit, '') AS DECIMAL(18, 4)), 0)),"
            " sum(coalesce(CAST(nullif(Credit, '') AS DECIMAL(18, 4)), 0))"
            f" FROM read_csv('{path}', all_varchar = true, header = true) GROUP BY 1, 2"
        ).fetchall()
    return {(role, currency): (debits, credits_) for role, currency, debits, credits_ in found}


@pytest.mark.parametrize("detail", ["entry", "day"])
def test_lines_turn_over_what_the_books_do(db: Session, books: None, month: str, tmp_path: Path, detail: str) -> None:
    exported.set_codes(db)

    export, content = make(db, "journal", month=month, detail=detail)

    assert _judged(exported.saved(content, tmp_path / "journal.csv")) == _turnover(db)
    by_currency = Counter[str]()
    for (_, currency), (debits, _) in _turnover(db).items():
        by_currency[currency] += debits  # type: ignore[assignment]  # sums of decimals
    assert export.sums == {currency: str(total) for currency, total in by_currency.items()}


@pytest.mark.parametrize("detail", ["entry", "day"])
def test_every_document_balances_and_has_a_number_of_its_own(
    db: Session, books: None, month: str, tmp_path: Path, detail: str
) -> None:
    exported.set_codes(db)

    _, content = make(db, "journal", month=month, detail=detail)

    path = exported.saved(content, tmp_path / "journal.csv")
    with duckdb.connect() as judge:
        documents = judge.execute(
            "SELECT Number, count(DISTINCT Memo), sum(CAST(coalesce(nullif(Debit, ''), '0') AS DECIMAL(18, 4))"
            " - CAST(coalesce(nullif(Credit, ''), '0') AS DECIMAL(18, 4)))"
            f" FROM read_csv('{path}', all_varchar = true, header = true) GROUP BY Number, Currency"
        ).fetchall()
    assert all(balance == 0 for _, _, balance in documents)
    assert all(len(number) <= 21 for number, _, _ in documents)
    entries = db.scalars(text("SELECT count(*) FROM journal_entries")).one()
    kinds = db.scalars(text("SELECT count(DISTINCT kind) FROM journal_entries")).one()
    assert len({number for number, _, _ in documents}) == (entries if detail == "entry" else kinds)
    assert {memos for _, memos, _ in documents} == {1}


def test_a_document_names_its_entry_and_its_key(db: Session, month: str) -> None:
    exported.set_codes(db)

    _, content = make(db, "journal", month=month)

    keys = set(db.scalars(text("SELECT kind || ' ' || idempotency_key || ' ' || id FROM journal_entries")))
    assert {row["Memo"] for row in exported.rows(content)} == keys


def test_one_account_has_a_code_of_its_own_in_entries_and_in_sums(db: Session, books: None, month: str) -> None:
    payee_id = db.scalars(text("SELECT id FROM payees ORDER BY id LIMIT 1")).one()
    exported.set_codes(db, **{f"payable:{payee_id}": "2021"})

    for detail in ("entry", "day"):
        _, content = make(db, "journal", month=month, detail=detail)

        moved = [row for row in exported.rows(content) if row["Account"] == "2021"]
        held = sum(Decimal(row["Credit"] or 0) - Decimal(row["Debit"] or 0) for row in moved)
        assert held == Decimal(statements.balance(db, "payable", payee_id, "USD")).scaleb(-4)


def test_accounts_without_a_code_are_named(db: Session, month: str) -> None:
    account_codes.replace(db, {"bank": "1010", "funds": "2010"}, set_by="finance")

    with pytest.raises(AccountCodesMissing) as refused:
        ask(db, "journal", month=month)

    assert refused.value.extensions["accounts"] == ["fx_clearing", "in_transit", "payable", "platform_fee", "reserve"]
    assert "PUT /api/account-codes" in refused.value.detail


def test_only_accounts_that_moved_on_these_days_need_a_code(db: Session, month: str) -> None:
    day = clock.now(db).date() - timedelta(days=1)

    export, content = make(db, "journal", first_day=day.isoformat(), last_day=day.isoformat())

    assert export.n_rows == 0
    assert content == b"Date,Number,Account,Debit,Credit,Currency,Memo\r\n"


def test_an_account_that_is_new_since_it_was_asked_for_fails_by_name(db: Session, month: str) -> None:
    codes = {role: "1" for role in ledger.ROLES if role != "suspense"}
    account_codes.replace(db, codes, set_by="finance")
    export = ask(db, "journal", month=month)

    line = Line(AccountName(BANK, HOUSE, "USD"), AccountName(ledger.SUSPENSE, HOUSE, "USD"), 5)
    ledger.post(db, [Entry("susp:x", "suspense", "x", "test", (line,))])

    assert "there is nothing for suspense:house" in str(finish(db, export).failure)


def test_days_are_those_that_entries_count_for(db: Session) -> None:
    today = clock.now(db).date()
    for back, amount in ((40, 1), (35, 2), (30, 4)):
        line = Line(AccountName(BANK, HOUSE, "USD"), AccountName(FUNDS, "req_1", "USD"), amount)
        entry = Entry(f"fund:{back}", "top_up", "req_1", "test", (line,), effective_on=today - timedelta(days=back))
        ledger.post(db, [entry])
    exported.set_codes(db)

    def moved(first: int, last: int) -> list[str]:
        days = {"first_day": _back(today, first), "last_day": _back(today, last)}
        return [row["Debit"] for row in exported.rows(make(db, "journal", **days)[1]) if row["Debit"]]

    assert moved(40, 35) == ["0.0001", "0.0002"]
    assert moved(39, 30) == ["0.0002", "0.0004"]
    assert moved(34, 31) == []


def _back(today: date, days: int) -> str:
    return (today - timedelta(days=days)).isoformat()


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"month": "2026-10", "first_day": "2026-10-01"},
        {"first_day": "2026-10-01"},
        {"first_day": "2026-10-02", "last_day": "2026-10-01"},
        {"first_day": "2025-01-01", "last_day": "2026-01-02"},
    ],
)
def test_days_that_are_none_are_refused(db: Session, given: dict[str, str]) -> None:
    with pytest.raises(ExportSpanInvalid):
        ask(db, "journal", "beancount", **given)


def test_a_month_that_is_none_is_refused(db: Session) -> None:
    with pytest.raises(NoSuchMonth):
        ask(db, "journal", "beancount", month="2026-13")


# Beancount


def _bean_check(content: bytes, path: Path) -> subprocess.CompletedProcess[str]:
    """In a process of its own, for it is under the GPL; what it says, and how many transactions it has seen."""
    path.write_bytes(content)
    judge = (
        "import sys; from beancount import loader; from beancount.core.data import Transaction\n"
        "entries, errors, _ = loader.load_file(sys.argv[1])\n"
        "print(sum(isinstance(entry, Transaction) for entry in entries)); print(len(errors)); print(errors[:3])"
    )
    return subprocess.run([sys.executable, "-c", judge, str(path)], capture_output=True, text=True, check=True)


@pytest.mark.parametrize("detail", ["entry", "day"])
def test_beancount_takes_all_of_it(db: Session, books: None, month: str, tmp_path: Path, detail: str) -> None:
    _, content = make(db, "journal", "beancount", month=month, detail=detail)

    said = _bean_check(content, tmp_path / "journal.beancount").stdout.splitlines()

    n = db.scalars(text(f"SELECT count({'*' if detail == 'entry' else 'DISTINCT kind'}) FROM journal_entries")).one()
    assert said[:2] == [str(n), "0"], said


@pytest.mark.parametrize(
    ("right", "wrong"),
    [(b"  12300 USD.4", b"  12301 USD.4"), (b" open Liabilities:Payable", b" open Expenses:Payable"), (b"-", b"")],
    ids=["one unit more", "another account", "a sign"],
)
def test_beancount_refuses_what_was_planted(
    db: Session, month: str, tmp_path: Path, right: bytes, wrong: bytes
) -> None:
    _, content = make(db, "journal", "beancount", month=month)
    planted = content.replace(b" -12300 USD.4", b" -12301 USD.4", 1) if right.startswith(b"  1") else None
    if planted is None:
        place = content.index(b" -12300 USD.4") if right == b"-" else content.index(right)
        planted = content[:place] + content[place:].replace(right, wrong, 1)
    assert planted != content

    said = _bean_check(planted, tmp_path / "journal.beancount").stdout.splitlines()

    assert int(said[0]) > 0
    assert int(said[1]) > 0


def test_money_of_before_a_new_one_is_a_commodity_of_its_own(db: Session, tmp_path: Path) -> None:
    line = Line(AccountName(BANK, HOUSE, "VES.2018"), AccountName(FUNDS, "req_1", "VES.2018"), 7)
    ledger.post(db, [Entry("fund:old", "top_up", "req_1", "test", (line,))])
    today = clock.now(db).date().isoformat()

    _, content = make(db, "journal", "beancount", first_day=today, last_day=today)

    assert b"7 VES.2018.4" in content
    assert _bean_check(content, tmp_path / "old.beancount").stdout.splitlines()[:2] == ["1", "0"]


# Other formats


def test_parquet_and_a_spreadsheet_say_the_same(db: Session, books: None, month: str, tmp_path: Path) -> None:
    exported.set_codes(db)
    path = exported.saved(make(db, "journal", "parquet", month=month)[1], tmp_path / "journal.parquet")
    book = openpyxl.load_workbook(io.BytesIO(make(db, "journal", "xlsx", month=month)[1]), read_only=True)

    with duckdb.connect() as judge:
        found = judge.execute(
            "SELECT split_part(account, ':', 1), currency, sum(debit), sum(credit), min(debit_exponent)"
            f" FROM '{path}' GROUP BY 1, 2"
        ).fetchall()
    judged = {(role, each): tuple(Decimal(int(n)).scaleb(-exp) for n in sides) for role, each, *sides, exp in found}
    assert judged == _turnover(db)
    shown = [dict(zip(exported_header(book), row, strict=True)) for row in _body(book)]
    assert sum(Decimal(str(row["debit"])) for row in shown) == sum(debits for debits, _ in _turnover(db).values())
    assert {row["code"] for row in shown} == {f"R {role}" for role, _ in _turnover(db)}


def exported_header(book: Any) -> list[str]:
    return [cell.value for cell in next(book["Journal"].iter_rows(max_row=1))]


def _body(book: Any) -> list[tuple[Any, ...]]:
    return list(book["Journal"].iter_rows(min_row=2, values_only=True))


def test_no_bank_reference_becomes_a_formula(db: Session) -> None:
    line = Line(AccountName(BANK, HOUSE, "USD"), AccountName(FUNDS, "req_1", "USD"), 7)
    ledger.post(db, [Entry("=1+1", "=cmd", "req_1", "test", (line,))])
    exported.set_codes(db)
    today = clock.now(db).date().isoformat()

    _, content = make(db, "journal", first_day=today, last_day=today)

    assert {row["Memo"][:9] for row in exported.rows(content)} == {"'=cmd =1+"}


def test_a_trial_balance_is_that_of_its_month(db: Session, books: None, month: str) -> None:
    _, content = make(db, "trial-balance", month=month)

    found = {
        (row["role"], row["currency"]): (Decimal(row["debits"]), Decimal(row["credits"]))
        for row in exported.rows(content)
    }
    assert found == _turnover(db)

"""The accounting journal: sums by DuckDB, and beancount, in a process of its own, as the judge of the plain text."""

import csv
import io
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.files import cells, journal, parquet, xlsx
from payments.files.journal import Entry, Posting
from payments.files.orders import Batch, Order, Unfit
from tests.payments.files.samples import Nowhere, batch, kept

CODES = {"bank": "1010", "funds": "2010", "payable": "2020", "payable:pye_special": "2021", "platform_fee": "4000"}
ROOTS = {"bank": "Assets", "funds": "Liabilities", "payable": "Liabilities", "platform_fee": "Income"}


def _usd(account: str, amount: int) -> Posting:
    return Posting(account, amount, "USD", 4)


def _entry(number: str = "J1", **fields: Any) -> Entry:
    """USD 1.20 of somebody's funds become pay and a fee."""
    postings = [_usd("funds:req_1", 12_000), _usd("payable:pye_1", -10_000), _usd("platform_fee", -2_000)]
    return replace(Entry(number, date(2026, 7, 1), "Answers of a day", postings), **fields)


def _entries(size: int) -> list[Entry]:
    return [_entry(f"J{number}", on=date(2026, 7, 1 + number % 28)) for number in range(size)]


def _lines(entries: Iterable[Entry]) -> str:
    file = io.BytesIO()
    journal.write_lines(entries, CODES, file)
    return file.getvalue().decode()


def _beancount(entries: Iterable[Entry]) -> str:
    file = io.BytesIO()
    journal.write_beancount(entries, ROOTS, file)
    return file.getvalue().decode()


def test_a_known_entry_is_these_very_lines() -> None:
    assert _lines([_entry()]) == (
        "Date,Number,Account,Debit,Credit,Currency,Memo\r\n"
        "2026-07-01,J1,2010,1.2000,,USD,Answers of a day\r\n"
        "2026-07-01,J1,2020,,1.0000,USD,Answers of a day\r\n"
        "2026-07-01,J1,4000,,0.2000,USD,Answers of a day\r\n"
    )


def test_one_account_may_have_a_code_of_its_own() -> None:
    entry = _entry(postings=[_usd("funds:req_1", 5), _usd("payable:pye_special", -5)])

    assert [row["Account"] for row in csv.DictReader(io.StringIO(_lines([entry])))] == ["2010", "2021"]


def test_debits_and_credits_are_the_same_for_every_document(tmp_path: Path) -> None:
    path = tmp_path / "journal.csv"
    path.write_text(_lines(_entries(300)), newline="")

    documents = (
        "SELECT count(*) AS n, sum(CAST(Debit AS DECIMAL(18, 4))) AS debits,"
        " sum(CAST(Credit AS DECIMAL(18, 4))) AS credits"
        f" FROM read_csv('{path}', all_varchar = true, header = true) GROUP BY Number"
    )
    with duckdb.connect() as judge:
        found = judge.execute(
            f"SELECT count(*), sum(n), sum(debits), count(*) FILTER (debits <> credits) FROM ({documents})"
        ).fetchone()

    assert found is not None
    assert (found[0], found[1], str(found[2]), found[3]) == (300, 900, "360.0000", 0)


@pytest.mark.parametrize("write", [_lines, _beancount, lambda entries: list(journal.table(entries).rows)])
@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"postings": [_usd("bank", 1)]}, "amount"),
        ({"postings": [_usd("bank", 2), _usd("funds", -1)]}, "amount"),
        ({"postings": []}, "amount"),
        ({"postings": [_usd("bank", 0), _usd("funds", 0)]}, "amount"),
        ({"postings": [_usd("bank", 1), replace(_usd("funds", -1), currency="EUR")]}, "amount"),
        ({"postings": [_usd("bank", 1), replace(_usd("funds", -1), exponent=2)]}, "amount"),
        (
            {"postings": [replace(_usd("bank", 1), currency="usd"), _usd("funds", -1)]},
            "currency",
        ),
        ({"number": ""}, "number"),
        ({"number": "J" * 22}, "number"),
        ({"number": "J\n1"}, "number"),
        ({"number": "=1"}, "number"),
        ({"number": "J0"}, "number"),
        ({"on": date(1969, 12, 31)}, "date"),
        ({"memo": "\ud800"}, "memo"),
    ],
)
def test_an_entry_that_is_none_is_refused_with_its_place(write: Any, fields: dict[str, Any], field: str) -> None:
    with pytest.raises(Unfit) as refused:
        write([_entry("J0"), _entry(**fields)])

    assert (refused.value.order, refused.value.field) == (1, field)


@pytest.mark.parametrize("write", [_lines, _beancount])
def test_an_account_that_nobody_has_mapped_is_refused(write: Any) -> None:
    with pytest.raises(Unfit, match="goodwill"):
        write([_entry(postings=[_usd("bank", 1), _usd("goodwill", -1)])])


def test_the_longest_number_fits() -> None:
    assert "J" * 21 in _lines([_entry("J" * 21)])


@given(st.text(max_size=40))
def test_a_memo_comes_back_as_it_was(memo: str) -> None:
    rows = list(csv.DictReader(io.StringIO(_lines([_entry(memo=memo)]), newline="")))

    assert {row["Memo"] for row in rows} == {cells.quoted(memo)}


def test_a_journal_becomes_a_spreadsheet_and_parquet(tmp_path: Path) -> None:
    entries, path, file = _entries(100), tmp_path / "journal.parquet", io.BytesIO()

    with path.open("wb") as target:
        written = parquet.write(journal.table(entries), target)
    xlsx.write(journal.table(entries), file, created_at=batch().created_at)

    with duckdb.connect() as judge:
        found = judge.execute(f"SELECT count(*), sum(amount), sum(amount) FILTER (amount > 0) FROM '{path}'").fetchone()
    assert found == (300, 0, 1_200_000)
    assert written.totals == {("USD", 4): 0}
    sheet = openpyxl.load_workbook(file, read_only=True)["Journal"]
    assert sum(row[3] for row in sheet.iter_rows(min_row=2, values_only=True) if row[3] > 0) == pytest.approx(120)


_COUNT = """
import json, sys
from beancount import loader
from beancount.core.data import Transaction
entries, errors, _ = loader.load_file(sys.argv[1])
found = [entry for entry in entries if isinstance(entry, Transaction)]
print(json.dumps({"opens": len(entries) - len(found), "errors": len(errors),
                  "texts": [[entry.payee, entry.narration] for entry in found],
                  "postings": sum(len(entry.postings) for entry in found)}))
"""


def _check(path: Path, text: str) -> list[str]:
    """What bean-check, in its own process, complains of; and that it exits as it says."""
    path.write_text(text, newline="")
    check = Path(sys.executable).with_name("bean-check")
    done = subprocess.run([check, "--no-cache", "--json", path], capture_output=True, text=True, check=False)
    errors = json.loads(done.stdout).get("errors", []) if done.stdout.strip() else []
    assert (done.returncode == 0) == (not errors)
    return [error["message"] for error in errors]


def _read(path: Path, text: str) -> dict[str, Any]:
    path.write_text(text, newline="")
    done = subprocess.run([sys.executable, "-c", _COUNT, path], capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_known_entry_is_this_very_journal() -> None:
    assert _beancount([_entry(), _entry("J2", memo='say "hi" \\')]).splitlines() == [
        "1970-01-01 open Liabilities:Funds:Req-1:USD USD.4",
        "1970-01-01 open Liabilities:Payable:Pye-1:USD USD.4",
        "1970-01-01 open Income:Platform-fee:USD USD.4",
        '2026-07-01 * "J1" "Answers of a day"',
        "  Liabilities:Funds:Req-1:USD  12000 USD.4",
        "  Liabilities:Payable:Pye-1:USD  -10000 USD.4",
        "  Income:Platform-fee:USD  -2000 USD.4",
        '2026-07-01 * "J2" "say \\"hi\\" \\\\"',
        "  Liabilities:Funds:Req-1:USD  12000 USD.4",
        "  Liabilities:Payable:Pye-1:USD  -10000 USD.4",
        "  Income:Platform-fee:USD  -2000 USD.4",
    ]


def test_beancount_reads_every_entry_and_has_nothing_to_complain_of(tmp_path: Path) -> None:
    path, text = tmp_path / "journal.beancount", _beancount(_entries(200))

    assert _check(path, text) == []
    found = _read(path, text)
    assert (len(found["texts"]), found["postings"], found["opens"], found["errors"]) == (200, 600, 3, 0)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("12000 USD.4", "12001 USD.4", "does not balance"),
        ("1970-01-01 open Income:Platform-fee:USD USD.4\n", "", "unknown account"),
        ("-2000 USD.4", "-2000 EUR.4", "currency"),
    ],
)
def test_beancount_sees_a_planted_error_of_a_single_unit(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    text = _beancount(_entries(3))
    assert old in text

    found = _check(tmp_path / "journal.beancount", text.replace(old, new, 1))

    assert any(complaint in message.lower() for message in found)


MEMOS = ['"', "\\", '\\"', "a\nb", "\x00\x1b", "; no comment", "=1", "🙂", "مرحبا \u202e", "#tag ^link", "\\n", "'", "",
         "2026-01-01 open Assets:Mine", '" \n2026-01-01 open Assets:Mine']  # fmt: skip


def test_no_memo_says_anything_to_beancount(tmp_path: Path) -> None:
    text = _beancount(_entry(f"J{number}", memo=memo) for number, memo in enumerate(MEMOS))

    found = _read(tmp_path / "journal.beancount", text)

    shown = [memo.replace("\n", " ").replace("\x00\x1b", "  ") for memo in MEMOS]
    assert found["texts"] == [[f"J{number}", memo] for number, memo in enumerate(shown)]
    assert (found["opens"], found["errors"]) == (3, 0)


def test_accounts_whose_names_become_the_same_are_refused() -> None:
    with pytest.raises(Unfit, match="two accounts"):
        _beancount([_entry(postings=[_usd("payable:a_b", 1), _usd("payable:a-b", -1)])])


def test_an_account_in_two_currencies_is_opened_for_each(tmp_path: Path) -> None:
    yen = [Posting("bank", 5, "JPY", 0), Posting("funds:req_1", -5, "JPY", 0)]
    entry = _entry(postings=[_usd("bank", 12_000), _usd("funds:req_1", -12_000), *yen])

    text = _beancount([entry])

    assert text.count(" open ") == 4
    assert _check(tmp_path / "journal.beancount", text) == []


def test_the_root_of_an_account_is_one_of_five() -> None:
    with pytest.raises(Unfit, match="Asset is none of"):
        journal.write_beancount([_entry()], {**ROOTS, "funds": "Asset"}, io.BytesIO())


def test_the_same_entries_are_the_same_bytes() -> None:
    assert _lines(_entries(50)) == _lines(_entries(50))
    assert _beancount(_entries(50)) == _beancount(_entries(50))


def test_memory_does_not_grow_with_the_number_of_entries() -> None:
    def made(orders: Iterator[Order]) -> Iterator[Entry]:
        return (_entry(one.end_to_end_id) for one in orders)

    def lines(_: Batch, orders: Iterator[Order]) -> None:
        journal.write_lines(made(orders), CODES, Nowhere())  # type: ignore[arg-type]

    def beancount(_: Batch, orders: Iterator[Order]) -> None:
        journal.write_beancount(made(orders), ROOTS, Nowhere())  # type: ignore[arg-type]

    assert kept(lines) < 20_000
    assert kept(beancount) < 20_000

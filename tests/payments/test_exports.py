"""What is owed, as a file that finance can open without fear."""

import csv
import hashlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from payments import earnings, export_making, funding, payees
from payments.earnings import Work
from payments.files import cells
from payments.made_files import MadeFile
from payments.models import Payee


def _owe(db: Session, payee: Payee, *amounts: int, currency: str = "USD") -> None:
    """Due earnings out of a reserve made for them."""
    cause, total = f"bat_{payee.id}_{currency}", 2 * sum(amounts)
    funding.register(db, "req")
    funding.top_up(db, owner_ref="req", currency=currency, amount=total, bank_reference=cause, actor_ref="finance")
    funding.reserve(db, owner_ref="req", cause_ref=cause, key=cause, currency=currency, amount=total)
    answers = [f"ans_{cause}_{i}" for i in range(len(amounts))]
    work = [Work(answer, payee.id, cause, currency, n) for answer, n in zip(answers, amounts, strict=True)]
    earnings.pend(db, work)
    earnings.accept(db, answers)


def _payee(db: Session, name: str = "Ada", country: str = "KE") -> Payee:
    return payees.register(db, owner_ref=f"wrk_{name}", name=name, country=country)


def _read(export: MadeFile) -> tuple[bytes, list[dict[str, str]]]:
    raw = b"".join(export.chunks())
    return raw, list(csv.DictReader(io.StringIO(raw.decode(), newline="")))


def test_every_payee_has_one_row_for_each_currency(db: Session, books: None) -> None:
    ada, bo = _payee(db), _payee(db, "Bo", "JP")
    _owe(db, ada, 12_300, 200)
    _owe(db, ada, 50, currency="EUR")
    _owe(db, bo, 12_345, currency="JPY")

    _, rows = _read(export_making.payables(db, made_by="finance"))

    shown = [(row["payee_id"], row["currency"], row["amount_due"], row["earnings"]) for row in rows]
    assert shown == [(ada.id, "EUR", "0.0050", "1"), (ada.id, "USD", "1.2500", "2"), (bo.id, "JPY", "123.45", "1")]
    assert {row["country"] for row in rows} == {"KE", "JP"}
    assert all(row["oldest_due_at"].endswith("+00:00") for row in rows)


def test_pending_work_is_not_owed_yet(db: Session, books: None) -> None:
    ada = _payee(db)
    _owe(db, ada, 200)
    earnings.pend(db, [Work("ans_pending", ada.id, f"bat_{ada.id}_USD", "USD", 100)])

    _, rows = _read(export_making.payables(db, made_by="finance"))

    assert [row["amount_due"] for row in rows] == ["0.0200"]


def test_the_totals_describe_the_bytes(db: Session, books: None) -> None:
    _owe(db, _payee(db), 200)

    export = export_making.payables(db, made_by="finance")
    raw, rows = _read(export)

    assert export.rows == len(rows) == 1
    assert export.sha256 == hashlib.sha256(raw).hexdigest()
    assert raw.count(b"\r\n") == raw.count(b"\n") == 2


def test_nothing_owed_is_a_header_alone(db: Session) -> None:
    raw, rows = _read(export_making.payables(db, made_by="finance"))

    assert rows == []
    assert raw == b"payee_id,name,country,currency,amount_due,earnings,oldest_due_at\r\n"


def test_a_large_file_comes_in_bounded_pieces_and_is_closed(db: Session) -> None:
    ada = _payee(db, "A" * 200_000)
    _owe(db, ada, 200)

    export = export_making.payables(db, made_by="finance")
    pieces = list(export.chunks())

    assert len(pieces) > 2
    assert max(map(len, pieces)) <= 64 * 1024
    assert export.file.closed


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\u00a0=1", "\uff1d1", "\t=1", '=cmd|"/c"'])
def test_no_name_becomes_a_formula(db: Session, books: None, name: str) -> None:
    _owe(db, _payee(db, name), 200)

    _, rows = _read(export_making.payables(db, made_by="finance"))

    assert rows[0]["name"] == "'" + name


@pytest.mark.parametrize("name", ["Ada", "O'Brien, Ada", 'A "quoted" name', "Ngũgĩ wa Thiong'o", "李", "1-2"])
def test_an_honest_name_comes_through_as_it_is(db: Session, books: None, name: str) -> None:
    _owe(db, _payee(db, name), 200)

    _, rows = _read(export_making.payables(db, made_by="finance"))

    assert rows[0]["name"] == name


@given(st.text(max_size=20))
def test_a_cell_never_begins_as_a_formula_does(value: str) -> None:
    shown = cells.quoted(value)

    assert shown.removeprefix("'") == value.removeprefix("'")
    assert not shown.lstrip(" \u00a0").startswith(("=", "+", "-", "@", "\t", "\r", "\n"))

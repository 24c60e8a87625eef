"""What is owed, as a file that finance can open without fear."""

import csv
import hashlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from foundation import ids
from foundation.errors import Problem
from payments import earnings, export_making, exports, funding, payees
from payments.earnings import Work
from payments.files import cells
from payments.made_files import MadeFile
from payments.models import Export, ExportDownload, Payee
from tests.payments import exported


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


# Asking and taking


_REFUSED: list[tuple[tuple[str, str, dict[str, str]], type[Problem], str]] = [
    (("everything", "csv", {}), exports.ExportKindUnknown, "/kind"),
    (("payables", "beancount", {}), exports.ExportFormatUnknown, "/format"),
    (("payables", "csv", {"month": "2026-10"}), exports.ExportParametersInvalid, "/parameters/month"),
    (("trial-balance", "csv", {}), exports.ExportParametersInvalid, "/parameters/month"),
    (("tax-year", "csv", {"country": "KE"}), exports.ExportParametersInvalid, "/parameters/year"),
]


@pytest.mark.parametrize(("asked", "problem", "pointer"), _REFUSED)
def test_what_cannot_be_made_is_refused_when_it_is_asked_for(
    db: Session, asked: tuple[str, str, dict[str, str]], problem: type[Problem], pointer: str
) -> None:
    kind, format_, parameters = asked

    with pytest.raises(problem) as refused:
        exported.ask(db, kind, format_, **parameters)

    assert refused.value.errors[0]["pointer"] == pointer
    assert db.scalars(select(func.count()).select_from(Export)).one() == 0


def test_bytes_are_there_when_it_is_ready_and_not_before(db: Session) -> None:
    export = exported.ask(db, "payables")

    with pytest.raises(exports.ExportNotReady, match="making"):
        exported.take(db, export)
    with pytest.raises(exports.NoSuchExport):
        exports.take(db, ids.new("exp"), taken_by="oscar")


def test_everybody_who_takes_the_bytes_is_kept(db: Session) -> None:
    export, _ = exported.make(db, "payables")

    exports.take(db, export.id, taken_by="ada").file.close()

    assert list(db.scalars(select(ExportDownload.taken_by).order_by(ExportDownload.id))) == ["oscar", "ada"]
    assert len(db.scalars(exports.downloads(db, export.id)).all()) == 2


def test_a_file_that_is_made_at_once_leaves_its_manifest(db: Session, books: None) -> None:
    _owe(db, _payee(db), 200)

    raw, _ = _read(export_making.payables(db, made_by="ada"))

    export = db.scalars(select(Export)).one()
    assert (export.kind, export.state, export.made_by, export.n_rows) == ("payables", "gone", "ada", 1)
    assert (export.hash_text, export.n_bytes, export.sums) == (
        hashlib.sha256(raw).hexdigest(), len(raw), {"USD": "0.0200"},
    )  # fmt: skip
    assert db.scalars(select(ExportDownload.taken_by)).one() == "ada"
    with pytest.raises(exports.ExportGone):
        exported.take(db, export)


def test_the_same_table_is_the_same_bytes_at_once_and_step_by_step(db: Session, books: None) -> None:
    _owe(db, _payee(db), 200)

    assert exported.make(db, "payables")[1] == _read(export_making.payables(db, made_by="ada"))[0]


def _days_later(monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    monkeypatch.setattr(exports, "DAYS_KEPT", exports.DAYS_KEPT - days)


def _left(db: Session) -> tuple[int, int]:
    """Drawn rows and pieces that are kept."""
    return tuple(
        db.execute(text("SELECT (SELECT count(*) FROM export_rows), (SELECT count(*) FROM export_chunks)")).one()
    )


def test_drawn_rows_go_once_they_are_in_a_file(db: Session) -> None:
    exported.make(db, "payables")
    _owe(db, _payee(db), 200)
    export, _ = exported.make(db, "payables")
    waiting = exported.ask(db, "payables")
    steps = export_making.steps(db, waiting.id)
    next(steps), next(steps)
    assert _left(db) == (2, 2)

    while exports.expire(db):
        pass

    assert _left(db) == (1, 2)
    assert exported.take(db, export)


def test_bytes_go_after_thirty_days_and_the_manifest_stays(db: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    _owe(db, _payee(db), 200)
    export, content = exported.make(db, "payables")
    while exports.expire(db):
        pass
    assert exported.take(db, export) == content
    _days_later(monkeypatch, 31)

    while exports.expire(db):
        pass

    assert _left(db) == (0, 0)
    db.refresh(export)
    assert (export.state, export.n_rows, export.hash_text) == ("gone", 1, hashlib.sha256(content).hexdigest())
    with pytest.raises(exports.ExportGone):
        exported.take(db, export)
    assert exports.expire(db) == 0


def test_large_exports_go_some_pieces_at_once(db: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_making, "CHUNK", 1)
    exported.make(db, "payables")
    _days_later(monkeypatch, 31)

    left = []
    while exports.expire(db):
        left.append(_left(db)[1])

    # A header of 66 bytes; then they are gone, and then that is known.
    assert left == [2, 0, 0]

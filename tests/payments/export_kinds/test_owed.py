"""What is owed and was paid, as tables: sums recomputed by DuckDB, text by openpyxl."""

import io
from datetime import timedelta
from pathlib import Path

import duckdb
import openpyxl
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import clock, ids
from payments import payouts, runs
from payments.export_kinds.owed import FX_RATE
from payments.payouts import Outcome
from tests.payments import exported, owed
from tests.payments.exported import ask, make


@pytest.fixture
def this_month(db: Session) -> str:
    return f"{clock.now(db):%Y-%m}"


@pytest.mark.parametrize("kind", ["payables", "earnings"])
def test_every_format_says_the_same(db: Session, books: None, this_month: str, tmp_path: Path, kind: str) -> None:
    for amounts in ((12_300, 200), (7,), (1_000_000,)):
        owed.payee(db, *amounts)
    given = {} if kind == "payables" else {"month": this_month}
    column, total = ("amount_due" if kind == "payables" else "amount"), 1_012_507

    made = {format_: make(db, kind, format_, **given) for format_ in ("csv", "xlsx", "parquet")}

    csv_path = exported.saved(made["csv"][1], tmp_path / "a.csv")
    parquet_path = exported.saved(made["parquet"][1], tmp_path / "a.parquet")
    with duckdb.connect() as judge:
        by_csv = judge.execute(
            f"SELECT count(*), sum(CAST({column} AS DECIMAL(18, 4))) FROM read_csv('{csv_path}', all_varchar = true)"
        ).fetchone()
        by_parquet = judge.execute(f"SELECT count(*), sum({column}) FROM '{parquet_path}'").fetchone()
    assert by_csv is not None
    assert (by_csv[0], str(by_csv[1])) == (made["csv"][0].n_rows, "101.2507")
    assert by_parquet == (by_csv[0], total)
    sheet = openpyxl.load_workbook(io.BytesIO(made["xlsx"][1]), read_only=True)
    assert sum(1 for _ in next(iter(sheet)).iter_rows(min_row=2)) == by_csv[0]
    assert list(sheet["Totals"].iter_rows(values_only=True))[2] == ("sum", "USD", "101.2507")
    assert {export.sums["USD"] for export, _ in made.values() if export.sums} == {"101.2507"}


def test_duckdb_sees_a_cent_that_was_planted(db: Session, tmp_path: Path) -> None:
    owed.payee(db, 12_300)
    export, content = make(db, "payables")

    path = exported.saved(content.replace(b"1.2300", b"1.2301"), tmp_path / "a.csv")

    with duckdb.connect() as judge:
        found = judge.execute(f"SELECT sum(CAST(amount_due AS DECIMAL(18, 4))) FROM '{path}'").fetchone()
    assert found is not None
    assert str(found[0]) != (export.sums or {})["USD"]


@pytest.mark.parametrize("name", ['=cmd|"/c calc"!A1', "\u00a0=1", "+1", "@SUM(A1)", "\t=1"])
def test_no_name_becomes_a_formula_in_any_spreadsheet(db: Session, books: None, name: str) -> None:
    owed.payee(db, 200).name = name
    db.flush()

    (row,) = exported.rows(make(db, "payables")[1])
    book = openpyxl.load_workbook(io.BytesIO(make(db, "payables", "xlsx")[1]))

    assert row["name"] == "'" + name
    cell = book["Payables"]["B2"]
    assert (cell.data_type, cell.value) == ("s", name)


def test_an_earning_shows_how_much_of_it_is_paid(db: Session, books: None, this_month: str) -> None:
    owed.payee(db, 12_345)
    owed.pay_out(db)

    (row,) = exported.rows(make(db, "earnings", month=this_month)[1])

    assert (row["status"], row["amount"], row["paid"]) == ("due", "1.2345", "1.2300")
    assert row["kind"] == "answer"
    assert row["answer_ref"].startswith("ans_")


def test_an_earning_shows_what_of_it_authorities_took(db: Session, books: None, this_month: str) -> None:
    owed.levy(db, 1_000, authority="KRA", basis="accrual")
    owed.payee(db, 20_000)
    owed.pay_out(db)

    (row,) = exported.rows(make(db, "earnings", month=this_month)[1])

    assert (row["status"], row["amount"], row["withheld"], row["paid"]) == ("paid", "2.0000", "0.2000", "1.8000")


def test_days_of_earnings_are_those_on_which_they_became_due(db: Session, this_month: str) -> None:
    owed.payee(db, 100, 200, 300)
    moment = "timestamptz '2026-03-01 00:00:00+00'"
    for place, shift in enumerate(("- interval '1 microsecond'", "", "+ interval '1 day'")):
        db.execute(
            text(f"UPDATE earnings SET due_at = {moment} {shift} WHERE amount = :amount"), {"amount": (place + 1) * 100}
        )

    _, content = make(db, "earnings", first_day="2026-03-01", last_day="2026-03-01")

    assert [row["amount"] for row in exported.rows(content)] == ["0.0200"]


def test_a_payout_shows_what_it_was_converted_at(db: Session, books: None, this_month: str) -> None:
    ada = owed.payee(db, 50_000, currency="EUR")
    exported.enter_rate(db, "EUR", "USD", "1.085")
    owed.pay_out(db)

    export, content = make(db, "payouts", month=this_month)

    (row,) = exported.rows(content)
    assert (row["earned_currency"], row["gross"], row["currency"], row["net"]) == ("EUR", "4.9954", "USD", "5.4200")
    assert (row["fx_rate"], row["fx_source"], row["state"], row["payee_id"]) == ("1.085", "ECB", "settled", ada.id)
    assert (row["fee"], row["withheld"], row["withheld_by"]) == ("0.0000", "0.0000", "")
    assert export.sums == {"USD": "5.4200"}


@pytest.mark.parametrize(
    "rate", ["1", "0.000000000000001", "123.123456789012345", "129.25", "3.333333333333333", "900719925474"]
)
def test_any_rate_is_shown_exactly(db: Session, rate: str) -> None:
    exported.enter_rate(db, "EUR", "USD", rate)

    shown = db.scalars(text(f"SELECT {FX_RATE} FROM fx_rates f")).one()

    assert shown == rate


def test_what_was_dropped_has_not_left(db: Session, books: None, this_month: str) -> None:
    owed.payee(db, 50_000)
    owed.payee(db, 60_000)
    run = owed.go_through(db, runs.begin(db, rail="paypal", prepared_by=owed.PREPARER))
    dropped = db.scalars(payouts.listed(run_id=run.id)).first()
    assert dropped is not None
    runs.drop(db, dropped.id, reason="not now")
    runs.approve(db, run.id, content_hash=str(run.hash_text), approved_by=owed.APPROVER)
    owed.go_through(db, runs.release(db, run.id, released_by=owed.PREPARER))
    payouts.fail(db, [Outcome(one.id, "closed") for one in db.scalars(payouts.listed(run_id=run.id))])

    found = exported.rows(make(db, "payouts", month=this_month)[1])

    assert [(row["state"], row["reason"]) for row in found] == [("failed", "closed")]
    tomorrow = (clock.now(db) + timedelta(days=1)).date().isoformat()
    assert exported.rows(make(db, "payouts", first_day=tomorrow, last_day=tomorrow)[1]) == []


def test_whom_a_run_has_left_out(db: Session, books: None) -> None:
    ada = owed.payee(db, 700, rail=None)
    run = owed.go_through(db, runs.begin(db, rail="paypal", prepared_by=owed.PREPARER))

    _, content = make(db, "left-out", run_id=run.id)

    (row,) = exported.rows(content)
    assert (row["payee_id"], row["reason"], row["amount"], row["name"]) == (ada.id, "no_method", "0.0700", ada.name)
    with pytest.raises(runs.NoSuchRun):
        ask(db, "left-out", run_id=ids.new("run"))

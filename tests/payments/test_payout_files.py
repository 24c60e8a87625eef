"""The files of runs: judged by reading them back, with the same bytes whenever they are asked for."""

import csv
import hashlib
import io
import itertools
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC
from decimal import Decimal
from pathlib import Path

import achkit
import duckdb
import openpyxl
import pytest
from sqlalchemy import create_engine, select, text
from sqlalchemy.orm import Session

from payments import holds, orders, paying_accounts, payout_files, rails, runs
from payments.files import dialects
from payments.models import LeftOut, Payee, Payout, PayoutRun
from payments.payout_files import FormatUnknown, PartUnknown, PayoutExport, PayoutUnfit, RunNotExported
from payments.sealing import SealKeyUnknown
from tests import factories
from tests.conftest import Urls, age
from tests.payments import owed
from tests.payments.files import judges
from tests.payments.owed import ACCOUNTS, APPROVER, PREPARER, go_through

# What is owed to each, in ledger units: 12.34, 50 and 700, of which every rail pays the whole units that it has.
AMOUNTS = (123_400, 500_000, 7_000_000)
_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]+)?")


def _sent(db: Session, rail: str, *names: str) -> PayoutRun:
    """A run over a rail that has left the books, to people with these names."""
    if rail in ACCOUNTS:
        made = paying_accounts.enter(db, rail=rail, details=ACCOUNTS[rail], entered_by=PREPARER)
        paying_accounts.confirm(db, made.id, confirmed_by=APPROVER)
    _owe(db, rail, *names)
    run = go_through(db, runs.begin(db, rail=rail, prepared_by=PREPARER))
    runs.approve(db, run.id, content_hash=str(run.hash_text), approved_by=APPROVER)
    return go_through(db, runs.release(db, run.id, released_by=PREPARER))


def _owe(db: Session, rail: str, *names: str) -> list[Payee]:
    currency, made = rails.find(rail).currency, []
    for place, amount in enumerate(AMOUNTS):
        payee = owed.payee(db, amount, currency=currency, rail=rail)
        payee.name = names[place] if place < len(names) else payee.name
        made.append(payee)
    db.flush()
    return made


@pytest.fixture
def owner(db: Session, new_database: Callable[[], Urls]) -> Iterator[Session]:
    """A session of the owner, who may change what the application may not."""
    engine = create_engine(new_database().owner)
    with Session(engine, info=dict(db.info)) as session:
        yield session
    engine.dispose()


def _read(export: PayoutExport) -> bytes:
    content = b"".join(export.chunks())
    assert hashlib.sha256(content).hexdigest() == export.sha256
    return content


def _write(db: Session, run: PayoutRun, format_: str | None = None, part: int = 1) -> PayoutExport:
    return payout_files.write(db, run.id, made_by=PREPARER, format_=format_, part=part)


def _ends(db: Session, run: PayoutRun) -> list[str]:
    rows = text("SELECT end_to_end_id FROM payouts WHERE run_id = :id ORDER BY id")
    return list(db.scalars(rows, {"id": run.id}))


@pytest.mark.parametrize("version", ["pain.001.001.09", "pain.001.001.03"])
def test_a_file_for_sepa_satisfies_its_schema_and_pays_what_is_owed(db: Session, books: None, version: str) -> None:
    run = _sent(db, "sepa")

    content = _read(_write(db, run, version))

    assert judges.verdicts(content, version)
    assert all(judges.verdicts(content, version).values())
    assert judges.faults(content) == []
    assert b"DE89370400440532013000" in content
    assert [content.count(f"<EndToEndId>{end}<".encode()) for end in _ends(db, run)] == [1, 1, 1]
    assert b"<CtrlSum>762.34</CtrlSum>" in content


def test_a_file_for_ach_is_one_that_another_program_reads(db: Session, books: None) -> None:
    run = _sent(db, "ach")

    content = _read(_write(db, run)).decode("ascii")

    assert achkit.validate(content)["errors"] == []
    (batch,) = achkit.parse(content)["batches"]
    assert [entry["amount_cents"] for entry in batch["entries"]] == [1234, 5000, 70_000]


@pytest.mark.parametrize("rail", [one.name for one in rails.by_name.values() if one.format in dialects.DIALECTS])
def test_a_file_for_a_provider_has_a_row_with_its_amount_for_each_payout(db: Session, books: None, rail: str) -> None:
    run = _sent(db, rail)

    export = _write(db, run)

    dialect = dialects.DIALECTS[rails.find(rail).format]
    rows = list(csv.reader(io.StringIO(_read(export).decode()), delimiter=dialect.delimiter))[dialect.header :]
    assert (len(rows), export.rows) == (3, 3)
    whole = rail == "mpesa"
    for row, amount in zip(rows, ["12" if whole else "12.34", "50", "700"], strict=True):
        assert Decimal(amount) in {Decimal(cell) for cell in row if _NUMBER.fullmatch(cell)}


def test_people_have_the_same_run_as_csv_xlsx_and_parquet(db: Session, books: None, tmp_path: Path) -> None:
    run = _sent(db, "paypal")
    ends = _ends(db, run)

    rows = list(csv.DictReader(io.StringIO(_read(_write(db, run, "csv")).decode())))
    sheet = openpyxl.load_workbook(io.BytesIO(_read(_write(db, run, "xlsx")))).worksheets[0]
    path = tmp_path / "run.parquet"
    path.write_bytes(_read(_write(db, run, "parquet")))

    assert [(row["end_to_end_id"], row["amount"]) for row in rows] == list(
        zip(ends, ["12.34", "50.00", "700.00"], strict=True)
    )
    assert [json.loads(row["destination"])["email"].partition("@")[2] for row in rows] == ["example.com"] * 3
    cells = {str(cell) for row in sheet.iter_rows(values_only=True) for cell in row}
    assert set(ends) <= cells
    found = duckdb.connect().execute("SELECT * FROM read_parquet(?)", [str(path)]).fetchall()
    found = duckdb.execute(f"SELECT * FROM read_parquet('{path}')").fetchall()
    assert [end for end in ends if any(end in row for row in found)] == ends


@pytest.mark.parametrize(
    ("rail", "format_"), [("sepa", None), ("ach", None), ("mpesa", None), ("paypal", "xlsx"), ("paypal", "parquet")]
)
def test_the_same_run_gives_the_same_bytes_and_each_time_is_kept(
    db: Session, books: None, rail: str, format_: str | None
) -> None:
    run = _sent(db, rail)

    first, second = _write(db, run, format_), _write(db, run, format_)

    assert (_read(first), first.name) == (_read(second), second.name)
    kept = db.execute(text("SELECT run_id, format, part, rows, encode(sha256, 'hex'), made_by FROM payout_files")).all()
    wanted = format_ or rails.find(rail).format
    assert [tuple(row) for row in kept] == [(run.id, wanted, 1, 3, first.sha256, PREPARER)] * 2


@pytest.mark.parametrize(("rail", "written"), [("sepa", "<CreDtTm>%Y-%m-%dT%H:%M"), ("ach", "%y%m%d%H%M")])
def test_a_file_is_of_the_time_at_which_its_run_left_whenever_it_is_written(
    db: Session, books: None, rail: str, written: str
) -> None:
    run = _sent(db, rail)
    age(db, "payout_runs", "exported_at", 3 * 86_400)
    db.refresh(run)
    assert run.exported_at is not None

    content = _read(_write(db, run)).decode()

    assert run.exported_at.astimezone(UTC).strftime(written) in content


@pytest.mark.parametrize("rail", ["sepa", "mpesa"])
def test_what_changes_after_a_run_has_left_changes_nothing_of_its_file(db: Session, books: None, rail: str) -> None:
    run = _sent(db, rail)
    before = _read(_write(db, run))

    for one in db.scalars(select(Payee)).all():
        owed.set_method(db, one, rail="paypal")
        holds.place(db, payee_id=one.id, reason="A court", made_by="finance", is_legal=True)
    factories.enter_fx_rate(db, rate="1.5", confirmed=True)
    factories.enter_fx_rate(db, base="USD", quote="EUR", rate="0.5", confirmed=True)
    if rail in ACCOUNTS:
        owed.paying_account(db, rail, **{**ACCOUNTS[rail], "name": "Rookery Works"})
    age(db, "payout_runs", "approved_at", 10 * 86_400)

    again = payout_files.write(db, run.id, made_by="somebody else")
    assert _read(again) == before


@pytest.mark.parametrize("rail", ["sepa", "ach", "wise"])
def test_a_file_says_the_names_that_were_prepared_whatever_they_are_by_now(db: Session, books: None, rail: str) -> None:
    run = _sent(db, rail, "Ana Lopez")
    before = _read(_write(db, run))

    for one in db.scalars(select(Payee)).all():
        one.name = "Mallory"
    db.flush()

    assert b"ana lopez" in before.lower()
    assert _read(_write(db, run)) == before


def test_a_payout_from_before_names_were_kept_goes_to_who_they_are_now(owner: Session) -> None:
    run = _sent(owner, "wise", "Ana Lopez")
    owner.execute(text("UPDATE payouts SET name = NULL"))
    owner.execute(text("UPDATE payees SET name = 'Ben Lopez'"))

    assert _read(_write(owner, run)).count(b"Ben Lopez") == 3


@pytest.mark.parametrize("format_", [None, "csv", "xlsx", "parquet"])
def test_a_file_comes_with_its_manifest_which_is_kept(db: Session, books: None, format_: str | None) -> None:
    run = _sent(db, "sepa")

    made = _write(db, run, format_)

    made.file.close()
    (kept,) = db.scalars(payout_files.listed(run.id))
    assert (made.rows, made.n_parts, made.sums, made.as_of) == (3, 1, {"EUR": "762.34"}, run.exported_at)
    assert (kept.rows, kept.n_parts, kept.sums, kept.as_of) == (3, 1, {"EUR": "762.34"}, run.exported_at)
    assert kept.hash_text == made.sha256


@pytest.mark.parametrize("n_steps", range(4))
def test_a_run_that_is_killed_while_it_leaves_has_its_file_when_all_of_it_has_left(
    db: Session, books: None, monkeypatch: pytest.MonkeyPatch, n_steps: int
) -> None:
    monkeypatch.setattr(runs, "AT_ONCE", 1)
    _owe(db, "paypal")
    run = go_through(db, runs.begin(db, rail="paypal", prepared_by=PREPARER))
    runs.approve(db, run.id, content_hash=str(run.hash_text), approved_by=APPROVER)
    runs.release(db, run.id, released_by=PREPARER)
    for _ in itertools.islice(runs.steps(db, run.id), n_steps):
        with pytest.raises(RunNotExported):
            _write(db, run)

    go_through(db, run)

    content = _read(_write(db, run))
    assert [content.decode().count(f"{one}@example.com") for one in _payee_ids(db, run)] == [1, 1, 1]
    assert _read(_write(db, run)) == content


def test_a_run_of_nobody_closes_when_it_leaves_and_a_bank_gets_no_file_of_it(db: Session, books: None) -> None:
    run = go_through(db, runs.begin(db, rail="paypal", prepared_by=PREPARER))
    runs.approve(db, run.id, content_hash=str(run.hash_text), approved_by=APPROVER)
    go_through(db, runs.release(db, run.id, released_by=PREPARER))

    assert (run.state, run.n_payouts, run.total) == ("closed", 0, 0)
    with pytest.raises(PayoutUnfit, match="nothing to pay"):
        _write(db, run)


def test_a_run_that_closes_still_has_its_file(db: Session, books: None) -> None:
    run = _sent(db, "paypal")
    before = _read(_write(db, run))

    owed.settle(db, run)

    assert run.state == "closed"
    assert _read(_write(db, run)) == before


def test_a_run_that_has_not_left_has_no_file(db: Session) -> None:
    _owe(db, "paypal")
    run = go_through(db, runs.begin(db, rail="paypal", prepared_by=PREPARER))

    with pytest.raises(RunNotExported, match="draft"):
        _write(db, run)


def test_formats_and_parts_are_those_there_are(db: Session, books: None) -> None:
    run = _sent(db, "paypal")

    with pytest.raises(FormatUnknown, match="paypal"):
        _write(db, run, "pdf")
    with pytest.raises(PartUnknown, match="from 1 to 1"):
        _write(db, run, part=2)
    with pytest.raises(PartUnknown):
        _write(db, run, part=0)
    assert db.scalars(text("SELECT count(*) FROM payout_files")).one() == 0


def test_a_file_in_parts_holds_every_payout_once(db: Session, books: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "AT_ONCE", 2)
    limited = dialects.DIALECTS["paypal"]
    monkeypatch.setitem(dialects.DIALECTS, "paypal", replace(limited, rows_max=2))
    run = _sent(db, "paypal")

    parts = [_write(db, run, part=number) for number in (1, 2)]

    assert [(part.rows, part.sums["USD"], part.n_parts, part.name) for part in parts] == [
        (2, "62.34", 2, f"{run.id}-1.csv"),
        (1, "700.00", 2, f"{run.id}-2.csv"),
    ]
    both = b"".join(_read(part) for part in parts).decode()
    assert [both.count(f"{one}@example.com") for one in _payee_ids(db, run)] == [1, 1, 1]
    with pytest.raises(PartUnknown, match="from 1 to 2"):
        _write(db, run, part=3)


def _payee_ids(db: Session, run: PayoutRun) -> list[str]:
    return list(db.scalars(text("SELECT payee_id FROM payouts WHERE run_id = :id ORDER BY id"), {"id": run.id}))


def test_a_name_that_a_spreadsheet_would_run_is_refused_with_its_place(owner: Session) -> None:
    run = _sent(owner, "instapay", "Ada", "Bob")
    owner.execute(text("UPDATE payouts SET name = '=HYPERLINK(1)' WHERE name = 'Bob'"))

    with pytest.raises(PayoutUnfit, match="order 1"):
        _write(owner, run)

    assert owner.scalars(text("SELECT count(*) FROM payout_files")).one() == 0
    assert "'=HYPERLINK(1)" in _read(_write(owner, run, "csv")).decode()


def test_whom_the_rails_format_cannot_name_is_left_out_before_anything_leaves(db: Session, books: None) -> None:
    run = _sent(db, "instapay", "Ada", "=HYPERLINK(1)", "Ben")

    names = [line.split(",") for line in _read(_write(db, run)).decode().splitlines()[1:]]

    assert len(names) == 2
    assert [(row.reason, row.amount > 0) for row in db.scalars(select(LeftOut).where(LeftOut.run_id == run.id))] == [
        ("unfit", True)
    ]
    (dropped,) = db.scalars(select(Payout).where(Payout.run_id == run.id, Payout.state == "dropped"))
    assert dropped.reason is not None
    assert dropped.reason.startswith("swiftpay, ")


def test_a_format_that_the_destinations_do_not_fit_is_refused(db: Session, books: None) -> None:
    run = _sent(db, "paypal")

    for format_ in ("nacha", "pain.001.001.09", "mpesa"):
        with pytest.raises(PayoutUnfit, match=format_):
            _write(db, run, format_)


def test_without_its_keys_a_run_has_no_file(db: Session, books: None) -> None:
    run = _sent(db, "paypal")
    db.info.pop("destination_keys")

    with pytest.raises(SealKeyUnknown, match="the key test back into ROOKERY_DESTINATION_KEYS"):
        _write(db, run)

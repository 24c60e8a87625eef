"""`rookery exports` and `rookery ledger ageing`, over books that are not empty."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import clock
from foundation.errors import Invalid
from payments import export_commands, exports, ledger
from tests.payments import owed


def _run(db: Session, command: click.Command, *arguments: str) -> Result:
    return CliRunner().invoke(command, arguments, obj=db)


def _said(db: Session, command: click.Command, *arguments: str) -> str:
    ran = _run(db, command, *arguments)
    assert ran.exit_code == 0, ran.output
    return ran.stdout


def test_an_export_is_made_kept_listed_and_saved_again(db: Session, books: None, tmp_path: Path) -> None:
    owed.payee(db, 12_300)
    first, again = tmp_path / "a.csv", tmp_path / "b.csv"

    said = _said(db, export_commands.make, "payables", str(first))

    assert "payables.csv  ready  1 rows, 1.2300 USD, sha256 " in said
    assert _said(db, export_commands.list_exports) == said
    assert _said(db, export_commands.save_again, said.split()[0], str(again)) == said
    assert first.read_bytes() == again.read_bytes()
    acts = db.scalars(text("SELECT act FROM trail_entries ORDER BY seq")).all()
    assert acts == ["exports.make", "exports.save"]
    assert db.scalars(text("SELECT count(*) FROM export_downloads")).one() == 2


@pytest.mark.parametrize("command", [export_commands.make, export_commands.save_again])
def test_no_file_is_overwritten(db: Session, tmp_path: Path, command: click.Command) -> None:
    path = tmp_path / "there.csv"
    path.write_text("mine")
    export_id = _said(db, export_commands.make, "payables", str(tmp_path / "other.csv")).split()[0]

    ran = _run(db, command, "payables" if command is export_commands.make else export_id, str(path))

    assert ran.exit_code == 2
    assert "exists" in ran.output
    assert path.read_text() == "mine"


def test_parameters_are_read_as_strictly_as_over_http(db: Session, tmp_path: Path) -> None:
    path = str(tmp_path / "a.csv")

    for given in (["--month", "10/2026"], ["--first-day", "2026-02-30"], ["--detail", "all"]):
        assert isinstance(_run(db, export_commands.make, "journal", path, *given).exception, Invalid)
    assert isinstance(_run(db, export_commands.make, "payables", path, "--month", "2026-10").exception, Invalid)


def test_codes_come_from_a_file_and_a_journal_goes_into_one(db: Session, books: None, tmp_path: Path) -> None:
    owed.payee(db, 12_300)
    codes, path = tmp_path / "codes.csv", tmp_path / "journal.csv"
    codes.write_text("account,code\n" + "".join(f"{role},1{place}\n" for place, role in enumerate(ledger.ROLES)))

    assert _said(db, export_commands.set_codes, str(codes)) == f"{len(ledger.ROLES)} codes.\n"
    month = f"{clock.now(db):%Y-%m}"
    _said(db, export_commands.make, "journal", str(path), "--month", month, "--detail", "day")

    assert path.read_bytes().startswith(b"Date,Number,Account,Debit,Credit,Currency,Memo\r\n")
    assert db.scalars(text("SELECT details FROM trail_entries WHERE act = 'exports.codes'")).one()


def test_one_that_fails_says_why_and_writes_nothing(db: Session, tmp_path: Path) -> None:
    owed.payee(db, 12_300).name = "A" * 40_000
    db.flush()
    path = tmp_path / "a.xlsx"

    ran = _run(db, export_commands.make, "payables", str(path), "--format", "xlsx")

    assert isinstance(ran.exception, exports.ExportNotReady)
    assert "32767" in str(ran.exception)
    assert not path.exists()


def test_ageing_shows_what_waits_and_that_it_ties(db: Session, books: None) -> None:
    owed.payee(db, 12_300)

    lines = _said(db, export_commands.show_ageing).splitlines()

    assert lines[0].split() == ["due", "house", "0-1", "1", "1.2300", "USD"]
    assert lines[1] == "ok      payable: 1.2300 of 1.2300 USD"


def test_ageing_that_does_not_tie_fails(db: Session) -> None:
    owed.payee(db, 12_300)
    db.execute(text("UPDATE earnings SET paid = 1"))

    ran = _run(db, export_commands.show_ageing)

    assert ran.exit_code == 1
    assert "BROKEN  payable: 1.2299 of 1.2300 USD" in ran.output

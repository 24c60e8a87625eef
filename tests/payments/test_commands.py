"""`rookery ledger`, `payables` and `taxes`: what finance runs beside the API."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from sqlalchemy import text
from sqlalchemy.orm import Session

from payments import checks, commands, earnings, export_making, funding, payees, payouts, reconciliation, runs
from payments.earnings import Work
from tests.payments import owed as people


@pytest.fixture
def owed(db: Session) -> None:
    """One answer that is to be paid."""
    payee = payees.register(db, owner_ref="wrk_1", name="Ada", country="KE")
    funding.register(db, "req")
    funding.top_up(db, owner_ref="req", currency="USD", amount=1_000, bank_reference="b", actor_ref="finance")
    funding.reserve(db, owner_ref="req", cause_ref="bat", key="k", currency="USD", amount=1_000)
    earnings.pend(db, [Work("ans_1", payee.id, "bat", "USD", 200)])
    earnings.accept(db, ["ans_1"])


def test_a_check_of_sound_books_says_so_of_every_invariant(db: Session, owed: None) -> None:
    ran = CliRunner().invoke(commands.check, obj=db)

    assert ran.exit_code == 0
    assert ran.stdout.splitlines() == [f"ok      {name}" for name in checks.CHECKS]


def test_a_check_of_broken_books_names_what_is_wrong_and_fails(db: Session, owed: None) -> None:
    db.execute(text("UPDATE reserves SET reserved = reserved + 1"))

    ran = CliRunner().invoke(commands.check, obj=db)

    assert ran.exit_code == 1
    assert "BROKEN  I13 reserved = spent + released + remaining\n        bat\n" in ran.output
    assert ran.output.count("BROKEN") == 1


def test_payables_are_written_with_their_totals_and_over_no_file(db: Session, owed: None, tmp_path: Path) -> None:
    path = tmp_path / "payables.csv"
    made = export_making.payables(db, made_by="finance")

    first = CliRunner().invoke(commands.export, [str(path)], obj=db)
    again = CliRunner().invoke(commands.export, [str(path)], obj=db)

    assert (first.exit_code, first.output) == (0, f"1 rows, sha256 {made.sha256}\n")
    assert path.read_bytes() == b"".join(made.chunks())
    assert again.exit_code == 2
    assert "File exists" in again.output


SAMPLES = Path(export_making.__file__).with_name("tax_samples.csv")


def test_the_samples_are_entered_once_and_wait_to_be_confirmed(db: Session) -> None:
    first = CliRunner().invoke(commands.import_rules, [str(SAMPLES)], obj=db)
    again = CliRunner().invoke(commands.import_rules, [str(SAMPLES)], obj=db)

    assert (first.exit_code, first.output) == (0, "10 rules entered, to be confirmed; 0 were there.\n")
    assert again.output == "0 rules entered, to be confirmed; 10 were there.\n"
    assert db.scalar(text("SELECT count(*) FROM tax_rules WHERE confirmed_by IS NULL")) == 10
    assert db.scalar(text("SELECT count(*) FROM tax_rules WHERE citation NOT LIKE 'SAMPLE%'")) == 0


def test_an_import_is_on_the_trail_under_the_operators_name(db: Session) -> None:
    CliRunner().invoke(commands.import_rules, [str(SAMPLES)], obj=db)

    row = db.execute(text("SELECT act, target, details, actor_ref FROM trail_entries")).one()
    entered_by = db.scalars(text("SELECT DISTINCT entered_by FROM tax_rules")).all()
    assert row[:3] == ("taxes.import", "tax_samples.csv", '{"entered": 10, "known": 0}')
    assert entered_by == [row.actor_ref]


def test_a_file_that_is_not_there_is_one_sentence(db: Session, tmp_path: Path) -> None:
    ran = CliRunner().invoke(commands.import_rules, [str(tmp_path / "none.csv")], obj=db)

    assert ran.exit_code == 2
    assert "cannot be read: No such file" in ran.output


RESULTS = "sender_item_id\ttransaction_status\terrors\tpayout_item_fee\r\n{}\tSUCCESS\t\t0.25\r\n"


def _run(db: Session, command: click.Command, *arguments: str) -> str:
    ran = CliRunner().invoke(command, arguments, obj=db)
    assert ran.exit_code == 0, ran.output
    return ran.stdout


def test_a_run_is_prepared_shown_written_and_read_back(db: Session, books: None, tmp_path: Path) -> None:
    ada = people.payee(db, 50_000, rail=None)
    assert "not paid: no_method         1 payees               5.0000 USD" in _run(db, commands.prepare, "paypal")
    people.set_destination(db, ada, "paypal", "email", email="ada@example.com")

    shown = _run(db, commands.prepare, "paypal").splitlines()

    run_id = shown[0].split()[0]
    assert shown[1] == "1 payouts, 5.0000 USD"
    assert shown[3].split() == ["prepared", "1", "5.0000"]
    assert run_id in _run(db, commands.list_runs).splitlines()[0]
    run = runs.find(db, run_id)
    runs.approve(db, run_id, content_hash=shown[2].split()[-1], approved_by="somebody else")
    people.go_through(db, runs.release(db, run_id, released_by="finance"))
    told = _run(db, commands.write_file, run_id, str(tmp_path / "run.txt"))
    assert told.startswith("1 rows, part 1 of 1, sha256 ")
    assert b"ada@example.com" in (tmp_path / "run.txt").read_bytes()
    (payout,) = db.scalars(payouts.listed(run_id=run_id))
    results = tmp_path / "results.csv"
    results.write_text(RESULTS.format(payout.end_to_end_id))
    assert _run(db, commands.read_statement, str(results), "--format", "paypal").endswith(": 1 fees, 1 settled\n")
    db.refresh(run)
    assert run.state == "closed"
    again = CliRunner().invoke(commands.read_statement, [str(results), "--format", "paypal"], obj=db)
    assert isinstance(again.exception, reconciliation.FileRead)
    assert "closed" in _run(db, commands.show, run_id)


def test_a_file_that_is_not_there_is_said_so(db: Session, tmp_path: Path) -> None:
    ran = CliRunner().invoke(commands.read_statement, [str(tmp_path / "none"), "--format", "camt"], obj=db)

    assert ran.exit_code == 2
    assert "cannot be read" in ran.output

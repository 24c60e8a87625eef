"""`rookery ledger`, `payables` and `taxes`: what finance runs beside the API."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import text
from sqlalchemy.orm import Session

from payments import commands, earnings, exports, funding, ledger, payees
from payments.earnings import Work


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
    assert ran.output.splitlines() == [f"ok      {name}" for name in ledger.CHECKS]


def test_a_check_of_broken_books_names_what_is_wrong_and_fails(db: Session, owed: None) -> None:
    db.execute(text("UPDATE reserves SET reserved = reserved + 1"))

    ran = CliRunner().invoke(commands.check, obj=db)

    assert ran.exit_code == 1
    assert "BROKEN  I13 reserved = spent + released + remaining\n        bat\n" in ran.output
    assert ran.output.count("BROKEN") == 1


def test_payables_are_written_with_their_totals_and_over_no_file(db: Session, owed: None, tmp_path: Path) -> None:
    path = tmp_path / "payables.csv"
    made = exports.payables(db)

    first = CliRunner().invoke(commands.export, [str(path)], obj=db)
    again = CliRunner().invoke(commands.export, [str(path)], obj=db)

    assert (first.exit_code, first.output) == (0, f"1 rows, sha256 {made.sha256}\n")
    assert path.read_bytes() == b"".join(made.chunks())
    assert again.exit_code == 2
    assert "File exists" in again.output


SAMPLES = Path(exports.__file__).with_name("tax_samples.csv")


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

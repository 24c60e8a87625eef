"""`rookery ledger` and `rookery payables`: what finance runs beside the API."""

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

"""Floor rules from files: all or none, unconfirmed, and what cannot be names its line."""

import io
from importlib import resources
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import text
from sqlalchemy.orm import Session

from payments import commands, floors, rule_files
from payments.rule_files import FLOORS, RuleFileInvalid, Taken

HEAD = "region,currency,hourly,valid_from,valid_to,citation"
GOOD = "KE,USD,5,2026-01-01,2026-12-31,an act"


def _enter(db: Session, *lines: str) -> Taken:
    return rule_files.enter(db, io.BytesIO("\n".join(lines).encode()), FLOORS, entered_by="finance")


def _count(db: Session) -> int:
    return int(db.execute(text("SELECT count(*) FROM floor_rules")).scalar_one())


def test_the_samples_are_entered_once_and_none_of_them_counts(db: Session) -> None:
    samples = (resources.files("payments") / "floor_samples.csv").read_bytes()

    first = rule_files.enter(db, io.BytesIO(samples), FLOORS, entered_by="finance")
    again = rule_files.enter(db, io.BytesIO(samples), FLOORS, entered_by="finance")

    n = _count(db)
    assert (first.entered, first.known, again.entered, again.known) == (n, 0, 0, n)
    told = db.execute(text("SELECT bool_and(citation LIKE 'SAMPLE - %'), count(confirmed_by) FROM floor_rules")).one()
    assert tuple(told) == (True, 0)
    assert floors.hourly_by_region(db, "KES").get("KE") is None


def test_an_empty_cell_is_a_rule_without_an_end(db: Session) -> None:
    _enter(db, HEAD, "KE,USD,5,2026-01-01,,an act", "")

    assert db.execute(text("SELECT hourly, valid_to FROM floor_rules")).one() == (50_000, None)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("KE,USD,5.00001,2026-01-01,,an act", "Line 3: hourly: USD has at most 4 decimals here."),
        ("KE,USD,1e2,2026-01-01,,an act", "Line 3: hourly: Must be an amount"),
        ("KE,USD,,2026-01-01,,an act", "Line 3: hourly: Missing data"),
        ("Kenya,USD,5,2026-01-01,,an act", "Line 3: region: Must be a country code"),
        ("KE,XXX,5,2026-01-01,,an act", "Line 3: currency: The books are not kept in XXX."),
        ("KE,USD,5,2026-02-30,,an act", "Line 3: valid_from: Is not a real day."),
        ("KE,USD,5,2026-01-02,2026-01-01,an act", "Line 3: valid_to: The last day lies before"),
        ("KE,USD,5,2026-01-01,,an\x00act", "Line 3"),
        ("KE,USD,5,2026-01-01", "Line 3 has 4 cells instead of 6."),
        ('KE,USD,5,2026-01-01,,"an act', "Line 3 is no CSV"),
    ],
)
def test_a_line_that_is_no_rule_is_named_and_nothing_is_entered(db: Session, line: str, told: str) -> None:
    with pytest.raises(RuleFileInvalid) as refused, db.begin_nested():
        _enter(db, HEAD, GOOD, line)

    assert refused.value.detail.startswith(told)
    assert _count(db) == 0


@pytest.mark.parametrize(
    "raw", [b"", b"\xff\xfe", b"region;currency", b"x" * 1_000_001], ids=["empty", "not UTF-8", "other", "too large"]
)
def test_what_is_no_such_file_is_refused(db: Session, raw: bytes) -> None:
    with pytest.raises(RuleFileInvalid):
        rule_files.enter(db, io.BytesIO(raw), FLOORS, entered_by="finance")


def test_the_command_tells_how_many_and_refuses_what_is_not_there(db: Session, tmp_path: Path) -> None:
    path = tmp_path / "rules.csv"
    path.write_text(f"{HEAD}\n{GOOD}\n")

    ran = CliRunner().invoke(commands.import_floors, [str(path)], obj=db)
    missing = CliRunner().invoke(commands.import_floors, [str(tmp_path / "none.csv")], obj=db)

    assert (ran.exit_code, ran.output) == (0, "1 rules entered, to be confirmed; 0 were there.\n")
    assert missing.exit_code == 2
    assert "No such file" in missing.output

"""Tax rules from a file: all of them or none, and what is wrong by its line."""

import io
from contextlib import suppress
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.orm import Session

from payments import rule_files, taxes
from payments.rule_files import TAXES, RuleFileInvalid, Taken
from payments.taxes import Terms
from tests import factories

HEADING = ",".join(TAXES.columns)
ROW = "KE,withholding,accrual,,500,24000,month,KES,yes,down,0,2026-01-01,,KRA,an act"
SAMPLES = Path(rule_files.__file__).with_name("tax_samples.csv")


def _enter(db: Session, content: str | bytes) -> Taken:
    raw = content if isinstance(content, bytes) else content.encode()
    return rule_files.enter(db, io.BytesIO(raw), TAXES, entered_by="operator")


def test_a_row_is_a_rule_and_its_empty_cells_say_nothing() -> None:
    (row,) = rule_files.rows(f"{HEADING}\n{ROW}\n", TAXES)

    assert rule_files.make(row[1], TAXES) == Terms(
        country="KE", kind="withholding", basis="accrual", basis_points=500, threshold="24000", period="month",
        currency="KES", catch_up=True, rounding="down", unit_exponent=0, valid_from=date(2026, 1, 1), authority="KRA",
        citation="an act",
    )  # fmt: skip


def test_what_is_entered_counts_when_it_is_confirmed(db: Session, books: None) -> None:
    assert _enter(db, f"{HEADING}\n{ROW}\n") == Taken(entered=1, known=0)

    row = db.execute(text("SELECT id, entered_by FROM tax_rules")).one()
    assert row.entered_by == "operator"
    assert taxes.confirm(db, row.id, factories.approver()).confirmed_by == "approver"


def test_a_rule_that_is_there_is_not_entered_again_but_a_changed_one_is(db: Session) -> None:
    _enter(db, f"{HEADING}\n{ROW}\n")

    changed = ROW.replace("500", "501")
    assert _enter(db, f"{HEADING}\r\n{ROW}\r\n{changed}\r\n{ROW}\r\n\r\n") == Taken(entered=1, known=2)


def test_a_mark_at_the_beginning_and_quotes_are_a_spreadsheets(db: Session) -> None:
    quoted = ROW.replace("an act", '"an act, section ""5"""')

    _enter(db, f"\ufeff{HEADING}\n{quoted}\n")

    assert db.scalar(text("SELECT citation FROM tax_rules")) == 'an act, section "5"'


BAD = {
    "nothing": ("", "The first line must be country,kind"),
    "another heading": (HEADING.upper(), "The first line must be"),
    "a cell too many": (f"{HEADING}\n{ROW},x", "Line 2 has 16 cells instead of 15"),
    "a cell too few": (f"{HEADING}\n{ROW}\nKE", "Line 3 has 1 cells"),
    "no number": (f"{HEADING}\n{ROW.replace('500', '5 %')}", "Line 2: basis_points: Must be an integer."),
    "Arabic digits": (f"{HEADING}\n{ROW.replace('500', '٥٠٠')}", "Line 2: basis_points: Must be an integer."),
    "neither yes nor no": (f"{HEADING}\n{ROW.replace('yes', 'true')}", "Line 2: catch_up: Must be true or false."),
    "a day that is none": (f"{HEADING}\n{ROW.replace('01-01', '02-30')}", "Line 2: valid_from"),
    "nothing where something must be": (f"{HEADING}\n{ROW.replace('KRA', '')}", "Line 2: authority"),
    "a foreign currency": (
        f"{HEADING}\n{ROW}\n{ROW.replace('KES', 'XAU')}",
        "Line 3: currency: The books are not kept",
    ),
    "NUL": (f"{HEADING}\n{ROW}\0", "Line 2"),
    "a quote that never ends": (f'{HEADING}\n{ROW}"\n"', "is no CSV"),
    "a cell without end": (f"{HEADING}\n{ROW}{'x' * 200_000}", "Line 2"),
    "another encoding": (f"{HEADING}\n{ROW}ü".encode("latin-1"), "is not UTF-8"),
    "too large": (b"x" * 1_000_001, "is larger than 1,000,000 bytes"),
}


@pytest.mark.parametrize(("content", "sentence"), BAD.values(), ids=BAD.keys())
def test_what_cannot_be_is_one_sentence_that_names_its_line(db: Session, content: str | bytes, sentence: str) -> None:
    with pytest.raises(RuleFileInvalid) as refused, db.begin_nested():
        _enter(db, content)

    assert sentence in refused.value.detail
    assert db.scalar(text("SELECT count(*) FROM tax_rules")) == 0


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda rest: f"{HEADING}\n{rest}".encode()))
def test_no_bytes_break_the_reading(raw: bytes) -> None:
    with suppress(RuleFileInvalid):
        for _, row in rule_files.rows(rule_files.read(io.BytesIO(raw)), TAXES):
            with rule_files.named(1):
                rule_files.make(row, TAXES)


def test_samples_of_every_country_cover_whoever_has_no_document(db: Session) -> None:
    with SAMPLES.open("rb") as file:
        rule_files.enter(db, file, TAXES, entered_by="operator")

    covered = db.scalars(text("SELECT DISTINCT country FROM tax_rules WHERE document IS NULL ORDER BY 1")).all()
    # For Venezuela nothing was found: whoever pays there enters what they know.
    assert covered == ["DE", "IN", "KE", "PH", "US"]

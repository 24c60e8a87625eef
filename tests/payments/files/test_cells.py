"""What a spreadsheet would run."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.files import cells

RUNNING = [
    "=1+1", "+1", "-1", "@SUM(A1)", '=cmd|"/c calc"!A0', " =1", "\u00a0=1", "\u3000=1", "\t=1", "\tplain", "\rplain",
    "\nplain", " \tplain", "＝1", "＋1", "－1", "＠A1", "﹦1", "\u200b=1", "\ufeff=1", "\u00a0\u200b =1", "\u200b\n1",
]  # fmt: skip


@pytest.mark.parametrize("text", RUNNING)
def test_what_begins_as_a_formula_is_known_and_loses_its_power(text: str) -> None:
    assert cells.runs(text)
    assert cells.quoted(text) == "'" + text
    assert not cells.runs(cells.quoted(text))


@pytest.mark.parametrize(
    "text", ["", " ", "Ada", "1-2", "'=1", "a=1", "O'Brien", "李", "{}", "x\ny", "مرحبا", "\u200b"]
)
def test_other_text_is_left_alone(text: str) -> None:
    assert not cells.runs(text)
    assert cells.quoted(text) == text


@given(st.text(max_size=8))
def test_quoting_is_enough_and_is_done_once(text: str) -> None:
    assert not cells.runs(cells.quoted(text))
    assert cells.quoted(cells.quoted(text)) == cells.quoted(text)

"""What the demo prints: the figures beside Rookery's, and whether the books agree."""

from decimal import Decimal
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from demo import crowd, recorded, report
from demo.report import Result

BOOKS = {
    "currency": crowd.CURRENCY, "payable": "2.00", "unpaid": "2.00", "reserved": "9.00", "spent": "2.40",
    "released": "6.00", "remaining": "0.60", "stored": "12.00", "recomputed": "12.00",
}  # fmt: skip


def _console() -> Console:
    return Console(file=StringIO(), width=120)


def test_the_simpler_ways_cost_their_answers_and_the_fee_on_each() -> None:
    five, everybody, expert = report.alternatives(recorded.read())

    answer, decision = Decimal(crowd.ANSWER_PRICE), Decimal(crowd.EXPERT_PRICE)
    assert [(way.answers, way.decisions) for way in (five, everybody, expert)] == [(540, 0), (4212, 0), (0, 108)]
    assert five.spent == 540 * answer * Decimal("1.2")
    assert everybody.spent == 4212 * answer * Decimal("1.2")
    assert expert.spent == 108 * decision * Decimal("1.2")
    assert five.right < everybody.right < expert.right == 1


def test_an_expert_decision_counts_as_the_answers_that_it_costs() -> None:
    units = Result("x", answers=10, decisions=2, right=1, spent=Decimal(0)).units

    assert units == 10 + 2 * float(Decimal(crowd.EXPERT_PRICE) / Decimal(crowd.ANSWER_PRICE))


def test_the_table_shows_the_mean_of_all_orders() -> None:
    console = _console()
    orders = [Result("(c) Rookery", 1000 + n, 20, 0.9, Decimal(40)) for n in (0, 200)]

    report.show_table(console, recorded.read(), orders)

    assert isinstance(console.file, StringIO)
    (ours,) = [line for line in console.file.getvalue().splitlines() if "(c) Rookery" in line]
    for cell in ("mean of 2 orders", "1,100", "20", "90.0%", "40.00 USD"):
        assert cell in ours


@pytest.mark.parametrize("wrong", [None, "payable", "remaining", "stored"])
def test_books_that_do_not_agree_are_told(wrong: str | None) -> None:
    row = BOOKS if wrong is None else {**BOOKS, wrong: "7.77"}
    journey: Any = SimpleNamespace(finance=lambda _method, _path: {"items": [{"currency": "XTS"}, row]})
    console = _console()

    assert report.show_books(console, journey) == (wrong is None)

    assert isinstance(console.file, StringIO)
    assert console.file.getvalue().count("NO ") == (wrong is not None)

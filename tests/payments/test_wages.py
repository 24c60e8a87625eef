"""What an hour of work really pays, how sure that is, and whether a price will be below the floor."""

import itertools
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.orm import Session

from payments import active_time, earnings, funding, payees, wages
from payments.active_time import Piece
from payments.earnings import Work
from payments.wages import SpanInvalid, Wages
from tests.payments import owed

DAY = datetime(2026, 1, 28, 12, tzinfo=UTC)
_numbers = itertools.count(1)


def _answers(
    db: Session,
    seconds: list[int],
    *,
    amount: int = 1_000,
    region: str = "KE",
    tier: int = 1,
    skill: str = "image",
    given_at: datetime = DAY,
) -> list[str]:
    """One answer for each of so many seconds, in a batch that has enough of a minute's answers to cap nothing."""
    number = next(_numbers)
    payee = payees.register(db, owner_ref=f"wrk_{number}", name="Ada", country=region)
    cause, made = f"bat_{number}", [f"ans_{number}_{n:04}" for n in range(len(seconds))]
    cost = funding.with_fee(amount) * len(made)
    owed.pay_in(db, cost)
    funding.reserve(db, owner_ref=owed.OWNER, cause_ref=cause, key=cause, currency="USD", amount=cost)
    earnings.pend(db, [Work(answer, payee.id, cause, "USD", amount) for answer in made])
    earnings.accept(db, made)
    begun = [given_at - timedelta(seconds=each) for each in seconds]
    pieces = [Piece(a, payee.id, cause, skill, tier, region, b, given_at) for a, b in zip(made, begun, strict=True)]
    active_time.record(db, pieces)
    return made


def _report(db: Session, **narrowed: object) -> list[Wages]:
    return wages.report(db, since=date(2026, 1, 28), until=date(2026, 1, 28), **narrowed).items  # type: ignore[arg-type]


def test_wages_of_a_group_are_told_by_quartiles_that_are_wages_of_it(db: Session, books: None) -> None:
    _answers(db, [60, 72, 90, 120, 180, 360, 720])

    (group,) = _report(db)

    # 0.10 for each: 6.00, 5.00, 4.00, 3.00, 2.00, 1.00 and 0.50 an hour.
    assert (group.quartile_1, group.median, group.quartile_3) == (10_000, 30_000, 50_000)
    # Of seven values the first and the last hold the median between them at 98.4 %, the second and sixth at 87.5 %.
    assert (group.low, group.high) == (5_000, 60_000)
    assert (group.answers, group.milliseconds) == (7, 1_602_000)
    assert (group.region, group.tier, group.skill, group.currency) == ("KE", 1, "image", "USD")


def test_five_answers_are_too_few_for_an_interval(db: Session, books: None) -> None:
    _answers(db, [60] * 5)

    (group,) = _report(db)

    assert (group.median, group.low, group.high) == (60_000, None, None)


def test_groups_are_by_region_tier_and_skill_and_can_be_narrowed(db: Session, books: None) -> None:
    _answers(db, [60] * 3)
    _answers(db, [60] * 2, region="PH", tier=2)
    _answers(db, [60], tier=2, skill="audio")

    told = [(group.region, group.tier, group.skill, group.answers) for group in _report(db)]

    assert told == [("KE", 1, "image", 3), ("PH", 2, "image", 2), ("KE", 2, "audio", 1)]
    assert [group.region for group in _report(db, region="PH")] == ["PH"]
    assert [group.answers for group in _report(db, tier=2)] == [2, 1]
    assert [group.skill for group in _report(db, skill="audio", region="KE", tier=2)] == ["audio"]
    assert _report(db, region="IN") == []


def test_time_that_only_waited_makes_no_wage_look_low(db: Session, books: None) -> None:
    _answers(db, [60] * 9 + [36_000])

    (group,) = _report(db)

    assert (group.quartile_1, group.median, group.low) == (60_000, 60_000, 60_000)
    assert group.milliseconds == 600_000


def test_an_answer_that_took_no_time_has_a_wage(db: Session, books: None) -> None:
    _answers(db, [0], amount=1)

    assert [group.median for group in _report(db)] == [3_600_000]


def test_a_wage_that_no_number_of_the_books_holds_is_the_most_that_one_does(db: Session, books: None) -> None:
    _answers(db, [0], amount=8 * 10**14)

    assert [group.median for group in _report(db)] == [2**63 - 1]


def test_what_was_taken_back_was_no_wage(db: Session) -> None:
    made = _answers(db, [60, 60])
    db.execute(text("UPDATE earnings SET status = 'reversed' WHERE answer_ref = :a"), {"a": made[0]})

    assert [group.answers for group in _report(db)] == [1]


def test_a_span_is_of_whole_days_of_utc_the_last_one_included(db: Session, books: None) -> None:
    midnight = datetime(2026, 1, 28, tzinfo=UTC)
    for at in (midnight - timedelta(microseconds=1), midnight, midnight + timedelta(days=1)):
        _answers(db, [60], given_at=at)

    assert [group.answers for group in _report(db)] == [1]
    assert wages.report(db).items == []


@pytest.mark.parametrize(
    ("since", "until"),
    [(date(2026, 2, 1), date(2026, 1, 31)), (date(2026, 1, 1), date(2026, 4, 3)), (date(2999, 1, 1), None)],
)
def test_a_span_that_ends_before_it_begins_or_is_too_long_is_refused(db: Session, since: date, until: date) -> None:
    with pytest.raises(SpanInvalid):
        wages.report(db, since=since, until=until)


@pytest.mark.parametrize("day", [date.min, date.max])
def test_the_ends_of_the_calendar_are_days_like_others(db: Session, day: date) -> None:
    assert wages.report(db, since=day, until=day).items == []
    assert wages.report(db, until=day).complete


def test_more_groups_than_are_told_at_once_are_said_to_be_more(
    db: Session, books: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wages, "GROUPS_MAX", 1)
    _answers(db, [60] * 2)
    _answers(db, [60], region="PH")

    found = wages.report(db, since=date(2026, 1, 28), until=date(2026, 1, 28))

    assert ([group.region for group in found.items], found.complete) == (["KE"], False)


# The interval


@given(st.integers(1, 400))
def test_the_interval_holds_the_median_at_95_percent_and_none_that_is_narrower_does(n: int) -> None:
    rank = wages.lowest_rank(n) or 0

    def below(tosses: int) -> Fraction:
        return Fraction(sum(comb(n, heads) for heads in range(tosses)), 2**n)

    assert below(rank) <= Fraction(25, 1000) < below(rank + 1)


def test_ranks_of_the_tables() -> None:
    # Conover, Practical Nonparametric Statistics: n = 6, 10, 20; and the normal distribution for a million.
    assert [wages.lowest_rank(n) for n in (1, 5, 6, 10, 20)] == [None, None, 1, 2, 6]
    assert wages.lowest_rank(10**6) == pytest.approx(500_000 - 980, abs=1)


# Warnings


def _told(amount: int) -> wages.Outlook:
    return wages.outlook(50_000, region="KE", amount=amount, currency="USD", exponent=4, seconds=20)


def test_a_price_below_the_floor_is_warned_of_with_the_least_that_is_not() -> None:
    warned = _told(200)

    assert warned.is_below
    assert warned.sentence == (
        "At 20 seconds an answer, 0.0200 USD is 3.6000 an hour, below the floor of 5.0000 in KE; pay 0.0278 at least."
    )
    assert (_told(277).is_below, _told(278).is_below) == (True, False)


def test_a_price_at_the_floor_is_told_beside_it() -> None:
    assert _told(278).sentence == ("At 20 seconds an answer, 0.0278 USD is 5.0040 an hour; the floor in KE is 5.0000.")

"""Exchange rates: exact, dated, never turned round, and a jump waits for another person."""

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from foundation import clock
from foundation.errors import Invalid, NotFound
from payments import fx
from payments.four_eyes import AlreadyConfirmed, SamePerson
from payments.fx import FxRateInvalid, FxRateMissing, RateStale
from payments.money import CurrencyRetired, CurrencyUnknown
from tests import factories
from tests.conftest import House, held_up

HOUR = timedelta(hours=1)
_INSERT = text("""
    INSERT INTO fx_rates (id, base, quote, numerator, denominator, source, fetched_at, valid_until, entered_by,
                          needs_confirmation)
    VALUES (:id, :base, 'USD', 1, 40, 'a bank', now() - :age, now() + :left, 'finance', false)
""")


def _fetched(db: Session, base: str, age: timedelta, left: timedelta = HOUR) -> None:
    """A rate to USD that counts and was fetched some time ago: the clock is the database's, so the row is older."""
    db.execute(_INSERT, {"id": f"fxr_{base}_{age}_{left}", "base": base, "age": age, "left": left})


def _in_force(db: Session, base: str = "USD", quote: str = "KES") -> Fraction:
    rate = fx.in_force(db, base, quote)
    return Fraction(rate.numerator, rate.denominator)


# Exactly what was said


@pytest.mark.parametrize(
    ("said", "pair"),
    [
        ("129.25", (517, 4)),
        ("1", (1, 1)),
        ("0.5", (1, 2)),
        ("0.000000000000001", (1, 10**15)),
        ("1.100000000000000", (11, 10)),
        ("123.456789012345678", (61728394506172839, 5 * 10**14)),
        ("999999999999", (999999999999, 1)),
    ],
)
def test_a_rate_is_kept_as_its_pair_in_lowest_terms(db: Session, said: str, pair: tuple[int, int]) -> None:
    made = factories.enter_fx_rate(db, said)

    assert (made.numerator, made.denominator) == pair


@given(st.integers(1, 10**6), st.integers(0, 10**12 - 1), st.integers(1, 12))
def test_any_rate_is_shown_as_it_was_said(whole: int, part: int, decimals: int) -> None:
    said = f"{whole}.{part % 10**decimals:0{decimals}d}"

    value = fx._parse(said)

    assert value == Fraction(said)
    assert Decimal(fx.format_rate(value.numerator, value.denominator)) == Decimal(said)


REFUSED: dict[str, tuple[dict[str, Any], type[Invalid], str]] = {
    "nothing": ({"rate": "0"}, FxRateInvalid, "/rate"),
    "nothing with decimals": ({"rate": "0.000000000000000"}, FxRateInvalid, "/rate"),
    "less than nothing": ({"rate": "-1"}, FxRateInvalid, "/rate"),
    "no number": ({"rate": "NaN"}, FxRateInvalid, "/rate"),
    "no end": ({"rate": "Infinity"}, FxRateInvalid, "/rate"),
    "an exponent": ({"rate": "1e2"}, FxRateInvalid, "/rate"),
    "a fraction": ({"rate": "1/3"}, FxRateInvalid, "/rate"),
    "a comma": ({"rate": "129,25"}, FxRateInvalid, "/rate"),
    "a blank": ({"rate": " 129"}, FxRateInvalid, "/rate"),
    "a line feed": ({"rate": "129\n"}, FxRateInvalid, "/rate"),
    "Arabic digits": ({"rate": "١٢٩"}, FxRateInvalid, "/rate"),
    "16 decimals": ({"rate": "1.0000000000000001"}, FxRateInvalid, "/rate"),
    "13 digits": ({"rate": "1000000000000"}, FxRateInvalid, "/rate"),
    "more than a pair holds": ({"rate": "999999999999.999999999999999"}, FxRateInvalid, "/rate"),
    "against itself": ({"quote": "USD"}, FxRateInvalid, "/quote"),
    "a currency that is none": ({"base": "XAU"}, CurrencyUnknown, "/base"),
    "a retired currency": ({"quote": "BGN"}, CurrencyRetired, "/quote"),
}


@pytest.mark.parametrize(("changes", "problem", "pointer"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_rate_is_refused(db: Session, changes: dict[str, Any], problem: type[Invalid], pointer: str) -> None:
    with pytest.raises(problem) as refused:
        factories.enter_fx_rate(db, **changes)

    assert [error["pointer"] for error in refused.value.errors] == [pointer]
    assert db.scalar(text("SELECT count(*) FROM fx_rates")) == 0


TIMES = {
    "fetched in an hour": ("USD", HOUR, 2 * HOUR, "/fetched_at"),
    "fetched in 61 seconds": ("USD", timedelta(seconds=61), HOUR, "/fetched_at"),
    "fetched a day ago": ("USD", -24 * HOUR, HOUR, "/fetched_at"),
    "bolívars fetched 4 hours ago": ("VES", -4 * HOUR, HOUR, "/fetched_at"),
    "over since now": ("USD", -HOUR, timedelta(0), "/valid_until"),
    "over before it was fetched": ("USD", timedelta(seconds=30), timedelta(seconds=29), "/valid_until"),
}


@pytest.mark.parametrize(("base", "fetched", "until", "pointer"), TIMES.values(), ids=TIMES.keys())
def test_a_rate_out_of_its_time_is_refused(
    db: Session, base: str, fetched: timedelta, until: timedelta, pointer: str
) -> None:
    now = clock.now(db)

    with pytest.raises(FxRateInvalid) as refused:
        factories.enter_fx_rate(db, base=base, fetched_at=now + fetched, valid_until=now + until)

    assert [error["pointer"] for error in refused.value.errors] == [pointer]


@pytest.mark.parametrize("fetched", [timedelta(seconds=60), -HOUR, -24 * HOUR + timedelta(seconds=1)])
def test_a_clock_may_be_a_minute_fast_and_a_rate_nearly_a_day_old(db: Session, fetched: timedelta) -> None:
    now = clock.now(db)

    made = factories.enter_fx_rate(db, fetched_at=now + fetched, valid_until=now + 2 * HOUR, confirmed=True)

    assert fx.in_force(db, "USD", "KES").id == made.id


def test_an_end_in_a_thousand_years_makes_no_rate_good_for_longer(db: Session) -> None:
    _fetched(db, "KES", 24 * HOUR, timedelta(days=365_000))

    with pytest.raises(RateStale):
        fx.in_force(db, "KES", "USD")


# What counts


def test_the_first_rate_of_a_pair_waits_for_another_person(db: Session, books: None) -> None:
    made = factories.enter_fx_rate(db)
    with pytest.raises(FxRateMissing):
        fx.in_force(db, "USD", "KES")

    confirmed = fx.confirm(db, made.id, factories.approver())

    assert (confirmed.confirmed_by, confirmed.confirmed_at) == ("approver", clock.now(db))
    assert _in_force(db) == Fraction("129.25")


@pytest.mark.parametrize("move", ["110", "90", "109.99", "100"])
def test_a_move_of_a_tenth_or_less_counts_at_once(db: Session, move: str) -> None:
    factories.enter_fx_rate(db, "100", confirmed=True)

    assert not factories.enter_fx_rate(db, move).needs_confirmation

    assert _in_force(db) == Fraction(move)


@pytest.mark.parametrize("move", ["110.01", "89.99", "112", "1", "0.01", "10000"])
def test_a_larger_move_waits_for_another_person(db: Session, books: None, move: str) -> None:
    factories.enter_fx_rate(db, "100", confirmed=True)

    jump = factories.enter_fx_rate(db, move)
    before = _in_force(db)
    fx.confirm(db, jump.id, factories.approver())

    assert [before, _in_force(db)] == [Fraction(100), Fraction(move)]


def test_a_jump_is_one_from_the_last_rate_that_counted(db: Session) -> None:
    factories.enter_fx_rate(db, "100", confirmed=True)
    factories.enter_fx_rate(db, "200")
    factories.enter_fx_rate(db, "109")

    assert factories.enter_fx_rate(db, "199").needs_confirmation
    assert not factories.enter_fx_rate(db, "119").needs_confirmation


def test_a_rate_that_is_over_is_still_what_the_next_is_compared_with(db: Session) -> None:
    _fetched(db, "KES", 30 * 24 * HOUR, -29 * 24 * HOUR)

    assert factories.enter_fx_rate(db, "0.05", base="KES", quote="USD").needs_confirmation
    assert not factories.enter_fx_rate(db, "0.026", base="KES", quote="USD").needs_confirmation


def test_two_who_enter_at_once_are_compared_with_each_other(house: House) -> None:
    with house.sessions() as db:
        factories.enter_fx_rate(db, "100", confirmed=True)
        db.commit()

    with house.sessions() as first:
        factories.enter_fx_rate(first, "109")
        with held_up(house, lambda db: factories.enter_fx_rate(db, "91").needs_confirmation) as second:
            first.commit()

    assert second.result()


def test_the_newest_is_the_one_fetched_last_whenever_it_was_confirmed(db: Session) -> None:
    now = clock.now(db)
    jump = factories.enter_fx_rate(db, "100", fetched_at=now - HOUR)
    factories.enter_fx_rate(db, "102", confirmed=True)
    fx.confirm(db, jump.id, factories.approver())

    assert _in_force(db) == Fraction(102)


def test_no_rate_is_turned_round(db: Session) -> None:
    factories.enter_fx_rate(db, "100", confirmed=True)

    with pytest.raises(FxRateMissing, match="from KES to USD"):
        fx.in_force(db, "KES", "USD")


@pytest.mark.parametrize(
    ("base", "age", "left"),
    [
        ("KES", 24 * HOUR, HOUR),
        ("VES", 4 * HOUR, HOUR),
        ("KES", HOUR, timedelta(0)),
        ("VES", 24 * HOUR, HOUR),
    ],
)
def test_a_rate_that_is_too_old_stops_whoever_pays(db: Session, base: str, age: timedelta, left: timedelta) -> None:
    _fetched(db, base, age, left)

    with pytest.raises(RateStale, match=f"from {base} to USD"):
        fx.in_force(db, base, "USD")


@pytest.mark.parametrize(("base", "age"), [("KES", 24 * HOUR), ("VES", 4 * HOUR)])
def test_a_rate_is_good_to_its_last_second(db: Session, base: str, age: timedelta) -> None:
    _fetched(db, base, age - timedelta(seconds=1))

    assert _in_force(db, base, "USD") == Fraction(1, 40)


def test_a_rate_that_is_over_is_not_followed_by_the_one_before(db: Session) -> None:
    _fetched(db, "KES", 2 * HOUR)
    _fetched(db, "KES", HOUR, timedelta(0))

    with pytest.raises(RateStale):
        fx.in_force(db, "KES", "USD")


# Four eyes


def test_nobody_confirms_their_own_whatever_token_they_use(db: Session) -> None:
    made = factories.enter_fx_rate(db, entered_by="ada")

    with pytest.raises(SamePerson):
        fx.confirm(db, made.id, factories.approver("ada"))

    assert made.confirmed_by is None
    assert fx.confirm(db, made.id, factories.approver("bob")).confirmed_by == "bob"


@pytest.mark.parametrize("table", ["fx_rates", "tax_rules"])
def test_the_table_refuses_it_as_well(db: Session, table: str) -> None:
    factories.enter_fx_rate(db)
    factories.enter_tax_rule(db)

    with pytest.raises(IntegrityError, match="four_eyes"), db.begin_nested():
        db.execute(text(f"UPDATE {table} SET confirmed_by = entered_by, confirmed_at = now()"))


def test_a_rate_is_confirmed_once(db: Session) -> None:
    made = factories.enter_fx_rate(db, confirmed=True)

    with pytest.raises(AlreadyConfirmed):
        fx.confirm(db, made.id, factories.approver("somebody else"))

    assert made.confirmed_by == "approver"


def test_what_counts_already_needs_nobody(db: Session) -> None:
    factories.enter_fx_rate(db, "100", confirmed=True)

    with pytest.raises(AlreadyConfirmed):
        fx.confirm(db, factories.enter_fx_rate(db, "101").id, factories.approver())


def test_a_rate_that_is_over_is_not_confirmed_any_more(db: Session) -> None:
    _fetched(db, "KES", 30 * HOUR, -HOUR)
    columns = "base, quote, 9, 10, source, fetched_at, valid_until, 'finance', true"
    db.execute(text(f"INSERT INTO fx_rates SELECT 'fxr_stale', {columns} FROM fx_rates"))

    with pytest.raises(RateStale):
        fx.confirm(db, "fxr_stale", factories.approver())


def test_what_is_not_there_cannot_be_confirmed(db: Session) -> None:
    with pytest.raises(NotFound):
        fx.confirm(db, "fxr_none", factories.approver())


def test_two_who_confirm_at_once_are_one_who_did(house: House) -> None:
    with house.sessions() as db:
        rate_id = factories.enter_fx_rate(db).id
        db.commit()

    with house.sessions() as first:
        fx.confirm(first, rate_id, factories.approver("bob"))
        with held_up(house, lambda db: fx.confirm(db, rate_id, factories.approver("cyn"))) as second:
            first.commit()

    with pytest.raises(AlreadyConfirmed):
        second.result()

"""Rate cards: which price a worker is quoted, and what a reserve must cover."""

import time
from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, insert, text
from sqlalchemy.orm import Session

from foundation import clock, ids
from payments import adjustments, funding, payees, rates
from payments.models import Rate
from payments.money import AmountInvalid, CurrencyUnknown
from payments.rates import (
    Price,
    Quote,
    RateMissing,
    RatesDateInvalid,
    RatesMixCurrencies,
    RatesRepeat,
    RatesTaken,
)
from tests.conftest import House
from tests.payments import owed

OWNER = "prj_owner"


def _price(tier: int, amount: str, region: str = "", currency: str = "USD") -> Price:
    return Price(tier=tier, amount=amount, currency=currency, region=region)


def _publish(db: Session, *prices: Price) -> None:
    rates.publish(db, OWNER, prices)


def _from(db: Session, after: timedelta, tier: int, units: int) -> None:
    """A row in force from another time than now."""
    row = {"id": ids.new("rat"), "owner_ref": OWNER, "tier": tier, "region": "", "currency": "USD", "amount": units}
    db.execute(insert(Rate), [{**row, "valid_from": clock.now(db) + after}])


def _quoted(db: Session, tier: int, region: str = "KE") -> int:
    return rates.quote(db, OWNER, tier=tier, region=region).amount


def test_a_quote_has_amount_currency_and_scale(db: Session) -> None:
    _publish(db, _price(0, "0.02"))

    assert rates.quote(db, OWNER, tier=0, region="KE") == Quote(amount=200, currency="USD", exponent=4)


@pytest.mark.parametrize(("tier", "units"), [(0, 100), (1, 100), (2, 300), (3, 300), (4, 900)])
def test_the_highest_tier_reached_decides(db: Session, tier: int, units: int) -> None:
    _publish(db, _price(2, "0.03"), _price(0, "0.01"), _price(4, "0.09"))

    assert _quoted(db, tier) == units


CARD = [_price(0, "0.01"), _price(3, "0.09"), _price(1, "0.05", "KE"), _price(2, "0.06", "KE"), _price(0, "0.07", "DE")]


@pytest.mark.parametrize(
    ("tier", "region", "units"),
    [(1, "KE", 500), (2, "KE", 600), (3, "KE", 900), (0, "KE", 100), (0, "DE", 700), (3, "FR", 900), (1, "FR", 100)],
)
def test_the_tier_goes_before_the_region_and_the_region_before_everywhere(
    db: Session, tier: int, region: str, units: int
) -> None:
    _publish(db, *CARD)

    assert _quoted(db, tier, region) == units


def test_the_newest_price_in_force_decides(db: Session) -> None:
    _from(db, timedelta(days=-2), 0, 100)
    _from(db, timedelta(days=-1), 0, 50)
    _from(db, timedelta(seconds=1), 0, 900)

    assert _quoted(db, 0) == 50


def test_the_dearest_price_is_one_in_force_or_to_come(db: Session) -> None:
    _from(db, timedelta(days=-2), 0, 9_000)
    _from(db, timedelta(days=-1), 0, 50)
    assert rates.dearest(db, OWNER, tier_max=4).amount == 50

    _from(db, timedelta(days=1), 0, 900)
    _from(db, timedelta(days=2), 0, 20)

    # A task that is reserved for now may be claimed tomorrow.
    assert rates.dearest(db, OWNER, tier_max=4).amount == 900


def test_prices_that_are_all_to_come_cover_no_reserve(db: Session) -> None:
    _from(db, timedelta(days=1), 0, 900)

    with pytest.raises(RateMissing):
        rates.dearest(db, OWNER, tier_max=4)


def test_a_newer_price_takes_the_place_of_a_published_one(house: House) -> None:
    for amount in ("0.01", "0.05"):
        with house.sessions() as db:
            _publish(db, _price(0, amount))
            db.commit()

    with house.sessions() as db:
        assert _quoted(db, 0) == 500
        assert db.scalar(text("SELECT count(*) FROM rates")) == 2


MISSING: dict[str, tuple[Sequence[Price], int, str]] = {
    "no card": ((), 4, "KE"),
    "tier too low": ([_price(2, "0.01")], 1, "KE"),
    "other region": ([_price(0, "0.01", "DE")], 4, "KE"),
}


@pytest.mark.parametrize(("card", "tier", "region"), MISSING.values(), ids=MISSING.keys())
def test_a_worker_without_a_price_gets_no_quote(db: Session, card: Sequence[Price], tier: int, region: str) -> None:
    if card:
        _publish(db, *card)

    with pytest.raises(RateMissing):
        rates.quote(db, OWNER, tier=tier, region=region)


def test_nobody_elses_card_is_used(db: Session) -> None:
    _publish(db, _price(0, "0.01"))

    with pytest.raises(RateMissing):
        rates.quote(db, "prj_other", tier=4, region="KE")


def test_the_dearest_price_looks_at_every_region(db: Session) -> None:
    _publish(db, *CARD)

    assert rates.dearest(db, OWNER, tier_max=0).amount == 700
    assert rates.dearest(db, OWNER, tier_max=4) == Quote(amount=900, currency="USD", exponent=4)


def test_no_price_up_to_a_tier_is_a_problem_for_the_reserve(db: Session) -> None:
    _publish(db, _price(4, "0.60"))

    with pytest.raises(RateMissing):
        rates.dearest(db, OWNER, tier_max=3)


def test_a_card_for_later_is_quoted_when_its_time_has_come(house: House) -> None:
    with house.sessions() as db:
        _publish(db, _price(0, "0.01"))
        rates.publish(db, OWNER, [_price(0, "0.05")], valid_from=clock.now(db) + timedelta(seconds=0.5))
        assert _quoted(db, 0) == 100
        db.commit()
    time.sleep(0.6)

    with house.sessions() as db:
        assert _quoted(db, 0) == 500


@pytest.mark.parametrize("days", [-1, 0, 367])
def test_a_card_begins_now_or_within_a_year(db: Session, days: int) -> None:
    with pytest.raises(RatesDateInvalid):
        rates.publish(db, OWNER, [_price(0, "0.05")], valid_from=clock.now(db) + timedelta(days=days))

    assert db.scalar(text("SELECT count(*) FROM rates")) == 0


def test_two_cards_do_not_begin_at_one_moment(db: Session) -> None:
    tomorrow = clock.now(db) + timedelta(days=1)
    rates.publish(db, OWNER, [_price(0, "0.05")], valid_from=tomorrow)
    _publish(db, _price(0, "0.01"))

    for moment in (tomorrow, None):
        with pytest.raises(RatesTaken), db.begin_nested():
            rates.publish(db, OWNER, [_price(1, "0.09"), _price(0, "0.06")], valid_from=moment)

    rates.publish(db, "prj_other", [_price(0, "0.06")], valid_from=tomorrow)
    assert sorted(db.scalars(text("SELECT amount FROM rates"))) == [100, 500, 600]


# What another card would have cost


def _answered(db: Session) -> list[str]:
    """Three answers from Kenya and one from Germany, at 0.02 each; returns what was reserved for them."""
    owed.payee(db, 200, 200, 200)
    owed.owe(db, payees.register(db, owner_ref="wrk_ben", name="Ben", country="DE"), 200)
    return list(db.scalars(text("SELECT cause_ref FROM reserves")))


def _preview(db: Session, causes: Sequence[str], *prices: Price) -> tuple[int, int, int, int, int]:
    found = rates.preview(db, prices, cause_refs=causes)
    return found.answers, found.cost, found.cheapest, found.dearest, found.unpriced


@pytest.mark.parametrize(
    ("card", "cheapest", "dearest", "unpriced"),
    [
        ([_price(0, "0.03")], 1_440, 1_440, 0),
        ([_price(0, "0.03"), _price(2, "0.05")], 1_440, 2_400, 0),
        ([_price(0, "0.03"), _price(0, "0.01", "KE")], 720, 720, 0),
        ([_price(0, "0.03"), _price(2, "0.01", "KE")], 720, 1_440, 0),
        ([_price(0, "0.01", "KE")], 360, 360, 1),
        ([_price(0, "0.01", "FR")], 0, 0, 4),
    ],
)
def test_a_preview_says_between_what_the_last_month_would_have_cost(
    db: Session, card: list[Price], cheapest: int, dearest: int, unpriced: int
) -> None:
    assert _preview(db, _answered(db), *card) == (4, 960, cheapest, dearest, unpriced)


def test_a_preview_looks_at_its_own_causes_currency_and_month_and_writes_nothing(db: Session) -> None:
    causes = _answered(db)

    assert _preview(db, causes[:1], _price(0, "0.03"))[0] == 3
    assert _preview(db, [], _price(0, "0.03")) == (0, 0, 0, 0, 0)
    assert _preview(db, causes, _price(0, "0.03", currency="EUR"))[0] == 0
    assert db.scalar(text("SELECT count(*) FROM rates")) == 0
    with pytest.raises(AmountInvalid):
        _preview(db, causes, _price(0, "0"))


def test_what_was_taken_back_is_not_in_a_preview(db: Session) -> None:
    causes = _answered(db)
    earning = db.scalars(text("SELECT min(id) FROM earnings")).one()
    adjustments.reverse(db, [earning], reason="r", actor_ref="ops")

    assert _preview(db, causes, _price(0, "0.03"))[:2] == (3, 720)


@given(
    st.dictionaries(
        st.tuples(st.integers(0, 4), st.sampled_from(["", "KE", "DE"])), st.integers(1, 999), min_size=1, max_size=8
    )
)
@settings(max_examples=20, deadline=None, database=None)
def test_every_quote_of_a_card_is_within_its_preview(shared_engine: Engine, card: dict[tuple[int, str], int]) -> None:
    prices = [_price(tier, f"0.{amount:04}", region) for (tier, region), amount in card.items()]
    with shared_engine.connect() as connection, Session(connection) as db:
        owed.payee(db, 200)
        found = rates.preview(db, prices, cause_refs=list(db.scalars(text("SELECT cause_ref FROM reserves"))))
        _publish(db, *prices)
        quoted = []
        for tier in range(5):
            try:
                quoted.append(funding.with_fee(_quoted(db, tier)))
            except RateMissing:
                continue

    assert (found.unpriced == 1) == (not quoted)
    if quoted:
        assert (found.cheapest, found.dearest) == (min(quoted), max(quoted))


REFUSED = {
    "two currencies": ([_price(0, "0.01"), _price(1, "0.01", currency="EUR")], RatesMixCurrencies),
    "foreign currency": ([_price(0, "0.01", currency="XAU")], CurrencyUnknown),
    "nothing": ([_price(0, "0")], AmountInvalid),
    "too fine": ([_price(0, "0.00001")], AmountInvalid),
    "the same place twice": ([_price(0, "0.01"), _price(0, "0.02")], RatesRepeat),
    "no price at all": ([], RatesMixCurrencies),
}


@pytest.mark.parametrize(("card", "problem"), REFUSED.values(), ids=REFUSED.keys())
def test_a_card_that_cannot_be_is_refused(db: Session, card: Sequence[Price], problem: type[Exception]) -> None:
    with pytest.raises(problem):
        _publish(db, *card)

    assert db.scalar(text("SELECT count(*) FROM rates")) == 0

"""Rate cards: which price a worker is quoted, and what a reserve must cover."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from foundation import clock, ids
from payments import rates
from payments.models import Rate
from payments.money import AmountInvalid, CurrencyUnknown
from payments.rates import Price, Quote, RateMissing, RatesMixCurrencies, RatesRepeat
from tests.conftest import House

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
    assert rates.dearest(db, OWNER, tier_max=4).amount == 50


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

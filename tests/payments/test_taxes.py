"""Tax rules: which one counts on which day, and what it takes to the last unit."""

from datetime import UTC, date, datetime
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from foundation.errors import Invalid, NotFound
from payments import taxes
from payments.four_eyes import AlreadyConfirmed, SamePerson
from payments.models import Rounding, TaxBasis, TaxKind, TaxPeriod
from payments.money import AmountInvalid, CurrencyUnknown
from payments.taxes import Rule, TaxRuleInvalid, TaxRuleMissing, Withheld
from tests import factories

JULY = datetime(2026, 7, 15, 12, tzinfo=UTC)


def _in_force(
    db: Session, country: str = "KE", on: datetime = JULY, document: str | None = None, **kind: TaxKind
) -> list[int]:
    """The basis points of the rules in force."""
    return [rule.basis_points for rule in taxes.rules_in_force(db, country, on, document, **kind)]


# Which rule counts


def test_a_rule_counts_when_another_person_has_confirmed_it(db: Session, books: None) -> None:
    made = factories.enter_tax_rule(db)
    with pytest.raises(TaxRuleMissing, match="in KE on 2026-07-15"):
        _in_force(db)

    confirmed = taxes.confirm(db, made.id, factories.approver())

    assert confirmed.confirmed_by == "approver"
    assert confirmed.confirmed_at is not None
    assert _in_force(db) == [500]


def test_a_rule_in_force_is_in_ledger_units(db: Session) -> None:
    terms: dict[str, Any] = {
        "threshold": "24000",
        "period": "month",
        "catch_up": True,
        "unit_exponent": 2,
        "rounding": "up",
    }
    made = factories.enter_tax_rule(db, confirmed=True, **terms)

    (rule,) = taxes.rules_in_force(db, "KE", JULY, None)

    assert rule == Rule(
        id=made.id, authority="KRA", basis=TaxBasis.PAYMENT, basis_points=500, currency="KES", threshold=240_000_000,
        period=TaxPeriod.MONTH, catch_up=True, rounding=Rounding.UP, unit=100,
    )  # fmt: skip


def test_a_country_without_a_rule_stops_whoever_pays(db: Session) -> None:
    factories.enter_tax_rule(db, confirmed=True)

    with pytest.raises(TaxRuleMissing, match="in VE"):
        _in_force(db, "VE")


def test_an_explicit_rule_of_zero_says_that_nothing_is_withheld(db: Session) -> None:
    factories.enter_tax_rule(db, country="VE", currency="VES", basis_points=0, confirmed=True)

    (rule,) = taxes.rules_in_force(db, "VE", JULY, None)

    assert taxes.withhold([rule], gross=10**6, gross_before_in_period={}, withheld_before_in_period={}) == []


def test_a_rule_of_another_kind_does_not_count(db: Session) -> None:
    factories.enter_tax_rule(db, kind="vat", basis_points=1_600, confirmed=True)

    assert _in_force(db, kind=TaxKind.VAT) == [1_600]
    with pytest.raises(TaxRuleMissing):
        _in_force(db)


def test_a_document_has_its_own_rule_and_nobody_elses(db: Session) -> None:
    factories.enter_tax_rule(db, basis_points=1_000, confirmed=True)
    factories.enter_tax_rule(db, basis_points=500, document="sworn_declaration", confirmed=True)
    factories.enter_tax_rule(db, basis_points=2_000, document="non_resident", confirmed=True)

    documents = [None, "sworn_declaration", "non_resident", "another"]
    assert [_in_force(db, document=document) for document in documents] == [[1_000], [500], [2_000], [1_000]]


def test_a_rule_for_a_document_alone_covers_nobody_without_it(db: Session) -> None:
    factories.enter_tax_rule(db, document="w8ben", basis_points=0, confirmed=True)

    assert _in_force(db, document="w8ben") == [0]
    with pytest.raises(TaxRuleMissing, match="without a document"):
        _in_force(db)


def test_every_authority_of_a_country_has_its_rule(db: Session) -> None:
    factories.enter_tax_rule(db, authority="STATE", basis_points=100, confirmed=True)
    factories.enter_tax_rule(db, authority="FEDERAL", basis_points=200, confirmed=True)

    assert [rule.authority for rule in taxes.rules_in_force(db, "KE", JULY, None)] == ["FEDERAL", "STATE"]


def test_a_newer_rule_takes_the_place_of_an_older_one_whatever_its_basis(db: Session) -> None:
    factories.enter_tax_rule(db, basis="payment", basis_points=300, confirmed=True)
    factories.enter_tax_rule(db, basis="accrual", valid_from=date(2026, 7, 1), confirmed=True)

    assert _in_force(db, on=datetime(2026, 6, 1, tzinfo=UTC)) == [300]
    assert _in_force(db) == [500]


def test_a_rule_entered_again_corrects_the_first_one(db: Session) -> None:
    factories.enter_tax_rule(db, basis_points=300, confirmed=True)
    factories.enter_tax_rule(db, basis_points=400, confirmed=True)
    factories.enter_tax_rule(db, basis_points=999)

    assert _in_force(db) == [400]


def test_a_rule_that_has_ended_is_not_followed_by_the_one_before(db: Session) -> None:
    factories.enter_tax_rule(db, confirmed=True)
    factories.enter_tax_rule(db, valid_from=date(2026, 3, 1), valid_to=date(2026, 7, 14), confirmed=True)

    with pytest.raises(TaxRuleMissing):
        _in_force(db)


def test_the_last_day_of_a_rule_is_one_of_its_days(db: Session) -> None:
    factories.enter_tax_rule(db, valid_to=date(2026, 7, 15), confirmed=True)

    assert _in_force(db) == [500]


# Whose midnight


MIDNIGHTS = {
    "Nairobi": ("KE", "2026-06-30T20:59:59+00:00", "2026-06-30T21:00:00+00:00"),
    "Manila": ("PH", "2026-06-30T15:59:59+00:00", "2026-06-30T16:00:00+00:00"),
    "Delhi": ("IN", "2026-06-30T18:29:59+00:00", "2026-06-30T18:30:00+00:00"),
    "Washington, in summer": ("US", "2026-07-01T03:59:59+00:00", "2026-07-01T04:00:00+00:00"),
    "Caracas": ("VE", "2026-07-01T03:59:59+00:00", "2026-07-01T04:00:00+00:00"),
    "Berlin, in summer": ("DE", "2026-06-30T21:59:59+00:00", "2026-06-30T22:00:00+00:00"),
    "nowhere that is known": ("ZZ", "2026-06-30T23:59:59+00:00", "2026-07-01T00:00:00+00:00"),
}


@pytest.mark.parametrize(("country", "before", "after"), MIDNIGHTS.values(), ids=MIDNIGHTS.keys())
def test_a_rate_changes_at_the_countrys_midnight(db: Session, country: str, before: str, after: str) -> None:
    factories.enter_tax_rule(db, country=country, basis_points=300, confirmed=True)
    factories.enter_tax_rule(db, country=country, basis_points=400, valid_from=date(2026, 7, 1), confirmed=True)

    assert _in_force(db, country, datetime.fromisoformat(before)) == [300]
    assert _in_force(db, country, datetime.fromisoformat(after)) == [400]


@pytest.mark.parametrize("country", taxes._ZONES)
def test_every_zone_is_one(country: str) -> None:
    assert taxes.local_day(country, JULY) == date(2026, 7, 15)


@pytest.mark.parametrize(
    ("country", "period", "at", "begin"),
    [
        ("KE", TaxPeriod.MONTH, "2026-02-10T00:00:00+00:00", "2026-01-31T21:00:00+00:00"),
        ("KE", TaxPeriod.MONTH, "2026-01-31T21:00:00+00:00", "2026-01-31T21:00:00+00:00"),
        ("KE", TaxPeriod.MONTH, "2026-01-31T20:59:59+00:00", "2025-12-31T21:00:00+00:00"),
        ("PH", TaxPeriod.YEAR, "2025-12-31T16:00:00+00:00", "2025-12-31T16:00:00+00:00"),
        ("IN", TaxPeriod.YEAR, "2026-03-31T18:29:59+00:00", "2025-03-31T18:30:00+00:00"),
        ("IN", TaxPeriod.YEAR, "2026-03-31T18:30:00+00:00", "2026-03-31T18:30:00+00:00"),
        # Winter time at the beginning of the year, summer time now.
        ("US", TaxPeriod.YEAR, "2026-07-15T12:00:00+00:00", "2026-01-01T05:00:00+00:00"),
        ("US", TaxPeriod.MONTH, "2024-02-29T12:00:00+00:00", "2024-02-01T05:00:00+00:00"),
        ("ZZ", TaxPeriod.MONTH, "2026-07-15T12:00:00+00:00", "2026-07-01T00:00:00+00:00"),
    ],
)
def test_a_period_begins_at_the_countrys_midnight(country: str, period: TaxPeriod, at: str, begin: str) -> None:
    assert taxes.period_begin(country, period, datetime.fromisoformat(at)) == datetime.fromisoformat(begin)


# What cannot be a rule


REFUSED: dict[str, tuple[dict[str, Any], type[Invalid], str]] = {
    "a foreign currency": ({"currency": "XAU"}, CurrencyUnknown, "/currency"),
    "a threshold that is too fine": ({"threshold": "0.00001"}, AmountInvalid, "/threshold"),
    "a threshold of nothing": ({"threshold": "0"}, AmountInvalid, "/threshold"),
    "a unit finer than the books": ({"currency": "JPY", "unit_exponent": 3}, TaxRuleInvalid, "/unit_exponent"),
    "an end before its beginning": ({"valid_to": date(2025, 12, 31)}, TaxRuleInvalid, "/valid_to"),
    "a period without a threshold": ({"period": "month"}, TaxRuleInvalid, "/threshold"),
    "catching up without a threshold": ({"catch_up": True}, TaxRuleInvalid, "/threshold"),
}


@pytest.mark.parametrize(("changes", "problem", "pointer"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_rule_is_refused(db: Session, changes: dict[str, Any], problem: type[Invalid], pointer: str) -> None:
    with pytest.raises(problem) as refused:
        factories.enter_tax_rule(db, **changes)

    assert [error["pointer"] for error in refused.value.errors] == [pointer]


# Four eyes


def test_nobody_confirms_a_rule_of_their_own(db: Session) -> None:
    made = factories.enter_tax_rule(db, entered_by="ada")

    with pytest.raises(SamePerson):
        taxes.confirm(db, made.id, factories.approver("ada"))

    assert made.confirmed_by is None


def test_a_rule_is_confirmed_once(db: Session) -> None:
    made = factories.enter_tax_rule(db, confirmed=True)

    with pytest.raises(AlreadyConfirmed):
        taxes.confirm(db, made.id, factories.approver("somebody else"))


def test_a_rule_that_is_not_there_cannot_be_confirmed(db: Session) -> None:
    with pytest.raises(NotFound):
        taxes.confirm(db, "txr_none", factories.approver())


# What a rule takes: one payment of `gross` after `before`, in units of 0.01


def _rule(**changes: Any) -> Rule:
    given: dict[str, Any] = {
        "id": "txr", "authority": "KRA", "basis": TaxBasis.PAYMENT, "basis_points": 500, "currency": "KES",
        "threshold": 0, "period": TaxPeriod.NONE, "catch_up": False, "rounding": Rounding.DOWN, "unit": 1, **changes,
    }  # fmt: skip
    return Rule(**given)


def _taken(rule: Rule, gross: int, before: int = 0, withheld: int = 0) -> int:
    taken = taxes.withhold(
        [rule], gross=gross, gross_before_in_period={rule.id: before}, withheld_before_in_period={rule.id: withheld}
    )
    return sum(one.amount for one in taken)


def test_a_share_is_withheld_of_every_payment() -> None:
    (taken,) = taxes.withhold([_rule()], gross=20_000, gross_before_in_period={}, withheld_before_in_period={})

    assert taken == Withheld(rule_id="txr", authority="KRA", amount=1_000)


@pytest.mark.parametrize(
    ("rounding", "gross", "tax"),
    [
        # 5 % of these in whole hundreds: 1.0, 1.05, 1.5, 2.5, 2.55 and 1.95 of them.
        *((Rounding.DOWN, gross, tax) for gross, tax in [(2_000, 100), (2_100, 100), (3_000, 100), (3_900, 100)]),
        *((Rounding.UP, gross, tax) for gross, tax in [(2_000, 100), (2_001, 200), (3_000, 200), (3_900, 200)]),
        *((Rounding.HALF_EVEN, gross, tax) for gross, tax in [(2_100, 100), (3_000, 200), (5_000, 200), (5_001, 300)]),
    ],
)
def test_tax_is_rounded_to_the_authoritys_unit_as_it_says(rounding: Rounding, gross: int, tax: int) -> None:
    assert _taken(_rule(rounding=rounding, unit=100), gross) == tax


PERIOD = {"threshold": 24_000, "period": TaxPeriod.MONTH}


@pytest.mark.parametrize(
    ("gross", "before", "withheld", "with_catch_up", "without"),
    [
        (23_999, 0, 0, 0, 0),
        (24_000, 0, 0, 0, 0),
        (24_020, 0, 0, 1_201, 1),
        (4_000, 20_000, 0, 0, 0),
        # 5 % of 30,000 at once, or of the 6,000 above.
        (10_000, 20_000, 0, 1_500, 300),
        (10_000, 24_000, 0, 1_700, 500),
        # Caught up before.
        (10_000, 30_000, 1_500, 500, 500),
        # The payment that crossed it was smaller than the tax on all: 1,200 were missing.
        (1_000, 24_000, 0, 1_000, 50),
        (10_000, 25_000, 1_000, 750, 500),
        # A rate of 10 % was in force before.
        (10_000, 30_000, 3_000, 500, 500),
    ],
)
def test_a_threshold_adds_up_over_its_period(
    gross: int, before: int, withheld: int, with_catch_up: int, without: int
) -> None:
    assert _taken(_rule(**PERIOD, catch_up=True), gross, before, withheld) == with_catch_up
    assert _taken(_rule(**PERIOD), gross, before, withheld) == without


@pytest.mark.parametrize(("gross", "whole", "excess"), [(24_000, 0, 0), (24_020, 1_201, 1)])
def test_a_threshold_of_single_payments_forgets_the_others(gross: int, whole: int, excess: int) -> None:
    single = {"threshold": 24_000, "period": TaxPeriod.NONE}

    assert _taken(_rule(**single, catch_up=True), gross, before=10**6) == whole
    assert _taken(_rule(**single), gross, before=10**6) == excess


def test_rules_together_take_no_more_than_there_is() -> None:
    rules = [_rule(id="a", basis_points=7_000), _rule(id="b", basis_points=7_000), _rule(id="c")]

    taken = taxes.withhold(rules, gross=1_000, gross_before_in_period={}, withheld_before_in_period={})

    assert [(one.rule_id, one.amount) for one in taken] == [("a", 700), ("b", 300)]


def test_what_is_rounded_up_is_no_more_than_there_is_in_whole_units() -> None:
    rule = _rule(basis_points=10_000, rounding=Rounding.UP, unit=100)

    assert [_taken(rule, gross) for gross in (99, 100, 199)] == [0, 100, 100]


def test_a_rule_with_a_period_needs_to_know_what_was_paid_before() -> None:
    with pytest.raises(KeyError):
        taxes.withhold([_rule(**PERIOD)], gross=1, gross_before_in_period={}, withheld_before_in_period={})


_RULES = st.builds(
    Rule,
    id=st.just("txr"),
    authority=st.just("KRA"),
    basis=st.sampled_from(TaxBasis),
    basis_points=st.integers(0, 10_000),
    currency=st.just("KES"),
    threshold=st.just(0) | st.integers(1, 10**8),
    period=st.sampled_from(TaxPeriod),
    catch_up=st.booleans(),
    rounding=st.sampled_from(Rounding),
    unit=st.sampled_from([1, 100, 10_000]),
)
_AMOUNTS = st.integers(0, 10**9)


@given(_RULES, _AMOUNTS, _AMOUNTS, _AMOUNTS)
def test_what_is_withheld_is_whole_units_of_what_there_is(rule: Rule, gross: int, before: int, withheld: int) -> None:
    tax = _taken(rule, gross, before, withheld)

    assert 0 <= tax <= gross
    assert tax % rule.unit == 0


@given(_RULES, _AMOUNTS)
def test_tax_is_never_a_unit_from_the_exact_share_and_on_the_side_it_says(rule: Rule, amount: int) -> None:
    exact = Fraction(amount * rule.basis_points, taxes.ALL_BASIS_POINTS)
    off = taxes._tax(rule, amount) - exact

    allowed = {
        Rounding.DOWN: -rule.unit < off <= 0,
        Rounding.UP: 0 <= off < rule.unit,
        Rounding.HALF_EVEN: abs(off) <= Fraction(rule.unit, 2),
    }
    assert allowed[rule.rounding]


@given(_RULES, _AMOUNTS, _AMOUNTS, _AMOUNTS)
def test_more_pay_is_never_less_taxed(rule: Rule, gross: int, more: int, before: int) -> None:
    low, high = sorted([gross, more])

    assert _taken(rule, low, before) <= _taken(rule, high, before)


@given(_RULES, st.lists(_AMOUNTS, min_size=1, max_size=6), st.integers(0, 5_000))
def test_however_pay_is_split_catching_up_withholds_the_same_in_the_end(
    rule: Rule, payments: list[int], basis_points: int
) -> None:
    cumulative = _rule(
        basis_points=basis_points, threshold=rule.threshold, period=TaxPeriod.YEAR, catch_up=True,
        rounding=rule.rounding,
    )  # fmt: skip
    total = withheld = 0
    for gross in payments:
        withheld += _taken(cumulative, gross, total, withheld)
        total += gross

    # What a payment was too small for comes out of the next ones; the last one is large enough.
    withheld += _taken(cumulative, 2 * total + 10**9, total, withheld)
    total += 2 * total + 10**9
    assert withheld == (taxes._tax(cumulative, total) if total > cumulative.threshold else 0)


@given(st.lists(st.integers(1, 10**6), min_size=2, max_size=8), st.integers(1, 10**6), st.integers(0, 10_000))
def test_without_catching_up_only_what_lies_above_the_threshold_is_taxed(
    payments: list[int], threshold: int, basis_points: int
) -> None:
    rule = _rule(basis_points=basis_points, threshold=threshold, period=TaxPeriod.YEAR)
    sums = [sum(payments[:n]) for n in range(len(payments) + 1)]

    taken = sum(_taken(rule, after - before, before) for before, after in pairwise(sums))

    exact = Fraction(max(sums[-1] - threshold, 0) * basis_points, taxes.ALL_BASIS_POINTS)
    assert exact - len(payments) < taken <= exact

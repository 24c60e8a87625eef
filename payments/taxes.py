"""Tax rules as dated rows that two people put into force, and what they take from one payment.

Nothing here is advice, and no rule is shipped in force: laws are data that an operator enters and confirms. A country
in which nothing is withheld needs a rule that says so, of zero basis points. Rows from a file are `rule_files.py`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Select, select, text
from sqlalchemy.orm import Session

from foundation import clock, ids, pagination
from foundation.auth import Actor
from foundation.errors import Conflict, Invalid, NotFound, within
from payments import four_eyes, money
from payments.four_eyes import AlreadyConfirmed
from payments.models import Rounding, TaxBasis, TaxKind, TaxPeriod, TaxRule

ALL_BASIS_POINTS = 10_000


class TaxRuleInvalid(Invalid):
    """This cannot be a tax rule."""


class TaxRuleMissing(Conflict):
    """No confirmed tax rule covers this country."""


# Rules as their authors write them


@dataclass(frozen=True, slots=True)
class Terms:
    """What a rule says. threshold : a decimal string; what is above it is taxed. valid_to : the last day, or for ever.

    document : the state of a payee's documents that it is for; without one it is for everybody who has no other rule of
    this authority. unit_exponent : tax is rounded to 10^-unit_exponent of the currency.
    """

    country: str
    kind: str
    basis: str
    basis_points: int
    currency: str
    rounding: str
    unit_exponent: int
    valid_from: date
    authority: str
    citation: str
    document: str | None = None
    threshold: str | None = None
    period: str = TaxPeriod.NONE
    catch_up: bool = False
    valid_to: date | None = None


def enter(db: Session, terms: Terms, *, entered_by: str) -> TaxRule:
    """Keep a rule that counts as soon as another person has confirmed it. A newer one of its place replaces it then."""
    row = TaxRule(id=ids.new("txr"), **_columns(db, terms), entered_by=entered_by)
    db.add(row)
    db.flush()
    return row


def is_known(db: Session, terms: Terms) -> bool:
    """Whether a row says exactly this already, confirmed or not."""
    same = [getattr(TaxRule, name).is_not_distinct_from(value) for name, value in _columns(db, terms).items()]
    return db.scalar(select(TaxRule.id).where(*same).limit(1)) is not None


def _columns(db: Session, terms: Terms) -> dict[str, object]:
    """A rule as it is stored, its threshold in ledger units. What cannot be is `Invalid`, with a pointer."""
    with within("/currency"):
        currency = money.currency(db, terms.currency)
    with within("/threshold"):
        threshold = None if terms.threshold is None else money.parse(terms.threshold, currency)
    with within("/unit_exponent"):
        if not 0 <= terms.unit_exponent <= currency.ledger_exponent:
            raise TaxRuleInvalid(f"Tax in {currency.code} has at most {currency.ledger_exponent} decimals here.")
    with within("/valid_to"):
        if terms.valid_to is not None and terms.valid_to < terms.valid_from:
            raise TaxRuleInvalid("The last day lies before the first one.")
    if threshold is None and (terms.catch_up or terms.period != TaxPeriod.NONE):
        with within("/threshold"):
            raise TaxRuleInvalid("A period and catching up belong to a threshold; give one, or leave them out.")
    return {**asdict(terms), "threshold": threshold}


def confirm(db: Session, rule_id: str, actor: Actor) -> TaxRule:
    """Let a rule count, by another person than the one who entered it."""
    rule = db.get(TaxRule, rule_id, with_for_update={"of": TaxRule}, populate_existing=True)
    if rule is None:
        raise NotFound("There is no such tax rule.")
    if rule.confirmed_by is not None:
        raise AlreadyConfirmed("This rule is confirmed already.")
    confirmed_by = four_eyes.other_person(rule.entered_by, actor.subject_id)
    rule.confirmed_by, rule.confirmed_at = confirmed_by, clock.now(db)
    db.flush()
    return rule


def page(db: Session, request: pagination.PageRequest, *, country: str | None = None) -> pagination.Page:
    """All rules, newest first, confirmed or not; or those of one country."""
    rows: Select[tuple[TaxRule]] = select(TaxRule)
    return pagination.read(db, rows if country is None else rows.where(TaxRule.country == country), TaxRule.id, request)


# Rules in force


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that counts. threshold and unit are in ledger units of its currency; a threshold of 0 is none."""

    id: str
    authority: str
    basis: TaxBasis
    basis_points: int
    currency: str
    threshold: int
    period: TaxPeriod
    catch_up: bool
    rounding: Rounding
    unit: int


@dataclass(frozen=True, slots=True)
class Place:
    """For whom and when rules are looked up: a country, a day of its calendar, and a document or none."""

    country: str
    day: date
    document: str | None = None


# Of each authority one rule: for this document before for everybody, in each the newest that has begun, and of those
# that began together the last one entered. One that has ended is not followed by what it had replaced.
_IN_FORCE = text("""
    SELECT g.number, r.*
      FROM unnest(CAST(:countries AS text[]), CAST(:days AS date[]), CAST(:documents AS text[]))
           WITH ORDINALITY AS g(country, day, document, number)
     CROSS JOIN LATERAL (
        SELECT DISTINCT ON (authority) * FROM (
            SELECT DISTINCT ON (t.authority, t.document) t.*, c.ledger_exponent
              FROM tax_rules t JOIN currencies c ON c.code = t.currency
             WHERE t.country = g.country AND t.kind = :kind AND t.confirmed_by IS NOT NULL AND t.valid_from <= g.day
               AND (t.document IS NULL OR t.document = g.document)
             ORDER BY t.authority, t.document, t.valid_from DESC, t.id DESC) AS newest
         WHERE valid_to IS NULL OR valid_to >= g.day
         ORDER BY authority, document NULLS LAST) AS r
     ORDER BY g.number, r.authority
""")


def rules_in_force(
    db: Session, country: str, on: datetime, document: str | None, *, kind: TaxKind = TaxKind.WITHHOLDING
) -> list[Rule]:
    """The rules of a country's authorities at a moment, for somebody with such a document, in the authorities' order.

    on : aware; the day is the country's. Raises `TaxRuleMissing` where there is none, not even one of zero.
    """
    place = Place(country, local_day(country, on), document)
    rows = rules_at(db, [place], kind=kind)[place]
    if not rows:
        held = f"with the document {document}" if document else "without a document"
        raise TaxRuleMissing(
            f"No {kind} rule is in force in {country} on {place.day} for somebody {held}. Enter one, of zero basis "
            "points if nothing is due, and let another person confirm it."
        )
    return rows


def rules_at(db: Session, places: Collection[Place], *, kind: TaxKind = TaxKind.WITHHOLDING) -> dict[Place, list[Rule]]:
    """The rules in force at each of these, in the authorities' order; or none."""
    asked = list(dict.fromkeys(places))
    where = {
        "countries": [place.country for place in asked],
        "days": [place.day for place in asked],
        "documents": [place.document for place in asked],
        "kind": kind.value,
    }
    found: dict[Place, list[Rule]] = {place: [] for place in asked}
    for row in db.execute(_IN_FORCE, where):
        found[asked[row.number - 1]].append(_rule(row))
    return found


def _rule(row: Any) -> Rule:
    return Rule(
        id=row.id, authority=row.authority, basis=TaxBasis(row.basis), basis_points=row.basis_points,
        currency=row.currency, threshold=row.threshold or 0, period=TaxPeriod(row.period), catch_up=row.catch_up,
        rounding=Rounding(row.rounding), unit=10 ** (row.ledger_exponent - row.unit_exponent),
    )  # fmt: skip


# The calendar of a country


# By whose midnight a country's days begin: the capital's. What is not here has UTC's, which may be half a day off.
_ZONES = {
    "AT": "Europe/Vienna", "BE": "Europe/Brussels", "BG": "Europe/Sofia", "CY": "Asia/Nicosia", "CZ": "Europe/Prague",
    "DE": "Europe/Berlin", "DK": "Europe/Copenhagen", "EE": "Europe/Tallinn", "ES": "Europe/Madrid",
    "FI": "Europe/Helsinki", "FR": "Europe/Paris", "GR": "Europe/Athens", "HR": "Europe/Zagreb",
    "HU": "Europe/Budapest", "IE": "Europe/Dublin", "IN": "Asia/Kolkata", "IT": "Europe/Rome", "KE": "Africa/Nairobi",
    "LT": "Europe/Vilnius", "LU": "Europe/Luxembourg", "LV": "Europe/Riga", "MT": "Europe/Malta",
    "NL": "Europe/Amsterdam", "PH": "Asia/Manila", "PL": "Europe/Warsaw", "PT": "Europe/Lisbon",
    "RO": "Europe/Bucharest", "SE": "Europe/Stockholm", "SI": "Europe/Ljubljana", "SK": "Europe/Bratislava",
    "US": "America/New_York", "VE": "America/Caracas",
}  # fmt: skip
# In which month a tax year begins, on its first day, where it is not January.
_YEAR_BEGINS = {"IN": 4}


def local_day(country: str, at: datetime) -> date:
    """Which day it is in a country at a moment (aware)."""
    assert at.tzinfo is not None, "a moment has a zone"
    return at.astimezone(zone(country)).date()


def period_begin(country: str, period: TaxPeriod, at: datetime) -> datetime:
    """When the month or tax year began that a moment lies in, by the country's calendar; in UTC."""
    assert period != TaxPeriod.NONE, "a single payment has no period"
    day = first_day(country, period, local_day(country, at))
    return datetime(day.year, day.month, day.day, tzinfo=zone(country)).astimezone(UTC)


def first_day(country: str, period: TaxPeriod, day: date) -> date:
    """The first day of the month or tax year that a day of a country's calendar lies in."""
    month = day.replace(day=1)
    if period != TaxPeriod.YEAR:
        return month
    first = _YEAR_BEGINS.get(country, 1)
    return month.replace(year=month.year - (month.month < first), month=first)


def zone(country: str) -> ZoneInfo:
    """By which clock a country's days begin."""
    return ZoneInfo(_ZONES.get(country, "UTC"))


# What they take


@dataclass(frozen=True, slots=True)
class Withheld:
    """What one rule takes from a payment, in ledger units; always above zero and whole in the authority's unit."""

    rule_id: str
    authority: str
    amount: int


def withhold(
    rules: Sequence[Rule],
    *,
    gross: int,
    gross_before_in_period: Mapping[str, int],
    withheld_before_in_period: Mapping[str, int],
) -> list[Withheld]:
    """What rules take from one payment, in their order, and together never more than all of it.

    gross : ledger units of the rules' currency. The two mappings say by rule id, for every rule that has a period, what
    was paid in it before, and what the rule's authority has had of that.
    """
    assert gross >= 0, "a payment is not below zero"
    left, taken = gross, []
    for rule in rules:
        cumulative = rule.period != TaxPeriod.NONE
        before = gross_before_in_period[rule.id] if cumulative else 0
        withheld = withheld_before_in_period[rule.id] if cumulative else 0
        amount = min(_due(rule, gross, before, withheld), left) // rule.unit * rule.unit
        if amount:
            taken.append(Withheld(rule.id, rule.authority, amount))
            left -= amount
    return taken


def _due(rule: Rule, gross: int, before: int, withheld: int) -> int:
    """Below and at the threshold nothing. Above it, with catching up, tax on all pay of the period less what was
    withheld; without it, tax on what lies above the threshold in this payment.
    """
    assert before >= 0, "pay is not below zero"
    assert withheld >= 0, "tax is not below zero"
    total = before + gross
    if total <= rule.threshold:
        return 0
    if not rule.catch_up:
        return _tax(rule, min(gross, total - rule.threshold))
    # Where a higher rate was in force earlier in the period, what it took is not given back.
    return _tax(rule, total) - min(withheld, _tax(rule, before))


def _tax(rule: Rule, amount: int) -> int:
    """The rule's share of an amount, rounded to its unit as it says. Exact: integers alone."""
    whole, rest = divmod(amount * rule.basis_points, step := ALL_BASIS_POINTS * rule.unit)
    up = {
        Rounding.DOWN: False,
        Rounding.UP: rest > 0,
        Rounding.HALF_EVEN: 2 * rest > step or (2 * rest == step and whole % 2 == 1),
    }
    return (whole + up[rule.rounding]) * rule.unit


# What they take of what is earned


@dataclass(frozen=True, slots=True)
class Counted:
    """What of a period's pay was counted before, in ledger units: all pay, what of it is taxed, and its tax."""

    gross: int = 0
    base: int = 0
    taken: int = 0


@dataclass(frozen=True, slots=True)
class Accrued:
    """What a rule takes of an earning, in ledger units. base : the pay that is taxed with it and was not before."""

    base: int
    amount: int


def accrue(rule: Rule, amount: int, *, before: Counted, by_rule: Counted, left: int) -> Accrued:
    """What a rule takes of an earning: the tax on its period so far less what was taken; no more than is left of it.

    So many small earnings are taxed as their sum is, and what one of them is too small for is taken of the next.
    before : what the rule's authority has counted in the period, by whatever rule; by_rule : what this rule has.
    """
    assert 0 <= left <= amount, "no more is left of an earning than it is"
    taxable = _taxable(rule, before.gross + amount)
    if not taxable:
        return Accrued(0, 0)
    base = max(taxable - before.base, 0)
    if rule.catch_up:
        had = before
    else:
        # What was earned before stays as it was taxed then, by this rule or by another.
        base, had = min(base, amount), by_rule
    return Accrued(base, min(max(_tax(rule, had.base + base) - had.taken, 0), left))


def _taxable(rule: Rule, total: int) -> int:
    """What of a period's pay is taxed: nothing up to the threshold; above it all with catching up, or what is above."""
    above = max(total - rule.threshold, 0)
    return total if above and rule.catch_up else above

"""KYC rules: how much may be paid out to somebody who is not verified, as dated rows that two people put into force.

No rule is shipped in force: thresholds are data that an operator enters with their source and another one confirms.
Where none is in force, nobody has to be verified. Rows from a file are `rule_files.py`.
"""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Select, select, text
from sqlalchemy.orm import Session

from foundation import clock, ids, pagination
from foundation.errors import Invalid, NotFound, within
from payments import four_eyes, money, taxes
from payments.four_eyes import AlreadyConfirmed
from payments.models import KycPeriod, KycRule


class KycRuleInvalid(Invalid):
    """This cannot be a KYC rule."""


class NoSuchKycRule(NotFound):
    """There is no such KYC rule."""


# Rules as their authors write them


@dataclass(frozen=True, slots=True)
class Terms:
    """What a rule says. country : or None for everywhere. valid_to : the last day, or for ever.

    threshold : a decimal string, the most that is paid out without a verification; None is nothing at all.
    """

    currency: str
    period: str
    valid_from: date
    citation: str
    country: str | None = None
    threshold: str | None = None
    valid_to: date | None = None


def enter(db: Session, terms: Terms, *, entered_by: str) -> KycRule:
    """Keep a rule that counts as soon as another person has confirmed it. A newer one of its place replaces it then."""
    row = KycRule(id=ids.new("kyr"), **_columns(db, terms), entered_by=entered_by)
    db.add(row)
    db.flush()
    db.refresh(row)
    return row


def is_known(db: Session, terms: Terms) -> bool:
    """Whether a row says exactly this already, confirmed or not."""
    same = [getattr(KycRule, name).is_not_distinct_from(value) for name, value in _columns(db, terms).items()]
    return db.scalar(select(KycRule.id).where(*same).limit(1)) is not None


def _columns(db: Session, terms: Terms) -> dict[str, Any]:
    """A rule as it is stored, its threshold in ledger units. What cannot be is `Invalid`, with a pointer."""
    with within("/currency"):
        currency = money.currency(db, terms.currency)
    with within("/threshold"):
        threshold = 0 if terms.threshold is None else money.parse(terms.threshold, currency)
    with within("/valid_to"):
        if terms.valid_to is not None and terms.valid_to < terms.valid_from:
            raise KycRuleInvalid("The last day lies before the first one.")
    return {**asdict(terms), "threshold": threshold}


def confirm(db: Session, rule_id: str, *, confirmed_by: str) -> KycRule:
    """Let a rule count, by another person than the one who entered it."""
    rule = db.get(KycRule, rule_id, with_for_update={"of": KycRule}, populate_existing=True)
    if rule is None:
        raise NoSuchKycRule("There is no such KYC rule.")
    if rule.confirmed_by is not None:
        raise AlreadyConfirmed("This rule is confirmed already.")
    four_eyes.other_person(rule.entered_by, confirmed_by)
    rule.confirmed_by, rule.confirmed_at = confirmed_by, clock.now(db)
    db.flush()
    return rule


def page(db: Session, request: pagination.PageRequest, *, country: str | None = None) -> pagination.Page:
    """All rules, newest first, confirmed or not; or those of one country alone."""
    rows: Select[tuple[KycRule]] = select(KycRule)
    return pagination.read(db, rows if country is None else rows.where(KycRule.country == country), KycRule.id, request)


# Rules in force


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that counts. threshold : ledger units of its currency; what goes beyond it needs a verification."""

    id: str
    currency: str
    exponent: int
    period: KycPeriod
    threshold: int


# Of each currency and period one rule: the country's own before the one for everywhere, in each the newest that has
# begun, and of those that began together the last one entered. One that has ended is not followed by what it replaced.
_IN_FORCE = text("""
    SELECT DISTINCT ON (in_country, currency, period) * FROM (
        SELECT DISTINCT ON (g.in_country, r.country, r.currency, r.period)
               g.in_country, g.day, r.*, c.ledger_exponent
          FROM unnest(CAST(:countries AS text[]), CAST(:days AS date[])) AS g(in_country, day)
          JOIN kyc_rules r ON (r.country IS NULL OR r.country = g.in_country)
               AND r.confirmed_by IS NOT NULL AND r.valid_from <= g.day
          JOIN currencies c ON c.code = r.currency
         ORDER BY g.in_country, r.country, r.currency, r.period, r.valid_from DESC, r.id DESC) AS newest
     WHERE valid_to IS NULL OR valid_to >= day
     ORDER BY in_country, currency, period, country NULLS LAST
""")


def in_force(db: Session, countries: Collection[str], at: datetime) -> dict[str, list[Rule]]:
    """The rules for payees of these countries at a moment, whose day is each country's own."""
    wanted = sorted(set(countries))
    days = [taxes.local_day(country, at) for country in wanted]
    found: dict[str, list[Rule]] = {country: [] for country in wanted}
    for row in db.execute(_IN_FORCE, {"countries": wanted, "days": days}):
        rule = Rule(row.id, row.currency, row.ledger_exponent, KycPeriod(row.period), row.threshold)
        found[row.in_country].append(rule)
    return found

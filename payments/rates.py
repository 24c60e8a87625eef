"""Rate cards: the price of one answer by tier and region, from a date on; and the quote that a claim fixes."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from foundation import clock, ids, pagination
from foundation.errors import Conflict, Invalid, within
from payments import funding, money
from payments.models import Rate

EVERYWHERE = ""
# How far ahead a card may be published.
DAYS_AHEAD_MAX = 366
_ONE_CURRENCY = "Give all prices of a rate card in one currency."


class RateMissing(Conflict):
    """The rate card has no price for this tier and region."""


class RatesMixCurrencies(Invalid):
    """A rate card has one currency."""


class RatesRepeat(Invalid):
    """A rate card has one price for each tier and region."""


class RatesChangeCurrency(Conflict):
    """All rate cards of one owner are in one currency."""


class RatesTaken(Conflict):
    """There are prices from that moment on already."""


class RatesDateInvalid(Invalid):
    """A rate card is for now or for later."""


@dataclass(frozen=True, slots=True)
class Price:
    """One line of a rate card as its author writes it; the amount is a decimal string."""

    tier: int
    amount: str
    currency: str
    region: str = EVERYWHERE


@dataclass(frozen=True, slots=True)
class Quote:
    """The price of one answer for one worker now, in ledger units."""

    amount: int
    currency: str
    exponent: int


# Of an owner's card: many who reserve by it at once, or one who changes it.
_HOLD_CARD = text("SELECT pg_advisory_xact_lock_shared(hashtextextended(:owner_ref, 4))")
_CHANGE_CARD = text("SELECT pg_advisory_xact_lock(hashtextextended(:owner_ref, 4))")


def hold_card(db: Session, owner_ref: str) -> None:
    """Keep an owner's card as it is until the transaction ends: for whoever reserves by its dearest price."""
    db.execute(_HOLD_CARD, {"owner_ref": owner_ref})


def change_card(db: Session, owner_ref: str) -> None:
    """Wait for all who reserve by an owner's card, and keep others waiting until the transaction ends."""
    db.execute(_CHANGE_CARD, {"owner_ref": owner_ref})


def publish(db: Session, owner_ref: str, prices: Sequence[Price], *, valid_from: datetime | None = None) -> str:
    """Put prices into force from now on, or from a later moment. A published row never changes; a newer one takes over.

    Returns the id of the first of them. Whoever has reserved by the card must reserve more if this one is dearer, in
    the same transaction. What cannot be published is `Invalid`, with a pointer to its place among the prices, such as
    /3/amount. Raises `RatesTaken` if other prices begin at that very moment; the transaction must not commit then.
    """
    change_card(db, owner_ref)
    rows = _parse(db, prices)
    _refuse_other_currency(db, owner_ref, prices[0].currency)
    if valid_from is not None:
        rows = [{**row, "valid_from": _later(db, valid_from)} for row in rows]
    named = [{**row, "id": ids.new("rat"), "owner_ref": owner_ref} for row in rows]
    written = db.execute(insert(Rate).on_conflict_do_nothing().returning(Rate.id), named).all()
    if len(written) < len(named):
        raise RatesTaken("Other prices begin at this very moment; choose another one.")
    return str(named[0]["id"])


def _later(db: Session, moment: datetime) -> datetime:
    now = clock.now(db)
    if not now < moment <= now + timedelta(days=DAYS_AHEAD_MAX):
        raise RatesDateInvalid(f"Give a moment in the next {DAYS_AHEAD_MAX} days, or none for now.")
    return moment


def _refuse_other_currency(db: Session, owner_ref: str, currency: str) -> None:
    """Refuse a card in another currency than what was reserved by the one before is in."""
    other = db.scalar(select(Rate.currency).where(Rate.owner_ref == owner_ref, Rate.currency != currency).limit(1))
    if other is not None:
        raise RatesChangeCurrency(f"The prices of this card are in {other}; for others make another project.")


def _parse(db: Session, prices: Sequence[Price]) -> list[dict[str, Any]]:
    """Prices as rows: tier, region, currency and amount in ledger units."""
    if not prices:
        raise RatesMixCurrencies(_ONE_CURRENCY)
    rows: list[dict[str, Any]] = []
    seen = set()
    for place, price in enumerate(prices):
        with within(f"/{place}/currency"):
            currency = money.currency(db, price.currency)
            if price.currency != prices[0].currency:
                raise RatesMixCurrencies(_ONE_CURRENCY)
        with within(f"/{place}/amount"):
            amount = money.parse(price.amount, currency)
        with within(f"/{place}"):
            if (price.tier, price.region) in seen:
                raise RatesRepeat("Give one price for each tier and region.")
        seen.add((price.tier, price.region))
        rows.append({"tier": price.tier, "region": price.region, "currency": currency.code, "amount": amount})
    return rows


# The nearest price: the highest tier reached, in it the worker's region before everywhere, the newest row. A region's
# price for the crowd is not its price for an expert.
def _nearest(owner_ref: str, tier: str, *, region: str = ":region", at: str = "now()") -> str:
    return f"""
    SELECT r.amount, r.currency, c.ledger_exponent AS exponent
      FROM rates r JOIN currencies c ON c.code = r.currency
     WHERE r.owner_ref = {owner_ref} AND r.tier <= {tier} AND r.region IN ({region}, '') AND r.valid_from <= {at}
     ORDER BY r.tier DESC, r.region DESC, r.valid_from DESC LIMIT 1
    """


QUOTE = text(_nearest(":owner_ref", ":tier"))
_QUOTES = text(f"""
    SELECT w.owner_ref, w.tier, q.*
      FROM unnest(CAST(:owners AS text[]), CAST(:tiers AS smallint[])) AS w(owner_ref, tier)
     CROSS JOIN LATERAL ({_nearest("w.owner_ref", "w.tier")}) q
""")
_QUOTED = text(f"""
    SELECT q.*
      FROM unnest(CAST(:owners AS text[]), CAST(:tiers AS smallint[]), CAST(:regions AS text[]),
                  CAST(:moments AS timestamptz[])) WITH ORDINALITY AS w(owner_ref, tier, region, moment, place)
      LEFT JOIN LATERAL ({_nearest("w.owner_ref", "w.tier", region="w.region", at="w.moment")}) q ON true
     ORDER BY w.place
""")
# All that may be quoted while a task is open: what is in force, and what was published for later.
_DEAREST = text("""
    SELECT max(r.amount) AS amount, min(r.currency) AS currency, min(c.ledger_exponent) AS exponent
      FROM rates r JOIN currencies c ON c.code = r.currency
     WHERE r.owner_ref = :owner_ref AND r.tier <= :tier_max AND NOT EXISTS (
           SELECT FROM rates n
            WHERE n.owner_ref = r.owner_ref AND n.tier = r.tier AND n.region = r.region
              AND n.valid_from > r.valid_from AND n.valid_from <= now())
    HAVING bool_or(r.valid_from <= now())
""")


def quote(db: Session, owner_ref: str, *, tier: int, region: str) -> Quote:
    """The price in force for one answer of a worker of this tier and region."""
    row = db.execute(QUOTE, {"owner_ref": owner_ref, "tier": tier, "region": region}).one_or_none()
    if row is None:
        raise RateMissing(f"There is no price for tier {tier} in {region}.")
    return Quote(amount=row.amount, currency=row.currency, exponent=row.exponent)


def quotes(db: Session, wanted: Collection[tuple[str, int]], *, region: str) -> dict[tuple[str, int], Quote]:
    """The prices in force for answers of workers of this region, by owner and tier, where there is one."""
    asked = sorted(wanted)
    given = {"owners": [owner for owner, _ in asked], "tiers": [tier for _, tier in asked], "region": region}
    rows = db.execute(_QUOTES, given) if asked else ()
    return {(row.owner_ref, row.tier): Quote(row.amount, row.currency, row.exponent) for row in rows}


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose price for whom at which moment is asked for."""

    owner_ref: str
    tier: int
    region: str
    moment: datetime


def quoted(db: Session, asked: Sequence[Asked]) -> list[Quote | None]:
    """The prices that were in force then, in the order asked; None where there was none."""
    given = {
        "owners": [one.owner_ref for one in asked],
        "tiers": [one.tier for one in asked],
        "regions": [one.region for one in asked],
        "moments": [one.moment for one in asked],
    }
    rows = db.execute(_QUOTED, given) if asked else ()
    return [None if row.amount is None else Quote(row.amount, row.currency, row.exponent) for row in rows]


def dearest(db: Session, owner_ref: str, *, tier_max: int) -> Quote:
    """The highest price that any worker up to this tier can be quoted, now or by a card published for later.

    It is what a reserve must cover.
    """
    row = db.execute(_DEAREST, {"owner_ref": owner_ref, "tier_max": tier_max}).one_or_none()
    if row is None:
        raise RateMissing(f"The rate card has no price up to tier {tier_max}.")
    return Quote(amount=row.amount, currency=row.currency, exponent=row.exponent)


def dearest_with(db: Session, owner_ref: str, prices: Sequence[Price], *, tier_max: int) -> Quote:
    """The highest price up to a tier that a card comes to if these are published as well, now or for later.

    What they would replace counts too: who has just been quoted it may still claim.
    """
    rows = [row for row in _parse(db, prices) if row["tier"] <= tier_max]
    _refuse_other_currency(db, owner_ref, prices[0].currency)
    currency = money.currency(db, prices[0].currency)
    offered = [Quote(row["amount"], currency.code, currency.ledger_exponent) for row in rows]
    try:
        offered.append(dearest(db, owner_ref, tier_max=tier_max))
    except RateMissing:
        if not offered:
            raise
    return max(offered, key=lambda quote: quote.amount)


@dataclass(frozen=True, slots=True)
class Card:
    """The prices of an owner, in ledger units of its one currency, by tier and region."""

    currency: str
    exponent: int
    amounts: dict[tuple[int, str], int]

    def cheapest(self, region: str, *, tier_min: int, tier_max: int) -> int | None:
        """The least that somebody of this region and these tiers is quoted, or None where they are quoted nothing."""
        here = {
            tier: self.amounts.get((tier, region), self.amounts.get((tier, EVERYWHERE)))
            for tier in {tier for tier, _ in self.amounts if tier <= tier_max}
        }
        found = {tier: amount for tier, amount in here.items() if amount is not None}
        lowest = max((tier for tier in found if tier <= tier_min), default=tier_min)
        return min((amount for tier, amount in found.items() if tier >= lowest), default=None)


_IN_FORCE = text("""
    SELECT DISTINCT ON (r.tier, r.region) r.tier, r.region, r.amount, r.currency
      FROM rates r WHERE r.owner_ref = :owner_ref AND r.valid_from <= now()
     ORDER BY r.tier, r.region, r.valid_from DESC
""")


def card_with(db: Session, owner_ref: str, prices: Sequence[Price] = ()) -> Card:
    """An owner's card as it is in force, or as it comes to if these prices are published as well."""
    rows: list[Any] = list(db.execute(_IN_FORCE, {"owner_ref": owner_ref}).mappings())
    rows += _parse(db, prices) if prices else []
    if not rows:
        raise RateMissing("There is no price yet.")
    currency = money.currency(db, rows[-1]["currency"])
    amounts = {(row["tier"], row["region"]): int(row["amount"]) for row in rows}
    return Card(currency.code, currency.ledger_exponent, amounts)


def page(db: Session, owner_ref: str, request: pagination.PageRequest) -> pagination.Page:
    """All prices that were ever published for an owner's work, newest first."""
    return pagination.read(db, select(Rate).where(Rate.owner_ref == owner_ref), Rate.id, request)


@dataclass(frozen=True, slots=True)
class Preview:
    """What a month of answers has cost and would have cost by another card, fees included, in ledger units.

    Which tier a worker had is not known here, so it is between `cheapest` and `dearest`. `unpriced` answers are of
    countries that the card has no price for, and in neither.
    """

    currency: str
    exponent: int
    answers: int
    cost: int
    cheapest: int
    dearest: int
    unpriced: int


_LAST_MONTH = text("""
    SELECT p.country, e.amount, r.fee_basis_points AS fee, count(*) AS answers
      FROM earnings e JOIN payees p ON p.id = e.payee_id JOIN reserves r ON r.cause_ref = e.cause_ref
     WHERE e.cause_ref = ANY(:causes) AND e.kind = 'answer' AND e.status <> 'reversed' AND e.currency = :currency
       AND e.created_at >= now() - interval '30 days'
     GROUP BY p.country, e.amount, r.fee_basis_points ORDER BY p.country, e.amount, r.fee_basis_points
""")


def preview(db: Session, prices: Sequence[Price], *, cause_refs: Sequence[str]) -> Preview:
    """What the answers of the last thirty days would have cost by these prices. Nothing is written.

    cause_refs : what the card's owner has reserved for; answers in another currency are left out.
    """
    card = _parse(db, prices)
    currency = money.currency(db, card[0]["currency"])
    answers = cost = cheapest = dearest = unpriced = 0
    for row in db.execute(_LAST_MONTH, {"causes": list(cause_refs), "currency": currency.code}):
        answers += row.answers
        cost += row.answers * funding.with_fee(row.amount, row.fee)
        possible = list(_quotable(card, row.country))
        if not possible:
            unpriced += row.answers
            continue
        cheapest += row.answers * funding.with_fee(min(possible), row.fee)
        dearest += row.answers * funding.with_fee(max(possible), row.fee)
    return Preview(currency.code, currency.ledger_exponent, answers, cost, cheapest, dearest, unpriced)


def _quotable(card: Sequence[dict[str, Any]], region: str) -> Iterable[int]:
    """Every amount that the card quotes somebody of this region, whatever their tier; see `QUOTE`."""
    for tier in sorted({row["tier"] for row in card}):
        here = {row["region"]: row["amount"] for row in card if row["tier"] == tier}
        if found := here.get(region) or here.get(EVERYWHERE):
            yield found

"""What a run pays: of what is due to whom, less what authorities and debts take, in payments that its rail can carry.

A thousand payees are looked at at once, and their rows locked, so that nothing of theirs changes meanwhile. Whoever is
not paid is written down with the reason.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation import ids
from payments import accruals, clawbacks, clearance, money, orders, payouts, rails, screening, withholding
from payments.clawbacks import Debt
from payments.models import Currency, PayoutRun
from payments.rails import Rail
from payments.taxes import Withheld
from payments.withholding import Account, Taxpayer

# Payees of one step.
AT_ONCE = 1000

NO_METHOD, COOLING, HELD, NO_RATE = "no_method", "cooling", "held", "no_rate"
TOO_LITTLE, UNFIT = "too_little", "unfit"

# An earning, and how much of it is meant; in ledger units of the currency it was earned in.
Item = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Rate:
    """What one unit that was earned is worth in the currency that is paid, and at which scales the books keep both."""

    id: str | None
    numerator: int
    denominator: int
    earned_exponent: int
    exponent: int

    def worth(self, earned: int) -> int:
        """What is certainly paid for so much, in ledger units."""
        return money.convert_down(earned, self.numerator, self.denominator, self.earned_exponent, self.exponent)

    def costs(self, paid: int) -> int:
        """The least that has to be earned for so much to be paid, in ledger units."""
        return money.convert_up(paid, self.denominator, self.numerator, self.exponent, self.earned_exponent)


@dataclass(frozen=True, slots=True)
class Part:
    """One payment to a payee: how much of which of their earnings, what is taken of it, and what is paid."""

    items: tuple[Item, ...]
    taken: tuple[Withheld, ...]
    base: int
    net: int

    @property
    def gross(self) -> int:
        return sum(amount for _, amount in self.items)


@dataclass(frozen=True, slots=True)
class Netted:
    """What of an earning goes to a debt of its payee."""

    clawback_id: str
    earning_id: str
    amount: int


@dataclass(frozen=True, slots=True)
class Decided:
    """What comes of one payee's pay in one currency: payments, what goes to debts, and what is not paid and why."""

    parts: list[Part] = field(default_factory=list)
    netted: list[Netted] = field(default_factory=list)
    reasons: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a payee stands with whoever has a say in what they are paid in a currency.

    account : with the authorities; or, as a word, why they are not paid at all. debts : what they owe, the oldest
    first. least_left : what no debt takes, in ledger units.
    """

    account: Account | str
    debts: Sequence[Debt] = ()
    least_left: int = 0


# A step


_WITH_DUE = text("""
    SELECT p.id, p.country FROM payees p
     WHERE p.id > :after
       AND EXISTS (SELECT FROM earnings e WHERE e.payee_id = p.id AND e.status = 'due')
     ORDER BY p.id LIMIT :most FOR NO KEY UPDATE OF p
""")
_OWED = text("""
    SELECT e.payee_id, e.currency, m.id AS method_id, m.rail, m.kind, m.fingerprint,
           m.cooling_until > now() AS is_cooling,
           array_agg(e.id ORDER BY e.due_at, e.id) FILTER (WHERE NOT h.is_held) AS earnings,
           array_agg(e.amount - e.paid ORDER BY e.due_at, e.id) FILTER (WHERE NOT h.is_held) AS rests,
           coalesce(sum(e.amount - e.paid) FILTER (WHERE h.is_held), 0) AS held
      FROM earnings e
      LEFT JOIN payout_methods m ON m.payee_id = e.payee_id AND m.status = 'active'
     CROSS JOIN LATERAL (SELECT EXISTS (
            SELECT FROM holds h WHERE h.payee_id = e.payee_id AND h.ended_at IS NULL
               AND (h.until IS NULL OR h.until > now()) AND (h.earning_id IS NULL OR h.earning_id = e.id)) AS is_held) h
     WHERE e.payee_id = ANY(:payees) AND e.status = 'due' AND e.due_at <= :cut_off
       AND (m.rail = :rail OR (m.rail IS NULL AND e.currency = :currency))
       AND NOT EXISTS (SELECT FROM payout_items i WHERE i.earning_id = e.id AND i.open)
       AND NOT EXISTS (SELECT FROM nettings n WHERE n.earning_id = e.id AND n.open)
     GROUP BY e.payee_id, e.currency, m.id ORDER BY e.payee_id, e.currency
""")


@dataclass(frozen=True, slots=True)
class _Made:
    """A payout that is to be written. number : of its payee's, in this run; row : what it is for, as `_OWED` has it."""

    id: str
    row: Any
    number: int
    part: Part
    rate: Rate


def prepare_some(db: Session, run: PayoutRun) -> bool:
    """The payouts of the next payees; whether there were any."""
    found = db.execute(_WITH_DUE, {"after": run.prepared_through, "most": AT_ONCE}).all()
    if not found:
        return False
    accruals.take_late(db, [row.id for row in found])
    decisions = _decide_all(db, run, [Taxpayer(row.id, row.country) for row in found])
    rates, numbers = read_rates(db, run), Counter[str]()
    made: list[_Made] = []
    netted: list[tuple[str, Netted]] = []
    for row, decided in decisions:
        for part in decided.parts:
            made.append(_Made(ids.new("pyo"), row, numbers[row.payee_id], part, rates[row.currency]))
            numbers[row.payee_id] += 1
        netted += [(made[-len(decided.parts)].id, each) for each in decided.netted]
    left_out = [(row, reason, amount) for row, decided in decisions for reason, amount in decided.reasons.items()]
    _write(db, run, made)
    unfit = orders.unfit(db, run, [one.id for one in made])
    left_out += _unfit_parts(made, unfit)
    _write_beside(db, run, made, netted, left_out)
    payouts.drop(db, unfit)
    run.prepared_through = found[-1].id
    run.n_payees += len(found)
    db.flush()
    return True


def _unfit_parts(made: Sequence[_Made], unfit: Collection[str]) -> list[tuple[Any, str, int]]:
    """What is not paid because the rail's format cannot hold it, by whom and in which currency it was earned."""
    sums: dict[tuple[str, str], tuple[Any, int]] = {}
    for one in made:
        if one.id in unfit:
            _, before = sums.get((one.row.payee_id, one.row.currency), (one.row, 0))
            sums[one.row.payee_id, one.row.currency] = one.row, before + one.part.gross
    return [(row, UNFIT, amount) for row, amount in sums.values()]


def _decide_all(db: Session, run: PayoutRun, payees: Sequence[Taxpayer]) -> list[tuple[Any, Decided]]:
    """Each payee's pay in each currency, and what comes of it."""
    rail, rates = rails.find(run.rail), read_rates(db, run)
    payee_ids = [payee.payee_id for payee in payees]
    rows = owed(db, payee_ids, rail=rail.name, currency=run.currency, cut_off=run.cut_off)
    standings = _standings(db, run, payees, rows)
    return [(row, decide(row, rail, rates.get(row.currency), standings[row.payee_id, row.currency])) for row in rows]


def owed(db: Session, payee_ids: Sequence[str], *, rail: str, currency: str, cut_off: datetime) -> Sequence[Any]:
    """What is due to payees over a rail and in no run, by payee and the currency it was earned in.

    Of those who have not said where their pay should go, what they earned in this currency.
    """
    where = {"payees": list(payee_ids), "rail": rail, "currency": currency, "cut_off": cut_off}
    return db.execute(_OWED, where).all()


def _standings(
    db: Session, run: PayoutRun, payees: Sequence[Taxpayer], rows: Sequence[Any]
) -> dict[tuple[str, str], Standing]:
    """How each payee stands, by payee and the currency that they earned in."""
    payee_ids = [payee.payee_id for payee in payees]
    screening.refresh(db, payee_ids, asked_by=run.prepared_by)
    barred = clearance.barred(db, payee_ids, run=run)
    accounts = withholding.accounts(db, payees, db.get_one(Currency, run.currency), at=run.created_at)
    debts = clawbacks.debts(db, payee_ids)
    indebted = [row for row in rows if (row.payee_id, row.currency) in debts]
    spared = clawbacks.spared(db, [name for row in indebted for name in row.earnings or ()])
    found = {}
    for row in rows:
        key = row.payee_id, row.currency
        bar, account = barred.get(row.payee_id), accounts[row.payee_id]
        found[key] = Standing(bar or account, debts.get(key, ()), spared.get(key, 0))
    return found


_RATES = text("""
    SELECT r.currency, f.id, f.numerator, f.denominator, c.ledger_exponent AS earned_exponent
      FROM run_rates r JOIN fx_rates f ON f.id = r.rate_id JOIN currencies c ON c.code = r.currency
     WHERE r.run_id = :run_id
""")


def read_rates(db: Session, run: PayoutRun) -> dict[str, Rate]:
    """What a run pays by, by the currency that was earned in: the run's own is worth itself."""
    found = {
        row.currency: Rate(row.id, row.numerator, row.denominator, row.earned_exponent, run.exponent)
        for row in db.execute(_RATES, {"run_id": run.id})
    }
    return {**found, run.currency: Rate(None, 1, 1, run.exponent, run.exponent)}


# What comes of one payee's pay


def decide(row: Any, rail: Rail, rate: Rate | None, standing: Standing) -> Decided:
    """Payments of what somebody earned in one currency, and what is not paid and why, in its ledger units."""
    reasons = {HELD: int(row.held)} if row.held else {}
    owed = list(zip(row.earnings or (), (int(rest) for rest in row.rests or ()), strict=True))
    total = sum(rest for _, rest in owed)
    if not owed:
        return Decided(reasons=reasons)
    account = standing.account
    barrier = _barrier(row, rate, account)
    if barrier is not None:
        return Decided(reasons={**reasons, barrier: total})
    assert rate is not None, "nothing is paid without a rate"
    assert isinstance(account, Account), "nothing is paid without a tax rule"
    netted, owed = net_debts(owed, standing.debts, least_left=standing.least_left)
    parts = split(owed, rail, rate, account, kind=row.kind)
    if not parts:
        return Decided(reasons={**reasons, TOO_LITTLE: total})
    rest = total - sum(part.gross for part in parts) - sum(each.amount for each in netted)
    if rate.worth(rest) >= rail.unit(rate.exponent):
        reasons[TOO_LITTLE] = rest
    return Decided(parts, netted, reasons)


def _barrier(row: Any, rate: Rate | None, account: Account | str) -> str | None:
    """Why nothing of somebody's pay in a currency can be paid now, if that is so."""
    if row.method_id is None:
        return NO_METHOD
    if isinstance(account, str):
        return account
    if not account.covers(row.currency):
        return withholding.NO_RULE
    if row.is_cooling:
        return COOLING
    return NO_RATE if rate is None else None


def net_debts(owed: Sequence[Item], debts: Sequence[Debt], *, least_left: int) -> tuple[list[Netted], list[Item]]:
    """What goes to debts, of the oldest earnings, and what of these is left to pay."""
    waiting, netted = list(reversed(owed)), []
    shares = clawbacks.netting([debt.owed for debt in debts], sum(rest for _, rest in owed), least_left=least_left)
    for debt, share in zip(debts, shares, strict=True):
        netted += [Netted(debt.id, earning_id, amount) for earning_id, amount in _take(waiting, share)]
    return netted, list(reversed(waiting))


def split(owed: Sequence[Item], rail: Rail, rate: Rate, account: Account, *, kind: str) -> list[Part]:
    """Payments that a rail takes out of what is owed, the oldest earning first; what is less than its unit stays owed.

    A last part that would come to less than the rail's least, after tax, is left for later. kind : of the destination.
    """
    unit = rail.unit(rate.exponent)
    most = rail.units(rail.most_to(kind), rate.exponent) // unit * unit
    least = max(rail.units(rail.least, rate.exponent), unit)
    left = rate.worth(sum(rest for _, rest in owed)) // unit * unit
    waiting, parts, paid, taken = list(reversed(owed)), [], 0, 0
    while left >= least:
        payment = account.fit(min(left, most), unit)
        if payment.net < least:
            break
        account.book(payment)
        left, paid = (left - payment.base) // unit * unit, paid + payment.base
        items = _take(waiting, rate.costs(paid) - taken)
        taken = rate.costs(paid)
        parts.append(Part(items, payment.taken, payment.base, payment.net))
    return parts


def _take(waiting: list[Item], wanted: int) -> tuple[Item, ...]:
    """So much of what waits, from its end on; what is left of the last one goes on waiting."""
    items = []
    while wanted:
        earning_id, rest = waiting.pop()
        taken = min(rest, wanted)
        items.append((earning_id, taken))
        wanted -= taken
        if rest > taken:
            waiting.append((earning_id, rest - taken))
    return tuple(items)


# Writing it down


_WRITE = text("""
    WITH made AS (
        INSERT INTO payouts (id, run_id, payee_id, name, method_id, fingerprint, part, currency, earned_currency,
                             fx_rate_id, gross, withheld, net, end_to_end_id)
        SELECT given.id, CAST(:run_id AS text), payee, y.name, method, fingerprint, part, CAST(:currency AS text),
               earned, rate, gross, withheld, net, replace(given.id, '_', '')
          FROM unnest(CAST(:ids AS text[]), CAST(:payees AS text[]), CAST(:methods AS text[]),
                      CAST(:fingerprints AS bytea[]), CAST(:parts AS smallint[]), CAST(:earned AS text[]),
                      CAST(:rates AS text[]), CAST(:grosses AS bigint[]), CAST(:withheld AS bigint[]),
                      CAST(:nets AS bigint[]))
               AS given(id, payee, method, fingerprint, part, earned, rate, gross, withheld, net)
          JOIN payees y ON y.id = payee
    )
    INSERT INTO payout_items (payout_id, earning_id, part, amount)
    SELECT * FROM unnest(CAST(:item_payouts AS text[]), CAST(:item_earnings AS text[]), CAST(:item_parts AS smallint[]),
                         CAST(:item_amounts AS bigint[]))
""")


def _write(db: Session, run: PayoutRun, made: Sequence[_Made]) -> None:
    items = [(one.id, one.number, *item) for one in made for item in one.part.items]
    db.execute(
        _WRITE,
        {
            "run_id": run.id,
            "currency": run.currency,
            "ids": [one.id for one in made],
            "payees": [one.row.payee_id for one in made],
            "methods": [one.row.method_id for one in made],
            "fingerprints": [one.row.fingerprint for one in made],
            "parts": [one.number for one in made],
            "earned": [one.row.currency for one in made],
            "rates": [one.rate.id for one in made],
            "grosses": [one.part.gross for one in made],
            "withheld": [one.part.base - one.part.net for one in made],
            "nets": [one.part.net for one in made],
            "item_payouts": [payout_id for payout_id, _, _, _ in items],
            "item_parts": [number for _, number, _, _ in items],
            "item_earnings": [earning_id for _, _, earning_id, _ in items],
            "item_amounts": [amount for _, _, _, amount in items],
        },
    )


_WRITE_BESIDE = text("""
    WITH left_out AS (
        INSERT INTO left_out (run_id, payee_id, reason, currency, amount)
        SELECT CAST(:run_id AS text), * FROM unnest(CAST(:out_payees AS text[]), CAST(:out_reasons AS text[]),
                                                    CAST(:out_currencies AS text[]), CAST(:out_amounts AS bigint[]))
    ), netted AS (
        INSERT INTO nettings (payout_id, clawback_id, earning_id, amount)
        SELECT * FROM unnest(CAST(:net_payouts AS text[]), CAST(:net_clawbacks AS text[]),
                             CAST(:net_earnings AS text[]), CAST(:net_amounts AS bigint[]))
    )
    INSERT INTO withholdings (payout_id, rule_id, authority, base, amount)
    SELECT * FROM unnest(CAST(:tax_payouts AS text[]), CAST(:tax_rules AS text[]), CAST(:tax_authorities AS text[]),
                         CAST(:tax_bases AS bigint[]), CAST(:tax_amounts AS bigint[]))
""")


def _write_beside(
    db: Session,
    run: PayoutRun,
    made: Sequence[_Made],
    netted: Sequence[tuple[str, Netted]],
    left_out: Sequence[tuple[Any, str, int]],
) -> None:
    taken = [(one.id, one.part.base, each) for one in made for each in one.part.taken]
    db.execute(
        _WRITE_BESIDE,
        {
            "run_id": run.id,
            "out_payees": [row.payee_id for row, _, _ in left_out],
            "out_reasons": [reason for _, reason, _ in left_out],
            "out_currencies": [row.currency for row, _, _ in left_out],
            "out_amounts": [amount for _, _, amount in left_out],
            "net_payouts": [payout_id for payout_id, _ in netted],
            "net_clawbacks": [each.clawback_id for _, each in netted],
            "net_earnings": [each.earning_id for _, each in netted],
            "net_amounts": [each.amount for _, each in netted],
            "tax_payouts": [payout_id for payout_id, _, _ in taken],
            "tax_rules": [each.rule_id for _, _, each in taken],
            "tax_authorities": [each.authority for _, _, each in taken],
            "tax_bases": [base for _, base, _ in taken],
            "tax_amounts": [each.amount for _, _, each in taken],
        },
    )

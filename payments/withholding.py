"""What authorities take of payouts: where payees stand with them, payment by payment, and what is sent to them.

A country's rules are those in force when a run was begun, by its calendar; without any, nobody there is paid. Pay in
one currency counts against thresholds in that currency alone. What is taken when pay is earned is in `accruals.py`.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import Select, select, text
from sqlalchemy.orm import Session

from foundation import clock
from payments import taxes
from payments.models import Currency, Payout, PayoutRun, PayoutState, TaxBasis, TaxPeriod, Withholding
from payments.taxes import Rule, TaxRuleMissing, Withheld

# Why somebody is not paid.
NO_RULE = "no_tax_rule"


@dataclass(frozen=True, slots=True)
class Payment:
    """What is paid for a part of somebody's pay, in ledger units: base = net + all that is taken of it."""

    base: int
    taken: tuple[Withheld, ...]

    @property
    def net(self) -> int:
        return self.base - sum(each.amount for each in self.taken)


@dataclass(slots=True)
class Account:
    """Where a payee stands with authorities in a currency: rules, and by rule id what was paid and taken before.

    earned_in : the currencies of thresholds that pay counts against when it is earned.
    """

    rules: Sequence[Rule] = ()
    gross: dict[str, int] = field(default_factory=dict)
    withheld: dict[str, int] = field(default_factory=dict)
    earned_in: frozenset[str] = frozenset()

    def covers(self, earned: str) -> bool:
        """Whether the rules can say what was due of pay in this currency: a threshold in another cannot."""
        return self.earned_in <= {earned}

    def fit(self, most: int, unit: int) -> Payment:
        """The payment of at most so much that leaves whole units of a rail after tax; what is paid is what is taxed.

        Each round takes less than a unit off, and the tax on that off the next, so there are few.
        """
        payment = self._taxed(most)
        while payment.net % unit:
            payment = self._taxed(payment.base - payment.net % unit)
        return payment

    def _taxed(self, base: int) -> Payment:
        of = {"gross_before_in_period": self.gross, "withheld_before_in_period": self.withheld}
        return Payment(base, tuple(taxes.withhold(self.rules, gross=base, **of)))

    def book(self, payment: Payment) -> None:
        """Count a payment before the next one."""
        for rule_id in self.gross:
            self.gross[rule_id] += payment.base
        for each in payment.taken:
            if each.rule_id in self.withheld:
                self.withheld[each.rule_id] += each.amount


@dataclass(frozen=True, slots=True)
class Taxpayer:
    """Who is to be paid: a payee and the country whose rules are theirs."""

    payee_id: str
    country: str


def accounts(db: Session, payees: Sequence[Taxpayer], currency: Currency, *, at: datetime) -> dict[str, Account | str]:
    """Where payees stand with their authorities, by payee id; or why they cannot be paid in this currency."""
    documents = _documents(db, payees, at)
    groups: dict[tuple[str, str | None], list[str]] = defaultdict(list)
    for payee in payees:
        groups[payee.country, documents.get(payee.payee_id)].append(payee.payee_id)
    found: dict[str, Account | str] = {}
    cumulative: list[tuple[str, Rule, datetime]] = []
    for (country, document), payee_ids in groups.items():
        rules = _rules(db, country, document, currency, at)
        for payee_id in payee_ids:
            found[payee_id] = rules if isinstance(rules, str) else replace(rules, gross={}, withheld={})
            if not isinstance(rules, str):
                periods = [(rule, rule.period) for rule in rules.rules if rule.period != TaxPeriod.NONE]
                cumulative += [(payee_id, rule, taxes.period_begin(country, each, at)) for rule, each in periods]
    _read_before(db, found, cumulative, currency)
    return found


def _rules(db: Session, country: str, document: str | None, currency: Currency, at: datetime) -> Account | str:
    """The rules for pay in a currency, of which nothing was paid yet; or why there are none."""
    try:
        rules = taxes.rules_in_force(db, country, at, document)
    except TaxRuleMissing:
        return NO_RULE
    fitting = [in_currency(rule, currency) for rule in rules if rule.basis == TaxBasis.PAYMENT]
    if None in fitting:
        return NO_RULE
    thresholds = frozenset(rule.currency for rule in rules if is_accrued(rule) and rule.threshold)
    return Account([rule for rule in fitting if rule is not None], earned_in=thresholds)


def is_accrued(rule: Rule) -> bool:
    """Whether a rule takes something of pay when it is earned."""
    return rule.basis == TaxBasis.ACCRUAL and rule.basis_points > 0


def in_currency(rule: Rule, currency: Currency) -> Rule | None:
    """The rule for pay in this currency: a percentage is one in any, to the currency's own unit; a threshold is not."""
    if rule.currency == currency.code:
        return rule
    if rule.threshold:
        return None
    return replace(rule, currency=currency.code, unit=10 ** (currency.ledger_exponent - currency.iso_exponent))


def _documents(db: Session, payees: Sequence[Taxpayer], at: datetime) -> dict[str, str]:
    """The document that is good now, the newest one, of each payee who has one."""
    days = {payee.payee_id: taxes.local_day(payee.country, at) for payee in payees}
    found = {each: good_on(rows, days[each]) for each, rows in shown(db, list(days)).items()}
    return {payee_id: document for payee_id, document in found.items() if document is not None}


_DOCUMENTS = text("""
    SELECT payee_id, document, valid_from, valid_to FROM tax_documents
     WHERE payee_id = ANY(:payees) AND confirmed_by IS NOT NULL
     ORDER BY payee_id, valid_from, id
""")


def shown(db: Session, payee_ids: Sequence[str]) -> dict[str, list[Any]]:
    """The documents of payees that count, the newest last, for `good_on`."""
    found: dict[str, list[Any]] = defaultdict(list)
    for row in db.execute(_DOCUMENTS, {"payees": list(payee_ids)}):
        found[row.payee_id].append(row)
    return found


def good_on(rows: Sequence[Any], day: date) -> str | None:
    """The newest of these documents that is good on a day of its payee's calendar."""
    return next((row.document for row in reversed(rows) if _is_good(row, day)), None)


def _is_good(row: Any, day: date) -> bool:
    return bool(row.valid_from <= day and (row.valid_to is None or row.valid_to >= day))


# What failed or came back was not paid, and what is prepared counts: two runs may be on their way at once.
_BEFORE = text("""
    SELECT g.payee_id, g.rule_id,
           coalesce((SELECT sum(p.net + p.fee + p.withheld) FROM payouts p
                      WHERE p.payee_id = g.payee_id AND p.currency = :currency AND p.created_at >= g.begins
                        AND p.state IN ('prepared', 'exported', 'settled')), 0) AS gross,
           coalesce((SELECT sum(w.amount) FROM payouts p JOIN withholdings w ON w.payout_id = p.id
                      WHERE p.payee_id = g.payee_id AND p.currency = :currency AND p.created_at >= g.begins
                        AND w.authority = g.authority
                        AND p.state IN ('prepared', 'exported', 'settled')), 0) AS withheld
      FROM unnest(CAST(:payees AS text[]), CAST(:rules AS text[]), CAST(:authorities AS text[]),
                  CAST(:begins AS timestamptz[])) AS g(payee_id, rule_id, authority, begins)
""")


def _read_before(
    db: Session,
    found: Mapping[str, Account | str],
    cumulative: Sequence[tuple[str, Rule, datetime]],
    currency: Currency,
) -> None:
    if not cumulative:
        return
    asked = {
        "currency": currency.code,
        "payees": [payee_id for payee_id, _, _ in cumulative],
        "rules": [rule.id for _, rule, _ in cumulative],
        "authorities": [rule.authority for _, rule, _ in cumulative],
        "begins": [begins for _, _, begins in cumulative],
    }
    for row in db.execute(_BEFORE, asked):
        account = found[row.payee_id]
        assert isinstance(account, Account), "only who can be paid has rules"
        account.gross[row.rule_id], account.withheld[row.rule_id] = int(row.gross), int(row.withheld)


# Whether a run is still taxed as it should be


_COUNTRIES = text("""
    SELECT DISTINCT y.country FROM payouts p JOIN payees y ON y.id = p.payee_id
     WHERE p.run_id = :run_id AND p.state = 'prepared' ORDER BY 1
""")
_MOVED = text("""
    WITH g AS (SELECT * FROM unnest(CAST(:countries AS text[]), CAST(:thens AS date[]), CAST(:nows AS date[]))
                 AS g(country, day_then, day_now))
    SELECT EXISTS (
        SELECT FROM g JOIN tax_rules r ON r.country = g.country AND r.kind = 'withholding'
         WHERE r.confirmed_by IS NOT NULL AND ((r.confirmed_at > :since AND r.valid_from <= g.day_now)
            OR (r.valid_from > g.day_then AND r.valid_from <= g.day_now)
            OR (r.valid_to >= g.day_then AND r.valid_to < g.day_now))
    ) OR EXISTS (
        SELECT FROM g JOIN payees y ON y.country = g.country
          JOIN tax_documents d ON d.payee_id = y.id AND d.confirmed_by IS NOT NULL
         WHERE EXISTS (SELECT FROM payouts p WHERE p.run_id = :run_id AND p.state = 'prepared' AND p.payee_id = y.id)
           AND ((d.confirmed_at > :since AND d.valid_from <= g.day_now)
                OR (d.valid_from > g.day_then AND d.valid_from <= g.day_now)
                OR (d.valid_to >= g.day_then AND d.valid_to < g.day_now)))
""")


def has_moved(db: Session, run: PayoutRun) -> bool:
    """Whether rules, documents or tax periods are others than when the run was begun: then it has to be made anew."""
    countries, now = db.scalars(_COUNTRIES, {"run_id": run.id}).all(), clock.now(db)
    thens = [taxes.local_day(country, run.created_at) for country in countries]
    nows = [taxes.local_day(country, now) for country in countries]
    months = zip(thens, nows, strict=True)
    if any(then.replace(day=1) != day.replace(day=1) for then, day in months) and _counts(db, countries):
        return True
    asked = {"run_id": run.id, "since": run.created_at, "countries": countries, "thens": thens, "nows": nows}
    return bool(db.scalar(_MOVED, asked))


_COUNTS = text("""
    SELECT EXISTS (SELECT FROM tax_rules WHERE country = ANY(:countries) AND kind = 'withholding'
                      AND basis = 'payment' AND confirmed_by IS NOT NULL AND period <> 'none')
""")


def _counts(db: Session, countries: Sequence[str]) -> bool:
    """Whether payments add up over months or years there. A year begins with a month."""
    return bool(db.scalar(_COUNTS, {"countries": list(countries)}))


# Lists


def listed(
    *, payee_id: str | None = None, authority: str | None = None, run_id: str | None = None
) -> Select[Withholding]:
    """What was taken of payouts; of one payee's, by one authority, of one run's."""
    rows = select(Withholding).join(Payout, Payout.id == Withholding.payout_id)
    for column, value in (
        (Payout.payee_id, payee_id), (Withholding.authority, authority), (Payout.run_id, run_id),
    ):  # fmt: skip
        rows = rows if value is None else rows.where(column == value)
    return rows


def of_payee(payee_id: str) -> Select[Withholding]:
    """What a payee may see: of what has left, whatever became of it."""
    return listed(payee_id=payee_id).where(Payout.state.not_in([PayoutState.PREPARED, PayoutState.DROPPED]))

"""Tax that is due when pay is earned: what authorities take of an earning as soon as it is due (PAYMENTS, section 8).

A rule takes of each earning the tax on its period so far, less what was taken, so that many small ones are taxed as
their sum is; one without a period counts by the month. What is taken counts as paid: whatever asks what is owed, from
runs to redenominations, is right without knowing of it. Days and months are those of the payee's country.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Select, select, text
from sqlalchemy.orm import Session

from foundation import ids
from payments import ledger, payees, spending, taxes, withholding
from payments.ledger import HOUSE, PAYABLE, WITHHELD, AccountName, Entry, Line
from payments.models import AccruedTax, Currency, TaxPeriod
from payments.taxes import Accrued, Counted, Place, Rule

# Where anything is taken of pay when it is earned, and since when. Few rows, by an index of their own.
_COUNTRIES = text("""
    SELECT country, min(valid_from) AS since FROM tax_rules
     WHERE basis = 'accrual' AND kind = 'withholding' AND basis_points > 0 AND confirmed_by IS NOT NULL
     GROUP BY country
""")
_PAYEES_OF = text("""
    SELECT DISTINCT e.payee_id FROM earnings e JOIN payees p ON p.id = e.payee_id
     WHERE e.answer_ref = ANY(:answers) AND e.status = 'pending' AND p.country = ANY(:countries)
""")


def hold(db: Session, answer_refs: Sequence[str]) -> list[str]:
    """Lock the payees of these answers whose country taxes pay when it is earned, before the answers' earnings."""
    countries = _countries(db) if answer_refs else {}
    if not countries:
        return []
    asked = {"answers": list(answer_refs), "countries": list(countries)}
    return payees.lock(db, db.scalars(_PAYEES_OF, asked).all())


def _countries(db: Session) -> dict[str, date]:
    return {row.country: row.since for row in db.execute(_COUNTRIES)}


# Taking


# What is looked at once is not looked at again; a redenominated rest was taxed before.
_DUE = """
    SELECT e.id, e.payee_id, p.country, e.answer_ref, e.currency, e.amount, e.revision, e.due_at
      FROM earnings e JOIN payees p ON p.id = e.payee_id
     WHERE e.status = 'due' AND e.paid = 0 AND e.kind <> 'redenomination' AND p.country = ANY(:countries)
       AND NOT EXISTS (SELECT FROM accrued_taxes a WHERE a.earning_id = e.id AND a.revision = e.revision)
"""
_THESE = text(f"{_DUE} AND e.id = ANY(:ids) ORDER BY e.due_at, e.id")
# What lies apart for a blocked payee, and what a run is about to pay, is not touched.
_LATE = text(f"""
    {_DUE} AND e.payee_id = ANY(:payees)
       AND EXISTS (SELECT FROM unnest(CAST(:countries AS text[]), CAST(:since AS date[])) AS s(country, day)
                    WHERE s.country = p.country AND e.due_at >= s.day - interval '1 day')
       AND NOT EXISTS (SELECT FROM payout_items i WHERE i.earning_id = e.id AND i.open)
       AND NOT EXISTS (SELECT FROM nettings n WHERE n.earning_id = e.id AND n.open)
       AND NOT EXISTS (SELECT FROM blocks b WHERE b.payee_id = e.payee_id AND b.state = 'active')
     ORDER BY e.due_at, e.id
""")


def take(db: Session, earning_ids: Sequence[str]) -> None:
    """Take of these earnings, which are due, what the rules of their days take; once each. The payees are locked."""
    countries = _countries(db) if earning_ids else {}
    if countries:
        _take(db, db.execute(_THESE, {"ids": list(earning_ids), "countries": list(countries)}).all())


def take_late(db: Session, payee_ids: Sequence[str]) -> None:
    """Take of what these payees, who are locked, earned on days of rules that were confirmed after them.

    So a run pays nothing untaxed of which a tax was due.
    """
    countries = _countries(db)
    if countries:
        asked = {"payees": list(payee_ids), "countries": list(countries), "since": list(countries.values())}
        _take(db, db.execute(_LATE, asked).all())


def _take(db: Session, rows: Sequence[Any]) -> None:
    looked_at = _with_rules(db, rows)
    tallies = _read_tallies(db, [row for row, _ in looked_at])
    taxed = [_weigh(row, rules, tallies) for row, rules in looked_at]
    if not taxed:
        return
    entries = {one.row.id: one.entry for one in taxed if one.entry is not None}
    posted = ledger.post(db, list(entries.values()))
    _write(db, taxed, {earning_id: posted.ids[entry.key] for earning_id, entry in entries.items()})


def _with_rules(db: Session, rows: Sequence[Any]) -> list[tuple[Any, list[Rule]]]:
    """Earnings beside the rules of their days, where these take something and count in the earning's currency."""
    if not rows:
        return []
    documents = withholding.shown(db, sorted({row.payee_id for row in rows}))
    places = {row.id: _place(row, documents) for row in rows}
    at, found = taxes.rules_at(db, places.values()), []
    for row in rows:
        currency = db.get_one(Currency, row.currency)
        rules = [withholding.in_currency(rule, currency) for rule in at[places[row.id]] if withholding.is_accrued(rule)]
        # Of what cannot be counted nothing is said yet; a run does not pay it.
        if rules and None not in rules:
            found.append((row, [rule for rule in rules if rule is not None]))
    return found


def _place(row: Any, documents: Mapping[str, Sequence[Any]]) -> Place:
    day = taxes.local_day(row.country, row.due_at)
    return Place(row.country, day, withholding.good_on(documents.get(row.payee_id, ()), day))


# What was counted before


@dataclass(slots=True)
class _Tally:
    """What a rule has counted of a month of a payee's pay in a currency, in ledger units; grows while it is weighed."""

    rule_id: str
    authority: str
    month: date
    gross: int = 0
    base: int = 0
    taken: int = 0


# By payee and currency.
_Tallies = Mapping[tuple[str, str], list[_Tally]]
_MONTHS = text("""
    SELECT m.payee_id, m.currency, m.rule_id, t.authority, m.month, m.gross, m.base, m.taken
      FROM accrued_months m JOIN tax_rules t ON t.id = m.rule_id
     WHERE m.payee_id = ANY(:payees) AND m.month >= :since
""")


def _read_tallies(db: Session, rows: Sequence[Any]) -> _Tallies:
    """What was counted of these payees' pay since the first of the tax years that the earnings are of."""
    found: dict[tuple[str, str], list[_Tally]] = defaultdict(list)
    if rows:
        years = {taxes.first_day(row.country, TaxPeriod.YEAR, _day(row)) for row in rows}
        asked = {"payees": sorted({row.payee_id for row in rows}), "since": min(years)}
        for row in db.execute(_MONTHS, asked):
            tally = _Tally(row.rule_id, row.authority, row.month, row.gross, row.base, row.taken)
            found[row.payee_id, row.currency].append(tally)
    return found


def _day(row: Any) -> date:
    return taxes.local_day(row.country, row.due_at)


def _sum(tallies: Iterable[_Tally]) -> Counted:
    gross = base = taken = 0
    for each in tallies:
        gross, base, taken = gross + each.gross, base + each.base, taken + each.taken
    return Counted(gross, base, taken)


# What is taken


@dataclass(frozen=True, slots=True)
class _Taxed:
    """An earning, of `_DUE`, beside what each rule takes of it."""

    row: Any
    month: date
    shares: list[tuple[Rule, Accrued]]

    @property
    def entry(self) -> Entry | None:
        """What is posted, with a line for each authority; or none. Its key is the earning's, or of its revision."""
        payable = AccountName(PAYABLE, self.row.payee_id, self.row.currency)
        lines = tuple(
            Line(payable, AccountName(WITHHELD, rule.authority, self.row.currency), share.amount)
            for rule, share in self.shares
            if share.amount
        )
        key = f"wht:{self.row.id}" + ("" if self.row.revision == 1 else f":{self.row.revision}")
        return Entry(key, "withholding", self.row.answer_ref, HOUSE, lines) if lines else None


def _weigh(row: Any, rules: Sequence[Rule], tallies: _Tallies) -> _Taxed:
    """What rules take of an earning, together no more than it is; counted before the next one is weighed."""
    day, left, shares = _day(row), int(row.amount), []
    mine = tallies[row.payee_id, row.currency]
    for rule in rules:
        first = taxes.first_day(row.country, rule.period, day)
        # The same day of the next period's first month.
        until = first.replace(year=first.year + 1) if rule.period == TaxPeriod.YEAR else spending.next_month(first)
        so_far = [each for each in mine if each.authority == rule.authority and first <= each.month < until]
        by_rule = _sum(each for each in so_far if each.rule_id == rule.id)
        share = taxes.accrue(rule, int(row.amount), before=_sum(so_far), by_rule=by_rule, left=left)
        left -= share.amount
        _count(mine, rule, day.replace(day=1), int(row.amount), share)
        shares.append((rule, share))
    return _Taxed(row, day.replace(day=1), shares)


def _count(mine: list[_Tally], rule: Rule, month: date, gross: int, share: Accrued) -> None:
    tally = next((each for each in mine if (each.rule_id, each.month) == (rule.id, month)), None)
    if tally is None:
        mine.append(tally := _Tally(rule.id, rule.authority, month))
    tally.gross, tally.base, tally.taken = tally.gross + gross, tally.base + share.base, tally.taken + share.amount


# Writing it down


_WRITE = text("""
    WITH given AS (
        SELECT * FROM unnest(CAST(:ids AS text[]), CAST(:earnings AS text[]), CAST(:rules AS text[]),
                             CAST(:authorities AS text[]), CAST(:months AS date[]), CAST(:bases AS bigint[]),
                             CAST(:amounts AS bigint[]), CAST(:entries AS text[]))
                   AS g(id, earning_id, rule_id, authority, month, base, amount, entry_id)
    ), looked_at AS (
        SELECT g.*, e.payee_id, e.currency, e.revision, e.amount AS gross
          FROM given g JOIN earnings e ON e.id = g.earning_id
    ), kept AS (
        INSERT INTO accrued_taxes (id, earning_id, revision, payee_id, rule_id, authority, month, base, amount,
                                   entry_id)
        SELECT id, earning_id, revision, payee_id, rule_id, authority, month, base, amount, entry_id FROM looked_at
    ), counted AS (
        INSERT INTO accrued_months AS m (payee_id, rule_id, currency, month, gross, base, taken)
        SELECT payee_id, rule_id, currency, month, sum(gross), sum(base), sum(amount) FROM looked_at
         GROUP BY payee_id, rule_id, currency, month
        ON CONFLICT (payee_id, rule_id, currency, month) DO UPDATE
           SET gross = m.gross + excluded.gross, base = m.base + excluded.base, taken = m.taken + excluded.taken
    ), sums AS (SELECT earning_id, sum(amount) AS amount FROM given GROUP BY earning_id HAVING sum(amount) > 0)
    UPDATE earnings e
       SET paid = e.paid + s.amount, withheld = e.withheld + s.amount,
           status = CASE WHEN e.paid + s.amount = e.amount THEN 'paid' ELSE 'due' END
      FROM sums s WHERE e.id = s.earning_id
""")


def _write(db: Session, taxed: Sequence[_Taxed], entry_ids: Mapping[str, str]) -> None:
    shares = [(one, rule, share) for one in taxed for rule, share in one.shares]
    db.execute(
        _WRITE,
        {
            "ids": [ids.new("wht") for _ in shares],
            "earnings": [one.row.id for one, _, _ in shares],
            "rules": [rule.id for _, rule, _ in shares],
            "authorities": [rule.authority for _, rule, _ in shares],
            "months": [one.month for one, _, _ in shares],
            "bases": [share.base for _, _, share in shares],
            "amounts": [share.amount for _, _, share in shares],
            "entries": [entry_ids[one.row.id] if share.amount else None for one, _, share in shares],
        },
    )


# Taking back


_STANDING = text("""
    SELECT DISTINCT entry_id FROM accrued_taxes WHERE earning_id = ANY(:ids) AND counts AND amount > 0
""")
_SHARES = text("""
    SELECT authority, amount FROM accrued_taxes WHERE earning_id = :id AND counts AND amount > 0 ORDER BY authority
""")
_FORGET = text("""
    WITH gone AS (
        UPDATE accrued_taxes a SET counts = false FROM earnings e
         WHERE a.earning_id = ANY(:ids) AND a.counts AND e.id = a.earning_id
        RETURNING a.payee_id, a.rule_id, e.currency, a.month, e.amount AS gross, a.base, a.amount
    ), sums AS (
        SELECT payee_id, rule_id, currency, month, sum(gross) AS gross, sum(base) AS base, sum(amount) AS amount
          FROM gone GROUP BY payee_id, rule_id, currency, month
    )
    UPDATE accrued_months m SET gross = m.gross - s.gross, base = m.base - s.base, taken = m.taken - s.amount
      FROM sums s
     WHERE (m.payee_id, m.rule_id, m.currency, m.month) = (s.payee_id, s.rule_id, s.currency, s.month)
""")
_UNTAX = text("""
    UPDATE earnings SET paid = paid - withheld, withheld = 0, status = 'due' WHERE id = ANY(:ids) AND withheld > 0
""")


def entries_of(db: Session, earning_ids: Collection[str]) -> list[str]:
    """The ids of the entries that took tax of these earnings, as far as they stand."""
    return list(db.scalars(_STANDING, {"ids": list(earning_ids)}))


def shares_of(db: Session, earning_id: str) -> list[tuple[str, int]]:
    """Which authorities have how much of an earning, in ledger units."""
    return [(row.authority, row.amount) for row in db.execute(_SHARES, {"id": earning_id})]


def untax(db: Session, earning_ids: Collection[str]) -> None:
    """These unpaid earnings, whose entries the caller takes back with those of their taxes, are not taxed any more."""
    forget(db, earning_ids)
    db.execute(_UNTAX, {"ids": list(earning_ids)})


def forget(db: Session, earning_ids: Collection[str]) -> None:
    """What authorities had of these earnings is theirs no more, and they do not count against thresholds."""
    db.execute(_FORGET, {"ids": list(earning_ids)})


# Lists


def listed(*, payee_id: str | None = None, authority: str | None = None) -> Select[AccruedTax]:
    """What was taken of pay when it was earned, taken back or not; of one payee's, by one authority."""
    rows = select(AccruedTax).where(AccruedTax.amount > 0)
    rows = rows if payee_id is None else rows.where(AccruedTax.payee_id == payee_id)
    return rows if authority is None else rows.where(AccruedTax.authority == authority)

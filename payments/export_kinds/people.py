"""What payees and requesters are told: a payee's statement, what counts for a year's tax, and an invoice."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from foundation.errors import Invalid
from payments import invoices, payees, taxes
from payments.export_kinds import spans, withheld
from payments.export_kinds.kind import (
    MONEY,
    NUMBER,
    SHEETS,
    TEXT,
    Drawing,
    Format,
    Kind,
    Layout,
    Money,
    Parameters,
    iso,
)
from payments.export_kinds.owed import FX_RATE
from payments.models import TaxPeriod

_ALL = (*SHEETS, Format.JSON)


class TaxYearInvalid(Invalid):
    """A tax year is one of this century."""


# A payee's statement

_PAID = Money("net_currency", "net_exponent")
STATEMENT = Layout(
    "Statement",
    {
        "currency": TEXT,
        "type": TEXT,
        "day": TEXT,
        "reference": TEXT,
        "amount": MONEY,
        "balance": MONEY,
        "gross": MONEY,
        "net_currency": TEXT,
        "fee": _PAID,
        "withheld": _PAID,
        "withheld_by": TEXT,
        "net": _PAID,
        "fx_rate": TEXT,
        "fx_source": TEXT,
        "reason": TEXT,
        "entry_id": TEXT,
    },
)
# What is owed to somebody, by the books: all that has moved it, between what was owed before and what is after.
_MOVED = f"""
    WITH moved AS (
        SELECT a.currency, e.effective_on AS day, e.id AS entry_id, e.kind, e.cause_ref, sum(-p.amount) AS amount
          FROM accounts a JOIN postings p ON p.account_id = a.id JOIN journal_entries e ON e.id = p.entry_id
         WHERE a.role = 'payable' AND a.owner_ref = :payee_id AND e.effective_on <= :last
         GROUP BY a.currency, e.id),
    lines AS (
        SELECT currency, 0 AS place, 'opening' AS type, CAST(:first AS date) AS day, '' AS entry_id, '' AS reference,
               CAST(0 AS numeric) AS amount, coalesce(sum(amount) FILTER (WHERE day < :first), 0) AS carried
          FROM moved GROUP BY currency
         UNION ALL
        SELECT currency, 1, kind, day, entry_id, cause_ref, amount, amount FROM moved WHERE day >= :first
         UNION ALL
        SELECT currency, 2, 'closing', CAST(:last AS date), '', '', 0, 0 FROM moved GROUP BY currency)
    SELECT l.currency, k.ledger_exponent AS exponent, l.type, l.place, l.day, l.reference, l.amount, l.entry_id,
           sum(l.carried) OVER (PARTITION BY l.currency ORDER BY l.place, l.day, l.entry_id) AS balance,
           coalesce(o.gross, 0) AS gross, coalesce(o.fee, 0) AS fee, w.amount + t.amount AS withheld,
           w.authorities || t.authorities AS withheld_by,
           coalesce(o.currency, l.currency) AS net_currency, n.ledger_exponent AS net_exponent,
           coalesce(o.net, 0) AS net, {FX_RATE} AS fx_rate, f.source AS fx_source,
           coalesce(o.reason, j.reason) AS reason
      FROM lines l JOIN currencies k ON k.code = l.currency
      LEFT JOIN payouts o ON o.id = l.reference
      LEFT JOIN fx_rates f ON f.id = o.fx_rate_id
      JOIN currencies n ON n.code = coalesce(o.currency, l.currency)
     CROSS JOIN LATERAL {withheld.of_payout("o.id", "n.ledger_exponent")} AS w
     CROSS JOIN LATERAL {withheld.of_entry("l.entry_id", "l.reference", "n.ledger_exponent")} AS t
      LEFT JOIN LATERAL (SELECT j.reason FROM earnings e JOIN adjustments j ON j.earning_id = e.id
                          WHERE l.type IN ('reversal', 'bonus', 'goodwill') AND e.answer_ref = l.reference
                          ORDER BY j.id DESC LIMIT 1) j ON true
"""
_IN_ORDER = "currency, place, day, entry_id"


def statement(payee_id: str, month: str) -> Drawing:
    """A payee's month, in every currency in which they ever were owed something by then."""
    days = spans.of_month(month)
    return STATEMENT.drawing(_MOVED, _IN_ORDER, {"payee_id": payee_id, "first": days.first, "last": days.last})


def _draw_statement(db: Session, given: Parameters) -> Drawing:
    return statement(payees.find(db, given["payee_id"]).id, given["month"])


PAYEE_STATEMENT = Kind(
    "payee-statement", _draw_statement, STATEMENT.writers(*_ALL), required=frozenset({"payee_id", "month"})
)

# A year's tax


def tax_year(country: str, year: int) -> tuple[datetime, datetime]:
    """When the tax year of a country that begins in a year does so, and when the next one does."""
    if not 2000 <= year <= 2998:
        reason = {"pointer": "/parameters/year", "reason": "Must be from 2000 to 2998."}
        raise TaxYearInvalid("Give the year in which the tax year begins.", errors=[reason])
    # In the middle of December every country is in the tax year that has begun in this one.
    begins = [
        taxes.period_begin(country, TaxPeriod.YEAR, datetime(each, 12, 15, tzinfo=UTC)) for each in (year, year + 1)
    ]
    return begins[0], begins[1]


# Paid is what its bank has booked, on that day; what came back counts against the year in which it did.
_PAYMENTS = """
    SELECT o.id AS payout_id, o.payee_id, o.currency, o.earned_currency, o.net, o.gross, o.fee, e.kind,
           coalesce(e.event_at, e.created_at) AS at, CASE e.kind WHEN 'settled' THEN 1 ELSE -1 END AS sign
      FROM journal_entries e JOIN payouts o ON o.id = e.cause_ref
     WHERE e.kind IN ('settled', 'returned') AND coalesce(e.event_at, e.created_at) >= :since
       AND coalesce(e.event_at, e.created_at) < :until
"""
_EARNED = Money("earned_currency", "earned_exponent")
_YEAR = Layout(
    "Tax year",
    {
        "payee_id": TEXT,
        "name": TEXT,
        "country": TEXT,
        "begins": TEXT,
        "ends_before": TEXT,
        "currency": TEXT,
        "paid": MONEY,
        "fee": MONEY,
        "withheld": MONEY,
        "payments": NUMBER,
        "returns": NUMBER,
        "earned_currency": TEXT,
        "gross": _EARNED,
    },
)
# What was withheld when pay was earned is pay of the month in which it was, beside what was paid then.
_BY_PAYEE = f"""
    SELECT p.id AS payee_id, p.name, p.country, {iso(":since")} AS begins, {iso(":until")} AS ends_before, y.currency,
           c.ledger_exponent AS exponent, sum(y.sign * y.net) AS paid, count(*) FILTER (WHERE y.sign > 0) AS payments,
           count(*) FILTER (WHERE y.sign < 0) AS returns, y.earned_currency, k.ledger_exponent AS earned_exponent,
           sum(y.gross) AS gross, sum(y.sign * y.fee) AS fee, sum(y.withheld) AS withheld
      FROM (SELECT o.payee_id, o.currency, o.earned_currency, o.sign, o.net, o.fee, o.sign * o.gross AS gross,
                   o.sign * w.amount AS withheld
              FROM ({_PAYMENTS}) o CROSS JOIN LATERAL {withheld.of_payout("o.payout_id", "0")} AS w
             UNION ALL
            SELECT payee_id, currency, currency, 0, 0, 0, amount, amount FROM ({withheld.ACCRUED}) a) y
      JOIN payees p ON p.id = y.payee_id
      JOIN currencies c ON c.code = y.currency JOIN currencies k ON k.code = y.earned_currency
     WHERE p.country = :country
     GROUP BY p.id, y.currency, c.ledger_exponent, y.earned_currency, k.ledger_exponent
"""


def _year_of(country: str, year: int) -> Mapping[str, Any]:
    since, until = tax_year(country, year)
    months = {"first_month": taxes.local_day(country, since), "next_year": taxes.local_day(country, until)}
    return {"since": since, "until": until, **months}


def _draw_year(_db: Session, given: Parameters) -> Drawing:
    values = {**_year_of(given["country"], given["year"]), "country": given["country"]}
    return _YEAR.drawing(_BY_PAYEE, "payee_id, currency, earned_currency", values)


TAX_YEAR = Kind("tax-year", _draw_year, _YEAR.writers(*_ALL), required=frozenset({"country", "year"}))

# One payee's certificate of it

_CERTIFICATE = Layout(
    "Certificate",
    {
        "payee_id": TEXT,
        "name": TEXT,
        "country": TEXT,
        "day": TEXT,
        "type": TEXT,
        "payout_id": TEXT,
        "currency": TEXT,
        "paid": MONEY,
        "fee": MONEY,
        "withheld": MONEY,
        "withheld_by": TEXT,
        "earned_currency": TEXT,
        "gross": _EARNED,
    },
)
# A month's tax on what was earned in it stands on its last day.
_ONE_BY_ONE = f"""
    SELECT p.id AS payee_id, p.name, p.country, y.at, (y.at AT TIME ZONE :zone)::date AS day, y.kind AS type,
           y.payout_id, y.currency, c.ledger_exponent AS exponent, y.sign * y.net AS paid, y.earned_currency,
           k.ledger_exponent AS earned_exponent, y.sign * y.gross AS gross, y.sign * y.fee AS fee,
           y.sign * w.amount AS withheld, w.authorities AS withheld_by
      FROM ({_PAYMENTS}) y JOIN payees p ON p.id = y.payee_id
      JOIN currencies c ON c.code = y.currency JOIN currencies k ON k.code = y.earned_currency
     CROSS JOIN LATERAL {withheld.of_payout("y.payout_id", "c.ledger_exponent")} AS w
     WHERE p.id = :payee_id
     UNION ALL
    SELECT p.id, p.name, p.country, a.month + interval '1 month' - interval '1 day',
           (a.month + interval '1 month' - interval '1 day')::date, 'earned', '', a.currency, c.ledger_exponent, 0,
           a.currency, c.ledger_exponent, sum(a.amount), 0, sum(a.amount),
           string_agg(a.authority || ' ' || {withheld.decimal("a.amount", "c.ledger_exponent")}, ', '
                      ORDER BY a.authority)
      FROM ({withheld.ACCRUED}) a JOIN payees p ON p.id = a.payee_id JOIN currencies c ON c.code = a.currency
     WHERE p.id = :payee_id
     GROUP BY p.id, a.currency, a.month, c.ledger_exponent
"""


def _draw_certificate(db: Session, given: Parameters) -> Drawing:
    payee = payees.find(db, given["payee_id"])
    values = {
        **_year_of(payee.country, given["year"]), "payee_id": payee.id, "zone": taxes.zone(payee.country).key,
    }  # fmt: skip
    return _CERTIFICATE.drawing(_ONE_BY_ONE, "at, payout_id, type, currency", values)


TAX_CERTIFICATE = Kind(
    "tax-certificate", _draw_certificate, _CERTIFICATE.writers(*_ALL), required=frozenset({"payee_id", "year"})
)

# An invoice

_INVOICE = Layout(
    "Invoice",
    {
        "number": TEXT,
        "entity": TEXT,
        "owner_ref": TEXT,
        "month": TEXT,
        "state": TEXT,
        "line": NUMBER,
        "kind": TEXT,
        "cause_ref": TEXT,
        "entries": NUMBER,
        "currency": TEXT,
        "amount": MONEY,
        "work": MONEY,
        "fee": MONEY,
        "tax": MONEY,
    },
)
# Its last line is the tax, so that its amounts add up to its total.
_OF_INVOICE = """
    SELECT CASE WHEN i.serial IS NOT NULL
                THEN i.entity || '-' || i.year || '-' || lpad(CAST(i.serial AS text), 6, '0') END AS number,
           i.entity, i.owner_ref, to_char(i.period, 'YYYY-MM') AS month, i.state, l.line, l.kind, l.cause_ref,
           l.entries, i.currency, c.ledger_exponent AS exponent, l.work + l.fee + l.tax AS amount, l.work, l.fee, l.tax
      FROM invoices i JOIN currencies c ON c.code = i.currency
     CROSS JOIN LATERAL (
            SELECT line, kind, cause_ref, entries, work, fee, CAST(0 AS bigint) AS tax FROM invoice_lines
             WHERE invoice_id = i.id
             UNION ALL
            SELECT (SELECT count(*) + 1 FROM invoice_lines WHERE invoice_id = i.id), 'tax', '', 0, 0, 0, i.vat) AS l
     WHERE i.id = :invoice_id
"""


def invoice(db: Session, invoice_id: str, *, owner_ref: str | None = None) -> Drawing:
    """The lines of an invoice, of anybody's or of one that this owner sees."""
    found = invoices.find(db, invoice_id, owner_ref=owner_ref)
    return _INVOICE.drawing(_OF_INVOICE, "line", {"invoice_id": found.id})


INVOICE = Kind(
    "invoice",
    lambda db, given: invoice(db, given["invoice_id"]),
    _INVOICE.writers(*_ALL),
    required=frozenset({"invoice_id"}),
)

"""The books for accountants: the journal, in their own account codes or as plain text, and a month's trial balance."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import IO, Any

from sqlalchemy.orm import Session

from payments import account_codes, ledger, statements
from payments.export_kinds import spans
from payments.export_kinds.kind import (
    MONEY,
    SHEETS,
    TEXT,
    Drawing,
    Drawn,
    Format,
    Kind,
    Layout,
    Parameters,
    summed,
    writer_of,
)
from payments.files import journal, tables
from payments.files.journal import Entry, Posting
from payments.files.tables import Amount, Cell, Table, Totals, Written
from payments.models import AccountKind


class Detail(StrEnum):
    """Whether a document of the journal is an entry, or what all entries of a day and kind come to."""

    ENTRY = "entry"
    DAY = "day"


# The journal


# What each account is called: by itself, by a code of its own, or by that of its role. `own` is the name it is summed
# under where entries are.
_CODED = """
    SELECT a.id, a.role || ':' || a.owner_ref AS account, coalesce(mine.account, a.role) AS own,
           coalesce(mine.code, alike.code) AS code
      FROM accounts a
      LEFT JOIN account_codes mine ON mine.account = a.role || ':' || a.owner_ref
      LEFT JOIN account_codes alike ON alike.account = a.role
"""
# Debits and credits of an account are kept apart, so that turnover is that of the trial balance.
_DOCUMENTS = {
    Detail.ENTRY: """
        SELECT e.effective_on AS day, e.id AS document, e.kind || ' ' || e.idempotency_key || ' ' || e.id AS memo,
               n.account, n.code, p.currency, sum(p.amount) AS amount
          FROM journal_entries e JOIN postings p ON p.entry_id = e.id JOIN named n ON n.id = p.account_id
         WHERE e.effective_on BETWEEN :first AND :last
         GROUP BY e.id, n.account, n.code, p.currency, sign(p.amount)
    """,
    Detail.DAY: """
        SELECT e.effective_on AS day, e.kind AS document, 'All entries of ' || e.kind AS memo, n.own AS account, n.code,
               p.currency, sum(p.amount) AS amount
          FROM journal_entries e JOIN postings p ON p.entry_id = e.id JOIN named n ON n.id = p.account_id
         WHERE e.effective_on BETWEEN :first AND :last
         GROUP BY e.effective_on, e.kind, n.own, n.code, p.currency, sign(p.amount)
    """,
}
# A number is of the day and the place in it, or of the day and the kind: 21 characters at most.
_NUMBERS = {
    Detail.ENTRY: "lpad(CAST(place AS text), greatest(6, length(CAST(place AS text))), '0')",
    Detail.DAY: "document",
}


def _draw_journal(_db: Session, given: Parameters) -> Drawing:
    days, detail = spans.read(given), Detail(given.get("detail", Detail.ENTRY))
    sql = f"""
        WITH named AS ({_CODED}), moved AS ({_DOCUMENTS[detail]}),
        documents AS (
            SELECT m.day, m.document, m.memo, row_number() OVER (PARTITION BY m.day ORDER BY m.document) AS place,
                   jsonb_agg(jsonb_build_array(m.account, m.code, m.amount, m.currency, c.ledger_exponent)
                             ORDER BY sign(m.amount) DESC, m.account, m.currency) AS postings
              FROM moved m JOIN currencies c ON c.code = m.currency GROUP BY m.day, m.document, m.memo)
        SELECT row_number() OVER (ORDER BY day, document) AS number,
               jsonb_build_array(day, to_char(day, 'YYYYMMDD') || '-' || {_NUMBERS[detail]}, memo, postings) AS cells
          FROM documents
    """
    return Drawing(sql, {"first": days.first, "last": days.last})


def _require_codes(db: Session, given: Parameters, format_: Format) -> None:
    if format_ is Format.CSV:
        days = spans.read(given)
        account_codes.require(db, days.first, days.last)


_POSTINGS = Layout(
    "Journal",
    {
        "date": TEXT,
        "number": TEXT,
        "account": TEXT,
        "code": TEXT,
        "debit": MONEY,
        "credit": MONEY,
        "currency": TEXT,
        "memo": TEXT,
    },
)


def _table(drawn: Drawn) -> Table:
    kinds = {name: column if column is TEXT else tables.Kind.AMOUNT for name, column in _POSTINGS.columns.items()}
    return Table("Journal", kinds, _posting_rows(drawn))


def _posting_rows(drawn: Drawn) -> Iterator[Sequence[Cell]]:
    for day, number, memo, postings in drawn:
        for account, code, units, currency, exponent in postings:
            debit, credit = (Amount(max(amount, 0), currency, exponent) for amount in (units, -units))
            yield day, number, account, code or "", debit, credit, currency, memo


def _entry(row: Sequence[Any]) -> Entry:
    day, number, memo, postings = row
    moved = [Posting(account, units, currency, exponent) for account, _, units, currency, exponent in postings]
    return Entry(number, date.fromisoformat(day), memo, moved)


def _write_lines(drawn: Drawn, _as_of: datetime, file: IO[bytes]) -> Written:
    totals, codes = Totals(), dict[str, str]()

    def see(row: Sequence[Any]) -> None:
        # Those of one document are enough: it is written before the next one is read.
        codes.clear()
        codes.update((account, code) for account, code, *_ in row[3] if code is not None)
        _count(totals, row)

    written = journal.write_lines((_entry(row) for row in summed(drawn, see)), codes, file)
    return Written(written.postings, totals.sums(), written.sha256)


_ROOTS = {
    AccountKind.ASSET: "Assets",
    AccountKind.LIABILITY: "Liabilities",
    AccountKind.INCOME: "Income",
    AccountKind.EXPENSE: "Expenses",
}


def _write_beancount(drawn: Drawn, _as_of: datetime, file: IO[bytes]) -> Written:
    totals, roots = Totals(), {role.name: _ROOTS[role.kind] for role in ledger.ROLES.values()}
    entries = (_entry(row) for row in summed(drawn, lambda row: _count(totals, row)))
    written = journal.write_beancount(entries, roots, file)
    return Written(written.postings, totals.sums(), written.sha256)


def _count(totals: Totals, row: Sequence[Any]) -> None:
    for _account, _code, units, currency, exponent in row[3]:
        totals.add([Amount(max(units, 0), currency, exponent)])


JOURNAL = Kind(
    "journal",
    _draw_journal,
    {
        Format.CSV: _write_lines,
        Format.BEANCOUNT: _write_beancount,
        Format.XLSX: writer_of(Format.XLSX, _table),
        Format.PARQUET: writer_of(Format.PARQUET, _table),
    },
    optional=spans.NAMES | {"detail"},
    check=_require_codes,
)

# The trial balance

_TRIAL = Layout("Trial balance", {"role": TEXT, "kind": TEXT, "currency": TEXT, "debits": MONEY, "credits": MONEY})


def _draw_trial(_db: Session, given: Parameters) -> Drawing:
    days = spans.of_month(given["month"])
    return _TRIAL.drawing(str(statements.TRIAL), 'role COLLATE "C", kind, currency', {"day": days.last})


TRIAL_BALANCE = Kind("trial-balance", _draw_trial, _TRIAL.writers(*SHEETS), required=frozenset({"month"}))

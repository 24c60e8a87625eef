"""The table of currencies: what is money now, what was, and what became of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from itertools import pairwise

import iso4217
import pytest
from sqlalchemy import Connection, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from foundation import db as database
from payments import funding, ledger, money
from payments.ledger import FUNDS, AccountName, Entry, Line
from payments.models import Currency
from payments.money import AmountInvalid, CurrencyRetired, CurrencyUnknown
from tests.conftest import Urls

OWNER = "req_owner"
# Where we say otherwise than ISO's list of what is in use, and why.
DIFFERENCES = {"VED": "the same money as VES, for use inside Venezuela; the books have one currency for it"}
# As the books began; a unit never changes.
FIRST = {
    "EUR": ("Euro", 2, 4), "USD": ("US dollar", 2, 4), "GBP": ("Pound sterling", 2, 4),
    "KES": ("Kenyan shilling", 2, 4), "PHP": ("Philippine peso", 2, 4), "INR": ("Indian rupee", 2, 4),
    "VES": ("Venezuelan bolívar", 2, 4), "NGN": ("Nigerian naira", 2, 4), "BRL": ("Brazilian real", 2, 4),
    "UGX": ("Ugandan shilling", 0, 2), "JPY": ("Yen", 0, 2), "KWD": ("Kuwaiti dinar", 3, 4),
}  # fmt: skip


@pytest.fixture
def table(db: Session) -> dict[str, Currency]:
    return {row.code: row for row in db.scalars(select(Currency))}


@contextmanager
def _owner(urls: Urls) -> Iterator[Connection]:
    """Only who owns the tables may write this one."""
    engine = database.make_engine(urls.owner)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def test_what_is_money_now_is_what_iso_lists(table: dict[str, Currency]) -> None:
    listed = {each.code: (each.number, each.exponent) for each in iso4217.Currency if each.exponent is not None}
    ours = {row.iso_code: (row.iso_number, row.iso_exponent) for row in table.values() if row.valid_to is None}

    differing = {code for code in listed.keys() | ours.keys() if listed.get(code) != ours.get(code)}

    assert len(listed) > 150
    assert differing == DIFFERENCES.keys()


def test_what_has_no_unit_is_no_currency_of_the_books(table: dict[str, Currency]) -> None:
    without = {each.code for each in iso4217.Currency if each.exponent is None}

    assert {"XAU", "XTS", "XXX", "XDR"} <= without
    assert not without & table.keys()


def test_the_first_twelve_are_as_they_were(table: dict[str, Currency]) -> None:
    rows = {code: (table[code].name, table[code].iso_exponent, table[code].ledger_exponent) for code in FIRST}

    assert rows == FIRST


def test_the_books_count_finer_than_banks(table: dict[str, Currency]) -> None:
    assert {(row.iso_exponent, row.ledger_exponent) for row in table.values()} == {(0, 2), (2, 4), (3, 4), (4, 6)}


def test_every_retired_currency_leads_to_one_that_is_money_or_ends(table: dict[str, Currency]) -> None:
    ends = {}
    for code, row in table.items():
        seen = [code]
        while row.successor is not None:
            assert row.successor not in seen
            row = table[row.successor]  # noqa: PLW2901 - along the chain
            seen.append(row.code)
        ends[code] = row

    assert {code for code, end in ends.items() if end.valid_to is not None} == {"ZWD", "ZWN", "ZWR", "ZWL.2009"}
    assert ends["VEB"].code == "VES"
    assert ends["BGL"].code == "EUR"


def test_no_two_currencies_have_one_code_on_one_day(table: dict[str, Currency]) -> None:
    always, never = date.min, date.max
    by_code: dict[str, list[tuple[date, date]]] = {}
    for row in table.values():
        by_code.setdefault(row.iso_code, []).append((row.valid_from or always, row.valid_to or never))

    shared = {code: sorted(spans) for code, spans in by_code.items() if len(spans) > 1}

    assert shared.keys() == {"VES", "SYP", "ZWL"}
    for spans in shared.values():
        assert all(before[1] <= after[0] for before, after in pairwise(spans))


# Successor, the first day no longer, and how much of the old became how much of the new.
SUCCESSIONS = {
    "VES.2018": ("VES", "2021-10-01", 10**6, 1),
    "VEF": ("VES.2018", "2018-08-20", 10**5, 1),
    "SLL": ("SLE", "2024-01-01", 1000, 1),
    "ZWL": ("ZWG", "2024-04-05", 24_987_242, 10_000),
    "BGN": ("EUR", "2026-01-01", 195_583, 100_000),
    "HRK": ("EUR", "2023-01-01", 753_450, 100_000),
    "ANG": ("XCG", "2025-03-31", 1, 1),
    "CUC": ("CUP", "2021-01-01", 1, 24),
    "IEP": ("EUR", "2002-01-01", 787_564, 1_000_000),
}


@pytest.mark.parametrize("code", SUCCESSIONS)
def test_known_successions(table: dict[str, Currency], code: str) -> None:
    row = table[code]

    assert (row.successor, str(row.valid_to), row.factor_num, row.factor_den) == SUCCESSIONS[code]


def test_a_million_old_bolivars_are_exactly_one(table: dict[str, Currency]) -> None:
    old, new = table["VES.2018"], table["VES"]
    assert old.factor_num is not None
    assert old.factor_den is not None

    changed = money.convert(
        123_456_789 * 10**6, old.factor_den, old.factor_num, old.ledger_exponent, new.ledger_exponent
    )

    assert changed == 123_456_789


@pytest.mark.parametrize(
    ("code", "instead"),
    [("BGN", "use EUR"), ("VEF", "use VES.2018"), ("VES.2018", "use VES"), ("VED", "use VES"), ("DEM", "use EUR")],
)
def test_no_new_money_is_taken_in_a_retired_currency(db: Session, code: str, instead: str) -> None:
    with pytest.raises(CurrencyRetired, match=f"{code} has not been money since .*; {instead}"):
        money.currency(db, code)


def test_a_currency_without_a_successor_is_retired_all_the_same(db: Session) -> None:
    with pytest.raises(CurrencyRetired, match=r"since 2009-04-12\.$"):
        money.currency(db, "ZWL.2009")


@pytest.mark.parametrize("code", ["eur", "Eur", "EURO", "", "XAU", "ZZZ", "VES.2021", "EUR "])
def test_what_is_not_in_the_table_is_unknown(db: Session, code: str) -> None:
    with pytest.raises(CurrencyUnknown):
        money.currency(db, code)


def test_a_currency_is_money_to_the_end_of_its_last_day(new_database: Callable[[], Urls]) -> None:
    urls = new_database()
    retire = text("UPDATE currencies SET valid_to = CAST(now() AT TIME ZONE 'UTC' AS date) + :days WHERE code = 'KES'")

    with _owner(urls) as owner:
        owner.execute(retire, {"days": 1})
        assert money.currency(Session(owner), "KES").code == "KES"
        owner.execute(retire, {"days": 0})
        with pytest.raises(CurrencyRetired):
            money.currency(Session(owner), "KES")


@pytest.mark.parametrize(
    ("code", "written", "units"),
    [
        ("UGX", "1.50", 150),
        ("UGX", "1.505", None),
        ("JPY", "0.01", 1),
        ("JPY", "0.001", None),
        ("KWD", "1.25", 12_500),
        ("KWD", "0.00001", None),
        ("IQD", "0.125", 1250),
        ("CLF", "0.000001", 1),
        ("KRW", "0.5", 50),
    ],
)
def test_decimals_are_those_of_the_books(db: Session, code: str, written: str, units: int | None) -> None:
    of = money.currency(db, code)

    if units is None:
        with pytest.raises(AmountInvalid):
            money.parse(written, of)
    else:
        assert money.parse(written, of) == units


def _pay_in(db: Session, currency: str, amount: int) -> None:
    funding.register(db, OWNER)
    funding.top_up(db, owner_ref=OWNER, currency=currency, amount=amount, bank_reference=currency, actor_ref="finance")


def test_old_and_new_money_of_one_code_are_never_in_one_sum(db: Session, books: None) -> None:
    _pay_in(db, "VES.2018", 5_000_000)
    _pay_in(db, "VES", 7)

    assert {row.currency: row.available for row in funding.of_owner(db, OWNER)} == {"VES": 7, "VES.2018": 5_000_000}
    assert {(row.currency, int(row.debits)) for row in ledger.trial_balance(db) if row.role == "bank"} == {
        ("VES", 7),
        ("VES.2018", 5_000_000),
    }
    line = Line(AccountName(FUNDS, OWNER, "VES"), AccountName(FUNDS, OWNER, "VES.2018"), 1)
    with pytest.raises(IntegrityError, match="fk_journal_lines_credit_id"), db.begin_nested():
        ledger.post(db, [Entry("mixed", "mistake", OWNER, "finance", (line,))])


# By its name, what the table cannot say.
REFUSED = {
    "code_begins_with_iso_code": "UPDATE currencies SET iso_code = 'XYZ' WHERE code = 'EUR'",
    "ix_currencies_iso_code": "UPDATE currencies SET valid_to = NULL, successor = NULL, factor_num = NULL,"
    " factor_den = NULL WHERE code = 'VES.2018'",
    "validity_in_order": "UPDATE currencies SET valid_to = valid_from - 1 WHERE code = 'VEF'",
    "successor_takes_over": "UPDATE currencies SET successor = 'EUR' WHERE code = 'USD'",
    "conversion_whole": "UPDATE currencies SET factor_num = 0 WHERE code = 'BGN'",
    "fk_currencies_successor": "UPDATE currencies SET successor = 'XYZ' WHERE code = 'BGN'",
    "ledger_exponent_range": "UPDATE currencies SET ledger_exponent = 1 WHERE code = 'EUR'",
}


def test_the_table_refuses_what_cannot_be(new_database: Callable[[], Urls]) -> None:
    with _owner(new_database()) as owner:
        for constraint, statement in REFUSED.items():
            with pytest.raises(IntegrityError, match=constraint), owner.begin_nested():
                owner.execute(text(statement))

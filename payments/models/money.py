"""Currencies, and what one is worth in another."""

from datetime import date, datetime

from sqlalchemy import BigInteger, CheckConstraint, Date, DateTime, ForeignKey, Index, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from foundation.db import Base, Created, Id, IdText, Moment, Ref
from payments.models.confirmation import confirmed_by_another


class Currency(Base):
    """A currency and its unit in the books, 10^-ledger_exponent, fixed for ever (PAYMENTS, finding 8).

    `code` is the books' key: ISO's code, or that and a year where ISO calls a later money by it, as in VES.2018. It is
    money from `valid_from` on and before `valid_to`; `factor_num` of it became `factor_den` of its successor. The rows
    are those of currencies.csv.
    """

    __tablename__ = "currencies"

    code: Mapped[str] = mapped_column(IdText, primary_key=True)
    name: Mapped[str]
    iso_exponent: Mapped[int] = mapped_column(SmallInteger)
    ledger_exponent: Mapped[int] = mapped_column(SmallInteger)
    iso_code: Mapped[str] = mapped_column(IdText)
    iso_number: Mapped[int | None] = mapped_column(SmallInteger)
    valid_from: Mapped[date | None] = mapped_column(Date)
    valid_to: Mapped[date | None] = mapped_column(Date)
    successor: Mapped[str | None] = mapped_column(IdText, ForeignKey("currencies.code"))
    factor_num: Mapped[int | None] = mapped_column(BigInteger)
    factor_den: Mapped[int | None] = mapped_column(BigInteger)

    __table_args__ = (
        CheckConstraint("ledger_exponent BETWEEN iso_exponent AND 6", name="ledger_exponent_range"),
        CheckConstraint("iso_code = split_part(code, '.', 1)", name="code_begins_with_iso_code"),
        CheckConstraint("valid_to >= valid_from", name="validity_in_order"),
        CheckConstraint(
            "successor IS NULL OR (valid_to IS NOT NULL AND successor <> code)", name="successor_takes_over"
        ),
        CheckConstraint(
            "num_nonnulls(factor_num, factor_den) IN (0, 2) AND (factor_num IS NULL OR successor IS NOT NULL)"
            " AND factor_num > 0 AND factor_den > 0",
            name="conversion_whole",
        ),
        # What a code means now is one currency.
        Index(None, "iso_code", unique=True, postgresql_where=text("valid_to IS NULL")),
    )


class FxRate(Base):
    """What one unit of `base` is worth: numerator / denominator units of `quote`. Append-only but for who confirms."""

    __tablename__ = "fx_rates"

    id: Mapped[Id]
    base: Mapped[str] = mapped_column(IdText, ForeignKey("currencies.code"))
    quote: Mapped[str] = mapped_column(IdText, ForeignKey("currencies.code"))
    numerator: Mapped[int] = mapped_column(BigInteger)
    denominator: Mapped[int] = mapped_column(BigInteger)
    source: Mapped[str]
    fetched_at: Mapped[Moment]
    valid_until: Mapped[Moment]
    entered_by: Mapped[Ref]
    # Known when it is entered; until then it does not count.
    needs_confirmation: Mapped[bool]
    confirmed_by: Mapped[str | None] = mapped_column(IdText)
    confirmed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[Created]

    __table_args__ = (
        Index(None, "base", "quote", "fetched_at"),
        CheckConstraint("numerator > 0 AND denominator > 0", name="above_zero"),
        CheckConstraint("base <> quote", name="two_currencies"),
        CheckConstraint("valid_until > fetched_at", name="ends_later"),
        CheckConstraint("needs_confirmation OR confirmed_by IS NULL", name="confirmed_if_needed"),
        *confirmed_by_another(),
    )

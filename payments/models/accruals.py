"""Tax that was taken of pay when it was earned, earning by earning, and by month what it is counted by."""

from datetime import date

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Date,
    ForeignKey,
    Index,
    SmallInteger,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from foundation.db import Base, Created, Id, IdText
from payments.models.earnings import Earning


class AccruedTax(Base):
    """What a rule took of an earning when it became due, which may be nothing; in the currency it was earned in.

    revision : of the earning that it was taken of. month : of the payee's calendar, its first day. base : the pay of
    the period that is taxed by it and was not before. counts : until it is taken back.
    """

    __tablename__ = "accrued_taxes"

    id: Mapped[Id]
    earning_id: Mapped[str] = mapped_column(IdText, ForeignKey("earnings.id"))
    revision: Mapped[int] = mapped_column(SmallInteger)
    payee_id: Mapped[str] = mapped_column(IdText, ForeignKey("payees.id"))
    rule_id: Mapped[str] = mapped_column(IdText, ForeignKey("tax_rules.id"))
    authority: Mapped[str] = mapped_column(IdText)
    month: Mapped[date] = mapped_column(Date)
    base: Mapped[int] = mapped_column(BigInteger)
    amount: Mapped[int] = mapped_column(BigInteger)
    counts: Mapped[bool] = mapped_column(server_default=text("true"))
    entry_id: Mapped[str | None] = mapped_column(IdText, ForeignKey("journal_entries.id"))
    created_at: Mapped[Created]

    earning: Mapped[Earning] = relationship(lazy="joined", innerjoin=True, viewonly=True)

    @property
    def currency(self) -> str:
        return self.earning.currency

    @property
    def exponent(self) -> int:
        return self.earning.exponent

    __table_args__ = (
        UniqueConstraint("earning_id", "revision", "rule_id"),
        Index("ix_accrued_taxes_payee", "payee_id", "id", postgresql_where=text("amount > 0")),
        Index("ix_accrued_taxes_authority", "authority", "id", postgresql_where=text("amount > 0")),
        CheckConstraint("base >= 0 AND amount >= 0", name="not_negative"),
        CheckConstraint("(amount > 0) = (entry_id IS NOT NULL)", name="taken_is_posted"),
    )


class AccruedMonth(Base):
    """What a rule has counted of a payee's pay of a month in a currency: the sum of what counts of its taxes.

    gross : all pay it has looked at; base : what of it is taxed; taken : the tax.
    """

    __tablename__ = "accrued_months"

    payee_id: Mapped[str] = mapped_column(IdText, ForeignKey("payees.id"), primary_key=True)
    rule_id: Mapped[str] = mapped_column(IdText, ForeignKey("tax_rules.id"), primary_key=True)
    currency: Mapped[str] = mapped_column(IdText, ForeignKey("currencies.code"), primary_key=True)
    month: Mapped[date] = mapped_column(Date, primary_key=True)
    gross: Mapped[int] = mapped_column(BigInteger)
    base: Mapped[int] = mapped_column(BigInteger)
    taken: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (CheckConstraint("gross >= 0 AND base >= 0 AND taken >= 0", name="not_negative"),)

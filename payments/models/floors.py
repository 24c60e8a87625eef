"""How long answers took, and the least that work must pay."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Date,
    DateTime,
    ForeignKey,
    Index,
    SmallInteger,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from foundation.db import Base, Created, Id, IdText, Moment, Ref, one_of
from payments.models.confirmation import confirmed_by_another
from payments.models.money import Currency


class ActiveTime(Base):
    """How long one answer took, by whom, at what and where. As it was measured; caps are for readers. Append-only.

    milliseconds : from the claim, or from the same person's answer before it if that came later, to the submission.
    """

    __tablename__ = "active_time"

    answer_ref: Mapped[Id]
    payee_id: Mapped[str] = mapped_column(IdText, ForeignKey("payees.id"))
    # The batch.
    cause_ref: Mapped[Ref]
    skill: Mapped[str] = mapped_column(IdText)
    tier: Mapped[int] = mapped_column(SmallInteger)
    # A country as in ISO 3166.
    region: Mapped[str] = mapped_column(IdText)
    milliseconds: Mapped[int] = mapped_column(BigInteger)
    worked_on: Mapped[Moment]

    __table_args__ = (
        CheckConstraint("milliseconds >= 0", name="not_negative"),
        Index(None, "cause_ref", "milliseconds"),
        Index(None, "worked_on"),
    )


class FloorRule(Base):
    """The least that an hour of work in a region must pay, from a day on. Append-only but for who confirms.

    It counts when another person has confirmed it, for pay in its own currency alone.
    """

    __tablename__ = "floor_rules"

    id: Mapped[Id]
    region: Mapped[str] = mapped_column(IdText)
    currency: Mapped[str] = mapped_column(IdText, ForeignKey("currencies.code"))
    # Ledger units an hour.
    hourly: Mapped[int] = mapped_column(BigInteger)
    valid_from: Mapped[date] = mapped_column(Date)
    # The last day, or none.
    valid_to: Mapped[date | None] = mapped_column(Date)
    citation: Mapped[str]
    entered_by: Mapped[Ref]
    confirmed_by: Mapped[str | None] = mapped_column(IdText)
    confirmed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[Created]

    books: Mapped[Currency] = relationship(lazy="joined", innerjoin=True, viewonly=True)

    @property
    def exponent(self) -> int:
        return self.books.ledger_exponent

    __table_args__ = (
        Index(None, "region", "currency", "valid_from"),
        CheckConstraint("hourly > 0", name="hourly_positive"),
        CheckConstraint("valid_to >= valid_from", name="ends_later"),
        *confirmed_by_another(),
    )


class FloorWeekState(StrEnum):
    COUNTING = "counting"
    CLOSED = "closed"


class FloorWeek(Base):
    """A week, by ISO 8601 and UTC, whose pay is held against the floor; and how far that has come.

    counted_through : the payee up to whom its steps have come. n_left_out : payees with work that no rule is for.
    """

    __tablename__ = "floor_weeks"

    week: Mapped[Id]
    state: Mapped[str] = mapped_column(server_default=text("'counting'"))
    begun_by: Mapped[Ref]
    counted_through: Mapped[str] = mapped_column(IdText, server_default=text("''"))
    n_payees: Mapped[int] = mapped_column(server_default=text("0"))
    n_topped_up: Mapped[int] = mapped_column(server_default=text("0"))
    n_left_out: Mapped[int] = mapped_column(server_default=text("0"))
    created_at: Mapped[Created]
    closed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        one_of("state", FloorWeekState),
        CheckConstraint("week ~ '^20[0-9]{2}-W[0-5][0-9]$'", name="week_shape"),
        CheckConstraint("(state = 'closed') = (closed_at IS NOT NULL)", name="closed_when"),
        Index("ix_floor_weeks_counting", "week", postgresql_where=text("state = 'counting'")),
    )


class WeeklyPay(Base):
    """What somebody earned in a week in one currency, what the floor was, and what was added to reach it. Append-only.

    Amounts are in ledger units: pay and what payouts of the week took of it, the floor over the capped time, and the
    difference, if there is one. milliseconds : capped; left_out_ms : those among them that no confirmed rule is for.
    """

    __tablename__ = "weekly_pay"

    week: Mapped[str] = mapped_column(IdText, ForeignKey("floor_weeks.week"), primary_key=True)
    payee_id: Mapped[str] = mapped_column(IdText, ForeignKey("payees.id"), primary_key=True)
    currency: Mapped[str] = mapped_column(IdText, ForeignKey("currencies.code"), primary_key=True)
    milliseconds: Mapped[int] = mapped_column(BigInteger)
    left_out_ms: Mapped[int] = mapped_column(BigInteger)
    pay: Mapped[int] = mapped_column(BigInteger)
    fees: Mapped[int] = mapped_column(BigInteger)
    floor: Mapped[int] = mapped_column(BigInteger)
    top_up: Mapped[int] = mapped_column(BigInteger)
    entry_id: Mapped[str | None] = mapped_column(IdText, ForeignKey("journal_entries.id"))

    __table_args__ = (
        CheckConstraint("left_out_ms BETWEEN 0 AND milliseconds AND pay >= 0 AND fees >= 0", name="not_negative"),
        CheckConstraint(
            "top_up = CASE WHEN floor > 0 THEN greatest(floor - pay + fees, 0) ELSE 0 END", name="floor_kept"
        ),
        CheckConstraint("(top_up > 0) = (entry_id IS NOT NULL)", name="topped_up_in_the_books"),
        Index("ix_weekly_pay_topped_up", "week", "currency", postgresql_where=text("top_up > 0")),
    )


class BatchFloorState(StrEnum):
    """A batch that is at rest waits for a while; then its payees are counted, and paid."""

    WAITING = "waiting"
    COUNTING = "counting"
    PAYING = "paying"
    CLOSED = "closed"


class BatchFloor(Base):
    """A finished batch held against the floor, once each time it is finished; and how far that has come.

    hourly : the floor of each region whose median is below it. lacking : what its payees are under the floor; funded :
    what of that there was money for; paid : what they got. Ledger units. through : the payee up to whom its steps have
    come.
    """

    __tablename__ = "batch_floors"

    id: Mapped[Id]
    cause_ref: Mapped[str] = mapped_column(IdText, ForeignKey("reserves.cause_ref"))
    round: Mapped[int]
    currency: Mapped[str] = mapped_column(IdText, ForeignKey("currencies.code"))
    state: Mapped[str] = mapped_column(server_default=text("'waiting'"))
    finished_at: Mapped[Moment]
    hourly: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    through: Mapped[str] = mapped_column(IdText, server_default=text("''"))
    lacking: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    funded: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    paid: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    n_payees: Mapped[int] = mapped_column(server_default=text("0"))
    created_at: Mapped[Created]
    closed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    books: Mapped[Currency] = relationship(lazy="joined", innerjoin=True, viewonly=True)

    @property
    def exponent(self) -> int:
        return self.books.ledger_exponent

    @property
    def owed(self) -> int:
        """What payees lack and nobody had money for: the weekly floor makes up for it."""
        return self.lacking - self.paid if self.closed_at is not None else 0

    __table_args__ = (
        UniqueConstraint("cause_ref", "round"),
        Index("ix_batch_floors_open", "cause_ref", unique=True, postgresql_where=text("state <> 'closed'")),
        one_of("state", BatchFloorState),
        CheckConstraint("round > 0 AND 0 <= paid AND paid <= funded AND funded <= lacking", name="amounts"),
        CheckConstraint("(state = 'closed') = (closed_at IS NOT NULL)", name="closed_when"),
    )


class BatchFloorPay(Base):
    """What somebody was under the floor in a finished batch, by the week in which their answers became due.

    milliseconds : capped. lacking : of the floor over all their weeks, this week's share; top_up : what they got of it.
    """

    __tablename__ = "batch_floor_pay"

    floor_id: Mapped[str] = mapped_column(IdText, ForeignKey("batch_floors.id"), primary_key=True)
    payee_id: Mapped[str] = mapped_column(IdText, ForeignKey("payees.id"), primary_key=True)
    region: Mapped[str] = mapped_column(IdText, primary_key=True)
    week: Mapped[str] = mapped_column(IdText, primary_key=True)
    milliseconds: Mapped[int] = mapped_column(BigInteger)
    pay: Mapped[int] = mapped_column(BigInteger)
    lacking: Mapped[int] = mapped_column(BigInteger)
    top_up: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    entry_id: Mapped[str | None] = mapped_column(IdText, ForeignKey("journal_entries.id"))

    __table_args__ = (
        Index(None, "payee_id", "week"),
        CheckConstraint("milliseconds >= 0 AND pay >= 0 AND top_up BETWEEN 0 AND lacking", name="amounts"),
        CheckConstraint("(top_up > 0) = (entry_id IS NOT NULL)", name="topped_up_in_the_books"),
    )

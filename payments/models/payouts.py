"""Where payees are paid to, and the runs and payouts that pay them."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    UniqueConstraint,
    false,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, column_property, mapped_column, relationship

from foundation.db import Base, Created, Id, IdText, Json, Moment, Ref, one_of
from payments.models.money import Currency


class MethodStatus(StrEnum):
    ACTIVE = "active"
    RETIRED = "retired"


class RunState(StrEnum):
    """Where a payout run stands. What ends in -ing is done step by step, and goes on after a crash."""

    PREPARING = "preparing"
    DRAFT = "draft"
    APPROVED = "approved"
    RELEASING = "releasing"
    EXPORTED = "exported"
    CLOSED = "closed"
    RECHECKING = "rechecking"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"


class PayoutState(StrEnum):
    """Where one payment stands. What its bank has not told of stays exported, however long that takes."""

    PREPARED = "prepared"
    EXPORTED = "exported"
    SETTLED = "settled"
    FAILED = "failed"
    RETURNED = "returned"
    DROPPED = "dropped"


class PayoutMethod(Base):
    """Where a payee wants their money. The destination is sealed; a fingerprint tells equal ones apart from others."""

    __tablename__ = "payout_methods"

    id: Mapped[Id]
    payee_id: Mapped[str] = mapped_column(IdText, ForeignKey("payees.id"))
    rail: Mapped[str]
    kind: Mapped[str]
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    # Of the account alone: equal where money arrives in one place.
    account_fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    # As it is shown: the last characters alone.
    masked: Mapped[str]
    status: Mapped[str] = mapped_column(server_default=MethodStatus.ACTIVE)
    # Whoever set it: the payee, or somebody of the staff for them.
    set_by: Mapped[Ref]
    created_at: Mapped[Created]
    # Nothing is paid to it before.
    cooling_until: Mapped[Moment]
    retired_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        Index("ix_payout_methods_active", "payee_id", unique=True, postgresql_where=text("status = 'active'")),
        Index("ix_payout_methods_account", "account_fingerprint", postgresql_where=text("status = 'active'")),
        one_of("status", MethodStatus),
        CheckConstraint("(status = 'retired') = (retired_at IS NOT NULL)", name="retired_when"),
    )


class PayingAccount(Base):
    """The house's own account that a rail pays from, as its files name it; in force once another has confirmed it."""

    __tablename__ = "paying_accounts"

    id: Mapped[Id]
    rail: Mapped[str]
    # By what the rail's format calls them: name, iban, bic; name, routing, company_id; account.
    details: Mapped[Json]
    entered_by: Mapped[Ref]
    created_at: Mapped[Created]
    confirmed_by: Mapped[str | None] = mapped_column(IdText)
    confirmed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        Index(None, "rail", "id"),
        CheckConstraint("confirmed_by <> entered_by", name="four_eyes"),
        CheckConstraint("num_nulls(confirmed_by, confirmed_at) IN (0, 2)", name="confirmed_by_somebody"),
    )


class PayoutRun(Base):
    """One payment of many payees over one rail: prepared by one person, approved by another, then sent.

    prepared_through : the payee up to whom its steps have come. content_hash : what an approval is for. total : of the
    payouts that are not dropped, in ledger units.
    """

    __tablename__ = "payout_runs"

    id: Mapped[Id]
    rail: Mapped[str]
    currency: Mapped[str] = mapped_column(IdText, ForeignKey("currencies.code"))
    state: Mapped[str]
    cut_off: Mapped[Moment]
    # Where its file says that the money comes from, if the rail's files say that.
    paying_account_id: Mapped[str | None] = mapped_column(IdText, ForeignKey("paying_accounts.id"))
    prepared_by: Mapped[Ref]
    prepared_through: Mapped[str] = mapped_column(IdText, server_default=text("''"))
    n_payees: Mapped[int] = mapped_column(server_default=text("0"))
    n_payouts: Mapped[int] = mapped_column(server_default=text("0"))
    total: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    content_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    approved_by: Mapped[str | None] = mapped_column(IdText)
    approved_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    released_by: Mapped[str | None] = mapped_column(IdText)
    exported_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    closed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[Created]

    books: Mapped[Currency] = relationship(lazy="joined", innerjoin=True, viewonly=True)

    @property
    def exponent(self) -> int:
        return self.books.ledger_exponent

    @property
    def hash_text(self) -> str | None:
        """The hash as people compare it."""
        return None if self.content_hash is None else self.content_hash.hex()

    __table_args__ = (
        one_of("state", RunState),
        CheckConstraint("approved_by <> prepared_by", name="four_eyes"),
        CheckConstraint("num_nulls(approved_by, approved_at) IN (0, 2)", name="approved_by_somebody"),
        CheckConstraint(
            "(state IN ('approved', 'releasing', 'exported', 'closed')) <= (approved_by IS NOT NULL)",
            name="approved_before_it_leaves",
        ),
        CheckConstraint("state NOT IN ('draft', 'approved') OR content_hash IS NOT NULL", name="hashed"),
        Index(
            "ix_payout_runs_moving",
            "id",
            postgresql_where=text("state IN ('preparing', 'rechecking', 'releasing', 'cancelling')"),
        ),
    )


class RunRate(Base):
    """At which rate a run pays what was earned in another currency than it pays in. Append-only."""

    __tablename__ = "run_rates"

    run_id: Mapped[str] = mapped_column(IdText, ForeignKey("payout_runs.id"), primary_key=True)
    currency: Mapped[str] = mapped_column(IdText, ForeignKey("currencies.code"), primary_key=True)
    rate_id: Mapped[str] = mapped_column(IdText, ForeignKey("fx_rates.id"))


class Payout(Base):
    """One payment to one payee: what it is made of, where it goes, and what its bank has said.

    gross : the sum of its items, in the currency they were earned in; net : what leaves, in the currency that is paid.
    What authorities take of it, withheld, and the fee are in that currency too. part : a payee's payouts of one run,
    from 0.
    """

    __tablename__ = "payouts"

    id: Mapped[Id]
    run_id: Mapped[str] = mapped_column(IdText, ForeignKey("payout_runs.id"))
    payee_id: Mapped[str] = mapped_column(IdText, ForeignKey("payees.id"))
    method_id: Mapped[str] = mapped_column(IdText, ForeignKey("payout_methods.id"))
    # Of its payee, as it was when it was prepared: files say it whenever they are written. None before 0060.
    name: Mapped[str | None]
    # Of the destination, so that an approval is for where the money goes too.
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    part: Mapped[int] = mapped_column(SmallInteger)
    currency: Mapped[str] = mapped_column(IdText, ForeignKey("currencies.code"))
    earned_currency: Mapped[str] = mapped_column(IdText, ForeignKey("currencies.code"))
    fx_rate_id: Mapped[str | None] = mapped_column(IdText, ForeignKey("fx_rates.id"))
    gross: Mapped[int] = mapped_column(BigInteger)
    fee: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    withheld: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    net: Mapped[int] = mapped_column(BigInteger)
    end_to_end_id: Mapped[str] = mapped_column(IdText, unique=True)
    state: Mapped[str] = mapped_column(server_default=PayoutState.PREPARED)
    # Why it was dropped, failed or was returned, as far as anybody said.
    reason: Mapped[str | None]
    created_at: Mapped[Created]
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    books: Mapped[Currency] = relationship(lazy="joined", innerjoin=True, viewonly=True, foreign_keys=[currency])
    earned_books: Mapped[Currency] = relationship(
        lazy="joined", innerjoin=True, viewonly=True, foreign_keys=[earned_currency]
    )

    @property
    def exponent(self) -> int:
        return self.books.ledger_exponent

    @property
    def earned_exponent(self) -> int:
        return self.earned_books.ledger_exponent

    __table_args__ = (
        UniqueConstraint("run_id", "payee_id", "part"),
        Index(None, "payee_id", "id"),
        Index(None, "payee_id", "created_at"),
        Index(None, "run_id", "id"),
        # By which banks' returns name it.
        Index("ix_payouts_trace", text("upper(right(end_to_end_id, 15))")),
        Index("ix_payouts_in_transit", "run_id", postgresql_where=text("state = 'exported'")),
        one_of("state", PayoutState),
        CheckConstraint("net > 0 AND gross > 0 AND fee >= 0 AND withheld >= 0", name="above_zero"),
        CheckConstraint("fx_rate_id IS NOT NULL OR net = gross - fee - withheld", name="adds_up"),
        CheckConstraint("(fx_rate_id IS NULL) = (currency = earned_currency)", name="converted_at_a_rate"),
    )


class PayoutItem(Base):
    """What of one earning a payout pays. open : it is in a payout that has not left yet, so no other takes it.

    counts : it has left and has not come back.
    """

    __tablename__ = "payout_items"

    payout_id: Mapped[str] = mapped_column(IdText, ForeignKey("payouts.id"), primary_key=True)
    earning_id: Mapped[str] = mapped_column(IdText, ForeignKey("earnings.id"), primary_key=True)
    part: Mapped[int] = mapped_column(SmallInteger)
    amount: Mapped[int] = mapped_column(BigInteger)
    open: Mapped[bool] = mapped_column(server_default=true())
    counts: Mapped[bool] = mapped_column(server_default=false())

    __table_args__ = (
        Index("ix_payout_items_open", "earning_id", "part", unique=True, postgresql_where=text("open")),
        Index(None, "earning_id"),
        CheckConstraint("amount > 0", name="amount_positive"),
        CheckConstraint("NOT (open AND counts)", name="open_or_gone"),
    )


class Withholding(Base):
    """What an authority takes of a payout by a rule, and of how much; in the currency that is paid. Append-only."""

    __tablename__ = "withholdings"

    payout_id: Mapped[str] = mapped_column(IdText, ForeignKey("payouts.id"), primary_key=True)
    rule_id: Mapped[str] = mapped_column(IdText, ForeignKey("tax_rules.id"), primary_key=True)
    authority: Mapped[str] = mapped_column(IdText)
    base: Mapped[int] = mapped_column(BigInteger)
    amount: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[Created]

    payout: Mapped[Payout] = relationship(lazy="joined", innerjoin=True, viewonly=True)
    # What pages go by.
    place: Mapped[str] = column_property(payout_id + "/" + rule_id)

    @property
    def payee_id(self) -> str:
        return self.payout.payee_id

    @property
    def currency(self) -> str:
        return self.payout.currency

    @property
    def exponent(self) -> int:
        return self.payout.exponent

    @property
    def state(self) -> str:
        """Of its payout: what was not paid, or came back, was not taxed."""
        return self.payout.state

    __table_args__ = (
        Index(None, "authority", "payout_id"),
        CheckConstraint("amount > 0 AND amount <= base", name="amount_of_base"),
    )


class Netting(Base):
    """What of one earning goes to what its payee owes, beside a payout. open, counts : as of a payout's items.

    Unlike these it stays when the payout comes back: the debt is paid, whatever a bank says of the account.
    """

    __tablename__ = "nettings"

    payout_id: Mapped[str] = mapped_column(IdText, ForeignKey("payouts.id"), primary_key=True)
    clawback_id: Mapped[str] = mapped_column(IdText, ForeignKey("clawbacks.id"), primary_key=True)
    earning_id: Mapped[str] = mapped_column(IdText, ForeignKey("earnings.id"), primary_key=True)
    amount: Mapped[int] = mapped_column(BigInteger)
    open: Mapped[bool] = mapped_column(server_default=true())
    counts: Mapped[bool] = mapped_column(server_default=false())

    __table_args__ = (
        Index(None, "earning_id"),
        Index(None, "clawback_id"),
        CheckConstraint("amount > 0", name="amount_positive"),
        CheckConstraint("NOT (open AND counts)", name="open_or_gone"),
    )


class LeftOut(Base):
    """Somebody whom a run does not pay although something is owed to them, and why."""

    __tablename__ = "left_out"

    run_id: Mapped[str] = mapped_column(IdText, ForeignKey("payout_runs.id"), primary_key=True)
    payee_id: Mapped[str] = mapped_column(IdText, ForeignKey("payees.id"), primary_key=True)
    reason: Mapped[str] = mapped_column(IdText, primary_key=True)
    # In which it was earned.
    currency: Mapped[str] = mapped_column(IdText, ForeignKey("currencies.code"), primary_key=True)
    amount: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[Created]

    books: Mapped[Currency] = relationship(lazy="joined", innerjoin=True, viewonly=True)
    # What pages go by: part of what somebody is owed may be held, and the rest too little.
    place: Mapped[str] = column_property(payee_id + "/" + reason + "/" + currency)

    @property
    def exponent(self) -> int:
        return self.books.ledger_exponent


class PayoutFile(Base):
    """That somebody made a run's file: which, when, and its manifest. Append-only.

    sums : control totals, decimal strings by currency. as_of : when its run left. n_parts, sums and as_of are not known
    of files from before 0061.
    """

    __tablename__ = "payout_files"

    id: Mapped[Id]
    run_id: Mapped[str] = mapped_column(IdText, ForeignKey("payout_runs.id"))
    format: Mapped[str]
    part: Mapped[int]
    n_parts: Mapped[int | None]
    rows: Mapped[int]
    sums: Mapped[dict[str, str] | None] = mapped_column(JSONB(none_as_null=True))
    as_of: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    made_by: Mapped[Ref]
    created_at: Mapped[Created]

    @property
    def hash_text(self) -> str:
        """The hash as people compare it."""
        return self.sha256.hex()

    __table_args__ = (Index(None, "run_id", "id"),)

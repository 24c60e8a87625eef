"""The package's tables. Owners, payees' people and causes are opaque references of other packages."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Date,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    Numeric,
    SmallInteger,
    UniqueConstraint,
    false,
    func,
    text,
    true,
)
from sqlalchemy.orm import Mapped, column_property, mapped_column, relationship

from foundation.db import Base, Created, Id, IdText, Json, Moment, Ref, one_of


class AccountKind(StrEnum):
    ASSET = "asset"
    LIABILITY = "liability"
    INCOME = "income"
    EXPENSE = "expense"


class EarningStatus(StrEnum):
    PENDING = "pending"
    DUE = "due"
    PAID = "paid"
    REVERSED = "reversed"


class EarningKind(StrEnum):
    """What somebody is paid for: an answer, a requester's bonus, the house's own fault, or a week below the floor."""

    ANSWER = "answer"
    BONUS = "bonus"
    GOODWILL = "goodwill"
    FLOOR = "floor"


class MethodStatus(StrEnum):
    ACTIVE = "active"
    RETIRED = "retired"


class RunState(StrEnum):
    """Where a payout run stands. Preparing and releasing are done step by step, and go on after a crash."""

    PREPARING = "preparing"
    DRAFT = "draft"
    APPROVED = "approved"
    RELEASING = "releasing"
    EXPORTED = "exported"
    CLOSED = "closed"
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


class TaxKind(StrEnum):
    WITHHOLDING = "withholding"
    VAT = "vat"


class TaxBasis(StrEnum):
    """Whether tax is due when pay is earned or when it is paid."""

    ACCRUAL = "accrual"
    PAYMENT = "payment"


class TaxPeriod(StrEnum):
    """Over how long pay adds up against a threshold."""

    NONE = "none"
    MONTH = "month"
    YEAR = "year"


class Rounding(StrEnum):
    DOWN = "down"
    HALF_EVEN = "half_even"
    UP = "up"


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


class Account(Base):
    """A named bucket: `reserve:bat_1` in EUR. `bounded` accounts keep a live balance that may not go below zero."""

    __tablename__ = "accounts"

    id: Mapped[Id]
    role: Mapped[str]
    owner_ref: Mapped[Ref]
    currency: Mapped[str] = mapped_column(IdText, ForeignKey("currencies.code"))
    kind: Mapped[str]
    bounded: Mapped[bool]
    created_at: Mapped[Created]

    __table_args__ = (
        UniqueConstraint("role", "owner_ref", "currency"),
        UniqueConstraint("id", "currency"),
        one_of("kind", AccountKind),
        # Those whose balance is a snapshot and what came since.
        Index("ix_accounts_unbounded", "id", postgresql_where=text("NOT bounded")),
    )


class JournalEntry(Base):
    """One fact in the books, with a key that stays for ever. Append-only."""

    __tablename__ = "journal_entries"

    id: Mapped[Id]
    idempotency_key: Mapped[str] = mapped_column(IdText, unique=True)
    request_hash: Mapped[bytes] = mapped_column(LargeBinary)
    kind: Mapped[str]
    lines: Mapped[int] = mapped_column(SmallInteger)
    cause_ref: Mapped[Ref]
    actor_ref: Mapped[Ref]
    # The entry that this one takes back, line by line.
    reverses_id: Mapped[str | None] = mapped_column(IdText, ForeignKey("journal_entries.id"))
    # The day it counts for in the books; a closed month takes no more.
    effective_on: Mapped[date] = mapped_column(Date, server_default=func.current_date())
    # When it really happened, where that is known and another moment.
    event_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[Created]

    __table_args__ = (
        CheckConstraint("lines >= 1", name="has_lines"),
        CheckConstraint("reverses_id <> id", name="reverses_another"),
        Index(
            "ix_journal_entries_reverses",
            "reverses_id",
            unique=True,
            postgresql_where=text("reverses_id IS NOT NULL"),
        ),
    )


class JournalLine(Base):
    """One movement from the credit account to the debit account. It cannot be unbalanced or mix currencies."""

    __tablename__ = "journal_lines"

    entry_id: Mapped[str] = mapped_column(IdText, ForeignKey("journal_entries.id"), primary_key=True)
    line: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    debit_id: Mapped[Ref]
    credit_id: Mapped[Ref]
    currency: Mapped[str] = mapped_column(IdText)
    amount: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (
        ForeignKeyConstraint(["debit_id", "currency"], ["accounts.id", "accounts.currency"]),
        ForeignKeyConstraint(["credit_id", "currency"], ["accounts.id", "accounts.currency"]),
        CheckConstraint("amount > 0", name="amount_positive"),
        CheckConstraint("debit_id <> credit_id", name="two_accounts"),
        Index(None, "debit_id", "entry_id"),
        Index(None, "credit_id", "entry_id"),
    )


class Balance(Base):
    """The live totals of a bounded account. All bounded accounts are liabilities: credits may not be outrun."""

    __tablename__ = "balances"

    account_id: Mapped[str] = mapped_column(IdText, ForeignKey("accounts.id"), primary_key=True)
    debits: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    credits: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))

    __table_args__ = (CheckConstraint("credits >= debits AND debits >= 0", name="not_negative"),)


class Rate(Base):
    """The price of one answer for an owner's work, by tier and region, from a date on. Append-only."""

    __tablename__ = "rates"

    id: Mapped[Id]
    owner_ref: Mapped[Ref]
    tier: Mapped[int] = mapped_column(SmallInteger)
    # A country as in ISO 3166, or empty for everywhere else.
    region: Mapped[str] = mapped_column(IdText)
    currency: Mapped[str] = mapped_column(IdText, ForeignKey("currencies.code"))
    amount: Mapped[int] = mapped_column(BigInteger)
    valid_from: Mapped[Moment] = mapped_column(server_default=func.now())
    created_at: Mapped[Created]

    __table_args__ = (
        UniqueConstraint("owner_ref", "tier", "region", "valid_from"),
        CheckConstraint("amount > 0", name="amount_positive"),
    )


class Owner(Base):
    """Whoever may put money in, as another package knows them."""

    __tablename__ = "owners"

    owner_ref: Mapped[Id]
    created_at: Mapped[Created]


class Reserve(Base):
    """Requester money set aside for one cause (a batch): reserved = spent + released + what its account holds."""

    __tablename__ = "reserves"

    cause_ref: Mapped[Id]
    owner_ref: Mapped[Ref]
    currency: Mapped[str] = mapped_column(IdText, ForeignKey("currencies.code"))
    reserved: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    spent: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    released: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    created_at: Mapped[Created]

    __table_args__ = (
        Index(None, "owner_ref"),
        CheckConstraint("spent >= 0 AND released >= 0 AND reserved >= spent + released", name="not_overspent"),
    )


class Payee(Base):
    """Whoever money is owed to; `owner_ref` is the person as another package knows them."""

    __tablename__ = "payees"

    id: Mapped[Id]
    owner_ref: Mapped[str] = mapped_column(IdText, unique=True)
    name: Mapped[str]
    country: Mapped[str] = mapped_column(IdText)
    created_at: Mapped[Created]


class Earning(Base):
    """What one answer is worth to its payee: pending until the answer is accepted, then due, then paid.

    paid : how much of it has left in payouts; the rest of a due one is still owed. revision : how often its amount was
    repaired, from 1.
    """

    __tablename__ = "earnings"

    id: Mapped[Id]
    payee_id: Mapped[str] = mapped_column(IdText, ForeignKey("payees.id"))
    answer_ref: Mapped[str] = mapped_column(IdText, unique=True)
    # The reserve it is paid out of; a bonus and goodwill have none.
    cause_ref: Mapped[str | None] = mapped_column(IdText, ForeignKey("reserves.cause_ref"))
    kind: Mapped[str] = mapped_column(server_default=text("'answer'"))
    currency: Mapped[str] = mapped_column(IdText, ForeignKey("currencies.code"))
    amount: Mapped[int] = mapped_column(BigInteger)
    paid: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    revision: Mapped[int] = mapped_column(SmallInteger, server_default=text("1"))
    status: Mapped[str]
    entry_id: Mapped[str | None] = mapped_column(IdText, ForeignKey("journal_entries.id"))
    created_at: Mapped[Created]
    due_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    books: Mapped[Currency] = relationship(lazy="joined", innerjoin=True, viewonly=True)

    @property
    def exponent(self) -> int:
        return self.books.ledger_exponent

    __table_args__ = (
        Index(None, "payee_id", "id"),
        Index(None, "payee_id", "due_at"),
        Index(None, "cause_ref"),
        CheckConstraint("amount > 0", name="amount_positive"),
        CheckConstraint("status = 'pending' OR entry_id IS NOT NULL", name="due_is_posted"),
        CheckConstraint("paid BETWEEN 0 AND amount", name="paid_range"),
        CheckConstraint("(status = 'paid') = (paid = amount)", name="paid_is_whole"),
        CheckConstraint("kind <> 'answer' OR cause_ref IS NOT NULL", name="answer_has_reserve"),
        Index("ix_earnings_due", "payee_id", "currency", "id", postgresql_where=text("status = 'due'")),
        one_of("status", EarningStatus),
        one_of("kind", EarningKind),
    )


class AdjustmentKind(StrEnum):
    """What was put right: an earning taken back or worth something else, or one that is for no answer."""

    REVERSAL = "reversal"
    REPAIR = "repair"
    BONUS = "bonus"
    GOODWILL = "goodwill"


class Adjustment(Base):
    """That an earning is worth something else than it was, since when, who says so and why. Append-only."""

    __tablename__ = "adjustments"

    id: Mapped[Id]
    earning_id: Mapped[str] = mapped_column(IdText, ForeignKey("earnings.id"))
    kind: Mapped[str]
    amount_before: Mapped[int] = mapped_column(BigInteger)
    amount_after: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str]
    made_by: Mapped[Ref]
    created_at: Mapped[Created]

    earning: Mapped[Earning] = relationship(lazy="joined", innerjoin=True, viewonly=True)

    @property
    def currency(self) -> str:
        return self.earning.currency

    @property
    def exponent(self) -> int:
        return self.earning.exponent

    __table_args__ = (
        Index(None, "earning_id", "id"),
        one_of("kind", AdjustmentKind),
        CheckConstraint("amount_before >= 0 AND amount_after >= 0 AND amount_before <> amount_after", name="amounts"),
    )


class Hold(Base):
    """That an earning, or all that a payee is owed, is not paid out for now. Ends by its date or by somebody.

    A legal one has no date, and only another person than the one who made it ends it.
    """

    __tablename__ = "holds"

    id: Mapped[Id]
    payee_id: Mapped[str] = mapped_column(IdText, ForeignKey("payees.id"))
    earning_id: Mapped[str | None] = mapped_column(IdText, ForeignKey("earnings.id"))
    reason: Mapped[str]
    is_legal: Mapped[bool] = mapped_column(server_default=false())
    until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    made_by: Mapped[Ref]
    created_at: Mapped[Created]
    ended_by: Mapped[str | None] = mapped_column(IdText)
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    end_reason: Mapped[str | None]

    __table_args__ = (
        Index("ix_holds_active", "payee_id", postgresql_where=text("ended_at IS NULL")),
        CheckConstraint("is_legal = (until IS NULL)", name="only_legal_without_end"),
        CheckConstraint("num_nulls(ended_by, ended_at, end_reason) IN (0, 3)", name="ended_by_somebody"),
        CheckConstraint("NOT is_legal OR ended_by IS DISTINCT FROM made_by", name="legal_by_two"),
    )


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
            postgresql_where=text("state IN ('preparing', 'releasing', 'cancelling')"),
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

    gross : the sum of its items, in the currency they were earned in; net : what leaves, in the currency that is paid;
    the same, less the fee, where nothing is converted. part : a payee's payouts of one run, from 0.
    """

    __tablename__ = "payouts"

    id: Mapped[Id]
    run_id: Mapped[str] = mapped_column(IdText, ForeignKey("payout_runs.id"))
    payee_id: Mapped[str] = mapped_column(IdText, ForeignKey("payees.id"))
    method_id: Mapped[str] = mapped_column(IdText, ForeignKey("payout_methods.id"))
    # Of the destination, so that an approval is for where the money goes too.
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    part: Mapped[int] = mapped_column(SmallInteger)
    currency: Mapped[str] = mapped_column(IdText, ForeignKey("currencies.code"))
    earned_currency: Mapped[str] = mapped_column(IdText, ForeignKey("currencies.code"))
    fx_rate_id: Mapped[str | None] = mapped_column(IdText, ForeignKey("fx_rates.id"))
    gross: Mapped[int] = mapped_column(BigInteger)
    fee: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
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
        Index(None, "run_id", "id"),
        Index("ix_payouts_in_transit", "run_id", postgresql_where=text("state = 'exported'")),
        one_of("state", PayoutState),
        CheckConstraint("net > 0 AND gross > 0 AND fee >= 0", name="above_zero"),
        CheckConstraint("fx_rate_id IS NOT NULL OR net = gross - fee", name="adds_up"),
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
    """That somebody made a run's file: which, when, and the hash of its bytes. Append-only."""

    __tablename__ = "payout_files"

    id: Mapped[Id]
    run_id: Mapped[str] = mapped_column(IdText, ForeignKey("payout_runs.id"))
    format: Mapped[str]
    part: Mapped[int]
    rows: Mapped[int]
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    made_by: Mapped[Ref]
    created_at: Mapped[Created]

    __table_args__ = (Index(None, "run_id", "id"),)


class BankFile(Base):
    """A file that a bank or provider sent, read once: by the hash of its bytes."""

    __tablename__ = "bank_files"

    id: Mapped[Id]
    sha256: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    format: Mapped[str]
    # What came of it: how many entries, or statuses, of each kind.
    outcome: Mapped[Json]
    read_by: Mapped[Ref]
    created_at: Mapped[Created]

    @property
    def hash_text(self) -> str:
        """The hash as people compare it."""
        return self.sha256.hex()


class BankEntryState(StrEnum):
    """What a bank's entry was found to be."""

    MATCHED = "matched"
    SUSPENSE = "suspense"


class BankEntry(Base):
    """One booked line of a bank file and what was made of it."""

    __tablename__ = "bank_entries"

    id: Mapped[Id]
    file_id: Mapped[str] = mapped_column(IdText, ForeignKey("bank_files.id"))
    account: Mapped[str]
    # The bank's own reference and place within it: an entry counts once, in however many files it comes.
    reference: Mapped[str] = mapped_column(IdText)
    booked_on: Mapped[date] = mapped_column(Date)
    currency: Mapped[str] = mapped_column(IdText, ForeignKey("currencies.code"))
    # In ledger units; money that arrived is above zero.
    amount: Mapped[int] = mapped_column(BigInteger)
    end_to_end_id: Mapped[str | None] = mapped_column(IdText)
    return_reason: Mapped[str | None]
    state: Mapped[str]
    payout_id: Mapped[str | None] = mapped_column(IdText, ForeignKey("payouts.id"))
    created_at: Mapped[Created]

    books: Mapped[Currency] = relationship(lazy="joined", innerjoin=True, viewonly=True)

    @property
    def exponent(self) -> int:
        return self.books.ledger_exponent

    __table_args__ = (
        UniqueConstraint("account", "reference"),
        Index(None, "file_id"),
        Index(None, "payout_id"),
        Index("ix_bank_entries_suspense", "id", postgresql_where=text("state = 'suspense'")),
        one_of("state", BankEntryState),
        CheckConstraint("amount <> 0", name="amount_moves"),
        CheckConstraint("(state = 'matched') <= (payout_id IS NOT NULL)", name="matched_to_a_payout"),
    )


def _confirmed() -> tuple[CheckConstraint, ...]:
    """A second person, and when; nobody is the second person to themselves."""
    return (
        CheckConstraint("confirmed_by <> entered_by", name="four_eyes"),
        CheckConstraint("num_nulls(confirmed_by, confirmed_at) IN (0, 2)", name="confirmed_when"),
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
        *_confirmed(),
    )


class TaxRule(Base):
    """What an authority takes from pay, from a day on. Append-only but for who confirms; counts when confirmed."""

    __tablename__ = "tax_rules"

    id: Mapped[Id]
    country: Mapped[str] = mapped_column(IdText)
    kind: Mapped[str]
    basis: Mapped[str]
    document: Mapped[str | None] = mapped_column(IdText)
    basis_points: Mapped[int] = mapped_column(SmallInteger)
    threshold: Mapped[int | None] = mapped_column(BigInteger)
    period: Mapped[str]
    currency: Mapped[str] = mapped_column(IdText, ForeignKey("currencies.code"))
    catch_up: Mapped[bool]
    rounding: Mapped[str]
    unit_exponent: Mapped[int] = mapped_column(SmallInteger)
    valid_from: Mapped[date] = mapped_column(Date)
    # The last day, or none.
    valid_to: Mapped[date | None] = mapped_column(Date)
    authority: Mapped[str] = mapped_column(IdText)
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
        Index(None, "country", "kind", "valid_from"),
        CheckConstraint("basis_points BETWEEN 0 AND 10000", name="basis_points_range"),
        CheckConstraint("threshold > 0", name="threshold_positive"),
        CheckConstraint("threshold IS NOT NULL OR (period = 'none' AND NOT catch_up)", name="period_of_threshold"),
        CheckConstraint("unit_exponent BETWEEN 0 AND 6", name="unit_exponent_range"),
        CheckConstraint("valid_to >= valid_from", name="ends_later"),
        *_confirmed(),
        one_of("kind", TaxKind),
        one_of("basis", TaxBasis),
        one_of("period", TaxPeriod),
        one_of("rounding", Rounding),
    )


class RefundState(StrEnum):
    PROPOSED = "proposed"
    APPROVED = "approved"
    REFUSED = "refused"


class Refund(Base):
    """Free funds that go back to where they came from: of one top-up, proposed by one person, approved by another."""

    __tablename__ = "refunds"

    id: Mapped[Id]
    owner_ref: Mapped[str] = mapped_column(IdText, ForeignKey("owners.owner_ref"))
    # The entry of the top-up whose source gets it back.
    top_up_id: Mapped[str] = mapped_column(IdText, ForeignKey("journal_entries.id"))
    currency: Mapped[str] = mapped_column(IdText, ForeignKey("currencies.code"))
    amount: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(server_default=RefundState.PROPOSED)
    # Why it was refused.
    reason: Mapped[str | None]
    requested_by: Mapped[Ref]
    created_at: Mapped[Created]
    decided_by: Mapped[str | None] = mapped_column(IdText)
    decided_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    entry_id: Mapped[str | None] = mapped_column(IdText, ForeignKey("journal_entries.id"))

    books: Mapped[Currency] = relationship(lazy="joined", innerjoin=True, viewonly=True)

    @property
    def exponent(self) -> int:
        return self.books.ledger_exponent

    __table_args__ = (
        Index(None, "top_up_id"),
        Index(None, "owner_ref", "id"),
        one_of("state", RefundState),
        CheckConstraint("amount > 0", name="amount_positive"),
        CheckConstraint("num_nulls(decided_by, decided_at) IN (0, 2)", name="decided_by_somebody"),
        CheckConstraint("(state = 'proposed') = (decided_by IS NULL)", name="decided"),
        CheckConstraint("(state = 'approved') = (entry_id IS NOT NULL)", name="approved_is_posted"),
        CheckConstraint("(state = 'refused') = (reason IS NOT NULL)", name="refused_with_reason"),
        CheckConstraint("state <> 'approved' OR decided_by <> requested_by", name="four_eyes"),
    )


class ClawbackState(StrEnum):
    """Where a clawback stands: open while something of it is still to come back."""

    PROPOSED = "proposed"
    REFUSED = "refused"
    OPEN = "open"
    RECOVERED = "recovered"
    WRITTEN_OFF = "written_off"


class Clawback(Base):
    """An earning that was paid out and is asked back from its payee; its requester has their money back already.

    amount : what the payee owes. returned : what the requester got, fee included. recovered : how much of the amount
    has come back; written_off : how much never will.
    """

    __tablename__ = "clawbacks"

    id: Mapped[Id]
    earning_id: Mapped[str] = mapped_column(IdText, ForeignKey("earnings.id"))
    payee_id: Mapped[str] = mapped_column(IdText, ForeignKey("payees.id"))
    currency: Mapped[str] = mapped_column(IdText, ForeignKey("currencies.code"))
    amount: Mapped[int] = mapped_column(BigInteger)
    returned: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    recovered: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    written_off: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    state: Mapped[str] = mapped_column(server_default=ClawbackState.PROPOSED)
    reason: Mapped[str]
    made_by: Mapped[Ref]
    created_at: Mapped[Created]
    decided_by: Mapped[str | None] = mapped_column(IdText)
    decided_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    entry_id: Mapped[str | None] = mapped_column(IdText, ForeignKey("journal_entries.id"))
    # Who would give it up and why, and who agreed.
    write_off_by: Mapped[str | None] = mapped_column(IdText)
    write_off_reason: Mapped[str | None]
    written_off_by: Mapped[str | None] = mapped_column(IdText)
    written_off_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    books: Mapped[Currency] = relationship(lazy="joined", innerjoin=True, viewonly=True)

    @property
    def exponent(self) -> int:
        return self.books.ledger_exponent

    @property
    def owed(self) -> int:
        """What is still to come back, in ledger units; nothing before it is confirmed."""
        return 0 if self.entry_id is None else self.amount - self.recovered - self.written_off

    __table_args__ = (
        Index("ix_clawbacks_earning", "earning_id", unique=True, postgresql_where=text("state <> 'refused'")),
        Index(None, "payee_id", "id"),
        one_of("state", ClawbackState),
        CheckConstraint(
            "amount > 0 AND returned >= 0 AND recovered >= 0 AND written_off >= 0"
            " AND recovered + written_off <= amount",
            name="amounts",
        ),
        CheckConstraint("num_nulls(decided_by, decided_at) IN (0, 2)", name="decided_by_somebody"),
        CheckConstraint("(state = 'proposed') = (decided_by IS NULL)", name="decided"),
        CheckConstraint("(state IN ('proposed', 'refused')) = (entry_id IS NULL)", name="confirmed_is_posted"),
        CheckConstraint("entry_id IS NULL OR decided_by <> made_by", name="four_eyes"),
        CheckConstraint(
            "(state = 'open') = (entry_id IS NOT NULL AND recovered + written_off < amount)", name="open_is_owed"
        ),
        CheckConstraint("num_nulls(write_off_by, write_off_reason) IN (0, 2)", name="write_off_with_reason"),
        CheckConstraint("num_nulls(written_off_by, written_off_at) IN (0, 2)", name="written_off_by_somebody"),
        CheckConstraint(
            "(written_off > 0) = (written_off_by IS NOT NULL) AND (state = 'written_off') = (written_off > 0)",
            name="written_off",
        ),
        CheckConstraint(
            "written_off_by IS NULL OR (write_off_by IS NOT NULL AND written_off_by <> write_off_by)",
            name="written_off_by_two",
        ),
    )


class Presentation(StrEnum):
    """Whose work is sold: the payees', for whom the house is an agent, or the house's own, as their principal."""

    AGENT = "agent"
    PRINCIPAL = "principal"


class Billing(StrEnum):
    PREPAID = "prepaid"
    POSTPAID = "postpaid"


class Contract(Base):
    """On what terms an owner is served, from a date on: by which legal entity, presented how and paid for when.

    In force once another person has confirmed it; a later one takes its place.
    """

    __tablename__ = "contracts"

    id: Mapped[Id]
    owner_ref: Mapped[str] = mapped_column(IdText, ForeignKey("owners.owner_ref"))
    # The house's legal entity, as its invoices' numbers begin.
    entity: Mapped[str] = mapped_column(IdText)
    presentation: Mapped[str]
    billing: Mapped[str]
    valid_from: Mapped[Moment]
    made_by: Mapped[Ref]
    created_at: Mapped[Created]
    confirmed_by: Mapped[str | None] = mapped_column(IdText)
    confirmed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        Index(None, "owner_ref", "valid_from"),
        one_of("presentation", Presentation),
        one_of("billing", Billing),
        CheckConstraint("num_nulls(confirmed_by, confirmed_at) IN (0, 2)", name="confirmed_by_somebody"),
        CheckConstraint("confirmed_by <> made_by", name="four_eyes"),
    )


class CreditLimit(Base):
    """How much an owner may owe the house, from a date on, once another person has confirmed it."""

    __tablename__ = "credit_limits"

    id: Mapped[Id]
    owner_ref: Mapped[str] = mapped_column(IdText, ForeignKey("owners.owner_ref"))
    currency: Mapped[str] = mapped_column(IdText, ForeignKey("currencies.code"))
    amount: Mapped[int] = mapped_column(BigInteger)
    valid_from: Mapped[Moment]
    made_by: Mapped[Ref]
    created_at: Mapped[Created]
    confirmed_by: Mapped[str | None] = mapped_column(IdText)
    confirmed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    books: Mapped[Currency] = relationship(lazy="joined", innerjoin=True, viewonly=True)

    @property
    def exponent(self) -> int:
        return self.books.ledger_exponent

    __table_args__ = (
        Index(None, "owner_ref", "currency", "valid_from"),
        CheckConstraint("amount > 0", name="amount_positive"),
        CheckConstraint("num_nulls(confirmed_by, confirmed_at) IN (0, 2)", name="confirmed_by_somebody"),
        CheckConstraint("confirmed_by <> made_by", name="four_eyes"),
    )


class InvoiceState(StrEnum):
    DRAFT = "draft"
    ISSUED = "issued"
    PAID = "paid"
    VOID = "void"


class InvoiceNumber(Base):
    """The last number of a legal entity's invoices in a year. Taken with the invoice or not at all, so without gaps."""

    __tablename__ = "invoice_numbers"

    entity: Mapped[str] = mapped_column(IdText, primary_key=True)
    year: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    last: Mapped[int]

    __table_args__ = (CheckConstraint("last > 0", name="last_positive"),)


class Invoice(Base):
    """What an owner spent in one month and currency, with tax. Its sums never change; a wrong one is void.

    work : what went to payees. due : what is still to be paid of the total, in whole units of the bank; the rest was
    paid for beforehand. All in ledger units.
    """

    __tablename__ = "invoices"

    id: Mapped[Id]
    owner_ref: Mapped[str] = mapped_column(IdText, ForeignKey("owners.owner_ref"))
    currency: Mapped[str] = mapped_column(IdText, ForeignKey("currencies.code"))
    # The first day of its month.
    period: Mapped[date] = mapped_column(Date)
    entity: Mapped[str] = mapped_column(IdText)
    presentation: Mapped[str]
    billing: Mapped[str]
    work: Mapped[int] = mapped_column(BigInteger)
    fee: Mapped[int] = mapped_column(BigInteger)
    vat_basis_points: Mapped[int]
    vat: Mapped[int] = mapped_column(BigInteger)
    total: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(server_default=InvoiceState.DRAFT)
    made_by: Mapped[Ref]
    created_at: Mapped[Created]
    year: Mapped[int | None] = mapped_column(SmallInteger)
    serial: Mapped[int | None]
    due: Mapped[int | None] = mapped_column(BigInteger)
    issued_by: Mapped[str | None] = mapped_column(IdText)
    issued_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    # The entry of its tax, and of its payment.
    entry_id: Mapped[str | None] = mapped_column(IdText, ForeignKey("journal_entries.id"))
    payment_id: Mapped[str | None] = mapped_column(IdText, ForeignKey("journal_entries.id"))
    paid_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    voided_by: Mapped[str | None] = mapped_column(IdText)
    voided_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    void_reason: Mapped[str | None]

    books: Mapped[Currency] = relationship(lazy="joined", innerjoin=True, viewonly=True)

    @property
    def exponent(self) -> int:
        return self.books.ledger_exponent

    @property
    def number(self) -> str | None:
        return None if self.serial is None else f"{self.entity}-{self.year}-{self.serial:06}"

    @property
    def sold(self) -> int:
        """What of it is the house's own sale: the fee of an agent, all of a principal's."""
        return self.fee if self.presentation == Presentation.AGENT else self.work + self.fee

    @property
    def passed_on(self) -> int:
        """What of it an agent only passes on to payees."""
        return self.work + self.fee - self.sold

    __table_args__ = (
        Index(
            "ix_invoices_one", "owner_ref", "currency", "period", unique=True, postgresql_where=text("state <> 'void'")
        ),
        UniqueConstraint("entity", "year", "serial"),
        Index(None, "owner_ref", "id"),
        one_of("state", InvoiceState),
        one_of("presentation", Presentation),
        one_of("billing", Billing),
        CheckConstraint("extract(day FROM period) = 1", name="period_is_a_month"),
        CheckConstraint("total = work + fee + vat AND total > 0 AND fee >= 0 AND vat >= 0", name="adds_up"),
        CheckConstraint("vat_basis_points BETWEEN 0 AND 10000", name="vat_range"),
        CheckConstraint("due BETWEEN vat AND total", name="due_range"),
        CheckConstraint("num_nulls(year, serial, due, issued_by, issued_at) IN (0, 5)", name="issued_by_somebody"),
        CheckConstraint("state IN ('draft', 'void') OR serial IS NOT NULL", name="issued_has_number"),
        CheckConstraint("state <> 'draft' OR serial IS NULL", name="draft_has_none"),
        CheckConstraint("(state = 'paid') = (paid_at IS NOT NULL)", name="paid_when"),
        CheckConstraint("(state = 'paid' AND due > 0) = (payment_id IS NOT NULL)", name="paid_is_posted"),
        CheckConstraint("num_nulls(voided_by, voided_at, void_reason) IN (0, 3)", name="voided_by_somebody"),
        CheckConstraint("(state = 'void') = (voided_by IS NOT NULL)", name="voided"),
    )


class InvoiceLine(Base):
    """One kind of thing that an invoice's month has seen, out of one reserve or out of free funds. Append-only."""

    __tablename__ = "invoice_lines"

    # Its lines are summed before it is written.
    invoice_id: Mapped[str] = mapped_column(
        IdText, ForeignKey("invoices.id", deferrable=True, initially="DEFERRED"), primary_key=True
    )
    line: Mapped[int] = mapped_column(primary_key=True)
    # Of the journal entries: earning, bonus, reversal, clawback.
    kind: Mapped[str]
    cause_ref: Mapped[Ref]
    entries: Mapped[int]
    work: Mapped[int] = mapped_column(BigInteger)
    fee: Mapped[int] = mapped_column(BigInteger)


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
        CheckConstraint("confirmed_by <> entered_by", name="four_eyes"),
        CheckConstraint("num_nulls(confirmed_by, confirmed_at) IN (0, 2)", name="confirmed_when"),
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


class PeriodState(StrEnum):
    """Where a month of the books stands. A reopening that nobody has confirmed leaves it closed."""

    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"
    REOPENING = "reopening"


class Period(Base):
    """A month of the one legal entity's books, by its first day; one without a row is open.

    A closed one closes all that is before it too. trial_hash : of the trial balance up to its last day, as it was when
    closing was proposed, then as it was closed.
    """

    __tablename__ = "periods"

    month: Mapped[date] = mapped_column(Date, primary_key=True)
    state: Mapped[str]
    closed_by: Mapped[str | None] = mapped_column(IdText)
    confirmed_by: Mapped[str | None] = mapped_column(IdText)
    closed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    trial_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    # The last reopening, also once it is closed again; all of them are on the trail.
    reopening_by: Mapped[str | None] = mapped_column(IdText)
    reopened_by: Mapped[str | None] = mapped_column(IdText)
    reopened_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[Created]

    __table_args__ = (
        one_of("state", PeriodState),
        CheckConstraint("extract(day FROM month) = 1", name="month_by_its_first_day"),
        CheckConstraint("confirmed_by <> closed_by", name="closed_by_two"),
        CheckConstraint("reopened_by <> reopening_by", name="reopened_by_two"),
        CheckConstraint("num_nulls(closed_by, trial_hash) = CASE state WHEN 'open' THEN 2 ELSE 0 END", name="proposed"),
        CheckConstraint(
            "num_nulls(confirmed_by, closed_at) = CASE WHEN state IN ('closed', 'reopening') THEN 0 ELSE 2 END",
            name="confirmed",
        ),
        CheckConstraint(
            "num_nulls(reopened_by, reopened_at) IN (0, 2) AND (reopened_by IS NULL OR reopening_by IS NOT NULL)"
            " AND (state <> 'reopening' OR (reopening_by IS NOT NULL AND reopened_by IS NULL))",
            name="reopened",
        ),
    )


class Horizon(Base):
    """An id of the journal; nothing with an id before it is written from when it is told on (`payments/horizon.py`).

    heard_xact : a transaction that was given its number when it had been told; final once it and all before have ended.
    """

    __tablename__ = "horizons"

    before_id: Mapped[Id]
    told_at: Mapped[Created]
    heard_xact: Mapped[int | None] = mapped_column(BigInteger)
    is_final: Mapped[bool] = mapped_column(server_default=false())

    __table_args__ = (CheckConstraint("NOT is_final OR heard_xact IS NOT NULL", name="final_when_heard"),)


class Seal(Base):
    """A stretch of the journal, by the ids of its entries, and a hash over it and the seal before. Append-only.

    It begins behind the last seal's `to_entry`. sums : JSON text, ledger units moved by currency.
    """

    __tablename__ = "seals"

    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    from_entry: Mapped[str] = mapped_column(IdText, ForeignKey("journal_entries.id"))
    to_entry: Mapped[str] = mapped_column(IdText, ForeignKey("journal_entries.id"), unique=True)
    n_entries: Mapped[int]
    sums: Mapped[str]
    hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    prev_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    created_at: Mapped[Created]

    __table_args__ = (
        CheckConstraint("number > 0 AND n_entries > 0 AND from_entry <= to_entry", name="seals_something"),
    )


class BalanceSnapshot(Base):
    """What had gone through an unbounded account before an entry's id, once a day in which it moved. Append-only."""

    __tablename__ = "balance_snapshots"

    account_id: Mapped[str] = mapped_column(IdText, ForeignKey("accounts.id"), primary_key=True)
    # A horizon: the entries with lesser ids are in it, and no others ever will be.
    up_to_entry: Mapped[str] = mapped_column(IdText, primary_key=True)
    debits: Mapped[int] = mapped_column(Numeric(38, 0))
    credits: Mapped[int] = mapped_column(Numeric(38, 0))
    created_at: Mapped[Created]

    __table_args__ = (CheckConstraint("debits >= 0 AND credits >= 0", name="turnover"),)

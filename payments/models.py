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
from sqlalchemy.orm import Mapped, mapped_column, relationship

from foundation.db import Base, Created, Id, IdText, Moment, Ref, one_of


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
    """What somebody is paid for: an answer, a requester's bonus, or the house's own fault."""

    ANSWER = "answer"
    BONUS = "bonus"
    GOODWILL = "goodwill"


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


class Payout(Base):
    """One payment to one payee: what it is made of, where it goes, and what its bank has said.

    gross : the sum of its items; net = gross - fee, what leaves. part : a payee's payouts of one run, from 0, where the
    rail takes no more at once.
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
    gross: Mapped[int] = mapped_column(BigInteger)
    fee: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    net: Mapped[int] = mapped_column(BigInteger)
    end_to_end_id: Mapped[str] = mapped_column(IdText, unique=True)
    state: Mapped[str] = mapped_column(server_default=PayoutState.PREPARED)
    # Why it was dropped, failed or was returned, as far as anybody said.
    reason: Mapped[str | None]
    created_at: Mapped[Created]
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    books: Mapped[Currency] = relationship(lazy="joined", innerjoin=True, viewonly=True)

    @property
    def exponent(self) -> int:
        return self.books.ledger_exponent

    __table_args__ = (
        UniqueConstraint("run_id", "payee_id", "part"),
        Index(None, "payee_id", "id"),
        Index(None, "run_id", "id"),
        Index("ix_payouts_in_transit", "run_id", postgresql_where=text("state = 'exported'")),
        one_of("state", PayoutState),
        CheckConstraint("net = gross - fee AND net > 0 AND fee >= 0", name="adds_up"),
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
    amount: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[Created]


class BankFile(Base):
    """A file that a bank or provider sent, read once: by the hash of its bytes."""

    __tablename__ = "bank_files"

    id: Mapped[Id]
    sha256: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    format: Mapped[str]
    account: Mapped[str]
    n_entries: Mapped[int]
    read_by: Mapped[Ref]
    created_at: Mapped[Created]


class BankEntryState(StrEnum):
    """What a bank's entry was found to be."""

    MATCHED = "matched"
    SUSPENSE = "suspense"
    KNOWN = "known"
    RESOLVED = "resolved"


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

    __table_args__ = (
        UniqueConstraint("account", "reference"),
        Index(None, "file_id"),
        Index(None, "payout_id"),
        Index("ix_bank_entries_suspense", "id", postgresql_where=text("state = 'suspense'")),
        one_of("state", BankEntryState),
        CheckConstraint("amount <> 0", name="amount_moves"),
        CheckConstraint("(state = 'matched') <= (payout_id IS NOT NULL)", name="matched_to_a_payout"),
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

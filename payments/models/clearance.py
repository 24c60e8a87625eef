"""Who may be paid out: what is known of payees, lists that they are held against, and what is blocked."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Date,
    DateTime,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from foundation.db import Base, Created, Id, IdText, Json, Ref, one_of
from payments.models.confirmation import confirmed_by_another
from payments.models.money import Currency


class KycState(StrEnum):
    """How far a payee is known. Nobody writes `none`, and most of `expired` comes by the calendar."""

    NONE = "none"
    PENDING = "pending"
    VERIFIED = "verified"
    EXPIRED = "expired"
    REFUSED = "refused"


class KycPeriod(StrEnum):
    """Over how long what was paid out adds up against a threshold: 365 days, or for ever."""

    ROLLING_YEAR = "rolling_year"
    TOTAL = "total"


class KycRecord(Base):
    """What a provider found out about a payee, as somebody recorded it; the last one counts. Append-only."""

    __tablename__ = "kyc_records"

    id: Mapped[Id]
    payee_id: Mapped[str] = mapped_column(IdText, ForeignKey("payees.id"))
    state: Mapped[str]
    # Who looked, and under which name they keep what they saw.
    provider: Mapped[str | None]
    reference: Mapped[str | None]
    # The last day on which a verification counts, by the payee's country.
    expires_on: Mapped[date | None] = mapped_column(Date)
    note: Mapped[str | None]
    recorded_by: Mapped[Ref]
    created_at: Mapped[Created]

    __table_args__ = (
        Index(None, "payee_id", "id"),
        Index("ix_kyc_records_expires_on", "expires_on", postgresql_where=text("state = 'verified'")),
        one_of("state", KycState),
        CheckConstraint("state <> 'none'", name="says_something"),
        CheckConstraint(
            "(state = 'verified') <= (num_nulls(provider, reference, expires_on) = 0)"
            " AND (state = 'verified' OR expires_on IS NULL)",
            name="verified_by_whom_until_when",
        ),
        CheckConstraint("state <> 'refused' OR note IS NOT NULL", name="refused_with_reason"),
    )


class KycRule(Base):
    """How much may be paid out to somebody who is not verified, from a day on. Counts when confirmed.

    threshold : ledger units; what goes beyond it needs a verification. country : or nothing for everywhere.
    """

    __tablename__ = "kyc_rules"

    id: Mapped[Id]
    country: Mapped[str | None] = mapped_column(IdText)
    currency: Mapped[str] = mapped_column(IdText, ForeignKey("currencies.code"))
    threshold: Mapped[int] = mapped_column(BigInteger)
    period: Mapped[str]
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
        CheckConstraint("threshold >= 0", name="threshold_not_negative"),
        CheckConstraint("valid_to >= valid_from", name="ends_later"),
        *confirmed_by_another(),
        one_of("period", KycPeriod),
    )


class WatchList(Base):
    """A list of names, accounts and countries that payees are held against; the last one counts. Append-only."""

    __tablename__ = "watch_lists"

    id: Mapped[Id]
    n_rows: Mapped[int]
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    imported_by: Mapped[Ref]
    created_at: Mapped[Created]


class WatchListRow(Base):
    """Whom a list means: somebody with this name, account or country, and all of these that it gives. Append-only.

    tokens : the words of the name as they are compared, sorted, each once.
    """

    __tablename__ = "watch_list_rows"

    list_id: Mapped[str] = mapped_column(IdText, ForeignKey("watch_lists.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str | None]
    tokens: Mapped[list[str]] = mapped_column(ARRAY(IdText))
    country: Mapped[str | None] = mapped_column(IdText)
    account_fingerprint: Mapped[bytes | None] = mapped_column(LargeBinary)

    __table_args__ = (
        CheckConstraint("num_nonnulls(name, country, account_fingerprint) > 0", name="means_somebody"),
        CheckConstraint("(name IS NULL) = (cardinality(tokens) = 0)", name="name_has_tokens"),
        Index("ix_watch_list_rows_tokens", "tokens", postgresql_using="gin"),
        Index(
            "ix_watch_list_rows_account",
            "list_id",
            "account_fingerprint",
            postgresql_where=text("account_fingerprint IS NOT NULL"),
        ),
    )


class RoundState(StrEnum):
    RUNNING = "running"
    DONE = "done"


class ScreeningRound(Base):
    """That everybody is held against a version of the lists, step by step. The last one says which version is in force.

    screened_through : the payee up to whom it has come.
    """

    __tablename__ = "screening_rounds"

    id: Mapped[Id]
    list_version: Mapped[str] = mapped_column(IdText)
    state: Mapped[str] = mapped_column(server_default=RoundState.RUNNING)
    screened_through: Mapped[str] = mapped_column(IdText, server_default=text("''"))
    n_payees: Mapped[int] = mapped_column(server_default=text("0"))
    n_reviews: Mapped[int] = mapped_column(server_default=text("0"))
    begun_by: Mapped[Ref]
    created_at: Mapped[Created]
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        one_of("state", RoundState),
        CheckConstraint("(state = 'done') = (ended_at IS NOT NULL)", name="done_when"),
        Index("ix_screening_rounds_running", "id", postgresql_where=text("state = 'running'")),
    )


class Outcome(StrEnum):
    """What holding somebody against the lists came to. What is not clear waits for a person."""

    CLEAR = "clear"
    REVIEW = "review"
    BLOCKED = "blocked"


class Decision(StrEnum):
    """What a person made of a match: somebody else is meant, or they are."""

    CLEAR = "clear"
    BLOCKED = "blocked"


class Screening(Base):
    """What holding a payee against the lists came to, as the payee was then: name, country, account; the last counts.

    score : 0 to 100, of the best match. match_hash : of what was found about whom, so that nobody decides it twice.
    """

    __tablename__ = "screenings"

    id: Mapped[Id]
    payee_id: Mapped[str] = mapped_column(IdText, ForeignKey("payees.id"))
    list_version: Mapped[str] = mapped_column(IdText)
    outcome: Mapped[str]
    score: Mapped[int] = mapped_column(SmallInteger)
    findings: Mapped[Json]
    match_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    name: Mapped[str]
    country: Mapped[str] = mapped_column(IdText)
    account_fingerprint: Mapped[bytes | None] = mapped_column(LargeBinary)
    asked_by: Mapped[Ref]
    created_at: Mapped[Created]
    decision: Mapped[str | None]
    decided_by: Mapped[str | None] = mapped_column(IdText)
    decided_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    reason: Mapped[str | None]

    @property
    def found(self) -> list[dict[str, Any]]:
        """What matched, one by one."""
        return list(self.findings["items"])

    @property
    def account(self) -> str | None:
        """The account's fingerprint, as a list may name it."""
        return None if self.account_fingerprint is None else self.account_fingerprint.hex()

    __table_args__ = (
        Index(None, "payee_id", "id"),
        Index("ix_screenings_waiting", "id", postgresql_where=text("outcome <> 'clear' AND decision IS NULL")),
        one_of("outcome", Outcome),
        CheckConstraint("score BETWEEN 0 AND 100", name="score_range"),
        CheckConstraint("(outcome = 'clear') = (match_hash IS NULL)", name="match_of_what"),
        one_of("decision", Decision),
        CheckConstraint("num_nulls(decision, decided_by, decided_at, reason) IN (0, 4)", name="decided_by_somebody"),
        CheckConstraint("outcome <> 'clear' OR decision IS NULL", name="something_to_decide"),
        CheckConstraint("decided_by <> asked_by", name="four_eyes"),
    )


class BlockState(StrEnum):
    PROPOSED = "proposed"
    REFUSED = "refused"
    ACTIVE = "active"
    LIFTED = "lifted"


class Block(Base):
    """That nothing is paid to somebody, by a sanction or a court: what is owed to them lies apart while it is active.

    Proposed by one person and confirmed by another; lifted in the same way.
    """

    __tablename__ = "blocks"

    id: Mapped[Id]
    payee_id: Mapped[str] = mapped_column(IdText, ForeignKey("payees.id"))
    screening_id: Mapped[str | None] = mapped_column(IdText, ForeignKey("screenings.id"))
    state: Mapped[str] = mapped_column(server_default=BlockState.PROPOSED)
    reason: Mapped[str]
    made_by: Mapped[Ref]
    created_at: Mapped[Created]
    decided_by: Mapped[str | None] = mapped_column(IdText)
    decided_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    # Who would lift it and why, and who agreed.
    lift_by: Mapped[str | None] = mapped_column(IdText)
    lift_reason: Mapped[str | None]
    lifted_by: Mapped[str | None] = mapped_column(IdText)
    lifted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        Index("ix_blocks_open", "payee_id", unique=True, postgresql_where=text("state IN ('proposed', 'active')")),
        Index(None, "payee_id", "id"),
        one_of("state", BlockState),
        CheckConstraint("num_nulls(decided_by, decided_at) IN (0, 2)", name="decided_by_somebody"),
        CheckConstraint("(state = 'proposed') = (decided_by IS NULL)", name="decided"),
        CheckConstraint("decided_by <> made_by", name="four_eyes"),
        CheckConstraint("num_nulls(lift_by, lift_reason) IN (0, 2)", name="lift_with_reason"),
        CheckConstraint(
            "num_nulls(lifted_by, lifted_at) IN (0, 2) AND (state = 'lifted') = (lifted_by IS NOT NULL)",
            name="lifted_by_somebody",
        ),
        CheckConstraint("lifted_by IS NULL OR (lift_by IS NOT NULL AND lifted_by <> lift_by)", name="lifted_by_two"),
    )


class BlockedAmount(Base):
    """What was owed to somebody when they were blocked, in ledger units. Append-only."""

    __tablename__ = "blocked_amounts"

    block_id: Mapped[str] = mapped_column(IdText, ForeignKey("blocks.id"), primary_key=True)
    currency: Mapped[str] = mapped_column(IdText, ForeignKey("currencies.code"), primary_key=True)
    amount: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (CheckConstraint("amount > 0", name="amount_positive"),)

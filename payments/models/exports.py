"""Exports: what was asked for, the bytes it became, and who took them. And what customers call our accounts."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKey, Index, LargeBinary, false, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from foundation.db import Base, Created, Id, IdText, Json, Ref, one_of


class ExportState(StrEnum):
    """Where an export stands. What is gone has its manifest still, and no bytes."""

    MAKING = "making"
    READY = "ready"
    FAILED = "failed"
    GONE = "gone"


class Export(Base):
    """A file that somebody asked for, with its manifest: rows, sums by currency, SHA-256, and the moment it is of.

    n_drawn : rows that were drawn from the books, n_done : how many of them are written; n_rows : of the finished file,
    where one that was drawn may be several. Whoever makes it has it until `taken_until`, by the number of the attempt.
    """

    __tablename__ = "exports"

    id: Mapped[Id]
    kind: Mapped[str]
    format: Mapped[str]
    parameters: Mapped[Json]
    state: Mapped[str]
    made_by: Mapped[Ref]
    created_at: Mapped[Created]
    # Of what moment it is; all of it is drawn in one statement.
    as_of: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    n_drawn: Mapped[int | None]
    n_done: Mapped[int] = mapped_column(server_default=text("0"))
    attempt: Mapped[int] = mapped_column(server_default=text("0"))
    taken_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    n_rows: Mapped[int | None]
    n_bytes: Mapped[int | None] = mapped_column(BigInteger)
    # Decimal strings by currency.
    sums: Mapped[dict[str, str] | None] = mapped_column(JSONB(none_as_null=True))
    sha256: Mapped[bytes | None] = mapped_column(LargeBinary)
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    failure: Mapped[str | None]
    # Whether what it does not need any more is gone: drawn rows when it is finished, bytes when it has expired.
    is_cleared: Mapped[bool] = mapped_column(server_default=false())

    @property
    def hash_text(self) -> str | None:
        """The hash as people compare it."""
        return None if self.sha256 is None else self.sha256.hex()

    __table_args__ = (
        one_of("state", ExportState),
        CheckConstraint(
            "num_nulls(as_of, n_rows, n_bytes, sums, sha256, finished_at)"
            " = CASE WHEN state IN ('ready', 'gone') THEN 0 ELSE num_nulls(as_of) + 5 END",
            name="manifest",
        ),
        CheckConstraint("(state = 'failed') = (failure IS NOT NULL)", name="failed_why"),
        CheckConstraint("num_nulls(as_of, n_drawn) IN (0, 2)", name="drawn_when"),
        Index("ix_exports_making", "id", postgresql_where=text("state = 'making'")),
        Index("ix_exports_uncleared", "id", postgresql_where=text("state <> 'making' AND NOT is_cleared")),
        Index("ix_exports_ready", "finished_at", postgresql_where=text("state = 'ready'")),
    )


class ExportRow(Base):
    """One row of an export as it was drawn, until the export is finished: whoever begins again writes the same."""

    __tablename__ = "export_rows"

    export_id: Mapped[str] = mapped_column(IdText, ForeignKey("exports.id"), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    cells: Mapped[list[object]] = mapped_column(JSONB(none_as_null=True))


class ExportChunk(Base):
    """A piece of an export's bytes. It never changes, and is only taken away when the export is no longer ready."""

    __tablename__ = "export_chunks"

    export_id: Mapped[str] = mapped_column(IdText, ForeignKey("exports.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    bytes: Mapped[bytes] = mapped_column(LargeBinary)

    __table_args__ = (CheckConstraint("length(bytes) BETWEEN 1 AND 262144", name="bounded"),)


class ExportDownload(Base):
    """That somebody took an export's bytes. Append-only."""

    __tablename__ = "export_downloads"

    id: Mapped[Id]
    export_id: Mapped[str] = mapped_column(IdText, ForeignKey("exports.id"))
    taken_by: Mapped[Ref]
    created_at: Mapped[Created]

    __table_args__ = (Index(None, "export_id", "id"),)


class AccountCode(Base):
    """What the books of somebody else call one of our accounts (role:owner), or all accounts of a role."""

    __tablename__ = "account_codes"

    account: Mapped[str] = mapped_column(IdText, primary_key=True)
    code: Mapped[str]
    set_by: Mapped[Ref]
    created_at: Mapped[Created]

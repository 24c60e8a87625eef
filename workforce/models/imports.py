"""Files of tasks: what was sent of them, how far they are read, and what is wrong in them."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKey, Index, LargeBinary, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from foundation.db import Base, Created, Id, IdText, Moment, Ref, one_of


class ImportFormat(StrEnum):
    CSV = "csv"
    JSONL = "jsonl"


class ImportState(StrEnum):
    # Its parts are being sent, in any order.
    RECEIVING = "receiving"
    READING = "reading"
    # Something outside the file has to be put right; it goes on from where it is.
    STOPPED = "stopped"
    FINISHED = "finished"
    # Nothing of it can be read.
    FAILED = "failed"
    CANCELLED = "cancelled"
    # Nobody has gone on with it for a week.
    EXPIRED = "expired"


class Import(Base):
    """A file of tasks for one batch.

    n_bytes : of all its parts; n_read : how many bytes are read, up to the beginning of a line; n_lines : lines read,
    of which n_made became tasks and n_bad did not.
    """

    __tablename__ = "imports"

    id: Mapped[Id]
    requester_id: Mapped[str] = mapped_column(IdText, ForeignKey("requesters.id"))
    batch_id: Mapped[str] = mapped_column(IdText, ForeignKey("batches.id"))
    format: Mapped[str]
    state: Mapped[str]
    why: Mapped[str | None]
    # The names of a CSV file's columns, once they are read.
    columns: Mapped[list[str] | None] = mapped_column(JSONB(none_as_null=True))
    n_parts: Mapped[int] = mapped_column(server_default=text("0"))
    n_bytes: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    n_read: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    n_lines: Mapped[int] = mapped_column(server_default=text("0"))
    n_made: Mapped[int] = mapped_column(server_default=text("0"))
    n_bad: Mapped[int] = mapped_column(server_default=text("0"))
    # Whether the bytes that it does not need any more are gone.
    is_cleared: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[Created]
    moved_at: Mapped[Moment] = mapped_column(server_default=func.now())
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        one_of("format", ImportFormat),
        one_of("state", ImportState),
        CheckConstraint("n_read BETWEEN 0 AND n_bytes", name="read_range"),
        CheckConstraint("n_made >= 0 AND n_bad >= 0 AND n_made + n_bad <= n_lines", name="lines_add_up"),
        CheckConstraint("(state IN ('stopped', 'failed')) = (why IS NOT NULL)", name="why"),
        CheckConstraint("(state = 'finished') = (finished_at IS NOT NULL)", name="finished_when"),
        Index(None, "requester_id", "id"),
        Index("ix_imports_reading", "id", postgresql_where=text("state = 'reading'")),
        Index("ix_imports_waiting", "moved_at", postgresql_where=text("state IN ('receiving', 'stopped')")),
        Index(
            "ix_imports_uncleared",
            "id",
            postgresql_where=text("NOT is_cleared AND state IN ('finished', 'failed', 'cancelled', 'expired')"),
        ),
    )


class ImportPart(Base):
    """A part of a file as it was sent. Its number is its place; where it begins is known once all are there."""

    __tablename__ = "import_parts"

    import_id: Mapped[str] = mapped_column(IdText, ForeignKey("imports.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    n_bytes: Mapped[int]
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    begins: Mapped[int | None] = mapped_column(BigInteger)
    sent_by: Mapped[Ref]
    created_at: Mapped[Created]

    __table_args__ = (
        CheckConstraint("number >= 1", name="number_range"),
        CheckConstraint("n_bytes >= 1", name="bytes_range"),
    )

    @property
    def hash_text(self) -> str:
        """The hash as people compare it."""
        return self.sha256.hex()


class ImportPiece(Base):
    """A piece of a part's bytes, small enough to be read by itself. All but a part's last are of the same size."""

    __tablename__ = "import_pieces"

    import_id: Mapped[str] = mapped_column(IdText, ForeignKey("imports.id"), primary_key=True)
    part: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    bytes: Mapped[bytes] = mapped_column(LargeBinary)

    __table_args__ = (CheckConstraint("length(bytes) BETWEEN 1 AND 262144", name="bounded"),)


class ImportFault(Base):
    """A line that became no task, the place in it, and why."""

    __tablename__ = "import_faults"

    import_id: Mapped[str] = mapped_column(IdText, ForeignKey("imports.id"), primary_key=True)
    line: Mapped[int] = mapped_column(primary_key=True)
    pointer: Mapped[str]
    reason: Mapped[str]

"""Moves of many workers at once from a file, and what became of each of its lines."""

from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from foundation.db import Base, Created, Id, IdText, Moment, Ref, one_of


class BulkState(StrEnum):
    """Where a bulk move stands: proposed, refused, let expire; under way, done; being undone, undone."""

    PROPOSED = "proposed"
    REFUSED = "refused"
    # Nobody has decided it for a week.
    EXPIRED = "expired"
    APPLYING = "applying"
    APPLIED = "applied"
    UNDOING = "undoing"
    UNDONE = "undone"


class LineFate(StrEnum):
    """What becomes of a line: its worker is to be moved, is there already, or cannot be; was moved, or was not.

    Of those who were moved an undone bulk move has returned some, and left others, who had been moved on before.
    """

    WAITING = "waiting"
    THERE = "there"
    BAD = "bad"
    MOVED = "moved"
    SKIPPED = "skipped"
    RETURNED = "returned"
    KEPT = "kept"


class BulkMove(Base):
    """A file of moves. One person proposes it, another one approves just what its preview shows; one may undo it all.

    reason, days : what holds for a line that says nothing else.
    """

    __tablename__ = "bulk_moves"

    id: Mapped[Id]
    reason: Mapped[str]
    days: Mapped[int]
    state: Mapped[str]
    n_lines: Mapped[int]
    n_waiting: Mapped[int]
    n_there: Mapped[int]
    n_bad: Mapped[int]
    n_moved: Mapped[int] = mapped_column(server_default=text("0"))
    n_skipped: Mapped[int] = mapped_column(server_default=text("0"))
    n_returned: Mapped[int] = mapped_column(server_default=text("0"))
    n_kept: Mapped[int] = mapped_column(server_default=text("0"))
    content_hash: Mapped[bytes] = mapped_column(LargeBinary)
    proposed_by: Mapped[Ref]
    created_at: Mapped[Created]
    # Until when somebody has to decide it.
    expires_at: Mapped[Moment]
    decided_by: Mapped[str | None] = mapped_column(IdText)
    decided_at: Mapped[Moment | None]
    undone_by: Mapped[str | None] = mapped_column(IdText)
    undone_at: Mapped[Moment | None]
    undo_reason: Mapped[str | None]

    @property
    def hash(self) -> str:
        """The SHA-256 of what its preview shows, in hexadecimal digits."""
        return self.content_hash.hex()

    __table_args__ = (
        one_of("state", BulkState),
        CheckConstraint("days BETWEEN 1 AND 365", name="days_range"),
        CheckConstraint(
            "least(n_waiting, n_there, n_bad, n_moved, n_skipped, n_returned, n_kept) >= 0 "
            "AND n_waiting + n_there + n_bad + n_moved + n_skipped + n_returned + n_kept = n_lines",
            name="lines_add_up",
        ),
        CheckConstraint(
            "(state IN ('proposed', 'expired')) = (decided_at IS NULL) AND num_nulls(decided_by, decided_at) IN (0, 2)",
            name="decided_by_somebody",
        ),
        CheckConstraint(
            "state IN ('proposed', 'refused', 'expired') OR decided_by <> proposed_by", name="approved_by_another"
        ),
        CheckConstraint(
            "(state IN ('undoing', 'undone')) = (undone_at IS NOT NULL) "
            "AND num_nulls(undone_by, undone_at, undo_reason) IN (0, 3)",
            name="undone_by_somebody",
        ),
        CheckConstraint("state <> 'applied' OR n_waiting = 0", name="applied_whole"),
        CheckConstraint("state <> 'undone' OR n_waiting + n_moved = 0", name="undone_whole"),
        Index(None, "state", "id"),
    )


class BulkLine(Base):
    """One line of a bulk move: who is to stand where and until when, what stood against it, and the override it made.

    pointer : the column that is wrong; empty for the whole line. why : what is wrong, or why nobody was moved by it.
    """

    __tablename__ = "bulk_lines"

    bulk_id: Mapped[str] = mapped_column(IdText, ForeignKey("bulk_moves.id"), primary_key=True)
    line: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    fate: Mapped[str]
    pointer: Mapped[str | None]
    why: Mapped[str | None]
    worker_id: Mapped[str | None] = mapped_column(IdText)
    skill: Mapped[str | None] = mapped_column(IdText)
    tier_from: Mapped[int | None] = mapped_column(SmallInteger)
    tier_to: Mapped[int | None] = mapped_column(SmallInteger)
    # What the worker reads.
    reason: Mapped[str | None]
    # For how long from the approval on, or until when.
    days: Mapped[int | None]
    expires_at: Mapped[Moment | None]
    override_id: Mapped[str | None] = mapped_column(IdText, ForeignKey("tier_overrides.id"), unique=True)

    __table_args__ = (
        one_of("fate", LineFate),
        CheckConstraint("line >= 1", name="line_range"),
        CheckConstraint(
            "(fate IN ('bad', 'skipped', 'kept')) = (why IS NOT NULL) AND (fate = 'bad') = (pointer IS NOT NULL)",
            name="why",
        ),
        CheckConstraint("(fate IN ('moved', 'returned', 'kept')) = (override_id IS NOT NULL)", name="moved_whole"),
        CheckConstraint(
            "fate = 'bad' OR (num_nulls(worker_id, skill, tier_from, tier_to, reason) = 0 "
            "AND num_nulls(days, expires_at) = 1)",
            name="move_whole",
        ),
        CheckConstraint("(fate = 'there') = (tier_from = tier_to)", name="there_when"),
        CheckConstraint("tier_from BETWEEN 0 AND 4 AND tier_to BETWEEN 0 AND 4", name="tier_range"),
        Index(
            "uq_bulk_lines_person",
            "bulk_id",
            "worker_id",
            "skill",
            unique=True,
            postgresql_where=text("fate <> 'bad'"),
        ),
    )

"""The package's tables. Projects, tasks and voters are ids of other packages; labels are class numbers from 0."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    DateTime,
    Double,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    UniqueConstraint,
    false,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from foundation.db import Base, Created, Id, IdText, Moment, Ref, one_of
from quality.gold_words import Ending, Source, Status, Verdict
from quality.methods.evidence import Kind


class Vote(Base):
    """What inference needs of an answer: (task, voter, label), and whether an expert gave it."""

    __tablename__ = "votes"

    project_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    task_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    voter_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    label: Mapped[int] = mapped_column(SmallInteger)
    is_expert: Mapped[bool] = mapped_column(server_default=false())
    # Whether it came faster than its task can be read, where its project says how long that takes.
    too_fast: Mapped[bool] = mapped_column(server_default=false())
    created_at: Mapped[Created]


class KnownLabel(Base):
    """A task whose label an expert has made certain. Gold is in a table of its own: its labels can be corrected."""

    __tablename__ = "known_labels"

    project_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    task_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    label: Mapped[int] = mapped_column(SmallInteger)
    voter_id: Mapped[Ref]
    # Whether the task was drawn at random, so that it tells how far the crowd can be trusted on the others.
    is_sample: Mapped[bool] = mapped_column(server_default=false())
    created_at: Mapped[Created]


class CorrectedLabel(Base):
    """That a settled task had the wrong label: the right one, who says so and why. Append-only; the last one counts.

    nth : which correction of the task it is, from 1. is_sample : as of its known label, if it had one.
    """

    __tablename__ = "corrected_labels"

    project_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    task_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    nth: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    correction_id: Mapped[Ref]
    label: Mapped[int] = mapped_column(SmallInteger)
    is_sample: Mapped[bool]
    reason: Mapped[str]
    corrected_by: Mapped[Ref]
    created_at: Mapped[Created]

    __table_args__ = (CheckConstraint("nth > 0", name="nth_positive"),)


class Adjudication(Base):
    """One expert's word on one task. What is known of the task follows from all of them."""

    __tablename__ = "adjudications"

    project_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    task_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    voter_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    label: Mapped[int] = mapped_column(SmallInteger)
    created_at: Mapped[Created]


class Evidence(Base):
    """What speaks against some voters of a project, as it was found. Append-only; who they are is in accusations."""

    __tablename__ = "evidence"

    id: Mapped[Id]
    project_id: Mapped[Ref]
    kind: Mapped[str]
    # Logarithms of ratios: how much better foul play explains the answers, and what was asked for.
    statistic: Mapped[float] = mapped_column(Double)
    threshold: Mapped[float] = mapped_column(Double)
    answers: Mapped[int]
    sentence: Mapped[str]
    found_at: Mapped[Created]

    __table_args__ = (
        Index(None, "project_id"),
        one_of("kind", Kind),
        CheckConstraint("statistic >= threshold", name="statistic_enough"),
    )


class QuarantineStatus(StrEnum):
    """Where a quarantine stands: proposed by evidence, decided by ops, ended by its date or by ops."""

    PROPOSED = "proposed"
    ACTIVE = "active"
    DISMISSED = "dismissed"
    ENDED = "ended"


class Quarantine(Base):
    """A proposal that a voter's votes weigh less for some days, and what ops made of it."""

    __tablename__ = "quarantines"

    id: Mapped[Id]
    voter_id: Mapped[Ref]
    # Where the evidence is from, and where it holds, unless ops decided that it holds everywhere.
    project_id: Mapped[Ref]
    everywhere: Mapped[bool] = mapped_column(server_default=false())
    status: Mapped[str] = mapped_column(server_default=QuarantineStatus.PROPOSED)
    factor: Mapped[float] = mapped_column(Double)
    days: Mapped[int]
    proposed_at: Mapped[Created]
    # What ops said when they decided, and when they ended it; tokens say who.
    reason: Mapped[str | None]
    decided_by: Mapped[str | None] = mapped_column(IdText)
    decided_at: Mapped[Moment | None]
    ends_at: Mapped[Moment | None]
    end_reason: Mapped[str | None]
    ended_by: Mapped[str | None] = mapped_column(IdText)
    ended_at: Mapped[Moment | None]

    __table_args__ = (
        Index(
            "ix_quarantines_open",
            "voter_id",
            "project_id",
            unique=True,
            postgresql_where=text("status IN ('proposed', 'active')"),
        ),
        Index("ix_quarantines_ends_at", "ends_at", postgresql_where=text("status = 'active'")),
        one_of("status", QuarantineStatus),
        CheckConstraint("factor BETWEEN 0 AND 1", name="factor_range"),
        CheckConstraint("days BETWEEN 1 AND 90", name="days_range"),
        CheckConstraint(
            "(status = 'proposed') = (decided_at IS NULL) AND num_nulls(reason, decided_by, decided_at) IN (0, 3)",
            name="decided_by_somebody",
        ),
        CheckConstraint("(status IN ('active', 'ended')) = (ends_at IS NOT NULL)", name="ends_when_begun"),
        CheckConstraint("(status = 'ended') = (ended_at IS NOT NULL)", name="ended_when"),
        CheckConstraint("num_nulls(end_reason, ended_by) IN (0, 2)", name="ended_by_somebody"),
    )


class Accusation(Base):
    """One voter whom some evidence speaks against, and the quarantine that it is given for. Append-only."""

    __tablename__ = "accusations"

    evidence_id: Mapped[str] = mapped_column(IdText, ForeignKey("evidence.id"), primary_key=True)
    voter_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    quarantine_id: Mapped[str] = mapped_column(IdText, ForeignKey("quarantines.id"))

    __table_args__ = (Index(None, "quarantine_id"), Index(None, "voter_id"))


class Inquiry(Base):
    """How far a project has been looked at for evidence."""

    __tablename__ = "inquiries"

    project_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    # Votes that had been weighed at the last look: what tells when to look again.
    n_votes: Mapped[int]
    # Votes cast up to here have been tested, or passed over; no vote is tested twice.
    tested_through: Mapped[Moment]
    looked_at: Mapped[Moment] = mapped_column(server_default=func.now())


class ContestedVoter(Base):
    """Somebody of a group of whom an inquiry cannot say whether it errs, or most others do."""

    __tablename__ = "contested_voters"

    project_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    voter_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    created_at: Mapped[Created]


class VoterTest(Base):
    """Where the test of a voter stands in a project: `sequential.State`."""

    __tablename__ = "voter_tests"

    project_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    voter_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    score: Mapped[float] = mapped_column(Double)
    n_tested: Mapped[int]
    cleared: Mapped[bool]
    updated_at: Mapped[Moment] = mapped_column(server_default=func.now())


class Consensus(Base):
    """The current best label of a task, how sure it is, and what was decided last, with the reason."""

    __tablename__ = "consensus"

    project_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    task_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    label: Mapped[int] = mapped_column(SmallInteger)
    confidence: Mapped[float] = mapped_column(Double)
    posterior: Mapped[list[float]] = mapped_column(ARRAY(Double))
    n_votes: Mapped[int]
    decision: Mapped[str]
    reason: Mapped[str]
    updated_at: Mapped[Moment] = mapped_column(server_default=func.now())

    __table_args__ = (CheckConstraint("confidence BETWEEN 0 AND 1", name="confidence_range"),)


class Reliability(Base):
    """What a project knows of a voter: matrix [true, given], which follows the votes, and the share right as fitted."""

    __tablename__ = "reliability"

    project_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    voter_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    confusion: Mapped[bytes] = mapped_column(LargeBinary)
    reliability: Mapped[float] = mapped_column(Double)
    low: Mapped[float] = mapped_column(Double)
    high: Mapped[float] = mapped_column(Double)
    n_votes: Mapped[int]
    # Expected votes [true, given], of which the confusion is made; of that fit alone whose generation it is.
    counts: Mapped[bytes | None] = mapped_column(LargeBinary)
    generation: Mapped[int] = mapped_column(server_default=text("0"))
    updated_at: Mapped[Moment] = mapped_column(server_default=func.now())

    __table_args__ = (
        Index(None, "project_id", "reliability"),
        Index(None, "voter_id"),
        CheckConstraint(
            "0 <= low AND low <= reliability AND reliability <= high AND high <= 1",
            name="interval_order",
        ),
    )


class ProjectSkill(Base):
    """Which skill a project asks for, in the word of whoever made it, and what its answers are.

    kind : as in `kinds.KINDS`; null where answers are classes. tolerance : how far apart two answers nearly agree, for
    kinds that know it; null is what is usual.
    """

    __tablename__ = "project_skills"

    project_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    skill: Mapped[str] = mapped_column(IdText)
    kind: Mapped[str | None] = mapped_column(IdText)
    tolerance: Mapped[float | None] = mapped_column(Double)

    __table_args__ = (CheckConstraint("tolerance > 0", name="tolerance_positive"),)


class TaskValue(Base):
    """What a label says of a task whose answers are no classes. Append-only.

    digest : SHA-256 of the value as its kind writes it.
    """

    __tablename__ = "task_values"

    project_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    task_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    label: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    value: Mapped[str]

    __table_args__ = (UniqueConstraint("project_id", "task_id", "digest"),)


class LikeValue(Base):
    """A label of a task whose value agrees with that of its known label so well that it is right. Append-only."""

    __tablename__ = "like_values"

    project_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    task_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    label: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    known: Mapped[int] = mapped_column(SmallInteger, primary_key=True)


class ProjectFit(Base):
    """What a project knows of everybody: class prior and pool's matrix, which follow the votes, and the last fit."""

    __tablename__ = "project_fits"

    project_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    n_classes: Mapped[int] = mapped_column(SmallInteger)
    prior: Mapped[bytes] = mapped_column(LargeBinary)
    pool: Mapped[bytes] = mapped_column(LargeBinary)
    # Votes when it was fitted, and votes weighed since: what tells when to fit again.
    n_votes: Mapped[int]
    n_since: Mapped[int] = mapped_column(server_default=text("0"))
    n_iter: Mapped[int]
    converged: Mapped[bool]
    # How votes become belief: `reading.Trust`.
    discount: Mapped[float] = mapped_column(Double, server_default=text("0.3"))
    counted: Mapped[float] = mapped_column(Double, server_default=text("0.2"))
    fitted_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    # The number of the refit that everything counted belongs to; 0 : fitted before statistics were kept.
    generation: Mapped[int] = mapped_column(server_default=text("0"))
    # What prior and pool are made of: the sum of all tasks' posteriors, and of all voters' counts.
    classes: Mapped[bytes | None] = mapped_column(LargeBinary)
    total: Mapped[bytes | None] = mapped_column(LargeBinary)
    # How much less probable new votes were than expected, in nats, and of how many votes that is the sum.
    surprise: Mapped[float] = mapped_column(Double, server_default=text("0"))
    n_foretold: Mapped[int] = mapped_column(server_default=text("0"))


class Gold(Base):
    """A task whose label was known before anybody was asked, and what has become of it."""

    __tablename__ = "golds"

    project_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    task_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    label: Mapped[int] = mapped_column(SmallInteger)
    source: Mapped[str]
    # The settled task it was made from; whoever has answered that one never meets this one.
    origin_id: Mapped[str | None] = mapped_column(IdText)
    explanation: Mapped[str]
    status: Mapped[str]
    ended_by: Mapped[str | None]
    reason: Mapped[str] = mapped_column(server_default="")
    # How many voters have been given it, at most and so far, and how many there were at the last look at its health.
    exposures_max: Mapped[int]
    exposures: Mapped[int] = mapped_column(server_default=text("0"))
    exposures_judged: Mapped[int] = mapped_column(server_default=text("0"))
    first_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    last_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    added_by: Mapped[Ref]
    created_at: Mapped[Created]

    __table_args__ = (
        one_of("source", Source),
        one_of("status", Status),
        one_of("ended_by", Ending),
        CheckConstraint("(status = 'active') = (ended_by IS NULL)", name="ended_when"),
        CheckConstraint("exposures_max > 0 AND exposures >= 0", name="exposures_range"),
        Index("ix_golds_drawn", "project_id", "exposures", "task_id", postgresql_where=text("status = 'active'")),
        Index(
            "ix_golds_unjudged",
            "task_id",
            postgresql_where=text("status = 'active' AND exposures >= exposures_judged + 10"),
        ),
        Index("ix_golds_retiring", "task_id", postgresql_where=text("status = 'retiring'")),
        Index(None, "project_id", "origin_id", unique=True, postgresql_where=text("origin_id IS NOT NULL")),
    )


class Exposure(Base):
    """One voter who was given one gold: on which step of the ladder, and before which ordinary task. Append-only."""

    __tablename__ = "exposures"

    project_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    task_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    voter_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    ahead_of: Mapped[Ref]
    tier: Mapped[int] = mapped_column(SmallInteger)
    created_at: Mapped[Created]

    __table_args__ = (Index(None, "project_id", "ahead_of", "voter_id", unique=True),)


class Check(StrEnum):
    """How the truth of an answer became known: by gold, by a task drawn at random, or by one that was in dispute."""

    GOLD = "gold"
    SPOT = "spot"
    DISPUTE = "dispute"


class CheckedVote(Base):
    """A vote whose truth became known. It stays; whether it was right follows what is known, and the record follows."""

    __tablename__ = "checked_votes"

    project_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    task_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    voter_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    skill: Mapped[str] = mapped_column(IdText)
    source: Mapped[str]
    # Nothing where nobody knows any more, because a gold's label is doubted.
    is_right: Mapped[bool | None]
    # As what it stands in its voter's record at present, and as which of the checked answers there, from 1.
    counted: Mapped[bool | None]
    seq: Mapped[int | None]
    checked_at: Mapped[Created]

    __table_args__ = (
        one_of("source", Check),
        CheckConstraint("seq > 0 AND (counted IS NULL OR seq IS NOT NULL)", name="counted_in_order"),
        CheckConstraint("source <> 'dispute' OR seq IS NULL", name="disputes_apart"),
        Index("uq_checked_votes_seq", "voter_id", "skill", "seq", unique=True),
        Index(
            "ix_checked_votes_uncounted",
            "checked_at",
            postgresql_where=text("source <> 'dispute' AND counted IS DISTINCT FROM is_right"),
        ),
    )


class VoterRecord(Base):
    """What the checked answers of a voter show in a skill, since its sequence was begun; bounds hold at any time."""

    __tablename__ = "voter_records"

    voter_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    skill: Mapped[str] = mapped_column(IdText, primary_key=True)
    # Checked answers ever, and after which of them the sequence begins.
    n_seen: Mapped[int] = mapped_column(server_default=text("0"))
    since: Mapped[int] = mapped_column(server_default=text("0"))
    n: Mapped[int] = mapped_column(server_default=text("0"))
    n_right: Mapped[int] = mapped_column(server_default=text("0"))
    low: Mapped[float] = mapped_column(Double, server_default=text("0"))
    high: Mapped[float] = mapped_column(Double, server_default=text("1"))
    # The last answers by themselves: of the two latest beginnings the one that speaks more against the voter.
    n_recent: Mapped[int] = mapped_column(server_default=text("0"))
    n_recent_right: Mapped[int] = mapped_column(server_default=text("0"))
    high_recent: Mapped[float] = mapped_column(Double, server_default=text("1"))
    checked_at: Mapped[Moment] = mapped_column(server_default=func.now())

    __table_args__ = (
        CheckConstraint("0 <= since AND since <= n_seen", name="since_range"),
        CheckConstraint("0 <= n_right AND n_right <= n AND n <= n_seen - since", name="counts_range"),
        CheckConstraint("0 <= n_recent_right AND n_recent_right <= n_recent AND n_recent <= n", name="recent_range"),
        CheckConstraint("0 <= low AND low <= high AND high <= 1", name="interval_order"),
        CheckConstraint("high_recent BETWEEN 0 AND 1", name="high_recent_range"),
    )


class Contribution(Base):
    """What a task has added to the counts of its voters: the posterior, and the voters that it was added for."""

    __tablename__ = "contributions"

    project_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    generation: Mapped[int] = mapped_column(primary_key=True)
    task_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    posterior: Mapped[bytes] = mapped_column(LargeBinary)
    voters: Mapped[list[str]] = mapped_column(ARRAY(IdText))
    # The clock's time, not the transaction's: it is read while the project's stream is held.
    counted_at: Mapped[Moment] = mapped_column(server_default=func.clock_timestamp())


class RefitState(StrEnum):
    """How far a refit has come."""

    RUNNING = "running"
    DONE = "done"
    ABANDONED = "abandoned"


class Refit(Base):
    """One refit of a project: how far it is, and how far apart it and what was counted meanwhile have been."""

    __tablename__ = "refits"

    project_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    cause: Mapped[str]
    state: Mapped[str]
    n_votes: Mapped[int] = mapped_column(server_default=text("0"))
    n_iter: Mapped[int] = mapped_column(server_default=text("0"))
    objective: Mapped[float | None] = mapped_column(Double)
    # Share of the tasks whose contributions are written.
    written: Mapped[float] = mapped_column(Double, server_default=text("0"))
    # Differences of posteriors, the largest and the mean over tasks of each one's largest; and labels that differ.
    drift_largest: Mapped[float | None] = mapped_column(Double)
    drift_mean: Mapped[float | None] = mapped_column(Double)
    n_flipped: Mapped[int | None]
    # Settled tasks that it decides otherwise.
    n_revised: Mapped[int | None]
    started_at: Mapped[Moment] = mapped_column(server_default=func.clock_timestamp())
    updated_at: Mapped[Moment] = mapped_column(server_default=func.clock_timestamp())

    __table_args__ = (one_of("state", RefitState),)


class Checkpoint(Base):
    """How far a refit's fit has come, so that the next one goes on from there if this one is killed."""

    __tablename__ = "checkpoints"

    project_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    # Of how many votes it is, and after how many passes.
    n_votes: Mapped[int]
    n_iter: Mapped[int]
    # What has been counted of whom, and the sum of the posteriors.
    voters: Mapped[list[str]] = mapped_column(ARRAY(IdText))
    counts: Mapped[bytes] = mapped_column(LargeBinary)
    classes: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[Created]


class Revision(Base):
    """A settled task that the last refit would decide otherwise."""

    __tablename__ = "revisions"

    project_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    task_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    settled_label: Mapped[int] = mapped_column(SmallInteger)
    settled_confidence: Mapped[float] = mapped_column(Double)
    label: Mapped[int] = mapped_column(SmallInteger)
    confidence: Mapped[float] = mapped_column(Double)
    # The refit that first said so.
    refit: Mapped[int]
    created_at: Mapped[Created]


class GoldProposal(Base):
    """A settled task that would make a good gold, for ops to approve or refuse."""

    __tablename__ = "gold_proposals"

    project_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    # The settled task.
    task_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    label: Mapped[int] = mapped_column(SmallInteger)
    source: Mapped[str]
    why: Mapped[str]
    status: Mapped[str]
    reason: Mapped[str] = mapped_column(server_default="")
    decided_by: Mapped[str | None] = mapped_column(IdText)
    created_at: Mapped[Created]

    __table_args__ = (one_of("source", Source), one_of("status", Verdict))


class GoldCorrection(Base):
    """That a gold had the wrong label: which, since when another, who says so and why. Append-only."""

    __tablename__ = "gold_corrections"

    id: Mapped[Id]
    project_id: Mapped[Ref]
    task_id: Mapped[Ref]
    label_from: Mapped[int] = mapped_column(SmallInteger)
    label_to: Mapped[int] = mapped_column(SmallInteger)
    reason: Mapped[str]
    corrected_by: Mapped[Ref]
    created_at: Mapped[Created]

    __table_args__ = (Index(None, "project_id", "task_id", "id"),)

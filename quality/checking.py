"""What checks show of voters: each answer whose truth became known is counted once, in its voter's record of a skill.

Gold tells of everybody alike, and so do tasks that are drawn for a spot check. Tasks that went to an expert because the
crowd was in doubt are the hard ones: who is right on four tasks of five is right on far fewer of those. They are kept
as disputes, for people to see, and counted in nobody's record.

A record is a sequence of checked answers with bounds that hold at any time of looking. So that a long good past hides
no decline, sequences of their own begin with every 25th answer, and the two that began last are looked at as well.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import Select, func, select, text
from sqlalchemy.orm import Session

from foundation import ids, pagination
from foundation.errors import NotFound
from foundation.outbox import publish
from quality import certain, values
from quality.events import ReliabilityChanged
from quality.methods import anytime
from quality.models import CheckedVote, VoterRecord

# How often the bounds of a whole sequence ever leave the truth, and those of one of its later beginnings.
ALPHA = 0.05
ALPHA_RECENT = 0.005
BLOCK = 25
_AT_ONCE = 1000

# Whoever knows the label of a gold whose last word is that it is doubted, knows nothing.
_CHECK_GOLD = text("""
    INSERT INTO checked_votes (project_id, task_id, voter_id, skill, source, is_right)
    SELECT v.project_id, v.task_id, v.voter_id, s.skill, 'gold',
           CASE WHEN g.ended_by = 'contested' THEN NULL ELSE v.label = g.label END
      FROM unnest(CAST(:task_ids AS text[]), CAST(:voter_ids AS text[])) AS met(task_id, voter_id)
      JOIN votes v ON v.project_id = :project_id AND v.task_id = met.task_id AND v.voter_id = met.voter_id
      JOIN golds g ON g.project_id = v.project_id AND g.task_id = v.task_id
      JOIN project_skills s ON s.project_id = v.project_id
    ON CONFLICT DO NOTHING
""")
_CHECK_TASKS = text(f"""
    INSERT INTO checked_votes (project_id, task_id, voter_id, skill, source, is_right)
    SELECT v.project_id, v.task_id, v.voter_id, s.skill, CASE WHEN k.is_sample THEN 'spot' ELSE 'dispute' END,
           {values.IS_RIGHT}
      FROM {certain.LABELS} k
      JOIN votes v ON v.project_id = k.project_id AND v.task_id = k.task_id
      JOIN project_skills s ON s.project_id = v.project_id
     WHERE k.project_id = :project_id AND k.task_id = ANY(:task_ids)
    ON CONFLICT DO NOTHING
""")


def check(db: Session, project_id: str, *, met: Sequence[tuple[str, str]] = (), task_ids: Collection[str] = ()) -> None:
    """Note votes whose truth is known: those on gold, as (gold, voter), and all on tasks that an expert has decided.

    What is noted already stays. Call this while holding the project's stream.
    """
    if met:
        columns = {"task_ids": [one for one, _ in met], "voter_ids": [voter for _, voter in met]}
        db.execute(_CHECK_GOLD, {"project_id": project_id, **columns})
    if task_ids:
        values.compare(db, project_id, sorted(task_ids))
        db.execute(_CHECK_TASKS, {"project_id": project_id, "task_ids": sorted(task_ids)})


_RECHECK = text("""
    UPDATE checked_votes c SET is_right = CASE WHEN g.ended_by = 'contested' THEN NULL ELSE v.label = g.label END
      FROM golds g JOIN votes v ON v.project_id = g.project_id AND v.task_id = g.task_id
     WHERE g.project_id = :project_id AND g.task_id = :task_id
       AND c.project_id = v.project_id AND c.task_id = v.task_id AND c.voter_id = v.voter_id
""")


_RECHECK_TASK = text(f"""
    UPDATE checked_votes c SET is_right = {values.IS_RIGHT}
      FROM {certain.LABELS} k JOIN votes v ON v.project_id = k.project_id AND v.task_id = k.task_id
     WHERE k.project_id = :project_id AND k.task_id = :task_id AND c.source <> 'gold'
       AND c.voter_id = v.voter_id AND c.project_id = v.project_id AND c.task_id = v.task_id
""")


def recheck(db: Session, project_id: str, task_id: str) -> None:
    """Judge the votes on a gold by what is known of it now. Hold the project's stream, as whoever checks does."""
    db.execute(_RECHECK, {"project_id": project_id, "task_id": task_id})


def recheck_task(db: Session, project_id: str, task_id: str) -> None:
    """The same for the votes on a task that is no gold, by what is certain of it now."""
    values.compare(db, project_id, [task_id])
    db.execute(_RECHECK_TASK, {"project_id": project_id, "task_id": task_id})


@dataclass(frozen=True, slots=True)
class Judged:
    """How a vote is judged; nothing where nobody knows. seq : as which of its voter's it was counted."""

    skill: str
    is_right: bool | None
    seq: int | None


def on_task(db: Session, project_id: str, task_id: str) -> dict[str, Judged]:
    """The votes on a task whose truth is or was known, by their voters."""
    rows = select(CheckedVote).where(CheckedVote.project_id == project_id, CheckedVote.task_id == task_id)
    found = db.scalars(rows.order_by(CheckedVote.voter_id).execution_options(populate_existing=True))
    return {row.voter_id: Judged(row.skill, row.is_right, row.seq) for row in found}


# Counting


_UNCOUNTED = text("""
    SELECT project_id, task_id, voter_id, skill, is_right, counted, seq, checked_at FROM checked_votes
     WHERE source <> 'dispute' AND counted IS DISTINCT FROM is_right
     ORDER BY checked_at, task_id, voter_id LIMIT :most FOR UPDATE SKIP LOCKED
""")
_UNCOUNTED_OF = text("""
    SELECT project_id, task_id, voter_id, skill, is_right, counted, seq, checked_at FROM checked_votes
     WHERE project_id = :project_id AND task_id = :task_id AND source <> 'dispute' AND counted IS DISTINCT FROM is_right
     ORDER BY checked_at, voter_id FOR UPDATE
""")
_BEGIN = text("INSERT INTO voter_records (voter_id, skill) VALUES (:voter_id, :skill) ON CONFLICT DO NOTHING")
_COUNTED = text("""
    UPDATE checked_votes c SET counted = n.counted, seq = n.seq
      FROM unnest(CAST(:project_ids AS text[]), CAST(:task_ids AS text[]), CAST(:voter_ids AS text[]),
                  CAST(:counted AS bool[]), CAST(:seqs AS int[])) AS n(project_id, task_id, voter_id, counted, seq)
     WHERE c.project_id = n.project_id AND c.task_id = n.task_id AND c.voter_id = n.voter_id
""")


def count(db: Session) -> int:
    """Bring what was checked, or is judged otherwise now, into its voters' records. A sweep."""
    rows = db.execute(_UNCOUNTED, {"most": _AT_ONCE}).all()
    _count(db, rows)
    return len(rows)


def count_task(db: Session, project_id: str, task_id: str) -> None:
    """The same at once for the votes on one task: for whoever has to know what becomes of their voters."""
    _count(db, db.execute(_UNCOUNTED_OF, {"project_id": project_id, "task_id": task_id}).all())


def _count(db: Session, rows: Sequence[Any]) -> None:
    records = _locked(db, {(row.voter_id, row.skill) for row in rows})
    corrected = {(row.voter_id, row.skill) for row in rows if row.counted is not None}
    seqs = []
    for row in rows:
        record = records[row.voter_id, row.skill]
        if row.seq is None:
            record.n_seen += 1
            record.checked_at = max(record.checked_at, row.checked_at)
        seqs.append(row.seq or record.n_seen)
        if seqs[-1] > record.since:
            record.n += (row.is_right is not None) - (row.counted is not None)
            record.n_right += bool(row.is_right) - bool(row.counted)
    if rows:
        columns = {f"{name}s": [getattr(row, name) for row in rows] for name in ("project_id", "task_id", "voter_id")}
        db.execute(_COUNTED, {**columns, "counted": [row.is_right for row in rows], "seqs": seqs})
        _measure(db, records.values())
    for (voter_id, skill), record in records.items():
        shown = {name: getattr(record, name) for name in ("n", "n_right", "low", "high")}
        publish(db, ReliabilityChanged(voter_id, skill, **shown, corrected=(voter_id, skill) in corrected))


def _locked(db: Session, keys: Collection[tuple[str, str]]) -> dict[tuple[str, str], VoterRecord]:
    """The records of these voters in these skills, begun where there was none; locked in their order."""
    found = {}
    for voter_id, skill in sorted(keys):
        db.execute(_BEGIN, {"voter_id": voter_id, "skill": skill})
        found[voter_id, skill] = db.get_one(
            VoterRecord, (voter_id, skill), with_for_update=True, populate_existing=True
        )
    return found


# Of some stretch of a record: all of it, what is after `first`, and what is after `second`.
_STRETCHES = text("""
    SELECT w.place, count(c.counted) AS n, count(*) FILTER (WHERE c.counted) AS n_right,
           count(c.counted) FILTER (WHERE c.seq > w.first) AS n_first,
           count(*) FILTER (WHERE c.counted AND c.seq > w.first) AS first_right,
           count(c.counted) FILTER (WHERE c.seq > w.second) AS n_second,
           count(*) FILTER (WHERE c.counted AND c.seq > w.second) AS second_right
      FROM unnest(CAST(:voter_ids AS text[]), CAST(:skills AS text[]), CAST(:afters AS int[]),
                  CAST(:throughs AS int[]), CAST(:firsts AS int[]), CAST(:seconds AS int[]))
           WITH ORDINALITY AS w(voter_id, skill, after, through, first, second, place)
      LEFT JOIN checked_votes c ON c.voter_id = w.voter_id AND c.skill = w.skill
                               AND c.seq > w.after AND c.seq <= w.through
     GROUP BY w.place ORDER BY w.place
""")


@dataclass(frozen=True, slots=True)
class Stretch:
    """Checked answers of a voter in a skill from one number to another: after `since`, up to `through`."""

    voter_id: str
    skill: str
    since: int
    through: int

    @property
    def beginnings(self) -> tuple[int, int]:
        """After which answers the two later sequences begin that were alive at its end."""
        block = max(self.through - self.since - 1, 0) // BLOCK
        return self.since + BLOCK * max(block - 1, 0), self.since + BLOCK * block


@dataclass(frozen=True, slots=True)
class Shown:
    """What a stretch shows: how many were right, the bounds that hold at any time, and what its last answers say.

    high_recent : the upper bound of the later sequence that speaks more against the voter, which has n_recent answers.
    """

    n: int
    n_right: int
    low: float
    high: float
    n_recent: int
    n_recent_right: int
    high_recent: float


def _measure(db: Session, records: Iterable[VoterRecord]) -> None:
    """Bring bounds to what their counts say. The whole is counted already, so only the last blocks are read."""
    records = list(records)
    stretches = [Stretch(one.voter_id, one.skill, one.since, one.n_seen) for one in records]
    rows = _read(db, stretches, [one.beginnings[0] for one in stretches])
    for record, shown in zip(records, _shown([(one.n, one.n_right) for one in records], rows), strict=True):
        for name in ("low", "high", "n_recent", "n_recent_right", "high_recent"):
            setattr(record, name, getattr(shown, name))
    db.flush()


def shown(db: Session, stretch: Stretch) -> Shown:
    """What a stretch shows by what is known now, which may be more than was known at its end."""
    rows = _read(db, [stretch], [stretch.since])
    return _shown([(rows[0].n, rows[0].n_right)], rows)[0]


def _read(db: Session, stretches: Sequence[Stretch], afters: Sequence[int]) -> Sequence[Any]:
    columns = {
        "voter_ids": [one.voter_id for one in stretches],
        "skills": [one.skill for one in stretches],
        "afters": list(afters),
        "throughs": [one.through for one in stretches],
        "firsts": [one.beginnings[0] for one in stretches],
        "seconds": [one.beginnings[1] for one in stretches],
    }
    return db.execute(_STRETCHES, columns).all()


def _shown(whole: Sequence[tuple[int, int]], rows: Sequence[Any]) -> list[Shown]:
    """What n and n_right of each, and what `_read` says of its later sequences, come to."""
    n, right = np.array(whole, dtype=np.int64).reshape(-1, 2).T
    low, high = anytime.bounds(right, n, alpha=ALPHA)
    n_later = np.array([(row.n_first, row.n_second) for row in rows], dtype=np.int64)
    right_later = np.array([(row.first_right, row.second_right) for row in rows], dtype=np.int64)
    _, above = anytime.bounds(right_later.ravel(), n_later.ravel(), alpha=ALPHA_RECENT)
    above = above.reshape(-1, 2)
    worse = above.argmin(axis=1)
    return [
        Shown(
            n=int(n[i]),
            n_right=int(right[i]),
            low=float(low[i]),
            high=float(high[i]),
            n_recent=int(n_later[i, chosen]),
            n_recent_right=int(right_later[i, chosen]),
            high_recent=float(above[i, chosen]),
        )
        for i, chosen in enumerate(worse.tolist())
    ]


# Reading, and beginning anew


@dataclass(frozen=True, slots=True)
class Record:
    """A voter's record in a skill as other packages see it. n_seen : checked answers ever; since : as of a stretch."""

    voter_id: str
    skill: str
    n_seen: int
    since: int
    shown: Shown
    checked_at: datetime


def find(db: Session, voter_id: str, skill: str) -> Record | None:
    """What checks show of a voter in a skill, if any answer was ever checked; locked, so that it stays that."""
    row = db.get(VoterRecord, (voter_id, skill), with_for_update=True, populate_existing=True)
    return None if row is None else _record(row)


def of_voter(db: Session, voter_id: str) -> list[Record]:
    """A voter's records in all skills in which anything was checked, in the order of their names."""
    rows = select(VoterRecord).where(VoterRecord.voter_id == voter_id).order_by(VoterRecord.skill)
    return [_record(row) for row in db.scalars(rows.execution_options(populate_existing=True))]


def of_voters(db: Session, voter_ids: Sequence[str], skill: str) -> dict[str, Record]:
    """The records of those of these voters in a skill of whom anything was checked."""
    rows = select(VoterRecord).where(VoterRecord.voter_id.in_(voter_ids), VoterRecord.skill == skill)
    return {row.voter_id: _record(row) for row in db.scalars(rows.execution_options(populate_existing=True))}


def skills(db: Session) -> set[str]:
    """All skills in which anything of anybody was checked."""
    return set(db.scalars(select(VoterRecord.skill).distinct()))


def in_skill(db: Session, skill: str, *, after: str, most: int) -> list[Record]:
    """The first records in a skill whose voters' ids come after this, in their order."""
    rows = select(VoterRecord).where(VoterRecord.skill == skill, VoterRecord.voter_id > after)
    ordered = rows.order_by(VoterRecord.voter_id).limit(most).execution_options(populate_existing=True)
    return [_record(row) for row in db.scalars(ordered)]


def within(skill: str, *, low_least: float | None, high_most: float | None) -> Select[str]:
    """Whose record in a skill has bounds like these: a list of ids for whoever asks about more of them."""
    rows = select(VoterRecord.voter_id).where(VoterRecord.skill == skill)
    if low_least is not None:
        rows = rows.where(VoterRecord.low >= low_least)
    if high_most is not None:
        rows = rows.where(func.least(VoterRecord.high, VoterRecord.high_recent) <= high_most)
    return rows


def _record(row: VoterRecord) -> Record:
    shown = Shown(**{name: getattr(row, name) for name in Shown.__slots__})
    return Record(row.voter_id, row.skill, row.n_seen, row.since, shown, row.checked_at)


def begin_anew(db: Session, voter_id: str, skill: str, *, since: int | None = None) -> None:
    """Let a record begin after this checked answer of its voter, or after the last one: what was before is over."""
    (row,) = _locked(db, [(voter_id, skill)]).values()
    row.since = row.n_seen if since is None else since
    whole = shown(db, Stretch(voter_id, skill, row.since, row.n_seen))
    row.n, row.n_right = whole.n, whole.n_right
    _measure(db, [row])


def page(db: Session, voter_id: str, request: pagination.PageRequest, *, skill: str | None = None) -> pagination.Page:
    """The checked answers of a voter in the order of their tasks, newest first, in one skill or all."""
    if not ids.looks_valid(voter_id, "wrk"):
        raise NotFound("There is no such worker.")
    rows = select(CheckedVote).where(CheckedVote.voter_id == voter_id)
    if skill is not None:
        rows = rows.where(CheckedVote.skill == skill)
    return pagination.read(db, rows, CheckedVote.task_id, request)

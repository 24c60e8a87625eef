"""Votes: cast once for a task and a voter, read back as arrays of codes."""

from array import array
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from foundation.limits import Limit
from quality import certain
from quality.gold_words import Ending
from quality.methods.reading import APART, CROWD
from quality.methods.votes import UNKNOWN, BoolArray, IntArray, Votes
from quality.models import Gold, Vote

CAST = text("""
    INSERT INTO votes (project_id, task_id, voter_id, label, is_expert, too_fast)
    VALUES (:project_id, :task_id, :voter_id, :label, :is_expert, :too_fast) ON CONFLICT DO NOTHING
""")

# So many of the newest votes say how a project is going. Looking at them takes about a second, so nobody may ask for it
# all the time.
DECIDED_MAX = 50_000
QUOTA = Limit("figures", 60)


@dataclass(frozen=True, slots=True)
class Coded:
    """Votes as arrays of codes, with the ids that the codes stand for and the labels that are certain.

    known : (n_tasks,), a class or UNKNOWN. sampled : the same of those alone that were drawn at random. gold : the same
    of those alone that were known before anybody was asked. experts : (n_voters,), who has voted as an expert.
    """

    votes: Votes
    task_ids: list[str]
    voter_ids: list[str]
    known: IntArray
    sampled: IntArray
    gold: IntArray
    experts: BoolArray

    @property
    def families(self) -> IntArray:
        """With whom each voter errs, (n_voters,), as `reading.posterior` has it: experts with nobody."""
        return np.where(self.experts, APART, CROWD)

    def voters_of_tasks(self) -> list[list[str]]:
        """Who has voted on each task, in the order of the tasks."""
        found: list[list[str]] = [[] for _ in self.task_ids]
        for task, voter in zip(self.votes.tasks.tolist(), self.votes.voters.tolist(), strict=True):
            found[task].append(self.voter_ids[voter])
        return found


def cast(
    db: Session,
    *,
    project_id: str,
    task_id: str,
    voter_id: str,
    label: int,
    is_expert: bool = False,
    too_fast: bool = False,
) -> None:
    """Record a vote, of the crowd or of an expert beside it. A voter's first vote for a task stands.

    too_fast : whether it came faster than its task can be read.
    """
    vote = {"project_id": project_id, "task_id": task_id, "voter_id": voter_id, "label": label}
    db.execute(CAST, {**vote, "is_expert": is_expert, "too_fast": too_fast})


def read(db: Session, project_id: str, *, n_classes: int, task_ids: Sequence[str]) -> Coded:
    """The votes of some tasks of a project, in the canonical order of ids."""
    rows = select(Vote.task_id, Vote.voter_id, Vote.label, Vote.is_expert).where(Vote.project_id == project_id)
    found = db.execute(rows.where(Vote.task_id.in_(task_ids))).all()
    tasks, voters = sorted(set(task_ids)), sorted({row.voter_id for row in found})
    task_code = {task_id: code for code, task_id in enumerate(tasks)}
    voter_code = {voter_id: code for code, voter_id in enumerate(voters)}
    votes = Votes(
        tasks=np.array([task_code[row.task_id] for row in found], dtype=np.int64),
        voters=np.array([voter_code[row.voter_id] for row in found], dtype=np.int64),
        labels=np.array([row.label for row in found], dtype=np.int64),
        n_tasks=len(tasks),
        n_voters=len(voters),
        n_classes=n_classes,
    )
    experts = {row.voter_id for row in found if row.is_expert}
    return _certain(db, project_id, task_ids).coded(votes, tasks, voters, experts)


# One row a task, in the order of ids: a fit of a million votes reads two hundred thousand rows.
_ALL = """
    COPY (SELECT task_id, array_agg(voter_id ORDER BY voter_id), array_agg(label ORDER BY voter_id),
                 array_agg(voter_id) FILTER (WHERE is_expert)
            FROM votes WHERE project_id = %(project_id)s GROUP BY task_id ORDER BY task_id)
      TO STDOUT (FORMAT binary)
"""


def read_all(db: Session, project_id: str, *, n_classes: int) -> Coded:
    """The votes of a whole project: as `read` has them, in less time and memory.

    Certain labels on which nobody has voted come last, but for gold that nobody has met.
    """
    task_ids: list[str] = []
    code_of: dict[str, int] = {}
    n_each, voters, labels = array("q"), array("q"), array("q")
    experts: set[str] = set()
    driver: Any = db.connection().connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(_ALL, {"project_id": project_id}) as copied:
        copied.set_types(["text", "text[]", "int2[]", "text[]"])
        for task_id, who, what, known_well in copied.rows():
            task_ids.append(task_id)
            n_each.append(len(who))
            voters.extend([code_of.setdefault(voter_id, len(code_of)) for voter_id in who])
            labels.extend(what)
            experts.update(known_well or ())
    sure = _certain(db, project_id)
    voted = set(task_ids)
    task_ids += sorted(sure.known.keys() - sure.gold.keys() - voted)
    voter_ids, order = sorted(code_of), np.empty(len(code_of), dtype=np.int64)
    order[[code_of[voter_id] for voter_id in voter_ids]] = np.arange(len(voter_ids))
    votes = Votes(
        tasks=np.repeat(np.arange(len(n_each)), np.array(n_each, dtype=np.int64)),
        voters=order[np.array(voters, dtype=np.int64)],
        labels=np.array(labels, dtype=np.int64),
        n_tasks=len(task_ids),
        n_voters=len(voter_ids),
        n_classes=n_classes,
    )
    return sure.coded(votes, task_ids, voter_ids, experts)


@dataclass(frozen=True, slots=True)
class _Certain:
    """Labels that are certain, by task: all of them, those of tasks drawn at random, and those of gold."""

    known: Mapping[str, int]
    sampled: Mapping[str, int]
    gold: Mapping[str, int]

    def coded(self, votes: Votes, task_ids: list[str], voter_ids: list[str], experts: Collection[str]) -> Coded:
        known, sampled, gold = (
            np.array([label_of.get(task_id, UNKNOWN) for task_id in task_ids], dtype=np.int64)
            for label_of in (self.known, self.sampled, self.gold)
        )
        of_expert = np.array([voter_id in experts for voter_id in voter_ids], dtype=np.bool_)
        return Coded(votes, task_ids, voter_ids, known=known, sampled=sampled, gold=gold, experts=of_expert)


def _certain(db: Session, project_id: str, task_ids: Sequence[str] | None = None) -> _Certain:
    """What is certain of these tasks, or of all. Gold that is retired because its label is doubted is not."""
    of = certain.KNOWN.c
    known = select(of.task_id, of.label, of.is_sample).where(of.project_id == project_id)
    gold = select(Gold.task_id, Gold.label).where(Gold.project_id == project_id)
    gold = gold.where(Gold.ended_by.is_distinct_from(Ending.CONTESTED))
    if task_ids is not None:
        known, gold = known.where(of.task_id.in_(task_ids)), gold.where(Gold.task_id.in_(task_ids))
    rows = db.execute(known).all()
    of_gold = {row.task_id: row.label for row in db.execute(gold)}
    return _Certain(
        known={row.task_id: row.label for row in rows} | of_gold,
        sampled={row.task_id: row.label for row in rows if row.is_sample},
        gold=of_gold,
    )


@dataclass(frozen=True, slots=True)
class Decided:
    """Votes on tasks that the crowd is through with, in the order in which they came, and what codes stand for.

    Every task has at least one vote, and every voter.
    """

    votes: Votes
    task_ids: list[str]
    voter_ids: list[str]


_DECIDED = text("""
    SELECT v.task_id, v.voter_id, v.label, v.created_at, f.n_classes
      FROM project_fits f
      JOIN votes v ON v.project_id = f.project_id
      JOIN consensus c ON c.project_id = f.project_id AND c.task_id = v.task_id AND c.decision IN ('settle', 'escalate')
     WHERE f.project_id = :project_id ORDER BY v.task_id DESC, v.voter_id DESC LIMIT :at_most
""")


def decided(db: Session, project_id: str) -> Decided:
    """The newest votes of a project on tasks that are settled or with an expert; at most `DECIDED_MAX`."""
    found = db.execute(_DECIDED, {"project_id": project_id, "at_most": DECIDED_MAX}).all()
    if len(found) == DECIDED_MAX:
        # The last task may have been cut off.
        found = [row for row in found if row.task_id != found[-1].task_id]
    found = sorted(found, key=lambda row: (row.task_id, row.created_at, row.voter_id))
    tasks = sorted({row.task_id for row in found})
    voters = sorted({row.voter_id for row in found})
    task_code = {task_id: code for code, task_id in enumerate(tasks)}
    voter_code = {voter_id: code for code, voter_id in enumerate(voters)}
    return Decided(
        votes=Votes(
            tasks=np.array([task_code[row.task_id] for row in found], dtype=np.int64),
            voters=np.array([voter_code[row.voter_id] for row in found], dtype=np.int64),
            labels=np.array([row.label for row in found], dtype=np.int64),
            n_tasks=len(tasks),
            n_voters=len(voters),
            n_classes=found[0].n_classes if found else 1,
        ),
        task_ids=tasks,
        voter_ids=voters,
    )

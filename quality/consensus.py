"""The current best label of a task, its confidence, and the decision that was made on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import text
from sqlalchemy.orm import Session

from quality import checking, counting, inquiry, merging, quarantine, reliability, values, votes
from quality.escalation import Decision, Standing
from quality.methods import collusion, evidence, reading, separation
from quality.models import Consensus


@dataclass(frozen=True, slots=True)
class Weighed:
    """What the votes of one task say: its label, the posterior it comes from, and where the task stands.

    posterior : of each class; empty where answers are no classes.
    """

    task_id: str
    voter_ids: list[str]
    label: int
    posterior: list[float]
    standing: Standing


def weigh(db: Session, project_id: str, task_ids: Sequence[str], *, n_classes: int) -> list[Weighed]:
    """Posterior and standing of some tasks, in the order of their ids, from matrices that follow their votes."""
    if not task_ids:
        return []
    measure = values.measure(db, project_id)
    if measure is not None:
        merged = merging.merge(db, project_id, measure, task_ids)
        return [Weighed(one.task_id, one.voter_ids, one.label, [], one.standing) for one in merged]
    coded = votes.read(db, project_id, n_classes=n_classes, task_ids=task_ids)
    counting.count(db, project_id, coded)
    known = reliability.matrices(db, project_id, coded.voter_ids, n_classes=n_classes)
    weights = quarantine.weights(db, project_id, coded.voter_ids)
    confusion = evidence.tempered(known.confusion, weights)
    found = reading.posterior(
        coded.votes, confusion=confusion, prior=known.prior, trust=known.trust, families=coded.families
    )
    n_votes = coded.votes.per_task()
    gains = reading.expected_gain(found, known.crowd, known.crowd_votes)
    experience = np.bincount(
        coded.votes.tasks, weights=known.n_votes[coded.votes.voters], minlength=coded.votes.n_tasks
    )
    labels, voters_of = found.argmax(axis=1), coded.voters_of_tasks()
    doubted = inquiry.contested(db, project_id)
    contested = collusion.differing(coded.votes, np.array([one in doubted for one in coded.voter_ids], dtype=np.bool_))
    return [
        Weighed(
            task_id=task_id,
            voter_ids=voters_of[i],
            label=int(labels[i]),
            posterior=[float(share) for share in found[i]],
            standing=Standing(
                n_answers=int(n_votes[i]),
                confidence=float(found[i].max()),
                gain=float(gains[i]),
                voter_votes=float(experience[i] / max(n_votes[i], 1)),
                contested=bool(contested[i]),
            ),
        )
        for i, task_id in enumerate(coded.task_ids)
    ]


# Of a crowd whose best are few and far away nobody would come.
_KEPT_FOR = 50


def who_stands_out(db: Session, project_id: str, weighed: Sequence[Weighed], *, n_classes: int) -> dict[str, list[str]]:
    """Voters whose answer would tell more of a task than the crowd's do on average, by task, the best first.

    Only those who have not voted on it, fifty at most; a task of which nobody is left is not there.
    """
    if not any(one.posterior for one in weighed):
        return {}
    known = reliability.matrices(db, project_id, [], n_classes=n_classes)
    ratio = separation.standing_out(np.array([one.posterior for one in weighed]), known.crowd, known.crowd_votes)
    place = {voter_id: code for code, voter_id in enumerate(known.crowd_ids)}
    for task, one in enumerate(weighed):
        ratio[[place[voter_id] for voter_id in one.voter_ids if voter_id in place], task] = 0.0
    best = np.argsort(-ratio, axis=0, kind="stable")[:_KEPT_FOR]
    found = {
        one.task_id: [known.crowd_ids[row] for row in best[:, task].tolist() if ratio[row, task] > 1.0]
        for task, one in enumerate(weighed)
    }
    return {task_id: voter_ids for task_id, voter_ids in found.items() if voter_ids}


_RECORD = text("""
    INSERT INTO consensus (project_id, task_id, label, confidence, posterior, n_votes, decision, reason)
    VALUES (:project_id, :task_id, :label, :confidence, :posterior, :n_votes, :decision, :reason)
    ON CONFLICT (project_id, task_id) DO UPDATE SET label = excluded.label, confidence = excluded.confidence,
        posterior = excluded.posterior, n_votes = excluded.n_votes, decision = excluded.decision,
        reason = excluded.reason, updated_at = now()
""")


def record(db: Session, project_id: str, weighed: Sequence[Weighed], decisions: Mapping[str, Decision]) -> None:
    """Keep what the votes say of each task, and what was decided on it if anything was."""
    rows = [
        {
            "project_id": project_id,
            "task_id": one.task_id,
            "label": one.label,
            "confidence": min(one.standing.confidence, 1.0),
            "posterior": one.posterior,
            "n_votes": one.standing.n_answers,
            "decision": decisions[one.task_id].action.value if one.task_id in decisions else "open",
            "reason": decisions[one.task_id].reason if one.task_id in decisions else "answers are still to come",
        }
        for one in weighed
    ]
    if rows:
        db.execute(_RECORD, rows)


_KNOWN = text("""
    INSERT INTO known_labels (project_id, task_id, label, voter_id, is_sample)
    VALUES (:project_id, :task_id, :label, :voter_id, :is_sample)
    ON CONFLICT DO NOTHING RETURNING label
""")


_RULED = text("""
    UPDATE consensus
       SET label = :label, confidence = 1, decision = 'settle',
           reason = coalesce(CAST(:reason AS text), 'an expert decided: ' || reason),
           posterior = coalesce((SELECT array_agg((i = :label + 1)::int::float8 ORDER BY i)
                                   FROM generate_series(1, cardinality(posterior)) i), '{}'), updated_at = now()
     WHERE project_id = :project_id AND task_id = :task_id
""")


def adjudicate(
    db: Session, project_id: str, *, task_id: str, label: int, voter_id: str, is_sample: bool = False
) -> bool:
    """Take an expert's word for a task: its label is certain from now on. False if it was certain before.

    is_sample : whether the task was drawn at random, and not for how hard it is.
    """
    where = {"project_id": project_id, "task_id": task_id, "label": label}
    if db.execute(_KNOWN, {**where, "voter_id": voter_id, "is_sample": is_sample}).scalar() is None:
        return False
    db.execute(_RULED, {**where, "reason": None})
    return True


def overrule(db: Session, project_id: str, task_id: str, *, label: int) -> None:
    """Let what a task is settled with be another label, which is certain."""
    where = {"project_id": project_id, "task_id": task_id, "label": label}
    db.execute(_RULED, {**where, "reason": "its label was corrected"})


def learn(db: Session, project_id: str, task_ids: Sequence[str], *, n_classes: int) -> None:
    """Let what is known of the voters on some tasks follow what has become certain of these."""
    if task_ids:
        if values.measure(db, project_id) is None:
            counting.count(db, project_id, votes.read(db, project_id, n_classes=n_classes, task_ids=task_ids))
        checking.check(db, project_id, task_ids=task_ids)


@dataclass(frozen=True, slots=True)
class View:
    """The consensus of a task as other packages see it."""

    label: int
    confidence: float
    posterior: list[float]
    n_votes: int
    reason: str


def find(db: Session, project_id: str, task_id: str) -> View | None:
    """The consensus of a task, if anything has been weighed."""
    row = db.get(Consensus, (project_id, task_id), populate_existing=True)
    return None if row is None else View(row.label, row.confidence, row.posterior, row.n_votes, row.reason)

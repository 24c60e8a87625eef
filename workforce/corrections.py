"""Corrections: something was wrong, and all that followed from it is put right together, or nothing of it.

One person proposes and sees what would change, with the money; another one applies just that. A preview is the
correction itself, done and taken back: what it shows is what happens. If the world has moved so that something else
would happen, nothing does, and there is a new preview to look at.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select, text
from sqlalchemy.orm import Session

from foundation import clock, ids, outbox
from foundation.errors import Conflict, NotFound, invalid
from payments import four_eyes
from quality import gold
from quality.gold_words import Ending
from workforce import appeals, arrears, golds, label_corrections, labels, rejudging
from workforce.models import (
    Answer,
    Appeal,
    Assignment,
    Change,
    Correction,
    CorrectionKind,
    CorrectionLine,
    CorrectionState,
    PaidBy,
    Project,
)
from workforce.rejudging import Before

# So many answers to a gold can be judged anew while somebody waits, and so many be paid more.
ANSWERS_MAX = 1_000
PAID_MAX = 5_000


class NoSuchCorrection(NotFound):
    """There is no such correction."""


class CorrectionOpen(Conflict):
    """A correction of this is proposed already."""


class CorrectionOver(Conflict):
    """This correction was applied or dropped."""


class CorrectionTooLarge(Conflict):
    """More would change than can be looked at and done at once."""


class NothingToCorrect(Conflict):
    """Nothing would change."""


class PreviewOutdated(Conflict):
    """What would change is other than the preview says."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody says was wrong.

    task_id : a gold, or a settled task. category : its right label's name; None where nobody knows a gold's, or where a
    settled task's is said by `value`, as an answer would.
    """

    kind: CorrectionKind
    reason: str
    task_id: str | None = None
    category: str | None = None
    appeal_id: str | None = None
    value: dict[str, Any] | None = None


def propose(db: Session, wanted: Wanted, *, proposed_by: str) -> Correction:
    """Say that something was wrong, and keep what would change by putting it right. Nothing is changed yet."""
    made = _OF[wanted.kind](db, wanted)
    made.id, made.state, made.n_previews = ids.new("cor"), CorrectionState.PROPOSED, 0
    made.kind, made.reason, made.proposed_by = wanted.kind, wanted.reason, proposed_by
    # Who proposes another one at the same moment waits here.
    outbox.hold_stream(db, made.project_id)
    of_this = select(Correction.id).where(Correction.subject_id == made.subject_id)
    if db.scalar(of_this.where(Correction.state == CorrectionState.PROPOSED)) is not None:
        raise CorrectionOpen("Apply or drop that one first.")
    _preview(db, made, proposed_by)
    return made


def _of_gold(db: Session, wanted: Wanted) -> Correction:
    _refuse_mixed(wanted, needed="task_id", unwanted=("appeal_id", "value"))
    assert wanted.task_id is not None
    project = db.get_one(Project, gold.project_of(db, wanted.task_id))
    known = gold.find(db, project.id, wanted.task_id)
    label = None if wanted.category is None else golds.label_of(project, wanted.category)
    if known.exposures > ANSWERS_MAX:
        raise CorrectionTooLarge(f"More than {ANSWERS_MAX} workers have met this gold.")
    return Correction(project_id=project.id, subject_id=wanted.task_id, label_from=known.label, label_to=label)


def _of_appeal(db: Session, wanted: Wanted) -> Correction:
    _refuse_mixed(wanted, needed="appeal_id", unwanted=("task_id", "category", "value"))
    found = db.get(Appeal, wanted.appeal_id)
    if found is None:
        raise appeals.NoSuchAppeal("Look its id up in the list of appeals.")
    return Correction(project_id=found.project_id, subject_id=found.id)


def _of_label(db: Session, wanted: Wanted) -> Correction:
    _refuse_mixed(wanted, needed="task_id", unwanted=("appeal_id",))
    assert wanted.task_id is not None
    if (wanted.category is None) == (wanted.value is None):
        raise invalid({"category": ["One of category and value is needed: what the task is."]})
    task = label_corrections.settled(db, wanted.task_id)
    project = db.get_one(Project, task.project_id)
    label = labels.named(db, project, task.id, category=wanted.category, value=wanted.value)
    return Correction(project_id=project.id, subject_id=task.id, label_from=task.label, label_to=label)


_OF: Mapping[CorrectionKind, Callable[[Session, Wanted], Correction]] = {
    CorrectionKind.GOLD: _of_gold,
    CorrectionKind.APPEAL: _of_appeal,
    CorrectionKind.LABEL: _of_label,
}


def _refuse_mixed(wanted: Wanted, *, needed: str, unwanted: Sequence[str]) -> None:
    wrong = {name: [f"Is not for a correction of {wanted.kind}."] for name in unwanted if getattr(wanted, name)}
    if getattr(wanted, needed) is None:
        wrong[needed] = ["Missing data for required field."]
    if wrong:
        raise invalid(wrong)


def preview_again(db: Session, correction_id: str, *, asked_by: str) -> Correction:
    """See what a proposed correction would change by now. Whoever applies it has to have seen this."""
    correction = _proposed(db, correction_id)
    _preview(db, correction, asked_by)
    return correction


def apply(db: Session, correction_id: str, *, content_hash: str, applied_by: str) -> Correction:
    """Do all that a preview showed, the one with this hash, in one transaction; or nothing of it."""
    correction = _proposed(db, correction_id)
    other = four_eyes.other_person(correction.proposed_by, applied_by)
    if content_hash != correction.hash:
        raise PreviewOutdated("Another preview was made since the one with this hash; look at that.")
    lines = list(_done(db, correction, other))
    if _hash(lines) != correction.content_hash:
        raise PreviewOutdated("Something has moved since; make a new preview and look at it.")
    arrears.pay(db, correction.id, lines, actor_ref=other)
    return _decide(db, correction, CorrectionState.APPLIED, other)


def drop(db: Session, correction_id: str, *, dropped_by: str) -> Correction:
    """Let a proposed correction be; whoever proposed it may do so as well."""
    return _decide(db, _proposed(db, correction_id), CorrectionState.DROPPED, dropped_by)


def _proposed(db: Session, correction_id: str) -> Correction:
    correction = db.get(Correction, correction_id, with_for_update=True, populate_existing=True)
    if correction is None:
        raise NoSuchCorrection("There is no correction with this id.")
    if correction.state != CorrectionState.PROPOSED:
        raise CorrectionOver(f"It was {correction.state}.")
    return correction


def _decide(db: Session, correction: Correction, state: CorrectionState, decided_by: str) -> Correction:
    correction.state, correction.decided_by, correction.decided_at = state, decided_by, clock.now(db)
    db.flush()
    return correction


# What follows


def _preview(db: Session, correction: Correction, asked_by: str) -> None:
    """Do a correction, keep what it changed, and take it back."""
    with db.begin_nested() as tried:
        lines = list(_done(db, correction, asked_by))
        tried.rollback()
    correction.n_previews += 1
    correction.n_lines, correction.content_hash = len(lines), _hash(lines)
    db.add(correction)
    db.flush()
    for number, line in enumerate(lines, 1):
        line.correction_id, line.preview, line.number = correction.id, correction.n_previews, number
    db.add_all(lines)
    db.flush()


def _done(db: Session, correction: Correction, by: str) -> Iterator[CorrectionLine]:
    """Put it right, and all that followed but for what workers were paid too little; tells what became different."""
    return _DONE[CorrectionKind(correction.kind)](db, correction, by)


def _gold_done(db: Session, correction: Correction, by: str) -> Iterator[CorrectionLine]:
    outbox.hold_stream(db, correction.project_id)
    project = db.get_one(Project, correction.project_id, populate_existing=True)
    task_id, label, reason = correction.subject_id, correction.label_to, correction.reason
    before = rejudging.look(db, project, [task_id])
    was_known = gold.find(db, project.id, task_id).ended_by != Ending.CONTESTED
    if label is None:
        golds.disown(db, project, task_id, reason=reason)
    else:
        golds.correct(
            db, project, task_id, label=label, reason=reason, corrected_by=by, correction_id=correction.id
        )  # fmt: skip
    lines = list(rejudging.follow(db, project, [task_id], before))
    owed = _priced_too_low(db, project, before)
    if label is None and not was_known and not lines and not owed:
        raise NothingToCorrect("Its label counts as unknown already, and nobody is owed anything for it.")
    yield from (*lines, *owed)


def _label_done(db: Session, correction: Correction, by: str) -> Iterator[CorrectionLine]:
    outbox.hold_stream(db, correction.project_id)
    project = db.get_one(Project, correction.project_id, populate_existing=True)
    wrong = label_corrections.made_of(db, project, correction)
    task_ids = [correction.subject_id, *([] if wrong is None else [wrong.task_id])]
    before = rejudging.look(db, project, task_ids)
    named = label_corrections.correct(db, project, correction, by=by)
    followed = list(rejudging.follow(db, project, task_ids, before))
    owed = label_corrections.accept_right(db, project, correction.subject_id, by=by)
    yield from (*named, *followed, *owed, *_priced_too_low(db, project, before))


def _priced_too_low(db: Session, project: Project, before: Before) -> list[CorrectionLine]:
    """What is owed to whoever was demoted by what was wrong."""
    checked = ((worker_id, one.seq) for (_, worker_id), one in before.judged.items())
    owed = list(arrears.of_answers(db, project.skill, checked, most=PAID_MAX + 1))
    if len(owed) > PAID_MAX:
        raise CorrectionTooLarge(f"More than {PAID_MAX} answers were paid too little.")
    return owed


def _appeal_done(db: Session, correction: Correction, by: str) -> Iterator[CorrectionLine]:
    found = appeals.uphold(db, correction.subject_id, decision=correction.reason, decided_by=by)
    answer = db.get_one(Answer, (found.answer_id, found.project_id))
    price = db.get_one(Assignment, (answer.assignment_id, answer.project_id))
    yield CorrectionLine(
        change=Change.PAY,
        worker_id=answer.worker_id,
        answer_id=answer.id,
        amount=price.amount,
        currency=price.currency,
        exponent=price.exponent,
        paid_by=PaidBy.REQUESTER,
    )


_DONE: Mapping[CorrectionKind, Callable[[Session, Correction, str], Iterator[CorrectionLine]]] = {
    CorrectionKind.GOLD: _gold_done,
    CorrectionKind.APPEAL: _appeal_done,
    CorrectionKind.LABEL: _label_done,
}

# Bounds move with every answer that is checked meanwhile, and move nothing by themselves.
_PROMISED = (
    "change", "worker_id", "was_right", "is_right", "tier_from", "tier_to", "task_id", "label_from", "label_to",
    "quarantine_id", "answer_id", "amount", "currency", "paid_by",
)  # fmt: skip


def _hash(lines: Sequence[CorrectionLine]) -> bytes:
    """The SHA-256 of what lines promise, in their order."""
    said = [[getattr(line, name) for name in _PROMISED] for line in lines]
    return hashlib.sha256(json.dumps(said).encode()).digest()


# What ops see


@dataclass(frozen=True, slots=True)
class Shown:
    """A correction with what its last preview comes to.

    value_from, value_to : what its labels say, as an answer would. moves : rows of tier_from, tier_to and workers.
    money : rows of currency, exponent, paid_by, amount, workers and answers.
    """

    correction: Correction
    value_from: dict[str, Any] | None
    value_to: dict[str, Any] | None
    rejudged: int
    tasks: int
    quarantines: int
    moves: Sequence[Any]
    money: Sequence[Any]


_COUNTS = text("""
    SELECT count(*) FILTER (WHERE change = 'worker') AS rejudged, count(*) FILTER (WHERE change = 'task') AS tasks,
           count(*) FILTER (WHERE change = 'quarantine') AS quarantines
      FROM correction_lines WHERE correction_id = :id AND preview = :preview
""")
_MOVES = text("""
    SELECT tier_from, tier_to, count(*) AS workers FROM correction_lines
     WHERE correction_id = :id AND preview = :preview AND tier_from <> tier_to GROUP BY 1, 2 ORDER BY 1, 2
""")
_MONEY = text("""
    SELECT currency, exponent, paid_by, sum(amount)::bigint AS amount, count(DISTINCT worker_id) AS workers,
           count(*) AS answers
      FROM correction_lines WHERE correction_id = :id AND preview = :preview AND change = 'pay'
     GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
""")


def find(db: Session, correction_id: str) -> Correction:
    """The correction with this id."""
    found = db.get(Correction, correction_id)
    if found is None:
        raise NoSuchCorrection("There is no correction with this id.")
    return found


def shown(db: Session, correction: Correction) -> Shown:
    """A correction with what its last preview comes to."""
    where = {"id": correction.id, "preview": correction.n_previews}
    counts = db.execute(_COUNTS, where).one()
    moves, money = db.execute(_MOVES, where).all(), db.execute(_MONEY, where).all()
    project, of = db.get_one(Project, correction.project_id), correction.subject_id
    before, after = labels.shown(db, project, [(of, correction.label_from), (of, correction.label_to)])
    return Shown(correction, before, after, counts.rejudged, counts.tasks, counts.quarantines, moves, money)


def listed(kind: str | None = None, state: str | None = None) -> Select[Correction]:
    """Corrections, all or those that match."""
    wanted = {Correction.kind: kind, Correction.state: state}
    return select(Correction).where(*(column == value for column, value in wanted.items() if value is not None))


def lines(db: Session, correction_id: str, *, change: str | None = None) -> Select[CorrectionLine]:
    """What the last preview of a correction showed, all or what is about one kind of change."""
    correction = find(db, correction_id)
    rows = select(CorrectionLine).where(
        CorrectionLine.correction_id == correction.id, CorrectionLine.preview == correction.n_previews
    )
    return rows if change is None else rows.where(CorrectionLine.change == change)

"""The refit: everything a project knows of its voters and tasks computed anew from its votes, step by step.

A refit is written beside what is in use, under its number, and takes its place in one short transaction. Until then
settlements go on with what there is; what they have counted meanwhile is counted again under the new number at the
switch. `steps` says with each `yield` where its caller may commit: run apart from settlements, it holds a project's
stream for the first and the last of them alone; run through inside one transaction, it is a refit at once. Of one that
is killed nothing was ever read; the next one begins with the votes as they are then, and its fit where that one's was.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from foundation import ids, outbox, pagination
from foundation.errors import NotFound
from quality import checkpoints, counting, quarantine, revisions, values, votes
from quality.methods import em, evidence, gold, hierarchical, intervals, online, reading
from quality.methods.fit import Fit
from quality.methods.intervals import Bounds
from quality.methods.online import Statistics
from quality.methods.reading import Trust
from quality.methods.votes import UNKNOWN, FloatArray, rows
from quality.models import ProjectFit, Refit, RefitState, Reliability
from quality.votes import Coded

# A label moves no more long before the posteriors stand still to the eighth digit.
_TOL = 1e-5
_ITER_MAX = 100
# Passes after which a long fit says how far it is, and goes on from there.
_PASSES_TOLD = 50
# Rows written by one statement, and tasks counted anew at once.
_CHUNK = 20_000
_VOTERS_CHUNK = 2000
_COUNT_CHUNK = 500
# So many refits of a project are remembered.
_KEPT = 50

_ABANDON = text("""
    UPDATE refits SET state = 'abandoned', updated_at = clock_timestamp()
     WHERE project_id = :project_id AND state = 'running'
""")
# What was in use before, and what a refit that was killed had written.
_FORGET_OLD = text("""
    DELETE FROM contributions WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM contributions WHERE project_id = :project_id AND generation < :number LIMIT :most))
""")
_FORGET_HISTORY = text("DELETE FROM refits WHERE project_id = :project_id AND number <= :number - :kept")
_WRITE = "COPY contributions (project_id, generation, task_id, posterior, voters) FROM STDIN (FORMAT binary)"
_SAVE_FIT = text("""
    INSERT INTO project_fits (project_id, n_classes, prior, pool, n_votes, n_iter, converged, discount, counted,
                              generation, classes, total)
    VALUES (:project_id, :n_classes, :prior, :pool, :n_votes, :n_iter, :converged, :discount, :counted,
            :generation, :classes, :total)
    ON CONFLICT (project_id) DO UPDATE SET prior = excluded.prior, pool = excluded.pool, n_votes = excluded.n_votes,
        n_since = project_fits.n_since - :n_since, n_iter = excluded.n_iter, converged = excluded.converged,
        discount = excluded.discount, counted = excluded.counted, generation = excluded.generation,
        classes = excluded.classes, total = excluded.total, surprise = 0, n_foretold = 0, fitted_at = now()
""")
_SAVE_VOTERS = text("""
    INSERT INTO reliability (project_id, generation, voter_id, counts, confusion, reliability, low, high, n_votes)
    SELECT CAST(:project_id AS text), CAST(:generation AS int), *
      FROM unnest(CAST(:voters AS text[]), CAST(:counts AS bytea[]), CAST(:confusions AS bytea[]),
        CAST(:reliabilities AS float8[]), CAST(:lows AS float8[]), CAST(:highs AS float8[]), CAST(:n_votes AS int[]))
    ON CONFLICT (project_id, voter_id) DO UPDATE SET confusion = excluded.confusion, low = excluded.low,
        reliability = excluded.reliability, high = excluded.high, n_votes = excluded.n_votes,
        counts = excluded.counts, generation = excluded.generation, updated_at = now()
""")
_COUNTED_SINCE = text("""
    SELECT c.task_id FROM contributions c JOIN refits r USING (project_id)
     WHERE c.project_id = :project_id AND c.generation = :generation AND r.number = :number
       AND c.counted_at >= r.started_at ORDER BY c.task_id
""")


@dataclass(frozen=True, slots=True)
class _Mine:
    """Which refit this is. n_since : votes that its project had weighed since the fit before, when it began."""

    project_id: str
    number: int
    n_since: int


@dataclass(frozen=True, slots=True)
class _Result:
    """What a refit has come to. n_iter : passes of all parts of the fit."""

    coded: Coded
    fit: Fit
    n_iter: int
    trust: Trust
    # Of the posteriors as they are written, not those of the pass before: counts are what tasks have contributed.
    statistics: Statistics
    bounds: Bounds


def steps(db: Session, project_id: str, *, n_classes: int, cause: str) -> Iterator[None]:
    """Refit a project; what has been done may be committed at each step. One that is begun later ends this one.

    Nothing is to be fitted where answers are no classes.
    """
    if values.measure(db, project_id) is not None:
        return
    outbox.hold_stream(db, project_id)
    mine = _begin(db, project_id, cause)
    yield
    coded = votes.read_all(db, project_id, n_classes=n_classes)
    coded = replace(coded, votes=gold.capped(coded.votes, coded.gold))
    in_use = _matrices(db, project_id, coded)
    yield
    start, n_iter = checkpoints.resume(db, project_id, coded)
    while True:
        fit = _fitted(coded, start)
        start, n_iter = fit.posterior, n_iter + fit.n_iter
        _tell(db, mine, n_votes=coded.votes.size, n_iter=n_iter, objective=float(fit.objective[-1]))
        is_over = fit.converged or n_iter >= _ITER_MAX
        if not is_over or len(coded.task_ids) > _CHUNK:
            checkpoints.keep(db, project_id, coded, fit, n_iter=n_iter)
        yield
        if is_over:
            break
    trust = reading.calibrated(coded.votes, fit, known=coded.sampled, families=coded.families)
    weights = quarantine.weights(db, project_id, coded.voter_ids)
    read_out = replace(fit, confusion=evidence.tempered(fit.confusion, weights))
    believed = reading.read(coded.votes, read_out, known=coded.known, trust=trust, families=coded.families)
    statistics = online.gathered(coded.votes, fit.posterior, experts=coded.experts)
    bounds = intervals.reliability(coded.votes, believed)
    if in_use is not None:
        _tell(db, mine, **_drift(coded, in_use, believed, trust))
        yield
    n_tasks = len(coded.task_ids)
    for first in range(0, n_tasks, _CHUNK):
        last = min(first + _CHUNK, n_tasks)
        _write(db, mine, coded, fit, range(first, last))
        _tell(db, mine, written=last / n_tasks)
        yield
    outbox.hold_stream(db, project_id)
    if not _is_running(db, mine):
        return
    _switch(db, mine, _Result(coded, fit, n_iter, trust, statistics, bounds))
    yield
    _tell(db, mine, n_revised=revisions.note(db, project_id, mine.number, coded, believed))
    yield
    while _forget(db, mine):
        yield


def _begin(db: Session, project_id: str, cause: str) -> _Mine:
    db.execute(_ABANDON, {"project_id": project_id})
    number = 1 + last(db, project_id)
    db.add(Refit(project_id=project_id, number=number, cause=cause, state=RefitState.RUNNING))
    db.flush()
    before = db.get(ProjectFit, project_id, populate_existing=True)
    return _Mine(project_id, number, n_since=0 if before is None else before.n_since)


def _tell(db: Session, mine: _Mine, **what: Any) -> None:
    found = update(Refit).where(Refit.project_id == mine.project_id, Refit.number == mine.number)
    db.execute(found.values(**what, updated_at=func.clock_timestamp()))


def _is_running(db: Session, mine: _Mine) -> bool:
    row = db.get_one(Refit, (mine.project_id, mine.number), populate_existing=True)
    return row.state == RefitState.RUNNING


def _fitted(coded: Coded, start: FloatArray | None) -> Fit:
    return hierarchical.fit(
        coded.votes,
        known=coded.known,
        experts=coded.experts,
        start=start,
        tol=_TOL,
        objective_tol=em.OBJECTIVE_TOL,
        max_iter=_PASSES_TOLD,
    )


def _matrices(db: Session, project_id: str, coded: Coded) -> tuple[FloatArray, FloatArray] | None:
    """Matrices and prior as they are in use, voters in the order of their codes; nothing before the first fit."""
    fit = db.get(ProjectFit, project_id, populate_existing=True)
    if fit is None:
        return None
    found = select(Reliability.voter_id, Reliability.confusion).where(Reliability.project_id == project_id)
    of = {row.voter_id: row.confusion for row in db.execute(found)}
    shape = (-1, fit.n_classes, fit.n_classes)
    confusion = np.array([np.frombuffer(of.get(voter_id, fit.pool)) for voter_id in coded.voter_ids]).reshape(shape)
    return confusion, np.frombuffer(fit.prior)


def _drift(coded: Coded, in_use: tuple[FloatArray, FloatArray], believed: FloatArray, trust: Trust) -> dict[str, Any]:
    """How far a refit and what was counted until now are apart, over the tasks that people have voted on."""
    confusion, prior = in_use
    voted = (coded.votes.per_task() > 0) & (coded.known == UNKNOWN)
    before = reading.posterior(coded.votes, confusion=confusion, prior=prior, trust=trust, families=coded.families)[
        voted
    ]
    after = believed[voted]
    differences = np.abs(before - after).max(axis=1)
    return {
        "drift_largest": float(differences.max(initial=0.0)),
        "drift_mean": float(differences.sum() / max(differences.size, 1)),
        "n_flipped": int((before.argmax(axis=1) != after.argmax(axis=1)).sum()),
    }


def _write(db: Session, mine: _Mine, coded: Coded, fit: Fit, tasks: range) -> None:
    """The contributions of a range of tasks. Votes are in the order of their tasks."""
    ends = np.searchsorted(coded.votes.tasks, np.arange(tasks.start, tasks.stop + 1)).tolist()
    voters = coded.votes.voters[ends[0] : ends[-1]].tolist()
    driver: Any = db.connection().connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(_WRITE) as copied:
        copied.set_types(["text", "int4", "text", "bytea", "text[]"])
        for task, first, last in zip(tasks, ends, ends[1:], strict=False):
            whose = [coded.voter_ids[voter] for voter in voters[first - ends[0] : last - ends[0]]]
            copied.write_row((mine.project_id, mine.number, coded.task_ids[task], fit.posterior[task].tobytes(), whose))


def _switch(db: Session, mine: _Mine, found: _Result) -> None:
    """Put what was found in the place of what is in use, and count what has come in meanwhile."""
    project_id, n_classes, statistics = mine.project_id, found.coded.votes.n_classes, found.statistics
    before = db.get(ProjectFit, project_id, populate_existing=True)
    since = {
        "project_id": project_id,
        "generation": 0 if before is None else before.generation,
        "number": mine.number,
    }
    meanwhile = db.scalars(_COUNTED_SINCE, since).all()
    db.execute(
        _SAVE_FIT,
        {
            "project_id": project_id,
            "n_classes": n_classes,
            "prior": statistics.prior.tobytes(),
            "pool": statistics.pool.tobytes(),
            "n_votes": found.coded.votes.size,
            "n_since": mine.n_since,
            "n_iter": found.n_iter,
            "converged": found.fit.converged,
            "discount": found.trust.discount,
            "counted": found.trust.counted,
            "generation": mine.number,
            "classes": statistics.classes.tobytes(),
            "total": statistics.total.tobytes(),
        },
    )
    _save_voters(db, mine, found)
    for first in range(0, len(meanwhile), _COUNT_CHUNK):
        some = meanwhile[first : first + _COUNT_CHUNK]
        counting.count(db, project_id, votes.read(db, project_id, n_classes=n_classes, task_ids=some))
    checkpoints.forget(db, project_id)
    _tell(db, mine, state=RefitState.DONE)


def _save_voters(db: Session, mine: _Mine, found: _Result) -> None:
    coded, n_votes, bounds = found.coded, found.coded.votes.per_voter(), found.bounds
    confusion = rows(found.statistics.weights)
    for first in range(0, len(coded.voter_ids), _VOTERS_CHUNK):
        some = slice(first, first + _VOTERS_CHUNK)
        db.execute(
            _SAVE_VOTERS,
            {
                "project_id": mine.project_id,
                "generation": mine.number,
                "voters": coded.voter_ids[some],
                "counts": [matrix.tobytes() for matrix in found.statistics.counts[some]],
                "confusions": [matrix.tobytes() for matrix in confusion[some]],
                "reliabilities": bounds.reliability[some].tolist(),
                "lows": bounds.low[some].tolist(),
                "highs": bounds.high[some].tolist(),
                "n_votes": n_votes[some].tolist(),
            },
        )


def _forget(db: Session, mine: _Mine) -> bool:
    """Delete a part of what is no longer read, and what is remembered too long; whether something was left."""
    where = {"project_id": mine.project_id, "number": mine.number, "kept": _KEPT, "most": _CHUNK}
    db.execute(_FORGET_HISTORY, where)
    gone: Any = db.execute(_FORGET_OLD, where)
    return bool(gone.rowcount == _CHUNK)


def last(db: Session, project_id: str) -> int:
    """The number of a project's last refit, 0 before the first."""
    return db.scalar(select(func.max(Refit.number)).where(Refit.project_id == project_id)) or 0


def page(db: Session, project_id: str, request: pagination.PageRequest) -> pagination.Page:
    """The refits of a project that are remembered, newest first."""
    if not ids.looks_valid(project_id, "prj"):
        raise NotFound("There is no such project.")
    return pagination.read(db, select(Refit).where(Refit.project_id == project_id), Refit.number, request)

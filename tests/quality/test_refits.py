"""The refit: beside settlements, step by step; killed at any step it leaves what was in use, and nothing is lost."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from foundation.pagination import PageRequest
from quality import checkpoints, consensus, refits, reliability, votes
from quality.models import Contribution, ProjectFit, Refit, RefitState, Reliability

PROJECT = "prj_" + "0" * 26


def _cast(db: Session, voter: str, tasks: range, *, wrong: bool = False) -> None:
    for number in tasks:
        label = number % 2 if not wrong else 1 - number % 2
        votes.cast(db, project_id=PROJECT, task_id=f"t{number:03}", voter_id=voter, label=label)


def _crowd(db: Session) -> None:
    for voter in ("a", "b", "c"):
        _cast(db, voter, range(20))


def _steps(db: Session) -> Iterator[None]:
    return refits.steps(db, PROJECT, n_classes=2, cause="asked")


def _in_use(db: Session) -> list[Any]:
    """Everything that a settlement reads."""
    db.expire_all()
    fit = db.get(ProjectFit, PROJECT)
    generation = 0 if fit is None else fit.generation
    voters = select(Reliability.voter_id, Reliability.confusion, Reliability.counts, Reliability.low)
    tasks = select(Contribution.task_id, Contribution.posterior, Contribution.voters)
    return [
        generation,
        db.execute(voters.order_by(Reliability.voter_id)).all(),
        db.execute(tasks.where(Contribution.generation == generation).order_by(Contribution.task_id)).all(),
    ]


def _states(db: Session) -> list[str]:
    db.expire_all()
    return [row.state for row in refits.page(db, PROJECT, PageRequest(100)).items[::-1]]


def test_a_refit_tells_how_far_it_is_and_what_came_of_it(db: Session) -> None:
    _crowd(db)
    seen = []

    for _ in _steps(db):
        db.expire_all()
        row = db.get_one(Refit, (PROJECT, 1))
        seen.append((row.state, row.n_votes, row.n_iter > 0, row.written))

    assert seen[0] == (RefitState.RUNNING, 0, False, 0)
    assert (RefitState.RUNNING, 60, True, 0) in seen
    assert (RefitState.RUNNING, 60, True, 1) in seen
    assert seen[-1] == (RefitState.DONE, 60, True, 1)
    row = db.get_one(Refit, (PROJECT, 1))
    assert row.objective is not None
    assert (row.cause, row.drift_mean, row.n_revised) == ("asked", None, 0)


def test_nothing_of_a_refit_is_in_use_before_its_switch(db: Session) -> None:
    _crowd(db)
    reliability.refit(db, PROJECT, n_classes=2)
    _cast(db, "d", range(20), wrong=True)
    before = _in_use(db)

    during = [_in_use(db) for _ in _steps(db)]

    changed = [state != before for state in during]
    assert changed[0] is False
    assert sorted(changed) == changed
    after = _in_use(db)
    assert (after[0], len(after[1])) == (2, 4)


@pytest.mark.parametrize("n_steps", range(1, 9))
def test_a_refit_that_is_killed_at_any_step_is_begun_again(db: Session, n_steps: int) -> None:
    _crowd(db)
    reliability.refit(db, PROJECT, n_classes=2)
    _cast(db, "d", range(20), wrong=True)
    killed = _steps(db)
    for _, _step in zip(range(n_steps), killed, strict=False):
        pass
    killed.close()  # type: ignore[attr-defined]  # it is a generator

    reliability.refit(db, PROJECT, n_classes=2)

    state = _in_use(db)
    assert [voter.voter_id for voter in state[1]] == ["a", "b", "c", "d"]
    assert len(state[2]) == 20
    assert _states(db)[-1] == RefitState.DONE
    assert RefitState.RUNNING not in _states(db)
    assert set(db.scalars(select(Contribution.generation))) == {state[0]}


def _unclear(db: Session) -> None:
    """Votes of a crowd on which a fit does not come to an end at once."""
    rng = np.random.default_rng(4)
    truth = rng.integers(2, size=60)
    for voter, right in enumerate(rng.uniform(0.4, 0.8, size=12)):
        labels = np.where(rng.random(60) < right, truth, 1 - truth).tolist()
        for number, label in enumerate(labels):
            votes.cast(db, project_id=PROJECT, task_id=f"t{number:03}", voter_id=f"v{voter:02}", label=label)


def test_the_fit_of_a_refit_that_is_killed_goes_on_where_it_was(db: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    _unclear(db)
    monkeypatch.setattr(refits, "_PASSES_TOLD", 5)
    reliability.refit(db, PROJECT, n_classes=2)
    whole = _in_use(db)
    passes = db.get_one(Refit, (PROJECT, 1)).n_iter
    assert passes > 15, "the fit is too short to be interrupted"
    killed = _steps(db)
    while db.get(Refit, (PROJECT, 2), populate_existing=True) is None or db.get_one(Refit, (PROJECT, 2)).n_iter < 10:
        next(killed)
    killed.close()  # type: ignore[attr-defined]  # it is a generator

    resumed = _steps(db)
    next(resumed)
    next(resumed)
    next(resumed)
    assert db.get_one(Refit, (PROJECT, 3), populate_existing=True).n_iter >= 15
    for _ in resumed:
        pass

    again = _in_use(db)
    for before, after in zip(whole[1], again[1], strict=True):
        assert np.frombuffer(after.confusion) == pytest.approx(np.frombuffer(before.confusion), abs=1e-3)
    assert db.execute(text("SELECT FROM checkpoints")).all() == []


def _killed_early(db: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    _unclear(db)
    monkeypatch.setattr(refits, "_PASSES_TOLD", 5)
    killed = _steps(db)
    for _ in range(3):
        next(killed)
    killed.close()  # type: ignore[attr-defined]  # it is a generator


def test_a_refit_that_is_killed_while_it_writes_need_not_fit_again(
    db: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    _unclear(db)
    monkeypatch.setattr(refits, "_CHUNK", 20)
    killed = _steps(db)
    while not (db.get(Refit, (PROJECT, 1), populate_existing=True) or Refit(written=0)).written:
        next(killed)
    killed.close()  # type: ignore[attr-defined]  # it is a generator
    passes = db.get_one(Refit, (PROJECT, 1), populate_existing=True).n_iter

    reliability.refit(db, PROJECT, n_classes=2)

    assert passes < db.get_one(Refit, (PROJECT, 2), populate_existing=True).n_iter <= passes + 3
    assert len(_in_use(db)[2]) == 60


def test_a_fit_goes_on_with_some_new_votes_and_voters(db: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    _killed_early(db, monkeypatch)
    _cast(db, "new", range(20, 40))
    _cast(db, "of another task", range(70, 75))

    coded = votes.read_all(db, PROJECT, n_classes=2)
    start, n_iter = checkpoints.resume(db, PROJECT, coded)

    assert n_iter >= 5
    assert start is not None
    assert start.shape == (65, 2)
    assert start.sum(axis=1) == pytest.approx(1)


def test_a_fit_begins_anew_where_many_votes_are_new(db: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    _killed_early(db, monkeypatch)
    for voter in range(4):
        _cast(db, f"new {voter}", range(10))

    assert checkpoints.resume(db, PROJECT, votes.read_all(db, PROJECT, n_classes=2)) == (None, 0)


def test_votes_that_come_during_a_refit_are_counted_at_its_switch(db: Session) -> None:
    _crowd(db)
    reliability.refit(db, PROJECT, n_classes=2)
    running = _steps(db)
    next(running)
    next(running)
    _cast(db, "late", range(10, 25))
    consensus.weigh(db, PROJECT, [f"t{number:03}" for number in range(10, 25)], n_classes=2)

    for _ in running:
        pass

    generation, voters, contributions = _in_use(db)
    counts = {row.voter_id: np.frombuffer(row.counts).sum() for row in voters}
    assert generation == 2
    assert counts == pytest.approx({"a": 20, "b": 20, "c": 20, "late": 15})
    assert len(contributions) == 25
    assert sum(len(row.voters) for row in contributions) == 75
    assert db.get_one(Reliability, (PROJECT, "late")).n_votes == 15


def test_a_certain_label_that_comes_during_a_refit_is_counted_at_its_switch(db: Session) -> None:
    _crowd(db)
    reliability.refit(db, PROJECT, n_classes=2)
    running = _steps(db)
    next(running)
    next(running)
    consensus.adjudicate(db, PROJECT, task_id="t000", label=1, voter_id="expert")
    consensus.learn(db, PROJECT, ["t000"], n_classes=2)

    for _ in running:
        pass

    (posterior,) = [row.posterior for row in _in_use(db)[2] if row.task_id == "t000"]
    assert np.frombuffer(posterior).tolist() == [0, 1]


def test_a_refit_begun_later_ends_an_earlier_one(db: Session) -> None:
    _crowd(db)
    first = _steps(db)
    next(first)
    next(first)

    reliability.refit(db, PROJECT, n_classes=2)
    for _ in first:
        pass

    assert _states(db) == [RefitState.ABANDONED, RefitState.DONE]
    assert _in_use(db)[0] == 2


def test_how_far_counting_has_drifted_from_a_refit_is_kept(db: Session) -> None:
    _crowd(db)
    reliability.refit(db, PROJECT, n_classes=2)
    _cast(db, "d", range(20), wrong=True)
    consensus.weigh(db, PROJECT, [f"t{number:03}" for number in range(20)], n_classes=2)

    reliability.refit(db, PROJECT, n_classes=2)

    row = db.get_one(Refit, (PROJECT, 2), populate_existing=True)
    assert row.drift_largest is not None
    assert row.drift_mean is not None
    assert 0 < row.drift_mean <= row.drift_largest < 0.1
    assert row.n_flipped == 0


def test_no_more_refits_are_remembered_than_fifty(db: Session) -> None:
    _crowd(db)

    for _ in range(52):
        reliability.refit(db, PROJECT, n_classes=2)

    numbers = db.scalars(select(Refit.number).order_by(Refit.number)).all()
    assert numbers == list(range(3, 53))
    assert set(db.scalars(text("SELECT generation FROM contributions"))) == {52}


def test_votes_weighed_during_a_refit_count_towards_the_next_one(db: Session) -> None:
    _crowd(db)
    reliability.refit(db, PROJECT, n_classes=2)
    reliability.is_due(db, PROJECT, n_new=1, urged=False)
    running = _steps(db)
    next(running)
    reliability.is_due(db, PROJECT, n_new=2, urged=False)

    for _ in running:
        pass

    assert db.get_one(ProjectFit, PROJECT, populate_existing=True).n_since == 2


def test_reading_a_whole_project_is_reading_its_votes(db: Session) -> None:
    _crowd(db)
    _cast(db, "B", range(3, 30, 4), wrong=True)
    consensus.adjudicate(db, PROJECT, task_id="t003", label=1, voter_id="expert", is_sample=True)

    one = votes.read_all(db, PROJECT, n_classes=2)
    other = votes.read(db, PROJECT, n_classes=2, task_ids=one.task_ids)

    assert (one.task_ids, one.voter_ids) == (other.task_ids, other.voter_ids)
    assert (one.known.tolist(), one.sampled.tolist()) == (other.known.tolist(), other.sampled.tolist())
    triples = [set(zip(c.votes.tasks, c.votes.voters, c.votes.labels, strict=True)) for c in (one, other)]
    assert triples[0] == triples[1]
    assert (np.diff(one.votes.tasks) >= 0).all()

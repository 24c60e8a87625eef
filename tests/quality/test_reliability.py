"""Reliability: what a project has learned of its voters, and when it is time to learn again."""

import numpy as np
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation.pagination import PageRequest
from quality import consensus, reliability, votes
from quality.methods import reading
from quality.models import ProjectFit, Reliability

PROJECT = "prj_" + "0" * 26


def _cast(db: Session, voter: str, labels: list[int], project: str = PROJECT) -> None:
    for number, label in enumerate(labels):
        votes.cast(db, project_id=project, task_id=f"t{number:03}", voter_id=voter, label=label)


def _crowd(db: Session) -> None:
    """Three who agree and one who does the opposite, over twenty tasks."""
    truth = [0, 1] * 10
    for voter in ("good 1", "good 2", "good 3"):
        _cast(db, voter, truth)
    _cast(db, "wrong", [1 - label for label in truth])


def _refit(db: Session) -> None:
    reliability.refit(db, PROJECT, n_classes=2)


# The fit


def test_those_who_agree_are_reliable_and_the_contrary_is_not(db: Session) -> None:
    _crowd(db)

    _refit(db)

    shares = reliability.of_voters(db, PROJECT, ["good 1", "good 2", "good 3", "wrong", "nobody"])
    assert shares.keys() == {"good 1", "good 2", "good 3", "wrong"}
    assert min(shares[f"good {i}"] for i in (1, 2, 3)) > 0.8
    assert shares["wrong"] < 0.3


def test_a_fit_is_written_with_its_matrices(db: Session) -> None:
    _crowd(db)

    _refit(db)

    last = db.get_one(ProjectFit, PROJECT)
    assert (last.n_classes, last.n_votes, last.n_since, last.converged) == (2, 80, 0, True)
    assert np.frombuffer(last.prior).sum() == pytest.approx(1)
    row = db.get_one(Reliability, (PROJECT, "good 1"))
    assert np.frombuffer(row.confusion).reshape(2, 2).sum(axis=1) == pytest.approx([1, 1])
    assert row.n_votes == 20
    assert 0 <= row.low <= row.reliability <= row.high <= 1


def test_a_second_fit_takes_the_place_of_the_first(db: Session) -> None:
    _crowd(db)
    _refit(db)
    for number in range(20):
        consensus.adjudicate(db, PROJECT, task_id=f"t{number:03}", label=1 - number % 2, voter_id="expert")

    _refit(db)

    db.expire_all()
    shares = reliability.of_voters(db, PROJECT, ["good 1", "wrong"])
    assert shares["wrong"] > shares["good 1"]
    assert db.scalar(text("SELECT count(*) FROM project_fits")) == 1


def test_the_same_votes_in_another_order_give_the_same_fit(db: Session) -> None:
    _crowd(db)
    for voter in ("wrong", "good 3", "good 1", "good 2"):
        rows = db.execute(text("SELECT task_id, label FROM votes WHERE voter_id = :v ORDER BY 1 DESC"), {"v": voter})
        for task, label in rows.all():
            votes.cast(db, project_id="prj_2", task_id=task, voter_id=voter, label=label)

    _refit(db)
    reliability.refit(db, "prj_2", n_classes=2)

    first, second = (reliability.of_voters(db, project, ["good 1", "wrong"]) for project in (PROJECT, "prj_2"))
    assert first == pytest.approx(second, abs=1e-9)


def test_a_project_without_votes_can_be_fitted(db: Session) -> None:
    _refit(db)

    found = reliability.matrices(db, PROJECT, ["nobody"], n_classes=2)
    assert found.confusion.shape == (1, 2, 2)
    assert found.crowd.shape == (0, 2, 2)


def _misled(db: Session) -> None:
    """Four good voters who are shown the wrong thing on a quarter of forty tasks."""
    rng = np.random.default_rng(4)
    for voter in range(5):
        labels = [number % 2 if rng.random() < 0.9 else 1 - number % 2 for number in range(40)]
        _cast(db, f"good {voter}", labels)


def _check_all(db: Session, *, is_sample: bool) -> None:
    for number in range(40):
        label = number % 2 if number % 4 else 1 - number % 2
        consensus.adjudicate(db, PROJECT, task_id=f"t{number:03}", label=label, voter_id="expert", is_sample=is_sample)


def test_spot_checks_tell_how_far_the_crowd_is_believed(db: Session) -> None:
    _misled(db)
    _check_all(db, is_sample=True)

    _refit(db)

    trust = reliability.matrices(db, PROJECT, [], n_classes=2).trust
    assert trust.discount + trust.counted > reading.DEFAULT.discount + reading.DEFAULT.counted + 0.02


def test_tasks_that_were_escalated_for_being_hard_tell_nothing_of_the_others(db: Session) -> None:
    _misled(db)
    _check_all(db, is_sample=False)

    _refit(db)

    assert reliability.matrices(db, PROJECT, [], n_classes=2).trust == reading.DEFAULT


# Matrices


def test_matrices_come_in_the_order_asked_and_strangers_have_the_pools(db: Session) -> None:
    _crowd(db)
    _refit(db)

    found = reliability.matrices(db, PROJECT, ["wrong", "stranger", "good 1"], n_classes=2)

    assert found.n_votes.tolist() == [20, 0, 20]
    wrong, stranger, good = found.confusion
    assert wrong[0, 0] < stranger[0, 0] < good[0, 0]
    pool = np.frombuffer(db.get_one(ProjectFit, PROJECT).pool).reshape(2, 2)
    assert stranger == pytest.approx(pool)
    assert found.crowd.shape == (4, 2, 2)


def test_the_first_look_makes_the_first_fit(db: Session) -> None:
    _crowd(db)

    found = reliability.matrices(db, PROJECT, ["good 1"], n_classes=2)

    assert found.confusion[0, 0, 0] > 0.8


def test_nobody_asked_for_is_an_empty_array(db: Session) -> None:
    _crowd(db)

    assert reliability.matrices(db, PROJECT, [], n_classes=2).confusion.shape == (0, 2, 2)


# When to fit again


def test_a_project_that_was_never_fitted_is_due(db: Session) -> None:
    assert reliability.is_due(db, PROJECT, n_new=1, urged=False)


def test_a_fit_is_due_when_a_twentieth_is_new(db: Session) -> None:
    _crowd(db)
    _refit(db)

    seen = [reliability.is_due(db, PROJECT, n_new=1, urged=False) for _ in range(4)]
    _refit(db)

    assert seen == [False, False, False, True]
    assert not reliability.is_due(db, PROJECT, n_new=1, urged=False)


def test_a_fit_is_due_earlier_where_the_last_one_was_far_from_what_had_been_counted(db: Session) -> None:
    _crowd(db)
    _refit(db)
    calm = reliability.is_due(db, PROJECT, n_new=1, urged=False)

    db.execute(text("UPDATE refits SET drift_mean = 0.1"))

    assert not calm
    assert reliability.is_due(db, PROJECT, n_new=0, urged=False)
    _refit(db)
    assert not reliability.is_due(db, PROJECT, n_new=1, urged=False)


def test_a_fit_is_due_at_once_if_it_is_urged(db: Session) -> None:
    _crowd(db)
    _refit(db)

    assert reliability.is_due(db, PROJECT, n_new=0, urged=True)


def test_a_fit_too_large_for_a_settlement_is_never_due_in_one_but_has_grown(db: Session) -> None:
    _crowd(db)
    _refit(db)
    n_votes = reliability.INLINE_VOTES_MAX
    db.execute(text("UPDATE project_fits SET n_votes = :n"), {"n": n_votes})

    assert reliability.is_due(db, PROJECT, n_new=0, urged=True)
    assert not reliability.is_due(db, PROJECT, n_new=1, urged=True)
    assert reliability.grown(db) == {}
    assert not reliability.is_due(db, PROJECT, n_new=n_votes // 20, urged=True)
    assert reliability.grown(db) == {PROJECT: "grown"}


# The interval


def test_certain_labels_narrow_the_intervals(db: Session) -> None:
    _crowd(db)
    _refit(db)
    before = db.get_one(Reliability, (PROJECT, "good 1"))
    width = before.high - before.low
    for number in range(20):
        consensus.adjudicate(db, PROJECT, task_id=f"t{number:03}", label=number % 2, voter_id="expert")

    _refit(db)

    db.expire_all()
    after = db.get_one(Reliability, (PROJECT, "good 1"))
    assert after.high - after.low < width
    assert after.low > 0.8


# Lists


def test_voters_are_listed_in_the_order_of_their_ids(db: Session) -> None:
    _crowd(db)
    _refit(db)
    _cast(db, "elsewhere", [1], project="prj_2")
    reliability.refit(db, "prj_2", n_classes=2)

    first = reliability.page(db, PROJECT, PageRequest(3))
    rest = reliability.page(db, PROJECT, PageRequest(3, after=first.last))

    assert [row.voter_id for row in [*first.items, *rest.items]] == ["good 1", "good 2", "good 3", "wrong"]

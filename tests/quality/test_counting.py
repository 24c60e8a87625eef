"""Counting: what is known of voters follows their votes between two refits, and nothing is counted twice."""

import numpy as np
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from quality import consensus, reliability, votes
from quality.methods.votes import FloatArray
from quality.models import ProjectFit, Reliability

PROJECT = "prj_" + "0" * 26


def _cast(db: Session, voter: str, tasks: range, *, wrong: bool = False) -> None:
    for number in tasks:
        label = number % 2 if not wrong else 1 - number % 2
        votes.cast(db, project_id=PROJECT, task_id=f"t{number:03}", voter_id=voter, label=label)


def _fitted(db: Session) -> None:
    for voter in ("a", "b", "c"):
        _cast(db, voter, range(20))
    _cast(db, "wrong", range(20), wrong=True)
    reliability.refit(db, PROJECT, n_classes=2)


def _weigh(db: Session, tasks: range) -> None:
    consensus.weigh(db, PROJECT, [f"t{number:03}" for number in tasks], n_classes=2)
    db.expire_all()


def _counts(db: Session, voter: str) -> FloatArray:
    counts = db.get_one(Reliability, (PROJECT, voter)).counts
    assert counts is not None
    return np.frombuffer(counts).reshape(2, 2)


def _contributed(db: Session, generation: int) -> dict[str, float]:
    """How many votes of each voter the contributions hold."""
    rows = text("SELECT unnest(voters), count(*) FROM contributions WHERE generation = :g GROUP BY 1")
    return dict(db.execute(rows, {"g": generation}).all())


def test_a_fit_leaves_what_each_task_has_contributed(db: Session) -> None:
    _fitted(db)

    assert db.get_one(ProjectFit, PROJECT).generation == 1
    assert _contributed(db, 1) == {"a": 20, "b": 20, "c": 20, "wrong": 20}
    assert _counts(db, "a").sum() == pytest.approx(20)


def test_votes_are_counted_when_their_tasks_are_weighed(db: Session) -> None:
    _fitted(db)
    before = np.frombuffer(db.get_one(Reliability, (PROJECT, "wrong")).confusion)
    for voter in ("a", "b", "c"):
        _cast(db, voter, range(20, 30))
    _cast(db, "wrong", range(20, 30))

    _weigh(db, range(20, 30))

    assert _counts(db, "wrong").sum() == pytest.approx(30)
    assert db.get_one(Reliability, (PROJECT, "wrong")).n_votes == 30
    after = np.frombuffer(db.get_one(Reliability, (PROJECT, "wrong")).confusion)
    assert after[0] > before[0] + 0.1
    fit = db.get_one(ProjectFit, PROJECT)
    assert fit.total is not None
    assert np.frombuffer(fit.total).sum() == pytest.approx(120)


def test_weighing_a_task_again_counts_nothing_twice(db: Session) -> None:
    _fitted(db)
    _cast(db, "new", range(3))

    _weigh(db, range(3))
    first = _counts(db, "new").copy()
    _weigh(db, range(3))

    assert _counts(db, "new") == pytest.approx(first)
    assert _counts(db, "new").sum() == pytest.approx(3)
    assert db.get_one(Reliability, (PROJECT, "new")).n_votes == 3


def test_counts_are_the_sum_of_what_tasks_have_contributed(db: Session) -> None:
    _fitted(db)
    for step in range(4):
        _cast(db, f"n{step}", range(step, 25, 2), wrong=step == 3)
        _weigh(db, range(25))
    consensus.adjudicate(db, PROJECT, task_id="t004", label=1, voter_id="expert")
    consensus.learn(db, PROJECT, ["t004"], n_classes=2)
    db.expire_all()

    rows = db.execute(
        text("""
        SELECT v.voter_id, v.label, c.posterior FROM votes v
          JOIN contributions c ON c.project_id = v.project_id AND c.task_id = v.task_id AND v.voter_id = ANY(c.voters)
    """)
    ).all()
    for voter in {row.voter_id for row in rows}:
        expected = np.zeros((2, 2))
        for row in rows:
            if row.voter_id == voter:
                expected[:, row.label] += np.frombuffer(row.posterior)
        assert _counts(db, voter) == pytest.approx(expected, abs=1e-9)


def test_an_experts_word_is_counted_at_once_for_those_who_voted(db: Session) -> None:
    _fitted(db)
    before = _counts(db, "wrong")[0, 0]

    consensus.adjudicate(db, PROJECT, task_id="t001", label=0, voter_id="expert")
    consensus.learn(db, PROJECT, ["t001"], n_classes=2)
    db.expire_all()

    assert _counts(db, "wrong")[0, 0] > before + 0.9
    assert _counts(db, "wrong").sum() == pytest.approx(20)


def test_somebody_new_has_the_widest_interval_until_the_next_refit(db: Session) -> None:
    _fitted(db)
    _cast(db, "new", range(10))
    _weigh(db, range(10))
    between = db.get_one(Reliability, (PROJECT, "new"))
    assert (between.low, between.high) == (0, 1)

    reliability.refit(db, PROJECT, n_classes=2)

    db.expire_all()
    assert db.get_one(Reliability, (PROJECT, "new")).low > 0


def test_a_fit_from_before_statistics_were_kept_stands_until_the_next_one(db: Session) -> None:
    _fitted(db)
    db.execute(text("UPDATE project_fits SET generation = 0, total = NULL, classes = NULL"))
    db.execute(text("UPDATE reliability SET counts = NULL, generation = 0"))
    before = np.frombuffer(db.get_one(Reliability, (PROJECT, "a")).confusion)
    _cast(db, "new", range(10))

    _weigh(db, range(10))

    assert np.frombuffer(db.get_one(Reliability, (PROJECT, "a")).confusion) == pytest.approx(before)
    assert reliability.is_due(db, PROJECT, n_new=0, urged=False)


def _surprise(db: Session, share_wrong: float) -> bool:
    """Whether a fit is due after five new voters have been wrong so often on tasks that the others agree about."""
    for voter in "abcdef":
        _cast(db, voter, range(100))
    reliability.refit(db, PROJECT, n_classes=2)
    rng = np.random.default_rng(0)
    for newcomer in range(5):
        for number, wrong in enumerate(rng.random(100) < share_wrong):
            _cast(db, f"n{newcomer}", range(number, number + 1), wrong=bool(wrong))
        _weigh(db, range(100))
    assert db.get_one(ProjectFit, PROJECT).n_foretold == 500
    return reliability.is_due(db, PROJECT, n_new=6, urged=False)


def test_votes_that_nobody_expected_make_a_fit_due(db: Session) -> None:
    assert _surprise(db, 0.5)


def test_votes_that_are_as_expected_make_none_due(db: Session) -> None:
    assert not _surprise(db, 0.0)


def test_an_expert_among_the_crowd_outweighs_four_who_agree(db: Session) -> None:
    for voter in ("a", "b", "c", "d"):
        for number in range(40):
            wrong = (number + ord(voter)) % 5 == 0
            label = 1 - number % 2 if wrong else number % 2
            votes.cast(db, project_id=PROJECT, task_id=f"t{number:03}", voter_id=voter, label=label)
        votes.cast(db, project_id=PROJECT, task_id="bird", voter_id=voter, label=0)
    votes.cast(db, project_id=PROJECT, task_id="bird", voter_id="rook expert", label=1, is_expert=True)

    (before,) = consensus.weigh(db, PROJECT, ["bird"], n_classes=2)
    _cast(db, "a", range(40, 60))
    _weigh(db, range(40, 60))
    (after,) = consensus.weigh(db, PROJECT, ["bird"], n_classes=2)

    assert (before.label, after.label) == (1, 1)


def test_the_crowd_does_not_lean_on_an_expert_between_refits(db: Session) -> None:
    _fitted(db)
    pool = np.frombuffer(db.get_one(ProjectFit, PROJECT).pool)
    for number in range(20, 30):
        votes.cast(db, project_id=PROJECT, task_id=f"t{number:03}", voter_id="e", label=number % 2, is_expert=True)

    _weigh(db, range(20, 30))

    assert np.frombuffer(db.get_one(ProjectFit, PROJECT).pool) == pytest.approx(pool)
    assert _counts(db, "e").sum() == pytest.approx(10)

"""What is said of gold by those who meet it: leaks, doubts, what it tells of voters, and how long it lasts."""

import numpy as np
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from quality import gold, gold_health
from quality.gold_words import Ending
from quality.methods import gold_health as methods
from quality.methods.votes import FloatArray
from tests import factories
from workforce import golds
from workforce.models import Project


def test_a_share_has_an_interval_that_covers_it() -> None:
    low, high = methods.interval(8, 10)

    assert (low, high) == pytest.approx((0.5476, 0.9398), abs=1e-3)
    assert methods.interval(0, 5)[0] == 0.0
    assert methods.interval(5, 5)[1] == 1.0


def test_a_trend_is_that_of_cochran_and_armitage() -> None:
    passed = np.array([0.0, 0.0, 1.0, 1.0])

    # Scores -1.5 to 1.5: they sum to 2 where passed, and their squares to 5; the share is a half.
    assert methods.trend(passed) == pytest.approx(2 / np.sqrt(0.25 * 5))
    assert methods.trend(passed[::-1]) == pytest.approx(-2 / np.sqrt(0.25 * 5))
    assert methods.trend(np.ones(9)) == methods.trend(np.zeros(0)) == 0.0


def _looks(passed: FloatArray) -> int | None:
    """After how many answers a gold that is looked at after every tenth is taken for leaked."""
    return next((n for n in range(10, passed.size + 1, 10) if methods.is_leaked(passed[:n])), None)


def test_fewer_than_one_in_a_hundred_honest_golds_are_taken_for_leaked() -> None:
    rng = np.random.default_rng(7)

    false = [_looks((rng.random(1000) < share).astype(float)) for share in (0.5, 0.8, 0.95) for _ in range(400)]

    assert sum(found is not None for found in false) / len(false) < 0.01


def test_a_leak_is_found_before_fifty_have_used_it() -> None:
    rng = np.random.default_rng(8)

    found = [_looks((rng.random(200) < np.repeat([0.6, 0.98], [50, 150])).astype(float)) for _ in range(100)]

    assert np.median([n if n is not None else 200 for n in found]) <= 100


def test_a_gold_that_good_voters_pass_and_bad_ones_fail_discriminates() -> None:
    passed = np.array([1.0, 1.0, 0.0, 0.0])

    assert methods.discrimination(passed, np.array([0.9, 0.9, 0.6, 0.6])) == pytest.approx(1.0)
    assert methods.discrimination(passed, np.array([0.6, 0.6, 0.9, 0.9])) == pytest.approx(-1.0)
    assert methods.discrimination(passed, np.full(4, 0.7)) is None
    assert methods.discrimination(np.zeros(0), np.zeros(0)) is None


def test_a_gold_is_contested_when_most_reliable_voters_give_one_other_label() -> None:
    lows = np.repeat([0.8, 0.1], [12, 20])
    labels = np.concatenate((np.full(11, 2), [1], np.full(20, 1)))

    found = methods.contest(labels, lows, known=1, n_classes=3)

    assert (found.n_confident, found.rival, found.is_lost) == (12, 2, True)
    assert found.share == pytest.approx(11 / 12)


@pytest.mark.parametrize(
    "labels", [[1] * 12, [2] * 5, [2] * 7 + [1] * 5, [0] * 4 + [2] * 4 + [1] * 4], ids=["none", "few", "near", "split"]
)
def test_a_gold_is_not_contested_by_chance_by_few_or_by_many_labels(labels: list[int]) -> None:
    found = methods.contest(np.array(labels), np.full(len(labels), 0.8), known=1, n_classes=3)

    assert not found.is_lost


# In the tables


def _met(db: Session, project: Project, task_id: str, labels: list[int], *, low: float = 0.8, tier: int = 1) -> None:
    """So many voters who were given a gold and answered it; each is known to be so reliable."""
    # One an hour.
    cast = text("""
        INSERT INTO votes (project_id, task_id, voter_id, label, created_at)
        VALUES (:project_id, :task_id, :voter_id, :label, now() + make_interval(hours => :n))""")
    insert = text("""
        INSERT INTO reliability (project_id, voter_id, confusion, reliability, low, high, n_votes)
        VALUES (:project_id, :voter_id, '', :reliability, :low, 1, 50)""")
    for n, label in enumerate(labels):
        voter_id = f"{task_id}-{tier}-{n}"
        gold.expose(db, project.id, task_id, voter_id=voter_id, ahead_of=f"tsk-{n}-{tier}", tier=tier)
        where = {"project_id": project.id, "voter_id": voter_id}
        db.execute(cast, {**where, "task_id": task_id, "label": label, "n": n})
        db.execute(insert, {**where, "low": low, "reliability": (1 + low) / 2})


def test_the_health_of_a_gold_says_who_passes_it(db: Session) -> None:
    project = factories.create_gold_project(db)
    given = factories.create_gold(db, project, exposures_max=100)
    _met(db, project, given.task_id, [1, 1, 1, 0], tier=1)
    _met(db, project, given.task_id, [0, 1], tier=3)

    found = gold_health.of_gold(db, project.id, given.task_id, n_classes=2)

    assert (found.exposures, found.answers, found.right, found.confident, found.rival) == (6, 6, 4, 6, 0)
    assert [(one.tier, one.answers, one.right) for one in found.by_tier] == [(1, 4, 3), (3, 2, 1)]
    assert sum(one.answers for one in found.over_time) == 6
    assert found.low is not None
    assert found.high is not None
    assert found.low < 4 / 6 < found.high


def test_a_gold_that_nobody_has_answered_has_no_rates(db: Session) -> None:
    project = factories.create_gold_project(db)
    given = factories.create_gold(db, project)

    found = gold_health.of_gold(db, project.id, given.task_id, n_classes=2)

    assert (found.pass_rate, found.low, found.discrimination, found.over_time, found.leaked) == (
        None,
        None,
        None,
        [],
        False,
    )


def test_a_contested_gold_retires_with_the_reason(db: Session, books: None) -> None:
    project = factories.create_gold_project(db)
    given = factories.create_gold(db, project, exposures_max=100)
    _met_by_workers(db, project, given.task_id, [0] * 12)

    golds.judge(db)

    ended = gold.find(db, project.id, given.task_id)
    assert (ended.status, ended.ended_by) == ("retiring", Ending.CONTESTED)
    assert ended.reason == "100% of 12 reliable voters give label 0 instead"


def _met_by_workers(db: Session, project: Project, task_id: str, labels: list[int]) -> None:
    """The same by workers over the whole way, so that all checks hold."""
    factories.create_task(db, project)
    for label in labels:
        worker = factories.create_worker(db)
        factories.answer(db, worker, project.labels[label], project=project)
    factories.settle(db)
    db.execute(text("UPDATE reliability SET reliability = 0.9, low = 0.8, high = 1"))
    assert gold.find(db, project.id, task_id).exposures == len(labels)


def test_a_leaked_gold_retires_with_the_reason(db: Session) -> None:
    project = factories.create_gold_project(db)
    given = factories.create_gold(db, project, exposures_max=100)
    _met(db, project, given.task_id, [0, 1] * 15 + [1] * 40, low=0.2)

    golds.judge(db)

    ended = gold.find(db, project.id, given.task_id)
    assert (ended.status, ended.ended_by) == ("retiring", Ending.LEAKED)
    assert ended.reason.startswith("right were 7 of the first 14 and 14 of the last 14")


def test_healthy_gold_stays_and_is_looked_at_again_after_ten_more(db: Session) -> None:
    project = factories.create_gold_project(db)
    given = factories.create_gold(db, project, exposures_max=100)
    _met(db, project, given.task_id, [1] * 12)

    looked = [golds.judge(db), golds.judge(db)]
    _met(db, project, given.task_id, [1] * 10, tier=2)
    looked.append(golds.judge(db))

    assert looked == [1, 0, 1]
    assert gold.find(db, project.id, given.task_id).status == "active"


def test_a_supply_tells_how_long_it_lasts(db: Session) -> None:
    project = factories.create_gold_project(db)
    given = factories.create_gold(db, project, exposures_max=100)
    factories.create_gold(db, project, exposures_max=50)
    _met(db, project, given.task_id, [1] * 30)

    found = gold_health.of_project(db, project.id)

    assert (found.active, found.exposures, found.left, found.a_day) == (2, 30, 120, 30.0)
    assert (found.days_left, found.answers, found.pass_rate, found.through) == (4.0, 30, 1.0, 0)
    assert found.warning == "At the pace of the last days the gold lasts for 4.0 days; add some."


def test_who_has_met_all_gold_is_counted(db: Session) -> None:
    project = factories.create_gold_project(db)
    for _ in range(2):
        task_id = factories.create_gold(db, project).task_id
        gold.expose(db, project.id, task_id, voter_id="wrk", ahead_of=task_id, tier=1)

    assert gold_health.of_project(db, project.id).through == 1


def test_no_gold_at_all_is_worth_a_warning(db: Session) -> None:
    found = gold_health.of_project(db, factories.create_gold_project(db).id)

    assert found.warning == "There is no gold that anybody could meet; add some."
    assert (found.days_left, found.pass_rate, found.a_day) == (None, None, 0.0)


def test_enough_gold_is_worth_no_warning(db: Session) -> None:
    project = factories.create_gold_project(db)
    given = factories.create_gold(db, project, exposures_max=100)
    _met(db, project, given.task_id, [1])

    assert gold_health.of_project(db, project.id).warning is None

"""Confidence beside the share right: spot checks apart from escalated tasks, and exact intervals."""

import pytest
from sqlalchemy.orm import Session

from quality import calibration, reliability
from quality.calibration import Calibration
from tests.quality.decided import PROJECT, decide, rule, tasks


def test_confidence_is_that_of_the_votes_and_not_of_the_experts_word(db: Session) -> None:
    decide(db, tasks(40, ["000", "111", "001", "110"]))
    for number in range(40):
        rule(db, f"t{number:03}", number % 2, is_sample=True)

    bins = calibration.of_project(db, PROJECT).sampled

    assert sum(one.n_tasks for one in bins) == 40
    assert all(one.confidence < 1.0 for one in bins)
    assert all(one.low <= one.confidence <= one.high for one in bins)
    assert all(0.0 <= one.right_low <= one.right <= one.right_high <= 1.0 for one in bins)


def test_a_crowd_that_is_wrong_together_is_shown_to_be_too_sure(db: Session) -> None:
    said = tasks(40, ["000", "111"])
    decide(db, said)
    # Of the rooks every second one was taken for a crow by all.
    for number in range(20):
        rule(db, f"t{number:03}", int(number % 4 != 0), is_sample=True)

    (one,) = calibration.of_project(db, PROJECT).sampled

    assert (one.n_tasks, one.right) == (20, 0.75)
    assert one.right_low == pytest.approx(0.544, abs=2e-3)
    assert one.right_high == pytest.approx(0.896, abs=2e-3)
    assert one.confidence > one.right_high


def test_escalated_tasks_stand_apart_from_those_that_were_drawn(db: Session) -> None:
    decide(db, tasks(6, ["000", "011"]))
    rule(db, "t000", 0, is_sample=True)
    for task in ("t001", "t003"):
        rule(db, task, 1)

    found = calibration.of_project(db, PROJECT)

    assert sum(one.n_tasks for one in found.sampled) == 1
    assert sum(one.n_tasks for one in found.adjudicated) == 2


def test_a_known_label_does_not_make_its_own_task_look_right(db: Session) -> None:
    # Nobody votes twice: whoever an expert agreed with would be believed on just that task.
    decide(db, {f"t{number:02}": " " * 3 * number + "001" for number in range(8)})
    for number in range(8):
        rule(db, f"t{number:02}", number % 2, is_sample=True)
    reliability.refit(db, PROJECT, n_classes=2)

    bins = calibration.of_project(db, PROJECT).sampled

    assert sum(one.right * one.n_tasks for one in bins) == pytest.approx(4)


def test_a_known_task_that_nobody_voted_on_tells_nothing(db: Session) -> None:
    decide(db, tasks(6, ["000"]))
    rule(db, "elsewhere", 1, is_sample=True)

    assert calibration.of_project(db, PROJECT) == Calibration([], [])


def test_without_known_labels_there_is_nothing_to_compare(db: Session) -> None:
    assert calibration.of_project(db, PROJECT) == Calibration([], [])

    decide(db, tasks(6, ["000"]))

    assert calibration.of_project(db, PROJECT) == Calibration([], [])

"""Sets of labels: each of them is a vote of its own."""

import numpy as np
import pytest

from quality.structured import sets
from tests.quality.structured.kinds import answers_of, one_task

ROOK, CROW, JAY = "rook", "crow", "jay"


def test_labels_that_most_have_given_hold() -> None:
    rows = [(task, voter, {ROOK, CROW}) for task in range(5) for voter in range(3)]
    rows += [(5, 0, {ROOK, JAY}), (5, 1, {ROOK}), (5, 2, {ROOK})]

    found = sets.aggregate(answers_of(rows, n_tasks=6, n_voters=3))

    assert found.consensus[:5] == [frozenset({ROOK, CROW})] * 5
    assert found.consensus[5] == frozenset({ROOK})
    assert found.agreement[-3:] == pytest.approx([0.5, 1.0, 1.0])


def test_no_label_at_all_is_an_answer() -> None:
    rows = [(task, voter, set[str]()) for task in range(4) for voter in range(3)]
    rows += [(task, voter, {ROOK}) for task in range(4, 8) for voter in range(3)]

    found = sets.aggregate(answers_of(rows, n_tasks=8, n_voters=3))

    assert found.consensus == [frozenset()] * 4 + [frozenset({ROOK})] * 4
    assert found.agreement == pytest.approx(1.0)
    assert found.confidence.min() > 0.6


def test_where_there_are_no_labels_there_is_nothing_to_find() -> None:
    found = sets.aggregate(one_task(set[str](), set[str]()))

    assert found.consensus == [frozenset()]
    assert found.agreement == pytest.approx([1.0, 1.0])


def test_a_voter_who_gives_a_label_at_random_is_not_believed_about_it() -> None:
    rng = np.random.default_rng(1)
    rows = []
    for task in range(60):
        truth = {ROOK} if task % 2 else {CROW}
        rows += [(task, voter, truth) for voter in (0, 1)]
        rows += [(task, voter, truth | ({JAY} if rng.random() < 0.5 else set())) for voter in (2, 3)]

    found = sets.aggregate(answers_of(rows, n_tasks=60, n_voters=4))

    assert all(value == frozenset({ROOK} if task % 2 else {CROW}) for task, value in enumerate(found.consensus))
    assert found.reliability[:2].min() > found.reliability[2:].max()


def test_known_labels_are_certain_even_if_nobody_has_given_them() -> None:
    found = sets.aggregate(one_task({ROOK}, {CROW}), known={0: {ROOK, JAY}})

    assert found.consensus == [frozenset({ROOK, JAY})]
    assert found.confidence == pytest.approx([1.0])
    assert found.agreement == pytest.approx([0.5, 0.0])

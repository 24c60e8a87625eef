"""Boxes: those that lie on each other are one thing, and things are voted on."""

from time import perf_counter

import numpy as np
import pytest

from quality.structured import boxes
from quality.structured.boxes import Box
from tests.quality.structured.kinds import answers_of, one_task

ROOK, CROW = Box(0.0, 0.0, 10.0, 10.0), Box(20.0, 20.0, 30.0, 40.0)


def moved(box: Box, by: float) -> Box:
    return Box(box.left + by, box.top + by, box.right + by, box.bottom + by, box.label)


def test_the_edges_of_a_thing_are_the_medians_of_its_boxes() -> None:
    found = boxes.aggregate(one_task([ROOK], [moved(ROOK, 0.5)], [moved(ROOK, 2.0)]))

    assert found.consensus == [[moved(ROOK, 0.5)]]
    assert found.agreement == pytest.approx(1.0)


def test_a_thing_that_most_have_drawn_is_there_and_one_that_few_have_is_not() -> None:
    found = boxes.aggregate(one_task([ROOK, CROW], [ROOK, CROW], [CROW], [CROW, moved(ROOK, 60.0)], [ROOK, CROW]))

    assert found.consensus == [[ROOK, CROW]]
    assert found.agreement == pytest.approx([1.0, 1.0, 2 / 3, 1 / 2, 1.0])


def test_two_boxes_of_one_voter_are_never_one_thing() -> None:
    near = moved(ROOK, 1.0)

    found = boxes.aggregate(one_task([ROOK, near], [ROOK, near], [ROOK, near]))

    assert found.consensus == [[ROOK, near]]


def test_boxes_with_different_labels_are_different_things() -> None:
    rook, crow = ROOK._replace(label="rook"), ROOK._replace(label="crow")

    found = boxes.aggregate(one_task([rook], [rook], [crow], [rook]))

    assert found.consensus == [[rook]]
    assert found.agreement == pytest.approx([1.0, 1.0, 0.0, 1.0])


def test_to_draw_nothing_is_an_answer() -> None:
    nobody, one_of_four = boxes.aggregate(one_task([], [], [])), boxes.aggregate(one_task([], [], [], [ROOK]))

    assert nobody.consensus == one_of_four.consensus == [[]]
    assert nobody.confidence[0] > one_of_four.confidence[0] > 0.4


def test_boxes_without_an_area_or_without_numbers_are_left_out_and_turned_ones_put_right() -> None:
    flat, nowhere, endless = Box(1.0, 1.0, 1.0, 5.0), Box(float("nan"), 0.0, 1.0, 1.0), Box(0.0, 0.0, float("inf"), 1.0)
    turned = Box(ROOK.right, ROOK.bottom, ROOK.left, ROOK.top)

    found = boxes.aggregate(one_task([ROOK, flat, nowhere], [turned, endless], [ROOK]))

    assert found.consensus == [[ROOK]]
    assert found.agreement == pytest.approx([1.0, 1.0, 1.0])


def test_a_known_thing_that_nobody_has_drawn_is_in_the_consensus_all_the_same() -> None:
    found = boxes.aggregate(one_task([ROOK], [moved(CROW, 90.0)], [ROOK]), known={0: [ROOK, CROW]})

    assert found.consensus == [[ROOK, CROW]]
    assert found.confidence == pytest.approx([1.0])
    assert found.agreement == pytest.approx([2 / 3, 0.0, 2 / 3])
    assert found.reliability[0] > found.reliability[1]


def test_whoever_draws_what_nobody_else_sees_is_believed_less() -> None:
    rows = [(task, voter, [ROOK]) for task in range(10) for voter in range(3)]
    rows += [(task, 3, [moved(ROOK, 50.0 + task)]) for task in range(10)]
    rows += [(10, 0, [CROW]), (10, 1, [CROW]), (10, 2, []), (10, 3, [])]

    found = boxes.aggregate(answers_of(rows, n_tasks=11, n_voters=4))

    assert found.consensus[10] == [CROW]
    assert found.reliability[3] < found.reliability[:2].min()


def test_two_who_are_careful_outweigh_three_who_are_not() -> None:
    rows = [(task, voter, [ROOK]) for task in range(20) for voter in (0, 1)]
    rows += [(task, voter, [moved(ROOK, 20.0 * voter + task)]) for task in range(20) for voter in (2, 3, 4)]
    rows += [(20, voter, [CROW] if voter < 2 else []) for voter in range(5)]

    found = boxes.aggregate(answers_of(rows, n_tasks=21, n_voters=5))

    assert found.consensus[20] == [CROW]


def test_hundreds_of_boxes_of_each_voter_are_bounded() -> None:
    rng = np.random.default_rng(6)
    corners = rng.uniform(0.0, 3000.0, size=(200, 2))
    values = [
        [Box(left, top, left + 40.0, top + 40.0) for left, top in (corners + rng.normal(0.0, 2.0, (200, 2))).tolist()]
        for _ in range(10)
    ]
    begun = perf_counter()

    found = boxes.aggregate(one_task(*values))

    assert len(found.consensus[0] or ()) == pytest.approx(200, abs=5)
    assert perf_counter() - begun < 20.0


def test_any_number_of_boxes_on_top_of_each_other_is_bounded() -> None:
    begun = perf_counter()

    found = boxes.aggregate(one_task(*[[ROOK] * 300 for _ in range(5)]))

    assert found.consensus == [[ROOK] * 300]
    assert perf_counter() - begun < 20.0

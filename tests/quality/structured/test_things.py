"""Things in pictures: which drawing finds which, and in what order."""

import pytest

from quality.structured import boxes, things
from quality.structured.boxes import Box

ROOK, NEAR, HALF = Box(0.0, 0.0, 10.0, 10.0), Box(1.0, 1.0, 11.0, 11.0), Box(0.0, 0.0, 10.0, 4.9)


def test_a_thing_is_found_by_one_drawing_at_most_the_best_one_first() -> None:
    assert things.covered([ROOK, NEAR], [NEAR], boxes.cover) == pytest.approx([1.0])
    assert things.covered([ROOK, NEAR], [NEAR, ROOK], boxes.cover) == pytest.approx([1.0, 1.0])


def test_a_drawing_that_covers_less_than_half_finds_nothing() -> None:
    assert things.covered([ROOK], [HALF], boxes.cover) == []


def test_a_drawing_of_another_label_finds_nothing() -> None:
    assert things.covered([ROOK], [ROOK._replace(label="crow")], boxes.cover) == []


def test_agreement_is_f1_over_things() -> None:
    assert things.agree([ROOK], [ROOK, NEAR], boxes.cover) == pytest.approx(2 / 3)
    assert things.agree([], [ROOK], boxes.cover) == 0.0
    assert things.agree([], [], boxes.cover) == 1.0

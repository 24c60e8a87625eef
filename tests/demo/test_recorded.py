"""The recorded answers as they are shipped, and what a majority makes of any."""

import pytest

from demo import recorded
from demo.recorded import Recorded


def _answers(*given: str) -> dict[tuple[str, str], str]:
    return {("photo", f"w{number}"): label for number, label in enumerate(given)}


def test_everybody_answered_every_photograph() -> None:
    read = recorded.read()

    assert (len(read.photos), len(read.people)) == (108, 39)
    assert read.answers.keys() == {(photo, person) for photo in read.photos for person in read.people}
    assert set(read.answers.values()) == set(read.truth.values()) == set(recorded.CATEGORIES)


def test_people_stand_in_the_order_of_their_numbers() -> None:
    read = Recorded(answers=dict.fromkeys([("p", "w10"), ("p", "w9"), ("q", "w9")], "rook"), truth={})

    assert read.people == ["w9", "w10"]


def test_all_people_by_majority_are_right_on_three_photographs_in_four() -> None:
    read = recorded.read()

    everybody = recorded.majority_right(read, n_answers=len(read.people))

    assert round(everybody, 2) == 0.76
    assert 0.65 < recorded.majority_right(read, n_answers=5) < everybody


@pytest.mark.parametrize(
    ("given", "right"),
    [(["rook", "rook", "crow"], 1), (["rook", "crow", "crow"], 0), (["rook", "crow"], 0.5), (["crow"], 0)],
)
def test_a_majority_decides_and_a_tie_is_half_right(given: list[str], right: float) -> None:
    read = Recorded(answers=_answers(*given), truth={"photo": "rook"})

    assert recorded.majority_right(read, n_answers=len(given)) == right


def test_fewer_people_than_there_are_stand_for_all_of_them() -> None:
    read = Recorded(answers=_answers("rook", "rook", "rook", "crow"), truth={"photo": "rook"})

    assert recorded.majority_right(read, n_answers=1) == pytest.approx(0.75, abs=0.1)

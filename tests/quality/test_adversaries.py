"""The bars for a crowd's enemies, on the simulated people of the benchmark: labels, pay and honest workers."""

import numpy as np
import pytest

from benchmarks import attacks
from benchmarks.adversaries import Outcome, play
from benchmarks.attacks import Scene


@pytest.fixture(scope="module")
def calm() -> Outcome:
    return play(attacks.draw(Scene(), 7))


@pytest.mark.parametrize(("share", "farmed", "points"), [(0.2, 0.0, 2.5), (0.2, 0.8, 4.0), (0.3, 0.8, 5.0)])
def test_colluders_take_few_labels_and_less_pay(calm: Outcome, share: float, farmed: float, points: float) -> None:
    found = play(attacks.draw(Scene("colluders", share, farmed), 7))

    # A seed is off by a third of a point either way.
    assert calm.defended - found.defended <= (points + 0.7) / 100
    assert found.leaked <= 0.1
    assert found.found_at <= 30
    assert found.harmed <= 0.0125


def test_random_clickers_are_hardly_paid(calm: Outcome) -> None:
    found = play(attacks.draw(Scene("random", 0.2), 7))

    assert found.leaked <= 0.05
    assert found.found_at <= 30


def test_honest_people_are_left_alone_without_an_attack(calm: Outcome) -> None:
    assert calm.harmed <= 0.01
    assert np.isnan(calm.found_at)


def test_a_farm_that_knows_most_of_the_gold_does_not_turn_the_crowd_against_itself() -> None:
    found = play(attacks.draw(Scene("copy-bots", 0.4, 0.8), 7))

    assert found.defended >= found.with_gold + 0.2
    assert found.harmed <= 0.0125

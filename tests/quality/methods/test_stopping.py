"""Votes replayed: where each task would have stopped, by hand and against reading every beginning by itself."""

from functools import partial

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from quality.methods import reading, stopping
from quality.methods.reading import INDEPENDENT
from quality.methods.stopping import Read, Stop
from quality.methods.votes import FloatArray, Votes
from tests.quality.methods.crowds import votes_of

_EVEN = np.array([0.5, 0.5])
_TARGETS = (0.5, 0.75, 0.9, 0.95)


def _coins(*accuracies: float) -> FloatArray:
    return np.array([[[right, 1 - right], [1 - right, right]] for right in accuracies])


def _replay(
    votes: Votes, confusion: FloatArray, targets: tuple[float, ...] = _TARGETS, answers_min: int = 1
) -> list[Stop]:
    return stopping.replay(votes, _reading(confusion), targets=targets, answers_min=answers_min)


def _reading(confusion: FloatArray) -> Read:
    return partial(reading.posterior, confusion=confusion, prior=_EVEN, trust=INDEPENDENT)


def test_a_task_stops_at_the_first_vote_that_makes_it_sure_enough() -> None:
    # .8 after one vote, 16 : 1 = .941 after two that agree, .8 again after a third that does not.
    votes = votes_of([(0, 0, 1), (0, 1, 1), (0, 2, 0)], n_tasks=1, n_voters=3)

    found = _replay(votes, _coins(0.8, 0.8, 0.8))

    assert [stop.answers for stop in found] == [1, 1, 2, 3]
    assert [stop.reached for stop in found] == [1.0, 1.0, 1.0, 0.0]


def test_the_order_in_which_votes_came_counts_and_that_of_tasks_does_not() -> None:
    rows = [(0, 0, 1), (1, 0, 0), (0, 1, 1), (1, 1, 0)]
    early = _replay(votes_of(rows, n_tasks=2, n_voters=2), _coins(0.6, 0.96))
    late = _replay(votes_of(rows[::-1], n_tasks=2, n_voters=2), _coins(0.6, 0.96))

    assert [stop.answers for stop in early] == [2, 4, 4, 4]
    assert [stop.answers for stop in late] == [2, 2, 2, 2]
    assert [stop.reached for stop in late] == [1.0] * 4


def test_no_task_stops_before_it_may() -> None:
    votes = votes_of([(0, voter, 1) for voter in range(4)], n_tasks=1, n_voters=4)

    assert [stop.answers for stop in _replay(votes, _coins(0.99, 0.99, 0.99, 0.99), answers_min=3)] == [3] * 4


def test_a_task_with_fewer_votes_than_it_must_have_has_not_reached_anything() -> None:
    found = _replay(votes_of([(0, 0, 1)], n_tasks=1, n_voters=1), _coins(0.99), answers_min=2)

    assert {(stop.reached, stop.answers) for stop in found} == {(0.0, 1)}


def test_without_votes_there_is_nothing_to_replay() -> None:
    assert _replay(votes_of([], n_tasks=0, n_voters=0), np.empty((0, 2, 2))) == []


@settings(max_examples=50)
@given(st.integers(0, 2**32 - 1))
def test_replaying_is_reading_every_beginning(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = [
        (task, int(voter), int(rng.integers(2)))
        for task in range(4)
        for voter in rng.permutation(5)[: rng.integers(1, 6)]
    ]
    confusion = _coins(*rng.uniform(0.4, 0.95, size=5))

    found = _replay(votes_of(rows, n_tasks=4, n_voters=5), confusion)

    for stop in found:
        taken, reached = 0, 0
        for task in range(4):
            mine = [row for row in rows if row[0] == task]
            sure = [_sure(mine[:n], confusion) for n in range(1, len(mine) + 1)]
            first = next((n for n, one in enumerate(sure, 1) if one >= stop.confidence), None)
            taken += first or len(mine)
            reached += first is not None
        assert (stop.answers, stop.reached) == (taken, reached / 4)


def _sure(rows: list[tuple[int, int, int]], confusion: FloatArray) -> float:
    votes = votes_of([(0, *rest) for _, *rest in rows], n_tasks=1, n_voters=5)  # type: ignore[misc]
    return float(_reading(confusion)(votes).max())


@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_a_higher_target_takes_more_and_is_reached_less_often(seed: int, answers_min: int) -> None:
    rng = np.random.default_rng(seed)
    rows = [(task, voter, int(rng.integers(2))) for task in range(6) for voter in range(int(rng.integers(1, 6)))]

    found = _replay(
        votes_of(rows, n_tasks=6, n_voters=5), _coins(*rng.uniform(0.5, 0.95, size=5)), answers_min=answers_min
    )

    assert [stop.answers for stop in found] == sorted(stop.answers for stop in found)
    assert [stop.reached for stop in found] == sorted((stop.reached for stop in found), reverse=True)
    assert found[-1].answers <= len(rows)

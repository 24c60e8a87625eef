"""Beliefs without a vote: nobody vouches for themselves, and otherwise it is the reading of tasks."""

import numpy as np
import pytest
from hypothesis import given, settings

from quality.methods import hierarchical, reading, withheld
from quality.methods.votes import UNKNOWN, Votes
from tests.quality.methods.crowds import some_votes, votes_of


@given(some_votes())
@settings(max_examples=60, deadline=None)
def test_it_is_what_is_read_without_the_vote(votes: Votes) -> None:
    fit = hierarchical.fit(votes)

    found = withheld.beliefs(votes, fit)

    for number in range(votes.size):
        others = np.arange(votes.size) != number
        rest = Votes(
            votes.tasks[others],
            votes.voters[others],
            votes.labels[others],
            votes.n_tasks,
            votes.n_voters,
            votes.n_classes,
        )
        read = reading.posterior(rest, confusion=fit.confusion, prior=fit.prior)
        assert found[number] == pytest.approx(read[votes.tasks[number]], abs=1e-9)


def test_of_a_known_task_the_label_is_certain() -> None:
    votes = votes_of([(0, 0, 1), (0, 1, 1), (1, 0, 1)], n_tasks=2, n_voters=2)
    known = np.array([0, UNKNOWN])

    found = withheld.beliefs(votes, hierarchical.fit(votes, known=known), known=known)

    assert found[:2].tolist() == [[1.0, 0.0], [1.0, 0.0]]
    assert 0.0 < found[2, 0] < 1.0

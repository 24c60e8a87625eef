"""Gold in a fit: capped, so that those who share its answers gain little by it."""

from dataclasses import replace

import numpy as np
import pytest

from quality.methods import gold, hierarchical
from quality.methods.votes import UNKNOWN, Votes
from tests.quality.methods.crowds import sparse_crowd, votes_of


def test_of_the_gold_a_share_of_the_other_votes_is_kept_that_the_fewest_have_met() -> None:
    known = np.array([0, 1, 0, UNKNOWN, UNKNOWN, UNKNOWN])
    votes = votes_of(
        [(0, 0, 0), (1, 0, 1), (2, 0, 0), (3, 0, 1), (4, 0, 1), (5, 0, 0), (0, 1, 0), (2, 1, 0), (3, 1, 0)],
        n_tasks=6,
        n_voters=2,
    )

    fewer = gold.capped(votes, known, per_vote=1 / 3)

    kept = list(zip(fewer.tasks.tolist(), fewer.voters.tolist(), strict=True))
    assert kept == [(1, 0), (3, 0), (4, 0), (5, 0), (0, 1), (3, 1)]


def test_without_other_votes_no_gold_counts() -> None:
    votes = votes_of([(0, 0, 0), (0, 1, 1)], n_tasks=1, n_voters=2)

    assert gold.capped(votes, np.array([0])).size == 0


def test_without_gold_every_vote_is_kept() -> None:
    votes, _ = sparse_crowd(np.random.default_rng(0), skills=np.full(6, 0.8), n_tasks=30, n_classes=3)

    assert gold.capped(votes, np.full(30, UNKNOWN)).size == votes.size


def test_shared_gold_takes_fewer_labels_when_it_is_capped() -> None:
    rng = np.random.default_rng(2)
    votes, truth = sparse_crowd(rng, skills=rng.beta(17, 3, size=100), n_tasks=300, n_classes=4)
    met = np.tile(np.arange(12), 100)
    people = np.repeat(np.arange(100), 12)
    plot = (truth + rng.integers(1, 4, size=300)) % 4
    labels = np.where(votes.voters < 30, plot[votes.tasks], votes.labels)
    golds = np.arange(12) % 4
    votes = Votes(
        np.concatenate((votes.tasks, met + 300)),
        np.concatenate((votes.voters, people)),
        np.concatenate((labels, golds[met])),
        312,
        100,
        4,
    )
    known = np.concatenate((np.full(300, UNKNOWN), golds))

    def right(used: Votes) -> float:
        found = hierarchical.fit(used, known=known, tol=1e-5).posterior[:300]
        return float((found.argmax(axis=1) == truth).mean())

    assert right(gold.capped(votes, known)) >= right(votes) + 0.03
    assert replace(votes).size == votes.size == pytest.approx(2700)

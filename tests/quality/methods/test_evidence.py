"""Evidence becomes a proposal, strongest first, with an end; and a vote that weighs less says less."""

import numpy as np
import pytest

from quality.methods import evidence
from quality.methods.evidence import Evidence, Kind


def found(kind: Kind, *voters: int, statistic: float, threshold: float = 5.0) -> Evidence:
    return Evidence(kind, voters, statistic=statistic, threshold=threshold, answers=20, sentence="They err as one.")


def test_a_voter_has_one_proposal_with_all_that_speaks_against_them() -> None:
    clicking, cluster = found(Kind.CLICKING, 3, statistic=6.0), found(Kind.CLUSTER, 1, 3, statistic=9.0)

    first, second = evidence.proposals([clicking, cluster], factor=0.2, days=7)

    assert (first.voter, first.evidence) == (1, (cluster,))
    assert (second.voter, second.evidence) == (3, (cluster, clicking))
    assert (second.factor, second.days) == (0.2, 7)


def test_what_is_below_its_threshold_is_not_proposed() -> None:
    assert evidence.proposals([found(Kind.PATTERN, 2, statistic=4.9)]) == []


def test_whoever_looks_at_more_voters_asks_for_more() -> None:
    assert np.exp(evidence.enough(0.01)) == pytest.approx(100)
    assert np.exp(evidence.enough(0.01, 50)) == pytest.approx(5000)
    assert evidence.enough(0.01, 0) == evidence.enough(0.01)


def test_a_vote_weighs_from_nothing_to_all() -> None:
    confusion = np.array([[[0.8, 0.2], [0.1, 0.9]]] * 3)

    tempered = evidence.tempered(confusion, np.array([1.0, 0.5, 0.0]))

    assert tempered[0] == pytest.approx(confusion[0])
    assert tempered[1, 0] == pytest.approx([2 / 3, 1 / 3])
    assert tempered[2] == pytest.approx(np.full((2, 2), 0.5))


def test_a_label_never_given_stays_impossible_however_little_it_weighs() -> None:
    tempered = evidence.tempered(np.array([[[1.0, 0.0], [0.5, 0.5]]]), np.array([0.5]))

    assert tempered[0, 0] == pytest.approx([1.0, 0.0])

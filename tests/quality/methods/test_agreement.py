"""Alpha against published examples, pairs counted by hand, and what independent errors explain."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quality.methods import agreement
from quality.methods.votes import Votes
from tests.quality.methods.crowds import crowd, some_votes, votes_of

# Krippendorff (2011): "Computing Krippendorff's Alpha-Reliability", examples A and C; a blank did not answer.
_TWO_VOTERS = ("0100000010", "1110010000")
_MISSING = ("123321412   ", "1233224125 3", " 3332342251 ", "12332441251 ")


def _votes(*voters: str) -> Votes:
    rows = [
        (task, voter, int(label))
        for voter, said in enumerate(voters)
        for task, label in enumerate(said)
        if label != " "
    ]
    return votes_of(rows, n_tasks=len(voters[0]), n_voters=len(voters), n_classes=6)


@pytest.mark.parametrize(("voters", "alpha"), [(_TWO_VOTERS, 0.095), (_MISSING, 0.743)])
def test_alpha_is_that_of_krippendorffs_examples(voters: tuple[str, ...], alpha: float) -> None:
    assert agreement.of_crowd(_votes(*voters)).alpha == pytest.approx(alpha, abs=5e-4)


def test_alpha_by_hand() -> None:
    found = agreement.of_crowd(_votes("00", "01"))

    # One task of two agrees, 0 0 0 1 are the votes: of the 12 pairs of them 6 are equal.
    assert (found.observed, found.expected) == (0.5, 0.5)
    assert found.alpha == 0.0
    assert (found.n_tasks, found.n_votes) == (2, 4)


def test_a_task_with_one_vote_counts_for_nothing() -> None:
    assert agreement.of_crowd(_votes("011", "01 ")) == agreement.of_crowd(_votes("01", "01"))


def test_where_nobody_differs_there_is_no_chance_to_be_held_against() -> None:
    found = agreement.of_crowd(_votes("11", "11"))

    assert (found.alpha, found.observed, found.expected) == (None, 1.0, 1.0)


def test_nothing_to_compare_is_none_and_not_a_number() -> None:
    for votes in (_votes("", ""), _votes("12", "  ")):
        found = agreement.of_crowd(votes)
        assert (found.alpha, found.observed, found.expected, found.n_tasks, found.n_votes) == (None, None, None, 0, 0)


@given(some_votes())
def test_agreement_is_within_its_bounds(votes: Votes) -> None:
    found = agreement.of_crowd(votes)

    assert found.observed is None or 0.0 <= found.observed <= 1.0
    assert found.alpha is None or -1.0 <= found.alpha <= 1.0


@given(some_votes(), st.integers(1, 3))
def test_pairs_are_those_that_counting_finds(votes: Votes, shared_min: int) -> None:
    said = {
        (voter, task): label
        for task, voter, label in zip(*(a.tolist() for a in (votes.tasks, votes.voters, votes.labels)), strict=True)
    }
    expected = {}
    for one in range(votes.n_voters):
        for other in range(one + 1, votes.n_voters):
            shared = [task for task in range(votes.n_tasks) if (one, task) in said and (other, task) in said]
            agreed = sum(said[one, task] == said[other, task] for task in shared)
            if len(shared) >= shared_min:
                expected[one, other] = (len(shared), agreed)

    found = agreement.pairs(votes, shared_min=shared_min)

    rows = zip(*(a.tolist() for a in (found.one, found.other, found.shared, found.agreed)), strict=True)
    assert {(one, other): (shared, agreed) for one, other, shared, agreed in rows} == expected


@given(some_votes())
def test_pairs_are_the_same_whoever_is_named_first(votes: Votes) -> None:
    turned = Votes(
        votes.tasks, votes.n_voters - 1 - votes.voters, votes.labels, votes.n_tasks, votes.n_voters, votes.n_classes
    )

    found, again = agreement.pairs(votes, shared_min=1), agreement.pairs(turned, shared_min=1)

    def named(pairs: agreement.Pairs, first: int, sign: int) -> set[tuple[frozenset[int], int, int]]:
        one, other = first + sign * pairs.one, first + sign * pairs.other
        rows = zip(*(a.tolist() for a in (one, other, pairs.shared, pairs.agreed)), strict=True)
        return {(frozenset((a, b)), shared, agreed) for a, b, shared, agreed in rows}

    assert named(found, 0, 1) == named(again, votes.n_voters - 1, -1)


def test_what_errors_explain_by_hand() -> None:
    votes = _votes("0", "0", "0")
    sure, coin = np.eye(2), np.full((2, 2), 0.5)

    found = agreement.explained(
        agreement.pairs(votes, shared_min=1),
        confusion=np.array([sure, sure, coin]),
        prior=np.array([0.25, 0.75]),
    )

    assert found == pytest.approx([1.0, 0.5, 0.5])


def test_independent_voters_agree_as_their_errors_explain() -> None:
    rng = np.random.default_rng(1)
    votes, _ = crowd(rng, accuracies=[0.9, 0.7, 0.6], n_tasks=20_000, n_classes=3)
    confusion = np.array([np.where(np.eye(3) == 1, right, (1 - right) / 2) for right in (0.9, 0.7, 0.6)])

    found = agreement.pairs(votes, shared_min=10)
    expected = agreement.explained(found, confusion=confusion, prior=np.full(3, 1 / 3))

    assert found.agreed / found.shared == pytest.approx(expected, abs=0.01)
    assert np.abs(agreement.shortfall(found, expected)).max() < 4


def test_whoever_contradicts_another_falls_short_the_more_tasks_they_share() -> None:
    few, many = _votes("0011", "1100"), _votes("0011" * 4, "1100" * 4)
    less = [agreement.shortfall(agreement.pairs(votes, shared_min=1), np.array([0.8]))[0] for votes in (few, many)]

    assert less[0] == pytest.approx(4.0)
    assert less[1] == pytest.approx(8.0)

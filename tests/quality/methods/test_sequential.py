"""The sequential test: it finds who clicks in a few golds, leaves honest people alone, and lets nobody save up."""

import numpy as np
import pytest

from quality.methods import hierarchical, sequential, withheld
from quality.methods.evidence import Kind
from quality.methods.sequential import Bounds, State
from quality.methods.votes import FloatArray, IntArray, one_coin
from tests.quality.methods.crowds import sparse_crowd, votes_of


def answers(rng: np.random.Generator, *, accuracy: float, n_golds: int, n_classes: int) -> tuple[FloatArray, IntArray]:
    """What is certain about the golds, and what somebody answers to them."""
    truth = rng.integers(n_classes, size=n_golds)
    wrong = (truth + rng.integers(1, n_classes, size=n_golds)) % n_classes
    return np.eye(n_classes)[truth], np.where(rng.random(n_golds) < accuracy, truth, wrong)


def accused_after(believed: FloatArray, labels: IntArray, *, honest: FloatArray, bounds: Bounds | None = None) -> int:
    """The number of answers when somebody is first accused; 0 for never."""
    state, used = sequential.START, bounds or sequential.DEFAULT
    for ratio in sequential.ratios(believed, labels, honest):
        state = sequential.after(state, float(ratio), bounds=used)
        if sequential.accusation(0, state, bounds=used):
            return state.answers
    return 0


def careers(
    *, accuracy: float, n_classes: int, n_golds: int = 300, n_people: int = 150, usual: float = 0.88
) -> IntArray:
    rng = np.random.default_rng(4)
    honest = sequential.least_honest(one_coin(n_classes, usual))
    drawn = (answers(rng, accuracy=accuracy, n_golds=n_golds, n_classes=n_classes) for _ in range(n_people))
    return np.array([accused_after(believed, labels, honest=honest) for believed, labels in drawn])


def test_a_ratio_is_that_of_chance_to_the_least_that_is_honest() -> None:
    honest = np.array([[0.8, 0.2], [0.4, 0.6]])

    found = sequential.ratios(np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]), np.array([0, 0, 0]), honest)

    assert found == pytest.approx(np.log([0.5 / 0.8, 0.5 / 0.4, 0.5 / 0.6]))


@pytest.mark.parametrize("n_classes", [2, 3, 7])
def test_the_ratio_is_expected_to_be_one_of_the_least_honest_and_less_of_a_better_one(n_classes: int) -> None:
    rng = np.random.default_rng(n_classes)
    usual = one_coin(n_classes, 0.9)
    honest = sequential.least_honest(usual)
    believed = rng.dirichlet(np.ones(n_classes), size=5)
    each = np.exp([sequential.ratios(believed, np.full(5, label), honest) for label in range(n_classes)]).T

    assert ((believed @ honest) * each).sum(axis=1) == pytest.approx(np.ones(5))
    assert (((believed @ usual) * each).sum(axis=1) <= 1.0).all()


def test_random_clickers_are_found_within_twelve_golds_in_the_median() -> None:
    found = careers(accuracy=0.25, n_classes=4)

    assert (found > 0).all()
    assert np.median(found) <= 12


def test_with_two_classes_it_takes_longer() -> None:
    found = careers(accuracy=0.5, n_classes=2)

    assert (found > 0).mean() >= 0.97
    assert 20 < np.median(found) <= 50


@pytest.mark.parametrize(("n_classes", "accuracy"), [(4, 0.75), (4, 0.85), (2, 0.78), (2, 0.88)])
def test_honest_people_are_not_accused_in_a_career(n_classes: int, accuracy: float) -> None:
    assert (careers(accuracy=accuracy, n_classes=n_classes) > 0).mean() <= 0.01


def test_whoever_is_just_honest_is_accused_no_more_often_than_stated() -> None:
    honest = sequential.least_honest(one_coin(4, 0.88))
    bounds = Bounds(alpha=0.2, career=100)
    rng = np.random.default_rng(12)
    drawn = [answers(rng, accuracy=float(honest[0, 0]), n_golds=100, n_classes=4) for _ in range(400)]

    found = [accused_after(believed, labels, honest=honest, bounds=bounds) for believed, labels in drawn]

    # It is a bound, and not far off: steps overshoot it, and few come to the floor.
    assert 0.02 <= np.mean(np.array(found) > 0) <= 0.2


def test_an_honest_past_is_not_saved_up() -> None:
    honest = sequential.least_honest(one_coin(4, 0.88))
    rng = np.random.default_rng(5)

    def until_found(n_honest: int) -> float:
        late = []
        for _ in range(60):
            before, given = answers(rng, accuracy=0.9, n_golds=n_honest, n_classes=4)
            after, clicked = answers(rng, accuracy=0.25, n_golds=200, n_classes=4)
            found = accused_after(np.concatenate((before, after)), np.concatenate((given, clicked)), honest=honest)
            late.append(found - n_honest if found else 200)
        return float(np.median(late))

    assert until_found(400) <= until_found(40) + 3
    assert until_found(400) <= 30


def test_who_clicks_is_hardly_ever_cleared_and_who_works_soon_is() -> None:
    honest = sequential.least_honest(one_coin(4, 0.88))
    rng = np.random.default_rng(6)

    def cleared(accuracy: float) -> float:
        states = []
        for _ in range(200):
            state = sequential.START
            for ratio in sequential.ratios(*answers(rng, accuracy=accuracy, n_golds=30, n_classes=4), honest):
                state = sequential.after(state, float(ratio))
            states.append(state.cleared)
        return float(np.mean(states))

    assert cleared(0.25) <= 0.02
    assert cleared(0.9) >= 0.95


def test_one_answer_after_another_is_the_same_as_all_at_once() -> None:
    kept = State(score=1.5, answers=7, cleared=False)

    state = sequential.after(sequential.after(kept, 0.5), -0.25)

    assert state == State(score=1.75, answers=9, cleared=False)


def test_an_accusation_says_what_it_stands_on() -> None:
    found = sequential.accusation(3, State(score=6.0, answers=9))

    assert found is not None
    assert (found.kind, found.voters, found.answers) == (Kind.CLICKING, (3,), 9)
    assert found.statistic >= found.threshold == sequential.DEFAULT.accused
    assert "9 answers" in found.sentence
    assert sequential.accusation(3, State(score=5.0, answers=9)) is None


def test_however_much_speaks_against_a_voter_it_can_be_read() -> None:
    found = sequential.accusation(3, State(score=5000.0, answers=900))

    assert found is not None
    assert "at least 1,000,000 times" in found.sentence


def test_consensus_that_is_not_certain_says_less() -> None:
    honest = sequential.least_honest(one_coin(4, 0.9))
    believed = np.array([[0.25, 0.25, 0.25, 0.25], [0.7, 0.1, 0.1, 0.1], [1.0, 0.0, 0.0, 0.0]])

    even, likely, certain = sequential.ratios(believed, np.array([1, 1, 1]), honest)

    assert even == pytest.approx(0.0)
    assert 0.0 < likely < certain


def test_consensus_alone_finds_clickers_and_nobody_else() -> None:
    rng = np.random.default_rng(8)
    skills = np.concatenate((np.full(12, 0.25), rng.uniform(0.72, 0.97, size=68)))
    votes, _ = sparse_crowd(rng, skills=skills, n_tasks=900, n_classes=4)
    fit = hierarchical.fit(votes, tol=1e-5)
    honest = sequential.least_honest(sequential.usual(fit))
    believed = withheld.beliefs(votes, fit)

    found = [
        accused_after(believed[votes.voters == voter], votes.labels[votes.voters == voter], honest=honest)
        for voter in range(80)
    ]

    assert np.mean(np.array(found[:12]) > 0) >= 0.9
    assert not any(found[12:])


def test_what_is_usual_is_not_changed_by_a_third_who_click() -> None:
    rng = np.random.default_rng(9)
    votes, _ = sparse_crowd(rng, skills=np.concatenate((np.full(20, 0.25), np.full(40, 0.9))), n_tasks=800, n_classes=4)

    usual = sequential.usual(hierarchical.fit(votes, tol=1e-5))

    assert np.diagonal(usual) == pytest.approx(np.full(4, 0.87), abs=0.06)


def test_nobody_has_voted_and_the_usual_voter_is_the_pool() -> None:
    votes = votes_of([], n_tasks=1, n_voters=0, n_classes=3)
    fit = hierarchical.fit(votes)

    assert sequential.usual(fit) == pytest.approx(fit.pool)


def test_one_class_only_accuses_nobody() -> None:
    honest = sequential.least_honest(one_coin(1, 0.9))

    assert sequential.ratios(np.ones((3, 1)), np.zeros(3, dtype=np.int64), honest) == pytest.approx(np.zeros(3))

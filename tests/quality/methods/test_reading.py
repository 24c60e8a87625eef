"""Reading tasks out of matrices: Bayes' rule, how votes are discounted, what gold says of that, and what helps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quality.methods import hierarchical, reading
from quality.methods.reading import INDEPENDENT, Trust
from quality.methods.votes import UNKNOWN, FloatArray, IntArray, Votes
from tests.quality.methods.crowds import CROW, ROOK, bluebirds, crowd, some_votes, votes_of

_EVEN = np.array([0.5, 0.5])


def coins(*accuracies: float) -> FloatArray:
    return np.array([[[right, 1 - right], [1 - right, right]] for right in accuracies])


def test_a_posterior_is_bayes_rule() -> None:
    votes = votes_of([(0, 0, 0), (0, 1, 1)], n_tasks=1, n_voters=2)
    confusion = np.array([[[0.9, 0.1], [0.3, 0.7]], [[0.6, 0.4], [0.2, 0.8]]])

    read = reading.posterior(votes, confusion=confusion, prior=np.array([0.25, 0.75]), trust=INDEPENDENT)

    crow, rook = 0.25 * 0.9 * 0.4, 0.75 * 0.3 * 0.8
    assert read[0] == pytest.approx([crow / (crow + rook), rook / (crow + rook)])


def test_the_discount_divides_the_log_odds_by_how_much_votes_overlap() -> None:
    votes = votes_of([(0, voter, 1) for voter in range(3)], n_tasks=1, n_voters=3)

    read = reading.posterior(votes, confusion=coins(0.8, 0.8, 0.8), prior=_EVEN, trust=Trust(0.25, counted=0.0))

    odds = 4.0 ** (3 / (1 + 0.25 * 2))
    assert read[0, 1] == pytest.approx(odds / (1 + odds))


def test_a_share_of_the_belief_goes_by_the_count_of_the_votes() -> None:
    votes = votes_of([(0, 0, 1), (0, 1, 1), (0, 2, 0)], n_tasks=1, n_voters=3)

    read = reading.posterior(votes, confusion=coins(0.9, 0.9, 0.9), prior=_EVEN, trust=Trust(0.0, counted=0.25))

    assert read[0, 1] == pytest.approx(0.75 * 0.9 + 0.25 * 2.5 / 4)


@given(some_votes())
@settings(max_examples=60, deadline=None)
def test_every_row_is_a_probability_whatever_the_votes(votes: Votes) -> None:
    found = reading.read(votes, hierarchical.fit(votes))

    assert (found >= 0).all()
    assert found.sum(axis=1) == pytest.approx(1.0)


@given(st.integers(0, 2**32 - 1), st.floats(0.0, 1.0))
@settings(max_examples=40, deadline=None)
def test_the_discount_never_changes_the_label(seed: int, discount: float) -> None:
    rng = np.random.default_rng(seed)
    votes, _ = crowd(rng, accuracies=[0.9, 0.7, 0.7, 0.6], n_tasks=20, n_classes=3)
    found = hierarchical.fit(votes)

    read = reading.posterior(votes, confusion=found.confusion, prior=found.prior, trust=Trust(discount, counted=0.0))

    plain = reading.posterior(votes, confusion=found.confusion, prior=found.prior, trust=INDEPENDENT)
    chosen = read.argmax(axis=1)
    assert plain[np.arange(20), chosen] == pytest.approx(plain.max(axis=1))
    assert (read.max(axis=1) <= plain.max(axis=1) + 1e-12).all()


@given(st.integers(0, 2**32 - 1), st.integers(2, 4))
@settings(max_examples=60, deadline=None)
def test_an_agreeing_answer_from_a_better_than_chance_voter_never_lowers_confidence(seed: int, n_classes: int) -> None:
    rng = np.random.default_rng(seed)
    n_before = int(rng.integers(1, 6))
    confusion = rng.dirichlet(np.ones(n_classes), size=(n_before + 1, n_classes))
    accuracy = rng.uniform(1.01 / n_classes, 0.99)
    confusion[-1] = (1 - accuracy) / (n_classes - 1)
    np.fill_diagonal(confusion[-1], accuracy)
    prior = rng.dirichlet(np.ones(n_classes))
    rows = [(0, voter, int(rng.integers(n_classes))) for voter in range(n_before)]

    def read(rows: list[tuple[int, int, int]]) -> FloatArray:
        votes = votes_of(rows, n_tasks=1, n_voters=n_before + 1, n_classes=n_classes)
        return reading.posterior(votes, confusion=confusion, prior=prior, trust=INDEPENDENT)

    before = read(rows)
    after = read([*rows, (0, n_before, int(before.argmax()))])

    assert after.max() >= before.max() - 1e-12


@pytest.mark.parametrize("discount", [0.0, 0.1, 0.3, 0.9])
@pytest.mark.parametrize("counted", [0.0, 0.2])
def test_agreement_among_equals_raises_confidence_under_any_trust(discount: float, counted: float) -> None:
    rows = [(n, voter, 0) for n in range(9) for voter in range(n + 1)]

    read = reading.posterior(
        votes_of(rows, n_tasks=9, n_voters=9),
        confusion=coins(*[0.7] * 9),
        prior=_EVEN,
        trust=Trust(discount, counted),
    )

    assert (np.diff(read[:, 0]) > 0).all()


def test_hundreds_of_votes_for_one_task_do_not_underflow() -> None:
    votes = votes_of([(0, voter, voter % 2) for voter in range(3001)], n_tasks=1, n_voters=3001)

    read = reading.posterior(votes, confusion=coins(*[0.9] * 3001), prior=_EVEN, trust=INDEPENDENT)

    assert read[0] == pytest.approx([0.9, 0.1])


def test_a_task_without_votes_is_the_prior_but_for_what_is_counted() -> None:
    votes = votes_of([], n_tasks=1, n_voters=1)

    read = reading.posterior(votes, confusion=coins(0.9), prior=np.array([0.9, 0.1]), trust=Trust(0.3, counted=0.5))

    assert read[0] == pytest.approx([0.7, 0.3])


def test_an_experts_vote_outweighs_four_workers_who_err_together() -> None:
    four = [(0, voter, CROW) for voter in range(4)]
    confusion = coins(0.8, 0.8, 0.8, 0.8, 0.97)
    families = np.array([reading.CROWD] * 4 + [reading.APART])
    votes = votes_of([*four, (0, 4, ROOK)], n_tasks=1, n_voters=5)

    as_expert = reading.posterior(votes, confusion=confusion, prior=_EVEN, families=families)
    as_one_of_them = reading.posterior(votes, confusion=confusion, prior=_EVEN, trust=INDEPENDENT)

    assert as_expert[0].argmax() == ROOK
    assert as_one_of_them[0].argmax() == CROW


def test_models_that_are_made_alike_count_together_as_one_of_them() -> None:
    confusion = coins(0.8, 0.9, 0.9, 0.9, 0.9)
    votes = votes_of([(0, 0, CROW), *((0, voter, ROOK) for voter in range(1, 5))], n_tasks=1, n_voters=5)
    trust = Trust(0.3, counted=0.0)

    one = reading.posterior(votes, confusion=confusion, prior=_EVEN, trust=trust, families=np.array([0, 1, 1, 1, 1]))
    two = reading.posterior(votes, confusion=confusion, prior=_EVEN, trust=trust, families=np.array([0, 1, 1, 2, 2]))

    assert one[0, ROOK] == pytest.approx(0.2 * 0.9 / (0.2 * 0.9 + 0.8 * 0.1))
    assert two[0, ROOK] == pytest.approx(0.2 * 0.9**2 / (0.2 * 0.9**2 + 0.8 * 0.1**2))


def test_families_of_one_voter_are_independent_of_each_other_and_of_the_crowd() -> None:
    votes = votes_of([(0, voter, CROW) for voter in range(3)], n_tasks=1, n_voters=3)
    trust = Trust(1.0, counted=0.0)

    read = reading.posterior(votes, confusion=coins(0.7, 0.7, 0.7), prior=_EVEN, trust=trust, families=np.arange(3))

    assert read[0, CROW] == pytest.approx(0.7**3 / (0.7**3 + 0.3**3))


def test_what_is_known_is_certain() -> None:
    votes, truth = bluebirds()
    known = np.where(np.arange(truth.size) % 2, truth, UNKNOWN)

    read = reading.read(votes, hierarchical.fit(votes, known=known), known=known)

    assert (read[np.arange(truth.size), truth][known != UNKNOWN] == 1).all()


def misled(rng: np.random.Generator, *, n_tasks: int, share: float) -> tuple[Votes, IntArray]:
    """Seven good voters who are all led to the same wrong class on a share of the tasks."""
    votes, truth = crowd(rng, accuracies=[0.85] * 7, n_tasks=n_tasks, n_classes=2)
    shown = rng.random(n_tasks) < share
    return votes, np.where(shown, 1 - truth, truth)


@pytest.mark.parametrize("seed", range(3))
def test_gold_tells_a_crowd_that_errs_together_from_one_that_does_not(seed: int) -> None:
    rng = np.random.default_rng(seed)
    apart, together = misled(rng, n_tasks=400, share=0.0), misled(rng, n_tasks=400, share=0.15)

    trusts = []
    for votes, truth in (apart, together):
        known = np.where(np.arange(truth.size) < 80, truth, UNKNOWN)
        trusts.append(reading.calibrated(votes, hierarchical.fit(votes, known=known), known=known))

    assert trusts[0].discount + trusts[0].counted < trusts[1].discount + trusts[1].counted


def test_without_gold_or_votes_on_it_the_default_is_trusted() -> None:
    votes = votes_of([(0, 0, 1)], n_tasks=2, n_voters=1)
    found = hierarchical.fit(votes)

    for known in ([UNKNOWN, UNKNOWN], [UNKNOWN, 0]):
        assert reading.calibrated(votes, found, known=np.array(known)) == reading.DEFAULT


@given(some_votes(), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_trust_stays_in_its_bounds_whatever_the_gold(votes: Votes, seed: int) -> None:
    known = np.random.default_rng(seed).integers(-1, votes.n_classes, size=votes.n_tasks)

    found = reading.calibrated(votes, hierarchical.fit(votes, known=known), known=known)

    assert 0 <= found.discount <= 1
    assert 0 <= found.counted <= 1


def test_another_answer_is_worth_nothing_once_it_cannot_change_the_label() -> None:
    beliefs = np.array([[0.99, 0.01], [0.5, 0.5]])

    gain = reading.expected_gain(beliefs, coins(0.8), np.ones(1))

    assert gain == pytest.approx([0.0, 0.3])


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_another_answer_never_promises_more_than_the_whole_error(seed: int) -> None:
    rng = np.random.default_rng(seed)
    beliefs = rng.dirichlet(np.ones(3), size=20)
    confusion = rng.dirichlet(np.ones(3), size=(5, 3))

    gain = reading.expected_gain(beliefs, confusion, rng.random(5))

    assert (gain >= 0).all()
    assert (gain <= 1 - beliefs.max(axis=1) + 1e-12).all()

"""Dawid-Skene: known answers on tiny data, properties over drawn data, and the bluebirds."""

import csv
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quality.methods import dawid_skene
from quality.methods.dawid_skene import UNKNOWN, FloatArray, IntArray, Votes

BLUEBIRD = Path(__file__).parents[2] / "demo" / "bluebird"
CROW, ROOK = 0, 1


def votes_of(rows: list[tuple[int, int, int]], *, n_tasks: int, n_voters: int, n_classes: int = 2) -> Votes:
    columns = np.array(rows, dtype=np.int64).reshape(-1, 3)
    return Votes(columns[:, 0], columns[:, 1], columns[:, 2], n_tasks, n_voters, n_classes)


def crowd(rng: np.random.Generator, *, accuracies: list[float], n_tasks: int, n_classes: int) -> tuple[Votes, IntArray]:
    """Everybody votes on everything, right with their own accuracy, else one of the other classes."""
    truth = rng.integers(n_classes, size=n_tasks)
    rows = []
    for voter, accuracy in enumerate(accuracies):
        wrong = (truth + rng.integers(1, n_classes, size=n_tasks)) % n_classes
        labels = np.where(rng.random(n_tasks) < accuracy, truth, wrong)
        rows += [(task, voter, int(label)) for task, label in enumerate(labels)]
    return votes_of(rows, n_tasks=n_tasks, n_voters=len(accuracies), n_classes=n_classes), truth


@st.composite
def some_votes(draw: st.DrawFn) -> Votes:
    """Any votes at all: sparse, one-sided or none, with tasks and voters that have no vote."""
    n_tasks, n_voters, n_classes = draw(st.integers(1, 8)), draw(st.integers(1, 6)), draw(st.integers(1, 4))
    pairs = st.tuples(st.integers(0, n_tasks - 1), st.integers(0, n_voters - 1))
    labels = st.dictionaries(pairs, st.integers(0, n_classes - 1), max_size=30)
    rows = [(task, voter, label) for (task, voter), label in draw(labels).items()]
    return votes_of(rows, n_tasks=n_tasks, n_voters=n_voters, n_classes=n_classes)


def textbook(votes: Votes, *, n_iter: int) -> tuple[FloatArray, FloatArray]:
    """Dawid and Skene 1979 in loops, no smoothing: posterior and class prior after n_iter passes."""
    triples = list(zip(votes.tasks, votes.voters, votes.labels, strict=True))
    current = np.zeros((votes.n_tasks, votes.n_classes))
    for task, _, label in triples:
        current[task, label] += 1
    current /= current.sum(axis=1, keepdims=True)
    for _ in range(n_iter):
        prior = current.mean(axis=0)
        confusion = np.zeros((votes.n_voters, votes.n_classes, votes.n_classes))
        for task, voter, label in triples:
            confusion[voter, :, label] += current[task]
        confusion /= confusion.sum(axis=2, keepdims=True)
        current = np.tile(prior, (votes.n_tasks, 1))
        for task, voter, label in triples:
            current[task] *= confusion[voter, :, label]
        current /= current.sum(axis=1, keepdims=True)
    return current, prior


@given(some_votes())
@settings(max_examples=60, deadline=None)
def test_every_row_is_a_probability_whatever_the_votes(votes: Votes) -> None:
    for found in (dawid_skene.fit(votes), dawid_skene.fit_plain(votes)):
        for rows in (found.posterior, found.confusion, found.pool, found.prior):
            assert np.isfinite(rows).all()
            assert (rows >= 0).all()
            assert rows.sum(axis=-1) == pytest.approx(1.0, abs=1e-12)
        assert np.isfinite(found.objective).all()
        assert found.counts.sum() == pytest.approx(votes.tasks.size)


@given(some_votes(), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_the_order_of_votes_changes_nothing(votes: Votes, random: Random) -> None:
    order = list(range(votes.tasks.size))
    random.shuffle(order)
    shuffled = Votes(
        votes.tasks[order], votes.voters[order], votes.labels[order], votes.n_tasks, votes.n_voters, votes.n_classes
    )

    found, again = dawid_skene.fit(votes), dawid_skene.fit(shuffled)

    assert again.posterior == pytest.approx(found.posterior, abs=1e-9)
    assert again.confusion == pytest.approx(found.confusion, abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_other_names_for_tasks_and_voters_change_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    votes, _ = crowd(rng, accuracies=[0.9, 0.8, 0.7, 0.6, 0.5], n_tasks=40, n_classes=3)
    task_names, voter_names = rng.permutation(votes.n_tasks), rng.permutation(votes.n_voters)
    renamed = Votes(
        task_names[votes.tasks],
        voter_names[votes.voters],
        votes.labels,
        votes.n_tasks,
        votes.n_voters,
        votes.n_classes,
    )

    found, again = dawid_skene.fit(votes), dawid_skene.fit(renamed)

    assert again.posterior[task_names] == pytest.approx(found.posterior, abs=1e-7)
    assert again.confusion[voter_names] == pytest.approx(found.confusion, abs=1e-7)


def test_inputs_are_never_changed() -> None:
    votes, _ = crowd(np.random.default_rng(1), accuracies=[0.9, 0.6, 0.7], n_tasks=10, n_classes=2)
    known = np.full(10, UNKNOWN)
    before = [codes.copy() for codes in (votes.tasks, votes.voters, votes.labels, known)]

    found = dawid_skene.fit(votes, known=known)
    dawid_skene.posterior(votes, confusion=found.confusion, prior=found.prior)

    for codes, copy in zip((votes.tasks, votes.voters, votes.labels, known), before, strict=True):
        assert (codes == copy).all()


@pytest.mark.parametrize("seed", range(5))
def test_the_plain_fit_is_the_textbook_to_the_eighth_digit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    votes, _ = crowd(rng, accuracies=[0.9, 0.8, 0.7, 0.6], n_tasks=60, n_classes=3)

    found = dawid_skene.fit_plain(votes, tol=0.0, max_iter=40)

    expected, prior = textbook(votes, n_iter=found.n_iter)
    assert found.posterior == pytest.approx(expected, abs=1e-8)
    assert found.prior == pytest.approx(prior, abs=1e-8)


@given(some_votes())
@settings(max_examples=60, deadline=None)
def test_the_likelihood_of_the_plain_fit_never_falls(votes: Votes) -> None:
    found = dawid_skene.fit_plain(votes, max_iter=200)

    assert (np.diff(found.objective) >= -1e-12 * max(votes.tasks.size, 1) * 10).all()


def test_a_fit_says_whether_it_converged() -> None:
    votes, _ = crowd(np.random.default_rng(3), accuracies=[0.9, 0.8, 0.7], n_tasks=50, n_classes=2)

    short, whole = dawid_skene.fit(votes, max_iter=1), dawid_skene.fit(votes)

    assert (short.n_iter, short.converged) == (1, False)
    assert whole.converged
    assert whole.n_iter == whole.objective.size


def test_a_task_nobody_answered_gets_the_prior() -> None:
    votes = votes_of([(0, 0, 0), (0, 1, 0), (1, 0, 0), (1, 1, 0)], n_tasks=3, n_voters=2)

    found = dawid_skene.fit(votes)
    read = dawid_skene.posterior(votes, confusion=found.confusion, prior=found.prior)

    assert found.posterior[2] == pytest.approx(found.prior, abs=1e-7)
    assert read[2] == pytest.approx(found.prior)


def test_without_any_vote_no_class_is_preferred() -> None:
    found = dawid_skene.fit(votes_of([], n_tasks=2, n_voters=1, n_classes=4))

    assert found.posterior == pytest.approx(0.25)
    assert found.confusion[0].diagonal() == pytest.approx(0.7)


def test_a_lone_voter_is_believed_but_not_blindly() -> None:
    found = dawid_skene.fit(votes_of([(0, 0, 1)], n_tasks=1, n_voters=1))

    assert 0.5 < found.posterior[0, 1] < 0.95


def test_one_class_is_always_right() -> None:
    found = dawid_skene.fit(votes_of([(0, 0, 0), (1, 1, 0)], n_tasks=3, n_voters=2, n_classes=1))

    assert found.posterior == pytest.approx(1.0)
    assert found.confusion == pytest.approx(1.0)
    assert dawid_skene.reliability(found.confusion, found.prior) == pytest.approx(1.0)


def test_hundreds_of_votes_for_one_task_do_not_underflow() -> None:
    votes = votes_of([(0, voter, voter % 2) for voter in range(3001)], n_tasks=1, n_voters=3001)
    confusion = np.tile(np.array([[0.9, 0.1], [0.1, 0.9]]), (3001, 1, 1))

    read = dawid_skene.posterior(votes, confusion=confusion, prior=np.array([0.5, 0.5]), discount=0.0)

    assert read[0] == pytest.approx([0.9, 0.1])


def test_a_posterior_is_bayes_rule() -> None:
    votes = votes_of([(0, 0, 0), (0, 1, 1)], n_tasks=1, n_voters=2)
    confusion = np.array([[[0.9, 0.1], [0.3, 0.7]], [[0.6, 0.4], [0.2, 0.8]]])

    read = dawid_skene.posterior(votes, confusion=confusion, prior=np.array([0.25, 0.75]), discount=0.0)

    crow, rook = 0.25 * 0.9 * 0.4, 0.75 * 0.3 * 0.8
    assert read[0] == pytest.approx([crow / (crow + rook), rook / (crow + rook)])


def test_the_discount_divides_the_log_odds_by_how_much_votes_overlap() -> None:
    votes = votes_of([(0, voter, 1) for voter in range(3)], n_tasks=1, n_voters=3)
    confusion = np.tile(np.array([[0.8, 0.2], [0.2, 0.8]]), (3, 1, 1))
    even = np.array([0.5, 0.5])

    read = dawid_skene.posterior(votes, confusion=confusion, prior=even, discount=0.25)

    odds = 4.0 ** (3 / (1 + 0.25 * 2))
    assert read[0, 1] == pytest.approx(odds / (1 + odds))


@given(st.integers(0, 2**32 - 1), st.floats(0.0, 1.0))
@settings(max_examples=40, deadline=None)
def test_the_discount_never_changes_the_label(seed: int, discount: float) -> None:
    rng = np.random.default_rng(seed)
    votes, _ = crowd(rng, accuracies=[0.9, 0.7, 0.7, 0.6], n_tasks=20, n_classes=3)
    found = dawid_skene.fit(votes)

    read = dawid_skene.posterior(votes, confusion=found.confusion, prior=found.prior, discount=discount)

    plain = dawid_skene.posterior(votes, confusion=found.confusion, prior=found.prior, discount=0.0)
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
        return dawid_skene.posterior(votes, confusion=confusion, prior=prior, discount=0.0)

    before = read(rows)
    after = read([*rows, (0, n_before, int(before.argmax()))])

    assert after.max() >= before.max() - 1e-12


@pytest.mark.parametrize("discount", [0.0, 0.1, 0.3, 0.9])
def test_agreement_among_equals_raises_confidence_under_any_discount(discount: float) -> None:
    confusion = np.tile(np.array([[0.7, 0.3], [0.3, 0.7]]), (9, 1, 1))
    rows = [(n, voter, 0) for n in range(9) for voter in range(n + 1)]

    read = dawid_skene.posterior(
        votes_of(rows, n_tasks=9, n_voters=9), confusion=confusion, prior=np.array([0.5, 0.5]), discount=discount
    )

    assert (np.diff(read[:, 0]) > 0).all()


def test_the_matrices_of_a_crowd_are_found_again() -> None:
    votes, truth = crowd(
        np.random.default_rng(5), accuracies=[0.95, 0.9, 0.8, 0.8, 0.7, 0.6], n_tasks=2000, n_classes=3
    )

    found = dawid_skene.fit(votes)

    assert (found.posterior.argmax(axis=1) == truth).mean() > 0.95
    right = dawid_skene.reliability(found.confusion, found.prior)
    assert right == pytest.approx([0.95, 0.9, 0.8, 0.8, 0.7, 0.6], abs=0.03)


def test_reliability_weighs_each_class_by_how_often_it_comes() -> None:
    confusion = np.array([[[0.9, 0.1], [0.5, 0.5]]])

    assert dawid_skene.reliability(confusion, np.array([0.75, 0.25])) == pytest.approx([0.8])


def test_a_newcomer_counts_as_the_pool() -> None:
    votes, _ = crowd(np.random.default_rng(6), accuracies=[0.9, 0.85, 0.8, 0.75], n_tasks=200, n_classes=2)
    wider = Votes(votes.tasks, votes.voters, votes.labels, votes.n_tasks, votes.n_voters + 1, 2)

    found = dawid_skene.fit(wider)

    assert found.confusion[-1] == pytest.approx(found.pool, abs=1e-9)
    assert found.counts[-1].sum() == 0


def test_a_voter_with_few_votes_stays_nearer_the_pool_than_one_with_many() -> None:
    votes, truth = crowd(np.random.default_rng(7), accuracies=[0.9, 0.9, 0.9, 0.9], n_tasks=200, n_classes=2)
    wrong = 1 - truth
    rows = [*zip(votes.tasks, votes.voters, votes.labels, strict=True)]
    rows += [(task, 4, wrong[task]) for task in range(2)]
    rows += [(task, 5, wrong[task]) for task in range(100)]

    found = dawid_skene.fit(votes_of(rows, n_tasks=200, n_voters=6))

    few, many = dawid_skene.reliability(found.confusion, found.prior)[4:]
    assert many < 0.1
    assert 0.3 < few < 0.8


def test_another_answer_is_worth_nothing_once_it_cannot_change_the_label() -> None:
    confusion = np.array([[[0.8, 0.2], [0.2, 0.8]]])
    beliefs = np.array([[0.99, 0.01], [0.5, 0.5]])

    gain = dawid_skene.expected_gain(beliefs, confusion, np.ones(1))

    assert gain == pytest.approx([0.0, 0.3])


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_another_answer_never_promises_more_than_the_whole_error(seed: int) -> None:
    rng = np.random.default_rng(seed)
    beliefs = rng.dirichlet(np.ones(3), size=20)
    confusion = rng.dirichlet(np.ones(3), size=(5, 3))

    gain = dawid_skene.expected_gain(beliefs, confusion, rng.random(5))

    assert (gain >= 0).all()
    assert (gain <= 1 - beliefs.max(axis=1) + 1e-12).all()


def rook_and_crow(*, n_shared: int) -> Votes:
    """Five voters agree and are right on the shared tasks; on the last four say crow and one says rook."""
    rows = [(task, voter, task % 2) for task in range(n_shared) for voter in range(5)]
    rows += [(n_shared, voter, CROW) for voter in range(4)] + [(n_shared, 4, ROOK)]
    return votes_of(rows, n_tasks=n_shared + 1, n_voters=5)


def test_four_of_five_say_crow_and_so_does_the_fit() -> None:
    found = dawid_skene.fit(rook_and_crow(n_shared=20))

    assert found.posterior[-1, CROW] > 0.9


def test_an_adjudication_wins_against_any_number_of_voters() -> None:
    votes = rook_and_crow(n_shared=20)
    known = np.append(np.full(20, UNKNOWN), ROOK)

    found = dawid_skene.fit(votes, known=known)

    assert found.posterior[-1] == pytest.approx([0.0, 1.0])


def test_an_adjudication_scores_the_four_for_that_error_and_nobody_else() -> None:
    votes = rook_and_crow(n_shared=20)
    known = np.append(np.full(20, UNKNOWN), ROOK)

    before, after = dawid_skene.fit(votes), dawid_skene.fit(votes, known=known)

    rise = after.confusion[:, ROOK, CROW] - before.confusion[:, ROOK, CROW]
    assert (rise[:4] > 0.05).all()
    assert rise[4] < rise[:4].min() / 2
    assert after.counts[:4, ROOK, CROW] == pytest.approx(1.0, abs=0.1)
    right = dawid_skene.reliability(after.confusion, after.prior)
    assert (right[4] > right[:4]).all()


def test_gold_repairs_a_crowd_that_is_mostly_wrong_together() -> None:
    rng = np.random.default_rng(8)
    votes, truth = crowd(rng, accuracies=[0.3, 0.3, 0.3, 0.9, 0.9], n_tasks=200, n_classes=2)
    known = np.where(np.arange(200) < 30, truth, UNKNOWN)

    found = dawid_skene.fit(votes, known=known)

    assert (found.posterior.argmax(axis=1) == truth)[30:].mean() > 0.9


def bluebirds() -> tuple[Votes, IntArray]:
    with (BLUEBIRD / "labels.csv").open() as labels, (BLUEBIRD / "truth.csv").open() as truths:
        rows = list(csv.DictReader(labels))
        truth = {row["task"]: int(row["label"]) for row in csv.DictReader(truths)}
    tasks = {name: code for code, name in enumerate(truth)}
    voters = {name: code for code, name in enumerate(sorted({row["worker"] for row in rows}))}
    triples = [(tasks[row["task"]], voters[row["worker"]], int(row["label"])) for row in rows]
    return votes_of(triples, n_tasks=len(tasks), n_voters=len(voters)), np.array(list(truth.values()))


def test_bluebirds_are_told_apart_where_the_majority_is_wrong() -> None:
    votes, truth = bluebirds()
    majority = np.bincount(votes.tasks, weights=votes.labels) / 39 > 0.5

    found = dawid_skene.fit(votes)

    assert (majority == truth).mean() < 0.77
    assert found.converged
    assert (found.posterior.argmax(axis=1) == truth).mean() >= 0.87

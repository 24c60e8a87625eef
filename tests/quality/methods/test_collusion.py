"""Collusion: who errs as one is found, however thin the votes; who errs like everybody is left alone."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from quality.methods import collusion, hierarchical
from quality.methods.collusion import Hearing
from quality.methods.evidence import Evidence, Kind
from quality.methods.votes import UNKNOWN, FloatArray, IntArray, Votes
from tests.quality.methods.crowds import bluebirds, crowd, shuffled, some_votes, sparse_crowd, votes_of


def hearings(votes: Votes, known: IntArray | None = None) -> list[Hearing]:
    return collusion.hearings(votes, hierarchical.fit(votes, known=known, tol=1e-6), known=known)


def groups(votes: Votes) -> list[tuple[int, ...]]:
    return [found.voters for found in collusion.clusters(votes, hearings(votes)).found]


def mixed_skills(rng: np.random.Generator, n_voters: int) -> FloatArray:
    skills: FloatArray = rng.beta(17, 3, size=n_voters)
    return skills


def plotting(
    rng: np.random.Generator, votes: Votes, truth: IntArray, *, plotters: list[int], share: float = 1.0
) -> Votes:
    """The same votes, but that some give the same wrong label on a share of the tasks."""
    plot = (truth + rng.integers(1, votes.n_classes, size=truth.size)) % votes.n_classes
    agreed = np.isin(votes.voters, plotters) & (rng.random(truth.size) < share)[votes.tasks]
    return replace(votes, labels=np.where(agreed, plot[votes.tasks], votes.labels))


def evidence_of(*voters: int) -> Evidence:
    return Evidence(Kind.CLUSTER, voters, statistic=9.0, threshold=4.0, answers=10, sentence="")


def test_an_error_in_common_is_as_much_likelier_as_it_is_rare() -> None:
    believed = np.array([[1.0, 0.0, 0.0]])
    # Of somebody who says so of class 0 two times in ten.
    given = np.array([[0.2, 0.7, 0.1]])

    copied = collusion.copied(believed, given, np.array([1]), np.array([1]))
    other = collusion.copied(believed, given, np.array([1]), np.array([2]))

    assert copied == pytest.approx([1 / 0.2])
    assert other == pytest.approx([0.0])


def test_a_right_answer_in_common_says_nothing() -> None:
    believed, given = np.array([[1.0, 0.0]]), np.array([[0.9, 0.3]])

    assert collusion.copied(believed, given, np.array([0]), np.array([0])) == pytest.approx([1.0])


def test_of_independent_answers_the_ratio_is_expected_to_be_one() -> None:
    rng = np.random.default_rng(3)
    believed = rng.dirichlet(np.ones(4), size=6)
    confusion = rng.dirichlet(np.ones(4), size=(6, 4))
    sources = rng.integers(4, size=6)

    expected = sum(
        (believed * confusion[:, :, label]).sum(axis=1)
        * collusion.copied(believed, confusion[:, :, label], np.full(6, label), sources)
        for label in range(4)
    )

    assert expected == pytest.approx(np.ones(6))


def test_how_often_a_crowd_errs_together_is_read_off_its_answers() -> None:
    rng = np.random.default_rng(5)
    # Errors that fall on one of ten labels: copied ones agree, others do one time in ten.
    agrees = (rng.random(20_000) < 0.25) | (rng.random(20_000) < 0.1)

    assert collusion.shared_errors(np.where(agrees, 10.0, 0.0)) == pytest.approx(0.25, abs=0.02)
    assert collusion.shared_errors(np.zeros(5)) == pytest.approx(0.0)


@given(some_votes())
@settings(max_examples=60, deadline=None)
def test_whatever_the_votes_are_there_is_an_answer(votes: Votes) -> None:
    heard = hearings(votes)

    assert all(np.isfinite(found.statistic) for found in collusion.pairs(votes, heard, shared_min=1))
    assert all(np.isfinite(found.statistic) for found in collusion.clusters(votes, heard).found)


@pytest.mark.parametrize("seed", range(6))
def test_nobody_is_accused_in_a_crowd_of_mixed_skill(seed: int) -> None:
    rng = np.random.default_rng(seed)
    skills = np.concatenate((mixed_skills(rng, 70), rng.uniform(0.3, 0.6, size=10)))
    votes, _ = sparse_crowd(rng, skills=skills, n_tasks=900, n_classes=4)
    heard = hearings(votes)

    assert collusion.pairs(votes, heard, shared_min=3) == []
    assert collusion.clusters(votes, heard) == collusion.Groups((), ())


@pytest.mark.parametrize("seed", range(4))
def test_the_same_two_classes_confused_by_many_are_no_collusion(seed: int) -> None:
    rng = np.random.default_rng(seed)
    votes, truth = crowd(rng, accuracies=[float(skill) for skill in mixed_skills(rng, 24)], n_tasks=240, n_classes=4)
    # A third of the crowd takes six of ten of the class 2 for 3, each on tasks of their own.
    unsure = (truth[votes.tasks] == 2) & (votes.voters < 8) & (rng.random(votes.size) < 0.6)
    votes = replace(votes, labels=np.where(unsure, 3, votes.labels))
    heard = hearings(votes)

    assert collusion.pairs(votes, heard) == []
    assert collusion.clusters(votes, heard).found == ()


def test_bluebirds_people_who_know_better_are_contested_and_nobody_is_accused() -> None:
    votes, truth = bluebirds()
    right = truth[votes.tasks] == votes.labels

    found = collusion.clusters(votes, hearings(votes))

    assert collusion.pairs(votes, hearings(votes)) == []
    assert found.found == ()
    # Where the majority is wrong on a quarter of the birds, those who agree against it are the best.
    assert right[np.isin(votes.voters, found.contested)].mean() >= right.mean() + 0.2


def test_two_who_copy_are_found_among_many_pairs() -> None:
    rng = np.random.default_rng(2)
    votes, _ = crowd(rng, accuracies=[0.8] * 20, n_tasks=150, n_classes=4)
    labels = votes.labels.reshape(20, 150).copy()
    copies = rng.random(150) < 0.7
    labels[11, copies] = labels[4, copies]
    votes = replace(votes, labels=labels.reshape(-1))

    found = collusion.pairs(votes, hearings(votes))

    assert [one.voters for one in found] == [(4, 11)]
    assert found[0].kind is Kind.COPYING
    assert found[0].answers == 150
    assert found[0].statistic > found[0].threshold
    assert "150 tasks" in found[0].sentence


def test_two_who_copy_must_be_found_in_every_hearing() -> None:
    rng = np.random.default_rng(2)
    votes, truth = crowd(rng, accuracies=[0.8] * 12, n_tasks=100, n_classes=4)
    votes = plotting(rng, votes, truth, plotters=[3, 8], share=0.5)
    heard = hearings(votes)
    believes_them = replace(heard[0], believed=np.eye(4)[votes.labels] * 0.96 + 0.01)

    assert [one.voters for one in collusion.pairs(votes, heard)] == [(3, 8)]
    assert collusion.pairs(votes, [*heard, believes_them]) == []


def test_pairs_that_share_few_tasks_are_not_looked_at() -> None:
    rng = np.random.default_rng(2)
    votes, truth = crowd(rng, accuracies=[0.8] * 10, n_tasks=60, n_classes=4)
    votes = plotting(rng, votes, truth, plotters=[0, 1])

    assert collusion.pairs(votes, hearings(votes), shared_min=61) == []


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_colluders_are_found_where_no_two_share_more_than_a_few_tasks(share: float) -> None:
    rng = np.random.default_rng(1)
    votes, truth = sparse_crowd(rng, skills=mixed_skills(rng, 120), n_tasks=1500, n_classes=4)
    votes = plotting(rng, votes, truth, plotters=list(range(30)), share=share)

    (found,) = groups(votes)

    assert set(found) <= set(range(30))
    assert len(found) >= 25


def test_two_farms_are_two_clusters() -> None:
    rng = np.random.default_rng(1)
    votes, truth = sparse_crowd(rng, skills=mixed_skills(rng, 120), n_tasks=1200, n_classes=4)
    votes = plotting(rng, votes, truth, plotters=list(range(12)))
    votes = plotting(rng, votes, truth, plotters=list(range(12, 30)))

    assert sorted(groups(votes)) == [tuple(range(12)), tuple(range(12, 30))]


def test_the_same_groups_are_found_whatever_voters_are_called_and_in_any_order() -> None:
    rng = np.random.default_rng(4)
    votes, truth = sparse_crowd(rng, skills=mixed_skills(rng, 80), n_tasks=800, n_classes=4)
    votes = plotting(rng, votes, truth, plotters=list(range(15)))
    names = rng.permutation(80)

    (found,) = groups(votes)
    (mixed,) = groups(shuffled(votes, rng.permutation(votes.size).tolist()))
    (renamed,) = groups(replace(votes, voters=names[votes.voters]))

    assert mixed == found
    assert sorted(names[list(found)].tolist()) == list(renamed)


def test_pairs_are_the_same_whatever_voters_are_called() -> None:
    rng = np.random.default_rng(6)
    votes, truth = crowd(rng, accuracies=[0.8] * 12, n_tasks=100, n_classes=4)
    votes = plotting(rng, votes, truth, plotters=[2, 7, 9], share=0.5)
    names = rng.permutation(12)

    found = collusion.pairs(votes, hearings(votes))
    renamed = replace(votes, voters=names[votes.voters])
    again = collusion.pairs(renamed, hearings(renamed))

    assert {tuple(sorted(names[list(one.voters)].tolist())) for one in found} == {one.voters for one in again}
    assert sorted(one.statistic for one in found) == pytest.approx(sorted(one.statistic for one in again))


def misled(rng: np.random.Generator, *, n_experts: int) -> tuple[Votes, IntArray]:
    """Three tasks in ten mislead most people alike, but for some experts, who are hardly ever wrong."""
    votes, truth = sparse_crowd(rng, skills=np.full(90, 0.8), n_tasks=1500, n_classes=2)
    misleads = (rng.random(1500) < 0.3)[votes.tasks] & (rng.random(votes.size) < 0.8)
    labels = np.where(misleads, 1 - truth[votes.tasks], votes.labels)
    right = np.where(rng.random(votes.size) < 0.97, truth[votes.tasks], 1 - truth[votes.tasks])
    return replace(votes, labels=np.where(votes.voters < n_experts, right, labels)), truth


@pytest.mark.parametrize("share", [0.02, 0.1])
def test_gold_clears_a_few_who_are_right_against_the_many(share: float) -> None:
    rng = np.random.default_rng(0)
    votes, truth = misled(rng, n_experts=20)
    known = np.where(rng.random(1500) < share, truth, UNKNOWN)

    found = collusion.clusters(votes, hearings(votes, known), known=known)

    assert found.found == ()
    # With little gold the group is seen and contested; with more, that people err together is what is usual here.
    assert bool(found.contested) == (share == 0.02)


def test_without_gold_who_differs_from_a_misled_crowd_cannot_be_told_from_colluders() -> None:
    votes, _ = misled(np.random.default_rng(0), n_experts=20)

    assert groups(votes) == [tuple(range(20))]


def test_gold_that_colluders_know_does_not_clear_them() -> None:
    rng = np.random.default_rng(1)
    votes, truth = sparse_crowd(rng, skills=mixed_skills(rng, 120), n_tasks=1500, n_classes=4)
    known = np.where(rng.random(1500) < 0.1, truth, UNKNOWN)
    plotted = plotting(rng, votes, truth, plotters=list(range(24)))
    shared = (votes.voters < 24) & (known[votes.tasks] != UNKNOWN)
    votes = replace(plotted, labels=np.where(shared, truth[votes.tasks], plotted.labels))

    found = collusion.clusters(votes, hearings(votes, known), known=known)

    assert [one.voters for one in found.found] == [tuple(range(24))]


def test_who_is_right_by_one_hearing_is_not_in_the_cluster() -> None:
    rng = np.random.default_rng(1)
    votes, truth = sparse_crowd(rng, skills=mixed_skills(rng, 120), n_tasks=1500, n_classes=4)
    votes = plotting(rng, votes, truth, plotters=list(range(30)))
    early, late = hearings(votes)
    believed = late.believed.copy()
    believed[votes.voters == 5] = np.eye(4)[votes.labels[votes.voters == 5]]

    (found,) = collusion.clusters(votes, [early, replace(late, believed=believed)]).found

    assert found.voters == tuple(voter for voter in range(30) if voter != 5)
    assert found.statistic >= found.threshold


def test_hearings_that_differ_about_who_errs_accuse_nobody() -> None:
    rng = np.random.default_rng(1)
    votes, truth = sparse_crowd(rng, skills=mixed_skills(rng, 120), n_tasks=1500, n_classes=4)
    votes = plotting(rng, votes, truth, plotters=list(range(30)))
    against, _ = hearings(votes)
    # The same votes before somebody who believes the colluders.
    plot = np.zeros((1500, 4))
    mine = votes.voters < 30
    plot[votes.tasks[mine], votes.labels[mine]] = 1.0
    believed = np.where(plot.any(axis=1, keepdims=True), 0.94 * plot + 0.015, 0.25)[votes.tasks]

    found = collusion.clusters(votes, [against, replace(against, believed=believed)])

    assert found.found == ()
    assert set(found.contested) >= set(range(30))


def test_errors_that_matrices_explain_are_neither_a_cluster_nor_contested() -> None:
    rng = np.random.default_rng(2)
    votes, truth = sparse_crowd(rng, skills=mixed_skills(rng, 100), n_tasks=1200, n_classes=2)
    # With two classes there is one wrong label: whoever always gives it agrees with all who do.
    votes = plotting(rng, votes, truth, plotters=list(range(30)))

    assert collusion.clusters(votes, hearings(votes)) == collusion.Groups((), ())


def test_more_than_half_of_the_voters_are_the_crowd_and_no_cluster() -> None:
    rng = np.random.default_rng(3)
    votes, truth = sparse_crowd(rng, skills=mixed_skills(rng, 60), n_tasks=900, n_classes=4)
    votes = plotting(rng, votes, truth, plotters=list(range(40)))

    assert not any(set(found) & set(range(40)) for found in groups(votes))


def test_who_is_linked_to_the_same_voter_is_in_one_cluster() -> None:
    cluster = collusion.linked([evidence_of(4, 5), evidence_of(1, 3), evidence_of(3, 5)], 7)

    assert cluster.tolist() == [0, 1, 2, 1, 1, 1, 6]


def test_a_cluster_has_one_vote_on_a_task_and_others_keep_theirs() -> None:
    votes = votes_of(
        [(0, 0, 1), (0, 1, 2), (0, 2, 2), (0, 3, 0), (1, 2, 1), (1, 3, 1), (2, 0, 0), (2, 1, 1)],
        n_tasks=3,
        n_voters=4,
        n_classes=3,
    )

    thin = collusion.one_vote_each(votes, collusion.linked([evidence_of(0, 1, 2)], 4))

    kept = list(zip(thin.tasks.tolist(), thin.voters.tolist(), thin.labels.tolist(), strict=True))
    # The most frequent label of the cluster, the lowest of those as frequent, from the lowest code.
    assert kept == [(0, 1, 2), (0, 3, 0), (1, 2, 1), (1, 3, 1), (2, 0, 0)]


@given(some_votes())
@settings(max_examples=40, deadline=None)
def test_without_clusters_no_vote_is_lost(votes: Votes) -> None:
    thin = collusion.one_vote_each(votes, collusion.linked([], votes.n_voters))

    assert thin.tasks.tolist() == votes.tasks.tolist()
    assert thin.labels.tolist() == votes.labels.tolist()


def test_one_vote_for_a_cluster_saves_the_labels_it_would_have_taken() -> None:
    rng = np.random.default_rng(7)
    votes, truth = sparse_crowd(rng, skills=mixed_skills(rng, 60), n_tasks=600, n_classes=4)
    votes = plotting(rng, votes, truth, plotters=list(range(22)))

    thin = collusion.one_vote_each(votes, collusion.linked([evidence_of(*range(22))], 60))

    def right(of: Votes) -> float:
        shares = np.zeros((600, 4))
        np.add.at(shares, (of.tasks, of.labels), 1.0)
        return float((shares.argmax(axis=1) == truth).mean())

    assert right(thin) >= right(votes) + 0.1


def test_a_task_differs_where_most_members_say_another_label_than_most_others() -> None:
    tasks = np.array([0, 0, 0, 1, 1, 2, 3])
    voters = np.array([0, 1, 2, 0, 2, 0, 3])
    labels = np.array([1, 1, 0, 1, 1, 1, 0])
    votes = Votes(tasks, voters, labels, n_tasks=5, n_voters=4, n_classes=2)

    differs = collusion.differing(votes, np.array([True, True, False, False]))

    # Both sides differ on the first and agree on the second; one side alone, or nobody, answered the others.
    assert differs.tolist() == [True, False, False, False, False]

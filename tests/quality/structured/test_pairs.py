"""Comparisons: an order is found through people who say the opposite now and then, or always."""

import numpy as np
import pytest

from quality.structured import pairs
from quality.structured.answers import Answers
from quality.structured.pairs import Comparison
from tests.quality.structured.kinds import answers_of, one_task

ORDER = list("abcdefgh")


def crowd(rng: np.random.Generator, *, accuracies: list[float], n_each: int) -> Answers[Comparison]:
    rows = []
    for voter, accuracy in enumerate(accuracies):
        for _ in range(n_each):
            better, worse = sorted(rng.choice(ORDER, size=2, replace=False).tolist())
            rows.append((0, voter, Comparison(better, worse) if rng.random() < accuracy else Comparison(worse, better)))
    return answers_of(rows, n_tasks=1, n_voters=len(accuracies))


def share_in_order(found: list[str] | None) -> float:
    places = [ORDER.index(item) for item in found or []]
    return float(np.mean([places[i] < places[j] for j in range(len(places)) for i in range(j)]))


def test_what_is_better_in_every_comparison_comes_first() -> None:
    found = pairs.aggregate(one_task(Comparison("b", "c"), Comparison("a", "b"), Comparison("a", "c")))

    assert found.consensus == [["a", "b", "c"]]
    assert found.agreement == pytest.approx([1.0, 1.0, 1.0])


def test_an_order_is_found_through_errors_and_voters_are_rated() -> None:
    answers = crowd(np.random.default_rng(1), accuracies=[0.95, 0.9, 0.8, 0.55], n_each=60)

    found = pairs.aggregate(answers)

    assert share_in_order(found.consensus[0]) > 0.9
    assert found.reliability[0] > found.reliability[2] > found.reliability[3]
    assert 0.7 < found.confidence[0] <= 1.0


def test_whoever_says_the_opposite_of_everything_helps_once_it_is_known() -> None:
    rng = np.random.default_rng(2)
    answers = crowd(rng, accuracies=[0.9, 0.9, 0.9, 0.02, 0.02], n_each=60)

    found = pairs.aggregate(answers)

    assert share_in_order(found.consensus[0]) > 0.9
    assert found.reliability[3:].max() < 0.3
    assert found.agreement[answers.voters == 3].mean() < 0.3


def test_items_called_alike_are_even() -> None:
    alike = pairs.aggregate(one_task(*[Comparison("a", "b", alike=True)] * 4))
    turned = pairs.aggregate(one_task(*[Comparison("b", "a", alike=True)] * 4))

    assert alike.consensus == turned.consensus == [["a", "b"]]
    assert alike.agreement == pytest.approx([1.0] * 4)
    assert alike.confidence[0] == pytest.approx(turned.confidence[0])
    assert alike.confidence[0] == pytest.approx(0.5, abs=0.01)


def test_those_who_find_items_alike_make_their_order_less_sure() -> None:
    better, alike = Comparison("a", "b"), Comparison("a", "b", alike=True)

    confidence = [pairs.aggregate(one_task(*[better] * 6, *[alike] * n_alike)).confidence[0] for n_alike in (0, 6, 18)]

    assert confidence[0] > 0.8
    assert confidence[1] < 0.7
    assert confidence[2] < 0.62


def test_many_votes_on_the_same_two_items_are_less_than_as_many_independent_ones() -> None:
    found = pairs.aggregate(one_task(*[Comparison("a", "b")] * 30, *[Comparison("b", "a")] * 10))

    assert 0.8 < found.confidence[0] < 0.9


def test_whoever_calls_everything_alike_is_wrong_where_items_are_not() -> None:
    rows = [(0, voter, Comparison("a", "b")) for voter in range(6) for _ in range(5)]
    rows += [(0, 6, Comparison("a", "b", alike=True)) for _ in range(10)]

    found = pairs.aggregate(answers_of(rows, n_tasks=1, n_voters=7))

    assert found.agreement[-1] < 0.5
    assert found.reliability[6] < found.reliability[:6].min()


def test_an_item_against_itself_says_nothing() -> None:
    found = pairs.aggregate(one_task(Comparison("a", "a"), Comparison("b", "a")))

    assert found.consensus == [["b", "a"]]
    assert found.agreement == pytest.approx([1.0, 1.0])


def test_more_comparisons_make_an_order_surer() -> None:
    few = crowd(np.random.default_rng(3), accuracies=[0.9] * 4, n_each=10)
    many = crowd(np.random.default_rng(3), accuracies=[0.9] * 4, n_each=100)

    assert pairs.aggregate(many).confidence[0] > pairs.aggregate(few).confidence[0] + 0.05


def test_items_of_one_task_have_nothing_to_do_with_those_of_another() -> None:
    rows = [(0, 0, Comparison("a", "b")), (0, 1, Comparison("a", "b")), (1, 0, Comparison("b", "a"))]

    found = pairs.aggregate(answers_of(rows, n_tasks=3, n_voters=2))

    assert found.consensus == [["a", "b"], ["b", "a"], None]


def test_a_known_order_rates_the_voters_even_against_the_crowd() -> None:
    rows = [(0, voter, Comparison("b", "a")) for voter in range(3)] + [(0, 3, Comparison("a", "b"))]

    found = pairs.aggregate(answers_of(rows, n_tasks=1, n_voters=4), known={0: ["a", "b", "z"]})

    assert found.consensus == [["a", "b", "z"]]
    assert found.agreement == pytest.approx([0.0, 0.0, 0.0, 1.0])
    assert found.reliability[3] > found.reliability[0]


def test_thousands_of_comparisons_of_hundreds_of_items_are_bounded() -> None:
    rng = np.random.default_rng(4)
    names = [f"{i:03}" for i in range(300)]
    rows = [
        (0, int(rng.integers(20)), Comparison(*sorted(rng.choice(names, size=2, replace=False).tolist())))
        for _ in range(3000)
    ]

    found = pairs.aggregate(answers_of(rows, n_tasks=1, n_voters=20))

    assert found.n_iter <= pairs.ITER_MAX
    order = [int(name) for name in found.consensus[0] or []]
    assert np.corrcoef(order, np.arange(300))[0, 1] > 0.95

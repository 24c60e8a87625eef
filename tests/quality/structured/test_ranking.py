"""Rankings: as the pairs that they imply, whole or in part, and however long."""

import pytest

from quality.structured import ranking
from tests.quality.structured.kinds import answers_of, one_task


def test_the_order_that_most_pairs_imply_is_the_consensus() -> None:
    found = ranking.aggregate(one_task(["a", "b", "c"], ["b", "a", "c"], ["a", "c", "b"]))

    assert found.consensus == [["a", "b", "c"]]
    assert found.agreement == pytest.approx([1.0, 2 / 3, 2 / 3])


def test_rankings_of_some_of_the_items_fit_together() -> None:
    found = ranking.aggregate(one_task(["a", "b"], ["b", "c"], ["c", "d"]))

    assert found.consensus == [["a", "b", "c", "d"]]


def test_an_item_named_twice_counts_where_it_is_first() -> None:
    found = ranking.aggregate(one_task(["a", "b", "a"], ["a", "b"]))

    assert found.consensus == [["a", "b"]]
    assert found.agreement == pytest.approx([1.0, 1.0])


def test_one_item_is_in_order_and_none_is_not() -> None:
    found = ranking.aggregate(answers_of([(0, 0, ["a"]), (1, 0, list[str]())], n_tasks=2, n_voters=1))

    assert found.consensus == [["a"], []]
    assert found.confidence == pytest.approx([1.0, 0.0])


def test_a_long_ranking_counts_as_many_comparisons_as_a_short_one_has_neighbours() -> None:
    for n_items in (2, 5, 50, 51, 400):
        said = list(ranking._said(0, [str(i) for i in range(n_items)]))

        assert sum(one.weight for one in said) == pytest.approx(n_items - 1)
        assert len(said) <= max(n_items * 25, n_items * n_items.bit_length())


def test_hundreds_of_items_are_put_in_order() -> None:
    order = [f"{i:03}" for i in range(400)]

    found = ranking.aggregate(one_task(order, order, order[::-1], order))

    assert found.consensus == [order]
    assert found.agreement == pytest.approx([1.0, 1.0, 0.0, 1.0])
    assert found.reliability[2] < 0.2

"""Texts: words are voted on one by one, and nothing depends on how they are written."""

from time import perf_counter

import numpy as np
import pytest

from quality.structured import text
from quality.structured.answers import Answers
from tests.quality.structured.kinds import answers_of, one_task


def test_each_word_is_voted_on_where_nobody_has_all_of_them_right() -> None:
    found = text.aggregate(
        one_task(
            "the rook sat on a wall", "the crow sat on the wall", "a rook sat on the wall", "the rook sat the wall"
        )
    )

    assert found.consensus == ["the rook sat on the wall"]
    assert found.agreement == pytest.approx([5 / 6, 5 / 6, 5 / 6, 5 / 6])


def test_a_word_that_most_have_put_in_is_put_in_and_one_that_few_have_is_left_out() -> None:
    found = text.aggregate(
        one_task("rooks eat worms", "rooks often eat worms", "rooks often eat worms", "rooks eat old worms")
    )

    assert found.consensus == ["rooks often eat worms"]


def test_case_width_and_punctuation_make_no_difference_but_apostrophes_do() -> None:
    assert text.normalise("  The ROOK, „sat“ – (there)!  ") == ("the", "rook", "sat", "there")
    assert text.normalise("Don\u2019t 'go' rock-'n'-roll") == ("don't", "go", "rock'n'roll")
    assert text.normalise("Ｒook café cafe\u0301") == ("rook", "café", "café")
    assert text.normalise(" — … ") == ()


def test_a_word_that_stands_twice_is_written_as_it_was_each_time() -> None:
    found = text.aggregate(one_task("The rook sees the crow.", "The rook sees the crow.", "the rook sees the crow"))

    assert found.consensus == ["The rook sees the crow."]


def test_words_are_written_as_most_wrote_them() -> None:
    found = text.aggregate(one_task("the rook, sat.", "The rook, sat.", "The Rook sat."))

    assert found.consensus == ["The rook, sat."]


def test_an_empty_text_is_an_answer() -> None:
    most_empty, all_empty = text.aggregate(one_task("", "", "", "noise")), text.aggregate(one_task("", " ", "..."))

    assert most_empty.consensus == all_empty.consensus == [""]
    assert all_empty.confidence[0] > most_empty.confidence[0] > 0.5
    assert most_empty.agreement == pytest.approx([1.0, 1.0, 1.0, 0.0])


def test_a_reliable_voter_counts_for_more_than_a_careless_one() -> None:
    rows = [(task, voter, f"bird number {task}") for task in range(10) for voter in range(3)]
    rows += [(task, voter, f"no {voter} idea {task}") for task in range(10) for voter in (3, 4)]
    rows += [(10, 0, "rook"), (10, 3, "crow")]

    found = text.aggregate(answers_of(rows, n_tasks=11, n_voters=5))

    assert found.consensus[10] == "rook"
    assert found.reliability[:3].min() > 0.8
    assert found.reliability[3:].max() < 0.5


def test_a_crowd_that_errs_more_is_believed_less_and_none_more_than_it_deserves() -> None:
    confidence = []
    for error in (0.1, 0.3, 0.5):
        answers, truths = _noisy(np.random.default_rng(2), n_tasks=60, error=error)
        found = text.aggregate(answers)
        right = [_share_right(one, truth) for one, truth in zip(found.consensus, truths, strict=True)]
        confidence.append(found.confidence.mean())
        assert confidence[-1] < np.mean(right) + 0.02

    assert confidence[0] > confidence[1] > confidence[2]
    assert confidence[0] > 0.9


def test_many_against_many_are_not_as_sure_as_so_many_independent_voters_would_be() -> None:
    few, many = one_task(*["rook"] * 6, *["crow"] * 4), one_task(*["rook"] * 12, *["crow"] * 8)

    assert 0.8 < text.aggregate(few).confidence[0] < 0.93
    assert 0.8 < text.aggregate(many).confidence[0] < 0.93


def test_long_texts_are_not_compared_word_by_word_and_take_no_time() -> None:
    rng = np.random.default_rng(3)
    long = [" ".join(f"w{code}" for code in rng.integers(0, 500, size=20_000)) for _ in range(3)]
    begun = perf_counter()

    found = text.aggregate(one_task(*long, long[1]))

    assert found.consensus == [long[1]]
    assert 0.0 < found.confidence[0] < 1.0
    assert perf_counter() - begun < 10.0


def test_the_longest_texts_that_are_compared_word_by_word_stay_within_the_bound() -> None:
    rng = np.random.default_rng(4)
    truth = rng.integers(0, 500, size=900)
    answers = [" ".join(f"w{code}" for code in np.where(rng.random(900) < 0.9, truth, 1000 + i)) for i in range(8)]
    begun = perf_counter()

    found = text.aggregate(one_task(*answers))

    assert found.consensus == [" ".join(f"w{code}" for code in truth)]
    assert perf_counter() - begun < 30.0


def test_many_texts_are_as_good_as_few() -> None:
    found = text.aggregate(one_task(*[f"rook number {i % 7} flies" for i in range(200)], "rook number 0 flies"))

    assert found.consensus == ["rook number 0 flies"]
    assert found.converged


def _noisy(rng: np.random.Generator, *, n_tasks: int, error: float) -> tuple[Answers[str], list[list[str]]]:
    """Five voters who write another word now and then."""
    words = [f"word{i}" for i in range(40)]
    truths = [list(rng.choice(words, size=8)) for _ in range(n_tasks)]
    rows = [
        (task, voter, " ".join(str(rng.choice(words)) if rng.random() < error else word for word in truth))
        for task, truth in enumerate(truths)
        for voter in range(5)
    ]
    return answers_of(rows, n_tasks=n_tasks, n_voters=5), truths


def _share_right(found: str | None, truth: list[str]) -> float:
    words = (found or "").split()
    return sum(one == other for one, other in zip(words, truth, strict=False)) / len(truth)

"""Spans: characters are voted on, and they come back as few spans as possible."""

import numpy as np
import pytest

from quality.structured import spans
from quality.structured.spans import Span
from tests.quality.structured.kinds import answers_of, one_task


def test_characters_that_most_have_marked_are_the_span() -> None:
    found = spans.aggregate(one_task([Span(0, 10)], [Span(2, 10)], [Span(2, 12)]))

    assert found.consensus == [[Span(2, 10)]]
    assert found.agreement == pytest.approx([16 / 18, 1.0, 16 / 18])


def test_spans_with_different_labels_are_told_apart() -> None:
    bird, place = Span(0, 5, "bird"), Span(3, 9, "place")

    found = spans.aggregate(one_task([bird, place], [bird, place], [bird], [bird, place]))

    assert found.consensus == [[bird, place]]


def test_spans_that_meet_or_overlap_are_one() -> None:
    found = spans.aggregate(one_task([Span(0, 4), Span(4, 6), Span(5, 9)], [Span(0, 9)]))

    assert found.consensus == [[Span(0, 9)]]
    assert found.agreement == pytest.approx([1.0, 1.0])


def test_to_mark_nothing_is_an_answer() -> None:
    nobody = spans.aggregate(one_task([], [], []))
    one_of_four = spans.aggregate(one_task([], [], [], [Span(0, 3)]))

    assert nobody.consensus == one_of_four.consensus == [[]]
    assert nobody.confidence[0] > one_of_four.confidence[0] > 0.4
    assert one_of_four.agreement == pytest.approx([1.0, 1.0, 1.0, 0.0])


def test_spans_that_end_before_they_begin_are_left_out() -> None:
    found = spans.aggregate(one_task([Span(5, 5), Span(9, 2), Span(0, 3)], [Span(0, 3)]))

    assert found.consensus == [[Span(0, 3)]]
    assert found.agreement == pytest.approx([1.0, 1.0])


def test_people_who_miss_half_of_it_are_believed_where_less_than_half_of_them_have_marked() -> None:
    rng = np.random.default_rng(1)
    true = [Span(start, start + 10) for start in (0, 20, 40)]
    rows = []
    for task in range(40):
        for voter in range(5):
            seen = [span for span in true if rng.random() < 0.5]
            rows.append((task, voter, seen))

    found = spans.aggregate(answers_of(rows, n_tasks=40, n_voters=5))

    kept = [len(set(value or ()) & set(true)) for value in found.consensus]
    assert np.mean(kept) > 2.6


def test_a_text_takes_as_many_votes_as_it_has_cuts_not_as_it_has_characters() -> None:
    far = 10**12

    found = spans.aggregate(one_task([Span(0, far)], [Span(0, far)], [Span(far - 5, far)]))

    assert found.consensus == [[Span(0, far)]]


def test_hundreds_of_spans_are_bounded() -> None:
    rng = np.random.default_rng(5)
    values = [[Span(start, start + 7) for start in rng.integers(0, 5000, size=300).tolist()] for _ in range(12)]

    found = spans.aggregate(one_task(*values))

    assert found.consensus[0] is not None
    assert np.isfinite(found.confidence).all()


def test_known_spans_rate_the_voters_character_by_character() -> None:
    known = {0: [Span(0, 8)]}

    found = spans.aggregate(one_task([Span(0, 8)], [Span(4, 8)], [Span(4, 8)]), known=known)

    assert found.consensus == [[Span(0, 8)]]
    assert found.agreement == pytest.approx([1.0, 2 / 3, 2 / 3])
    assert found.reliability[0] > found.reliability[1]

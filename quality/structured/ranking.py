"""Whole rankings, the best item first: taken as the pairs that they imply."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from quality.structured import pairs
from quality.structured.answers import Aggregate, Answers, Known, as_came, in_order
from quality.structured.pairs import Said

# Of longer rankings not every pair is looked at.
_ALL_PAIRS = 50


def aggregate(answers: Answers[Sequence[str]], *, known: Known[Sequence[str]] | None = None) -> Aggregate[list[str]]:
    """Order the items of every task, whether or not everybody ranked all of them; as `pairs.aggregate`.

    A ranking of n items counts as much as n - 1 comparisons. Up to 50 items it is taken as all of its pairs, beyond
    that as those that stand 1, 2, 4, 8 and so on places apart. An item that is named twice counts where it is first.
    """
    ordered, order = in_order(answers, tuple)
    rankings = [list(dict.fromkeys(value)) for value in ordered.values]
    said = [one for answer, ranking in enumerate(rankings) for one in _said(answer, ranking)]
    found = pairs.merge(ordered, rankings, said, {} if known is None else known)
    return replace(found, agreement=as_came(found.agreement, order))


def _said(answer: int, ranking: Sequence[str]) -> Iterator[Said]:
    n = len(ranking)
    apart = list(range(1, n)) if n <= _ALL_PAIRS else [2**step for step in range((n - 1).bit_length())]
    n_pairs = sum(n - far for far in apart)
    for far in apart:
        for better, worse in zip(ranking, ranking[far:], strict=False):
            yield Said(answer, better, worse, (n - 1) / n_pairs)

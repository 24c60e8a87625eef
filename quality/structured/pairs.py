"""Comparisons: which of two items is the better one; the consensus is an order of all that were compared.

Bradley and Terry's model, heard through voters who say what they saw with their own probability and the opposite else
(after Chen, Bennett, Collins-Thompson and Horvitz 2013). Agreement is the share of pairs in the same order; two items
called alike agree by how near to even they are. A task's confidence is what to expect over all pairs of its items.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from quality.methods import reading
from quality.methods.votes import BoolArray, FloatArray, IntArray
from quality.structured.answers import PRESUMED, Aggregate, Answers, Known, as_came, drawn_to_crowd, in_order

ITER_MAX = 1000
_TOL = 1e-4
_DIGITS = 9
# Every item is taken to have won and lost once against one of middling strength.
_PRESUMED_GAMES = 1.0
# What is known for certain still tells a little of strengths.
_WINS_MIN = 1e-6
# A logistic curve this much steeper is the normal distribution to within a hundredth.
_STEEPER = 1.702


class Comparison(NamedTuple):
    """What a voter says of two items; of alike ones it does not matter which is named first. They may compare as many
    pairs of a task as there are.
    """

    better: str
    worse: str
    alike: bool = False


class Said(NamedTuple):
    """One item over another, as part of an answer, by its number; weight : of how many answers it is worth.

    even : it is one of two that say the opposite, because the voter finds both items alike.
    """

    answer: int
    better: str
    worse: str
    weight: float
    even: bool = False


def aggregate(answers: Answers[Comparison], *, known: Known[Sequence[str]] | None = None) -> Aggregate[list[str]]:
    """Order the items of every task, the best first, and rate the voters by how they compare them.

    known : whole orders of tasks. A pass takes time by the number of answers. Whoever compares an item with itself
    says nothing.
    """
    ordered, order = in_order(answers, lambda one: (*(sorted(one[:2]) if one.alike else one[:2]), one.alike))
    said = [one for answer, value in enumerate(ordered.values) for one in _said(answer, value)]
    found = merge(ordered, [value[:2] for value in ordered.values], said, {} if known is None else known)
    return replace(found, agreement=as_came(found.agreement, order))


def _said(answer: int, value: Comparison) -> Iterator[Said]:
    if value.better == value.worse:
        return
    if not value.alike:
        yield Said(answer, value.better, value.worse, 1.0)
        return
    low, high = sorted(value[:2])
    yield Said(answer, low, high, 0.5, even=True)
    yield Said(answer, high, low, 0.5, even=True)


def merge(
    answers: Answers[Any], items: Sequence[Sequence[str]], said: Sequence[Said], known: Known[Sequence[str]]
) -> Aggregate[list[str]]:
    """The same of anything that says of some items that they are better than others.

    items : of each answer, all that it names; said : in the order of their answers.
    """
    games = _games(answers, items, said, known)
    found = _fit(games, answers.n_voters)
    consensus: list[list[str] | None] = [None] * answers.n_tasks
    confidence = np.zeros(answers.n_tasks)
    place, n_each = np.zeros(len(games.names), dtype=np.int64), answers.per_task()
    for task, codes in enumerate(games.of_tasks):
        scores = np.round(np.log(found.strength[codes]), _DIGITS)
        best_first = codes if task in known else codes[np.lexsort((codes, -scores))]
        place[best_first] = np.arange(codes.size)
        if task in known:
            consensus[task], confidence[task] = list(known[task]), 1.0
        elif n_each[task]:
            consensus[task] = [games.names[code] for code in best_first]
            confidence[task] = _expected(found.strength[best_first], found.variance[best_first])
    return Aggregate(
        consensus=consensus,
        confidence=confidence,
        agreement=_agreement(games, found.strength, place, answers.size),
        reliability=found.reliability,
        n_iter=found.n_iter,
        converged=found.converged,
    )


@dataclass(frozen=True, slots=True)
class _Games:
    """What was said as codes of items, each task having its own; arrays (n_said,). in_known : 1 or 0 where it is known
    whether the better one is better, else -1.
    """

    names: list[str]
    of_tasks: list[IntArray]
    answers: IntArray
    voters: IntArray
    better: IntArray
    worse: IntArray
    weights: FloatArray
    even: BoolArray
    in_known: IntArray

    def wins(self, strength: FloatArray) -> FloatArray:
        """Probability that the better item is better, (n_said,), by strengths or for certain."""
        believed = strength[self.better] / (strength[self.better] + strength[self.worse])
        return np.where(self.in_known < 0, believed, self.in_known)


@dataclass(frozen=True, slots=True)
class _Strengths:
    """strength : (n_items,); variance : (n_items,), of their logarithms. reliability : (n_voters,)."""

    strength: FloatArray
    variance: FloatArray
    reliability: FloatArray
    n_iter: int
    converged: bool


def _games(
    answers: Answers[Any], items: Sequence[Sequence[str]], said: Sequence[Said], known: Known[Sequence[str]]
) -> _Games:
    names: list[str] = []
    of_tasks: list[IntArray] = []
    codes: dict[tuple[int, str], int] = {}
    for task, mine in enumerate(answers.of_tasks()):
        certain = list(known.get(task, []))
        others = {item for answer in mine for item in items[answer]}.difference(certain)
        of_tasks.append(np.arange(len(names), len(names) + len(certain) + len(others)))
        for item in (*certain, *sorted(others)):
            codes[task, item] = len(names)
            names.append(item)
    tasks = answers.tasks.tolist()
    better = np.array([codes[tasks[one.answer], one.better] for one in said], dtype=np.int64)
    worse = np.array([codes[tasks[one.answer], one.worse] for one in said], dtype=np.int64)
    of_answer = np.array([one.answer for one in said], dtype=np.int64)
    is_certain = np.array([codes[task, item] for task, order in known.items() for item in order], dtype=np.int64)
    both = np.isin(better, is_certain) & np.isin(worse, is_certain)
    return _Games(
        names=names,
        of_tasks=of_tasks,
        answers=of_answer,
        voters=answers.voters[of_answer],
        better=better,
        worse=worse,
        weights=np.array([one.weight for one in said], dtype=np.float64),
        even=np.array([one.even for one in said], dtype=np.bool_),
        in_known=np.where(both, better < worse, -1),
    )


def _fit(games: _Games, n_voters: int) -> _Strengths:
    """Strengths and reliabilities in turn: expectation over who said what they saw, then one step of minorisation
    towards the strengths (Hunter 2004).
    """
    n_items = len(games.names)
    strength, reliability = np.ones(n_items), np.full(n_voters, PRESUMED)
    n_iter, converged = 0, False
    while not converged and n_iter < ITER_MAX:
        wins, heard = games.wins(strength), reliability[games.voters]
        true = heard * wins / (heard * wins + (1.0 - heard) * (1.0 - wins))
        right = np.where(games.even, _evenness(wins), true)
        reliability = drawn_to_crowd(games.voters, right, games.weights, n_voters)
        true = np.where(games.even, 0.5, true)
        won = _sum(games.better, games.weights * true, n_items) + _sum(
            games.worse, games.weights * (1.0 - true), n_items
        )
        played = games.weights / (strength[games.better] + strength[games.worse])
        played = _sum(games.better, played, n_items) + _sum(games.worse, played, n_items)
        stronger = (won + _PRESUMED_GAMES) / (played + 2.0 * _PRESUMED_GAMES / (strength + 1.0))
        moved = float(np.abs(np.log(stronger / strength)).max(initial=0.0))
        strength, n_iter, converged = stronger, n_iter + 1, moved <= _TOL
    variance = 1.0 / _information(games, strength, reliability)
    return _Strengths(strength, variance, reliability, n_iter, converged)


def _evenness(wins: FloatArray) -> FloatArray:
    """How near to even two items are, from 0 to 1."""
    even: FloatArray = 1.0 - np.abs(2.0 * wins - 1.0)
    return even


def _information(games: _Games, strength: FloatArray, reliability: FloatArray) -> FloatArray:
    """How much is known of the logarithm of each strength, (n_items,), the others as they are.

    What many say of the same two items is discounted as votes are (`reading.Trust`).
    """
    n_items = strength.size
    wins = games.wins(strength).clip(_WINS_MIN, 1.0 - _WINS_MIN)
    heard = reliability[games.voters]
    told = heard * wins + (1.0 - heard) * (1.0 - wins)
    each = games.weights * (2.0 * heard - 1.0) ** 2 * (wins * (1.0 - wins)) ** 2 / (told * (1.0 - told))
    two = np.minimum(games.better, games.worse) * n_items + np.maximum(games.better, games.worse)
    _, of_two = np.unique(two, return_inverse=True)
    n_alike = np.bincount(of_two, weights=games.weights)[of_two]
    each = each / (1.0 + reading.DEFAULT.discount * np.maximum(n_alike - 1.0, 0.0))
    presumed = 2.0 * _PRESUMED_GAMES * strength / (strength + 1.0) ** 2
    return presumed + _sum(games.better, each, n_items) + _sum(games.worse, each, n_items)


def _sum(codes: IntArray, of_said: FloatArray, n_items: int) -> FloatArray:
    sums: FloatArray = np.bincount(codes, weights=of_said, minlength=n_items).astype(np.float64)
    return sums


def _expected(strength: FloatArray, variance: FloatArray) -> float:
    """Share of pairs to expect in the right order, items being the best first; a lone item is right, none is not."""
    n_pairs = strength.size * (strength.size - 1) / 2
    right = 0.0
    for i in range(strength.size - 1):
        apart = np.log(strength[i] / strength[i + 1 :]) / np.sqrt(variance[i] + variance[i + 1 :])
        right += float((1.0 / (1.0 + np.exp(-_STEEPER * apart))).sum())
    return right / n_pairs if n_pairs else float(strength.size)


def _agreement(games: _Games, strength: FloatArray, place: IntArray, n_answers: int) -> FloatArray:
    """Share of what each answer says that goes with the places of items, (n_answers,); 1 if it says nothing."""
    in_place = (place[games.better] < place[games.worse]).astype(np.float64)
    goes = np.where(games.even, _evenness(games.wins(strength)), in_place)
    right = np.bincount(games.answers, weights=games.weights * goes, minlength=n_answers)
    total = np.bincount(games.answers, weights=games.weights, minlength=n_answers)
    return np.where(total > 0.0, right / np.where(total > 0.0, total, 1.0), 1.0)

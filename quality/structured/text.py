"""Transcriptions and other free text: the text most like all the others, then a vote over each of its words.

Words are what stands between blanks, without regard to case, width and punctuation other than apostrophes; of the ways
in which a word was written the consensus takes that of the most reliable voters. Agreement is word accuracy: 1 less
the words to change, leave out or put in per word of the longer text.
"""

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from quality.methods import reading
from quality.methods.votes import FloatArray, IntArray
from quality.structured import alignment
from quality.structured.alignment import GAP
from quality.structured.answers import ITER_MAX, TOL, Aggregate, Answers, Known, as_came, first_of_best, in_order, rate

# So many words might be put in a right word's place.
_ALTERNATIVES = 10.0
# The most reliable voter counts as no more than one who errs in one word of fifty.
_RELIABILITY_MAX = 0.98
_RELIABILITY_MIN = 0.1
# Of numbers in one table of edits: about twenty texts of 700 words. What is larger is not compared word by word.
_CELLS_MAX = 10_000_000
_APOSTROPHES = str.maketrans("\u2019\u02bc", "''")


@dataclass(frozen=True, slots=True)
class _Merged:
    """A task's consensus: its words as they are compared and as they are written, and how sure it is."""

    words: tuple[int, ...]
    written: str
    confidence: float


def aggregate(answers: Answers[str], *, known: Known[str] | None = None) -> Aggregate[str]:
    """Merge the texts of every task and rate the voters by them, in turn, until neither changes (after Fiscus 1997).

    A task of n texts of at most m words takes time by n * n * m * m and memory by n * m * m. Where either is too much,
    texts are compared by their words in any order, n * n * m; where the second is, the text most like the others stands
    as it is.
    """
    known = {} if known is None else known
    ordered, order = in_order(answers, lambda text: (normalise(text), text))
    tasks = [
        _Task([ordered.values[i] for i in mine], ordered.voters[mine], known.get(task))
        for task, mine in enumerate(ordered.of_tasks())
    ]
    agreement = np.concatenate([np.empty(0), *(task.among_themselves() for task in tasks)])
    reliability = rate(ordered, agreement, {})
    n_iter, converged = 0, False
    merged: list[_Merged | None] = [None] * len(tasks)
    while not converged and n_iter < ITER_MAX:
        merged = [task.merge(reliability) for task in tasks]
        agreement = np.concatenate(
            [np.empty(0), *(task.agreement(one) for task, one in zip(tasks, merged, strict=True))]
        )
        before, reliability = reliability, rate(ordered, agreement, known)
        n_iter, converged = n_iter + 1, bool(np.abs(reliability - before).max(initial=0.0) <= TOL)
    return Aggregate(
        consensus=[None if one is None else one.written for one in merged],
        confidence=np.array([0.0 if one is None else one.confidence for one in merged]),
        agreement=as_came(agreement, order),
        reliability=reliability,
        n_iter=n_iter,
        converged=converged,
    )


def normalise(text: str) -> tuple[str, ...]:
    """A text's words as they are compared."""
    return tuple(word for written in text.split() if (word := _plain(written)))


def _plain(written: str) -> str:
    folded = unicodedata.normalize("NFKC", written).casefold().translate(_APOSTROPHES)
    kept = "".join(sign for sign in folded if sign == "'" or unicodedata.category(sign)[0] not in "PZC")
    return kept.strip("'")


class _Task:
    """The texts of one task, with all that does not change while voters are rated."""

    def __init__(self, texts: Sequence[str], voters: IntArray, known: str | None) -> None:
        self._voters, self._known = voters, known
        self._vocabulary: dict[str, int] = {}
        self._written = [_forms(text) for text in texts]
        coded = [self._code(normalise(text)) for text in texts]
        self._longest = 1 + max(map(len, coded), default=0)
        self._distinct = list(dict.fromkeys(coded))
        number = {words: i for i, words in enumerate(self._distinct)}
        self._of_distinct = np.array([number[words] for words in coded], dtype=np.int64)
        self._alike = self._all_alike()
        self._columns: dict[int, list[list[list[int]]]] = {}
        self._agreements: dict[tuple[int, ...], FloatArray] = {}

    def among_themselves(self) -> FloatArray:
        """Mean agreement of each text with the others of its task, (n_texts,); of a lone one 1."""
        n = self._voters.size
        each = self._alike[self._of_distinct][:, self._of_distinct]
        return (each.sum(axis=1) - 1.0) / (n - 1) if n > 1 else np.ones(n)

    def merge(self, reliability: FloatArray) -> _Merged | None:
        """The consensus, if voters are so reliable; None where there is no text."""
        if self._known is not None:
            return _Merged(self._code(normalise(self._known)), self._known, 1.0)
        if not self._voters.size:
            return None
        of_voters = reliability[self._voters].clip(_RELIABILITY_MIN, _RELIABILITY_MAX)
        weights = np.log(of_voters * _ALTERNATIVES / (1.0 - of_voters))
        n_distinct = len(self._distinct)
        votes = np.bincount(self._of_distinct, minlength=n_distinct)
        weighed: FloatArray = np.bincount(self._of_distinct, weights, n_distinct).astype(np.float64)
        liked = self._alike @ weighed
        pivot = first_of_best(liked)
        if not self._fits(n_distinct, len(self._distinct[pivot])):
            words, confidence = self._distinct[pivot], float(liked[pivot] / weighed.sum() * of_voters.mean())
        else:
            words, confidence = _vote(self._aligned(pivot), votes, weighed)
        return _Merged(words, self._write(words, weights), confidence)

    def agreement(self, merged: _Merged | None) -> FloatArray:
        """Of each text with the consensus, (n_texts,)."""
        if merged is None or not self._voters.size:
            return np.empty(0)
        if merged.words not in self._agreements:
            self._agreements[merged.words] = self._compare(merged.words)
        return self._agreements[merged.words][self._of_distinct]

    def _code(self, words: Sequence[str]) -> tuple[int, ...]:
        return tuple(self._vocabulary.setdefault(word, len(self._vocabulary)) for word in words)

    def _fits(self, n_texts: int, n_words: int) -> bool:
        return n_texts * (n_words + 1) * self._longest <= _CELLS_MAX

    def _all_alike(self) -> FloatArray:
        """Agreement of all distinct texts with each other, axes [one, other]."""
        n = len(self._distinct)
        compare = alignment.agreements if self._fits(n * n, self._longest) else alignment.overlaps
        return np.array([compare(one, self._distinct) for one in self._distinct]).reshape(n, n)

    def _compare(self, words: tuple[int, ...]) -> FloatArray:
        compare = alignment.agreements if self._fits(len(self._distinct), len(words)) else alignment.overlaps
        return compare(words, self._distinct)

    def _aligned(self, pivot: int) -> list[list[list[int]]]:
        if pivot not in self._columns:
            self._columns[pivot] = alignment.align(self._distinct[pivot], self._distinct)
        return self._columns[pivot]

    def _write(self, words: Sequence[int], weights: FloatArray) -> str:
        """Words as those who wrote them did, each in the form that has the most weight where it stands that often."""
        forms: dict[_Place, dict[str, float]] = {}
        for written, weight in zip(self._written, weights.tolist(), strict=True):
            for place, form in written.items():
                of_place = forms.setdefault(place, {})
                of_place[form] = of_place.get(form, 0.0) + weight
        names, so_far, found = list(self._vocabulary), Counter[int](), []
        for word in words:
            # Nobody may have written a word as often as it stands here.
            at = next(at for at in range(so_far[word], -1, -1) if (names[word], at) in forms)
            found.append(_heaviest(forms[names[word], at]))
            so_far[word] += 1
        return " ".join(found)


_Place = tuple[str, int]
"""A word as it is compared, and how often it stood before."""


def _forms(text: str) -> dict[_Place, str]:
    """How each of a text's words is written, each time that it stands there."""
    forms: dict[_Place, str] = {}
    seen = Counter[str]()
    for written in text.split():
        if plain := _plain(written):
            forms[plain, seen[plain]] = written
            seen[plain] += 1
    return forms


def _heaviest(options: Mapping[str, float]) -> str:
    names = sorted(options)
    return names[first_of_best(np.array([options[name] for name in names]))]


def _vote(columns: list[list[list[int]]], votes: IntArray, weighed: FloatArray) -> tuple[tuple[int, ...], float]:
    """The words of every place that have the most weight, and the word accuracy to expect of them.

    columns : for each distinct text, as `alignment.align` has them; votes and weighed : (n_distinct,), how many voters
    wrote it and their weight.
    """
    words, n_wrong = [], 0.0
    for beside in zip(*columns, strict=True):
        for place in range(max(map(len, beside))):
            said = np.array([column[place] if place < len(column) else GAP for column in beside])
            options, of_option = np.unique(said, return_inverse=True)
            scores: FloatArray = np.bincount(of_option, weighed).astype(np.float64)
            best = first_of_best(scores)
            n_wrong += 1.0 - _belief(scores, best, float(votes[of_option == best].sum()), float(votes.sum()))
            if options[best] != GAP:
                words.append(int(options[best]))
    # One more for the end, which has been agreed on too: an empty text is an answer.
    return tuple(words), max(0.0, 1.0 - n_wrong / (len(words) + 1.0))


def _belief(scores: FloatArray, best: int, n_for: float, n_votes: float) -> float:
    """Probability that the best of a place's options is right, read out as labels are (`reading.Trust`).

    Each voter is right with their reliability, else writes one of many alternatives, most of which nobody has written.
    """
    trust = reading.DEFAULT
    heights = scores / (1.0 + trust.discount * (n_votes - 1.0))
    modelled = 1.0 / (np.exp(heights - heights[best]).sum() + _ALTERNATIVES * np.exp(-heights[best]))
    counted = (n_for + 0.5) / (n_votes + 1.0)
    return float((1.0 - trust.counted) * modelled + trust.counted * counted)

"""Any method over coded votes, and its result under the names that the votes came with."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from quality.labelled import Coded
from quality.methods import dawid_skene, hierarchical, intervals, majority, one_coin, reading, scores, wawa
from quality.methods.aggregate import Aggregate, Method, Told, quiet
from quality.methods.intervals import Bounds
from quality.methods.scores import Scores
from quality.methods.votes import UNKNOWN, IntArray

METHODS: Mapping[str, Method] = {
    "hierarchical": hierarchical.aggregate,
    "dawid-skene": dawid_skene.aggregate,
    "one-coin": one_coin.aggregate,
    "wawa": wawa.aggregate,
    "majority": majority.aggregate,
}
# Those that can tell experts and models from the crowd.
FAMILIAR = {"hierarchical"}
EXPERT = "expert"
_WITH_MATRICES = {"hierarchical", "dawid-skene", "one-coin"}
# Of eight bytes each.
_NUMBERS_MAX = 500_000_000
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Named:
    """What a method found, by the names of tasks and workers."""

    coded: Coded
    found: Aggregate
    bounds: Bounds

    @property
    def said(self) -> str:
        """How the method came to its end."""
        end = "converged" if self.found.converged else "stopped before it converged"
        return f"{end} after {self.found.n_iter} passes"

    def consensus(self) -> Iterator[tuple[str, str, float]]:
        """Task, label and confidence, in the order in which tasks came; of tied classes the first by name."""
        labels, best = self.found.posterior.argmax(axis=1), self.found.posterior.max(axis=1)
        for task, label, confidence in zip(self.coded.tasks, labels.tolist(), best.tolist(), strict=True):
            yield task, self.coded.classes[label], round(confidence, _DIGITS)

    def reliabilities(self) -> Iterator[tuple[str, float, float, float, int]]:
        """Worker, reliability, the bounds of its interval, and their number of answers."""
        columns = (self.bounds.reliability, self.bounds.low, self.bounds.high)
        rounded = [np.round(column, _DIGITS).tolist() for column in columns]
        yield from zip(self.coded.voters, *rounded, self.coded.votes.per_voter().tolist(), strict=True)

    def scored(self, truth: Mapping[str, str]) -> Scores | None:
        """How right it is; None where no task's truth is given. A truth that is no class here is never found."""
        n_tasks, n_classes = self.found.posterior.shape
        class_of = {name: code for code, name in enumerate(self.coded.classes)}
        known = [class_of.get(truth[task], n_classes) if task in truth else UNKNOWN for task in self.coded.tasks]
        believed = np.hstack([self.found.posterior, np.zeros((n_tasks, 1))])
        return scores.score(believed, np.array(known, dtype=np.int64))


class TooLarge(Exception):
    """What a method has to keep in memory is more than any machine should be asked for: one sentence."""


def aggregate(
    coded: Coded, method: str, *, gold: Mapping[str, str], families: Mapping[str, str] | None = None, told: Told = quiet
) -> Named:
    """Run a method by its name; gold : known labels by task, each of them one of the classes. Raises `TooLarge`.

    families : workers who are not of the crowd by their names, for the `FAMILIAR` methods alone: EXPERT, or what models
    that are made alike are called together.
    """
    votes = coded.votes
    n_numbers = votes.n_tasks * votes.n_classes
    if method in _WITH_MATRICES:
        n_numbers += 4 * votes.n_voters * votes.n_classes**2
    if n_numbers > _NUMBERS_MAX:
        raise TooLarge(
            f"{votes.n_classes:,} classes for {votes.n_voters:,} workers and {votes.n_tasks:,} tasks need "
            f"{n_numbers * 8 / 1e9:.0f} GB with {method}. Is the column of labels the right one?"
        )
    known = coded.known(dict(gold)) if gold else None
    apart = {"families": _codes(coded, families)} if families else {}
    found = METHODS[method](votes, known=known, told=told, **apart)
    return Named(coded, found, intervals.reliability(coded.votes, found.posterior))


def _codes(coded: Coded, families: Mapping[str, str]) -> IntArray:
    """With whom each voter errs, (n_voters,), as `reading.posterior` has it."""
    names = sorted(set(families.values()) - {EXPERT})
    code_of = {EXPERT: reading.APART, **{name: code for code, name in enumerate(names, 1)}}
    return np.array([code_of[families[name]] if name in families else reading.CROWD for name in coded.voters])

"""Any method over coded votes, and its result under the names that the votes came with."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from quality import labelled
from quality.labelled import Bad, Coded
from quality.methods import dawid_skene, em, hierarchical, intervals, majority, one_coin, reading, scores, wawa
from quality.methods.aggregate import Aggregate, Method, Told, quiet
from quality.methods.intervals import Bounds
from quality.methods.scores import Scores
from quality.methods.votes import UNKNOWN, IntArray, check_size

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
DIGITS = 6


@dataclass(frozen=True, slots=True)
class Named:
    """What a method found, by the names of tasks and workers."""

    coded: Coded
    found: Aggregate
    bounds: Bounds

    @property
    def said(self) -> str:
        """How the method came to its end."""
        return ended(self.found.n_iter, converged=self.found.converged)

    def consensus(self) -> Iterator[tuple[str, str, float]]:
        """Task, label and confidence, in the order in which tasks came; of tied classes the first by name."""
        labels, best = self.found.posterior.argmax(axis=1), self.found.posterior.max(axis=1)
        for task, label, confidence in zip(self.coded.tasks, labels.tolist(), best.tolist(), strict=True):
            yield task, self.coded.classes[label], round(confidence, DIGITS)

    def reliabilities(self) -> Iterator[tuple[str, float, float, float, int]]:
        """Worker, reliability, the bounds of its interval, and their number of answers."""
        return named(self.coded.voters, self.bounds, self.coded.votes.per_voter())

    def scored(self, truth: Mapping[str, str]) -> Scores | None:
        """How right it is; None where no task's truth is given. A truth that is no class here is never found."""
        n_tasks, n_classes = self.found.posterior.shape
        class_of = {name: code for code, name in enumerate(self.coded.classes)}
        known = [class_of.get(truth[task], n_classes) if task in truth else UNKNOWN for task in self.coded.tasks]
        believed = np.hstack([self.found.posterior, np.zeros((n_tasks, 1))])
        return scores.score(believed, np.array(known, dtype=np.int64))


class Source(Protocol):
    """Votes to be weighed, wherever they are. bad : bad lines, or the first of n_bad."""

    bad: list[Bad]
    n_bad: int
    n_votes: int

    @property
    def said(self) -> str:
        """How much of everything there is."""

    def aggregate(self, method: str, *, told: Told = quiet) -> "Found":
        """Run a method by its name. Raises `TooLarge`."""


class Found(Protocol):
    """What a method found; as `Named`."""

    @property
    def said(self) -> str:
        """How the method came to its end."""

    def consensus(self) -> Iterator[tuple[str, str, float]]:
        """Task, label and confidence."""

    def reliabilities(self) -> Iterator[tuple[str, float, float, float, int]]:
        """Worker, reliability, the bounds of its interval, and their number of answers."""

    def scored(self, truth: Mapping[str, str]) -> Scores | None:
        """How right it is."""


class File:
    """Votes of a file, with gold among them, in this process; families as for `aggregate`."""

    def __init__(
        self, labels: Path, *, gold: Mapping[str, str], families: Mapping[str, str], told: labelled.Told
    ) -> None:
        self._coded = labelled.read_votes(labels, classes=gold.values(), tasks=gold, told=told)
        self._gold, self._families = gold, families
        self.bad, self.n_bad, self.n_votes = self._coded.bad, len(self._coded.bad), self._coded.votes.size

    @property
    def said(self) -> str:
        """How much of everything there is."""
        votes = self._coded.votes
        return labelled.said(votes.size, votes.n_voters, votes.n_tasks, votes.n_classes)

    def aggregate(self, method: str, *, told: Told = quiet) -> Named:
        """Run a method by its name. Raises `TooLarge`."""
        return aggregate(self._coded, method, gold=self._gold, families=self._families, told=told)


def ended(n_iter: int, *, converged: bool) -> str:
    """How a fit came to its end, for people."""
    return f"{'converged' if converged else 'stopped before it converged'} after {n_iter} passes"


def named(voters: Sequence[str], bounds: Bounds, n_votes: IntArray) -> Iterator[tuple[str, float, float, float, int]]:
    """Worker, reliability, the bounds of its interval, and their number of answers."""
    columns = (bounds.reliability, bounds.low, bounds.high)
    rounded = [np.round(column, DIGITS).tolist() for column in columns]
    yield from zip(voters, *rounded, n_votes.tolist(), strict=True)


class Unable(Exception):
    """A method or a cluster cannot do what it is asked for: one sentence."""


def check(method: str, *, n_tasks: int, n_voters: int, n_classes: int) -> None:
    """Raise `TooLarge` before any array is made if a method would need more memory than it should be asked for."""
    n_matrices = em.MATRICES if method in _WITH_MATRICES else 0
    check_size(n_tasks=n_tasks, n_voters=n_voters, n_classes=n_classes, n_matrices=n_matrices)


def aggregate(
    coded: Coded, method: str, *, gold: Mapping[str, str], families: Mapping[str, str] | None = None, told: Told = quiet
) -> Named:
    """Run a method by its name; gold : known labels by task, each of them one of the classes. Raises `TooLarge`.

    families : workers who are not of the crowd by their names, for the `FAMILIAR` methods alone: EXPERT, or what models
    that are made alike are called together.
    """
    votes = coded.votes
    check(method, n_tasks=votes.n_tasks, n_voters=votes.n_voters, n_classes=votes.n_classes)
    known = coded.known(dict(gold)) if gold else None
    apart = {"families": _codes(coded, families)} if families else {}
    found = METHODS[method](votes, known=known, told=told, **apart)
    return Named(coded, found, intervals.reliability(coded.votes, found.posterior))


def _codes(coded: Coded, families: Mapping[str, str]) -> IntArray:
    """With whom each voter errs, (n_voters,), as `reading.posterior` has it."""
    names = sorted(set(families.values()) - {EXPERT})
    code_of = {EXPERT: reading.APART, **{name: code for code, name in enumerate(names, 1)}}
    return np.array([code_of[families[name]] if name in families else reading.CROWD for name in coded.voters])

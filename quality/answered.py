"""Answers that are no classes, in CSV files: read, merged by their kind, and named again as they came."""

from array import array
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from quality import labelled
from quality.kinds import Kind, Unfit
from quality.labelled import Bad, Told
from quality.methods.votes import NUMBERS_MAX, FloatArray, IntArray, TooLarge
from quality.structured.answers import Aggregate, Answers

_ANSWER = "answer"
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Coded:
    """Answers of a kind, and the names that codes stand for, in the order in which they came."""

    kind: Kind
    answers: Answers[Any]
    tasks: list[str]
    voters: list[str]
    bad: list[Bad]

    @property
    def said(self) -> str:
        """How much of everything there is."""
        answers = self.answers
        return f"{answers.size:,} answers of {answers.n_voters:,} workers on {answers.n_tasks:,} tasks"


def read_answers(path: Path, kind: Kind, *, tasks: Iterable[str] = (), told: Told) -> Coded:
    """The answers of a file of task,worker,answer. A worker's first answer stands, another one is a bad line.

    tasks : names that count beside those in the file, such as those of gold.
    """
    task_codes: dict[str, int] = {}
    voter_codes: dict[str, int] = {}
    seen: set[Hashable] = set()
    of_task, of_voter, values, bad = array("q"), array("q"), [], []
    for line, row, why in labelled.lines(path, ("task", "worker", _ANSWER), free=_ANSWER):
        value, wrong = (None, why) if why else _read(kind.read, row[2])
        key = (row[0], row[1], kind.about(value)) if not wrong else None
        if wrong or key in seen:
            bad.append(Bad(path, line, wrong or "this worker has an answer for this task already"))
            continue
        seen.add(key)
        of_task.append(task_codes.setdefault(row[0], len(task_codes)))
        of_voter.append(voter_codes.setdefault(row[1], len(voter_codes)))
        values.append(value)
        if len(values) % labelled.TOLD_EVERY == 0:
            told(len(values))
    for name in tasks:
        task_codes.setdefault(name, len(task_codes))
    tasks_, voters = (np.array(codes, dtype=np.int64) for codes in (of_task, of_voter))
    answers = Answers(tasks_, voters, values, len(task_codes), len(voter_codes))
    return Coded(kind, answers, list(task_codes), list(voter_codes), bad)


def read_known(path: Path, kind: Kind) -> tuple[dict[str, Any], list[Bad]]:
    """What is certain of tasks, in a file of task,answer. Another value for the same task is a bad line."""
    known: dict[str, Any] = {}
    bad = []
    for line, row, why in labelled.lines(path, ("task", _ANSWER), free=_ANSWER):
        value, wrong = (None, why) if why else _read(kind.read_known, row[1])
        if not wrong and known.setdefault(row[0], value) != value:
            wrong = "this task has another answer already"
        if wrong:
            bad.append(Bad(path, line, wrong))
    return known, bad


def _read(read: Any, written: str) -> tuple[Any, str]:
    """A value, and what is wrong with it if anything is."""
    try:
        return read(written), ""
    except Unfit as error:
        return None, f"its {error}"


@dataclass(frozen=True, slots=True)
class Scores:
    """Over the tasks with a known truth: mean agreement of the consensus with it, and what confidence had foretold."""

    agreement: float
    confidence: float
    n_tasks: int


@dataclass(frozen=True, slots=True)
class Named:
    """What was found, by the names of tasks and workers. options : with which it was, and is to be judged."""

    coded: Coded
    found: Aggregate[Any]
    options: Mapping[str, float]

    @property
    def said(self) -> str:
        """How the method came to its end."""
        end = "converged" if self.found.converged else "stopped before it converged"
        return f"{end} after {self.found.n_iter} passes"

    def consensus(self) -> Iterator[tuple[str, str, float, float | str, int]]:
        """Task, value, confidence, mean agreement of its answers, and how many these are; tasks as they came."""
        answers = self.coded.answers
        n_each = answers.per_task()
        agreement = _means(answers.tasks, self.found.agreement, n_each)
        for i, (task, value) in enumerate(zip(self.coded.tasks, self.found.consensus, strict=True)):
            confidence = round(float(self.found.confidence[i]), _DIGITS)
            written = "" if value is None else self.coded.kind.write(value)
            yield task, written, confidence, agreement[i], int(n_each[i])

    def reliabilities(self) -> Iterator[tuple[str, float, float | str, int]]:
        """Worker, reliability, mean agreement, and their number of answers."""
        answers = self.coded.answers
        n_each = np.bincount(answers.voters, minlength=answers.n_voters)
        agreement = _means(answers.voters, self.found.agreement, n_each)
        reliability = np.round(self.found.reliability, _DIGITS).tolist()
        yield from zip(self.coded.voters, reliability, agreement, n_each.tolist(), strict=True)

    def scored(self, truth: Mapping[str, Any]) -> Scores | None:
        """How right it is, in the kind's own measure; None where no task's truth is given.

        Whoever had answered with the consensus is judged as any voter is by known values.
        """
        judged = [i for i, task in enumerate(self.coded.tasks) if task in truth]
        if not judged:
            return None
        rows = np.arange(len(judged))
        answers = Answers(rows, np.zeros_like(rows), [self.found.consensus[i] for i in judged], len(judged), 1)
        known = {row: truth[self.coded.tasks[i]] for row, i in enumerate(judged)}
        right = self.coded.kind.judge(answers, known=known, **self.options).agreement
        return Scores(float(right.mean()), float(self.found.confidence[judged].mean()), len(judged))


def _means(codes: IntArray, of_answer: FloatArray, n_each: IntArray) -> list[float | str]:
    """Mean over the answers of each task or worker; nothing where there is none."""
    sums = np.bincount(codes, weights=of_answer, minlength=n_each.size)
    return [round(float(total) / n, _DIGITS) if n else "" for total, n in zip(sums, n_each.tolist(), strict=True)]


def aggregate(coded: Coded, *, gold: Mapping[str, Any], tolerance: float | None = None) -> Named:
    """Merge answers by their kind; gold : known values by task. Raises `TooLarge`."""
    answers = coded.answers
    n_labels = len({label for value in answers.values if isinstance(value, frozenset) for label in value})
    if n_labels * (answers.size + answers.n_tasks) > NUMBERS_MAX:
        raise TooLarge(f"{n_labels:,} different labels in {answers.size:,} answers are more than memory should hold.")
    number_of = {task: i for i, task in enumerate(coded.tasks)}
    if tolerance is None and coded.kind.tolerance is not None:
        tolerance = coded.kind.tolerance(answers)
    options = {} if tolerance is None else {"tolerance": tolerance}
    known = {number_of[task]: value for task, value in gold.items()}
    return Named(coded, coded.kind.aggregate(answers, known=known, **options), options)

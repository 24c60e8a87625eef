"""Consensus of answers that are no classes, kind by kind: beside simple baselines and its bar, on recorded crowds.

The folder holds one crowd each in box_pedestrian, number_*, pair_music, span_pico and text_*; without it nothing runs.
"""

import csv
import gzip
import sys
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

import numpy as np

from quality.structured import alignment, boxes, number, pairs, spans, text, things
from quality.structured.answers import Answers
from quality.structured.boxes import Box
from quality.structured.pairs import Comparison
from quality.structured.spans import Span

T = TypeVar("T")
Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class Line:
    """Figures by the names of methods, ours last; confidence : its mean beside what it foretells."""

    kind: str
    measure: str
    figures: dict[str, float]
    bar: float
    confidence: tuple[float, float]


def run(data: Path | None) -> None:
    """Print a row for each kind whose folders are there."""
    kinds: dict[tuple[str, ...], Callable[..., Line]] = {
        ("text_speech",): lambda folder: _texts(folder, 0.925),
        ("text_crowdwsa_t1",): lambda folder: _texts(folder, 0.49),
        ("span_pico",): _spans,
        ("box_pedestrian",): _boxes,
        ("number_anger", "number_joy", "number_valence"): _numbers,
        ("pair_music",): _pairs,
    }
    there = {
        folders: measure for folders, measure in kinds.items() if data and all((data / one).exists() for one in folders)
    }
    if data is None or not there:
        print("structured: --data names no folder of crowds whose answers are no classes", file=sys.stderr)
        return
    print(
        "Consensus of answers that are no classes. Confidence: its mean, and the agreement with the truth it foretells"
    )
    print(f"  {'':18}{'measure':16}{'ours':>7}{'bar':>7}  {'':8}{'confidence':16}{'time':>6}  beside")
    for folders, measure in there.items():
        begun = perf_counter()
        line = measure(*(data / one for one in folders))
        *baselines, (_, ours) = line.figures.items()
        beside = ", ".join(f"{method} {figure:.3f}" for method, figure in baselines)
        verdict = "reached" if ours >= line.bar else "MISSED"
        sure, true = line.confidence
        print(
            f"  {line.kind:18}{line.measure:16}{ours:7.4f}{line.bar:7.3f}  {verdict:8}{sure:.3f} / {true:.3f}   "
            f"{perf_counter() - begun:5.1f}s  {beside}",
            flush=True,
        )


def _texts(folder: Path, bar: float) -> Line:
    rows = _read(folder / "labels.csv")
    answers = _answers(rows, [row["text"] for row in rows])
    truth = dict(enumerate(_by_task(rows, _read(folder / "truth.csv"), lambda row: row["text"])))
    found = text.aggregate(answers)

    def accuracy(said: Iterable[tuple[int, str | None]]) -> float:
        return float(np.mean([_word_accuracy(truth[task][0], one or "") for task, one in said if truth[task]]))

    frequent = [
        Counter(" ".join(text.normalise(answers.values[i])) for i in mine).most_common(1)[0][0]
        for mine in answers.of_tasks()
    ]
    figures = {
        "one worker": accuracy(zip(answers.tasks.tolist(), answers.values, strict=True)),
        "most frequent": accuracy(enumerate(frequent)),
        "ours": accuracy(enumerate(found.consensus)),
    }
    return Line(folder.name, "word accuracy", figures, bar, (float(found.confidence.mean()), figures["ours"]))


def _word_accuracy(truth: str, said: str) -> float:
    """1 less the edits per word of the truth, at least 0; words as the product compares them."""
    codes: dict[str, int] = {}
    right, found = ([codes.setdefault(word, len(codes)) for word in text.normalise(one)] for one in (truth, said))
    longest = max(len(right), len(found), 1)
    edits = (1.0 - float(alignment.agreements(right, [found])[0])) * longest
    return max(0.0, 1.0 - edits / max(len(right), 1))


def _spans(folder: Path) -> Line:
    rows = _read(folder / "labels.csv")
    answers = _gathered(rows, rows, lambda row: Span(int(row["start"]), int(row["end"])), empty="start")
    truth = _by_task(rows, _read(folder / "truth.csv"), lambda row: Span(int(row["start"]), int(row["end"])))
    checked = [task for task, spans_ in enumerate(truth) if spans_]
    found = spans.aggregate(answers)

    def f1(marked: Callable[[int], np.ndarray[Any, Any]]) -> float:
        pairs_ = [(marked(task) > 0, _characters(truth[task]) > 0) for task in checked]
        shared = sum(float((one & other).sum()) for one, other in pairs_)
        return 2 * shared / sum(float(one.sum() + other.sum()) for one, other in pairs_)

    def of_half(task: int) -> np.ndarray[Any, Any]:
        mine = answers.of_tasks()[task]
        marked: np.ndarray[Any, Any] = np.mean([_characters(answers.values[i]) for i in mine], axis=0) > 0.5
        return marked

    figures = {
        "one worker": f1(lambda task: _characters(answers.values[answers.of_tasks()[task][0]])),
        "vote > half": f1(of_half),
        "ours": f1(lambda task: _characters(found.consensus[task] or [])),
    }
    each = [_f1_of_one(_characters(found.consensus[task] or []), _characters(truth[task])) for task in checked]
    return Line(
        folder.name, "character F1", figures, 0.715, (float(found.confidence[checked].mean()), float(np.mean(each)))
    )


def _characters(value: Sequence[Span]) -> np.ndarray[Any, Any]:
    marked = np.zeros(20_000)
    for span in value:
        marked[max(span.start, 0) : max(span.end, 0)] = 1.0
    return marked


def _f1_of_one(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> float:
    both = float(one.sum() + other.sum())
    return 2.0 * float((one * other).sum()) / both if both else 1.0


def _boxes(folder: Path) -> Line:
    def box(row: Row) -> Box:
        return Box(float(row["x1"]), float(row["y1"]), float(row["x2"]), float(row["y2"]))

    asked = _read(folder / "answers.csv")
    answers = _gathered(asked, _read(folder / "labels.csv"), box)
    of_task = _by_task(asked, _read(folder / "truth.csv"), box)
    seen = {row["task"] for row in _read(folder / "truth_tasks.csv")}
    names = list(dict.fromkeys(row["task"] for row in asked))
    checked = [task for task, name in enumerate(names) if name in seen]
    found = boxes.aggregate(answers)

    def f1(said: Callable[[int], Sequence[Box]]) -> float:
        sizes = [(said(task), of_task[task]) for task in checked]
        shared = sum(
            things.agree(one, other, boxes.cover) * (len(one) + len(other)) for one, other in sizes if one or other
        )
        return shared / sum(len(one) + len(other) for one, other in sizes)

    figures = {
        "one worker": f1(lambda task: answers.values[answers.of_tasks()[task][0]]),
        "IoU of what ours has found": _covered(
            [found.consensus[task] or [] for task in checked], [of_task[task] for task in checked]
        ),
        "ours": f1(lambda task: found.consensus[task] or []),
    }
    each = [things.agree(found.consensus[task] or [], of_task[task], boxes.cover) for task in checked]
    return Line(
        folder.name, "F1 at IoU .5", figures, 0.92, (float(found.confidence[checked].mean()), float(np.mean(each)))
    )


def _covered(found: Sequence[Sequence[Box]], truth: Sequence[Sequence[Box]]) -> float:
    return float(
        np.mean(
            [iou for one, other in zip(found, truth, strict=True) for iou in things.covered(one, other, boxes.cover)]
        )
    )


def _numbers(*folders: Path) -> Line:
    """Means over the sets. The bar is the plain mean's."""
    right: dict[str, list[float]] = {"median": [], "mean": [], "ours": []}
    sure, within = [], []
    for folder in folders:
        rows = _read(folder / "labels.csv")
        answers = _answers(rows, [float(row["value"]) for row in rows])
        truth = np.array(
            [one[0] for one in _by_task(rows, _read(folder / "truth.csv"), lambda row: float(row["value"]))]
        )
        each = [np.array([answers.values[i] for i in mine]) for mine in answers.of_tasks()]
        tolerance = 0.1 * float(truth.max() - truth.min())
        found = number.aggregate(answers, tolerance=tolerance)
        said = {
            "median": np.array([np.median(one) for one in each]),
            "mean": np.array([one.mean() for one in each]),
            "ours": np.array(found.consensus, dtype=np.float64),
        }
        for method, values in said.items():
            right[method].append(float(np.corrcoef(values, truth)[0, 1]))
        sure.append(float(found.confidence.mean()))
        within.append(float((np.abs(said["ours"] - truth) <= tolerance).mean()))
    figures = {method: float(np.mean(values)) for method, values in right.items()}
    return Line("number_*", "Pearson", figures, figures["mean"], (float(np.mean(sure)), float(np.mean(within))))


def _pairs(folder: Path) -> Line:
    rows = _read(folder / "labels.csv")
    answers = _answers(rows, [_comparison(row) for row in rows])
    truth = _by_task(rows, _read(folder / "truth.csv"), lambda row: (row["item"], int(row["group"])))
    found = pairs.aggregate(answers)
    figures = {
        "win share": float(np.mean([_tau(order, dict(truth[task])) for task, order in _by_wins(answers)])),
        "Bradley-Terry": float(np.mean([_tau(order, dict(truth[task])) for task, order in _by_strength(answers)])),
        "ours": float(np.mean([_tau(order or [], dict(truth[task])) for task, order in enumerate(found.consensus)])),
    }
    return Line(
        folder.name, "Kendall's tau", figures, 0.74, (float(found.confidence.mean()), (1 + figures["ours"]) / 2)
    )


def _comparison(row: Row) -> Comparison:
    better, worse = (row["right"], row["left"]) if row["label"] == "right" else (row["left"], row["right"])
    return Comparison(better, worse, alike=row["label"] == "same")


def _by_wins(answers: Answers[Comparison]) -> Iterator[tuple[int, list[str]]]:
    for task, mine in enumerate(answers.of_tasks()):
        won: Counter[str] = Counter()
        played: Counter[str] = Counter()
        for value in (answers.values[i] for i in mine):
            won[value.better] += 1.0 if not value.alike else 0.5  # type: ignore[assignment]
            won[value.worse] += 0.0 if not value.alike else 0.5  # type: ignore[assignment]
            played.update(value[:2])
        yield task, sorted(played, key=lambda item: -won[item] / played[item])


def _by_strength(answers: Answers[Comparison]) -> Iterator[tuple[int, list[str]]]:
    """Bradley and Terry's model of all comparisons alike, whoever made them (Hunter 2004), each item with a win and a
    loss more.
    """
    for task, mine in enumerate(answers.of_tasks()):
        values = [answers.values[i] for i in mine]
        code = _codes(sorted({item for value in values for item in value[:2]}))
        better, worse = (np.array([code[value[side]] for value in values]) for side in (0, 1))
        share = np.array([0.5 if value.alike else 1.0 for value in values])
        won = np.bincount(better, share, len(code)) + np.bincount(worse, 1.0 - share, len(code)) + 1.0
        strength = np.ones(len(code))
        for _ in range(1000):
            each = 1.0 / (strength[better] + strength[worse])
            played = np.bincount(better, each, len(code)) + np.bincount(worse, each, len(code))
            strength = won / (played + 2.0 / (strength + 1.0))
        yield task, [str(item) for item, i in sorted(code.items(), key=lambda entry: -strength[entry[1]])]


def _tau(order: Sequence[str], groups: dict[str, int]) -> float:
    """Tau b of an order against groups, the best of which is the first; items of one group have no order."""
    signs = [np.sign(groups[worse] - groups[better]) for better, worse in combinations(order, 2)]
    return float(np.sum(signs) / np.sqrt(len(signs) * np.count_nonzero(signs)))


def _read(path: Path) -> list[Row]:
    if path.exists():
        with path.open(encoding="utf-8", newline="") as plain:
            return list(csv.DictReader(plain))
    with gzip.open(path.with_name(path.name + ".gz"), "rt", encoding="utf-8", newline="") as packed:
        return list(csv.DictReader(packed))


def _codes(names: Iterable[Hashable]) -> dict[Hashable, int]:
    return {name: code for code, name in enumerate(dict.fromkeys(names))}


def _answers(rows: Sequence[Row], values: Sequence[T]) -> Answers[T]:
    tasks, voters = (_codes(row[column] for row in rows) for column in ("task", "worker"))
    return Answers(
        np.array([tasks[row["task"]] for row in rows]),
        np.array([voters[row["worker"]] for row in rows]),
        values,
        len(tasks),
        len(voters),
    )


def _gathered(asked: Sequence[Row], rows: Sequence[Row], part: Callable[[Row], T], empty: str = "") -> Answers[list[T]]:
    """One answer of several parts for each task and worker who was asked; a row that has -1 as `empty` has no part."""
    of_answer: dict[tuple[str, str], list[T]] = {(row["task"], row["worker"]): [] for row in asked}
    for row in rows:
        if row.get(empty) != "-1":
            of_answer[row["task"], row["worker"]].append(part(row))
    return _answers([{"task": task, "worker": worker} for task, worker in of_answer], list(of_answer.values()))


def _by_task(asked: Sequence[Row], truth: Sequence[Row], part: Callable[[Row], T]) -> list[list[T]]:
    """What is true of each task, in the order of their codes."""
    codes = _codes(row["task"] for row in asked)
    found: list[list[T]] = [[] for _ in codes]
    for row in truth:
        if row["task"] in codes:
            found[codes[row["task"]]].append(part(row))
    return found

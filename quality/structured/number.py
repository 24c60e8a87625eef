"""Numbers on any scale: a mean in which a voter counts as their numbers go with those of the others.

What a voter adds everywhere is taken off. They are weighed by the correlation of their numbers with what the others say
of the same tasks, drawn to the crowd's: whoever always says the same, or just anything, counts little, and whoever errs
far more than is usual still less. A precision, as it is often learned, would trust those most who never leave the
middle. Agreement is exp(-d * d / 2) where d is the distance in tolerances: .61 at one, .14 at two.
"""

from dataclasses import dataclass

import numpy as np

from quality.methods import reading
from quality.methods.hierarchical import STRENGTH
from quality.methods.votes import BoolArray, FloatArray, IntArray
from quality.structured.answers import LARGEST, TOL, Aggregate, Answers, Known, as_came, drawn_to_crowd, in_order

ITER_MAX = 1000
# Errors so many times as large as is usual are a voter's who knows nothing.
_LOUD = 3.0
# A number that is farther from its task's median counts as just so many times a tenth of the usual range away.
_FAR = 1000.0
# Where nothing else is said, numbers this share of their usual range apart are nearly the same.
_TOLERANCE = 0.1


def aggregate(
    answers: Answers[float], *, known: Known[float] | None = None, tolerance: float | None = None
) -> Aggregate[float]:
    """Find a number for each task and weigh the voters by it, in turn, until neither changes.

    tolerance : how far apart two numbers are that are nearly the same; left out, a tenth of what lies between the
    lowest and the highest twentieth of the tasks' medians. A task's confidence is about the probability that its number
    is right to within it. reliability is the weight. Numbers that are none or beyond 1e100 are left out and agree with
    nothing. A pass takes time by the number of answers.
    """
    ordered, order = in_order(answers, lambda value: value if abs(value) <= LARGEST else LARGEST)
    asked = _asked(ordered, {} if known is None else known)
    found = _fit(asked)
    within = tolerance or asked.scale
    agreement = np.zeros(answers.size)
    off = np.array(ordered.values, dtype=np.float64)[asked.usual] - found.numbers[asked.tasks]
    agreement[asked.usual] = np.exp(-0.5 * np.square(off / within))
    confidence = within / np.sqrt(within**2 + _variance(asked, found))
    there = asked.certain | (asked.n_each > 0)
    return Aggregate(
        consensus=[one if any_ else None for one, any_ in zip(found.numbers.tolist(), there.tolist(), strict=True)],
        confidence=np.where(there, confidence, 0.0),
        agreement=as_came(agreement, order),
        reliability=found.weights,
        n_iter=found.n_iter,
        converged=found.converged,
    )


def usual_tolerance(answers: Answers[float]) -> float:
    """The tolerance that is taken where none is given."""
    return _asked(in_order(answers, lambda value: value if abs(value) <= LARGEST else LARGEST)[0], {}).scale


@dataclass(frozen=True, slots=True)
class _Asked:
    """Answers that are numbers, (n,) each; usual : (n_answers,), which of all these are.

    fixed : (n_tasks,), known numbers where certain, else the medians; n_each : (n_tasks,). scale : a tenth of the usual
    range of numbers, below which no difference is large.
    """

    tasks: IntArray
    voters: IntArray
    values: FloatArray
    usual: BoolArray
    fixed: FloatArray
    certain: BoolArray
    n_each: IntArray
    n_voters: int
    scale: float

    def per_task(self, of_answer: FloatArray) -> FloatArray:
        sums: FloatArray = np.bincount(self.tasks, weights=of_answer, minlength=self.fixed.size).astype(np.float64)
        return sums

    def per_voter(self, of_answer: FloatArray) -> FloatArray:
        sums: FloatArray = np.bincount(self.voters, weights=of_answer, minlength=self.n_voters).astype(np.float64)
        return sums


@dataclass(frozen=True, slots=True)
class _Found:
    """numbers : (n_tasks,), 0 where there is none. offsets and weights : (n_voters,)."""

    numbers: FloatArray
    offsets: FloatArray
    weights: FloatArray
    n_iter: int
    converged: bool


def _asked(answers: Answers[float], known: Known[float]) -> _Asked:
    """What can be reckoned with of answers that are in order."""
    values = np.array(answers.values, dtype=np.float64)
    usual = np.abs(values) <= LARGEST
    tasks, values = answers.tasks[usual], values[usual]
    fixed, certain = np.zeros(answers.n_tasks), np.zeros(answers.n_tasks, dtype=np.bool_)
    n_each = np.bincount(tasks, minlength=answers.n_tasks)
    ends = np.cumsum(n_each)
    # A task's values stand in ascending order.
    asked = np.flatnonzero(n_each)
    last = ends[asked]
    low, high = last - n_each[asked] + (n_each[asked] - 1) // 2, last - n_each[asked] + n_each[asked] // 2
    fixed[asked] = 0.5 * values[low] + 0.5 * values[high]
    scale = _scale(fixed[asked])
    values = values.clip(fixed[tasks] - _FAR * scale, fixed[tasks] + _FAR * scale)
    certain[list(known)] = True
    fixed[list(known)] = list(known.values())
    return _Asked(tasks, answers.voters[usual], values, usual, fixed, certain, n_each, answers.n_voters, scale)


def _scale(medians: FloatArray) -> float:
    """A share of the usual range of numbers; of their usual size, where they are all the same."""
    if not medians.size:
        return 1.0
    low, high = np.quantile(medians, [0.05, 0.95]).tolist()
    usual = float(high - low) or float(np.median(np.abs(medians))) or 1.0
    return float(max(_TOLERANCE * usual, 1.0 / LARGEST**0.5))


def _fit(asked: _Asked) -> _Found:
    """Numbers from offsets and weights, and these from what the others on a task say; medians to begin with."""
    found = _Found(asked.fixed, np.zeros(asked.n_voters), np.ones(asked.n_voters), 0, converged=False)
    is_certain, has_others = asked.certain[asked.tasks], asked.n_each[asked.tasks] > 1
    rest, compared = asked.fixed[asked.tasks], is_certain | has_others
    while not found.converged and found.n_iter < ITER_MAX:
        offsets = _offsets(asked, rest, compared)
        level = asked.values - offsets[asked.voters]
        weights = _weights(asked, level, rest, compared)
        each = weights[asked.voters]
        total, weighed = asked.per_task(each), asked.per_task(each * level)
        numbers = np.where(asked.certain, asked.fixed, weighed / np.where(total > 0.0, total, 1.0))
        moved = float(np.abs(numbers - found.numbers).max(initial=0.0)) / asked.scale
        found = _Found(numbers, offsets, weights, found.n_iter + 1, moved <= TOL)
        without = (weighed[asked.tasks] - each * level) / np.where(has_others, total[asked.tasks] - each, 1.0)
        rest = np.where(is_certain, asked.fixed[asked.tasks], without)
    return found


def _offsets(asked: _Asked, rest: FloatArray, compared: BoolArray) -> FloatArray:
    """What each voter adds everywhere, (n_voters,), drawn to nothing. rest : (n,), what others say, where compared."""
    above = asked.per_voter(np.where(compared, asked.values - rest, 0.0))
    return above / (asked.per_voter(compared.astype(np.float64)) + STRENGTH)


def _weights(asked: _Asked, level: FloatArray, rest: FloatArray, compared: BoolArray) -> FloatArray:
    """How far each voter's numbers go with the others', (n_voters,), and less if they err far more than is usual.

    level : (n,), values without offsets. A correlation of n pairs counts as n - 1, and not at all where there is
    nothing to go with.
    """
    n_each = asked.per_voter(compared.astype(np.float64))
    some = np.maximum(n_each, 1.0)

    def centred(of_answer: FloatArray) -> FloatArray:
        mean = asked.per_voter(np.where(compared, of_answer, 0.0)) / some
        return np.where(compared, of_answer - mean[asked.voters], 0.0)

    own, others = centred(level), centred(rest)
    spread, to_go_with = asked.per_voter(own**2), asked.per_voter(others**2)
    least = n_each * (TOL * asked.scale) ** 2
    varied = (spread > least) & (to_go_with > least)
    together = np.where(
        varied, asked.per_voter(own * others) / np.sqrt(np.where(varied, spread * to_go_with, 1.0)), 0.0
    )
    counts = np.where(to_go_with > least, n_each - 1.0, 0.0)
    drawn = drawn_to_crowd(np.arange(asked.n_voters), together.clip(0.0, 1.0), counts, asked.n_voters)
    errors = asked.per_voter(np.where(compared, (level - rest) ** 2, 0.0))
    heard = errors[n_each > 0.0] / n_each[n_each > 0.0]
    usual = max(float(np.median(heard)) if heard.size else 0.0, asked.scale**2)
    loud = (errors + STRENGTH * usual) / (n_each + STRENGTH) / (_LOUD**2 * usual)
    return drawn / np.maximum(loud, 1.0)


def _variance(asked: _Asked, found: _Found) -> FloatArray:
    """Of each task's number, (n_tasks,): from its answers' own spread, drawn to the usual one, which is presumed to be
    the scale; with the discount of votes that err together (`reading.Trust`). Nothing where it is known.
    """
    each = found.weights[asked.voters]
    off = (asked.values - found.offsets[asked.voters] - found.numbers[asked.tasks]) ** 2
    total, squares = asked.per_task(each), asked.per_task(each**2)
    total, squares = np.where(total > 0.0, total, 1.0), np.where(total > 0.0, squares, 1.0)
    free = np.maximum(asked.n_each - 1.0, 0.0)
    # The mean lies nearer to its answers than the truth does: n of them tell of n - 1.
    own = asked.per_task(each * off) / total * asked.n_each
    usual = (own.sum() + STRENGTH * asked.scale**2) / (free.sum() + STRENGTH)
    spread = (own + STRENGTH * usual) / (free + STRENGTH)
    alike = 1.0 + reading.DEFAULT.discount * free
    return np.where(asked.certain, 0.0, spread * squares / total**2 * alike)

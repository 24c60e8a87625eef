"""What it costs to reach 95 % and 99 %: recorded answers bought one by one in random order, the truth as the expert.

Costs are in answers a task, for an expert at thirty answers and at ten. "Oracle" knows the truth and stops at the first
moment that is good enough; "by itself" is a policy one can run, which stops where it believes itself to be there. The
rule is `quality.escalation` over fits of `quality.methods`, in rounds: all tasks are weighed, decided, and what was
bought comes in. Experts take a fiftieth of the tasks between two fits, and one task in twenty is a spot check.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import crowds
from benchmarks.crowds import Crowd
from quality import escalation
from quality.escalation import Action, Basis, Fallback, Progress, Rule, Standing
from quality.methods import dawid_skene, em, hierarchical, majority, reading
from quality.methods.reading import Trust
from quality.methods.votes import UNKNOWN, BoolArray, FloatArray, IntArray, Votes

_TARGETS = (0.95, 0.99)
_PRICES = (30.0, 10.0)
# Larger sets are replayed on so many of their tasks, drawn at random.
_TASKS_MAX = 1_000
_SEEDS = 2
_OVERLAPS = (1, 2, 3, 5, 7, 10)
_FIVE = 5
_SPOT_SHARE = 0.05
_EXPERTS_A_ROUND = 0.02
_OVERLAP_MIN = 3
_CROWD = 200
_TOL = 1e-4
# A promise may be missed by a point.
_POINT = 0.01


@dataclass(frozen=True, slots=True)
class Cost:
    """What one way of buying labels came to, per task; right is the share that is right in the end."""

    answers: float
    experts: float
    right: float

    def at(self, price: float) -> float:
        return self.answers + price * self.experts


def run(data: Path | None) -> None:
    """Print a table for each target and price, with a row for each set; then geometric means and misses."""
    crowds_found = [_known(crowd) for crowd in crowds.read(data)]
    found = {crowd.name: [Recording(crowd, seed) for seed in range(_SEEDS)] for crowd in crowds_found}
    for target in _TARGETS:
        for price in _PRICES:
            _table(found, target, price)


def _table(found: dict[str, list["Recording"]], target: float, price: float) -> None:
    print(f"{target:.0%} right, an expert decision at {price:.0f} answers: answers a task (share decided by experts)")
    head = ("majority of 5", "Dawid-Skene", "rule, oracle", "ratio", "rule, by itself", "right")
    print(f"  {'':14}" + "".join(f"{name:>16}" for name in head))
    costs, missed = [], []
    for name, recordings in found.items():
        ways = [_ways(recording, target, price) for recording in recordings]
        five, weighed, oracle, itself = (_mean(same) for same in zip(*ways, strict=True))
        costs.append([one.at(price) for one in (five, weighed, oracle, itself)])
        if itself.right < target - _POINT:
            missed.append(name)
        cells = [f"{one.at(price):6.1f} ({one.experts:4.0%})" for one in (five, weighed, oracle)]
        cells += [f"{five.at(price) / oracle.at(price):.2f}", f"{itself.at(price):6.1f} ({itself.experts:4.0%})"]
        print(f"  {name:14}" + "".join(f"{cell:>16}" for cell in [*cells, f"{itself.right:.3f}"]), flush=True)
    means = np.exp(np.log(costs).mean(axis=0))
    cells = [f"{mean:.1f}       " for mean in means]
    cells.insert(3, f"{means[0] / means[2]:.2f}")
    print(f"  {'geometric mean':14}" + "".join(f"{cell:>16}" for cell in cells))
    print(f"  more than a point below {target:.0%} by itself: {', '.join(missed) or 'none'}", flush=True)


def _mean(same: Sequence[Cost]) -> Cost:
    answers, experts, right = np.mean([(one.answers, one.experts, one.right) for one in same], axis=0)
    return Cost(float(answers), float(experts), float(right))


def _ways(recording: "Recording", target: float, price: float) -> list[Cost]:
    five = _stopped(recording, recording.by_majority, _FIVE, target)
    fixed = [_stopped(recording, believed, n, target) for n, believed in recording.by_dawid_skene.items()]
    weighed = min(fixed, key=lambda one: one.at(price))
    return [five, weighed, *_by_rule(recording, target, price)]


class Recording:
    """The answers of a crowd, of each task in a random order."""

    def __init__(self, crowd: Crowd, seed: int) -> None:
        votes = crowd.votes
        self.votes, self.truth, self.seed = votes, crowd.truth, seed
        self.n_each = votes.per_task()
        order = np.random.default_rng(seed).permutation(votes.size)
        self._order = order[np.argsort(votes.tasks[order], kind="stable")]
        tasks = votes.tasks[self._order]
        firsts = np.flatnonzero(np.diff(tasks, prepend=-1))
        self._place = np.arange(tasks.size) - np.repeat(firsts, np.diff(firsts, append=tasks.size))
        self.by_majority = majority.aggregate(self.first(_FIVE)).posterior
        overlaps = [n for n in _OVERLAPS if n <= self.n_each.max()]
        self.by_dawid_skene = {n: dawid_skene.aggregate(self.first(n)).posterior for n in overlaps}

    def first(self, n_each: IntArray | int) -> Votes:
        """So many answers of each task, or as many as there are."""
        votes = self.votes
        wanted = np.broadcast_to(n_each, votes.n_tasks)[votes.tasks[self._order]]
        kept = self._order[self._place < wanted]
        shape = votes.n_tasks, votes.n_voters, votes.n_classes
        return Votes(votes.tasks[kept], votes.voters[kept], votes.labels[kept], *shape)


def _stopped(recording: Recording, believed: FloatArray, n_each: IntArray | int, target: float) -> Cost:
    """Experts to the least certain tasks, until so many labels are right as they should be; ties share the credit."""
    truth, n_tasks = recording.truth, recording.truth.size
    best = believed >= believed.max(axis=1, keepdims=True) - 1e-12
    wrong = 1.0 - best[np.arange(n_tasks), truth] / best.sum(axis=1)
    order = np.lexsort((np.random.default_rng(recording.seed).random(n_tasks), believed.max(axis=1)))
    left = np.concatenate([[wrong.sum()], wrong.sum() - np.cumsum(wrong[order])])
    n_experts = int(np.argmax(left <= (1.0 - target) * n_tasks + 1e-9))
    answers = float(np.minimum(n_each, recording.n_each).mean())
    return Cost(answers, n_experts / n_tasks, 1.0 - left[n_experts] / n_tasks)


def _by_rule(recording: Recording, target: float, price: float) -> list[Cost]:
    """Rookery's rule: stopped by who knows the truth once it asks no more, and by itself."""
    rule = Rule(
        overlap_min=_OVERLAP_MIN,
        confidence_min=target,
        basis=Basis.MEAN,
        expert_price=price,
        expert_share=1.0,
        without_expert=Fallback.PARK,
    )
    asked = Replay(recording, rule, n_a_round=0, spot_share=0.0)
    asked.run()
    itself = Replay(recording, rule, n_a_round=_portion(recording), spot_share=_SPOT_SHARE)
    itself.run()
    return [_stopped(recording, asked.believed, asked.n_asked, target), itself.cost()]


def _portion(recording: Recording) -> int:
    return max(1, round(_EXPERTS_A_ROUND * recording.truth.size))


class Replay:
    """One project under the rule, from the first answer to the last decision."""

    def __init__(self, recording: Recording, rule: Rule, *, n_a_round: int, spot_share: float) -> None:
        n_tasks = recording.truth.size
        self._recording, self._rule, self._n_a_round = recording, rule, n_a_round
        self._drawn: BoolArray = np.random.default_rng(recording.seed + 1).random(n_tasks) < spot_share
        self.n_asked: IntArray = np.minimum(rule.overlap_min, recording.n_each)
        self._open = np.ones(n_tasks, dtype=bool)
        self._known, self._labels = np.full(n_tasks, UNKNOWN), np.full(n_tasks, UNKNOWN)
        self.believed = np.empty((n_tasks, recording.votes.n_classes))
        self._n_outstanding, self._error_settled = 1, 0.0

    def run(self) -> None:
        """Round after round, until nothing is decided any more."""
        while self._open.any():
            before = self._open.sum(), self.n_asked.sum(), self._n_outstanding
            self._round()
            if before == (self._open.sum(), self.n_asked.sum(), self._n_outstanding):
                return

    def cost(self) -> Cost:
        truth = self._recording.truth
        return Cost(
            float(self.n_asked.mean()), float((self._known != UNKNOWN).mean()), float((self._labels == truth).mean())
        )

    def _round(self) -> None:
        tasks = np.flatnonzero(self._open)
        standings = self._weigh(tasks)
        through = self._known.size - tasks.size
        n_escalated = int((self._known != UNKNOWN).sum())
        progress = Progress(
            n_tasks=self._known.size,
            n_settled=through - n_escalated,
            n_escalated=n_escalated,
            n_outstanding=self._n_outstanding,
            experts_left=self._n_a_round,
            error_settled=self._error_settled,
        )
        made = escalation.decide_all(standings, self._rule, progress)
        actions = np.array([decision.action for decision in made])
        widened, sure, escalated = (
            tasks[actions == action] for action in (Action.WIDEN, Action.SETTLE, Action.ESCALATE)
        )
        self.n_asked[widened] += 1
        self._labels[sure] = self.believed[sure].argmax(axis=1)
        self._labels[escalated] = self._known[escalated] = self._recording.truth[escalated]
        self._error_settled += float((1.0 - self.believed[sure].max(axis=1)).sum())
        self._open[sure] = self._open[escalated] = False
        self._n_outstanding = widened.size

    def _weigh(self, tasks: IntArray) -> list[Standing]:
        """Fit what has come, and say where the open tasks stand; one with no more recorded answers can get none."""
        votes = self._recording.first(self.n_asked)
        fit = hierarchical.fit(votes, known=self._known, tol=_TOL, objective_tol=em.OBJECTIVE_TOL)
        sampled = np.where(self._drawn, self._known, UNKNOWN)
        trust: Trust = reading.calibrated(votes, fit, known=sampled)
        self.believed = reading.read(votes, fit, known=self._known, trust=trust)
        cast = votes.per_voter().astype(np.float64)
        active = np.argsort(-cast, kind="stable")[:_CROWD]
        gains = reading.expected_gain(self.believed[tasks], fit.confusion[active], cast[active])
        n_votes = votes.per_task()
        each = np.bincount(votes.tasks, weights=cast[votes.voters], minlength=votes.n_tasks) / np.maximum(n_votes, 1)
        used_up = self.n_asked >= self._recording.n_each
        return [
            Standing(
                n_answers=self._rule.overlap_max if used_up[task] else int(n_votes[task]),
                confidence=float(self.believed[task].max()),
                gain=float(gain),
                voter_votes=float(each[task]),
                drawn=bool(self._drawn[task]),
            )
            for task, gain in zip(tasks, gains, strict=True)
        ]


def _known(crowd: Crowd) -> Crowd:
    """A crowd with nothing but the tasks whose truth is known."""
    votes = crowd.votes
    kept = np.random.default_rng(0).permutation(np.flatnonzero(crowd.truth != UNKNOWN))[:_TASKS_MAX]
    place = np.full(votes.n_tasks, UNKNOWN)
    place[kept] = np.arange(kept.size)
    mine = place[votes.tasks] != UNKNOWN
    return Crowd(
        crowd.name,
        Votes(
            place[votes.tasks[mine]], votes.voters[mine], votes.labels[mine], kept.size, votes.n_voters, votes.n_classes
        ),
        crowd.truth[kept],
    )

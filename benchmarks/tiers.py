"""Who moves on a ladder, and by mistake: simulated workers with four labels who meet gold, by the house's own rule.

Each worker's year is 1,250 golds, one after another: bounds as `quality/checking.py` has them, decided after each by
`workforce/ladders.py`. The year of somebody who is demoted to candidate goes on, as if in training.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np

from quality.checking import ALPHA, ALPHA_RECENT, BLOCK, Shown, Stretch
from quality.methods import anytime
from quality.methods.votes import BoolArray, FloatArray
from workforce import ladders
from workforce.ladders import Move, Place, Rule, Standing

GOLDS = 1_250
_WORKERS = 200
_CLICKERS = 2_000
_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
_DAYS = 365.0
_SEED = 4


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bounds by [n, right]: of a whole record, and above of its later sequences."""

    low: FloatArray
    high: FloatArray
    high_recent: FloatArray


def bounds(most: int) -> Bounds:
    """All bounds of up to so many answers."""
    low, high = _table(most, ALPHA)
    return Bounds(low, high, _table(min(most, 2 * BLOCK), ALPHA_RECENT)[1])


def _table(most: int, alpha: float) -> tuple[FloatArray, FloatArray]:
    n, right = np.tril_indices(most + 1)
    low, high = np.zeros((most + 1, most + 1)), np.ones((most + 1, most + 1))
    low[n, right], high[n, right] = anytime.bounds(right, n, alpha=alpha)
    return low, high


@dataclass(frozen=True, slots=True)
class Moved:
    """A move, after how many golds."""

    golds: int
    tier_from: int
    move: Move


def life(rule: Rule, known: Bounds, right: BoolArray, *, days: float = _DAYS) -> list[Moved]:
    """How somebody moves who answers golds like this in so many days, (n_golds,), from where everybody begins."""
    total = np.concatenate(([0], np.cumsum(right))).tolist()
    place, since, moved = Place(ladders.STARTING, None, 0), 0, []
    for n_seen in range(1, right.size + 1):
        now = _BEGAN + timedelta(days=days * n_seen / right.size)
        standing = Standing(n_seen, _shown(known, total, since, n_seen), worked_at=now)
        move = ladders.decide(rule, place, standing, now)
        if move is None:
            continue
        moved.append(Moved(n_seen, place.tier, move))
        if move.to < place.tier:
            since = n_seen
        place = Place(move.to, now, n_seen)
    return moved


def _shown(known: Bounds, total: Sequence[int], since: int, through: int) -> Shown:
    n, n_right = through - since, total[through] - total[since]
    above, n_recent, recent_right = min(
        (
            known.high_recent[through - begun, total[through] - total[begun]],
            through - begun,
            total[through] - total[begun],
        )
        for begun in Stretch("", "", since, through).beginnings
    )
    return Shown(
        n=n, n_right=n_right, low=known.low[n, n_right], high=known.high[n, n_right],
        n_recent=n_recent, n_recent_right=recent_right, high_recent=above,
    )  # fmt: skip


def _demotions(moved: Sequence[Moved]) -> list[Moved]:
    return [one for one in moved if one.move.to < one.tier_from]


def stopped_at(moved: Sequence[Moved], after: int = 0) -> float:
    """After how many golds somebody is a candidate, from whom ordinary tasks are kept; infinite if never."""
    return next((float(one.golds - after) for one in moved if one.move.to == 0 and one.golds > after), np.inf)


def flaps(moved: Sequence[Moved]) -> int:
    """How often somebody went up and down again, or down and up again."""
    ups = [one.move.to > one.tier_from for one in moved]
    return sum(before != after for before, after in pairwise(ups))


def _years(known: Bounds, share: float, rng: np.random.Generator, n_workers: int = _WORKERS) -> list[list[Moved]]:
    return [life(ladders.DEFAULT, known, rng.random(GOLDS) < share) for _ in range(n_workers)]


def run() -> None:
    """Good workers, bad ones, those between, and sleepers; then clickers and sleepers by how soon they are stopped."""
    began, rng = time.perf_counter(), np.random.default_rng(_SEED)
    known = bounds(GOLDS)
    print(f"tiers: {_WORKERS} workers of each kind, a year of {GOLDS:,} golds with four labels")
    print("  share right   demoted per 100 golds   in a year   flaps a year   tier after a year, 0 to 4")
    for share in (0.97, 0.9, 0.85, 0.8, 0.7, 0.6, 0.4, 0.25):
        years = _years(known, share, rng)
        early = np.mean([any(one.golds <= 100 for one in _demotions(moved)) for moved in years])
        ever = np.mean([bool(_demotions(moved)) for moved in years])
        ends = np.bincount([moved[-1].move.to if moved else ladders.STARTING for moved in years], minlength=5)
        ended = " ".join(f"{part:4.0%}" for part in ends / len(years))
        print(f"  {share:11.2f}   {early:21.2%}   {ever:9.2%}   {np.mean([flaps(m) for m in years]):12.3f}   {ended}")
    firsts = [life(ladders.DEFAULT, known, rng.random(100) < 0.25) for _ in range(_CLICKERS)]
    _told("a clicker among four labels is stopped after", [stopped_at(moved) for moved in firsts])
    honest = [life(ladders.DEFAULT, known, rng.random(100) < 0.8) for _ in range(_CLICKERS)]
    print(f"  right on .8: {np.mean([bool(_demotions(moved)) for moved in honest]):.2%} demoted within 100 golds")
    for past in (100, 600):
        turned = [
            life(ladders.DEFAULT, known, np.concatenate((rng.random(past) < 0.9, rng.random(200) < 0.25)))
            for _ in range(_WORKERS)
        ]
        _told(f"a sleeper, right on .9 for {past} golds, is stopped after", [stopped_at(one, past) for one in turned])
    print(f"  {time.perf_counter() - began:.0f} s")


def _told(what: str, golds: Sequence[float]) -> None:
    print(f"  {what} {np.median(golds):.0f} golds in the median, {np.quantile(golds, 0.9):.0f} at nine of ten")

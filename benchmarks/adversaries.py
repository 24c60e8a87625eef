"""What a crowd's enemies can do to labels and pay: simulated people, some of whom cheat, against the real arithmetic.

Every defence can be taken away, and has to be missed then; otherwise it is decoration.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks import attacks, crowds
from benchmarks.attacks import Scene, World
from benchmarks.crowds import Crowd
from quality.methods import collusion, evidence, gold, hierarchical, majority, reading, sequential, withheld
from quality.methods.evidence import Evidence
from quality.methods.fit import Fit
from quality.methods.votes import UNKNOWN, BoolArray, FloatArray, IntArray, Votes, one_coin

_SEEDS = (1, 2, 3, 4, 5)
# So often in a project the books are looked at: fits, clusters, and pay for those who have seen enough gold.
_PARTS = 4
_HELD_GOLDS = 12
_TOL = 1e-5


@dataclass(frozen=True, slots=True)
class Defences:
    """What stands against them; all of it can be taken away."""

    gold_test: bool = True
    consensus_test: bool = True
    floor: bool = True
    clusters: bool = True
    one_vote_each: bool = True
    gold_cap: bool = True
    hold: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """Shares, all of them; found_at : after how many answers an attacker was found, in the median, or NaN.

    leaked : of the attackers' wrong answers, those that were paid; harmed : of the honest, those proposed.
    """

    majority: float
    model: float
    with_gold: float
    defended: float
    leaked: float
    harmed: float
    found: float
    found_at: float


ALL = Defences()
_ROWS = (
    *(Scene("random", share) for share in (0.2, 0.4)),
    Scene("uniform", 0.2),
    *(Scene("copy-bots", share, farmed) for share in (0.2, 0.4) for farmed in (0.0, 0.8)),
    *(Scene("colluders", share, farmed) for share in (0.1, 0.2, 0.3, 0.4) for farmed in (0.0, 0.8)),
    *(Scene("sleepers", 0.2, farmed) for farmed in (0.0, 0.8)),
    *(Scene("camouflage", 0.2, farmed) for farmed in (0.0, 0.8)),
    *(Scene("one LLM", share) for share in (0.2, 0.4)),
)
_LONGER = tuple(
    Scene(attack, 0.2, farmed, n_tasks=8000)
    for attack, farmed in (
        ("random", 0.0),
        ("colluders", 0.8),
        ("sleepers", 0.8),
        ("camouflage", 0.8),
        ("one LLM", 0.0),
    )
)
_MISSED = (
    ("clusters", Scene("copy-bots", 0.4), {"clusters": False}),
    ("one vote for a cluster", Scene("copy-bots", 0.4), {"one_vote_each": False}),
    ("test on consensus", Scene("sleepers", 0.2, 0.8), {"consensus_test": False}),
    ("test on gold", Scene("random", 0.4), {"gold_test": False}),
    ("floor of the test", Scene("sleepers", 0.2, n_tasks=8000), {"floor": False}),
    ("hold on pay", Scene("random", 0.2), {"hold": False}),
    ("cap on gold", Scene("colluders", 0.3, 1.0, n_tasks=400, onboarding=12), {"gold_cap": False}),
)


def run(data: Path | None) -> None:
    """Print what each attack does and each defence is worth, how soon a clicker is found, and whom of real people."""
    _attacks()
    _longer()
    _missed()
    _gold_in_a_fit()
    _test_on_gold()
    _people(data)


def _attacks() -> None:
    print("Attacks: 200 workers, 2,000 tasks, 4 classes, 5 answers each, 10 % gold, 10 % hard; means of 5 seeds.")
    print("Right: majority, model, model with gold, with all defences; lost: against the same seeds without attack.")
    print("Pay of an account waits for 12 golds, or the end; here that is the end, with about 5 golds and 50 answers.")
    print(
        f"  {'attack':11} share farmed  majority model  gold  defended  lost   leaked  honest proposed  found  answers"
    )
    calm = [play(attacks.draw(Scene(), seed)) for seed in _SEEDS]
    _row(Scene(), calm, calm)
    for scene in _ROWS:
        _row(scene, [play(attacks.draw(scene, seed)) for seed in _SEEDS], calm)


def _longer() -> None:
    print("Four times as long: 200 answers each, so that pay flows from about the 120th on, when 12 golds were seen")
    calm = [play(attacks.draw(Scene(n_tasks=8000), seed)) for seed in _SEEDS[:2]]
    for scene in _LONGER:
        _row(scene, [play(attacks.draw(scene, seed)) for seed in _SEEDS[:2]], calm)


def _row(scene: Scene, found: Sequence[Outcome], calm: Sequence[Outcome]) -> None:
    lost = _mean(one.defended for one in calm) - _mean(one.defended for one in found)
    print(
        f"  {scene.attack:11} {scene.share:5.0%} {scene.farmed:6.0%} "
        f"{_mean(one.majority for one in found):9.3f} {_mean(one.model for one in found):5.3f} "
        f"{_mean(one.with_gold for one in found):5.3f} {_mean(one.defended for one in found):9.3f} {lost * 100:5.1f} "
        f"{_mean(one.leaked for one in found):8.3f} {_mean(one.harmed for one in found):16.4f} "
        f"{_mean(one.found for one in found):6.2f} {_mean(one.found_at for one in found):8.1f}",
        flush=True,
    )


def _missed() -> None:
    print("Without a defence: right, leaked, found, answers until then; with all of them, then without the one")
    for name, scene, off in _MISSED:
        worlds = [attacks.draw(scene, seed) for seed in _SEEDS]
        shown = []
        for defences in (ALL, replace(ALL, **off)):
            found = [play(world, defences) for world in worlds]
            shown.append(
                f"{_mean(one.defended for one in found):.3f} {_mean(one.leaked for one in found):.3f} "
                f"{_mean(one.found for one in found):.2f} {_mean(one.found_at for one in found):5.1f}"
            )
        who = f"{scene.attack} {scene.share:.0%}" + (f", {scene.farmed:.0%} farmed" if scene.farmed else "")
        print(f"  {name:23} {who:28} {shown[0]}  ->  {shown[1]}", flush=True)


def _gold_in_a_fit() -> None:
    print(
        "Gold in a fit, no other defence: 12 golds first, then 400 tasks, 30 % colluders or none; right with no gold,"
    )
    print("with all of it, and with one gold vote for ten others")
    for share, farmed in ((0.0, 0.0), (0.3, 0.0), (0.3, 0.8), (0.3, 1.0)):
        shown = []
        for kept in (0.0, np.inf, 0.1):
            worlds = [
                attacks.draw(Scene("colluders", share, farmed, n_tasks=400, onboarding=12), seed) for seed in _SEEDS
            ]
            right = _mean(
                _right(world, _with_gold(gold.capped(world.votes, world.known, per_vote=kept), world.known))
                for world in worlds
            )
            shown.append(f"{right:.3f}")
        print(f"  {share:4.0%} colluders, {farmed:4.0%} farmed: {'  '.join(shown)}", flush=True)


def _test_on_gold() -> None:
    print("The test on gold alone, 2,000 people each; the usual one is right on .85 or .90")
    rng = np.random.default_rng(7)
    for n_classes in (2, 4, 10):
        for usual in (0.85, 0.9):
            honest = sequential.least_honest(one_coin(n_classes, usual))
            clickers = _golds(rng, np.full(2000, 1.0 / n_classes), honest)
            people = _golds(rng, rng.beta(*attacks.SKILL, size=2000), honest)
            print(
                f"  {n_classes:>2} classes, usual {usual:.2f}: clickers found after {np.median(clickers):.0f} golds in "
                f"the median, nine in ten after {np.quantile(clickers, 0.9):.0f}; honest accused in 500 golds: "
                f"{(people > 0).mean():.4f}",
                flush=True,
            )


def _golds(rng: np.random.Generator, skill: FloatArray, honest: FloatArray, n_golds: int = 500) -> IntArray:
    """After how many golds each is accused, (n,); 0 for never."""
    n_classes = honest.shape[0]
    found = np.zeros(skill.size, dtype=np.int64)
    certain = np.eye(n_classes)
    for person, right in enumerate(skill):
        truth = rng.integers(n_classes, size=n_golds)
        wrong = (truth + rng.integers(1, n_classes, size=n_golds)) % n_classes
        labels = np.where(rng.random(n_golds) < right, truth, wrong)
        state = sequential.START
        for ratio in sequential.ratios(certain[truth], labels, honest):
            state = sequential.after(state, float(ratio))
            if state.score >= sequential.DEFAULT.accused:
                found[person] = state.answers
                break
    return found


def _people(data: Path | None) -> None:
    print("Recorded people, without gold: who is accused, and how often they are right where the truth is known")
    print(f"  {'set':14} voters  tested: accused right  others right  in clusters right  contested right")
    for crowd in crowds.read(data):
        known = np.full(crowd.votes.n_tasks, UNKNOWN)
        accused = np.flatnonzero(np.isfinite(_tested(crowd.votes, known, ALL))).tolist()
        others = [voter for voter in range(crowd.votes.n_voters) if voter not in set(accused)]
        search = collusion.clusters(crowd.votes, collusion.hearings(crowd.votes, _fit(crowd.votes)))
        clustered = [voter for group in search.found for voter in group.voters]
        print(
            f"  {crowd.name:14} {crowd.votes.n_voters:>6} {len(accused):>16} {_share_right(crowd, accused):5.2f} "
            f"{_share_right(crowd, others):13.2f} {len(clustered):>12} {_share_right(crowd, clustered):5.2f} "
            f"{len(search.contested):>10} {_share_right(crowd, search.contested):5.2f}",
            flush=True,
        )


def _share_right(crowd: Crowd, voters: Sequence[int]) -> float:
    """Of all their answers whose truth is known; NaN if there is none."""
    votes = crowd.votes
    theirs = np.isin(votes.voters, voters) & (crowd.truth[votes.tasks] != UNKNOWN)
    right = votes.labels == crowd.truth[votes.tasks]
    return float(right[theirs].mean()) if theirs.any() else np.nan


def play(world: World, defences: Defences = ALL) -> Outcome:
    """A project from its first answer to its last, with what each part of it shows of the attackers."""
    votes, nth = world.votes, attacks.nth(world.votes.voters)
    found = np.full(votes.n_voters, np.inf)
    paid = np.zeros(votes.size, dtype=np.bool_)
    groups: list[Evidence] = []
    for part in range(1, _PARTS + 1):
        so_far = _first(votes, votes.size * part // _PARTS)
        groups, against = _against(so_far, world.known, groups, defences)
        found = np.minimum(found, against)
        n_golds = np.bincount(so_far.voters[world.known[so_far.tasks] != UNKNOWN], minlength=votes.n_voters)
        ready = np.isinf(found) & ((n_golds >= _HELD_GOLDS) | (part == _PARTS))
        paid[: so_far.size] |= ready[so_far.voters]
    cluster = collusion.linked(groups, votes.n_voters)
    if not defences.hold:
        paid = nth < found[votes.voters]
    wrong = world.hostile[votes.voters] & (votes.labels != world.truth[votes.tasks])
    times = found[world.hostile]
    return Outcome(
        majority=_right(world, majority.aggregate(votes).posterior),
        model=_right(world, reading.read(votes, _fit(votes))),
        with_gold=_right(world, _with_gold(votes, world.known)),
        defended=_right(world, _defended(world, np.isfinite(found), cluster, defences)),
        leaked=float(paid[wrong].mean()) if wrong.any() else 0.0,
        harmed=float(np.isfinite(found[~world.hostile]).mean()),
        found=float(np.isfinite(times).mean()) if times.size else 0.0,
        found_at=float(np.median(times)) if times.size and np.isfinite(np.median(times)) else np.nan,
    )


def _against(
    votes: Votes, known: IntArray, before: Sequence[Evidence], defences: Defences
) -> tuple[list[Evidence], FloatArray]:
    """Groups, with those of before; and after how many answers each voter is accused, infinity for never."""
    groups = list(before)
    found = np.full(votes.n_voters, np.inf)
    if defences.clusters:
        judged = collusion.one_vote_each(votes, collusion.linked(groups, votes.n_voters))
        search = collusion.clusters(judged, collusion.hearings(judged, _fit(judged, known), known=known), known=known)
        groups += search.found
        accused = [voter for group in groups for voter in group.voters]
        found[accused] = votes.per_voter()[accused]
        if search.contested:
            defences = replace(defences, consensus_test=False)
    judged = collusion.one_vote_each(votes, collusion.linked(groups, votes.n_voters))
    return groups, np.minimum(found, _tested(judged, known, defences))


def _tested(votes: Votes, known: IntArray, defences: Defences) -> FloatArray:
    fit = _fit(votes, known)
    believed = withheld.beliefs(votes, fit, known=known)
    ratios = sequential.ratios(believed, votes.labels, sequential.least_honest(sequential.usual(fit)))
    on_gold = known[votes.tasks] != UNKNOWN
    counts = (on_gold & defences.gold_test) | (~on_gold & defences.consensus_test)
    bounds = sequential.DEFAULT if defences.floor else replace(sequential.DEFAULT, career=10**9)
    states = [sequential.START] * votes.n_voters
    found = np.full(votes.n_voters, np.inf)
    for voter, nth, ratio in zip(votes.voters[counts], attacks.nth(votes.voters)[counts], ratios[counts], strict=True):
        states[voter] = sequential.after(states[voter], float(ratio), bounds=bounds)
        if sequential.accusation(int(voter), states[voter], bounds=bounds) is not None:
            found[voter] = min(found[voter], nth + 1)
    return found


def _defended(world: World, quarantined: BoolArray, cluster: IntArray, defences: Defences) -> FloatArray:
    votes = collusion.one_vote_each(world.votes, cluster) if defences.one_vote_each else world.votes
    fit = _fit(gold.capped(votes, world.known) if defences.gold_cap else votes, world.known)
    weights = np.where(quarantined, 0.1, 1.0)
    return reading.read(votes, replace(fit, confusion=evidence.tempered(fit.confusion, weights)))


def _with_gold(votes: Votes, known: IntArray) -> FloatArray:
    return reading.read(votes, _fit(votes, known))


def _fit(votes: Votes, known: IntArray | None = None) -> Fit:
    return hierarchical.fit(votes, known=known, tol=_TOL)


def _first(votes: Votes, end: int) -> Votes:
    return replace(votes, tasks=votes.tasks[:end], voters=votes.voters[:end], labels=votes.labels[:end])


def _right(world: World, found: FloatArray) -> float:
    """Share right of the tasks that are not gold; ties share the credit."""
    work = world.known == UNKNOWN
    best = found == found.max(axis=1, keepdims=True)
    credit = best[np.arange(world.truth.size), world.truth] / best.sum(axis=1)
    return float(credit[work].mean())


def _mean(values: Iterable[float]) -> float:
    """Of those that are numbers; NaN if none is."""
    numbers = [value for value in values if not np.isnan(value)]
    return float(np.mean(numbers)) if numbers else np.nan

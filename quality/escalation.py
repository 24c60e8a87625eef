"""Settle a task, ask one more worker, or call an expert: the rule, in pure functions.

Numbers in, decisions with their reasons out. What a decision changes (closing a task, widening it, opening an
adjudication) is the caller's business; the numbers come from `quality.methods`.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import ceil, floor

# 7 % of 100 tasks are 7 experts, whatever binary fractions make of it.
_DIGITS = 9
# Where the target is one on average, answers are asked for above so many times the error that it allows.
_ASKED_ABOVE = 2.0


class Action(StrEnum):
    """What happens next to a task that has no answer outstanding."""

    SETTLE = "settle"
    WIDEN = "widen"
    ESCALATE = "escalate"
    WAIT = "wait"


class Basis(StrEnum):
    """What the target is asked of.

    EACH : of every label by itself. MEAN : of a project's labels on average; one may be less sure where others are
    surer.
    """

    EACH = "each"
    MEAN = "mean"


class Fallback(StrEnum):
    """What happens to a task that wants an expert when none is left for it.

    WIDEN : it is asked on to its largest overlap, then settled and flagged. PARK : it waits for one, as long as
    the project affords one at all. SETTLE : it is settled and flagged at once.
    """

    WIDEN = "widen"
    PARK = "park"
    SETTLE = "settle"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a project wants of its labels and what it pays for them.

    voter_votes_min : a consensus is believed once its voters have cast this many votes on average;
    before that their matrices are guesses. basis : what confidence_min is asked of. expert_price : of
    one expert decision, in answers. expert_share : expert decisions the project affords, as a share of
    its tasks. The defaults were found by replaying crowds whose majority is wrong together as well as
    easy ones.
    """

    overlap_min: int = 6
    overlap_max: int = 11
    confidence_min: float = 0.9
    basis: Basis = Basis.EACH
    voter_votes_min: float = 50.0
    expert_price: float = 30.0
    expert_share: float = 0.2
    without_expert: Fallback = Fallback.WIDEN

    @property
    def error_max(self) -> float:
        """The error that the target allows."""
        return 1.0 - self.confidence_min

    @property
    def asked_above(self) -> float:
        """The error from which on answers are asked for: most labels come out far surer than this."""
        return _ASKED_ABOVE * self.error_max if self.basis is Basis.MEAN else self.error_max


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one task stands, all its answers in.

    confidence : posterior probability of the consensus, discounted. gain : expected drop of
    1 - confidence by one more answer. voter_votes : votes that the task's voters have cast in the
    project, on average over them. drawn : for a spot check, see `is_drawn`. stake : what a wrong label
    costs, in answers; 0 where the target alone counts. contested : people are suspected to err
    together on it, so that its confidence says little.
    """

    n_answers: int
    confidence: float
    gain: float
    voter_votes: float
    drawn: bool = False
    stake: float = 0.0
    contested: bool = False

    @property
    def error(self) -> float:
        """Probability that the consensus is wrong."""
        return 1.0 - self.confidence

    @property
    def loss(self) -> float:
        """What the label is expected to cost by being wrong; a task without a stake counts as one answer."""
        return self.error * (self.stake or 1.0)


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the project stands.

    n_escalated : tasks an expert decided or has been asked about; n_settled : all other settled
    ones. n_outstanding : answers still open or leased and adjudications not made yet; 0 means that
    nothing more will come unless it is asked for. experts_left : how many more tasks experts may get
    today; None where days do not matter. error_settled : errors of the n_settled labels when they were
    settled, added up; for a target on average.
    """

    n_tasks: int
    n_settled: int
    n_escalated: int
    n_outstanding: int
    experts_left: int | None = None
    error_settled: float = 0.0

    def after(self, n_handed: int) -> "Progress":
        """The same once so many more tasks have gone to experts."""
        left = None if self.experts_left is None else self.experts_left - n_handed
        return replace(self, n_escalated=self.n_escalated + n_handed, experts_left=left)


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with a task, and why: a sentence for its dossier.

    flagged : settled without all that the project asked for: below its target, or without the expert
    that it should have seen.
    """

    action: Action
    reason: str
    flagged: bool = False


def decide_all(standings: Sequence[Standing], rule: Rule, progress: Progress) -> list[Decision]:
    """Decide about several tasks, in their order; experts go where the largest loss is expected first."""
    decisions = [decide(standing, rule, progress, experts_left=1) for standing in standings]
    wanting = [i for i, found in enumerate(decisions) if found.action is Action.ESCALATE]
    # A spot check that only the hardest tasks got would say nothing of the others.
    wanting.sort(key=lambda i: (not standings[i].contested, not standings[i].drawn, -standings[i].loss))
    sure = [standing for standing, found in zip(standings, decisions, strict=True) if found.action is Action.SETTLE]
    n_asking = _n_asking([standings[i] for i in wanting], sure, rule, progress)
    asking, spared = wanting[:n_asking], wanting[n_asking:]
    n_handed = min(expert_budget(rule, progress, n_wanting=len(asking)), len(asking))
    after = progress.after(n_handed)
    for i in asking[n_handed:]:
        decisions[i] = decide(standings[i], rule, after, experts_left=0)
    n_settled = sum(found.action is Action.SETTLE for found in decisions)
    final = progress.n_outstanding == 0 and n_settled + len(spared) == len(standings)
    for i in spared:
        decisions[i] = _when_spared(standings[i], rule, final=final)
    return decisions


def decide(standing: Standing, rule: Rule, progress: Progress, *, experts_left: int) -> Decision:
    """Decide about one task; experts_left is how many tasks may go to an expert now.

    Settle when sure enough, by voters known well enough, and when nothing saves more than it costs.
    Else ask on while the error an answer takes away is worth its price against the expert's, who
    takes away all of it. Else escalate.
    """
    have = f"confidence {standing.confidence:.2f} after {_answers(standing.n_answers)}"
    if standing.n_answers < min(rule.overlap_min, rule.overlap_max):
        return Decision(Action.WIDEN, f"{have}: every task gets {rule.overlap_min}")
    if standing.contested or standing.drawn:
        return _for_an_expert(standing, rule, progress, have, experts_left)
    return _by_confidence(standing, rule, progress, have, experts_left)


def is_drawn(secret: bytes, what_for: str, task_id: str, share: float) -> bool:
    """Whether a task is among the share that is drawn for something, by chance and always the same.

    secret : the house's own; without it nobody can tell which tasks are drawn. For a spot check an expert decides a
    task whatever the crowd says: that tells how far the crowd can be trusted on the others.
    """
    number = int.from_bytes(hmac.digest(secret, f"{what_for}\n{task_id}".encode(), hashlib.sha256)[:8])
    return number < share * 2**64


def expert_budget(rule: Rule, progress: Progress, *, n_wanting: int) -> int:
    """How many tasks may go to an expert now, when n_wanting should.

    While anything is outstanding experts are handed out in step with the tasks that are through
    with the crowd: the first ones would use up what later ones need more.
    """
    if progress.n_outstanding == 0:
        allowed = ceil(round(rule.expert_share * progress.n_tasks, _DIGITS))
    else:
        n_through = progress.n_settled + progress.n_escalated + n_wanting
        allowed = floor(round(rule.expert_share * n_through, _DIGITS))
    left = max(allowed - progress.n_escalated, 0)
    return left if progress.experts_left is None else min(left, max(progress.experts_left, 0))


def _n_asking(wanting: Sequence[Standing], sure: Sequence[Standing], rule: Rule, progress: Progress) -> int:
    """How many of those who want an expert, in their order, need one if the target is to be reached on average."""
    if rule.basis is Basis.EACH:
        return len(wanting)
    n_through = progress.n_settled + progress.n_escalated + len(sure) + len(wanting)
    spare = rule.error_max * n_through - progress.error_settled - sum(standing.error for standing in sure)
    n_asking = len(wanting)
    for standing in reversed(wanting):
        spare -= standing.error
        bound = standing.contested or standing.drawn or standing.error * standing.stake > rule.expert_price
        if spare < 0.0 or bound:
            break
        n_asking -= 1
    return n_asking


def _when_spared(standing: Standing, rule: Rule, *, final: bool) -> Decision:
    short = f"confidence {standing.confidence:.2f} after {_answers(standing.n_answers)}"
    if final:
        return Decision(Action.SETTLE, f"{short}: with it the project reaches {rule.confidence_min:.2f} on average")
    return Decision(Action.WAIT, f"{short}: it may do if other tasks become sure enough")


def _for_an_expert(standing: Standing, rule: Rule, progress: Progress, have: str, experts_left: int) -> Decision:
    """Contested or drawn: an expert decides however sure the crowd is."""
    why = "its voters may err together" if standing.contested else "it is drawn for a spot check"
    if experts_left > 0:
        return Decision(Action.ESCALATE, f"{have}; {why}: an expert decides")
    waiting = _why_wait(rule, progress)
    if waiting:
        return Decision(Action.WAIT, f"{have}; {why}; {waiting}")
    found = _by_confidence(standing, rule, progress, have, experts_left)
    return replace(found, flagged=found.flagged or (standing.contested and found.action is Action.SETTLE))


def _by_confidence(standing: Standing, rule: Rule, progress: Progress, have: str, experts_left: int) -> Decision:
    if standing.confidence < rule.confidence_min:
        short = f"{have} is below the target {rule.confidence_min:.2f}"
        return _when_unsure(standing, rule, progress, short, experts_left)
    reached = f"{have} reached the target {rule.confidence_min:.2f}"
    costs = f"{reached}, but a wrong label costs {standing.stake:.0f} answers"
    if _answer_pays(standing, rule) or standing.error * standing.stake > rule.expert_price:
        return _when_unsure(standing, rule, progress, costs, experts_left)
    return _when_sure(standing, rule, progress, reached)


def _when_sure(standing: Standing, rule: Rule, progress: Progress, reached: str) -> Decision:
    if progress.n_outstanding == 0 or standing.voter_votes >= rule.voter_votes_min:
        return Decision(Action.SETTLE, reached)
    cast = f"{standing.voter_votes:.0f} votes each of {rule.voter_votes_min:.0f}"
    return Decision(Action.WAIT, f"{reached}, but its voters are little known yet: {cast}")


def _when_unsure(standing: Standing, rule: Rule, progress: Progress, short: str, experts_left: int) -> Decision:
    """Below the target, or above it where the stake is high: the better bargain of an answer and an expert."""
    may_widen = standing.n_answers < rule.overlap_max
    worth = f"one more answer is expected to lower the error by {standing.gain:.3f}"
    near = rule.error_max < standing.error <= rule.asked_above and not _answer_pays(standing, rule)
    if may_widen and not near and standing.gain * rule.expert_price >= standing.error:
        return Decision(Action.WIDEN, f"{short}; {worth}")
    if experts_left > 0:
        futile = "near enough to ask the crowd no more" if near else "another answer costs more than it helps"
        why = futile if may_widen else "no more may be asked"
        return Decision(Action.ESCALATE, f"{short} and {why}: an expert decides")
    waiting = _why_wait(rule, progress)
    if waiting:
        return Decision(Action.WAIT, f"{short}; {waiting}")
    below = standing.confidence < rule.confidence_min
    if may_widen and (_answer_pays(standing, rule) or (below and rule.without_expert is not Fallback.SETTLE)):
        return Decision(Action.WIDEN, f"{short}; no expert is left, so one more worker is asked")
    left = "no expert is left" if may_widen else "neither answers nor experts are left"
    return Decision(Action.SETTLE, f"{short}; {left}", flagged=True)


def _answer_pays(standing: Standing, rule: Rule) -> bool:
    """Whether one more answer is expected to save more than its price."""
    return standing.n_answers < rule.overlap_max and standing.gain * standing.stake > 1.0


def _why_wait(rule: Rule, progress: Progress) -> str | None:
    """Why a task that an expert should see waits although none is left for it; None if it does not."""
    if progress.n_outstanding > 0 and progress.experts_left != 0:
        return "other tasks need the experts more" if rule.expert_share > 0 else None
    if rule.without_expert is not Fallback.PARK or not _affords(rule, progress):
        return None
    return "it waits for an expert, of whom none is free"


def _affords(rule: Rule, progress: Progress) -> bool:
    """Whether any expert can still come, today or later."""
    if progress.n_outstanding > 0:
        return rule.expert_share > 0
    return expert_budget(rule, replace(progress, experts_left=None), n_wanting=0) > 0


def _answers(n_answers: int) -> str:
    return "1 answer" if n_answers == 1 else f"{n_answers} answers"

"""Settle a task, ask one more worker, or call an expert: the rule, in pure functions.

Numbers in, decisions with their reasons out. What a decision changes (closing a task, widening it, opening an
adjudication) is the caller's business; the numbers come from `quality.methods`.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import ceil, floor

# 7 % of 100 tasks are 7 experts, whatever binary fractions make of it.
_DIGITS = 9


class Fallback(StrEnum):
    """What becomes of a task that wants an expert when none is free."""

    WIDEN = "widen"
    PARK = "park"
    SETTLE = "settle"


class Action(StrEnum):
    """What happens next to a task that has no answer outstanding."""

    SETTLE = "settle"
    WIDEN = "widen"
    ESCALATE = "escalate"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a project wants of its labels and what it pays for them.

    voter_votes_min : a consensus is believed once its voters have cast this many votes on average;
    before that their matrices are guesses. expert_price : of one expert decision, in answers.
    expert_share : expert decisions the project affords, as a share of its tasks. The defaults were
    found by replaying crowds whose majority is wrong together as well as easy ones.
    """

    overlap_min: int = 6
    overlap_max: int = 13
    confidence_min: float = 0.9
    voter_votes_min: float = 50.0
    expert_price: float = 30.0
    expert_share: float = 0.2
    without_expert: Fallback = Fallback.WIDEN


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one task stands, all its answers in.

    confidence : posterior probability of the consensus, discounted. gain : expected drop of
    1 - confidence by one more answer. voter_votes : votes that the task's voters have cast in the
    project, on average over them. drawn : for a spot check, see `is_drawn`.
    """

    n_answers: int
    confidence: float
    gain: float
    voter_votes: float
    drawn: bool = False
    contested: bool = False
    stake: float = 0.0

    @property
    def error(self) -> float:
        """Probability that the consensus is wrong."""
        return 1.0 - self.confidence


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the project stands.

    n_escalated : tasks an expert decided or has been asked about; n_settled : all other settled
    ones. n_outstanding : answers still open or leased and adjudications not made yet; 0 means that
    nothing more will come unless it is asked for.
    """

    n_tasks: int
    n_settled: int
    n_escalated: int
    n_outstanding: int
    experts_left: int | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with a task, and why: a sentence for its dossier.

    flagged : settled below the confidence the project asked for.
    """

    action: Action
    reason: str
    flagged: bool = False


def decide_all(standings: Sequence[Standing], rule: Rule, progress: Progress) -> list[Decision]:
    """Decide about several tasks, in their order; experts go to the largest errors first."""
    decisions = [decide(standing, rule, progress, experts_left=1) for standing in standings]
    wanting = [i for i, found in enumerate(decisions) if found.action is Action.ESCALATE]
    # A spot check that only the hardest tasks got would say nothing of the others.
    wanting.sort(key=lambda i: (not standings[i].drawn, -standings[i].error))
    for i in wanting[expert_budget(rule, progress, n_wanting=len(wanting)) :]:
        decisions[i] = decide(standings[i], rule, progress, experts_left=0)
    return decisions


def decide(standing: Standing, rule: Rule, progress: Progress, *, experts_left: int) -> Decision:
    """Decide about one task; experts_left is how many tasks may go to an expert now.

    Settle when sure enough, by voters known well enough. Else ask on while the error an answer
    takes away is worth its price against the expert's, who takes away all of it. Else escalate.
    """
    have = f"confidence {standing.confidence:.2f} after {_answers(standing.n_answers)}"
    if standing.n_answers < min(rule.overlap_min, rule.overlap_max):
        return Decision(Action.WIDEN, f"{have}: every task gets {rule.overlap_min}")
    if standing.confidence >= rule.confidence_min:
        reached = f"{have} reached the target {rule.confidence_min:.2f}"
        return _when_sure(standing, rule, progress, reached, experts_left)
    short = f"{have} is below the target {rule.confidence_min:.2f}"
    return _when_unsure(standing, rule, progress, short, experts_left)


def is_drawn(task_id: str, spot_share: float) -> bool:
    """Whether a task is drawn for a spot check: so large a share is, and nobody outside can tell which.

    An expert decides it whatever the crowd says. It tells how far the crowd can be trusted on the others.
    """
    number = int.from_bytes(hashlib.sha256(task_id.encode()).digest()[:8])
    return number < spot_share * 2**64


def _when_sure(standing: Standing, rule: Rule, progress: Progress, reached: str, experts_left: int) -> Decision:
    if progress.n_outstanding == 0 or standing.voter_votes >= rule.voter_votes_min:
        if standing.drawn and experts_left > 0:
            return Decision(Action.ESCALATE, f"{reached}; it is drawn for a spot check: an expert decides")
        return Decision(Action.SETTLE, reached)
    cast = f"{standing.voter_votes:.0f} votes each of {rule.voter_votes_min:.0f}"
    return Decision(Action.WAIT, f"{reached}, but its voters are little known yet: {cast}")


def _when_unsure(standing: Standing, rule: Rule, progress: Progress, short: str, experts_left: int) -> Decision:
    may_widen = standing.n_answers < rule.overlap_max
    if may_widen and standing.gain * rule.expert_price >= standing.error:
        worth = f"one more answer is expected to lower the error by {standing.gain:.3f}"
        return Decision(Action.WIDEN, f"{short}; {worth}")
    if experts_left > 0:
        why = "another answer costs more than it helps" if may_widen else "no more may be asked"
        return Decision(Action.ESCALATE, f"{short} and {why}: an expert decides")
    if progress.n_outstanding > 0 and rule.expert_share > 0:
        return Decision(Action.WAIT, f"{short}; other tasks need the experts more")
    if rule.without_expert == Fallback.PARK:
        return Decision(Action.WAIT, f"{short}; it waits for an expert")
    if may_widen:
        return Decision(Action.WIDEN, f"{short}; no expert is left, so one more worker is asked")
    return Decision(Action.SETTLE, f"{short}; neither answers nor experts are left", flagged=True)


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
    return left if progress.experts_left is None else min(left, progress.experts_left)


def _answers(n_answers: int) -> str:
    return "1 answer" if n_answers == 1 else f"{n_answers} answers"

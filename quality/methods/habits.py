"""How voters answer, whatever they answer: too fast to have read, in a pattern of labels, in step with somebody else.

On the scale of `evidence`. What honest people do too is taken from the crowd itself: labels that repeat because tasks
are alike, two who work in the same hours.
"""

import numpy as np

from quality.methods.collusion import Hearing, beyond, copied, shared_errors
from quality.methods.evidence import Evidence, Kind, enough
from quality.methods.votes import BoolArray, FloatArray, Votes

# A label is compared with the voter's own of so many answers before.
_PERIODS = (1, 2, 3, 4, 5, 6, 7, 8)
# Two accounts are compared where so many answers came within the window of each other.
_MEETINGS_MIN = 10
# An answer is compared with so many of those that came right after it at most.
_AHEAD = 20
# The same two, moved against each other by so many windows: what chance makes of their hours.
_SHIFTS = np.concatenate((np.arange(-60, -4, 4), np.arange(5, 61, 4))).astype(np.float64)


def too_fast(votes: Votes, fast: BoolArray, *, allowed: float = 0.1, alpha: float = 0.01) -> list[Evidence]:
    """Evidence of answers that came faster than anybody reads, by voter.

    fast : (n_votes,), which came in less time than reading takes at the least. allowed : the share of answers that an
    honest voter may give so fast, by slips or repeated tasks; if half of the crowd gives more of them, the time is too
    long, and what they give is allowed. Chernoff's bound of the binomial tail.
    """
    n_answers = votes.per_voter()
    n_fast = np.bincount(votes.voters[fast], minlength=votes.n_voters)
    here = n_answers > 0
    if not here.any():
        return []
    share = n_fast / np.maximum(n_answers, 1)
    usual = min(max(allowed, float(np.median(share[here]))), 0.99)
    against = np.where(share > usual, n_answers * _divergence(share, usual), 0.0)
    threshold = enough(alpha, float(here.sum()))
    return [
        Evidence(
            kind=Kind.TOO_FAST,
            voters=(int(voter),),
            statistic=float(against[voter]),
            threshold=threshold,
            answers=int(n_answers[voter]),
            sentence=f"{n_fast[voter]} of {n_answers[voter]} answers came faster than the task can be read; "
            f"of an honest worker at most {usual:.0%} do.",
        )
        for voter in np.flatnonzero(against >= threshold)
    ]


def _divergence(share: FloatArray, usual: float) -> FloatArray:
    """Of a coin that falls so often from the usual coin (Kullback and Leibler 1951)."""
    inner = np.clip(share, 1e-12, 1.0 - 1e-12)
    found: FloatArray = inner * np.log(inner / usual) + (1.0 - inner) * np.log((1.0 - inner) / (1.0 - usual))
    return found


def patterns(votes: Votes, times: FloatArray, hearing: Hearing, *, alpha: float = 0.01) -> list[Evidence]:
    """Evidence of labels that repeat with a period, whatever is shown: runs of one label (period 1), 1-2-3-1-2-3.

    times : (n_votes,), of the answers, any scale. Like copying, with the voter's own earlier answer for the source:
    only errors count, beyond what the voter's matrix explains and beyond how far the crowd's errors repeat. Who always
    clicks the same label has a matrix that says so, and is found by the sequential test.
    """
    order = np.lexsort((votes.tasks, times, votes.voters))
    voters, labels = votes.voters[order], votes.labels[order]
    threshold = enough(alpha, votes.n_voters * len(_PERIODS))
    against = np.zeros((len(_PERIODS), votes.n_voters))
    for row, period in enumerate(_PERIODS):
        now = np.flatnonzero(voters[period:] == voters[:-period]) + period if votes.size > period else order[:0]
        given = hearing.confusion[voters[now], :, labels[now]]
        found = copied(hearing.believed[order[now]], given, labels[now], labels[now - period])
        against[row] = beyond(found, shared_errors(found), voters[now], votes.n_voters)
    best = against.argmax(axis=0)
    n_answers = votes.per_voter()
    return [
        Evidence(
            kind=Kind.PATTERN,
            voters=(int(voter),),
            statistic=float(against[best[voter], voter]),
            threshold=threshold,
            answers=int(n_answers[voter]),
            sentence=_repeats(_PERIODS[best[voter]], int(n_answers[voter])),
        )
        for voter in np.flatnonzero(against.max(axis=0) >= threshold)
    ]


def _repeats(period: int, n_answers: int) -> str:
    before = "the answer before" if period == 1 else f"their own answer {period} tasks before"
    return f"Wrong labels among {n_answers} answers repeat {before} more often than the tasks explain."


def lockstep(votes: Votes, times: FloatArray, *, window: float = 2.0, alpha: float = 0.01) -> list[Evidence]:
    """Evidence of two voters who answer within a moment of each other again and again, the strongest first.

    times : (n_votes,), seconds. What two make by chance who work in the same hours is counted after moving one of them
    by some windows, back and forth. Only pairs that met ten times are looked at, among the twenty answers after each:
    work grows with the answers, not with the square of the voters.
    """
    pairs, n_met = _near(votes, times, window)
    threshold = enough(alpha, n_met)
    order = np.lexsort((times, votes.voters))
    starts = np.searchsorted(votes.voters[order], np.arange(votes.n_voters + 1))
    of_voter = np.split(times[order], starts[1:-1])
    found = []
    for first, second in pairs:
        one, other = of_voter[first], of_voter[second]
        (n_close, against), (_, back) = _together(one, other, window), _together(other, one, window)
        if min(against, back) >= threshold:
            found.append(
                Evidence(
                    kind=Kind.LOCKSTEP,
                    voters=(first, second),
                    statistic=min(against, back),
                    threshold=threshold,
                    answers=one.size,
                    sentence=f"{n_close} of {one.size} answers came within {window:g} seconds of one by the other "
                    f"account; two people who work in the same hours do not keep in step.",
                )
            )
    return sorted(found, key=lambda evidence: (-evidence.statistic, evidence.voters))


def _near(votes: Votes, times: FloatArray, window: float) -> tuple[list[tuple[int, int]], int]:
    """Pairs of voters who met within the window often enough to be looked at, and how many pairs met at all."""
    order = np.lexsort((votes.voters, times))
    voters, at = votes.voters[order], times[order]
    met = [np.empty(0, dtype=np.int64)]
    for ahead in range(1, min(_AHEAD, votes.size - 1) + 1):
        low, high = np.minimum(voters[ahead:], voters[:-ahead]), np.maximum(voters[ahead:], voters[:-ahead])
        close = (at[ahead:] - at[:-ahead] <= window) & (low != high)
        met.append((low * votes.n_voters + high)[close])
    codes, n_met = np.unique(np.concatenate(met), return_counts=True)
    often = codes[n_met >= _MEETINGS_MIN].tolist()
    return [divmod(code, votes.n_voters) for code in often], codes.size


def _together(one: FloatArray, other: FloatArray, window: float) -> tuple[int, float]:
    """How many of one's answers have one of the other's within the window, and how much that is beyond chance.

    Chernoff's bound of the Poisson tail; divided by how much more than a Poisson count the moved ones vary.
    """
    met = _within(one, other, window)
    moved = np.array([_within(one, other + shift * window, window) for shift in _SHIFTS])
    chance = max(float(moved.mean()), 1.0)
    wider = max(float(moved.var()) / chance, 1.0)
    beyond_chance = met * np.log(met / chance) - (met - chance) if met > chance else 0.0
    return met, float(beyond_chance / wider)


def _within(one: FloatArray, other: FloatArray, window: float) -> int:
    return int((np.searchsorted(other, one + window, side="right") > np.searchsorted(other, one - window)).sum())

"""Gold in a fit, so weighed that it cannot become a weapon: answers to it can be shared among those who know it."""

import numpy as np

from quality.methods.votes import UNKNOWN, IntArray, Votes


def capped(votes: Votes, known: IntArray, *, per_vote: float = 0.1) -> Votes:
    """The votes for a fit: of each voter's on known tasks, no more than a share of their others, rounded up.

    known : (n_tasks,), a class or UNKNOWN. Kept are votes on what the fewest have met, which is the least likely to
    have got about; among equals those on the lowest task. A test of voters goes by all their gold.
    """
    on_gold = known[votes.tasks] != UNKNOWN
    most = np.ceil(per_vote * np.bincount(votes.voters[~on_gold], minlength=votes.n_voters))
    gold = np.flatnonzero(on_gold)
    gold = gold[np.lexsort((votes.tasks[gold], votes.per_task()[votes.tasks[gold]], votes.voters[gold]))]
    whose = votes.voters[gold]
    nth = np.arange(gold.size) - np.searchsorted(whose, whose)
    kept = np.sort(np.concatenate((np.flatnonzero(~on_gold), gold[nth < most[whose]])))
    return Votes(
        votes.tasks[kept], votes.voters[kept], votes.labels[kept], votes.n_tasks, votes.n_voters, votes.n_classes
    )

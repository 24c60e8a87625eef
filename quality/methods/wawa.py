"""Wawa, worker agreement with aggregate: a majority vote in which each counts by how often they went with the first."""

from quality.methods import majority
from quality.methods.aggregate import Aggregate, Told, quiet
from quality.methods.votes import IntArray, Votes, rows


def aggregate(votes: Votes, *, known: IntArray | None = None, told: Told = quiet) -> Aggregate:
    """One vote, one look at who agrees with it, one weighted vote (named by Appen; as crowd-kit does it).

    Where the first vote is tied, its labels share the credit.
    """
    first = majority.aggregate(votes, known=known).posterior
    winners = rows((first >= first.max(axis=1, keepdims=True)).astype(float))
    skill = majority.agreement(votes, winners)
    found = majority.clamped(majority.weighted(votes, skill), known)
    told(2, 0.0)
    return Aggregate(posterior=found, reliability=skill, n_iter=2, converged=True)

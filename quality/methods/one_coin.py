"""One-coin Dawid-Skene: a voter is right with one probability, whatever the class, and else wrong at random.

The class prior is uniform: a learned one runs away to a single class where people are weak.
"""

import numpy as np

from quality.methods import em
from quality.methods.aggregate import Aggregate, Told, quiet
from quality.methods.em import Tables
from quality.methods.special import digamma
from quality.methods.votes import FloatArray, IntArray, Votes

# Beta(2.8, 1.2): seven right in ten, as sure as four votes make it.
_RIGHT, _WRONG = 2.8, 1.2


def aggregate(
    votes: Votes,
    *,
    known: IntArray | None = None,
    tol: float = em.TOL,
    max_iter: int = em.ITER_MAX,
    told: Told = quiet,
) -> Aggregate:
    """Variational Bayes with a Beta prior on every accuracy (after Li, Yu and Zhou 2013)."""
    tasks = em.Tasks(votes, known=known)
    n_each = votes.per_voter().astype(np.float64)
    eye = np.eye(votes.n_classes)

    def estimate(counts: FloatArray, per_class: FloatArray) -> Tables:
        right = np.diagonal(counts, axis1=1, axis2=2).sum(axis=1) + _RIGHT
        wrong = n_each + _RIGHT + _WRONG - right
        whole = digamma(right + wrong)
        hit, miss = digamma(right) - whole, digamma(wrong) - whole - np.log(max(votes.n_classes - 1, 1))
        logs = np.where(eye > 0, hit[:, np.newaxis, np.newaxis], miss[:, np.newaxis, np.newaxis])
        return Tables(logs, np.zeros_like(per_class))

    found = em.climb(
        tasks,
        estimate,
        tol=tol,
        max_iter=max_iter,
        may_fall=np.inf,
        told=told,
    )
    right = np.diagonal(found.counts, axis1=1, axis2=2).sum(axis=1)
    return Aggregate(
        posterior=tasks.posterior(),
        reliability=(right + _RIGHT) / (n_each + _RIGHT + _WRONG),
        n_iter=found.n_iter,
        converged=found.converged,
    )

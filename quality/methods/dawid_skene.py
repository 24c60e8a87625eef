"""Dawid-Skene as in the textbook: maximum likelihood by EM, or with a light prior that keeps zeros out of matrices.

`hierarchical.py` is what the product runs on; this is what it is compared with.
"""

import numpy as np

from quality.methods import em
from quality.methods.aggregate import Aggregate, Told, quiet
from quality.methods.em import Tables
from quality.methods.fit import Fit
from quality.methods.votes import FloatArray, IntArray, Votes, log, rows


def fit(
    votes: Votes,
    *,
    known: IntArray | None = None,
    smoothing: float | FloatArray = 0.0,
    tol: float = em.TOL,
    objective_tol: float = 0.0,
    max_iter: int = em.ITER_MAX,
    accelerate: bool = False,
    told: Told = quiet,
) -> Fit:
    """Matrices, class prior and posteriors by EM (Dawid and Skene 1979, eq. 2.3 to 2.5); the objective never falls.

    smoothing : expected votes added to every cell of a matrix, one number or (n_classes, n_classes), axes
    [true, given], which makes it the most probable one under Dirichlet(1 + smoothing) instead of the likeliest. A row
    without any expected vote is uniform; a task nobody voted on is left out of the class prior, as it is in the paper.
    """
    return fit_crowd(
        em.Tasks(votes, known=known, silent_count=False),
        smoothing=smoothing,
        tol=tol,
        objective_tol=objective_tol,
        max_iter=max_iter,
        accelerate=accelerate,
        told=told,
    )


def fit_crowd(
    crowd: em.Crowd,
    *,
    smoothing: float | FloatArray = 0.0,
    tol: float = em.TOL,
    objective_tol: float = 0.0,
    max_iter: int = em.ITER_MAX,
    accelerate: bool = False,
    told: Told = quiet,
) -> Fit:
    """The same, wherever the tasks are; silent ones count in the class prior if the crowd counts them."""

    def estimate(counts: FloatArray, per_class: FloatArray) -> Tables:
        logs = log(rows(counts + smoothing))
        return Tables(logs, log(rows(per_class)), float((smoothing * logs).sum()))

    found = em.climb(
        crowd,
        estimate,
        tol=tol,
        objective_tol=objective_tol,
        max_iter=max_iter,
        may_fall=0.0 if accelerate else None,
        told=told,
    )
    return Fit(
        posterior=crowd.posterior(),
        counts=found.counts,
        confusion=rows(found.counts + smoothing),
        pool=rows(found.counts.sum(axis=0) + smoothing),
        prior=np.exp(found.tables.log_prior),
        weights=(found.counts + smoothing).sum(axis=2),
        objective=found.objective,
        n_iter=found.n_iter,
        converged=found.converged,
    )


def aggregate(votes: Votes, *, known: IntArray | None = None, told: Told = quiet) -> Aggregate:
    """Maximum likelihood, and the posteriors as the paper has them."""
    found = fit(votes, known=known, objective_tol=em.OBJECTIVE_TOL, told=told)
    return Aggregate(found.posterior, found.reliability, found.n_iter, found.converged)

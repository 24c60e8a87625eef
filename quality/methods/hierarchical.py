"""Hierarchical Bayesian Dawid-Skene: the model Rookery runs on. Voters lean on the crowd until their votes say more.

Row j of voter w ~ Dirichlet(STRENGTH * centre[w, j]). A centre has the crowd's accuracy on its diagonal, moved by how
much better or worse than the crowd the voter did over all classes, and the crowd's errors beside it: with few votes a
voter is a one-coin voter at the crowd's level, with many they have a matrix of their own. The class prior is
Dirichlet(1). Fitted by variational Bayes (Kim and Ghahramani 2012; Li, Rubinstein and Cohn 2019, section 3), with the
centres and the crowd's matrix estimated along the way.
"""

import numpy as np

from quality.methods import em, reading
from quality.methods.aggregate import Aggregate, Told, quiet
from quality.methods.em import Tables
from quality.methods.fit import Fit
from quality.methods.special import digamma, log_gamma
from quality.methods.votes import FloatArray, IntArray, Votes, logit, rows

STRENGTH = 4.0
# Before anybody has voted, a voter is taken to be right seven times in ten.
_START_ACCURACY = 0.7
# The bound falls by itself where centres move; a stride may cost as much, in logarithms.
_MAY_FALL = 1.0


def fit(
    votes: Votes,
    *,
    known: IntArray | None = None,
    tol: float = em.TOL,
    objective_tol: float = 0.0,
    max_iter: int = em.ITER_MAX,
    accelerate: bool = True,
    told: Told = quiet,
) -> Fit:
    """Matrices of voters and posteriors of tasks, from the shares of the votes on.

    known : (n_tasks,) labels that are certain, from gold or an adjudication, else UNKNOWN. objective of the result :
    the evidence's lower bound under the centres as they stand; it may fall a little where they move.
    """
    tasks = em.Tasks(votes, known=known)
    return fit_crowd(tasks, tol=tol, objective_tol=objective_tol, max_iter=max_iter, accelerate=accelerate, told=told)


def fit_crowd(
    crowd: em.Crowd,
    *,
    tol: float = em.TOL,
    objective_tol: float = 0.0,
    max_iter: int = em.ITER_MAX,
    accelerate: bool = True,
    told: Told = quiet,
) -> Fit:
    """The same, wherever the tasks are."""
    found = em.climb(
        crowd,
        estimate,
        tol=tol,
        objective_tol=objective_tol,
        max_iter=max_iter,
        may_fall=_MAY_FALL if accelerate else None,
        told=told,
    )
    weights, pool = concentration(found.counts)
    classes = found.seen.per_class + 1.0
    return Fit(
        posterior=crowd.posterior(),
        counts=found.counts,
        confusion=rows(weights),
        pool=pool,
        prior=classes / classes.sum(),
        weights=weights.sum(axis=2),
        objective=found.objective,
        n_iter=found.n_iter,
        converged=found.converged,
    )


def aggregate(votes: Votes, *, known: IntArray | None = None, told: Told = quiet) -> Aggregate:
    """A fit and its read-out; known labels, which should be a random sample, also tell how far to trust votes."""
    found = fit(votes, known=known, objective_tol=em.OBJECTIVE_TOL, told=told)
    trust = reading.DEFAULT if known is None else reading.calibrated(votes, found, known=known)
    return Aggregate(
        posterior=reading.read(votes, found, known=known, trust=trust),
        reliability=found.reliability,
        n_iter=found.n_iter,
        converged=found.converged,
    )


def estimate(counts: FloatArray, per_class: FloatArray) -> Tables:
    """Expected logarithms under what the counts make of the priors; see `em.Estimate`."""
    weights, _ = concentration(counts)
    logs = _expected_logs(weights)
    classes = per_class + 1.0
    log_prior = _expected_logs(classes)
    penalty = _divergence(classes, np.ones_like(classes), log_prior) + _divergence(weights, weights - counts, logs)
    return Tables(logs, log_prior, -penalty)


def concentration(counts: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Parameters of every voter's rows, (n_voters, n_classes, n_classes), and the crowd's matrix, axes [true, given].

    counts : expected votes, axes [voter, true, given]. The parameters less the counts are the prior, so a voter
    without votes has the crowd's matrix.
    """
    pool = rows(counts.sum(axis=0) + STRENGTH * _start(counts.shape[1]))
    return counts + STRENGTH * _centres(counts, pool), pool


def _centres(counts: FloatArray, pool: FloatArray) -> FloatArray:
    """Where each voter's rows are drawn to, (n_voters, n_classes, n_classes), rows sum to 1.

    The diagonal is the pool's, moved on the logit scale by how much better or worse than the pool
    the voter did over all classes, itself drawn to the pool by STRENGTH votes; errors go where
    the pool's errors go.
    """
    n_classes = pool.shape[0]
    if n_classes == 1:
        return np.ones_like(counts)
    pool_right = np.diagonal(pool)
    right = np.diagonal(counts, axis1=1, axis2=2).sum(axis=1)
    asked = counts.sum(axis=2)
    level = STRENGTH * pool_right.mean()
    n_votes = asked.sum(axis=1)
    own = logit((right + level) / (n_votes + STRENGTH))
    usual = logit((asked @ pool_right + level) / (n_votes + STRENGTH))
    diagonal = 1.0 / (1.0 + np.exp(-logit(pool_right) - (own - usual)[:, np.newaxis]))
    eye = np.eye(n_classes)
    errors = rows(pool * (1.0 - eye))
    return diagonal[:, :, np.newaxis] * eye + (1.0 - diagonal)[:, :, np.newaxis] * errors


def _start(n_classes: int) -> FloatArray:
    """The pool before any vote, (n_classes, n_classes): mostly right, errors spread evenly."""
    if n_classes == 1:
        return np.ones((1, 1))
    spread = np.full((n_classes, n_classes), (1.0 - _START_ACCURACY) / (n_classes - 1))
    np.fill_diagonal(spread, _START_ACCURACY)
    return spread


def _expected_logs(weights: FloatArray) -> FloatArray:
    """Expected logarithms under Dirichlet(weights) over the last axis."""
    return digamma(weights) - digamma(weights.sum(axis=-1, keepdims=True))


def _divergence(weights: FloatArray, prior: FloatArray, logs: FloatArray) -> float:
    """Sum of the divergences of Dirichlet(weights) from Dirichlet(prior); logs : expected under the former."""
    scale = log_gamma(weights.sum(axis=-1)) - log_gamma(prior.sum(axis=-1))
    shape = log_gamma(prior) - log_gamma(weights) + (weights - prior) * logs
    return float(scale.sum() + shape.sum())

"""Hierarchical Bayesian Dawid-Skene: the model Rookery runs on. Voters lean on the crowd until their votes say more.

Row j of voter w ~ Dirichlet(STRENGTH * centre[w, j]). A centre has the crowd's accuracy on its diagonal, moved by how
much better or worse than the crowd the voter did over all classes, and the crowd's errors beside it: with few votes a
voter is a one-coin voter at the crowd's level, with many they have a matrix of their own. The class prior is
Dirichlet(1). Fitted by variational Bayes (Kim and Ghahramani 2012; Li, Rubinstein and Cohn 2019, section 3), with the
centres and the crowd's matrix estimated along the way.
"""

from functools import partial

import numpy as np

from quality.methods import em, reading
from quality.methods.aggregate import Aggregate, Told, quiet
from quality.methods.em import Tables
from quality.methods.fit import Fit
from quality.methods.special import digamma, log_gamma
from quality.methods.votes import BoolArray, FloatArray, IntArray, Votes, logit, one_coin, rows

STRENGTH = 4.0
# Before anybody has voted, a voter is taken to be right seven times in ten.
_START_ACCURACY = 0.7
# What an expert is taken for before their votes say more: right so often, as if so many votes had shown it.
_EXPERT_ACCURACY, _EXPERT_STRENGTH = 0.97, 100.0
# The bound falls by itself where centres move; a stride may cost as much, in logarithms.
_MAY_FALL = 1.0


def fit(
    votes: Votes,
    *,
    known: IntArray | None = None,
    experts: BoolArray | None = None,
    tol: float = em.TOL,
    objective_tol: float = 0.0,
    max_iter: int = em.ITER_MAX,
    accelerate: bool = True,
    start: FloatArray | None = None,
    told: Told = quiet,
) -> Fit:
    """Matrices of voters and posteriors of tasks, from the shares of the votes on or from a start.

    start : (n_tasks, n_classes), posteriors that an earlier fit came to. known : (n_tasks,) labels that are certain,
    from gold or an adjudication, else UNKNOWN. experts : (n_voters,), who does not lean on the crowd, nor it on them:
    their votes begin with an expert's matrix. objective of the result : the evidence's lower bound under the centres as
    they stand; it may fall a little where they move.
    """
    return fit_crowd(
        em.Tasks(votes, known=known, start=start),
        experts=experts,
        tol=tol,
        objective_tol=objective_tol,
        max_iter=max_iter,
        accelerate=accelerate,
        told=told,
    )


def resumed(
    votes: Votes,
    counts: FloatArray,
    per_class: FloatArray,
    *,
    known: IntArray | None = None,
    experts: BoolArray | None = None,
) -> FloatArray:
    """Posteriors, (n_tasks, n_classes), that a fit which had come to these counts would have come to next.

    counts : (n_voters, n_classes, n_classes), of a voter whom it had not seen all zero; per_class : (n_classes,).
    """
    crowd = em.Tasks(votes, known=known)
    crowd.see(estimate(counts, per_class, experts=experts))
    return crowd.posterior()


def fit_crowd(
    crowd: em.Crowd,
    *,
    experts: BoolArray | None = None,
    tol: float = em.TOL,
    objective_tol: float = 0.0,
    max_iter: int = em.ITER_MAX,
    accelerate: bool = True,
    told: Told = quiet,
) -> Fit:
    """The same, wherever the tasks are."""
    found = em.climb(
        crowd,
        partial(estimate, experts=experts),
        tol=tol,
        objective_tol=objective_tol,
        max_iter=max_iter,
        may_fall=_MAY_FALL if accelerate else None,
        told=told,
    )
    weights, pool = concentration(found.counts, experts)
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


def aggregate(
    votes: Votes, *, known: IntArray | None = None, families: IntArray | None = None, told: Told = quiet
) -> Aggregate:
    """A fit and its read-out; known labels, which should be a random sample, also tell how far to trust votes.

    families : (n_voters,), as `reading.posterior`; whoever is APART is an expert.
    """
    experts = None if families is None else families == reading.APART
    found = fit(votes, known=known, experts=experts, objective_tol=em.OBJECTIVE_TOL, told=told)
    trust = reading.DEFAULT if known is None else reading.calibrated(votes, found, known=known, families=families)
    return Aggregate(
        posterior=reading.read(votes, found, known=known, trust=trust, families=families),
        reliability=found.reliability,
        n_iter=found.n_iter,
        converged=found.converged,
    )


def estimate(counts: FloatArray, per_class: FloatArray, *, experts: BoolArray | None = None) -> Tables:
    """Expected logarithms under what the counts make of the priors; see `em.Estimate`."""
    weights, _ = concentration(counts, experts)
    logs = expected_logs(weights)
    classes = per_class + 1.0
    log_prior = expected_logs(classes)
    penalty = _divergence(classes, np.ones_like(classes), log_prior) + _divergence(weights, weights - counts, logs)
    return Tables(logs, log_prior, -penalty)


def concentration(counts: FloatArray, experts: BoolArray | None = None) -> tuple[FloatArray, FloatArray]:
    """Parameters of every voter's rows, (n_voters, n_classes, n_classes), and the crowd's matrix, axes [true, given].

    counts : expected votes, axes [voter, true, given]; experts : (n_voters,). The parameters less the counts are the
    prior, so a voter without votes has the crowd's matrix, and an expert an expert's.
    """
    pool = pooled((counts if experts is None else counts[~experts]).sum(axis=0))
    return of_some(counts, pool, experts), pool


def pooled(total: FloatArray) -> FloatArray:
    """The crowd's matrix, axes [true, given], from the sum of the counts of all of it."""
    return rows(total + STRENGTH * one_coin(total.shape[0], _START_ACCURACY))


def of_some(counts: FloatArray, pool: FloatArray, experts: BoolArray | None = None) -> FloatArray:
    """Parameters of the rows of some voters beside a crowd whose matrix is known; see `concentration`."""
    weights = counts + STRENGTH * _centres(counts, pool)
    if experts is not None:
        weights[experts] = counts[experts] + _EXPERT_STRENGTH * expert(counts.shape[1])
    return weights


def expert(n_classes: int) -> FloatArray:
    """The matrix of an expert whose votes have not been seen, axes [true, given]."""
    return one_coin(n_classes, _EXPERT_ACCURACY)


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


def expected_logs(weights: FloatArray) -> FloatArray:
    """Expected logarithms under Dirichlet(weights) over the last axis."""
    return digamma(weights) - digamma(weights.sum(axis=-1, keepdims=True))


def _divergence(weights: FloatArray, prior: FloatArray, logs: FloatArray) -> float:
    """Sum of the divergences of Dirichlet(weights) from Dirichlet(prior); logs : expected under the former."""
    scale = log_gamma(weights.sum(axis=-1)) - log_gamma(prior.sum(axis=-1))
    shape = log_gamma(prior) - log_gamma(weights) + (weights - prior) * logs
    return float(scale.sum() + shape.sum())

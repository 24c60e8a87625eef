"""What a fit finds: the same for every method that knows a voter by a matrix."""

from dataclasses import dataclass

import numpy as np

from quality.methods.votes import FloatArray


@dataclass(frozen=True, slots=True)
class Fit:
    """What a fit found. Axes of matrices: [voter, true, given]; every row sums to 1.

    posterior : (n_tasks, n_classes), undiscounted. counts : (n_voters, n_classes, n_classes),
    expected votes. confusion : the same shape. pool : (n_classes, n_classes), axes [true, given],
    the matrix of a voter nobody has seen yet. prior : (n_classes,). weights : (n_voters, n_classes), the
    votes, expected ones and those of the prior, that each row of a matrix stands on. objective : what was climbed,
    once for each iteration that was kept. n_iter : passes over the votes.
    """

    posterior: FloatArray
    counts: FloatArray
    confusion: FloatArray
    pool: FloatArray
    prior: FloatArray
    weights: FloatArray
    objective: FloatArray
    n_iter: int
    converged: bool

    @property
    def reliability(self) -> FloatArray:
        """Expected share of right answers of each voter, (n_voters,)."""
        right: FloatArray = np.diagonal(self.confusion, axis1=1, axis2=2) @ self.prior
        return right
